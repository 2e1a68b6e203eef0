"""From files to histograms without holding the samples, on one machine or on many.

Histograms add up: every stretch of a file can be put into bins by itself, anywhere, and
the sum is the same to the last count. So the work is a list of `Part` objects, mapped
over any `concurrent.futures.Executor` and added up: threads or processes here, a Dask
cluster elsewhere. A part takes a few megabytes of memory, whatever its length.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gazeheat_core.cache import HistogramCache
from gazeheat_core.errors import ClusterError, LimitError
from gazeheat_core.exports import LIMITS, FoundExport, find_exports, open_source
from gazeheat_core.exports.pupil_cloud import (
    Described,
    is_rounded,
    iter_gaze,
    judge_gaze,
    read_sections,
)
from gazeheat_core.exports.tables import Span, split_lines
from gazeheat_core.heatmap import BinnedExport, Counts, RecordingHistogram, bin_gaze, grid_shape
from gazeheat_core.model import Enrichment, FloatArray, ReferenceImage, recording_labels

# A stretch of this length takes about a second; a shorter one would not be worth sending.
PART_BYTES = 256 * 2**20

_SCHEDULER_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one export's gaze to put into bins: all that a worker needs to know.

    Attributes
    ----------
    source : str
        Path of the ZIP or folder. A worker on another machine has to see it there too.
    flat : bool
        As for `open_source`.
    gaze : str
        Path of the gaze file inside the source.
    span : (int, int) or None
        The stretch of the file; None for the whole.
    extent : (float, float)
        Right and bottom border of the picture, in the export's units.
    shape : (int, int)
        Rows and columns of the grid.
    """

    source: str
    flat: bool
    gaze: str
    span: Span | None
    extent: tuple[float, float]
    shape: tuple[int, int]


@dataclass(eq=False, slots=True)
class RecordingBins:
    """What a part holds of one recording.

    Attributes
    ----------
    bins : uint32 array
    rows, detected, unreadable : int
        Readable rows; those of them with gaze on or beside the picture; rows left out.
    spans_ns : dict of (int, int)
        First and last timestamp of each section.
    """

    bins: npt.NDArray[np.uint32]
    rows: int = 0
    detected: int = 0
    unreadable: int = 0
    spans_ns: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add_samples(
        self, section: str, x: FloatArray, y: FloatArray, first_ns: int, last_ns: int, part: Part
    ) -> None:
        """Add gaze samples of one section."""
        self.rows += len(x)
        self.detected += int(np.count_nonzero(np.isfinite(x)))
        self.bins += bin_gaze(x, y, part.extent, part.shape).astype(np.uint32)
        self._stretch(section, first_ns, last_ns)

    def add(self, other: RecordingBins) -> None:
        """Add what another part holds of the same recording."""
        self.rows += other.rows
        self.detected += other.detected
        self.unreadable += other.unreadable
        self.bins += other.bins
        for section, (first_ns, last_ns) in other.spans_ns.items():
            self._stretch(section, first_ns, last_ns)

    def _stretch(self, section: str, first_ns: int, last_ns: int) -> None:
        known = self.spans_ns.get(section, (first_ns, last_ns))
        self.spans_ns[section] = (min(known[0], first_ns), max(known[1], last_ns))


@dataclass(eq=False, slots=True)
class PartBins:
    """What one part holds, or several of them together.

    Attributes
    ----------
    recordings : dict of RecordingBins
        By recording id, in the order of the file.
    unassigned : int
        Rows whose recording is unknown.
    rounded : bool
        Whether all timestamps are whole seconds.
    """

    recordings: dict[str, RecordingBins] = field(default_factory=dict)
    unassigned: int = 0
    rounded: bool = True

    def add(self, other: PartBins) -> None:
        """Add another part, one that comes later in the file."""
        self.unassigned += other.unassigned
        self.rounded = self.rounded and other.rounded
        for recording_id, bins in other.recordings.items():
            if recording_id in self.recordings:
                self.recordings[recording_id].add(bins)
            else:
                self.recordings[recording_id] = bins


def bin_part(part: Part) -> PartBins:
    """Read one part and put its samples into bins.

    Raises
    ------
    GazeheatError
        When it cannot be read, here or at the worker's place.
    """
    result = PartBins()
    with open_source(part.source, flat=part.flat) as files:
        (found,), _ = find_exports(file for file in files if str(file.path) == part.gaze)
        for block in iter_gaze(found, span=part.span):
            result.unassigned += block.unassigned
            for (recording_id, section_id), unreadable, columns in block.groups:
                bins = result.recordings.get(recording_id)
                if bins is None:
                    if len(result.recordings) == LIMITS.recordings:
                        raise LimitError(
                            f"{found.gaze.file}: more than {LIMITS.recordings:,} recordings. "
                            "Check that 'recording id' holds what its name says."
                        )
                    bins = RecordingBins(np.zeros(part.shape, np.uint32))
                    result.recordings[recording_id] = bins
                bins.unreadable += unreadable
                timestamp_ns, x, y = columns
                if len(x):
                    first_ns, last_ns = int(timestamp_ns.min()), int(timestamp_ns.max())
                    bins.add_samples(section_id, x, y, first_ns, last_ns, part)
                    result.rounded = result.rounded and is_rounded(timestamp_ns)
    return result


@dataclass(frozen=True, eq=False, slots=True)
class PendingExport:
    """An export whose parts are being put into bins."""

    found: FoundExport
    image: ReferenceImage
    described: dict[str, Described]
    notices: tuple[str, ...]
    parts: tuple[Future[PartBins], ...]
    kept: BinnedExport | None
    cache: HistogramCache | None
    key: str

    def result(self) -> BinnedExport:
        """Wait for the parts and add them up.

        Raises
        ------
        GazeheatError
            When a part cannot be read, or a worker was lost.
        """
        export = self.kept
        if export is None:
            export = self._sum()
            if self.cache is not None:
                self.cache.store(self.key, export)
        # A copied folder has the same histograms under another name.
        return replace(
            export,
            name=self.found.name,
            image=self.image,
            notices=(*export.notices, *self.image.notices),
        )

    def _sum(self) -> BinnedExport:
        total = PartBins()
        for part in self.parts:
            with _lost_workers_in_words():
                total.add(part.result())
        bins = total.recordings
        # As sections.csv lists them, then any others.
        ids = [*self.described, *(one for one in bins if one not in self.described)]
        notices = judge_gaze(
            self.found,
            recordings=len(ids),
            rows=sum(b.rows + b.unreadable for b in bins.values()) + total.unassigned,
            unreadable=sum(b.unreadable for b in bins.values()) + total.unassigned,
            rounded=total.rounded and any(b.rows > 10 for b in bins.values()),
        )
        return BinnedExport(
            name=self.found.name,
            kind=self.found.kind,
            recordings=_histograms(ids, bins, self.described, grid_shape(self.image.size)),
            unassigned_rows=total.unassigned,
            notices=(*self.notices, *notices),
        )


@dataclass(frozen=True, slots=True)
class _Name:
    id: str
    name: str
    wearer: str


def _histograms(
    ids: list[str],
    bins: dict[str, RecordingBins],
    described: dict[str, Described],
    shape: tuple[int, int],
) -> tuple[RecordingHistogram, ...]:
    about = [described.get(one, Described()) for one in ids]
    names = [_Name(one, d.name, d.wearer) for one, d in zip(ids, about, strict=True)]
    histograms = []
    for name, label in zip(names, recording_labels(names), strict=True):
        found = bins.get(name.id) or RecordingBins(np.zeros(shape, np.uint32))
        used = int(found.bins.sum(dtype=np.int64))
        histograms.append(
            RecordingHistogram(
                id=name.id,
                name=name.name,
                wearer=name.wearer,
                label=label,
                duration_ns=sum(last - first for first, last in found.spans_ns.values()),
                counts=Counts(
                    used=used,
                    outside=found.detected - used,
                    undetected=found.rows - found.detected,
                    unreadable=found.unreadable,
                ),
                bins=found.bins,
            )
        )
    return tuple(histograms)


def submit_export(
    source: str | os.PathLike[str],
    found: FoundExport,
    image: ReferenceImage,
    executor: Executor,
    *,
    flat: bool = False,
    cache: HistogramCache | None = None,
    part_bytes: int = PART_BYTES,
) -> PendingExport:
    """Start putting an export into bins; nothing is read where the cache has it.

    Parameters
    ----------
    source : path
        The ZIP or folder that holds it.
    found : FoundExport
    image : ReferenceImage
    executor : concurrent.futures.Executor
    flat : bool
        As for `open_source`.
    cache : HistogramCache, optional
    part_bytes : int
        About the length of the stretches that a file on disk is cut into.
    """
    notices: list[str] = []
    described = read_sections(found, notices)
    # Without recordings: of the picture alone, the extent is known.
    extent = Enrichment(found.name, found.kind, (), image).extent()
    shape = grid_shape(image.size)
    key, kept = "", None
    if cache is not None:
        key = _cache_key(cache, Path(source), found, extent, shape)
        kept = cache.load(key)
    parts: list[Future[PartBins]] = []
    if kept is None:
        spans: list[Span | None] = [*split_lines(found.gaze, part_bytes)] or [None]
        for span in spans:
            gaze = str(found.gaze.file.path)
            part = Part(os.fspath(source), flat, gaze, span, extent, shape)
            with _lost_workers_in_words():
                parts.append(executor.submit(bin_part, part))
    return PendingExport(
        found=found,
        image=image,
        described=described,
        notices=tuple(notices),
        parts=tuple(parts),
        kept=kept,
        cache=cache,
        key=key,
    )


def _cache_key(
    cache: HistogramCache,
    source: Path,
    found: FoundExport,
    extent: tuple[float, float],
    shape: tuple[int, int],
) -> str:
    """Name the cache's entry by the content of the files and the grid."""
    on_disk = [file.disk for file in found.material if file.disk is not None]
    inside = [str(file.path if file.disk is None else file.name) for file in found.material]
    return cache.key(on_disk or [source], inside, extent, shape)


@contextmanager
def _lost_workers_in_words() -> Iterator[None]:
    """Say that a worker, or the way to it, is lost; a worker's own words pass."""
    try:
        yield
    except BrokenExecutor:
        raise ClusterError(
            "A worker process was stopped before its work was done, perhaps for want of "
            "memory. Try again with fewer --jobs."
        ) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("distributed", "concurrent"):
            raise
        raise ClusterError(
            f"The cluster lost its work ({type(error).__name__}: {error}). Check that its "
            "workers are up, have gazeheat installed, and see the data under the same path."
        ) from None


@contextmanager
def open_executor(jobs: int = 1, scheduler: str = "") -> Iterator[Executor]:
    """Open workers: in this process, in several processes, or on a Dask cluster.

    Parameters
    ----------
    jobs : int
        Processes on this machine; with 1, the work is done in this process.
    scheduler : str
        Address of a Dask scheduler, such as ``tcp://10.0.0.5:8786``; then `jobs` is not used.

    Raises
    ------
    ClusterError
        When no scheduler answers there, or the package for it is not installed.
    """
    if scheduler:
        with _open_cluster(scheduler) as executor:
            yield executor
    elif jobs > 1:
        # A fresh process, not a copy: this one may run threads.
        yield from _until_done(ProcessPoolExecutor(jobs, mp_context=get_context("spawn")))
    else:
        yield from _until_done(ThreadPoolExecutor(1))


def _until_done(executor: Executor) -> Iterator[Executor]:
    try:
        yield executor
    finally:
        # After an error, what has not been started is not wanted any more.
        executor.shutdown(cancel_futures=True)


@contextmanager
def _open_cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise ClusterError(
            "Working on a cluster needs another package. Install it with "
            "pip install 'gazeheat[cluster]'."
        ) from None
    try:
        # The package is not typed.
        client: Any = Client(  # type: ignore[no-untyped-call]
            address, timeout=_SCHEDULER_TIMEOUT_S, set_as_default=False
        )
    except (OSError, ValueError, TimeoutError):
        raise ClusterError(
            f"No scheduler answers at {address}. Check the address, and that "
            "'dask scheduler' runs there."
        ) from None
    with client:
        yield client.get_executor()
