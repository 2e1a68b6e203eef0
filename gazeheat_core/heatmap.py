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

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from gazeheat_core.model import FloatArray, Size, grid_shape
from gazeheat_core.selection import Counts, Pooled, RecordingHistogram, pool
from gazeheat_core.settings import Look

# Where the kernel ends, in sigmas.
_TRUNCATE = 4.0


@dataclass(frozen=True, slots=True)
class Peak:
    """The place of the longest gaze, and how much gaze lies within the blur there.

    A sample exactly there counts 1, one that lies sigma away 0.61, two sigmas away 0.14.

    Attributes
    ----------
    row, column : int
        Of the bin.
    samples : float
    seconds : float or None
        None where a recording does not tell how far apart its samples are.
    """

    row: int
    column: int
    samples: float
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
    """

    values: FloatArray
    counts: Counts
    recordings: int
    scale: float
    peak: Peak | None = None


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
    histograms: Iterable[RecordingHistogram], size: Size, scale: float = Look().scale
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
    """
    return finish_heatmap(pool(histograms, grid_shape(size)), scale)


def finish_heatmap(pooled: Pooled, scale: float) -> Heatmap:
    """Blur and normalize what has been pooled.

    Parameters
    ----------
    pooled : Pooled
    scale : float
        The blur's sigma in percent of the longer side, 0 to 20.
    """
    values = normalize(blur(pooled.bins, scale))
    peak = _peak(values, pooled, scale) if pooled.counts.used else None
    return Heatmap(values, pooled.counts, pooled.recordings, scale, peak)


def _peak(values: FloatArray, pooled: Pooled, scale: float) -> Peak:
    """Find the longest gaze, and undo there the kernel's division by its sum."""
    row, column = divmod(int(values.argmax()), values.shape[1])
    sigma_bins = _sigma_bins(scale, values.shape)

    def within_blur(amount: npt.NDArray[np.int64]) -> float:
        if sigma_bins == 0:
            return float(amount[row, column])
        rows, columns = (_blur_matrix(count, sigma_bins) for count in values.shape)
        steps = np.arange(1, int(_TRUNCATE * sigma_bins + 0.5) + 1)
        kernel_sum = 1 + 2 * np.exp(-0.5 * (steps / sigma_bins) ** 2).sum()
        return float(rows[row] @ amount @ columns[column]) * float(kernel_sum) ** 2

    gaze_ns = pooled.gaze_ns
    return Peak(
        row,
        column,
        samples=within_blur(pooled.bins),
        seconds=None if gaze_ns is None else within_blur(gaze_ns) / 1e9,
    )
