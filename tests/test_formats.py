"""Columns as data: what a header says, whoever has saved it again."""

import csv
import io

import pytest

import gazeheat_core as gh
from gazeheat_core.exports import formats
from gazeheat_core.exports.columns import Format, Header, find_columns, find_layout
from gazeheat_core.exports.formats import (
    FACE,
    FORMATS,
    MANUAL,
    MARKERS,
    MARKERS_FIXATIONS,
    RAW,
    RAW_FIXATIONS,
    REFERENCE_IMAGE,
    REFERENCE_IMAGE_FIXATIONS,
    recognise,
)
from gazeheat_core.exports.tables import read_header
from tests.builders import MM, RIM, ROWS, gaze_columns, gaze_csv
from tests.test_finding import HOW
from tests.test_reading import changed, contains, read, refusal
from tests.test_tables import file_of

# ---------------------------------------------------------------- columns that are missing


@pytest.mark.parametrize("kind", [RIM, MM])
@pytest.mark.parametrize("which", [1, 3, 4, 5])
def test_a_missing_column_is_named_with_those_found(kind, which):
    columns = gaze_columns(kind).split(",")
    name = columns.pop(which)
    text = refusal({"gaze.csv": ",".join(columns) + "\n"}, gh.ColumnsError)
    contains(text, "gaze.csv in study.zip", name, f"found '{columns[0]}', '{columns[1]}'")
    contains(text, HOW if name.startswith("gaze detected") else "its header unchanged")


def test_section_fixation_and_blink_ids_may_be_absent():
    keep = [1, 2, 3, 4, 5]
    table = csv.reader(io.StringIO(gaze_csv(ROWS)))
    text = "\n".join(",".join(row[i] for i in keep) for row in table)
    export = read(changed("gaze.csv", text))
    assert export.rows == 9
    assert [s.id for r in export.recordings for s in r.sections] == ["", ""]


def test_a_header_of_a_million_columns():
    text = refusal({"gaze.csv": ",".join(f"c{n}" for n in range(1_000_000))}, gh.ColumnsError)
    contains(text, "gaze.csv in study.zip", "'c0'", "'c11'", HOW)
    assert len(text) < 600


def test_missing_columns_are_named_beside_those_found():
    table = read_header(file_of("recording id,x,time\n"))
    assert find_columns(table, "x", "recording id") == (1, 0)
    assert Header(table.columns).find("y") == []
    with pytest.raises(gh.ColumnsError) as error:
        find_columns(table, "x", "y", "timestamp [ns]")
    assert str(error.value) == (
        "gaze.csv in study.zip: needs the columns 'y', 'timestamp [ns]', found 'recording id', "
        "'x', 'time'. Give the file as downloaded, with its header unchanged."
    )


def test_a_header_of_a_million_columns_is_told_in_few_words():
    table = read_header(file_of(",".join(f"c{n}" for n in range(1_000_000))))
    with pytest.raises(gh.ColumnsError, match=r"column 'x', found 'c0', 'c1'.* more\. ") as error:
        find_columns(table, "x")
    assert len(str(error.value)) < 300


# ---------------------------------------------------------------- columns under other names


def found(column, *columns):
    return [(one.position, one.star) for one in Header(columns).find(column)]


@pytest.mark.parametrize(
    "name",
    [
        "gaze position on surface x [normalized]",
        "Gaze Position On Surface X [Normalized]",
        "gaze_position_on_surface_x_normalized",
        "gaze.position.on.surface.x..normalized.",
        "gazePositionOnSurfaceX_normalized_",
        "gaze position on surface x",
        "gaze_position_on_surface_x",
    ],
)
def test_a_column_is_found_by_its_letters_and_digits(name):
    assert found("gaze position on surface x [normalized]", "a", name, "b") == [(1, "")]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("gaze position on surface x [normalized]", "gaze position on surface x [px]"),
        ("timestamp [ns]", "timestamp [s]"),
        ("timestamp [ns]", "start timestamp [ns]"),
        ("fixation id", "fixation"),
        ("x", ""),
        ("x", "--"),
    ],
)
def test_another_unit_or_another_word_is_another_column(column, name):
    assert found(column, name) == []


def test_a_unit_may_stand_in_the_header_alone():
    assert found("Timestamp", "a", "Timestamp [us]") == [(1, "")]


def test_the_name_that_fits_best_is_taken():
    names = ("timestamp", "Timestamp_ns", "timestamp [ns]")
    assert [found("timestamp [ns]", *names[:most]) for most in (1, 2, 3)] == [
        [(0, "")],
        [(1, "")],
        [(2, "")],
    ]
    assert found("gaze x", "gaze_x", "gaze.x") == [(0, ""), (1, "")]


def test_signs_in_a_columns_name():
    assert found("a|b", "b", "a") == [(1, "")]
    assert found("a|b", "c", "b") == [(1, "")]
    assert found("a|b?", "c", "b") == [(1, "")]
    assert found("a?", "b") == []


def test_a_star_stands_for_anything():
    names = ("Mapped gaze X [Shelf, left]", "mapped_gaze_x_Shelf 2", "Mapped gaze X", "Gaze X")
    assert found("Mapped gaze X [*]", *names) == [(0, "Shelf, left"), (1, "_Shelf 2")]
    assert found("TIME(*) [s]", "TIME(2024/01/02 10:11)", "TIMES") == [
        (0, "(2024/01/02 10:11)"),
        (1, "S"),
    ]
    assert found("*_gaze", "left_gaze", "gaze") == [(0, "left_")]


def test_two_columns_that_fit_alike_are_told():
    table = read_header(file_of("gaze_x,gaze.x,y\n"))
    with pytest.raises(gh.ColumnsError, match="more than one column 'gaze x', so it is not clear"):
        find_columns(table, "gaze x", "y")


# ---------------------------------------------------------------- what a header tells

GAZE = "section id,recording id,timestamp [ns],"
REFERENCE_IMAGE_HEADER = (
    f"{GAZE}gaze detected in reference image,gaze position in reference image x [px],"
    "gaze position in reference image y [px],fixation id,blink id"
)
FIXATION = "section id,recording id,fixation id,start timestamp [ns],end timestamp [ns],"
FIXATION += "duration [ms],"
ON_SCENE = "fixation x [px],fixation y [px],azimuth [deg],elevation [deg]"
HEADERS = [
    (REFERENCE_IMAGE_HEADER, [REFERENCE_IMAGE]),
    (REFERENCE_IMAGE_HEADER.replace(" ", "_").replace("[", "").replace("]", ""), [REFERENCE_IMAGE]),
    # With the camera's gaze beside it, it is still gaze on the picture.
    (REFERENCE_IMAGE_HEADER + ",gaze x [px],gaze y [px]", [REFERENCE_IMAGE]),
    (
        f"{FIXATION}fixation detected in reference image,fixation x [px],fixation y [px]",
        [REFERENCE_IMAGE_FIXATIONS],
    ),
    (gaze_columns(MM), [MARKERS]),
    (
        f"{FIXATION}fixation detected on surface,fixation x [normalized],fixation y [normalized]",
        [MARKERS_FIXATIONS],
    ),
    (f"{GAZE}gaze detected on face", [FACE]),
    (f"{FIXATION}fixation status,fixation x [px],fixation y [px]", [MANUAL]),
    ("recording id,timestamp [ns],gaze x [px],gaze y [px],worn", [RAW]),
    (f"recording id,fixation id,start timestamp [ns],{ON_SCENE}", [RAW_FIXATIONS]),
    ("a,b,c", []),
    ("", []),
]


@pytest.mark.parametrize(("header", "expected"), HEADERS)
def test_a_table_is_recognised_by_its_header(header, expected):
    assert list(recognise(header.split(","))) == expected


def test_of_several_formats_the_one_that_explains_most_wins():
    plain = Format("plain", "gaze", "x", "y", time="time", recording=("id",), detected="on")
    timed = Format("with a section", "gaze", "x", "y", time="time", section="section?")
    first, second = (Format(title, "gaze", "x", "y") for title in ("first", "second"))
    spots = Format("spots", "fixations", "x", "y", duration="duration")
    useless = Format("useless", "nothing", "x", "y")
    known = (useless, timed, first, second, plain, spots)

    def titles(header):
        return [one.title for one in recognise(header.split(","), known)]

    assert titles("id,time,x,y,on") == ["plain"]
    assert titles("time,x,y,section") == ["with a section"]
    assert titles("x,y") == ["first"]
    assert titles("x,y,time,duration") == ["with a section", "spots"]
    assert recognise(("x", "y"), (useless,)) == (useless,)
    assert recognise(("x",), known) == ()


def test_a_new_table_is_a_few_lines_of_data():
    mine = Format("My tracker", "gaze", x="left|col x", y="col y", frame=(0, 1, 1, 0))
    assert recognise(("t", "Col.X", "col_y"), (mine,)) == (mine,)
    assert recognise(("t", "Col.X", "col_y")) == ()
    assert mine.unit == "normalized"


def test_the_layout_of_gaze_and_fixations():
    table = read_header(file_of(REFERENCE_IMAGE_HEADER + "\n"))
    layout = find_layout(REFERENCE_IMAGE, table)
    assert (layout.keys, layout.integers, layout.numbers, layout.flag) == ((1, 0), (2,), (4, 5), 3)
    assert layout.fixation == 6
    table = read_header(file_of(HEADERS[5][0] + "\n"))
    layout = find_layout(MARKERS_FIXATIONS, table)
    assert layout.keys == (1, 0)
    assert (layout.integers, layout.numbers, layout.flag) == ((2, 3, 4), (7, 8, 5), 6)
    assert layout.fixation is None


def test_every_format_says_what_it_is_and_what_to_do():
    cloud = [one for one in FORMATS if one in formats.OF_PUPIL_CLOUD]
    for one in FORMATS:
        assert one.title
        assert one.x
        assert bool(one.hint) == (one not in cloud)
    for one in formats.PUPIL_CLOUD:
        beside = formats.fixations_beside(one)
        assert (beside.frame, beside.recording) == (one.frame, one.recording)


def test_only_those_who_can_are_sent_to_pupil_cloud():
    sent = {one.title for one in FORMATS if "Pupil Cloud" in one.hint}
    assert sent == {"Face Mapper", "Manual Mapper", "raw recording"}


# ---------------------------------------------------------------- tables saved by other programs


def as_r(name):
    return "".join(sign if sign.isalnum() else "." for sign in name)


def as_python(name):
    return name.replace(" ", "_")


def as_janitor(name):
    return "_".join("".join(s if s.isalnum() else " " for s in name).split())


def as_matlab(name):
    first, *rest = name.split()
    return as_janitor(first + "".join(word.capitalize() for word in rest)) + "_"


@pytest.mark.parametrize("kind", [RIM, MM])
@pytest.mark.parametrize("rename", [as_r, as_python, as_janitor, as_matlab])
def test_tables_with_renamed_columns_are_read_the_same(kind, rename):
    files = changed("gaze.csv", gaze_csv(ROWS, kind), kind=kind)
    renamed = {}
    for name, data in files.items():
        text = data if isinstance(data, str) else data.decode("latin-1")
        header, _, rest = text.partition("\n")
        if name.endswith(".csv"):
            text = ",".join(map(rename, header.split(","))) + "\n" + rest
        renamed[name] = text.encode("latin-1")
    export, expected = read(renamed), read(files)
    assert (export.kind, export.notices) == (kind, ())
    assert [(r.id, r.name, r.wearer) for r in export.recordings] == [
        (r.id, r.name, r.wearer) for r in expected.recordings
    ]
    for one, other in zip(export.recordings, expected.recordings, strict=True):
        for mine, theirs in zip(one.sections, other.sections, strict=True):
            assert mine.start_event == theirs.start_event == "recording.begin"
            assert mine.gaze.timestamp_ns.tolist() == theirs.gaze.timestamp_ns.tolist()
            assert mine.gaze.x.tobytes() == theirs.gaze.x.tobytes()
            assert mine.gaze.y.tobytes() == theirs.gaze.y.tobytes()
            assert mine.fixations.duration_ms.tolist() == theirs.fixations.duration_ms.tolist()
