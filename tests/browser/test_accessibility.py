"""The page by keyboard alone, and against the WCAG rules that a program can check."""

import io
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageChops
from playwright.sync_api import expect

from tests import builders
from tests.browser.conftest import (
    add_files,
    box,
    drawn,
    drop,
    line,
    open_sample,
    photograph,
    still,
)
from tests.builders import MM, Row

GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}  # .streamlit/config.toml
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


def violations(page):
    """Serious breaches of WCAG 2.1 A or AA: the rule, and where."""
    still(page)
    options = {"runOnly": {"type": "tag", "values": LEVELS}, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [
        (one["id"], node["target"], node.get("failureSummary"))
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def away(page):
    """Put the pointer where nothing answers it."""
    page.mouse.move(0, 0)
    expect(page.get_by_test_id("stTooltipContent")).to_have_count(0)


def before_a_study(page):
    yield "empty"
    page.get_by_text("Where do I get the export?").click()
    page.get_by_text("What happens to my data?").click()
    expect(page.get_by_text("Nothing is written to disk")).to_be_visible()
    yield "expanders open"
    drop(page, {"notes.zip": b"just words"})
    expect(page.get_by_role("alert")).to_be_visible()
    yield "error shown"


def with_the_sample(page):
    open_sample(page)
    yield "sample"
    page.get_by_role("button", name="Figure, report, more").click()
    expect(page.get_by_label("Caption")).to_be_visible()
    yield "every download in sight"
    page.get_by_role("button", name="None", exact=True).click()
    expect(line(page)).to_contain_text("No recording is ticked")
    page.get_by_role("button", name="Reset").hover()
    # It comes a moment after the pointer: in a later state it could come at any time.
    expect(page.get_by_test_id("stTooltipContent")).to_be_visible()
    yield "nothing ticked, a tooltip"
    away(page)
    add_files(page, {"notes.zip": b"just words"})
    expect(page.get_by_role("alert")).to_be_visible()
    away(page)
    yield "more files"


def without_a_picture(page):
    drop(page, {"wall.zip": builders.export_zip(kind=MM, size=None)})
    expect(page.get_by_role("button", name="Use plain ground")).to_be_visible()
    yield "picture wanted"


def with_many_recordings(page):
    people = [(f"rec-{i}", f"sec-{i}", f"P{i:03}", f"Wearer {i // 2}") for i in range(120)]
    rows = [Row(9.0, 9.0, True, f"rec-{i}", f"sec-{i}") for i in range(120)]
    zipped = builders.export_zip(rows=rows, people=people, fixations=None)
    drop(page, {"study.zip": zipped})
    drawn(page)
    yield "many recordings"
    page.get_by_role("searchbox", name="Find a recording").fill("nobody")
    expect(page.get_by_text("No recording matches.")).to_be_visible()
    yield "none found"


@pytest.mark.parametrize(
    "states",
    [before_a_study, with_the_sample, without_a_picture, with_many_recordings],
    ids=lambda states: states.__name__,
)
def test_no_serious_breach_of_wcag(visit, states):
    page = visit(scheme="light")
    breaches = {}
    for state in states(page):
        # The theme follows the browser's while a state stays as it is.
        for scheme, ground in GROUNDS.items():
            page.emulate_media(color_scheme=scheme)
            expect(page.get_by_test_id("stApp")).to_have_css("background-color", ground)
            breaches[state, scheme] = violations(page)
        page.emulate_media(color_scheme="light")
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", GROUNDS["light"])
    assert not any(breaches.values()), breaches


def tab_to(page, locator, most=40):
    """Press Tab until something has the focus, as someone without a mouse does."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if locator.evaluate("element => element === element.getRootNode().activeElement"):
            return
    pytest.fail(f"{locator} cannot be reached with Tab")


def test_the_whole_way_by_keyboard(page):
    tab_to(page, page.get_by_role("button", name="Try the sample"))
    page.keyboard.press("Enter")
    before = drawn(page)

    tab_to(page, box(page, "P02"))
    page.keyboard.press("Space")
    expect(box(page, "P02")).not_to_be_checked()
    before = drawn(page, instead_of=before)
    expect(line(page)).to_contain_text("of 3 recordings")

    tab_to(page, page.get_by_role("slider", name="Scale"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("slider", name="Scale")).to_have_value("6")
    page.wait_for_url("**scale=6*")

    tab_to(page, page.get_by_role("combobox", name="Colours"))
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", name="Viridis")).to_be_visible()
    page.keyboard.type("vir")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Colours")).to_have_value("Viridis")
    page.wait_for_url("**colours=Viridis*")
    drawn(page, instead_of=before)

    tab_to(page, page.get_by_role("button", name="Download overlay"))
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "Shop shelf_overlay_3-of-4_scale-6.png"
    assert Image.open(io.BytesIO(waiting.value.path().read_bytes())).size == (2000, 1500)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_focus_can_be_seen(visit, scheme):
    page = visit(scheme=scheme)
    open_sample(page)
    for target in (
        page.get_by_role("button", name="None", exact=True),
        box(page, "P02"),
        page.get_by_role("slider", name="Scale"),
        page.get_by_role("combobox", name="Colours"),
        page.get_by_role("button", name="Download overlay"),
    ):
        page.mouse.move(0, 0)
        without = photograph(page)
        tab_to(page, target)
        still(page)
        at = target.bounding_box()
        around = (
            int(at["x"]) - 12,
            int(at["y"]) - 12,
            int(at["x"] + at["width"]) + 12,
            int(at["y"] + at["height"]) + 12,
        )
        change = ImageChops.difference(photograph(page).crop(around), without.crop(around))
        strong = change.convert("L").point(lambda level: 255 * (level > 40))
        assert strong.getbbox(), f"{target} shows no focus"
        page.evaluate("document.activeElement.blur()")


def test_the_chart_and_the_boxes_are_told_in_words(page):
    # Three of four samples in the last bin of 40 × 30 px: 300 × 225 bins.
    rows = [Row(40.0, 30.0)] * 3 + [Row(0.0, 0.0)]
    people = [("rec-a", "sec-a", "2025-08-09_06:55:05", "Ada")]
    drop(page, {"a.zip": builders.export_zip(rows=rows, people=people, fixations=None)})
    drawn(page)
    expect(page.get_by_role("figure")).to_have_accessible_name(
        re.compile(
            "^Heatmap over the reference image of Shelf, from 4 samples of 1 recording. The "
            r"longest gaze is on the right, at the bottom: x 40 px, y 30 px. Half the longest or "
            r"more covers \d+ % of the picture.$"
        )
    )
    expect(page.get_by_role("checkbox")).to_have_accessible_name(
        "2025-08-09_06:55:05 Ada 0:00 · 100 %"
    )
    expect(page.get_by_role("checkbox")).to_have_accessible_description(
        "2025-08-09_06:55:05 Ada 4 samples · 0:00 · 100 % of the total"
    )
