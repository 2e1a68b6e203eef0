"""Gaze in pixels without a picture: a plain ground of the screen, for all but Pupil Cloud."""

import io
import json

import numpy as np
import pytest

from gazeheat_core.cli import main
from gazeheat_core.page.missing import likely_screen, shape_of
from tests import builders
from tests.test_app import app, click, drop, line

# A common screen is 1280 × 1024 px; most of the gaze lies in its middle.
PLACES = [(640.0, 512.0)] * 38 + [(1250.0, 1000.0)] * 2


def studio(places=PLACES):
    columns = ["RecordingTimestamp", "RecordingName", "MediaName", "GazePointX (MCSpx)"]
    rows = [[*columns, "GazePointY (MCSpx)"]]
    rows += [[8 * i, "ada", "shelf.png", x, y] for i, (x, y) in enumerate(places)]
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def run(capsys, *arguments):
    status = main([*map(str, arguments)])
    said = capsys.readouterr()
    return status, [json.loads(one) for one in said.out.splitlines()], said.err


def test_a_ratio_is_the_size_of_the_screen(tmp_path, capsys):
    table = tmp_path / "study.tsv"
    table.write_text(studio())
    given = (table, "--out", tmp_path / "images", "--ratio")
    status, (told,), _ = run(capsys, *given, "1280:1024")
    assert (status, told["image_size"]) == (0, {"width": 1280, "height": 1024})
    assert told["recordings"][0]["used"] == 40
    peak = told["maximum"]["x"], told["maximum"]["y"]
    np.testing.assert_allclose(peak, (640, 512), atol=1280 / 300)
    status, _, said = run(capsys, *given, "16:9")
    assert status == 2
    assert "The ground is 16 × 9 px, but the gaze reaches 1,250 × 1,000 px: only 0 of 40" in said
    status, _, said = run(capsys, *given, "1280.5:1024")
    assert "Give the width and height of the screen or picture in whole pixels" in said
    status, _, said = run(capsys, table, "--out", tmp_path / "images")
    assert (status, "Pupil Cloud" in said) == (2, False)
    assert "or the size of the screen or picture in pixels. --image FILE gives a picture" in said


def test_pixels_of_a_mapped_picture_need_that_picture(tmp_path, capsys):
    folder = builders.export_folder(tmp_path / "Shelf", size=None)
    status, _, said = run(capsys, folder, "--out", tmp_path / "images", "--ratio", "40:30")
    assert status == 2
    assert "its gaze is in pixels of the reference image, so a ratio is not enough" in said


@pytest.mark.parametrize(
    ("reach", "screen"),
    [((0, 0), (800, 600)), ((1250, 1000), (1280, 1024)), ((1900, 1000), (1920, 1080))],
)
def test_the_next_common_screen_is_proposed(reach, screen):
    assert likely_screen(reach) == screen


def test_a_known_frame_proposes_its_shape():
    assert shape_of((0, 0, 1920, 1080)) == (1920, 1080)
    assert shape_of((0, 1, 1, 0)) == shape_of(None) == (16, 9)


def test_the_page_offers_a_ground_of_the_screen_s_size():
    page = drop(app(), study__zip=zipped({"study.tsv": studio()}))
    assert [one.value for one in page.number_input] == [1280, 1024]
    page = click(page, "Use plain ground")
    assert line(page).startswith("**40 samples of 1 recording**")
    page = drop(app(), shelf__zip=builders.export_zip(size=None))
    assert [one.label for one in page.number_input] == []


def zipped(files):
    return builders.write_zip(io.BytesIO(), files).getvalue()
