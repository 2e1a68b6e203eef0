"""Studies on the server: offered in a list, and opened without passing through a browser."""

from __future__ import annotations

import os
import time
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack, nullcontext
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import gazeheat_core as gh
from gazeheat_core.cache import open_cache
from gazeheat_core.errors import ClusterError, shown
from gazeheat_core.exports import FoundExport, find_exports, read_export
from gazeheat_core.exports.looking import UnknownTableError
from gazeheat_core.exports.reading import read_images
from gazeheat_core.library import Library, ServerStudy
from gazeheat_core.page.incoming import show_progress
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Visit, my_visit
from gazeheat_core.page.shared import SharedStudies, identity
from gazeheat_core.page.turns import my_turn
from gazeheat_core.parallel import open_executor, submit_export
from gazeheat_core.report import server_study_line


def configured(name: str) -> str:
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
    root = configured("GAZEHEAT_DATA")
    if not root:
        return
    try:
        # By path, not by position: the list may change before the button is pressed.
        studies = {one.identity: one for one in server_studies(root)}
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
            with my_visit().taking():
                open_from_server(Library(Path(root)), studies[chosen])
            st.rerun()


def open_from_server(library: Library, one: ServerStudy) -> None:
    """Open a study on the server."""
    visit = my_visit()
    progress = st.empty()
    with visit.in_words(), library.open(one) as (place, files):
        found: list[FoundExport] = []
        if files:
            found, problems = find_exports(files, on_rows=show_progress(progress, one.name))
            for problem in problems:
                if isinstance(problem, UnknownTableError):
                    problem = problem.otherwise("Drop it here to say which hold the positions.")
                visit.problems.append(str(problem))
        # Tables of other programs may hold several.
        mine = [
            export
            for export in found
            if export.contents is None or (export.stimulus, export.kind) == (one.stimulus, one.kind)
        ]
        if not files or (found and not mine):
            raise gh.SourceError(
                f"{one.name}: it does not lie in {shown(one.path)} any more. "
                "Choose another study, or ask whoever keeps the server's folder."
            )
        for export in mine:
            open_one(visit, place, export, progress)
    progress.empty()


def open_one(visit: Visit, place: Path, found: FoundExport, progress: DeltaGenerator) -> None:
    """Open one export of a study on the server, as others may have it open already."""

    def read() -> gh.Study:
        images, problem = read_images(found)
        if not images:
            raise gh.PictureMissingError(problem)
        folder = configured("GAZEHEAT_CACHE")
        cache = open_cache(folder, configured("GAZEHEAT_CACHE_KEY")) if folder else None
        executor, _ = open_workers(configured("GAZEHEAT_SCHEDULER"))
        # What is read in this process, not by workers, waits for its turn as an upload does.
        with my_turn() if found.contents is not None else nullcontext():
            on_rows = show_progress(progress, found.name)
            pending = submit_export(
                place, found, images, executor, flat=True, cache=cache, on_rows=on_rows
            )
        for done, _ in enumerate(as_completed(pending.parts)):
            share = (done + 1) / len(pending.parts)
            progress.progress(share, text=f"Reading {plain(found.name)}")
        return pending.result()

    def waiting() -> None:
        progress.caption(f":material/hourglass_top: {plain(found.name)} is being read.")

    start_s = time.monotonic()
    try:
        study = shared_studies().get(identity(found), read, waiting)
        visit.add(study, start_s, is_shared=True)
        return
    except gh.PictureMissingError:
        pass
    except ClusterError:
        # The next study that is opened gets new workers.
        open_workers.clear()
        raise
    # The page asks for a picture; the samples are needed to check whether it fits.
    with my_turn():
        visit.add(read_export(found, show_progress(progress, found.name)), start_s)


@st.cache_resource(show_spinner=False)
def shared_studies() -> SharedStudies:
    """Return the studies on the server that someone has open."""
    return SharedStudies()
