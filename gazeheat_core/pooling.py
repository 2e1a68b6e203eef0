"""The weighted sum of recordings: what a tick changes.

Whatever is asked for is a sum of integer histograms with one factor for each recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gazeheat_core.model import IntArray
from gazeheat_core.selection import (
    ALL_GAZE,
    Counts,
    RecordingHistogram,
    Selection,
    add_parts,
    select,
)
from gazeheat_core.settings import Weight
from gazeheat_core.study import Study

# Shares of a recording are whole numbers of 2 ** -72, in two parts: sums are then exact, the
# same in whatever order recordings are ticked. A recording's first parts add up to 2 ** 50, so
# that those of 5,000 recordings stay below 2 ** 63.
_FIRST_BITS, _SECOND_BITS = 50, 22
# What a recording may amount to, so that its second parts stay below 2 ** 63 as well.
_MOST_AMOUNT = 2**40
# What a recording is multiplied with that is not in the sum.
_NOTHING = (0, 0)


def groups_of(
    weight: Weight, histograms: Sequence[RecordingHistogram], chosen: Iterable[int]
) -> Iterable[list[int]]:
    """Put together what has one say: all, each recording, or each wearer with all of theirs.

    Parameters
    ----------
    weight : "pooled", "recording" or "wearer"
    histograms : sequence of RecordingHistogram
    chosen : iterable of int
        Positions of the recordings that are put together.

    Examples
    --------
    >>> [*groups_of("recording", (), [2, 0])], [*groups_of("pooled", (), [2, 0])]
    ([[2], [0]], [[2, 0]])
    """
    if weight == "pooled":
        return [[*chosen]]
    if weight == "recording":
        return [[i] for i in chosen]
    groups: dict[int | str, list[int]] = {}
    for i in chosen:
        groups.setdefault(histograms[i].wearer or i, []).append(i)
    return groups.values()


@dataclass(frozen=True, eq=False, slots=True)
class Pooled:
    """Some recordings together.

    Attributes
    ----------
    bins : int64 or float64 array, shape (rows, columns)
        The sum of their histograms; with equal weights, of their shares.
    gaze_ns : int64 array, shape (rows, columns), or None
        The time that is in each bin; None where it is the same part of all as in `bins`, or
        cannot be told.
    counts : Counts
        The sum of theirs.
    recordings : int
        How many they are.
    amount : int
        What their histograms add up to: samples, fixations, or their milliseconds.
    total_ns : int or None
        The time that all of it stands for; None where it cannot be told.
    selection : Selection
    """

    bins: IntArray | npt.NDArray[np.float64]
    gaze_ns: IntArray | None
    counts: Counts
    recordings: int
    amount: int
    total_ns: int | None
    selection: Selection


@dataclass(eq=False, slots=True)
class Pool:
    """The weighted sum of some histograms, changed by what is ticked and unticked.

    A tick costs the same with a thousand recordings as with two.

    Attributes
    ----------
    histograms : tuple of RecordingHistogram
    selection : Selection
    shape : (int, int)
        Rows and columns of the grid.
    first, second : int64 array, shape (codes,)
        Pooled: the sum, and the time in each bin by which recordings differ from the first one.
        With equal weights: both parts of the sum of shares.
    factors : dict of int to (int, int)
        What each recording in it is multiplied with in both.
    """

    histograms: tuple[RecordingHistogram, ...]
    selection: Selection
    shape: tuple[int, int]
    first: IntArray
    second: IntArray
    factors: dict[int, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def over(cls, study: Study, selection: Selection = ALL_GAZE) -> Pool:
        """Return an empty sum over the recordings of a study."""
        return cls.of(select(study, selection), study.grid.shape, selection)

    @classmethod
    def of(
        cls,
        histograms: tuple[RecordingHistogram, ...],
        shape: tuple[int, int],
        selection: Selection = ALL_GAZE,
    ) -> Pool:
        """Return an empty sum over histograms of a shape, as they were selected."""
        codes = shape[0] * shape[1] + 2
        return cls(
            histograms, selection, shape, np.zeros(codes, np.int64), np.zeros(codes, np.int64)
        )

    def take(self, wanted: Set[int]) -> Pooled:
        """Return the sum over some recordings, by their positions.

        Its arrays may be the pool's own, which the next call changes.
        """
        factors, before = self._factors(wanted), self.factors
        changed = []
        for i, (first, second) in factors.items():
            old = before.get(i, _NOTHING)
            if (first, second) != old:
                changed.append((i, (first - old[0], second - old[1])))
        changed += [(i, (-old[0], -old[1])) for i, old in before.items() if i not in factors]
        add_parts(
            (self.first, self.second), [(self.histograms[i].part, times) for i, times in changed]
        )
        self.factors = factors
        chosen = [self.histograms[i] for i in wanted]
        is_timed = not any(one.amount and one.entry_ns is None for one in chosen)
        is_pooled = self.selection.weight == "pooled"
        gaze_ns = None
        if is_pooled and is_timed and any(second for _, second in factors.values()):
            gaze_ns = self._bins(self.second) + self._base_ns * self._bins(self.first)
        return Pooled(
            bins=self._bins(self.first) if is_pooled else self._shares(),
            gaze_ns=gaze_ns,
            counts=_sum(one.counts for one in chosen),
            recordings=len(chosen),
            amount=sum(one.amount for one in chosen),
            total_ns=sum(one.amount * (one.entry_ns or 0) for one in chosen) if is_timed else None,
            selection=self.selection,
        )

    @property
    def _base_ns(self) -> int:
        """The time that 1 stands for in the first recording that tells it."""
        return next((one.entry_ns for one in self.histograms if one.entry_ns), 0)

    def _bins(self, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return codes[:-2].reshape(self.shape)

    def _factors(self, wanted: Set[int]) -> dict[int, tuple[int, int]]:
        """Return what each recording's histogram is multiplied with in both sums."""
        weight = self.selection.weight
        if weight == "pooled":
            base_ns = self._base_ns
            return {i: (1, (self.histograms[i].entry_ns or base_ns) - base_ns) for i in wanted}
        if weight == "recording":  # the same as below, for a thousand groups of one
            return {i: _share(amount) for i in wanted if (amount := self.histograms[i].amount)}
        factors: dict[int, tuple[int, int]] = {}
        for group in groups_of(weight, self.histograms, wanted):
            if amount := sum([self.histograms[i].amount for i in group]):
                share = _share(amount)
                for i in group:
                    factors[i] = share
        return factors

    def _shares(self) -> npt.NDArray[np.float64]:
        first = self._bins(self.first) * 2.0**-_FIRST_BITS
        shares: npt.NDArray[np.float64] = first + self._bins(self.second) * 2.0 ** -(
            _FIRST_BITS + _SECOND_BITS
        )
        return shares


@lru_cache(maxsize=10_000)
def _share(amount: int) -> tuple[int, int]:
    """Return 1 / amount in whole numbers of 2 ** -50, and of 2 ** -72."""
    first, rest = divmod(2**_FIRST_BITS, amount)
    return first, (rest << _SECOND_BITS) // amount if amount <= _MOST_AMOUNT else 0


def shares(
    histograms: Sequence[RecordingHistogram], chosen: Iterable[int], weight: Weight = "pooled"
) -> dict[int, float]:
    """Return the part that each of some recordings has in their sum, 0 to 1, by position.

    Parameters
    ----------
    histograms : sequence of RecordingHistogram
    chosen : iterable of int
        Positions of the recordings.
    weight : "pooled", "recording" or "wearer"
    """
    groups = [*groups_of(weight, histograms, chosen)]
    totals = [sum([histograms[i].amount for i in group]) for group in groups]
    say = sum(total > 0 for total in totals)
    return {
        i: histograms[i].amount / total / say if total else 0.0
        for group, total in zip(groups, totals, strict=True)
        for i in group
    }


def pool(
    histograms: Iterable[RecordingHistogram],
    shape: tuple[int, int],
    selection: Selection = ALL_GAZE,
) -> Pooled:
    """Add up histograms, weighted as they were selected, and their counts.

    Parameters
    ----------
    histograms : iterable of RecordingHistogram
    shape : (int, int)
        Rows and columns of the grid.
    selection : Selection
        What the histograms were selected by.
    """
    chosen = tuple(histograms)
    return Pool.of(chosen, shape, selection).take(set(range(len(chosen))))


def _sum(counts: Iterable[Counts]) -> Counts:
    """Add up counts, part by part, in one go."""
    return Counts(*map(sum, zip(*counts, strict=True)))
