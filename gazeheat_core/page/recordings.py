"""The recordings of a study: a box for each, drawn in the browser.

The browser filters, groups and ticks by itself. It says which recordings are ticked, always
all of them, so that of several messages the last one holds. What counts is the server's set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.page.component import component
from gazeheat_core.page.session import Opened, my_visit
from gazeheat_core.report import (
    further_wearer,
    recording_details,
    recording_facts,
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
    pooled = sum(one.counts.used for one in opened.pooled)
    groups = by_wearer(histograms)
    has_headings = any(group["wearer"] for group in groups)
    shares = [
        (one.counts.used / pooled if pooled else 0.0) if i in ticked else None
        for i, one in enumerate(histograms)
    ]
    return {
        "study": opened.number,
        "generation": opened.generation,
        "ticked": sorted(ticked),
        "groups": groups,
        "rows": [
            row(one, share, has_heading=has_headings)
            for one, share in zip(histograms, shares, strict=True)
        ],
        "filtered": len(histograms) > RECORDINGS_WITHOUT_FILTER,
        "mostRows": MOST_ROWS,
        "said": ticked_in_words(len(ticked), len(histograms), pooled),
    }


def row(
    histogram: gh.RecordingHistogram, share: float | None, *, has_heading: bool
) -> dict[str, Any]:
    """Return what a recording's row shows: its names, its facts, its part of the whole."""
    wearer = further_wearer(histogram)
    lines = (histogram.label, wearer, recording_details(histogram, share))
    return {
        "name": histogram.label,
        "wearer": "" if has_heading else wearer,
        "facts": recording_facts(histogram, share),
        "share": round(share or 0.0, 4),
        "whole": "\n".join(filter(None, lines)),
        "find": f"{histogram.label} {histogram.wearer} {histogram.id}",
    }


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
    if opened is None or generation != opened.generation or not isinstance(ticked, list):
        return
    count = len(opened.histograms)
    if all(type(i) is int and 0 <= i < count for i in ticked):
        opened.ticked = set(ticked)
