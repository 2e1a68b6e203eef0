"""Other looks than colours on the stage: what the page shows is what the files have."""

import io
import re

import numpy as np
import pytest
from playwright.sync_api import expect

import gazeheat_core as gh
from gazeheat_core.contours import contours
from gazeheat_core.sample import sample_zip
from tests.browser.conftest import (
    difference,
    drawn,
    hover_label,
    open_sample,
    picture,
    settled,
    shown_picture,
    untick,
)
from tests.browser.test_stage import drawings, shown_part, wait_for_drawing, zoomed

LINES = ".scatterlayer path.js-line"


@pytest.fixture(scope="module")
def sample():
    (export,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_zip())))
    return export, gh.bin_recordings(export)


def heatmap_of(sample, *, without=None):
    export, histograms = sample
    kept = [one for i, one in enumerate(histograms) if i != without]
    return gh.make_heatmap(kept, export.image.size)


def test_a_spotlight_with_top_and_bottom_is_that_of_the_file(visit, sample):
    page = visit("/?look=Spotlight&unit=Seconds&top=6&bottom=20")
    open_sample(page)
    look = gh.Look(look="spotlight", unit="seconds", top=6, bottom=20)
    export, _ = sample
    expected = gh.render_overlay(heatmap_of(sample), export.image, look)
    assert difference(*shown_picture(page), expected) <= 3
    ticks = page.locator(".colorbar .cbaxis text").all_text_contents()
    assert ticks == ["0 s", "2 s", "4 s", "≥ 6 s"]
    at = picture(page).bounding_box()
    page.mouse.move(at["x"] + at["width"] * 0.55, at["y"] + at["height"] * 0.7)
    # 13.8 s are the most: what lies above the top has its own value.
    expect(hover_label(page)).to_have_text(re.compile(r"^13\.\d s\sx 1,?\d+ px, y 1,?\d+ px$"))


def strength(page):
    return float(page.locator(".scatterlayer .trace").last.evaluate("it => it.style.opacity || 1"))


def strokes(page):
    """The colour of each line on the page."""
    texts = page.locator(LINES).evaluate_all("all => all.map(it => it.style.stroke)")
    return [[int(number) for number in re.findall(r"\d+", text)] for text in texts]


def of_lines(contours):
    """The colour of each line that there should be: a level may have several."""
    return [one.colour for one in contours for _ in range(1 + np.isnan(one.points[:, 0]).sum())]


def test_contours_follow_the_opacity_at_once_and_a_tick_in_place(visit, sample):
    page = visit("/?look=Contours&colours=Viridis")
    page.get_by_role("button", name="Try the sample").click()
    expect(page.locator(LINES).first).to_be_visible()
    settled(page)
    export, _ = sample
    look = gh.Look(look="contours", colormap="viridis")
    expected = contours(heatmap_of(sample), export.image.size, look)
    # Few colours of the map stand for all of it, and miss none by more than one step.
    np.testing.assert_allclose(strokes(page), of_lines(expected), rtol=0, atol=1)
    said = page.locator(".annotation text").all_text_contents()
    assert set(said) == {"20 %", "40 %", "60 %", "80 %"}

    part = zoomed(page)
    ground = picture(page).element_handle()
    page.evaluate(
        """() => {
            window.sent = 0;
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (data) { window.sent += 1; send.call(this, data); };
        }"""
    )
    thumb = page.get_by_role("slider", name="Opacity").locator("xpath=../..").bounding_box()
    x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
    count = drawings(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 80, y)
    wait_for_drawing(page, count)
    wanted = float(page.get_by_role("slider", name="Opacity").input_value())
    assert wanted < 0.7
    assert strength(page) == pytest.approx(wanted)
    assert page.evaluate("window.sent") == 0
    page.mouse.up()
    page.wait_for_url(re.compile(rf"opacity={wanted:g}\b"))
    settled(page)

    before = page.locator(LINES).first.get_attribute("d")
    untick(page, "P01")
    expect(page.locator(LINES).first).not_to_have_attribute("d", before)
    settled(page)
    assert shown_part(page) == part
    assert ground.evaluate("it => it.isConnected")
    fewer = contours(heatmap_of(sample, without=0), export.image.size, look)
    np.testing.assert_allclose(strokes(page), of_lines(fewer), rtol=0, atol=1)


def test_colours_are_drawn_again_after_contours(visit):
    page = visit("/?look=Contours")
    page.get_by_role("button", name="Try the sample").click()
    expect(page.locator(LINES).first).to_be_visible()
    page.get_by_role("button", name="Reset").click()
    drawn(page)
    expect(page.locator(LINES)).to_have_count(0)
    expect(page.locator(".annotation")).to_have_count(0)
