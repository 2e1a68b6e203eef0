"""The heatmap: histogram, pool, blur, normalize.

Step by step as Pupil Cloud documents it. A 2D histogram of the gaze with the shape of
the reference image and 300 bins on its longer side; the sum over the ticked recordings,
each sample counting once, so that a longer recording weighs more; a Gaussian blur; a
division by the maximum. Resizing to the picture is in `images`.

The histogram is taken once for each recording. Everything after it works on the grid
and does not depend on the number of samples or on the size of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from gazeheat_core.model import (
    Enrichment,
    Export,
    FloatArray,
    IntArray,
    Recording,
    Size,
    grid_shape,
    recording_labels,
)
from gazeheat_core.settings import SCALE

# Samples put into bins at a time: few enough to stay in the processor's cache.
_SAMPLES_AT_A_TIME = 2**16


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
    """

    used: int = 0
    outside: int = 0
    undetected: int = 0
    unreadable: int = 0

    @property
    def rows(self) -> int:
        """Rows of gaze in the file."""
        return self.used + self.outside + self.undetected + self.unreadable

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.used + other.used,
            self.outside + other.outside,
            self.undetected + other.undetected,
            self.unreadable + other.unreadable,
        )


class Bins:
    """Number of gaze samples in each bin of a grid, kept in the smaller of two forms.

    With few samples these are the numbers of their bins, one for each sample: a recording
    of a single sample takes 4 bytes, not 360 kB. With more it is the array itself.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the grid.
    """

    __slots__ = ("_array", "_samples", "shape")

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._samples = np.empty(0, np.uint32)
        self._array: npt.NDArray[np.uint32] | None = None

    @classmethod
    def of(cls, array: npt.NDArray[np.uint32]) -> Bins:
        """Keep an array of numbers of samples."""
        rows, columns = array.shape
        bins = cls((rows, columns))
        if array.sum(dtype=np.int64) * 4 <= array.size:
            flat = array.ravel()
            filled = np.flatnonzero(flat)
            bins._samples = np.repeat(filled, flat[filled]).astype(np.uint32)
        else:
            bins._array = array
        return bins

    @property
    def total(self) -> int:
        """Number of samples."""
        return len(self._samples) if self._array is None else int(self._array.sum(dtype=np.int64))

    @property
    def size_bytes(self) -> int:
        """Memory that the numbers take."""
        return (self._samples if self._array is None else self._array).nbytes

    def array(self) -> npt.NDArray[np.uint32]:
        """Return the numbers as an array of `shape`; it may be the one that is kept."""
        if self._array is not None:
            return self._array
        rows, columns = self.shape
        counted = np.bincount(self._samples, minlength=rows * columns)
        return counted.astype(np.uint32).reshape(self.shape)

    def add_gaze(self, x: FloatArray, y: FloatArray, extent: tuple[float, float]) -> None:
        """Add gaze samples, as `bin_gaze` puts them into bins."""
        rows, columns = self.shape
        if len(x) * 4 <= rows * columns:
            self._add_samples(_flat_bins(x, y, extent, self.shape))
        else:
            self._as_array()[...] += bin_gaze(x, y, extent, self.shape).astype(np.uint32)

    def add(self, other: Bins) -> None:
        """Add the samples of another recording or part, over the same grid."""
        if other._array is None:
            self._add_samples(other._samples)
        else:
            self._as_array()[...] += other._array

    def _add_samples(self, samples: npt.NDArray[np.integer]) -> None:
        rows, columns = self.shape
        if self._array is None and (len(self._samples) + len(samples)) * 4 <= rows * columns:
            self._samples = np.concatenate((self._samples, samples.astype(np.uint32)))
        else:
            counted = np.bincount(samples, minlength=rows * columns).astype(np.uint32)
            self._as_array()[...] += counted.reshape(self.shape)

    def _as_array(self) -> npt.NDArray[np.uint32]:
        if self._array is None:
            self._array = self.array()
            self._samples = np.empty(0, np.uint32)
        return self._array


@dataclass(frozen=True, eq=False, slots=True)
class RecordingHistogram:
    """One recording, reduced to what a heatmap needs.

    Attributes
    ----------
    id, name, wearer, label : str
        `label` tells the recordings of an export apart.
    duration_ns : int
        Time from first to last sample, added up over the sections.
    counts : Counts
    kept : Bins
        Number of gaze samples in each bin.
    """

    id: str
    name: str
    wearer: str
    label: str
    duration_ns: int
    counts: Counts
    kept: Bins

    @property
    def bins(self) -> npt.NDArray[np.uint32]:
        """Number of gaze samples in each bin, as an array; row 0 is the top."""
        return self.kept.array()

    @property
    def rows(self) -> int:
        """Rows of gaze in the file, the unreadable ones among them."""
        return self.counts.rows


@dataclass(frozen=True, eq=False, slots=True)
class BinnedExport(Enrichment[RecordingHistogram]):
    """One enrichment, its recordings reduced to their histograms."""


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


def bin_gaze(
    x: FloatArray, y: FloatArray, extent: tuple[float, float], shape: tuple[int, int]
) -> npt.NDArray[np.int64]:
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
    for start in range(0, len(x), _SAMPLES_AT_A_TIME):
        part = slice(start, start + _SAMPLES_AT_A_TIME)
        bins += np.bincount(_flat_bins(x[part], y[part], extent, shape), minlength=len(bins))
    return bins.reshape(shape)


def join_short(
    stretches: Sequence[tuple[FloatArray, FloatArray]],
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Join stretches of gaze, unless they are long: each of thousands would take its time.

    Parameters
    ----------
    stretches : sequence of (x, y)
        Float64 arrays.

    Returns
    -------
    iterator of (x, y)
        The same samples in the same order.
    """
    if len(stretches) > 1 and sum(len(x) for x, _ in stretches) <= _SAMPLES_AT_A_TIME:
        x, y = (np.concatenate(axis) for axis in zip(*stretches, strict=True))
        yield x, y
    else:
        yield from stretches


def _flat_bins(
    x: FloatArray, y: FloatArray, extent: tuple[float, float], shape: tuple[int, int]
) -> IntArray:
    """Bin of each sample on the picture, counted row by row."""
    rows, columns = shape
    column, inside_x = _bin_numbers(x, extent[0], columns)
    row, inside_y = _bin_numbers(y, extent[1], rows)
    return (row * columns + column)[inside_x & inside_y]


def _bin_numbers(
    position: FloatArray, border: float, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Bin of each position along one axis, and whether it lies within the borders."""
    inside = (position >= 0) & (position <= border)
    known = np.where(inside, position, 0.0)
    edges = _edges(border, count)
    number = np.minimum((known * (count / border)).astype(np.int64), count - 1)
    # The product may round to the wrong side of an edge; the edges themselves decide.
    number -= known < edges[number]
    number += (known >= edges[number + 1]) & (number < count - 1)
    return number, inside


@lru_cache(maxsize=64)
def _edges(border: float, count: int) -> FloatArray:
    """Return where the bins along an axis begin, and the last one ends."""
    edges: FloatArray = np.linspace(0.0, border, count + 1)
    edges.setflags(write=False)
    return edges


def bin_recording(
    recording: Recording, label: str, extent: tuple[float, float], shape: tuple[int, int]
) -> RecordingHistogram:
    """Reduce a recording to its histogram and its counts."""
    bins = Bins(shape)
    detected = rows = 0
    gaze = [(section.gaze.x, section.gaze.y) for section in recording.sections]
    for x, y in join_short(gaze):
        bins.add_gaze(x, y, extent)
        detected += int(np.count_nonzero(np.isfinite(x)))
        rows += len(x)
    used = bins.total
    return RecordingHistogram(
        id=recording.id,
        name=recording.name,
        wearer=recording.wearer,
        label=label,
        duration_ns=recording.duration_ns,
        counts=Counts(
            used=used,
            outside=detected - used,
            undetected=rows - detected,
            unreadable=sum(section.unreadable for section in recording.sections),
        ),
        kept=bins,
    )


def bin_recordings(export: Export) -> tuple[RecordingHistogram, ...]:
    """Take the histogram of every recording of an export, in its order.

    Raises
    ------
    PictureMissingError
        When the export has no picture yet, so that there is no grid.
    """
    extent = export.extent()
    shape = grid_shape(export.size())
    labels = recording_labels(export.recordings)
    return tuple(
        bin_recording(recording, label, extent, shape)
        for recording, label in zip(export.recordings, labels, strict=True)
    )


def bin_export(export: Export) -> BinnedExport:
    """Reduce an export to its histograms.

    Raises
    ------
    PictureMissingError
        When the export has no picture yet.
    """
    return BinnedExport(
        name=export.name,
        kind=export.kind,
        frame=export.frame,
        recordings=bin_recordings(export),
        image=export.image,
        unassigned_rows=export.unassigned_rows,
        notices=export.notices,
    )


def pool(
    histograms: Iterable[RecordingHistogram], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], Counts]:
    """Add up histograms, and their counts; every sample counts once.

    Returns
    -------
    bins : int64 array of `shape`
        All zero without histograms.
    counts : Counts
    """
    bins = np.zeros(shape, np.int64)
    counts = Counts()
    for histogram in histograms:
        bins += histogram.bins
        counts += histogram.counts
    return bins, counts


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
    histograms: Iterable[RecordingHistogram], size: Size, scale: float = SCALE.default
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


def finish_heatmap(
    bins: npt.NDArray[np.int64], counts: Counts, recordings: int, scale: float
) -> Heatmap:
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
