"""Histogram, pool, blur, normalize: against the reference, and by eye."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import gazeheat_core as gh
from tests import reference
from tests.builders import FRAME, MM, RIM

LANDSCAPE, PORTRAIT = (1500, 958), (958, 1500)
SIZES = [LANDSCAPE, PORTRAIT, (640, 640), (100_000, 10), (10, 100_000), (1, 500), (7, 3), (1, 1)]
sizes = st.sampled_from(SIZES) | st.tuples(st.integers(1, 5000), st.integers(1, 5000))


def recording(x, y, id="r", unreadable=0, first=0):
    """A recording with one sample every 5 ms, from the `first` on."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    numbers = np.arange(first, first + len(x), dtype=np.int64)
    gaze = gh.GazeSamples(numbers * 5_000_000, x, y)
    return gh.Recording(id, "", "", (gh.Section("s", gaze, None, unreadable),))


def export(size, *recordings, kind=RIM):
    """An export whose picture is known by its size only."""
    return gh.Export("Shelf", kind, recordings, gh.ReferenceImage(size, b""), frame=FRAME[kind])


def histograms(size, *positions):
    """One histogram for each pair of x and y."""
    recordings = (recording(x, y, f"r{i}") for i, (x, y) in enumerate(positions))
    return gh.bin_recordings(export(size, *recordings))


def along(border, bins):
    """Positions on one axis: anywhere, and on and one float beside every bin's edge."""
    edges = st.integers(0, bins).flatmap(
        lambda k: st.sampled_from([k * border / bins, k * (border / bins), k / bins * border])
    )
    beside = st.tuples(edges, st.sampled_from([-math.inf, math.inf])).map(
        lambda edge: math.nextafter(*edge)
    )
    anywhere = st.floats(-border, 2 * border)
    return st.one_of(anywhere, edges, beside, st.sampled_from([math.nan, math.inf, -math.inf]))


def gaze_on(size, extent=None):
    """Lists of positions, as arrays of x and of y."""
    axes = [along(b, n) for b, n in zip(extent or size, reference.grid(size), strict=True)]
    return st.lists(st.tuples(*axes), max_size=40).map(
        lambda samples: np.array(samples, np.float64).reshape(-1, 2).T
    )


sizes_with_gaze = sizes.flatmap(lambda size: st.tuples(st.just(size), gaze_on(size)))


# ---------------------------------------------------------------- the grid


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1500, 958), (192, 300)),  # 300 * 958 / 1500 = 191.6
        ((958, 1500), (300, 192)),
        ((1920, 1080), (169, 300)),  # 168.75
        ((4, 3), (225, 300)),
        ((640, 640), (300, 300)),
        ((1, 1), (300, 300)),
        ((100_000, 10), (1, 300)),  # 0.03: at least one
        ((1, 500), (300, 1)),
    ],
)
def test_longer_side_has_300_bins_and_the_other_keeps_the_shape(size, shape):
    assert gh.grid_shape(size) == shape


@given(sizes)
def test_grid_is_that_of_the_reference(size):
    assert gh.grid_shape(size) == reference.grid(size)[::-1]


# ---------------------------------------------------------------- the histogram


@given(sizes_with_gaze)
def test_histogram_is_exactly_that_of_numpy(drawn):
    size, (x, y) = drawn
    bins = gh.bin_gaze(x, y, size, gh.grid_shape(size))
    np.testing.assert_array_equal(bins, reference.histogram(x, y, size))


@given(sizes.flatmap(lambda size: st.tuples(st.just(size), gaze_on(size, (1.0, 1.0)))))
def test_histogram_of_a_surface_is_exactly_that_of_numpy(drawn):
    size, (x, y) = drawn
    surface = export(size, recording(x, y), kind=MM)
    (histogram,) = gh.bin_recordings(surface)
    np.testing.assert_array_equal(histogram.bins, reference.histogram(x, y, size, (1, 1)))


@pytest.mark.parametrize("size", SIZES)
def test_histogram_of_every_edge_is_exactly_that_of_numpy(size):
    axes = [
        np.concatenate([np.nextafter(edges, -np.inf), edges, np.nextafter(edges, np.inf)])
        for border, count in zip(size, reference.grid(size), strict=True)
        for edges in [np.arange(count + 1) * border / count]
    ]
    x, y = np.meshgrid(*axes)
    bins = gh.bin_gaze(x.ravel(), y.ravel(), size, gh.grid_shape(size))
    np.testing.assert_array_equal(bins, reference.histogram(x.ravel(), y.ravel(), size))


def test_histogram_does_not_depend_on_how_many_samples_are_binned_at_a_time():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-50, 1550, 200_000), rng.uniform(-50, 1000, 200_000)
    bins = gh.bin_gaze(x, y, (1500, 958), (192, 300))
    np.testing.assert_array_equal(bins, reference.histogram(x, y, (1500, 958)))


def test_bins_can_be_counted_by_eye():
    # A picture of 40 × 20 in a grid of 4 × 2: each bin is 10 wide and 10 high.
    x = np.array([0.0, 5.0, 9.9, 10.0, 39.9, 40.0, 35.0])
    y = np.array([0.0, 5.0, 9.9, 0.0, 10.0, 20.0, 15.0])
    assert gh.bin_gaze(x, y, (40, 20), (2, 4)).tolist() == [
        [3, 1, 0, 0],
        [0, 0, 0, 3],
    ]


@pytest.mark.parametrize("size", SIZES)
def test_corners_of_the_picture_are_in_the_corners_of_the_grid(size):
    width, height = size
    for x, column in ((0, 0), (width, -1)):
        for y, row in ((0, 0), (height, -1)):
            (histogram,) = histograms(size, ([x], [y]))
            assert histogram.bins[row, column] == histogram.bins.sum() == 1


@pytest.mark.parametrize("size", SIZES)
def test_a_sample_one_float_beyond_a_border_is_left_out_not_moved_to_it(size):
    width, height = size
    x, y = width / 2, height / 2
    beyond = [
        (math.nextafter(0, -1), y),
        (math.nextafter(width, math.inf), y),
        (x, math.nextafter(0, -1)),
        (x, math.nextafter(height, math.inf)),
    ]
    (histogram,) = histograms(size, np.array([*beyond, (x, y)]).T)
    assert histogram.bins.sum() == 1
    assert histogram.counts == gh.Counts(used=1, outside=4)


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
def test_rows_run_down_and_columns_to_the_right(size):
    width, height = size
    (histogram,) = histograms(size, ([0.9 * width], [0.1 * height]))
    ((row, column),) = np.argwhere(histogram.bins)
    rows, columns = histogram.bins.shape
    # A tenth of 192 or 300 rows from the top, nine tenths of the columns from the left.
    assert (row, column) == (rows // 10, columns * 9 // 10)


# ---------------------------------------------------------------- the counts


def test_every_row_is_counted_once():
    nan = math.nan
    (histogram,) = gh.bin_recordings(
        export(
            (40, 30), recording([5, 6, 41, -1, nan, nan, nan], [5, 6, 5, 5, nan, nan, nan], "r", 4)
        )
    )
    assert histogram.counts == gh.Counts(used=2, outside=2, undetected=3, unreadable=4)
    assert histogram.counts.rows == 11


@given(sizes_with_gaze, st.integers(0, 9))
def test_counts_add_up_to_the_rows_of_the_file(drawn, unreadable):
    size, (x, y) = drawn
    one = recording(x, y, "r", unreadable)
    (histogram,) = gh.bin_recordings(export(size, one))
    counts = histogram.counts
    assert counts.rows == one.rows == len(x) + unreadable
    assert counts.used == histogram.bins.sum()
    assert counts.used + counts.outside + counts.undetected + counts.unreadable == counts.rows
    assert min(counts.used, counts.outside, counts.undetected, counts.unreadable) >= 0


def test_sections_of_a_recording_are_added_up():
    first, second = recording([5.0], [5.0]), recording([6.0, 99.0], [6.0, 0.0])
    joined = gh.Recording("r", "", "", first.sections + second.sections)
    (histogram,) = gh.bin_recordings(export((40, 30), joined))
    assert histogram.counts == gh.Counts(used=2, outside=1)
    # One sample has no duration; two are 5 ms apart; the time between sections is none.
    assert histogram.duration_ns == 5_000_000


# ---------------------------------------------------------------- pooling


@given(sizes_with_gaze, st.lists(st.integers(0, 40), max_size=4).map(sorted))
def test_parts_pool_to_the_whole(drawn, cuts):
    size, (x, y) = drawn
    shape = gh.grid_shape(size)
    parts = histograms(size, *zip(np.split(x, cuts), np.split(y, cuts), strict=True))
    (whole,) = histograms(size, (x, y))
    pooled = gh.pool(parts, shape)
    bins, counts = pooled.bins, pooled.counts
    np.testing.assert_array_equal(bins, whole.bins)
    assert counts == whole.counts


@given(sizes_with_gaze, st.randoms(use_true_random=False))
def test_order_of_samples_and_of_recordings_does_not_matter(drawn, random):
    size, (x, y) = drawn
    order = list(range(len(x)))
    random.shuffle(order)
    parts = histograms(size, (x[::2], y[::2]), (x[1::2], y[1::2]))
    shuffled = histograms(size, (x[order], y[order]))
    expected = gh.pool(parts, gh.grid_shape(size))
    for others in (parts[::-1], shuffled):
        pooled = gh.pool(others, gh.grid_shape(size))
        np.testing.assert_array_equal(pooled.bins, expected.bins)
        assert pooled.counts == expected.counts


def test_a_longer_recording_weighs_more():
    long, short = ([5.0] * 30, [5.0] * 30), ([35.0] * 10, [25.0] * 10)
    heatmap = gh.make_heatmap(histograms((40, 30), long, short), (40, 30), scale=0)
    assert heatmap.recordings == 2
    # 300 × 225 bins, 7.5 for a pixel.
    assert heatmap.values[37, 37] == 1
    assert heatmap.values[187, 262] == pytest.approx(1 / 3)
    assert np.count_nonzero(heatmap.values) == 2


@pytest.mark.parametrize("scale", [0, 5, 20])
@pytest.mark.parametrize("positions", [[], [([], [])], [([math.nan], [math.nan])], [([-1], [5])]])
def test_nothing_looked_at_is_all_zero(positions, scale):
    heatmap = gh.make_heatmap(histograms((40, 30), *positions), (40, 30), scale)
    np.testing.assert_array_equal(heatmap.values, np.zeros((225, 300)))
    assert heatmap.counts.used == 0
    assert heatmap.recordings == len(positions)


# ---------------------------------------------------------------- the blur

# Sums of at most 2 × 300 products, none negative: each rounding is at most 1.1e-16 of the
# sum, so that a thousand of them are 1.1e-13.
BLUR_RTOL = 1e-12
scales = st.floats(0, 20)
grids = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: st.lists(
        st.integers(0, 10**6), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]
    ).map(lambda values: np.array(values).reshape(shape))
)


@given(grids, scales)
@example(np.eye(3, dtype=int), 1e-200)  # a sigma whose square is zero
def test_blur_is_that_of_scipy(counts, scale):
    blurred = gh.blur(counts, scale)
    expected = reference.blur(counts.astype(np.float64), scale)
    np.testing.assert_allclose(blurred, expected, rtol=BLUR_RTOL, atol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [0.1, 1, 5, 20])
def test_blur_of_a_full_grid_is_that_of_scipy_and_keeps_the_sum(size, scale):
    counts = np.random.default_rng(2).poisson(0.05, gh.grid_shape(size))
    counts[0, 0] = counts[-1, -1] = 40  # nothing is lost at the borders
    blurred = gh.blur(counts, scale)
    expected = reference.blur(counts.astype(np.float64), scale)
    np.testing.assert_allclose(blurred, expected, rtol=BLUR_RTOL, atol=0)
    assert blurred.sum() == pytest.approx(counts.sum(), rel=BLUR_RTOL)


def test_scale_is_percent_of_the_longer_side():
    counts = np.zeros((192, 300))
    counts[96, 150] = 1
    blurred = gh.blur(counts, 5)
    # Sigma is 15 bins along both axes: there a Gaussian has fallen to exp(-1/2).
    for falls in (blurred[96, 165], blurred[96, 135], blurred[111, 150], blurred[81, 150]):
        # The cut at 4 sigma and the scaling to a sum of 1 do not show in the quotient.
        assert falls / blurred[96, 150] == pytest.approx(math.exp(-0.5), rel=BLUR_RTOL)


@given(grids)
def test_scale_zero_is_no_blur(counts):
    np.testing.assert_array_equal(gh.blur(counts, 0), counts)


# ---------------------------------------------------------------- the whole


@given(sizes_with_gaze, st.sampled_from([0.0, 0.3, 5.0, 20.0]))
def test_heatmap_is_that_of_the_reference(drawn, scale):
    size, (x, y) = drawn
    heatmap = gh.make_heatmap(histograms(size, (x, y)), size, scale)
    expected = reference.grid_values(x, y, size, scale)
    np.testing.assert_allclose(heatmap.values, expected, rtol=BLUR_RTOL, atol=0)
    assert heatmap.values.max() == (1 if heatmap.counts.used else 0)
    assert heatmap.values.min() >= 0
    assert heatmap.scale == scale


@given(sizes, scales)
def test_a_single_sample_is_the_maximum(size, scale):
    width, height = size
    heatmap = gh.make_heatmap(histograms(size, ([width / 3], [height / 3])), size, scale)
    assert heatmap.values.max() == 1
    assert heatmap.counts == gh.Counts(used=1)


def test_normalize_divides_by_the_maximum_once():
    np.testing.assert_array_equal(gh.normalize(np.array([[0.0, 8.0, 2.0]])), [[0, 1, 0.25]])


def test_many_short_sections_are_one_histogram():
    numbers = np.arange(2000)
    whole = recording(numbers % 41.0, numbers % 31.0)
    sections = tuple(
        recording([n % 41.0], [n % 31.0], first=n).sections[0] for n in numbers.tolist()
    )
    parts = gh.Recording("r", "", "", sections)
    one, other = gh.bin_recordings(export((40, 30), whole, parts))
    np.testing.assert_array_equal(one.bins, other.bins)
    assert one.counts == other.counts


@pytest.mark.parametrize("times", [(-(2**63), 2**63 - 1), (2**63 - 1, -(2**63), 5)])
def test_times_at_the_ends_of_their_range_give_the_time_between(times):
    gaze = gh.GazeSamples(np.array(times, np.int64), np.ones(len(times)), np.ones(len(times)))
    one = gh.Recording("r", "", "", (gh.Section("a", gaze), gh.Section("b", gaze)))
    (histogram,) = gh.bin_recordings(export((40, 30), one))
    assert histogram.duration_ns == 2 * (2**64 - 1)


# ---------------------------------------------------------------- what 100 % stands for


@pytest.mark.parametrize("scale", [0, 0.1, 1, 5, 20])
def test_a_sample_exactly_there_counts_one_whatever_the_blur(scale):
    # In the middle, where no border reflects anything within 4 sigmas of 40 bins or less.
    for count in (1, 40):
        x, y = np.full((2, count), 2000.0)
        heatmap = gh.make_heatmap(histograms((4000, 4000), (x, y)), (4000, 4000), min(scale, 12))
        assert (heatmap.peak.row, heatmap.peak.column) == (150, 150)
        assert heatmap.peak.amount == pytest.approx(count, rel=1e-12)
        # Samples are 5 ms apart; one alone does not tell.
        seconds = None if count == 1 else pytest.approx(count * 0.005, rel=1e-12)
        assert heatmap.peak.seconds == seconds


def test_a_glance_one_sigma_away_counts_less():
    # Scale 5 is 15 of 300 bins: 150 of 3000 pixels.
    here, away = np.full(60, 1505.0), np.full(10, 1655.0)
    gaze = np.concatenate([here, away]), np.full(70, 1505.0)
    heatmap = gh.make_heatmap(histograms((3000, 3000), gaze), (3000, 3000), scale=5)
    peak = heatmap.peak
    # Somewhat more of the ten lies within the blur a few bins towards them.
    assert 60 + 10 * math.exp(-0.5) <= peak.amount <= 61 + 10 * math.exp(-0.5)
    assert peak.seconds == pytest.approx(peak.amount * 0.005, rel=1e-12)
    assert 150 <= peak.column <= 153
    assert peak.row == 150


@given(sizes_with_gaze, st.sampled_from([0.5, 2, 5, 20]))
def test_the_peak_is_the_blurred_count_without_the_kernel_s_division(drawn, scale):
    size, (x, y) = drawn
    heatmap = gh.make_heatmap(histograms(size, (x, y)), size, scale)
    counts = reference.histogram(x, y, size)
    if not counts.any():
        assert heatmap.peak is None
        return
    sigma_bins = 3 * scale
    most = 2 * math.pi * sigma_bins**2 * reference.blur(counts, scale).max()
    # The kernel ends at 4 sigmas, which 2 pi sigma² knows nothing of.
    assert heatmap.peak.amount == pytest.approx(most, rel=3e-4)


def test_seconds_are_those_of_each_recording_s_own_tracker():
    fast, slow = np.full(100, 5.0), np.full(10, 5.0)
    every_50_ms = gh.GazeSamples(np.arange(10) * 50_000_000, slow, slow)
    study = gh.track_export(
        export(
            (40, 30),
            recording(fast, fast, "a"),
            gh.Recording("b", "", "", (gh.Section("s", every_50_ms),)),
        )
    )
    pool = gh.Pool.over(study)
    for ticked, seconds in (({0}, 0.5), ({0, 1}, 1.0), ({1}, 0.5), ({0, 1}, 1.0)):
        assert gh.finish_heatmap(pool.take(ticked), 0).peak.seconds == pytest.approx(seconds)


def test_without_times_there_are_samples_and_no_seconds():
    # Whole seconds, as a spreadsheet leaves them: the samples cannot be told apart in time.
    rounded = gh.GazeSamples(np.arange(50) // 10 * 10**9, np.full(50, 5.0), np.full(50, 5.0))
    one = gh.Recording("a", "", "", (gh.Section("s", rounded),))
    other = recording(np.full(20, 5.0), np.full(20, 5.0), "b")
    study = gh.track_export(export((40, 30), one, other))
    assert [r.sampling_interval_ns for r in study.recordings] == [0, 5_000_000]
    both = gh.finish_heatmap(gh.Pool.over(study).take({0, 1}), 0).peak
    assert (both.amount, both.seconds) == (70, None)
