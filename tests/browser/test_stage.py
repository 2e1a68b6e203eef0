"""The picture on its stage: no blank frame, zoom, live settings, fingers, text and themes."""

import base64
import io
import re
from urllib.parse import urljoin

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import builders
from tests.browser.conftest import (
    DESKTOP,
    HEATMAP,
    PATIENCE_S,
    box,
    download,
    drawn,
    drop,
    hover_label,
    layer,
    line,
    open_sample,
    picture,
    segments,
    serving,
    settled,
    untick,
)
from tests.builders import Row

PHONE = {"width": 390, "height": 700}
SIZE = (800, 600)
GREY = (90, 90, 90)
# Eight ticks, both settings eight times, eight colours and eight switches.
TURNS = 40
# Gaze in one place of the picture; nothing in its corner.
HOT = (400, 300)


def study(name="Shelf", people=3):
    """A grey picture, everybody looking at its middle: what is coloured is the heatmap."""
    out = io.BytesIO()
    Image.new("RGB", SIZE, GREY).save(out, "PNG")
    ids = [f"rec-{i}" for i in range(people)]
    # One more glance at another place for each, so that every choice has its own heatmap.
    rows = [Row(float(HOT[0]), float(HOT[1]), True, one, one) for one in ids for _ in range(9)]
    rows += [Row(150.0 + 30 * i, 500.0, True, one, one) for i, one in enumerate(ids)]
    names = [(one, one, f"P0{i + 1}", "") for i, one in enumerate(ids)]
    return builders.export_zip(
        name=name, rows=rows, people=names, size=SIZE, picture_data=out.getvalue(), fixations=None
    )


def chart(page, what):
    """Something of the chart, as Plotly has it."""
    return page.evaluate(
        f"() => {{ const chart = document.querySelector('.js-plotly-plot'); return {what}; }}"
    )


def shown_part(page):
    """Left, top, right and bottom of what is shown, in pixels of the picture."""
    return chart(
        page,
        "[chart.layout.xaxis.range[0], chart.layout.yaxis.range[1],"
        " chart.layout.xaxis.range[1], chart.layout.yaxis.range[0]]",
    )


def drawings(page):
    """How often the picture has been drawn."""
    return int(page.locator(".frame[data-drawings]").get_attribute("data-drawings"))


def wait_for_drawing(page, before):
    expect(page.locator(".frame[data-drawings]")).not_to_have_attribute(
        "data-drawings", str(before)
    )


# --- Nothing flashes -----------------------------------------------------------------


class Film:
    """Every frame that the window shows."""

    def __init__(self, page):
        self.frames = []
        self._session = page.context.new_cdp_session(page)
        self._session.on("Page.screencastFrame", self._keep)

    def _keep(self, frame):
        self.frames.append(frame["data"])
        self._session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    def __enter__(self):
        self._session.send("Page.startScreencast", {"format": "jpeg", "quality": 80})
        return self

    def __exit__(self, *_):
        self._session.send("Page.stopScreencast")


def what_is_missing(frame, at):
    """Whether a frame lacks the picture or the heatmap over it."""
    with Image.open(io.BytesIO(base64.b64decode(frame))) as shown:
        scale = shown.width / DESKTOP["width"]
        pixels = np.asarray(shown.convert("RGB"), int)

    def colour(across, down):
        x, y = at["x"] + across * at["width"], at["y"] + down * at["height"]
        x, y = round(x * scale), round(y * scale)
        return pixels[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(axis=0)

    corner, middle = colour(0.97, 0.04), colour(HOT[0] / SIZE[0], HOT[1] / SIZE[1])
    has_picture = np.abs(corner - GREY).max() < 12
    has_heatmap = np.ptp(middle) > 40
    return [*([] if has_picture else ["picture"]), *([] if has_heatmap else ["heatmap"])]


def test_no_frame_is_blank_over_ticks_settings_and_switches(page):
    drop(page, {"a.zip": study("Shelf"), "b.zip": study("Poster")})
    drawn(page)
    at = picture(page).bounding_box()
    scale = page.get_by_role("slider", name="Scale")
    opacity = page.get_by_role("slider", name="Opacity")

    def choose(name, option):
        page.get_by_role("combobox", name=name).click()
        page.get_by_role("option", name=option).click()

    def act(turn):
        kind, times = turn % 5, turn // 5
        if kind == 0:
            untick(page, f"P0{times // 4 % 3 + 1}")  # away in both exports, and back
        elif kind == 1:
            scale.press("ArrowRight" if times % 2 else "ArrowLeft")
        elif kind == 2:
            opacity.press("ArrowRight" if times % 2 else "ArrowLeft")
        elif kind == 3:
            choose("Colours", "Turbo" if times % 2 else "Viridis")
        else:
            segments(page).get_by_text("Poster" if times % 2 else "Shelf").click()

    element = chart(page, "chart.dataset.mark = 'the same element'")
    with Film(page) as film:
        for turn in range(TURNS):
            before = drawings(page)
            act(turn)
            wait_for_drawing(page, before)
            # A setting is drawn before the server has heard of it: what is done while its answer
            # is under way may be taken back by it.
            settled(page)
    missing = [what for what in (what_is_missing(one, at) for one in film.frames) if what]
    assert missing == []
    assert len(film.frames) > TURNS
    assert chart(page, "chart.dataset.mark") == element


def test_a_tick_and_a_setting_draw_once(page):
    source = open_sample(page)
    for act in (
        lambda: untick(page, "P02"),
        lambda: page.get_by_role("slider", name="Scale").press("ArrowRight"),
        lambda: page.get_by_role("slider", name="Opacity").press("ArrowLeft"),
    ):
        before = drawings(page)
        act()
        source = drawn(page, instead_of=source)
        assert drawings(page) == before + 1


# --- Zoom ----------------------------------------------------------------------------


def zoomed(page, button="Zoom in"):
    """Press a button for zoom; return the part that is shown then."""
    before = shown_part(page)
    page.get_by_role("button", name=button).click()
    page.wait_for_function(
        "before => document.querySelector('.js-plotly-plot').layout.xaxis.range[0] !== before",
        arg=before[0],
    )
    return shown_part(page)


def test_zoom_survives_ticks_and_settings(page):
    drop(page, {"a.zip": study()})
    source = drawn(page)
    assert shown_part(page) == [0, 0, *SIZE]
    part = zoomed(page)
    # Two thirds of the width, about the middle.
    assert part == pytest.approx([400 - 800 / 3, 300 - 600 / 3, 400 + 800 / 3, 300 + 600 / 3])
    untick(page, "P01")
    source = drawn(page, instead_of=source)
    assert shown_part(page) == part
    page.get_by_role("slider", name="Scale").press("ArrowRight")
    source = drawn(page, instead_of=source)
    page.get_by_role("slider", name="Opacity").press("ArrowLeft")
    drawn(page, instead_of=source)
    assert shown_part(page) == part
    assert zoomed(page, "Whole picture") == [0, 0, *SIZE]


def test_zoom_stays_inside_the_picture(page):
    drop(page, {"a.zip": study()})
    drawn(page)
    left, top, right, bottom = zoomed(page)
    width, height = right - left, bottom - top
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    page.wait_for_function("document.querySelector('.js-plotly-plot').layout.xaxis.range[0] === 0")
    assert shown_part(page) == pytest.approx([0, 0, width, height])
    # Pushed with the mouse, beyond the corner.
    at = page.locator(".nsewdrag").bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(at["x"] + 100, at["y"] + 100)
    page.mouse.down()
    page.mouse.move(at["x"] + 300, at["y"] + 200, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    part = shown_part(page)
    assert min(part) >= 0
    assert part[2] <= SIZE[0]
    assert part[3] <= SIZE[1]


def test_a_rectangle_that_is_drawn_is_shown_and_a_double_click_shows_everything(page):
    drop(page, {"a.zip": study()})
    drawn(page)
    at = page.locator(".nsewdrag").bounding_box()
    page.mouse.move(at["x"] + at["width"] / 4, at["y"] + at["height"] / 4)
    page.mouse.down()
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('.js-plotly-plot').layout.xaxis.range[0] > 0")
    assert shown_part(page) == pytest.approx([200, 150, 400, 300], abs=3)
    source = layer(page).get_attribute("href")
    untick(page, "P01")
    drawn(page, instead_of=source)
    assert shown_part(page) == pytest.approx([200, 150, 400, 300], abs=3)
    page.mouse.dblclick(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    page.wait_for_function("document.querySelector('.js-plotly-plot').layout.xaxis.range[0] === 0")
    assert shown_part(page) == [0, 0, *SIZE]


def test_another_picture_is_shown_whole(page):
    drop(page, {"a.zip": study("Shelf"), "b.zip": study("Poster")})
    drawn(page)
    zoomed(page)
    before = drawings(page)
    segments(page).get_by_text("Shelf").click()
    wait_for_drawing(page, before)
    assert shown_part(page) == [0, 0, *SIZE]


def test_a_wheel_zooms_with_ctrl_only(page):
    drop(page, {"a.zip": study()})
    drawn(page)
    at = page.locator(".nsewdrag").bounding_box()
    page.mouse.move(at["x"] + at["width"] / 4, at["y"] + at["height"] / 2)
    page.mouse.wheel(0, -250)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -250)
    page.keyboard.up("Control")
    page.wait_for_function("document.querySelector('.js-plotly-plot').layout.xaxis.range[0] > 0")
    # Half of the picture, and what was under the pointer still is; once and not twice.
    assert shown_part(page) == pytest.approx([100, 150, 500, 450], abs=2)


def test_the_buttons_say_when_there_is_nothing_to_do(page):
    open_sample(page)
    buttons = [
        page.get_by_role("button", name=name) for name in ("Zoom in", "Zoom out", "Whole picture")
    ]
    idle = [button.get_attribute("aria-disabled") for button in buttons]
    assert idle == ["false", "true", "true"]
    zoomed(page)
    idle = [button.get_attribute("aria-disabled") for button in buttons]
    assert idle == ["false", "false", "false"]


# --- Fingers -------------------------------------------------------------------------


@pytest.fixture
def phone(browser, address):
    visitor = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    visitor.set_default_timeout(1000 * PATIENCE_S)
    page = visitor.new_page()
    page.goto(address)
    open_sample(page)
    yield page
    visitor.close()


def fingers(page):
    """A function that puts fingers on the screen, moves them, or takes them away."""
    session = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


def test_a_swipe_over_the_picture_scrolls_the_page(phone):
    whole = shown_part(phone)
    at = picture(phone).bounding_box()
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] * 0.9
    touch = fingers(phone)
    touch("touchStart", (x, y))
    for step in range(1, 9):
        touch("touchMove", (x, y - 20 * step))
    touch("touchEnd")
    phone.wait_for_function("document.querySelector('[data-testid=stMain]').scrollTop > 50")
    assert shown_part(phone) == whole


def test_two_fingers_zoom_the_picture_and_not_the_page(phone):
    width, height = shown_part(phone)[2:]
    at = picture(phone).bounding_box()
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    touch = fingers(phone)
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 30, y), (x + 30, y))
    touch("touchMove", (x - 40, y), (x + 40, y))
    touch("touchEnd")
    # Twice as far apart: half of the picture.
    phone.wait_for_function(
        """half => {
            const range = document.querySelector('.js-plotly-plot').layout.xaxis.range;
            return Math.abs(range[1] - range[0] - half) < 1;
        }""",
        arg=width / 2,
    )
    quarter = [width / 4, height / 4, 3 * width / 4, 3 * height / 4]
    assert shown_part(phone) == pytest.approx(quarter, abs=width / 100)
    assert phone.evaluate("visualViewport.scale") == 1


# --- Settings that act at once -------------------------------------------------------


def most_cover(source):
    """The most that a heatmap covers of what is under it, 0 to 255."""
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as painted:
        return np.asarray(painted)[..., 3].max()


def test_opacity_follows_the_slider_before_it_is_let_go(page, address):
    before = open_sample(page)
    said = []
    # The page is open already; what it sends from here on is counted in the page itself.
    page.evaluate(
        """() => {
            window.sent = 0;
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (data) { window.sent += 1; send.call(this, data); };
        }"""
    )
    thumb = page.get_by_role("slider", name="Opacity").locator("xpath=../..").bounding_box()
    x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in (40, 80, 120):
        page.mouse.move(x - step, y)
        page.wait_for_function(
            "([at, before]) => document.querySelector(at).href.baseVal !== before",
            arg=[HEATMAP, before],
        )
        before = layer(page).get_attribute("href")
        said.append(float(page.get_by_role("slider", name="Opacity").input_value()))
    assert said == sorted(said, reverse=True)
    assert said[-1] < 0.8
    assert page.evaluate("window.sent") == 0
    count = drawings(page)
    page.mouse.up()
    page.wait_for_url(re.compile(rf"opacity={said[-1]:g}\b"))
    settled(page)
    # What the server answers is what is shown already.
    assert drawings(page) == count
    assert layer(page).get_attribute("href") == before
    assert most_cover(before) == round(255 * said[-1])


def test_reset_brings_the_look_of_the_server_back(page):
    source = open_sample(page)
    page.get_by_role("slider", name="Opacity").press("Home")
    source = drawn(page, instead_of=source)
    page.get_by_role("button", name="Reset").click()
    source = drawn(page, instead_of=source)
    assert most_cover(source) == 0.8 * 255


# --- Text and themes -----------------------------------------------------------------


def ticks_px(page):
    return page.locator(".colorbar text").first.evaluate(
        "text => parseFloat(getComputedStyle(text).fontSize)"
    )


def hover(page):
    at = picture(page).bounding_box()
    page.mouse.move(at["x"] + at["width"] * 0.5, at["y"] + at["height"] * 0.4)
    expect(hover_label(page)).to_be_visible()
    return hover_label(page)


def test_ticks_and_hover_grow_with_the_text_of_the_page(page):
    open_sample(page)
    assert ticks_px(page) == 12
    before = drawings(page)
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    wait_for_drawing(page, before)
    assert ticks_px(page) == 24
    assert hover(page).evaluate("text => parseFloat(getComputedStyle(text).fontSize)") == 28
    # All of it stands in the window.
    bar = page.locator(".colorbar").bounding_box()
    assert bar["x"] + bar["width"] <= DESKTOP["width"]


def luminance(colour):
    channels = np.array([int(n) for n in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def inks(page):
    """Contrast of the bar's ticks, and of the hover text, to what they stand on."""
    ground = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
    tick = page.locator(".colorbar text").first.evaluate("text => getComputedStyle(text).fill")
    label = hover(page)
    paper = label.evaluate("label => getComputedStyle(label).backgroundColor")
    text = label.evaluate("label => getComputedStyle(label).color")
    page.mouse.move(0, 0)
    return contrast(tick, ground), contrast(text, paper)


def test_ticks_and_hover_can_be_read_in_both_themes_and_the_chart_follows_a_change(visit):
    page = visit(scheme="light")
    open_sample(page)
    assert min(inks(page)) >= 4.5
    before = drawings(page)
    page.emulate_media(color_scheme="dark")
    wait_for_drawing(page, before)
    ink = page.locator(".colorbar text").first.evaluate("text => getComputedStyle(text).fill")
    assert ink == "rgb(232, 234, 237)"
    assert min(inks(page)) >= 4.5


# --- The script ----------------------------------------------------------------------


def test_the_script_is_fetched_once_while_the_empty_page_is_read(visit):
    page = visit()
    # The first visit has its script by now, so that each request that is heard is the second's.
    page.wait_for_function("window.Plotly")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_function("window.Plotly")
    (script,) = [url for url in asked if "/script/plotly-" in url]
    source = open_sample(page)
    untick(page, "P02")
    drawn(page, instead_of=source)
    assert [url for url in asked if "/script/plotly-" in url] == [script]


def test_without_the_script_a_sentence_says_so_and_the_files_can_be_had(page):
    page.route("**/script/**", lambda route: route.abort())
    page.reload()
    page.get_by_role("button", name="Try the sample").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The picture cannot be drawn: the script that draws it did not")
    expect(alert).to_contain_text("Allow scripts from this address, then choose Try again.")
    expect(line(page)).to_contain_text("of 4 recordings")
    assert download(page, "overlay")[0] == "Shop shelf_overlay_4-of-4_scale-5.png"
    untick(page, "P02")
    expect(line(page)).to_contain_text("of 3 recordings")
    expect(alert).to_have_count(1)
    page.unroute("**/script/**")
    page.get_by_role("button", name="Try again").click()
    drawn(page)
    expect(alert).to_have_count(0)
    expect(box(page, "P02")).not_to_be_checked()


def test_the_picture_is_drawn_below_any_path(browser, tmp_path):
    with serving(tmp_path, below="eye/tracking") as address:
        visitor = browser.new_context(viewport=DESKTOP)
        visitor.set_default_timeout(1000 * PATIENCE_S)
        page = visitor.new_page()
        page.goto(f"{address}/")
        open_sample(page)
        shown = urljoin(page.url, picture(page).get_attribute("href"))
        assert shown.startswith(f"{address}/lent/")
        assert download(page, "overlay")[0] == "Shop shelf_overlay_4-of-4_scale-5.png"
        visitor.close()
