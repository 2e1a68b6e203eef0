"""The list of recordings: filter, wearers, what can be taken back, keys, and what stays."""

import re

from playwright.sync_api import expect

from tests import builders
from tests.browser.conftest import (
    add_files,
    box,
    drawn,
    drop,
    layer,
    line,
    open_sample,
    segments,
    settled,
)
from tests.browser.test_accessibility import violations
from tests.builders import Row


def study(people):
    """An export with one sample for each of the people: name and wearer."""
    ids = [f"rec-{i}" for i in range(len(people))]
    listed = [(one, one, *person) for one, person in zip(ids, people, strict=True)]
    # In places of their own, so that every choice has another heatmap.
    rows = [Row(float(1 + i % 38), 15.0, True, one, one) for i, one in enumerate(ids)]
    return builders.export_zip(rows=rows, people=listed, fixations=None)


def opened(page, people):
    drop(page, {"study.zip": study(people)})
    return drawn(page)


def numbered(count):
    return [(f"Person {i:03}", f"Wearer {i}") for i in range(count)]


def frame(page):
    """What scrolls."""
    return page.locator(".st-key-recordings .frame")


def filter_box(page):
    return page.get_by_role("searchbox", name="Find a recording")


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def count_messages(page):
    """Count what the page sends from here on, in `window.sent`."""
    page.evaluate(
        """() => {
            window.sent = 0;
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (data) { window.sent += 1; send.call(this, data); };
        }"""
    )


def test_the_filter_acts_while_typing_and_all_and_none_act_on_what_it_finds(page):
    opened(page, numbered(520))
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(500)
    expect(page.get_by_text("and 20 more: type to find them")).to_be_visible()
    box(page, "Person 003").click()
    expect(line(page)).to_contain_text("519 samples of 519 recordings")
    settled(page)
    count_messages(page)
    filter_box(page).press_sequentially("PERSON 12")
    expect(boxes).to_have_count(10)
    filter_box(page).fill("nobody")
    expect(boxes).to_have_count(0)
    expect(page.get_by_text("No recording matches.")).to_be_visible()
    button(page, "None").click()
    expect(page.locator(".count")).to_have_text("519 of 520")
    filter_box(page).fill("wearer 51")  # 51 and 510 to 519, which were not drawn
    expect(boxes).to_have_count(11)
    assert page.evaluate("window.sent") == 0
    button(page, "None").click()
    expect(line(page)).to_contain_text("508 samples of 508 recordings")
    filter_box(page).fill("")
    expect(boxes).to_have_count(500)
    expect(box(page, "Person 003")).not_to_be_checked()
    expect(box(page, "Person 051")).not_to_be_checked()
    expect(box(page, "Person 050")).to_be_checked()
    button(page, "None").click()
    expect(line(page)).to_contain_text("No recording is ticked")
    button(page, "Undo").click()
    expect(line(page)).to_contain_text("508 samples of 508 recordings")
    button(page, "All").click()
    expect(line(page)).to_contain_text("520 samples of 520 recordings")


def test_only_leaves_one_and_can_be_undone(page):
    source = open_sample(page)
    before = line(page).text_content()
    box(page, "P03").click()
    source = drawn(page, instead_of=source)
    box(page, "P02").hover()
    button(page, "Only P02").click()
    drawn(page, instead_of=source)
    expect(line(page)).to_contain_text("of 1 recording")
    expect(page.get_by_role("status").filter(has_text="1 of 4 recordings")).to_have_text(
        re.compile(r"^1 of 4 recordings, \d,\d{3} samples$")
    )
    expect(button(page, "None")).to_have_count(0)
    button(page, "Undo").click()
    expect(line(page)).to_contain_text("of 3 recordings")
    expect(box(page, "P03")).not_to_be_checked()
    expect(button(page, "None")).to_be_visible()
    # The next tick ends the offer; a double click does not take itself back.
    button(page, "None").dblclick()
    expect(layer(page)).to_have_count(0)
    box(page, "P01").click()
    expect(line(page)).to_contain_text("of 1 recording")
    expect(button(page, "Undo")).to_have_count(0)
    button(page, "All").click()
    expect(line(page)).to_have_text(before)


def test_a_wearer_s_heading_ticks_all_of_theirs(page):
    opened(page, [("P1", "Ada"), ("P2", ""), ("P3", "Ben"), ("P4", "Ada"), ("P5", "Ada")])
    names = page.locator(".st-key-recordings .name")
    expect(names).to_have_text(["P2", "Ada", "P1", "P4", "P5", "Ben", "P3"])
    ada = box(page, "Ada")
    expect(ada).to_be_checked()
    box(page, "P4").click()
    expect(ada).to_be_checked(indeterminate=True)
    expect(line(page)).to_contain_text("of 4 recordings")
    ada.click()
    expect(ada).to_be_checked()
    expect(line(page)).to_contain_text("of 5 recordings")
    ada.click()
    expect(ada).not_to_be_checked()
    expect(line(page)).to_contain_text("2 samples of 2 recordings")
    for name in ("P1", "P4", "P5"):
        expect(box(page, name)).not_to_be_checked()
    expect(box(page, "Ben")).to_be_checked()


def test_ticks_in_quick_succession_are_all_kept(page):
    open_sample(page)
    for name in ("P01", "P02", "P03", "P04", "P02"):
        box(page, name).click()
    expect(line(page)).to_contain_text("of 1 recording")
    settled(page)
    expect(page.locator(".count")).to_have_text("1 of 4")
    expect(box(page, "P02")).to_be_checked()


def focused(page):
    """The name of what has the focus, inside a component too."""
    return page.evaluate(
        """() => {
            let at = document.activeElement;
            while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
            return at.getAttribute("aria-label") ?? at.closest("label")?.textContent.trim();
        }"""
    )


def test_by_keyboard_and_focus_scroll_and_filter_stay_over_a_tick(page):
    source = opened(page, numbered(60))
    parts = [frame(page), page.get_by_role("slider", name="Scale"), filter_box(page)]
    places = [part.bounding_box() for part in parts]
    filter_box(page).focus()
    page.keyboard.type("person 0")
    box(page, "Person 030").focus()
    assert frame(page).evaluate("frame => frame.scrollTop") > 0
    page.keyboard.press("Tab")
    assert focused(page) == "Only Person 030"
    assert button(page, "Only Person 030").evaluate("it => getComputedStyle(it).opacity") == "1"
    page.keyboard.press("Tab")
    assert focused(page).startswith("Person 031")
    scrolled = frame(page).evaluate("frame => frame.scrollTop")
    for key, count in (("Space", 59), ("Space", 60), ("Shift+Tab", 60), ("Enter", 1)):
        page.keyboard.press(key)
        if key != "Shift+Tab":
            source = drawn(page, instead_of=source)
        expect(page.locator(".count")).to_have_text(f"{count} of 60")
    assert focused(page) == "Only Person 030"
    assert frame(page).evaluate("frame => frame.scrollTop") == scrolled
    expect(filter_box(page)).to_have_value("person 0")
    assert [part.bounding_box() for part in parts] == places


def test_a_name_from_right_to_left_does_not_mix_with_the_numbers(page):
    opened(page, [("שלום 12", "Ada"), ("مشارك ٧", "Ben")])
    rows = page.locator(".st-key-recordings li")
    expect(rows).to_have_count(2)
    for row in rows.all():
        shown, wearer, facts = (row.locator(f".{part}") for part in ("name", "wearer", "facts"))
        expect(facts).to_have_text("0:00 · 50 %")
        directions = [
            part.evaluate("it => getComputedStyle(it).direction") for part in (shown, wearer, facts)
        ]
        assert directions == ["rtl", "ltr", "ltr"]
        left, middle, right = (part.bounding_box()["x"] for part in (shown, wearer, facts))
        assert left < middle < right


SHELF, TASK = ("begin", "<b>shelf</b>"), ("task", "סוף")
SHELF_NAME, TASK_NAME = (" → ".join(pair) for pair in (SHELF, TASK))


def study_in_sections(people):
    """An export with one sample a section; of each person: name, wearer, pairs of events."""
    listed = [
        (f"rec-{i}", f"sec-{i}-{place}", name, wearer, *pair)
        for i, (name, wearer, pairs) in enumerate(people)
        for place, pair in enumerate(pairs)
    ]
    rows = [
        Row(float(1 + i % 38), 15.0, True, recording, section)
        for i, (recording, section, *_) in enumerate(listed)
    ]
    return builders.export_zip(rows=rows, people=listed, fixations=None)


def choice(page, name):
    """The button that ticks a section in all recordings."""
    return page.get_by_role("group", name="Sections").get_by_role("button", name=name)


def section_box(page, name):
    return page.locator("li.section").get_by_role("checkbox", name=name)


def expect_ticked(page, said, *, pressed=(), **boxes):
    """Expect what is said, if anything; the choices' states; each box: True, False or None."""
    if said:
        expect(page.get_by_role("status").filter(has_text="recordings")).to_contain_text(said)
    for name, state in zip((SHELF_NAME, TASK_NAME), pressed, strict=True):
        expect(choice(page, name)).to_have_attribute("aria-pressed", state)
    for name, is_ticked in boxes.items():
        state = {"indeterminate": True} if is_ticked is None else {"checked": is_ticked}
        expect(box(page, name)).to_be_checked(**state)


def test_sections_are_ticked_in_all_recordings_at_once_and_one_by_one(page):
    people = [("P1", "Ada", [SHELF, TASK]), ("P2", "Ada", [SHELF, TASK]), ("P3", "Ben", [SHELF])]
    drop(page, {"study.zip": study_in_sections(people)})
    drawn(page)
    expect(choice(page, SHELF_NAME)).to_have_text(f"{SHELF_NAME} 3 recordings")
    expect(page.locator("li.section")).to_have_count(0)
    choice(page, TASK_NAME).click()
    in_part = "3 of 3 recordings (3 of 5 sections), "
    expect_ticked(page, in_part, pressed=("true", "false"), P1=None, P2=None, P3=True, Ada=None)
    # A recording's sections, by keyboard.
    opener = button(page, "Sections of P1")
    expect(page.get_by_role("button", name=re.compile("^Sections of"))).to_have_count(2)
    opener.focus()
    page.keyboard.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    assert focused(page) == "Sections of P1"
    expect(page.locator("li.section")).to_have_text([f" {SHELF_NAME} 0:00", f" {TASK_NAME} 0:00"])
    expect(section_box(page, SHELF_NAME)).to_be_checked()
    expect(section_box(page, TASK_NAME)).not_to_be_checked()
    assert violations(page) == []
    section_box(page, TASK_NAME).press("Space")
    expect_ticked(page, "(4 of 5 sections)", pressed=("true", "mixed"), P1=True, P2=None)
    for name in (TASK_NAME, SHELF_NAME):
        section_box(page, name).press("Space")
    rest = "2 of 3 recordings (2 of 5 sections), "
    expect_ticked(page, rest, pressed=("mixed", "false"), P1=False, P2=None, P3=True)
    # What is taken back comes back with its sections.
    button(page, "None").click()
    expect_ticked(page, "0 of 3 recordings, 0 s", pressed=("false", "false"), P2=False, P3=False)
    button(page, "Undo").click()
    expect_ticked(page, rest, pressed=("mixed", "false"), P1=False, P2=None, P3=True)
    box(page, "P2").hover()
    button(page, "Only P2").click()
    expect_ticked(page, "1 of 3 recordings, ", pressed=("mixed", "mixed"), P2=True, P3=False)
    button(page, "Undo").click()
    expect_ticked(page, rest, pressed=("mixed", "false"), P1=False, P2=None, P3=True)
    # The server knows it, too: another export comes between.
    add_files(page, {"poster.zip": builders.export_zip(name="Poster")})
    expect(page.get_by_role("group", name="Sections")).to_be_hidden()
    segments(page).first.click()
    expect(box(page, "P3")).to_be_visible()
    expect_ticked(page, "", pressed=("mixed", "false"), P1=False, P2=None, P3=True)
    box(page, "Ada").click()
    expect_ticked(page, "3 of 3 recordings, ", pressed=("true", "true"), P1=True, P2=True, Ada=True)


def test_many_kinds_of_sections_are_a_few_choices_and_more(page):
    pairs = [(f"stimulus {k}", f"stimulus {k}") for k in range(15)]
    no_names = [("", "")] * 2
    people = [("P1", "Ada", pairs), ("P2", "Ben", [*pairs[:2], pairs[1]]), ("P3", "Cem", no_names)]
    drop(page, {"study.zip": study_in_sections(people)})
    drawn(page)
    choices = page.locator(".choice")
    expect(choices).to_have_count(12)
    expect(choices.nth(1)).to_have_text("stimulus 1 → stimulus 1 2 recordings")
    more = button(page, "4 more")
    more.press("Enter")
    expect(more).to_have_attribute("aria-expanded", "true")
    expect(choices).to_have_count(16)
    expect(choices.last).to_have_text("Without events 1 recording")
    choices.last.click()
    expect(box(page, "P3")).not_to_be_checked()
    more.press("Enter")
    expect(choices).to_have_count(12)
    # Sections between the same events, and those without any, have numbers.
    for name in ("P2", "P3"):
        button(page, f"Sections of {name}").click()
    expect(page.locator("li.section .names")).to_have_text(
        [
            " stimulus 0 → stimulus 0",
            " stimulus 1 → stimulus 1",
            " stimulus 1 → stimulus 1 (2)",
            " Section 1",
            " Section 2",
        ]
    )
    button(page, "Sections of P2").click()
    expect(page.locator("li.section")).to_have_count(2)
