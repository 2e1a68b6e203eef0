"""Any window in the time of a tick, of a track with many entries and of many tracks with few.

Of a long track, a histogram of everything before a moment is kept for some moments, the
checkpoints. A window is the difference of two such histograms; what lies between a checkpoint
and the window's border is counted, and is a bounded number of entries. Short tracks stand one
after the other, so that the ends of a window in all of them are found in one go. All are
integers, so it is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from gazeheat_core.model import IntArray
from gazeheat_core.tracks import NO_TIME, Track

# The most that the histograms of an open study may take: those of the whole, and again those
# of the checkpoints.
KEPT_BYTES = 64_000_000
# Fewer entries are counted as fast as a kept histogram is added.
_COUNTED_ANEW = 2**13


class _Checkpoint(NamedTuple):
    """The histogram of all entries before a place in a track."""

    place: int
    histogram: npt.NDArray[Any]


class CountedTrack:
    """A track with a histogram of all of it, and of its windows.

    Visitors who have the same study open share it.

    Parameters
    ----------
    track : Track
        With many entries.
    codes : int
        Number of codes: `Grid.codes`.
    weighted : bool
        Whether an entry counts with its value.
    """

    __slots__ = ("_checkpoints", "_lock", "_nothing", "_track", "_weighted", "codes", "whole")

    def __init__(self, track: Track, codes: int, *, weighted: bool) -> None:
        # Only the columns: the track itself is what this is kept by.
        self._track = Track(track.zero, track.time, track.cell, track.value)
        self._weighted = weighted
        self._checkpoints: npt.NDArray[Any] | None = None
        self._lock = Lock()
        self.codes = codes
        self.whole = _narrow(track.count(codes, weighted=weighted))
        self._nothing = np.zeros_like(self.whole)

    def between(self, first: int, last: int, step: int) -> npt.NDArray[Any]:
        """Return the histogram of the entries from `first` on, before `last`.

        Parameters
        ----------
        first, last : int
            Positions in the track.
        step : int
            Entries from one checkpoint to the next; taken the first time.

        Returns
        -------
        uint32 or int64 array, shape (codes,)
            It may be the one that is kept.
        """
        if (first, last) == (0, len(self._track)):
            return self.whole
        if last - first <= _COUNTED_ANEW:
            few = np.zeros_like(self.whole)
            self._count(few, first, last, np.add)
            return few
        after, before = self._nearest(last, step), self._nearest(first, step)
        codes: npt.NDArray[Any] = after.histogram - before.histogram
        for end, nearest, is_end in ((last, after.place, True), (first, before.place, False)):
            # What lies between the checkpoint and the border is missing, or is too much.
            is_missing = (nearest < end) == is_end
            act = np.add if is_missing else np.subtract
            self._count(codes, min(nearest, end), max(nearest, end), act)
        return codes

    def _nearest(self, end: int, step: int) -> _Checkpoint:
        """Return the checkpoint that is nearest to a position in the track."""
        checkpoints, length = self._all_checkpoints(step), len(self._track)
        apart = -(-length // (len(checkpoints) + 1))
        nearest = min((end + apart // 2) // apart, len(checkpoints) + 1)
        if nearest > len(checkpoints):
            return _Checkpoint(length, self.whole)
        return _Checkpoint(nearest * apart, checkpoints[nearest - 1] if nearest else self._nothing)

    def _count(self, codes: npt.NDArray[Any], first: int, last: int, act: np.ufunc) -> None:
        """Add the histogram of entries, or take it away."""
        part = slice(first, last)
        # Of the histogram's own type: other ones are taken one by one, slowly.
        amount: Any = codes.dtype.type(1)
        if self._weighted:
            amount = self._track.value[part].astype(codes.dtype)
        act.at(codes, self._track.cell[part].astype(np.intp), amount)

    def _all_checkpoints(self, step: int) -> npt.NDArray[Any]:
        """Return the histograms before each checkpoint; they are made once."""
        with self._lock:
            if self._checkpoints is None:
                count = max(0, -(-len(self._track) // step) - 1)
                apart = -(-len(self._track) // (count + 1))
                made = np.empty((count, self.codes), self.whole.dtype)
                total = np.zeros(self.codes, np.int64)
                for i in range(count):
                    self._count(total, i * apart, (i + 1) * apart, np.add)
                    made[i] = total
                self._checkpoints = made
            return self._checkpoints


def _narrow(codes: IntArray) -> npt.NDArray[Any]:
    """Keep a histogram in 32 bits where they suffice."""
    return codes.astype(np.uint32) if codes.max(initial=0) < 2**32 else codes


_kept: WeakKeyDictionary[Track, dict[bool, CountedTrack]] = WeakKeyDictionary()


def counted_track(track: Track, codes: int, *, weighted: bool) -> CountedTrack:
    """Return a track with its histograms; they live as long as the track."""
    both = _kept.setdefault(track, {})
    if weighted not in both:
        both[weighted] = CountedTrack(track, codes, weighted=weighted)
    return both[weighted]


def entries_a_histogram(entries: int, codes: int) -> int:
    """Return how many entries of a study share one kept histogram, within `KEPT_BYTES`.

    Parameters
    ----------
    entries : int
        Of all tracks.
    codes : int
        Number of codes: `Grid.codes`.
    """
    most = KEPT_BYTES // (codes * np.dtype(np.uint32).itemsize)
    return max(_COUNTED_ANEW, -(-entries // most))


# Entries of short tracks that are looked up together; each takes about 30 bytes.
MOST_SHORT = 4_000_000
# Room for the moments of one track in a number: 300 days before and after its beginning.
_TRACK_BITS = 40
_FARTHEST = 1 << (_TRACK_BITS - 2)


class ShortTracks:
    """Tracks with few entries each, of which a window is looked up in one go.

    Parameters
    ----------
    tracks : sequence of (Track, int)
        With the moment from which windows count, in ticks since the Unix epoch.
    outside : int
        As of the grid.
    of_fixations, weighted : bool
        What the entries are, and whether they count with their value.
    """

    def __init__(
        self,
        tracks: Sequence[tuple[Track, int]],
        outside: int,
        *,
        of_fixations: bool,
        weighted: bool,
    ) -> None:
        lengths = [len(track) for track, _ in tracks]
        self._numbers = np.arange(len(tracks), dtype=np.int64) << _TRACK_BITS
        times = [
            np.where(track.time == NO_TIME, _FARTHEST, track.time + np.int64(track.zero - start))
            for track, start in tracks
        ]
        # A fixation can begin before its section.
        after = np.concatenate(times).clip(-_FARTHEST, _FARTHEST) + _FARTHEST
        self._key = np.repeat(self._numbers, lengths) + after
        self.cell = np.concatenate([track.cell for track, _ in tracks])
        self.value: npt.NDArray[Any] | None = None
        is_counted = np.ones(len(self.cell), np.bool_)
        if weighted:
            self.value = np.concatenate([track.value for track, _ in tracks])
            if not of_fixations:
                is_counted = self.value > 0
        is_used = is_counted & (self.cell < outside)
        self._before = [
            _before(kind, np.int32)
            for kind in (
                is_used,
                is_counted & (self.cell == outside),
                is_counted & (self.cell > outside),
            )
        ]
        if of_fixations and self.value is not None:
            self._before.append(_before(np.where(is_used, self.value, 0), np.int64))

    def look_up(self, window: tuple[int, int]) -> list[tuple[int, ...]]:
        """Look a window up in all tracks.

        Parameters
        ----------
        window : (int, int)
            In ticks after the moment from which each track counts.

        Returns
        -------
        list of six int
            For each track positions among the entries of all, of which the last one does not
            belong to it; how many are used, outside and undetected; and what those on the
            picture add up to.
        """
        first, last = (
            self._key.searchsorted(self._numbers + min(max(end, 0), _FARTHEST) + _FARTHEST)
            for end in window
        )
        used, outside, undetected, *more = (
            (before[last] - before[first]).tolist() for before in self._before
        )
        amount = more[0] if more else used
        return [*zip(first.tolist(), last.tolist(), used, outside, undetected, amount, strict=True)]


def _before(amounts: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return what all entries before each place add up to, and at the end what all do."""
    total = np.zeros(len(amounts) + 1, dtype)
    np.cumsum(amounts, out=total[1:])
    return total
