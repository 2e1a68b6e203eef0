"""A visitor without a browser: speaks with the page as Streamlit's frontend does."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState, UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect

XSRF_COOKIE = "_streamlit_xsrf"
WAITING = "Other uploads are being read."
WIDGETS = ("button", "file_uploader", "slider", "selectbox")


@dataclass
class Answer:
    """What came back on one act of the visitor's.

    `picture_s` is the time until the new figure had arrived, `finished_s` until the page
    was done; `waits` are the sentences that asked to wait, with the time of the first of each.
    `progress` holds when a progress bar came, by the clock that all visitors share.
    """

    picture_s: float | None = None
    finished_s: float = 0.0
    errors: list[str] = field(default_factory=list)
    waits: dict[str, float] = field(default_factory=dict)
    progress: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Download:
    """What a click on a download brought."""

    status: int
    mime: str
    data: bytes


class Visitor:
    """One open tab. Made by `visit`."""

    def __init__(self, port, socket, cookie):
        self._port = port
        self._socket = socket
        self._cookie = cookie
        self._session = ""
        self._page = ""
        # Widget id to kind, label and fragment; what the visitor has set.
        self._widgets: dict[str, tuple[str, str, str]] = {}
        self._states: dict[str, WidgetState] = {}
        # What the list of recordings was told, with its id and fragment.
        self._recordings: dict[str, Any] = {}
        self._list = ("", "")
        # Address of each download that is offered, by what it shows.
        self._downloads: dict[str, str] = {}

    @classmethod
    async def visit(cls, port):
        """Open the page."""
        cookie = await asyncio.to_thread(_fetch_cookie, port)
        socket = await connect(
            f"ws://127.0.0.1:{port}/_stcore/stream",
            origin=f"http://127.0.0.1:{port}",
            subprotocols=["streamlit", cookie],
            additional_headers={"Cookie": f"{XSRF_COOKIE}={cookie}"},
            max_size=None,
            compression=None,
            ping_timeout=None,
        )
        visitor = cls(port, socket, cookie)
        await visitor._run()
        return visitor

    async def leave(self):
        """Close the tab."""
        await self._socket.close()

    async def click(self, label):
        """Click a button."""
        return await self._set(self._find("button", label), trigger_value=True)

    async def tick(self, number):
        """Tick or untick a recording, by its place in the list."""
        known = self._recordings
        ticked = set(known["ticked"]) ^ {number % len(known["rows"])}
        message = {"study": known["study"], "generation": known["generation"]}
        state = {"ticked": {**message, "ticked": sorted(ticked)}}
        one, fragment = self._list
        self._states[one] = WidgetState(id=one, json_value=json.dumps(state))
        return await self._run(fragment)

    async def download(self, what):
        """Click on a download."""
        return await asyncio.to_thread(self._get, f"/{self._downloads[what]}")

    async def upload(self, path: Path):
        """Drop a file, and wait until it has been read."""
        one = self._find("file_uploader", "")
        ask = BackMsg()
        ask.file_urls_request.request_id = str(uuid.uuid4())
        ask.file_urls_request.session_id = self._session
        ask.file_urls_request.file_names.append(path.name)
        await self._socket.send(ask.SerializeToString())
        while (message := await self._receive()).WhichOneof("type") != "file_urls_response":
            pass
        (urls,) = message.file_urls_response.file_urls
        await asyncio.to_thread(self._put, urls.upload_url, path)
        state = FileUploaderState()
        state.uploaded_file_info.append(
            UploadedFileInfo(
                name=path.name, size=path.stat().st_size, file_id=urls.file_id, file_urls=urls
            )
        )
        return await self._set(one, file_uploader_state_value=state)

    def _find(self, kind, label):
        for one, (its_kind, its_label, _) in self._widgets.items():
            if its_kind == kind and its_label.startswith(label):
                return one
        raise LookupError(f"no {kind} '{label}' among {list(self._widgets.values())}")

    async def _set(self, one, **value):
        self._states[one] = WidgetState(id=one, **value)
        answer = await self._run(self._widgets[one][2])
        if "trigger_value" in value:
            self._states.pop(one, None)
        return answer

    async def _run(self, fragment=""):
        """Send all widgets' states, and listen until the page is done."""
        back = BackMsg()
        back.rerun_script.page_script_hash = self._page
        back.rerun_script.fragment_id = fragment
        back.rerun_script.widget_states.widgets.extend(self._states.values())
        start = time.perf_counter()
        await self._socket.send(back.SerializeToString())
        answer = Answer()
        while True:
            message = await self._receive()
            now_s = time.perf_counter() - start
            what = message.WhichOneof("type")
            if what == "new_session":
                self._begin(message)
            elif what == "delta":
                self._take(message.delta, answer, now_s)
            elif what == "script_finished":
                status = message.script_finished
                if status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    answer.errors.append("the script cannot be run")
                # The page runs once more by itself after an upload.
                if status != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    answer.finished_s = now_s
                    return answer

    def _begin(self, message):
        new = message.new_session
        self._session = new.initialize.session_id or self._session
        self._page = new.page_script_hash
        if not message.metadata.run.fragment_ids:
            self._widgets.clear()

    def _take(self, delta, answer, now_s):
        for element in (*delta.new_transient.elements, delta.new_element):
            kind = element.WhichOneof("type")
            if kind in WIDGETS:
                widget = getattr(element, kind)
                self._widgets[widget.id] = (kind, widget.label, delta.fragment_id)
            elif kind == "exception":
                answer.errors.append(element.exception.message)
            elif kind == "alert" and element.alert.format == Alert.ERROR:
                answer.errors.append(element.alert.body)
            elif kind == "bidi_component":
                told = json.loads(element.bidi_component.json)
                if "figure" in told:
                    answer.picture_s = now_s
                if "rows" in told:
                    self._recordings = told
                    self._list = (element.bidi_component.id, delta.fragment_id)
                files = told.get("files", [])
                self._downloads.update((file["what"], file["address"]) for file in files)
            elif kind == "markdown" and WAITING in element.markdown.body:
                answer.waits.setdefault(WAITING, now_s)
            elif kind == "progress":
                answer.progress.append(time.perf_counter())

    async def _receive(self):
        message = ForwardMsg()
        message.ParseFromString(await self._socket.recv())
        return message

    def _get(self, url):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        connection.request("GET", url)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return Download(answer.status, answer.headers.get_content_type(), data)

    def _put(self, url, path):
        """Send a file as a browser does: one part of a form."""
        border = uuid.uuid4().hex
        head = (
            f'--{border}\r\nContent-Disposition: form-data; name="{path.name}"; '
            f'filename="{path.name}"\r\nContent-Type: application/zip\r\n\r\n'
        ).encode()
        tail = f"\r\n--{border}--\r\n".encode()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        connection.putrequest("PUT", url)
        length = len(head) + path.stat().st_size + len(tail)
        for name, value in (
            ("Content-Type", f"multipart/form-data; boundary={border}"),
            ("Content-Length", str(length)),
            ("Cookie", f"{XSRF_COOKIE}={self._cookie}"),
            ("X-Xsrftoken", self._cookie),
        ):
            connection.putheader(name, value)
        connection.endheaders(head)
        with path.open("rb") as stream:
            while data := stream.read(2**20):
                connection.send(data)
        connection.send(tail)
        answer = connection.getresponse()
        if answer.status != 204:
            raise RuntimeError(f"upload: {answer.status} {answer.read()[:200]!r}")
        connection.close()


def _fetch_cookie(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
        cookie = SimpleCookie(answer.headers["Set-Cookie"] or "")
    return cookie[XSRF_COOKIE].value if XSRF_COOKIE in cookie else ""
