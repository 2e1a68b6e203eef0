"""The sample study, read with csv and numpy alone: it has to be an export like any other."""

import csv
import io
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from gazeheat_core.sample import sample_zip
from gazeheat_core.sample.shelf import SHELF, SIZE_PX, draw_shelf, place_products

FOLDER = "Gazeheat sample_REFERENCE-IMAGE-MAPPER_Shop shelf_csv"
X = "gaze position in reference image x [px]"
Y = "gaze position in reference image y [px]"
FLAG = "gaze detected in reference image"


@pytest.fixture(scope="module")
def packed():
    return sample_zip()


@pytest.fixture(scope="module")
def files(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


def read_rows(files, name):
    text = files[f"{FOLDER}/{name}"].decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture(scope="module")
def sections(files):
    return read_rows(files, "sections.csv")


@pytest.fixture(scope="module")
def gaze(files):
    return read_rows(files, "gaze.csv")


@pytest.fixture(scope="module")
def fixations(files):
    return read_rows(files, "fixations.csv")


@pytest.fixture(scope="module")
def outside(gaze):
    """Whether each row has a position, and that beside the picture."""
    x, y = (np.array([float(row[axis] or "nan") for row in gaze]) for axis in (X, Y))
    return (x < 0) | (x > 2000) | (y < 0) | (y > 1500)


@pytest.fixture(scope="module")
def detected(gaze):
    return np.array([row[FLAG] == "true" for row in gaze])


def test_every_call_makes_the_same_bytes(packed):
    assert sample_zip() == packed


def test_the_zip_holds_one_folder_as_downloaded(files):
    assert list(files) == [
        f"{FOLDER}/enrichment_info.txt",
        f"{FOLDER}/sections.csv",
        f"{FOLDER}/gaze.csv",
        f"{FOLDER}/fixations.csv",
        f"{FOLDER}/reference_image.jpeg",
    ]
    assert files[f"{FOLDER}/enrichment_info.txt"].startswith(b"reference-image-mapper export\n")


def test_the_picture_is_a_jpeg_of_a_size_fit_for_the_web(files):
    data = files[f"{FOLDER}/reference_image.jpeg"]
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (2000, 1500))
    assert len(data) < 600_000


@pytest.mark.parametrize(
    ("name", "header"),
    [
        (
            "sections.csv",
            "section id,recording id,recording name,wearer id,wearer name,"
            "section start time [ns],section end time [ns],start event name,end event name",
        ),
        (
            "gaze.csv",
            "section id,recording id,timestamp [ns],gaze detected in reference image,"
            "gaze position in reference image x [px],gaze position in reference image y [px],"
            "fixation id,blink id",
        ),
        (
            "fixations.csv",
            "section id,recording id,fixation id,start timestamp [ns],end timestamp [ns],"
            "duration [ms],fixation detected in reference image,fixation x [px],fixation y [px]",
        ),
    ],
)
def test_the_columns_are_those_of_a_download(files, name, header):
    assert files[f"{FOLDER}/{name}"].decode().split("\n")[0] == header


def test_four_wearers_with_one_section_each(sections):
    assert [(row["recording name"], row["wearer name"]) for row in sections] == [
        ("P01", "Ada"),
        ("P02", "Ben"),
        ("P03", "Cem"),
        ("P04", "Dia"),
    ]
    for column in ("section id", "recording id", "wearer id"):
        assert len({row[column] for row in sections}) == 4
    events = {(row["start event name"], row["end event name"]) for row in sections}
    assert events == {("recording.begin", "recording.end")}


def test_every_row_belongs_to_a_section(sections, gaze, fixations):
    known = {(row["section id"], row["recording id"]) for row in sections}
    for table in (gaze, fixations):
        assert {(row["section id"], row["recording id"]) for row in table} == known
    rows = Counter(row["recording id"] for row in gaze)
    assert all(6_000 <= count <= 10_000 for count in rows.values())


def test_time_runs_forward_at_200_hz_within_the_section(sections, gaze):
    for section in sections:
        its = [row for row in gaze if row["recording id"] == section["recording id"]]
        timestamp_ns = np.array([int(row["timestamp [ns]"]) for row in its])
        step_ns = np.diff(timestamp_ns)
        assert step_ns.min() > 0
        assert np.median(step_ns) == pytest.approx(5_000_000, abs=5_000)
        assert step_ns.std() > 0
        assert int(section["section start time [ns]"]) <= timestamp_ns[0]
        assert timestamp_ns[-1] <= int(section["section end time [ns]"])


def test_most_gaze_is_detected_and_some_of_it_beside_the_picture(gaze, detected, outside):
    assert {row[FLAG] for row in gaze} == {"true", "false"}
    assert 0.85 <= detected.mean() <= 0.98
    assert 0 < (detected & outside).sum() < 0.01 * len(gaze)
    assert (~detected & outside).sum() > 0


def test_positions_are_empty_only_where_nothing_was_detected(gaze):
    empty = [row for row in gaze if not row[X]]
    assert 0.02 <= len(empty) / len(gaze) <= 0.06
    assert {(row[Y], row[FLAG]) for row in empty} == {("", "false")}


def test_positions_have_three_decimals(gaze):
    assert {len(row[axis].partition(".")[2]) for row in gaze for axis in (X, Y)} == {0, 3}


def test_blinks_have_no_position_and_are_no_fixation(gaze):
    blinks = [row for row in gaze if row["blink id"]]
    assert len(blinks) > 100
    assert {(row[X], row["fixation id"]) for row in blinks} == {("", "")}


def test_a_fixation_lasts_from_its_start_to_its_end(fixations):
    for row in fixations:
        span_ns = int(row["end timestamp [ns]"]) - int(row["start timestamp [ns]"])
        assert int(row["duration [ms]"]) == span_ns // 1_000_000
    durations_ms = [int(row["duration [ms]"]) for row in fixations]
    assert 140 <= min(durations_ms) < 200
    assert 400 < max(durations_ms) <= 500


def test_gaze_of_a_fixation_lies_in_its_span_and_around_its_position(gaze, fixations):
    of_fixation = {}
    for row in gaze:
        if row["fixation id"]:
            of_fixation.setdefault((row["recording id"], row["fixation id"]), []).append(row)
    assert list(of_fixation) == [(row["recording id"], row["fixation id"]) for row in fixations]
    for fixation, rows in zip(fixations, of_fixation.values(), strict=True):
        timestamps_ns = [int(row["timestamp [ns]"]) for row in rows]
        assert timestamps_ns[0] == int(fixation["start timestamp [ns]"])
        assert timestamps_ns[-1] == int(fixation["end timestamp [ns]"])
        x = [float(row[X]) for row in rows if row[X]]
        assert (fixation["fixation x [px]"] == "") == (not x)
        if x:
            assert float(fixation["fixation x [px]"]) == pytest.approx(np.mean(x), abs=0.001)
            assert np.std(x) < 30


def test_saccades_are_fast_but_not_instant(gaze):
    x = np.array([float(row[X] or "nan") for row in gaze])
    recording = np.array([row["recording id"] for row in gaze])
    step_px = np.abs(np.diff(x))[recording[1:] == recording[:-1]]
    assert 50 < np.nanmax(step_px) < 400
    assert np.nanmedian(step_px) < 5


def test_each_wearer_has_a_place_of_their_own(sections, gaze, detected):
    favourites = {"Ada": "MUESLI", "Ben": "COFFEE", "Cem": "TUNA", "Dia": "TONIC"}
    boxes = {}
    for group in place_products():
        xs, ys = zip(*group.corners_px(), strict=True)
        width, height = group.product.size_px
        boxes[group.product.name] = (min(xs), min(ys), max(xs) + width, max(ys) + height)
    for section in sections:
        kept = [
            (float(row[X]), float(row[Y]))
            for row, flag in zip(gaze, detected, strict=True)
            if flag and row["recording id"] == section["recording id"]
        ]
        x, y = np.array(kept).T
        looked = {
            name: int(((x > left) & (x < right) & (y > top) & (y < bottom)).sum())
            for name, (left, top, right, bottom) in boxes.items()
        }
        assert max(looked, key=looked.get) == favourites[section["wearer name"]]


def test_products_stand_side_by_side_inside_the_picture():
    placed = place_products()
    assert [group.product for group in placed] == [p for board in SHELF for p in board]
    boxes = [
        (x, y, x + group.product.size_px[0], y + group.product.size_px[1])
        for group in placed
        for x, y in group.corners_px()
    ]
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert 0 < left < right < SIZE_PX[0]
        assert 0 < top < bottom < SIZE_PX[1]
        for other in boxes[i + 1 :]:
            apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
            assert apart


def test_the_picture_is_drawn_where_the_products_are_placed():
    picture = draw_shelf()
    coffee = next(group for group in place_products() if group.product.name == "COFFEE")
    x, y = coffee.corners_px()[0]
    left_of_it, on_it = picture.getpixel((x - 14, y + 60)), picture.getpixel((x + 14, y + 60))
    assert min(left_of_it) > 120  # the pale back panel
    assert max(on_it) < 90  # the dark packet
