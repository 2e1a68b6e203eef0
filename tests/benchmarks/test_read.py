"""From an upload to a session that is ready to tick: time, memory, how both grow."""

import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gazeheat_core as gh
from gazeheat_core.cache import StudyCache
from gazeheat_core.exports import find_exports, open_source
from gazeheat_core.exports.columns import find_layout
from gazeheat_core.exports.picture import read_picture
from gazeheat_core.exports.reading import read_images
from gazeheat_core.exports.studies import read_study
from gazeheat_core.exports.tables import parse_block, read_blocks
from gazeheat_core.page.session import Opened
from gazeheat_core.parallel import open_executor, submit_export
from gazeheat_core.windows import KEPT_BYTES
from tests.benchmarks.data import (
    MOST_SAMPLES,
    RECORDINGS,
    SIZE,
    photo,
    source_files,
    write_folder,
    write_zip,
)
from tests.benchmarks.measure import MB, seconds, side_by_side

ROOT = Path(__file__).parents[2]

# Memory of an open study: for a sample, for a recording, and for histograms that are kept.
SAMPLE_BYTES = 9
RECORDING_BYTES = 60_000
# Over all that, while it is read: a hundred million rows within 1.2 GB.
READING_BYTES = 235 * MB
# What an allocator may keep for itself: 5 % of what a study of ten million samples holds.
LEFT_BYTES = 5 * MB
# Reading takes so many times as long as unpacking and parsing with pandas.
READING_RATIO = 1.3
# Opening again takes such a part of the time that pandas parses the rows in. On a quiet machine
# it parses a million in about 0.6 s, and opening them again is to take 0.1 s at most.
AGAIN_RATIO = 1 / 6


@cache
def probe(rows, recordings=RECORDINGS):
    """Figures of one study, read in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.probe", "read", str(rows), str(recordings)],
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


def parse(gaze):
    """What pandas makes of the columns that are used, up to the id of the fixation."""
    return pd.read_csv(gaze, usecols=list(range(7)), dtype={0: str, 1: str, 2: "int64"})


# --- Time ----------------------------------------------------------------------------


def test_reading_costs_little_more_than_unpacking_and_parsing(tmp_path, report):
    rows, rounds = 1_000_000, 5
    path = tmp_path / "study.zip"
    gaze_bytes = write_zip(path, rows)

    def whole_with_pandas():
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("gaze.csv"))
            text = archive.read(name)
        return parse(io.BytesIO(text))

    def ready_to_tick():
        with open_source(path) as files:
            (found,), _ = find_exports(files)
            return Opened(0, read_study(found))

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
        f"{plain_s:.2f} s; ratio {ready_s / plain_s:.2f} (target {READING_RATIO})",
        f"  of it the picture {picture_s:.2f} s; the gaze alone would be "
        f"{(ready_s - picture_s) / plain_s:.2f}",
    )
    assert ready_s <= READING_RATIO * plain_s


def test_times_of_a_spreadsheet_take_at_most_twice_as_long(report):
    (found,), _ = find_exports(source_files(200_000))
    layout = find_layout(found.format, found.gaze)
    german = replace(found.gaze, delimiter=";")
    plain = list(read_blocks(found.gaze))
    # What Excel shows of a timestamp, and what it writes.
    excel = [re.sub(rb"\b1\d{18}\b", lambda m: b"%.5E" % int(m[0]), one) for one in plain]
    in_german = [one.replace(b",", b";").replace(b".", b",") for one in excel]

    def parse(blocks, table):
        rows = [parse_block(one, table, layout) for one in blocks]
        assert sum(int(one.readable.sum()) for one in rows) == 200_000

    works = (
        lambda _: parse(plain, found.gaze),
        lambda _: parse(excel, found.gaze),
        lambda _: parse(in_german, german),
    )
    plain_s, excel_s, german_s = np.median(side_by_side(works, 7, time.thread_time), axis=1)
    report(
        f"timestamps as 1.67041E+18: {excel_s / plain_s:.2f} times as long as plain ones, with "
        f"decimal commas and semicolons {german_s / plain_s:.2f} (target 2.0)"
    )
    assert max(excel_s, german_s) <= 2 * plain_s


def test_a_study_on_the_server_is_read_by_all_processors(tmp_path, report):
    rows = 4_000_000
    folder = tmp_path / "study"
    gaze_bytes = write_folder(folder, rows)

    def binned(executor):
        with open_source(folder, flat=True) as files:
            (found,), _ = find_exports(files)
            images, _ = read_images(found)
            pending = submit_export(folder, found, images, executor, flat=True, part_bytes=2**26)
            assert pending.result().rows == rows

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
        f"  result: {large * SAMPLE_BYTES / 1e9:.1f} GB of tracks",
    )


def test_a_study_on_the_server_opened_again_is_hardly_read(tmp_path, report):
    rows, rounds = 4_000_000, 5
    folder = tmp_path / "study"
    write_folder(folder, rows)
    kept = StudyCache(tmp_path / "kept")
    with open_source(folder, flat=True) as files, open_executor() as executor:
        (found,), _ = find_exports(files)
        # Each opening takes the picture too, of whatever length the study is.
        images, _ = read_images(found)

        def opened():
            pending = submit_export(folder, found, images, executor, flat=True, cache=kept)
            assert pending.result().rows == rows
            return pending

        assert opened().kept is None
        time.sleep(3)  # only then are the files taken for settled, and their digests kept
        opened()
        assert opened().kept is not None

        def parsed():
            assert len(parse(folder / "gaze.csv")) == rows

        turns = [[seconds(work)[0] for work in (parsed, opened)] for _ in range(rounds)]
    plain_s, again_s = np.median(turns, axis=0)
    kept_bytes = sum(path.stat().st_size for path in kept.folder.iterdir())
    report(
        f"opened again: {again_s / rows * 1e6:.3f} s a million samples, {again_s / plain_s:.3f} of "
        f"the time that pandas parses them in (target {AGAIN_RATIO:.3f}); on disk "
        f"{kept_bytes / rows:.2f} bytes a sample"
    )
    assert again_s <= AGAIN_RATIO * plain_s


# --- Memory and growth ---------------------------------------------------------------


@pytest.fixture(scope="module")
def probes(request):
    return [probe(rows) for rows in steps(request.config.getoption("--samples", MOST_SAMPLES))]


def held_target(one):
    """The most that an open study may hold: itself, its picture, histograms in use."""
    return (
        SAMPLE_BYTES * one["rows"]
        + RECORDING_BYTES * one["recordings"]
        + KEPT_BYTES
        + len(photo(SIZE))
    )


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
    many_small = probe(1_000_000, 1_000)
    for one in (many_small, *probes):
        report(
            f"memory held with {one['rows'] / 1e6:g} M rows in {one['recordings']:,} recordings "
            f"open: {one['held_bytes'] / MB:,.1f} MB (target {held_target(one) / MB:,.1f}); after "
            f"clearing {one['left_bytes'] / MB:,.1f} MB"
        )
    for one in (many_small, *probes):
        assert one["held_bytes"] <= held_target(one)
        assert one["left_bytes"] <= LEFT_BYTES


def test_only_reading_grows_with_the_samples(probes, report):
    for one in probes:
        millions = one["rows"] / 1e6
        report(
            f"{millions:g} M samples: reading {one['read_s']:.1f} s "
            f"({one['read_s'] / millions:.2f} s a million), counting and picture "
            f"{one['open_s']:.2f} s, a tick {one['tick_ms']:.1f} ms, both files "
            f"{one['files_s']:.2f} s"
        )
    # The smallest carries what every study costs, such as checking its picture.
    _, middle, most = probes
    growth = (most["read_s"] / most["rows"]) / (middle["read_s"] / middle["rows"])
    assert 0.6 <= growth <= 1.4
    for what in ("tick_ms", "files_s"):
        assert most[what] <= 1.5 * middle[what]
