"""What the server answers beside Streamlit: refusals, headers, files of the open studies.

Streamlit serves the page; this adds to it. A request is refused unless its ``Host`` is one
of the names that the server answers to. Every answer says that it may not be framed. An
open study lends its visitor files (the picture, the downloads) under an address that
contains a secret. They are made when the browser fetches them and are not kept; the address
is valid until the study is closed. The script that draws the picture comes from here too:
the page needs no other server.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import distribution, version
from pathlib import Path
from urllib.parse import quote, urlsplit
from weakref import WeakValueDictionary

import streamlit as st
from starlette import formparsers
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose
from streamlit import file_util, runtime
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from gazeheat_core.errors import GazeheatError
from gazeheat_core.exports import LIMITS
from gazeheat_core.exports.sources import MIB

log = logging.getLogger("gazeheat")

SCRIPT = Path(__file__).with_name("main.py")
ICON = Path(__file__).with_name("icon.png")
TITLE = "Gazeheat"

# Files that are drawn at a time, over all visitors: each takes some bytes for each pixel.
FILES_AT_A_TIME = 2
CLOSING_PATIENCE_S = 10

# What every answer carries.
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",  # the same, for old browsers
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOT_OPEN = (
    "This study is not open any more, so there is no file to fetch. "
    "Load the export again, then download."
)
TOO_LONG = (
    f"What was written has more than {LIMITS.form_bytes:,} bytes. Shorten the heading or the "
    "caption, then download."
)
NOT_MADE = "The file could not be made; the server's log says why. Try again."


# --- Files that an open study lends --------------------------------------------------


@dataclass(frozen=True, slots=True)
class File:
    """A file for one browser.

    Attributes
    ----------
    data : bytes
    mime : str
    name : str
        What a download is called; empty for a file that is shown.
    facts : str
        What the log says of a download; no names.
    """

    data: bytes
    mime: str
    name: str = ""
    facts: str = ""


class Loan:
    """The files that one open study lends to its visitor's browser.

    They can be fetched until `end`, or until nothing holds the loan.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_urlsafe(32)
        # By what is asked for, and whether it is of a form.
        self._makers: dict[tuple[str, bool], Callable[..., File]] = {}
        _loans[self._secret] = self

    def lend(self, what: str, make: Callable[[], File]) -> str:
        """Lend what `make` returns, which is called at each fetch; return its address.

        The address is relative, as all that the page loads: the page may lie behind a
        proxy, under any path.
        """
        self._makers[what, False] = make
        return f"lent/{self._secret}/{what}"

    def lend_form(self, what: str, make: Callable[[str], File]) -> str:
        """Lend what `make` returns of a form that the browser sends; return its address."""
        self._makers[what, True] = make
        return f"lent/{self._secret}/{what}"

    def maker(self, what: str, *, of_form: bool = False) -> Callable[..., File] | None:
        """Return the function that makes a file, None where none is lent."""
        return self._makers.get((what, of_form))

    def end(self) -> None:
        """Lend nothing any more."""
        self._makers.clear()
        _loans.pop(self._secret, None)


_loans: WeakValueDictionary[str, Loan] = WeakValueDictionary()
_drawing = asyncio.Semaphore(FILES_AT_A_TIME)


async def fetch(request: Request) -> Response:
    """Answer with a lent file, or say why there is none."""
    loan = _loans.get(request.path_params["secret"])
    what = request.path_params["what"]
    of_form = request.method == "POST"
    make = None if loan is None else loan.maker(what, of_form=of_form)
    if make is None:
        return PlainTextResponse(NOT_OPEN, 404)
    if of_form:
        form = await _form(request)
        if form is None:
            return PlainTextResponse(TOO_LONG, 413)
        make = partial(make, form)
    async with _drawing:
        start_s = time.monotonic()
        try:
            file = await run_in_threadpool(make)
        except GazeheatError as error:
            return PlainTextResponse(str(error), 400)
        except Exception:
            log.exception("a file could not be made")
            return PlainTextResponse(NOT_MADE, 500)
    if not file.name:
        # The browser may keep a picture for as long as the page could be open.
        headers = {"Cache-Control": "private, max-age=86400, immutable"}
        return Response(file.data, media_type=file.mime, headers=headers)
    log.info("drew %s, %s, %.1f s", what, file.facts, time.monotonic() - start_s)
    disposition = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    headers = {"Cache-Control": "no-store", "Content-Disposition": disposition}
    return Response(file.data, media_type=file.mime, headers=headers)


async def _form(request: Request) -> str | None:
    """Return what a browser has written, None where it is too much."""
    form = b""
    async for chunk in request.stream():
        form += chunk
        if len(form) > LIMITS.form_bytes:
            return None
    return form.decode(errors="replace")


# --- The script that draws the picture ------------------------------------------------


@cache
def script_address() -> str:
    """Return the address of Plotly's script, relative like that of a lent file.

    It names the installed version, so that a browser may keep the script for good.
    """
    return f"script/plotly-{version('plotly')}.js"


@cache
def _zipped_script() -> bytes:
    """Return Plotly's script, of 4.8 MB, as the 1.5 MB that are sent; zipped once."""
    path = distribution("plotly").locate_file("plotly/package_data/plotly.min.js")
    return gzip.compress(Path(str(path)).read_bytes(), 6)


async def fetch_script(request: Request) -> Response:
    """Answer with Plotly's script, as every browser reads it: zipped."""
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Encoding": "gzip"}
    data = await run_in_threadpool(_zipped_script)
    return Response(data, media_type="text/javascript", headers=headers)


# --- Who may ask ---------------------------------------------------------------------


def is_known_host(host: str, known: Iterable[str]) -> bool:
    """Tell whether a request's ``Host`` is one of the names that the server answers to.

    A page elsewhere can make its own name point to this machine, and would then speak
    with the server through its visitor's browser. The name stays in the request.

    Parameters
    ----------
    host : str
        As in the request: a name or an address, perhaps with a port.
    known : iterable of str
        Names and addresses; ``*.lab.example`` stands for all below, ``*`` for any.

    Examples
    --------
    >>> is_known_host("localhost:8501", ["localhost"])
    True
    >>> is_known_host("evil.example:8501", ["localhost", "*.lab.example"])
    False
    >>> is_known_host("eye.lab.example", ["*.lab.example"])
    True
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    for pattern in (one.strip().lower().rstrip(".") for one in known):
        if pattern == "*" or (name and name == pattern):
            return True
        if pattern.startswith("*.") and name.endswith(pattern[1:]):
            return True
    return False


class Gatekeeper:
    """Answers only to known names, takes no more than a session may upload.

    All answers get `HEADERS`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = _refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
        elif _is_upload(scope):
            await self._receive_upload(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    async def _receive_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take an upload, unless its session would then hold too much at once."""
        session_id = scope["path"].split("/")[-2]
        length = Headers(scope=scope).get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            await PlainTextResponse("An upload has to state its length.", 411)(scope, receive, send)
            return
        size_bytes = int(length)
        if _unread_bytes(session_id) + _arriving[session_id] + size_bytes > LIMITS.upload_bytes:
            words = (
                f"The files given are more than {LIMITS.upload_bytes // MIB:,} MB together. "
                "Give them one after the other, or split the study into several exports."
            )
            await PlainTextResponse(words, 413)(scope, receive, send)
            return
        _arriving[session_id] += size_bytes
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            pass  # the tab was closed meanwhile; that is no fault to be logged
        finally:
            _arriving[session_id] -= size_bytes
            if not _arriving[session_id]:
                del _arriving[session_id]


def _is_upload(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "PUT"
        and "/_stcore/upload_file/" in scope["path"]
    )


# Bytes of the uploads on their way, by session.
_arriving: Counter[str] = Counter()


def _unread_bytes(session_id: str) -> int:
    """Bytes of the uploads that have arrived and that have not been read yet."""
    manager = runtime.get_instance().uploaded_file_mgr
    files: dict[str, dict[str, UploadedFileRec]] = getattr(manager, "file_storage", {})
    return sum(len(file.data) for file in [*files.get(session_id, {}).values()])


def _refusal(scope: Scope) -> ASGIApp | None:
    """Return the answer to a request that is refused, None for one that is not."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not is_known_host(host, st.get_option("server.allowedHosts")):
        if scope["type"] == "websocket":
            return WebSocketClose(1008, "unknown host")
        return PlainTextResponse(
            "This server is not set up to answer to the name in the address. If it should be, "
            "start it with the name added: --allow-host NAME for 'gazeheat page', "
            "--server.allowedHosts NAME for 'streamlit run' (see the README, 'Opening it to a "
            "lab').",
            421,
        )
    return None


# --- What comes in and goes ----------------------------------------------------------


class Received(io.BytesIO):
    """An upload as it arrives: in memory, once.

    Starlette would keep it in a temporary file from 1 MB on, and Streamlit would take a
    copy of it: for an upload of 500 MB, 500 MB more.
    """

    _rolled = False  # asked by Starlette: is it in a file?

    def __init__(self, max_size: int = 0) -> None:
        super().__init__()

    def read(self, size: int | None = -1) -> bytes:
        """Read; the whole is handed over without a copy."""
        if self.tell() == 0 and (size is None or size < 0):
            return self.getvalue()
        return super().read(size)


_loop: asyncio.AbstractEventLoop | None = None


def _same_bytes(file: UploadedFile, memo: dict[int, object]) -> UploadedFile:
    """Copy an uploaded file, but not its bytes, which nothing changes."""
    record = UploadedFileRec(file.file_id, file.name, file.type, file.getvalue())
    return UploadedFile(record, file._file_urls)


def hold_uploads_once() -> None:
    """Let every upload be received as `Received`, and not copied for each run of the script.

    Neither Starlette nor Streamlit, which makes a deep copy of every widget's value, has a
    setting for it.
    """
    formparsers.SpooledTemporaryFile = Received  # type: ignore[attr-defined, assignment]
    UploadedFile.__deepcopy__ = _same_bytes  # type: ignore[attr-defined]


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Prepare for requests."""
    global _loop
    _loop = asyncio.get_running_loop()
    hold_uploads_once()
    try:
        with _logging():
            yield
    finally:
        _loop = None


@contextmanager
def _logging() -> Iterator[None]:
    """Write what happens to the server's log: to the standard error, a line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)


def close_session(session_id: str) -> None:
    """Shut a session down, with its state, its uploads and a script that runs in it.

    One that has a connection is left alone. Not to be called on the server's own thread.
    """
    if _loop is None or not runtime.exists():
        return
    server = runtime.get_instance()
    is_closed = threading.Event()

    def close() -> None:
        if not server.is_active_session(session_id):
            server.close_session(session_id)
        is_closed.set()

    with suppress(RuntimeError):  # the server ends at this moment
        _loop.call_soon_threadsafe(close)
        is_closed.wait(CLOSING_PATIENCE_S)


# --- What a browser shows before the page ----------------------------------------------


@cache
def _start_page() -> str:
    html = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    return re.sub("<title>.*?</title>", f"<title>{TITLE}</title>", html, count=1)


def start_page(_: Request) -> Response:
    """Answer with Streamlit's empty page, under the title of this one."""
    return HTMLResponse(_start_page(), headers={"Cache-Control": "no-cache"})


def icon(_: Request) -> Response:
    """Answer with the icon, in the place of Streamlit's."""
    return FileResponse(ICON, headers={"Cache-Control": "max-age=86400"})


MIDDLEWARE = [Middleware(Gatekeeper)]


def _routes() -> list[Route]:
    base = st.get_option("server.baseUrlPath").strip("/")
    start = f"/{base}/" if base else "/"
    return [
        Route(start, start_page),
        Route(f"{start}favicon.png", icon),
        Route(f"{start}lent/{{secret}}/{{what}}", fetch, methods=["GET", "POST"]),
        Route(f"{start}{script_address()}", fetch_script),
    ]


ROUTES = _routes()
