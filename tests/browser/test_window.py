"""What the window itself does: takes drops, asks before it closes, speaks of the connection."""

import io
import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests import builders
from tests.browser.conftest import (
    DESKTOP,
    PATIENCE_S,
    add_files,
    box,
    drawn,
    drop,
    free_port,
    line,
    open_sample,
    picture,
    running,
    segments,
    settled,
)
from tests.browser.relay import Relay

PHONE = {"width": 390, "height": 844}
RELOADED = (
    "This page was reloaded, and what was open is gone: the server keeps nothing. Drop your "
    "export again."
)
LOST = "The connection to the server is lost. Trying again… What is open is kept for 120 seconds."
BACK = "The connection is back."


def said(page):
    """The sentence that stays until it is closed."""
    return page.locator(".gazeheat-window .notice p")


def connection(page):
    return page.locator(".gazeheat-window .connection")


def drop_on_window(page, *paths):
    """Drag files and folders of this machine over the window, and let them fall."""
    settled(page)
    wire = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}

    def drag(kind):
        at = {"x": 600, "y": 500, "data": data}
        wire.send("Input.dispatchDragEvent", {"type": kind, **at})

    drag("dragEnter")
    drag("dragOver")
    expect(page.locator(".gazeheat-window .veil")).to_have_text("Drop to add to this page")
    drag("drop")


def titles(page):
    """Titles of the open studies."""
    return segments(page).all_text_contents()


# --- A drop anywhere -----------------------------------------------------------------


def test_a_drop_on_a_study_adds_another(page, tmp_path):
    builders.export_zip(tmp_path / "poster.zip", name="Poster")
    source = open_sample(page)
    drop_on_window(page, tmp_path / "poster.zip")
    drawn(page, instead_of=source)
    expect(line(page)).to_contain_text("5 samples of 2 recordings")
    assert titles(page) == ["Shop shelf", "Poster"]


def test_a_folder_keeps_its_paths_and_the_zips_inside_it(page, tmp_path):
    """Two exports with the same file names, a name beyond ASCII, a ZIP, and a video."""
    folder = tmp_path / "Herbststudie"
    for name in ("Regal", "Küche"):
        zipfile.ZipFile(io.BytesIO(builders.export_zip(name=name))).extractall(folder / "2025")
    builders.export_zip(folder / "poster.zip", name="Poster")
    (folder / "scene.mp4").write_bytes(bytes(100))
    sent = []
    page.on("request", lambda request: request.method == "PUT" and sent.append(request))
    drop_on_window(page, folder)
    drawn(page)
    assert len(sent) == 2
    names = {title.split(" · ")[0] for title in titles(page)}
    assert names == {"Regal", "Küche", "Poster"}
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_folder_without_files_says_so(page, tmp_path):
    (tmp_path / "empty").mkdir()
    drop_on_window(page, tmp_path / "empty")
    expect(said(page)).to_contain_text("There is no file in what was dropped.")
    page.get_by_role("button", name="Close this message").click()
    expect(said(page)).to_be_empty()


# --- Closed, reloaded, restarted -----------------------------------------------------


def test_closing_asks_while_a_study_is_open(visit):
    """A browser asks on behalf of a page only where something on it was pressed."""
    page = visit()
    page.get_by_text("What happens to my data?").click()
    with page.expect_event("close"):
        page.close(run_before_unload=True)

    page = visit()
    open_sample(page)
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    expect(line(page)).to_contain_text("of 4 recordings")


def test_a_reload_says_what_became_of_the_study(page):
    page.reload()
    expect(page.get_by_role("button", name="Try the sample")).to_be_visible()
    expect(said(page)).to_be_empty()
    open_sample(page)
    page.reload()
    expect(said(page)).to_have_text(RELOADED)
    open_sample(page)
    expect(said(page)).to_be_empty()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("button", name="Try the sample")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Try the sample")).to_be_visible()
    expect(said(page)).to_be_empty()


def test_a_restarted_server_is_told_from_a_reload(browser, tmp_path):
    port = free_port()
    command = ["-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    visitor = browser.new_context(viewport=DESKTOP)
    visitor.set_default_timeout(1000 * PATIENCE_S)
    page = visitor.new_page()
    with running(tmp_path, command, port):
        page.goto(f"http://127.0.0.1:{port}")
        open_sample(page)
    expect(connection(page)).to_have_text(LOST)
    with running(tmp_path, command, port):
        expect(said(page)).to_contain_text("The server was restarted, and what was open is gone")
        visitor.close()


# --- A lost connection ---------------------------------------------------------------


@pytest.fixture
def wire(address):
    relay = Relay(int(address.rsplit(":", 1)[1]))
    yield relay
    relay.close()


@pytest.fixture
def wired(browser, wire):
    visitor = browser.new_context(viewport=DESKTOP)
    visitor.set_default_timeout(1000 * PATIENCE_S)
    expect.set_options(timeout=1000 * PATIENCE_S)
    page = visitor.new_page()
    page.goto(f"http://127.0.0.1:{wire.port}")
    yield page
    visitor.close()


def test_a_connection_that_is_lost_and_back_is_said(wired, wire):
    open_sample(wired)
    counts = line(wired).element_handle()
    wire.cut()
    expect(connection(wired)).to_have_text(LOST)
    wire.mend()
    expect(connection(wired)).to_have_text(BACK)
    expect(said(wired)).to_be_empty()
    expect(line(wired)).to_contain_text("of 4 recordings")
    # The page was laid out again, and nothing of it has moved.
    assert counts.evaluate("(element) => element.isConnected")


def test_an_upload_outlasts_a_cut(wired, wire):
    source = open_sample(wired)
    uploads = []

    def send(route):
        if not uploads:
            wire.cut()
        uploads.append(route.request.url)
        route.continue_()

    wired.route("**/_stcore/upload_file/**", send)
    add_files(wired, {"poster.zip": builders.export_zip(name="Poster")})
    expect(connection(wired)).to_contain_text("lost before all files had arrived")
    wire.mend()
    drawn(wired, instead_of=source)
    expect(line(wired)).to_contain_text("5 samples of 2 recordings")
    assert len(uploads) == 2
    expect(said(wired)).to_be_empty()


# --- On paper, and on a phone --------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "landscape"), [("light", False), ("dark", True)], ids=["portrait", "landscape"]
)
def test_a_print_is_one_light_page_of_picture_bar_and_counts(visit, scheme, landscape):
    page = visit(scheme=scheme)
    drop(page, {"shelf.zip": builders.export_zip(name="Regal <b>")})
    drawn(page)
    printed = page.pdf(format="A4", landscape=landscape)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    # The picture and the heatmap over it.
    assert len(re.findall(rb"/Subtype\s*/Image\b", printed)) >= 2
    # What is printed can be asked for as on a screen of the paper's size.
    page.emulate_media(media="print")
    for hidden in ("combobox", "checkbox", "slider", "button"):
        expect(page.get_by_role(hidden)).to_have_count(0)
    heading = page.get_by_role("heading")
    expect(heading).to_have_text("Regal <b> · Reference Image Mapper")
    expect(line(page)).to_be_visible()
    for ink in (heading, line(page), page.locator(".colorbar text").first):
        style = ink.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).fill]")
        assert "rgb(27, 31, 36)" in style
    ground = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
    assert ground == "rgba(0, 0, 0, 0)"
    # 186 x 273 mm lie between the margins, at 96 px an inch.
    width, height = (1032, 703) if landscape else (703, 1032)
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    sizes_px = page.locator(".colorbar text").evaluate_all(
        """(texts) => texts.map((text) => {
            const { c, d } = text.getScreenCTM();
            return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(c, d);
        })"""
    )
    assert 0.75 * min(sizes_px) >= 8  # in points
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".gazeheat-stage .main-svg[viewBox]").count() == 0


def test_nothing_is_wider_than_a_phone_and_all_can_be_reached(visit):
    page = visit(size=PHONE)

    def widest():
        return page.evaluate(
            "Math.max(document.documentElement.scrollWidth,"
            "document.querySelector('[data-testid=stMain]').scrollWidth)"
        )

    assert widest() == PHONE["width"]
    open_sample(page)
    at = picture(page).bounding_box()
    assert at["y"] + at["height"] < box(page, "P01").bounding_box()["y"]
    page.get_by_role("button", name="Add files").click()
    popover = page.get_by_test_id("stPopoverBody").bounding_box()
    assert popover["x"] >= 0
    assert popover["x"] + popover["width"] <= PHONE["width"]
    assert widest() == PHONE["width"]
    page.keyboard.press("Escape")
    for control in (
        page.get_by_role("button", name="Clear"),
        page.get_by_role("button", name="Zoom in"),
        page.get_by_role("button", name="Download overlay"),
        box(page, "P04").locator("xpath=ancestor::label"),
        page.get_by_role("combobox", name="Colours"),
    ):
        control.click(trial=True)
        place = control.bounding_box()
        assert 0 <= place["x"] <= place["x"] + place["width"] <= PHONE["width"]
    page.reload()
    expect(said(page)).to_have_text(RELOADED)
    assert widest() == PHONE["width"]
