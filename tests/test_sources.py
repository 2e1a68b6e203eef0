"""ZIPs, folders and loose files: good ones, broken ones, and hostile ones."""

import gzip
import io
import os
import random
import re
import struct
import zipfile

import pytest

import gazeheat_core as gh
from gazeheat_core.exports import Limits, find_exports, looks_like_zip, open_source, open_uploads
from gazeheat_core.exports.tables import read_header
from tests.builders import MM, ROWS, export_files, export_folder, export_zip, folder_name, write_zip

KIB = 2**10
LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def upload(data, name="study.zip"):
    return gh.Upload(name, io.BytesIO(data))


def packed(files, compression=zipfile.ZIP_DEFLATED):
    return write_zip(io.BytesIO(), files, compression=compression).getvalue()


def patched(data, local_offset, value):
    """Set two bytes in every local header, and in the directory, where they lie 2 bytes on."""
    data = bytearray(data)
    for signature, offset in ((LOCAL, local_offset), (CENTRAL, local_offset + 2)):
        for match in re.finditer(re.escape(signature), bytes(data)):
            struct.pack_into("<H", data, match.start() + offset, value)
    return bytes(data)


def listing(data, limits=Limits()):  # noqa: B008  frozen
    """Paths in a ZIP, and the bytes of each."""
    with open_source(upload(data), limits) as files:
        return {str(file.path): file.read(2**20) for file in files}


def message(error, *words):
    """Check that an error's text names all of `words`."""
    text = str(error.value)
    assert all(word in text for word in words), text


# ---------------------------------------------------------------- read right


def test_a_zip_lists_its_files_in_order():
    assert listing(packed({"b/x.csv": "2", "a.csv": "1", "b/": ""})) == {
        "a.csv": b"1",
        "b/x.csv": b"2",
    }


@pytest.mark.parametrize(
    "compression",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
    ids=["stored", "deflate", "bzip2", "lzma"],
)
def test_every_usual_compression_is_read(compression):
    (export,) = gh.read_exports(upload(packed(export_files(), compression)))
    assert export.rows == len(ROWS)


def test_a_file_can_be_read_twice_and_says_its_name():
    with open_source(upload(packed({"a/gaze.csv": "12"}))) as (file,):
        assert (file.read(9), file.read(9)) == (b"12", b"12")
        assert (file.name, str(file.folder), file.size_bytes) == ("gaze.csv", "a", 2)
        assert str(file) == "a/gaze.csv in study.zip"


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("gaze (1).csv", "gaze.csv"),
        ("gaze (12).csv", "gaze.csv"),
        ("gaze.csv (1)", "gaze.csv (1)"),
        ("my (2) gaze.csv", "my (2) gaze.csv"),
    ],
)
def test_the_suffix_of_a_second_download_is_no_part_of_a_name(name, base):
    with open_source(upload(packed({name: "1"}))) as (file,):
        assert file.name == base


def test_what_systems_leave_behind_is_ignored():
    junk = ["__MACOSX/a/._gaze.csv", "a/.DS_Store", "a/Thumbs.db", "desktop.ini", "a/._gaze.csv"]
    assert list(listing(packed(dict.fromkeys(["a/gaze.csv", *junk], "1")))) == ["a/gaze.csv"]


def test_backslashes_separate_folders():
    assert list(listing(packed({"a\\b\\gaze.csv": "1"}))) == ["a/b/gaze.csv"]


def test_the_stream_of_an_upload_stays_open():
    given = upload(export_zip())
    gh.read_exports(given)
    assert len(gh.read_exports(given)) == 1
    assert not given.stream.closed


def test_a_zip_is_recognised_by_its_bytes_or_its_name():
    assert looks_like_zip(upload(export_zip(), "no-suffix"))
    assert looks_like_zip(upload(b"<html>", "Study.ZIP"))
    assert not looks_like_zip(upload(b"section id", "gaze.csv"))


# ---------------------------------------------------------------- no ZIP, or a broken one


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no ZIP"),
        (b"<!DOCTYPE html><title>Log in", "no ZIP"),
        (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"%PDF-1.7", "a PDF"),
    ],
    ids=["empty", "web page", "rar", "7z", "pdf"],
)
def test_what_is_no_zip_is_named(data, found):
    with pytest.raises(gh.SourceError) as error, open_source(upload(data)):
        pass
    message(error, "study.zip", f"this is {found}", "Give the ZIP as downloaded")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95, 0.999])
def test_a_truncated_zip_is_incomplete(share):
    data = export_zip()
    with pytest.raises(gh.SourceError) as error:
        gh.read_exports(upload(data[: int(len(data) * share)]))
    message(error, "study.zip", "damaged or incomplete", "Download it again")


def test_bytes_lost_in_the_middle_are_damage():
    data = packed(export_files())
    for lost in (1, 50, 300):
        with pytest.raises(gh.SourceError, match=r"study\.zip.*Download") as error:
            gh.read_exports(upload(data[:200] + data[200 + lost :]))
        message(error, "damaged or incomplete")


@pytest.mark.parametrize(
    "compression",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
    ids=["stored", "deflate", "bzip2", "lzma"],
)
def test_changed_bytes_are_damage(compression):
    rows = "".join(f"{n},{n * n}\n" for n in range(2000))
    data = bytearray(packed({"a/gaze.csv": rows}, compression))
    data[100:140] = bytes(40)
    with pytest.raises(gh.SourceError) as error:
        listing(bytes(data))
    message(error, "a/gaze.csv in study.zip", "damaged", "Download the export again")


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA], ids=["deflate", "lzma"]
)
def test_a_zip_with_any_byte_changed_is_read_or_explained(compression):
    names = {f"Stüdy/{name}": data for name, data in export_files(size=None).items()}
    data = packed(names, compression)
    chance = random.Random(4)
    explained = []
    for _ in range(400):
        changed = bytearray(data)
        for place in chance.sample(range(len(data)), chance.choice([1, 2, 8])):
            changed[place] = chance.randrange(256)
        try:
            gh.read_exports(upload(bytes(changed)))
        except gh.GazeheatError as error:
            explained.append(str(error))
    assert len(explained) > 100
    assert all("study.zip" in text for text in explained)


def test_a_password_is_named():
    with pytest.raises(gh.SourceError) as error:
        listing(patched(packed({"a/gaze.csv": "1"}), 6, 0x1))
    message(error, "study.zip", "a/gaze.csv is encrypted", "password", "Unpack it")


@pytest.mark.parametrize("method", [1, 9, 99], ids=["shrink", "deflate64", "aes"])
def test_an_unknown_compression_is_named(method):
    with pytest.raises(gh.SourceError) as error:
        listing(patched(packed({"a/gaze.csv": "1"}), 8, method))
    message(error, "a/gaze.csv in study.zip", "method that cannot be read", "Unpack the ZIP")


@pytest.mark.parametrize(
    "files", [{}, {"a/": ""}, {"__MACOSX/._gaze.csv": "1"}], ids=["empty", "folder only", "junk"]
)
def test_an_empty_zip_is_named(files):
    with pytest.raises(gh.SourceError) as error:
        listing(packed(files))
    message(error, "study.zip", "it is empty", "Give the export with all its files")


@pytest.mark.parametrize(
    "name",
    [
        "../gaze.csv",
        "a/../../gaze.csv",
        "/etc/gaze.csv",
        "C:/gaze.csv",
        "..\\gaze.csv",
        "c:\\g.csv",
    ],
)
def test_a_path_out_of_the_zip_is_refused(name):
    with pytest.raises(gh.SourceError) as error:
        listing(packed({"a/gaze.csv": "1", name: "2"}))
    message(error, "study.zip", repr(name), "outside itself", "Download the export again")


def test_dots_in_a_name_are_no_path_out_of_the_zip():
    assert list(listing(packed({"a..b/..c.csv": "1", "./d.csv": "2"}))) == ["a..b/..c.csv", "d.csv"]


# ---------------------------------------------------------------- limits


def test_too_many_entries():
    data = packed({f"{n}.txt": "" for n in range(4)})
    assert len(listing(data, Limits(entries=4))) == 4
    with pytest.raises(gh.LimitError) as error:
        listing(data, Limits(entries=3))
    message(error, "study.zip", "more than 3 files", "Give the export alone")


def end_record(directory_bytes, zip64_bytes=None):
    """The end of a ZIP that claims a directory of that size."""
    large = b""
    if zip64_bytes is not None:
        large = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, zip64_bytes, 0)
        large += struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    return large + struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 1, 1, directory_bytes, 0, 0)


@pytest.mark.parametrize(
    "end",
    [
        end_record(11 * KIB),
        end_record(0xFFFFFFFF, 11 * KIB),
        end_record(46, 11 * KIB),
        end_record(11 * KIB) + b"PK\5\6 in a comment",
        end_record(11 * KIB, 46),
    ],
    ids=["plain", "zip64", "zip64 behind a small one", "behind a comment", "small zip64"],
)
def test_a_huge_directory_is_refused_before_it_is_built(end, monkeypatch):
    data = packed({"a.csv": "1"}) + end
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(gh.LimitError, match=r"study\.zip: more than 10 files"):
        listing(data, Limits(entries=10))


def test_a_bomb_is_stopped_by_its_ratio():
    data = packed({"gaze.csv": bytes(400 * KIB), "plain.csv": "1,2\n"})
    limits = Limits(ratio=50, ratio_free_bytes=100 * KIB)
    with pytest.raises(gh.LimitError) as error:
        listing(data, limits)
    message(error, "gaze.csv in study.zip", "more than 50 times its size", "Download")
    assert listing(data, Limits(ratio=50, ratio_free_bytes=400 * KIB))["plain.csv"] == b"1,2\n"


def test_all_files_together_are_counted_also_when_read_again():
    data = packed({"a.bin": os.urandom(3000), "b.bin": os.urandom(3000)})
    assert len(listing(data, Limits(bytes_read=6000))) == 2
    with pytest.raises(gh.LimitError, match=r"b\.bin in study\.zip.*Split the study"):
        listing(data, Limits(bytes_read=5999))
    with open_source(upload(data), Limits(bytes_read=5999)) as (a, _):
        a.read(3000)
        with pytest.raises(gh.LimitError):
            a.read(3000)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_gzip_bomb_below_a_csv_name_is_stopped(layers):
    header = export_files()["gaze.csv"].split(b"\n")[0]
    bomb = header + b"\n" + b"0,0,0,false,,,,\n" * 200_000
    for _ in range(layers):
        bomb = gzip.compress(bomb)
    limits = Limits(ratio=50, ratio_free_bytes=100 * KIB)
    with open_source(upload(packed({"gaze.csv": bomb}, zipfile.ZIP_STORED)), limits) as files:
        found, problems = find_exports(files, limits)
        if layers == 2:
            assert "this is no text" in str(problems[0])
            return
        with pytest.raises(gh.LimitError) as error:
            gh.exports.read_export(found[0], limits=limits)
    message(error, "gaze.csv in study.zip", "50 times")


def test_a_file_that_must_be_small_is_not_read_whole():
    with open_source(upload(packed({"a.csv": "12345"}))) as (file,):
        assert file.read(5) == b"12345"
        with pytest.raises(gh.LimitError, match=r"a\.csv in study\.zip: larger than"):
            file.read(4)


# ---------------------------------------------------------------- paths and folders


def test_a_zip_and_a_folder_hold_the_same(tmp_path):
    folder = export_folder(tmp_path / folder_name(kind=MM), kind=MM)
    with open(tmp_path / "study.zip", "wb") as target:
        export_zip(target, kind=MM)
    (from_folder,) = gh.read_exports(folder)
    (from_zip,) = gh.read_exports(tmp_path / "study.zip")
    (from_text,) = gh.read_exports(str(folder))
    assert from_folder.name == from_zip.name == from_text.name == "Shelf"
    assert from_folder.rows == from_zip.rows == from_text.rows == len(ROWS)


@pytest.mark.parametrize(
    ("name", "found"),
    [("missing.zip", "no such file"), ("n" * 300, "name too long"), ("loop", "symbolic links")],
    ids=["missing", "name too long", "link to itself"],
)
def test_a_path_that_cannot_be_opened(tmp_path, name, found):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(gh.SourceError) as error:
        gh.read_exports(tmp_path / name)
    message(error, name, found, "Give the path of a ZIP or a folder")


def test_a_table_in_the_place_of_a_zip(tmp_path):
    (tmp_path / "gaze.csv").write_bytes(export_files()["gaze.csv"])
    with pytest.raises(gh.SourceError, match=r"gaze\.csv: this is no ZIP"):
        gh.read_exports(tmp_path / "gaze.csv")


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(gh.SourceError, match=f"{tmp_path.name}: it is empty"):
        gh.read_exports(tmp_path)


def test_a_folder_named_like_the_table(tmp_path):
    (tmp_path / "gaze.csv").mkdir()
    (tmp_path / "gaze.csv" / "note.txt").write_text("hello")
    with pytest.raises(gh.ExportError, match=r"no gaze\.csv found, only note\.txt"):
        gh.read_exports(tmp_path)


def test_a_link_to_nowhere_is_named(tmp_path):
    folder = export_folder(tmp_path / "export")
    (folder / "gaze.csv").unlink()
    (folder / "gaze.csv").symlink_to("gone.csv")
    with pytest.raises(gh.SourceError) as error:
        gh.read_exports(folder)
    message(error, "gaze.csv", "no such file", "Check that you may read it")


def test_a_link_to_a_table_is_followed(tmp_path):
    folder = export_folder(tmp_path / "export")
    (folder / "gaze.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "gaze.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert gh.read_exports(folder)[0].rows == len(ROWS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "gaze.csv")
    with pytest.raises(gh.SourceError, match="it is empty"):
        gh.read_exports(tmp_path)


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    export_folder(tmp_path / "open")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(gh.SourceError) as error:
        gh.read_exports(tmp_path)
    message(error, "locked", "permission denied", "Check that you may read it")


def test_too_many_files_in_a_folder(tmp_path):
    for n in range(4):
        (tmp_path / f"{n}.txt").touch()
    with open_source(tmp_path, Limits(entries=4)) as files:
        assert [file.name for file in files] == ["0.txt", "1.txt", "2.txt", "3.txt"]
    with (
        pytest.raises(gh.LimitError, match=f"{tmp_path.name}: more than 3 files"),
        open_source(tmp_path, Limits(entries=3)),
    ):
        pass


# ---------------------------------------------------------------- loose files


def test_loose_files_make_one_source_beside_the_zips():
    files = export_files()
    loose = [upload(data, name) for name, data in files.items()]
    with open_uploads([upload(export_zip()), *loose]) as (zipped, rest):
        assert zipped[0].source == "study.zip"
        assert [(file.source, file.name) for file in rest] == [("", name) for name in files]
        assert {file.name: file.read(2**20) for file in rest} == files
        table = read_header(rest[0])
    assert table.columns[0] == "section id"
    assert not any(given.stream.closed for given in loose)


@pytest.mark.parametrize("name", ["a/b/gaze.csv", "C:\\fakepath\\gaze.csv", "/gaze (1).csv"])
def test_of_a_loose_file_only_the_last_part_of_its_name_counts(name):
    with open_uploads([upload(b"x", name)]) as ((file,),):
        assert file.name == "gaze.csv"


def test_loose_junk_is_ignored():
    with open_uploads([upload(b"x", ".DS_Store"), upload(b"x", "._gaze.csv")]) as sources:
        assert sources == []


@pytest.mark.parametrize(
    ("name", "data"), [("study.rar", b"Rar!\x1a\x07\x00"), ("study.7z", b"7z\xbc\xaf\x27\x1c")]
)
def test_a_loose_archive_is_named(name, data):
    with pytest.raises(gh.SourceError) as error, open_uploads([upload(data, name)]):
        pass
    message(error, name, "archive", "Give the ZIP as downloaded")
