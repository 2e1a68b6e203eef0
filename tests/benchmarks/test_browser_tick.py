"""A tick in a real Chromium: from the click to the new picture on the screen.

The same page with the same figure in ``st.plotly_chart`` is measured beside it, act by act,
so that a busy machine slows both.
"""

import re
from contextlib import ExitStack

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.benchmarks.data import MOST_SAMPLES, write_folder
from tests.benchmarks.measure import p95
from tests.benchmarks.server import serving
from tests.browser.conftest import DESKTOP, HEATMAP, box, chromium, drawn, settled

TARGET_MS = 300
TARGET_RATIO = 0.75
DRAG_TARGET_MS = 50
FIRST_TARGET_S = 1.2
ROUNDS = 30
READING_PATIENCE_MS = 120_000
PLAIN = "tests/benchmarks/plain_chart.py"
# The heatmap on the page, and in the plain chart.
EITHER = f"{HEATMAP}, .heatmaplayer image"

# Notes when the page sends something, and when the largest of the answers comes back: the
# figure, or the rest of the page where the browser still has that figure.
LISTEN = """() => {
    const Plain = WebSocket;
    window.WebSocket = class extends Plain {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", ({data}) => {
                const bytes = data.size ?? data.byteLength;
                if (bytes < window.largest) return;
                [window.largest, window.arrived] = [bytes, performance.now()];
            });
        }
        send(data) { window.sent ??= performance.now(); super.send(data); }
    };
}"""

# Waits until another picture of the heatmap is decoded and two frames have been drawn since.
# The clock starts at the visitor's own act.
WATCH = """([heatmap, acts]) => {
    window.begun = window.sent = window.arrived = null;
    window.largest = 0;
    const begin = () => { window.begun ??= performance.now(); };
    for (const act of acts) addEventListener(act, begin, {capture: true, once: true});
    const source = () => document.querySelector(heatmap)?.getAttribute("href");
    const before = source();
    const frame = () => new Promise(requestAnimationFrame);
    window.drawn = (async () => {
        const end = performance.now() + 30000;
        while (!source() || source() === before) {
            if (performance.now() > end) throw new Error("no new picture was drawn");
            await frame();
        }
        const copy = new Image();
        copy.src = source();
        await copy.decode();
        await frame();
        await frame();
        return [window.sent, window.arrived, performance.now()].map(t => t - window.begun);
    })();
}"""


@pytest.fixture(scope="module")
def samples(request):
    return min(10_000_000, request.config.getoption("--samples", MOST_SAMPLES))


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory, samples, browser):
    """The page with the samples of 12 people over a picture of 4000x3000 px; and the plain one."""
    folder = tmp_path_factory.mktemp("studies")
    write_folder(folder / "Study_REFERENCE-IMAGE-MAPPER_Shelf_csv", samples)
    with ExitStack() as stack:

        def opened(app):
            server = stack.enter_context(serving(app=app, GAZEHEAT_DATA=str(folder)))
            page = browser.new_page(viewport=DESKTOP)
            page.add_init_script(f"({LISTEN})()")
            page.goto(server.address)
            page.get_by_role("combobox").click()
            page.get_by_role("option").first.click()
            page.get_by_role("button", name="Open study").click()
            page.set_default_timeout(READING_PATIENCE_MS)
            page.locator(EITHER).wait_for()
            settled(page)
            page.set_default_timeout(10_000)
            expect(page.get_by_role("checkbox")).to_have_count(12)
            return page

        yield opened("app.py"), opened(PLAIN)


def measured(page, act, begins=("click", "keydown")):
    """Milliseconds from the act until it is sent, answered, drawn."""
    page.bring_to_front()  # a page behind another one draws no frames
    page.evaluate(WATCH, [EITHER, list(begins)])
    act()
    elapsed_ms = page.evaluate("() => window.drawn")
    page.wait_for_timeout(150)  # as a visitor would: not before it stands still
    return elapsed_ms


def ticking(page):
    def act(turn):
        name = f"P{turn // 2 % 12 + 1:02}"  # away, and back again
        return measured(page, box(page, name).click)

    return act


def sliding(name):
    def for_page(page):
        thumb = page.get_by_role("slider", name=name)

        def act(turn):
            key = "ArrowLeft" if turn % 8 < 4 else "ArrowRight"
            return measured(page, lambda: thumb.press(key))

        return act

    return for_page


def colouring(page):
    def act(turn):
        page.bring_to_front()
        page.get_by_role("combobox", name=re.compile("Colours")).click()
        option = page.get_by_role("option", name=("Viridis", "Magma")[turn % 2], exact=True)
        return measured(page, option.click)

    return act


@pytest.mark.parametrize(
    ("what", "prepare"),
    [
        ("tick", ticking),
        ("scale", sliding("Scale")),
        ("opacity", sliding("Opacity")),
        ("colours", colouring),
    ],
    ids=["tick", "scale", "opacity", "colours"],
)
def test_the_new_picture_is_there_at_once(pages, samples, report, what, prepare):
    page, _ = pages
    acts = [prepare(one) for one in pages]
    for turn in range(4):
        for act in acts:
            act(turn)
    before = drawings(page)
    times = np.array([[act(turn) for act in acts] for turn in range(4, 4 + ROUNDS)], float)
    times_drawn = drawings(page) - before
    (sent, arrived, drawn_ms), (_, _, plain_ms) = np.transpose(times, (1, 2, 0))
    ratios = np.median(drawn_ms) / np.median(plain_ms), p95(drawn_ms) / p95(plain_ms)
    report(
        f"{what}, in Chromium, {samples / 1e6:g} M samples, 4000x3000 px: median "
        f"{np.median(drawn_ms):.0f} ms, p95 {p95(drawn_ms):.0f} ms (target {TARGET_MS})",
        f"  in st.plotly_chart: median {np.median(plain_ms):.0f} ms, p95 {p95(plain_ms):.0f} ms; "
        f"ratios {ratios[0]:.2f} and {ratios[1]:.2f} (target {TARGET_RATIO})",
        f"  drawn {times_drawn / ROUNDS:g} times for each",
        *(
            [
                f"  medians: sent after {np.median(sent):.0f} ms, answered "
                f"{np.median(arrived - sent):.0f} ms later, drawn "
                f"{np.median(drawn_ms - arrived):.0f} ms later"
            ]
            if what in ("tick", "scale")  # the others are drawn before they are answered
            else []
        ),
    )
    assert times_drawn == ROUNDS
    assert p95(drawn_ms) <= TARGET_MS
    assert max(ratios) <= TARGET_RATIO


def drawings(page):
    return int(page.locator(".frame[data-drawings]").get_attribute("data-drawings"))


def test_the_opacity_follows_the_slider_while_it_is_dragged(pages, report):
    page, _ = pages
    page.bring_to_front()
    slider = page.get_by_role("slider", name="Opacity")
    slider.press("End")
    drawn(page)
    thumb = slider.locator("xpath=../..").bounding_box()
    x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    elapsed_ms = []
    for turn in range(ROUNDS):
        away = 30 * (turn % 8 + 1) if turn % 16 < 8 else 30 * (8 - turn % 8) - 15
        act = lambda at=x - away: page.mouse.move(at, y)  # noqa: E731
        elapsed_ms.append(measured(page, act, ["pointermove"])[2])
    page.mouse.up()
    report(
        f"opacity, while dragged: median {np.median(elapsed_ms):.0f} ms, "
        f"p95 {p95(elapsed_ms):.0f} ms (target {DRAG_TARGET_MS} for the median)"
    )
    assert np.median(elapsed_ms) <= DRAG_TARGET_MS


def test_the_first_picture_in_a_fresh_browser(browser, report):
    def first(app):
        """Seconds from the click on the sample to its picture, where nothing is kept yet."""
        with serving(app=app) as server:
            times_s = []
            for _ in range(4):
                visitor = browser.new_context(viewport=DESKTOP)
                page = visitor.new_page()
                page.add_init_script(f"({LISTEN})()")
                page.goto(server.address)
                button = page.get_by_role("button", name="Try the sample")
                button.wait_for(timeout=READING_PATIENCE_MS)
                page.wait_for_timeout(1500)  # as long as it takes to read the first sentence
                times_s.append(measured(page, button.click)[2] / 1e3)
                visitor.close()
            return np.array(times_s[1:])  # the server has been used before

    ours_s, plain_s = first("app.py"), first(PLAIN)
    ratio = np.median(ours_s) / np.median(plain_s)
    report(
        f"first picture of the sample, fresh browser: median {np.median(ours_s):.2f} s (target "
        f"{FIRST_TARGET_S}); in st.plotly_chart {np.median(plain_s):.2f} s, ratio {ratio:.2f}"
    )
    assert np.median(ours_s) <= FIRST_TARGET_S
