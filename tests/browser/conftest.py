"""The page on a server of its own, and a real Chromium to look at it."""

import io
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # without it Chromium does not start as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The longest that anything on the page may take on a busy machine; nothing waits so long.
PATIENCE_S = 20

DESKTOP = {"width": 1440, "height": 900}
TABLET = {"width": 800, "height": 1000}

# The heatmap in the chart: the second picture, over the reference image.
HEATMAP = ".imagelayer image:nth-of-type(2)"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


# --- Server and browser --------------------------------------------------------------


@contextmanager
def serving(folder, *options, below="", **environment):
    """Serve the page on a free port; its log goes into `folder`. Yields the address.

    `below` is the path in the address under which the page lies, as behind a proxy.
    """
    port = free_port()
    command = ["-m", "streamlit", "run", "app.py", f"--server.port={port}", *options]
    if below:
        command.append(f"--server.baseUrlPath={below}")
    with running(folder, command, port, environment, below=below):
        yield f"http://127.0.0.1:{port}/{below}".rstrip("/")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def running(folder, command, port, environment=None, *, below="", **pipes):
    """Run a server with Python; yields its process once it answers."""
    log = folder / "server.log"
    # Settings of whoever runs the tests shall not change what is tested.
    own = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**own, "HOME": str(folder), **(environment or {})},
            **{"stdout": out, **pipes},
            stderr=out,
        )
    try:
        wait_for(server, port, below, log)
        yield server
    finally:
        server.terminate()
        server.wait(PATIENCE_S)
        for pipe in filter(None, (server.stdin, server.stdout)):
            pipe.close()
    assert "Traceback" not in log.read_text(), log.read_text()


def wait_for(server, port, below, log):
    """Wait until a server's process answers for the page; what it logged is said where it fails."""
    for _ in range(10 * PATIENCE_S):
        if answers(f"http://127.0.0.1:{port}{below and '/' + below}/_stcore/health"):
            return
        try:
            server.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"the server has stopped:\n{log.read_text()}")
    pytest.fail(f"the server does not answer:\n{log.read_text()}")


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=1) as response:
            return response.status == 200
    except OSError:
        return False


def browser_path():
    """Where this machine's Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("GAZEHEAT_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        words = "no Chromium found: apt-get install chromium, or set GAZEHEAT_CHROMIUM to its path"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(words)
    return path


@contextmanager
def chromium():
    """Start the Chromium of this machine."""
    path = browser_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser, address):
    """A function that opens the page as another visitor; all leave at the end."""
    visitors = []
    errors = []

    def visit(query="", *, size=DESKTOP, scheme="light"):
        visitor = browser.new_context(viewport=size, color_scheme=scheme, accept_downloads=True)
        visitor.set_default_timeout(1000 * PATIENCE_S)
        visitors.append(visitor)
        page = visitor.new_page()
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(address + query)
        expect(page.get_by_role("heading", name="Gazeheat")).to_be_visible()
        return page

    expect.set_options(timeout=1000 * PATIENCE_S)
    yield visit
    for visitor in visitors:
        visitor.close()
    assert not errors


@pytest.fixture
def page(visit):
    return visit()


# --- What a visitor does -------------------------------------------------------------


def open_sample(page):
    page.get_by_role("button", name="Try the sample").click()
    return drawn(page)


def drop(page, files, *, into=0):
    """Hand files, name to bytes, to the uploader that is shown, or to another of several."""
    page.get_by_test_id("stFileUploaderDropzoneInput").nth(into).set_input_files(
        [{"name": name, "mimeType": "", "buffer": data} for name, data in files.items()]
    )


def add_files(page, files):
    """Hand files to the uploader behind "Add files"."""
    page.get_by_role("button", name="Add files").click()
    popover = page.get_by_test_id("stPopoverBody")
    popover.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        [{"name": name, "mimeType": "", "buffer": data} for name, data in files.items()]
    )


def line(page):
    """The line that says what was counted."""
    return page.get_by_test_id("stMarkdown").filter(has_text=re.compile(r"\d rows"))


def box(page, name):
    """The box of a recording."""
    return page.get_by_role("checkbox", name=re.compile("^" + re.escape(name)))


def untick(page, name):
    box(page, name).click()


def picture(page):
    """The reference image in the chart."""
    return page.locator(".imagelayer image").first


def layer(page):
    """The heatmap in the chart."""
    return page.locator(HEATMAP)


def segments(page):
    """The open exports in the bar."""
    return page.get_by_role("radiogroup", name="Export").get_by_role("radio")


def hover_label(page):
    """What is said of the place under the pointer."""
    return page.locator(".gazeheat-stage .label")


def drawn(page, *, instead_of=None):
    """Wait until the heatmap stands still, anew if the one before is given; return its source."""
    source = page.wait_for_function(
        """([selector, before]) => {
            const layer = document.querySelector(selector);
            const source = layer?.getAttribute("href");
            if (!source || source === before) return false;
            const place = JSON.stringify(layer.getBoundingClientRect());
            // Asked once a frame: the same source in the same place three times in a row.
            const last = window.lastDrawn;
            const same = last && last.source === source && last.place === place;
            window.lastDrawn = { source, place, times: same ? last.times + 1 : 1 };
            return window.lastDrawn.times >= 3 && source;
        }""",
        arg=[HEATMAP, instead_of],
    ).json_value()
    page.evaluate(
        "source => { const copy = new Image(); copy.src = source; return copy.decode(); }", source
    )
    settled(page)
    return source


def settled(page):
    """Wait until the server has said all it had to say and everything of it is shown."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def still(page):
    """Wait until nothing fades or moves any more: half-faded words have half their contrast."""
    settled(page)
    page.wait_for_function(
        "document.getAnimations().every(animation => animation.playState !== 'running')"
    )


def download(page, what):
    """Click on a download; return its file name and its bytes."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download {what}").click()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


# --- What a visitor sees -------------------------------------------------------------


def photograph(page):
    """The window as a picture."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def shown_picture(page):
    """The picture with its heatmap, as it is on the screen; and the part of the whole it is.

    Returns
    -------
    shown : PIL image
    part : (float, float, float, float)
        Left, top, right and bottom of the whole screen pixels, as shares of the picture.
    """
    page.mouse.move(0, 0)
    expect(hover_label(page)).to_be_hidden()
    at = picture(page).bounding_box()
    # A drawing that begins between two screen pixels is painted from the nearest one.
    chart = page.locator(".js-plotly-plot .main-svg").first.bounding_box()
    left, top = (at[axis] - chart[axis] + round(chart[axis]) for axis in ("x", "y"))
    right, bottom = left + at["width"], top + at["height"]
    clip = (math.ceil(left), math.ceil(top), math.floor(right), math.floor(bottom))
    shown = photograph(page).crop(clip)
    across = [(x - left) / at["width"] for x in clip[::2]]
    down = [(y - top) / at["height"] for y in clip[1::2]]
    return shown, (across[0], down[0], across[1], down[1])


def difference(shown, part, expected):
    """Mean difference of what is shown to the same part of a picture, 0 to 255."""
    width, height = expected.size
    crop = (part[0] * width, part[1] * height, part[2] * width, part[3] * height)
    same = expected.convert("RGB").resize(shown.size, Image.Resampling.LANCZOS, crop)
    return np.abs(np.asarray(shown, float) - np.asarray(same, float)).mean()
