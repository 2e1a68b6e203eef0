"""From files to histograms without holding the samples, on one machine or on many.

Histograms add up: every stretch of a file can be put into bins by itself, anywhere, and
the sum is the same to the last count. So the work is a list of `Part` objects, mapped
over any `concurrent.futures.Executor` and added up: threads or processes here, a Dask
cluster elsewhere. A part takes a few megabytes of memory, whatever its length.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np

from gazeheat_core.cache import HistogramCache
from gazeheat_core.errors import ClusterError, LimitError, SourceError
from gazeheat_core.exports import (
    LIMITS,
    FoundExport,
    check_problems,
    find_exports,
    open_source,
)
from gazeheat_core.exports.formats import check_ids, find_layout
from gazeheat_core.exports.reading import (
    Described,
    Tally,
    iter_gaze,
    judge_gaze,
    judge_positions,
    read_sections,
)
from gazeheat_core.exports.tables import Span, split_lines
from gazeheat_core.heatmap import BinnedExport, Bins, Counts, RecordingHistogram, join_short
from gazeheat_core.model import (
    Enrichment,
    FloatArray,
    IntArray,
    ReferenceImage,
    corner_shape,
    grid_shape,
    recording_labels,
)
from gazeheat_core.stopping import held

# A stretch of this length takes about a second; a shorter one would not be worth sending.
PART_BYTES = 256 * 2**20

_SCHEDULER_TIMEOUT_S = 5
# A cluster that starts its workers on demand may need a while.
_WORKERS_TIMEOUT_S = 30
# Rows at the start of a section that tell whether its timestamps are rounded.
_ROWS_JUDGED = 1000
_INT64 = np.iinfo(np.int64)
_ADDRESS = re.compile(r"((tcp|tls)://)?[^\s/]+:\d+")


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
    bins : Bins
    rows, detected, unreadable : int
        Readable rows; those of them with gaze on or beside the picture; rows left out.
    """

    bins: Bins
    rows: int = 0
    detected: int = 0
    unreadable: int = 0

    def add_samples(self, x: FloatArray, y: FloatArray, part: Part) -> None:
        """Add gaze samples."""
        self.rows += len(x)
        self.detected += int(np.count_nonzero(np.isfinite(x)))
        self.bins.add_gaze(x, y, part.extent)

    def add(self, other: RecordingBins) -> None:
        """Add what another part holds of the same recording."""
        self.rows += other.rows
        self.detected += other.detected
        self.unreadable += other.unreadable
        self.bins.add(other.bins)


@dataclass(frozen=True, slots=True)
class SectionTimes:
    """What a part holds of the timestamps of one section.

    Attributes
    ----------
    rows : int
        Readable ones.
    whole_seconds : int
        How many of the first ones are whole seconds, as no tracker writes them.
    first_ns, last_ns : int
    """

    rows: int = 0
    whole_seconds: int = 0
    first_ns: int = _INT64.max
    last_ns: int = _INT64.min

    @classmethod
    def of(cls, timestamp_ns: IntArray) -> SectionTimes:
        """Take them from the rows of a block."""
        if not len(timestamp_ns):
            return cls()
        broken = (timestamp_ns[:_ROWS_JUDGED] % 1_000_000_000).astype(bool)
        return cls(
            rows=len(timestamp_ns),
            whole_seconds=int(broken.argmax()) if broken.any() else len(broken),
            first_ns=int(timestamp_ns.min()),
            last_ns=int(timestamp_ns.max()),
        )

    def __add__(self, later: SectionTimes) -> SectionTimes:
        goes_on = self.whole_seconds == self.rows
        return SectionTimes(
            rows=self.rows + later.rows,
            whole_seconds=self.whole_seconds + later.whole_seconds * goes_on,
            first_ns=min(self.first_ns, later.first_ns),
            last_ns=max(self.last_ns, later.last_ns),
        )

    @property
    def is_rounded(self) -> bool:
        """Whether a spreadsheet has rounded them."""
        return self.whole_seconds >= min(self.rows, _ROWS_JUDGED)


@dataclass(eq=False, slots=True)
class PartBins:
    """What one part holds, or several of them together.

    Attributes
    ----------
    recordings : dict of RecordingBins
        By recording id, in the order of the file.
    sections : dict of SectionTimes
        By recording id and section id.
    tally : Tally
    """

    recordings: dict[str, RecordingBins] = field(default_factory=dict)
    sections: dict[tuple[str, str], SectionTimes] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def add(self, later: PartBins) -> None:
        """Add another part, one that comes later in the file and stays as it is."""
        self.tally += later.tally
        for recording_id, bins in later.recordings.items():
            self.recording(recording_id, bins.bins.shape).add(bins)
        for key, times in later.sections.items():
            self.sections[key] = self.sections.get(key, SectionTimes()) + times

    def recording(self, recording_id: str, shape: tuple[int, int]) -> RecordingBins:
        """Return what is held of a recording, to add to it."""
        bins = self.recordings.get(recording_id)
        if bins is None:
            bins = self.recordings[recording_id] = RecordingBins(Bins(shape))
        return bins

    def check_limits(self, found: FoundExport) -> None:
        """Check that ids are ids.

        Raises
        ------
        LimitError
            When there are too many recordings or sections.
        """
        for what, count, limit in (
            ("recordings", len(self.recordings), LIMITS.recordings),
            ("sections", len(self.sections), LIMITS.sections),
        ):
            if count > limit:
                ids = check_ids(found.gaze, find_layout(found.format, found.gaze))
                raise LimitError(f"{found.gaze.file}: more than {limit:,} {what}. {ids}")

    @property
    def is_rounded(self) -> bool:
        """Whether all sections of some length have rounded timestamps."""
        times = [times for times in self.sections.values() if times.rows > 10]
        return bool(times) and all(one.is_rounded for one in times)


def bin_part(part: Part) -> PartBins:
    """Read one part and put its samples into bins.

    Raises
    ------
    GazeheatError
        When it cannot be read, here or at the worker's place.
    """
    result = PartBins()
    with open_source(part.source, flat=part.flat) as files:
        found, problems = find_exports(file for file in files if str(file.path) == part.gaze)
        check_problems(found, problems)
        for block in iter_gaze(found[0], span=part.span):
            result.tally += block.tally
            gaze: dict[str, list[tuple[FloatArray, FloatArray]]] = {}
            for key, unreadable, (timestamp_ns, x, y, _) in block.groups:
                times = result.sections.get(key, SectionTimes())
                result.sections[key] = times + SectionTimes.of(timestamp_ns)
                result.recording(key[0], part.shape).unreadable += unreadable
                result.check_limits(found[0])
                gaze.setdefault(key[0], []).append((x, y))
            for recording_id, stretches in gaze.items():
                for x, y in join_short(stretches):
                    result.recordings[recording_id].add_samples(x, y, part)
    return result


@dataclass(frozen=True, eq=False, slots=True)
class PendingExport:
    """An export whose parts are being put into bins.

    Attributes
    ----------
    readings : tuple of PendingBins
        One for each picture that the reference image may mean.
    """

    readings: tuple[PendingBins, ...]

    @property
    def parts(self) -> tuple[Future[PartBins], ...]:
        """All that is being read."""
        return tuple(part for reading in self.readings for part in reading.parts)

    def result(self) -> BinnedExport:
        """Wait for the parts and add them up, over the picture that most samples lie on.

        Raises
        ------
        PictureMissingError
            When most samples lie on none of the pictures.
        GazeheatError
            When a part cannot be read, or a worker was lost.
        """
        exports = [reading.result() for reading in self.readings]
        export = max(exports, key=lambda export: sum(r.counts.used for r in export.recordings))
        label = str(self.readings[0].found.gaze.file)
        problem, notices = _judge_bins(label, export)
        if problem:
            # Says which picture is wanted, as for an export that came without one.
            replace(export, image=None, image_problem=problem).size()
        return replace(export, notices=(*export.notices, *notices))


def _judge_bins(label: str, export: BinnedExport) -> tuple[str, list[str]]:
    """Judge the positions behind histograms, as `judge_positions`."""
    counts = sum((recording.counts for recording in export.recordings), Counts())
    rows, columns = corner_shape(export.size())
    return judge_positions(
        label,
        export.frame,
        export.size(),
        detected=counts.used + counts.outside,
        inside=counts.used,
        in_corner=sum(int(r.bins[:rows, :columns].sum()) for r in export.recordings),
    )


@dataclass(frozen=True, eq=False, slots=True)
class PendingBins:
    """An export over one picture, whose parts are being put into bins."""

    found: FoundExport
    image: ReferenceImage
    described: dict[str, Described]
    notices: tuple[str, ...]
    parts: tuple[Future[PartBins], ...]
    kept: tuple[BinnedExport, bool] | None
    keep: Callable[[BinnedExport, bool], None]

    def result(self) -> BinnedExport:
        """Wait for the parts and add them up.

        Raises
        ------
        GazeheatError
            When a part cannot be read, or a worker was lost.
        """
        # What is kept has been judged by its rows before it was.
        export, rounded, tally = (*self.kept, Tally()) if self.kept else self._sum()
        counts = sum((recording.counts for recording in export.recordings), Counts())
        notices = judge_gaze(
            self.found,
            recordings=len(export.recordings),
            rows=export.rows,
            unreadable=counts.unreadable + export.unassigned_rows,
            detected=counts.used + counts.outside,
            tally=tally,
            rounded=rounded,
        )
        if self.kept is None:
            self.keep(export, rounded)
        # A copied folder has the same histograms under another name.
        return replace(
            export,
            name=self.found.name,
            kind=self.found.kind,
            image=self.image,
            notices=(*self.notices, *notices, *self.image.notices),
        )

    def _sum(self) -> tuple[BinnedExport, bool, Tally]:
        total = PartBins()
        shape = grid_shape(self.image.size)
        # As sections.csv lists them, then any others.
        for recording_id in self.described:
            total.recording(recording_id, shape)
            total.check_limits(self.found)
        for part in self.parts:
            with _lost_workers_in_words():
                total.add(part.result())
            total.check_limits(self.found)
        export = BinnedExport(
            name=self.found.name,
            kind=self.found.kind,
            frame=self.found.frame,
            recordings=_histograms(total, self.described),
            unassigned_rows=total.tally.unassigned,
        )
        return export, total.is_rounded, total.tally


@dataclass(frozen=True, slots=True)
class _Name:
    id: str
    name: str
    wearer: str


def _histograms(total: PartBins, described: dict[str, Described]) -> tuple[RecordingHistogram, ...]:
    ids = list(total.recordings)
    durations_ns = dict.fromkeys(ids, 0)
    for (recording_id, _), times in total.sections.items():
        durations_ns[recording_id] += times.last_ns - times.first_ns if times.rows else 0
    about = [described.get(one, Described()) for one in ids]
    names = [_Name(one, d.name, d.wearer) for one, d in zip(ids, about, strict=True)]
    histograms = []
    for name, label in zip(names, recording_labels(names), strict=True):
        found = total.recordings[name.id]
        used = found.bins.total
        histograms.append(
            RecordingHistogram(
                id=name.id,
                name=name.name,
                wearer=name.wearer,
                label=label,
                duration_ns=durations_ns[name.id],
                counts=Counts(
                    used=used,
                    outside=found.detected - used,
                    undetected=found.rows - found.detected,
                    unreadable=found.unreadable,
                ),
                kept=found.bins,
            )
        )
    return tuple(histograms)


def submit_export(
    source: str | os.PathLike[str],
    found: FoundExport,
    images: Sequence[ReferenceImage],
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
    images : sequence of ReferenceImage
        At least one. Of several, as of a picture with a rotation tag, the gaze tells which
        it is.
    executor : concurrent.futures.Executor
    flat : bool
        As for `open_source`.
    cache : HistogramCache, optional
    part_bytes : int
        About the length of the stretches that a file on disk is cut into.
    """
    place = os.fspath(source)
    return PendingExport(
        tuple(_submit(place, found, one, executor, flat, cache, part_bytes) for one in images)
    )


def _submit(
    source: str,
    found: FoundExport,
    image: ReferenceImage,
    executor: Executor,
    flat: bool,
    cache: HistogramCache | None,
    part_bytes: int,
) -> PendingBins:
    # Without recordings: of the picture alone, the extent is known.
    extent = Enrichment(found.name, found.kind, (), image, frame=found.frame).extent()
    shape = grid_shape(image.size)
    key, kept = "", None

    def make_key(cache: HistogramCache) -> str:
        return _cache_key(cache, Path(source), found, extent, shape)

    def keep(export: BinnedExport, rounded: bool) -> None:
        # Files that changed while they were read have no name that would be true, and those
        # that are gone have none at all.
        with suppress(SourceError):
            if cache is not None and make_key(cache) == key:
                cache.store(key, export, rounded=rounded)

    if cache is not None:
        key = make_key(cache)
        kept = cache.load(key)
    # Behind the key: a table saved in between must not leave old names under its new key.
    notices: list[str] = []
    described = read_sections(found, notices)
    parts: list[Future[PartBins]] = []
    if kept is None:
        spans: list[Span | None] = [*split_lines(found.gaze, part_bytes)] or [None]
        for span in spans:
            gaze = str(found.gaze.file.path)
            part = Part(source, flat, gaze, span, extent, shape)
            with _lost_workers_in_words():
                parts.append(executor.submit(bin_part, part))
    return PendingBins(
        found=found,
        image=image,
        described=described,
        notices=tuple(notices),
        parts=tuple(parts),
        kept=kept,
        keep=keep,
    )


def _cache_key(
    cache: HistogramCache,
    source: Path,
    found: FoundExport,
    extent: tuple[float, float],
    shape: tuple[int, int],
) -> str:
    """Name the cache's entry by the content of the files and the grid.

    Raises
    ------
    SourceError
        When a file is gone, or cannot be read.
    """
    on_disk = [file.disk for file in found.material if file.disk is not None]
    inside = [str(file.path if file.disk is None else file.name) for file in found.material]
    try:
        return cache.key(on_disk or [source], inside, extent, shape)
    except OSError as error:
        raise SourceError(
            f"{found.gaze.file}: {(error.strerror or 'cannot be read').lower()}. It may have "
            "been moved or deleted since it was found; check where it is."
        ) from None


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
        if isinstance(error, RuntimeError) and "start new thread" in str(error):
            raise MemoryError from None  # there is no room for a thread's stack
        is_theirs = type(error).__module__.partition(".")[0] in ("distributed", "concurrent")
        # What a worker says that cannot load the function it is sent.
        if not is_theirs and not isinstance(error, (RuntimeError, ImportError)):
            raise
        raise ClusterError(
            f"The cluster lost its work ({type(error).__name__}). Check that its workers are "
            "up, have gazeheat installed, and see the data under the same path."
        ) from None


class _Worker(SpawnProcess):
    """A process that Ctrl-C, which the terminal sends to all, does not reach."""

    def start(self) -> None:
        # A new process inherits what is blocked.
        with held(), _interrupts_blocked():
            super().start()


class _Workers(SpawnContext):
    """Starts fresh processes, not copies: this one may run threads."""

    Process = _Worker


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """End this worker process as soon as the one that started it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
        pool = ProcessPoolExecutor(jobs, mp_context=_Workers(), initializer=_end_with_parent)
        yield from _until_done(pool)
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
    if not _ADDRESS.fullmatch(address):
        raise ClusterError(
            f"'{address}' is not the address of a scheduler. Give one such as tcp://10.0.0.5:8786."
        )
    try:
        from distributed import Client
    except ImportError:
        raise ClusterError(
            "Working on a cluster needs another package. Install it with "
            "pip install 'gazeheat[cluster]'."
        ) from None
    # What matters of it is raised.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        # The package is not typed.
        client: Any = Client(  # type: ignore[no-untyped-call]
            address, timeout=_SCHEDULER_TIMEOUT_S, set_as_default=False
        )
    except Exception:  # of many kinds, by what answers in its place
        raise ClusterError(
            f"No scheduler answers at {address}. Check the address, and that "
            "'dask scheduler' runs there."
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_WORKERS_TIMEOUT_S)
        except TimeoutError:
            raise ClusterError(
                f"The scheduler at {address} has no workers. Start 'dask worker {address}' on "
                "the machines that shall read."
            ) from None
        yield client.get_executor(pure=False)
