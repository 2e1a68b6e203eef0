"""From an upload to a session that is ready to tick: time, memory, how both grow."""

import io
import json
import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import app
import gazeheat_core as gh
from gazeheat_core.exports import find_exports, open_source
from gazeheat_core.exports.picture import read_picture
from gazeheat_core.exports.reading import read_images
from gazeheat_core.studies import open_executor, submit_export
from tests.benchmarks.data import MOST_SAMPLES, RECORDINGS, SIZE, photo, write_folder, write_zip
from tests.benchmarks.measure import MB, seconds

ROOT = Path(__file__).parents[2]

# Memory: for a sample, for a recording, and for everything else.
SAMPLE_BYTES = 24
RECORDING_BYTES = 0.5 * MB
READING_BYTES = 200 * MB
# What an allocator may keep for itself: 2 % of what a study of ten million samples held.
LEFT_BYTES = 5 * MB


@cache
def probe(rows):
    """Figures of one study, read in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.probe", "read", str(rows)],
        cwd=ROOT,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # as the README has it for a lab's server
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def steps(most):
    """Numbers of samples to read: a hundredth of the most, a tenth, the most."""
    return most // 100, most // 10, most


# --- Time ----------------------------------------------------------------------------


def test_reading_costs_little_more_than_unpacking_and_parsing(tmp_path, report):
    rows, rounds = 1_000_000, 5
    path = tmp_path / "study.zip"
    gaze_bytes = write_zip(path, rows)

    def whole_with_pandas():
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("gaze.csv"))
            text = archive.read(name)
        return pd.read_csv(
            io.BytesIO(text), usecols=list(range(6)), dtype={0: str, 1: str, 2: "int64"}
        )

    def ready_to_tick():
        (export,) = gh.read_exports(path)
        return app.Opened(0, export)

    assert len(whole_with_pandas()) == ready_to_tick().export.rows == rows
    image = gh.ReferenceImage(SIZE, photo(SIZE))

    def picture_alone():
        read_picture(image.data, "picture")
        gh.display_jpeg(image)

    works = (whole_with_pandas, ready_to_tick, picture_alone)
    turns = [[seconds(work)[0] for work in works] for _ in range(rounds)]
    plain_s, ready_s, picture_s = np.median(turns, axis=0)
    report(
        f"read: {gaze_bytes / MB:.0f} MB of gaze in a ZIP of {path.stat().st_size / MB:.0f} MB, "
        f"picture 4000x3000: ready to tick in {ready_s:.2f} s; unpacking and pandas alone "
        f"{plain_s:.2f} s; ratio {ready_s / plain_s:.2f} (target 1.5)",
        f"  of it the picture {picture_s:.2f} s; the gaze alone would be "
        f"{(ready_s - picture_s) / plain_s:.2f}",
    )
    assert ready_s <= 1.5 * plain_s


def test_a_study_on_the_server_is_read_by_all_processors(tmp_path, report):
    rows = 4_000_000
    folder = tmp_path / "study"
    gaze_bytes = write_folder(folder, rows)

    def binned(executor):
        with open_source(folder, flat=True) as files:
            (found,), _ = find_exports(files)
            images = read_images(found)
            pending = submit_export(folder, found, images, executor, flat=True, part_bytes=2**26)
            assert sum(h.rows for h in pending.result().recordings) == rows

    times = {}
    for jobs in (1, 2):
        with open_executor(jobs) as executor:
            binned(executor)  # the workers have started
            times[jobs] = min(seconds(binned, executor)[0] for _ in range(3))
    per_s = rows / times[1]
    # 1,000 recordings of an hour at 200 samples a second.
    large = 1000 * 3600 * 200
    bytes_a_row = gaze_bytes / rows
    gain = times[1] / times[2]
    report(
        f"server's folder: {per_s / 1e6:.2f} M rows/s and processor ({per_s * bytes_a_row / MB:.0f}"
        f" MB/s); two processes {gain:.2f} times as fast",
        f"on paper, 1,000 recordings of an hour at 200 Hz: {large / 1e6:.0f} M rows, "
        f"{large * bytes_a_row / 1e9:.0f} GB of CSV, {large / per_s / 60:.0f} processor-minutes: "
        + ", ".join(
            f"{machines} machine{'s' if machines > 1 else ''} of {cores} processors "
            f"{large / per_s / (machines * cores) / 60:.1f} min"
            for machines in (1, 10)
            for cores in (2, 16)
        ),
        f"  result: {1000 * 0.27:.0f} MB of histograms at 225 x 300 bins, whatever the length",
    )


# --- Memory and growth ---------------------------------------------------------------


@pytest.fixture(scope="module")
def probes(request):
    return [probe(rows) for rows in steps(request.config.getoption("--samples", MOST_SAMPLES))]


def test_memory_while_reading_is_bounded(probes, report):
    for one in probes:
        allowed = SAMPLE_BYTES * one["rows"] + READING_BYTES
        report(
            f"memory while reading {one['rows'] / 1e6:g} M rows ({one['csv_bytes'] / 1e9:.2f} GB "
            f"of CSV): peak {one['opened_peak_bytes'] / MB:,.0f} MB over the start "
            f"(target {allowed / MB:,.0f})"
        )
    for one in probes:
        assert one["opened_peak_bytes"] <= SAMPLE_BYTES * one["rows"] + READING_BYTES


def test_memory_of_an_open_study_is_its_samples_and_comes_back(probes, report):
    for one in probes:
        allowed = SAMPLE_BYTES * one["rows"] + RECORDING_BYTES * RECORDINGS + len(photo(SIZE))
        report(
            f"memory held with {one['rows'] / 1e6:g} M rows open: {one['held_bytes'] / MB:,.1f} MB "
            f"(target {allowed / MB:,.1f}); after clearing {one['left_bytes'] / MB:,.1f} MB"
        )
        assert one["held_bytes"] <= allowed
        assert one["left_bytes"] <= LEFT_BYTES


def test_only_reading_grows_with_the_samples(probes, report):
    for one in probes:
        millions = one["rows"] / 1e6
        report(
            f"{millions:g} M samples: reading {one['read_s']:.1f} s "
            f"({1e3 * one['read_s'] / millions / 1e3:.2f} s a million), binning and picture "
            f"{one['open_s']:.2f} s, a tick {one['tick_ms']:.1f} ms, both files "
            f"{one['files_s']:.2f} s"
        )
    # The smallest carries what every study costs, such as checking its picture.
    _, middle, most = probes
    growth = (most["read_s"] / most["rows"]) / (middle["read_s"] / middle["rows"])
    assert 0.6 <= growth <= 1.4
    for what in ("tick_ms", "files_s"):
        assert most[what] <= 1.5 * middle[what]
