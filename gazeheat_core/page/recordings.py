"""The recordings of a study: a box for each, drawn in the browser.

The browser filters, groups and ticks by itself. It says which recordings are ticked, always
all of them, so that of several messages the last one holds; and of those that are ticked in
part, which sections. What counts is what the server holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.page.component import component
from gazeheat_core.page.session import Opened, my_visit
from gazeheat_core.report import (
    further_wearer,
    recording_lines,
    ticked_in_words,
)

# With more recordings than that, there is a filter.
RECORDINGS_WITHOUT_FILTER = 12
# The most rows that are drawn; the filter finds the others.
MOST_ROWS = 500
KEY = "recordings"


def picker(opened: Opened) -> None:
    """Show a box for each recording."""
    component("recordings")(data=told(opened), key=KEY, on_ticked_change=take_ticks)


def told(opened: Opened) -> dict[str, Any]:
    """Return what the browser is told of the recordings, ready for JSON."""
    histograms, ticked = opened.histograms, opened.ticked
    assert opened.pool is not None
    pooled = sum(one.counts.used for one in opened.pooled)
    asked = opened.pool.selection
    measure, parts = asked.measure, gh.shares(histograms, ticked, asked.weight)
    shares = [parts.get(i) for i in range(len(histograms))]
    facts, details = recording_lines(histograms, shares, measure)
    return {
        "study": opened.number,
        "generation": opened.generation,
        "ticked": sorted(ticked),
        # By column, since the names of a thousand rows' keys take longer than what is in them.
        **known_people(opened)._asdict(),
        "facts": facts,
        "details": details,
        "shares": [round(share or 0.0, 4) for share in shares],
        "filtered": len(histograms) > RECORDINGS_WITHOUT_FILTER,
        "mostRows": MOST_ROWS,
        "said": ticked_in_words(
            len(ticked), len(histograms), pooled, counted_sections(opened), measure
        ),
        "sections": sections_told(opened),
    }


def sections_told(opened: Opened) -> dict[str, Any] | None:
    """Return what the browser is told of the sections; None where no recording has several.

    Returns
    -------
    dict or None
        What `section_table` returns, and `partial`: each recording that is ticked in part, with
        its ticked sections.
    """
    study = opened.export
    if not isinstance(study, gh.Study) or max(opened.section_counts, default=0) < 2:
        return None
    table = _tables.get(study)
    if table is None:
        table = _tables[study] = section_table(study)
    partial = [[i, sorted(places)] for i, places in sorted(opened.sections.items())]
    return {**table, "partial": partial}


# A tick needs them again.
_tables: WeakKeyDictionary[gh.Study, dict[str, Any]] = WeakKeyDictionary()


def section_table(study: gh.Study) -> dict[str, Any]:
    """List the sections of a study.

    Returns
    -------
    dict
        `events`: each pair of a start and an end event, once, in order of first appearance.
        For each recording `of`, positions in `events`, and `seconds`, one for each section;
        None where they cannot be told.
    """
    events: dict[tuple[str, str], int] = {}
    return {
        "of": [
            [
                events.setdefault((section.start_event, section.end_event), len(events))
                for section in one.sections
            ]
            for one in study.recordings
        ],
        "seconds": [
            [
                None if section.duration_ns is None else round(section.duration_ns / 1e9)
                for section in one.sections
            ]
            for one in study.recordings
        ],
        "events": list(events),
    }


def counted_sections(opened: Opened) -> tuple[int, int] | None:
    """Return how many sections are ticked, and of how many; None without a part of one."""
    if not opened.sections:
        return None
    counts = opened.section_counts
    ticked = sum(len(opened.sections.get(i, range(counts[i]))) for i in opened.ticked)
    return ticked, sum(counts)


class People(NamedTuple):
    """What the rows of a study show, whatever is ticked and counted.

    Attributes
    ----------
    groups : list of dict
        As of `by_wearer`.
    names, wearers : list of str
        Of each recording; a wearer whom the name does not hold.
    finds : list of str
        What the filter looks into.
    """

    groups: list[dict[str, Any]]
    names: list[str]
    wearers: list[str]
    finds: list[str]

    @classmethod
    def of(cls, histograms: Sequence[gh.RecordingHistogram]) -> People:
        """Take it from all recordings."""
        return cls(
            by_wearer(histograms),
            [one.label for one in histograms],
            [*map(further_wearer, histograms)],
            [f"{one.label} {one.wearer} {one.id}" for one in histograms],
        )


# A tick needs them again.
_people: WeakKeyDictionary[gh.Study, People] = WeakKeyDictionary()


def known_people(opened: Opened) -> People:
    """Return what is the same at every tick of an open study."""
    study = opened.study
    if study not in _people:
        _people[study] = People.of(opened.histograms)
    return _people[study]


def by_wearer(histograms: Sequence[gh.RecordingHistogram]) -> list[dict[str, Any]]:
    """Group the positions of recordings by wearer, where a wearer has several.

    Returns
    -------
    list of dict
        For each group `wearer` and `rows`. The wearer is empty for the recordings without
        one, which come first, and for all where no wearer has more than one.
    """
    groups: dict[str, list[int]] = {"": []}
    for i, one in enumerate(histograms):
        groups.setdefault(one.wearer, []).append(i)
    if not any(wearer and len(rows) > 1 for wearer, rows in groups.items()):
        groups = {"": list(range(len(histograms)))}
    return [{"wearer": wearer, "rows": rows} for wearer, rows in groups.items() if rows]


def take_ticks() -> None:
    """Tick what the browser says is ticked; what makes no sense or is out of date is passed over.

    The study is named in the message, since another can be chosen by now.
    """
    message = st.session_state[KEY].get("ticked")
    if not isinstance(message, dict):
        return
    number, generation, ticked = (message.get(key) for key in ("study", "generation", "ticked"))
    opened = my_visit().opened.get(number) if type(number) is int else None
    if opened is None or generation != opened.generation:
        return
    recordings = positions(ticked, len(opened.histograms))
    if recordings is None:
        return
    sections = parts(message.get("sections", []), recordings, opened.section_counts)
    if sections is not None:
        opened.ticked, opened.sections = recordings, sections


def positions(value: object, count: int) -> set[int] | None:
    """Return the positions, among so many, that a message lists; None where it makes no sense."""
    if isinstance(value, list) and all(type(i) is int and 0 <= i < count for i in value):
        return set(value)
    return None


def parts(value: object, ticked: set[int], counts: Sequence[int]) -> dict[int, set[int]] | None:
    """Return the ticked sections of recordings that are ticked in part, as a message lists them.

    Parameters
    ----------
    value : object
        A list of pairs where it makes sense: a recording, and some of its sections.
    ticked : set of int
        The recordings that are ticked.
    counts : sequence of int
        How many sections each recording has.

    Returns
    -------
    dict or None
        As `Opened.sections`; None where the list makes no sense.
    """
    if not isinstance(value, list):
        return None
    found: dict[int, set[int]] = {}
    for pair in value:
        i, places = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
        if type(i) is not int or i not in ticked or i in found:
            return None
        some = positions(places, counts[i])
        if some is None or not 0 < len(some) < counts[i]:
            return None
        found[i] = some
    return found
