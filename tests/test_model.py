"""Labels, sizes and borders."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.grid import Grid
from gazeheat_core.model import count_inside
from tests.builders import FIRST_NS, FRAME, MM, RIM, picture_bytes


def recording(id, name="", wearer="", *sections):
    return gh.Recording(id, name, wearer, sections)


def section(x, y, timestamp_ns=None, unreadable=0):
    times = np.arange(len(x)) if timestamp_ns is None else timestamp_ns
    gaze = gh.GazeSamples(np.array(times, np.int64), np.array(x, float), np.array(y, float))
    return gh.Section("s", gaze, None, unreadable)


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("recordings", "labels"),
    [
        ([("1", "P01", "Ada"), ("2", "P02", "Ben")], ("P01", "P02")),
        ([("1", "Walk", "Ada"), ("2", "Walk", "Ben")], ("Walk · Ada", "Walk · Ben")),
        ([("1", "Walk", "Ada"), ("2", "Walk", "")], ("Walk · Ada", "Walk · 2")),
        ([("1", "Walk", "Ada"), ("2", "Walk", "Ada")], ("Walk · 1", "Walk · 2")),
        # Ids are cut to their first eight characters, as long as that tells them apart.
        ([("6f1c0d2a-77", "", ""), ("9b3e55aa-12", "", "")], ("6f1c0d2a", "9b3e55aa")),
        (
            [("6f1c0d2a-77", "", ""), ("6f1c0d2a-12", "", "")],
            ("6f1c0d2a · 6f1c0d2a-77", "6f1c0d2a · 6f1c0d2a-12"),
        ),
        ([("", "", "")], ("no id",)),
        # A name that reads like another's name and wearer.
        (
            [("1", "Walk · Ada", "Zoe"), ("2", "Walk", "Ada"), ("3", "Walk", "Ben")],
            ("Walk · Ada · Zoe", "Walk · 2", "Walk · Ben"),
        ),
    ],
)
def test_labels_are_as_short_as_they_can_be(recordings, labels):
    assert gh.recording_labels(tuple(recording(*r) for r in recordings)) == labels


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["12345678", "12345678-a", "12345678-b", "9", "Walk"]),
            st.sampled_from(["", "Walk", "Walk · Ada", "Walk · 9", "12345678"]),
            st.sampled_from(["", "Ada", "Ben"]),
        ),
        unique_by=lambda about: about[0],
    )
)
def test_labels_tell_recordings_apart(recordings):
    labels = gh.recording_labels(tuple(recording(*r) for r in recordings))
    assert len(set(labels)) == len(labels) == len(recordings)


# ---------------------------------------------------------------- recordings and exports


def test_duration_adds_up_the_sections_and_loses_no_nanosecond():
    first = section([1, 1, 1], [1, 1, 1], [FIRST_NS, FIRST_NS + 4, FIRST_NS + 11])
    # A pause of an hour between the sections does not count.
    second = section([1, 1], [1, 1], [FIRST_NS + 3600 * 10**9, FIRST_NS + 3600 * 10**9 + 2])
    alone, empty = section([1], [1], [FIRST_NS]), section([], [])
    assert recording("r", "", "", first, second, alone, empty).duration_ns == 13
    assert recording("r").duration_ns == 0


def test_rows_include_the_unreadable_ones():
    one = recording("r", "", "", section([1, 2], [1, 2], unreadable=3), section([], []))
    assert one.rows == 5
    assert gh.Export("Shelf", MM, (one, one), unassigned_rows=7).rows == 17


@pytest.mark.parametrize(
    ("kind", "title", "unit", "extent"),
    [
        (RIM, "Shelf · Reference Image Mapper", "px", (40.0, 30.0)),
        (MM, "Shelf · Marker Mapper", "normalized", (1.0, 1.0)),
    ],
)
def test_borders_are_in_the_units_of_the_export(kind, title, unit, extent):
    export = gh.Export(
        "Shelf", kind, (), gh.ReferenceImage((40, 30), picture_bytes((40, 30))), frame=FRAME[kind]
    )
    assert (export.title, export.unit) == (title, unit)
    borders = Grid.over(export.size(), export.frame).frame
    assert (export.size(), borders) == ((40, 30), (0.0, 0.0, *extent))


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (RIM, "the enrichment's reference image, in its full size"),
        (MM, "or the surface's width : height ratio"),
    ],
)
def test_a_missing_picture_is_named_with_what_to_give(kind, remedy):
    with pytest.raises(gh.PictureMissingError) as caught:
        gh.Export("Shelf", kind, (), frame=FRAME[kind]).size()
    message = str(caught.value)
    assert "Shelf" in message
    assert "the export holds no reference image" in message
    assert remedy in message


def test_an_unusable_picture_says_what_is_wrong_with_it():
    export = gh.Export("Shelf", MM, (), image_problem="It is torn.", frame=FRAME[MM])
    with pytest.raises(gh.PictureMissingError, match=r"^It is torn\. Give the picture"):
        export.size()


def test_samples_inside_include_the_borders():
    beyond = math.nextafter(40, 41)
    one = recording(
        "r",
        "",
        "",
        section([0, 40, beyond, math.nan], [0, 30, 5, math.nan]),
        section([40, 5, -5e-324], [0, math.nextafter(30, 31), 0]),
    )
    assert count_inside((one, one), (40.0, 30.0)) == 6
