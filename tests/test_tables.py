"""CSV text as people have it: every row is read exactly, or counted as unreadable."""

import gzip
import io
import math
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.exports import Limits, SourceFile, open_source
from gazeheat_core.exports.sources import CountedStream
from gazeheat_core.exports.tables import (
    FLAG_UNKNOWN,
    NO_FIXATION,
    Layout,
    Table,
    _parse_by_line,
    _parse_typed,
    _read_frame,
    explain_row,
    parse_block,
    read_blocks,
    read_header,
    read_records,
    split_lines,
)

COLUMNS = ("section id", "recording id", "timestamp [ns]", "detected", "x", "y")
HEADER = ",".join(COLUMNS)
LAYOUT = Layout(keys=(1, 0), integers=(2,), numbers=(4, 5), flag=3)
T = 1_741_942_800_123_456_789  # as a float64 it would end in 768

ROWS = [
    ["s1", "r1", str(T), "true", "1.5", "2.25"],
    ["s1", "r1", str(T + 5), "false", "", ""],
    ["s2", "r2", str(T + 7), "true", "-0.125", "1e3"],
]
READ = [
    (("r1", "s1"), T, 1, 1.5, 2.25),
    (("r1", "s1"), T + 5, 0, None, None),
    (("r2", "s2"), T + 7, 1, -0.125, 1000.0),
]


def file_of(data, name="gaze.csv", **limits):
    data = data.encode() if isinstance(data, str) else data
    limits = Limits(**limits)
    return SourceFile(
        "study.zip",
        PurePosixPath(name),
        len(data),
        lambda: CountedStream(io.BytesIO(data), name, limits),
        limits=limits,
    )


def text(rows=ROWS, columns=COLUMNS, sep=",", end="\n"):
    return "".join(sep.join(row) + end for row in (columns, *rows))


def read(data, block_bytes=64):
    """Rows as tuples; None for a key that is missing, a time that is unreadable, and NaN."""
    table = read_header(file_of(data))
    recording, section, time, flag, x, y = map(
        table.columns.index, ("recording id", "section id", "timestamp [ns]", "detected", "x", "y")
    )
    layout = Layout(keys=(recording, section), integers=(time,), numbers=(x, y), flag=flag)
    return [
        row
        for block in read_blocks(table, block_bytes)
        for row in as_tuples(parse_block(block, table, layout))
    ]


def as_tuples(rows):
    return [
        (
            rows.keys[rows.key[i]] if rows.key[i] >= 0 else None,
            int(rows.integers[0, i]) if rows.readable[i] else None,
            int(rows.flag[i]),
            *(None if math.isnan(v) else float(v) for v in rows.numbers[:, i]),
        )
        for i in range(len(rows))
    ]


def table_of(delimiter=","):
    return Table(file_of(""), COLUMNS, delimiter)


def parse(block, table=None):
    block = block.encode() if isinstance(block, str) else block
    return parse_block(block, table or table_of(), LAYOUT)


# ---------------------------------------------------------------- files as people have them


def quoted(rows):
    return [[f'"{cell}"' for cell in row] for row in rows]


def decimal_commas(rows):
    return [[*row[:4], *(cell.replace(".", ",") for cell in row[4:])] for row in rows]


FILES = {
    "plain": text().encode(),
    "no newline at the end": text().rstrip("\n").encode(),
    "CRLF": text(end="\r\n").encode(),
    "CRCRLF": text(end="\r\r\n").encode(),
    "blank lines": text(end="\n \n\n").encode(),
    "UTF-8 with mark": text().encode("utf-8-sig"),
    "UTF-16 with mark": text().encode("utf-16"),
    "UTF-16 LE": text().encode("utf-16-le"),
    "UTF-16 BE": text().encode("utf-16-be"),
    "UTF-16 BE with mark": b"\xfe\xff" + text(end="\r\n").encode("utf-16-be"),
    "gzip": gzip.compress(text().encode()),
    "gzip in parts": b"".join(gzip.compress(line.encode()) for line in text().splitlines(True)),
    "gzip of UTF-16": gzip.compress(text().encode("utf-16")),
    "tabs": text(sep="\t").encode(),
    "semicolons": text(sep=";").encode(),
    "semicolons and decimal commas": text(decimal_commas(ROWS), sep=";").encode(),
    "tabs and decimal commas": text(decimal_commas(ROWS), sep="\t").encode(),
    "quotes everywhere": text(quoted(ROWS), [f'"{name}"' for name in COLUMNS]).encode(),
    "index column": text([[str(n), *row] for n, row in enumerate(ROWS)], ["", *COLUMNS]).encode(),
    "other order": text([row[::-1] for row in ROWS], COLUMNS[::-1]).encode(),
    "blanks in the header": text(ROWS, [f" {name} " for name in COLUMNS]).encode(),
    "blanks around cells": text([[f" {c} " for c in row] for row in ROWS]).encode(),
    "quoted header only": text(ROWS, [f'"{name}"' for name in COLUMNS]).encode(),
    "other columns with anything": text(
        [[*row, cell] for row, cell in zip(ROWS, ['"a,b"', "\udcff", "x" * 99], strict=True)],
        [*COLUMNS, "note"],
    ).encode(errors="surrogateescape"),
}


@pytest.mark.parametrize("block_bytes", [64, 2**23])
@pytest.mark.parametrize("data", FILES.values(), ids=FILES.keys())
def test_every_dialect_gives_the_same_rows(data, block_bytes):
    assert read(data, block_bytes) == READ


@pytest.mark.parametrize("line", [b"", b"\n", b"\r\n \n"], ids=["nothing", "newline", "blank"])
def test_a_header_alone_gives_no_rows(line):
    assert read(HEADER.encode() + line) == []


def test_semicolons_and_tabs_do_not_make_a_table_slow(monkeypatch):
    monkeypatch.setattr("gazeheat_core.exports.tables._parse_by_line", None)
    for sep in ";\t":
        assert read(text(sep=sep)) == READ
        assert read(text(decimal_commas(ROWS), sep=sep)) == READ


@pytest.mark.parametrize("flag", ["true", "False", ""], ids=["yes", "no", "empty"])
def test_a_table_as_downloaded_is_read_once_and_fast(monkeypatch, flag):
    kinds = []

    def noted(block, table, layout, text):
        kinds.append(text)
        return _read_frame(block, table, layout, text)

    monkeypatch.setattr("gazeheat_core.exports.tables._read_frame", noted)
    monkeypatch.setattr("gazeheat_core.exports.tables._parse_by_line", None)
    assert read(text([*ROWS, ["s2", "r2", "9", flag, "", ""]]), 10_000)[:3] == READ
    assert kinds == ["category"]


@given(st.integers(1, 60), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_stretches_of_a_file_hold_every_line_once(part_bytes, end, last):
    data = text(end=end).removesuffix("" if last else end).encode()
    with TemporaryDirectory() as folder:
        Path(folder, "gaze.csv").write_bytes(data)
        with open_source(folder) as (file,):
            table = read_header(file)
            spans = split_lines(table, part_bytes)
            blocks = [b for span in spans for b in read_blocks(table, 64, span=span)]
    rows = [row for block in blocks for row in as_tuples(parse(block))]
    assert rows == READ
    assert spans[0][0] == len(data.split(b"\n", 1)[0]) + 1
    assert spans[-1][1] == len(data)


@pytest.mark.parametrize("name", ["UTF-16 with mark", "UTF-16 BE", "gzip"])
def test_only_plain_text_is_cut_into_stretches(tmp_path, name):
    (tmp_path / "gaze.csv").write_bytes(FILES[name])
    with open_source(tmp_path) as (file,):
        assert split_lines(read_header(file), 10) == []
    assert split_lines(read_header(file_of(text())), 10) == []


@pytest.mark.parametrize("block_bytes", [64, 2**23])
@pytest.mark.parametrize(
    "blank",
    ["\n", "\n\n\n", " \r\n", ",,,,,\n", '"",""\n;\t\n', "\ufeff" + "\n" * 200],
    ids=["one", "three", "blanks", "delimiters", "quotes", "more than a block"],
)
def test_blank_lines_before_the_header_are_passed_over(blank, block_bytes):
    assert read(blank + text(), block_bytes) == READ
    table = read_header(file_of(blank + text()))
    assert table.columns == COLUMNS
    assert table.header_lines == blank.count("\n") + 1


@pytest.mark.parametrize("block_bytes", [64, 2**23])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with marks"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_joined_files_are_read_as_one(mark, end, block_bytes):
    joined = (mark + text(end=end)) * 3
    assert read(joined, block_bytes) == READ * 3


def test_a_mark_before_a_row_is_taken_off():
    rows = ["\ufeff" + ",".join(ROWS[0]), *(",".join(row) for row in ROWS[1:])]
    assert read("\n".join([HEADER, *rows])) == READ
    assert read("\n".join([HEADER, *rows[1:], rows[0]]), 2**20) == [*READ[1:], READ[0]]


@pytest.mark.parametrize("lines", ["\n", " \n\r\n"])
def test_stretches_begin_below_a_header_with_blank_lines_before_it(tmp_path, lines):
    (tmp_path / "gaze.csv").write_bytes((lines + text()).encode())
    with open_source(tmp_path) as (file,):
        table = read_header(file)
        spans = split_lines(table, 40)
        blocks = [block for span in spans for block in read_blocks(table, span=span)]
    assert spans[0][0] == len(lines) + len(HEADER) + 1
    assert [row for block in blocks for row in as_tuples(parse(block))] == READ


# ---------------------------------------------------------------- rows of too many cells


@pytest.mark.parametrize(
    "row",
    [
        "s1,r1,1,true,176,027,69,031",  # decimal commas
        "s1,r1,1,true,176,027,69",  # in one of the two
        "s1,r1,1,true,1,1,",  # an empty cell may be one of them
        "s1,r1,1,true,1,1,,",
        's1,r1,1,true,1,1,"a,b"',
        "s1,r1,1,false,,,,",
        "s1,r1,1,true,1,1" + "," * 256,
        "s1,r1,1,true,1,1" + "," * 257,
    ],
)
@pytest.mark.parametrize("others", [0, 3], ids=["alone", "among good ones"])
def test_a_row_with_more_cells_than_the_header_is_unreadable(row, others):
    good = "".join(",".join(row) + "\n" for row in ROWS[:others])
    # The last one is as much too short as the other is too long.
    block = good + row + "\n" + good + "s1,r1,1" + "," * max(0, 5 - row.count(",")) + "\n"
    rows = parse(block)
    assert [int(flag) for flag in rows.flag].count(FLAG_UNKNOWN) == 1
    assert rows.flag[others] == FLAG_UNKNOWN
    assert as_tuples(rows)[:others] == READ[:others]


@pytest.mark.parametrize(
    "row",
    ['"s,1",r1,1,true,1,1', '"s ""1"", a",r1,1,true,1,1', 's1,r1,1,true,1,"1"'],
)
def test_a_delimiter_in_quotes_makes_no_cell(row, monkeypatch):
    monkeypatch.setattr("gazeheat_core.exports.tables._parse_by_line", None)
    rows = parse(row + "\n" + ",".join(ROWS[0]) + "\n")
    assert rows.flag.tolist() == [1, 1]


def test_many_columns_are_counted_too(monkeypatch):
    monkeypatch.setattr("gazeheat_core.exports.tables._parse_by_line", None)
    more = [f"c{n}" for n in range(700)]
    assert read(text([[*row, *more] for row in ROWS], [*COLUMNS, *more])) == READ


@pytest.mark.parametrize("lines", [[], [HEADER], ["", HEADER, " "]], ids=["none", "one", "more"])
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("s1,r1,1,true,176,027,69,031", "8 cells under 6 columns, as when decimal commas stand "
         "beside commas that separate the cells"),
        ("s1,,1,true,1,1", "column 'recording id' is empty"),
        ("s1,NA,1,true,1,1", "column 'recording id' holds 'NA', which is no id"),
        ("s1,r1,1.5,true,1,1", "column 'timestamp [ns]' holds '1.5', which is no whole number"),
        ("s1,r1,1,-1,1,1", "column 'detected' holds '-1', which is neither true nor false"),
        ('s1,r1,1,true,"1,5",1', "column 'x' holds '1,5', which is no number"),
        ("s1,r1,1,true,1,inf", "column 'y' holds 'inf', which is no number"),
        ("s1,r1,1,true,1", "column 'y' is empty"),
        ("s1,r1,1,true,\x1b[31m" + "y" * 99 + ",1", "column 'x' holds '\ufffd[31m"
         + "y" * 14 + "…" + "y" * 20 + "', which is no number"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_explained(row, reason, lines):
    block = "\n".join([",".join(ROWS[0]), *lines, row, ",".join(ROWS[1])]).encode()
    assert explain_row(block, 1, table_of(), LAYOUT) == (2 + len(lines), reason)


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ["is empty", "Download the export again"]),
        (b"\n", ["is empty"]),
        (b"\xef\xbb\xbf", ["is empty"]),
        (gzip.compress(b""), ["is empty"]),
        (bytes(range(256)) * 4, ["is no text", "Give the file as it was downloaded"]),
        (HEADER.encode("utf-32"), ["is no text"]),
        (b"\xff\xd8\xff\xe0\x80\x81\x82" + b"x" * 50, ["is no text"]),
        (text(end="\r").encode(), ["carriage return", "save it as 'CSV UTF-8'"]),
    ],
    ids=["0 bytes", "newline", "mark", "empty gzip", "bytes", "UTF-32", "JPEG", "old Mac"],
)
def test_a_header_that_cannot_be_read(data, words):
    with pytest.raises(gh.SourceError) as error:
        read_header(file_of(data))
    assert all(word in str(error.value) for word in ["gaze.csv in study.zip", *words])


@pytest.mark.parametrize("cut", [20, 60, -4])
def test_a_truncated_gzip_is_damage(cut):
    noise = "".join(f"s,r,{T + n},true,{n / 7},{n / 3}\n" for n in range(500))
    data = gzip.compress((HEADER + "\n" + noise).encode())
    with pytest.raises(gh.SourceError, match=r"gaze\.csv.*damaged or incomplete.*Download"):
        read(data[:cut])


# ---------------------------------------------------------------- damaged lines


@pytest.mark.parametrize(
    "line",
    [
        's1,"r1,1,true,1,1',
        '"',
        's1,"r1,"",1,true,1,1',
        "s1,r1",
        "not a row at all",
        ",,,,,",
        "s1,r1,1\r2,true,1,1",
        "\x1a",
        "s1,,1,true,1,1",
        "s1,NA,1,true,1,1",
        "s1,r1,,true,1,1",
        "s1,r1,soon,true,1,1",
        "s1,r1,0x10,true,1,1",
        "s1,r1,1.5,true,1,1",
        "s1,r1,9223372036854775808,true,1,1",
        "s1,r1,-9223372036854775809,true,1,1",
        "s1,r1,1E+19,true,1,1",
        "s1,r1,1E+999999999999999999999,true,1,1",
        "s1,r1,inf,true,1,1",
        "s1,r1,1_000,true,1,1",
        "s1,r1,\u0661,true,1,1",
        's1,r1,' + "9" * 100_000 + ",true,1,1",
        's1,r1,"' + "9" * 200_000 + '",true,1,1',
    ],
    ids=lambda line: repr(line[:36]),
)  # fmt: skip
def test_a_damaged_line_harms_itself_only(line):
    good = [",".join(row) for row in ROWS]
    rows = read("\n".join([HEADER, good[0], line, *good[1:]]))
    assert [rows[0], *rows[2:]] == READ
    assert rows[1][1] is None


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("s1,r1,5,true,\x001,1", (("r1", "s1"), 5, 1, None, 1.0)),
        ("s1,r\x001,5,true,1,1", (("r\ufffd1", "s1"), 5, 1, 1.0, 1.0)),
        ("s1,\udcff,5,true,1,1", (("\ufffd", "s1"), 5, 1, 1.0, 1.0)),
        ("s1,r1,5,true,1,\udcff", (("r1", "s1"), 5, 1, 1.0, None)),
        ("s1,r1,5,true,abc,1e", (("r1", "s1"), 5, 1, None, None)),
        ("s1,r1,5,true,1_0,\u0661", (("r1", "s1"), 5, 1, None, None)),
        ("s1,r1,5,true,inf,-INF", (("r1", "s1"), 5, 1, math.inf, -math.inf)),
        ("s1,r1,5,true,1e999,NaN", (("r1", "s1"), 5, 1, math.inf, None)),
        ("s1,r1,5", (("r1", "s1"), 5, 0, None, None)),
        ("s1,r1,5,true", (("r1", "s1"), 5, 1, None, None)),
        (",r1,5,true,1,1", (("r1", ""), 5, 1, 1.0, 1.0)),
        ('s1,r1,5,true,1,"1', (("r1", "s1"), 5, 1, 1.0, 1.0)),
        ('"s,1","r ""1""",5,true,1,1', (('r "1"', "s,1"), 5, 1, 1.0, 1.0)),
        (f"s1,r1,{2**63 - 1},true,1,1", (("r1", "s1"), 2**63 - 1, 1, 1.0, 1.0)),
        (f"s1,r1,{-(2**63)},true,1,1", (("r1", "s1"), -(2**63), 1, 1.0, 1.0)),
        ("s1,r1,1.67041E+18,true,1,1", (("r1", "s1"), 1_670_410_000_000_000_000, 1, 1.0, 1.0)),
        (f"s1,r1,{T}.0,true,1,1", (("r1", "s1"), T, 1, 1.0, 1.0)),
    ],
    ids=lambda value: repr(value) if isinstance(value, str) else "",
)
def test_what_can_be_read_of_an_odd_line_is_read(line, row):
    good = [",".join(row) for row in ROWS]
    data = "\n".join([HEADER, good[0], line, *good[1:]]).encode(errors="surrogateescape")
    for block_bytes in (64, 2**20):
        assert read(data, block_bytes) == [READ[0], row, *READ[1:]]


@pytest.mark.parametrize(
    ("cell", "flag"),
    [
        *((cell, 1) for cell in ("true", "True", "TRUE", "1", "1.0", " true ", '"true"')),
        *((cell, 0) for cell in ("false", "False", "FALSE", "0", "0.0", "Not mapped")),
        *((cell, 0) for cell in ("", "NA", "nan", " NaN ", "NULL")),
        *((cell, FLAG_UNKNOWN) for cell in ("yes", "2", "tru", "-", "truetrue")),
    ],
)
def test_flags_in_every_spelling(cell, flag):
    others = "".join(f"s1,r1,{n},{spelling},1,1\n" for n, spelling in enumerate(["true", "False"]))
    for block in (f"s1,r1,9,{cell},1,1\n", others + f"s1,r1,9,{cell},1,1\n"):
        assert as_tuples(parse(block))[-1] == (("r1", "s1"), 9, flag, 1.0, 1.0)


@pytest.mark.parametrize("other", ["5.0", "1.67041E+18", "", "x", "99999999999999999999"])
def test_whole_numbers_never_pass_through_a_float(other):
    block = f"s1,r1,{T},true,1,1\ns1,r1,{other},true,1,1\ns1,r1,{T + 2},true,1,1\n"
    assert parse(block).integers[0, [0, 2]].tolist() == [T, T + 2]


@pytest.mark.parametrize("ids", [["007", "7", "7.0"], ["1e5", "100000"], ["true", "True"]])
def test_ids_stay_the_text_they_are(ids):
    rows = parse("".join(f"1,{name},5,true,1,1\n" for name in ids))
    assert rows.keys == [(name, "1") for name in ids]


def test_a_line_without_end_is_stopped():
    def blocks(line_bytes):
        file = file_of(HEADER + "\n" + "1" * 500, line_bytes=line_bytes)
        return list(read_blocks(read_header(file), 64))

    with pytest.raises(gh.LimitError) as error:
        blocks(200)
    assert "gaze.csv in study.zip: a line is longer than 200 bytes" in str(error.value)
    assert "Give the file as it was downloaded" in str(error.value)
    assert len(blocks(500)) == 1


def test_memory_does_not_depend_on_the_length_of_the_file():
    body = "".join(f"s1,r1,{n},true,1,1\n" for n in range(10_000))
    blocks = list(read_blocks(read_header(file_of(HEADER + "\n" + body)), 1000))
    assert max(map(len, blocks)) < 1000 + 30
    assert b"".join(blocks).decode() == body


def test_many_different_ids_in_one_block():
    rows = parse("".join(f"s{n},r{n},{n},true,1,1\n" for n in range(100_000)))
    assert len(rows.keys) == 100_000
    assert (rows.key == np.arange(100_000)).all()


# ---------------------------------------------------------------- both readers, the same rows


def same(a, b):
    assert a.keys == b.keys
    assert a.key.tolist() == b.key.tolist()
    assert a.integers.tolist() == b.integers.tolist()
    assert [list(map(repr, column)) for column in a.numbers.tolist()] == [
        list(map(repr, column)) for column in b.numbers.tolist()
    ]
    assert a.flag.tolist() == b.flag.tolist()
    assert a.readable.tolist() == b.readable.tolist()
    assert a.lines == b.lines
    assert a.in_fixation.tolist() == b.in_fixation.tolist()
    assert a.fixation.tolist() == b.fixation.tolist()
    for rows in (a, b):
        assert rows.in_fixation.dtype == np.uint8
        assert rows.integers.dtype == np.int64
        assert rows.numbers.dtype == np.float64


digits = st.text("0123456789", min_size=1, max_size=17)
decimals = st.one_of(
    digits,
    st.builds("{}.{}".format, digits, digits),
    st.builds(".{}".format, digits),
    st.builds("{}e{}".format, digits, st.integers(-330, 310)),
    st.builds("-{}.{}E+{}".format, digits, digits, st.integers(0, 300)),
    st.floats(allow_nan=False).map(repr),
    st.floats(-0.5, 1.5).map(repr),
)
truths = st.sampled_from(["true", "false", "True", "False", "TRUE", "FALSE", ""])
times = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(10**18, 2 * 10**18)).map(str)
ids = st.sampled_from(["a", "b", "c", "007", "7", "1e5", "ü", "with blank", '"with, comma"'])
clean_rows = st.lists(
    st.tuples(
        ids, ids, times, st.sampled_from(["true", "False", "TRUE", "", "Not mapped", "?"]),
        st.one_of(decimals, st.just("")), st.one_of(decimals, st.just("")),
    ),
    min_size=1,
)  # fmt: skip
odd = st.one_of(
    st.sampled_from(
        ["", " ", "NA", " NaN", "nan", "Nan", "None", "inf", "-Infinity", "1_0", "0x1", "1.", "+5",
         "-0", "1e400", "\u0661", "\xa05", "5 ", '"', '""', '"x', 'x"', '"5"', ' "a"', "1.0",
         "1.67E+18", str(2**63), "true", " True ", "\x00", "\r", "\t", "\ufffd", "1;5", "\ufeff"]
    ),
    st.text(max_size=5).filter(lambda cell: "\n" not in cell),
    decimals, times, ids,
)  # fmt: skip
odd_lines = st.one_of(st.lists(odd, max_size=8), *[st.just([])]).map(",".join)


@given(rows=clean_rows, end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_clean_blocks_are_read_alike_by_both_readers(rows, end, last):
    block = end.join(",".join(row) for row in rows) + (end if last else "")
    same(
        _parse_typed(block.encode(), table_of(), LAYOUT),
        _parse_by_line(block.encode(), table_of(), LAYOUT),
    )


@given(
    rows=st.lists(st.tuples(truths, truths, times, truths, decimals, decimals), min_size=1),
    fixed=st.lists(st.sampled_from(["true", "False", None]), min_size=4, max_size=4),
    mark=st.booleans(),
)
def test_truth_values_and_marks_are_read_alike_by_both_readers(rows, fixed, mark):
    # Where every cell of a column is the same, pandas makes truth values of ids as well.
    lines = [
        ",".join(cell if cell == "" or same is None else same
                 for cell, same in zip(row, [*fixed[:2], None, fixed[3], None, None], strict=True))
        for row in rows
    ]  # fmt: skip
    block = "\n".join(lines).encode()
    same(_parse_typed(block, table_of(), LAYOUT), _parse_by_line(block, table_of(), LAYOUT))
    marked = "\ufeff".encode() * mark + block
    same(parse(marked), _parse_by_line(marked, table_of(), LAYOUT))
    same(parse(marked), parse(block))


@given(st.lists(st.tuples(*[st.one_of(truths, st.sampled_from("01"))] * 6), min_size=1))
@example([("a", "a", "1", "true", "true", "FALSE")])
def test_truth_values_are_no_numbers(rows):
    block = "\n".join(map(",".join, rows)).encode()
    read = parse(block)
    same(read, _parse_by_line(block, table_of(), LAYOUT))
    known = {"0": 0, "1": 1}
    assert [None if math.isnan(x) else x for x in read.numbers[0]] == [
        known.get(x) for *_, x, _ in rows
    ]


whole_numbers = st.one_of(
    times,
    st.sampled_from(["1.67041E+18", "1,67041E+18", "1.67041e18", "1E18", "5.0", "5,0", "5.5"]),
    st.sampled_from(
        ["", "nan", "inf", "x", "-1E3", "+5", "1E-3", "1_0", " 7 ", " ", "0x1", "true"]
    ),
    st.sampled_from(
        [str(2**63), str(-(2**63)), "9.3E+18", "1E400", "1e999999999", "٣", '"5"', "true"]
    ),
)


@given(
    cells=st.lists(st.tuples(whole_numbers, whole_numbers), min_size=1),
    semicolons=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@example(cells=[("1.67041E+18", "1"), ("1.67042E+18", "2")], semicolons=False, end="\n")
@example(cells=[("1,67041E+18", "1"), ("1,67042E+18", "2")], semicolons=True, end="\n")
def test_whole_numbers_in_any_spelling_are_read_alike_by_both_readers(cells, semicolons, end):
    sep, table = (";", table_of(";")) if semicolons else (",", table_of())
    layout = Layout(keys=(1,), integers=(2, 0), numbers=(4, 5), flag=3)
    # A cell with the sign that separates cells stands in quotes.
    quoted = [
        [f'"{cell}"' if sep in cell and '"' not in cell else cell for cell in row] for row in cells
    ]
    block = end.join(sep.join((a, "r", b, "true", "1", "2")) for a, b in quoted).encode()
    same(_parse_typed(block, table, layout), _parse_by_line(block, table, layout))


def test_times_of_a_spreadsheet_are_exact():
    cells = ["1.67041E+18", "x", "1.67042E+18", "", str(T), "5.5", f"{T}.0"]
    block = "".join(f"s,r,{cell},true,1,2\n" for cell in cells).encode()
    rows = _parse_typed(block, table_of(), LAYOUT)
    assert rows.readable.tolist() == [True, False, True, False, True, False, True]
    assert rows.integers[0].tolist() == [167041 * 10**13, 0, 167042 * 10**13, 0, T, 0, T]


WITH_FIXATION = Table(file_of(""), (*COLUMNS, "fixation id"))
FIXATION_LAYOUT = Layout(keys=(1, 0), integers=(2,), numbers=(4, 5), flag=3, fixation=6)
fixation_ids = st.one_of(
    st.sampled_from(["", "", "1", "2", "007", "1.0", "nan", "NA", "None", "x", "-", "true", "inf"]),
    st.sampled_from(["Nan", "-nan", " ", " NaN", '""', '" "', " 5 ", "1e999", "\xa0", "1_0"]),
    st.sampled_from(["1e-400", "1.5", "-0.0", str(2**53 + 1), str(2**63), "9e18", "0", "false"]),
)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "", "2", "0", "NaN"], [1, 0, 1, 1, 0]),
        (["1.0", "nan", "-1", "null", "1e3"], [1, 0, 1, 0, 1]),
        (["a", "", "b", " ", "a"], [1, 0, 1, 0, 1]),
        (["", "", "", "", ""], [0, 0, 0, 0, 0]),
        (["true", "False", "", '"3"', '""'], [1, 1, 0, 1, 0]),
    ],
)
def test_a_sample_is_in_a_fixation_where_there_is_an_id(cells, expected):
    block = "".join(f"s,r,{n},true,1,1,{cell}\n" for n, cell in enumerate(cells)).encode()
    for reader in (_parse_typed, _parse_by_line):
        assert reader(block, WITH_FIXATION, FIXATION_LAYOUT).in_fixation.tolist() == expected
        assert reader(block, WITH_FIXATION, LAYOUT).in_fixation.tolist() == [0] * 5


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["7", "", "-2", "1e3", "4.0"], [7, None, -2, 1000, 4]),
        ([str(2**53 + 1), "7", "", "NA", "-0"], [2**53 + 1, 7, None, None, 0]),
        ([str(2**63 - 1), str(1 - 2**63), "x", "1.5", "inf"], [2**63 - 1, 1 - 2**63] + [None] * 3),
        ([str(2**63), str(-(2**63)), "1e999", "1_0", "true"], [None] * 5),
        (["true", "false", "true", "true", ""], [None] * 5),
        (["0", "1", "", "1", "0"], [0, 1, None, 1, 0]),
    ],
)
def test_ids_of_fixations_are_exact(cells, expected):
    block = "".join(f"s,r,{n},true,1,1,{cell}\n" for n, cell in enumerate(cells)).encode()
    for reader in (_parse_typed, _parse_by_line):
        ids = reader(block, WITH_FIXATION, FIXATION_LAYOUT).fixation
        assert ids.dtype == np.int64
        assert ids.tolist() == [NO_FIXATION if one is None else one for one in expected]
        assert (reader(block, WITH_FIXATION, LAYOUT).fixation == NO_FIXATION).all()


def test_a_row_that_ends_early_is_in_no_fixation():
    block = b"s,r,1,true,1,1,7\ns,r,2,true,1,1\n"
    assert parse_block(block, WITH_FIXATION, FIXATION_LAYOUT).in_fixation.tolist() == [1, 0]


@given(st.lists(st.tuples(clean_rows, fixation_ids), min_size=1))
def test_ids_of_fixations_are_read_alike_by_both_readers(rows):
    block = "\n".join(",".join((*row[0], cell)) for row, cell in rows).encode()
    slow = _parse_by_line(block, WITH_FIXATION, FIXATION_LAYOUT)
    same(_parse_typed(block, WITH_FIXATION, FIXATION_LAYOUT), slow)


@given(st.lists(st.one_of(odd_lines, st.lists(odd, min_size=7, max_size=7).map(",".join))))
def test_dirty_ids_of_fixations_do_no_harm(lines):
    block = "\n".join(lines).encode(errors="replace")
    slow = _parse_by_line(block, WITH_FIXATION, FIXATION_LAYOUT)
    same(parse_block(block, WITH_FIXATION, FIXATION_LAYOUT), slow)


@given(rows=clean_rows)
def test_decimal_commas_are_read_alike_by_both_readers(rows):
    block = "\n".join(";".join((*row[:4], *(c.replace(".", ",") for c in row[4:]))) for row in rows)
    table = table_of(";")
    same(_parse_typed(block.encode(), table, LAYOUT), _parse_by_line(block.encode(), table, LAYOUT))


@given(lines=st.lists(st.one_of(odd_lines, clean_rows.map(lambda rows: ",".join(rows[0])))))
@example(["a,b,5,true,1,1\ra,b,6,true,1,1", "", "a,b,7,true,1,1"])
@example([" ,a,5,true,1,1", "a , a,5,true,1,1"])
@example(['"a,b,5,true,1,1', 'a",b,5,true,1,1'])
def test_dirty_blocks_are_read_alike_or_left_to_the_slow_reader(lines):
    block = "\n".join(lines).encode(errors="replace")
    slow = _parse_by_line(block, table_of(), LAYOUT)
    same(parse(block), slow)
    assert len(slow) == sum(1 for line in lines if line.strip())


@given(st.binary())
@example(b'"\r\n"\n')
@example(b"1,1,1,1,1,1\r\r\n\n")
def test_any_bytes_become_as_many_rows_as_there_are_lines(block):
    lines = block.decode(errors="replace").split("\n")
    rows = parse(block)
    assert len(rows) == sum(1 for line in lines if line.strip())
    assert rows.lines == len(lines) - (lines[-1] == "")


@given(st.lists(decimals, min_size=1))
def test_decimal_numbers_are_those_of_python(cells):
    block = "".join(f"s,r,1,true,{cell},{cell}\n" for cell in cells).encode()
    expected = [repr(float(cell)) for cell in cells]
    for x in _parse_typed(block, table_of(), LAYOUT).numbers:
        assert [repr(float(value)) for value in x] == expected


def test_many_decimal_numbers_are_those_of_python():
    values = np.random.default_rng(1).uniform(-1, 3000, 50_000)
    for digits in (3, 9, 15, 16, 17):
        cells = [f"{value:.{digits}g}" for value in values]
        block = "".join(f"s,r,1,true,{cell},\n" for cell in cells).encode()
        x = _parse_typed(block, table_of(), LAYOUT).numbers[0]
        assert (x == np.array([float(cell) for cell in cells])).all(), digits


@given(
    lines=st.lists(st.one_of(odd_lines, clean_rows.map(lambda rows: ",".join(rows[0])))),
    block_bytes=st.integers(64, 400),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]),
)
def test_block_borders_do_not_matter(lines, block_bytes, end, encoding):
    assume(not any("\x00" in line for line in lines) or encoding == "utf-8")
    data = end.join([HEADER, *lines]).encode(encoding, errors="replace")
    assert read(data, block_bytes) == read(data, 2**23)


# ---------------------------------------------------------------- small tables of text


def test_names_hold_anything():
    data = 'recording id,recording name\nr1,"P, 1: ""left"""\nr2,2025-08-09_06:55:05\n\nr3\n'
    assert read_records(file_of(data)) == [
        {"recording id": "r1", "recording name": 'P, 1: "left"'},
        {"recording id": "r2", "recording name": "2025-08-09_06:55:05"},
        {"recording id": "r3"},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_names_in_every_encoding(encoding):
    data = "recording id;name\r\nr1;Jürgen Größe\r\n".encode(encoding)
    assert read_records(file_of(data)) == [{"recording id": "r1", "name": "Jürgen Größe"}]


def test_zero_bytes_in_a_small_table_are_dropped():
    assert read_records(file_of("id,name\n1,A\x00da\n")) == [{"id": "1", "name": "Ada"}]


def test_a_small_table_that_is_large():
    data = "id,name\n" + "1,a\n" * 50
    assert len(read_records(file_of(data, small_table_bytes=len(data)))) == 50
    with pytest.raises(gh.LimitError, match=r"sections\.csv in study\.zip: larger than"):
        read_records(file_of(data, "sections.csv", small_table_bytes=len(data) - 1))


def test_blank_lines_and_headers_again_are_no_records():
    data = "\n,\n\ufeffid,name\r\n1,A\n\n\ufeffid,name\n2,B\n"
    assert read_records(file_of(data)) == [{"id": "1", "name": "A"}, {"id": "2", "name": "B"}]


@pytest.mark.parametrize("line", ["1,a\n", ",\n", "\n"], ids=["rows", "empty rows", "blank"])
def test_a_small_table_of_many_lines(line):
    text = "id,name\n" + line * 50
    assert len(read_records(file_of(text, sections=50))) in (0, 50)
    with pytest.raises(gh.LimitError, match=r"sections\.csv in study\.zip: more than 49 lines"):
        read_records(file_of(text, "sections.csv", sections=49))


def test_a_cell_without_end_in_a_small_table():
    with pytest.raises(gh.SourceError, match=r"sections\.csv in study\.zip: a cell is far too"):
        read_records(file_of('id,name\n1,"' + "x" * 200_000, "sections.csv"))
