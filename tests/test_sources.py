"""ZIPs, folders and loose files: good ones, broken ones, and hostile ones."""

import gzip
import io
import os
import pickle
import random
import re
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.errors import shown
from gazeheat_core.exports import Limits, find_exports, looks_like_zip, open_source, sources_of
from gazeheat_core.exports.sources import CountedStream
from gazeheat_core.exports.tables import read_blocks, read_header
from tests.builders import MM, ROWS, export_files, export_folder, export_zip, folder_name, write_zip

KIB = 2**10
BOMB_LIMITS = Limits(ratio=5, ratio_free_bytes=100 * KIB)
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
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflate"]
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


def raw_zip(*entries, flag=0):
    """A ZIP written by hand, of names in bytes and contents: `zipfile` sets the UTF-8 flag."""
    data, directory = b"", b""
    for name, content in entries:
        fields = struct.pack("<HHHHLLL", flag, 0, 0, 33, zlib.crc32(content), *[len(content)] * 2)
        sizes = struct.pack("<HH", len(name), 0)
        directory += CENTRAL + struct.pack("<HH", 20, 20) + fields + sizes
        directory += struct.pack("<HHHLL", 0, 0, 0, 0, len(data)) + name
        data += LOCAL + struct.pack("<H", 20) + fields + sizes + name + content
    counts = (len(entries), len(entries), len(directory), len(data), 0)
    return data + directory + b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, *counts)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("Küche/gaze.csv".encode(), "Küche/gaze.csv"),
        ("棚の調査/gaze.csv".encode(), "棚の調査/gaze.csv"),
        ("Küche/gaze.csv".encode("cp437"), "Küche/gaze.csv"),
        ("Küche/gaze.csv".encode("latin-1"), "Küche/gaze.csv"),
        ("Étude à côté/gaze.csv".encode("cp1252"), "Étude à côté/gaze.csv"),
        ("棚の調査/gaze.csv".encode("cp932"), "棚の調査/gaze.csv"),
        ("棚の表/gaze.csv".encode("cp932"), "棚の表/gaze.csv"),
        (b"\xb0\xb1\xff/gaze.csv", "░▒\xa0/gaze.csv"),
    ],
    ids=[
        "utf-8",
        "utf-8 of three bytes",
        "cp437",
        "latin-1",
        "windows",
        "shift-jis",
        "a backslash in a letter of shift-jis",
        "none that makes sense",
    ],
)
def test_names_are_letters_in_whatever_encoding_they_were_written(stored, read):
    assert listing(raw_zip((stored, b"1"))) == {read: b"1"}
    assert listing(raw_zip(("Küche.csv".encode(), b"1"), flag=0x800)) == {"Küche.csv": b"1"}


@pytest.mark.parametrize("name", [b"", b".", b"./", b"a/", b"folder\\"])
def test_an_entry_without_a_file_name_is_passed_over(name):
    assert listing(raw_zip((name, b"1"), (b"gaze.csv", b"2"))) == {"gaze.csv": b"2"}


@pytest.mark.parametrize("before", [b"\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_bytes_before_a_zip_are_passed_over(before):
    (export,) = gh.read_exports(upload(before + export_zip()))
    assert export.rows == len(ROWS)


def test_a_size_that_the_finder_wrote_modulo_4_gb_cuts_nothing_off():
    table = b"".join(b"%d,%d\n" % (n, n * n) for n in range(5000))
    data = directory_says(packed({"gaze.csv": table}), unpacked=len(table) // 2)
    assert listing(data) == {"gaze.csv": table}
    assert listing(directory_says(data, unpacked=0)) == {"gaze.csv": table}
    with pytest.raises(gh.LimitError, match=r"gaze\.csv in study\.zip: .*more than 5 times"):
        listing(directory_says(packed({"gaze.csv": bytes(400 * KIB)}), unpacked=1), BOMB_LIMITS)


def test_a_zip_of_more_than_4_gb_without_the_fields_for_it_names_the_finder(tmp_path):
    """A hole of 4 GB lies before the table of contents, whose place is written modulo 4 GB."""
    data = packed({"gaze.csv": "1,2\n" * 1000})
    start = data.index(CENTRAL)
    with open(tmp_path / "study.zip", "wb") as target:
        target.write(data[:start])
        target.seek(2**32 + start)
        target.write(data[start:])
    with open_source(tmp_path / "study.zip") as (file,), pytest.raises(gh.SourceError) as error:
        file.read(9999)
    message(error, "gaze.csv in study.zip", "more than 4 GB", "packed by the Finder")
    message(error, "Give the files of the folder", "another program")
    assert "Download" not in str(error.value)


@pytest.mark.parametrize("second", [b"a/gaze.csv", b"a\\gaze.csv", b"./a/gaze.csv"])
def test_two_files_of_one_name_are_not_guessed_about(second):
    with pytest.raises(gh.SourceError) as error:
        listing(raw_zip((b"a/gaze.csv", b"1"), (second, b"2")))
    message(error, "study.zip", "two files named a/gaze.csv", "Unpack it, keep the right one")


# ---------------------------------------------------------------- names from strangers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Küche 棚.csv", "Küche 棚.csv"),
        ("\x1b]0;pwned\x07.csv", "\ufffd]0;pwned\ufffd.csv"),
        ("a\n# BIG\r\n.csv", "a\ufffd# BIG\ufffd\ufffd.csv"),
        ("a\u2028b\u2029c\x85d", "a\ufffdb\ufffdc\ufffdd"),
        ("gpj\u202efdp\u200b\ufeff.csv", "gpj\ufffdfdp\ufffd\ufffd.csv"),
        ("K\udcfcche.csv", "K\ufffdche.csv"),
        ("a\xa0b\u3000c\u202fd", "a b c d"),
        ("x" * 120, "x" * 120),
        ("a" * 40_000 + "b" * 20_000, "a" * 59 + "…" + "b" * 60),
    ],
)
def test_a_name_is_made_fit_for_a_message(name, expected):
    assert shown(name) == shown(shown(name)) == expected
    assert shown(name).isprintable()


@given(st.text(st.characters(), max_size=300))
def test_any_text_becomes_one_printable_line(text):
    assert shown(text).isprintable()
    assert len(shown(text)) <= 120
    assert str(gh.SourceError(text * 20)).isprintable()
    assert len(str(gh.SourceError(text * 20))) <= 2_000
    shown(text).encode()


def test_an_error_is_the_same_after_a_journey_between_processes():
    error = gh.LimitError("gaze\n.csv: " + "x" * 5_000 + ". Give another.")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (gh.LimitError, str(error))
    assert str(error).startswith("gaze\ufffd.csv: xxx")
    assert str(error).endswith("xxx. Give another.")


ODD = "\x1b]0;pwned\x07\u202e\n" + "n" * 300


def test_odd_names_in_a_zip_are_shown_in_one_short_line():
    data = packed({f"{ODD}/gaze.csv": "1"})
    with open_source(upload(data, f"{ODD}.zip")) as (file,):
        assert file.path.parent.name == ODD  # what is looked for is the name itself
        assert str(file).isprintable()
        assert 200 < len(str(file)) < 260
        assert str(file).startswith("\ufffd]0;pwned\ufffd\ufffd\ufffdnnn")
        with pytest.raises(gh.LimitError) as error:
            file.read(0)
    assert str(error.value).startswith(f"{file}: larger than")
    message(error, "nnn/gaze.csv in \ufffd]0;pwned", "nnn.zip: ")


def test_odd_names_of_loose_files_are_shown_in_one_short_line():
    with open_source([upload(b"", f"{ODD}.csv")]) as (file,):
        assert str(file).isprintable()
        with pytest.raises(gh.SourceError) as error:
            read_header(file)
    message(error, "nnn.csv: the file is empty")
    assert len(str(error.value)) < 200


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
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflate"]
)
def test_changed_bytes_are_damage(compression):
    rows = "".join(f"{n},{n * n}\n" for n in range(2000))
    data = bytearray(packed({"a/gaze.csv": rows}, compression))
    data[100:140] = bytes(40)
    with pytest.raises(gh.SourceError) as error:
        listing(bytes(data))
    message(error, "a/gaze.csv in study.zip", "damaged", "Download the export again")


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED], ids=["deflate", "stored"]
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


@pytest.mark.parametrize(
    "method", [1, 9, 12, 14, 99], ids=["shrink", "deflate64", "bzip2", "lzma", "aes"]
)
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
    # The few bytes of the second file count, too.
    assert listing(data, Limits(ratio=50, ratio_free_bytes=401 * KIB))["plain.csv"] == b"1,2\n"


def directory_says(data, **fields):
    """Change what the table of contents of a ZIP claims of its entries."""
    data = bytearray(data)
    offsets = {"packed": 20, "unpacked": 24, "header": 42}
    for match in re.finditer(re.escape(CENTRAL), bytes(data)):
        for field, value in fields.items():
            struct.pack_into("<L", data, match.start() + offsets[field], value)
    return bytes(data)


def test_the_ratio_is_held_against_the_bytes_really_there():
    data = directory_says(packed({"gaze.csv": bytes(400 * KIB)}), packed=2**31)
    with pytest.raises(gh.LimitError, match=r"gaze\.csv in study\.zip: .*more than 50 times"):
        listing(data, Limits(ratio=50, ratio_free_bytes=100 * KIB))


def test_an_upload_of_many_small_bombs_is_stopped_as_a_whole():
    data = packed({f"{n}.csv": bytes(90 * KIB) for n in range(10, 40)})
    # 2.7 MB from 5.8 kB, 475 times as much; each file by itself is small.
    assert len(listing(data, Limits(ratio=500, ratio_free_bytes=100 * KIB))) == 30
    with pytest.raises(gh.LimitError) as error:
        listing(data, Limits(ratio=400, ratio_free_bytes=100 * KIB))
    message(error, ".csv in study.zip", "more than 400 times its size")


@pytest.mark.parametrize("outer", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_lying_size_does_not_hide_a_gzip_bomb(outer):
    bomb = gzip.compress(export_files()["gaze.csv"] + b"0,0,0,false,,,,\n" * 200_000)
    data = directory_says(packed({"gaze.csv": bomb}, outer), unpacked=2**31)
    limits = Limits(ratio=50, ratio_free_bytes=100 * KIB)
    with open_source(upload(data), limits) as (file,), pytest.raises(gh.SourceError) as error:
        for _ in read_blocks(read_header(file)):
            pass
    message(error, "gaze.csv in study.zip", "Download the export again")


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
        found, problems = find_exports(files)
        if layers == 2:
            assert "this is no text" in str(problems[0])
            return
        with pytest.raises(gh.LimitError) as error:
            gh.exports.read_export(found[0])
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
    with pytest.raises(gh.ExportError, match=r"no table of gaze found, only note\.txt"):
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


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_name_that_is_no_utf_8_is_read_and_shown(tmp_path):
    folder = os.fsencode(tmp_path) + b"/K\xfcche"
    os.mkdir(folder)
    for name, data in export_files().items():
        with open(folder + b"/" + name.encode(), "wb") as target:
            target.write(data)
    with open(folder + b"/\xff.txt", "wb"):
        pass
    (export,) = gh.read_exports(tmp_path)
    assert export.rows == len(ROWS)
    with open_source(tmp_path) as files:
        assert [str(file.path) for file in files][-1] == "K\ufffdche/\ufffd.txt"
    with open_source(os.fsdecode(folder)) as files:
        assert {file.source for file in files} == {"K\ufffdche"}


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_what_vanishes_while_it_is_read_is_named(tmp_path, gone):
    folder = export_folder(tmp_path / "export")
    with open_source(folder) as files:
        gaze = next(file for file in files if file.name == "gaze.csv")
        (folder / "gaze.csv").unlink() if gone == "file" else shutil.rmtree(folder)
        for read in (gaze.open, lambda: gaze.open_span(0, 5), lambda: read_header(gaze)):
            with pytest.raises(gh.SourceError) as error:
                read()
            message(error, "gaze.csv", "no such file", "still there")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    folder = export_folder(tmp_path / "export")

    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    with open_source(folder) as files:
        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(gh.SourceError) as error:
            files[0].open()
    message(error, str(files[0].path), "permission denied", "Check that you may read it")


def test_a_disk_that_fails_while_it_is_read(tmp_path):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    stream = CountedStream(Failing(), "gaze.csv", Limits())
    with pytest.raises(gh.SourceError, match=r"gaze\.csv: input/output error\. Check that"):
        stream.read(5)


@pytest.mark.parametrize("error", [KeyError, IndexError, AttributeError, RecursionError, OSError])
def test_whatever_is_raised_on_bad_bytes_is_damage(error):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise error

    with pytest.raises(gh.SourceError, match=r"gaze\.csv: the data are damaged"):
        CountedStream(Failing(), "gaze.csv", Limits()).read(5)


def test_too_little_memory_is_no_damage():
    class Failing(io.BytesIO):
        def read(self, size=-1):
            raise MemoryError

    with pytest.raises(MemoryError):
        CountedStream(Failing(), "gaze.csv", Limits()).read(5)


def test_a_path_that_is_none():
    with pytest.raises(gh.SourceError, match=r"no path of a file\. Give the path of a ZIP"):
        gh.read_exports("a\0b")


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
    first, second = sources_of([*loose[:1], upload(export_zip()), *loose[1:]])
    with open_source(first) as zipped, open_source(second) as rest:
        assert zipped[0].source == "study.zip"
        assert [(file.source, file.name) for file in rest] == [("", name) for name in files]
        assert {file.name: file.read(2**20) for file in rest} == files
        table = read_header(rest[0])
    assert table.columns[0] == "section id"
    assert not any(given.stream.closed for given in loose)


@pytest.mark.parametrize("name", ["a/b/gaze.csv", "C:\\fakepath\\gaze.csv", "/gaze (1).csv"])
def test_of_a_loose_file_only_the_last_part_of_its_name_counts(name):
    with open_source([upload(b"x", name)]) as (file,):
        assert file.name == "gaze.csv"


def test_loose_junk_is_ignored():
    assert sources_of([upload(b"x", ".DS_Store"), upload(b"x", "._gaze.csv")]) == []


@pytest.mark.parametrize(
    ("name", "data"), [("study.rar", b"Rar!\x1a\x07\x00"), ("study.7z", b"7z\xbc\xaf\x27\x1c")]
)
def test_a_loose_archive_is_named(name, data):
    with pytest.raises(gh.SourceError) as error, open_source([upload(data, name)]):
        pass
    message(error, name, "archive", "Give the ZIP as downloaded")
