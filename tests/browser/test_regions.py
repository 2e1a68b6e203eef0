"""Regions in a browser: marked by a drag, drawn on the picture, listed, removed; by key alone."""

import csv
import io
import re

import pytest
from playwright.sync_api import expect

from tests import builders
from tests.browser.conftest import drawn, drop, still, untick
from tests.browser.test_accessibility import violations
from tests.browser.test_stage import chart, shown_part

PHONE = {"width": 390, "height": 844}


def labels(page):
    """The names on the picture, as they are read there."""
    return page.locator(".annotation-text")


def rows(page):
    return page.locator("tbody tr")


def drag(page, start, end):
    """Drag over the picture, between two shares of its sides."""
    at = page.locator(".nsewdrag").bounding_box()
    places = [(at["x"] + x * at["width"], at["y"] + y * at["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=4)
    page.mouse.up()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_region_is_marked_by_a_drag_seen_named_downloaded_and_removed(visit, scheme):
    page = visit(scheme=scheme)
    drop(page, {"shelf.zip": builders.export_zip()})
    drawn(page)
    page.get_by_text("Regions", exact=True).click()
    page.get_by_role("button", name="Mark a region").click()
    expect(page.get_by_role("button", name="Mark a region", pressed=True)).to_be_visible()
    drag(page, (0.5, 0.5), (0.1, 0.1))
    expect(rows(page)).to_have_count(1)
    # The picture of the export is 40 × 30 px; Ada looks there twice, for 5 ms each time.
    expect(rows(page)).to_contain_text("x 4 to 20, y 3 to 15")
    expect(rows(page).locator(".number")).to_have_text(["0.01", "40.0", "1 of 2", "0.00"])
    expect(page.get_by_text("Regions: 1", exact=True)).to_be_visible()
    # The drag has not zoomed, and what Plotly drew for it is gone.
    assert shown_part(page) == [0, 0, 40, 30]
    expect(page.locator(".select-outline")).to_have_count(0)
    sides = chart(page, "chart.layout.shapes.map(({ x0, y0, x1, y1 }) => [x0, y0, x1, y1])")
    assert sides == [pytest.approx([4, 3, 20, 15], abs=0.2)] * 2
    name = page.get_by_role("textbox", name="Name of region 1")
    name.fill("<b>Price</b>")
    name.press("Enter")
    expect(labels(page)).to_have_text("<b>Price</b>")
    assert not violations(page)
    untick(page, "P01")
    expect(rows(page).locator(".number")).to_have_text(["0.00", "0.0", "0 of 1", "–"])
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download table").click()
    assert waiting.value.suggested_filename == "Shelf_regions_1-of-2_scale-5.csv"
    table = csv.reader(io.StringIO(waiting.value.path().read_text(encoding="utf-8-sig")))
    assert [row[0] for row in table] == ["name", "<b>Price</b>"]
    page.get_by_role("button", name="Remove <b>Price</b>").click()
    expect(rows(page)).to_have_count(0)
    expect(labels(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Mark a region")).to_be_focused()


def test_a_region_is_typed_on_a_phone_without_a_pointer(visit):
    page = visit(size=PHONE)
    drop(page, {"shelf.zip": builders.export_zip()})
    drawn(page)
    summary = page.locator("summary", has_text="Regions")
    summary.focus()
    summary.press("Enter")
    for side, value in {"Left": 0, "Top": 0, "Right": 20, "Bottom": 30}.items():
        page.get_by_role("spinbutton", name=side, exact=True).fill(str(value))
    page.keyboard.press("Enter")
    expect(rows(page).locator(".number")).to_have_text(
        [re.compile("0.0"), "60.0", "1 of 2", "0.00"]
    )
    expect(page.get_by_text("Region 1: ")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Left", exact=True)).to_have_value("")
    still(page)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
