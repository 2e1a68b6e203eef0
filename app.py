"""The page: uploads, recordings to tick, the picture with its heatmap, two downloads.

It only arranges; what is computed is computed in `gazeheat_core`. Read it from top to
bottom: what a session keeps, how files come in, the empty page, the loaded page.

Everything a person brings lives in that person's session and nowhere else. What a tick
or a slider touches runs in one fragment and works on the bin grid.
"""

from __future__ import annotations

import ctypes
import gc
import io
import itertools
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image
from starlette.formparsers import MultiPartParser
from streamlit import runtime
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile
from threadpoolctl import threadpool_limits

import gazeheat_core as gh
from gazeheat_core.cache import HistogramCache
from gazeheat_core.cli import file_stem
from gazeheat_core.errors import ClusterError
from gazeheat_core.exports import (
    find_exports,
    looks_like_zip,
    open_source,
    open_uploads,
    read_export,
)
from gazeheat_core.exports.pupil_cloud import PICTURE_SUFFIXES, read_images
from gazeheat_core.figure import BAR_WIDTH_PX, MARGIN_PX
from gazeheat_core.library import Library, ShelvedExport
from gazeheat_core.model import KIND_TITLES, MAX_SCALE
from gazeheat_core.sample import sample_zip
from gazeheat_core.studies import open_executor, submit_export

log = logging.getLogger("gazeheat")

TITLE = "Gazeheat"
# More than .streamlit/config.toml lets anyone upload.
MAX_UPLOAD_BYTES = 2**32
# Uploads that are read at a time, over all sessions; the others wait their turn.
READS_AT_A_TIME = 2
# Boxes shown at a time; with more recordings than that, a filter and pages appear.
RECORDINGS_AT_A_TIME = 100
LONG_NAME = 30

COLORMAP_TITLES = {
    "turbo": "Turbo",
    "viridis": "Viridis",
    "magma": "Magma",
    "inferno": "Inferno",
    "cividis": "Cividis",
    "jet": "Jet",
    "greys": "Greys",
}

MARKUP = re.compile(
    r"""
    [\\`*\[\]<>$~&@|=+{}^!]               # anywhere
    | (?<![^\W_])[-_] | [-_](?![^\W_])    # not between letters or digits
    | :(?!(?<=(?<!\d)\d\d:)\d\d(?!\d))    # not in a time of day
    | (?<=:material)/                     # the name of an icon
    | ^\# | (?<=^\d)[.)] | (?<=^\d\d)[.)]  # a heading, a list
    """,
    re.VERBOSE,
)

COUNTS_HELP = """
Every row of the file's gaze is in one of these:

- **samples**: on the picture; these make the heatmap, each counting once
- **outside**: detected, but beyond the picture's borders
- **undetected**: the gaze was not on the reference image, or not found
- **unreadable**: a cell that is no number
- **not ticked**: belongs to recordings without a tick
"""

# Streamlit has no setting for these. The picture is as large as the window allows: its
# width follows the column or, where the window is low, the height that is left.
STYLE = f"""
<style>
[data-testid="stMainBlockContainer"] {{ padding: 2.4rem 3rem 1rem; }}
[data-testid="stHeader"] {{ height: 2.4rem; background: transparent; }}
.st-key-bar h3 {{ white-space: nowrap; padding: 0 1rem 0 0; }}
.st-key-bar [data-testid="stMarkdownContainer"] {{ margin: 0; }}
.st-key-stage {{ container-type: inline-size; --left-over: max(100vh - 15rem, 16rem); }}
.st-key-stage > :has(> .st-key-picture) {{
  --frame: {2 * MARGIN_PX}px;
  --bar: {BAR_WIDTH_PX}px;
  width: min(100cqw, (var(--left-over) - var(--frame)) * var(--aspect) + var(--bar)) !important;
  height: min(var(--left-over), (100cqw - var(--bar)) / var(--aspect) + var(--frame)) !important;
  flex: none !important;
}}
.st-key-picture .colorbar text {{ fill: currentColor !important; }}
[data-testid="stCaptionContainer"] {{ opacity: 0.75; }}
.st-key-recordings label p {{
  line-height: 1.35;
  overflow-wrap: anywhere;
  font-size: 0.875rem;
  color: color-mix(in srgb, currentColor 75%, transparent);
}}
.st-key-recordings label p::first-line {{ font-size: 1rem; color: CanvasText; }}
.st-key-recordings [data-testid="stCheckbox"] label {{ align-items: flex-start; }}
.st-key-recordings [class*="st-key-tick-"] {{
  padding-bottom: 5px;
  --ink: color-mix(in srgb, currentColor 45%, transparent);
  background: linear-gradient(var(--ink), var(--ink)) no-repeat 1.5rem 100%;
  background-size: calc((100% - 1.5rem) * var(--share, 0)) 2px;
}}
@media (max-width: 1000px) {{
  [data-testid="stMainBlockContainer"] {{ padding: 2.4rem 1rem 1rem; }}
  .st-key-stage {{ --left-over: 80vh; }}
  .st-key-workbench > * > [data-testid="stHorizontalBlock"] {{ flex-direction: column-reverse; }}
  .st-key-workbench > * > * > [data-testid="stColumn"] {{ width: 100%; flex: none; }}
}}
</style>
"""


# --- What a session keeps ----------------------------------------------------------


@dataclass(eq=False, slots=True)
class Opened:
    """An export on the page.

    Attributes
    ----------
    number : int
        Tells the exports of a session apart; never used twice.
    export : Export or BinnedExport
        With its samples if they were uploaded; reduced to histograms if the study lies on
        the server, where they can be read again.
    ticked : set of int
        Positions of the recordings that count. Boxes on the page only show it.
    histograms : tuple of RecordingHistogram
        Empty as long as there is no picture.
    display : bytes
        The display-sized picture, a JPEG file.
    ground : str
        Where the browser finds it.
    secret : str
        Keeps `ground` from being guessed, also by someone who has the same picture.
    pooled : set of int
        Positions of the recordings that are added up in `bins`.
    """

    number: int
    export: gh.Export | gh.BinnedExport
    ticked: set[int] = field(default_factory=set)
    histograms: tuple[gh.RecordingHistogram, ...] = ()
    display: bytes = b""
    ground: str = ""
    secret: str = field(default_factory=secrets.token_hex)
    pooled: set[int] = field(default_factory=set)
    bins: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((1, 1), np.int64))

    def __post_init__(self) -> None:
        self.ticked = set(range(len(self.export.recordings)))
        self.show(self.export)

    def show(self, export: gh.Export | gh.BinnedExport) -> None:
        """Take an export, perhaps with a new picture, and prepare all that ticks need."""
        self.export = export
        if export.image is not None:
            binned = export if isinstance(export, gh.BinnedExport) else gh.bin_export(export)
            self.histograms = binned.recordings
            self.display = gh.display_jpeg(export.image)
            self.pooled = set()
            self.bins = np.zeros(gh.grid_shape(export.image.size), np.int64)

    def heatmap(self, scale: float) -> gh.Heatmap:
        """Return the heatmap of the ticked recordings.

        Only what was ticked or unticked since the last time is added or taken away, so a
        tick costs the same with a thousand recordings.
        """
        for i in self.ticked - self.pooled:
            self.bins += self.histograms[i].bins
        for i in self.pooled - self.ticked:
            self.bins -= self.histograms[i].bins
        self.pooled = set(self.ticked)
        counts = sum((self.histograms[i].counts for i in self.ticked), gh.Counts())
        return gh.finish_heatmap(self.bins, counts, len(self.ticked), scale)


@dataclass(slots=True)
class Study:
    """All that one session holds."""

    opened: dict[int, Opened] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    # The export to select on the next run: a box that is drawn takes no other choice.
    newest: int | None = None
    # A new key gives an empty uploader.
    uploader: int = 0
    # Whoever holds this is looking at the page.
    visitor: object = None

    def add(self, export: gh.Export | gh.BinnedExport) -> None:
        """Add an export and select it; one of the same title gets a number."""
        number = next(self.numbers)
        titles = {one.export.title for one in self.opened.values()}
        name = export.name
        for copy in itertools.count(2):
            if export.title not in titles:
                break
            export = replace(export, name=f"{name} ({copy})")
        self.opened[number] = Opened(number, export)
        self.newest = number


def my_study() -> Study:
    """Return the study of this session."""
    if "study" not in st.session_state:
        st.session_state["study"] = Study()
    study: Study = st.session_state["study"]
    return study


@dataclass(eq=False, slots=True)
class Visitor:
    """Someone with a connection to the page, and the study they opened."""

    study: Study
    session_id: str

    def leave(self) -> None:
        """Forget the study, unless the connection comes back in time."""
        grace_s = st.get_option("server.disconnectedSessionTTL")
        timer = threading.Timer(grace_s, self.forget)
        timer.daemon = True
        timer.start()

    def forget(self) -> None:
        """Forget the study if no one has come back to it."""
        if self.study.visitor is self:
            self.study.opened.clear()
            self.study.problems.clear()
            release_media(self.session_id)
            return_memory()


def return_memory() -> None:
    """Give what has been let go of back to the system.

    Python keeps what ended runs of the script still point at in circles, and the C library
    keeps what was freed: after an upload of 140 MB that is gone, 150 MB.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # there is no such call on other systems
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@st.cache_resource(scope="session", show_spinner=False, on_release=Visitor.leave)
def greet(_study: Study) -> Visitor:
    """Note that someone is there.

    Streamlit lets go of this when the connection ends, at once; of the session and all it
    holds only when it next tidies up, which on a quiet server may be never.
    """
    return Visitor(_study, getattr(get_script_run_ctx(), "session_id", ""))


@st.cache_resource(show_spinner=False)
def settle() -> None:
    """Prepare the process for many small requests, once.

    The blur's two small matrix products are done in 2 ms by one thread, and in 20 ms by
    several that have to wait for a busy processor. And Streamlit collects garbage after
    every run of the script: 65 ms, unless what the imports made is out of its sight.
    """
    threadpool_limits(1, "blas")
    # Uploads stay in memory: from 1 MB on they would pass through a temporary file.
    MultiPartParser.spool_max_size = MAX_UPLOAD_BYTES
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner=False)
def reading_gate() -> threading.BoundedSemaphore:
    """Return the gate that bounds how many uploads are read at a time."""
    return threading.BoundedSemaphore(READS_AT_A_TIME)


@st.cache_resource(show_spinner="Drawing the sample…")
def sample_bytes() -> bytes:
    """Return the sample study's ZIP, made once for all sessions."""
    return sample_zip()


@st.cache_resource(show_spinner="Drawing the sample…")
def sample_picture() -> bytes:
    """Return a JPEG of the sample's heatmap, for the empty page."""
    (export,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_bytes())))
    assert export.image is not None
    heatmap = gh.make_heatmap(gh.bin_recordings(export), export.image.size)
    overlay = gh.render(heatmap, export.image, gh.Look()).overlay
    overlay.thumbnail((1200, 1200))
    out = io.BytesIO()
    overlay.save(out, "JPEG", quality=85)
    return out.getvalue()


# --- How files come in -------------------------------------------------------------


def take_uploads(files: list[UploadedFile]) -> None:
    """Read what was dropped, let go of it, and start over with the study it made."""
    study = my_study()
    study.problems.clear()
    uploads = [gh.Upload(file.name, file) for file in files]
    try:
        zips = [[upload] for upload in uploads if looks_like_zip(upload)]
        loose = [upload for upload in uploads if not looks_like_zip(upload)]
        if is_lone_picture(loose) and not zips and study.opened:
            take_picture(study.opened[st.session_state["export"]], loose[0])
        else:
            with my_turn():
                for group in [*zips, loose]:
                    read_group(study, group)
    finally:
        # Also when the visitor has left while it was read.
        release(files)
        return_memory()
    study.uploader += 1
    st.rerun()


def is_lone_picture(uploads: list[gh.Upload]) -> bool:
    """Tell whether a picture was given without any gaze: it is meant for the open export."""
    return len(uploads) == 1 and PurePosixPath(uploads[0].name).suffix.lower() in PICTURE_SUFFIXES


def take_picture(opened: Opened, upload: gh.Upload) -> None:
    """Give an open export the picture that was dropped, or keep it as it was and say why."""
    export = opened.export
    try:
        if isinstance(export, gh.BinnedExport):
            raise gh.PictureError(
                f"{upload.name}: a study on the server keeps its own reference image. "
                "To use another picture, drop the export itself."
            )
        opened.show(gh.with_picture(export, upload.stream.read(), upload.name))
    except gh.GazeheatError as error:
        my_study().problems.append(str(error))


@contextmanager
def my_turn() -> Iterator[None]:
    """Wait until fewer than `READS_AT_A_TIME` uploads are being read, and say so."""
    gate = reading_gate()
    if not gate.acquire(blocking=False):
        with st.spinner("Other uploads are being read. Yours is next."):
            gate.acquire()
    try:
        yield
    finally:
        gate.release()


def read_group(study: Study, uploads: list[gh.Upload]) -> None:
    """Read one ZIP, or loose files given together; what is wrong with one is kept as words."""
    progress = st.empty()
    try:
        with open_uploads(uploads) as sources:
            for files in sources:
                found, problems = find_exports(files)
                study.problems.extend(str(problem) for problem in problems)
                for one in found:
                    try:
                        study.add(read_export(one, show_progress(progress, one.name)))
                    except gh.GazeheatError as error:
                        study.problems.append(str(error))
    except gh.GazeheatError as error:
        study.problems.append(str(error))
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
        context = get_script_run_ctx()
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
            file.close()
    except (AttributeError, TypeError):
        log.warning("uploads cannot be released before the session ends")


def lend_picture(opened: Opened) -> str:
    """Put the picture where this browser can fetch it, and return the address.

    A tick sends the whole chart again. With the picture in it that would be half a
    megabyte more.
    """
    try:
        address = runtime.get_instance().media_file_mgr.add(
            opened.display, "image/jpeg", f"picture-{opened.number}", opened.secret
        )
    except (AttributeError, TypeError):
        log.warning("the picture cannot be served on its own; it goes along with every redraw")
        return gh.ground_uri(opened.display)
    # Relative, as all that the page loads: it may lie behind a proxy, under any path.
    return address.removeprefix("/")


def release_media(session_id: str) -> None:
    """Let go of the picture and the downloads that were offered to a session that is over."""
    try:
        manager = runtime.get_instance().media_file_mgr
        manager.clear_session_refs(session_id)
        manager.remove_orphaned_files()
    except RuntimeError:  # the server has ended meanwhile
        pass
    except AttributeError:
        log.warning("a picture cannot be released before the session ends")


def open_sample() -> None:
    """Read the sample through the same reader as an upload."""
    study = my_study()
    study.problems.clear()
    read_group(study, [gh.Upload("Gazeheat sample.zip", io.BytesIO(sample_bytes()))])


def clear() -> None:
    """Forget everything of this session."""
    study = my_study()
    study.opened.clear()
    study.problems.clear()
    return_memory()


# --- Studies on the server ---------------------------------------------------------


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
        studies = shelf(root)
    except gh.GazeheatError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            f"Or a study on this server ({len(studies):,})",
            range(len(studies)),
            index=None,
            format_func=lambda i: shelf_line(studies[i]),
            placeholder="Choose, or type to find",
            key="shelf",
            help="These lie in a folder that the administrator of this server set. They are "
            "read there and do not pass through your browser.",
        )
        if st.button("Open study", disabled=chosen is None) and chosen is not None:
            my_study().problems.clear()
            open_from_server(Library(Path(root)), studies[chosen])
            st.rerun()


def shelf_line(one: ShelvedExport) -> str:
    """Return what the list says of a study."""
    facts = [
        KIND_TITLES[one.kind],
        *([f"{one.recordings} recordings"] if one.recordings else []),
        f"{one.size_bytes / 1e6:,.0f} MB",
        f"{datetime.fromtimestamp(one.modified_s):%Y-%m-%d}",
        str(one.path),
    ]
    return f"{one.name} · {' · '.join(facts)}"


def open_from_server(library: Library, one: ShelvedExport) -> None:
    """Read a study on the server into histograms; its samples stay where they are."""
    study = my_study()
    folder = administrators("GAZEHEAT_CACHE")
    cache = HistogramCache(Path(folder)) if folder else None
    progress = st.empty()
    try:
        place = library.locate(one.path)
        with open_source(place, flat=True) as files:
            found, _ = find_exports(file for file in files if file.folder == one.inside)
            for export in found:
                images = read_images(export)
                if not images:  # the visitor is asked for one, and the samples tell if it fits
                    with my_turn():
                        study.add(read_export(export, show_progress(progress, export.name)))
                    continue
                executor, _ = open_workers(administrators("GAZEHEAT_SCHEDULER"))
                pending = submit_export(place, export, images, executor, flat=True, cache=cache)
                for done, _ in enumerate(as_completed(pending.parts)):
                    share = (done + 1) / len(pending.parts)
                    progress.progress(share, text=f"Reading {plain(export.name)}")
                study.add(pending.result())
    except ClusterError as error:
        # The next one to open a study gets new workers.
        open_workers.clear()
        study.problems.append(str(error))
    except gh.GazeheatError as error:
        study.problems.append(str(error))
    progress.empty()


def remove(number: int) -> None:
    """Forget one export."""
    my_study().opened.pop(number, None)
    return_memory()


def plain(text: str) -> str:
    r"""Keep Markdown from reading anything into a name.

    Marks that mean nothing where they stand are left alone, since a screen reader says
    the backslashes too.

    Examples
    --------
    >>> plain("*a* _b")
    '\\*a\\* \\_b'
    >>> plain("2025-08-09_06:55:05, left.jpeg")
    '2025-08-09_06:55:05, left.jpeg'
    """
    return MARKUP.sub(r"\\\g<0>", text)


# --- The empty page ----------------------------------------------------------------


def uploader(label: str) -> None:
    """Show a place to drop files, and read them once they are there."""
    files = st.file_uploader(
        label,
        accept_multiple_files=True,
        key=f"uploads-{my_study().uploader}",
        help="ZIPs as downloaded, or the files of one export together. Files that are not "
        "needed are passed over.",
    )
    if files:
        take_uploads(files)


def show_problems() -> None:
    """Show what was wrong with the last files."""
    for problem in my_study().problems:
        st.error(plain(problem), icon=":material/error:")


def centred() -> DeltaGenerator:
    """Return a column in the middle of the page."""
    return st.container(horizontal_alignment="center").container(width=900)


def empty_page() -> None:
    """Say what this is, and offer the two ways in."""
    with centred():
        st.title(TITLE, anchor=False)
        st.markdown("See where people looked: a heatmap over your reference image.")
        show_problems()
        picture, ways_in = st.columns([1.3, 1], gap="medium", vertical_alignment="center")
        picture.image(
            sample_picture(),
            width="stretch",
            alt="A shop shelf under a heatmap: red where people looked longest, clear where no "
            "one looked.",
        )
        with ways_in:
            uploader("Drop your export here")
            st.caption("or see it at work first")
            st.button("Try the sample", on_click=open_sample, width="stretch")
        choose_from_server()
        with st.expander("Where do I get the export?"):
            st.markdown(
                "1. In Pupil Cloud, open your project and its **Enrichments**. You need a "
                "*Reference Image Mapper* or a *Marker Mapper* that has finished.\n"
                "2. On the enrichment, choose **Download**.\n"
                "3. Drop the ZIP here as it is. There is no need to unpack it."
            )
        with st.expander("What happens to my data?"):
            st.markdown(
                "It goes to the server that shows this page and stays there in memory until "
                "you press *Clear* or close the page. Nothing is written to disk, nobody else "
                "who uses the page can see it, and nothing is sent anywhere."
            )


# --- The loaded page ---------------------------------------------------------------


def loaded_page() -> None:
    """Show the bar with the exports, and the chosen one below it."""
    study = my_study()
    if study.newest in study.opened:
        st.session_state["export"] = study.newest
        study.newest = None
    elif st.session_state.get("export") not in study.opened:
        st.session_state["export"] = next(reversed(study.opened))
    titles = {number: opened.export.title for number, opened in study.opened.items()}
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        st.markdown(f"### {TITLE}", width="content", anchors=False)
        number = st.selectbox(
            "Export",
            list(titles),
            format_func=titles.__getitem__,
            key="export",
            label_visibility="collapsed",
        )
        st.button(
            "Remove", on_click=remove, args=(number,), help="Forget this export; the others stay."
        )
        # A new key closes it once files were taken, so that it does not cover the picture.
        with st.popover("Add files", key=f"add-{study.uploader}"):
            uploader("Exports, or a picture for this one")
            choose_from_server()
        st.button("Clear", on_click=clear, help="Forget everything that was loaded.")
    show_problems()
    opened = study.opened[number]
    for notice in opened.export.notices:
        st.info(plain(notice), icon=":material/info:")
    if opened.export.image is None:
        picture_wanted(opened)
    else:
        opened.ground = lend_picture(opened)
        workbench(number)


def picture_wanted(opened: Opened) -> None:
    """Ask for the picture that an export came without."""
    export = opened.export
    with centred():
        st.subheader("Which picture was looked at?", anchor=False)
        reason = export.image_problem or "This export holds no reference image."
        st.markdown(plain(reason))
        picture = st.file_uploader(
            "The reference image" if export.unit == "px" else "A picture of the surface",
            key=f"picture-{my_study().uploader}",
            help="A JPEG or PNG. "
            + (
                "It must be the full-size picture that the enrichment was made with, since the "
                "gaze is in its pixels."
                if export.unit == "px"
                else "It must show the whole surface and nothing else."
            ),
        )
        if picture is not None:
            my_study().problems.clear()
            take_picture(opened, gh.Upload(picture.name, picture))
            release([picture])
            my_study().uploader += 1
            st.rerun()
        if export.unit == "normalized" and isinstance(export, gh.Export):
            st.markdown("Or draw the heatmap on a plain ground of the surface's shape:")
            width, height, use = st.columns([1, 1, 1], vertical_alignment="bottom")
            ratio = (
                width.number_input("Width", 0.1, 1000.0, 16.0),
                height.number_input("Height", 0.1, 1000.0, 9.0),
            )
            if use.button("Use plain ground", width="stretch"):
                try:
                    opened.show(gh.with_ratio(export, ratio))
                except gh.GazeheatError as error:
                    my_study().problems.append(str(error))
                st.rerun()


@st.fragment
def workbench(number: int) -> None:
    """Picker, settings and picture: all that a tick or a slider redraws.

    Streamlit keeps a fragment's arguments longer than the session's state, so it gets the
    export's number and not the export.
    """
    opened = my_study().opened.get(number)
    if opened is None:  # forgotten while the connection was lost
        st.rerun()
    with st.container(key="workbench"):
        left, right = st.columns([1, 2.7], gap="medium")
        with left:
            boxes = st.container()
            look = settings()
        # The picture before the boxes: the browser draws it while they are on their way.
        with right:
            result(opened, look)
        with boxes:
            picker(opened)


def picker(opened: Opened) -> None:
    """Show a box for each recording."""
    histograms = opened.histograms
    ticked = opened.ticked
    pooled = sum(histograms[i].counts.used for i in ticked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Recordings**", width="content")
        st.caption(f"{len(ticked)} of {len(histograms)}", width="content")
        st.space("stretch")
        buttons = st.container(horizontal=True, width="content")
    shown = listed(opened)
    shares = {i: histograms[i].counts.used / pooled if pooled else 0.0 for i in ticked}
    for label, change in (("All", ticked.update), ("None", ticked.difference_update)):
        verb = "Tick" if label == "All" else "Untick"
        buttons.button(
            label,
            type="tertiary",
            on_click=change,
            args=(shown,),
            help=f"{verb} all recordings that are listed",
        )
    with st.container(border=True, height=310 if len(shown) > 5 else "content", key="recordings"):
        for i in shown:
            key = f"tick-{opened.number}-{i}"
            st.session_state[key] = i in ticked
            histogram = histograms[i]
            name = histogram.label
            st.checkbox(
                recording_label(histogram, shares.get(i)),
                key=key,
                on_change=toggle,
                args=(ticked, i),
                help=plain(name) if len(name) > LONG_NAME else None,
            )
        bars = (
            f".st-key-tick-{opened.number}-{i} {{ --share: {shares.get(i, 0):.4f} }}" for i in shown
        )
        st.html(f"<style>{' '.join(bars)}</style>")


def toggle(ticked: set[int], position: int) -> None:
    """Tick or untick a recording."""
    ticked ^= {position}


def listed(opened: Opened) -> list[int]:
    """Return the positions of the recordings to list; asks for a filter where there are many."""
    labels = [f"{h.label} {h.wearer} {h.id}".lower() for h in opened.histograms]
    if len(labels) <= RECORDINGS_AT_A_TIME // 8:
        return list(range(len(labels)))
    wanted = st.text_input(
        "Find a recording",
        key=f"filter-{opened.number}",
        placeholder="Find by name, wearer or id",
        label_visibility="collapsed",
    ).lower()
    found = [i for i, label in enumerate(labels) if wanted in label]
    if len(found) <= RECORDINGS_AT_A_TIME:
        return found
    pages = range(0, len(found), RECORDINGS_AT_A_TIME)
    start = st.selectbox(
        "Show",
        pages,
        format_func=lambda at: (
            f"{at + 1:,} to {min(at + RECORDINGS_AT_A_TIME, len(found)):,} of {len(found):,}"
        ),
        key=f"pages-{opened.number}",
        label_visibility="collapsed",
    )
    return found[start : start + RECORDINGS_AT_A_TIME]


def recording_label(histogram: gh.RecordingHistogram, share: float | None) -> str:
    """Return what a recording's box says: name, wearer, samples, time, share of the total.

    A screen reader says the label as it is, so it carries no markup; see `STYLE`.
    """
    label = histogram.label
    name = label if len(label) <= LONG_NAME else label[: LONG_NAME - 1] + "…"
    seconds = round(histogram.duration_ns / 1e9)
    facts = [
        *([plain(histogram.wearer)] if histogram.wearer not in ("", *label.split(" · ")) else []),
        samples(histogram.counts.used),
        f"{seconds // 60}:{seconds % 60:02}",
        "not counted" if share is None else f"{share * 100:.0f} % of the total",
    ]
    return f"{plain(name)}  \n{' · '.join(facts)}"


def settings() -> gh.Look:
    """Show the settings; they live in the page's address, so that a link keeps the look."""
    default = gh.Look()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Look**", width="content")
        st.space("stretch")
        st.button(
            "Reset",
            type="tertiary",
            on_click=reset_settings,
            help="Back to scale 5, opacity 0.8, Turbo",
        )
    scale = st.slider(
        "Scale",
        0.0,
        MAX_SCALE,
        default.scale,
        0.5,
        format="%g %%",
        key="scale",
        bind="query-params",
        help="How far each glance spreads: the blur, in percent of the picture's longer side. "
        "0 shows the bare counts.",
    )
    opacity = st.slider(
        "Opacity",
        0.0,
        1.0,
        default.opacity,
        0.05,
        key="opacity",
        bind="query-params",
        help="The most that the heatmap covers of the picture. Where no one looked it is "
        "always clear.",
    )
    colormap = st.selectbox(
        "Colours",
        list(COLORMAP_TITLES),
        format_func=COLORMAP_TITLES.__getitem__,
        key="colours",
        bind="query-params",
        help="Viridis, Magma, Inferno and Cividis have even steps, also for the colour-blind "
        "and in print. Jet is for comparison with old figures.",
    )
    return gh.Look(scale, opacity, colormap)


def reset_settings() -> None:
    """Set every setting back."""
    default = gh.Look()
    st.session_state.update(scale=default.scale, opacity=default.opacity, colours=default.colormap)


def result(opened: Opened, look: gh.Look) -> None:
    """Show the picture with its heatmap, what was counted, and the downloads."""
    image = opened.export.image
    assert image is not None
    heatmap = opened.heatmap(look.scale)
    width, height = image.size
    figure = gh.overlay_figure(heatmap, image.size, opened.ground, look)
    st.html(f"<style>.st-key-stage {{ --aspect: {width / height} }}</style>")
    with st.container(key="stage"), st.container(key="picture", height=600, border=False):
        st.plotly_chart(
            figure,
            height="stretch",
            key="overlay",
            config={"displayModeBar": False},
            alt=description(opened.export, heatmap),
        )
    st.markdown(counted(opened, heatmap), help=COUNTS_HELP)
    downloads(opened.export.name, heatmap, image, look)


def description(export: gh.Export | gh.BinnedExport, heatmap: gh.Heatmap) -> str:
    """Return the chart in words, for those who cannot see it."""
    if not heatmap.counts.used:
        return f"The reference image of {export.name}, without a heatmap."
    width, height = export.size()
    rows, columns = heatmap.values.shape
    row, column = divmod(int(heatmap.values.argmax()), columns)
    x, y = (column + 0.5) / columns, (row + 0.5) / rows
    across = ("on the left", "in the middle", "on the right")[int(3 * x)]
    down = ("at the top", "halfway down", "at the bottom")[int(3 * y)]
    return (
        f"Heatmap over the reference image of {export.name}, from "
        f"{samples(heatmap.counts.used)} of {recordings(heatmap)}. "
        f"The longest gaze is {across}, {down}: "
        f"x {x * width:,.0f} px, y {y * height:,.0f} px. Half the longest or more covers "
        f"{(heatmap.values >= 0.5).mean() * 100:.0f} % of the picture."
    )


def samples(count: int) -> str:
    """Return how many samples there are."""
    return f"{count:,} sample" + ("s" if count != 1 else "")


def recordings(heatmap: gh.Heatmap) -> str:
    """Return how many recordings were pooled."""
    return f"{heatmap.recordings:,} recording" + ("s" if heatmap.recordings != 1 else "")


def counted(opened: Opened, heatmap: gh.Heatmap) -> str:
    """Return the line that says what became of every row of the file."""
    counts = heatmap.counts
    export = opened.export
    if not opened.ticked:
        return (
            "No recording is ticked, so the picture is bare. "
            f"Tick one to see where its wearer looked. The file has {export.rows:,} rows."
        )
    not_ticked = export.rows - counts.rows - export.unassigned_rows
    parts = [
        f"{counts.outside:,} outside",
        f"{counts.undetected:,} undetected",
        f"{counts.unreadable:,} unreadable",
        *([f"{not_ticked:,} not ticked"] if not_ticked else []),
        *([f"{export.unassigned_rows:,} of no recording"] if export.unassigned_rows else []),
    ]
    start = (
        f"**{samples(counts.used)} of {recordings(heatmap)}**"
        if counts.used
        else f"No gaze of {recordings(heatmap)} lies on the picture, so it is bare: 0 samples"
    )
    return f"{start} · {' · '.join(parts)} = {export.rows:,} rows"


def downloads(name: str, heatmap: gh.Heatmap, image: gh.ReferenceImage, look: gh.Look) -> None:
    """Offer the two files; nothing is drawn in full size before the click."""
    stem = file_stem(name)
    nothing = heatmap.counts.used == 0
    with st.container(horizontal=True):
        for what, draw in (
            ("heatmap", lambda: gh.render_heatmap(heatmap, image.size, look)),
            ("overlay", lambda: gh.render(heatmap, image, look).overlay),
        ):
            st.download_button(
                f"Download {what}",
                data=png_maker(draw),
                file_name=f"{stem}_{what}.png",
                mime="image/png",
                on_click="ignore",
                disabled=nothing,
                key=f"download-{what}",
            )


def png_maker(draw: Callable[[], Image.Image]) -> Callable[[], bytes]:
    """Return a function that draws and encodes an image, and logs what goes wrong."""

    def make() -> bytes:
        try:
            return gh.encode_png(draw())
        except Exception:
            log.exception("an image could not be made")
            raise

    return make


def main() -> None:
    """Lay out the page."""
    st.set_page_config(page_title=TITLE, layout="wide")
    settle()
    study = my_study()
    study.visitor = greet(study)
    st.html(STYLE)
    if study.opened:
        loaded_page()
    else:
        empty_page()


# Worker processes import this file too, and want no page.
if __name__ == "__main__":
    main()
