"""Exports as people have them, read again from the raw files with csv and numpy."""

import csv

import numpy as np
import pytest

import gazeheat_core as gh
from tests import reference

SIZE = (1500, 958)
X, Y = (f"gaze position on surface {axis} [normalized]" for axis in "xy")


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def positions(rows):
    return np.array([[float(row[X] or "nan"), float(row[Y] or "nan")] for row in rows]).T


@pytest.fixture(scope="module")
def folder(real_data):
    return real_data / "marker_mapper_cloud_2025"


@pytest.fixture(scope="module")
def export(folder):
    (export,) = gh.read_exports(folder)
    return export


@pytest.fixture(scope="module")
def raw(folder):
    """Rows of ``gaze.csv`` by recording id."""
    rows = read_rows(folder / "gaze.csv")
    ids = [row["recording id"] for row in read_rows(folder / "sections.csv")]
    return {id: [row for row in rows if row["recording id"] == id] for id in ids}


@pytest.fixture(scope="module")
def histograms(export):
    return gh.bin_recordings(export)


def test_samples_are_5_ms_apart(histograms):
    assert [round(one.sampling_interval_ns / 1e6, 1) for one in histograms] == [5.0, 5.0, 5.0]


def test_marker_mapper_export_is_read_whole(export, raw):
    assert (export.kind, export.unit) == ("Marker Mapper", "normalized")
    assert export.size() == SIZE
    assert export.rows == sum(map(len, raw.values())) == 3917
    assert [r.id for r in export.recordings] == list(raw)
    assert [r.name for r in export.recordings] == [
        "2025-08-09_06:55:05",
        "2025-08-10_02:51:33",
        "2025-08-12_06:13:13",
    ]
    assert (export.unassigned_rows, export.notices) == (0, ())


def test_every_sample_keeps_its_time_and_its_position(export, raw):
    for recording, rows in zip(export.recordings, raw.values(), strict=True):
        (section,) = recording.sections
        detected = np.array([row["gaze detected on surface"] == "true" for row in rows])
        x, y = positions(rows)
        assert section.gaze.timestamp_ns.tolist() == [int(row["timestamp [ns]"]) for row in rows]
        # Bit for bit, and NaN where the surface was not looked at.
        np.testing.assert_array_equal(section.gaze.x, np.where(detected, x, np.nan))
        np.testing.assert_array_equal(section.gaze.y, np.where(detected, y, np.nan))


def test_counts_are_those_of_the_raw_rows(histograms, raw):
    for histogram, rows in zip(histograms, raw.values(), strict=True):
        x, y = positions(rows)
        detected = np.array([row["gaze detected on surface"] == "true" for row in rows])
        inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
        assert histogram.counts == gh.Counts(
            used=(detected & inside).sum(),
            outside=(detected & ~inside).sum(),
            undetected=(~detected).sum(),
        )
        assert histogram.counts.rows == len(rows)


def test_histograms_are_those_of_the_raw_columns(histograms, raw):
    for histogram, rows in zip(histograms, raw.values(), strict=True):
        detected = [row for row in rows if row["gaze detected on surface"] == "true"]
        expected = reference.histogram(*positions(detected), SIZE, (1, 1))
        np.testing.assert_array_equal(histogram.bins, expected)
        assert histogram.bins.shape == (192, 300)


def test_fixations_are_those_of_the_raw_rows(export, folder):
    rows = read_rows(folder / "fixations.csv")
    fixations = [s.fixations for r in export.recordings for s in r.sections]
    assert sum(map(len, fixations)) == len(rows) == 41
    ids = sorted(int(row["fixation id"]) for row in rows)
    assert sorted(np.concatenate([f.fixation_id for f in fixations]).tolist()) == ids
    durations_ms = np.concatenate([f.duration_ms for f in fixations])
    assert durations_ms.sum() == sum(int(row["duration [ms]"]) for row in rows)


def test_no_fixation_was_corrected(folder, export, raw):
    # Flag and position of a sample say different things here: a fixation stands at the mean of
    # all its samples with a position.
    samples = {}
    for rows in raw.values():
        for row in rows:
            if row["fixation id"] and row[X]:
                key = row["section id"], row["fixation id"]
                samples.setdefault(key, []).append((float(row[X]), float(row[Y])))
    flagged = 0
    for row in read_rows(folder / "fixations.csv"):
        if row["fixation detected on surface"] == "true":
            flagged += 1
            mean = np.mean(samples[row["section id"], row["fixation id"]], axis=0)
            stated = [float(row[f"fixation {axis} [normalized]"]) for axis in "xy"]
            np.testing.assert_allclose(mean, stated, rtol=0, atol=1e-6)
    with gh.exports.open_source(folder) as files:
        (found,), _ = gh.exports.find_exports(files)
        studies = [gh.track_export(export), gh.exports.read_study(found)]
    for study in studies:
        sections = [section for one in study.recordings for section in one.sections]
        assert [one.fixations_compared for one in sections] == [20, 0, 5]
        assert flagged == 25
        assert [one.fixations_corrected for one in sections] == [0, 0, 0]
        assert [one.fixations_mirrored for one in sections] == [0, 0, 0]
        assert [one.fixations_unreadable for one in sections] == [0, 0, 0]
        assert [one.fixations_listed_twice for one in sections] == [0, 0, 0]
        assert study.unassigned_fixations == 0


@pytest.mark.parametrize("window_s", [None, (0.0, 2.0), (2.0, 1e6)])
def test_fixations_are_counted_as_the_raw_rows_have_them(export, folder, window_s):
    study = gh.track_export(export)
    rows, gaze = read_rows(folder / "fixations.csv"), read_rows(folder / "gaze.csv")
    starts = {
        row["section id"]: min(
            int(row["section start time [ns]"]),
            *(int(one["timestamp [ns]"]) for one in gaze if one["section id"] == row["section id"]),
        )
        for row in read_rows(folder / "sections.csv")
    }
    expected = {"fixation-count": 0, "fixation-duration": 0}
    for row in rows:
        after_s = (int(row["start timestamp [ns]"]) - starts[row["section id"]]) / 1e9
        x, y = (float(row[f"fixation {axis} [normalized]"]) for axis in "xy")
        is_inside = 0 <= x <= 1 and 0 <= y <= 1 and row["fixation detected on surface"] == "true"
        if is_inside and (window_s is None or window_s[0] <= after_s < window_s[1]):
            expected["fixation-count"] += 1
            expected["fixation-duration"] += int(row["duration [ms]"])
    for measure, amount in expected.items():
        pooled = gh.Pool.over(study, gh.Selection(measure, window_s=window_s)).take({0, 1, 2})
        assert (pooled.amount, pooled.bins.sum(), pooled.counts.rows) == (amount, amount, 41)


def test_windows_of_the_real_gaze_add_up(export):
    study = gh.track_export(export)
    (whole, *parts) = (
        gh.Pool.over(study, gh.Selection(window_s=ends)).take({0, 1, 2})
        for ends in ((0, 1e6), (0, 1.5), (1.5, 3.25), (3.25, 1e6))
    )
    np.testing.assert_array_equal(sum(part.bins for part in parts), whole.bins)
    assert whole.total_ns == sum(part.total_ns for part in parts)
    # The trackers' intervals are within a thousandth of 5 ms.
    assert whole.total_ns == pytest.approx(whole.counts.used * 5_000_000, rel=1e-3)


def test_images_are_those_of_the_reference(export, histograms, raw):
    look = gh.Look()
    heatmap = gh.make_heatmap(histograms, SIZE, look.scale)
    rows = [row for rows in raw.values() for row in rows]
    detected = [row for row in rows if row["gaze detected on surface"] == "true"]
    values = reference.grid_values(*positions(detected), SIZE, look.scale, (1, 1))
    # As in the tests of the blur: sums of at most 600 products, none negative.
    np.testing.assert_allclose(heatmap.values, values, rtol=1e-12, atol=0)
    images = gh.render(heatmap, export.image, look)
    assert images.heatmap.size == images.overlay.size == SIZE
    alpha = 255 * np.minimum(reference.resize(values, SIZE), look.opacity)
    # Rounded to one of 256 steps, and 32-bit floats before it.
    np.testing.assert_allclose(np.asarray(images.heatmap)[..., 3], alpha, rtol=0, atol=0.501)


def test_a_raw_recording_is_refused_with_the_enrichment_it_needs(real_data):
    with pytest.raises(gh.UnmappedError) as caught:
        gh.read_exports(real_data / "neon_raw_unmapped")
    message = str(caught.value)
    assert "gaze.csv" in message
    assert "'gaze x [px]'" in message
    assert "Reference Image Mapper or a Marker Mapper" in message


def test_an_empty_export_of_pupil_player_is_refused(real_data):
    with pytest.raises(gh.ExportError) as caught:
        gh.read_exports(real_data / "pupil_player_empty")
    message = str(caught.value)
    assert "pupil_player_empty" in message
    assert "Pupil Player" in message
    assert "add the Surface Tracker plugin" in message
    assert "Cloud" not in message
