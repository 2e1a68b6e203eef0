"""How files come in: uploads, the sample, studies on the server."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

import gazeheat_core as gh
from gazeheat_core.cache import open_cache
from gazeheat_core.errors import ClusterError, listed, shown
from gazeheat_core.exports import (
    find_exports,
    open_source,
    read_export,
    sources_of,
)
from gazeheat_core.exports.finding import is_picture
from gazeheat_core.exports.reading import read_images
from gazeheat_core.exports.sources import Given
from gazeheat_core.library import Library, ServerStudy
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Opened, Visit, my_visit, return_memory
from gazeheat_core.report import server_study_line
from gazeheat_core.sample import sample_zip
from gazeheat_core.studies import open_executor, submit_export

log = logging.getLogger("gazeheat")

# Uploads that are read at a time, over all sessions; the others wait their turn.
READS_AT_A_TIME = 2
# How often an upload that waits lets Streamlit end its script, should the visitor have left.
_LOOK_UP_S = 0.5


# --- Taking turns --------------------------------------------------------------------


class Queue:
    """Lets a few in at a time, in the order in which they came.

    Parameters
    ----------
    places : int
        How many may be in.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        # The first `places` tickets are in, the others wait. To leave, for whatever reason,
        # it is enough to remove one's ticket.
        self._tickets: list[object] = []
        self._change = threading.Condition()

    @contextmanager
    def turn(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place, and hold it while the body runs.

        Parameters
        ----------
        waiting : callable
            Called with the number of those who are let in before, when that changes and
            about twice a second. An exception that it raises ends the wait.
        """
        ticket = object()
        with self._change:
            self._tickets.append(ticket)
        try:
            while (before := self._before(ticket)) is not None:
                waiting(before)
                with self._change:
                    self._change.wait_for(lambda: self._before(ticket) != before, _LOOK_UP_S)
            yield
        finally:
            with self._change:
                self._tickets.remove(ticket)
                self._change.notify_all()

    def _before(self, ticket: object) -> int | None:
        """Return how many are let in before a ticket; None once it is in itself."""
        place = self._tickets.index(ticket) - self._places
        return place if place >= 0 else None


@st.cache_resource(show_spinner=False)
def reading_queue() -> Queue:
    """Return the queue that bounds how many uploads are read at a time."""
    return Queue(READS_AT_A_TIME)


@contextmanager
def my_turn() -> Iterator[None]:
    """Wait until fewer than `READS_AT_A_TIME` uploads are being read, and say so."""
    place = st.empty()

    def waiting(before: int) -> None:
        # Each call of Streamlit lets it end the script of a visitor who has left.
        next_one = "Yours is next." if not before else f"{before:,} more come before yours."
        place.caption(f":material/hourglass_top: Other uploads are being read. {next_one}")

    with reading_queue().turn(waiting):
        place.empty()
        yield


# --- Uploads -------------------------------------------------------------------------


def drop_exports(label: str) -> None:
    """Show a place to drop files, and read them once they are there."""
    files = st.file_uploader(
        label,
        accept_multiple_files=True,
        key=f"uploads-{my_visit().uploader}",
        help="ZIPs as downloaded, or the files of one export together. Files that are not "
        "needed are passed over.",
    )
    if files:
        take_uploads(files)


def take_uploads(files: list[UploadedFile]) -> None:
    """Read what was dropped, free it, and run the page again with the studies it made."""
    visit = my_visit()
    visit.problems.clear()
    # The visitor can start another run before this one ends. That run shows an empty
    # uploader and this sentence.
    visit.uploader += 1
    visit.interrupted = [
        f"{listed([file.name for file in files], 4, '')}: the reading was stopped when something "
        "else was pressed. Give the files again."
    ]
    try:
        with visit.in_words():
            sources = sources_of(gh.Upload(file.name, file) for file in files)
            picture = lone_picture(sources)
            if picture is not None and visit.opened:
                take_picture(visit.opened[st.session_state["export"]], picture)
            else:
                with my_turn():
                    for source in sources:
                        read_source(visit, source)
    finally:
        # Also when the visitor has left while the files were read.
        release(files)
        return_memory()
    visit.interrupted = []
    st.rerun()


def lone_picture(sources: Sequence[Given]) -> gh.Upload | None:
    """Return the picture that was given without any gaze, for the study that is chosen."""
    match sources:
        case [[gh.Upload() as upload]]:
            return upload if is_picture(upload.name) else None
    return None


def take_only_picture(opened: Opened, file: UploadedFile) -> None:
    """Read the picture that a study was waiting for, and run the page again with it."""
    visit = my_visit()
    visit.problems.clear()
    visit.uploader += 1
    try:
        take_picture(opened, gh.Upload(file.name, file))
    finally:
        release([file])
    st.rerun()


def take_picture(opened: Opened, upload: gh.Upload) -> None:
    """Give an open study the picture that was dropped; where that fails, say why."""
    export = opened.export
    with my_visit().in_words(), my_turn():
        if isinstance(export, gh.BinnedExport):
            raise gh.PictureError(
                f"{shown(upload.name)}: a study on the server keeps its own reference image. "
                "To use another picture, drop the export itself."
            )
        opened.take(gh.with_picture(export, upload.stream.read(), upload.name))


def read_source(visit: Visit, source: Given) -> None:
    """Open every export of a source as a study; an error with one is kept as a sentence."""
    progress = st.empty()
    with visit.in_words(), open_source(source) as files:
        found, problems = find_exports(files)
        visit.problems.extend(str(problem) for problem in problems)
        for number, one in enumerate(found):
            left = len(found) - number
            visit.check_room(one.name if left == 1 else f"{one.name} and {left - 1:,} more")
            with visit.in_words():
                visit.add(read_export(one, show_progress(progress, one.name)))
    progress.empty()


def show_progress(place: DeltaGenerator, name: str) -> Callable[[int, float], None]:
    """Return a function that shows how much of an export has been read."""

    def on_rows(rows: int, share: float) -> None:
        place.progress(share, text=f"Reading {plain(name)}: {rows:,} rows")

    return on_rows


def release(files: list[UploadedFile]) -> None:
    """Free uploaded bytes now, not when the session ends.

    Streamlit has no public function for this. Where its internals differ, the files stay
    until the page is closed.
    """
    try:
        context: Any = get_script_run_ctx()
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
            file.close()
    except (AttributeError, TypeError):
        log.warning("uploads cannot be released before the session ends")


# --- The sample ----------------------------------------------------------------------


@st.cache_resource(show_spinner="Drawing the sample…")
def sample_bytes() -> bytes:
    """Return the sample's ZIP, made once for all sessions."""
    return sample_zip()


def open_sample() -> None:
    """Read the sample through the same reader as an upload."""
    visit = my_visit()
    visit.problems.clear()
    read_source(visit, gh.Upload("Gazeheat sample.zip", io.BytesIO(sample_bytes())))


# --- Studies on the server -----------------------------------------------------------


def administrators(name: str) -> str:
    """Return what the administrator set, in the environment or in Streamlit's secrets."""
    try:
        return os.environ.get(name) or str(st.secrets.get(name, ""))
    except FileNotFoundError:  # no file of secrets
        return ""


@st.cache_resource(ttl=60, show_spinner="Looking through the server's folder…")
def server_studies(root: str) -> list[ServerStudy]:
    """Return the studies in the administrator's folder, the latest first."""
    return sorted(Library(Path(root)).list(), key=lambda one: -one.modified_s)


@st.cache_resource(show_spinner=False, on_release=lambda workers: workers[1].close())
def open_workers(scheduler: str) -> tuple[Executor, ExitStack]:
    """Return the processes, or the cluster, that read studies on the server."""
    stack = ExitStack()
    return stack.enter_context(open_executor(os.cpu_count() or 2, scheduler)), stack


def choose_from_server() -> None:
    """Offer the studies in the administrator's folder, if there is one."""
    root = administrators("GAZEHEAT_DATA")
    if not root:
        return
    try:
        # By path, not by position: the list may change before the button is pressed.
        studies = {(one.path, one.inside): one for one in server_studies(root)}
    except gh.GazeheatError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            f"Or a study on this server ({len(studies):,})",
            list(studies),
            index=None,
            format_func=lambda place: server_study_line(studies[place]),
            placeholder="Choose, or type to find",
            key="server-study",
            help="These lie in a folder that the administrator of this server set. They are "
            "read there and do not pass through your browser.",
        )
        if st.button("Open study", disabled=chosen is None) and chosen is not None:
            my_visit().problems.clear()
            open_from_server(Library(Path(root)), studies[chosen])
            st.rerun()


def open_from_server(library: Library, one: ServerStudy) -> None:
    """Open a study on the server, reduced to histograms; its samples stay on the disk."""
    visit = my_visit()
    folder = administrators("GAZEHEAT_CACHE")
    cache = open_cache(folder, administrators("GAZEHEAT_CACHE_KEY")) if folder else None
    progress = st.empty()
    with visit.in_words():
        place = library.locate(one.path)
        with open_source(place, flat=True) as files:
            its_files = [file for file in files if file.folder == one.inside]
            if not its_files:
                raise gh.SourceError(
                    f"{one.name}: it does not lie in {shown(one.path)} any more. "
                    "Choose another study, or ask whoever keeps the server's folder."
                )
            found, problems = find_exports(its_files)
            visit.problems.extend(str(problem) for problem in problems)
            for export in found:
                images = read_images(export)
                if not images:  # the page asks for one; the samples are needed to check it
                    with my_turn():
                        visit.add(read_export(export, show_progress(progress, export.name)))
                    continue
                try:
                    executor, _ = open_workers(administrators("GAZEHEAT_SCHEDULER"))
                    pending = submit_export(place, export, images, executor, flat=True, cache=cache)
                    for done, _ in enumerate(as_completed(pending.parts)):
                        share = (done + 1) / len(pending.parts)
                        progress.progress(share, text=f"Reading {plain(export.name)}")
                    visit.add(pending.result())
                except ClusterError:
                    # The next study that is opened gets new workers.
                    open_workers.clear()
                    raise
    progress.empty()
