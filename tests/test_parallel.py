"""Exports read in parts: in any cut, by any workers, the same as read whole."""

import gzip
import json
import math
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core import parallel
from gazeheat_core.cache import StudyCache
from gazeheat_core.cli import main
from gazeheat_core.errors import ClusterError
from gazeheat_core.exports import LIMITS, find_exports, open_source, read_export
from gazeheat_core.exports.reading import read_images
from gazeheat_core.exports.tables import read_blocks, read_header, split_lines
from gazeheat_core.grid import Grid
from gazeheat_core.parallel import Part, open_executor, read_part, submit_export
from tests.builders import (
    FIRST_NS,
    MM,
    PEOPLE,
    RIM,
    ROWS,
    Row,
    export_files,
    export_folder,
    export_zip,
    gaze_columns,
    gaze_csv,
    picture_bytes,
    write_zip,
)

PATIENCE_S = 60
SECOND_NS = 1_000_000_000
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name here")
PICTURE = picture_bytes((40, 30))
GRID = Grid((40, 30), (0.0, 0.0, 40.0, 30.0))


def binned_whole(given):
    """The only export of `given`, read with all its samples and then put over its picture."""
    with open_source(given) as files:
        (found,), _ = find_exports(files)
        return gh.track_export(read_export(found))


def submitted(given, executor, part_bytes=parallel.PART_BYTES, limits=LIMITS, **options):
    """Start on the only export of `given`."""
    with open_source(given, limits, flat=options.get("flat", False)) as files:
        (found,), _ = find_exports(files)
        images, _ = read_images(found)
        assert images
        return submit_export(given, found, images, executor, part_bytes=part_bytes, **options)


def binned_in_parts(given, part_bytes=parallel.PART_BYTES, executor=None, **options):
    if executor is not None:
        return submitted(given, executor, part_bytes, **options).result()
    with open_executor() as alone:
        return submitted(given, alone, part_bytes, **options).result()


def facts(study):
    """Everything a study says but its bins, as plain values."""
    image = study.image
    return {
        "type": type(study),
        "name": study.name,
        "kind": study.kind,
        "frame": study.frame,
        "grid": study.grid,
        "image": (image.size, image.data, image.exif_transposed, image.notices),
        "image_problem": study.image_problem,
        "unassigned_rows": study.unassigned_rows,
        "unassigned_fixations": study.unassigned_fixations,
        "notices": study.notices,
        "recordings": [
            (r.id, r.name, r.wearer, r.label, r.duration_ns, r.counts) for r in gh.select(study)
        ],
    }


def listed(track):
    """A track's entries as plain values."""
    columns = (track.time, track.cell, track.value)
    return [track.zero, *(column.tolist() for column in columns)]


def entries(study):
    """What the tracks of a study hold, section by section."""
    return [
        [
            (one.id, section.id, section.start, section.start_event, section.end_event),
            (section.fixations_unreadable, section.fixations_listed_twice),
            (section.fixations_compared, section.fixations_corrected, section.fixations_mirrored),
            *(listed(track) for track in (section.gaze, section.fixations) if track is not None),
        ]
        for one in study.recordings
        for section in one.sections
    ]


ASKED = (
    gh.Selection(),
    gh.Selection("fixation-gaze", window_s=(0.0, 0.01)),
    gh.Selection("fixation-duration"),
)


def assert_same(one, other):
    """Equal in every field, in every entry, and bit for bit in the bins."""
    assert facts(one) == facts(other)
    assert entries(one) == entries(other)
    for asked in ASKED:
        for a, b in zip(gh.select(one, asked), gh.select(other, asked), strict=True):
            assert a.bins.dtype == b.bins.dtype == np.int64
            np.testing.assert_array_equal(a.bins, b.bins)
            assert a.counts == b.counts


def with_gaze(folder, gaze, **options):
    """An export in a folder, with these bytes as its gaze."""
    export_folder(folder, **options)
    (folder / "gaze.csv").write_bytes(gaze)
    return folder


# ---------------------------------------------------------------- any cut gives the same


def cells(*values):
    return ",".join(values)


NS = st.sampled_from([str(FIRST_NS + i * 5_000_000) for i in range(4)] + ["1.67041E+18", "gone"])
GAZE_LINES = st.builds(
    cells,
    st.sampled_from(["s1", "sec-a", ""]),
    st.sampled_from(["rec-a", "rec-b", "another", ""]),
    NS,
    st.sampled_from(["true", "false", "TRUE", "maybe", ""]),
    st.sampled_from(["10.5", "0", "40", "40.01", "-1", "", "x"]),
    st.sampled_from(["5.25", "30", "", "1e1"]),
    st.sampled_from(["", "1", "2"]),
    st.just(""),
)
LINES = st.one_of(GAZE_LINES, GAZE_LINES, st.sampled_from(["", "  ", "a,b", '"', ",,,,,,,"]))


@given(
    lines=st.lists(LINES, max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    bom=st.booleans(),
    long_header=st.booleans(),
    last_end=st.booleans(),
    part_bytes=st.integers(1, 400),
    people=st.sampled_from([PEOPLE, None]),
)
@example([], "\n", False, False, False, 1, PEOPLE)
@example(gaze_csv(ROWS).splitlines()[1:], "\n", False, False, True, 1, PEOPLE)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_parts_of_any_size_give_what_the_whole_gives(
    lines, end, bom, long_header, last_end, part_bytes, people
):
    header = gaze_columns() + (",note" * 60 if long_header else "")
    text = end.join([header, *lines]) + (end if last_end else "")
    with TemporaryDirectory() as home:
        data = text.encode("utf-8-sig" if bom else "utf-8")
        folder = with_gaze(Path(home) / "Shelf", data, people=people, picture_data=PICTURE)
        try:
            whole = binned_whole(folder)
        except gh.GazeheatError as error:
            with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
                binned_in_parts(folder, part_bytes)
        else:
            assert_same(binned_in_parts(folder, part_bytes), whole)


@given(
    lines=st.lists(st.sampled_from(["", "a", "b,c", "d" * 50, "\r", '"'])),
    end=st.sampled_from(["\n", "\r\n"]),
    last_end=st.booleans(),
    part_bytes=st.integers(1, 200),
)
def test_parts_hold_every_line_once(lines, end, last_end, part_bytes):
    body = (end.join(lines) + (end if last_end else "")).encode()
    data = b"a header,of two" + end.encode() + body
    with TemporaryDirectory() as home:
        (Path(home) / "gaze.csv").write_bytes(data)
        with open_source(home) as (file,):
            table = read_header(file)
            spans = split_lines(table, part_bytes)
            stretches = [data[start:stop] for start, stop in spans]
            read = [b"".join(read_blocks(table, span=span)) for span in spans]
    assert b"".join(stretches) == body
    assert all(stretches)
    assert all(stretch.endswith(b"\n") for stretch in stretches[:-1])
    # Blank lines may be passed over.
    for stretch, text in zip(stretches, read, strict=True):
        assert text.split() == stretch.split()


def test_parts_are_about_as_long_as_asked(tmp_path):
    (tmp_path / "gaze.csv").write_bytes(b"head\n" + b"123456789\n" * 100)
    with open_source(tmp_path) as (file,):
        spans = split_lines(read_header(file), 250)
    assert spans == [(5, 255), (255, 505), (505, 755), (755, 1005)]


def test_a_table_without_line_ends_is_not_searched_to_its_end_for_each_part(tmp_path, monkeypatch):
    data = gaze_columns().encode() + b"\n" + b"1" * 2**20
    folder = with_gaze(tmp_path / "Shelf", data)
    read = []
    monkeypatch.setattr("gazeheat_core.exports.tables.BLOCK_BYTES", 1000)
    with open_source(folder, gh.exports.Limits(line_bytes=10)) as files:
        table = read_header(next(file for file in files if file.name == "gaze.csv"))
        original = gh.exports.sources.CountedStream.read

        def counted(stream, size=-1):
            data = original(stream, size)
            read.append(len(data))
            return data

        monkeypatch.setattr("gazeheat_core.exports.sources.CountedStream.read", counted)
        split_lines(table, 2**15)
    assert sum(read) < 32 * 2000 + 1000  # 31 cuts of 1,010 bytes; to the end it were 17 MB


def test_a_line_beyond_the_limit_is_refused_as_in_the_whole(tmp_path):
    data = gaze_csv(ROWS).encode() + b"1" * 12 * 2**20
    folder = with_gaze(tmp_path / "Shelf", data)
    for read in (binned_whole, lambda given: binned_in_parts(given, 2**20)):
        with pytest.raises(gh.LimitError, match="a line is longer than 1,048,576 bytes"):
            read(folder)


@pytest.mark.parametrize("kind", [RIM, MM])
def test_what_a_part_counts_can_be_checked_by_eye(tmp_path, kind):
    rows = [
        Row(0.0, 0.0, True, "rec-b", "s1", 100_000_000),
        Row(39.9, 29.9, True, "rec-a", "s2", 1_000_000_000),
        Row(0.0, 0.0, True, "rec-b", "s1", 160_000_000),
        Row(50.0, 0.0, True, "rec-a", "s2", 1_300_000_000),
        Row(math.nan, math.nan, False, "rec-a", "s3", 7_000_000),
        Row("gone", 0.0, True, "rec-b", "s1", 900_000_000),
        Row(0.0, 0.0, True, "", "s1", 999_000_000),
    ]
    folder = export_folder(tmp_path / "Shelf", rows, kind=kind)
    export = binned_in_parts(folder, 1)
    assert isinstance(export, gh.Study)
    ada, ben = gh.select(export)
    assert (ada.id, ada.label, ada.duration_ns) == ("rec-a", "P01", 300_000_000)
    assert ada.counts == gh.Counts(used=1, outside=1, undetected=1)
    assert (ben.id, ben.label, ben.duration_ns) == ("rec-b", "P02", 60_000_000)
    assert ben.counts == gh.Counts(used=2, unreadable=1)
    assert export.unassigned_rows == 1
    assert (ada.bins[224, 299], ben.bins[0, 0]) == (1, 2)
    assert_same(export, binned_whole(folder))


def test_recordings_that_take_turns_and_sections_across_parts(tmp_path):
    rows = [
        Row(float(i % 40), float(i % 30), i % 7 > 0, f"rec-{'cab'[i % 3]}", f"sec-{i % 5}")
        for i in range(60)
    ]
    folder = export_folder(tmp_path / "Shelf", rows)
    whole = binned_whole(folder)
    # As sections.csv lists them, then as the file does.
    assert [r.id for r in whole.recordings] == ["rec-a", "rec-b", "rec-c"]
    for part_bytes in (1, 70, 10**6):
        assert_same(binned_in_parts(folder, part_bytes), whole)


def test_a_recording_without_rows_is_kept(tmp_path):
    people = [*PEOPLE, ("rec-z", "sec-z", "P09", "Zoe")]
    folder = export_folder(tmp_path / "Shelf", people=people)
    export = binned_in_parts(folder, 40)
    zoe = gh.select(export)[-1]
    assert (zoe.name, zoe.duration_ns, zoe.rows, zoe.bins.any()) == ("P09", 0, 0, False)
    assert_same(export, binned_whole(folder))


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, lambda data: data.decode().encode("utf-16")],
    ids=["gzip", "UTF-16"],
)
def test_what_has_to_be_read_from_its_start_is_one_part(tmp_path, pack):
    folder = with_gaze(tmp_path / "Shelf", pack(gaze_csv(ROWS).encode()))
    with open_executor() as executor:
        pending = submitted(folder, executor, 1)
        assert len(pending.gaze) == 1
        assert_same(pending.result(), binned_whole(folder))


def test_a_zip_is_one_part(tmp_path):
    path = export_zip(tmp_path / "shelf.zip")
    with open_executor() as executor:
        pending = submitted(path, executor, 1)
        assert len(pending.gaze) == 1
        assert_same(pending.result(), binned_whole(path))


# A phone's picture, 40 x 30 px as stored and 30 x 40 px as viewers show it.
TURNED_PICTURE = picture_bytes((40, 30), orientation=6)
AS_STORED = [Row(39.0, 5.0), Row(38.0, 6.0), Row(5.0, 39.0)]
AS_SHOWN = [Row(5.0, 39.0), Row(6.0, 38.0), Row(39.0, 5.0)]
ON_BOTH = [Row(5.0, 5.0), Row(39.0, 5.0), Row(5.0, 39.0)]


@pytest.mark.parametrize("part_bytes", [1, parallel.PART_BYTES])
@pytest.mark.parametrize(
    ("kind", "rows", "is_turned"),
    [(RIM, AS_STORED, False), (RIM, AS_SHOWN, True), (RIM, ON_BOTH, False), (MM, ON_BOTH, True)],
    ids=["as stored", "as shown", "as many on both", "on a surface"],
)
def test_a_turned_picture_is_understood_alike(tmp_path, kind, rows, is_turned, part_bytes):
    folder = tmp_path / "Shelf"
    export_folder(folder, rows, kind=kind, picture_data=TURNED_PICTURE)
    export = binned_in_parts(folder, part_bytes)
    assert export.image.exif_transposed is is_turned
    assert export.size() == ((30, 40) if is_turned else (40, 30))
    assert sum(r.counts.used for r in gh.select(export)) == 2
    assert_same(export, binned_whole(folder))


def test_each_export_of_a_zip_is_read_by_itself(tmp_path):
    files = {}
    for name, rows in (("a", ROWS), ("b", ROWS[:5])):
        files |= {f"{name}/{file}": data for file, data in export_files(rows).items()}
    path = write_zip(tmp_path / "both.zip", files)
    with open_executor() as executor, open_source(path) as opened:
        found, _ = find_exports(opened)
        pending = [submit_export(path, one, read_images(one)[0], executor) for one in found]
        assert [one.result().rows for one in pending] == [9, 5]


SECONDS = 1_741_942_800 * SECOND_NS


@pytest.mark.parametrize(
    ("timestamps_ns", "noticed"),
    [
        ({"s1": [SECONDS + i * SECOND_NS for i in range(11)]}, True),
        ({"s1": [SECONDS + i * SECOND_NS for i in range(10)]}, False),
        ({"s1": [SECONDS] * 6, "s2": [SECONDS] * 6}, False),  # both too short to tell
        ({"s1": [SECONDS] * 11, "s2": [SECONDS + 1]}, True),  # the second one is
        ({"s1": [SECONDS] * 11, "s2": [SECONDS + 1] * 11}, False),
        ({"s1": [SECONDS] * 11 + [SECONDS + 1]}, False),
        ({"s1": [SECONDS] * 999 + [SECONDS + 1]}, False),
        ({"s1": [SECONDS] * 1000 + [SECONDS + 1]}, True),  # only the first 1,000 are looked at
    ],
)
@pytest.mark.parametrize("part_bytes", [500, 2**20])
def test_rounded_timestamps_are_noticed_alike(tmp_path, timestamps_ns, noticed, part_bytes):
    rows = [
        Row(1.0, 1.0, True, "rec-a", section, time)
        for section, times in timestamps_ns.items()
        for time in times
    ]
    folder = export_folder(tmp_path / "Shelf", rows)
    whole = binned_whole(folder)
    assert any("rounded" in notice for notice in whole.notices) == noticed
    assert_same(binned_in_parts(folder, part_bytes), whole)


def test_unreadable_rows_are_noticed_alike(tmp_path):
    rows = [*ROWS, *[Row(1.0, 1.0)] * 20, *[Row("gone", 1.0)] * 20]
    folder = export_folder(tmp_path / "Shelf", rows)
    export = binned_in_parts(folder, 100)
    assert export.notices == (
        "gaze.csv in Shelf: 22 of 49 rows cannot be read and are left out. "
        "If a spreadsheet has saved the file, use the original download.",
    )
    assert_same(export, binned_whole(folder))


def test_a_broken_table_of_sections_is_noticed_alike(tmp_path):
    folder = export_folder(tmp_path / "Shelf")
    (folder / "sections.csv").write_text("who,when\nAda,now\n")
    export = binned_in_parts(folder, 100)
    assert "Recordings are shown by their ids" in export.notices[0]
    assert_same(export, binned_whole(folder))


@pytest.mark.parametrize("rows", [[], [Row("gone", 1.0)] * 3], ids=["no rows", "no readable row"])
def test_gaze_that_cannot_be_used_is_refused_alike(tmp_path, rows):
    folder = export_folder(tmp_path / "Shelf", rows, fixations=())
    with pytest.raises(gh.ExportError) as whole:
        binned_whole(folder)
    with pytest.raises(gh.ExportError) as parts:
        binned_in_parts(folder, 30)
    assert str(parts.value) == str(whole.value)


@pytest.mark.parametrize(
    ("what", "limits"),
    [("recordings", {"recordings": 3}), ("sections", {"sections": 3})],
)
@pytest.mark.parametrize("part_bytes", [1, 2**20], ids=["over all parts", "in one part"])
def test_ids_that_are_none_are_refused(tmp_path, what, limits, part_bytes):
    rows = [Row(1.0, 1.0, True, f"rec-{i}", f"sec-{i}") for i in range(4)]
    folder = export_folder(tmp_path / "Shelf", rows, people=None)
    assert len(binned_in_parts(folder, part_bytes).recordings) == 4
    with pytest.raises(gh.LimitError, match=rf"gaze\.csv in Shelf: more than 3 {what}\."):
        binned_in_parts(folder, part_bytes, limits=gh.exports.Limits(**limits))


def test_recordings_that_are_only_listed_count_towards_the_limit(tmp_path):
    people = [(f"rec-{i}", f"sec-{i}", f"P{i}", "Ada") for i in range(4)]
    folder = export_folder(tmp_path / "Shelf", [Row(1.0, 1.0, True, "rec-0")], people=people)
    with pytest.raises(gh.LimitError, match="more than 3 recordings"):
        binned_in_parts(folder, limits=gh.exports.Limits(recordings=3))


def test_the_result_can_be_asked_for_again(tmp_path):
    folder = export_folder(tmp_path / "Shelf")
    with open_executor() as executor:
        pending = submitted(folder, executor, 30)
        assert len(pending.parts) > 5
        assert_same(pending.result(), binned_whole(folder))
        assert_same(pending.result(), binned_whole(folder))


def test_links_beside_the_gaze_are_passed_over_in_a_flat_folder(tmp_path):
    folder = export_folder(tmp_path / "Shelf")
    (folder / "sections.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "sections.csv").symlink_to(tmp_path / "elsewhere.csv")
    names = [[r.name for r in binned_in_parts(folder, flat=flat).recordings] for flat in (0, 1)]
    assert names == [["P01", "P02"], ["", ""]]


# ---------------------------------------------------------------- workers


@pytest.fixture(scope="module")
def two_processes():
    with open_executor(jobs=2) as executor:
        yield executor


@pytest.fixture
def study(tmp_path):
    rows = [Row(float(i % 41), float(i % 31), i % 5 > 0, f"rec-{'ab'[i % 2]}") for i in range(500)]
    return export_folder(tmp_path / "Shelf", rows)


def test_every_kind_of_worker_gives_the_same(study, two_processes):
    whole = binned_whole(study)
    assert_same(binned_in_parts(study, 2000), whole)
    assert_same(binned_in_parts(study, 2000, two_processes), whole)
    with parallel.ThreadPoolExecutor(3) as threads:
        assert_same(binned_in_parts(study, 2000, threads), whole)


def test_what_a_worker_says_arrives_word_for_word(tmp_path, two_processes):
    too_long = gaze_csv(ROWS).encode() + b"1" * 2 * 2**20
    folder = with_gaze(tmp_path / "Shelf", too_long)
    for executor in (None, two_processes):
        with pytest.raises(gh.LimitError) as error:
            binned_in_parts(folder, 2**20, executor)
        assert str(error.value) == (
            "gaze.csv in Shelf: a line is longer than 1,048,576 bytes, "
            "so this is no table of gaze. Give the file as it was downloaded."
        )


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda gaze: gaze.unlink(), "no table of gaze found"),
        (lambda gaze: gaze.write_bytes(b""), "the file is empty"),
        (lambda gaze: gaze.write_text("who,when\n"), "the header is not one of"),
    ],
)
def test_gaze_that_is_lost_on_the_way_to_the_worker_is_said(study, harm, words):
    whole = Part(str(study), False, ("gaze.csv",), None, (GRID,))
    assert sum(map(len, read_part(whole).sections.values())) == 500
    harm(study / "gaze.csv")
    with pytest.raises(gh.GazeheatError, match=words):
        read_part(whole)


def pipe_part(path):
    """A part that no worker gets on with until someone opens the pipe's other end."""
    os.mkfifo(path)
    return Part(str(path), False, ("gaze.csv",), None, (GRID,))


def submit_and_kill(submit, *arguments):
    """Submit, then kill the workers that were started for it."""
    before = set(multiprocessing.active_children())
    pending = submit(*arguments)
    for process in set(multiprocessing.active_children()) - before:
        os.kill(process.pid, signal.SIGKILL)
    return pending


@needs_pipes
def test_a_killed_process_is_one_sentence(study, tmp_path):
    with open_executor(jobs=2) as executor:
        waiting = submit_and_kill(executor.submit, read_part, pipe_part(tmp_path / "a.zip"))
        assert isinstance(waiting.exception(PATIENCE_S), parallel.BrokenExecutor)
        with pytest.raises(ClusterError, match=r"A worker process was stopped .* fewer --jobs\."):
            binned_in_parts(study, executor=executor)


@needs_pipes
def test_a_process_killed_while_it_reads_is_one_sentence(tmp_path):
    path = export_zip(tmp_path / "shelf.zip")
    with open_executor(jobs=2) as executor:
        with open_source(path) as files:
            (found,), _ = find_exports(files)
            images, _ = read_images(found)
            path.unlink()
            os.mkfifo(path)
            pending = submit_and_kill(submit_export, path, found, images, executor)
        with pytest.raises(ClusterError, match="A worker process was stopped"):
            pending.result()


def test_after_an_error_nothing_more_is_begun(tmp_path):
    begun = []
    go_on = threading.Event()

    def work(number):
        begun.append(number)
        assert go_on.wait(PATIENCE_S)

    def fail():
        with open_executor() as executor:
            waiting = [executor.submit(work, number) for number in range(10)]
            waiting[-1].add_done_callback(lambda _: go_on.set())
            raise gh.ExportError("wrong")

    with pytest.raises(gh.ExportError, match="wrong"):
        fail()
    assert begun in ([], [0])


@needs_pipes
def test_after_an_error_processes_begin_nothing_more(tmp_path):
    def fail():
        with open_executor(jobs=2) as executor:
            for name in "ab":
                executor.submit(read_part, pipe_part(tmp_path / name))
            # A pipe can be opened once it is being read: both processes have begun.
            ends = [os.open(tmp_path / name, os.O_WRONLY) for name in "ab"]

            def let_go(_):
                for end in ends:
                    os.close(end)

            done = [executor.submit(Path.touch, tmp_path / f"done-{i}") for i in range(20)]
            done[-1].add_done_callback(let_go)
            raise gh.ExportError("wrong")

    with pytest.raises(gh.ExportError, match="wrong"):
        fail()
    # What the pool has handed out already, one for each process and one more, is done.
    assert len(list(tmp_path.glob("done-*"))) <= 3


def test_an_error_that_is_none_of_ours_is_not_dressed_up(study, monkeypatch):
    def broken(part):
        raise ZeroDivisionError

    monkeypatch.setattr(parallel, "read_part", broken)
    with pytest.raises(ZeroDivisionError):
        binned_in_parts(study)


# ---------------------------------------------------------------- the command line


def printed(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    return (status, *capsys.readouterr())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_jobs_change_nothing_but_the_time(tmp_path, capsys):
    given = []
    for i in range(10):
        rows = [Row(float(j % 41), float(i), True, "rec-a") for j in range(20 + i)]
        name = f"{9 - i} shelf"
        packed = i % 2
        given.append(
            export_zip(tmp_path / f"{name}.zip", rows, name=name)
            if packed
            else export_folder(tmp_path / name, rows)
        )
    results = []
    for jobs in ("1", "2"):
        out = tmp_path / "images"
        status, said, warned = printed(capsys, *given, "--out", out, "--jobs", jobs)
        assert (status, warned) == (0, "")
        lines = [json.loads(line) for line in said.splitlines()]
        assert [line["enrichment"] for line in lines] == [f"{9 - i} shelf" for i in range(10)]
        assert [line["recordings"][0]["rows"] for line in lines] == [20 + i for i in range(10)]
        results.append((said, contents(out)))
    assert results[0] == results[1]
    assert len(results[0][1]) == 20


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (b"no table", "the header is not one of"),  # known when it is opened
        (gaze_columns().encode(), "there is a header but no gaze"),  # and when it is read
    ],
)
def test_an_error_in_the_last_leaves_nothing(tmp_path, capsys, jobs, harm, words):
    given = [export_folder(tmp_path / name, fixations=()) for name in "abc"]
    (given[-1] / "gaze.csv").write_bytes(harm)
    out = tmp_path / "images"
    status, said, warned = printed(capsys, *given, "--out", out, "--jobs", jobs)
    assert (status, said) == (2, "")
    assert warned.startswith("gazeheat: gaze.csv in c: ")
    assert words in warned
    assert warned.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("jobs", ["0", "-3"])
def test_jobs_below_one_are_refused(tmp_path, capsys, jobs):
    given = export_zip(tmp_path / "shelf.zip")
    status, said, warned = printed(capsys, given, "--out", tmp_path / "images", "--jobs", jobs)
    assert (status, said, warned) == (2, "", f"gazeheat: --jobs is {jobs}; give 1 or more.\n")


# ---------------------------------------------------------------- judged alike in both ways


def refused_alike(folder, kind, part_bytes=500, **options):
    """The words with which both ways refuse an export."""
    with pytest.raises(kind) as whole:
        binned_whole(folder)
    with pytest.raises(kind) as parts:
        binned_in_parts(folder, part_bytes, **options)
    assert type(whole.value) is type(parts.value)
    return str(whole.value), str(parts.value)


@pytest.mark.parametrize("part_bytes", [1, 300, 2**20])
def test_the_first_row_that_cannot_be_read_is_named_alike(tmp_path, part_bytes):
    lines = gaze_csv([Row(1.0, 1.0), Row(math.nan, math.nan, False), *[Row('"1,5"', 2.0)] * 9])
    header, rest = lines.split("\n", 1)
    folder = with_gaze(tmp_path / "Shelf", f"\n{header}\n\n{rest}".encode())
    whole, parts = refused_alike(folder, gh.ExportError, part_bytes)
    assert whole == parts
    assert whole == (
        "gaze.csv in Shelf: 9 of 11 rows cannot be read. The first: line 6, column "
        "'gaze position in reference image x [px]' holds '1,5', which is no number. "
        "Give the file as downloaded, not as saved by a spreadsheet."
    )


FAR = [Row(x * 4.0, 20.0) for x in range(30)]


def test_gaze_on_another_picture_is_refused_alike(tmp_path, two_processes):
    folder = export_folder(tmp_path / "Shelf", FAR, people=None)
    begin = (
        "gaze.csv in Shelf: only 11 of 30 detected samples lie on the picture, which is "
        "40 × 30 px. So the gaze is in pixels of another picture, or of this one in another size."
    )
    end = (
        " Give the picture that the gaze was mapped to (in Pupil Cloud: the enrichment's "
        "reference image, in its full size)."
    )
    for options in ({}, {"executor": two_processes}):
        whole, parts = refused_alike(folder, gh.PictureMissingError, **options)
        assert parts == begin + end
        assert whole == f"{begin} The gaze reaches 112 × 20 px.{end}"


@pytest.mark.parametrize(
    ("kind", "rows", "words"),
    [
        (RIM, [Row(i / 40, i / 50) for i in range(30)], "30 of 30 detected samples lie in the top"),
        (MM, [Row(i * 40.0, i * 30.0) for i in range(2, 40)], "only 0 of 38 detected samples lie"),
    ],
    ids=["fractions under pixels", "pixels under fractions"],
)
def test_another_unit_is_refused_alike(tmp_path, kind, rows, words):
    folder = export_folder(tmp_path / "Shelf", rows, kind=kind)
    whole, parts = refused_alike(folder, gh.ExportError)
    assert whole == parts
    assert whole.startswith(f"gaze.csv in Shelf: {words}")
    assert whole.endswith("Give the file as downloaded.")


def test_much_gaze_past_a_surface_is_noticed_alike_and_from_what_is_kept(tmp_path):
    rows = [Row(x * 4.0, 20.0) for x in range(30)]
    folder = export_folder(tmp_path / "Shelf", rows, kind=MM)
    export = binned_in_parts(folder, 500)
    assert export.notices == (
        "gaze.csv in Shelf: 19 of 30 detected samples lie outside the surface, and are not in "
        "the heatmap. Check that the positions are fractions of the surface, from 0 to 1, as the "
        "header says.",
    )
    assert_same(export, binned_whole(folder))
    cache = StudyCache(tmp_path / "kept")
    for _ in range(2):
        assert_same(binned_in_parts(folder, 500, cache=cache), export)


def test_gaze_on_another_picture_is_refused_from_what_is_kept_too(tmp_path):
    folder = export_folder(tmp_path / "Shelf", FAR, people=None)
    cache = StudyCache(tmp_path / "kept")
    words = {refused_alike(folder, gh.PictureMissingError, cache=cache) for _ in range(3)}
    assert len(words) == 1


def test_fixations_that_cannot_be_used_are_said_each_time(tmp_path):
    folder = export_folder(tmp_path / "Shelf")
    (folder / "fixations.csv").write_text("who,when\n")
    cache = StudyCache(tmp_path / "kept")
    whole = binned_whole(folder)
    assert "The fixations are left out; the gaze is not affected." in whole.notices[0]
    for _ in range(2):
        assert_same(binned_in_parts(folder, 500, cache=cache), whole)


def test_a_recording_listed_too_often_is_blamed_on_the_list(tmp_path):
    folder = export_folder(tmp_path / "Shelf")
    lines = "".join(f"s{n},rec-{n}\n" for n in range(5001))
    (folder / "sections.csv").write_text("section id,recording id\n" + lines)
    whole, parts = refused_alike(folder, gh.LimitError)
    assert whole == parts
    assert whole.startswith("sections.csv in Shelf: more than 5,000 recordings.")


def test_parts_of_many_small_recordings_are_small(tmp_path):
    rows = [Row(float(n % 40), 1.0, True, f"rec-{n}") for n in range(500)]
    folder = export_folder(tmp_path / "Shelf", rows, people=None)
    part = read_part(Part(str(folder), False, ("gaze.csv",), None, (GRID,)))
    # 225 × 300 bins of 4 bytes for each would be 135 MB.
    assert len(pickle.dumps(part)) < 500_000
    assert_same(binned_in_parts(folder, 5000), binned_whole(folder))


def test_times_at_the_ends_of_their_range(tmp_path):
    rows = [Row(1.0, 1.0, timestamp_ns=time) for time in (2**63 - 1, -(2**63), 0)]
    folder = export_folder(tmp_path / "Shelf", rows)
    export = binned_in_parts(folder, 1)
    assert export.recordings[0].duration_ns == 2**64 - 1
    assert_same(export, binned_whole(folder))


# ---------------------------------------------------------------- deleted while it is read


@pytest.mark.parametrize("gone", ["gaze.csv", "sections.csv", "reference_image.jpeg", "."])
def test_a_study_deleted_while_it_is_read_is_words_or_read(tmp_path, gone):
    folder = export_folder(tmp_path / "Shelf")
    whole = binned_whole(folder)
    cache = StudyCache(tmp_path / "kept")
    target = folder / gone
    with open_executor() as executor:
        pending = submitted(folder, executor, cache=cache)
        for part in pending.parts:
            part.result()
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()
        # What was read is given; what cannot be named any more is not kept.
        assert_same(pending.result(), whole)
    assert not list((tmp_path / "kept").glob("[!f]*.tracks"))


@pytest.mark.parametrize("with_cache", [True, False])
def test_a_study_deleted_before_it_is_read_is_words(tmp_path, with_cache):
    folder = export_folder(tmp_path / "Shelf")
    cache = StudyCache(tmp_path / "kept") if with_cache else None
    with open_executor() as executor, open_source(folder) as files:
        (found,), _ = find_exports(files)
        images, _ = read_images(found)
        shutil.rmtree(folder)
        with pytest.raises(gh.SourceError, match=r"gaze\.csv.*: no such file or directory"):
            submit_export(folder, found, images, executor, cache=cache)
