"""Make the pictures that are kept: python -m tests.browser.screenshot.

The page with the sample and its figure for the README, and the page's icon.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

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


def main():
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
    shown.save(TARGET, optimize=True)
    FIGURE_TARGET.write_bytes(figure)
    for target in (TARGET, FIGURE_TARGET):
        print(f"{target}: {target.stat().st_size // 1000:,} kB")


if __name__ == "__main__":
    main()
