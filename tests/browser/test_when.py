"""The window of time on a page of its own: drag, keys, numbers, and play."""

import json
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_S, free_port, running, settled

# A section of 63.2 s: steps of 0.5 s, and 63.5 s as the end.
PAGE = """
import json
import streamlit as st
from gazeheat_core.page.when import choose_window

taken = st.session_state.setdefault("taken", [])

@st.fragment
def page():
    choose_window(63.2, taken[-1] if taken else None, taken.append)
    st.text(json.dumps(taken))

page()
"""
# What is sent waits in `window.held` as long as that is a list.
HOLD = """() => {
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        if (window.held) window.held.push(() => send.call(this, data));
        else send.call(this, data);
    };
}"""
LET_GO = "() => { const held = window.held; window.held = null; held.forEach(send => send()); }"


@pytest.fixture(scope="module")
def when_address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("when")
    script, port = folder / "page.py", free_port()
    script.write_text(PAGE)
    command = ["-m", "streamlit", "run", str(script), f"--server.port={port}"]
    with running(folder, command, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(browser, when_address):
    visitor = browser.new_context()
    visitor.set_default_timeout(1000 * PATIENCE_S)
    expect.set_options(timeout=1000 * PATIENCE_S)
    page = visitor.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(when_address)
    expect(page.get_by_role("heading", name="When")).to_be_visible()
    settled(page)
    yield page
    visitor.close()
    assert not errors


def shown(page):
    """The windows that the server has taken, as JSON."""
    return page.get_by_test_id("stText")


def expect_taken(page, *windows):
    as_json = json.dumps([[float(one) for one in window] for window in windows])
    expect(shown(page)).to_have_text(as_json)


def state(page):
    return page.locator(".state")


def field(page, name):
    return page.get_by_role("spinbutton", name=name, exact=True)


def type_window(page, from_s, to_s):
    for name, number in (("From", from_s), ("to", to_s)):
        field(page, name).fill(str(number))
        field(page, name).press("Enter")


def test_a_drag_has_one_message_under_way_and_ends_at_the_last_place(page):
    page.evaluate(HOLD)
    at = page.locator(".track").bounding_box()
    handle = page.get_by_role("slider", name="Start of the window").bounding_box()["width"]

    def drag(*places_s):
        for i, seconds in enumerate(places_s):
            x = at["x"] + handle + seconds / 63.5 * (at["width"] - 2 * handle)
            page.mouse.move(x, at["y"] + at["height"] / 2)
            if i == 0:
                page.evaluate("window.held = []")
                page.mouse.down()
        page.mouse.up()
        page.wait_for_function("window.held.length > 0")
        sent = page.evaluate("window.held.length")
        page.evaluate(LET_GO)
        return sent

    # A new window over the whole, then its end, then the window with both ends.
    assert drag(10, 15, 20, 25, 30, 29.95) == 1
    expect_taken(page, (10, 15), (10, 30))
    expect(state(page)).to_have_text("10.0 to 30.0 s of 63.2 s")
    assert drag(30.1, 28, 25, 15, 5, 20) == 1
    expect_taken(page, (10, 15), (10, 30), (10, 28), (10, 20))
    assert drag(15, 20, 30, 40, 50, 100) == 1
    before = [(10, 15), (10, 30), (10, 28), (10, 20)]
    expect_taken(page, *before, (15, 25), (53.5, 63.5))
    expect(state(page)).to_have_text("53.5 to 63.2 s of 63.2 s")


def test_by_keys_and_by_typed_numbers(page):
    start, end = (
        page.get_by_role("slider", name=f"{which} of the window") for which in ("Start", "End")
    )
    expect(state(page)).to_have_text("Whole section")
    expect(page.get_by_role("button", name="Whole section")).to_be_hidden()
    for keys, to_be, words in (
        ("PageUp ArrowRight", start, "5.5 to 63.2 s of 63.2 s"),
        ("Home PageUp PageUp ArrowDown", end, "5.5 to 15.5 s of 63.2 s"),
        ("Shift+ArrowRight Shift+PageDown", end, "1.0 to 11.0 s of 63.2 s"),
        ("End", start, "10.5 to 11.0 s of 63.2 s"),
    ):
        to_be.focus()
        for key in keys.split():
            page.keyboard.press(key)
        expect(state(page)).to_have_text(words)
    expect(start).to_have_attribute("aria-valuetext", "10.5 s")
    # Both are behind the window: each number moves the other end along.
    type_window(page, 20.0001, 20.0002)
    expect(state(page)).to_have_text("20.0001 to 20.0002 s of 63.2 s")
    expect(shown(page)).to_contain_text("[20.0001, 20.0002]]")
    start.press("ArrowLeft")
    expect(field(page, "From")).to_have_value("20.0")
    # What cannot be is said, and what held still holds.
    field(page, "From").fill("64")
    field(page, "From").press("Enter")
    expect(state(page)).to_have_text("Type seconds from 0 to 63.2.")
    expect(page.get_by_role("status")).to_have_text("Type seconds from 0 to 63.2.")
    field(page, "From").press("Escape")
    expect(state(page)).to_have_text("20.0 to 20.0002 s of 63.2 s")
    # Up to the last sample, which is inside.
    type_window(page, 20, 63.2)
    expect(shown(page)).to_contain_text("[20.0, 63.5]]")
    page.get_by_role("button", name="Whole section").press("Enter")
    expect(shown(page)).to_contain_text("null]")
    expect(state(page)).to_have_text("Whole section")
    expect(page.get_by_role("button", name="Play")).to_be_focused()


def test_play_moves_the_window_to_the_end_and_waits_while_nobody_looks(page):
    page.get_by_role("button", name="Play").click()
    # A tenth of the whole, from the beginning.
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(shown(page)).to_contain_text("[[0.0, 6.5], ")
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    type_window(page, 50, 53.2)
    page.get_by_role("combobox", name="Speed of play").select_option("10×")
    expect(shown(page)).to_contain_text("[50.0, 53.2]]")
    page.get_by_role("button", name="Play").click()
    expect(shown(page)).to_contain_text("[60.3, 63.5]]")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("60.3 to 63.2 s of 63.2 s")
    windows = json.loads(shown(page).text_content())
    played = windows[windows.index([50, 53.2]) :]
    assert len(played) > 2
    assert all(one[0] < other[0] for one, other in pairwise(played))
    assert {round(to_s - from_s, 4) for from_s, to_s in played} == {3.2}
