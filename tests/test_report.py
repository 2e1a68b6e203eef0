"""Sentences about heatmaps."""

from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from types import SimpleNamespace

import numpy as np
import pytest

import gazeheat_core as gh
from gazeheat_core.library import ServerStudy
from gazeheat_core.report import (
    counted,
    described,
    dominance,
    further_wearer,
    meaning,
    recording_lines,
    server_study_line,
)
from tests.builders import RIM, Row, export_zip

SIZE = (40, 30)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Two recordings with the counts of `builders.ROWS`."""
    (read,) = gh.read_exports(export_zip(tmp_path_factory.mktemp("report") / "shelf.zip"))
    return gh.track_export(read)


def histogram(used=3, duration_ns=0, label="P01", wearer=""):
    counts = gh.Counts(used=used)
    return SimpleNamespace(
        counts=counts, amount=used, duration_ns=duration_ns, label=label, wearer=wearer
    )


def pooled(export, *positions):
    return gh.make_heatmap([gh.select(export)[i] for i in positions], SIZE)


# ---------------------------------------------------------------- what was counted


def test_every_row_is_in_the_line_of_counts(export):
    assert counted(export, pooled(export, 0, 1)) == (
        "**5 samples of 2 recordings** · 1 outside · 1 undetected · 2 unreadable = 9 rows"
    )
    assert counted(export, pooled(export, 1)) == (
        "**2 samples of 1 recording** · 0 outside · 0 undetected · 2 unreadable"
        " · 5 not ticked = 9 rows"
    )


def test_no_tick_is_said_with_what_to_do(export):
    assert counted(export, pooled(export)) == (
        "No recording is ticked, so the picture is bare. "
        "Tick one to see where its wearer looked. The file has 9 rows."
    )


def test_rows_of_no_recording_are_in_the_line_of_counts(export):
    assert counted(replace(export, unassigned_rows=1_007), pooled(export, 0, 1)) == (
        "**5 samples of 2 recordings** · 1 outside · 1 undetected · 2 unreadable"
        " · 1,007 of no recording = 1,016 rows"
    )


@pytest.mark.parametrize(
    ("recording", "share", "facts", "details"),
    [
        ((1, 0), 1.0, "0:00 · 100 %", "1 sample · 0:00 · 100 % of the total"),
        (
            (1200, 61_400_000_000),
            0.256,
            "1:01 · 26 %",
            "1,200 samples · 1:01 · 26 % of the total",
        ),
        ((0, 59_600_000_000), None, "not counted", "0 samples · 1:00 · not counted"),
        ((2, 6000 * 10**9), 0.0, "100:00 · 0 %", "2 samples · 100:00 · 0 % of the total"),
    ],
)
def test_a_recording_s_facts(recording, share, facts, details):
    assert recording_lines([histogram(*recording)], [share]) == ([facts], [details])


@pytest.mark.parametrize(
    ("label", "wearer", "told"),
    [
        ("P01", "Ada", "Ada"),
        ("P01", "", ""),
        ("Ada", "Ada", ""),
        ("Walk · Ada", "Ada", ""),
        ("Walk · Adam", "Ada", "Ada"),
    ],
)
def test_a_wearer_is_told_where_the_label_does_not(label, wearer, told):
    assert further_wearer(histogram(label=label, wearer=wearer)) == told


# ---------------------------------------------------------------- the chart in words


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((1.0, 1.0), "on the left, at the top: x 1 px, y 1 px"),
        ((20.0, 15.0), "in the middle, halfway down: x 20 px, y 15 px"),
        ((39.0, 29.0), "on the right, at the bottom: x 39 px, y 29 px"),
    ],
)
def test_the_longest_gaze_is_told_where_it_is(tmp_path, place, words):
    given = export_zip(tmp_path / "one.zip", [Row(*place)] * 3, people=None, fixations=None)
    (read,) = gh.read_exports(given)
    heatmap = gh.make_heatmap(gh.bin_recordings(read), SIZE, 0)
    assert described("Shelf", SIZE, heatmap) == (
        "Heatmap over the reference image of Shelf, from 3 samples of 1 recording. "
        f"The longest gaze is {words}. Half the longest or more covers 0 % of the picture."
    )


def test_a_bare_picture_is_told_as_one(export):
    words = "The reference image of Shelf, without a heatmap."
    assert described("Shelf", SIZE, pooled(export)) == words


# ---------------------------------------------------------------- what 100 % stands for


@pytest.mark.parametrize(
    ("peak", "scale", "words"),
    [
        (
            gh.Peak(112, 150, 2480.4, 0.2, 12.402),
            5,
            "12.4 s of gaze within the blur, at x 20, y 15 px.",
        ),
        (gh.Peak(0, 299, 2.0, 0.2, 0.01), 0, "0.0100 s of gaze in one bin, at x 40, y 0 px."),
        (
            gh.Peak(224, 0, 2480.4, 0.2, None),
            5,
            "2,480 samples of gaze within the blur, at x 0, y 30 px (the file's times do not tell "
            "seconds).",
        ),
    ],
)
def test_the_meaning_of_100_percent(peak, scale, words):
    heatmap = gh.Heatmap(np.zeros((225, 300)), gh.Counts(used=3), 1, scale, peak)
    assert meaning(heatmap, SIZE) == f"100 % = {words}"


def test_a_bare_picture_has_no_meaning(export):
    assert meaning(pooled(export), SIZE) == ""


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ([60, 40], "P01 alone supplies 60 % of the samples."),
        ([20, 10, 70], "P03 alone supplies 70 % of the samples."),
        ([50, 50], ""),
        ([100], ""),
        ([0, 0], ""),
        ([], ""),
    ],
)
def test_a_recording_that_supplies_most_is_named(used, words):
    chosen = [histogram(count, label=f"P0{i + 1}") for i, count in enumerate(used)]
    assert dominance(chosen) == words


def test_a_name_is_written_as_the_place_wants_it():
    chosen = [histogram(count, label=f"P0{count}") for count in (1, 3)]
    assert dominance(chosen, "<{}>".format) == "<P03> alone supplies 75 % of the samples."


# ---------------------------------------------------------------- studies on the server


@pytest.mark.parametrize(
    ("count", "said"), [(12, " · 12 recordings"), (1, " · 1 recording"), (None, "")]
)
def test_a_study_on_the_server_is_one_line(count, said):
    study = ServerStudy(
        path=PurePosixPath("2026/a\x1b.zip"),
        inside=PurePosixPath("."),
        name="Shelf",
        kind=RIM,
        recordings=count,
        size_bytes=1_234_567_890,
        modified_s=datetime(2026, 3, 14, 12).timestamp(),
    )
    assert server_study_line(study) == (
        f"Shelf · Reference Image Mapper{said} · 1,235 MB · 2026-03-14 · 2026/a\ufffd.zip"
    )
