"""What is asked of a study, against a plain slow count: measures, windows, weights, units."""

import math
from collections import Counter
from dataclasses import astuple
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core import windows
from gazeheat_core.grid import Grid
from gazeheat_core.scale import ColourScale, why_not
from gazeheat_core.study import RecordingTracks, SectionTracks, Study
from gazeheat_core.tracks import NO_TIME, TICK_NS, Track
from tests import reference

# A picture of 4 × 3 pixels: 300 × 225 bins.
GRID = Grid((4, 3), (0.0, 0.0, 4.0, 3.0))
OUTSIDE = GRID.outside
SECOND = 10_000  # ticks
MEASURES = ("gaze", "fixation-gaze", "fixation-duration", "fixation-count")
WEIGHTS = ("pooled", "recording", "wearer")


def track(entries, dtype=np.uint8, start=0):
    """A track of (tick after the start, cell, value), which are in order of time."""
    time, cell, value = np.array(entries, np.int64).reshape(-1, 3).T
    return Track(start, time.astype(np.uint32), cell.astype(np.uint32), value.astype(dtype))


def section(gaze, fixations=(), *, number=0):
    """A section of 5 ms samples; a later one begins a second after the one before it."""
    start = number * SECOND
    return SectionTracks(
        f"s{number}",
        track(gaze, start=start),
        track(fixations, np.uint32, start),
        sampling_interval_ns=5_000_000,
        start_ns=start * TICK_NS,
    )


def study(*recordings, wearers=()):
    """A study of recordings that are lists of sections."""
    names = [*wearers, *[""] * len(recordings)]
    return Study(
        name="Shelf",
        kind="Reference Image Mapper",
        grid=GRID,
        recordings=tuple(
            RecordingTracks(f"r{i}", f"P{i + 1}", names[i], tuple(sections))
            for i, sections in enumerate(recordings)
        ),
    )


# Tick, cell and value in order of time; every moment differs, so nothing is listed twice.
CELLS = st.sampled_from([0, 1, 2, 150, OUTSIDE, OUTSIDE + 1])
TICKS = st.lists(st.integers(0, 60), unique=True, max_size=20).map(sorted)


@st.composite
def entries(draw, most):
    return [(tick, draw(CELLS), draw(st.integers(0, most))) for tick in draw(TICKS)]


@st.composite
def studies(draw):
    """Recordings of sections that follow each other, of some wearers, and what is asked."""
    recordings = []
    for _ in range(draw(st.integers(1, 4))):
        sections = []
        for number in range(draw(st.integers(1, 2))):
            one = section(draw(entries(1)), draw(entries(300)), number=number)
            sections.append(one)
        recordings.append(sections)
    wearers = draw(st.lists(st.sampled_from(["Ada", "Ben", ""]), min_size=4, max_size=4))
    first = draw(st.integers(0, 60))
    window_s = draw(
        st.none() | st.just((first / SECOND, (first + draw(st.integers(0, 40))) / SECOND))
    )
    places = [(i, k) for i, sections in enumerate(recordings) for k in range(len(sections))]
    sections = draw(st.none() | st.frozensets(st.sampled_from(places)))
    asked = gh.Selection(
        draw(st.sampled_from(MEASURES)), draw(st.sampled_from(WEIGHTS)), window_s, sections
    )
    ticked = draw(st.sets(st.integers(0, len(recordings) - 1)))
    return study(*recordings, wearers=wearers), asked, ticked


def slow(recording, position, asked):
    """What one recording counts in each cell, and how many entries are of each kind."""
    amounts, kinds = Counter(), Counter()
    for place, one in enumerate(recording.sections):
        of_fixations = asked.measure.startswith("fixation-") and asked.measure != "fixation-gaze"
        rows = one.fixations if of_fixations else one.gaze
        for tick, cell, value in zip(rows.time, rows.cell, rows.value, strict=True):
            after_s = int(tick) / SECOND
            if asked.sections is not None and (position, place) not in asked.sections:
                kind = "other_section"
            elif asked.window_s and not asked.window_s[0] <= after_s < asked.window_s[1]:
                kind = "other_time"
            elif asked.measure == "fixation-gaze" and not value:
                kind = "no_fixation"
            else:
                kind = {OUTSIDE: "outside", OUTSIDE + 1: "undetected"}.get(int(cell), "used")
            kinds[kind] += 1
            if kind == "used":
                amounts[int(cell)] += int(value) if asked.measure == "fixation-duration" else 1
    return amounts, kinds


@given(studies())
def test_every_measure_window_section_and_weight_is_a_plain_count(drawn):
    one, asked, ticked = drawn
    counted = [slow(recording, i, asked) for i, recording in enumerate(one.recordings)]
    histograms = gh.select(one, asked)
    for histogram, (amounts, kinds) in zip(histograms, counted, strict=True):
        assert histogram.counts == gh.Counts(**kinds)
        assert histogram.amount == amounts.total()
        flat = histogram.bins.reshape(-1)
        assert {i: int(flat[i]) for i in np.flatnonzero(flat)} == {
            cell: amount for cell, amount in amounts.items() if amount
        }
    groups = Counter()
    for i in ticked:
        groups[group(one, i, asked)] += histograms[i].amount
    expected = Counter()
    for i in ticked:
        whole = 1 if asked.weight == "pooled" else groups[group(one, i, asked)]
        for cell, amount in counted[i][0].items() if whole else ():
            expected[cell] += Fraction(amount, whole)
    pooled = gh.Pool.over(one, asked).take(ticked)
    flat = pooled.bins.reshape(-1)
    for cell in (0, 1, 2, 150):
        assert flat[cell] == pytest.approx(float(expected[cell]), rel=1e-14)
    assert pooled.counts == sum((histograms[i].counts for i in ticked), gh.Counts())


def group(one, position, asked):
    wearer = one.recordings[position].wearer
    return wearer if asked.weight == "wearer" and wearer else position


@given(studies(), st.permutations(range(4)))
def test_the_order_of_ticks_changes_no_bit(drawn, order):
    one, asked, ticked = drawn
    at_once = gh.Pool.over(one, asked).take(ticked).bins.tobytes()
    pool, some = gh.Pool.over(one, asked), set(range(len(one.recordings)))
    pool.take(some)
    for i in order:
        some = some ^ {i} if i < len(one.recordings) else some
        pool.take(some)
    assert pool.take(ticked).bins.tobytes() == at_once


# ---------------------------------------------------------------- windows


@pytest.fixture
def long():
    """A recording of 5,000 samples, and how many of them lie in each bin before each moment."""
    random = np.random.default_rng(7)
    time = np.sort(random.choice(20_000, 5_000, replace=False))
    cell = random.integers(0, GRID.codes, 5_000)
    value = random.integers(0, 2, 5_000)
    return time, cell, value


@pytest.mark.parametrize("measure", ["gaze", "fixation-gaze"])
@pytest.mark.parametrize("histograms", [1, 2, 7, 40])
def test_a_window_of_a_long_recording_is_what_is_in_it(long, monkeypatch, measure, histograms):
    monkeypatch.setattr(windows, "_COUNTED_ANEW", 10)
    monkeypatch.setattr(windows, "KEPT_BYTES", histograms * 4 * GRID.codes)
    time, cell, value = long
    one = study([section(np.column_stack(long))])
    for first, last in [(0, 20_000), (0, 1), (9_999, 10_001), (3, 19_997), (500, 500), (7, 9_000)]:
        asked = gh.Selection(measure, window_s=(first / SECOND, last / SECOND))
        (histogram,) = gh.select(one, asked)
        inside = (time >= first) & (time < last) & (cell < OUTSIDE)
        inside &= (value > 0) | (measure == "gaze")
        expected = np.bincount(cell[inside], minlength=OUTSIDE).reshape(GRID.shape)
        np.testing.assert_array_equal(histogram.bins, expected)
        assert histogram.counts.used == expected.sum()
        assert histogram.counts.rows == 5_000


@pytest.mark.parametrize("measure", MEASURES)
def test_windows_add_up(long, monkeypatch, measure):
    monkeypatch.setattr(windows, "_COUNTED_ANEW", 10)
    monkeypatch.setattr(windows, "KEPT_BYTES", 7 * 4 * GRID.codes)
    time, cell, _ = long
    fixations = np.column_stack([time[::50], cell[::50], 100 + time[::50] % 300])
    one = study([section(np.column_stack(long), fixations)])

    def counted(*window_s):
        (histogram,) = gh.select(one, gh.Selection(measure, window_s=window_s))
        return histogram.bins

    np.testing.assert_array_equal(
        counted(0, 0.5) + counted(0.5, 1.2345) + counted(1.2345, 2), counted(0, 2)
    )
    (whole,) = gh.select(one, gh.Selection(measure))
    np.testing.assert_array_equal(counted(0, 2), whole.bins)


def test_a_sample_without_a_time_is_part_of_the_whole_and_of_no_window():
    one = study([section([(0, 5, 0), (1, 5, 0), (NO_TIME, 5, 0)])])
    (whole,) = gh.select(one)
    assert (whole.counts.used, whole.counts.no_time) == (3, 0)
    (window,) = gh.select(one, gh.Selection(window_s=(0, 1e6)))
    assert window.counts == gh.Counts(used=2, no_time=1)


def test_a_fixation_belongs_to_the_window_in_which_it_starts():
    one = study([section([], [(0, 5, 300), (9_999, 6, 4_000), (10_000, 7, 50)])])
    (first,) = gh.select(one, gh.Selection("fixation-duration", window_s=(0, 1)))
    assert first.bins.reshape(-1)[[5, 6, 7]].tolist() == [300, 4_000, 0]
    assert first.counts == gh.Counts(used=2, other_time=1)


def test_the_longest_section_ends_behind_its_last_sample():
    one = study([section([(0, 5, 0), (12_344, 5, 0)])], [section([(10, 5, 0)])])
    assert gh.longest_section_s(one) == 1.2345
    (all_of_it,) = gh.select(one, gh.Selection(window_s=(0, 1.2345)))[:1]
    assert all_of_it.counts.used == 2


# ---------------------------------------------------------------- what a file has


def test_a_study_says_what_can_be_counted():
    neither = study([SectionTracks("s", track([(0, 5, 0)]))])
    assert gh.measures_of(neither) == ("gaze",)
    ids_only = study([SectionTracks("s", track([(0, 5, 1)]))])
    assert gh.measures_of(ids_only) == ("gaze", "fixation-gaze")
    assert gh.measures_of(study([section([(0, 5, 1)])])) == MEASURES
    with pytest.raises(gh.SettingError) as caught:
        gh.check_measure(neither, "fixation-count")
    assert str(caught.value) == (
        "Shelf · Reference Image Mapper: the export has no fixations that can be read, so "
        "'fixations by number' cannot be counted. Choose the measure gaze, or download the "
        "export again, with its fixations."
    )


# ---------------------------------------------------------------- weights


def test_equal_weights_of_a_thousand_recordings_are_the_plain_sum():
    random = np.random.default_rng(3)
    recordings = []
    for _ in range(1_000):
        count = int(random.integers(1, 400))
        cells = random.integers(0, 50, count)
        recordings.append([section([(i, c, 0) for i, c in enumerate(cells)])])
    one = study(*recordings)
    pooled = gh.Pool.over(one, gh.Selection(weight="recording")).take(set(range(1_000)))
    parts = [np.bincount(s.gaze.cell, minlength=50) / len(s.gaze) for (s,) in recordings]
    plain = [math.fsum(part[i] for part in parts) for i in range(50)]
    np.testing.assert_allclose(pooled.bins.reshape(-1)[:50], plain, rtol=1e-12, atol=0)


def test_five_thousand_recordings_on_one_bin_are_five_thousand_shares():
    one = study(*[[section([(0, 7, 0), (1, 7, 0), (2, 7, 0)])]] * 5_000)
    pooled = gh.Pool.over(one, gh.Selection(weight="recording")).take(set(range(5_000)))
    assert pooled.bins.reshape(-1)[7] == pytest.approx(5_000, rel=1e-15)
    assert pooled.bins.sum() == pooled.bins.max()


def test_who_has_nothing_there_has_no_say():
    one = study([section([(0, 1, 0), (1, 1, 0)])], [section([(0, OUTSIDE, 0)])])
    pooled = gh.Pool.over(one, gh.Selection(weight="recording")).take({0, 1})
    assert pooled.bins.reshape(-1)[1] == pytest.approx(1, rel=1e-15)
    assert pooled.recordings == 2


def test_a_wearer_has_one_say_with_all_of_theirs():
    short, long_one = [section([(0, 1, 0)])], [section([(i, 2, 0) for i in range(3)])]
    other = [section([(i, 3, 0) for i in range(8)])]
    one = study(short, long_one, other, wearers=("Ada", "Ada", "Ben"))
    pool = gh.Pool.over(one, gh.Selection(weight="wearer"))
    flat = pool.take({0, 1, 2}).bins.reshape(-1)
    assert flat[[1, 2, 3]] == pytest.approx([0.25, 0.75, 1], rel=1e-15)
    assert gh.shares(pool.histograms, {0, 1, 2}, "wearer") == {0: 0.125, 1: 0.375, 2: 0.5}
    assert gh.shares(pool.histograms, [0, 2], "recording") == {0: 0.5, 2: 0.5}
    assert gh.shares(pool.histograms, [0, 1]) == {0: 0.25, 1: 0.75}
    # Without the long one, the short one is all that Ada has.
    assert pool.take({0, 2}).bins.reshape(-1)[[1, 2, 3]] == pytest.approx([1, 0, 1], rel=1e-15)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("weight", WEIGHTS[1:])
def test_weights_of_one_recording_change_nothing(measure, weight):
    gaze = [(50 * i, 300 * (i % 9) + i, i % 2) for i in range(60)]
    one = study([section(gaze, [(0, 5, 200), (400, 900, 300)])])
    plain, weighted = (
        gh.finish_heatmap(gh.Pool.over(one, gh.Selection(measure, w)).take({0}), 5)
        for w in ("pooled", weight)
    )
    np.testing.assert_allclose(weighted.values, plain.values, rtol=1e-12, atol=1e-15)
    *told, seconds = astuple(weighted.peak)
    *told_plainly, seconds_plainly = astuple(plain.peak)
    assert told == pytest.approx(told_plainly, rel=1e-12)
    assert (seconds or 0) == pytest.approx(seconds_plainly or 0, rel=1e-12)
    assert weighted.seconds == plain.seconds


# ---------------------------------------------------------------- units


def heatmap(measure="gaze", weight="pooled", scale=5.0):
    cells = [300 * 112 + 150] * 600 + [300 * 112 + 152] * 300 + [300 * 40 + 20] * 100
    gaze = [(50 * i, cell, 1) for i, cell in enumerate(cells)]
    fixations = [(0, cells[0], 3_000), (9_000, cells[-1], 500)]
    one = study([section(gaze, fixations)])
    return gh.finish_heatmap(gh.Pool.over(one, gh.Selection(measure, weight)).take({0}), scale)


def test_seconds_are_samples_times_the_interval():
    assert heatmap().seconds == 1_000 * 0.005
    assert heatmap("fixation-duration").seconds == 3.5
    assert heatmap("fixation-count").seconds is None


@pytest.mark.parametrize("scale", [0, 5])
def test_the_unit_is_one_factor_on_the_blurred_count(scale):
    one = heatmap(scale=scale)
    counts = np.zeros(GRID.shape)
    counts[112, 150], counts[112, 152], counts[40, 20] = 600, 300, 100
    sigma_bins = 3 * scale
    within = reference.blur(counts, scale) * (2 * math.pi * sigma_bins**2 if scale else 1)
    for unit, whole in (("seconds", 0.005), ("share", 0.1), ("percent", 100 / within.max())):
        shown = gh.colour_scale(one, gh.Look(unit=unit))
        # The kernel ends at 4 sigmas, which 2 pi sigma² knows nothing of.
        np.testing.assert_allclose(one.values * shown.maximum, within * whole, rtol=4e-4, atol=1e-9)
        assert shown.factor == 1.0


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("weight", WEIGHTS)
def test_no_unit_and_no_top_moves_the_hottest_place(measure, weight):
    one = heatmap(measure, weight)
    place = np.unravel_index(one.values.argmax(), GRID.shape)
    assert (one.peak.row, one.peak.column) == place
    for unit in ("percent", "seconds", "share"):
        if why_not(one, unit):
            assert (measure, unit) == ("fixation-count", "seconds")
            continue
        for top in (0, 0.5, 200):
            factor = gh.colour_scale(one, gh.Look(unit=unit, top=top)).factor
            assert np.unravel_index((one.values * factor).argmax(), GRID.shape) == place


def test_a_unit_that_cannot_be_had_is_refused_with_those_that_can():
    with pytest.raises(gh.SettingError) as caught:
        gh.colour_scale(heatmap("fixation-count"), gh.Look(unit="seconds"))
    assert str(caught.value) == (
        "Fixations by number have no seconds. Choose the unit '% of the maximum' or "
        "'% of the gaze time'."
    )


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (
            ColourScale("percent", "", 100, 100, 0),
            {0: "0 %", 25: "25 %", 50: "50 %", 75: "75 %", 100: "100 %"},
        ),
        (
            ColourScale("seconds", "", 13.8, 10, 0),
            {0: "0 s", 20: "2 s", 40: "4 s", 60: "6 s", 80: "8 s", 100: "≥ 10 s"},
        ),
        (ColourScale("share", "", 0.04, 0.05, 0), {0: "0 %", 20: "0.01 %", 100: "0.05 %"}),
        (ColourScale("seconds", "", 0, 100, 0), {0: "0 s", 100: "100 s"}),
    ],
)
def test_ticks_are_round_and_the_top_says_what_lies_above(scale, ticks):
    shown = {round(place): text for place, text in scale.ticks()}
    assert ticks.items() <= shown.items()
    assert list(shown) == sorted(shown)
    assert len(shown) <= 7
