"""What must hold when visitors leave at the wrong moment, come in crowds, or mean harm."""

import io
import json
import os
import re
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

import gazeheat_core as gh
from tests import builders
from tests.browser.conftest import (
    CHROMIUM_ARGUMENTS,
    PATIENCE_S,
    answers,
    browser_path,
    download,
    drawn,
    drop,
    free_port,
    line,
    open_sample,
    picture,
    running,
    serving,
    untick,
)
from tests.builders import Row

WAITING = "Other uploads are being read."
GRACE_S = 4


class Server:
    """A server that a test can look into, see `tests.browser.control`."""

    def __init__(self, address, process):
        self.address = address
        self._process = process

    def order(self, word):
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        # Streamlit says where it serves, on the same stream.
        return json.loads(next(one for one in self._process.stdout if one.startswith("{")))

    def until(self, is_met):
        """Wait until what the server holds meets a condition; return it."""
        end = time.monotonic() + PATIENCE_S + GRACE_S
        while not is_met(state := self.order("state")):
            assert time.monotonic() < end, state
        return state


@contextmanager
def controlled(folder, grace_s):
    port = free_port()
    command = ["-m", "tests.browser.control", str(port), str(grace_s)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with running(folder, command, port, **pipes) as process:
        yield Server(f"http://127.0.0.1:{port}", process)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with controlled(tmp_path_factory.mktemp("server"), GRACE_S) as server:
        yield server


@contextmanager
def visitor(browser, server):
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(1000 * PATIENCE_S)
    expect.set_options(timeout=1000 * PATIENCE_S)
    page = context.new_page()
    try:
        page.goto(server.address)
        expect(page.get_by_role("heading", name="Gazeheat")).to_be_visible()
        yield page
    finally:
        context.close()


# --- Waiting for the others ----------------------------------------------------------


def close_the_tab(page):
    page.close()


def press_a_button(page):
    page.get_by_role("button", name="Try the sample").click()
    drawn(page)
    expect(page.get_by_role("alert")).to_contain_text(
        "shelf.zip: the reading was stopped when something else was pressed. Give the files again."
    )


def load_the_page_anew(page):
    page.reload()
    expect(page.get_by_role("button", name="Try the sample")).to_be_visible()


def test_whoever_stops_waiting_leaves_the_place_to_others(browser, server):
    """Visitors wait for their turn and leave, each in another way; then one comes and is read."""
    server.order("hold")
    for leave in (close_the_tab, press_a_button, load_the_page_anew):
        with visitor(browser, server) as page:
            drop(page, {"shelf.zip": builders.export_zip()})
            expect(page.get_by_text(WAITING)).to_be_visible()
            assert server.order("state")["in_queue"] == 3
            leave(page)
            # The two that are held; nobody waits behind them any more.
            server.until(lambda state: state["in_queue"] == 2)
    server.order("free")
    with visitor(browser, server) as page:
        drop(page, {"shelf.zip": builders.export_zip()})
        drawn(page)
        expect(line(page)).to_contain_text("5 samples of 2 recordings")
        expect(page.get_by_text(WAITING)).to_have_count(0)
    assert server.order("state")["in_queue"] == 0


def test_those_who_wait_are_read_in_their_order_and_told_their_place(browser, server):
    server.order("hold")
    with visitor(browser, server) as first, visitor(browser, server) as second:
        drop(first, {"a.zip": builders.export_zip()})
        expect(first.get_by_text(f"{WAITING} Yours is next.")).to_be_visible()
        drop(second, {"b.zip": builders.export_zip(name="Poster")})
        expect(second.get_by_text(f"{WAITING} 1 more come before yours.")).to_be_visible()
        server.order("free")
        drawn(first)
        drawn(second)


# --- Given back ----------------------------------------------------------------------


def test_a_tab_closed_while_its_upload_waits_gives_everything_back(browser, server):
    with visitor(browser, server) as stays:
        before = server.until(lambda state: state["sessions"] == 1)
        server.order("hold")
        with visitor(browser, server) as page:
            drop(page, {"shelf.zip": builders.export_zip()})
            expect(page.get_by_text(WAITING)).to_be_visible()
            assert server.order("state")["upload_bytes"] > 0
        server.until(lambda state: state["upload_bytes"] == 0 and state["sessions"] == 1)
        server.order("free")
        assert server.until(lambda state: state["in_queue"] == 0) == before
        open_sample(stays)


def test_a_closed_tab_leaves_no_address_behind(browser, server):
    with visitor(browser, server) as page:
        open_sample(page)
        addresses = []
        page.on("request", lambda request: addresses.append(request.url))
        download(page, "overlay")
        (its_overlay,) = [one for one in addresses if one.endswith("/overlay")]
        its_picture = f"{server.address}/{picture(page).get_attribute('href')}"
        assert page.request.get(its_overlay).ok
    server.until(lambda state: state["sessions"] == state["loans"] == 0)
    with visitor(browser, server) as other:
        assert other.request.get(its_overlay).status == 404
        assert other.request.get(its_picture).status == 404


def test_a_study_outlasts_a_connection_that_comes_back(browser, server):
    with visitor(browser, server) as page:
        drop(page, {"shelf.zip": builders.export_zip()})
        drawn(page)
        untick(page, "P01")
        expect(line(page)).to_contain_text("2 samples of 1 recording")
        page.context.set_offline(True)
        page.context.set_offline(False)
        expect(line(page)).to_contain_text("2 samples of 1 recording")
        untick(page, "P01")
        expect(line(page)).to_contain_text("5 samples of 2 recordings")


# --- Others --------------------------------------------------------------------------


def test_the_same_names_with_other_contents_stay_apart(browser, server):
    """Two browsers, the same file name, the same recordings, gaze in other places."""
    here = [Row(5.0, 5.0), Row(5.0, 5.5), Row(6.0, 5.0, True, "rec-b", "sec-b")]
    there = [Row(35.0, 25.0), Row(35.0, 24.5, True, "rec-b", "sec-b")]
    zips = [builders.export_zip(rows=rows, fixations=None) for rows in (here, there)]
    expected = []
    for data in zips:
        (export,) = gh.read_exports(gh.Upload("shelf.zip", io.BytesIO(data)))
        study = gh.track_export(export)
        heatmap = gh.make_heatmap(gh.select(study), study.image.size)
        images = gh.render(heatmap, study.image, gh.Look())
        texts = gh.png_texts(gh.account_of(study, [0, 1], gh.Look()))
        expected.append(
            (gh.encode_png(images.heatmap, texts), gh.encode_png(images.overlay, texts))
        )
    with visitor(browser, server) as ada, visitor(browser, server) as ben:
        for page, data in ((ada, zips[0]), (ben, zips[1])):
            drop(page, {"shelf.zip": data})
        for page in (ada, ben):
            drawn(page)
        for page, files in ((ada, expected[0]), (ben, expected[1])):
            assert download(page, "heatmap")[1] == files[0]
            assert download(page, "overlay")[1] == files[1]
        expect(line(ada)).to_contain_text("3 samples of 2 recordings")
        expect(line(ben)).to_contain_text("2 samples of 2 recordings")


def test_a_download_outlasts_the_coming_and_going_of_others(browser, server):
    with visitor(browser, server) as page, visitor(browser, server) as other:
        open_sample(page)
        expected = download(page, "overlay")[1]

        def slowly(route):
            for _ in range(3):  # meanwhile another visitor comes, draws, and goes
                open_sample(other)
                other.get_by_role("button", name="Clear").click()
                expect(other.get_by_role("button", name="Try the sample")).to_be_visible()
            route.continue_()

        page.route("**/lent/*/overlay", slowly)
        assert download(page, "overlay")[1] == expected


def test_a_download_that_fails_says_why_and_can_be_tried_again(browser, server):
    with visitor(browser, server) as page:
        open_sample(page)
        status = page.get_by_role("status").filter(has_text=re.compile("server|study"))
        page.route("**/lent/*/overlay", lambda route: route.abort())
        page.get_by_role("button", name="Download overlay").click()
        expect(status).to_have_text(
            "The server does not answer. Check the connection, then try again."
        )
        page.unroute("**/lent/*/overlay")
        nowhere = f"{server.address}/lent/gone/overlay"
        page.route("**/lent/*/overlay", lambda route: route.continue_(url=nowhere))
        page.get_by_role("button", name="Download overlay").click()
        expect(status).to_contain_text("This study is not open any more")
        page.unroute("**/lent/*/overlay")
        name, _ = download(page, "overlay")
        assert name == "Shop shelf_overlay_4-of-4_scale-5.png"
        expect(status).to_have_count(0)


# --- Studies on the server -----------------------------------------------------------


def choose_study(page, file):
    page.get_by_role("combobox", name="Or a study on this server").click()
    page.get_by_role("option", name=file).click()
    page.get_by_role("button", name="Open study").click()


def test_studies_that_are_gone_broken_or_oddly_named_leave_the_others(browser, tmp_path):
    """One is deleted after it was listed, one breaks, and a folder's name is no UTF-8."""
    library = tmp_path / "library"
    odd = Path(os.fsdecode(os.fsencode(library) + b"/K\xfcche"))
    odd.mkdir(parents=True)
    for name, place in (("Walk", library), ("Gone", library), ("Broken", library), ("Tisch", odd)):
        builders.export_zip(place / f"{name}.zip", name=name)
    (library / "Never.zip").write_bytes(b"PK and no more")
    with (
        serving(tmp_path, GAZEHEAT_DATA=str(library)) as address,
        visitor(browser, Server(address, None)) as page,
    ):
        expect(page.get_by_text("Or a study on this server (4)")).to_be_visible()
        (library / "Gone.zip").unlink()
        (library / "Broken.zip").write_bytes(b"PK and no more")
        choose_study(page, "Gone.zip")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("Gone.zip: it is not in the server's folder any more.")
        choose_study(page, "Broken.zip")
        expect(alert).to_contain_text("Broken.zip: the ZIP is damaged or incomplete")
        choose_study(page, "Tisch.zip")
        drawn(page)
        expect(line(page)).to_contain_text("5 samples of 2 recordings")
        expect(alert).to_have_count(0)


# --- Pages elsewhere -----------------------------------------------------------------


@pytest.fixture(scope="module")
def misled(browser):
    """A browser for which all names below ``.example`` point to this machine."""
    arguments = [*CHROMIUM_ARGUMENTS, "--host-resolver-rules=MAP *.example 127.0.0.1"]
    path = browser_path()
    misled = browser.browser_type.launch(executable_path=path, args=arguments)
    yield misled
    misled.close()


def test_a_name_that_points_here_is_not_answered(misled, address):
    """As when a page elsewhere lets its own name point to this machine."""
    port = address.rsplit(":", 1)[1]
    page = misled.new_page()
    answer = page.goto(f"http://evil.example:{port}/")
    assert answer.status == 421
    expect(page.locator("body")).to_contain_text("--server.allowedHosts")
    opened = page.evaluate(
        """url => new Promise(resolve => {
            const socket = new WebSocket(url, ["streamlit"]);
            socket.onopen = () => resolve(true);
            socket.onerror = () => resolve(false);
        })""",
        f"ws://evil.example:{port}/_stcore/stream",
    )
    assert opened is False
    assert answers(f"{address}/_stcore/health")
    page.close()


def test_the_administrator_can_add_a_name(misled, tmp_path):
    names = [f"--server.allowedHosts={name}" for name in ("127.0.0.1", "*.lab.example")]
    with serving(tmp_path, *names) as address:
        page = misled.new_page()
        page.goto(address.replace("127.0.0.1", "eye.lab.example"))
        open_sample(page)
        name, _ = download(page, "overlay")
        assert name == "Shop shelf_overlay_4-of-4_scale-5.png"


def test_the_page_cannot_be_framed(browser, server):
    context = browser.new_context()
    page = context.new_page()
    page.route(
        "http://elsewhere.example/",
        lambda route: route.fulfill(body=f'<iframe src="{server.address}/"></iframe>'),
    )
    page.goto("http://elsewhere.example/")
    assert [frame.url for frame in page.frames] == [
        "http://elsewhere.example/",
        "chrome-error://chromewebdata/",
    ]
    context.close()
