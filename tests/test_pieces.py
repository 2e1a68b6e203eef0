"""Files that came apart: joined where they belong together, and never mixed in silence."""

import io

import pytest

import gazeheat_core as gh
from gazeheat_core.exports import (
    Limits,
    Pieces,
    find_exports,
    open_source,
    read_export,
    read_study,
    sources_of,
    with_sections,
)
from tests.builders import MM, PEOPLE, ROWS, SIZE, export_files, sections_csv, write_zip


def upload(data, name):
    return gh.Upload(name, io.BytesIO(data))


def zipped(name, files, folder="Shelf/"):
    data = {f"{folder}{file}": content for file, content in files.items()}
    return upload(write_zip(io.BytesIO(), data).getvalue(), name)


def parts(*names_of_parts, **options):
    """The files of an export, by part; each part names its files by their first letters."""
    files = export_files(**options)
    return [
        {name: data for name, data in files.items() if name[0] in letters}
        for letters in names_of_parts
    ]


def read_all(sources):
    """The exports of each source; what is wrong with a source in its place."""
    read = []
    for source in sources:
        with open_source(source) as files:
            found, problems = find_exports(files)
            read.append([read_export(one) for one in found] or [str(one) for one in problems])
    return read


@pytest.mark.parametrize("folder", ["Shelf/", "", "Study/Shelf/"], ids=["folder", "root", "deep"])
@pytest.mark.parametrize("split", [("gs", "rf"), ("rs", "g", "f"), ("g", "r")])
def test_a_folder_in_several_zips_is_one_export(split, folder):
    pieces = [
        zipped(f"drive-download-00{i}.zip", files, folder) for i, files in enumerate(parts(*split))
    ]
    (source,) = sources_of(pieces)
    assert [*source] == pieces
    (export,) = gh.read_exports(source)
    assert (export.image.size, export.rows) == (SIZE, len(ROWS))
    names = ["P01", "P02"] if "s" in "".join(split) else ["", ""]
    assert [one.name for one in export.recordings] == names
    assert export.name == ("Shelf" if folder else pieces["g" not in split[0]].name[:-4])


def test_zips_of_whole_exports_stay_apart():
    (whole,) = parts("gsrf")
    shelf, copy = zipped("a.zip", whole), zipped("a (1).zip", whole)
    poster = zipped("b.zip", whole, "Poster/")
    assert sources_of([shelf, copy, poster]) == [shelf, copy, poster]
    assert [len(read) for read in read_all(sources_of([shelf, copy, poster]))] == [1, 1, 1]


def test_two_files_of_one_path_are_not_mixed():
    first, second = parts("gs", "rs")
    second["sections.csv"] = sections_csv([("rec-a", "sec-a", "other", "Cem")]).encode()
    sources = sources_of([zipped("a.zip", first), zipped("b.zip", second)])
    ((export,), (problem,)) = read_all(sources)
    assert [one.name for one in export.recordings] == ["P01", "P02"]
    assert export.image is None
    assert problem.startswith(
        "b.zip: no table of gaze found, only reference_image.jpeg, sections.csv"
    )


def test_the_gaze_of_one_folder_comes_from_one_zip():
    first, second = parts("g", "gr")
    second["gaze (1).csv"] = second.pop("gaze.csv")
    pieces = [zipped("a.zip", first), zipped("b.zip", second)]
    assert sources_of(pieces) == pieces


def test_a_picture_that_could_belong_to_two_exports_is_given_to_none():
    gaze, picture = parts("g", "r")
    pieces = [zipped(f"{name}.zip", gaze, "") for name in "ab"] + [zipped("c.zip", picture, "")]
    ((a,), (b,), (problem,)) = read_all(sources_of(pieces))
    assert a.image is b.image is None
    assert problem.startswith("c.zip: no table of gaze found")


def test_a_broken_zip_takes_no_piece_away():
    gaze, picture = parts("gs", "r")
    broken = upload(b"PK no", "broken.zip")
    first, second = zipped("a.zip", gaze), zipped("b.zip", picture)
    assert sources_of([broken, first, second]) == [broken, [first, second]]


def test_loose_files_join_a_zip_without_a_folder():
    gaze, rest = parts("gs", "rf")
    loose = [upload(data, name) for name, data in gaze.items()]
    (source,) = sources_of([zipped("rest.zip", rest, ""), *loose])
    (export,) = gh.read_exports(source)
    assert (export.image.size, [one.name for one in export.recordings]) == (SIZE, ["P01", "P02"])


def test_all_pieces_together_are_held_against_the_limits():
    pieces = [zipped("a.zip", files) for files in parts("gs", "rf")]
    with open_source(pieces, Limits(entries=4)) as files:
        assert len(files) == 4
    with (
        pytest.raises(gh.LimitError, match="more than 3 files"),
        open_source(pieces, Limits(entries=3)),
    ):
        pass


def test_paths_of_one_name_are_parted_by_their_folders(tmp_path):
    for folder in ("Shelf", "Poster"):
        (tmp_path / folder).mkdir()
        for name, data in export_files().items():
            (tmp_path / folder / name).write_bytes(data)
    (tmp_path / "Shelf" / ".DS_Store").write_bytes(b"x")
    given = [str(path) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    read = [gh.read_exports(source)[0] for source in sources_of(given)]
    assert [export.name for export in read] == ["Poster", "Shelf"]
    # Files whose names differ are one export's, wherever they lie.
    apart = [str(tmp_path / "Shelf" / "gaze.csv"), str(tmp_path / "Poster" / "sections.csv")]
    ((export,),) = map(gh.read_exports, sources_of(apart))
    assert (export.name, export.recordings[0].name) == ("Shelf", "P01")
    assert sources_of([str(tmp_path / "Shelf")]) == [str(tmp_path / "Shelf")]


def test_a_loose_archive_on_disk_is_named(tmp_path):
    (tmp_path / "study.rar").write_bytes(b"Rar!\x1a\x07")
    with pytest.raises(gh.SourceError, match=r"study\.rar: this is a RAR archive"):
        gh.read_exports(sources_of([tmp_path / "study.rar"])[0])


# ---------------------------------------------------------------- a list of sections, later


def loose(files):
    return [upload(data, name) for name, data in files.items()]


def facts(export):
    """What a list of sections decides."""
    return [
        (
            (one.id, one.name, one.wearer, one.rows),
            [(s.id, s.start_ns, s.start_event, s.end_event) for s in one.sections],
        )
        for one in export.recordings
    ]


@pytest.mark.parametrize("kind", ["Reference Image Mapper", MM])
@pytest.mark.parametrize("read", [read_export, read_study])
def test_a_list_of_sections_that_comes_later_does_as_one_that_came_with_the_gaze(read, kind):
    people = [
        ("rec-c", "sec-c", "P03", "Cem"),
        ("rec-b", "sec-b", "P02", "Ben", "shelf.begin", "shelf.end"),
        *PEOPLE[:1],
    ]
    files = export_files(people=people, kind=kind)
    with open_source(loose(files)) as opened:
        together = read(find_exports(opened)[0][0])
    sections = {"sections.csv": files.pop("sections.csv")}
    with open_source(loose(files)) as opened:
        without = read(find_exports(opened)[0][0])
    with open_source(loose(sections)) as opened:
        later = with_sections(without, Pieces.among(opened).sections)
    assert facts(without) != facts(together) == facts(later)
    assert type(later) is type(without)


def test_a_list_of_other_recordings_is_refused():
    (export,) = gh.read_exports(loose(export_files(people=None)))
    other = sections_csv([("rec-x", "sec-x", "P09", "Eve")]).encode()
    with (
        open_source([upload(other, "sections.csv")]) as (file,),
        pytest.raises(gh.ExportError) as error,
    ):
        with_sections(export, file)
    assert "sections.csv: it lists none of the recordings of Untitled export" in str(error.value)


def test_of_several_pictures_none_is_a_piece():
    with open_source(loose({"a.png": b"1", "b.png": b"2", "Fixations.csv": b"3"})) as files:
        pieces = Pieces.among(files)
    assert [str(file) for file in pieces.files] == ["Fixations.csv"]
