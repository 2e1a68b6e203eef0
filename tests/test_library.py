"""A folder on the server: what is listed, and that nothing outside can be reached."""

import math
import os
import shutil
from pathlib import Path, PurePosixPath

import pytest

import gazeheat_core as gh
from gazeheat_core.exports import find_exports, open_source, read_export
from gazeheat_core.exports.sources import CountedStream
from gazeheat_core.library import Library, ServerStudy
from tests.builders import MM, RIM, ROWS, Row, export_files, export_folder, export_zip, write_zip

DAY_S = 86_400
SECRET = [Row(7.0, 7.0, True, "secret", "secret")]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    return root


@pytest.fixture
def outside(tmp_path):
    """An export beside the server's folder."""
    return export_folder(tmp_path / "outside", SECRET, people=None)


def paths(root):
    return [str(one.path) for one in Library(root).list()]


def opened(root, path):
    """Names of the files of a listed path, as they are opened."""
    with open_source(Library(root).locate(PurePosixPath(path)), flat=True) as files:
        return [str(file.path) for file in files]


def is_refused(root, path):
    with pytest.raises(gh.SourceError) as error:
        Library(root).locate(PurePosixPath(path))
    text = str(error.value)
    return "is not in the server's folder any more. List the folder again." in text


# ---------------------------------------------------------------- what is listed


def test_a_folder_and_a_zip_are_listed_with_what_is_known(root):
    folder = export_folder(root / "2026" / "Shelf", kind=MM)
    packed = export_zip(root / "study.zip", people=None)
    for number, path in enumerate((folder, folder / "gaze.csv", packed)):
        os.utime(path, (DAY_S * number, DAY_S * number))
    assert Library(root).list() == [
        ServerStudy(
            path=PurePosixPath("study.zip"),
            inside=PurePosixPath("Study_REFERENCE-IMAGE-MAPPER_Shelf_csv"),
            name="Shelf",
            kind=RIM,
            recordings=None,
            size_bytes=len(export_files()["gaze.csv"]),
            modified_s=2 * DAY_S,
        ),
        ServerStudy(
            path=PurePosixPath("2026/Shelf"),
            inside=PurePosixPath("."),
            name="Shelf",
            kind=MM,
            recordings=2,
            size_bytes=(folder / "gaze.csv").stat().st_size,
            modified_s=DAY_S,  # of the gaze, not of the folder around it
        ),
    ]


def test_what_is_listed_can_be_opened(root):
    export_folder(root / "a" / "b" / "Shelf")
    export_zip(root / "a" / "study.zip")
    for one in Library(root).list():
        with open_source(Library(root).locate(one.path), flat=True) as files:
            found, _ = find_exports(file for file in files if file.folder == one.inside)
        assert [(f.name, f.kind) for f in found] == [(one.name, one.kind)]


def test_an_export_at_the_root_itself_is_listed(tmp_path):
    root = export_folder(tmp_path / "data")
    assert paths(root) == ["."]
    assert "gaze.csv" in opened(root, ".")


def test_folders_in_folders_are_listed_in_order(root):
    for name in ("b/x", "a/deep/er/still", "a"):
        path = root / name
        path.mkdir(parents=True, exist_ok=True)
        for file, data in export_files().items():
            (path / file).write_bytes(data)
    assert paths(root) == ["a", "a/deep/er/still", "b/x"]


def test_each_export_of_a_zip_is_listed(root):
    files = {f"{name}/{file}": data for name in "ab" for file, data in export_files().items()}
    write_zip(root / "both.zip", files)
    listed = Library(root).list()
    assert [(str(one.path), str(one.inside), one.recordings) for one in listed] == [
        ("both.zip", "a", 2),
        ("both.zip", "b", 2),
    ]


def test_everything_else_is_passed_over(root):
    export_folder(root / "Shelf")
    export_folder(root / ".hidden" / "Shelf")
    export_folder(root / "in" / ".git" / "Shelf")
    (root / "thesis.pdf").write_bytes(b"%PDF")
    (root / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    (root / "no.zip").write_bytes(b"Rar!")
    (root / "empty.zip").write_bytes(b"")
    (root / "half.zip").write_bytes(export_zip()[:500])
    write_zip(root / "other.zip", {"notes.txt": "1"})
    write_zip(root / "hostile.zip", {"../gaze.csv": export_files()["gaze.csv"]})
    (root / "raw").mkdir()
    (root / "raw" / "gaze.csv").write_text("timestamp [ns],gaze x [px],gaze y [px]\n1,2,3\n")
    (root / "none").mkdir()
    (root / "none" / "gaze.csv").write_bytes(b"")
    (root / "folder.zip").mkdir()
    (root / "gaze.csv").mkdir()
    assert paths(root) == ["Shelf"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name here")
def test_pipes_are_not_waited_for(root):
    os.mkfifo(root / "study.zip")
    os.mkfifo(root / "gaze.csv")
    folder = export_folder(root / "Shelf")
    (folder / "sections.csv").unlink()
    os.mkfifo(folder / "sections.csv")
    assert paths(root) == ["Shelf"]


def test_rows_of_gaze_are_not_read(root, monkeypatch):
    rows = [Row(math.nan, math.nan, False)] * 5_000
    folder = export_folder(root / "Shelf", rows)
    export_zip(root / "study.zip", rows)
    with (folder / "gaze.csv").open("ab") as stream:
        stream.write(b"\xff\x00" * 2**20)  # no one could read that
    read = []
    original = CountedStream.read

    def counted(stream, size=-1):
        data = original(stream, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(CountedStream, "read", counted)
    assert [one.size_bytes > 200_000 for one in Library(root).list()] == [True, True]
    # For each export the start of the gaze, and the table of sections twice.
    assert sum(read) < 2 * 200_000
    monkeypatch.undo()
    with pytest.raises(gh.LimitError):
        gh.read_exports(folder)


def test_a_missing_folder_is_said_to_whom_it_concerns(tmp_path):
    for missing in (tmp_path / "none", export_zip(tmp_path / "a.zip"), Path("a\0b")):
        with pytest.raises(gh.SourceError, match="GAZEHEAT_DATA") as error:
            Library(missing).list()
        assert str(missing).replace("\0", "\ufffd") in str(error.value)


def test_a_folder_that_cannot_be_read_is_said(root, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != root)
    with pytest.raises(gh.SourceError, match="cannot be read"):
        Library(root).list()


# ---------------------------------------------------------------- nothing outside


@pytest.mark.parametrize(
    "path",
    ["..", "../outside", "Shelf/../../outside", "Shelf/..", "../data/Shelf", "none", "a\0b",
     "x" * 5000, "/", "/etc", "~"],
)  # fmt: skip
def test_no_path_leads_out(root, outside, path):
    export_folder(root / "Shelf")
    assert is_refused(root, path)


def test_no_absolute_path_is_taken(root, outside):
    folder = export_folder(root / "Shelf")
    assert is_refused(root, str(outside))
    assert is_refused(root, str(folder))


def test_links_are_neither_listed_nor_opened(root, outside, tmp_path):
    export_zip(tmp_path / "secret.zip", SECRET)
    export_folder(root / "Shelf")
    (root / "link.zip").symlink_to(tmp_path / "secret.zip")
    (root / "link").symlink_to(outside)
    (root / "inner").symlink_to(root / "Shelf")
    (root / "loop").symlink_to(root / "loop")
    (root / "broken.zip").symlink_to(root / "nowhere")
    (root / "only").mkdir()
    (root / "only" / "gaze.csv").symlink_to(outside / "gaze.csv")
    assert paths(root) == ["Shelf"]
    for link in (
        "link.zip",
        "link",
        "inner",
        "loop",
        "broken.zip",
        "link/gaze.csv",
        "only/gaze.csv",
    ):
        assert is_refused(root, link)


@pytest.mark.parametrize("linked", ["reference_image.jpeg", "sections.csv", "fixations.csv"])
def test_a_link_beside_real_gaze_is_not_followed(root, outside, linked):
    folder = export_folder(root / "Shelf")
    (folder / linked).unlink()
    (folder / linked).symlink_to(outside / "gaze.csv")
    (one,) = Library(root).list()
    names = opened(root, one.path)
    assert "gaze.csv" in names
    assert linked not in names
    assert one.recordings == (None if linked == "sections.csv" else 2)


def test_a_folder_inside_an_export_is_not_part_of_it(root, outside):
    folder = export_folder(root / "Shelf")
    (folder / "more").symlink_to(outside)
    (folder / "real").mkdir()
    (folder / "real" / "notes.txt").write_text("1")
    assert opened(root, "Shelf") == sorted(export_files())


@pytest.mark.parametrize("which", ["Shelf", "."], ids=["the export", "the folder above it"])
def test_a_folder_swapped_for_a_link_is_not_opened(root, outside, which):
    export_folder(root / "in" / "Shelf")
    (one,) = Library(root).list()
    assert opened(root, one.path)
    swapped = root / "in" / which
    shutil.rmtree(swapped)
    swapped.symlink_to(outside.parent if which == "." else outside)
    if which == ".":
        outside.rename(outside.with_name("Shelf"))
    assert is_refused(root, one.path)


def test_gaze_swapped_for_a_link_is_not_opened(root, outside):
    folder = export_folder(root / "Shelf")
    (one,) = Library(root).list()
    (folder / "gaze.csv").unlink()
    (folder / "gaze.csv").symlink_to(outside / "gaze.csv")
    assert "gaze.csv" not in opened(root, one.path)


def test_what_has_gone_is_refused(root):
    folder = export_folder(root / "Shelf")
    (one,) = Library(root).list()
    shutil.rmtree(folder)
    assert is_refused(root, one.path)


def test_the_folder_itself_may_be_a_link(root, tmp_path):
    export_folder(root / "Shelf")
    export_zip(root / "study.zip")
    link = tmp_path / "link"
    link.symlink_to(root)
    assert paths(link) == ["study.zip", "Shelf"]
    assert Library(link).locate(PurePosixPath("Shelf")) == root.resolve() / "Shelf"


def test_a_relative_folder_is_allowed(root, monkeypatch):
    export_folder(root / "Shelf")
    monkeypatch.chdir(root.parent)
    assert paths(Path("data")) == ["Shelf"]
    assert Library(Path("data")).locate(PurePosixPath("Shelf")).is_absolute()


def test_rows_are_those_of_the_file(root):
    folder = export_folder(root / "Shelf")
    (one,) = Library(root).list()
    (export,) = gh.read_exports(Library(root).locate(one.path))
    assert (export.rows, folder.name) == (len(ROWS), one.name)


# ---------------------------------------------------------------- one study harms no other

LATIN_1 = os.fsdecode(b"K\xfcche")


def make_latin_1_folder(root):
    try:
        return export_folder(root / LATIN_1)
    except OSError:
        pytest.skip("this disk takes names in UTF-8 only")


def test_a_name_that_is_not_utf_8_is_listed_shown_and_opened(root):
    make_latin_1_folder(root)
    export_folder(root / "Shelf")
    other, latin = sorted(Library(root).list(), key=lambda one: one.name != "Shelf")
    assert other.shown_path == str(other.path) == "Shelf"
    assert (latin.name, latin.shown_path) == ("K\ufffdche", "K\ufffdche")
    assert latin.shown_path.encode() == b"K\xef\xbf\xbdche"
    (export,) = gh.read_exports(Library(root).locate(latin.path))
    assert (export.name, export.rows) == ("K\ufffdche", len(ROWS))


def test_a_name_that_is_not_utf_8_is_told_when_it_is_gone(root):
    folder = make_latin_1_folder(root)
    (one,) = Library(root).list()
    shutil.rmtree(folder)
    with pytest.raises(gh.SourceError) as error:
        Library(root).locate(one.path)
    assert str(error.value).encode().startswith(b"K\xef\xbf\xbdche: it is not in")


def test_whatever_is_wrong_with_one_study_hides_no_other(root, monkeypatch, caplog):
    for name in "abc":
        export_folder(root / name)
    original = find_exports

    def broken(files):
        files = list(files)
        if files[0].source == "b":
            raise ZeroDivisionError("no one has thought of that")
        return original(files)

    monkeypatch.setattr("gazeheat_core.library.find_exports", broken)
    assert paths(root) == ["a", "c"]
    assert "a study in the folder cannot be listed: b" in caplog.text


def test_a_list_of_too_many_recordings_hides_no_study(root):
    folder = export_folder(root / "Shelf")
    lines = "".join(f"s{n},rec-{n}\n" for n in range(5001))
    (folder / "sections.csv").write_text("section id,recording id\n" + lines)
    (one,) = Library(root).list()
    assert (str(one.path), one.recordings) == ("Shelf", None)


@pytest.mark.parametrize("gone", ["gaze.csv", "sections.csv", "."])
def test_a_study_deleted_while_it_is_listed_is_passed_over_or_listed_without(
    root, monkeypatch, gone
):
    export_folder(root / "a")
    export_folder(root / "b")
    original = find_exports

    def deleting(files):
        found = original(files)
        target = root / "a" / gone
        if target.is_dir():
            shutil.rmtree(target)
        elif target.exists():
            target.unlink()
        return found

    monkeypatch.setattr("gazeheat_core.library.find_exports", deleting)
    listed = {str(one.path): one.recordings for one in Library(root).list()}
    assert listed == ({"a": None, "b": 2} if gone == "sections.csv" else {"b": 2})


# ---------------------------------------------------------------- tables of other programs

SURFACE = "world_index,gaze_timestamp,x_norm,y_norm,x_scaled,y_scaled,on_surf,confidence\n"


def surface(path, samples):
    """The export of one recording of Pupil Core: a surface 'Shelf', looked at in its middle."""
    folder = path / "000" / "exports" / "000" / "surfaces"
    folder.mkdir(parents=True)
    rows = "".join(f"{i},{i / 200},0.5,0.5,0,0,True,0.9\n" for i in range(samples))
    (folder / "gaze_positions_on_surface_Shelf.csv").write_text(SURFACE + rows)


def screen_table(*media):
    columns = (
        "RecordingTimestamp\tRecordingName\tMediaName\tGazePointX (MCSpx)\tGazePointY (MCSpx)\n"
    )
    return columns + "".join(f"{8 * i}\tada\t{name}\t10\t5\n" for i, name in enumerate(media))


def read_as_opened(root, one):
    with Library(root).open(one) as (_, files):
        found, problems = find_exports(files)
        assert problems == []
        return [
            read_export(export)
            for export in found
            if (export.stimulus, export.kind) == (one.stimulus, one.kind)
        ]


@pytest.mark.parametrize("packed", [False, True])
def test_recordings_in_folders_beside_each_other_are_one_study(root, packed):
    surface(root / "Shop" / "ada", 30)
    surface(root / "Shop" / "ben", 20)
    if packed:
        files = {
            path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.csv")
        }
        shutil.rmtree(root / "Shop")
        write_zip(root / "study.zip", files)
    else:
        surface(root / "Other" / "cem", 10)
    *others, shop = Library(root).list()
    assert (str(shop.path), shop.name) == ("study.zip" if packed else "Shop", "Shelf")
    assert (shop.kind, shop.recordings) == ("Pupil Core surface", 2)
    assert [one.recordings for one in others] == ([] if packed else [1])
    (export,) = read_as_opened(root, shop)
    assert {one.id: one.rows for one in export.recordings} == {"ada": 30, "ben": 20}


def test_a_folder_of_several_is_not_opened_through_a_link(root, outside):
    surface(root / "ada", 30)
    surface(root / "ben", 20)
    (one,) = Library(root).list()
    shutil.rmtree(root / "ben")
    (root / "ben").symlink_to(outside)
    with pytest.raises(gh.SourceError, match="not in the server's folder any more"):
        read_as_opened(root, one)


def test_each_stimulus_of_a_table_is_listed_and_its_rows_are_read_once(root, monkeypatch):
    table = root / "screen" / "study.tsv"
    table.parent.mkdir()
    table.write_text(screen_table("a.png", "b.png", "b.png"))
    listed = Library(root).list()
    assert [(one.name, one.stimulus) for one in listed] == [("a", "a.png"), ("b", "b.png")]
    assert [export.rows for one in listed for export in read_as_opened(root, one)] == [1, 2]

    def refuse(*_, **__):
        raise AssertionError("what has not changed should not be read")

    with monkeypatch.context() as patched:
        patched.setattr("gazeheat_core.exports.tables.read_blocks", refuse)
        assert Library(root).list() == listed
    table.write_text(screen_table("a.png", "c.png"))
    assert [one.name for one in Library(root).list()] == ["a", "c"]


def test_fixations_alone_are_listed(root):
    folder = export_folder(root / "Shelf")
    (folder / "gaze.csv").unlink()
    (one,) = Library(root).list()
    assert (one.name, one.recordings) == ("Shelf", 2)
