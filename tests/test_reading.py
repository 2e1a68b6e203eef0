"""Exports to recordings, sections and samples."""

import csv
import gzip
import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.exports import Limits, find_exports, open_source, read_export, read_study
from tests.builders import (
    FIRST_NS,
    FIXATIONS,
    MM,
    PEOPLE,
    POSITION,
    RIM,
    ROWS,
    SIZE,
    STEP_NS,
    Fixation,
    Row,
    export_files,
    export_folder,
    export_zip,
    fixations_csv,
    folder_name,
    gaze_columns,
    gaze_csv,
    picture_bytes,
    sections_csv,
    write_zip,
)

NAN = math.nan


def upload(files, name="study.zip"):
    """A ZIP of `files`, or the given bytes of one."""
    data = files if isinstance(files, bytes) else write_zip(io.BytesIO(), files).getvalue()
    return gh.Upload(name, io.BytesIO(data))


def read(files, **options):
    (export,) = gh.read_exports(upload(files), **options)
    return export


def read_limited(files, **limits):
    with open_source(upload(files), Limits(**limits)) as opened:
        (found,), _ = find_exports(opened)
        return read_export(found)


def read_tracked(**options):
    with open_source(upload(export_files(**options))) as opened:
        (found,), _ = find_exports(opened)
        return read_study(found)


def changed(name, data, **options):
    """The files of an export, one of them replaced, or left out with None."""
    files = export_files(**options) | {name: data}
    return {key: value for key, value in files.items() if value is not None}


def refusal(files, kind):
    with pytest.raises(kind) as error:
        gh.read_exports(upload(files))
    assert type(error.value) is kind
    return str(error.value)


def contains(text, *words):
    assert all(word in text for word in words), text


# ---------------------------------------------------------------- a good one


@pytest.mark.parametrize("kind", [RIM, MM])
def test_an_export_as_downloaded(kind):
    export = read(export_zip(kind=kind))
    assert (export.name, export.kind, export.rows) == ("Shelf", kind, 9)
    assert (export.size(), export.image_problem, export.unassigned_rows) == (SIZE, "", 0)
    ada, ben = export.recordings
    assert [(r.id, r.name, r.wearer) for r in (ada, ben)] == [
        ("rec-a", "P01", "Ada"),
        ("rec-b", "P02", "Ben"),
    ]
    assert (ada.rows, ben.rows, ada.duration_ns) == (5, 4, 4 * STEP_NS)
    (section,) = ada.sections
    assert (section.id, section.start_event, section.end_event) == (
        "sec-a",
        "recording.begin",
        "recording.end",
    )
    width, height = SIZE if kind == MM else (1, 1)
    assert section.gaze.timestamp_ns.tolist() == [FIRST_NS + n * STEP_NS for n in range(5)]
    assert np.allclose(section.gaze.x * width, [10, 10.5, 0, 40.5, NAN], equal_nan=True)
    assert np.allclose(section.gaze.y * height, [5, 5.5, 0, 5, NAN], equal_nan=True)
    assert [s.unreadable for r in (ada, ben) for s in r.sections] == [0, 2]
    assert section.fixations.fixation_id.tolist() == [1, 2]
    assert section.fixations.duration_ms.tolist() == [200, 100]
    assert (section.fixations.end_ns - section.fixations.start_ns).tolist() == [2e8, 1e8]
    assert np.allclose(section.fixations.x * width, [10, 41])


def test_samples_cost_24_bytes_each():
    gaze = read(export_zip()).recordings[0].sections[0].gaze
    assert [a.dtype for a in (gaze.timestamp_ns, gaze.x, gaze.y)] == [np.int64, float, float]
    assert sum(a.nbytes for a in (gaze.timestamp_ns, gaze.x, gaze.y)) == 24 * len(gaze)
    assert all(a.base is None for a in (gaze.timestamp_ns, gaze.x, gaze.y))


@pytest.mark.parametrize("with_ids", [True, False])
def test_gaze_comes_with_whether_it_is_in_a_fixation(with_ids):
    text = gaze_csv([Row(float(n), 1.0) for n in range(4)]).replace(",,\n", ",7,\n", 3)
    text = text.replace("2.0,1.0,7", "2.0,1.0,")
    if not with_ids:
        text = text.replace("fixation id", "something else")
    with open_source(upload(changed("gaze.csv", text))) as files:
        export = read_export(find_exports(files)[0][0])
    gaze = export.recordings[0].sections[0].gaze
    assert gaze.timestamp_ns.tolist() == [FIRST_NS + n * STEP_NS for n in range(4)]
    assert (gaze.x.tolist(), gaze.y.tolist()) == ([0, 1, 2, 3], [1] * 4)
    in_fixation = [1, 1, 0, 0] if with_ids else [0] * 4
    assert gaze.in_fixation.tolist() == in_fixation
    study = gh.track_export(export)
    assert study.recordings[0].sections[0].gaze.value.tolist() == in_fixation


def test_progress_counts_rows_and_ends_at_the_end():
    calls = []
    read(export_zip(), on_rows=lambda rows, share: calls.append((rows, share)))
    assert calls[-1][0] == 9
    assert 0.5 < calls[-1][1] <= 1


# ---------------------------------------------------------------- tables that hold no gaze


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", gh.SourceError, ["the file is empty", "Download the export again"]),
        (gaze_columns(), gh.ExportError, ["a header but no gaze", "enrichment has finished"]),
        (gaze_columns() + "\r\n\r\n", gh.ExportError, ["a header but no gaze"]),
        (gaze_csv([Row("x", "y")] * 3), gh.ExportError, ["none of its 3 rows", "as downloaded"]),
        (gaze_columns() + "\n" + ",,,,,,\n" * 4, gh.ExportError, ["none of its 4 rows"]),
    ],
    ids=["0 bytes", "header", "header and blank lines", "no positions", "commas"],
)
def test_a_table_without_gaze(data, kind, words):
    files = changed("gaze.csv", data, fixations=None)
    contains(refusal(files, kind), "gaze.csv in study.zip", *words)


def encoded(kind, dialect):
    rows = list(csv.reader(io.StringIO(gaze_csv(ROWS, kind))))
    quotes = csv.QUOTE_ALL if dialect == "quotes" else csv.QUOTE_MINIMAL
    sep, end = (";", "\r\n") if dialect == "semicolons" else (",", "\n")
    if dialect == "semicolons":
        rows[1:] = [[*row[:4], *(c.replace(".", ",") for c in row[4:])] for row in rows[1:]]
    if dialect == "pandas":
        rows = [["" if n == 0 else str(n - 1), *row] for n, row in enumerate(rows)]
    if dialect == "excel":
        rows = [[cell.upper() if cell in ("true", "false") else cell for cell in r] for r in rows]
    out = io.StringIO()
    csv.writer(out, delimiter=sep, lineterminator=end, quoting=quotes).writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("kind", [RIM, MM])
@pytest.mark.parametrize("dialect", ["quotes", "semicolons", "pandas", "excel"])
@pytest.mark.parametrize("pack", [str.encode, lambda t: gzip.compress(t.encode("utf-16"))])
def test_a_table_saved_again_is_read_the_same(kind, dialect, pack):
    export = read(changed("gaze.csv", pack(encoded(kind, dialect)), rows=ROWS, kind=kind))
    expected = read(changed("gaze.csv", gaze_csv(ROWS, kind), kind=kind))
    for a, b in zip(export.recordings, expected.recordings, strict=True):
        assert a.rows == b.rows
        for got, wanted in zip(a.sections, b.sections, strict=True):
            assert got.gaze.timestamp_ns.tolist() == wanted.gaze.timestamp_ns.tolist()
            assert np.array_equal(got.gaze.x, wanted.gaze.x, equal_nan=True)
            assert np.array_equal(got.gaze.y, wanted.gaze.y, equal_nan=True)


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("row", "fate"),
    [
        (Row(1.0, 2.0, "TRUE"), (1, 2)),
        (Row(1.0, 2.0, "False"), "undetected"),
        (Row("", "", "Not mapped"), "undetected"),
        (Row(NAN, NAN, ""), "undetected"),
        (Row("inf", 2.0, False), "undetected"),
        (Row(-5.0, 1e300), (-5, 1e300)),
        (Row(NAN, 2.0), "unreadable"),
        (Row(1.0, "NaN"), "unreadable"),
        (Row("inf", 2.0), "unreadable"),
        (Row(1.0, "-Infinity"), "unreadable"),
        (Row("1e999", 2.0), "unreadable"),
        (Row('"1,5"', 2.0), "unreadable"),
        (Row(1.0, 2.0, "perhaps"), "unreadable"),
        (Row(1.0, 2.0, timestamp_ns=""), "unreadable"),
        (Row(1.0, 2.0, timestamp_ns=10**19), "unreadable"),
        (Row(1.0, 2.0, timestamp_ns="yesterday"), "unreadable"),
        (Row(1.0, 2.0, timestamp_ns="1.67041E+18"), (1, 2)),
        (Row(1.0, 2.0, recording=""), "unassigned"),
        (Row(1.0, 2.0, recording="NA"), "unassigned"),
        (Row(1.0, 2.0, section=""), (1, 2)),
    ],
    ids=lambda value: repr(tuple(value)) if isinstance(value, Row) else "",
)
def test_the_fate_of_a_row(row, fate):
    good = Row(3.0, 4.0)
    export = read(export_zip(rows=[good, row, good], people=None))
    sections = [s for r in export.recordings for s in r.sections]
    samples = [(x, y) for s in sections for x, y in zip(s.gaze.x, s.gaze.y, strict=True)]
    assert export.rows == 3
    assert sum(s.unreadable for s in sections) == (fate == "unreadable")
    assert export.unassigned_rows == (fate == "unassigned")
    assert samples.count((3, 4)) == 2
    if fate == "undetected":
        assert sum(math.isnan(x) and math.isnan(y) for x, y in samples) == 1
    elif isinstance(fate, tuple):
        assert samples.count(fate) == 1
    else:
        assert len(samples) == 2


def test_times_are_exact_to_the_nanosecond():
    times = [FIRST_NS, FIRST_NS + 1, 2**63 - 1, -(2**63)]
    rows = [Row(1.0, 1.0, timestamp_ns=t) for t in times]
    for more in ([], [Row(1.0, 1.0, timestamp_ns="1.67041E+18")]):
        gaze = read(export_zip(rows=rows + more)).recordings[0].sections[0].gaze
        assert gaze.timestamp_ns[:4].tolist() == times


@pytest.mark.parametrize(("bad", "told"), [(10, False), (11, True)])
def test_many_unreadable_rows_are_mentioned(bad, told):
    export = read(export_zip(rows=[Row(1.0, 1.0)] * 50 + [Row("x", 1.0)] * bad))
    assert export.recordings[0].sections[0].unreadable == bad
    assert any("11 of 61 rows cannot be read" in notice for notice in export.notices) is told


def test_times_rounded_by_a_spreadsheet_are_mentioned():
    rounded = read(export_zip(rows=[Row(1.0, 1.0, timestamp_ns="1.67041E+18")] * 11))
    contains(rounded.notices[0], "gaze.csv in study.zip", "rounded", "The heatmap is right")
    assert not read(export_zip(rows=[Row(1.0, 1.0)] * 11)).notices


def cut(rows, people, header=""):
    """An export whose table has so many rows, of the first two of these people."""
    half = rows // 2
    moved = [(float(i % 40), float(i % 30)) for i in range(rows)]
    table = [Row(*at, True, *PEOPLE[i >= half][:2]) for i, at in enumerate(moved)]
    return changed("gaze.csv", header + gaze_csv(table), people=people)


THIRD = ("rec-c", "sec-c", "P03", "Cem")


def test_a_table_that_ends_where_a_sheet_ends_was_cut():
    (notice,) = read(cut(65_535, [*PEOPLE, THIRD])).notices
    assert notice == (
        "gaze.csv in study.zip: the 65,535 rows below its header are all that a spreadsheet's "
        "sheet holds, so a spreadsheet has cut the file there. What came after is missing, and "
        "the heatmap is not complete. 1 recording in sections.csv in study.zip has no rows at "
        "all: 'P03'. Use the file as downloaded."
    )


@pytest.mark.parametrize(
    ("rows", "header", "is_cut"),
    [(65_534, "", False), (65_534, "\n", True), (65_536, "", False)],
    ids=["one less", "one less and a blank line", "one more"],
)
def test_a_sheet_s_last_row_counts_the_lines_before_the_header(rows, header, is_cut):
    notices = read(cut(rows, PEOPLE, header)).notices
    assert [f"the {rows:,} rows below" in notice for notice in notices] == [True] * is_cut


def test_many_recordings_without_rows_are_counted():
    gone = [(f"rec-{i}", f"sec-{i}", f"P{i:02}", "Cem") for i in range(3, 10)]
    (notice,) = read(cut(65_535, [*PEOPLE, *gone])).notices
    contains(notice, "7 recordings in sections.csv in study.zip have no rows at all: ")
    contains(notice, "'P03', 'P04', 'P05', 'P06', 'P07' and 2 more.")


def decimal_commas(rows):
    """Rows whose positions are written with commas, so that each has two cells more."""
    return [Row(f"{row.x},25", f"{row.y},5") if row.detected is True else row for row in rows]


def test_decimal_commas_between_commas_are_told():
    rows = decimal_commas([*[Row(NAN, NAN, False)] * 9, *[Row(176, 69)] * 5])
    text = refusal(changed("gaze.csv", gaze_csv(rows)), gh.ExportError)
    contains(text, "gaze.csv in study.zip: 5 of 14 rows cannot be read. The first: line 11, ")
    contains(text, "10 cells under 8 columns, as when decimal commas stand beside commas")
    contains(text, "Give the file as downloaded")


def test_a_few_rows_of_too_many_cells_are_left_out():
    rows = [*[Row(3.0, 4.0)] * 20, *decimal_commas([Row(17, 6)] * 3)]
    (section,) = read(export_zip(rows=rows, people=None)).recordings[0].sections
    assert (section.unreadable, section.gaze.x.tolist()) == (3, [3.0] * 20)


def rounded_rows(count, *more, sections=("sec-a",)):
    rows = [Row(1.0, 1.0, section=sections[i % len(sections)]) for i in range(count)]
    return [row._replace(timestamp_ns="1.67041E+18") for row in [*rows, *more]]


@pytest.mark.parametrize(
    ("rows", "size"),
    [
        (rounded_rows(40, Row("x", 1.0)), SIZE),
        (rounded_rows(40, sections=("sec-a", "sec-b")), SIZE),
        (rounded_rows(40), None),
        (rounded_rows(40, Row(30123.0, 12345.0)), SIZE),
    ],
    ids=["a row is lost", "two sections may overlap", "no picture", "a position was changed"],
)
def test_a_heatmap_with_rounded_times_is_called_right_only_where_it_is(rows, size):
    notice = read(export_zip(rows=rows, size=size, people=None)).notices[-1]
    contains(notice, "the timestamps are rounded", "The positions are read as they stand.")
    assert "heatmap is right" not in notice


# Where Excel is told that a comma separates thousands, 1,000 px and more get one.
GROUPED = Row('"1,760.27"', '"1,035.5"')


def test_separators_of_thousands_are_told_for_what_they_are():
    rows = [*[Row(20.0, 15.0)] * 9, *[GROUPED] * 12, Row("gone", 1.0)]
    text = refusal(export_zip(rows=rows), gh.ExportError)
    contains(text, "13 of 22 rows cannot be read. The first: line 11, column ", "'1,760.27'")
    contains(text, "In 12 rows, a position has a separator of thousands, as in '1,234.5': so what")
    contains(text, "lies at 1,000 or more is missing. Give the file as downloaded")


@pytest.mark.parametrize(
    ("cell", "is_grouped"),
    [
        ('"1,760.27"', True),
        ('"1,234,567"', True),
        ("1'760.27", True),
        ("1\u202f760.27", True),
        ("1.760.123", True),
        ('"1,760"', False),  # may be a decimal comma
        ('"176,027"', False),
        ("gone", False),
    ],
)
def test_a_single_position_with_a_separator_of_thousands_is_said(cell, is_grouped):
    notices = read(export_zip(rows=[*[Row(20.0, 15.0)] * 50, Row(cell, 3.0)])).notices
    assert len(notices) == is_grouped
    if is_grouped:
        contains(notices[0], "1 of 51 rows cannot be read and are left out. In 1 row, a position")
        contains(notices[0], "at 1,000 or more is missing. The heatmap is not complete.")


def thousandfold(row):
    """What a German Excel makes of three decimals: of 20.125, say, 20125."""
    return row._replace(x=f"{row.x * 1000:.0f}", y=f"{row.y * 1000:.0f}")


EIGHTHS = [Row(i + 0.125, 29.875 - i % 20) for i in range(40)]


@pytest.mark.parametrize("changed_rows", [20, 33, 40])
def test_positions_without_their_decimal_points_are_refused(changed_rows):
    rows = [*map(thousandfold, EIGHTHS[40 - changed_rows :]), *EIGHTHS[: 40 - changed_rows]]
    near = sum(float(r.x) <= 400 or float(r.y) <= 300 for r in rows[:changed_rows])
    count = changed_rows - near  # too near to the picture to tell
    if count < 20:
        (notice,) = read(export_zip(rows=rows)).notices
        contains(notice, f"{count} of 40 detected samples lie far beside the picture")
        contains(notice, "made 300123 of 300.123. They are not in the heatmap")
        return
    text = refusal(export_zip(rows=rows), gh.ExportError)
    contains(text, f"gaze.csv in study.zip: {count} of 40 detected samples lie far beside the")
    contains(text, "and on it where their positions are divided by 1,000.", "300123 of 300.123")
    without = read(export_zip(rows=rows, size=None))
    with pytest.raises(gh.ExportError, match="and made 300123 of"):
        gh.with_picture(without, picture_bytes(SIZE), "ref.jpg")


def test_one_changed_coordinate_is_enough_and_gaze_past_the_picture_is_none():
    rows = [row._replace(x=f"{row.x * 1000:.0f}") for row in EIGHTHS[1:]]
    contains(refusal(export_zip(rows=rows), gh.ExportError), "39 of 39 detected samples lie far")
    # Whole pixels beside the picture, and places that no division brings onto it.
    rows = [*EIGHTHS, *[Row(399.0, 20.0), Row(90_000.0, 20.0), Row(5000.5, 20.0), Row(-900.0, 1.0)]]
    assert read(export_zip(rows=rows)).notices == ()


def test_fractions_without_their_decimal_points_are_refused_with_both_reasons():
    rows = [Row(f"{i * 20 + 111}", f"{i * 17 + 123}") for i in range(40)]
    text = refusal(export_zip(rows=rows, kind=MM), gh.ExportError)
    contains(text, "only 0 of 40 detected samples lie on the surface", "Divided by 1,000, 40 of")
    contains(text, "451 of 0.451. Or these are in another unit, such as pixels or percent. Give")
    some = [*[Row(20.0, 15.0)] * 30, *rows[:10]]
    (notice,) = read(export_zip(rows=some, kind=MM)).notices
    contains(notice, "10 of 40 detected samples lie far beside the surface", "made 451 of 0.451.")


@pytest.mark.parametrize("good", [5, 6, 7])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Row('"1,5"', 2.0), "[px]' holds '1,5', which is no number"),
        (Row(1.0, ""), "y [px]' is empty"),
        (Row(1.0, 2.0, "-1"), "'gaze detected in reference image' holds '-1', which is neither"),
        (Row(1.0, 2.0, timestamp_ns="1.5"), "'timestamp [ns]' holds '1.5', which is no whole"),
        (Row(1.0, 2.0, recording=""), "column 'recording id' is empty"),
    ],
    ids=["number", "nothing", "flag", "time", "recording"],
)
def test_from_half_of_the_detected_rows_on_the_first_bad_cell_is_told(bad, words, good):
    # Many rows without gaze do not make the share of bad ones smaller.
    rows = [*[Row(3.0, 4.0)] * good, *[bad] * 6, *[Row("", "", False)] * 50]
    if good > 6:
        assert read(export_zip(rows=rows)).rows == 63
        return
    text = refusal(export_zip(rows=rows), gh.ExportError)
    contains(text, f": 6 of {56 + good} rows cannot be read. The first: line {good + 2}, ", words)


def test_rows_that_say_that_nothing_was_detected_are_no_loss():
    rows = [Row(3.0, 4.0), *[Row("", "", False, timestamp_ns="x")] * 9, *[Row("", "", "", "")] * 9]
    export = read(export_zip(rows=rows, people=None))
    assert (export.rows, export.unassigned_rows) == (19, 9)
    assert export.recordings[0].sections[0].unreadable == 9


def test_a_table_of_nothing_but_bad_rows_is_given_up_early():
    lines = "s,r,0,true,x,1,,\n" * 300
    files = changed("gaze.csv", gaze_columns() + "\n" + lines)
    with pytest.raises(gh.ExportError, match=r"none of its 300 rows can be read\. The first: line"):
        read_limited(files)
    with pytest.raises(gh.ExportError, match="300 of the 300 rows looked at cannot be read"):
        read_limited(files, unreadable_rows=299)


def test_joined_files_have_the_rows_of_both():
    text = gaze_csv(ROWS)
    export = read(changed("gaze.csv", ("\ufeff" + text) * 2))
    assert (export.rows, export.notices) == (18, ())
    assert [s.unreadable for r in export.recordings for s in r.sections] == [0, 4]
    names = read(changed("sections.csv", sections_csv(PEOPLE) * 2))
    assert [r.name for r in names.recordings] == ["P01", "P02"]


# ---------------------------------------------------------------- positions in another unit


def on_grid(width, height, count=40):
    return [Row(width * i / count, height * (i * 7 % count) / count) for i in range(count)]


def test_fractions_under_a_header_of_pixels_are_told():
    text = refusal(export_zip(rows=on_grid(0.9, 0.9)), gh.ExportError)
    contains(text, "gaze.csv in study.zip: 40 of 40 detected samples lie in the top left corner")
    contains(text, "40 × 30 px", "perhaps fractions from 0 to 1. Give the file as downloaded.")
    without = read(export_zip(rows=on_grid(0.9, 0.9), size=None))
    with pytest.raises(gh.ExportError, match="top left corner"):
        gh.with_picture(without, picture_bytes(SIZE), "ref.jpg")


@pytest.mark.parametrize("scale", [100, 1500])
def test_percent_and_pixels_under_a_header_of_fractions_are_told(scale):
    rows = [Row(r.x * scale, r.y * scale) for r in on_grid(40, 30)[1:]]
    for size in (SIZE, None):
        text = refusal(export_zip(rows=rows, kind=MM, size=size), gh.ExportError)
        contains(text, "only 0 of 39 detected samples lie on the surface", "run from 0 to 1")
        contains(text, "such as pixels or percent. Give the file as downloaded.")


@pytest.mark.parametrize(("past", "told"), [(19, False), (20, False), (21, True), (39, True)])
def test_gaze_past_a_surface_is_read_and_mentioned(past, told):
    rows = [*[Row(20.0, 15.0)] * (40 - past), *[Row(5320.0, -3540.0)] * past]
    export = read(export_zip(rows=rows, kind=MM))
    assert export.rows == 40
    assert [f"{past} of 40 detected samples lie outside" in n for n in export.notices] == [
        True
    ] * told


@pytest.mark.parametrize(("past", "fits"), [(19, True), (20, True), (21, False)])
@pytest.mark.parametrize("loose", [True, False])
def test_a_picture_that_most_gaze_does_not_lie_on_is_asked_for_again(past, fits, loose):
    rows = [*[Row(20.0, 15.0)] * (40 - past), *[Row(155.0, 99.0)] * past]
    files = export_files(rows)
    if loose:
        uploads = [gh.Upload(name, io.BytesIO(data)) for name, data in files.items()]
        with open_source(uploads) as source:
            export = read_export(find_exports(source)[0][0])
    else:
        export = read(files)
    assert (export.rows, export.image is not None) == (40, fits)
    if fits:
        return
    contains(export.image_problem, "only 19 of 40 detected samples lie on the picture, which is")
    contains(export.image_problem, "40 × 30 px", "The gaze reaches 155 × 99 px.")
    with pytest.raises(gh.PictureMissingError, match="in its full size"):
        gh.track_export(export)
    right = gh.with_picture(export, picture_bytes((160, 120)), "right.jpg")
    assert (right.size(), right.image_problem) == ((160, 120), "")


def test_a_few_samples_are_not_judged():
    """A tenth of a second may be a single glance beside the picture."""
    for rows in ([Row(99.0, 99.0)] * 19, [Row(0.0, 0.0)] * 19):
        assert read(export_zip(rows=rows)).image is not None
        assert read(export_zip(rows=[*rows, *[Row(NAN, NAN, False)] * 99])).image is not None
    assert read(export_zip(rows=[Row(99.0, 99.0)] * 19, kind=MM)).notices == ()


# ---------------------------------------------------------------- recordings and sections


def test_sections_of_one_recording_are_kept_apart():
    rows = [
        Row(float(n), 1.0, True, "rec-a", section)
        for n, section in enumerate(["s1", "s2", "s1", "s3", "s2"])
    ]
    people = [
        ("rec-a", "s1", "P01", "Ada", "start", "pause"),
        ("rec-a", "s2", "P01", "Ada", "pause", "end"),
    ]
    (recording,) = read(export_zip(rows=rows, people=people)).recordings
    assert [(s.id, s.gaze.x.tolist()) for s in recording.sections] == [
        ("s1", [0, 2]),
        ("s2", [1, 4]),
        ("s3", [3]),
    ]
    assert [(s.start_event, s.end_event) for s in recording.sections] == [
        ("start", "pause"),
        ("pause", "end"),
        ("", ""),
    ]
    assert recording.duration_ns == (2 + 3) * STEP_NS


def test_two_recordings_may_use_the_same_section_id():
    rows = [Row(1.0, 1.0, True, "a", "s"), Row(2.0, 1.0, True, "b", "s")]
    a, b = read(export_zip(rows=rows, people=None)).recordings
    assert (a.sections[0].gaze.x.tolist(), b.sections[0].gaze.x.tolist()) == ([1], [2])


def test_recordings_come_in_the_order_of_the_list_then_of_the_gaze():
    rows = [Row(1.0, 1.0, True, name, "s") for name in ("z", "a", "m", "z")]
    people = [("m", "s", "M", "w"), ("none", "s", "Without gaze", "w"), ("a", "s", "A", "w")]
    export = read(export_zip(rows=rows, people=people))
    assert [(r.id, r.name, r.rows) for r in export.recordings] == [
        ("m", "M", 1),
        ("none", "Without gaze", 0),
        ("a", "A", 1),
        ("z", "", 2),
    ]
    assert export.recordings[1].sections == ()


@pytest.mark.parametrize("ids", [["007", "7"], ["1", "2"], ["1e3", "1000"], ["true", "True"]])
def test_ids_that_look_like_numbers_stay_text(ids):
    rows = [Row(1.0, 1.0, True, name, "1") for name in ids]
    people = [(name, "1", f"P {name}", "Ada") for name in ids]
    export = read(export_zip(rows=rows, people=people, fixations=None))
    assert [(r.id, r.name, r.rows) for r in export.recordings] == [
        (name, f"P {name}", 1) for name in ids
    ]


@pytest.mark.parametrize(
    "name", ["2025-08-09_06:55:05", 'Müller, "Jo"', "=1+1", "<b>x</b>", "名前", "a;b\tc", "  P  "]
)
def test_names_hold_anything(name):
    quoted = '"' + name.replace('"', '""') + '"'
    export = read(export_zip(people=[("rec-a", "sec-a", quoted, "Ada")]))
    assert export.recordings[0].name == name.strip()


def test_names_in_windows_1252():
    data = sections_csv([("rec-a", "sec-a", "Größe", "Jürgen")]).encode("cp1252")
    export = read(changed("sections.csv", data))
    assert (export.recordings[0].name, export.recordings[0].wearer) == ("Größe", "Jürgen")
    assert export.notices == ()


def test_without_a_list_recordings_go_by_their_ids():
    export = read(export_zip(people=None))
    assert [(r.id, r.name, r.wearer) for r in export.recordings] == [
        ("rec-a", "", ""),
        ("rec-b", "", ""),
    ]
    assert export.notices == ()


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        (b"", "the file is empty"),
        ("name,wearer\nP01,Ada\n", "no column 'recording id'"),
        (bytes(99), "this is no text"),
        ('recording id\n"' + "x" * 200_000, "a cell is far too long"),
    ],
    ids=["0 bytes", "other columns", "no text", "endless cell"],
)
def test_a_bad_list_is_mentioned_and_does_no_harm(data, finding):
    export = read(changed("sections.csv", data))
    assert [(r.id, r.name, r.rows) for r in export.recordings] == [
        ("rec-a", "", 5),
        ("rec-b", "", 4),
    ]
    contains(export.notices[0], "sections.csv in study.zip", finding, "shown by their ids")


@pytest.mark.parametrize(
    "text",
    ["recording id\nrec-a\nrec-b\n", "recording id,recording name\n", "recording id\n\n,,,\n"],
    ids=["ids only", "header only", "empty rows"],
)
def test_a_list_of_few_columns_or_rows_is_no_problem(text):
    export = read(changed("sections.csv", text))
    assert [(r.id, r.name) for r in export.recordings] == [("rec-a", ""), ("rec-b", "")]
    assert export.notices == ()


recording_ids = st.sampled_from(["", "a", "b", "c"])
any_rows = st.lists(
    st.builds(
        Row,
        st.one_of(st.floats(-9, 99), st.sampled_from(["", "x", "inf"])),
        st.floats(-9, 99),
        st.sampled_from([True, False, "?", ""]),
        recording_ids,
        recording_ids,
        st.none(),
        st.sampled_from(["", 7]),
    ),
    max_size=12,
)


@settings(max_examples=50)
@given(any_rows)
def test_every_row_is_a_sample_or_counted(rows):
    # As many good ones as bad ones at most, and one more: else the file is refused.
    rows = [*rows, *[Row(1.0, 1.0, True, "a", "s")] * (len(rows) + 1)]
    export = read(export_zip(rows=rows, people=None, size=None, fixations=None))
    assert export.rows == len(rows)
    assert export.unassigned_rows == sum(row.recording == "" for row in rows)
    for recording in export.recordings:
        for section in recording.sections:
            own = [r for r in rows if (r.recording, r.section) == (recording.id, section.id)]
            used = [r for r in own if r.detected is True and isinstance(r.x, float)]
            assert section.gaze.x[np.isfinite(section.gaze.x)].tolist() == [r.x for r in used]
            assert section.gaze.y[np.isfinite(section.gaze.y)].tolist() == [r.y for r in used]
            assert len(section.gaze) + section.unreadable == len(own)


# ---------------------------------------------------------------- fixations


def fixations_of(export):
    return [s.fixations for r in export.recordings for s in r.sections]


@pytest.mark.parametrize("kind", [RIM, MM])
def test_fixations_that_were_not_detected_have_no_position(kind):
    fixations = [Fixation(7, 1.0, 2.0), Fixation(8, 1.0, 2.0, detected="False")]
    ada, ben = fixations_of(read(export_zip(kind=kind, fixations=fixations)))
    assert ada.fixation_id.tolist() == [7, 8]
    assert np.isnan([ada.x[1], ada.y[1]]).all()
    assert np.isfinite([ada.x[0], ada.y[0]]).all()
    assert len(ben) == 0


def test_without_fixations_there_are_none():
    export = read(export_zip(fixations=None))
    assert (fixations_of(export), export.notices) == ([None, None], ())


def test_every_row_of_fixations_is_accounted_for():
    used, beside = Fixation(1, 10.0, 5.0), Fixation(2, 41.0, 5.0, start_ns=FIRST_NS + 10**9)
    fixations = [
        used,
        beside,
        used,  # again
        Fixation(3, math.nan, math.nan, detected=False, start_ns=FIRST_NS + 2 * 10**9),
        Fixation(4, "gone", 5.0),
        Fixation("four", 10.0, 5.0),
        used._replace(section="sec-z"),  # has no gaze
        Fixation("x", 1.0, 1.0, section="sec-z"),
        used._replace(recording=""),
        Fixation(1, 30.0, 20.0, 300, True, "rec-b", "sec-b"),
    ]
    files = export_files(fixations=fixations)
    assert read(files).unassigned_fixations == 3
    with open_source(upload(files)) as opened:
        (found,), _ = find_exports(opened)
        studies = [gh.track_export(read_export(found)), read_study(found)]
    for study in studies:
        ada, ben = (recording.sections[0] for recording in study.recordings)
        codes = ada.fixations.count(study.grid.codes)
        fates = codes[: study.grid.outside].sum(), *codes[study.grid.outside :]
        assert fates == (1, 1, 1)  # used, outside, undetected
        assert (ada.fixations_unreadable, ada.fixations_listed_twice) == (2, 1)
        assert len(ben.fixations) == 1
        assert (ben.fixations_unreadable, ben.fixations_listed_twice) == (0, 0)
        assert study.unassigned_fixations == 3
        # The digest of a recording is of its gaze alone.
        (without,) = {one.recordings[0].digest() for one in (study, read_tracked(fixations=None))}
        assert without == study.recordings[0].digest()


def test_areas_of_interest_are_not_mistaken_for_fixations():
    files = changed("fixations.csv", None) | {"aoi_fixations.csv": fixations_csv(FIXATIONS)}
    assert fixations_of(read(files)) == [None, None]


def test_a_header_of_fixations_alone_means_that_there_are_none():
    export = read(changed("fixations.csv", fixations_csv([])))
    assert ([len(f) for f in fixations_of(export)], export.notices) == ([0, 0], ())


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        (b"", "the file is empty"),
        ("a,b\n1,2\n", "needs the columns 'recording id', 'fixation id'"),
        (fixations_csv(FIXATIONS, MM), "'fixation detected in reference image'"),
        (gzip.compress(fixations_csv(FIXATIONS).encode())[:60], "damaged or incomplete"),
    ],
    ids=["0 bytes", "other columns", "of a surface", "truncated gzip"],
)
def test_bad_fixations_are_mentioned_and_do_no_harm(data, finding):
    export = read(changed("fixations.csv", data))
    assert (fixations_of(export), export.rows) == ([None, None], 9)
    contains(export.notices[0], "fixations.csv in study.zip", finding)
    contains(export.notices[0], "The fixations are left out; the gaze is not affected.")


# ---------------------------------------------------------------- limits


def test_a_list_of_too_many_recordings_is_blamed_itself():
    lines = "".join(f"s{n},r{n},name\n" for n in range(3))
    files = changed("sections.csv", "section id,recording id,recording name\n" + lines)
    assert [r.id for r in read_limited(files, recordings=5).recordings][:3] == ["r0", "r1", "r2"]
    with pytest.raises(gh.LimitError, match=r"^sections\.csv in study\.zip: more than 2 record"):
        read_limited(files, recordings=2)
    with pytest.raises(gh.LimitError, match=r"^sections\.csv in study\.zip: more than 2 lines"):
        read_limited(files, sections=2)


def test_as_many_rows_as_the_limit():
    assert read_limited(export_files(), rows=9).rows == 9
    with pytest.raises(gh.LimitError) as error:
        read_limited(export_files(), rows=8)
    contains(str(error.value), "gaze.csv in study.zip: more than 8 rows", "several exports")


def test_as_many_recordings_and_sections_as_the_limit():
    rows = [Row(1.0, 1.0, True, f"rec-{n // 2}", f"sec-{n}") for n in range(6)]
    files = export_files(rows, people=None)
    assert len(read_limited(files, recordings=3, sections=6).recordings) == 3
    with pytest.raises(gh.LimitError, match=r"gaze\.csv in study\.zip: more than 2 recordings"):
        read_limited(files, recordings=2)
    with pytest.raises(gh.LimitError, match=r"gaze\.csv in study\.zip: more than 5 sections"):
        read_limited(files, sections=5)


def test_a_recording_in_every_row_ends_at_the_limit():
    rows = "".join(f"s{n},r{n},{n}000000,true,1,1,,\n" for n in range(60_000))
    text = refusal(changed("gaze.csv", gaze_columns() + "\n" + rows), gh.LimitError)
    contains(text, "gaze.csv in study.zip", "more than 50,000 sections", "'recording id'")


def test_many_small_sections_take_no_stretch_of_pages_each():
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("only Linux tells what a process has mapped")
    rows = [Row(1.0, 1.0, True, f"rec-{n // 100}", f"sec-{n}") for n in range(1000)]
    files = export_files(rows, people=None, fixations=None)
    before = len(maps.read_text().splitlines())
    export = read(files)
    added = len(maps.read_text().splitlines()) - before
    assert sum(len(recording.sections) for recording in export.recordings) == 1000
    # A process may have 65,530, and an export 50,000 sections of three columns.
    assert added < 100


def test_a_section_that_grows_over_several_blocks_keeps_its_order():
    # 8 MB; a block is 4 MB. Of the first half, the second section has one row in ten.
    numbers = np.arange(80_000)
    is_second = (numbers >= 40_000) | (numbers % 10 == 0)
    lines = "".join(
        f"{'s' * 60}-{second},rec,{n}000000,true,{n / 8},{n % 30},,\n"
        for n, second in zip(numbers.tolist(), is_second.tolist(), strict=True)
    )
    files = export_files(people=None, fixations=None)
    (recording,) = read(files | {"gaze.csv": gaze_columns() + "\n" + lines}).recordings
    for section, mine in zip(recording.sections, (is_second, ~is_second), strict=True):
        np.testing.assert_array_equal(section.gaze.timestamp_ns, numbers[mine] * 1_000_000)
        np.testing.assert_array_equal(section.gaze.x, numbers[mine] / 8)
        np.testing.assert_array_equal(section.gaze.y, numbers[mine] % 30)


def test_a_line_longer_than_the_limit_but_with_an_end_harms_itself_only():
    text = gaze_csv(ROWS[:3]) + "x" * 3000 + "\n" + gaze_csv(ROWS[3:]).split("\n", 1)[1]
    export = read_limited(changed("gaze.csv", text), line_bytes=2000)
    assert (export.rows, export.unassigned_rows) == (10, 1)


# ---------------------------------------------------------------- a folder, read twice


def test_a_folder_is_read_as_its_zip_and_left_alone(tmp_path):
    folder = export_folder(tmp_path / folder_name())
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    first, second = (gh.read_exports(folder)[0] for _ in range(2))
    assert first.rows == second.rows == read(export_zip()).rows
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert POSITION[first.kind] == "in reference image"
    assert [r.name for r in first.recordings] == [name for _, _, name, _ in PEOPLE]
