"""How files come in: uploads, the sample, studies on the server."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
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
    looks_like_zip,
    open_source,
    open_uploads,
    read_export,
)
from gazeheat_core.exports.pupil_cloud import PICTURE_SUFFIXES, read_images
from gazeheat_core.library import Library, ShelvedExport
from gazeheat_core.model import KIND_TITLES
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Opened, Study, my_study, return_memory
from gazeheat_core.sample import sample_zip
from gazeheat_core.studies import open_executor, submit_export

log = logging.getLogger("gazeheat")

# Uploads that are read at a time, over all sessions; the others wait their turn.
READS_AT_A_TIME = 2
# How often one that waits asks Streamlit whether its visitor still wants it.
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
        # The first ones are in, the others wait: whoever goes, for whatever reason, only
        # has to take the own ticket away.
        self._tickets: list[object] = []
        self._change = threading.Condition()

    @contextmanager
    def turn(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place, and hold it while the body runs.

        Parameters
        ----------
        waiting : callable
            Called every now and then with the number of those who are let in before.
            What it raises ends the wait.
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
        """Return how many are let in before; None once it is let in itself."""
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
        # Each of these calls lets Streamlit end the script of someone who does not wait.
        next_one = "Yours is next." if not before else f"{before:,} more come before yours."
        place.caption(f":material/hourglass_top: Other uploads are being read. {next_one}")

    with reading_queue().turn(waiting):
        place.empty()
        yield


# --- Uploads -------------------------------------------------------------------------


def take_uploads(files: list[UploadedFile]) -> None:
    """Read what was dropped, let go of it, and start over with the study it made."""
    study = my_study()
    study.problems.clear()
    # Another run may begin before this one has ended, and finds an empty box and this.
    study.uploader += 1
    study.interrupted = [
        f"{listed([file.name for file in files], 4, '')}: the reading was stopped when something "
        "else was pressed. Give the files again."
    ]
    try:
        with study.in_words():
            uploads = [gh.Upload(file.name, file) for file in files]
            zips = [upload for upload in uploads if looks_like_zip(upload)]
            loose = [upload for upload in uploads if not looks_like_zip(upload)]
            if is_lone_picture(loose) and not zips and study.opened:
                take_picture(study.opened[st.session_state["export"]], loose[0])
            else:
                with my_turn():
                    for group in (*([one] for one in zips), *([loose] if loose else ())):
                        read_group(study, group)
    finally:
        # Also when the visitor has left while it was read.
        release(files)
        return_memory()
    study.interrupted = []
    st.rerun()


def is_lone_picture(uploads: list[gh.Upload]) -> bool:
    """Tell whether a picture was given without any gaze: it is meant for the open export."""
    return len(uploads) == 1 and PurePosixPath(uploads[0].name).suffix.lower() in PICTURE_SUFFIXES


def give_picture(opened: Opened, file: UploadedFile) -> None:
    """Read the picture that an export was waiting for, and start over with it."""
    study = my_study()
    study.problems.clear()
    study.uploader += 1
    try:
        take_picture(opened, gh.Upload(file.name, file))
    finally:
        release([file])
    st.rerun()


def take_picture(opened: Opened, upload: gh.Upload) -> None:
    """Give an open export the picture that was dropped, or keep it as it was and say why."""
    export = opened.export
    with my_study().in_words(), my_turn():
        if isinstance(export, gh.BinnedExport):
            raise gh.PictureError(
                f"{shown(upload.name)}: a study on the server keeps its own reference image. "
                "To use another picture, drop the export itself."
            )
        opened.take(gh.with_picture(export, upload.stream.read(), upload.name))


def read_group(study: Study, uploads: list[gh.Upload]) -> None:
    """Read one ZIP, or loose files given together; what is wrong with one is kept as words."""
    progress = st.empty()
    with study.in_words(), open_uploads(uploads) as sources:
        for files in sources:
            found, problems = find_exports(files)
            study.problems.extend(str(problem) for problem in problems)
            for number, one in enumerate(found):
                left = len(found) - number
                study.check_room(one.name if left == 1 else f"{one.name} and {left - 1:,} more")
                with study.in_words():
                    study.add(read_export(one, show_progress(progress, one.name)))
    progress.empty()


def show_progress(place: DeltaGenerator, name: str) -> Callable[[int, float], None]:
    """Return a function that shows how much of an export has been read."""

    def on_rows(rows: int, share: float) -> None:
        place.progress(share, text=f"Reading {plain(name)}: {rows:,} rows")

    return on_rows


def release(files: list[UploadedFile]) -> None:
    """Let go of uploaded bytes now, not when the session ends.

    Streamlit offers no public way; where its inside has moved, the files simply stay
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
    """Return the sample study's ZIP, made once for all sessions."""
    return sample_zip()


def open_sample() -> None:
    """Read the sample through the same reader as an upload."""
    study = my_study()
    study.problems.clear()
    with study.in_words():
        read_group(study, [gh.Upload("Gazeheat sample.zip", io.BytesIO(sample_bytes()))])


# --- Studies on the server -----------------------------------------------------------


def administrators(name: str) -> str:
    """Return what the administrator set, in the environment or in Streamlit's secrets."""
    try:
        return os.environ.get(name) or str(st.secrets.get(name, ""))
    except FileNotFoundError:  # no file of secrets
        return ""


@st.cache_resource(ttl=60, show_spinner="Looking through the server's folder…")
def shelf(root: str) -> list[ShelvedExport]:
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
        # By where they lie: the list may change before the button is pressed.
        studies = {(one.path, one.inside): one for one in shelf(root)}
    except gh.GazeheatError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            f"Or a study on this server ({len(studies):,})",
            list(studies),
            index=None,
            format_func=lambda place: shelf_line(studies[place]),
            placeholder="Choose, or type to find",
            key="shelf",
            help="These lie in a folder that the administrator of this server set. They are "
            "read there and do not pass through your browser.",
        )
        if st.button("Open study", disabled=chosen is None) and chosen is not None:
            study = my_study()
            study.problems.clear()
            open_from_server(Library(Path(root)), studies[chosen])
            st.rerun()


def shelf_line(one: ShelvedExport) -> str:
    """Return what the list says of a study."""
    facts = [
        KIND_TITLES[one.kind],
        *([f"{one.recordings} recordings"] if one.recordings else []),
        f"{one.size_bytes / 1e6:,.0f} MB",
        f"{datetime.fromtimestamp(one.modified_s):%Y-%m-%d}",
        one.shown_path,
    ]
    return f"{one.name} · {' · '.join(facts)}"


def open_from_server(library: Library, one: ShelvedExport) -> None:
    """Read a study on the server into histograms; its samples stay where they are."""
    study = my_study()
    folder = administrators("GAZEHEAT_CACHE")
    cache = open_cache(folder, administrators("GAZEHEAT_CACHE_KEY")) if folder else None
    progress = st.empty()
    with study.in_words():
        place = library.locate(one.path)
        with open_source(place, flat=True) as files:
            its_files = [file for file in files if file.folder == one.inside]
            if not its_files:
                raise gh.SourceError(
                    f"{one.name}: it does not lie in {shown(one.path)} any more. "
                    "Choose another study, or ask whoever keeps the server's folder."
                )
            found, problems = find_exports(its_files)
            study.problems.extend(str(problem) for problem in problems)
            for export in found:
                images = read_images(export)
                if not images:  # the visitor is asked for one, and the samples tell if it fits
                    with my_turn():
                        study.add(read_export(export, show_progress(progress, export.name)))
                    continue
                try:
                    executor, _ = open_workers(administrators("GAZEHEAT_SCHEDULER"))
                    pending = submit_export(place, export, images, executor, flat=True, cache=cache)
                    for done, _ in enumerate(as_completed(pending.parts)):
                        share = (done + 1) / len(pending.parts)
                        progress.progress(share, text=f"Reading {plain(export.name)}")
                    study.add(pending.result())
                except ClusterError:
                    # The next one to open a study gets new workers.
                    open_workers.clear()
                    raise
    progress.empty()
