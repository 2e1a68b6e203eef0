"""The heatmap: blur and normalize what has been counted.

Step by step as Pupil Cloud documents it. A 2D histogram of the gaze with the shape of
the reference image and 300 bins on its longer side, pooled over the ticked recordings
(see `tracks` and `selection`); a Gaussian blur; a division by the maximum. Resizing to the
picture is in `images`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from gazeheat_core.model import FloatArray, Size, grid_shape
from gazeheat_core.pooling import Pooled, pool
from gazeheat_core.selection import ALL_GAZE, Counts, RecordingHistogram, Selection
from gazeheat_core.settings import Look

# Where the kernel ends, in sigmas.
_TRUNCATE = 4.0


@dataclass(frozen=True, slots=True)
class Peak:
    """The hottest place, and how much lies within the blur there.

    A sample exactly there counts 1, one that lies sigma away 0.61, two sigmas away 0.14.

    Attributes
    ----------
    row, column : int
        Of the bin.
    amount : float
        Samples, fixations, or their milliseconds, as the measure counts them. With equal
        weights as many as if all had been seen in these shares.
    share : float
        Part of all that is counted, 0 to 1.
    seconds : float or None
        None where it cannot be told: a recording does not say how far apart its samples are,
        or fixations are counted by number.
    """

    row: int
    column: int
    amount: float
    share: float
    seconds: float | None


@dataclass(frozen=True, eq=False, slots=True)
class Heatmap:
    """A finished heatmap on the bin grid.

    Attributes
    ----------
    values : float64 array, shape (rows, columns)
        0 (never gazed at) to 1 (the longest gaze); all 0 when nothing counts.
    counts : Counts
        Of the pooled recordings.
    recordings : int
        How many were pooled.
    scale : float
        The blur: percent of the longer side.
    peak : Peak or None
        What 1 stands for; None when nothing counts.
    selection : Selection
        What was counted.
    seconds : float or None
        The time that all of it stands for; None where it cannot be told.
    """

    values: FloatArray
    counts: Counts
    recordings: int
    scale: float
    peak: Peak | None = None
    selection: Selection = ALL_GAZE
    seconds: float | None = None


def blur(bins: npt.ArrayLike, scale: float) -> FloatArray:
    """Blur a histogram with a Gaussian whose sigma is `scale` percent of the longer side.

    No gaze time is lost at the borders, where the picture is continued by its mirror
    image: the sum stays the same. The blur is linear, so along each axis it is a matrix:
    what `scipy.ndimage.gaussian_filter1d` makes of each bin alone. Two products with
    these matrices give scipy's result in a fraction of its time.

    Parameters
    ----------
    bins : array, shape (rows, columns)
    scale : float
        0 for no blur.
    """
    values = np.asarray(bins, np.float64)
    sigma_bins = _sigma_bins(scale, values.shape)
    if sigma_bins == 0:
        return values
    rows, columns = (_blur_matrix(count, sigma_bins) for count in values.shape)
    blurred: FloatArray = rows @ values @ columns.T
    return blurred


def _sigma_bins(scale: float, shape: tuple[int, ...]) -> float:
    sigma_bins = 0.01 * scale * max(shape)
    return sigma_bins if sigma_bins >= 1e-15 else 0.0  # its square would vanish


@lru_cache(maxsize=128)
def _blur_matrix(count: int, sigma_bins: float) -> FloatArray:
    """Return the blur along an axis of `count` bins as a matrix; depends on no one's data."""
    matrix: FloatArray = gaussian_filter1d(
        np.eye(count), sigma_bins, axis=0, mode="reflect", truncate=_TRUNCATE
    )
    matrix.setflags(write=False)
    return matrix


def normalize(values: FloatArray) -> FloatArray:
    """Divide by the maximum; zeros stay zeros.

    Examples
    --------
    >>> normalize(np.array([[0.0, 2.0], [1.0, 0.0]]))
    array([[0. , 1. ],
           [0.5, 0. ]])
    """
    longest = values.max()
    return values / longest if longest > 0 else np.zeros_like(values)


def make_heatmap(
    histograms: Iterable[RecordingHistogram],
    size: Size,
    scale: float = Look().scale,
    selection: Selection = ALL_GAZE,
) -> Heatmap:
    """Pool, blur and normalize.

    Parameters
    ----------
    histograms : iterable of RecordingHistogram
        The ticked recordings.
    size : (int, int)
        Width and height of the reference image.
    scale : float
        The blur's sigma in percent of the longer side, 0 to 20.
    selection : Selection
        What the histograms were selected by.
    """
    return finish_heatmap(pool(histograms, grid_shape(size), selection), scale)


def finish_heatmap(pooled: Pooled, scale: float) -> Heatmap:
    """Blur and normalize what has been pooled.

    Parameters
    ----------
    pooled : Pooled
    scale : float
        The blur's sigma in percent of the longer side, 0 to 20.
    """
    blurred = blur(pooled.bins, scale)
    return Heatmap(
        values=normalize(blurred),
        counts=pooled.counts,
        recordings=pooled.recordings,
        scale=scale,
        peak=_peak(blurred, pooled, scale) if pooled.amount else None,
        selection=pooled.selection,
        seconds=None if pooled.total_ns is None else pooled.total_ns / 1e9,
    )


def _peak(blurred: FloatArray, pooled: Pooled, scale: float) -> Peak:
    """Find the hottest place, and undo there the kernel's division by its sum."""
    row, column = divmod(int(blurred.argmax()), blurred.shape[1])
    sigma_bins = _sigma_bins(scale, blurred.shape)

    def within_blur(amount: npt.NDArray[Any]) -> float:
        if sigma_bins == 0:
            return float(amount[row, column])
        rows, columns = (_blur_matrix(count, sigma_bins) for count in blurred.shape)
        steps = np.arange(1, int(_TRUNCATE * sigma_bins + 0.5) + 1)
        kernel_sum = 1 + 2 * np.exp(-0.5 * (steps / sigma_bins) ** 2).sum()
        return float(rows[row] @ amount @ columns[column]) * float(kernel_sum) ** 2

    share = within_blur(pooled.bins) / float(pooled.bins.sum())
    if pooled.gaze_ns is not None:
        # Each recording's own sampling interval, where these differ.
        seconds: float | None = within_blur(pooled.gaze_ns) / 1e9
    else:
        seconds = None if pooled.total_ns is None else share * pooled.total_ns / 1e9
    amount = (
        within_blur(pooled.bins) if pooled.selection.weight == "pooled" else share * pooled.amount
    )
    return Peak(row, column, amount, share, seconds)


def place_px(heatmap: Heatmap, size: Size) -> tuple[float, float]:
    """Return the middle of the hottest bin, in pixels of the picture.

    Parameters
    ----------
    heatmap : Heatmap
        With a peak.
    size : (int, int)
        Width and height of the reference image, in pixels.
    """
    assert heatmap.peak is not None
    rows, columns = heatmap.values.shape
    width, height = size
    return (
        (heatmap.peak.column + 0.5) * width / columns,
        (heatmap.peak.row + 0.5) * height / rows,
    )
