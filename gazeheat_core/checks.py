"""Whether a study's data can be trusted to make a heatmap: yes or no, and a sentence each.

All is told from the tracks: the cells of the grid, the times, and what was counted when the
files were read. So an upload, the cache, processes and a cluster get the same answers. A sentence
that is no "yes" says what was found, what it means for a heatmap, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeheat_core.errors import many, percent, up_to, where
from gazeheat_core.exports.judging import FEW_FOR_SIZE, doubt_size, px
from gazeheat_core.model import IntArray
from gazeheat_core.selection import Counts, Selection, select
from gazeheat_core.settings import MEASURE, WEIGHT
from gazeheat_core.stuck import (
    FROZEN_S,
    Clump,
    Frozen,
    Moments,
    find_clump,
    find_frozen,
    look_at_moments,
    say_clumps,
    say_frozen,
    seconds,
)
from gazeheat_core.study import Study

# So many recordings are named; the others are counted.
MOST_NAMED = 20

# Fewer samples of a recording are no measure of it: a tenth of a second at 200 Hz.
FEW_SAMPLES = 20
# Of the detected samples. Gaze strays past a picture's border, and a mapper keeps little of it.
MOST_OUTSIDE = 0.2
# Of all samples. Who walks past a shelf looks elsewhere for a while; here it is most of the time.
MOST_UNDETECTED = 0.5
# Of all rows, as the reader has it for a whole file.
MOST_UNREADABLE = 0.01
# Of the time. Blinks leave gaps of some 100 ms, about 1 to 4 % of it.
MOST_IN_GAPS = 0.05
# How far the intervals of two trackers of the same kind are apart at most.
MOST_INTERVAL_APART = 0.1


# Fewer fixations of a recording do not tell the direction of an axis.
FEW_FIXATIONS = 5

_NO_SAMPLES = "There are no gaze samples, only fixations."
_NO_TIMES = "The times cannot be read, so this cannot be told."


@dataclass(frozen=True, slots=True)
class Check:
    """The answer to one question about a study's data.

    Attributes
    ----------
    slug : str
        Its name for programs.
    title : str
    severity : int
        0: fine. 1: good to know, the map is right as it is. 2: a part of the map is missing, or
        shows no gaze. 3: the map may be wrong as a whole.
    sentence : str
        One or a few; it holds no names.
    of : tuple of (str, str)
        A recording's label and what was found in it, the worst first. Empty where it is the
        same in all recordings, and in none. Labels are as they are in the file.
    more : int
        Further recordings that are not named.
    """

    slug: str
    title: str
    severity: int
    sentence: str
    of: tuple[tuple[str, str], ...] = ()
    more: int = 0

    @property
    def is_fine(self) -> bool:
        """Whether there is nothing to look at."""
        return self.severity == 0


def check_study(study: Study) -> tuple[Check, ...]:
    """Check the data of a study, all recordings and sections of it.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of Check
        The worst first, then what is fine.
    """
    total = np.zeros(study.grid.shape, np.int64)
    seen = tuple(_look(study, total))
    made = [
        _size(study, total, seen),
        *(check(seen) for check in _CHECKS),
        _unreadable(study, seen),
    ]
    return tuple(sorted(made, key=lambda check: -check.severity))


def summary(checks: Sequence[Check]) -> str:
    """Say in a few words how many checks there are to look at.

    Examples
    --------
    >>> summary([Check("gaps", "Gaps", 2, ""), Check("size", "Size", 0, "")])
    'Check the data: 1 thing to look at'
    >>> summary([Check("size", "Size", 0, "")])
    'Check the data: all fine'
    """
    count = sum(not check.is_fine for check in checks)
    if not count:
        return "Check the data: all fine"
    return f"Check the data: {many(count, 'thing')} to look at"


def as_json(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return the checks as the command line prints them, ready for JSON."""
    return [
        {
            "check": check.slug,
            "ok": check.is_fine,
            "sentence": check.sentence,
            "recordings": [
                {"recording": label, "sentence": sentence} for label, sentence in check.of
            ],
            "more_recordings": check.more,
        }
        for check in checks
    ]


# --- What is seen of a recording -----------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class _Seen:
    """What is to be told of a recording."""

    label: str
    # What `counts` are of: "sample" or "fixation".
    noun: str
    has_times: bool
    has_fixations: bool
    counts: Counts
    clump: Clump | None
    frozen: Frozen | None
    moments: Moments
    interval_ns: int
    no_time: int
    sections: int
    listed_twice: int
    overlapping: int
    compared: int
    corrected: int
    mirrored: int

    @property
    def detected(self) -> int:
        return self.counts.used + self.counts.outside

    @property
    def samples(self) -> int:
        return self.detected + self.counts.undetected

    @property
    def is_upside_down(self) -> bool:
        return self.compared >= FEW_FIXATIONS and 2 * self.mirrored > self.compared


def _look(study: Study, total: IntArray) -> Iterator[_Seen]:
    """Look at each recording; add its histogram to an array of the grid's shape."""
    size = study.grid.size if study.image is None else study.size()
    has_gaze = study.has_gaze
    asked = Selection() if has_gaze else Selection("fixation-count")
    for recording, histogram in zip(study.recordings, select(study, asked), strict=True):
        bins = histogram.bins
        total += bins
        sections, counts = recording.sections, histogram.counts
        moments = look_at_moments(recording.stretches, study.grid.outside)
        fixated = [one.fixations for one in sections if one.fixations is not None]
        tracks = [section.gaze for section in sections] if has_gaze else fixated
        listed_twice = sum(
            section.listed_twice if has_gaze else section.fixations_listed_twice
            for section in sections
        )
        yield _Seen(
            label=histogram.label,
            noun="sample" if has_gaze else "fixation",
            has_times=any(track.timed for track in tracks),
            has_fixations=any(map(len, fixated)),
            counts=counts,
            clump=find_clump(bins, size) if has_gaze else None,
            frozen=find_frozen(moments, counts.used, study.grid, size),
            moments=moments,
            interval_ns=recording.sampling_interval_ns,
            no_time=sum(len(track) - track.timed for track in tracks),
            sections=len(sections),
            listed_twice=listed_twice,
            overlapping=counts.listed_twice - listed_twice,
            compared=sum(section.fixations_compared for section in sections),
            corrected=sum(section.fixations_corrected for section in sections),
            mirrored=sum(section.fixations_mirrored for section in sections),
        )


# --- The checks ----------------------------------------------------------------------


def _check(
    slug: str,
    title: str,
    severity: int,
    sentence: str,
    found: Sequence[tuple[str, str]],
    of: int,
) -> Check:
    """Make a check that names recordings, unless it is the same in all of them."""
    if len(found) == of and len({told for _, told in found}) == 1:
        found = ()
    named = tuple(found[:MOST_NAMED])
    return Check(slug, title, severity, sentence, named, len(found) - len(named))


def _size(study: Study, total: IntArray, seen: Sequence[_Seen]) -> Check:
    """Check that the gaze spans the picture, as `doubt_size`."""

    def check(sentence: str, severity: int = 0) -> Check:
        return Check("size", "Size of picture and gaze", severity, sentence)

    if study.unit != "px":
        return check("Positions are parts of the surface, so a picture of any size fits.")
    used = int(total.sum())
    if used < FEW_FOR_SIZE:
        return check(f"{many(used, _noun(seen))} on the picture, too few to tell.")
    outside = sum(one.counts.outside for one in seen)
    doubt = doubt_size(study.grid, np.append(total.reshape(-1), [outside, 0]))
    if doubt:
        return check(doubt, 3)
    sides = zip((0, 1), total.shape[::-1], study.grid.size, strict=True)
    spans = []
    for axis, count, length in sides:
        some = np.flatnonzero(total.sum(axis=axis))
        spans.append(round((int(some[-1]) + 1 - int(some[0])) / count * length))
    what, spanned = _WHAT[_noun(seen)], px((spans[0], spans[1]))
    return check(f"The {what} {spanned} of the picture's {px(study.grid.size)}.")


def _no_gaze(seen: Sequence[_Seen]) -> Check:
    found = [one for one in seen if not one.counts.used]
    noun = _noun(seen)
    what = "gaze" if noun == "sample" else noun
    title = f"Recordings without {what if what == 'gaze' else 'fixations'}"
    if not found:
        has = "gaze" if what == "gaze" else "a fixation"
        return Check("no-gaze", title, 0, f"Every recording has {has} on the picture.")
    told = [(one.label, _none_on_it(one)) for one in found]
    # Those of a study that has gaze elsewhere.
    fixated = [one for one in found if noun == "sample" and one.has_fixations and not one.samples]
    if fixated:
        measure = MEASURE.titles["fixation-duration"].lower()
        sentence = (
            f"{_where(found, seen)}, no gaze lies on the picture: nothing of it is in the map. "
            f"{many(len(fixated), 'recording')} of these {'has' if len(fixated) == 1 else 'have'} "
            f"fixations only: choose the measure {measure} to have all in one map."
        )
        return _check("no-gaze", title, 2, sentence, told, len(seen))
    if noun == "fixation":
        sentence = (
            f"{_where(found, seen)}, no fixation lies on the picture: nothing of it is in the map. "
            "Check that the picture is the one that was looked at, or untick what has none."
        )
        return _check("no-gaze", title, 2, sentence, told, len(seen))
    sentence = (
        f"{_where(found, seen)}, no gaze lies on the picture: nothing of it is in the map. Check "
        "where the gaze was mapped that the picture was found there, or untick what has none."
    )
    return _check("no-gaze", title, 2, sentence, told, len(seen))


def _none_on_it(one: _Seen) -> str:
    if not one.samples and one.noun == "sample" and one.has_fixations:
        return "fixations only"
    return f"{many(one.samples, one.noun)}, none on the picture"


def _outside(seen: Sequence[_Seen]) -> Check:
    return _lost(
        seen,
        lambda one: (one.counts.outside, one.detected),
        "outside",
        "Gaze beside the picture",
        MOST_OUTSIDE,
        f"of the detected {_noun(seen)}s lie beside the picture",
        "They are not in the map. Check that the picture is the whole reference image and not "
        "cropped, or leave these recordings out.",
    )


def _undetected(seen: Sequence[_Seen]) -> Check:
    return _lost(
        seen,
        lambda one: (one.counts.undetected, one.samples),
        "undetected",
        "Gaze not detected",
        MOST_UNDETECTED,
        f"of the {_noun(seen)}s are not on the picture or were not found on it",
        "The map shows only the rest. Check where the gaze was mapped that the picture was found "
        "while it was looked at, or choose sections in which people look at it.",
    )


def _lost(
    seen: Sequence[_Seen],
    counted: Callable[[_Seen], tuple[int, int]],
    slug: str,
    title: str,
    most: float,
    what: str,
    remedy: str,
) -> Check:
    """Check how many samples of each recording are lost, of those that have some gaze at all."""
    shares = {
        one: count / of
        for one in seen
        if one.counts.used and (of := counted(one)[1]) >= FEW_SAMPLES and (count := counted(one)[0])
    }
    found = _worst([one for one in shares if shares[one] > most], shares.__getitem__)
    if not found:
        count, of = (sum(counted(one)[part] for one in seen) for part in (0, 1))
        most_in = f", at most {percent(max(shares.values()))} in a recording" if shares else ""
        sentence = f"{percent(count / max(of, 1))} {what}{most_in if len(seen) > 1 else ''}."
        return Check(slug, title, 0, sentence)
    sentence = f"{_where(found, seen)}, {up_to(percent(shares[found[0]]), found)} {what}. {remedy}"
    told = [
        (one.label, "{:,} of {:,} {}s, ".format(*counted(one), one.noun) + percent(shares[one]))
        for one in found
    ]
    return _check(slug, title, 2, sentence, told, len(seen))


def _clumps(seen: Sequence[_Seen]) -> Check:
    title = "Samples at one point"
    if _noun(seen) != "sample":
        return Check("clumps", title, 0, _NO_SAMPLES)
    clumps = {one: one.clump for one in seen if one.clump is not None}
    found = _worst(list(clumps), lambda one: clumps[one].share)
    if not found:
        return Check("clumps", title, 0, "No point has far more samples than the places around it.")
    told = [
        (
            one.label,
            f"{clumps[one].samples:,} of {clumps[one].of:,} samples, "
            f"{percent(clumps[one].share)}, at {clumps[one].place}",
        )
        for one in found
    ]
    sentence = say_clumps([clumps[one] for one in found], len(seen))
    return _check("clumps", title, 2, sentence, told, len(seen))


def _frozen(seen: Sequence[_Seen]) -> Check:
    title = "Gaze that stands still"
    frozen = {one: one.frozen for one in seen if one.frozen is not None}
    found = _worst(list(frozen), lambda one: one.moments.frozen_length)
    if not found and (unknown := _why_unknown(seen)):
        return Check("frozen", title, 0, unknown)
    if not found:
        return Check("frozen", title, 0, f"Nowhere does the gaze stand still for {FROZEN_S} s.")
    told = [
        (
            one.label,
            f"{many(one.moments.frozen, 'time')}, {seconds(one.moments.frozen_length)} in all, "
            f"first {seconds(one.moments.first_frozen or 0)} after the section's start",
        )
        for one in found
    ]
    sentence = say_frozen([frozen[one] for one in found], len(seen))
    return _check("frozen", title, 2, sentence, told, len(seen))


def _gaps(seen: Sequence[_Seen]) -> Check:
    title = "Gaps"
    gaps = sum(one.moments.gaps for one in seen)
    if not gaps and (unknown := _why_unknown(seen)):
        return Check("gaps", title, 0, unknown)
    if not gaps:
        return Check("gaps", title, 0, "Between samples there is no gap of more than 100 ms.")
    shares = {one: one.moments.gap_length / one.moments.length for one in seen if one.moments.gaps}
    found = _worst([one for one in shares if shares[one] > MOST_IN_GAPS], shares.__getitem__)
    if not found:
        ticks = sum(one.moments.gap_length for one in seen)
        share = ticks / sum(one.moments.length for one in seen)
        sentence = (
            f"{many(gaps, 'gap')} of more than 100 ms, {seconds(ticks)} in all: "
            f"{percent(share)} of the time."
        )
        return Check("gaps", title, 0, sentence)
    gaps = sum(one.moments.gaps for one in found)
    ticks = sum(one.moments.gap_length for one in found)
    sentence = (
        f"{_where(found, seen)}, {up_to(percent(shares[found[0]]), found)} of the time has no "
        f"samples: {many(gaps, 'gap')} of more than 100 ms, {seconds(ticks)} in all. What was "
        "looked at then is not in the map, nor in its seconds. Find out in the recording why "
        "samples are missing, and leave it out if the missing ones matter."
    )
    told = [
        (
            one.label,
            f"{many(one.moments.gaps, 'gap')}, {seconds(one.moments.gap_length)} in all, "
            f"{percent(shares[one])} of the time",
        )
        for one in found
    ]
    return _check("gaps", title, 2, sentence, told, len(seen))


def _interval(seen: Sequence[_Seen]) -> Check:
    """Check that all recordings have samples equally often, and that their times tell it."""
    if _noun(seen) != "sample":
        return Check("interval", "Sampling interval", 0, _NO_SAMPLES)
    told_by = [one for one in seen if one.interval_ns]
    usual = _usual(told_by)
    differing = [one for one in told_by if _is_apart(one.interval_ns, usual)]
    unknown = [one for one in seen if one.samples and not one.interval_ns]
    timeless = [one for one in told_by if one.no_time]
    sentences = []
    if differing:
        equal = WEIGHT.titles["recording"]
        sentences.append(
            f"{_where(differing, seen)}, samples are not as far apart as in the others: "
            f"{_intervals(told_by)}. Each sample counts once in a pooled map, so a recording with "
            f"more samples a second weighs more. Choose the weighting '{equal}'."
        )
    if unknown:
        sentences.append(
            f"{_where(unknown, seen)}, the times do not tell how far samples are apart. The map "
            "needs no times, but without them it has no seconds and no windows. Give the file as "
            "downloaded, not as saved by a spreadsheet."
        )
    if timeless:
        count = sum(one.no_time for one in timeless)
        sentences.append(
            f"{_where(timeless, seen)}, {many(count, 'sample')} without a time that can be read "
            "are in the map and in no window of time. Give the file as downloaded to have them."
        )
    title = "Sampling interval"
    if not sentences:
        said = f"Samples are {_intervals(told_by)} apart." if told_by else "There are no samples."
        return Check("interval", title, 0, said)
    told = [
        *((one.label, f"{_ms(one.interval_ns)} between samples") for one in differing),
        *((one.label, "unknown") for one in unknown),
        *((one.label, f"{many(one.no_time, 'sample')} without a time") for one in timeless),
    ]
    return _check("interval", title, 1, " ".join(sentences), told, len(seen))


def _usual(seen: Sequence[_Seen]) -> int:
    """Return the interval in the middle: it is that of most recordings, where most agree."""
    intervals = sorted(one.interval_ns for one in seen)
    return intervals[(len(intervals) - 1) // 2] if intervals else 0


def _is_apart(interval_ns: int, usual_ns: int) -> bool:
    return abs(interval_ns - usual_ns) > MOST_INTERVAL_APART * usual_ns


def _intervals(seen: Sequence[_Seen]) -> str:
    least, most = (_ms(edge(one.interval_ns for one in seen)) for edge in (min, max))
    return least if least == most else f"{least.removesuffix(' ms')} to {most}"


def _repeated(seen: Sequence[_Seen]) -> Check:
    title = "Rows listed twice"
    found = _worst([one for one in seen if one.listed_twice], lambda one: one.listed_twice)
    if not found and not _has_times(seen):
        return Check("repeated", title, 0, _NO_TIMES)
    if not found:
        return Check("repeated", title, 0, "No row of a section repeats another one.")
    count = sum(one.listed_twice for one in found)
    sentence = (
        f"{_where(found, seen)}, {many(count, 'row')} repeat another one. Each {_noun(seen)} "
        "counts once, so the map is right. Check that the file was not appended to itself, and "
        "that it is the one that was downloaded."
    )
    told = [(one.label, f"{one.listed_twice:,} of {one.counts.rows:,} rows") for one in found]
    return _check("repeated", title, 1, sentence, told, len(seen))


def _overlaps(seen: Sequence[_Seen]) -> Check:
    title = "Overlapping sections"
    found = _worst([one for one in seen if one.overlapping], lambda one: one.overlapping)
    if not found and not _has_times(seen) and any(one.sections > 1 for one in seen):
        return Check("overlaps", title, 0, _NO_TIMES)
    noun = _noun(seen)
    if not found:
        sentence = f"No two sections of a recording list the same {noun}."
        return Check("overlaps", title, 0, sentence)
    count = sum(one.overlapping for one in found)
    sentence = (
        f"{_where(found, seen)}, {many(count, noun)} are listed by more than one section. "
        "Together they count once, so the map is right. Sections that are ticked one by one share "
        "them: to compare sections, choose some that do not overlap."
    )
    told = [(one.label, many(one.overlapping, noun)) for one in found]
    return _check("overlaps", title, 1, sentence, told, len(seen))


def _corrected(seen: Sequence[_Seen]) -> Check:
    title = "Corrected fixations"
    # Upside down, all fixations lie elsewhere than their gaze, and none was corrected.
    told_by = [one for one in seen if not one.is_upside_down]
    compared = sum(one.compared for one in told_by)
    if not compared:
        sentence = "No fixations that can be compared with their gaze."
        return Check("corrected", title, 0, sentence)
    found = _worst([one for one in told_by if one.corrected], lambda one: one.corrected)
    if not found:
        sentence = f"All {compared:,} fixations that can be compared lie where their gaze lies."
        return Check("corrected", title, 0, sentence)
    count = sum(one.corrected for one in found)
    measures = [MEASURE.titles[one].lower() for one in ("fixation-duration", "fixation-count")]
    sentence = (
        f"{count:,} of {many(compared, 'fixation')} were corrected by hand. A map of gaze does not "
        "contain the correction. Choose a measure of fixations: {} or {}.".format(*measures)
    )
    told = [(one.label, f"{one.corrected:,} of {many(one.compared, 'fixation')}") for one in found]
    return _check("corrected", title, 1, sentence, told, len(seen))


def _upside_down(seen: Sequence[_Seen]) -> Check:
    title = "Direction of the y axis"
    found = _worst([one for one in seen if one.is_upside_down], lambda one: one.mirrored)
    if not found:
        if any(one.compared >= FEW_FIXATIONS for one in seen):
            sentence = "Fixations lie where their gaze lies, not upside down."
        else:
            sentence = "Too few fixations that can be compared with their gaze to tell."
        return Check("upside-down", title, 0, sentence)
    sentence = (
        f"{_where(found, seen)}, fixations lie nearer to their gaze turned upside down than to "
        "their gaze as it is. One of the two counts y from the bottom, and its map is upside "
        "down. See which of them fits the picture, and export the other one anew."
    )
    told = [(one.label, f"{one.mirrored:,} of {many(one.compared, 'fixation')}") for one in found]
    return _check("upside-down", title, 3, sentence, told, len(seen))


def _unreadable(study: Study, seen: Sequence[_Seen]) -> Check:
    title = "Rows that cannot be read"
    rows, unassigned = study.rows, study.unassigned_rows
    if not study.has_gaze:
        unassigned = study.unassigned_fixations
        rows = sum(one.counts.rows for one in seen) + unassigned
    count = sum(one.counts.unreadable for one in seen) + unassigned
    shares = {one: one.counts.unreadable / one.counts.rows for one in seen if one.counts.unreadable}
    found = _worst([one for one in shares if shares[one] > MOST_UNREADABLE], shares.__getitem__)
    is_lost = unassigned > MOST_UNREADABLE * rows
    if not (found or is_lost):
        sentence = f"{count:,} of {many(rows, 'row')} cannot be read and are left out."
        if not count:
            sentence = "All rows can be read."
        return Check("unreadable", title, 0, sentence)
    of_none = f", {unassigned:,} of them of no recording" if is_lost else ""
    sentence = (
        f"{count:,} of {many(rows, 'row')} cannot be read{of_none}. They are not in the map. "
        "Give the file as downloaded, not as saved by a spreadsheet."
    )
    told = [(one.label, f"{one.counts.unreadable:,} of {one.counts.rows:,} rows") for one in found]
    return _check("unreadable", title, 2, sentence, told, len(seen))


# In the order in which those of the same severity are shown.
_CHECKS = (
    _upside_down,
    _no_gaze,
    _outside,
    _undetected,
    _clumps,
    _frozen,
    _gaps,
    _interval,
    _corrected,
    _overlaps,
    _repeated,
)


# --- Words ---------------------------------------------------------------------------


def _worst(found: list[_Seen], measure: Callable[[_Seen], float]) -> list[_Seen]:
    return sorted(found, key=measure, reverse=True)


# How a sentence on what spans the picture goes on after "The".
_WHAT = {"sample": "gaze spans", "fixation": "fixations span"}


def _noun(seen: Sequence[_Seen]) -> str:
    return seen[0].noun if seen else "sample"


def _has_times(seen: Sequence[_Seen]) -> bool:
    """Tell whether a time can be told, or there is nothing that could have one."""
    return any(one.has_times for one in seen) or not any(one.samples for one in seen)


def _why_unknown(seen: Sequence[_Seen]) -> str:
    """Say why nothing is known of how samples follow each other; nothing where it is."""
    if _noun(seen) != "sample":
        return _NO_SAMPLES
    return "" if _has_times(seen) else _NO_TIMES


def _where(found: Sequence[_Seen], among: Sequence[_Seen]) -> str:
    return where(len(found), len(among))


def _ms(interval_ns: int) -> str:
    return f"{interval_ns / 1e6:,.1f} ms"
