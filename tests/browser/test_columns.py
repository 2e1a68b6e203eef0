"""From a table that nobody has described to its heatmap, by keyboard alone."""

import io
import json

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from tests import builders
from tests.browser.conftest import download, drawn, drop, line, settled
from tests.browser.test_accessibility import GROUNDS, tab_to, violations

PHONE = {"width": 390, "height": 844}
# Twenty samples at one place, and one in each corner of a screen of 800 × 600 px.
PLACES = [(600, 150)] * 20 + [(10, 10), (790, 10), (10, 590), (790, 590)]


def test_an_unknown_table_becomes_its_heatmap(visit):
    page = visit()
    rows = [("Ada", 20 * n, x, y, 7) for n, (x, y) in enumerate(PLACES)]
    table = builders.lines(["person", "time", "eye_x", "eye_y", "light"], *rows)
    drop(page, {"wall.csv": table.encode()})
    expect(page.get_by_role("heading", name="Which column is what?")).to_be_visible()
    rows_shown = page.get_by_role("region", name="First lines of wall.csv")
    expect(rows_shown.get_by_role("columnheader", name="eye_x")).to_be_visible()
    expect(rows_shown.get_by_role("row").nth(1)).to_contain_text("600")
    for size in (PHONE, {"width": 800, "height": 900}, {"width": 1440, "height": 900}):
        page.set_viewport_size(size)
        settled(page)
        wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert wide <= size["width"]
    for scheme, ground in GROUNDS.items():
        page.emulate_media(color_scheme=scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", ground)
        assert not violations(page)

    # The table itself can be moved by keys, then come the questions.
    tab_to(page, rows_shown)
    tab_to(page, page.get_by_role("combobox", name="Position, x"))
    expect(page.get_by_role("combobox", name="Position, x")).to_have_value("eye_x")
    tab_to(page, page.get_by_role("radio", name="Pixels of the picture"))
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    for label, value in (("Width", "800"), ("Height", "600")):
        tab_to(page, page.get_by_role("spinbutton", name=label))
        page.keyboard.type(value)
        page.keyboard.press("Enter")
        settled(page)
    assert not violations(page)
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save these answers").click()
    assert caught.value.suggested_filename == "columns.json"
    saved = json.loads(caught.value.path().read_bytes())
    assert (saved["x"], saved["y"], saved["frame"]) == ("eye_x", "eye_y", [0, 0, 800, 600])
    tab_to(page, page.get_by_role("button", name="Read the table"))
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Which picture was looked at?")).to_be_visible()
    drop(page, {"wall.png": builders.picture_bytes((400, 300), "PNG")}, into=0)
    drawn(page)
    expect(line(page)).to_contain_text("24 samples of 1 recording · 0 outside")
    _, data = download(page, "heatmap")
    cover = np.asarray(Image.open(io.BytesIO(data)))[:, :, 3]
    # Around the hottest place several pixels have the same cover.
    y, x = np.argwhere(cover == cover.max()).mean(axis=0)
    # (600, 150) of 800 × 600 is (300, 75) of 400 × 300.
    assert abs(x - 300) <= 2
    assert abs(y - 75) <= 2

    # The address has the answers: after a reload nothing is asked.
    page.reload()
    settled(page)
    drop(
        page,
        {"wall.csv": table.encode(), "wall.png": builders.picture_bytes((400, 300), "PNG")},
    )
    drawn(page)
    expect(line(page)).to_contain_text("24 samples of 1 recording · 0 outside")
