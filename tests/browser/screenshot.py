"""Photograph the page with the sample for the README: python -m tests.browser.screenshot."""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, chromium, line, open_sample, serving

TARGET = Path(__file__).with_name("page.png")


def main():
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
    shown.save(TARGET, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size // 1000:,} kB")


if __name__ == "__main__":
    main()
