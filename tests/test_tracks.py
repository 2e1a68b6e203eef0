"""Tracks against a plain slow count: any parts, any order, anything twice, any window."""

import pickle
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazeheat_core.grid import Grid
from gazeheat_core.selection import Selection, select
from gazeheat_core.study import RecordingTracks, SectionTracks, Study
from gazeheat_core.tracks import (
    NO_TIME,
    TICK_NS,
    Track,
    TrackBuilder,
    join,
    no_track,
    sampling_interval_ns,
)
from tests import reference

# A picture of 4 × 3 pixels: 300 × 225 bins, of which the tests use a few.
GRID = Grid((4, 3), (0.0, 0.0, 4.0, 3.0))

# Moment, code, value. Few different ones, so that many are equal.
entries = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 1)), max_size=40)
# Some of them damaged: years away from the others.
damaged = st.lists(
    st.tuples(
        st.integers(2**40, 2**40 + 5) | st.sampled_from([-(2**46), 0, 2**46]),
        st.integers(0, 3),
        st.just(0),
    ),
    max_size=20,
)


def appended(rows, builder=None):
    """A builder with rows appended in one go."""
    builder = builder or TrackBuilder(1, np.uint8)
    ticks, cells, values = np.array(rows, np.int64).reshape(-1, 3).T
    builder.append(ticks * TICK_NS, values.astype(np.uint8), cells.astype(np.uint32))
    return builder


def built(rows):
    return appended(rows).finish()[0]


def once(rows):
    """Each moment and code once, with the largest value: what a track must hold."""
    kept = {}
    for moment, code, value in rows:
        kept[moment, code] = max(value, kept.get((moment, code), 0))
    return kept


@pytest.mark.parametrize(
    ("times_ms", "interval_ms"),
    [
        (range(0, 500, 5), 5),
        ([0, 5, 10, 2000, 2005, 4000], 5),  # gaps
        ([0, 5, 10, 20, 25, 30, 35], 5),  # a lost sample
        ([0, 8, 17, 25, 33, 42, 50], 50 / 6),  # 120 Hz in whole milliseconds
        ([0, 150, 300], 0),  # nothing but gaps
        ([7], 0),
        ([], 0),
    ],
)
def test_how_far_apart_samples_are(times_ms, interval_ms):
    track = built([(10 * time, 1, 0) for time in times_ms])
    assert sampling_interval_ns(track) == round(1e6 * interval_ms)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=400), st.integers(-(2**40), 2**40))
def test_an_interval_lies_around_the_median_of_the_differences(ticks, zero):
    track = built([(zero + sum(ticks[:i]), 1, 0) for i in range(len(ticks) + 1)])
    median = sorted(ticks)[(len(ticks) - 1) // 2]
    assert 0.5 * median * TICK_NS <= sampling_interval_ns(track) <= 1.5 * median * TICK_NS


def held(track):
    """What a track holds of entries that have a time."""
    timed = track.timed
    moments = (track.time[:timed].astype(np.int64) + track.zero).tolist()
    pairs = zip(moments, track.cell[:timed].tolist(), strict=True)
    return dict(zip(pairs, track.value[:timed].tolist(), strict=True))


# ---------------------------------------------------------------- the grid


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (0.0, 0.0, 0),  # the top left corner
        (4.0, 3.0, 225 * 300 - 1),  # the bottom right one belongs to the last bin
        (4.0 / 300, 0.0, 1),
        (0.0, 3.0 / 225, 300),
        (np.nextafter(4.0, 5.0), 1.0, GRID.outside),
        (-1e-300, 1.0, GRID.outside),
        (np.inf, 1.0, GRID.outside),
        (np.nan, 1.0, GRID.undetected),
        (1.0, np.nan, GRID.undetected),
    ],
)
def test_a_position_has_one_code(x, y, expected):
    assert GRID.cells(np.array([x]), np.array([y])).tolist() == [expected]


@pytest.mark.parametrize(
    ("frame", "x", "y"),
    [
        ((0.0, 0.0, 1.0, 1.0), 0.25, 0.75),
        ((0.0, 1.0, 1.0, 0.0), 0.25, 0.25),  # counted upwards
        ((-200.0, -150.0, 200.0, 150.0), -100.0, 75.0),  # millimetres from the middle
        ((1.0, 0.0, 0.0, 1.0), 0.75, 0.75),  # a mirror image
    ],
)
def test_a_frame_says_what_stands_at_the_picture_s_sides(frame, x, y):
    (cell,) = Grid((4, 3), frame).cells(np.array([x]), np.array([y])).tolist()
    # A quarter of 300 columns, three quarters of 225 rows: the edge belongs to what follows.
    assert divmod(cell, 300) == (168, 75)


@given(
    st.lists(
        st.tuples(st.floats(-1, 5), st.floats(-1, 4), st.booleans()),
        max_size=50,
    )
)
def test_codes_are_exactly_the_reference_s_histogram_and_the_rest(rows):
    x, y, detected = (np.array(column) for column in zip(*rows, strict=True)) if rows else [[]] * 3
    x, y = (np.where(detected, axis, np.nan) for axis in (x, y))
    counted = np.bincount(GRID.cells(x, y), minlength=GRID.codes)
    expected = reference.histogram(x[~np.isnan(x)], y[~np.isnan(y)], (4, 3))
    np.testing.assert_array_equal(counted[: GRID.outside].reshape(225, 300), expected)
    assert counted[GRID.undetected] == np.count_nonzero(np.isnan(x))
    assert counted.sum() == len(rows)


# ---------------------------------------------------------------- a track


def test_a_track_can_be_read_by_eye():
    # 9 bytes an entry, in order of time; the entry at 7 in bin 2 is listed twice.
    builder = appended([(7, 2, 0), (5, 1, 1), (7, 2, 1), (9, 0, 0)])
    track, repeated = builder.finish()
    assert (track.zero, repeated) == (5, 1)
    assert track.time.tolist() == [0, 2, 4]
    assert track.cell.tolist() == [1, 2, 0]
    assert track.value.tolist() == [1, 1, 0]
    assert track.size_bytes == 3 * 9
    assert track.span == (5, 9)


def test_a_cut_is_a_view_of_its_window():
    track = built([(5, 1, 0), (7, 2, 0), (7, 3, 0), (9, 0, 0)])
    assert track.cut(5, 7).cell.tolist() == [1]
    assert track.cut(6, 8).cell.tolist() == [2, 3]
    assert track.cut(-(10**15), 10**15).cell.tolist() == [1, 2, 3, 0]
    assert len(track.cut(8, 6)) == 0
    assert track.cut(6, 9).cell.base is not None


def test_entries_and_their_values_are_counted():
    track = Track(0, *(np.array(a, np.uint32) for a in ([0, 1, 2], [1, 1, 3], [200, 300, 5])))
    assert track.count(4).tolist() == [0, 2, 0, 1]
    assert track.count(4, weighted=True).tolist() == [0, 500, 0, 5]


@given(entries, st.lists(st.integers(0, 40), max_size=4), st.randoms())
def test_parts_in_any_order_give_the_whole(rows, cuts, random):
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [rows[a:b] for a, b in pairwise(bounds)]
    random.shuffle(parts)
    total = TrackBuilder(1, np.uint8)
    for part in parts:
        total.add(appended(part))
    track, repeated = total.finish()
    assert held(track) == once(rows)
    assert repeated == len(rows) - len(once(rows))
    assert np.all(track.time[1:] >= track.time[:-1])


@given(entries, entries)
def test_a_part_given_twice_changes_nothing(rows, more):
    track, repeated = join([built(rows), built(more), built(rows)])
    assert held(track) == once(rows + more)
    assert repeated == 2 * len(once(rows)) + len(once(more)) - len(once(rows + more))


@given(entries, st.integers(-2, 14), st.integers(-2, 14), st.integers(0, 1))
def test_windows_add_up(rows, first, between, weighted):
    track = built(rows)
    moments = sorted([-3, first, between, 15])
    counted = [track.cut(a, b).count(4, weighted=bool(weighted)) for a, b in pairwise(moments)]
    np.testing.assert_array_equal(sum(counted), track.count(4, weighted=bool(weighted)))


@given(entries, st.integers(0, 12), st.integers(0, 12))
def test_a_window_is_a_plain_count(rows, first, last):
    counted = Counter(code for moment, code in once(rows) if first <= moment < last)
    assert built(rows).cut(first, last).count(4).tolist() == [counted[code] for code in range(4)]


@given(damaged, st.integers(0, 20))
def test_damaged_times_take_no_other_time_away(rows, cut):
    whole = TrackBuilder(1, np.uint8)
    for part in (rows[:cut], rows[cut:]):
        whole.add(appended(part))
    track, repeated = whole.finish()
    assert track.time.dtype == np.uint32
    # Nothing is lost, wherever its time lies.
    assert len(track) + repeated == len(rows)
    near = [row for row in rows if 2**40 <= row[0] <= 2**40 + 5]
    moments = {moment for moment, _, _ in rows}
    if len({moment for moment, _, _ in near}) > len(moments) / 2 + 1:
        assert held(track) == once(near)
        strays = sorted(code for moment, code, _ in rows if not 2**40 <= moment <= 2**40 + 5)
        assert sorted(track.cell[track.timed :].tolist()) == strays
        assert track.time[track.timed :].tolist() == [NO_TIME] * len(strays)


def test_times_that_tell_nothing_make_no_two_entries_equal():
    builder = appended([(5, 1, 0), (5, 1, 0), (5, 2, 0)])
    track, repeated = builder.finish(has_times=False)
    assert (len(track), track.timed, repeated, track.span) == (3, 0, 0, None)
    assert track.count(4).tolist() == [0, 2, 1, 0]
    assert len(track.cut(0, 2**40)) == 0
    # Nor are they those of another track.
    both, repeated = join([track, built([(5, 1, 0), (5, 1, 0)])])
    assert (len(both), both.timed, repeated) == (4, 1, 0)


def test_an_entry_over_several_grids_is_read_once():
    builder = TrackBuilder(2, np.uint8)
    cells = [np.array([1, 2], np.uint32), np.array([3, 4], np.uint32)]
    builder.append(np.array([8, 6]) * TICK_NS, np.zeros(2, np.uint8), *cells)
    assert [builder.finish(grid)[0].cell.tolist() for grid in (0, 1)] == [[2, 1], [4, 3]]


@pytest.mark.parametrize("moments", [(-(2**63), 2**63 - 1), (2**63 - 1, -(2**63))])
def test_moments_at_the_ends_of_what_a_file_can_hold(moments):
    builder = TrackBuilder(1, np.uint8)
    for moment_ns in np.array(moments, np.int64):
        builder.append(np.array([moment_ns]), np.zeros(1, np.uint8), np.zeros(1, np.uint32))
    track, repeated = builder.finish()
    assert (len(track), track.timed, repeated) == (2, 1, 0)


def test_nothing_is_a_track_too():
    track, repeated = join([no_track(), no_track()])
    assert (len(track), repeated, track.span) == (0, 0, None)
    assert track.count(3).tolist() == [0, 0, 0]


# ---------------------------------------------------------------- what is asked of a study


def study(*recordings):
    """A study whose recordings are lists of tracks, one for each section."""
    return Study(
        name="Shelf",
        kind="reference-image-mapper",
        grid=GRID,
        recordings=tuple(
            RecordingTracks(
                f"r{i}", "", "", tuple(SectionTracks(f"s{k}", t) for k, t in enumerate(tracks))
            )
            for i, tracks in enumerate(recordings)
        ),
    )


overlapping = st.lists(entries, max_size=4)


@given(overlapping)
def test_sections_that_overlap_count_a_sample_once(sections):
    (histogram,) = select(study([built(rows) for rows in sections]))
    flat = histogram.bins.reshape(-1)
    expected = Counter(code for _, code in once([row for rows in sections for row in rows]))
    assert flat[:4].tolist() == [expected[code] for code in range(4)]
    counts = histogram.counts
    assert counts.used == expected.total()
    assert counts.rows == sum(len(once(rows)) for rows in sections)


@given(overlapping, st.integers(0, 10), st.integers(0, 10))
def test_a_window_begins_with_each_section(sections, first, length):
    """Sections of their own time, since a sample in two of them has two distances."""
    apart = [[(m + 1000 * i, c, v) for m, c, v in rows] for i, rows in enumerate(sections)]
    window_s = (first / 10_000, (first + length) / 10_000)
    asked = Selection(window_s=window_s)
    (histogram,) = select(study([built(rows) for rows in apart]), asked)
    expected = Counter()
    for rows in apart:
        start = min((moment for moment, _, _ in rows), default=0)
        expected.update(
            code for moment, code in once(rows) if first <= moment - start < first + length
        )
    assert histogram.bins.reshape(-1)[:4].tolist() == [expected[code] for code in range(4)]


def test_only_the_ticked_sections_count():
    both = study([built([(0, 1, 0)]), built([(0, 1, 0), (1, 2, 1)])], [built([(0, 3, 0)])])
    one, other = select(both, Selection(sections=frozenset({(0, 0), (1, 0)})))
    assert np.flatnonzero(one.bins.reshape(-1)).tolist() == [1]
    assert np.flatnonzero(other.bins.reshape(-1)).tolist() == [3]


def test_each_measure_counts_its_own():
    fixations = Track(0, *(np.array(a, np.uint32) for a in ([0, 5], [1, 2], [200, 300])))
    section = SectionTracks("s", built([(0, 1, 1), (1, 1, 0), (2, 3, 0)]), fixations)
    whole = Study(
        name="Shelf",
        kind="reference-image-mapper",
        grid=GRID,
        recordings=(RecordingTracks("r", "", "", (section,)),),
    )

    def counted(measure):
        (histogram,) = select(whole, Selection(measure))
        return histogram.bins.reshape(-1)[:4].tolist()

    assert counted("gaze") == [0, 2, 0, 1]
    assert counted("fixation-gaze") == [0, 1, 0, 0]
    assert counted("fixation-duration") == [0, 200, 300, 0]
    assert counted("fixation-count") == [0, 1, 1, 0]


def test_a_stated_start_before_the_first_sample_begins_the_section():
    section = SectionTracks("s", built([(50, 1, 0)]), start_ns=20 * TICK_NS)
    assert section.start == 20
    late = SectionTracks("s", built([(50, 1, 0)]), start_ns=90 * TICK_NS)
    assert late.start == 50


@pytest.mark.parametrize("rows", [10, 1_000, 20_000])
@pytest.mark.parametrize("way", ["pickled", "buffers that cannot be written to"])
def test_what_another_process_has_sent_can_grow(rows, way):
    builder, earlier = TrackBuilder(), TrackBuilder()
    moments = (17 * 10**12 + np.arange(rows)) * TICK_NS
    builder.append(moments, np.ones(rows, np.uint8), np.arange(rows, dtype=np.uint32))
    earlier.append(moments[:1] - TICK_NS, np.zeros(1, np.uint8), np.zeros(1, np.uint32))
    buffers = []
    if way == "pickled":
        sent = pickle.loads(pickle.dumps(builder, 4))
    else:
        data = pickle.dumps(builder, 5, buffer_callback=buffers.append)
        sent = pickle.loads(data, buffers=[bytes(one) for one in buffers])
    sent.add(earlier)
    track, listed_twice = sent.finish()
    assert listed_twice == 0
    assert track.time.tolist() == list(range(rows + 1))
    assert track.cell.tolist() == [0, *range(rows)]
    assert track.value.tolist() == [0, *[1] * rows]
