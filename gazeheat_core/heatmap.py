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

from gazeheat_core.model import FloatArray, IntArray, Size, grid_shape
from gazeheat_core.selection import Counts, RecordingHistogram, pool
from gazeheat_core.settings import Look


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
    """

    values: FloatArray
    counts: Counts
    recordings: int
    scale: float


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
    sigma_bins = 0.01 * scale * max(values.shape)
    if sigma_bins < 1e-15:  # none, or so little that its square would vanish
        return values
    rows, columns = (_blur_matrix(count, sigma_bins) for count in values.shape)
    blurred: FloatArray = rows @ values @ columns.T
    return blurred


@lru_cache(maxsize=128)
def _blur_matrix(count: int, sigma_bins: float) -> FloatArray:
    """Return the blur along an axis of `count` bins as a matrix; depends on no one's data."""
    matrix: FloatArray = gaussian_filter1d(
        np.eye(count), sigma_bins, axis=0, mode="reflect", truncate=4.0
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
    chosen = list(histograms)
    bins, counts = pool(chosen, grid_shape(size))
    return finish_heatmap(bins, counts, len(chosen), scale)


def finish_heatmap(bins: IntArray, counts: Counts, recordings: int, scale: float) -> Heatmap:
    """Blur and normalize what has been pooled.

    Parameters
    ----------
    bins : int64 array, shape (rows, columns)
        The sum of the recordings' histograms.
    counts : Counts
        The sum of their counts.
    recordings : int
        How many were pooled.
    scale : float
        The blur's sigma in percent of the longer side, 0 to 20.
    """
    return Heatmap(normalize(blur(bins, scale)), counts, recordings, scale)
