"""The page's states, without a browser; what it looks like is in tests/browser."""

import gc
import io
import json
import logging
import math
import os
import re
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import gazeheat_core as gh
from gazeheat_core.page.library import server_studies
from gazeheat_core.page.session import Visitor
from gazeheat_core.report import meaning
from gazeheat_core.sample import sample_zip
from tests import builders
from tests.builders import MM, Row

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "gazeheat_core" / "page" / "main.py"

# The counts of builders.ROWS.
ALL_COUNTED = "**5 samples of 2 recordings** · 1 outside · 1 undetected · 2 unreadable = 9 rows"


def app(**address):
    """Open the page, at an address with these settings."""
    page = AppTest.from_file(str(SCRIPT), default_timeout=60)
    page.query_params.update(address)
    return check(page.run())


def check(page):
    assert not page.exception
    return page


def drop(page, **files):
    """Drop files, name to bytes; double underscores in a name stand for a dot."""
    page.file_uploader[0].set_value(
        [(name.replace("__", "."), data, "") for name, data in files.items()]
    )
    return check(page.run())


def click(page, label):
    (button,) = [button for button in page.button if button.label == label]
    return check(button.click().run())


def bar(page):
    """The control that switches between the open exports."""
    return page.segmented_control(key="export")


def exports(page):
    """The open exports, as the control tells them apart, and which of them is shown."""
    (shown,) = bar(page).formatted_values
    return bar(page).options, shown


def switch(page, number):
    check(bar(page).set_value(number).run())


def line(page):
    """The line that says what was counted."""
    return page.markdown[-1].value


def said(page):
    """The problems that the page shows, as their reader sees them."""
    return [error.value.replace("\\", "") for error in page.error]


def infos(page):
    """The notices that the page shows, as their reader sees them."""
    return [info.value.replace("\\", "") for info in page.info]


def told(page, name):
    """What each component of a name is told."""
    components = [one.proto for one in page.get("bidi_component")]
    return [json.loads(one.json) for one in components if one.component_name == name]


def listed(page):
    """The recordings, as the component that lists them is told; whether each is ticked."""
    lists = told(page, "gazeheat_recordings")
    return [
        SimpleNamespace(
            ticked=i in one["ticked"],
            name=one["names"][i],
            wearer=one["wearers"][i],
            find=one["finds"][i],
            facts=one["facts"][i],
            details=one["details"][i],
            share=one["shares"][i],
        )
        for one in lists
        for i in range(len(one["names"]))
    ]


def say(page, message):
    """Hand the page what the list of recordings in a browser says is ticked."""
    (component,) = (
        one.proto
        for one in page.get("bidi_component")
        if one.proto.component_name == "gazeheat_recordings"
    )
    states = page._tree.get_widget_states()
    states.widgets.add(id=component.id, json_value=json.dumps({"ticked": message}))
    return check(page._run(states))


def ticks(page, positions):
    """The message that says that these recordings are ticked and no others."""
    (known,) = told(page, "gazeheat_recordings")
    return {
        "study": known["study"],
        "generation": known["generation"],
        "ticked": sorted(positions),
    }


def tick(page, positions):
    """Tick these recordings and no others."""
    return say(page, ticks(page, positions))


def charts(page):
    """The figures that are drawn."""
    return [one["figure"] for one in told(page, "gazeheat_stage") if "figure" in one]


OFFERED = [
    "heatmap",
    "overlay",
    "figure as PNG",
    "figure as SVG",
    "figure as PDF",
    "opaque heatmap",
    "report",
]


def download_buttons(page):
    """The buttons in sight, as the component that draws them is told; the others are like them."""
    (component,) = told(page, "gazeheat_downloads")
    labels = [f"Download {what}" for what in OFFERED]
    assert [file["label"] for file in component["files"]] == labels
    assert len({bool(file["address"]) for file in component["files"]}) == 1
    files = [file for file in component["files"] if not file["more"]]
    return [SimpleNamespace(disabled=not file["address"], **file) for file in files]


# --- Empty ---------------------------------------------------------------------------


def test_the_empty_page_says_what_it_is_and_offers_two_ways_in():
    page = app()
    assert page.title[0].value == "Gazeheat"
    assert page.markdown[0].value == "See where people looked: a heatmap over your reference image."
    assert [uploader.label for uploader in page.file_uploader] == ["Drop your export here"]
    assert [button.label for button in page.button] == ["Try the sample"]
    assert [one.label for one in page.expander] == [
        "Where do I get the export?",
        "What happens to my data?",
    ]
    assert not page.error
    assert not page.info


# --- The sample ----------------------------------------------------------------------


def test_the_sample_opens_with_every_recording_ticked():
    page = click(app(), "Try the sample")
    (export,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_zip())))
    names = [recording.name for recording in export.recordings]
    assert [row.ticked for row in listed(page)] == [True] * 4
    assert [row.name for row in listed(page)] == names
    assert exports(page) == (["Shop shelf"], "Shop shelf")
    assert bar(page).help == "Shop shelf · Reference Image Mapper"
    assert not page.error
    numbers = [int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", line(page))]
    used, recordings, outside, undetected, unreadable, rows = numbers
    assert recordings == 4
    assert used + outside + undetected + unreadable == rows == export.rows
    heatmap = gh.make_heatmap(gh.bin_recordings(export), export.image.size)
    assert page.markdown[-2].value == meaning(heatmap, export.image.size).replace("=", "\\=")


def test_the_sample_can_be_opened_after_a_clear():
    page = click(click(app(), "Try the sample"), "Clear")
    assert page.title[0].value == "Gazeheat"
    assert len(listed(click(page, "Try the sample"))) == 4


# --- Ticks ---------------------------------------------------------------------------


def test_a_tick_taken_away_moves_its_rows_to_not_ticked():
    page = drop(app(), shelf__zip=builders.export_zip())
    assert line(page) == ALL_COUNTED
    page = tick(page, {1})
    assert line(page) == (
        "**2 samples of 1 recording** · 0 outside · 0 undetected · 2 unreadable"
        " · 5 not ticked = 9 rows"
    )
    first, second = listed(page)
    assert "not counted" in first.facts
    assert "100 % of the total" in second.details
    assert (first.share, second.share) == (0, 1)
    (list_of_them,) = told(page, "gazeheat_recordings")
    assert list_of_them["said"] == "1 of 2 recordings, 2 samples"


def test_none_leaves_a_bare_picture_and_says_so():
    page = tick(drop(app(), shelf__zip=builders.export_zip()), ())
    assert line(page) == (
        "No recording is ticked, so the picture is bare. "
        "Tick one to see where its wearer looked. The file has 9 rows."
    )
    assert [button.disabled for button in download_buttons(page)] == [True, True]
    assert [row.ticked for row in listed(page)] == [False, False]
    assert not page.error


def test_all_brings_the_first_line_back():
    page = drop(app(), shelf__zip=builders.export_zip())
    page = tick(tick(page, ()), {0, 1})
    assert line(page) == ALL_COUNTED
    assert [button.disabled for button in download_buttons(page)] == [False, False]


def test_gaze_beside_the_picture_leaves_it_bare_and_says_so():
    # Among others, so that the export is read as a whole.
    rows = [Row(-5.0, 5.0), Row(45.0, 5.0), Row(math.nan, math.nan, False)]
    page = drop(app(), shelf__zip=builders.export_zip(rows=rows))
    assert line(page) == (
        "No gaze of 2 recordings lies on the picture, so it is bare: 0 samples"
        " · 2 outside · 1 undetected · 0 unreadable = 3 rows"
    )
    assert [button.disabled for button in download_buttons(page)] == [True, True]


def test_a_message_that_makes_no_sense_ticks_nothing():
    page = drop(app(), shelf__zip=builders.export_zip())
    for message in (
        None,
        7,
        [0],
        {"study": 0, "generation": 0},
        {"study": 0, "generation": 0, "ticked": 1},
        {"study": 0, "generation": 0, "ticked": [2]},
        {"study": 0, "generation": 0, "ticked": [-1]},
        {"study": 0, "generation": 0, "ticked": [0.5]},
        {"study": 0, "generation": 0, "ticked": [True]},
        {"study": 0, "generation": 0, "ticked": ["0"]},
        {"study": 0, "generation": 0, "ticked": [[0]]},
        {"study": 0, "generation": 1, "ticked": [0]},
        {"study": 0, "generation": None, "ticked": [0]},
        {"study": 7, "generation": 0, "ticked": [0]},
        {"study": False, "generation": 0, "ticked": [0]},
        {"study": [0], "generation": 0, "ticked": [0]},
    ):
        assert line(say(page, message)) == ALL_COUNTED, message
        assert [row.ticked for row in listed(page)] == [True, True], message
    # None of them was out of date: one that makes sense is still believed.
    assert ticks(page, {0}) == {"study": 0, "generation": 0, "ticked": [0]}
    assert [row.ticked for row in listed(tick(page, {0}))] == [True, False]


def test_a_late_message_cannot_undo_what_the_server_has_ticked():
    page = drop(app(), shelf__zip=builders.export_zip())
    late = ticks(page, {1})
    (opened,) = page.session_state["visit"].opened.values()
    opened.tick({0})
    page = say(page, late)
    assert [row.ticked for row in listed(page)] == [True, False]
    # Once the browser has heard of it, it is believed again.
    assert [row.ticked for row in listed(tick(page, {1}))] == [False, True]


# --- Exports -------------------------------------------------------------------------


def test_a_zip_with_two_enrichments_gives_both():
    both = {
        f"{builders.folder_name(name)}/{file}": data
        for name in ("Shelf", "Poster")
        for file, data in builders.export_files().items()
    }
    page = drop(app(), both__zip=builders.write_zip(io.BytesIO(), both).getvalue())
    assert sorted(bar(page).options) == ["Poster", "Shelf"]
    assert sorted(bar(page).help.split("  \n")) == [
        "Poster · Reference Image Mapper",
        "Shelf · Reference Image Mapper",
    ]


def test_the_same_export_again_gets_a_number():
    zipped = builders.export_zip()
    page = drop(drop(drop(app(), a__zip=zipped), a__zip=zipped), a__zip=zipped)
    assert exports(page) == (["Shelf", "Shelf (2)", "Shelf (3)"], "Shelf (3)")


def test_each_export_keeps_its_own_ticks():
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(name="Poster"))
    tick(page, {1})
    switch(page, 0)
    assert exports(page) == (["Shelf", "Poster"], "Shelf")
    assert [row.ticked for row in listed(page)] == [True, True]
    switch(page, 1)
    assert exports(page) == (["Shelf", "Poster"], "Poster")
    assert [row.ticked for row in listed(page)] == [False, True]


def test_a_message_about_another_export_leaves_the_chosen_one_alone():
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(name="Poster"))
    late = ticks(page, {1})
    switch(page, 0)
    page = say(page, late)
    assert [row.ticked for row in listed(page)] == [True, True]
    switch(page, 1)
    assert [row.ticked for row in listed(page)] == [False, True]


def test_removing_an_export_leaves_the_others():
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(name="Poster"))
    page = click(page, "Remove")
    assert exports(page) == (["Shelf"], "Shelf")
    assert click(page, "Remove").title[0].value == "Gazeheat"


def test_loose_files_of_one_export_are_read_together():
    page = app()
    page.file_uploader[0].set_value(
        [(name, data, "") for name, data in builders.export_files().items()]
    )
    check(page.run())
    assert line(page) == ALL_COUNTED


def test_more_exports_than_segments_are_a_list():
    page = drop(app(), **{f"{name}__zip": builders.export_zip(name=name) for name in "ABCD"})
    assert exports(page) == (["A", "B", "C", "D"], "D")
    switch(page, 1)
    page = drop(page, e__zip=builders.export_zip(name="E"))
    box = page.selectbox(key="export")
    assert box.options == [f"{name} · Reference Image Mapper" for name in "ABCDE"]
    assert box.value == 4
    check(box.select_index(2).run())
    page = click(page, "Remove")
    assert exports(page) == (["A", "B", "D", "E"], "E")


def test_exports_of_one_name_show_their_kinds():
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(kind=MM))
    page = drop(page, c__zip=builders.export_zip(name="Poster", kind=MM))
    assert exports(page) == (
        ["Shelf · Reference Image Mapper", "Shelf · Marker Mapper", "Poster"],
        "Poster",
    )


def rename(page, name):
    (field,) = [one for one in page.text_input if one.label == "Name of this export"]
    field.input(name)
    return click(page, "Use this name")


def test_an_export_can_be_renamed_and_its_files_follow():
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(name="Poster"))
    page = rename(page, "  *Wall*\n\u202e2 ")
    assert exports(page) == (["Shelf", "\\*Wall\\* �2"], "\\*Wall\\* �2")
    assert download_buttons(page)[1].name == "_Wall_ �2_overlay_2-of-2_scale-5.png"
    (stage,) = told(page, "gazeheat_stage")
    assert stage["words"].startswith("Heatmap over the reference image of *Wall* �2, from 5")
    # Told apart from the others, as a new one would be; an empty name changes nothing.
    page = rename(page, "Shelf")
    assert exports(page) == (["Shelf", "Shelf (2)"], "Shelf (2)")
    assert exports(rename(page, " ")) == (["Shelf", "Shelf (2)"], "Shelf (2)")
    assert exports(rename(page, "Shelf (2)")) == (["Shelf", "Shelf (2)"], "Shelf (2)")


def test_a_name_from_right_to_left_turns_nothing_beside_it():
    name = "מדף 12"
    people = [("rec-a", "sec-a", name, "Ada"), ("rec-b", "sec-b", "P02", "Ben")]
    shelf = builders.export_zip(people=people)
    page = drop(app(), a__zip=builders.export_zip(name=name), b__zip=shelf)
    assert bar(page).options == [f"\u2068{name}\u2069", "Shelf"]
    assert bar(page).help.startswith(f"\u2068{name}\u2069 · Reference")
    assert infos(page) == [f"2 exports added: \u2068{name}\u2069, Shelf"]
    assert page.markdown[-2].value.endswith(
        f" \u2068{name}\u2069 alone supplies 60 % of the samples."
    )


# --- Settings from a file ------------------------------------------------------------


def made_file(**look):
    """A file of the export's first recording, with a caption of somebody's own."""
    (export,) = gh.read_exports(gh.Upload("a.zip", io.BytesIO(builders.export_zip())))
    study = gh.track_export(export)
    figure = {"width_mm": 90, "dpi": 200, "heading": "", "caption": "*Mine*"}
    return gh.account_of(study, [0], gh.Look(**look), figure).as_json().encode()


def test_a_file_of_ours_brings_its_settings_back():
    page = drop(app(), a__zip=builders.export_zip())
    page = drop(page, settings__json=made_file(scale=2.5, colormap="magma"))
    assert not page.error
    assert [row.ticked for row in listed(page)] == [True, False]
    assert [page.slider(key="scale").value, page.selectbox(key="colours").value] == [2.5, "magma"]
    (form,) = told(page, "gazeheat_downloads")
    assert (form["written"], form["style"]["widthMm"], form["style"]["dpi"]) == ("*Mine*", 90, 200)
    said = "settings.json: its settings are used, with 1 of 2 recordings ticked."
    assert [one.value.replace("\\", "") for one in page.info] == [said]
    # They are set once, and then belong to the visitor.
    check(page.slider(key="scale").set_value(4).run())
    assert page.slider(key="scale").value == 4
    assert charts(page)[0]["data"][-1]["type"] == "scatter"


def test_settings_of_other_data_say_so():
    page = drop(app(), a__zip=builders.export_zip(rows=builders.ROWS[1:]))
    page = drop(page, settings__json=made_file())
    assert "its gaze is not the one that the settings were saved with" in page.info[1].value


def test_settings_that_make_no_sense_change_nothing():
    page = drop(app(), a__zip=builders.export_zip())
    page = drop(page, settings__json=made_file(scale=2.5).replace(b'"dpi": 200', b'"dpi": 2'))
    assert said(page) == [
        "settings.json: its settings are not used. Resolution is 2; choose a value from 72 to 1200 "
        "dpi."
    ]
    assert [row.ticked for row in listed(page)] == [True, True]
    assert page.slider(key="scale").value == 5


def test_settings_without_a_study_say_what_to_open():
    page = drop(app(), settings__json=made_file())
    assert said(page) == [
        "settings.json: it holds settings, and no study with a picture is open to use them on. "
        "Open the export of 'Shelf' first, then give this file again."
    ]


def test_a_file_that_can_be_nothing_but_settings_says_that_it_has_none():
    (problem,) = said(drop(app(), figure__svg=b"<svg/>"))
    assert problem.startswith("figure.svg: no settings of Gazeheat are in it.")


# --- Undo ----------------------------------------------------------------------------


def undo_line(page):
    return [one.value for one in page.caption if one.value.endswith(("removed.", "cleared."))]


def test_undo_after_a_clear_brings_everything_back_as_it_was():
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(name="Poster"))
    page = rename(page, "Wall")
    switch(page, 0)
    tick(page, {1})
    before = line(page), picture_source(page)
    visit = page.session_state["visit"]
    loan = visit.opened[0].loan
    page = click(page, "Clear")
    assert page.title[0].value == "Gazeheat"
    assert undo_line(page) == ["2 exports were cleared."]
    assert loan.maker("picture") is None, "the browser's addresses end at once"
    page = click(page, "Undo")
    assert exports(page) == (["Shelf", "Wall"], "Shelf")
    assert [row.ticked for row in listed(page)] == [False, True]
    assert line(page) == before[0]
    assert picture_source(page) != before[1]
    assert visit.opened[0].loan.maker("picture")().mime == "image/jpeg"
    assert not undo_line(page)


def test_undo_after_a_remove_brings_it_back_to_its_place():
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(name="Poster"))
    switch(page, 0)
    page = click(page, "Remove")
    assert undo_line(page) == ["Shelf was removed."]
    page = rename(page, "Shelf")  # its name is taken meanwhile
    assert exports(click(page, "Undo")) == (["Shelf (2)", "Shelf"], "Shelf (2)")


@pytest.mark.parametrize("how", ["two minutes", "Forget now", "new files", "the next Remove"])
def test_what_was_closed_is_freed(how, monkeypatch):
    started = []

    class Timer(threading.Timer):
        def start(self):
            started.append(self)

    monkeypatch.setattr(threading, "Timer", Timer)
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(name="Poster"))
    visit = page.session_state["visit"]
    study = weakref.ref(visit.opened[1].export)
    page = click(page, "Remove")
    (timer,) = started
    assert timer.interval == 120
    assert study() is not None
    if how == "two minutes":
        monkeypatch.setattr(threading, "current_thread", lambda: timer)
        timer.function()
        monkeypatch.undo()
    elif how == "Forget now":
        page = click(page, "Forget now")
    elif how == "new files":
        page = drop(page, c__zip=b"no ZIP")
    else:
        page = click(page, "Remove")
    gc.collect()
    assert study() is None
    if how == "two minutes":  # the visitor still sees the button
        page = click(page, "Undo")
        (words,) = said(page)
        assert words.startswith("It cannot be brought back")
        assert exports(page) == (["Shelf"], "Shelf")
    elif how == "the next Remove":
        assert undo_line(page) == ["Shelf was removed."]
    else:
        assert not undo_line(page)


# --- Messages ------------------------------------------------------------------------


def close(page, position):
    buttons = [button for button in page.button if button.label == "Close this message"]
    return check(buttons[position].click().run())


def test_a_problem_can_be_closed_and_the_others_stay():
    page = drop(app(), a__zip=b"no", b__zip=b"no", c__zip=builders.export_zip())
    assert [words.split(":")[0] for words in said(page)] == ["a.zip", "b.zip"]
    page = close(page, 0)
    assert [words.split(":")[0] for words in said(page)] == ["b.zip"]
    assert not close(page, 0).error
    assert line(page) == ALL_COUNTED


def test_a_closed_notice_stays_closed_for_its_study_and_no_other():
    odd = builders.export_files()
    odd["photo.jpeg"] = odd.pop("reference_image.jpeg")
    zipped = {
        f"{name}__zip": builders.write_zip(
            io.BytesIO(), {f"{builders.folder_name(name)}/{file}": odd[file] for file in odd}
        ).getvalue()
        for name in ("Shelf", "Poster")
    }
    page = drop(app(), **zipped)

    def notices(page):
        return [one.value for one in page.info if "photo.jpeg" in one.value]

    (_, notice) = [one.value for one in page.info]
    assert "is used as the reference image" in notice
    page = close(page, 1)
    assert not notices(page)
    switch(page, 0)
    assert len(notices(page)) == 1
    switch(page, 1)
    assert not notices(page)
    assert not notices(click(click(page, "Clear"), "Undo"))


def test_several_exports_of_one_drop_are_said_until_one_goes():
    names = ("Shelf", "Poster", "Wall", "Floor", "Door")
    page = drop(app(), **{f"{name}__zip": builders.export_zip(name=name) for name in names})
    assert infos(page) == ["5 exports added: Shelf, Poster, Wall, Floor and 1 more"]
    assert not click(page, "Remove").info
    assert not drop(page, one__zip=builders.export_zip(name="One")).info


def test_the_administrator_s_notice_is_text_on_the_empty_page(monkeypatch):
    monkeypatch.setenv("GAZEHEAT_NOTICE", "Down on *Friday*.\n# Ask ada@lab.example " + 600 * "x")
    page = app()
    (info,) = page.info
    assert info.value.startswith("Down on \\*Friday\\*. # Ask ada")
    assert len(info.value.replace("\\", "").replace("\u2060", "")) == 500
    assert not click(page, "Try the sample").info


def test_the_log_tells_what_was_opened_without_names(caplog):
    caplog.set_level(logging.INFO, "gazeheat")
    drop(app(), secret__zip=builders.export_zip(name="Secret"))
    (line,) = [record.message for record in caplog.records if record.name == "gazeheat"]
    assert re.fullmatch(
        r"opened a study: Reference Image Mapper, 2 recordings, 9 rows, \d+\.\d s", line
    )


# --- Problems ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "words"),
    [
        pytest.param(("notes.zip", b"just text"), "this is no ZIP", id="no-zip"),
        pytest.param(("half.zip", builders.export_zip()[:-300]), "damaged", id="truncated"),
        pytest.param(
            ("gaze.csv", b"section id,recording id,timestamp [ns],gaze x [px],gaze y [px]\n"),
            "Reference Image Mapper or a Marker Mapper",
            id="raw-recording",
        ),
        pytest.param(
            ("gaze.csv", builders.gaze_csv([]).encode()), "no gaze below it", id="header-only"
        ),
        pytest.param(("notes.txt", b"hello"), "no table of gaze found", id="something-else"),
        pytest.param(("info.json", b"{}"), "what Safari leaves of a download", id="safari"),
    ],
)
def test_a_bad_file_is_explained_and_takes_nothing_away(file, words):
    unescaped = str.maketrans("", "", "\\")
    name, data = file
    page = app()
    page.file_uploader[0].set_value([(name, data, "")])
    check(page.run())
    assert words in page.error[0].value.translate(unescaped)
    page = drop(page, shelf__zip=builders.export_zip())
    assert not page.error, "new files start with a clean slate"
    page.file_uploader[0].set_value([(name, data, "")])
    check(page.run())
    assert len(page.error) == 1
    assert words in page.error[0].value.translate(unescaped)
    assert line(page) == ALL_COUNTED


def test_good_exports_beside_bad_ones_are_kept():
    page = drop(app(), a__zip=b"PK nothing", b__zip=builders.export_zip(), c__zip=b"no")
    assert len(page.error) == 2
    assert line(page) == ALL_COUNTED


# --- What nobody foresaw -------------------------------------------------------------

UNEXPECTED = "Something went wrong here that is not the fault of your files."


def fail(*_, **__):
    raise RuntimeError("a fault of ours")


def test_a_fault_of_ours_is_one_sentence_is_logged_and_takes_nothing_away(monkeypatch, caplog):
    page = drop(app(), shelf__zip=builders.export_zip())
    monkeypatch.setattr("gazeheat_core.page.incoming.read_study", fail)
    page = drop(page, poster__zip=builders.export_zip(name="Poster"))
    (error,) = page.error
    assert error.value.startswith(UNEXPECTED)
    assert "RuntimeError: a fault of ours" in caplog.text
    assert line(page) == ALL_COUNTED
    assert exports(page) == (["Shelf"], "Shelf")


@pytest.mark.parametrize(
    "fault",
    [
        "gazeheat_core.page.incoming.sources_of",
        "gazeheat_core.page.incoming.open_source",
        "gazeheat_core.page.incoming.find_exports",
        "gazeheat_core.page.session.Opened",
    ],
)
def test_wherever_reading_fails_the_open_study_stays(monkeypatch, fault):
    page = drop(app(), shelf__zip=builders.export_zip())
    monkeypatch.setattr(fault, fail)
    page = drop(page, poster__zip=builders.export_zip(name="Poster"))
    (error,) = page.error
    assert error.value.startswith(UNEXPECTED)
    assert line(page) == ALL_COUNTED


def test_a_fault_while_drawing_leaves_the_rest_of_the_page(monkeypatch):
    page = drop(app(), shelf__zip=builders.export_zip())
    with monkeypatch.context() as patch:
        patch.setattr("gazeheat_core.overlay_figure", fail)
        page = check(page.run())
        (error,) = page.error
        assert error.value.startswith(UNEXPECTED)
        assert {"Remove", "Clear"} <= {button.label for button in page.button}
    page = check(page.run())
    assert not page.error
    assert line(page) == ALL_COUNTED


def test_too_little_memory_is_said_as_that(monkeypatch):
    def hungry(*_, **__):
        raise MemoryError

    page = drop(app(), shelf__zip=builders.export_zip())
    monkeypatch.setattr("gazeheat_core.page.incoming.read_study", hungry)
    page = drop(page, poster__zip=builders.export_zip(name="Poster"))
    (error,) = page.error
    assert error.value.startswith("The server has too little memory for this.")
    assert line(page) == ALL_COUNTED


def limited(monkeypatch, **limits):
    from gazeheat_core.page import session

    monkeypatch.setattr(session, "LIMITS", replace(session.LIMITS, **limits))


def test_a_session_opens_so_many_exports_and_no_more(monkeypatch):
    limited(monkeypatch, session_exports=2)
    page = drop(app(), a__zip=builders.export_zip(), b__zip=builders.export_zip(name="Poster"))
    page = drop(page, c__zip=builders.export_zip(name="Third"))
    (words,) = said(page)
    assert words == (
        "Third: not opened, since 2 exports are open, which is the most. "
        "Remove what you do not need, then give it again."
    )
    page = drop(click(page, "Remove"), c__zip=builders.export_zip(name="Third"))
    assert exports(page) == (["Shelf", "Third"], "Third")


def test_of_many_exports_those_without_room_are_said_once(monkeypatch):
    limited(monkeypatch, session_exports=2)
    names = ("A", "B", "C", "D", "E")
    files = {
        f"{builders.folder_name(name)}/{file}": data
        for name in names
        for file, data in builders.export_files().items()
    }
    page = drop(app(), study__zip=builders.write_zip(io.BytesIO(), files).getvalue())
    (words,) = said(page)
    assert words.startswith("C and 2 more: not opened, since 2 exports are open")
    assert len(bar(page).options) == 2


def test_a_session_holds_so_much_memory_and_no_more(monkeypatch):
    page = drop(app(), a__zip=builders.export_zip())
    (opened,) = page.session_state["visit"].opened.values()
    # 9 rows, of which 7 are readable; two recordings; the picture.
    assert opened.size_bytes > 7 * 24 + len(opened.export.image.data)
    limited(monkeypatch, session_bytes=2 * opened.size_bytes - 1)
    page = drop(page, b__zip=builders.export_zip(name="Other"))
    (words,) = said(page)
    assert words.startswith("Other · Reference Image Mapper: with it, more than")
    assert "Remove an export that you do not need" in words
    assert line(page) == ALL_COUNTED


# --- The picture ---------------------------------------------------------------------


def test_a_missing_picture_is_asked_for_and_taken():
    page = drop(app(), shelf__zip=builders.export_zip(size=None))
    assert page.subheader[0].value == "Which picture was looked at?"
    assert not listed(page)
    assert [uploader.label for uploader in page.file_uploader] == [
        "Exports, or a picture for this one",
        "The reference image",
        "Files on their way",  # of a drop anywhere; shown while there are some
    ]
    page.file_uploader[1].set_value([("p.png", builders.picture_bytes((40, 30), "PNG"), "")])
    assert line(check(page.run())) == ALL_COUNTED


def test_a_picture_of_another_size_is_refused_with_both_sizes():
    rows = [Row(x, y) for x in (5.0, 35.0, 39.0) for y in (20.0, 29.0)]
    page = drop(app(), shelf__zip=builders.export_zip(rows=rows, size=None))
    page.file_uploader[1].set_value([("p.png", builders.picture_bytes((8, 6), "PNG"), "")])
    check(page.run())
    (error,) = page.error
    assert "8 × 6 px" in error.value
    assert "39 × 29 px" in error.value
    assert page.subheader[0].value == "Which picture was looked at?"


def test_a_picture_in_doubt_is_drawn_with_a_notice_and_can_be_replaced_by_the_right_one():
    rows = [Row(x + 0.5, y + 0.5) for x in range(40) for y in range(30)]
    page = drop(app(), shelf__zip=builders.export_zip(rows=rows, size=None))
    page = drop(page, phone__png=builders.picture_bytes((100, 75), "PNG"))
    (notice,) = infos(page)
    assert notice.startswith("The gaze fills only the top left 40 × 30 px of the picture's 100")
    page = drop(page, cloud__png=builders.picture_bytes((40, 30), "PNG"))
    (notice,) = infos(page)
    assert notice.startswith("cloud.png is 40 × 30 px. It takes the place of the picture of 100")
    (opened,) = page.session_state["visit"].opened.values()
    assert (opened.export.grid.size, opened.positions) == ((40, 30), None)


def test_a_lone_picture_goes_to_the_open_export():
    page = drop(app(), shelf__zip=builders.export_zip(size=None))
    page = drop(page, p__png=builders.picture_bytes((40, 30), "PNG"))
    assert line(page) == ALL_COUNTED
    assert len(bar(page).options) == 1


# --- Pieces of an export, one after the other ----------------------------------------


def in_pieces(**options):
    """The files of an export, by the first letters of their names."""
    files = builders.export_files(**options)
    return {name[:4]: {name.replace(".", "__"): data} for name, data in files.items()}


def told_names(page):
    return [row.name for row in listed(page)]


def test_a_picture_and_sections_that_came_first_are_used_when_the_gaze_comes():
    pieces = in_pieces()
    page = drop(app(), **pieces["refe"])
    assert infos(page) == [
        "reference_image.jpeg: kept until the gaze comes. Drop the gaze.csv of the same export "
        "next."
    ]
    page = drop(page, **pieces["sect"])
    assert infos(page)[0].startswith("reference_image.jpeg, sections.csv: kept until the gaze")
    page = drop(page, **pieces["gaze"])
    assert infos(page) == [
        "sections.csv, given before, is used with Untitled export · Reference Image Mapper.",
        "reference_image.jpeg, given before, is used with gaze.csv.",
    ]
    assert (line(page), said(page)) == (ALL_COUNTED, [])
    assert told_names(page) == ["P01", "P02"]
    # They are used once: the next gaze has a picture of its own.
    page = drop(page, **pieces["gaze"])
    assert page.subheader[0].value == "Which picture was looked at?"


def test_sections_that_come_later_name_the_recordings_and_the_ticks_stay():
    people = [("rec-c", "sec-c", "P03", "Cem"), *reversed(builders.PEOPLE)]
    pieces = in_pieces(people=people)
    page = drop(app(), **pieces["gaze"], **pieces["refe"])
    tick(page, {1})
    assert told_names(page) == ["rec-a", "rec-b"]
    page = drop(page, **pieces["sect"])
    assert [(row.name, row.ticked) for row in listed(page)] == [
        ("P03", True),
        ("P02", True),
        ("P01", False),
    ]
    assert infos(page)[0].startswith("sections.csv: names and sections of Untitled export")
    other = builders.sections_csv([("rec-x", "sec-x", "P09", "Eve")]).encode()
    page = drop(page, sections__csv=other)
    assert said(page)[0].startswith("sections.csv: it lists none of the recordings of Untitled")
    assert told_names(page) == ["P03", "P02", "P01"]


def test_several_pieces_at_once_go_to_the_study_that_waits_and_fixations_say_why_not():
    pieces = in_pieces()
    page = drop(app(), **pieces["gaze"])
    page = drop(page, **pieces["sect"], **pieces["refe"], **pieces["fixa"])
    assert (line(page), told_names(page)) == (ALL_COUNTED, ["P01", "P02"])
    assert len(bar(page).options) == 1
    (problem,) = said(page)
    assert problem.endswith(
        "Drop all files of the export at once: gaze.csv, fixations.csv, sections.csv and the "
        "picture."
    )


def test_the_zips_of_one_folder_join_at_once_and_one_after_the_other():
    files = builders.export_files()
    picture = {"Shelf/reference_image.jpeg": files.pop("reference_image.jpeg")}
    first = builders.write_zip(io.BytesIO(), {f"Shelf/{name}": x for name, x in files.items()})
    second = builders.write_zip(io.BytesIO(), picture)
    pieces = {"drive-1__zip": first.getvalue(), "drive-2__zip": second.getvalue()}
    for drops in ([pieces], [{name: data} for name, data in pieces.items()]):
        page = app()
        for each in drops:
            page = drop(page, **each)
        assert (line(page), said(page), len(bar(page).options)) == (ALL_COUNTED, [], 1)


def test_pieces_are_kept_within_the_limit_and_until_they_are_cleared(monkeypatch):
    pieces = in_pieces()
    page = drop(app(), **pieces["sect"])
    few = replace(gh.exports.LIMITS, kept_bytes=len(pieces["refe"]["reference_image__jpeg"]))
    monkeypatch.setattr("gazeheat_core.page.incoming.LIMITS", few)
    page = drop(page, **pieces["refe"])
    assert "is too large to be kept until the gaze comes" in said(page)[0]
    visit = page.session_state["visit"]
    assert [file.name for file in visit.kept.files] == ["sections.csv"]
    visit.forget()
    assert visit.kept.files == ()


def test_a_surface_without_a_picture_gets_a_plain_ground():
    page = drop(app(), wall__zip=builders.export_zip(kind=MM, size=None))
    check(page.number_input[0].set_value(4.0).run())
    check(page.number_input[1].set_value(3.0).run())
    page = click(page, "Use plain ground")
    assert line(page) == ALL_COUNTED


def test_the_ratio_that_the_scene_camera_saw_is_filled_in():
    head = [f"{corner} {axis} [px]" for corner in ("tl", "tr", "br", "bl") for axis in "xy"]
    frame = [0, 0, 500, 0, 500, 200, 0, 200]
    files = builders.export_files(kind=MM, size=None)
    corners = builders.lines(head, *[frame] * 60)
    files["surface_positions.csv"] = corners.encode()
    page = drop(app(), wall__zip=builders.write_zip(io.BytesIO(), files).getvalue())
    assert [one.value for one in page.number_input] == [2.5, 1.0]
    page = click(page, "Use plain ground")
    (opened,) = page.session_state["visit"].opened.values()
    assert opened.export.size() == (1500, 600)


def test_a_ratio_no_surface_has_is_explained():
    page = drop(app(), wall__zip=builders.export_zip(kind=MM, size=None))
    check(page.number_input[0].set_value(1000.0).run())
    check(page.number_input[1].set_value(0.1).run())
    page = click(page, "Use plain ground")
    assert "the longer at most 100 times the shorter" in page.error[0].value
    assert page.subheader[0].value == "Which picture was looked at?"


def test_gaze_in_pixels_is_offered_no_plain_ground():
    page = drop(app(), shelf__zip=builders.export_zip(size=None))
    assert not page.number_input


# --- Settings ------------------------------------------------------------------------


def shown_settings(page):
    return (
        page.slider(key="scale").value,
        page.slider(key="opacity").value,
        page.selectbox(key="colours").value,
    )


def test_settings_start_at_the_core_s_own():
    page = drop(app(), shelf__zip=builders.export_zip())
    look = gh.Look()
    assert shown_settings(page) == (look.scale, look.opacity, look.colormap) == (5.0, 0.8, "turbo")


def test_settings_come_from_the_address():
    page = drop(app(scale="12.5", opacity="0.35", colours="Viridis"), a__zip=builders.export_zip())
    assert shown_settings(page) == (12.5, 0.35, "viridis")


@pytest.mark.parametrize(
    "address",
    [
        {"scale": "999"},
        {"scale": "-1", "opacity": "2"},
        {"scale": "nan", "opacity": "nan"},
        {"scale": "inf", "opacity": "-inf"},
        {"scale": "", "opacity": "", "colours": ""},
        {"scale": "<script>", "opacity": "0.8'", "colours": "x"},
        {"scale": ["1", "2"], "colours": ["Jet", "Viridis"]},
        {"export": "7", "tick-0-0": "false", "visit": "x"},
    ],
    ids=str,
)
def test_settings_in_the_address_that_make_no_sense_are_passed_over(address):
    page = drop(app(**address), shelf__zip=builders.export_zip())
    scale, opacity, colours = shown_settings(page)
    assert 0 <= scale <= 20
    assert 0 <= opacity <= 1
    assert colours in gh.COLORMAPS
    if "scale" in address and not isinstance(address["scale"], list):
        assert scale in (5.0, 20.0, 0.0)
    assert line(page) == ALL_COUNTED


def test_reset_sets_every_setting_back():
    page = drop(app(scale="12.5", opacity="0.35", colours="Jet"), shelf__zip=builders.export_zip())
    assert shown_settings(click(page, "Reset")) == (5.0, 0.8, "turbo")


def test_settings_outlast_another_export():
    page = drop(app(), shelf__zip=builders.export_zip())
    check(page.slider(key="scale").set_value(9.0).run())
    page = drop(page, poster__zip=builders.export_zip(name="Poster"))
    assert shown_settings(page) == (9.0, 0.8, "turbo")


# --- Many recordings -----------------------------------------------------------------


def many(count, wearers=()):
    """An export of so many recordings, each with one sample; of these wearers, or of its own."""
    wearers = [*wearers, *(f"Wearer {i}" for i in range(len(wearers), count))]
    people = [(f"rec-{i}", f"sec-{i}", f"Person {i:03}", one) for i, one in enumerate(wearers)]
    rows = [Row(20.0, 15.0, True, f"rec-{i}", f"sec-{i}") for i in range(count)]
    return builders.export_zip(rows=rows, people=_quoted(people), fixations=None)


@pytest.mark.parametrize(("count", "filtered"), [(12, False), (13, True)])
def test_many_recordings_have_a_filter(count, filtered):
    page = drop(app(), study__zip=many(count))
    (known,) = told(page, "gazeheat_recordings")
    assert known["filtered"] == filtered
    assert listed(page)[7].find == "Person 007 Wearer 7 rec-7"


def test_a_wearer_with_several_recordings_makes_wearers_headings():
    page = drop(app(), study__zip=many(6, ["Ben", "", "Ada", "Ben", "Cem", ""]))
    (known,) = told(page, "gazeheat_recordings")
    # Those of no one come first, where no heading stands over them.
    assert known["groups"] == [
        {"wearer": "", "rows": [1, 5]},
        {"wearer": "Ben", "rows": [0, 3]},
        {"wearer": "Ada", "rows": [2]},
        {"wearer": "Cem", "rows": [4]},
    ]
    assert [row.wearer for row in listed(page)] == ["Ben", "", "Ada", "Ben", "Cem", ""]


@pytest.mark.parametrize("wearers", [["Ben", "Ada", "Cem"], ["", "", "Ada"]])
def test_without_such_a_wearer_the_recordings_keep_their_order(wearers):
    page = drop(app(), study__zip=many(3, wearers))
    (known,) = told(page, "gazeheat_recordings")
    assert known["groups"] == [{"wearer": "", "rows": [0, 1, 2]}]
    assert [row.wearer for row in listed(page)] == wearers


# --- Names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["P01", "2025-08-09_06:55:05", "Ada (left eye), 2nd try", "Größe 3/4 #2", "a_b_c.d"]
)
def test_a_box_is_called_what_the_recording_is_called(name):
    # A row's words are also what a screen reader says: they must carry no markup.
    people = [("rec-a", "sec-a", name, "W"), ("rec-b", "sec-b", "other", "V")]
    page = drop(app(), study__zip=builders.export_zip(people=_quoted(people)))
    first, _ = listed(page)
    assert (first.name, first.wearer, first.facts) == (name, "W", "0:00 · 60 %")
    assert first.details == "3 samples · 0:00 · 60 % of the total"


def _quoted(people):
    return [tuple(f'"{cell}"' for cell in person) for person in people]


# --- What a session holds ------------------------------------------------------------


def uploaded_bytes(page):
    """Files that Streamlit still keeps for the page's uploaders."""
    return [uploader.value for uploader in page.file_uploader if uploader.value]


def test_uploads_are_let_go_of_once_they_are_read(monkeypatch):
    removed = watch_removals(monkeypatch)
    page = drop(app(), shelf__zip=builders.export_zip(), bad__zip=b"PK no")
    assert len(removed) == 2
    assert not uploaded_bytes(page)


def test_a_picture_is_let_go_of_once_it_is_read(monkeypatch):
    page = drop(app(), shelf__zip=builders.export_zip(size=None))
    removed = watch_removals(monkeypatch)
    page.file_uploader[1].set_value([("p.png", builders.picture_bytes((40, 30), "PNG"), "")])
    page = check(page.run())
    assert len(removed) == 1
    assert not uploaded_bytes(page)


def watch_removals(monkeypatch):
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

    removed = []
    remove = MemoryUploadedFileManager.remove_file

    def watched(self, session_id, file_id):
        assert file_id in self.file_storage[session_id]
        remove(self, session_id, file_id)
        removed.append(file_id)

    monkeypatch.setattr(MemoryUploadedFileManager, "remove_file", watched)
    return removed


@pytest.mark.parametrize(
    "context",
    [None, SimpleNamespace(), SimpleNamespace(uploaded_file_mgr=SimpleNamespace(), session_id="")],
    ids=["no-context", "no-manager", "no-method"],
)
def test_the_page_works_where_uploads_cannot_be_let_go_of(monkeypatch, caplog, context):
    monkeypatch.setattr("gazeheat_core.page.incoming.get_script_run_ctx", lambda: context)
    page = drop(app(), shelf__zip=builders.export_zip())
    assert line(page) == ALL_COUNTED
    assert "uploads cannot be released before the session ends" in caplog.text


def picture_source(page):
    """Where the chart says that its picture is."""
    (chart,) = charts(page)
    (image,) = chart["layout"]["images"]
    return image["source"]


def test_the_empty_page_has_the_script_fetched_that_will_draw():
    (before,) = told(app(), "gazeheat_stage")
    assert re.fullmatch(r"script/plotly-[\w.]+\.js", before["script"])
    assert "figure" not in before
    (after,) = told(click(app(), "Try the sample"), "gazeheat_stage")
    assert after["script"] == before["script"]
    assert after["look"] == {**{"kind": "colours", "opacity": 0.8, "colours": "turbo", "bottom": 0}}
    assert set(after["scales"]) == set(gh.COLORMAPS)
    assert after["words"].startswith("Heatmap over the reference image of Shop shelf")
    assert after["figure"]["layout"]["dragmode"] == "zoom"


def test_the_picture_is_no_part_of_what_a_tick_sends():
    page = drop(app(), shelf__zip=builders.export_zip())
    source = picture_source(page)
    # A relative address, so that it holds behind a proxy too.
    assert re.fullmatch(r"lent/[\w-]{43}/picture", source)
    assert picture_source(tick(page, {1})) == source


def test_the_same_picture_has_another_address_for_everyone():
    mine, theirs = (drop(app(), shelf__zip=builders.export_zip()) for _ in range(2))
    assert picture_source(mine) != picture_source(theirs)


def test_two_sessions_share_nothing():
    mine, theirs = app(), app()
    mine = drop(mine, shelf__zip=builders.export_zip())
    assert line(mine) == ALL_COUNTED
    assert theirs.run().title[0].value == "Gazeheat"
    theirs = drop(theirs, poster__zip=builders.export_zip(name="Poster"))
    assert exports(theirs) == (["Poster"], "Poster")
    assert exports(check(mine.run())) == (["Shelf"], "Shelf")


def test_a_visit_is_forgotten_once_its_visitor_has_left():
    page = click(app(), "Try the sample")
    visit = page.session_state["visit"]
    loan = visit.opened[0].loan
    assert loan.maker("picture")().mime == "image/jpeg"
    visit.departures = 1
    Visitor(visit, "a session").forget(1)
    assert visit.opened == {}
    assert loan.maker("picture") is None
    # A connection that comes back finds the empty page, not an error.
    assert check(page.run()).title[0].value == "Gazeheat"


def test_a_visitor_who_left_again_gets_the_whole_time_once_more():
    page = click(app(), "Try the sample")
    visit = page.session_state["visit"]
    visit.departures = 2
    Visitor(visit, "a session").forget(1)
    assert len(visit.opened) == 1


def test_a_visitor_who_came_back_in_time_loses_nothing(monkeypatch):
    page = click(app(), "Try the sample")
    visit = page.session_state["visit"]
    visit.departures = 1
    monkeypatch.setattr("gazeheat_core.page.session.is_connected", lambda session_id: True)
    Visitor(visit, "a session").forget(1)
    assert len(visit.opened) == 1


# --- Studies on the server -----------------------------------------------------------


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A folder of the server with two studies, and one beside it that is none of its own."""
    folder = tmp_path / "library"
    (folder / "deep").mkdir(parents=True)
    builders.export_zip(folder / "Walk.zip")
    builders.export_zip(folder / "deep" / "Surface.zip", kind=MM)
    builders.export_zip(tmp_path / "Private.zip")
    (folder / "link.zip").symlink_to(tmp_path / "Private.zip")
    monkeypatch.setenv("GAZEHEAT_DATA", str(folder))
    # One worker, so that it is a thread of this process.
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    st.cache_resource.clear()
    yield folder
    st.cache_resource.clear()


def choose(page, file):
    """Choose a study on the server by the file it lies in."""
    (study,) = [option for option in page.selectbox[0].options if option.endswith(file)]
    check(page.selectbox[0].select(study).run())


def test_without_a_folder_the_page_does_not_mention_it(monkeypatch):
    monkeypatch.delenv("GAZEHEAT_DATA", raising=False)
    page = app()
    assert len(page.selectbox) == 0
    assert [b.label for b in page.button] == ["Try the sample"]


def test_studies_in_the_folder_are_listed_and_none_outside(library):
    (shelf,) = app().selectbox
    assert shelf.label == "Or a study on this server (2)"
    assert sorted(line.split(" · ")[-1] for line in shelf.options) == [
        "Walk.zip",
        "deep/Surface.zip",
    ]
    assert all(
        re.search(r"Mapper · 2 recordings · 0 MB · \d{4}-\d\d-\d\d", o) for o in shelf.options
    )


def test_a_study_on_the_server_is_counted_like_an_upload(library):
    page = app()
    choose(page, "Walk.zip")
    click(page, "Open study")
    assert line(page) == ALL_COUNTED
    (opened,) = page.session_state["visit"].opened.values()
    assert isinstance(opened.export, gh.Study)


def test_a_study_on_the_server_is_held_once_for_all_visitors(library):
    visits = []
    for _ in range(2):
        page = app()
        choose(page, "Walk.zip")
        click(page, "Open study")
        visits.append(page)
    one, other = (next(iter(p.session_state["visit"].opened.values())).export for p in visits)
    assert one is other
    # What one of them does is not the other's.
    tick(visits[0], {1})
    assert line(visits[0]) != line(visits[1]) == ALL_COUNTED


def test_a_study_with_a_turned_picture_keeps_its_samples_on_the_server_too(library):
    turned = builders.picture_bytes((30, 40), orientation=6)
    builders.export_zip(library / "Phone.zip", name="Phone", picture_data=turned)
    page = app()
    choose(page, "Phone.zip")
    click(page, "Open study")
    assert line(page) == ALL_COUNTED
    (opened,) = page.session_state["visit"].opened.values()
    assert isinstance(opened.export, gh.Study)
    assert opened.export.size() == (40, 30)


def test_a_study_that_is_gone_is_explained(library):
    page = app()
    choose(page, "Walk.zip")
    (library / "Walk.zip").unlink()
    click(page, "Open study")
    assert "not in the server's folder any more" in page.error[0].value


def test_the_study_that_was_chosen_is_opened_though_the_list_has_changed(library):
    page = app()
    choose(page, "Walk.zip")
    builders.export_zip(library / "Newer.zip", name="Newer", rows=[Row(1.0, 1.0)])
    server_studies.clear()  # as another visitor's look at the list, a minute later
    click(page, "Open study")
    assert line(page) == ALL_COUNTED


def test_a_chosen_study_that_left_the_list_is_not_replaced_by_another(library):
    page = app()
    choose(page, "Walk.zip")
    (library / "Walk.zip").unlink()
    server_studies.clear()
    (button,) = [button for button in page.button if button.label == "Open study"]
    page = check(button.click().run())
    assert not page.session_state["visit"].opened
    assert [one.label for one in page.selectbox] == ["Or a study on this server (1)"]


def test_a_chosen_study_that_became_unreadable_is_explained(library):
    page = app()
    choose(page, "Walk.zip")
    (library / "Walk.zip").write_bytes(b"PK nothing")
    click(page, "Open study")
    (error,) = page.error
    assert "the ZIP is damaged or incomplete" in error.value


def test_a_chosen_study_whose_table_changed_is_explained(library):
    page = app()
    choose(page, "Walk.zip")
    nothing = {f"{builders.folder_name()}/gaze.csv": b"a,b\n1,2\n"}
    builders.write_zip(library / "Walk.zip", nothing)
    click(page, "Open study")
    (error,) = page.error
    assert error.value.endswith(
        "columns that are not known here\\: 'a', 'b'. Drop it here to say which hold the positions."
    )


def test_a_study_replaced_by_one_without_its_folder_is_explained(library):
    page = app()
    choose(page, "Walk.zip")
    builders.write_zip(library / "Walk.zip", {"elsewhere/notes.txt": b"hello"})
    click(page, "Open study")
    (words,) = said(page)
    assert words.startswith("Shelf: it does not lie in Walk.zip any more.")


def test_one_of_several_stimuli_of_a_table_is_opened(library, tmp_path, monkeypatch):
    monkeypatch.setenv("GAZEHEAT_CACHE", str(tmp_path / "kept"))
    folder = library / "screen"
    folder.mkdir()
    columns = ["RecordingTimestamp", "RecordingName", "MediaName", "GazePointX (MCSpx)"]
    rows = [[*columns, "GazePointY (MCSpx)"]]
    rows += [[8 * i, "ada", media, 10, 5] for i, media in enumerate(["a.png", "b.png", "b.png"])]
    (folder / "study.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(builders.picture_bytes((40, 30), "PNG"))
    # The second time, the studies come from the cache.
    for _ in range(2):
        st.cache_resource.clear()
        for name, counted in (("a", "1 sample"), ("b", "2 samples")):
            page = app()
            (study,) = [one for one in page.selectbox[0].options if one.startswith(f"{name} · ")]
            check(page.selectbox[0].select(study).run())
            click(page, "Open study")
            assert line(page).startswith(f"**{counted} of 1 recording**")


def test_names_that_are_no_utf8_hide_nothing(library):
    odd = os.fsencode(library) + b"/K\xfcche"
    os.mkdir(odd)
    builders.export_zip(Path(os.fsdecode(odd)) / "Tisch.zip", name="Tisch")
    page = app()
    assert page.selectbox[0].label == "Or a study on this server (3)"
    (study,) = [one for one in page.selectbox[0].options if one.endswith("/Tisch.zip")]
    assert study.encode()
    check(page.selectbox[0].select(study).run())
    click(page, "Open study")
    assert line(page) == ALL_COUNTED


def test_a_study_that_cannot_be_read_hides_no_other(library):
    (library / "Broken.zip").write_bytes(b"PK nothing")
    (library / "gone.zip").symlink_to(library / "nowhere")
    assert app().selectbox[0].label == "Or a study on this server (2)"


def test_a_folder_that_is_not_there_is_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("GAZEHEAT_DATA", str(tmp_path / "nowhere"))
    assert "GAZEHEAT_DATA" in app().error[0].value


def test_kept_histograms_open_a_study_without_reading(library, tmp_path, monkeypatch):
    monkeypatch.setenv("GAZEHEAT_CACHE", str(tmp_path / "kept"))
    for _ in range(2):
        page = app()
        choose(page, "Walk.zip")
        click(page, "Open study")
        assert line(page) == ALL_COUNTED
        # From now on, nothing can be read.
        monkeypatch.setattr("gazeheat_core.parallel.read_part", None)
