"""Fixations corrected by hand, against a dict of lists: any ids, any order, any parts."""

import io
import math
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.cache import StudyCache
from gazeheat_core.corrections import PlaceSums, add_up, compare, place
from gazeheat_core.exports import Limits, find_exports, open_source, read_export, read_study
from tests.builders import (
    MM,
    RIM,
    Fixation,
    Row,
    export_files,
    export_folder,
    picture_bytes,
    write_zip,
)
from tests.test_parallel import binned_in_parts

# Corrected is farther than 2 px; the height is 500 px.
SIZE = (1000, 500)
PICTURE = picture_bytes(SIZE)


def samples(fixation, *places, **more):
    return [Row(float(x), float(y), fixation=fixation, **more) for x, y in places]


def corrections(study):
    return [
        (one.fixations_compared, one.fixations_corrected, one.fixations_mirrored)
        for recording in study.recordings
        for one in recording.sections
    ]


def read_all_ways(files, limits=None):
    """What a study over its picture says, and one of positions."""
    upload = gh.Upload("study.zip", io.BytesIO(write_zip(io.BytesIO(), files).getvalue()))
    with open_source(upload, limits or Limits()) as opened:
        (found,), _ = find_exports(opened)
        tracked, held = read_study(found), gh.track_export(read_export(found))
    assert corrections(tracked) == corrections(held)
    return corrections(tracked)


@pytest.mark.parametrize("kind", [RIM, MM])
def test_one_corrected_fixation_among_three(kind):
    rows = [
        *samples(7, (99, 50), (101, 50)),
        *samples("", (900, 499)),
        *samples(8, (200, 100), (210, 100), (220, 130)),
        *samples(9, (1200, 60), (400, 60)),  # one beside the picture counts as well
    ]
    fixations = [
        Fixation(7, 100.0, 50.0),
        Fixation(8, 250.0, 110.0),  # 40 px right of its samples
        Fixation(9, 800.0, 60.0),
    ]
    assert read_all_ways(export_files(rows, fixations=fixations, kind=kind, size=SIZE)) == [
        (3, 1, 0)
    ]


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (100.0, 50.0, (1, 0, 0)),
        (102.0, 50.0, (1, 0, 0)),  # as far as may be
        (102.25, 50.0, (1, 1, 0)),
        (100.0, 450.0, (1, 1, 1)),  # 500 − 50
        (100.0, 251.0, (1, 1, 0)),  # 201 px from here, 199 from there: no difference of 5
        (100.0, 252.5, (1, 1, 1)),
    ],
)
def test_how_far_a_fixation_lies_from_its_samples(x, y, expected):
    rows = samples(1, (100, 49), (100, 51))
    assert read_all_ways(export_files(rows, fixations=[Fixation(1, x, y)], size=SIZE)) == [expected]


def test_what_is_not_compared():
    rows = [
        *samples(1, (100, 50)),
        *samples(2, (100, 50), detected="perhaps"),
        *samples("three", (100, 50)),
        *samples(5, (100, 50)),
        *samples(7, (100, 50), section="sec-b"),
    ]
    fixations = [
        Fixation(1, 100.0, 50.0, detected=False),
        Fixation(2, 100.0, 50.0),  # its sample cannot be read
        Fixation("three", 100.0, 50.0),
        Fixation(4, 100.0, 50.0),  # without samples
        Fixation(5, 1.0, 50.0),
        Fixation(5, 1.0, 50.0),  # again
        Fixation(7, 100.0, 50.0),  # of another section
        Fixation(7, 1.0, 50.0, section="sec-z"),  # of one without gaze
    ]
    files = export_files(rows, fixations=fixations, size=SIZE, people=None)
    assert read_all_ways(files) == [(1, 1, 0), (0, 0, 0)]
    # Gaze that was not said to be on the surface has a position too.
    unflagged = samples(1, (100, 50), detected=False)
    files = export_files([*rows[:1], *unflagged], fixations=[Fixation(1, 100.0, 50.0)], size=SIZE)
    assert read_all_ways(files) == [(1, 0, 0)]
    assert read_all_ways(files | {"fixations.csv": b""}) == [(0, 0, 0)]


def test_with_more_fixations_than_there_may_be_none_is_compared(tmp_path):
    rows = [row for n in range(3) for row in samples(n, (100, 50))]
    fixations = [Fixation(n, 100.0, 50.0) for n in range(3)]
    files = export_files(rows, fixations=fixations, size=SIZE)
    assert read_all_ways(files, Limits(fixations=3)) == [(3, 0, 0)]
    assert read_all_ways(files, Limits(fixations=2)) == [(0, 0, 0)]


# ---------------------------------------------------------------- any ids, order and parts

IDS = st.sampled_from([0, 1, 2, -3, 2**53 + 1, 2**53, 2**63 - 1, 1 - 2**63]) | st.integers(
    1 - 2**63, 2**63 - 1
)
# Steps of an eighth are whole numbers here, so that a sum of floats is exact as well.
AXIS = st.integers(-4000, 12_000).map(lambda eighths: eighths / 8)


@st.composite
def tables(draw):
    """Samples and stated places of a few fixations: section, id, x, y."""
    ids = draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    key = st.tuples(st.integers(0, 2), st.sampled_from(ids))
    gaze = draw(st.lists(st.tuples(key, AXIS, AXIS), max_size=30))
    near = [*gaze, ((0, ids[0]), 100.0, 50.0)]
    moved = st.builds(
        lambda one, x, y, mirrored: (
            one[0],
            one[1] + x,
            (500 - one[2] if mirrored else one[2]) + y,
        ),
        st.sampled_from(near),
        st.sampled_from([0, 1, 2, 40]),
        st.sampled_from([0, 1]),
        st.booleans(),
    )
    stated = draw(st.lists(moved, max_size=6, unique_by=lambda one: one[0]))
    return gaze, stated


def plain(gaze, stated):
    """Compared, corrected and mirrored of three sections, one fixation after the other."""
    lists = {}
    for key, x, y in gaze:
        lists.setdefault(key, []).append((x, y))
    counts = [[0, 0, 0] for _ in range(3)]
    for key, x, y in stated:
        if key in lists:
            mean_x, mean_y = (sum(axis) / len(axis) for axis in zip(*lists[key], strict=True))
            apart = math.hypot(x - mean_x, y - mean_y)
            count = counts[key[0]]
            count[0] += 1
            count[1] += apart > 0.002 * 1000
            count[2] += apart - math.hypot(x - mean_x, y - (500 - mean_y)) >= 0.01 * 500
    return [tuple(count) for count in counts]


def placed(rows):
    section, fixation = (np.array([key[i] for key, _, _ in rows], np.int64) for i in (0, 1))
    x, y = (np.array([row[i] for row in rows], float) for i in (1, 2))
    return place(section, fixation, x, y, None)


@given(tables(), st.randoms(), st.lists(st.integers(0, 30), max_size=4))
def test_any_order_and_any_parts_give_the_plain_count(drawn, random, cuts):
    gaze, stated = drawn
    whole = add_up([placed(gaze)])
    frame = (0.0, 0.0, 1000.0, 500.0)
    counted = compare(add_up([placed(stated)]), whole, 3, None, frame)
    assert counted == plain(gaze, stated)
    shuffled = random.sample(gaze, len(gaze))
    bounds = [0, *sorted(min(cut, len(gaze)) for cut in cuts), len(gaze)]
    # Each part numbers its sections anew, as they come.
    total, numbers = PlaceSums(100), {0: 2, 1: 0, 2: 1}
    for start, stop in pairwise(bounds):
        part = PlaceSums(100)
        part.add(placed([((numbers[s], id), x, y) for (s, id), x, y in shuffled[start:stop]]))
        total.add_all(part, np.array([1, 2, 0]))
    for mine, other in zip(total.result(), whole, strict=True):
        np.testing.assert_array_equal(mine, other)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.integers(200, 2000))
def test_files_in_any_parts_and_the_cache_give_the_plain_count(drawn, part_bytes):
    gaze, stated = drawn
    rows = [Row(x, y, section=f"s{key[0]}", fixation=key[1]) for key, x, y in gaze]
    # Each section has gaze, half of all lies on the picture, and the first comes first.
    on_it = [Row(500.0, 250.0, section=f"s{n}") for n in range(3) for _ in range(len(gaze) + 1)]
    fixations = [Fixation(key[1], x, y, section=f"s{key[0]}") for key, x, y in stated]
    options = {
        "rows": [*on_it, *rows],
        "fixations": fixations,
        "picture_data": PICTURE,
        "people": None,
    }
    expected = plain(gaze, stated)
    assert read_all_ways(export_files(**options)) == expected
    with TemporaryDirectory() as home:
        folder, kept = export_folder(Path(home) / "Shelf", **options), StudyCache(Path(home) / "k")
        for _ in range(2):
            assert corrections(binned_in_parts(folder, part_bytes, cache=kept)) == expected


def test_positions_far_from_any_picture_do_no_harm():
    rows = [row for x in (1e300, -1e300, 1e300) for row in samples(1, (x, 5))]
    near = samples("", *[(100, 50)] * 9)
    fixations = [Fixation(1, 1e300, 5.0)]
    assert read_all_ways(export_files([*rows, *near], fixations=fixations, size=SIZE)) == [
        (1, 1, 0)
    ]
