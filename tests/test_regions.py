"""Regions: named rectangles of whole bins, and how they were looked at."""

import csv
import io
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.bundle import regions_csv
from gazeheat_core.grid import Grid
from gazeheat_core.regions import MOST_REGIONS, as_json, check_regions, region_words, snapped
from gazeheat_core.study import RecordingTracks, SectionTracks, Study
from gazeheat_core.tracks import NO_TIME, TICK_NS, Track, TrackBuilder

SIZE = (40, 30)
GRID = Grid.over(SIZE, None)
LEFT = gh.Region("Left", 0, 0, 20, 30)
RIGHT = gh.Region("Right", 20, 0, 40, 30)
CORNER = gh.Region("Corner", 0, 0, 10, 10)
MEASURES = ("gaze", "fixation-gaze", "fixation-duration", "fixation-count")
WEIGHTS = ("pooled", "recording", "wearer")


def track(entries, dtype=np.uint8):
    """A track of (ms or None for no time, x, y, value); None for x is undetected."""
    builder = TrackBuilder(1, dtype)
    timed = [one for one in entries if one[0] is not None]
    timeless = [one for one in entries if one[0] is None]
    ms, x, y, value = zip(*timed, strict=True) if timed else ((),) * 4
    at = np.array([np.nan if one is None else one for one in x], float)
    builder.append(
        np.array(ms, np.int64) * 1_000_000,
        np.array(value, dtype),
        GRID.cells(at, np.array(y, float)),
    )
    known, _ = builder.finish()
    if not timeless:
        return known
    _, x, y, value = zip(*timeless, strict=True)
    return Track(
        known.zero,
        np.concatenate([known.time, np.full(len(x), NO_TIME, np.uint32)]),
        np.concatenate([known.cell, GRID.cells(np.array(x, float), np.array(y, float))]),
        np.concatenate([known.value, np.array(value, dtype)]),
    )


def section(gaze, fixations=(), *, start_ms=0, interval_ms=5):
    """A section that begins at a moment."""
    return SectionTracks(
        "s",
        track(gaze),
        track(fixations, np.uint32),
        sampling_interval_ns=interval_ms * 1_000_000,
        start_ns=start_ms * 1_000_000,
    )


def study(*recordings, wearers=()):
    """A study over 40 × 30 px; each recording is a list of sections."""
    names = [*wearers, *[""] * len(recordings)]
    return Study(
        name="Shelf",
        kind="Reference Image Mapper",
        recordings=tuple(
            RecordingTracks(f"r{i}", f"P{i}", names[i], tuple(sections))
            for i, sections in enumerate(recordings)
        ),
        image=gh.ReferenceImage(SIZE, b""),
        grid=GRID,
    )


def look(whole, regions, selection=gh.Selection(), ticked=None):  # noqa: B008
    ticked = range(len(whole.recordings)) if ticked is None else ticked
    return gh.look_into(whole, selection, ticked, gh.select(whole, selection), regions)


# --- Rectangles ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Price=40,20,120,80", gh.Region("Price", 40, 20, 120, 80)),
        ("Price=120,80,40,20", gh.Region("Price", 40, 20, 120, 80)),
        (" a=b = 1.5, 2 ,3,4e1", gh.Region("a=b", 1.5, 2, 3, 40)),
    ],
)
def test_a_region_can_be_typed(text, expected):
    assert gh.Region.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Price", "cannot be read. Give NAME=X0,Y0,X1,Y1"),
        ("Price=1,2,3", "cannot be read"),
        ("Price=1,2,3,four", "cannot be read"),
        ("Price=1,2,3,nan", "runs from"),
        ("Price=1,2,3,inf", "runs from"),
        ("=1,2,3,4", "Give 1 to 60 characters that can be seen"),
        (f"{'n' * 61}=1,2,3,4", "Give 1 to 60"),
        ("a\u202eb=1,2,3,4", "Give 1 to 60"),
        ("a\nb=1,2,3,4", "Give 1 to 60"),
    ],
)
def test_what_is_no_region_is_said_in_words(text, said):
    with pytest.raises(gh.SettingError, match=said):
        gh.Region.parse(text)


def test_a_region_consists_of_the_bins_whose_centre_it_holds():
    # 4 × 3 bins of 10 px: their centres lie at 5, 15, 25, 35.
    place = snapped(gh.Region("A", 5, 5.1, 25, 15.1), (3, 4), SIZE)
    assert (place.columns, place.rows) == (slice(0, 2), slice(1, 2))
    assert place.region == gh.Region("A", 0, 10, 20, 20)
    assert snapped(place.region, (3, 4), SIZE) == place


def test_what_lies_beside_the_picture_is_cut_off():
    place = snapped(gh.Region("A", -100, -5, 12, 1e9), (3, 4), SIZE)
    assert place.region == gh.Region("A", 0, 0, 10, 30)


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ((40, 0, 60, 30), "lies beside the picture, which has 40 x 30 pixels"),
        ((0, -9, 9, 0), "lies beside the picture"),
        ((6, 0, 14, 30), "bins of 10 x 10 pixels, and it holds the middle of none"),
    ],
)
def test_a_rectangle_without_bins_is_said_in_words(corners, said):
    with pytest.raises(gh.SettingError, match=said):
        snapped(gh.Region("A", *corners), (3, 4), SIZE)


def test_regions_are_few_and_have_names_of_their_own():
    many = [replace(LEFT, name=f"R{i}") for i in range(MOST_REGIONS)]
    check_regions(many)
    with pytest.raises(gh.SettingError, match="51 regions; 50 are the most"):
        check_regions([*many, RIGHT])
    with pytest.raises(gh.SettingError, match="more than one region of the name 'Left'"):
        check_regions([LEFT, replace(RIGHT, name="Left")])


# --- Numbers to be checked by eye ------------------------------------------------------

# Ada looks left three times from 100 ms on, right once; Ben right twice from 40 ms on; Cem nowhere.
ADA = section(
    [(0, 30, 5, 0), (100, 5, 5, 1), (105, 5, 5, 1), (110, 15, 25, 0), (115, 50, 5, 0)],
    [(90, 5, 5, 200), (300, 30, 5, 100)],
)
BEN = section([(1040, 30, 5, 0), (1045, 30, 5, 1)], [(1040, 30, 5, 50)], start_ms=1000)
CEM = section([(0, None, 0, 0), (5, -1, 5, 0)])
THREE = study([ADA], [BEN], [CEM], wearers=("Ada", "Ben", "Cem"))


def numbers(one):
    return (
        one.seconds,
        pytest.approx(one.share),
        one.amount,
        one.recordings_looked,
        one.recordings,
        one.first_look_s,
    )


@pytest.mark.parametrize(
    ("selection", "left", "right"),
    [
        (gh.Selection(), (0.015, 3 / 6, 3, 1, 3, 0.1), (0.015, 3 / 6, 3, 2, 3, 0.02)),
        # Cem has no gaze, so no say: the mean of 3/4 and 0, and of 1/4 and 1.
        (
            gh.Selection(weight="recording"),
            (0.015, 0.375, 3, 1, 3, 0.1),
            (0.015, 0.625, 3, 2, 3, 0.02),
        ),
        (
            gh.Selection("fixation-gaze"),
            (0.01, 2 / 3, 2, 1, 3, 0.1),
            (0.005, 1 / 3, 1, 1, 3, 0.045),
        ),
        (
            gh.Selection("fixation-duration"),
            (0.2, 200 / 350, 200, 1, 3, 0.09),
            (0.15, 150 / 350, 150, 2, 3, 0.17),
        ),
        (
            gh.Selection("fixation-count"),
            (None, 1 / 3, 1, 1, 3, 0.09),
            (None, 2 / 3, 2, 2, 3, 0.17),
        ),
        # From 5 to 105 ms after each section's beginning.
        (
            gh.Selection(window_s=(0.005, 0.105)),
            (0.005, 1 / 3, 1, 1, 3, 0.1),
            (0.01, 2 / 3, 2, 1, 3, 0.04),
        ),
        (gh.Selection(sections=frozenset()), (0.0, 0.0, 0, 0, 3, None), (0.0, 0.0, 0, 0, 3, None)),
    ],
)
def test_what_was_looked_at_how_long_by_how_many_and_how_soon(selection, left, right):
    assert [numbers(one) for one in look(THREE, [LEFT, RIGHT], selection)] == [left, right]


def test_a_wearer_with_two_recordings_has_one_say():
    whole = study([ADA], [BEN], [ADA], wearers=("Ada", "Ben", "Ben"))
    # Ada has 3 of 4 on the left; Ben 0 of 2 and 3 of 4.
    (left,) = look(whole, [LEFT], gh.Selection(weight="wearer"))
    assert left.share == pytest.approx((3 / 4 + 3 / 6) / 2)


def test_only_ticked_recordings_count():
    assert numbers(*look(THREE, [RIGHT], ticked=[1])) == (0.01, 1.0, 2, 1, 1, 0.04)
    assert numbers(*look(THREE, [RIGHT], ticked=[])) == (0.0, 0.0, 0, 0, 0, None)


def test_each_recording_has_its_own_sampling_interval_and_one_without_tells_no_seconds():
    slow = section([(0, 30, 5, 0)], interval_ms=20)
    unknown = section([(0, 5, 5, 0)], interval_ms=0)
    left, right = look(study([BEN], [slow], [unknown]), [LEFT, RIGHT])
    assert (left.seconds, right.seconds) == (None, 0.03)


def test_of_several_sections_the_soonest_look_counts_and_an_overlap_counts_once():
    first = section([(0, 30, 5, 0), (50, 5, 5, 0)])
    later = section([(40, 30, 5, 0), (50, 5, 5, 0)], start_ms=40)
    # The look at 50 ms is in both: once, 50 ms after the one beginning, 10 ms after the other.
    assert numbers(*look(study([first, later]), [LEFT])) == (0.005, 1 / 3, 1, 1, 1, 0.01)


def test_a_look_without_a_time_counts_but_is_no_first_look():
    timeless = section([(0, 30, 5, 0), (None, 5, 5, 0)])
    (left,) = look(study([timeless]), [LEFT])
    assert (left.amount, left.recordings_looked, left.first_look_s) == (1, 1, None)


def test_a_fixation_that_began_before_its_section_is_seen_at_its_beginning():
    early = section([(100, 30, 5, 0)], [(60, 5, 5, 200)], start_ms=100)
    (left,) = look(study([early]), [LEFT], gh.Selection("fixation-count"))
    assert left.first_look_s == 0.0


def test_a_long_recording_is_searched_to_its_end():
    # Longer than what is counted entry by entry, and than the first stretches that are searched.
    rows = [(5 * i, 30, 5, 1) for i in range(200_000)]
    rows[150_000] = (750_000, 5, 5, 1)
    left, right = look(study([section(rows)]), [LEFT, RIGHT])
    assert numbers(left) == (0.005, 1 / 200_000, 1, 1, 1, 750.0)
    assert numbers(right) == (999.995, 199_999 / 200_000, 199_999, 1, 1, 0.0)


# --- Against a slow and plain reference ------------------------------------------------


def plainly(whole, selection, ticked, region):
    """The numbers of one region, entry by entry."""
    of_fixations = selection.measure.startswith("fixation-") and selection.measure[9:] != "gaze"
    weighted = selection.measure in ("fixation-gaze", "fixation-duration")
    rows, columns = GRID.shape

    def is_inside(cell):
        row, column = divmod(cell, columns)
        x, y = (column + 0.5) * SIZE[0] / columns, (row + 0.5) * SIZE[1] / rows
        on_picture = cell < rows * columns
        return on_picture and region.left <= x < region.right and region.top <= y < region.bottom

    looks, inside_ns, shares, firsts = [], [], {}, []
    for i in sorted(ticked):
        recording = whole.recordings[i]
        seen, timeless, first = {}, [], []
        for j, one in enumerate(recording.sections):
            if selection.sections is not None and (i, j) not in selection.sections:
                continue
            entries = one.fixations if of_fixations else one.gaze
            for time, cell, value in zip(entries.time, entries.cell, entries.value, strict=True):
                weight = int(value) if weighted else 1
                if time == NO_TIME:
                    if selection.window_s is None:
                        timeless.append((int(cell), weight))
                    continue
                moment = entries.zero + int(time)
                after_s = (moment - one.start) * TICK_NS / 1e9
                if selection.window_s is not None:
                    start, stop = (round(s * 10_000) for s in selection.window_s)
                    if not start <= moment - one.start < stop:
                        continue
                place = (moment, int(cell))
                seen[place] = max(seen.get(place, 0), weight)
                if weight and is_inside(cell):
                    first.append(max(0.0, after_s))
        counted = [(cell, weight) for (_, cell), weight in seen.items()] + timeless
        counted = [(cell, weight) for cell, weight in counted if cell < GRID.outside]
        inside = sum(weight for cell, weight in counted if is_inside(cell))
        looks.append(inside)
        firsts += [min(first)] if first else []
        entry_ns = recording.sampling_interval_ns or None
        if of_fixations:
            entry_ns = 1_000_000 if weighted else None
        inside_ns.append(0 if not inside else entry_ns and entry_ns * inside)
        group = {"pooled": "all", "recording": i, "wearer": recording.wearer or i}[selection.weight]
        total = sum(weight for _, weight in counted)
        before = shares.get(group, (0, 0))
        shares[group] = (before[0] + inside, before[1] + total)
    known = [part / total for part, total in shares.values() if total]
    return (
        None if None in inside_ns else pytest.approx(sum(inside_ns) / 1e9),
        pytest.approx(sum(known) / len(known) if known else 0.0),
        sum(looks),
        sum(look > 0 for look in looks),
        len(looks),
        pytest.approx(median(firsts)) if firsts else None,
    )


places = st.tuples(st.sampled_from([5, 15, 25, 35, 50]), st.sampled_from([5, 15, 25]))
moments = st.one_of(st.integers(0, 60), st.just(None))


def entries(values):
    # An entry that two sections list has one value: it is the same row of the tracker.
    return st.lists(
        st.builds(lambda ms, at, v: (ms, *at, (v * (1 + (ms or 0))) % 3), moments, places, values),
        max_size=12,
    )


sections = st.builds(
    lambda gaze, fixations, start, interval: section(
        gaze, fixations, start_ms=start, interval_ms=interval
    ),
    entries(st.just(1)).map(lambda rows: [(*row[:3], min(row[3], 1)) for row in rows]),
    entries(st.just(1)),
    st.integers(0, 30),
    st.sampled_from([0, 4, 5]),
)
studies = st.lists(st.lists(sections, min_size=1, max_size=3), min_size=1, max_size=4).map(
    lambda recordings: study(*recordings, wearers=("Ada", "Ada", "Ben", ""))
)
regions = st.sampled_from([LEFT, RIGHT, CORNER, gh.Region("Odd", 4.9, 4.9, 25.2, 90)])
windows = st.one_of(
    st.none(), st.tuples(st.integers(0, 50), st.integers(0, 40)).map(lambda w: (w[0], sum(w)))
)


@given(st.data())
def test_every_measure_weight_window_and_choice_gives_what_plain_counting_gives(data):
    whole = data.draw(studies)
    known = [(i, j) for i, one in enumerate(whole.recordings) for j in range(len(one.sections))]
    counts = gh.RegionCounts()
    wanted = data.draw(st.lists(regions, min_size=1, unique=True))
    # The same counts are asked again and again, as the page does.
    for _ in range(2):
        window = data.draw(windows)
        selection = gh.Selection(
            data.draw(st.sampled_from(MEASURES)),
            data.draw(st.sampled_from(WEIGHTS)),
            window and (window[0] / 1000, window[1] / 1000),
            data.draw(st.one_of(st.none(), st.frozensets(st.sampled_from(known)))),
        )
        histograms = gh.select(whole, selection)
        for _ in range(2):
            ticked = data.draw(st.sets(st.integers(0, len(whole.recordings) - 1)))
            found = counts.look_into(whole, selection, ticked, histograms, wanted)
            for one, region in zip(found, wanted, strict=True):
                figures = (
                    one.seconds,
                    one.share,
                    one.amount,
                    one.recordings_looked,
                    one.recordings,
                    one.first_look_s,
                )
                assert figures == plainly(whole, selection, ticked, region)


@given(studies, st.sampled_from(MEASURES), st.sampled_from(WEIGHTS))
def test_two_halves_of_the_picture_are_all_of_it_and_agree_with_the_map(whole, measure, weight):
    selection = gh.Selection(measure, weight)
    left, right = look(whole, [LEFT, RIGHT], selection)
    pooled = gh.pool(gh.select(whole, selection), GRID.shape, selection)
    assert left.amount + right.amount == pooled.amount
    if pooled.amount:
        share = pooled.bins[:, :150].sum() / pooled.bins.sum()
        assert (left.share, left.share + right.share) == pytest.approx((share, 1.0))


# --- Tables and sentences ----------------------------------------------------------------


def test_the_table_gives_every_number_and_no_formula():
    evil = gh.Region('=HYPERLINK("x"),1', 0, 0, 10.05, 10)
    table = list(csv.reader(io.StringIO(regions_csv(look(THREE, [evil, RIGHT])))))
    assert table == [
        [
            *("name", "left [px]", "top [px]", "right [px]", "bottom [px]", "time [s]"),
            *("share [%]", "recordings that looked", "recordings", "median time to first look [s]"),
        ],
        ['\'=HYPERLINK("x"),1', "0", "0", "10", "10", "0.01", "33.3333", "1", "3", "0.1"],
        ["Right", "20", "0", "40", "30", "0.015", "50", "2", "3", "0.02"],
    ]


def test_the_numbers_as_json_and_in_words():
    (right,) = look(THREE, [RIGHT])
    assert as_json([right]) == [
        {
            **{"name": "Right", "left": 20.0, "top": 0.0, "right": 40.0, "bottom": 30.0},
            **{"seconds": 0.015, "share": 0.5, "amount": 3, "recordings_looked": 2},
            **{"recordings": 3, "first_look_s": 0.02},
        }
    ]
    (left,) = look(THREE, [LEFT], gh.Selection("fixation-count"))
    assert region_words(left, "fixation-count") == (
        "Left: 33.3 % of the fixations; 1 of 3 recordings looked, the first time after 0.09 s "
        "(median)."
    )
