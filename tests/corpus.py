"""Broken and odd inputs, made by code, each with what it must give.

Imports nothing of the package. What a drawn input must count is told by a plain reader
below, cell by cell, and `tests.reference` puts the positions into bins.
"""

import bz2
import csv
import functools
import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
from PIL import Image

from tests import reference
from tests.builders import (
    FIRST_NS,
    MM,
    RIM,
    SECTION_COLUMNS,
    STEP_NS,
    folder_name,
    gaze_columns,
    picture,
    picture_bytes,
    write_zip,
)

SEED = 7
SIZE = (320, 200)
ROWS = 600
MIB = 2**20


# --- What a case is ------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What a table of gaze holds: counts of its rows, and samples in each bin."""

    used: int
    outside: int
    undetected: int
    unreadable: int
    bins: np.ndarray


@dataclass(frozen=True)
class Map:
    """A heatmap that must come out: the gaze as plain CSV, and the picture's size.

    `name`, `ids` and `names` are checked where they are given; the table itself may hold
    the rows of `gaze` several `times`.
    """

    gaze: str
    size: tuple[int, int] = SIZE
    name: str | None = None
    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    times: int = 1

    def reading(self):
        """Read the table cell by cell; one that holds its rows so many times, once."""
        once = read_plainly(self.gaze, self.size)
        return Reading(*(self.times * getattr(once, field.name) for field in fields(Reading)))


@dataclass(frozen=True)
class Drawn:
    """Maps that must come out.

    `notices` holds, for each notice there must be, the words in it: no more and no fewer
    notices in all. `beside` are words of the one message that comes along with the maps.
    `colours` maps places of the picture to the sRGB colours that must be there.
    """

    maps: tuple[Map, ...]
    notices: tuple[tuple[str, ...], ...] = ()
    beside: tuple[str, ...] = ()
    colours: Mapping[tuple[int, int], tuple[int, int, int]] | None = None


@dataclass(frozen=True)
class Refused:
    """One message, with these words in it, and no map."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """An input and what it must give.

    Attributes
    ----------
    name : str
    files : callable
        Makes the files by name; ZIPs are files too.
    expected : Drawn or Refused
    as_folder : bool
        The files lie in a folder; else they are dropped together.
    picture : (str, callable) or None
        A picture given to the export once it is read.
    pixels : int
        Size of a picture that really has many pixels; 0 for all others.
    """

    name: str
    files: Callable[[], Mapping[str, bytes]]
    expected: Drawn | Refused
    as_folder: bool = False
    picture: tuple[str, Callable[[], bytes]] | None = None
    pixels: int = 0


def drawn(gaze=None, *, size=SIZE, notices=(), beside=(), colours=None, **about):
    """One map; `gaze` is the table as plain CSV, by default that of the study below."""
    one = Map(gaze_text() if gaze is None else gaze, size, **about)
    return Drawn((one,), tuple(notices), tuple(beside), colours)


def refused(*words):
    return Refused(words)


# --- The plain reader ----------------------------------------------------------------

_MISSING = {"", "nan", "na", "n/a", "null", "none"}
_FLAGS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def read_plainly(text, size):
    """Read a table of gaze cell by cell: comma-delimited, with decimal points."""
    lines = [line for line in text.split("\n") if line.strip()]
    header = [cell.strip() for cell in next(csv.reader(lines[:1]))]

    def column(words):
        return next(i for i, name in enumerate(header) if words in name)

    names = ("recording id", "timestamp", "gaze detected", " x [", " y [")
    recording, time, flag, x, y = map(column, names)
    extent = (1, 1) if "[normalized]" in header[x] else size
    xs, ys = [], []
    counts = dict.fromkeys(("used", "outside", "undetected", "unreadable"), 0)
    for line in lines[1:]:
        # The csv module reads no cell of more than 128 kB.
        cells = next(csv.reader([line])) if '"' in line else line.split(",")
        cells = [cell.strip() for cell in cells]
        fate = _fate(cells, len(header), recording, time, flag, (x, y), extent)
        counts[fate] += 1
        if fate == "used":
            xs.append(float(_fraction(cells[x])))
            ys.append(float(_fraction(cells[y])))
    bins = reference.histogram(xs, ys, size, extent).astype(np.int64)
    return Reading(bins=bins, **counts)


def _fate(cells, width, recording, time, flag, places, extent):
    """Tell what becomes of a row."""
    if len(cells) > width:
        return "unreadable"
    cells = cells + [""] * (width - len(cells))
    stamp = _fraction(cells[time])
    if cells[recording].lower() in _MISSING or stamp is None or stamp.denominator != 1:
        return "unreadable"
    if not -(2**63) <= stamp < 2**63:
        return "unreadable"
    said = False if cells[flag].lower() in _MISSING else _FLAGS.get(cells[flag].lower())
    if said is None:
        return "unreadable"
    if not said:
        return "undetected"
    position = [_fraction(cells[place]) for place in places]
    if None in position:
        return "unreadable"
    inside = all(0 <= p <= border for p, border in zip(position, extent, strict=True))
    return "used" if inside else "outside"


def _fraction(cell):
    plain = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", cell, re.ASCII)
    return Fraction(cell) if plain else None


# --- The study that is broken in all these ways --------------------------------------


@functools.cache
def positions():
    """Where two people looked, 300 rows each: (x, y), a tenth outside or undetected."""
    chance = np.random.default_rng(SEED)
    places = [(220, 130)] * 300 + [(110, 90)] * 300
    xy = np.round(chance.normal(places, (50, 32)), 3)
    fate = chance.permutation(ROWS)
    xy[fate[:30]] += (330, 0)  # beside the picture
    xy[fate[30:60]] = np.nan
    return xy


def rows(kind=RIM):
    """The study's rows of gaze, as cells of text."""
    table = []
    for i, (x, y) in enumerate(positions()):
        who = "a" if i < 300 else "b"
        seen = not np.isnan(x)
        if kind == MM:
            place = [f"{x / SIZE[0]:.6f}", f"{y / SIZE[1]:.6f}"] if seen else ["", ""]
        else:
            place = [f"{x:.3f}", f"{y:.3f}"] if seen else ["", ""]
        time = str(FIRST_NS + i * STEP_NS)
        flag = "true" if seen else "false"
        table.append([f"sec-{who}", f"rec-{who}", time, flag, *place, "", ""])
    return table


def gaze_text(change=None, kind=RIM, *, header=None, every=1, first=0):
    """Text of ``gaze.csv``; `change` makes other cells of each `every`-th row's."""
    lines = [gaze_columns(kind) if header is None else header]
    for i, cells in enumerate(rows(kind)):
        if change is not None and i % every == first:
            cells = change(list(cells))
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def put(place, value):
    """Change a row by another value in one cell, if there was one; a function makes it."""

    def change(cells):
        if cells[place]:
            cells[place] = value(cells[place]) if callable(value) else value
        return cells

    return change


def as_date(cell):
    """Write a time in nanoseconds as a date, to the last of them."""
    seconds, rest_ns = divmod(int(cell), 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest_ns:09d}"


def place(make):
    """Change both positions of a row, where there are any: from text to text."""

    def change(cells):
        return [make(cell) if i in (4, 5) and cell else cell for i, cell in enumerate(cells)]

    return change


def scaled(factor, decimals=3):
    return place(lambda cell: f"{float(cell) * factor:.{decimals}f}")


PEOPLE = (("a", "P01", "Ada"), ("b", "P02", "Ben"))


def sections_text(people=PEOPLE):
    end = f"{FIRST_NS},{FIRST_NS + 10**10},recording.begin,recording.end"
    lines = [f"sec-{who},rec-{who},{name},w-{who},{wearer},{end}" for who, name, wearer in people]
    return "\n".join([SECTION_COLUMNS, *lines, ""])


@functools.cache
def own_picture():
    return picture_bytes(SIZE, "PNG")


PICTURE = "reference_image.png"


def chunk(kind, data, crc=None):
    """A chunk of a PNG file, with another checksum if one is given."""
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(size, *, depth=1, colour=0, pixels=None, before=b"", said=None, header_crc=None):
    """A PNG file written chunk by chunk: by default of black and white bits, all white.

    `pixels` are the rows with their filter bytes; `said` is the size that the header says.
    """
    width, height = size
    if pixels is None:
        channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
        row = b"\0" + b"\xff" * ((width * depth * channels + 7) // 8)
        pack = zlib.compressobj(6)
        body = b"".join(pack.compress(row) for _ in range(height)) + pack.flush()
    else:
        body = zlib.compress(pixels)
    head = struct.pack(">IIBBBBB", *(said or size), depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head, header_crc) + before
        + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )  # fmt: skip


def export(gaze=None, *, sections=None, picture=None, folder=None, kind=RIM, **others):
    """The files of an export in its folder; double underscores in a name stand for a dot."""
    files = {
        "enrichment_info.txt": b"Study export\nVersion 1.0\n",
        "gaze.csv": gaze_text(kind=kind) if gaze is None else gaze,
        "sections.csv": sections_text() if sections is None else sections,
        PICTURE: own_picture() if picture is None else picture,
    }
    files |= {name.replace("__", "."): data for name, data in others.items()}
    folder = folder_name(kind=kind) if folder is None else folder
    within = f"{folder}/" if folder else ""
    return {within + name: _bytes(data) for name, data in files.items() if data is not False}


def _bytes(data):
    return data.encode() if isinstance(data, str) else data


def packed(files, compression=zipfile.ZIP_DEFLATED):
    """Pack files into the bytes of a ZIP."""
    return write_zip(io.BytesIO(), files, compression=compression).getvalue()


def study(*given, **options):
    """One ZIP with an export; options as for `export`."""
    return {"study.zip": packed(export(*given, **options))}


# --- Collecting ----------------------------------------------------------------------

CASES: list[Case] = []


def case(name, files, expected, **options):
    CASES.append(Case(name, files, expected, **options))


# --- Archives ------------------------------------------------------------------------

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def raw_zip(entries, *, end_entries=None, comment=b"", lead=b""):
    """A ZIP written by hand, so that its headers can lie.

    `entries` are dicts: name and data, and optionally method, packed, crc, flags,
    version, central_name, said_packed, said_size, extra, local_offset, attributes.
    """
    out, directory = bytearray(lead), bytearray()
    count = 0
    for one in entries:
        name = one["name"]
        data = one.get("data", b"")
        method = one.get("method", 8)
        if "packed" in one:
            body = one["packed"]
        elif method == 8:
            deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
            body = deflate.compress(data) + deflate.flush()
        else:
            body = data
        crc = one.get("crc", zlib.crc32(data))
        flags, version = one.get("flags", 0), one.get("version", 20)
        said_packed = one.get("said_packed", len(body))
        said_size = one.get("said_size", len(data))
        extra = one.get("extra", b"")
        offset = one.get("local_offset", len(out))
        common = struct.pack(
            "<HHHHHIIIHH",
            version, flags, method, 0, 0x21, crc, said_packed, said_size, len(name), len(extra),
        )  # fmt: skip
        if "local_offset" not in one:
            out += LOCAL + common + name + extra + body
        shown = one.get("central_name", name)
        directory += CENTRAL + struct.pack("<H", version) + common[:-4]
        directory += struct.pack("<HHHHHII", len(shown), len(extra), 0, 0, 0,
                                 one.get("attributes", 0), offset)  # fmt: skip
        directory += shown + extra
        count += 1
    count = min(count if end_entries is None else end_entries, 0xFFFF)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(out), len(comment))
    return bytes(out + directory) + END + end + comment


def entries(files=None):
    """The entries of an export, for `raw_zip`."""
    return [{"name": n.encode(), "data": d} for n, d in (files or export()).items()]


def changed_entries(change, base="gaze.csv"):
    """An export's entries with other values for the file of that name."""
    return [one | change if one["name"].decode().endswith(base) else one for one in entries()]


def archive(name, make, expected, **options):
    case(f"zip: {name}", lambda: {"study.zip": make()}, expected, **options)


def patched(data, offset, value):
    """Set two bytes of every local header, and of the directory, where they lie 2 bytes on."""
    data = bytearray(data)
    for signature, at in ((LOCAL, offset), (CENTRAL, offset + 2)):
        for match in re.finditer(re.escape(signature), bytes(data)):
            struct.pack_into("<H", data, match.start() + at, value)
    return bytes(data)


def run_of(byte, count, compressor, head=b""):
    """Pack `count` MiB of one byte, behind a `head`, without holding them."""
    piece = byte * MIB
    out = compressor.compress(head) + b"".join(compressor.compress(piece) for _ in range(count))
    return out + compressor.flush()


def line_ends(count, compressor):
    """Pack a table of gaze that has its header and `count` MiB of line ends below it."""
    return run_of(b"\n", count, compressor, gaze_columns(RIM).encode())


@functools.cache
def zip_bzip2(count):
    return line_ends(count, bz2.BZ2Compressor())


def zip_lzma(count):
    """LZMA as ZIP wants it: a version and the properties before the raw stream."""
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 0, "nice_len": 273}]
    properties = lzma._encode_filter_properties(filters[0])
    head = struct.pack("<BBH", 9, 4, len(properties)) + properties
    return head + line_ends(count, lzma.LZMACompressor(lzma.FORMAT_RAW, filters=filters))


GAZE_IN_FOLDER = f"{folder_name()}/gaze.csv"
DAMAGED = ("study.zip", "damaged or incomplete", "ownload")


def bomb(method, packed_data, size_mib, **lies):
    return raw_zip(
        changed_entries(
            {"method": method, "packed": packed_data, "crc": 0, "said_size": size_mib * MIB} | lies
        )
    )


def _archives():
    archive("as downloaded", lambda: packed(export()), drawn(name="Shelf", names=("P01", "P02")))
    archive("not packed, only stored", lambda: packed(export(), zipfile.ZIP_STORED), drawn())
    archive("an entry without a name", lambda: raw_zip([*entries(), {"name": b""}]), drawn())
    archive(
        "only an entry without a name",
        lambda: raw_zip([{"name": b"", "data": b"x"}]),
        refused("study.zip", "empty"),
    )
    for what, name in (
        ("an absolute name", b"/etc/gaze.csv"),
        ("a name that climbs out", b"../../gaze.csv"),
        ("a name with a drive", b"C:/Users/gaze.csv"),
        ("a backslash name that climbs out", b"..\\..\\gaze.csv"),
    ):
        archive(
            what,
            lambda name=name: raw_zip([*entries(), {"name": name}]),
            refused("study.zip", "outside itself", "Download"),
        )
    archive(
        "backslashes between folders",
        lambda: packed({n.replace("/", "\\"): d for n, d in export().items()}),
        drawn(name="Shelf"),
    )
    other_method = refused("gaze.csv in study.zip", "packed with a method", "Unpack")
    archive("packed with bzip2", lambda: packed(export(), zipfile.ZIP_BZIP2), other_method)
    archive("packed with LZMA", lambda: packed(export(), zipfile.ZIP_LZMA), other_method)
    bomb_words = ("gaze.csv in study.zip", "times its size", "Download")
    archive(
        "250 MB of line ends by bzip2",
        lambda: bomb(12, zip_bzip2(250), 250),
        other_method,
    )
    archive(
        "250 MB of line ends by bzip2, said to be 4 GB packed",
        lambda: bomb(12, zip_bzip2(250), 250, said_packed=0xFFFFFF00),
        other_method,
    )
    archive("256 MB of line ends by LZMA", lambda: bomb(14, zip_lzma(256), 256), other_method)
    archive(
        "200 MB of line ends and no header",
        lambda: bomb(8, run_of(b"\n", 200, zlib.compressobj(1, wbits=-15)), 200),
        refused("gaze.csv", "study.zip", "Download"),
    )
    archive(
        "200 MB of line ends by deflate",
        lambda: bomb(8, line_ends(200, zlib.compressobj(1, wbits=-15)), 200),
        refused(*bomb_words),
    )
    for what, method in (
        ("Deflate64", 9), ("Zstandard", 93), ("AES", 99), ("shrinking", 1), ("method 777", 777),
    ):  # fmt: skip
        archive(
            f"packed with {what}",
            lambda method=method: patched(packed(export()), 8, method),
            other_method,
        )
    archive(
        "protected with a password",
        lambda: patched(packed(export()), 6, 1),
        refused("study.zip", "password", "Unpack"),
    )
    archive("half of it", lambda: packed(export())[:-4000], refused(*DAMAGED))
    archive("its directory cut", lambda: packed(export())[:-60], refused(*DAMAGED))
    archive(
        "bytes lost in the middle",
        lambda: (lambda data: data[:900] + data[960:])(packed(export())),
        refused(*DAMAGED),
    )
    archive(
        "bytes changed in the middle",
        lambda: (lambda data: data[:900] + bytes(60) + data[960:])(packed(export())),
        refused(*DAMAGED),
    )
    archive("another checksum", lambda: raw_zip(changed_entries({"crc": 12345})), refused(*DAMAGED))
    archive(
        "another name in the directory",
        lambda: raw_zip(
            [*entries(), {"name": b"b/other.csv", "central_name": b"b/gaze.csv", "data": b"x"}]
        ),
        drawn(beside=("b/gaze.csv", "damaged")),
    )
    archive(
        "sizes smaller than the data, as Finder writes",
        lambda: raw_zip(changed_entries({"said_size": 10})),
        drawn(),
    )
    archive(
        "a size of 4 GB that is not there",
        lambda: raw_zip(changed_entries({"said_size": 0xFFFFFF00})),
        drawn(),
    )
    archive("one entry inside another", _overlapping, drawn())
    archive(
        "5,000 entries on the same bytes",
        lambda: raw_zip(
            [
                *entries({"a/gaze.csv": b"x"}),
                *({"name": f"{i}/gaze.csv".encode(), "local_offset": 0} for i in range(5000)),
            ]
        ),
        refused("study.zip", "5,00"),
    )
    archive(
        "9,000 other files beside the export",
        lambda: packed(export() | {f"notes/{i}.txt": b"" for i in range(9000)}),
        drawn(),
    )
    archive(
        "20,000 files",
        lambda: packed({f"{i}": b"" for i in range(20_000)}),
        refused("study.zip", "10,000 files"),
    )
    archive(
        "a ZIP inside",
        lambda: packed({"study/inner.zip": packed(export())}),
        refused("study.zip", "inner.zip", "another ZIP", "Give that one"),
    )
    archive(
        "the same file twice",
        lambda: raw_zip([*entries(), *entries()]),
        refused("study.zip", "two files named", "Unpack"),
    )
    archive(
        "gaze.csv in two spellings",
        lambda: packed(export(GAZE__CSV=gaze_text())),
        refused("gaze.csv", "Several files"),
    )
    kitchen = folder_name("Küche")
    archive(
        "a name in UTF-8 with its flag",
        lambda: packed(export(folder=kitchen)),
        drawn(name="Küche"),
    )
    archive(
        "a name in UTF-8 without its flag",
        lambda: raw_zip(entries(export(folder=kitchen))),
        drawn(name="Küche"),
    )
    archive(
        "a name in the old DOS letters",
        lambda: raw_zip(
            [one | {"name": one["name"].decode().encode("cp437")}
             for one in entries(export(folder=kitchen))]
        ),
        drawn(name="Küche"),
    )  # fmt: skip
    archive(
        "a folder of 90 Chinese characters",
        lambda: packed(export(folder=folder_name("热" * 90))),
        drawn(name="热" * 90),
    )
    archive(
        "only a name of 60,000 characters",
        lambda: packed({"x" * 60_000: b"x"}),
        refused("study.zip", "xxx"),
    )
    archive(
        "a folder of 60,000 characters without gaze",
        lambda: packed({"y" * 60_000 + "/gaze.csv": b"a,b\n1,2\n"}),
        refused("gaze.csv"),
    )
    archive(
        "an export in a folder of 60,000 characters",
        lambda: packed(export(folder="y" * 60_000)),
        drawn(),
    )
    archive(
        "only control characters in a name",
        lambda: packed({"\x1b]0;title\x07\x1b[31mred\n\n# big\r.txt": b"x"}),
        refused("study.zip", "red"),
    )
    archive(
        "control characters and turned writing in a folder's name",
        lambda: packed({f"\x1b[2J\n#a\u202eb\u2028c/{n}": d for n, d in export(folder="").items()}),
        drawn(),
    )
    archive(
        "what a Mac leaves behind",
        lambda: packed(
            export()
            | {"__MACOSX/._gaze.csv": b"\0\5\x16\7", f"{folder_name()}/.DS_Store": b"\0\0\0\1Bud1"}
            | {f"{folder_name()}/._gaze.csv": b"\0\5\x16\7"}
        ),
        drawn(),
    )
    for what, data, found in (
        ("a RAR archive", b"Rar!\x1a\x07\x01\x00" + bytes(50), "RAR"),
        ("a 7-Zip archive", b"7z\xbc\xaf\x27\x1c" + bytes(50), "7-Zip"),
        ("a PDF", b"%PDF-1.7\n" + bytes(50), "PDF"),
        ("a web page", b"<!DOCTYPE html><title>Log in</title>", "no ZIP"),
        ("a packed tape archive", gzip.compress(bytes(2048), mtime=0), "no ZIP"),
        ("no byte", b"", "study.zip"),
    ):
        archive(
            f"{what} under its name", lambda data=data: data, refused("study.zip", found, "Give")
        )
    archive("with nothing in it", lambda: packed({}), refused("study.zip", "empty"))
    archive("with folders only", lambda: packed({"a/": b"", "b/": b""}), refused("empty"))
    archive(
        "a directory of 2 GB by its 64-bit record",
        lambda: packed(export())[:-22]
        + struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 4, 4, 2**31, 0)
        + struct.pack("<4sIQI", b"PK\x06\x07", 0, len(packed(export())) - 22, 1)
        + END + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0),
        refused("study.zip"),
    )  # fmt: skip
    archive(
        "a 64-bit size of 4 exabytes",
        lambda: raw_zip(
            changed_entries(
                {
                    "said_size": 0xFFFFFFFF,
                    "said_packed": 0xFFFFFFFF,
                    "extra": struct.pack("<HHQQ", 1, 16, 2**62, 2**62),
                }
            )
        ),
        drawn(),
    )
    archive(
        "a broken 64-bit field",
        lambda: raw_zip(
            changed_entries({"said_size": 0xFFFFFFFF, "extra": struct.pack("<HHH", 1, 2, 7)})
        ),
        refused(*DAMAGED),
    )
    archive("a line end before it", lambda: b"\n" + packed(export()), drawn())
    archive("bytes behind it", lambda: packed(export()) + b"\r\n" * 20, drawn())
    archive(
        "a comment that holds another end",
        lambda: raw_zip(entries(), comment=END + bytes(18) + b"and more"),
        refused("study.zip"),
    )
    archive(
        "a version of the future",
        lambda: raw_zip(changed_entries({"version": 99})),
        refused("study.zip"),
    )
    archive(
        "a link in place of the gaze",
        lambda: raw_zip(changed_entries({"data": b"/etc/passwd", "attributes": 0xA1ED0000})),
        refused("gaze.csv"),
    )
    archive(
        "a zero byte in a name",
        lambda: raw_zip([*entries(), {"name": b"a/gaze.csv\0.txt", "data": b"x"}]),
        drawn(beside=("a/gaze.csv",)),
    )
    archive(
        "a date that is none",
        lambda: patched(packed(export()), 12, 0),
        drawn(),
    )


def _overlapping():
    inner = raw_zip(entries())
    body = inner[: inner.index(CENTRAL)]
    outer = {"name": b"notes.bin", "data": body, "method": 0}
    start = 30 + len(outer["name"])
    offset, inside = 0, []
    for one in entries():
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        length = len(deflate.compress(one["data"]) + deflate.flush())
        inside.append(one | {"local_offset": start + offset})
        offset += 30 + len(one["name"]) + length
    return raw_zip([outer, *inside])


# --- Tables of gaze ------------------------------------------------------------------


def table(name, make, expected, **options):
    """A case whose ``gaze.csv`` is what `make` gives."""
    case(f"gaze.csv: {name}", lambda: study(make(), **options), expected)


def with_line(text, number, line):
    """Put one more line into a text."""
    lines = text.split("\n")
    return "\n".join([*lines[:number], line, *lines[number:]])


def with_delimiter(delimiter, decimal):
    def line(cells):
        return delimiter.join(cell.replace(".", decimal) for cell in cells)

    return "\n".join([line(cells) for cells in csv.reader(gaze_text().splitlines())]) + "\n"


def reordered(order):
    return "\n".join(
        ",".join(cells[i] for i in order) for cells in csv.reader(gaze_text().splitlines())
    )


def with_columns(header, cell, at):
    """Put one more column into the table; `cell` is the same in all rows."""
    lines = [line.split(",") for line in gaze_text().splitlines()]
    return "\n".join(
        ",".join([*cells[:at], cell if i else header, *cells[at:]]) for i, cells in enumerate(lines)
    )


X, Y, FLAG, TIME, RECORDING = 4, 5, 3, 2, 1


def _tables():
    plain = gaze_text
    table("with a byte order mark", lambda: b"\xef\xbb\xbf" + plain().encode(), drawn())
    table("in UTF-16", lambda: plain().encode("utf-16"), drawn())
    table("in UTF-16 the other way round, unmarked", lambda: plain().encode("utf-16-be"), drawn())
    table("in UTF-16, ended within a character", lambda: plain().encode("utf-16") + b"1", drawn())
    table("in UTF-32", lambda: plain().encode("utf-32"), refused("gaze.csv", "Give"))
    table("with Windows' line ends", lambda: plain().replace("\n", "\r\n"), drawn())
    table("with both kinds of line ends", lambda: plain().replace("1,\n", "1,\r\n"), drawn())
    table(
        "with old Macs' line ends",
        lambda: plain().replace("\n", "\r"),
        refused("gaze.csv", "carriage return", "save"),
    )
    table("without a last line end", lambda: plain().rstrip("\n"), drawn())
    cut = gaze_text()[:-30]
    table("cut within its last line", lambda: cut, drawn(cut))
    table("with blank lines first", lambda: "\n\n" + plain(), drawn())
    table("with Excel's sep=, first", lambda: "sep=,\n" + plain(), drawn())
    table("with a line of blanks first", lambda: "  \r\n" + plain(), drawn())
    table("with blank lines between", lambda: plain().replace("\n", "\n\n"), drawn())
    again = with_line(gaze_text(), 300, gaze_columns(RIM))
    table("with its header again inside", lambda: again, drawn())
    zeros = gaze_text(put(X, "\0"), every=50)
    table(
        "with zero bytes in 11 cells",
        lambda: zeros,
        drawn(zeros, notices=[("gaze.csv", "11 of 600 rows")]),
    )
    table("of zero bytes", lambda: bytes(5000), refused("gaze.csv"))

    comma = place(lambda cell: cell.replace(".", ","))
    quoted = place(lambda cell: '"' + cell.replace(".", ",") + '"')
    table(
        "decimal commas in quotes",
        lambda: gaze_text(quoted),
        refused("gaze.csv", "position in reference image x [px]", "Give"),
    )
    table("decimal commas without quotes", lambda: gaze_text(comma), refused("gaze.csv", "Give"))
    table(
        "decimal commas without quotes in x alone",
        lambda: gaze_text(put(X, lambda cell: cell.replace(".", ","))),
        refused("gaze.csv", "Give"),
    )
    longer = gaze_text(comma, every=8)
    table(
        "decimal commas in one row of eight",
        lambda: longer,
        drawn(longer, notices=[("gaze.csv", "of 600 rows")]),
    )
    table("semicolons and decimal commas", lambda: with_delimiter(";", ","), drawn())
    table("semicolons and decimal points", lambda: with_delimiter(";", "."), drawn())
    table("tabs", lambda: with_delimiter("\t", "."), drawn())
    thousands = place(lambda cell: f'"{float(cell) * 12.5:,.3f}"')
    table(
        "thousands separators in quotes",
        lambda: gaze_text(thousands),
        refused("gaze.csv", "reference image", "Give"),
        picture=png((4000, 2500)),
    )
    table(
        "positions in percent with their sign",
        lambda: gaze_text(place(lambda cell: f"{float(cell) / 3.2:.1f} %")),
        refused("gaze.csv", "%", "Give"),
    )
    for flags in (("TRUE", "FALSE"), ("True", "False"), ("1", "0"), ("1.0", "0.0")):
        table(
            f"flags {' and '.join(flags)}",
            lambda flags=flags: gaze_text(
                put(FLAG, lambda flag: flags[0] if flag == "true" else flags[1])
            ),
            drawn(),
        )
    for flags in (("-1", "0"), ("yes", "no"), ("x", "")):
        table(
            f"flags {' and '.join(flags).strip()}",
            lambda flags=flags: gaze_text(
                put(FLAG, lambda flag: flags[0] if flag == "true" else flags[1])
            ),
            refused("gaze.csv", "gaze detected in reference image", f"'{flags[0]}'"),
        )

    table(
        "pixels from 0 to 1",
        lambda: gaze_text(scaled(1 / 320, 6)),
        refused("gaze.csv"),
    )
    table(
        "pixels of a picture four times as large",
        lambda: gaze_text(scaled(4)),
        refused("320 × 200", "samples lie"),
    )
    table(
        "fractions in percent",
        lambda: gaze_text(scaled(100), MM),
        refused("gaze.csv"),
        kind=MM,
    )
    table(
        "pixels for fractions",
        lambda: gaze_text(header=gaze_columns(MM)),
        refused("gaze.csv"),
        kind=MM,
    )
    surface = gaze_text(kind=MM)
    table("fractions of a surface", lambda: surface, drawn(surface), kind=MM)
    none_seen = gaze_text(put(FLAG, "false"))
    table("nothing detected", lambda: none_seen, drawn(none_seen))

    unreadable = put(X, "?")
    half = gaze_text(unreadable, every=2, first=1)  # 288 of the 570 detected ones
    table("half of the rows unreadable", lambda: half, refused("gaze.csv", "'?'", "x [px]", "Give"))
    third = gaze_text(unreadable, every=3)
    table(
        "a third of the rows unreadable",
        lambda: third,
        drawn(third, notices=[("gaze.csv", "of 600 rows")]),
    )
    few = gaze_text(unreadable, every=200)
    table("three unreadable rows", lambda: few, drawn(few))
    table(
        "hardly a row that can be read",
        lambda: gaze_text(unreadable).replace(",?,", ",200.5,", 3),
        refused("gaze.csv", "'?'"),
    )

    ends = gaze_text(lambda cells: [*cells[:2], str(-(2**63)), *cells[3:]], every=2)
    ends = ends.replace(f",{FIRST_NS + 5 * STEP_NS},", f",{2**63 - 1},")
    table("times at both ends of 64 bits", lambda: ends, drawn(ends))
    table(
        "times beyond 64 bits",
        lambda: gaze_text(put(TIME, "99999999999999999999")),
        refused("gaze.csv", "timestamp [ns]", "99999999999999999999"),
    )
    excel = gaze_text(put(TIME, "1.67041E+18"))
    table("times rounded by Excel", lambda: excel, drawn(excel, notices=[("rounded", "time")]))
    sheet = "\n".join(excel.split("\n")[:466]) + "\n"
    table(
        "as many rows as a sheet of Excel has",
        lambda: sheet + sheet.partition("\n")[2] * 2254,
        drawn(
            sheet,
            times=2255,
            notices=[("1,048,575 rows", "cut", "not complete"), ("rounded", "as they stand")],
        ),
    )
    table(
        "times as dates",
        lambda: gaze_text(put(TIME, as_date)),
        drawn(),
    )
    table(
        "times in seconds",
        lambda: gaze_text(put(TIME, lambda cell: f"{cell[:-9]}.{cell[-9:-5]}")),
        drawn(notices=[("timestamp [ns]", "17419428", "read as seconds")]),
    )
    table(
        "a time of a billion digits by its exponent",
        lambda: gaze_text(put(TIME, "1E+999999999")),
        drawn(
            gaze_text(put(TIME, "0")),
            notices=[("timestamp [ns]", "1E+999999999", "cannot be read")],
        ),
    )

    stray = gaze_text(put(0, '"sec'), every=100)
    table("six stray quotes", lambda: stray, drawn(stray_plain()))
    table(
        "a quote that is never closed in the header",
        lambda: '"' + plain(),
        refused("gaze.csv"),
    )
    wide = with_line(gaze_text(), 300, "x" * 2 * MIB)
    table("a line of 2 MB", lambda: wide, drawn(wide))
    table(
        "a line of 12 MB",
        lambda: with_line(plain(), 300, "x" * 12 * MIB),
        refused("gaze.csv", "line"),
    )
    table("a header of 2 MB", lambda: "x" * 2 * MIB + "\n" + plain(), refused("gaze.csv"))
    table("a header of 20,000 columns", lambda: "a," * 20_000 + "\n1\n", refused("gaze.csv"))
    table("packed by gzip", lambda: gzip.compress(plain().encode(), mtime=0), drawn())
    table(
        "300 MB of line ends by gzip",
        lambda: gzip_bomb(300),
        refused("gaze.csv", "times its size", "Download"),
    )
    table(
        "half of a file packed by gzip",
        lambda: gzip.compress(plain().encode(), mtime=0)[:2000],
        refused("gaze.csv", "damaged or incomplete"),
    )
    table("a header alone", lambda: gaze_columns(RIM) + "\n", refused("gaze.csv", "no gaze below"))
    table("no byte", lambda: b"", refused("gaze.csv", "empty"))
    table("only line ends", lambda: "\n" * 100, refused("gaze.csv", "empty"))
    table("one row", lambda: one_row(), drawn(one_row()))
    table("columns in another order", lambda: reordered([5, 7, 3, 1, 0, 6, 4, 2]), drawn())
    table("a column more", lambda: with_columns("pupil [mm]", "3.25", 2), drawn())
    table("a column of numbers without a name first", lambda: with_columns("", "7", 0), drawn())
    table("300 columns more", lambda: with_columns(",".join(["c"] * 300), "," * 299, 8), drawn())
    table("without section, fixation and blink ids", lambda: reordered([1, 2, 3, 4, 5]), drawn())
    table(
        "without its x",
        lambda: reordered([0, 1, 2, 3, 5]),
        refused("gaze.csv", "gaze position in reference image x [px]", "needs"),
    )
    table(
        "two columns of x that differ",
        lambda: with_columns("gaze position in reference image x [px]", "1", 8),
        refused("gaze.csv", "gaze position in reference image x [px]"),
    )
    commas = gaze_text().replace("\n", ",\n").replace("blink id,", "blink id")
    table("a comma at each row's end", lambda: commas, refused("gaze.csv", "Give"))
    for what, header in (
        ("R", "section.id,recording.id,timestamp..ns.,gaze.detected.in.reference.image,"
              "gaze.position.in.reference.image.x..px.,gaze.position.in.reference.image.y..px."),
        ("clean_names", "section_id,recording_id,timestamp_ns,gaze_detected_in_reference_image,"
         "gaze_position_in_reference_image_x_px,gaze_position_in_reference_image_y_px"),
        ("MATLAB", "sectionId,recordingId,timestamp_ns_,gazeDetectedInReferenceImage,"
         "gazePositionInReferenceImageX_px_,gazePositionInReferenceImageY_px_"),
    ):  # fmt: skip
        table(
            f"column names as {what} writes them",
            lambda header=header: gaze_text(header=header + ",fixation id,blink id"),
            drawn(),
        )
    numbers = gaze_text().replace("rec-a", "007").replace("rec-b", "7")
    table(
        "recording ids 007 and 7",
        lambda: numbers,
        drawn(numbers, ids=("007", "7")),
        sections=False,
    )
    truth = gaze_text().replace("rec-a", "true").replace("rec-b", "True")
    table(
        "recording ids true and True",
        lambda: truth,
        drawn(truth, ids=("true", "True")),
        sections=False,
    )
    nameless = gaze_text(put(RECORDING, "NaN"), every=4)
    table(
        "recording id NaN in a quarter of the rows",
        lambda: nameless,
        drawn(nameless, notices=[("gaze.csv", "150 of 600 rows")]),
    )
    table(
        "recording id NaN in all rows",
        lambda: gaze_text(put(RECORDING, "NaN")),
        refused("gaze.csv"),
    )
    long = gaze_text(put(RECORDING, "r" * 100_000), every=300)
    table("a recording id of 100 kB", lambda: long, drawn(long))
    table(
        "recording ids in Latin-1",
        lambda: gaze_text().replace("rec-a", "K\xfcche").encode("latin-1"),
        drawn(),
    )
    odd = place(lambda cell: f"{float(cell):.6e}" if float(cell) > 100 else f"  {cell} ")
    exponents = gaze_text(odd)
    table("positions by exponents and with blanks", lambda: exponents, drawn(exponents))
    wild = gaze_text(put(X, "1e400"), every=100).replace("200.", "inf.", 2)
    table("positions beyond any number", lambda: wild, drawn(wild))
    strange = gaze_text(put(Y, "1_00"), every=90).replace(",1_00,", ",\u0661\u0662,", 3)
    table("digits of other scripts and underscores", lambda: strange, drawn(strange))
    seen = gaze_text(put(FLAG, lambda flag: "false"), every=3)
    table("positions where nothing was detected", lambda: seen, drawn(seen))
    origin = gaze_text(put(X, "0.0"), every=2)
    table("every second sample on the border", lambda: origin, drawn(origin))
    overlap = gaze_text() + "\n".join(",".join(["sec-c", *row[1:]]) for row in rows()[:200]) + "\n"
    # Each of them is one sample.
    table("200 samples in two sections", lambda: overlap, drawn())
    table("a workbook", lambda: packed({"xl/workbook.xml": b"<x/>" * 900}), refused("gaze.csv"))
    table("a picture", own_picture, refused("gaze.csv"))
    table(
        "5,000 recordings of one row",
        lambda: crowd(5000),
        drawn(crowd(5000)),
        sections=False,
    )
    table(
        "6,000 recordings of one row",
        lambda: crowd(6000),
        refused("gaze.csv", "5,000 recordings"),
        sections=False,
    )
    table(
        "60,000 sections of one row",
        lambda: (
            gaze_columns(RIM)
            + "".join(f"\ns{i},r,{FIRST_NS + i},true,20.5,30.5,," for i in range(60_000))
        ),
        refused("gaze.csv", "50,000 sections"),
        sections=False,
    )


def stray_plain():
    """The study's rows without the six that a stray quote spoils, and those as unreadable."""
    return gaze_text(lambda cells: [*cells[:2], "spoilt", *cells[3:]], every=100)


def one_row():
    return gaze_columns(RIM) + f"\nsec-a,rec-a,{FIRST_NS},true,200.5,100.5,,\n"


@functools.cache
def crowd(count):
    """So many recordings, each of one row."""
    xy = np.random.default_rng(SEED).uniform((0, 0), SIZE, (count, 2))
    lines = [f"s{i},r{i},{FIRST_NS + i},true,{x:.2f},{y:.2f},," for i, (x, y) in enumerate(xy)]
    return "\n".join([gaze_columns(RIM), *lines])


def gzip_bomb(size_mib):
    return line_ends(size_mib, zlib.compressobj(1, wbits=31))


# --- sections.csv --------------------------------------------------------------------


def sections(name, make, expected, **options):
    """A case whose ``sections.csv`` is what `make` gives."""
    case(f"sections.csv: {name}", lambda: study(sections=make(), **options), expected)


IDS = ("rec-a", "rec-b")
UNNAMED = ("", "")


def named(first, second="P02"):
    return sections_text((("a", first, "Ada"), ("b", second, "Ben")))


def _sections():
    case("sections.csv: missing", lambda: study(sections=False), drawn(ids=IDS, names=UNNAMED))
    left_out = [("sections.csv", "ids")]
    for what, data in (
        ("no byte", b""), ("only line ends", b"\n\n\n"), ("zero bytes", bytes(3000)),
        ("a picture", own_picture()), ("another table", b"aoi id,aoi name\n1,Shelf\n"),
    ):  # fmt: skip
        sections(what, lambda data=data: data, drawn(ids=IDS, names=UNNAMED, notices=left_out))
    sections("a header alone", lambda: SECTION_COLUMNS + "\n", drawn(ids=IDS, names=UNNAMED))
    sections("a blank line first", lambda: "\n" + named("P01"), drawn(names=("P01", "P02")))
    sections("in UTF-16", lambda: named("Jürgen").encode("utf-16"), drawn(names=("Jürgen", "P02")))
    sections(
        "in Windows-1252",
        lambda: named("Jürgen", "“Zoë”").encode("cp1252"),
        drawn(names=("Jürgen", "“Zoë”")),
    )
    sections("with semicolons", lambda: named("P01").replace(",", ";"), drawn(names=("P01", "P02")))
    sections(
        "with a comma, a quote and a line end in a name",
        lambda: named('"Kim, ""left""\n# eye"'),
        drawn(ids=IDS),
    )
    sections("with a quote that is never closed", lambda: named('"P01'), drawn(ids=IDS))
    sections("with zero bytes in a name", lambda: named("P\0 01\0"), drawn(ids=IDS))
    for what, name in (
        ("markup", "**bold** <b>x</b> [a](http://example.org) :streamlit: $x^2$ `code`"),
        ("an address", "www.example.org ada@example.org -> --"),
        ("a formula", "=HYPERLINK('http://example.org')"),
    ):
        sections(
            f"with {what} in a name", lambda name=name: named(name), drawn(names=(name, "P02"))
        )
    sections("with control characters in a name", lambda: named("\x1b[31mred\x07"), drawn(ids=IDS))
    sections("with a name of 60,000 characters", lambda: named("n" * 60_000), drawn(ids=IDS))
    sections("with a name of 2 MB", lambda: named("n" * 2 * MIB), drawn(ids=IDS, notices=left_out))
    sections("with one name for both", lambda: named("P", "P"), drawn(names=("P", "P")))
    sections("with its rows twice", lambda: named("P01") + named("P01"), drawn())
    sections(
        "of 100,000 recordings",
        lambda: sections_text([(f"{i:06}", f"P{i}", "W") for i in range(100_000)]),
        refused("sections.csv", "50,000", "Check"),
    )
    sections(
        "of 6,000 recordings",
        lambda: sections_text([(f"{i:06}", f"P{i}", "W") for i in range(6000)]),
        refused("sections.csv", "5,000 recordings", "Check"),
    )
    sections(
        "of ten recordings without gaze",
        lambda: sections_text([*PEOPLE, *((f"c{i}", f"Q{i}", "W") for i in range(10))]),
        drawn(),
    )


# --- Pictures ------------------------------------------------------------------------


def pictured(name, make, expected, *, kind=RIM, as_name="reference_image.jpeg", **options):
    """A case whose picture is what `make` gives."""
    case(
        f"picture: {name}",
        lambda: study(
            picture=False,
            kind=kind,
            # The name's dot, as `export` wants it.
            **{as_name.replace(".", "__"): make()},
        ),
        expected,
        **options,
    )


def saved(image, format="JPEG", **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def exif_jpeg(size, tags):
    """A JPEG whose EXIF data hold `tags`: number to (type, count, four bytes)."""
    ifd = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHI", number, kind, count) + value
        for number, (kind, count, value) in sorted(tags.items())
    )
    block = b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + ifd + bytes(4)
    return with_exif_block(size, block)


def with_exif_block(size, block):
    data = picture_bytes(size)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def short(value):
    return 3, 1, struct.pack("<HH", value, 0)


def progressive_bomb(size, scans):
    """A progressive JPEG in which one scan comes so many times."""
    data = saved(Image.new("L", size, 128), "JPEG", progressive=True)
    # Every scan starts at its own table; in the scans no 0xFF is followed by these.
    starts = [match.start() for match in re.finditer(b"\xff\xc4", data)]
    scan = data[starts[1] : starts[2]]
    return data[: starts[1]] + scan * scans + data[starts[1] :]


def tiff_pointing(at, value):
    """A TIFF in which an entry of its directory, or the way to it, points elsewhere."""
    data = bytearray(saved(picture(SIZE), "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    if at == "directory":
        struct.pack_into("<I", data, 4, value)
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] == at:
            struct.pack_into("<I", data, entry + 8, value)
    return bytes(data)


# Published primaries of Display P3, adapted to the white of profiles, and its own matrix to
# linear sRGB.
_P3_XYZ = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
_P3_TO_SRGB = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))


def p3_profile():
    """A colour profile with the primaries of Display P3 and the curve of sRGB."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = struct.pack(
        ">4sIHH5i", b"para", 0, 3, 0,
        *(round(v * 65536) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
    )  # fmt: skip
    text = "Display P3".encode("utf-16-be")
    words = struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(text), 28) + text
    values = {
        b"desc": words, b"cprt": words, b"wtpt": xyz((0.9642, 1.0, 0.8249)),
        b"rXYZ": xyz(_P3_XYZ[0]), b"gXYZ": xyz(_P3_XYZ[1]), b"bXYZ": xyz(_P3_XYZ[2]),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    directory, body = struct.pack(">I", len(values)), b""
    start = 128 + 4 + 12 * len(values)
    for name, value in values.items():
        directory += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = 128 + len(directory) + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s4s", size, b"\0\0\0\0", 0x04000000, b"mntr", b"RGB ",
                       b"XYZ ", b"acsp", b"\0\0\0\0")  # fmt: skip
    head += bytes(68 - len(head)) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return head + bytes(128 - len(head)) + directory + body


def from_p3(colour):
    """The sRGB colour of a Display P3 one, both as 8-bit numbers."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
              for c in (v / 255 for v in colour)]  # fmt: skip
    mixed = [sum(m * v for m, v in zip(row, linear, strict=True)) for row in _P3_TO_SRGB]
    clipped = [min(1.0, max(0.0, v)) for v in mixed]
    return tuple(
        round(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055))
        for v in clipped
    )


FOUR = ((200, 60, 50), (70, 180, 80), (60, 70, 190), (150, 150, 150))
PLACES = ((80, 50), (240, 50), (80, 150), (240, 150))


def four_colours(mode="RGB"):
    """A picture of four flat colours, one a quarter."""
    image = Image.new("RGB", SIZE)
    for (x, y), colour in zip(PLACES, FOUR, strict=True):
        image.paste(colour, (x - 80, y - 50, x + 80, y + 50))
    return image.convert(mode)


def colours(change=lambda colour: colour):
    return dict(zip(PLACES, map(change, FOUR), strict=True))


TURN = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def turned(orientation):
    """The four colours as a phone stores them: turned, with the tag that turns them back."""
    return four_colours().transpose(TURN[orientation])


def _pictures():
    surface = gaze_text(kind=MM)
    turned_notice = [(PICTURE[:15], "EXIF")]
    pictured("EXIF 1", lambda: exif_jpeg(SIZE, {0x112: short(1)}), drawn())
    for orientation in range(2, 9):
        stored = SIZE if orientation < 5 else SIZE[::-1]
        pictured(
            f"EXIF {orientation}",
            lambda size=stored, value=orientation: exif_jpeg(size, {0x112: short(value)}),
            drawn(notices=turned_notice),
        )
    for orientation in (6, 8):
        pictured(
            f"EXIF {orientation}, its colours turned",
            lambda value=orientation: saved(
                turned(value), "JPEG", quality=95, exif=exif_bytes(value)
            ),
            drawn(notices=turned_notice, colours=colours()),
        )
    for tag, what in (
        (0x128, "resolution unit"), (0x11A, "resolution"), (0x213, "chroma"), (0x100, "width"),
    ):  # fmt: skip
        pictured(
            f"EXIF 6 with its {what} as text",
            lambda tag=tag: exif_jpeg(SIZE[::-1], {0x112: short(6), tag: (2, 4, b"abc\0")}),
            drawn(notices=turned_notice),
        )
    pictured(
        "an EXIF rotation as text", lambda: exif_jpeg(SIZE, {0x112: (2, 2, b"6\0\0\0")}), drawn()
    )
    pictured("an EXIF rotation of 9", lambda: exif_jpeg(SIZE, {0x112: short(9)}), drawn())
    pictured(
        "EXIF data that point nowhere",
        lambda: with_exif_block(SIZE, b"Exif\0\0II*\0" + struct.pack("<I", 0xFFFFFFF0)),
        drawn(),
    )
    pictured(
        "an EXIF value that lies nowhere",
        lambda: exif_jpeg(SIZE[::-1], {0x112: short(6), 0x11A: (5, 1, b"\xf0\xff\xff\xff")}),
        drawn(notices=turned_notice),
    )
    pictured("EXIF data of noise", lambda: with_exif_block(SIZE, noise(400)), drawn())

    for format in ("TIFF", "WEBP", "BMP"):
        pictured(
            f"a {format} file",
            lambda format=format: saved(four_colours(), format, lossless=True),
            drawn(colours=colours()),
            as_name=f"reference_image.{format.lower()}",
        )
    broken = refused("reference_image", "picture", "PNG")
    pictured(
        "a TIFF whose strips are said to be too long",
        lambda: tiff_pointing(279, 0x7FFFFFF0),
        drawn(),
        as_name="reference_image.tiff",
    )
    for what, at in (("directory lies", "directory"), ("pixels lie", 273)):
        pictured(
            f"a TIFF whose {what} nowhere",
            lambda at=at: tiff_pointing(at, 0x7FFFFFF0),
            broken,
            as_name="reference_image.tiff",
        )
    pictured(
        "a progressive JPEG of 300 scans",
        lambda: progressive_bomb((9000, 9000), 300),
        refused("reference_image.jpeg", "passes", "PNG"),
    )
    pictured(
        "a progressive JPEG",
        lambda: saved(four_colours(), progressive=True, quality=95),
        drawn(colours=colours()),
    )
    many = (11_000, 9_000)
    pictured(
        "99 megapixels of one bit",
        lambda: png(many),
        drawn(surface, size=many),
        kind=MM,
        as_name="reference_image.png",
        pixels=many[0] * many[1],
    )
    pictured(
        "99 megapixels of grey",
        lambda: png(many, depth=8),
        drawn(surface, size=many),
        kind=MM,
        as_name="reference_image.png",
        pixels=many[0] * many[1],
    )
    for what, colour in (("in colour", 2), ("with clear parts", 6)):
        pictured(
            f"50 megapixels {what}",
            lambda colour=colour: png((8000, 6250), depth=8, colour=colour),
            drawn(surface, size=(8000, 6250)),
            kind=MM,
            as_name="reference_image.png",
            pixels=50_000_000,
        )
    pictured(
        "108 megapixels",
        lambda: png((12_000, 9_000)),
        refused("reference_image.png", "12,000 × 9,000", "megapixels", "smaller"),
        as_name="reference_image.png",
    )
    pictured(
        "10 gigapixels, as its header says",
        lambda: png((8, 8), said=(100_000, 100_000)),
        refused("reference_image.png", "megapixels"),
        as_name="reference_image.png",
    )
    pictured(
        "a PNG with another checksum of its header",
        lambda: png(SIZE, header_crc=1),
        broken,
        as_name="reference_image.png",
    )
    pictured(
        "a PNG without most of its rows",
        lambda: png(SIZE, pixels=bytes(41 * 20)),
        drawn(),
        as_name="reference_image.png",
    )
    pictured(
        "a PNG with a text of 100 MB",
        lambda: png(SIZE, before=chunk(b"zTXt", b"a\0\0" + run_of(b"x", 100, zlib.compressobj(1)))),
        refused("reference_image.png"),
        as_name="reference_image.png",
    )
    pictured(
        "a PNG with a profile of 100 MB",
        lambda: png(SIZE, before=chunk(b"iCCP", b"a\0\0" + run_of(b"x", 100, zlib.compressobj(1)))),
        refused("reference_image.png", "picture"),
        as_name="reference_image.png",
    )
    pictured("half of a JPEG", lambda: picture_bytes(SIZE)[:2000], broken)
    pictured("a JPEG of 300 bytes", lambda: picture_bytes(SIZE)[:300], broken)
    pictured(
        "a GIF", lambda: saved(four_colours("P"), "GIF"), refused("reference_image.jpeg", "PNG")
    )
    pictured(
        "a HEIC file",
        lambda: heic_bytes() + noise(900),
        refused("reference_image.jpeg", "HEIC", "JPEG"),
    )
    pictured(
        "a HEIC file by its name",
        heic_bytes,
        refused("reference_image.heic", "HEIC", "damaged", "JPEG"),
        as_name="reference_image.heic",
    )
    pictured(
        "an SVG",
        lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="200"/>',
        refused("reference_image.jpeg", "no picture", "PNG"),
    )
    pictured("a text", lambda: b"hello", refused("reference_image.jpeg", "no picture", "PNG"))
    pictured("no byte", lambda: b"", refused("reference_image.jpeg"))
    pictured("noise", lambda: noise(5000), refused("reference_image.jpeg", "no picture", "PNG"))
    pictured("in print colours (CMYK)", lambda: saved(four_colours("CMYK")), drawn())
    pictured(
        "16-bit grey",
        lambda: saved(Image.fromarray(np.full(SIZE[::-1], 30_000, np.uint16)), "PNG"),
        drawn(colours={(5, 5): (116, 116, 116)}),
        as_name="reference_image.png",
    )
    pictured(
        "a palette with a clear colour",
        lambda: saved(four_colours("P"), "PNG", transparency=0),
        drawn(),
        as_name="reference_image.png",
    )
    pictured(
        "floating point numbers",
        lambda: saved(Image.fromarray(np.ones(SIZE[::-1], np.float32)), "TIFF"),
        refused("reference_image.tiff", "PNG"),
        as_name="reference_image.tiff",
    )
    pictured(
        "Display P3 in a PNG",
        lambda: saved(four_colours(), "PNG", icc_profile=p3_profile()),
        drawn(colours=colours(from_p3)),
        as_name="reference_image.png",
    )
    pictured(
        "Display P3 in a PNG with clear parts",
        lambda: saved(four_colours("RGBA"), "PNG", icc_profile=p3_profile()),
        drawn(colours=colours(from_p3)),
        as_name="reference_image.png",
    )
    for format in ("WEBP", "TIFF", "MPO"):
        pictured(
            f"Display P3 in a {format} file",
            lambda format=format: saved(
                four_colours(), format, icc_profile=p3_profile(), quality=95, lossless=True
            ),
            drawn(colours=colours(from_p3)),
            as_name=f"reference_image.{'jpg' if format == 'MPO' else format.lower()}",
        )
    pictured(
        "Display P3 in a JPEG, turned by EXIF 6",
        lambda: saved(turned(6), quality=95, icc_profile=p3_profile(), exif=exif_bytes(6)),
        drawn(notices=turned_notice, colours=colours(from_p3)),
    )
    pictured(
        "a profile of noise",
        lambda: saved(four_colours(), quality=95, icc_profile=noise(600)),
        drawn(colours=colours(), notices=[("profile",)]),
    )
    pictured(
        "half of a profile",
        lambda: saved(four_colours(), quality=95, icc_profile=p3_profile()[:200]),
        drawn(colours=colours(), notices=[("profile",)]),
    )
    pictured(
        "a profile of greys in a coloured picture",
        lambda: saved(
            four_colours(), quality=95, icc_profile=p3_profile().replace(b"RGB ", b"GRAY", 1)
        ),
        drawn(colours=colours(), notices=[("profile",)]),
    )
    pictured("1 × 1 px", lambda: png((1, 1)), refused("1 × 1 px", "samples"), as_name=PICTURE)
    pictured(
        "1 × 1 px of a surface",
        lambda: png((1, 1)),
        drawn(surface, size=(1, 1)),
        kind=MM,
        as_name=PICTURE,
    )
    pictured(
        "65,000 × 1 px",
        lambda: png((65_000, 1)),
        refused("65,000 × 1 px", "samples"),
        as_name=PICTURE,
    )
    for what, size in (("half the size", (160, 100)), ("another shape", (90, 400))):
        pictured(
            what,
            lambda size=size: picture_bytes(size),
            refused(f"{size[0]} × {size[1]} px", "samples lie", "Give the picture"),
        )
        case(
            f"loose files: a picture of {what}",
            lambda size=size: export(folder="", picture=picture_bytes(size, "PNG")),
            refused(f"{size[0]} × {size[1]} px", "samples lie", "Give the picture"),
        )
    pictured(
        "another name for the only picture",
        own_picture,
        drawn(notices=[("shelf.png", "the only picture beside gaze.csv")]),
        as_name="shelf.png",
    )
    case("picture: missing", lambda: study(picture=False), refused("no reference image", "Give"))
    case(
        "picture: a surface without any, given one of another shape",
        lambda: study(picture=False, kind=MM),
        drawn(surface, size=(100, 300)),
        picture=("photo.jpg", lambda: picture_bytes((100, 300))),
    )
    case(
        "picture: missing, given one of half the size",
        lambda: study(picture=False),
        refused("photo.jpg", "160 × 100 px", "samples"),
        picture=("photo.jpg", lambda: picture_bytes((160, 100))),
    )
    case(
        "picture: of 108 megapixels, given a smaller one",
        lambda: study(gaze_text(scaled(40)), picture=png((12_800, 8_000))),
        drawn(notices=[["photo.jpg", "320 × 200 px", "12,800 × 8,000 px"]]),
        picture=("photo.jpg", lambda: picture_bytes(SIZE)),
    )
    case(
        "picture: missing, given an iPhone's",
        lambda: study(picture=False),
        refused("IMG_1234.HEIC", "HEIC", "JPEG"),
        picture=("IMG_1234.HEIC", heic_bytes),
    )
    case(
        "picture: missing, given its own",
        lambda: study(picture=False),
        drawn(),
        picture=("photo.png", own_picture),
    )


def heic_bytes():
    """The first bytes of a HEIC file; no picture follows."""
    return struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic")


def exif_bytes(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif


def noise(count):
    return np.random.default_rng(SEED).bytes(count)


# --- Mixtures ------------------------------------------------------------------------

RAW_GAZE = "section id,recording id,timestamp [ns],gaze x [px],gaze y [px]\ns,r,1,800.5,600.5\n"
FACE_GAZE = "section id,recording id,timestamp [ns],gaze detected on face\ns,r,1,true\n"


def another(name, **options):
    return export(folder=folder_name(name), **options)


def foreign(count, text):
    return {f"recording {i}/gaze.csv": text.encode() for i in range(count)}


def fixations_text():
    header = (
        "section id,recording id,fixation id,start timestamp [ns],end timestamp [ns],"
        "duration [ms],fixation detected in reference image,fixation x [px],fixation y [px]"
    )
    return header + f"\nsec-a,rec-a,1,{FIRST_NS},{FIRST_NS + 10**8},100,true,200.0,100.0\n"


def mixture(name, make, expected, **options):
    case(f"mixture: {name}", make, expected, **options)


def _mixtures():
    one = Map(gaze_text(), name="Shelf")
    two = Map(gaze_text(), name="Poster")
    mixture(
        "two exports in one ZIP",
        lambda: {"study.zip": packed(export() | another("Poster"))},
        Drawn((one, two)),
    )
    mixture(
        "two exports in one ZIP, one of them broken",
        lambda: {"study.zip": packed(export() | another("Poster", gaze=b"a,b\n1,2\n"))},
        Drawn((one,), beside=("Poster", "gaze.csv")),
    )
    mixture(
        "two exports in one ZIP, the picture of one broken",
        lambda: {"study.zip": packed(export() | another("Poster", picture=b"no"))},
        Drawn((one,), beside=("Poster", PICTURE)),
    )
    mixture(
        "two ZIPs, one of them broken",
        lambda: {"a.zip": packed(export()), "b.zip": packed(export())[:-300]},
        Drawn((one,), beside=("b.zip", "damaged")),
    )
    mixture(
        "an export beside 5,000 raw recordings",
        lambda: {"study.zip": packed(export() | foreign(5000, RAW_GAZE))},
        Drawn((one,), beside=("5,000",)),
    )
    mixture(
        "an export beside 5,000 other tables",
        lambda: {"study.zip": packed(export() | foreign(5000, "a,b\n1,2\n"))},
        Drawn((one,), beside=("5,000",)),
    )
    mixture(
        "5,000 raw recordings",
        lambda: {"study.zip": packed(foreign(5000, RAW_GAZE))},
        refused("5,000", "Reference Image Mapper"),
    )
    mixture(
        "5,000 other tables",
        lambda: {"study.zip": packed(foreign(5000, "a,b\n1,2\n"))},
        refused("5,000"),
    )
    mixture(
        "2,000 exports of one row",
        lambda: {"study.zip": packed(_small_exports(2000))},
        refused("study.zip", "exports"),
    )
    mixture("loose files of an export", lambda: export(folder=""), drawn())
    mixture(
        "the files of two folders, dropped together",
        lambda: export(folder="A") | export(folder="B"),
        refused("gaze.csv", "Several files", "Give one"),
    )
    mixture("a folder with an export", lambda: export(folder=""), drawn(), as_folder=True)
    mixture(
        "a folder with two exports",
        lambda: export() | another("Poster"),
        Drawn((one, two)),
        as_folder=True,
    )
    mixture(
        "a folder with what is no export",
        lambda: {"notes.txt": b"x", "deep/er/more.txt": b"y"},
        refused("no table of gaze", "Give"),
        as_folder=True,
    )
    mixture(
        "the picture in a second ZIP",
        lambda: {"1.zip": packed(export(picture=False))},
        refused("no reference image", "Give the picture"),
    )
    mixture(
        "the gaze in another ZIP",
        lambda: {"2.zip": packed({f"{folder_name()}/{PICTURE}": own_picture()})},
        refused("2.zip", "no table of gaze", PICTURE),
    )
    mixture(
        "sections.csv alone",
        lambda: {"sections.csv": sections_text().encode()},
        refused("no table of gaze", "sections.csv"),
    )
    mixture(
        "a raw recording",
        lambda: {
            "study.zip": packed({"r/gaze.csv": RAW_GAZE.encode(), "r/scene_camera.json": b"{}"})
        },
        refused("gaze.csv", "scene camera", "Reference Image Mapper"),
    )
    mixture(
        "a Face Mapper export",
        lambda: {
            "study.zip": packed({"f/gaze.csv": FACE_GAZE.encode(), "f/gaze_on_face.csv": b""})
        },
        refused("gaze.csv", "Face Mapper", "Reference Image Mapper"),
    )
    mixture(
        "a Manual Mapper export",
        lambda: {"study.zip": packed({"m/fixations.csv": b"fixation id,fixation status\n"})},
        refused("study.zip", "fixations.csv", "no table of gaze"),
    )
    mixture(
        "a table of Pupil Player",
        lambda: {"gaze_positions_on_surface_A.csv": b"world_timestamp,x_norm,y_norm\n"},
        refused("Pupil Core surface", "on_surf", "In Pupil Player"),
    )
    mixture(
        "what Safari keeps",
        lambda: {f"{folder_name()}/info.json": b'{"a":1}'},
        refused("no table of gaze", "info.json"),
        as_folder=True,
    )
    mixture(
        "what Safari keeps, with the picture",
        lambda: {
            f"{folder_name()}/info.json": b'{"a":1}', f"{folder_name()}/{PICTURE}": own_picture()
        },
        refused("no table of gaze", "info.json"),
        as_folder=True,
    )  # fmt: skip
    for name in ("easy_gaze.csv", "gaze - Copy.csv", "gaze copy.csv", "Copy of gaze.csv",
                 "gaze.csv.txt", "gaze.csv.gz"):  # fmt: skip
        mixture(
            f"the gaze under the name {name}",
            lambda name=name: {
                name: gaze_text().encode(),
                "sections.csv": sections_text().encode(),
                PICTURE: own_picture(),
            },
            drawn(),
            as_folder=True,
        )
    mixture(
        "the gaze as a second download",
        lambda: {"gaze (1).csv": gaze_text().encode(), PICTURE: own_picture()},
        drawn(),
    )
    mixture(
        "the gaze and an iPhone's photo",
        lambda: {
            "gaze.csv": gaze_text().encode(),
            "IMG_1234.HEIC": heic_bytes(),
        },
        refused("IMG_1234.HEIC", "HEIC", "damaged", "JPEG"),
    )
    mixture(
        "the gaze and two pictures",
        lambda: {"gaze.csv": gaze_text().encode(), "a.png": own_picture(), "b.png": own_picture()},
        refused("no reference image", "Give the picture"),
    )
    mixture(
        "an Auto Image Mapper export",
        lambda: {
            "study.zip": packed(export(folder=folder_name("Poster", kind="AUTO-IMAGE-MAPPER")))
        },
        drawn(name="Poster"),
    )
    mixture(
        "an Auto Image Mapper export with its plane_image.png",
        lambda: {
            "study.zip": packed(
                export(
                    folder=folder_name("Poster", kind="AUTO-IMAGE-MAPPER"),
                    picture=False,
                    plane_image__png=own_picture(),
                )
            )
        },
        drawn(name="Poster"),
    )
    mixture(
        "fixations that cannot be read",
        lambda: study(fixations__csv=b"a,b\n1,2\n"),
        drawn(notices=[("fixations.csv", "left out")]),
    )
    mixture(
        "fixations by hand beside the gaze",
        lambda: study(fixations__csv=fixations_text()),
        drawn(),
    )


def _small_exports(count):
    tiny = png((64, 64))
    gaze = one_row().encode()
    files = {}
    for i in range(count):
        files[f"{folder_name(str(i))}/gaze.csv"] = gaze
        files[f"{folder_name(str(i))}/{PICTURE}"] = tiny
    return files


_archives()
_tables()
_sections()
_pictures()
_mixtures()
