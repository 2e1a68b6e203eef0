"""What the browser is told of sections, and what it may say of them."""

import io

import pytest
import streamlit as st

import gazeheat_core as gh
from gazeheat_core.page import recordings
from gazeheat_core.page.session import Opened, Visit
from tests import builders
from tests.builders import FIRST_NS, Row

SHELF, TASK = ("recording.begin", "shelf"), ("task.start", "task.end")


def opened(*recordings_events, seconds=1):
    """An open study: for each recording the events of its sections, each of so many seconds."""
    people, rows = [], []
    for i, events in enumerate(recordings_events):
        for place, pair in enumerate(events):
            section = f"sec-{i}-{place}"
            people.append((f"rec-{i}", section, f"P{i + 1}", f"Wearer {i}", *pair))
            start_ns = FIRST_NS + (100 * i + 10 * place) * 10**9
            for moment_ns in (start_ns, start_ns + (seconds + place) * 10**9):
                rows.append(Row(20.0, 15.0, True, f"rec-{i}", section, moment_ns))
    data = builders.export_zip(rows=rows, people=people, fixations=None)
    (export,) = gh.read_exports(gh.Upload("study.zip", io.BytesIO(data)))
    return Opened(7, export)


THREE = ([SHELF, TASK, TASK], [TASK], [TASK, SHELF])


def said_by_browser(monkeypatch, study, **message):
    """Take what a browser says is ticked."""
    message = {"study": study.number, "generation": study.generation, **message}
    state = {recordings.KEY: {"ticked": message}, "visit": Visit(opened={study.number: study})}
    monkeypatch.setattr(st, "session_state", state)
    recordings.take_ticks()
    return study.ticked, study.sections


def test_recordings_of_one_section_each_tell_nothing_of_sections():
    assert recordings.told(opened([TASK], [SHELF]))["sections"] is None


def test_sections_are_told_by_pairs_of_events_that_stand_once():
    assert recordings.told(opened(*THREE, seconds=65))["sections"] == {
        "events": [SHELF, TASK],
        "of": [[0, 1, 1], [1], [1, 0]],
        "seconds": [[65, 66, 67], [65], [65, 66]],
        "partial": [],
    }


def test_sections_that_are_ticked_in_part_are_taken_told_and_selected(monkeypatch):
    study = opened(*THREE)
    assert study.selection_sections() is None
    said_by_browser(monkeypatch, study, ticked=[0, 2], sections=[[2, [1]], [0, [2, 0]]])
    assert (study.ticked, study.sections) == ({0, 2}, {0: {0, 2}, 2: {1}})
    known = recordings.told(study)
    assert known["ticked"] == [0, 2]
    assert known["sections"]["partial"] == [[0, [0, 2]], [2, [1]]]
    assert known["said"].startswith("2 of 3 recordings (3 of 6 sections), ")
    # A recording without a tick stays as it is asked for: ticking it asks for nothing else.
    assert study.selection_sections() == {(0, 0), (0, 2), (1, 0), (2, 1)}
    said_by_browser(monkeypatch, study, ticked=[0, 1])
    assert study.sections == {}
    assert study.selection_sections() is None


def test_what_the_server_ticks_is_whole():
    study = opened(*THREE)
    study.sections = {0: {1}}
    study.tick([0, 1])
    assert (study.ticked, study.sections) == ({0, 1}, {})


@pytest.mark.parametrize(
    "sections",
    [
        None,
        {"0": [1]},
        [0],
        [[0]],
        [[0, [1], [2]]],
        [[0, 1]],
        [[0, []]],
        [[0, [0, 1, 2]]],
        [[0, [3]]],
        [[0, [-1]]],
        [[0, [True]]],
        [[0, [1.0]]],
        [[0, ["1"]]],
        [[True, [0]]],
        [[[0], [1]]],
        [[1, [0]]],
        [[2, [0]]],
        [[9, [0]]],
        [[0, [1]], [0, [2]]],
    ],
    ids=str,
)
def test_a_message_whose_sections_make_no_sense_ticks_nothing(monkeypatch, sections):
    # Recording 1 has one section only; recording 2 is not ticked in the message.
    study = opened(*THREE)
    message = {"ticked": [0, 1], "sections": sections}
    assert said_by_browser(monkeypatch, study, **message) == ({0, 1, 2}, {})
