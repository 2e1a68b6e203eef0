"""The same way through the page in windows of four sizes, wide and narrow in both themes."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import box, drawn, line, open_sample, picture, untick

SIZES = [(1440, 900, "light"), (1280, 720, "dark"), (800, 900, "light"), (390, 844, "dark")]
# Up to this width, the recordings stand below the picture: page/page.css.
NARROW_PX = 1000
IN_THE_PANEL = [
    "Download figure as PNG",
    "Download figure as SVG",
    "Download figure as PDF",
    "Download opaque heatmap",
    "Download report",
]


def bounds(locator):
    """Left, top, right and bottom of what is shown."""
    at = locator.bounding_box()
    return at["x"], at["y"], at["x"] + at["width"], at["y"] + at["height"]


def is_inside(locator, width, height):
    left, top, right, bottom = bounds(locator)
    return 0 <= left < right <= width and 0 <= top < bottom <= height


def scrolls_sideways(page):
    return page.evaluate(
        """[document.documentElement, document.querySelector("[data-testid=stMain]")]
            .some((part) => part.scrollWidth > innerWidth)"""
    )


def contrast(locator):
    """Contrast of some words to their ground, as WCAG defines it: 1 to 21."""
    colours = locator.evaluate(
        """(element) => {
            const above = [];
            for (let one = element; one; one = one.parentElement) above.push(one);
            const styles = above.map((one) => getComputedStyle(one));
            const ground = styles.find((style) => !/, 0\\)$/.test(style.backgroundColor));
            const opacity = styles.reduce((product, style) => product * style.opacity, 1);
            return [styles[0].color, ground.backgroundColor, String(opacity)];
        }"""
    )
    ink, ground = ([float(n) for n in re.findall(r"[\d.]+", colour)] for colour in colours[:2])
    share = float(colours[2]) * (ink[3] if len(ink) == 4 else 1)
    seen = [
        share * above + (1 - share) * below
        for above, below in zip(ink[:3], ground[:3], strict=True)
    ]
    darker, lighter = sorted((luminance(seen), luminance(ground[:3])))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    """Relative luminance of red, green and blue from 0 to 255."""
    shares = [level / 255 for level in colour]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def focused_after_tab(page):
    """Press Tab; return the words of what then has the focus, and whether it is in sight."""
    page.keyboard.press("Tab")
    return page.evaluate(
        """() => {
            let at = document.activeElement;
            while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
            const { top, bottom, left, right } = at.getBoundingClientRect();
            const inSight = 0 <= top && bottom <= innerHeight && 0 <= left && right <= innerWidth;
            return [at.textContent, inSight];
        }"""
    )


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_the_way_from_the_picture_to_every_download(visit, width, height, scheme):
    page = visit(size={"width": width, "height": height}, scheme=scheme)
    source = open_sample(page)
    assert is_inside(picture(page), width, height)
    if width <= NARROW_PX:
        assert bounds(picture(page))[3] < bounds(box(page, "P01"))[1]
    assert not scrolls_sideways(page)

    meaning = page.get_by_text("100 % = ")
    meaning.scroll_into_view_if_needed()
    assert is_inside(meaning, width, height)
    assert contrast(meaning) >= 4.5

    untick(page, "P02")
    drawn(page, instead_of=source)
    expect(line(page)).to_contain_text("of 3 recordings")
    counts = line(page).text_content()
    page.get_by_role("button", name="None", exact=True).click()
    expect(line(page)).to_contain_text("No recording is ticked")
    page.get_by_role("button", name="Undo").click()
    expect(line(page)).to_have_text(counts)

    more = page.get_by_role("button", name="Figure, report, more")
    more.click()
    expect(page.get_by_role("button", name=IN_THE_PANEL[-1])).to_be_enabled()
    focused = [focused_after_tab(page) for _ in range(12)]
    downloads = [(words, in_sight) for words, in_sight in focused if "Download" in words]
    assert downloads == [(words, True) for words in IN_THE_PANEL]
    assert not scrolls_sideways(page)
