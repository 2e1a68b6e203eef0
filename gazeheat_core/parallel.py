"""From files to tracks on one machine or on many.

Tracks of parts join to the whole: every stretch of a table can be read by itself, anywhere,
and the result is the same to the last count. So the work is a list of `Part` objects, mapped
over any `concurrent.futures.Executor` and joined: threads or processes here, a Dask cluster
elsewhere. Tables that only a whole pass understands are read here, in one go.
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
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from gazeheat_core.cache import StudyCache
from gazeheat_core.errors import ClusterError, GazeheatError, SourceError
from gazeheat_core.exports import FoundExport, check_problems, find_exports, open_source
from gazeheat_core.exports.blocks import fixations_left_out, fixations_table, gaze_table
from gazeheat_core.exports.contents import OnRows
from gazeheat_core.exports.reading import read_export
from gazeheat_core.exports.sections import Described, read_sections
from gazeheat_core.exports.studies import (
    TableTracks,
    judge_again,
    make_study,
    no_tracks,
    read_tracks,
)
from gazeheat_core.exports.tables import Span, split_lines
from gazeheat_core.grid import Grid
from gazeheat_core.model import ReferenceImage
from gazeheat_core.stopping import held
from gazeheat_core.study import Study, track_export

# A stretch of this length takes about a second; a shorter one would not be worth sending.
PART_BYTES = 256 * 2**20

_SCHEDULER_TIMEOUT_S = 5
# A cluster that starts its workers on demand may need a while.
_WORKERS_TIMEOUT_S = 30
_ADDRESS = re.compile(r"((tcp|tls)://)?[^\s/]+:\d+")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one table to read: all that a worker needs to know.

    Attributes
    ----------
    source : str or tuple of str
        Path of the ZIP or folder, or the paths of the pieces. A worker on another machine has
        to see them there too.
    flat : bool
        As for `open_source`.
    paths : tuple of str
        Paths of the tables inside the source: the gaze, and the fixations if these are to
        be read.
    span : (int, int) or None
        The stretch of the file; None for the whole.
    grids : tuple of Grid
        Of the pictures that the reference image may be.
    """

    source: str | tuple[str, ...]
    flat: bool
    paths: tuple[str, ...]
    span: Span | None
    grids: tuple[Grid, ...]


def read_part(part: Part) -> TableTracks:
    """Read one part.

    Raises
    ------
    GazeheatError
        When it cannot be read, here or at the worker's place.
    """
    with open_source(part.source, flat=part.flat) as files:
        found, problems = find_exports(file for file in files if str(file.path) in part.paths)
        check_problems(found, problems)
        fixations = fixations_table(found[0])
        if fixations is not None:
            return read_tracks(fixations, part.grids)
        return read_tracks(gaze_table(found[0]), part.grids, span=part.span)


@dataclass(eq=False, slots=True)
class PendingStudy:
    """An export whose parts are being read.

    Attributes
    ----------
    found : FoundExport
    images : tuple of ReferenceImage
        What the reference image may be.
    described : dict of Described
        What the list of sections says.
    notices : tuple of str
    gaze : list of Future
        Stretches of the gaze, in the order of the file; let go of as they are joined.
    fixations : Future or None
    kept : (Study, bool) or None
        What the cache has, and whether its timestamps are rounded.
    keep : callable
        Gives the cache a study, and whether its timestamps are rounded.
    whole : Future or None
        The study, of what cannot be read in stretches.
    """

    found: FoundExport
    images: tuple[ReferenceImage, ...]
    described: dict[str, Described]
    notices: tuple[str, ...]
    gaze: list[Future[TableTracks]]
    fixations: Future[TableTracks] | None
    kept: tuple[Study, bool] | None
    keep: Callable[[Study, bool], None]
    whole: Future[Study] | None = None
    _study: Study | None = None

    @property
    def parts(self) -> tuple[Future[Any], ...]:
        """All that is being read."""
        return (*self.gaze, *(one for one in (self.fixations, self.whole) if one is not None))

    def result(self) -> Study:
        """Wait for the parts and join them.

        Raises
        ------
        PictureMissingError
            When most samples lie on none of the pictures.
        GazeheatError
            When a part cannot be read, or a worker was lost.
        """
        if self._study is None:
            if self.whole is not None:
                self._study = self.whole.result()
            else:
                self._study = self._joined() if self.kept is None else self._judged(*self.kept)
        return self._study

    def _judged(self, study: Study, rounded: bool) -> Study:
        """Judge what is kept; its rows were judged before it was."""
        return judge_again(self.found, study, self.images, rounded, self.notices)

    def _joined(self) -> Study:
        notices = list(self.notices)
        known = gaze_table(self.found)
        total = no_tracks(known)
        while self.gaze:
            with _lost_workers_in_words():
                total.add(self.gaze[0].result(), known)
            # What has been joined is not held twice.
            del self.gaze[0]
        fixations = self._fixations(notices)
        study = make_study(self.found, self.images, self.described, total, fixations, notices)
        # What is said of fixations that cannot be used, or of odd rows, is not kept, so neither
        # is the study.
        if (self.fixations is None or fixations is not None) and not total.tally.tells_more:
            self.keep(study, total.is_rounded)
        return study

    def _fixations(self, notices: list[str]) -> TableTracks | None:
        if self.fixations is None:
            return None
        try:
            with _lost_workers_in_words():
                return self.fixations.result()
        except ClusterError:
            raise
        except GazeheatError as error:
            notices.append(fixations_left_out(error))
            return None


def submit_export(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    found: FoundExport,
    images: Sequence[ReferenceImage],
    executor: Executor,
    *,
    flat: bool = False,
    cache: StudyCache | None = None,
    part_bytes: int = PART_BYTES,
    on_rows: OnRows | None = None,
) -> PendingStudy:
    """Start reading an export over its picture; nothing is read where the cache has it.

    What cannot be read in stretches is read here and now.

    Parameters
    ----------
    source : path, or sequence of paths
        The ZIP or folder that holds it, or the pieces that do.
    found : FoundExport
    images : sequence of ReferenceImage
        At least one. Of several, as of a picture with a rotation tag, the gaze tells which
        it is.
    executor : concurrent.futures.Executor
    flat : bool
        As for `open_source`.
    cache : StudyCache, optional
    part_bytes : int
        About the length of the stretches that a file on disk is cut into.
    on_rows : callable, optional
        As of `read_export`, for what is read here.
    """
    place: str | tuple[str, ...]
    if isinstance(source, str | os.PathLike):
        place, places = os.fspath(source), [Path(source)]
    else:
        place, places = tuple(os.fspath(one) for one in source), [Path(one) for one in source]
    grids = tuple(Grid.over(image.size, found.frame) for image in images)
    key, kept = "", None

    def keep(study: Study, rounded: bool) -> None:
        # Files that changed while they were read have no name that would be true, and those
        # that are gone have none at all.
        with suppress(SourceError):
            if cache is not None and _cache_key(cache, places, found, images, grids) == key:
                notices = () if found.contents is None else study.notices
                cache.store(key, study, rounded=rounded, notices=notices)

    if cache is not None:
        key = _cache_key(cache, places, found, images, grids)
        kept = cache.load(key, grids)
    if found.contents is not None:
        whole = _read_here(found, images, keep, on_rows) if kept is None else None
        return PendingStudy(found, tuple(images), {}, (), [], None, kept, keep, whole)
    # Behind the key: a table saved in between must not leave old names under its new key.
    notices: list[str] = []
    described = read_sections(found, notices)
    gaze_path = str(found.gaze.file.path)
    parts: list[Part] = []
    if kept is None:
        spans: list[Span | None] = [*split_lines(found.gaze, part_bytes)] or [None]
        parts += [Part(place, flat, (gaze_path,), span, grids) for span in spans]
        if found.fixations is not None:
            parts.append(Part(place, flat, (gaze_path, str(found.fixations.path)), None, grids))
    with _lost_workers_in_words():
        futures = [executor.submit(read_part, part) for part in parts]
    has_fixations = bool(futures) and found.fixations is not None
    return PendingStudy(
        found=found,
        images=tuple(images),
        described=described,
        notices=tuple(notices),
        gaze=futures[:-1] if has_fixations else futures,
        fixations=futures[-1] if has_fixations else None,
        kept=kept,
        keep=keep,
    )


def _read_here(
    found: FoundExport,
    images: Sequence[ReferenceImage],
    keep: Callable[[Study, bool], None],
    on_rows: OnRows | None,
) -> Future[Study]:
    """Read an export whose tables only one pass over all of them understands.

    It is read while its files are open; what is wrong with it is raised when it is asked for.
    """
    done: Future[Study] = Future()
    try:
        study = track_export(read_export(found, on_rows, images))
        keep(study, False)
        done.set_result(study)
    except GazeheatError as error:
        done.set_exception(error)
    return done


def _cache_key(
    cache: StudyCache,
    places: Sequence[Path],
    found: FoundExport,
    images: Sequence[ReferenceImage],
    grids: Sequence[Grid],
) -> str:
    """Name the cache's entry by the content of the files and the grids.

    One table of another program may hold several exports, a person may say how it is to be
    read, and what was said of it is kept with the study: all of that is part of the name.

    Raises
    ------
    SourceError
        When a file is gone, or cannot be read.
    """
    on_disk = [file.disk for file in found.material if file.disk is not None]
    inside = [str(file.path if file.disk is None else file.name) for file in found.material]
    facts: list[object] = [inside, [(g.size, g.frame) for g in grids]]
    if found.contents is not None:
        facts += [
            (found.stimulus, found.name, found.kind),
            [str(file) for file in (*found.material, *found.empty)],
            [image.notices for image in images],
            [
                (one.format, one.recording, one.stimulus, one.table.columns, one.table.delimiter)
                for one in found.contents.known
            ],
        ]
    try:
        files = on_disk if len(on_disk) == len(inside) else places
        return cache.key(files, *facts)
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
