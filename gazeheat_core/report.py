"""What is said about heatmaps, in sentences.

Pure functions on values. The page and the command line show what they return; how a name is
kept from being read as Markdown is the page's own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache

from gazeheat_core.errors import listed, many
from gazeheat_core.heatmap import Heatmap, place_px
from gazeheat_core.library import ServerStudy
from gazeheat_core.model import Size
from gazeheat_core.scale import colour_scale, digits
from gazeheat_core.selection import (
    ALL_GAZE,
    Counts,
    RecordingHistogram,
    Selection,
    is_of_fixations,
    rows_of,
)
from gazeheat_core.settings import MEASURE, WEIGHT, Look, Measure
from gazeheat_core.study import Study

COUNTS_HELP = """
Every row of the file's gaze (or of its fixations, where these are counted) is in one of these:

- **samples** or **fixations**: on the picture; these make the heatmap, each counting once
- **outside**: detected, but beyond the picture's borders
- **undetected**: the gaze was not on the reference image, or not found
- **unreadable**: a cell that is no number
- **listed twice**: repeats a sample, which counts once
- **in no fixation**: where only samples in fixations are counted
- **at another time**: before or after the window; **without a time**: in no window
- **in other sections**: belongs to sections without a tick
- **not ticked**: belongs to recordings without a tick
"""

_MOST_NAMED = 5


def samples(count: int) -> str:
    """Say how many samples there are.

    Examples
    --------
    >>> samples(1), samples(1200)
    ('1 sample', '1,200 samples')
    """
    return many(count, "sample")


def recordings(count: int) -> str:
    """Say how many recordings there are.

    Examples
    --------
    >>> recordings(1), recordings(12)
    ('1 recording', '12 recordings')
    """
    return many(count, "recording")


def entries(count: int, measure: Measure) -> str:
    """Say how many entries of what is counted there are.

    Examples
    --------
    >>> entries(1, "gaze"), entries(1200, "fixation-count")
    ('1 sample', '1,200 fixations')
    """
    return many(count, _noun(measure))


def _noun(measure: Measure) -> str:
    return "fixation" if is_of_fixations(measure) else "sample"


def counted(study: Study, heatmap: Heatmap) -> str:
    """Say what became of every row of a study's gaze, or of its fixations.

    Parameters
    ----------
    study : Study
    heatmap : Heatmap
        Of its ticked recordings.

    Returns
    -------
    str
        One line of Markdown that holds no names.
    """
    counts, measure = heatmap.counts, heatmap.selection.measure
    rows, unassigned = rows_of(study, measure)
    if not heatmap.recordings:
        return (
            "No recording is ticked, so the picture is bare. "
            f"Tick one to see where its wearer looked. The file has {rows:,} rows."
        )
    not_ticked = rows - counts.rows - unassigned
    parts = [
        f"{counts.outside:,} outside",
        f"{counts.undetected:,} undetected",
        f"{counts.unreadable:,} unreadable",
        *(f"{count:,} {what}" for count, what in _left_out(counts) if count),
        *([f"{not_ticked:,} not ticked"] if not_ticked else []),
        *([f"{unassigned:,} of no recording"] if unassigned else []),
    ]
    pooled = recordings(heatmap.recordings)
    start = (
        f"**{entries(counts.used, measure)} of {pooled}**"
        if counts.used
        else f"{_nothing(heatmap)} of {pooled} lies on the picture, so it is bare: "
        f"{entries(0, measure)}"
    )
    return f"{start} · {' · '.join(parts)} = {rows:,} rows"


def _left_out(counts: Counts) -> list[tuple[int, str]]:
    """Return what is not in every line of counts, and how many rows it is."""
    return [
        (counts.listed_twice, "listed twice"),
        (counts.no_fixation, "in no fixation"),
        (counts.other_time, "at another time"),
        (counts.no_time, "without a time"),
        (counts.other_section, "in other sections"),
    ]


def _nothing(heatmap: Heatmap) -> str:
    asked = heatmap.selection
    what = "No fixation" if is_of_fixations(asked.measure) else "No gaze"
    return what if asked.window_s is None else f"{what} in this window"


def recording_lines(
    histograms: Iterable[RecordingHistogram],
    shares: Iterable[float | None],
    measure: Measure = "gaze",
) -> tuple[list[str], list[str]]:
    """Say how much each recording has, in a few characters and in full.

    Parameters
    ----------
    histograms : iterable of RecordingHistogram
    shares : iterable of float or None
        Their parts of all that is pooled, 0 to 1; None for one that is not.
    measure : str
        What is counted.

    Returns
    -------
    facts : list of str
        Minutes and seconds, if they can be told, and the share.
    details : list of str
        Entries on the picture, and the facts.
    """
    facts, details = [], []
    noun = _noun(measure)
    for one, share in zip(histograms, shares, strict=True):
        clock, much = _clock(one), many(one.counts.used, noun)
        if share is None:
            facts.append("not counted")
            details.append(f"{much} · {clock}not counted")
        else:
            facts.append(f"{clock}{share * 100:.0f} %")
            details.append(f"{much} · {facts[-1]} of the total")
    return facts, details


def _clock(histogram: RecordingHistogram) -> str:
    if histogram.duration_ns is None:
        return ""
    return _clock_of(round(histogram.duration_ns / 1e9))


@lru_cache(maxsize=10_000)
def _clock_of(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02} · "


def ticked_in_words(
    ticked: int,
    among: int,
    used: int,
    sections: tuple[int, int] | None = None,
    measure: Measure = "gaze",
) -> str:
    """Say how many recordings are ticked, and how many samples or fixations they have.

    Parameters
    ----------
    ticked, among : int
        Recordings that are ticked, and all of them.
    used : int
        Entries of what is counted.
    sections : (int, int) or None
        Sections that are ticked, and all of them, where a recording is ticked in part.
    measure : str
        What is counted.

    Examples
    --------
    >>> ticked_in_words(3, 4, 21040)
    '3 of 4 recordings, 21,040 samples'
    >>> ticked_in_words(3, 4, 21040, (5, 9))
    '3 of 4 recordings (5 of 9 sections), 21,040 samples'
    """
    part = f" ({sections[0]:,} of {sections[1]:,} sections)" if sections else ""
    return f"{ticked:,} of {recordings(among)}{part}, {entries(used, measure)}"


def further_wearer(histogram: RecordingHistogram) -> str:
    """Return the wearer's name where the recording's label does not hold it, else nothing."""
    wearer = histogram.wearer
    return "" if wearer in histogram.label.split(" · ") else wearer


_THE_MOST: dict[Measure, str] = {
    "gaze": "The longest gaze is",
    "fixation-gaze": "The longest gaze in fixations is",
    "fixation-duration": "The longest fixation time is",
    "fixation-count": "The most fixations are",
}


def described(name: str, size: Size, heatmap: Heatmap) -> str:
    """Describe the heatmap over its picture to someone who cannot see it.

    Parameters
    ----------
    name : str
        Of the export.
    size : (int, int)
        Width and height of the reference image, in pixels.
    heatmap : Heatmap
    """
    if heatmap.peak is None:
        return f"The reference image of {name}, without a heatmap."
    x, y = place_px(heatmap, size)
    across = ("on the left", "in the middle", "on the right")[int(3 * x / size[0])]
    down = ("at the top", "halfway down", "at the bottom")[int(3 * y / size[1])]
    return (
        f"Heatmap over the reference image of {name}, from "
        f"{entries(heatmap.counts.used, heatmap.selection.measure)} of "
        f"{recordings(heatmap.recordings)}. "
        f"{_THE_MOST[heatmap.selection.measure]} {across}, {down}: "
        f"x {x:,.0f} px, y {y:,.0f} px. Half the "
        f"{'most' if is_of_fixations(heatmap.selection.measure) else 'longest'} or more covers "
        f"{(heatmap.values >= 0.5).mean() * 100:.0f} % of the picture."
    )


def meaning(heatmap: Heatmap, size: Size, look: Look | None = None) -> str:
    """Say what the hottest place stands for, and where it is; nothing without gaze.

    Parameters
    ----------
    heatmap : Heatmap
    size : (int, int)
        Width and height of the reference image, in pixels.
    look : Look, optional
        Its unit and its top; by default % of the maximum.
    """
    peak, look = heatmap.peak, look or Look()
    if peak is None:
        return ""
    x, y = place_px(heatmap, size)
    where = "within the blur" if heatmap.scale else "in one bin"
    place = f"at x {x:,.0f}, y {y:,.0f} px"
    if look.unit == "share":
        start = f"The most is {digits(100 * peak.share)} % of all {_counted(heatmap)}"
    elif look.unit == "seconds":
        start = f"The most is {_much(heatmap)}"
    else:
        start = f"100 % = {_much(heatmap)}"
    untold = peak.seconds is None and heatmap.selection.measure != "fixation-count"
    told = f"{start} {where}, {place}{_UNTOLD if untold else ''}."
    if not look.top:
        return told
    scale = colour_scale(heatmap, look)
    above = "; what lies above has the last colour" if scale.is_exceeded else ""
    return f"{told} The colours end at {scale.text(scale.top)}{above}."


_UNTOLD = " (the file's times do not tell seconds)"


def _much(heatmap: Heatmap) -> str:
    """Say how much there is at the hottest place."""
    peak, what = heatmap.peak, _counted(heatmap)
    assert peak is not None
    if heatmap.selection.measure == "fixation-count":
        return f"{digits(peak.amount)} {what}"
    if peak.seconds is None:
        return f"{peak.amount:,.0f} samples of {what}"
    return f"{_seconds(peak.seconds)} of {what}"


def _counted(heatmap: Heatmap) -> str:
    return {
        "gaze": "gaze",
        "fixation-gaze": "gaze in fixations",
        "fixation-duration": "fixations",
        "fixation-count": "fixations",
    }[heatmap.selection.measure]


def weighting(
    pooled: Iterable[RecordingHistogram],
    selection: Selection = ALL_GAZE,
    written: Callable[[str], str] = str,
) -> str:
    """Say which say each recording has, where that is not what a reader expects.

    Pooled: which of several supplies more than half of the heatmap, if one. With equal weights:
    that they are, and who has no say.

    Parameters
    ----------
    pooled : iterable of RecordingHistogram
    selection : Selection
        What the histograms were selected by.
    written : callable
        Returns how a name stands in the sentence; as it is, unless said otherwise.
    """
    chosen = list(pooled)
    if selection.weight == "pooled":
        return dominance(chosen, written, selection.measure)
    of_wearers = selection.weight == "wearer"
    groups: dict[str, int] = {}
    for one in chosen:
        group = one.wearer if of_wearers and one.wearer else one.label
        groups[group] = groups.get(group, 0) + one.amount
    silent = [written(group) for group, amount in groups.items() if not amount]
    who = "wearer" if of_wearers else "recording"
    verb = "has" if len(silent) == 1 else "have"
    return (f"Each {who} has the same say." if groups else "") + (
        f" {listed(silent, _MOST_NAMED, '')} {verb} nothing here, and so no say." if silent else ""
    )


def dominance(
    pooled: Iterable[RecordingHistogram],
    written: Callable[[str], str] = str,
    measure: Measure = "gaze",
) -> str:
    """Say which of several pooled recordings supplies more than half of the heatmap, if one.

    Parameters
    ----------
    pooled : iterable of RecordingHistogram
    written : callable
        Returns how its name stands in the sentence; as it is, unless said otherwise.
    """
    chosen = list(pooled)
    amount = sum(one.amount for one in chosen)
    what = {"gaze": "samples", "fixation-gaze": "samples", "fixation-duration": "fixation time"}
    for one in chosen:
        if len(chosen) > 1 and 2 * one.amount > amount:
            share = 100 * one.amount / amount
            of = what.get(measure, "fixations")
            return f"{written(one.label)} alone supplies {share:.0f} % of the {of}."
    return ""


def asked_in_words(selection: Selection) -> str:
    """Say in a few words what is counted and when, as the title of its group of settings.

    Examples
    --------
    >>> asked_in_words(Selection())
    'Gaze · pooled · whole section'
    >>> asked_in_words(Selection("fixation-count", "wearer", (2, 7.5)))
    'Fixations by number · equal for each wearer · 2 to 7.5 s'
    """
    parts = [
        MEASURE.titles[selection.measure],
        WEIGHT.titles[selection.weight].lower(),
        when_in_words(selection) or "whole section",
    ]
    return " · ".join(parts)


def when_in_words(selection: Selection) -> str:
    """Say which window of time is counted; nothing for the whole."""
    if selection.window_s is None:
        return ""
    return "{:g} to {:g} s".format(*selection.window_s)


def _seconds(seconds: float) -> str:
    """Write a duration with three digits that count.

    Examples
    --------
    >>> [_seconds(s) for s in (0.0512, 1.234, 12.44, 123.4, 1234.0)]
    ['0.0512 s', '1.23 s', '12.4 s', '123 s', '1,234 s']
    """
    return f"{seconds:,.0f} s" if seconds >= 999.5 else f"{seconds:#.3g}".rstrip(".") + " s"


def server_study_line(study: ServerStudy) -> str:
    """Say what a study on the server is, in the list of those that can be opened."""
    facts = [
        study.name,
        study.kind,
        *([recordings(study.recordings)] if study.recordings else []),
        f"{study.size_bytes / 1e6:,.0f} MB",
        f"{datetime.fromtimestamp(study.modified_s):%Y-%m-%d}",
        study.shown_path,
    ]
    return " · ".join(facts)
