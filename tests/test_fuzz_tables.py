"""Damaged tables: words or a reading in which every row is counted, and never anything else."""

import gzip
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.exports import check_problems, find_exports, open_source, read_export
from tests.builders import (
    FIRST_NS,
    FIXATIONS,
    MM,
    PEOPLE,
    RIM,
    ROWS,
    Row,
    export_files,
    fixations_csv,
    gaze_columns,
    gaze_csv,
    picture_bytes,
    sections_csv,
)
from tests.conftest import thoroughly
from tests.test_parallel import assert_same, binned_in_parts, binned_whole
from tests.test_trackers import ADA, CORE_FIXATIONS, core, gazepoint, snapshots, upload

PICTURE = picture_bytes((40, 30))
MARK = "\ufeff".encode()


# Bytes that mean something to a reader of tables, of gzip, or of another encoding.
pieces = st.one_of(
    st.sampled_from(
        [b'"', b'""', b"\n", b"\r\n", b"\r", b"\x00", MARK, b"\xff\xfe", b"\x1f\x8b", b",", b",,,,",
         b";", b"\t", b" ", b"-", b"1e999", b"9" * 20, b"\xc3", b"\xed\xa0\x80", b"true", b"NaN",
         b"\n\n\n", gaze_columns().encode() + b"\n", b'"1,5"', b"\n,,,,,,,\n"]
    ),
    st.binary(max_size=4),
)  # fmt: skip
places = st.floats(0, 1, allow_nan=False)
flips = st.tuples(st.just("flip"), places, st.integers(1, 255))
cuts = st.tuples(st.just("cut"), places, st.none())
splices = st.tuples(st.just("splice"), places, pieces)
gaps = st.tuples(st.just("gap"), places, st.integers(1, 60))
copies = st.tuples(st.just("copy"), places, st.integers(1, 400))
edits = st.lists(st.one_of(flips, splices, splices, gaps, copies, cuts), min_size=1, max_size=5)


def damaged(data, edits):
    """Change `data` at places that are shares of its length."""
    for what, share, how in edits:
        at = min(int(share * len(data)), max(0, len(data) - 1))
        before, after = data[:at], data[at:]
        if what == "flip" and after:
            data = before + bytes([after[0] ^ how]) + after[1:]
        elif what == "cut":
            data = before
        elif what == "splice":
            data = before + how + after
        elif what == "gap":
            data = before + after[how:]
        elif what == "copy":
            data = before + after[:how] + after
    return data


def test_damage_is_what_it_says():
    assert damaged(b"abc", [("flip", 0, 1)]) == b"`bc"
    assert damaged(b"abcd", [("splice", 0.5, b"-"), ("cut", 0.9, None)]) == b"ab-c"
    assert damaged(b"abcd", [("gap", 0.25, 2), ("copy", 0, 1)]) == b"aad"
    assert damaged(b"", [("flip", 1, 7), ("gap", 1, 2), ("splice", 1, b"x")]) == b"x"


PACKED = {
    "plain": lambda data: data,
    "with a mark": lambda data: MARK + data,
    "gzip": gzip.compress,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-16 BE": lambda data: data.decode().encode("utf-16-be"),
    "gzip of UTF-16": lambda data: gzip.compress(data.decode().encode("utf-16-le")),
}
packings = st.sampled_from(list(PACKED.values()))


def outcome(read, folder):
    """What was read, or the kind and the words of what was said."""
    try:
        with open_source(folder) as files:
            check_problems(*find_exports(files))
        return read(folder)
    except gh.GazeheatError as error:
        text = str(error)
        assert text
        assert len(text) < 5000
        # Only where the samples are held is it known how far they reach.
        return type(error), re.sub(r" The gaze reaches .*? px\.", "", text)


def check_alike(files, part_bytes=400):
    """Read an export in both ways, and count what either says of its rows."""
    with TemporaryDirectory() as home:
        folder = Path(home, "Shelf")
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        whole = outcome(binned_whole, folder)
        parts = outcome(lambda given: binned_in_parts(given, part_bytes), folder)
    if isinstance(whole, tuple):
        assert parts == whole
        return whole
    assert_same(parts, whole)
    histograms = gh.select(whole)
    for recording in histograms:
        counts = recording.counts
        assert int(recording.bins.sum()) == counts.used
        assert min(counts) >= 0
        assert recording.duration_ns is None or recording.duration_ns >= 0
    counted = sum((recording.counts for recording in histograms), gh.Counts())
    assert counted.rows + whole.unassigned_rows == whole.rows > 0
    return whole


def files_with(**changed):
    files = export_files(fixations=None, picture_data=PICTURE)
    return files | {name.replace("_csv", ".csv"): data for name, data in changed.items()}


# ---------------------------------------------------------------- gaze


@thoroughly
@given(edits=edits, pack=packings, part_bytes=st.integers(80, 1000))
def test_damaged_gaze(edits, pack, part_bytes):
    check_alike(files_with(gaze_csv=damaged(pack(gaze_csv(ROWS).encode()), edits)), part_bytes)


@thoroughly
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_anything_in_the_place_of_gaze(data):
    with TemporaryDirectory() as home:
        path = Path(home, "gaze.csv")
        path.write_bytes(data)
        with open_source(home) as files:
            found, problems = find_exports(files)
    assert not found
    assert [isinstance(problem, gh.GazeheatError) for problem in problems] == [True]


cells = st.one_of(
    st.sampled_from(
        ["", "true", "false", "True", "-1", "1", "0", "NaN", "1,5", '"1,5"', '"', "1e999", "-inf",
         "\x00", "s", "rec-a", str(FIRST_NS), str(2**63 - 1), str(-(2**63)), "10", "39.5", "\ufeff",
         "\r", "Not mapped", "x" * 300]
    ),
    st.text(max_size=4),
    st.floats().map(repr),
)  # fmt: skip
good_lines = st.builds(
    "s,{},{},{},{},{},,".format,
    st.sampled_from(["rec-a", "rec-b", "true", "007"]),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(["true", "false", "TRUE", "True"]),
    st.integers(-1, 41),
    st.floats(-1, 31).map(repr),
)
bad_lines = st.lists(cells, max_size=11).map(",".join)
headers = st.sampled_from([gaze_columns(), "\ufeff" + gaze_columns()])


@thoroughly
@given(
    before=st.sampled_from(["", "\n", "\r\n \n", ",,,,,,,\n"]),
    lines=st.lists(st.one_of(good_lines, good_lines, good_lines, bad_lines, headers), max_size=30),
    end=st.sampled_from(["\n", "\r\n"]),
    part_bytes=st.integers(100, 2000),
)
@example(before="\n", lines=[gaze_columns(), "s,r,1,true,1,1,,"], end="\n", part_bytes=20)
def test_every_line_is_counted(before, lines, end, part_bytes):
    lines = [line.replace("\n", " ") for line in lines]
    data = (before + end.join([gaze_columns(), *lines])).encode("utf-8", "replace")
    read = check_alike(files_with(gaze_csv=data), part_bytes)
    if not isinstance(read, tuple):
        headers = (gaze_columns(), "\ufeff" + gaze_columns())
        assert read.rows == sum(1 for line in lines if line.strip() and line not in headers)


@thoroughly
@given(
    kind=st.sampled_from([RIM, MM]),
    scale=st.sampled_from([0.02, 0.5, 1.0, 3.0, 100.0]),
    numbers=st.lists(st.integers(-5, 45), min_size=15, max_size=30),
    part_bytes=st.integers(500, 3000),
)
def test_positions_are_judged_alike(kind, scale, numbers, part_bytes):
    rows = [Row(x * scale, x * scale * 0.7) for x in numbers]
    check_alike(export_files(rows, kind=kind, fixations=None, picture_data=PICTURE), part_bytes)


# ---------------------------------------------------------------- what lies beside it


@thoroughly
@given(edits=edits, pack=packings)
def test_damaged_sections(edits, pack):
    sections = damaged(pack(sections_csv(PEOPLE).encode()), edits)
    read = check_alike(files_with(sections_csv=sections))
    # Whatever becomes of the names, the gaze is there.
    assert read.rows == len(ROWS)


@thoroughly
@given(edits=edits, pack=packings)
def test_damaged_fixations(edits, pack):
    fixations = damaged(pack(fixations_csv(FIXATIONS).encode()), edits)
    with TemporaryDirectory() as home:
        for name, data in files_with(fixations_csv=fixations).items():
            Path(home, name).write_bytes(data)
        with open_source(home) as files:
            (found,), _ = find_exports(files)
            export = read_export(found)
    assert export.rows == len(ROWS)
    lists = [section.fixations for r in export.recordings for section in r.sections]
    assert all(fixations is None for fixations in lists) == any(
        "The fixations are left out" in notice for notice in export.notices
    )
    for one in filter(None, lists):
        assert len(one.x) == len(one.y) == len(one.start_ns) == len(one.duration_ms)


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED.keys())
def test_without_damage_every_packing_is_read(pack):
    read = check_alike(files_with(gaze_csv=pack(gaze_csv(ROWS).encode())))
    assert [(r.name, r.counts) for r in gh.select(read)] == [
        ("P01", gh.Counts(used=3, outside=1, undetected=1)),
        ("P02", gh.Counts(used=2, unreadable=2)),
    ]


# ---------------------------------------------------------------- tables of any program

SMI = (
    "## SMI\nTime\tType\tTrial\tL POR X [px]\tL POR Y [px]\tStimulus\n"
    "1000\tMSG\t1\t# Message: a\n6000\tSMP\t1\t1.5\t2.5\ta.png\n11000\tSMP\t1\t-\t-\ta.png\n"
)
SPOTS = f"{CORE_FIXATIONS}\n" + "100.0,0,7,100.0,120.5,1,0.2,0.8,0,0,True\n" * 3
TABLES = {
    "Ada_all_gaze.csv": ADA,
    "export.tsv": snapshots(),
    "p01.txt": SMI,
    "gaze_positions_on_surface_A.csv": core((0.5, 0.5, True, 1.0), (0.5, 0.5, False, 0.1)),
    "fixations_on_surface_A.csv": SPOTS,
}


def check_any(files):
    """Read exports of any program: each row is a sample or counted, or words say what is wrong."""
    try:
        exports = gh.read_exports(upload(files))
    except gh.GazeheatError as error:
        text = str(error)
        return text if 0 < len(text) < 5000 else pytest.fail(f"{len(text)} letters: {text[:99]}")
    for export in exports:
        sections = [section for one in export.recordings for section in one.sections]
        held = sum(len(one.gaze) + one.unreadable for one in sections)
        assert held + export.unassigned_rows == export.rows
        for section in sections:
            assert not np.isinf(section.gaze.x).any()
            assert not np.isinf(section.gaze.y).any()
            if section.fixations is not None:
                ids = section.fixations.fixation_id
                assert len(np.unique(ids)) == len(ids)
        if export.frame is not None:
            histograms = gh.bin_recordings(gh.with_ratio(export, (4, 3)))
            counted = sum(one.counts.rows for one in histograms)
            # Without gaze, fixations are counted.
            fixations = [one.fixations for one in sections if one.fixations is not None]
            assert counted == (
                export.rows - export.unassigned_rows
                or sum(len(one.x) + one.unreadable for one in fixations)
            )
    return exports


@thoroughly
@given(name=st.sampled_from(sorted(TABLES)), edits=edits, pack=packings)
def test_damaged_tables_of_any_program(name, edits, pack):
    check_any({name: damaged(pack(TABLES[name].encode()), edits)})


@thoroughly
@given(
    numbers=st.lists(
        st.sampled_from(
            ["0.5", "nan", "inf", "-inf", "1e308", "-1e308", "1e999", "", "\x00", "0,5", "1_0",
             "\u0663", "9" * 400, "0x1", "-"]
        ),
        min_size=4,
        max_size=24,
    )
)  # fmt: skip
def test_odd_numbers_in_any_column(numbers):
    rows = [
        ("A", t, (x, y, t, x, 1, 1), (x, y, 1))
        for t, x, y in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False)
    ]
    check_any({"a_all_gaze.csv": gazepoint(*rows)})


HOSTILE = {
    "a million columns": (
        lambda: ",".join(f"c{n}" for n in range(1_000_000)) + "\n",
        "no table of gaze found",
    ),
    "a row of ten megabytes": (
        lambda: gazepoint(("A", 0, (0, 0, 0, 0, 1, 0), ("5" * 10**7, 0.5, 1))),
        "a line is longer than",
    ),
    "many pictures": (
        lambda: gazepoint(
            *((f"M{n}", n, (0, 0, 0, 0, 1, 0), (0.5, 0.5, 1)) for n in range(50_000))
        ),
        "more than 100 pictures were looked at",
    ),
    "nothing but zeros": (lambda: ADA.split("\n")[0] + "\n" + "\x00" * 10**6, "in no row"),
    "nothing but line ends": (lambda: ADA.split("\n")[0] + "\n" * 10**6, "there are no rows"),
}


@pytest.mark.parametrize(("made", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_tables_end_with_words(made, words):
    assert words in check_any({"a_all_gaze.csv": made()})


def test_many_recordings_and_trials_end_at_the_limit():
    head = "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tStimulus\n"
    rows = "".join(f"{n * 1000}\tSMP\t{n}\t1\t2\ta\n" for n in range(50_001))
    assert "more than 50,000 recordings and sections" in check_any({"p.txt": head + rows})
