"""The bins over a reference image, and how positions are put into them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gazeheat_core.model import FloatArray, Frame, IntArray, Size, corner_shape, grid_shape

Cells: TypeAlias = npt.NDArray[np.uint32]

# Positions worked on at a time: few enough to stay in the processor's cache.
_AT_A_TIME = 2**16


@dataclass(frozen=True, slots=True)
class Grid:
    """Bins over a reference image: 300 on its longer side, in its shape.

    Attributes
    ----------
    size : (int, int)
        Width and height of the picture, in pixels.
    frame : (float, float, float, float)
        What stands at the picture's left, top, right and bottom, in the units of the
        positions: ``(0, 0, width, height)`` for pixels, ``(0, 0, 1, 1)`` for fractions,
        ``(0, 1, 1, 0)`` for fractions counted upwards.

    Examples
    --------
    >>> grid = Grid((40, 20), (0.0, 0.0, 40.0, 20.0))
    >>> grid.shape, grid.outside, grid.undetected
    ((150, 300), 45000, 45001)
    """

    size: Size
    frame: Frame

    @classmethod
    def over(cls, size: Size, frame: Frame | None) -> Grid:
        """Return the grid over a picture; without a frame, positions are in its pixels.

        Examples
        --------
        >>> Grid.over((40, 20), None).frame
        (0.0, 0.0, 40.0, 20.0)
        """
        width, height = size
        return cls(size, frame or (0.0, 0.0, float(width), float(height)))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return grid_shape(self.size)

    @property
    def outside(self) -> int:
        """Code of a position beside the picture: the number of bins."""
        rows, columns = self.shape
        return rows * columns

    @property
    def undetected(self) -> int:
        """Code of an entry without a position."""
        return self.outside + 1

    @property
    def codes(self) -> int:
        """Number of bins and of the two other codes."""
        return self.outside + 2

    @property
    def corner(self) -> tuple[int, int]:
        """Rows and columns of the bins in the picture's first pixel."""
        return corner_shape(self.size)

    def cells(self, x: FloatArray, y: FloatArray) -> Cells:
        """Tell the bin of each position, counted row by row from the top left.

        A bin includes its left and top edge; the last ones also include the picture's
        right and bottom edge. Positions outside are never moved to the border.

        Parameters
        ----------
        x, y : float64 array, shape (n,)
            In the units of `frame`; NaN where nothing was detected.

        Returns
        -------
        uint32 array, shape (n,)
            Bin, or `outside`, or `undetected`.
        """
        rows, columns = self.shape
        left, top, right, bottom = self.frame
        result = np.empty(len(x), np.uint32)
        for start in range(0, len(x), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            column, inside_x = bin_numbers(_from(x[part], left, right), abs(right - left), columns)
            row, inside_y = bin_numbers(_from(y[part], top, bottom), abs(bottom - top), rows)
            row *= columns
            row += column
            row[~(inside_x & inside_y)] = self.outside
            row[np.isnan(x[part]) | np.isnan(y[part])] = self.undetected
            result[part] = row
        return result


def bin_gaze(
    x: FloatArray, y: FloatArray, extent: tuple[float, float], shape: tuple[int, int]
) -> IntArray:
    """Count gaze samples in the bins of a grid over the reference image.

    A bin includes its left and top edge; the last ones also include the picture's right
    and bottom edge. Samples outside, and NaN, are left out, never moved to the border.
    The same as `numpy.histogram2d` with ``range=[[0, width], [0, height]]``, transposed.

    Parameters
    ----------
    x, y : float64 array, shape (n,)
        Positions, from the top left corner.
    extent : (float, float)
        Right and bottom border of the picture, in the same units.
    shape : (int, int)
        Rows and columns of the grid.

    Returns
    -------
    int64 array of that shape

    Examples
    --------
    >>> bin_gaze(np.array([0.0, 9.9, 10.0, 40.0]), np.zeros(4), (40.0, 20.0), (2, 4))
    array([[2, 1, 0, 1],
           [0, 0, 0, 0]])
    """
    bins = np.zeros(shape[0] * shape[1], np.int64)
    for start in range(0, len(x), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        column, inside_x = bin_numbers(x[part], extent[0], shape[1])
        row, inside_y = bin_numbers(y[part], extent[1], shape[0])
        inside = inside_x & inside_y
        bins += np.bincount((row * shape[1] + column)[inside], minlength=len(bins))
    return bins.reshape(shape)


def bin_numbers(
    position: FloatArray, border: float, count: int
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Tell the bin of each position along one axis, and whether it lies within the borders.

    Parameters
    ----------
    position : float64 array, shape (n,)
    border : float
        Where the last bin ends; the first begins at 0.
    count : int
        Number of bins.

    Returns
    -------
    number : int64 array, shape (n,)
        0 for positions that are outside.
    inside : bool array, shape (n,)
    """
    inside = (position >= 0) & (position <= border)
    known = np.where(inside, position, 0.0)
    edges = _edges(border, count)
    number = np.minimum((known * (count / border)).astype(np.int64), count - 1)
    # The product may round to the wrong side of an edge; the edges themselves decide.
    number -= known < edges[number]
    number += (known >= edges[number + 1]) & (number < count - 1)
    return number, inside


def _from(position: FloatArray, start: float, stop: float) -> FloatArray:
    """Return distances from `start` in the direction of `stop`."""
    if start == 0 and stop > 0:
        return position
    return position - start if stop > start else start - position


@lru_cache(maxsize=64)
def _edges(border: float, count: int) -> FloatArray:
    """Return where the bins along an axis begin, and the last one ends."""
    edges: FloatArray = np.linspace(0.0, border, count + 1)
    edges.setflags(write=False)
    return edges
