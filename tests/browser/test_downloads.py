"""All files in one place: the figure as it was asked for, the report, and settings taken back."""

import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import gazeheat_core as gh
from tests.browser.conftest import box, download, drawn, drop, line, open_sample, settled, untick

MORE = "Figure, report, more"


def open_more(page):
    page.get_by_role("button", name=MORE).click()
    expect(page.get_by_label("Caption")).to_be_visible()


def account(name, data):
    return gh.find_account(data, name)


def test_the_figure_is_what_its_form_says_and_follows_the_ticks(page):
    source = open_sample(page)
    open_more(page)
    caption, width = page.get_by_label("Caption"), page.get_by_label("Width")
    assert caption.input_value().startswith("Gaze of 4 recordings (4 wearers) on Shop shelf")
    untick(page, "P02")
    source = drawn(page, instead_of=source)
    expect(caption).to_have_value(re.compile("^Gaze of 3 of 4 recordings"))
    page.get_by_label("Heading").fill("Where they looked")
    caption.fill("Mine, and it stays.")
    untick(page, "P03")
    drawn(page, instead_of=source)
    expect(caption).to_have_value("Mine, and it stays.")
    page.get_by_label("Pixels per inch").fill("254")
    page.get_by_label("Millimetres or pixels").select_option("px")
    # 160 mm at ten pixels a millimetre.
    expect(width).to_have_value("1600")
    width.fill("800")
    name, data = download(page, "figure as PNG")
    assert name == "Shop shelf_figure_2-of-4_scale-5.png"
    with Image.open(io.BytesIO(data)) as image:
        assert image.width == 800
        assert image.info["dpi"] == pytest.approx((254, 254), abs=0.1)
        # The bar's first and last colour stand on the paper, at its right.
        right = {tuple(pixel) for pixel in np.asarray(image.convert("RGB"))[:, 650:].reshape(-1, 3)}
        ends = gh.opaque_table("turbo")[[0, 255]].tolist()
        assert {tuple(colour) for colour in ends} <= right
    name, data = download(page, "figure as SVG")
    svg = data.decode()
    assert "Where they looked" in svg
    assert "Mine, and it stays." in svg
    assert 'width="226.77' in svg  # 80 mm in points
    assert account(name, data).figure == {
        "width_mm": pytest.approx(80),
        "dpi": 254,
        "heading": "Where they looked",
        "caption": "Mine, and it stays.",
    }
    name, data = download(page, "figure as PDF")
    assert data.startswith(b"%PDF")
    assert [one.name for one in account(name, data).recordings] == ["P01", "P04"]


def test_what_the_form_cannot_take_is_said_beside_it(page):
    open_sample(page)
    open_more(page)
    page.get_by_label("Width").fill("5")
    page.get_by_role("button", name="Download figure as PDF").click()
    assert page.get_by_label("Width").evaluate("input => input.validity.rangeUnderflow")
    page.get_by_label("Width").fill("300")
    page.get_by_label("Pixels per inch").fill("1200")
    page.get_by_role("button", name="Download figure as PNG").click()
    words = page.get_by_text("A figure of 300 mm at 1200 dpi is 14,173 pixels wide")
    expect(words).to_be_visible()


def test_the_caption_can_be_copied(visit):
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_sample(page)
    open_more(page)
    page.get_by_role("button", name="Copy caption").click()
    expect(page.get_by_text("The caption is in the clipboard.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_label("Caption").input_value()


def test_a_report_brings_everything_back_byte_for_byte(page, visit):
    source = open_sample(page)
    untick(page, "P02")
    source = drawn(page, instead_of=source)
    page.get_by_role("slider", name="Scale").press("ArrowRight")
    drawn(page, instead_of=source)
    open_more(page)
    page.get_by_label("Heading").fill("Mine")
    name, report = download(page, "report")
    assert name == "Shop shelf_report_3-of-4_scale-5.5.zip"
    with zipfile.ZipFile(io.BytesIO(report)) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    assert files["Shop shelf_overlay_3-of-4_scale-5.5.png"] == download(page, "overlay")[1]

    other = visit()
    open_sample(other)
    for given in (name, "Shop shelf_figure_3-of-4_scale-5.5.svg"):
        other.get_by_role("button", name="None", exact=True).click()
        expect(line(other)).to_contain_text("No recording is ticked")
        other.get_by_role("button", name="Add files").click()
        drop(other, {given: report if given == name else files[given]})
        expect(other.get_by_text(f"{given}: its settings are used")).to_be_visible()
        settled(other)
        expect(box(other, "P02")).not_to_be_checked()
        expect(box(other, "P01")).to_be_checked()
        expect(other.get_by_role("slider", name="Scale")).to_have_value("5.5")
    open_more(other)
    expect(other.get_by_label("Heading")).to_have_value("Mine")
    assert download(other, "report")[1] == report
