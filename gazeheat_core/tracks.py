"""Tracks: the entries of a section as moment, bin and value, in order of time.

Two codes of a `Grid` stand for *outside* and *undetected*, so that one count gives the
histogram and what became of all other samples. Three operations are all that is needed:
`Track.cut` a window, `Track.count` a histogram, `join` several tracks into one in which an
entry that is listed twice counts once.

Counts are integers, so the order in which parts of a file are read, and by whom, changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gazeheat_core.grid import Cells
from gazeheat_core.model import FloatArray, IntArray

# The resolution of moments: a tenth of a millisecond.
TICK_NS = 100_000
TICKS_A_SECOND = 1_000_000_000 // TICK_NS
# A longer difference between two samples is a gap, and tells nothing of the tracker's rate.
LONGEST_INTERVAL = 100_000_000 // TICK_NS
# The moment of an entry whose time cannot be told: it is part of the whole, and of no window.
NO_TIME = 2**32 - 1

# Samples worked on at a time: few enough to stay in the processor's cache.
_AT_A_TIME = 2**16
# More than the C library ever puts on its heap: twice its limit.
_LARGE_BYTES = 64 * 2**20
# Numbers from which on a column gets pages of its own. A process has 65,530 stretches of
# pages, so a file of many small sections must not take one for each.
_MANY = 2**14
_WHOLE_SECOND_NS = 1_000_000_000
# Entries that may all lie on whole seconds by chance; and those of a section that tell.
_FEW = 10
_ROWS_JUDGED = 1000


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Track:
    """Entries in order of time: gaze samples, 9 bytes each, or fixations.

    Attributes
    ----------
    zero : int
        Moment that `time` counts from, in ticks of 0.1 ms since the Unix epoch.
    time : uint32 array, shape (n,)
        Ticks since `zero`, ascending; `NO_TIME` where it cannot be told.
    cell : uint32 array, shape (n,)
        As `Grid.cells`.
    value : uint8 or uint32 array, shape (n,)
        Of a gaze sample 1 in a fixation and 0 elsewhere; of a fixation its milliseconds.
    """

    zero: int
    time: npt.NDArray[np.uint32]
    cell: Cells
    value: npt.NDArray[np.unsignedinteger[Any]]

    def __post_init__(self) -> None:
        # Several visitors may look at the same track.
        for column in (self.time, self.cell, self.value):
            column.setflags(write=False)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def timed(self) -> int:
        """Number of entries whose time can be told: they come first."""
        if not len(self) or self.time[-1] < NO_TIME:
            return len(self)
        return int(self.time.searchsorted(np.uint32(NO_TIME)))

    @property
    def span(self) -> tuple[int, int] | None:
        """First and last moment, in ticks since the Unix epoch; None without any."""
        return self.span_of(0, len(self))

    @property
    def size_bytes(self) -> int:
        """Memory that the entries take."""
        return self.time.nbytes + self.cell.nbytes + self.value.nbytes

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Return the positions of the entries with ``start <= moment < stop``.

        Parameters
        ----------
        start, stop : int
            In ticks since the Unix epoch.

        Returns
        -------
        first, last : int
            The last one is the first that does not belong to them.
        """
        moments = np.array(
            [min(max(moment - self.zero, 0), NO_TIME) for moment in (start, stop)], np.uint32
        )
        first, last = self.time.searchsorted(moments).tolist()
        return first, max(first, last)

    def part(self, first: int, last: int) -> Track:
        """Return the entries from `first` on, before `last`, without a copy."""
        stretch = slice(first, last)
        return Track(self.zero, self.time[stretch], self.cell[stretch], self.value[stretch])

    def cut(self, start: int, stop: int) -> Track:
        """Return the entries with ``start <= moment < stop``, without a copy.

        Parameters
        ----------
        start, stop : int
            In ticks since the Unix epoch.
        """
        return self.part(*self.bounds(start, stop))

    def span_of(self, first: int, last: int) -> tuple[int, int] | None:
        """Return the `span` of the entries from `first` on, before `last`."""
        last = min(last, self.timed)
        if first >= last:
            return None
        return self.zero + int(self.time[first]), self.zero + int(self.time[last - 1])

    def count(self, codes: int, *, weighted: bool = False) -> IntArray:
        """Count the entries, or add up their values, for each code.

        Parameters
        ----------
        codes : int
            Number of codes: `Grid.codes`.
        weighted : bool
            Whether an entry counts with its value.

        Returns
        -------
        int64 array, shape (codes,)
        """
        total = np.zeros(codes, np.int64)
        self.add_to(total, weighted=weighted)
        return total

    def add_to(self, total: IntArray, *, weighted: bool = False) -> None:
        """Add to an array what `count` would return."""
        # `numpy.add.at` takes half the time of `numpy.bincount` where the places are few enough
        # for the processor's cache, and of the type that it works with.
        place = np.empty(min(len(self), _AT_A_TIME), np.intp)
        for start in range(0, len(self), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            some = place[: len(self) - start]
            some[:] = self.cell[part]
            np.add.at(total, some, self.value[part].astype(np.int64) if weighted else 1)


def sampling_interval_ns(gaze: Track) -> int:
    """Tell how far apart a tracker's gaze samples are in time.

    The median of the differences between samples that follow each other, gaps of more than
    100 ms left out. Moments are known to 0.1 ms, or less finely where a program has rounded
    them: so it is the mean of all differences from half to one and a half of that median,
    those between which no sample is lost.

    Parameters
    ----------
    gaze : Track
        Of one section.

    Returns
    -------
    int
        Nanoseconds; 0 where the times tell nothing.

    Examples
    --------
    >>> samples = TrackBuilder()
    >>> samples.append(np.array([0, 8, 17, 25, 500]) * 1_000_000, *np.zeros((2, 5), np.uint8))
    >>> sampling_interval_ns(samples.finish()[0])
    8333333
    """
    counts = np.zeros(LONGEST_INTERVAL + 1, np.int64)
    time = gaze.time[: gaze.timed]
    for start in range(0, len(time), _AT_A_TIME):
        apart = np.diff(time[start : start + _AT_A_TIME + 1])
        counts += np.bincount(apart[apart <= LONGEST_INTERVAL], minlength=len(counts))
    counts[0] = 0
    total = int(counts.sum())
    if not total:
        return 0
    ticks = np.arange(len(counts))
    median = int(np.searchsorted(counts.cumsum(), (total + 1) // 2))
    near = (2 * ticks >= median) & (2 * ticks <= 3 * median)
    return round(TICK_NS * int(ticks[near] @ counts[near]) / int(counts[near].sum()))


def no_track() -> Track:
    """Return a track without entries."""
    nothing = np.empty(0, np.uint32)
    return Track(0, nothing, nothing, np.empty(0, np.uint8))


def join(tracks: Iterable[Track]) -> tuple[Track, int]:
    """Make one track of several; equal entries are one.

    Two entries are equal when moment and bin are; of their values the larger is kept.
    Entries whose time cannot be told are never equal.

    Parameters
    ----------
    tracks : iterable of Track
        In any order.

    Returns
    -------
    track : Track
    repeated : int
        Entries that were left out, since they were listed before.
    """
    some = [track for track in tracks if len(track)]
    if len(some) == 1:
        return some[0], 0
    if not some:
        return no_track(), 0
    builder = TrackBuilder(1, some[0].value.dtype)
    for track in some:
        builder.add_track(track)
    joined, repeated = builder.finish()
    if not any(track.timed < len(track) for track in some):
        return joined, repeated
    rest = [slice(track.timed, None) for track in some]
    return Track(
        joined.zero,
        *(
            np.concatenate(
                [getattr(joined, name)]
                + [getattr(one, name)[part] for one, part in zip(some, rest, strict=True)]
            )
            for name in ("time", "cell", "value")
        ),
    ), repeated


@dataclass(eq=False, slots=True)
class Columns:
    """Columns of numbers that grow in place while a file is read.

    Attributes
    ----------
    arrays : list of array
        All of the same length.
    unreadable : int
        Rows that could not be read, counted here by who reads them.
    """

    arrays: list[npt.NDArray[Any]]
    unreadable: int = 0

    @classmethod
    def of(cls, *dtypes: npt.DTypeLike) -> Columns:
        """Return empty columns of these types."""
        return cls([np.empty(0, dtype) for dtype in dtypes])

    def __len__(self) -> int:
        return len(self.arrays[0])

    def append(self, *columns: npt.NDArray[Any]) -> None:
        """Append rows, given by column."""
        start = len(self)
        end = start + len(columns[0])
        # What another process has sent stands in memory that it does not own.
        if start < _MANY <= end or not all(array.flags.owndata for array in self.arrays):
            move = _on_own_pages if end >= _MANY else np.copy
            self.arrays = [move(array) for array in self.arrays]
        for array, column in zip(self.arrays, columns, strict=True):
            # In place, the memory moves instead of being copied: no second copy, ever.
            array.resize(end, refcheck=False)
            array[start:] = column


def _on_own_pages(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the same numbers where they can grow without leaving holes on the heap.

    The C library gives a large array its own pages, and leaves it there whatever size it
    takes later. On the heap it would grow among what each block leaves behind: 80 MB more
    for ten million rows. Pages that nobody writes to take no room.
    """
    own = np.empty(_LARGE_BYTES // array.itemsize, array.dtype)
    own[: len(array)] = array
    own.resize(len(array), refcheck=False)
    return own


class TrackBuilder:
    """A section's entries while they are read, over one grid or several.

    Entries are appended in the order of the file. As long as each comes later than the
    one before, nothing has to be sorted in the end.

    Parameters
    ----------
    grids : int
        Number of grids: each has a column of cells.
    dtype : numpy dtype
        Of the values.

    Attributes
    ----------
    first_ns, last_ns : int
        First and last moment, in nanoseconds since the Unix epoch; both 0 without any.
    unreadable : int
        Rows that could not be read, counted here by who reads them.
    """

    first_ns: int
    last_ns: int
    unreadable: int

    __slots__ = (
        "_columns",
        "_is_ordered",
        "_whole_seconds",
        "_zero",
        "first_ns",
        "last_ns",
        "unreadable",
    )

    def __init__(self, grids: int = 1, dtype: npt.DTypeLike = np.uint8) -> None:
        self._columns = Columns.of(np.uint32, dtype, *[np.uint32] * grids)
        self._zero = self.first_ns = self.last_ns = self.unreadable = 0
        # How many of the first entries are on whole seconds.
        self._whole_seconds = 0
        self._is_ordered = True

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def whole_seconds(self) -> WholeSeconds:
        """What tells whether the times are rounded."""
        return WholeSeconds(len(self), self._whole_seconds)

    def codes(self, grid: int = 0) -> Cells:
        """Return the cells over one of the grids, in the order in which they were appended."""
        cells: Cells = self._columns.arrays[2 + grid]
        return cells

    def append(self, moment_ns: IntArray, value: npt.NDArray[Any], *cells: Cells) -> None:
        """Append entries.

        Parameters
        ----------
        moment_ns : int64 array, shape (n,)
            In nanoseconds since the Unix epoch.
        value : array, shape (n,)
        *cells : uint32 array, shape (n,)
            One for each grid.
        """
        if not len(moment_ns):
            return
        if self._whole_seconds == len(self) < _ROWS_JUDGED:
            self._whole_seconds += count_whole_seconds(moment_ns).first
        first_ns, last_ns = int(moment_ns.min()), int(moment_ns.max())
        self._reach(first_ns, last_ns)
        ticks = moment_ns // TICK_NS
        self._append(ticks, first_ns // TICK_NS, last_ns // TICK_NS, value, *cells)

    def add(self, later: TrackBuilder) -> None:
        """Append all that another one holds, which stays as it is."""
        self.unreadable += later.unreadable
        if not len(later):
            return
        if self._whole_seconds == len(self):
            self._whole_seconds += later._whole_seconds
        self._reach(later.first_ns, later.last_ns)
        for start in range(0, len(later), _AT_A_TIME):
            stop = start + _AT_A_TIME
            time, value, *cells = (column[start:stop] for column in later._columns.arrays)
            ticks = time.astype(np.int64) + later._zero
            self._append(ticks, int(ticks.min()), int(ticks.max()), value, *cells)

    def add_track(self, track: Track) -> None:
        """Append the entries of a track that have a time."""
        if track.span is None:
            return
        timed = track.timed
        ticks = track.time[:timed].astype(np.int64) + track.zero
        self._append(ticks, *track.span, track.value[:timed], track.cell[:timed])

    def finish(self, grid: int = 0, *, has_times: bool = True) -> tuple[Track, int]:
        """Put the entries in order of time; equal entries are one.

        Parameters
        ----------
        grid : int
            Position of the grid that is wanted.
        has_times : bool
            False where the times tell nothing: then no entry is equal to another.

        Returns
        -------
        track : Track
        repeated : int
            Entries that were left out, since they were listed before.
        """
        time, value = self._columns.arrays[:2]
        cell = self.codes(grid)
        if not has_times:
            return Track(self._zero, np.full(len(time), NO_TIME, np.uint32), cell, value), 0
        if time.dtype != np.uint32:
            return _without_strays(self._zero, time, cell, value)
        before = len(time)
        if not self._is_ordered:
            time, cell, value = _in_order(time, cell, value)
        return Track(self._zero, time, cell, value), before - len(time)

    def _reach(self, first_ns: int, last_ns: int) -> None:
        if len(self):
            first_ns, last_ns = min(first_ns, self.first_ns), max(last_ns, self.last_ns)
        self.first_ns, self.last_ns = first_ns, last_ns

    def _append(
        self, ticks: IntArray, first: int, last: int, value: npt.NDArray[Any], *cells: Cells
    ) -> None:
        """Append entries, of which the earliest and the latest moment are known."""
        time = self._columns.arrays[0]
        if not len(time):
            self._zero = first
        elif self._is_ordered:
            self._is_ordered = int(ticks[0]) > self._zero + int(time[-1])
        if self._is_ordered:
            self._is_ordered = bool((ticks[1:] > ticks[:-1]).all())
        if first < self._zero:
            self._begin_at(first)
        self._make_room(last - self._zero)
        self._columns.append(ticks - self._zero, value, *cells)

    def _begin_at(self, zero: int) -> None:
        earlier = self._zero - zero
        self._make_room(int(self._columns.arrays[0].max()) + earlier)
        time = self._columns.arrays[0]
        self._columns.arrays[0] = time + time.dtype.type(earlier)
        self._zero = zero

    def _make_room(self, longest: int) -> None:
        """Make the times as wide as `longest` ticks need; no recording takes five days."""
        if longest >= NO_TIME and self._columns.arrays[0].dtype == np.uint32:
            self._columns.arrays[0] = self._columns.arrays[0].astype(np.uint64)


def _in_order(
    time: npt.NDArray[np.uint32], cell: Cells, value: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.uint32], Cells, npt.NDArray[Any]]:
    """Sort entries by time and cell; of equal ones keep the first, with the largest value."""
    key = time.astype(np.uint64) << np.uint64(32)
    key |= cell
    order = np.argsort(key, kind="stable")
    time, cell, value = time[order], cell[order], value[order]
    is_new = np.ones(len(time), np.bool_)
    is_new[1:] = (time[1:] != time[:-1]) | (cell[1:] != cell[:-1])
    if is_new.all():
        return time, cell, value
    first = np.flatnonzero(is_new)
    return time[first], cell[first], np.maximum.reduceat(value, first)


def _without_strays(
    zero: int, time: npt.NDArray[np.uint64], cell: Cells, value: npt.NDArray[Any]
) -> tuple[Track, int]:
    """Put entries in order whose times are further apart than 32 bits reach.

    Moments more than two days from the one in the middle are those of damaged rows: their
    time cannot be told, and they are equal to no other. They must not move the beginning of
    the rest. A moment that damage has written into many rows has one voice, like any other.
    """
    moments = np.unique(time)
    middle, reach = int(moments[len(moments) // 2]), 2**31 - 2
    near = (time >= max(0, middle - reach)) & (time <= middle + reach)
    start = int(time[near].min())
    known = (time[near] - np.uint64(start)).astype(np.uint32)
    times, cells, values = _in_order(known, cell[near], value[near])
    strays = np.full(np.count_nonzero(~near), NO_TIME, np.uint32)
    track = Track(
        zero + start,
        np.concatenate([times, strays]),
        np.concatenate([cells, cell[~near]]),
        np.concatenate([values, value[~near]]),
    )
    return track, len(known) - len(times)


class WholeSeconds(NamedTuple):
    """What tells whether the times of a section are rounded.

    Attributes
    ----------
    entries : int
        All of them.
    first : int
        How many of the first ones are on whole seconds, as no tracker writes them. Of a long
        section, those that were read first tell.
    """

    entries: int
    first: int

    @property
    def are_all(self) -> bool:
        """Whether the section is of some length, and its times are whole seconds."""
        return self.entries > _FEW and self.first >= min(self.entries, _ROWS_JUDGED)


def count_whole_seconds(moment_ns: IntArray) -> WholeSeconds:
    """Count the whole seconds among the first moments of a section."""
    broken = (moment_ns[:_ROWS_JUDGED] % _WHOLE_SECOND_NS).astype(bool)
    return WholeSeconds(len(moment_ns), int(broken.argmax()) if broken.any() else len(broken))


def are_rounded(sections: Iterable[WholeSeconds]) -> bool:
    """Tell whether a spreadsheet has rounded the times of all sections of some length."""
    long = [section.are_all for section in sections if section.entries > _FEW]
    return bool(long) and all(long)


def whole_ms(duration_ms: FloatArray) -> npt.NDArray[np.uint32]:
    """Round durations to whole milliseconds; what is none becomes 0."""
    known = np.nan_to_num(duration_ms, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(np.rint(known), 0, 2**32 - 1).astype(np.uint32)
