"""What is asked of a study: one histogram for each recording, and their sum.

A recording's ticked sections are cut to the window and counted; an entry that two of them
list counts once. All that follows works on these histograms and does not depend on the
number of samples.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from gazeheat_core.grid import Cells, Grid
from gazeheat_core.model import Export, IntArray, recording_labels
from gazeheat_core.study import SectionTracks, Study, track_export
from gazeheat_core.tracks import TICK_NS, Track, join, no_track

Measure: TypeAlias = Literal[
    "gaze", "gaze in fixations", "fixations by duration", "fixations by number"
]
# Whether a measure is of fixations, and whether an entry counts with its value.
_KINDS: dict[Measure, tuple[bool, bool]] = {
    "gaze": (False, False),
    "gaze in fixations": (False, True),
    "fixations by duration": (True, True),
    "fixations by number": (True, False),
}

# The most that the histograms of an open study may take.
KEPT_BYTES = 64_000_000
# Entries of a recording that are counted as fast as a kept histogram is added.
_COUNTED_ANEW = 2**13
_TICKS_A_SECOND = 1_000_000_000 // TICK_NS


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of gaze; the parts add up to `rows`.

    Attributes
    ----------
    used : int
        Samples on the reference image: they make the heatmap.
    outside : int
        Detected, but beyond the picture's borders.
    undetected : int
        The gaze was not on the reference image, or not found.
    unreadable : int
        Rows with cells that cannot be read.
    listed_twice : int
        Rows that repeat a sample, which counts once.
    """

    used: int = 0
    outside: int = 0
    undetected: int = 0
    unreadable: int = 0
    listed_twice: int = 0

    @property
    def rows(self) -> int:
        """Rows of gaze in the file."""
        return self.used + self.outside + self.undetected + self.unreadable + self.listed_twice

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.used + other.used,
            self.outside + other.outside,
            self.undetected + other.undetected,
            self.unreadable + other.unreadable,
            self.listed_twice + other.listed_twice,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked of a study.

    Attributes
    ----------
    measure : "gaze", "gaze in fixations", "fixations by duration" or "fixations by number"
        What is counted. Fixations by duration are in milliseconds.
    window_s : (float, float) or None
        Seconds after each section's beginning: the first is included, the second is not.
        None for the whole.
    sections : set of (int, int) or None
        Positions of recordings and of their sections; None for all.
    """

    measure: Measure = "gaze"
    window_s: tuple[float, float] | None = None
    sections: frozenset[tuple[int, int]] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class RecordingHistogram:
    """One recording, reduced to what a heatmap needs.

    Attributes
    ----------
    id, name, wearer, label : str
        `label` tells the recordings of an export apart.
    duration_ns : int
        Time from first to last sample, added up over the sections.
    sampling_interval_ns : int
        The time that a sample stands for; 0 where the times tell nothing.
    counts : Counts
    shape : (int, int)
        Rows and columns of the grid.
    add : callable
        Adds the histogram to an array, as often as it is told. It may count anew each time.
    """

    id: str
    name: str
    wearer: str
    label: str
    duration_ns: int
    sampling_interval_ns: int
    counts: Counts
    shape: tuple[int, int]
    add: Callable[[IntArray, int], None]

    @property
    def bins(self) -> npt.NDArray[np.uint32]:
        """Entries in each bin, of the grid's shape; row 0 is the top."""
        total = np.zeros(self.shape, np.int64)
        self.add(total.reshape(-1), 1)
        return total.astype(np.uint32)

    @property
    def rows(self) -> int:
        """Rows of gaze in the file, the unreadable ones among them."""
        return self.counts.rows


def select(study: Study, selection: Selection = Selection()) -> tuple[RecordingHistogram, ...]:
    """Take the histogram of every recording of a study, in its order.

    Parameters
    ----------
    study : Study
    selection : Selection
        By default all gaze.
    """
    kept, grid = _Kept(), study.grid
    shape, outside = grid.shape, grid.outside
    labels = recording_labels(study.recordings)
    histograms = []
    for position, (recording, label) in enumerate(zip(study.recordings, labels, strict=True)):
        sections = [
            section
            for place, section in enumerate(recording.sections)
            if selection.sections is None or (position, place) in selection.sections
        ]
        count = partial(count_codes, sections, grid, selection)
        if sum(len(section.gaze) for section in sections) <= _COUNTED_ANEW:
            kinds, listed_twice = _count_few(sections, outside, selection)
            add = partial(_add_few, sections, outside, selection)
        else:
            codes, listed_twice = count()
            kinds = [int(codes[:outside].sum()), *codes[outside:].tolist()]
            kept.keep(position, codes[:outside])
            add = partial(kept.add, position, count)
        histograms.append(
            RecordingHistogram(
                id=recording.id,
                name=recording.name,
                wearer=recording.wearer,
                label=label,
                duration_ns=recording.duration_ns,
                sampling_interval_ns=recording.sampling_interval_ns,
                counts=Counts(
                    used=kinds[0],
                    outside=kinds[1],
                    undetected=kinds[2],
                    unreadable=sum(section.unreadable for section in sections),
                    listed_twice=listed_twice + sum(section.listed_twice for section in sections),
                ),
                shape=shape,
                add=add,
            )
        )
    return tuple(histograms)


def bin_recordings(export: Export) -> tuple[RecordingHistogram, ...]:
    """Take the histogram of every recording of an export, in its order: all gaze.

    Raises
    ------
    PictureMissingError
        When the export has no picture yet, so that there is no grid.
    """
    return select(track_export(export))


def count_codes(
    sections: Sequence[SectionTracks], grid: Grid, selection: Selection
) -> tuple[IntArray, int]:
    """Count what is asked of sections of one recording.

    Returns
    -------
    codes : int64 array, shape (grid.codes,)
        For each bin, then outside, then undetected.
    listed_twice : int
        Entries of several sections that count once.
    """
    tracks, listed_twice = _joined(sections, selection)
    codes = np.zeros(grid.codes, np.int64)
    for track in tracks:
        track.add_to(codes, weighted=_KINDS[selection.measure][1])
    return codes, listed_twice


def _joined(sections: Sequence[SectionTracks], selection: Selection) -> tuple[list[Track], int]:
    """Cut sections to the window; those that share some time become one."""
    of_fixations, _ = _KINDS[selection.measure]
    tracks = [
        track if selection.window_s is None else _cut(track, section.start, *selection.window_s)
        for section in sections
        for track in (section.fixations if of_fixations else section.gaze,)
        if track is not None
    ]
    joined = [join(together) for together in _overlapping(tracks)]
    return [track for track, _ in joined], sum(repeated for _, repeated in joined)


def _cut(track: Track, start: int, from_s: float, to_s: float) -> Track:
    first, last = (start + round(seconds * _TICKS_A_SECOND) for seconds in (from_s, to_s))
    return track.cut(first, last)


def _overlapping(tracks: Iterable[Track]) -> list[list[Track]]:
    """Put tracks together that share some time: only these can list a sample twice."""
    spans = [(track.span, track) for track in tracks if len(track)]
    groups = [[track] for span, track in spans if span is None]
    last: int | None = None
    for span, track in sorted(
        ((span, track) for span, track in spans if span is not None), key=lambda one: one[0]
    ):
        if last is not None and span[0] <= last:
            groups[-1].append(track)
            last = max(last, span[1])
        else:
            groups.append([track])
            last = span[1]
    return groups


def _few(
    sections: Sequence[SectionTracks], selection: Selection
) -> tuple[Cells, npt.NDArray[Any], int]:
    """Return the cells of a few entries, what each counts, and how many are listed twice."""
    tracks, listed_twice = _joined(sections, selection)
    tracks = tracks or [no_track()]
    cell = np.concatenate([track.cell for track in tracks])
    if not _KINDS[selection.measure][1]:
        return cell, np.ones(len(cell), np.int64), listed_twice
    return cell, np.concatenate([track.value for track in tracks]).astype(np.int64), listed_twice


def _count_few(
    sections: Sequence[SectionTracks], outside: int, selection: Selection
) -> tuple[list[int], int]:
    """Count a few entries: used, outside, undetected; and those that are listed twice."""
    cell, amount, listed_twice = _few(sections, selection)
    kinds = [cell < outside, cell == outside, cell > outside]
    return [int(amount[kind].sum()) for kind in kinds], listed_twice


def _add_few(
    sections: Sequence[SectionTracks],
    outside: int,
    selection: Selection,
    total: IntArray,
    times: int,
) -> None:
    """Add the histogram of a few entries, one by one."""
    cell, amount, _ = _few(sections, selection)
    inside = cell < outside
    np.add.at(total, cell[inside].astype(np.intp), amount[inside] * times)


@dataclass(eq=False, slots=True)
class _Kept:
    """Histograms that were used lately, within `KEPT_BYTES`."""

    arrays: OrderedDict[int, npt.NDArray[Any]] = field(default_factory=OrderedDict)

    def keep(self, position: int, bins: IntArray) -> None:
        """Keep a histogram, in 32 bits where they suffice."""
        dtype = np.uint32 if bins.max(initial=0) < 2**32 else np.int64
        self.arrays[position] = bins.astype(dtype)
        while sum(array.nbytes for array in self.arrays.values()) > KEPT_BYTES:
            self.arrays.popitem(last=False)

    def add(
        self,
        position: int,
        count: Callable[[], tuple[IntArray, int]],
        total: IntArray,
        times: int,
    ) -> None:
        """Add a histogram that is kept, or count it again."""
        if position in self.arrays:
            self.arrays.move_to_end(position)
        else:
            self.keep(position, count()[0][: len(total)])
        if times == 1:
            total += self.arrays[position]
        else:
            total += times * self.arrays[position].astype(np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Pooled:
    """Some recordings together; every sample counts once.

    Attributes
    ----------
    bins : int64 array, shape (rows, columns)
        The sum of their histograms.
    gaze_ns : int64 array, shape (rows, columns), or None
        The time that the samples in each bin stand for; None where a recording does not
        tell how far apart its samples are.
    counts : Counts
        The sum of theirs.
    recordings : int
        How many they are.
    """

    bins: IntArray
    gaze_ns: IntArray | None
    counts: Counts
    recordings: int


@dataclass(eq=False, slots=True)
class Pool:
    """The sum of some histograms, changed by what is ticked and unticked.

    A tick costs the same with a thousand recordings as with two.

    Attributes
    ----------
    histograms : tuple of RecordingHistogram
    bins : int64 array
        The sum over those that are in it, of the grid's shape.
    gaze_ns : int64 array
        The time that the samples in each bin stand for, as far as it is known.
    """

    histograms: tuple[RecordingHistogram, ...]
    bins: IntArray
    gaze_ns: IntArray
    positions: set[int] = field(default_factory=set)

    @classmethod
    def over(cls, study: Study, selection: Selection = Selection()) -> Pool:
        """Return an empty sum over the recordings of a study."""
        return cls.of(select(study, selection), study.grid.shape)

    @classmethod
    def of(cls, histograms: tuple[RecordingHistogram, ...], shape: tuple[int, int]) -> Pool:
        """Return an empty sum over histograms of a shape."""
        return cls(histograms, np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    def take(self, wanted: Set[int]) -> Pooled:
        """Return the sum over some recordings, by their positions.

        Its arrays are the pool's own, which the next call changes.
        """
        for positions, times in ((wanted - self.positions, 1), (self.positions - wanted, -1)):
            for i in positions:
                one = self.histograms[i]
                one.add(self.bins.reshape(-1), times)
                one.add(self.gaze_ns.reshape(-1), times * one.sampling_interval_ns)
        self.positions = set(wanted)
        chosen = [self.histograms[i] for i in wanted]
        is_known = all(one.sampling_interval_ns or not one.counts.used for one in chosen)
        return Pooled(
            self.bins,
            self.gaze_ns if is_known else None,
            sum((one.counts for one in chosen), Counts()),
            len(chosen),
        )


def pool(histograms: Iterable[RecordingHistogram], shape: tuple[int, int]) -> Pooled:
    """Add up histograms, and their counts; every sample counts once.

    Parameters
    ----------
    histograms : iterable of RecordingHistogram
    shape : (int, int)
        Rows and columns of the grid.
    """
    chosen = tuple(histograms)
    return Pool.of(chosen, shape).take(set(range(len(chosen))))
