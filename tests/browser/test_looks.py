"""How the page stands in its window: nothing cut, nothing stretched, light and dark."""

import numpy as np
import pytest
from playwright.sync_api import expect

from gazeheat_core.chart import BAR_WIDTH_PX
from tests import builders
from tests.browser.conftest import (
    DESKTOP,
    TABLET,
    add_files,
    box,
    drawn,
    drop,
    layer,
    line,
    open_sample,
    photograph,
    picture,
)
from tests.builders import Row

BACKGROUNDS = {"light": (0xFF, 0xFF, 0xFF), "dark": (0x14, 0x17, 0x1B)}  # .streamlit/config.toml


def bounds(locator):
    """Left, top, right and bottom of what is shown."""
    expect(locator).to_be_visible()
    at = locator.bounding_box()
    return at["x"], at["y"], at["x"] + at["width"], at["y"] + at["height"]


def widest(page):
    return page.evaluate(
        "Math.max(document.documentElement.scrollWidth,"
        "document.querySelector('[data-testid=stMain]').scrollWidth)"
    )


def study(size, **options):
    width, height = size
    rows = [Row(width * 0.3, height * 0.4), Row(width * 0.7, height * 0.8)]
    return builders.export_zip(rows=rows, size=size, fixations=None, **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chart_stands_on_the_page_s_own_ground_in_its_ink(visit, scheme):
    page = visit(scheme=scheme)
    open_sample(page)
    page.mouse.move(0, 0)
    window = np.asarray(photograph(page))
    left, top, right, bottom = (round(side) for side in bounds(picture(page)))
    beside = {
        "above": window[top - 4, (left + right) // 2],
        "below": window[bottom + 4, (left + right) // 2],
        "left": window[(top + bottom) // 2, left - 4],
        "right": window[(top + bottom) // 2, right + 4],
        "corner of the page": window[890, 10],
    }
    for where, colour in beside.items():
        assert tuple(colour) == BACKGROUNDS[scheme], where
    ink = page.locator(".colorbar text").first.evaluate("text => getComputedStyle(text).fill")
    assert ink == {"light": "rgb(27, 31, 36)", "dark": "rgb(232, 234, 237)"}[scheme]


def test_everything_is_in_sight_on_a_desktop(page):
    open_sample(page)
    parts = [
        box(page, "P01"),
        box(page, "P04"),
        page.get_by_role("slider", name="Scale"),
        page.get_by_role("slider", name="Opacity"),
        page.get_by_role("combobox", name="Colours"),
        picture(page),
        page.locator(".colorbar"),
        line(page),
        page.get_by_role("button", name="Download heatmap"),
        page.get_by_role("button", name="Download overlay"),
    ]
    for part in parts:
        left, top, right, bottom = bounds(part)
        assert 0 <= left < right <= DESKTOP["width"], part
        assert 0 <= top < bottom <= DESKTOP["height"], part
    assert bounds(box(page, "P04"))[2] < bounds(picture(page))[0]
    assert bounds(picture(page))[2] < bounds(page.locator(".colorbar"))[0]
    assert bounds(picture(page))[3] <= bounds(line(page))[1]
    # The picture is what the page is about.
    left, top, right, bottom = bounds(picture(page))
    assert (right - left) * (bottom - top) > 0.4 * DESKTOP["width"] * DESKTOP["height"]
    assert widest(page) <= DESKTOP["width"]
    # The bar stands in one line.
    parts = [
        page.get_by_role("heading", name="Gazeheat"),
        page.get_by_role("radio", name="Shop shelf"),
        page.get_by_role("button", name="Clear"),
    ]
    middles = [(top + bottom) / 2 for _, top, _, bottom in map(bounds, parts)]
    assert max(middles) - min(middles) <= 2


@pytest.mark.parametrize("count", [6, 150])
def test_many_recordings_scroll_in_their_own_place(page, count):
    people = [(f"rec-{i}", f"sec-{i}", f"P{i:03}", "") for i in range(count)]
    rows = [Row(9.0, 9.0, True, f"rec-{i}", f"sec-{i}") for i in range(count)]
    zipped = builders.export_zip(rows=rows, people=people, fixations=None)
    drop(page, {"study.zip": zipped})
    drawn(page)
    for part in (page.get_by_role("combobox", name="Colours"), page.locator(".st-key-recordings")):
        assert bounds(part)[3] <= DESKTOP["height"]
    last = box(page, f"P{count - 1:03}")
    last.scroll_into_view_if_needed()
    assert bounds(last)[3] <= bounds(page.locator(".st-key-recordings"))[3]
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0


@pytest.mark.parametrize("window", [DESKTOP, TABLET], ids=["desktop", "tablet"])
def test_no_picture_is_distorted_or_cut(visit, window):
    page = visit(size=window)
    source = None
    for give, size in (
        (drop, (1200, 900)),
        (add_files, (900, 1600)),
        (add_files, (3000, 500)),
        (add_files, (300, 1500)),
    ):
        give(page, {"study.zip": study(size, name="{}x{}".format(*size))})
        source = drawn(page, instead_of=source)
        check_place(page, window, size)


def check_place(page, window, size):
    """Hold the place of a picture against the window, and its shape against its size."""
    left, top, right, bottom = bounds(picture(page))
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], rel=0.01)
    assert 0 <= left < right <= window["width"]
    assert 0 <= top < bottom <= window["height"]
    assert widest(page) <= window["width"]
    # As large as the window allows: the whole column beside the bar, or most of the height.
    left_edge, _, right_edge, _ = bounds(page.locator(".st-key-stage"))
    # The height is of whole pixels.
    most = right_edge - left_edge - BAR_WIDTH_PX - size[0] / size[1]
    assert right - left >= most or bottom - top >= 0.6 * window["height"]
    # The bar is as long as the picture is high.
    bar = bounds(page.locator(".colorbar .cbfills"))
    assert bar[1] == pytest.approx(top, abs=3)
    assert bar[3] == pytest.approx(bottom, abs=3)
    if window is DESKTOP:
        assert bounds(page.get_by_role("button", name="Download overlay"))[3] <= 900


def test_a_tablet_shows_the_picture_first(visit):
    page = visit(size=TABLET)
    open_sample(page)
    assert bounds(picture(page))[3] < bounds(box(page, "P01"))[1]
    assert bounds(line(page))[3] < bounds(box(page, "P01"))[1]
    assert widest(page) <= TABLET["width"]
    for part in (picture(page), page.locator(".colorbar"), box(page, "P01")):
        assert bounds(part)[2] <= TABLET["width"]
    # The window for more files fits, too.
    page.get_by_role("button", name="Add files").click()
    left, _, right, bottom = bounds(page.get_by_test_id("stPopoverBody"))
    assert 0 <= left < right <= TABLET["width"]
    assert bottom <= TABLET["height"]


def test_a_tick_moves_nothing(page):
    open_sample(page)
    parts = [
        picture(page),
        line(page),
        page.get_by_role("button", name="Download overlay"),
        page.get_by_role("slider", name="Scale"),
        box(page, "P04"),
    ]
    before = [bounds(part) for part in parts]
    page.get_by_role("button", name="None", exact=True).click()
    expect(line(page)).to_contain_text("No recording is ticked")
    expect(layer(page)).to_have_count(0)
    assert [bounds(part)[:2] for part in parts] == [place[:2] for place in before]


def test_a_long_name_is_cut_and_the_whole_is_in_the_tooltip(page):
    name = "Kitchen study of the autumn term, second wave, participant 0042, retake"
    people = [("rec-a", "sec-a", f'"{name}"', "Ada"), ("rec-b", "sec-b", "P02", "Ben")]
    drop(page, {"study.zip": builders.export_zip(people=people)})
    drawn(page)
    row = page.locator(".st-key-recordings li").first
    shown, facts = row.locator(".name"), row.locator(".facts")
    assert shown.evaluate("name => name.scrollWidth > name.clientWidth")
    assert shown.evaluate("name => getComputedStyle(name).textOverflow") == "ellipsis"
    assert bounds(shown)[2] <= bounds(facts)[0]
    assert bounds(facts)[2] < bounds(picture(page))[0]
    expect(row).to_have_attribute("title", f"{name}\nAda\n3 samples · 0:00 · 60 % of the total")


@pytest.mark.parametrize(
    ("window", "rows"), [(DESKTOP, 11), ({"width": 1280, "height": 720}, 6), (TABLET, 12)]
)
def test_the_list_is_as_high_as_its_rows_or_as_the_window_allows(visit, window, rows):
    page = visit(size=window)
    people = [(f"rec-{i}", f"sec-{i}", f"P{i:02}", "") for i in range(12)]
    gaze = [Row(9.0, 9.0, True, f"rec-{i}", f"sec-{i}") for i in range(12)]
    drop(page, {"study.zip": builders.export_zip(rows=gaze, people=people, fixations=None)})
    drawn(page)
    _, top, _, bottom = bounds(page.locator(".st-key-recordings .frame"))
    seen = [
        at
        for at in (row.bounding_box() for row in page.locator(".st-key-recordings li").all())
        if top <= at["y"] and at["y"] + at["height"] <= bottom
    ]
    assert {at["height"] for at in seen} == {32}
    assert len(seen) == rows


def test_a_colour_map_is_shown_beside_its_name(page):
    def swatch(locator):
        return locator.evaluate("it => getComputedStyle(it, '::after').backgroundImage")

    open_sample(page)
    box_of_it = page.locator(".st-key-colours [role=group]")
    before = bounds(box_of_it)
    assert swatch(box_of_it).startswith("linear-gradient(to right, rgb(48, 18, 59) 0%")
    page.get_by_role("combobox", name="Colours").click()
    viridis = page.get_by_role("option", name="Viridis")
    assert swatch(viridis).startswith("linear-gradient(to right, rgb(68, 1, 84) 0%")
    expected = swatch(viridis)
    viridis.click()
    expect(page.get_by_role("combobox", name="Colours")).to_have_value("Viridis")
    assert swatch(box_of_it) == expected
    assert bounds(box_of_it) == before


def test_a_long_title_pushes_nothing_out_of_the_bar(visit):
    page = visit(size=TABLET)
    drop(page, {"a.zip": study((400, 300), name="A very long name of an enrichment " * 4)})
    drawn(page)
    assert widest(page) <= TABLET["width"]
    assert bounds(page.get_by_role("button", name="Clear"))[2] <= TABLET["width"]


def test_the_empty_page_fits_without_scrolling(page):
    last = page.get_by_text("What happens to my data?")
    assert bounds(last)[3] <= DESKTOP["height"]
    assert widest(page) <= DESKTOP["width"]
