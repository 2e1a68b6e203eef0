"""What is counted, and the checks of the data, on the page: wide and narrow, in both themes."""

import io
from functools import cache

import pytest
from playwright.sync_api import expect

import gazeheat_core as gh
from gazeheat_core.sample import sample_zip
from tests.browser.conftest import line, open_sample, still
from tests.browser.test_accessibility import violations
from tests.browser.test_sizes import scrolls_sideways

# The whole way in a wide and in a narrow window; what stands there fits the other widths, too.
SIZES = [(1440, 900, "light", 1280), (390, 844, "dark", 800)]
WINDOWS = [(0, 10), (10, 20), (0, 20)]


@cache
def sample():
    (export,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_zip())))
    return gh.track_export(export)


def fixations_in(*window_s):
    asked = gh.Selection("fixation-duration", window_s=window_s)
    return sum(one.counts.used for one in gh.select(sample(), asked))


def choose(page, setting, value):
    box = page.get_by_role("combobox", name=setting)
    box.scroll_into_view_if_needed()
    box.fill(value)
    page.get_by_role("option", name=value).click()
    expect(page.get_by_role("listbox")).to_have_count(0)


def fits(page, *widths):
    """Whether nothing scrolls sideways in windows of these widths; the first one stays."""
    height = page.viewport_size["height"]
    sideways = []
    for width in (*widths[1:], widths[0]):
        page.set_viewport_size({"width": width, "height": height})
        still(page)
        sideways.append(scrolls_sideways(page))
    return not any(sideways)


@pytest.mark.parametrize(("width", "height", "scheme", "other"), SIZES)
def test_a_visitor_asks_for_fixations_of_some_seconds_and_for_the_checks(
    visit, width, height, scheme, other
):
    page = visit(size={"width": width, "height": height}, scheme=scheme)
    open_sample(page)
    page.get_by_text("Counted: gaze").click()
    # Once all of the group is there, nothing moves a box any more, which would close its list.
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    still(page)
    choose(page, "Measure", "Fixations by duration")
    expect(line(page)).to_contain_text("495 fixations of 4 recordings")
    expect(page.get_by_text("Counted: fixations by duration")).to_be_visible()
    # Two windows that share an end add up to both.
    counted = [fixations_in(*ends) for ends in WINDOWS]
    assert counted[0] + counted[1] == counted[2] > counted[0] > 0
    for (first, last), count in zip(WINDOWS, counted, strict=True):
        page.get_by_role("spinbutton", name="to", exact=True).fill(str(last))
        page.keyboard.press("Enter")
        page.get_by_role("spinbutton", name="From").fill(str(first))
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"pooled · {first} to {last} s")).to_be_visible()
        expect(line(page)).to_contain_text(f"{count} fixations of 4 recordings")
    choose(page, "Weighting", "Equal for each wearer")
    expect(page.get_by_text("Each wearer has the same say.")).to_be_visible()
    assert not violations(page)
    assert fits(page, width, other)
    # The checks take the place of the map, and give it back as it was.
    page.get_by_role("radio", name="Check").click()
    expect(page.get_by_role("heading", name="Check the data: all fine")).to_be_visible()
    assert not violations(page)
    assert fits(page, width, other)
    page.get_by_role("radio", name="One map").click()
    expect(line(page)).to_contain_text(f"{counted[2]} fixations of 4 recordings")
