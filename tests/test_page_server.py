"""What the server answers beside Streamlit: hosts, headers, lent files, uploads, turns."""

import asyncio
import gc
import gzip
import threading
import tracemalloc
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib import resources

import plotly
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

import gazeheat_core as gh
from gazeheat_core.exports.sources import MIB
from gazeheat_core.page import server
from gazeheat_core.page.server import File, Loan, is_known_host
from gazeheat_core.page.turns import Queue


@dataclass
class Answer:
    status: int
    headers: Headers
    content: bytes

    @property
    def text(self):
        return self.content.decode()


async def ask(app, path, *, host="localhost", method="GET", body=b"", length=None):
    """Send one request to an application, and return its answer."""
    headers = [(b"host", host.encode())]
    if method == "PUT" and length != "unknown":
        headers.append((b"content-length", str(len(body)).encode()))
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    content = b"".join(message.get("body", b"") for message in rest)
    return Answer(start["status"], Headers(raw=start["headers"]), content)


def get(app, path, **options):
    return asyncio.run(ask(app, path, **options))


def post(app, path, text):
    return get(app, path, method="POST", body=text.encode())


def connect(app, host):
    """Open a WebSocket; return the types of what the application sends."""
    headers = [(b"host", host.encode())]
    scope = {"type": "websocket", "path": "/talk", "headers": headers, "subprotocols": []}
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(app({**scope, "query_string": b""}, receive, send))
    return [message["type"] for message in sent]


# --- Hosts and headers ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("localhost", True),
        ("localhost:8501", True),
        ("LOCALHOST:8501", True),
        ("localhost.:8501", True),
        ("127.0.0.1:8501", True),
        ("[::1]:8501", True),
        ("eye.lab.example", True),
        ("lab.example", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("evil.example#localhost", False),
        ("user@evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[", False),
        (":8501", False),
    ],
)
def test_only_known_names_are_answered(host, is_known):
    known = ["localhost", "127.0.0.1", "::1", "*.lab.example"]
    assert is_known_host(host, known) == is_known


def test_a_star_answers_to_any_name():
    assert is_known_host("evil.example", ["*"])


@pytest.fixture
def site(monkeypatch):
    """The gatekeeper and the lent files, with a page behind them that says hello."""

    async def hello(request):
        return PlainTextResponse("hello")

    async def speak(socket):
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    names = ["localhost", "127.0.0.1", "::1"]
    monkeypatch.setattr(st, "get_option", lambda name: {"server.allowedHosts": names}[name])
    routes = [Route("/", hello), WebSocketRoute("/talk", speak), *server.ROUTES]
    return Starlette(routes=routes, middleware=server.MIDDLEWARE)


def test_every_answer_says_that_it_may_not_be_framed(site):
    for path in ("/", "/nowhere", "/lent/none/picture"):
        headers = get(site, path).headers
        assert headers["content-security-policy"] == "frame-ancestors 'none'"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"


def test_a_request_under_another_name_is_refused_in_words(site):
    answer = get(site, "/", host="evil.example")
    assert answer.status == 421
    assert "--server.allowedHosts" in answer.text
    assert "hello" not in answer.text


def test_a_lent_file_is_not_given_under_another_name(site):
    address = Loan().lend("picture", lambda: File(b"secret", "image/jpeg"))
    answer = get(site, f"/{address}", host="evil.example")
    assert answer.status == 421


def test_a_connection_under_another_name_is_refused(site):
    assert connect(site, "localhost")[:2] == ["websocket.accept", "websocket.send"]
    assert connect(site, "evil.example") == ["websocket.close"]


# --- Lent files ----------------------------------------------------------------------


def test_a_lent_file_is_made_at_each_fetch(site):
    made = []
    loan = Loan()

    def make():
        made.append(True)
        return File(b"PNG %d" % len(made), "image/png", "Küche_overlay.png")

    address = loan.lend("overlay", make)
    assert not made
    first, second = get(site, f"/{address}"), get(site, f"/{address}")
    assert (first.content, second.content) == (b"PNG 1", b"PNG 2")
    assert first.headers["content-type"] == "image/png"
    assert first.headers["cache-control"] == "no-store"
    assert (
        first.headers["content-disposition"]
        == "attachment; filename*=UTF-8''K%C3%BCche_overlay.png"
    )


def test_a_file_of_a_form_is_made_of_what_was_written(site):
    loan = Loan()

    def make(form):
        if form == "0 mm":
            raise gh.SettingError("The width is 0; choose a value from 30 to 1000 mm.")
        return File(f"figure of {form}".encode(), "image/svg+xml", "a.svg")

    address = f"/{loan.lend_form('svg', make)}"
    assert post(site, address, "160 mm, größer").text == "figure of 160 mm, größer"
    refused = post(site, address, "0 mm")
    assert (refused.status, refused.text[:14]) == (400, "The width is 0")
    longest = server.LIMITS.form_bytes
    assert post(site, address, "a" * longest).status == 200
    too_long = post(site, address, "a" * (longest + 1))
    assert (too_long.status, too_long.text) == (413, server.TOO_LONG)
    # What is lent as a form is nothing without one, and the other way round.
    assert get(site, address).status == 404
    assert post(site, f"/{loan.lend('png', lambda: File(b'PNG', 'image/png'))}", "").status == 404


def test_a_picture_may_be_kept_by_its_own_browser_only(site):
    loan = Loan()
    answer = get(site, f"/{loan.lend('picture', lambda: File(b'JPEG', 'image/jpeg'))}")
    assert answer.content == b"JPEG"
    assert "private" in answer.headers["cache-control"]
    assert "content-disposition" not in answer.headers


def test_the_script_is_plotly_s_own_and_may_be_kept():
    (path,) = [route.path for route in server.ROUTES if "script" in route.path]
    assert path == f"/script/plotly-{plotly.__version__}.js" == "/" + server.script_address()
    answer = get(server.Gatekeeper(Starlette(routes=server.ROUTES)), path)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["content-encoding"] == "gzip"
    installed = resources.files("plotly") / "package_data" / "plotly.min.js"
    assert gzip.decompress(answer.content) == installed.read_bytes()
    assert get(server.Gatekeeper(Starlette(routes=server.ROUTES)), path + "x").status == 404


def test_the_script_is_not_given_under_another_name():
    app = server.Gatekeeper(Starlette(routes=server.ROUTES))
    assert get(app, "/" + server.script_address(), host="evil.example").status == 421


def test_an_upload_whose_tab_was_closed_is_no_fault(monkeypatch):
    async def app(scope, receive, send):
        assert server._arriving["session"] == 7
        raise ClientDisconnect

    async def visit():
        scope = {
            "type": "http",
            "method": "PUT",
            "path": "/_stcore/upload_file/session/1",
            "headers": [(b"host", b"localhost"), (b"content-length", b"7")],
        }
        await server.Gatekeeper(app)(scope, None, None)

    monkeypatch.setattr(server, "_unread_bytes", lambda session: 0)
    asyncio.run(visit())
    assert not server._arriving


def test_an_ended_loan_says_so(site):
    loan = Loan()
    address = loan.lend("overlay", lambda: File(b"PNG", "image/png", "a.png"))
    loan.end()
    answer = get(site, f"/{address}")
    assert answer.status == 404
    assert answer.text == server.NOT_OPEN


def test_a_loan_that_nothing_holds_ends(site):
    loan = Loan()
    address = loan.lend("overlay", lambda: File(b"PNG", "image/png", "a.png"))
    del loan
    gc.collect()
    assert get(site, f"/{address}").status == 404


def test_a_file_that_cannot_be_made_is_said_and_logged(site, caplog):
    def fail():
        raise MemoryError("of the picture")

    loan = Loan()
    answer = get(site, f"/{loan.lend('overlay', fail)}")
    assert answer.status == 500
    assert answer.text == server.NOT_MADE
    assert "of the picture" in caplog.text


def test_addresses_cannot_be_guessed_from_one_another():
    addresses = {Loan().lend("picture", lambda: File(b"", "")) for _ in range(100)}
    assert len({address.split("/")[1][:8] for address in addresses}) == 100


def test_a_few_files_are_drawn_at_a_time(site):
    """Of six downloads at once, two are drawn; the others follow."""
    all_in = threading.Barrier(server.FILES_AT_A_TIME)
    lock = threading.Lock()
    drawn = {"now": 0, "most": 0}

    def draw():
        with lock:
            drawn["now"] += 1
            drawn["most"] = max(drawn["most"], drawn["now"])
        all_in.wait(60)  # as many as may be drawn at once are
        with lock:
            drawn["now"] -= 1
        return File(b"PNG", "image/png", "a.png")

    loan = Loan()
    address = loan.lend("overlay", draw)

    async def fetch_all():
        return await asyncio.gather(*(ask(site, f"/{address}") for _ in range(6)))

    answers = asyncio.run(fetch_all())
    assert [answer.content for answer in answers] == [b"PNG"] * 6
    assert drawn["most"] == server.FILES_AT_A_TIME


# --- Uploads -------------------------------------------------------------------------


def form(data):
    """A form with one file in it, as a browser sends it, in pieces."""
    head = (
        b'--border\r\nContent-Disposition: form-data; name="a.zip"; filename="a.zip"\r\n'
        b"Content-Type: application/zip\r\n\r\n"
    )

    async def pieces():
        yield head
        for start in range(0, len(data), 2**16):
            yield data[start : start + 2**16]
        yield b"\r\n--border--\r\n"

    headers = Headers({"Content-Type": "multipart/form-data; boundary=border"})
    return MultiPartParser(headers, pieces())


def test_an_upload_is_held_once_and_never_in_a_file(monkeypatch):
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", None)
    server.hold_uploads_once()
    data = bytes(range(256)) * (32 * MIB // 256)

    async def receive():
        upload = (await form(data).parse())["a.zip"]
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        read = await upload.read()
        peak = tracemalloc.get_traced_memory()[1]
        upload.file.close()
        return read, peak - before, upload

    tracemalloc.start()
    try:
        read, taken_bytes, upload = asyncio.run(receive())
    finally:
        tracemalloc.stop()
    assert isinstance(upload.file, server.Received)
    assert read == data
    assert taken_bytes < MIB


def test_a_copy_of_an_uploaded_file_shares_its_bytes():
    server.hold_uploads_once()
    record = UploadedFileRec("id", "a.zip", "application/zip", bytes(32 * MIB))
    file = UploadedFile(record, FileURLs())
    file.seek(7)
    tracemalloc.start()
    try:
        copy = deepcopy(file)
        taken_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken_bytes < MIB
    assert (copy.name, copy.size, copy.tell()) == ("a.zip", 32 * MIB, 0)
    assert copy == file
    file.close()
    assert len(copy.read()) == 32 * MIB


def test_a_received_file_reads_like_any_other():
    received = server.Received()
    received.write(b"0123456789")
    received.seek(0)
    assert (received.read(4), received.read(), received.read()) == (b"0123", b"456789", b"")
    received.seek(0)
    assert received.read() == b"0123456789"


@pytest.fixture
def taken():
    """Sizes of the uploads that were taken."""
    return []


@pytest.fixture
def put(monkeypatch, taken):
    """A function that uploads bytes to a server that takes 1,000 of them a session."""

    async def take(request):
        taken.append(len(await request.body()))
        return PlainTextResponse("", 204)

    monkeypatch.setattr(st, "get_option", {"server.allowedHosts": ["localhost"]}.__getitem__)
    monkeypatch.setattr(server, "_unread_bytes", {"mine": 0, "busy": 600}.__getitem__)
    monkeypatch.setattr(server, "LIMITS", replace(server.LIMITS, upload_bytes=1000))
    routes = [Route("/_stcore/upload_file/{session}/{file}", take, methods=["PUT"])]
    app = Starlette(routes=routes, middleware=server.MIDDLEWARE)

    def put(session, body, length=None):
        path = f"/_stcore/upload_file/{session}/1"
        return get(app, path, method="PUT", body=body, length=length)

    return put


def test_an_upload_within_the_limit_is_taken(put, taken):
    assert put("mine", b"x" * 1000).status == 204
    assert put("mine", b"x" * 1000).status == 204, "the first one has been received"
    assert taken == [1000, 1000]


def test_files_that_are_too_large_together_are_refused_in_words(put, taken):
    answer = put("busy", b"x" * 401)
    assert answer.status == 413
    assert "together" in answer.text
    assert put("busy", b"x" * 400).status == 204
    assert taken == [400]


def test_an_upload_of_unknown_length_is_refused(put, taken):
    assert put("mine", b"x", length="unknown").status == 411
    assert not taken


# --- Taking turns --------------------------------------------------------------------


class Left(BaseException):
    """As Streamlit's signals: no Exception."""


def test_two_are_in_at_a_time_and_the_rest_follow_in_order():
    queue = Queue(2)
    order = []
    may_go = [threading.Event() for _ in range(5)]
    is_waiting = [threading.Event() for _ in range(5)]
    is_in = [threading.Event() for _ in range(5)]

    def come(i):
        def waiting(before):
            is_waiting[i].set()

        with queue.turn(waiting):
            order.append(i)
            is_in[i].set()
            assert may_go[i].wait(60)

    threads = [threading.Thread(target=come, args=(i,)) for i in range(5)]
    for i, thread in enumerate(threads):
        thread.start()
        assert (is_in if i < 2 else is_waiting)[i].wait(60)
    assert order == [0, 1]
    may_go[1].set()
    assert is_in[2].wait(60)
    may_go[0].set()
    assert is_in[3].wait(60)
    for event in may_go:
        event.set()
    for thread in threads:
        thread.join(60)
    assert order == [0, 1, 2, 3, 4]


def test_who_waits_is_told_how_many_come_before():
    queue = Queue(1)
    told = []

    def waiting(before):
        told.append(before)
        raise Left

    with queue.turn(lambda before: None):
        for _ in range(3):
            with pytest.raises(Left), queue.turn(waiting):
                pytest.fail("it was let in")
    assert told == [0, 0, 0]


def go(queue, moment):
    """Leave by a signal: while two others are in, or as one of the two."""

    def leave(before):
        raise Left

    with queue.turn(leave), queue.turn(leave):
        if moment == "inside":
            raise Left
        with queue.turn(leave):
            pytest.fail("it was let in")


@pytest.mark.parametrize("moment", ["waiting", "inside"])
def test_whoever_goes_gives_the_place_back(moment):
    """Ten who leave by a signal, as a rerun or a closed tab is, and then one who comes in."""
    queue = Queue(2)
    for _ in range(10):
        with pytest.raises(Left):
            go(queue, moment)
    with queue.turn(lambda before: pytest.fail("it had to wait")):
        pass


def test_who_leaves_the_queue_lets_the_next_one_move_up():
    queue = Queue(1)
    told = []
    with queue.turn(lambda before: None):
        first_waits, may_leave = threading.Event(), threading.Event()
        second_waits, second_moved = threading.Event(), threading.Event()

        def first(before):
            first_waits.set()
            if may_leave.wait(0.01):
                raise Left

        def second(before):
            told.append(before)
            second_waits.set()
            if before == 0:
                second_moved.set()

        def come(waiting):
            try:
                with queue.turn(waiting):
                    pass
            except Left:
                pass

        threads = [threading.Thread(target=come, args=(one,)) for one in (first, second)]
        threads[0].start()
        assert first_waits.wait(60)
        threads[1].start()
        assert second_waits.wait(60)
        assert told[0] == 1
        may_leave.set()
        assert second_moved.wait(60)
    for thread in threads:
        thread.join(60)
