"""Make the pictures that are kept: python -m tests.browser.screenshot.

The page with the sample, its figure, and what can be asked of it for the README; the page's icon.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import expect

import gazeheat_core as gh
from gazeheat_core.sample import sample_zip
from tests.browser.conftest import (
    DESKTOP,
    ROOT,
    chromium,
    download,
    line,
    open_sample,
    serving,
)

TARGET = Path(__file__).with_name("page.png")
FIGURE_TARGET = Path(__file__).with_name("figure.png")
ASKED_TARGET = Path(__file__).with_name("asked.png")
QUESTIONS_TARGET = Path(__file__).with_name("questions.png")
QUESTIONS = [
    ("Gaze, all of it", gh.Selection(), gh.Look()),
    ("Fixations by number", gh.Selection("fixation-count"), gh.Look()),
    ("The first five seconds", gh.Selection(window_s=(0, 5)), gh.Look()),
    ("Spotlight", gh.Selection(), gh.Look(look="spotlight")),
    ("Contours, in seconds", gh.Selection(), gh.Look(look="contours", unit="seconds")),
    ("Colours end at 10 s", gh.Selection(), gh.Look(unit="seconds", top=10, bottom=10)),
]
PANEL_WIDTH_PX, WORDS_HEIGHT_PX, GAP_PX = 400, 30, 12
ICON = Path(__file__).with_name("icon.svg")
ICON_TARGET = ROOT / "gazeheat_core" / "page" / "icon.png"
ICON_SIZE_PX = 64


def draw_icon(browser):
    """The icon as a PNG."""
    page = browser.new_page(viewport={"width": ICON_SIZE_PX, "height": ICON_SIZE_PX})
    page.set_content(
        f"<style>* {{ margin: 0 }} svg {{ display: block; width: {ICON_SIZE_PX}px }}</style>"
        + ICON.read_text(encoding="utf-8")
    )
    drawn = page.screenshot(omit_background=True)
    page.close()
    return drawn


def draw_questions():
    """Maps of the sample, each with what was asked, in two rows."""
    (export,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_zip())))
    study = gh.track_export(export)
    width, height = study.size()
    panel_height = round(PANEL_WIDTH_PX * height / width)
    step_x, step_y = PANEL_WIDTH_PX + GAP_PX, WORDS_HEIGHT_PX + panel_height + GAP_PX
    sheet = Image.new("RGB", (3 * step_x - GAP_PX, 2 * step_y - GAP_PX), "white")
    font = ImageFont.load_default(18)
    for i, (words, asked, look) in enumerate(QUESTIONS):
        heatmap = gh.make_heatmap(gh.select(study, asked), study.size(), look.scale, asked)
        overlay = gh.render_overlay(heatmap, study.image, look)
        x, y = step_x * (i % 3), step_y * (i // 3)
        sheet.paste(overlay.resize((PANEL_WIDTH_PX, panel_height)), (x, y + WORDS_HEIGHT_PX))
        ImageDraw.Draw(sheet).text((x, y + 4), words, "#1a1a1a", font)
    return sheet.quantize(200)


def ask(page):
    """Open the groups, count fixations of two seconds, and mark a region."""
    page.get_by_text("Counted:").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    choose(page, "Measure", "Fixations by duration")
    page.get_by_role("spinbutton", name="From").fill("2")
    page.get_by_role("spinbutton", name="to", exact=True).fill("12")
    page.keyboard.press("Enter")
    expect(line(page)).to_contain_text("at another time")
    page.get_by_text("Regions", exact=True).click()
    page.get_by_role("button", name="Mark a region").click()
    area = page.locator(".gazeheat-stage .nsewdrag").bounding_box()
    page.mouse.move(area["x"] + 0.4 * area["width"], area["y"] + 0.66 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.64 * area["width"], area["y"] + 0.9 * area["height"], steps=4)
    page.mouse.up()
    expect(page.get_by_text("Regions: 1")).to_be_visible()


def choose(page, setting, value):
    """Choose one of the names of a setting."""
    box = page.get_by_role("combobox", name=setting)
    box.scroll_into_view_if_needed()
    box.fill(value)
    page.get_by_role("option", name=value).click()
    expect(page.get_by_role("listbox")).to_have_count(0)


def main():
    draw_questions().save(QUESTIONS_TARGET, optimize=True)
    with chromium() as browser:
        ICON_TARGET.write_bytes(draw_icon(browser))
        print(f"{ICON_TARGET}: {ICON_TARGET.stat().st_size:,} bytes")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as address,
        chromium() as browser,
    ):
        page = browser.new_context(viewport=DESKTOP, color_scheme="light").new_page()
        page.goto(address)
        open_sample(page)
        expect(line(page)).to_contain_text("of 4 recordings")
        page.mouse.move(0, 0)
        shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        page.get_by_role("button", name="Figure, report, more").click()
        page.get_by_label("Pixels per inch").fill("120")
        _, figure = download(page, "figure as PNG")
        page.get_by_role("button", name="Figure, report, more").click()
        ask(page)
        page.get_by_text("Counted:").hover()
        page.mouse.wheel(0, -2000)
        expect(page.get_by_role("heading", name="Gazeheat")).to_be_in_viewport()
        asked = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(256)
    shown.save(TARGET, optimize=True)
    FIGURE_TARGET.write_bytes(figure)
    asked.save(ASKED_TARGET, optimize=True)
    for target in (TARGET, FIGURE_TARGET, ASKED_TARGET, QUESTIONS_TARGET):
        print(f"{target}: {target.stat().st_size // 1000:,} kB")


if __name__ == "__main__":
    main()
