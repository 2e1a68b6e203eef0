"""What is counted and what the colours stand for, as the page asks for it; without a browser."""

import io
import json

import gazeheat_core as gh
from tests import builders
from tests.test_app import app, charts, check, click, drop, infos, line, listed, tick, told

# In the builder's export Ada has a fixation of 200 ms on the picture and one beside it; Ben has
# one of 300 ms.
FIXATIONS = "**2 fixations of 2 recordings** · 1 outside · 0 undetected · 0 unreadable = 3 rows"


def opened(**address):
    return drop(app(**address), shelf__zip=builders.export_zip())


def choose(page, key, value):
    return check(page.selectbox(key=key).set_value(value).run())


def groups(page):
    return [one.label for one in page.expander]


def meaning(page):
    return page.markdown[-2].value.replace("\\", "")


def bar_label(page):
    (chart,) = charts(page)
    (label,) = [
        one["marker"]["colorbar"]["title"]["text"] for one in chart["data"] if "marker" in one
    ]
    return label.replace("<br>", " ")


def test_groups_say_their_state_in_their_titles():
    page = opened()
    assert groups(page)[:2] == [
        "Counted: gaze · pooled · whole section",
        "Drawn as: colours · % of the maximum",
    ]
    page = choose(page, "measure", "fixation-count")
    page = choose(page, "weight", "wearer")
    page = choose(page, "look", "contours")
    page = choose(page, "unit", "share")
    assert groups(page)[:2] == [
        "Counted: fixations by number · equal for each wearer · whole section",
        "Drawn as: contours · % of the gaze time",
    ]


def test_a_link_brings_what_is_counted_and_how_it_is_drawn():
    address = {"measure": "Fixations by duration", "weight": "Equal for each recording"}
    page = opened(**address, look="Spotlight", unit="Seconds")
    assert groups(page)[:2] == [
        "Counted: fixations by duration · equal for each recording · whole section",
        "Drawn as: spotlight · Seconds",
    ]
    assert line(page) == FIXATIONS
    assert bar_label(page) == "seconds of fixations within the blur, recordings equal"


def test_a_measure_changes_the_line_the_list_and_the_bar():
    page = choose(opened(), "measure", "fixation-duration")
    assert line(page) == FIXATIONS
    # 200 of 500 ms are Ada's.
    assert [row.facts.rpartition(" · ")[2] for row in listed(page)] == ["40 %", "60 %"]
    assert listed(page)[0].details.startswith("1 fixation · ")
    assert bar_label(page) == "% of the longest fixation time"
    assert " s of fixations within the blur" in meaning(page)
    page = tick(page, [1])
    assert line(page).startswith("**1 fixation of 1 recording**")
    assert line(page).endswith(" · 2 not ticked = 3 rows")


def test_named_choices_set_all_that_they_stand_for():
    page = opened(weight="Equal for each wearer", scale="2")
    page = click(page, "As Pupil Cloud draws it today")
    assert [page.selectbox(key=key).value for key in ("measure", "weight")] == [
        "fixation-count",
        "pooled",
    ]
    assert page.slider(key="scale").value == 5
    assert line(page) == FIXATIONS
    page = click(page, "Specification")
    assert page.selectbox(key="measure").value == "gaze"


def test_without_fixations_gaze_is_counted_and_it_is_said():
    page = drop(app(measure="Fixations by number"), a__zip=builders.export_zip(fixations=None))
    assert line(page).startswith("**5 samples of 2 recordings**")
    assert [one.value for one in page.caption if "Fixations by number" in one.value] == [
        "Fixations by number: this export does not have them, so gaze is counted. Export it "
        "again with its fixations."
    ]


def test_equal_weights_are_said_and_share_out_the_whole():
    page = choose(opened(), "weight", "recording")
    assert [row.facts.rpartition(" · ")[2] for row in listed(page)] == ["50 %", "50 %"]
    assert meaning(page).endswith(" Each recording has the same say.")
    assert bar_label(page) == "% of the longest gaze, recordings equal"
    # Who has nothing to say is named; here, after the ticks, there is only one.
    assert meaning(tick(page, [0])).endswith(" Each recording has the same say.")


def test_a_unit_that_cannot_be_had_is_said_and_percent_is_shown():
    page = choose(opened(), "measure", "fixation-count")
    page = choose(page, "unit", "seconds")
    assert meaning(page).startswith(
        "Fixations by number have no seconds. Choose the unit '% of the maximum' or "
        "'% of the gaze time'. 100 % = "
    )
    assert bar_label(page) == "% of the most fixations"


def test_a_typed_top_is_where_the_colours_end():
    page = choose(opened(), "unit", "seconds")
    assert "The most is " in meaning(page)
    page = check(page.number_input(key="top").set_value(0.005).run())
    assert meaning(page).split(" The colours ")[1].startswith("end at 0.005 s; what lies above")
    (chart,) = charts(page)
    (ticks,) = [one["marker"]["colorbar"]["ticktext"] for one in chart["data"] if "marker" in one]
    assert ticks[-1] == "≥ 0.005 s"
    # A top of another unit means something else.
    page = choose(page, "unit", "share")
    assert page.number_input(key="top").value is None
    assert "The colours end" not in meaning(page)


def test_several_exports_can_share_one_scale():
    files = {"a__zip": builders.export_zip(), "b__zip": builders.export_zip(name="Poster")}
    page = drop(app(unit="Seconds", scale="0"), **files)
    page = click(page, "Use one scale for all exports")
    # No two samples of 5 ms lie in one bin.
    assert page.number_input(key="top").value == 0.005
    assert "The colours end at 0.005 s." in meaning(page)


def test_lines_that_make_no_sense_are_said_and_the_usual_ones_are_drawn():
    page = choose(opened(), "look", "contours")
    page = check(page.text_input(key="lines").set_value("half").run())
    assert any("Lines are 'half'; give 1 to 12 numbers" in one.value for one in page.caption)
    page = check(page.text_input(key="lines").set_value("50, 25").run())
    (chart,) = charts(page)
    assert {one["meta"] for one in chart["data"] if "line" in one} <= {25, 50, 64, 128}


def window(page, ends):
    """Choose a window of time, as the control in the browser says it."""
    (component,) = (
        one.proto
        for one in page.get("bidi_component")
        if one.proto.component_name == "gazeheat_when"
    )
    known = json.loads(component.json)
    message = {"window": {"of": known["of"], "turn": known["turn"] + 1, "window": ends}}
    states = page._tree.get_widget_states()
    states.widgets.add(id=component.id, json_value=json.dumps(message))
    return check(page._run(states))


def test_a_window_counts_its_seconds_and_says_what_lies_beside():
    page = window(opened(), [0, 0.01])
    # Ada's first two; Ben's section is stated to begin before his rows do.
    assert line(page).startswith("**2 samples of 2 recordings**")
    assert line(page).endswith("2 unreadable · 5 at another time = 9 rows")
    assert groups(page)[0] == "Counted: gaze · pooled · 0 to 0.01 s"


def test_settings_of_a_file_bring_what_was_counted_back():
    (export,) = gh.read_exports(gh.Upload("a.zip", io.BytesIO(builders.export_zip())))
    study = gh.track_export(export)
    asked = gh.Selection("fixation-duration", "recording", (0.0, 2.0))
    regions = (gh.Region("Left", 0, 0, 20, 30),)
    look = gh.Look(unit="share", top=40, bottom=10, look="spotlight")
    account = gh.account_of(study, [1], look, selection=asked, regions=regions)
    page = drop(opened(), settings__json=account.as_json().encode())
    assert infos(page) == ["settings.json: its settings are used, with 1 of 2 recordings ticked."]
    assert groups(page)[:2] == [
        "Counted: fixations by duration · equal for each recording · 0 to 2 s",
        "Drawn as: spotlight · % of the gaze time",
    ]
    assert [page.number_input(key="top").value, page.slider(key="bottom").value] == [40, 10]
    assert [row["name"] for row in told(page, "gazeheat_regions")[0]["rows"]] == ["Left"]
    assert line(page).startswith("**1 fixation of 1 recording**")


def test_the_view_of_checks_takes_the_place_of_the_map():
    page = check(page_with_view("Check"))
    assert page.subheader[0].value.startswith("Check the data: ")
    assert not charts(page)
    page = check(page.segmented_control(key="view").set_value("One map").run())
    assert line(page).startswith("**5 samples of 2 recordings**")


def page_with_view(view):
    page = opened()
    return page.segmented_control(key="view").set_value(view).run()
