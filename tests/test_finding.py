"""Which files make an export, and what it is called."""

import io

import pytest

import gazeheat_core as gh
from gazeheat_core.exports import Limits, find_exports, open_source, read_export
from gazeheat_core.exports.columns import Format
from gazeheat_core.exports.looking import UnknownTableError
from tests.builders import (
    MM,
    RIM,
    ROWS,
    SIZE,
    export_files,
    export_zip,
    folder_name,
    gaze_columns,
    gaze_csv,
    picture_bytes,
)
from tests.test_reading import contains, read, refusal, upload

# ---------------------------------------------------------------- where exports lie

NAMES = {
    "at the root": ("", "study"),
    "in its folder": (folder_name(), "Shelf"),
    "second download": (folder_name() + " (1)", "Shelf"),
    "deeper": ("Downloads/today/" + folder_name("Läden: A, B"), "Läden: A, B"),
    "marker mapper": (folder_name("Wall_2", kind=MM), "Wall_2"),
    "other name": ("my export", "my export"),
    "several words in capitals": ("A_B_MANUAL-MAPPER_C_csv", "C"),
}


@pytest.mark.parametrize(("folder", "name"), NAMES.values(), ids=NAMES.keys())
def test_the_folder_names_the_enrichment(folder, name):
    prefix = folder and folder + "/"
    export = read({prefix + file: data for file, data in export_files().items()})
    assert (export.name, export.rows) == (name, 9)


def test_the_zip_names_the_enrichment_where_no_folder_does():
    given = upload(export_files(), folder_name("Wall", kind=MM) + " (2).ZIP")
    assert gh.read_exports(given)[0].name == "Wall"


def test_several_exports_in_one_zip():
    files = {
        f"{folder_name(name, kind)}/{file}": data
        for name, kind in [("A", RIM), ("B", MM)]
        for file, data in export_files(kind=kind).items()
    }
    files["__MACOSX/x/._gaze.csv"] = b"\0\5\x16\7"
    a, b = gh.read_exports(upload(files))
    assert [(e.name, e.kind, e.rows) for e in (a, b)] == [("B", MM, 9), ("A", RIM, 9)]
    assert a.title == "B · Marker Mapper"


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("Study_AUTO-IMAGE-MAPPER_Poster_csv", "Auto Image Mapper"),
        ("Study_NEW-MAPPER_Poster_csv (1)", "New Mapper"),
        ("Study_REFERENCE-IMAGE-MAPPER_Poster_csv", RIM),
        # A folder's name makes no surface of a picture in pixels.
        ("Study_MARKER-MAPPER_Poster_csv", RIM),
        ("Study_MANUAL-MAPPER_Poster_csv", RIM),
        ("Poster", RIM),
    ],
)
def test_the_folder_tells_enrichments_of_the_same_columns_apart(folder, kind):
    inside = read({f"{folder}/{name}": data for name, data in export_files().items()})
    (outside,) = gh.read_exports(upload(export_files(), f"{folder}.zip"))
    for export in (inside, outside):
        assert (export.name, export.kind, export.title) == ("Poster", kind, f"Poster · {kind}")
        assert (export.frame, export.unit, export.rows) == (None, "px", 9)


@pytest.mark.parametrize("kind", [RIM, MM])
def test_the_only_picture_is_used_whatever_its_name(kind):
    files = export_files(kind=kind)
    picture = files.pop("reference_image.jpeg")
    export = read({f"a/{name}": data for name, data in files.items()} | {"a/Photo 7.JPG": picture})
    assert export.size() == SIZE
    assert export.notices == (
        "a/Photo 7.JPG in study.zip is used as the reference image, since it is the only picture "
        "beside gaze.csv.",
    )
    elsewhere = read({f"a/{n}": d for n, d in files.items()} | {"b/photo.jpg": picture})
    assert elsewhere.image is None


@pytest.mark.parametrize("name", ["reference_image.jpg", "plane_image.png", "Plane_Image.JPEG"])
def test_a_picture_of_either_name_goes_without_saying(name):
    files = export_files()
    files[name] = files.pop("reference_image.jpeg")
    export = read(files | {"photo.jpg": picture_bytes((7, 7))})
    assert (export.size(), export.notices) == (SIZE, ())


@pytest.mark.parametrize("suffix", ["", " (1)"])
def test_loose_files_with_one_picture_of_any_name(suffix):
    files = export_files()
    files["holiday.png"] = files.pop("reference_image.jpeg")
    loose = [
        gh.Upload(name.replace(".", f"{suffix}."), io.BytesIO(data)) for name, data in files.items()
    ]
    with open_source(loose) as source:
        (found,), problems = find_exports(source)
        export = read_export(found)
    assert (problems, export.rows, export.size()) == ([], 9, SIZE)
    assert [r.name for r in export.recordings] == ["P01", "P02"]


def test_of_several_pictures_only_the_named_one_counts():
    files = export_files(size=None) | {
        "a.png": picture_bytes((7, 7)),
        "b.png": picture_bytes((9, 9)),
    }
    assert read(files).image is None
    with open_source([gh.Upload(n, io.BytesIO(d)) for n, d in files.items()]) as source:
        assert read_export(find_exports(source)[0][0]).image is None
    assert read(files | {"Reference_Image.PNG": picture_bytes(SIZE)}).size() == SIZE


def test_the_same_export_twice_among_loose_files():
    loose = [upload(d, n) for n, d in export_files().items()] + [upload(b"x", "gaze (1).csv")]
    with open_source(loose) as source:
        found, (problem,) = find_exports(source)
    assert found == []
    contains(str(problem), "Several files named gaze.csv", "Give one export's files")


# ---------------------------------------------------------------- downloads that cannot be used

HOW = "add a Reference Image Mapper or a Marker Mapper enrichment"
FACE = "section id,recording id,timestamp [ns],gaze detected on face\n"
PLAYER = "world_timestamp,world_index,gaze_timestamp,x_norm,y_norm,x_scaled,y_scaled,on_surf\n"
NEON_PLAYER = gaze_columns(MM).split(",", 2)[2].rsplit(",", 2)[0] + "\n"
RAW = "section id,recording id,timestamp [ns],gaze x [px],gaze y [px],worn\n"

UNMAPPED = {
    "raw recording": ({"gaze.csv": RAW, "fixations.csv": "x\n"}, "raw recording's scene camera"),
    "raw without gaze": ({"world_timestamps.csv": "x\n"}, "a raw recording"),
    "face mapper": ({"gaze.csv": FACE}, "a Face Mapper export"),
    "face mapper, by a file": ({"gaze.csv": "a,b\n", "face_positions.csv": ""}, "Face Mapper"),
    "face mapper, renamed": ({"gaze_on_face.csv": FACE}, "a Face Mapper export"),
}
EMPTY = {
    "pupil player": (
        "gaze_positions_on_surface_A 1.csv",
        PLAYER,
        "no gaze below it",
        "Pupil Player",
    ),
    "neon player": ("gaze_positions_on_surface_A (1).csv", NEON_PLAYER, "no gaze", "Neon Player"),
    "tobii": (
        "Study.tsv",
        "Recording name\tMapped gaze X [a]\n",
        "a table of Tobii Pro Lab, snapshot without 'Mapped gaze Y [*]'",
        "In Tobii Pro Lab, map the gaze",
    ),
}


@pytest.mark.parametrize(("files", "what"), UNMAPPED.values(), ids=UNMAPPED.keys())
def test_unmapped_gaze_is_told_which_enrichment_it_needs(files, what):
    text = refusal({f"rec/{name}": data for name, data in files.items()}, gh.UnmappedError)
    contains(text, "study.zip", what, HOW)


@pytest.mark.parametrize(("name", "text", "what", "way"), EMPTY.values(), ids=EMPTY.keys())
def test_each_tracker_s_people_are_told_their_own_way(name, text, what, way):
    with pytest.raises(gh.ExportError) as error:
        read({f"rec/{name}": text})
    said = str(error.value)
    contains(said, "study.zip", what, way)
    assert "Pupil Cloud" not in said


WORKBOOK = {"xl/workbook.xml": "<workbook/>", "[Content_Types].xml": "<a/>"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("study.xlsx", WORKBOOK),
        ("gaze.csv", WORKBOOK),
        ("old.xls", b"\xd0\xcf\x11\xe0" + bytes(60)),
    ],
)
def test_a_workbook_is_called_one(name, data):
    with pytest.raises(gh.SourceError) as error:
        gh.read_exports([upload(data, name)])
    contains(str(error.value), name, "a spreadsheet's workbook", "CSV UTF-8")


def test_an_unmapped_folder_beside_a_good_one_is_passed_over():
    files = {f"good/{name}": data for name, data in export_files().items()}
    assert read(files | {"raw/gaze.csv": RAW}).name == "good"


def test_a_broken_folder_beside_a_good_one_is_an_error():
    files = {f"good/{name}": data for name, data in export_files().items()}
    text = refusal(files | {"bad/gaze.csv": b""}, gh.SourceError)
    contains(text, "bad/gaze.csv in study.zip", "empty", "Download the export again")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"fixations.csv": "section id\n"}, ["no table of gaze", "Manual Mapper", HOW]),
        ({"a/inner.zip": export_zip()}, ["holds another ZIP (inner.zip)", "Give that one"]),
        ({"b.txt": "1", "a.csv": "1"}, ["no table of gaze found, only a.csv, b.txt", "Give the"]),
        ({f"{n}.txt": "" for n in range(10, 30)}, ["only 10.txt", "17.txt and 12 more"]),
    ],
    ids=["manual mapper", "zip in a zip", "other files", "many files"],
)
def test_no_gaze(files, words):
    contains(refusal(files, gh.ExportError), "study.zip", *words)


def test_fixations_of_a_raw_recording_are_told_what_they_need():
    header = "recording id,fixation id,start timestamp [ns],fixation x [px],fixation y [px]\n"
    text = refusal({"fixations.csv": header}, gh.UnmappedError)
    contains(text, "fixations.csv in study.zip", "raw recording's scene camera", HOW)


@pytest.mark.parametrize("names", [["info.json"], ["info.json", "reference_image.jpeg"]])
def test_what_safari_leaves_of_a_download_names_safari(names):
    text = refusal({f"Study/{name}": "{}" for name in names}, gh.ExportError)
    contains(text, f"no table of gaze found, only {', '.join(names)}. This is what Safari leaves")
    contains(text, "with another browser", "switch off 'Open \"safe\" files after downloading'")
    assert "Safari" not in refusal({"info.json": "{}", "other.csv": "a"}, gh.ExportError)


# ---------------------------------------------------------------- many folders


@pytest.mark.parametrize("count", [5, 6, 40])
def test_many_bad_folders_are_one_problem(count):
    files = {f"f{n:02}/gaze.csv": "a,b\n1,2\n" for n in range(count)}
    with open_source(upload(files)) as opened:
        found, problems = find_exports(opened)
    assert found == []
    if count == 5:
        assert len(problems) == 5
        return
    (problem,) = problems
    # Of one that may be described, the way to do so is kept.
    assert type(problem) is UnknownTableError
    assert str(problem.file.path) == "f00/gaze.csv"
    contains(str(problem), f"{count} folders hold a gaze.csv that cannot be used. The first: f00")


@pytest.mark.parametrize("count", [1, 6])
def test_an_unknown_table_beside_an_export_is_said_and_not_asked_about(count):
    good = {f"good/{name}": data for name, data in export_files().items()}
    unknown = {f"other{n}/gaze.csv": "a,b\n1,2\n" for n in range(count)}
    with open_source(upload(good | unknown)) as opened:
        (found,), (problem,) = find_exports(opened)
    assert found.name == "good"
    assert type(problem) is gh.ColumnsError
    contains(
        str(problem),
        "other0/gaze.csv in study.zip: a table, with columns that are not known here: 'a', 'b'. "
        "Give it alone to say which of them hold the positions.",
    )


def test_a_table_of_the_usual_name_with_unknown_columns_is_asked_about():
    with open_source(upload({"gaze.csv": "t;links;oben\n0,5;10;20\n1,0;30;40\n"})) as opened:
        found, (problem,) = find_exports(opened)
    assert found == []
    assert isinstance(problem, UnknownTableError)
    contains(str(problem), "'t', 'links', 'oben'. Say which of them hold the positions.")
    # Said which is which, it is read.
    known = Format("Mine", "gaze", "links", "oben", time="t [s]")
    with open_source(upload({"gaze.csv": "t;links;oben\n0,5;10;20\n1,0;30;40\n"})) as opened:
        (found,), problems = find_exports(opened, [known])
        (recording,) = read_export(found).recordings
    assert problems == []
    assert recording.sections[0].gaze.x.tolist() == [10, 30]


@pytest.mark.parametrize(
    ("missing", "sent_to"),
    [
        ("recording id", "needs the column 'recording id'"),
        ("gaze detected in reference image", "Needs a column 'gaze detected in reference image'"),
    ],
)
def test_a_table_of_pupil_cloud_without_a_column_is_sent_back_there(missing, sent_to):
    names = gaze_columns().replace(missing, "other").split(",")
    row = ",".join("1" for _ in names)
    contains(refusal({"gaze.csv": f"{','.join(names)}\n{row}\n"}, gh.ColumnsError), sent_to)


def test_many_folders_of_other_enrichments_beside_a_good_one_are_passed_over():
    good = {f"good/{name}": data for name, data in export_files().items()}
    raw = {f"raw{n}/gaze.csv": RAW for n in range(9)}
    assert read(good | raw).name == "good"
    text = refusal(good | raw | {"torn/gaze.csv": ""}, gh.SourceError)
    contains(text, "10 folders hold a gaze.csv that cannot be used. The first: torn/gaze.csv in")


def test_as_many_exports_as_the_limit():
    files = {f"f{n}/gaze.csv": gaze_csv(ROWS) for n in range(3)}
    for most, count in ((3, 3), (2, 0)):
        with open_source(upload(files), Limits(exports=most)) as opened:
            found, problems = find_exports(opened)
        assert len(found) == count
    assert [type(problem) for problem in problems] == [gh.LimitError]
    contains(str(problems[0]), "study.zip: more than 2 exports", "Give some of them at a time")
