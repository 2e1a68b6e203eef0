"""The regions on the page, without a browser; how they are marked by hand is in tests/browser."""

import csv
import io
import json

import gazeheat_core as gh
from gazeheat_core.page.server import _loans
from gazeheat_core.page.stage import region_shapes
from gazeheat_core.regions import Region
from tests import builders
from tests.test_app import app, check, drop, said, tick, told

# Ada looks at about 10, 5 twice, and at 0, 0; Ben at 30, 20 and at 40, 30.
LEFT = [4, 30, 20, 0]


def opened():
    """A page with a study open."""
    page = app()
    drop(page, shelf__zip=builders.export_zip())
    return page


def room(page):
    """What the browser is told of the regions."""
    (one,) = told(page, "gazeheat_regions")
    return one


def tell(page, name, message):
    """Hand the page a message of one of its components."""
    (component,) = (
        one.proto
        for one in page.get("bidi_component")
        if one.proto.component_name == f"gazeheat_{name}"
        and json.loads(one.proto.json).get("study") is not None
    )
    states = page._tree.get_widget_states()
    states.widgets.add(id=component.id, json_value=json.dumps(message))
    return check(page._run(states))


def ask(page, what, **more):
    return tell(page, "regions", {"asked": {"study": room(page)["study"], "what": what, **more}})


def rectangle(page, corners):
    return tell(page, "stage", {"rectangle": {"study": room(page)["study"], "corners": corners}})


def layout(page):
    (stage,) = (one for one in told(page, "gazeheat_stage") if "figure" in one)
    return stage["figure"]["layout"]


def test_a_region_is_marked_named_counted_and_removed():
    page = opened()
    assert room(page)["title"] == "Regions"
    assert (room(page)["rows"], room(page)["address"]) == ([], "")
    ask(page, "mark", on=True)
    assert layout(page)["dragmode"] == "select"
    assert room(page)["how"] == "Drag a rectangle over the picture, or type its corners."
    rectangle(page, LEFT)
    # One drag marks one region; then a drag zooms again.
    assert layout(page)["dragmode"] == "zoom"
    assert room(page)["title"] == "Regions: 1"
    assert room(page)["rows"] == [
        {
            "name": "Region 1",
            "place": "x 4 to 20, y 0 to 30",
            "seconds": "0.01",
            "share": "40.0",
            "looked": "1 of 2",
            "first": "0.00",
        }
    ]
    assert room(page)["said"] == (
        "Region 1: 0.01 s, 40.0 % of the gaze; 1 of 2 recordings looked, the first time after "
        "0.00 s (median)."
    )
    ask(page, "rename", name="Region 1", to="Price")
    ask(page, "add", corners=[20, 0, 40, 30])
    # The number that is free again.
    assert [one["name"] for one in room(page)["rows"]] == ["Price", "Region 1"]
    tick(page, [1])
    assert [(one["share"], one["looked"]) for one in room(page)["rows"]] == [
        ("0.0", "0 of 1"),
        ("100.0", "1 of 1"),
    ]
    ask(page, "remove", name="Price")
    assert [one["name"] for one in room(page)["rows"]] == ["Region 1"]
    assert [one["text"] for one in layout(page)["annotations"]] == ["Region 1"]


def test_what_cannot_be_had_is_said_and_changes_nothing():
    page = opened()
    ask(page, "add", corners=LEFT)
    ask(page, "add", corners=[20, 0, 40, 30])
    before = room(page)["rows"]
    ask(page, "rename", name="Region 1", to="Region 2")
    assert "more than one region of the name 'Region 2'" in room(page)["problem"]
    ask(page, "rename", name="Region 1", to="\u202e")
    assert "characters that can be seen" in room(page)["problem"]
    ask(page, "add", corners=[50, 0, 60, 30])
    assert "lies beside the picture" in room(page)["problem"]
    assert room(page)["rows"] == before
    ask(page, "remove", name="Region 1")
    assert room(page)["problem"] == ""


def test_messages_that_make_no_sense_are_passed_over():
    page = opened()
    rectangle(page, LEFT)  # nobody asked for one
    for corners in (None, "0123", [1, 2, 3], [1, 2, 3, None], [True] * 4, [0, 0, 1e999, 1]):
        ask(page, "add", corners=corners)
    for message in (
        "add",
        {"study": 99, "what": "add", "corners": LEFT},
        {"study": [], "what": "add", "corners": LEFT},
        {"study": room(page)["study"], "what": "remove", "name": "Region 1"},
        {"study": room(page)["study"], "what": "rename", "name": None, "to": 5},
    ):
        tell(page, "regions", {"asked": message})
    assert (room(page)["rows"], room(page)["problem"]) == ([], "")


def test_the_table_can_be_fetched():
    page = opened()
    ask(page, "add", corners=LEFT)
    ask(page, "rename", name="Region 1", to="=Price")
    _, secret, what = room(page)["address"].split("/")
    file = _loans[secret].maker(what)()
    assert (file.name, file.mime) == ("Shelf_regions_2-of-2_scale-5.csv", "text/csv")
    header, row = csv.reader(io.StringIO(file.data.decode("utf-8-sig")))
    assert (header[0], row[:5]) == ("name", ["'=Price", "4", "0", "20", "30"])


def test_regions_come_with_the_settings_of_a_file_or_the_file_is_not_used():
    (export,) = gh.read_exports(gh.Upload("a.zip", io.BytesIO(builders.export_zip())))
    study = gh.track_export(export)

    def made(*regions):
        account = gh.account_of(study, [0], gh.Look(), regions=regions)
        return account.as_json().encode()

    page = drop(opened(), settings__json=made(Region("Price", 4, 0, 20, 30)))
    assert [one["name"] for one in room(page)["rows"]] == ["Price"]
    drop(page, settings__json=made(Region("Far", 50, 0, 60, 30)))
    assert said(page)[0].startswith("settings.json: its settings are not used. Region 'Far' lies")
    assert [one["name"] for one in room(page)["rows"]] == ["Price"]


def test_a_name_on_the_picture_is_text_and_is_cut():
    hostile = Region("<b>&lt; $x$</b>", 0, 0, 10, 10)
    long = Region("n" * 60, 0, 0, 10, 10)
    drawn = region_shapes([hostile, long])
    assert [one["text"] for one in drawn["annotations"]] == [
        "&lt;b&gt;&amp;lt; $x$&lt;/b&gt;",
        f"{'n' * 11}…{'n' * 12}",
    ]
    # A dark line, and a white one over it.
    assert [one["line"]["width"] for one in drawn["shapes"]] == [4, 1.5, 4, 1.5]
