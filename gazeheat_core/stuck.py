"""Gaze that is stuck: many samples at one point, or for seconds in one bin.

Programs write lost gaze as (0, 0) or as the middle of the screen, and trackers repeat the last
sample. Nothing in the file tells it from gaze, so it is counted like all other samples, and said:
when a study is opened, and where its data are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gazeheat_core.errors import many, percent, up_to, where
from gazeheat_core.grid import Grid
from gazeheat_core.model import LONGER_SIDE_BINS, IntArray, Size
from gazeheat_core.tracks import LONGEST_INTERVAL, TICKS_A_SECOND, Track

# A bin is 1/300 of the picture's side. A long fixation fills some bins evenly, since eyes and
# trackers tremble: the fullest bin near a clump has a tenth of it, or less.
CLUMP_SHARE = 0.05
CLUMP_TIMES = 10
# How far around that is in bins. Positions that are rounded to a hundredth lie 3 bins apart.
CLUMP_REACH = 3
# Fewer samples at one point may well be a glance: half a second at 200 Hz.
FEW_AT_A_POINT = 100

# Fixations last 0.2 to 0.6 s, and next to none 2 s, in which the eyes would drift out of a bin.
FROZEN_S = 2

# Samples worked on at a time: few enough to stay in the processor's cache.
_AT_A_TIME = 2**16

# The beginning of a section, in ticks since the Unix epoch, and its gaze.
SectionGaze = tuple[int, Track]


class Clump(NamedTuple):
    """A point at which far more samples lie than around it."""

    place: str
    samples: int
    of: int

    @property
    def share(self) -> float:
        """Part of the recording's samples on the picture."""
        return self.samples / self.of


@dataclass(slots=True)
class Moments:
    """What the samples of a recording tell in their order; times are in ticks."""

    length: int = 0
    gaps: int = 0
    gap_length: int = 0
    frozen: int = 0
    frozen_length: int = 0
    frozen_samples: int = 0
    # How long the longest frozen run is, and its bin.
    longest: tuple[int, int] = (0, 0)
    # After the beginning of its section; None without a frozen run.
    first_frozen: int | None = None


class Frozen(NamedTuple):
    """Gaze of a recording that stands still for long."""

    moments: Moments
    place: str
    of: int


# --- Found in one recording ----------------------------------------------------------


def find_clump(bins: IntArray, size: Size) -> Clump | None:
    """Find the fullest bin that stands out from those around it.

    Parameters
    ----------
    bins : int64 array, shape (rows, columns)
        The samples of a recording on the picture.
    size : (int, int)
        Width and height of the picture, in pixels.
    """
    # On a small picture, positions in whole pixels lie several bins apart.
    reach = max(CLUMP_REACH, -(-LONGER_SIDE_BINS // max(size)))
    most = int(bins.max())
    if most < FEW_AT_A_POINT:
        return None
    used = int(bins.sum())
    least = max(FEW_AT_A_POINT, int(CLUMP_SHARE * used) + 1)
    if most < least:
        return None
    places = np.flatnonzero(bins.reshape(-1) >= least)
    for place in sorted(places.tolist(), key=lambda place: -bins.flat[place]):
        row, column = divmod(place, bins.shape[1])
        around = bins[
            max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1
        ]
        samples = int(bins[row, column])
        # The bin itself is the fullest of them, so the next one is the last but one.
        next_one = int(np.partition(around, -2, axis=None)[-2]) if around.size > 1 else 0
        if samples > CLUMP_TIMES * next_one:
            return Clump(_place(place, bins.shape, size), samples, used)
    return None


def find_frozen(moments: Moments, used: int, grid: Grid, size: Size) -> Frozen | None:
    """Return what is to be said of frozen gaze; None without any.

    Parameters
    ----------
    moments : Moments
    used : int
        Samples of the recording on the picture.
    grid : Grid
    size : (int, int)
        Width and height of the picture, in pixels.
    """
    if not moments.frozen:
        return None
    return Frozen(moments, _place(moments.longest[1], grid.shape, size), used)


def _place(cell: int, shape: tuple[int, int], size: Size) -> str:
    """Say which pixels a bin holds.

    Examples
    --------
    >>> _place(0, (200, 300), (300, 200)), _place(0, (225, 300), (1600, 1200))
    ('x 0, y 0 px', 'x 0 to 5, y 0 to 5 px')
    """
    said = []
    for number, count, side in zip(divmod(cell, shape[1])[::-1], shape[::-1], size, strict=True):
        first, last = int(number * side / count), int((number + 1) * side / count)
        said.append(f"{first:,} to {last:,}" if last > first + 1 else f"{first:,}")
    return "x {}, y {} px".format(*said)


def look_at_moments(sections: Iterable[SectionGaze], outside: int) -> Moments:
    """Look at the samples of a recording in their order, each once.

    Parameters
    ----------
    sections : iterable of (int, Track)
        Where each begins, and its gaze.
    outside : int
        The first code that is no bin.
    """
    found = Moments()
    for start, gaze, first in _each_once(sections):
        # From the last sample that is known: what lies between it and the next may be a gap.
        track = gaze.part(max(0, first - 1), gaze.timed)
        _walk(found, track, outside, track.zero - start)
    return found


def _count_once(sections: Sequence[SectionGaze], grid: Grid) -> IntArray:
    """Count the samples of a recording for each code, each once."""
    codes = np.zeros(grid.codes, np.int64)
    for _, gaze, first in _each_once(sections):
        gaze.part(first, gaze.timed).add_to(codes)
    for _, gaze in sections:
        gaze.part(gaze.timed, len(gaze)).add_to(codes)
    return codes


def _each_once(sections: Iterable[SectionGaze]) -> Iterator[tuple[int, Track, int]]:
    """Yield a recording's sections, and where in each begins what none before has.

    All of this is about the samples that have a time.
    """
    spans = [(gaze.span, start, gaze) for start, gaze in sections]
    timed = [(span, start, gaze) for span, start, gaze in spans if span is not None]
    reached: int | None = None
    for span, start, gaze in sorted(timed, key=lambda one: one[0]):
        first = 0
        if reached is not None and span[0] <= reached:
            if span[1] <= reached:
                continue
            first = gaze.bounds(reached + 1, reached + 1)[0]
        reached = span[1]
        yield start, gaze, first


def _walk(found: Moments, track: Track, outside: int, zero: int) -> None:
    """Add what the samples of a track tell, all of which have a time.

    Parameters
    ----------
    found : Moments
    track : Track
    outside : int
        The first code that is no bin.
    zero : int
        Ticks from the beginning of the section to the track's zero.
    """
    count = len(track)
    # The position at which the run that goes on began.
    began = 0
    found.length += int(track.time[-1]) - int(track.time[0])
    frozen = FROZEN_S * TICKS_A_SECOND
    for start in range(0, count, _AT_A_TIME):
        time, cell = (column[start : start + _AT_A_TIME + 1] for column in (track.time, track.cell))
        apart = np.diff(time)
        is_gap = apart > LONGEST_INTERVAL
        gaps = int(np.count_nonzero(is_gap))
        if gaps:
            found.gaps += gaps
            found.gap_length += int(apart[is_gap].sum(dtype=np.int64))
        # The last sample of each run that ends here: another bin follows, a gap, or nothing.
        last = np.flatnonzero((cell[1:] != cell[:-1]) | is_gap) + start
        if start + _AT_A_TIME >= count:
            last = np.append(last, count - 1)
        if not len(last):
            continue
        begins = np.concatenate([[began], last[:-1] + 1])
        lengths = track.time[last] - track.time[begins]
        for i in np.flatnonzero(lengths >= frozen).tolist():
            place, length = int(track.cell[last[i]]), int(lengths[i])
            if place < outside:
                found.frozen += 1
                found.frozen_length += length
                found.frozen_samples += int(last[i] - begins[i]) + 1
                found.longest = max(found.longest, (length, place))
                if found.first_frozen is None:
                    found.first_frozen = zero + int(track.time[begins[i]])
        began = int(last[-1]) + 1


# --- Said of all of them -------------------------------------------------------------


def say_stuck(
    title: str, recordings: Sequence[Sequence[SectionGaze]], grid: Grid, size: Size
) -> list[str]:
    """Say which gaze is stuck, for someone who opens a study.

    Parameters
    ----------
    title : str
        Of the study.
    recordings : sequence of sequence of (int, Track)
        The sections of each: where it begins, and its gaze.
    grid : Grid
    size : (int, int)
        Width and height of the picture, in pixels.

    Returns
    -------
    list of str
        Notices for the user.
    """
    clumps, frozen = [], []
    for sections in recordings:
        if sum(len(gaze) for _, gaze in sections) < FEW_AT_A_POINT:
            continue
        bins = _count_once(sections, grid)[: grid.outside].reshape(grid.shape)
        clumps.append(find_clump(bins, size))
        moments = look_at_moments(sections, grid.outside)
        frozen.append(find_frozen(moments, int(bins.sum()), grid, size))
    points = [clump for clump in clumps if clump is not None]
    stills = [one for one in frozen if one is not None]
    notices = []
    if points:
        notices.append(f"{title}: {say_clumps(points, len(recordings))}")
    if stills:
        notices.append(f"{title}: {say_frozen(stills, len(recordings))}")
    return notices


def say_clumps(clumps: Sequence[Clump], recordings: int) -> str:
    """Say that recordings have clumps.

    Parameters
    ----------
    clumps : sequence of Clump
        One of each such recording, at least one.
    recordings : int
        Of the study.
    """
    worst = max(clumps, key=lambda clump: clump.share)
    is_same = len({clump.place for clump in clumps}) == 1
    samples, of = sum(one.samples for one in clumps), sum(one.of for one in clumps)
    return (
        f"{where(len(clumps), recordings)}, one point has "
        f"{up_to(percent(worst.share), clumps)} of the samples, and next to none lie around it, "
        f"{'' if is_same else 'in the worst of them '}at {worst.place}. These are {samples:,} of "
        f"{many(of, 'sample')}, and they are counted. "
        "That is mostly what a program writes for lost gaze, and makes a hot spot where nobody "
        "looked. Find out what wrote it, and export the gaze without it."
    )


def say_frozen(frozen: Sequence[Frozen], recordings: int) -> str:
    """Say that the gaze of recordings stands still.

    Parameters
    ----------
    frozen : sequence of Frozen
        One of each such recording, at least one.
    recordings : int
        Of the study.
    """
    times = sum(one.moments.frozen for one in frozen)
    ticks = sum(one.moments.frozen_length for one in frozen)
    samples, of = sum(one.moments.frozen_samples for one in frozen), sum(one.of for one in frozen)
    longest = max(frozen, key=lambda one: one.moments.longest)
    return (
        f"{where(len(frozen), recordings)}, the gaze stands still for {FROZEN_S} s or more: "
        f"{many(times, 'time')}, {seconds(ticks)} in all. These are {samples:,} of "
        f"{many(of, 'sample')}, {percent(samples / of)}, longest at {longest.place}, and they are "
        "counted. Eyes drift, so the tracker or a program may have repeated a sample, and the map "
        "is too hot there. Look at these moments in the recording; where the eyes moved, leave it "
        "out."
    )


def seconds(ticks: int) -> str:
    """Write a length of time.

    Examples
    --------
    >>> seconds(12_340)
    '1.2 s'
    """
    return f"{ticks / TICKS_A_SECOND:,.1f} s"
