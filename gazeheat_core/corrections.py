"""Fixations against the gaze that they were made of: which were moved by hand.

A fixation stands at the mean of the samples that carry its id, those beside the picture
included, until somebody moves it. The samples stay where they were.

Positions are added up as whole numbers, so that a mean is the same to the last bit, whatever
the order of the rows and the parts that they are read in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gazeheat_core.model import FloatArray, Frame, IntArray

# A fixation is corrected from this share of the frame's longer side on.
_CORRECTED = 0.002
# And mirrored where that brings it nearer to its gaze by this share of the frame's height.
_MIRRORED = 0.01

# Bits behind the point, where the frame is 1 wide; and in all, so that 2**31 rows have room.
_FINE_BITS = 22
_ALL_BITS = 32
# A picture without a frame counts as one of so many pixels: 2**14, longer than a photo's side.
_PICTURE_BITS = 14
# Fewer than this wait for those of further blocks.
_FEW_WAITING = 2**16

Bools = npt.NDArray[np.bool_]


class Places(NamedTuple):
    """Positions added up by section and fixation; columns of int64, of the same length.

    Attributes
    ----------
    section : array
        Number of the section.
    fixation : array
        Id of the fixation.
    rows : array
        How many positions were added.
    x, y : array
        Their sums, in steps as `means` knows them.
    """

    section: IntArray
    fixation: IntArray
    rows: IntArray
    x: IntArray
    y: IntArray

    def of_section(self, section: int) -> Places:
        """Return what is of one section; `add_up` has put them in order."""
        first, last = np.searchsorted(self.section, [section, section + 1]).tolist()
        return Places(*(column[first:last] for column in self))

    def means(self, frame: Frame | None) -> tuple[FloatArray, FloatArray]:
        """Return x and y of the mean positions, in the units of the export."""
        step = 1 / _steps(frame)
        return self.x / self.rows * step, self.y / self.rows * step


def place(
    section: IntArray, fixation: IntArray, x: FloatArray, y: FloatArray, frame: Frame | None
) -> Places:
    """Add up positions that follow each other in the same fixation.

    Parameters
    ----------
    section, fixation : int64 array, shape (n,)
    x, y : float64 array, shape (n,)
        Finite, in the units of the export.
    frame : (float, float, float, float) or None
        As `Export.frame`.
    """
    steps = _steps(frame)
    reach = 2.0**_ALL_BITS / steps
    whole = (np.rint(np.clip(axis, -reach, reach) * steps).astype(np.int64) for axis in (x, y))
    return _runs(Places(section, fixation, np.ones(len(section), np.int64), *whole))


def add_up(some: Iterable[Places]) -> Places:
    """Add up what is of the same fixation, and put all in order of section and fixation."""
    columns = [np.concatenate(column) for column in zip(*some, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    return _runs(Places(*(column[order] for column in columns)))


def _runs(places: Places) -> Places:
    section, fixation = places.section, places.fixation
    if not len(section):
        return places
    is_new = np.ones(len(section), np.bool_)
    is_new[1:] = (section[1:] != section[:-1]) | (fixation[1:] != fixation[:-1])
    first = np.flatnonzero(is_new)
    sums = (np.add.reduceat(column, first) for column in places[2:])
    return Places(section[first], fixation[first], *sums)


def _steps(frame: Frame | None) -> float:
    """Return how many steps a unit of the export has: a power of two, so nothing is rounded."""
    if frame is None:
        return 2.0 ** (_FINE_BITS - _PICTURE_BITS)
    left, top, right, bottom = frame
    return 2.0 ** (_FINE_BITS - math.frexp(max(abs(right - left), abs(bottom - top)))[1])


def no_places() -> Places:
    """Return none."""
    return Places(*np.empty((5, 0), np.int64))


class PlaceSums:
    """The positions of a table while it is read.

    Parameters
    ----------
    most : int
        Different fixations that there may be: in a table with more, the ids are none.
    """

    __slots__ = ("_held", "_most", "_waiting", "_waiting_rows")

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Places | None = no_places()
        self._waiting: list[Places] = []
        self._waiting_rows = 0

    def add(self, places: Places) -> None:
        """Add those of a stretch of the table."""
        if self._held is None:
            return
        self._waiting.append(places)
        self._waiting_rows += len(places.section)
        # What is held is sorted again only when it has grown by its share.
        if self._waiting_rows > max(_FEW_WAITING, len(self._held.section) // 4):
            self.result()

    def add_all(self, later: PlaceSums, numbers: IntArray) -> None:
        """Add those of another one.

        Parameters
        ----------
        later : PlaceSums
        numbers : int64 array
            What the number of each of its sections is here.
        """
        places = later.result()
        if places is None:
            self._give_up()
        else:
            self.add(places._replace(section=numbers[places.section]))

    def result(self) -> Places | None:
        """Return all that was added, in order; None where there were too many fixations."""
        if self._held is not None and self._waiting:
            self._held = add_up([self._held, *self._waiting])
            self._waiting, self._waiting_rows = [], 0
            if len(self._held.section) > self._most:
                self._give_up()
        return self._held

    def _give_up(self) -> None:
        self._held, self._waiting, self._waiting_rows = None, [], 0


class Corrections(NamedTuple):
    """What became of the fixations of a section that have a place and gaze.

    Attributes
    ----------
    compared : int
        All of them.
    corrected : int
        Those that lie farther from the mean of their samples than 0.002 of the longer side.
    mirrored : int
        Those that lie nearer to the mean upside down, by 0.01 of the height at least.
    """

    compared: int = 0
    corrected: int = 0
    mirrored: int = 0


def compare(
    stated: Places, gaze: Places, sections: int, unit: Frame | None, frame: Frame
) -> list[Corrections]:
    """Compare the stated places of fixations with the means of their samples.

    Parameters
    ----------
    stated, gaze : Places
        As `add_up` returns them; the same sections have the same numbers in both.
    sections : int
        How many there are.
    unit : (float, float, float, float) or None
        As `Export.frame`, with which they were placed.
    frame : (float, float, float, float)
        As `Grid.frame`.
    """
    columns = zip(gaze[:2], stated[:2], strict=True)
    section, fixation = (np.concatenate(both) for both in columns)
    # The sort is stable: of two that are equal, the gaze comes first.
    order = np.lexsort((fixation, section))
    section, fixation = section[order], fixation[order]
    pair = np.flatnonzero((section[1:] == section[:-1]) & (fixation[1:] == fixation[:-1]))
    mean_x, mean_y = Places(*(column[order[pair]] for column in gaze)).means(unit)
    at = order[pair + 1] - len(gaze.section)
    x, y = Places(*(column[at] for column in stated)).means(unit)
    own = section[pair]
    corrected, mirrored = are_moved(x, y, mean_x, mean_y, frame)
    counts = (
        np.bincount(some, minlength=sections) for some in (own, own[corrected], own[mirrored])
    )
    return [Corrections(*row) for row in np.stack([*counts], axis=1).tolist()]


def are_moved(
    x: FloatArray, y: FloatArray, mean_x: FloatArray, mean_y: FloatArray, frame: Frame
) -> tuple[Bools, Bools]:
    """Tell which fixations are corrected, and which are mirrored, as `Corrections` has it.

    Parameters
    ----------
    x, y : float64 array, shape (n,)
        Where they stand.
    mean_x, mean_y : float64 array, shape (n,)
        Where their samples are.
    frame : (float, float, float, float)
        As `Grid.frame`.

    Examples
    --------
    >>> x, stated_y, gaze_y = np.full(3, 0.5), np.array([0.2, 0.2, 0.2]), np.array([0.2, 0.3, 0.8])
    >>> corrected, mirrored = are_moved(x, stated_y, x, gaze_y, (0.0, 0.0, 1.0, 1.0))
    >>> corrected.tolist(), mirrored.tolist()
    ([False, True, True], [False, False, True])
    """
    left, top, right, bottom = frame
    width, height = abs(right - left), abs(bottom - top)
    apart = np.hypot(x - mean_x, y - mean_y)
    upside_down = np.hypot(x - mean_x, y - (top + bottom - mean_y))
    return apart > _CORRECTED * max(width, height), apart - upside_down >= _MIRRORED * height
