"""A ZIP, a folder, loose files: all seen as files with a name and a stream.

Nothing is ever unpacked to disk. Whatever comes in is hostile until read, so every
limit on input stands here, in `Limits`, and every byte passes through a stream that
counts.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NoReturn, TypeAlias, cast

from gazeheat_core.errors import GazeheatError, LimitError, SourceError, shown

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is accepted, for everything that is read.

    Attributes
    ----------
    entries : int
        Files in one ZIP or folder.
    exports : int
        Exports in one ZIP or folder.
    bytes_read : int
        Bytes read from one ZIP or folder, after unpacking.
    ratio : int
        Unpacked over packed size, of one packed file and of the upload as a whole. Real
        exports reach about 10, gaze that is never detected 30; the rest of the way to 1,000,
        the most that ZIP can do, is for bombs.
    ratio_free_bytes : int
        So much may be unpacked before the ratio is looked at, since a short
        uniform file packs very well.
    line_bytes : int
        Length of one line of a table.
    small_table_bytes : int
        Size of a table that is held whole (``sections.csv``). It may have as many lines as
        there may be sections.
    rows : int
        Gaze samples of one export that is held with its positions: 25 bytes each in memory.
    tracked_rows : int
        Gaze samples of one export over its picture: 9 bytes each.
    unreadable_rows : int
        Rows that cannot be read, after which a table is given up where nine of ten are so:
        each takes as long as ten that can be read.
    recordings, sections : int
        Of one export. Each costs a few kilobytes beside its samples.
    fixations : int
        Of one export, as their ids tell: 40 bytes each while it is read. Where there are
        more, they are not compared with the gaze.
    picture_bytes, picture_pixels : int
        File size and number of pixels of a picture.
    upload_bytes : int
        Files that one visitor gives the page at a time, until they are read.
    kept_bytes : int
        Files that the page keeps for one visitor until the gaze comes that they belong to.
    waiting_bytes : int
        Files that the page keeps for one visitor until they have said which column of a table
        is what.
    answers_bytes : int
        A file that says which column of a table is what.
    address_characters : int
        The same in the page's address. Each may take three bytes there, and web servers refuse
        an address of more than 8,000.
    form_bytes : int
        What a visitor writes for a figure: its heading and its caption.
    session_exports, session_bytes : int
        Exports that one visitor may have open, and the memory that they take together.
    picture_side_px : int
        Its longer side: as long as a JPEG can be.
    picture_scan_pixels : int
        Pixels of a JPEG times the passes that its data are stored in, which is the time to
        decode it. Progressive photos have 10 to 15 passes; a file may have hundreds.
    picture_memory_bytes : int
        Memory for decoding a picture, where that takes more than 6 bytes a pixel: WebP,
        TIFF, and JPEG in several passes. Every byte of the file allows for 100 more.
    account_file_bytes : int
        A file that is searched for the settings that it was made with. The report holds
        pictures of any size that is accepted.
    account_bytes : int
        The settings in such a file, with what is said of the recordings: usually 300 bytes
        for each. Undoing the escapes of so much may take a second.
    """

    entries: int = 10_000
    exports: int = 100
    bytes_read: int = 32 * GIB
    ratio: int = 100
    ratio_free_bytes: int = 32 * MIB
    line_bytes: int = 1 * MIB
    small_table_bytes: int = 32 * MIB
    rows: int = 150_000_000
    tracked_rows: int = 400_000_000
    unreadable_rows: int = 200_000
    recordings: int = 5_000
    sections: int = 50_000
    fixations: int = 4_000_000
    picture_bytes: int = 256 * MIB
    picture_pixels: int = 100_000_000
    upload_bytes: int = 2_000 * MIB
    kept_bytes: int = 64 * MIB
    waiting_bytes: int = 256 * MIB
    answers_bytes: int = MIB // 4
    address_characters: int = 2_000
    form_bytes: int = 20_000
    session_exports: int = 100
    session_bytes: int = 4 * GIB
    picture_side_px: int = 65_535
    picture_scan_pixels: int = 2_000_000_000
    picture_memory_bytes: int = 300_000_000
    account_file_bytes: int = 1 * GIB
    account_bytes: int = 4 * MIB


LIMITS = Limits()

# What operating systems leave in folders and ZIPs; never part of an export.
_JUNK_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini"}
_ARCHIVE_SIGNATURES = {
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"%PDF": "a PDF",
}
# `zipfile` unpacks the other methods, bzip2 and LZMA, without a bound on what one call gives.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UTF8_NAME = 0x800
# What the names in a ZIP are written in where it is not UTF-8: the ZIP's own, that of Windows
# in western Europe, and that of Windows in Japan.
_OLD_ENCODINGS = ("cp437", "cp1252", "cp932")
_LETTERS = re.compile(r"[\x20-\x7eÀ-ÖØ-öø-ſ\u3005\u3041-\u30fe\u4e00-\u9fff\uff10-\uff9f]*")
# Sizes and places in a ZIP are modulo this, where its packer left out the fields for larger ones.
_PLAIN_SIZE_BYTES = 4 * GIB
# Larger than anything that is unpacked.
_NO_END = 2**63 - 1
_FINDER_DAMAGE = (
    "{label}: the data are damaged or incomplete, as in a ZIP of more than 4 GB that was packed "
    "by the Finder. Give the files of the folder, or pack it with another program."
)
_ENCRYPTED = 0x1
_LOCAL_HEADER_BYTES = 30


@dataclass(frozen=True, slots=True)
class Upload:
    """A file handed over by name and stream, such as one dropped on the page."""

    name: str
    stream: BinaryIO


Piece: TypeAlias = str | os.PathLike[str] | Upload
# A list holds the pieces of one source: loose files, and ZIPs that have a part of it each.
Given: TypeAlias = Piece | Sequence[Piece]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes
    ----------
    source : str
        Name of the ZIP or folder, as it is shown in messages.
    path : PurePosixPath
        Where the file lies inside the source.
    size_bytes : int
        Its size after unpacking, as stated by the source.
    opener : callable
        Opens a fresh stream on its bytes.
    disk : Path or None
        Where it lies on disk, if it lies there by itself.
    limits : Limits
        The most that is accepted of it, for all who read it.
    packed_in : Path or None
        The ZIP on disk that it lies in.
    """

    source: str
    path: PurePosixPath
    size_bytes: int
    opener: Callable[[], CountedStream]
    disk: Path | None = None
    limits: Limits = LIMITS
    packed_in: Path | None = None

    @property
    def name(self) -> str:
        """Base name, without the `` (1)`` that a browser adds to a second download."""
        return re.sub(r" \(\d+\)(?=\.\w+$)", "", self.path.name)

    @property
    def folder(self) -> PurePosixPath:
        """Folder inside the source."""
        return self.path.parent

    def state(self) -> tuple[int, ...] | None:
        """Return what differs once a file on disk was changed; None for one in memory.

        Raises
        ------
        OSError
            When it is gone.
        """
        on_disk = self.disk or self.packed_in
        if on_disk is None:
            return None
        found = on_disk.stat()
        times = found.st_mtime_ns, found.st_ctime_ns
        return found.st_dev, found.st_ino, found.st_size, *times

    def __str__(self) -> str:
        return f"{shown(self.path)} in {self.source}" if self.source else shown(self.path)

    def open(self) -> CountedStream:
        """Open the file; every read is counted against the limits."""
        return self.opener()

    def open_span(self, start: int, stop: int) -> CountedStream:
        """Open a stretch of bytes of a file that lies on disk by itself."""
        assert self.disk is not None
        with _explained(str(self)):
            stream = self.disk.open("rb")
            stream.seek(start)
        return CountedStream(stream, str(self), self.limits, length=stop - start)

    def read(self, limit_bytes: int) -> bytes:
        """Read the whole of a file that must be small.

        Raises
        ------
        LimitError
            When it is larger than `limit_bytes`.
        """
        with self.open() as stream:
            data = stream.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise LimitError(
                f"{self}: larger than {limit_bytes // MIB:,} MB, which is more than a file "
                "of this kind should hold. Check that it is the file from the export."
            )
        return data


@contextmanager
def _explained(label: str, damage: str = "") -> Iterator[None]:
    """Turn whatever the standard library raises on bad bytes into a message.

    The one place for it: `zipfile`, `zlib`, `gzip` and the file system raise some twenty
    kinds, and each new version of Python may add one. Too little memory says nothing about
    the file and passes.

    Parameters
    ----------
    label : str
        Name of the file or folder.
    damage : str
        The whole message where the bytes are at fault, if not the usual one.
    """
    try:
        yield
    except (GazeheatError, MemoryError):
        raise
    except OSError as error:
        # Without a number, it is about the content, as those of `gzip` are.
        refused = _no_access(label, error) if error.errno else None
        raise refused or SourceError(damage or _damaged(label)) from None
    except Exception:
        raise SourceError(damage or _damaged(label)) from None


def _no_access(label: str, error: OSError) -> SourceError:
    name = label if error.filename is None else os.fsdecode(error.filename)
    reason = (error.strerror or "cannot be opened").lower()
    return SourceError(f"{name}: {reason}. Check that you may read it, and that it is still there.")


@contextmanager
def open_source(
    given: Given, limits: Limits = LIMITS, *, flat: bool = False
) -> Iterator[list[SourceFile]]:
    """Open a ZIP, a folder or pieces of one source, by path or as uploads; list the files.

    The files can be read as long as the context is open.

    Parameters
    ----------
    given : path, Upload, or list of these
        A ZIP or a folder; a ZIP as an upload; loose files, and ZIPs that have a part each.
    limits : Limits
    flat : bool
        Of a folder, list its own files only: no folders inside it, and no links, which
        could lead anywhere.

    Raises
    ------
    SourceError
        When it is missing, empty, no ZIP, damaged, protected or unsafe.
    LimitError
        When it holds too many files.
    """
    if isinstance(given, Upload):
        with _open_zip(shown(given.name), given.stream, limits) as files:
            yield files
        return
    if not isinstance(given, str | os.PathLike):
        with ExitStack() as stack:
            files = []
            for piece in given:
                if looks_like_zip(piece):
                    files += stack.enter_context(open_source(piece, limits))
                else:
                    files.append(_loose_file(piece, limits))
            _check_entries("The files given", len(files), limits)
            yield files
        return
    path = Path(given)
    advice = "Give the path of a ZIP or a folder that you can read."
    try:
        stream = None if path.is_dir() else path.open("rb")
    except OSError as error:
        reason = (error.strerror or "cannot be opened").lower()
        raise SourceError(f"{path}: {reason}. {advice}") from None
    except ValueError:
        raise SourceError(f"{path}: this is no path of a file. {advice}") from None
    if stream is None:
        yield _list_folder(path, limits, flat=flat)
        return
    with stream, _open_zip(shown(path.name), stream, limits) as files:
        yield [replace(file, packed_in=path) for file in files]


def looks_like_zip(piece: Piece) -> bool:
    """True for a file that is a ZIP by its first bytes, or claims to be one by its name."""
    if isinstance(piece, Upload):
        return piece.name.lower().endswith(".zip") or _first_bytes(piece.stream)[:2] == b"PK"
    if os.fsdecode(piece).lower().endswith(".zip"):
        return True
    try:
        with open(piece, "rb") as stream:
            return _first_bytes(stream)[:2] == b"PK"
    except OSError:  # said when it is opened to be read
        return False


def _first_bytes(stream: BinaryIO) -> bytes:
    stream.seek(0)
    first = stream.read(4)
    stream.seek(0)
    return first


def _loose_file(piece: Piece, limits: Limits) -> SourceFile:
    if not isinstance(piece, Upload):
        return _loose_file_on_disk(Path(piece), limits)
    upload = piece
    # Only the last part of an uploaded name is used: a browser may send a path.
    path = PurePosixPath(PurePosixPath(upload.name.replace("\\", "/")).name)
    _check_no_archive(path, upload.stream)
    size_bytes = upload.stream.seek(0, io.SEEK_END)

    def opener() -> CountedStream:
        upload.stream.seek(0)
        # A view of its own, so that closing it leaves the upload open.
        return CountedStream(
            upload.stream, shown(path), limits, packed_bytes=size_bytes, close=False
        )

    return SourceFile("", path, size_bytes, opener, limits=limits)


def _loose_file_on_disk(path: Path, limits: Limits) -> SourceFile:
    with _explained(shown(path)), path.open("rb") as stream:
        _check_no_archive(PurePosixPath(path.name), stream)
    return _folder_file("", path, _as_text(Path(path.name)), limits)


def _check_no_archive(path: PurePosixPath, stream: BinaryIO) -> None:
    first = _first_bytes(stream)
    if first in _ARCHIVE_SIGNATURES:
        raise SourceError(_not_a_zip(shown(path), _ARCHIVE_SIGNATURES[first]))


def _list_folder(folder: Path, limits: Limits, *, flat: bool) -> list[SourceFile]:
    source = shown(folder.name or folder)
    files: list[SourceFile] = []
    unlisted = f"{folder}: the folder cannot be listed. Give the folder of the export itself."
    with _explained(str(folder), unlisted):
        for parent, folders, names in os.walk(folder, onerror=_refuse):
            if flat:
                folders.clear()
                names = [name for name in names if not Path(parent, name).is_symlink()]
            for name in names:
                path = Path(parent, name)
                inside = _as_text(path.relative_to(folder))
                # A pipe or a device would be waited for; a broken link is said when opened.
                if is_junk(inside) or (path.exists() and not path.is_file()):
                    continue
                files.append(_folder_file(source, path, inside, limits))
                _check_entries(source, len(files), limits)
    return _in_order(source, files)


def _as_text(path: Path) -> PurePosixPath:
    """Return a path whose name can be written anywhere, also where it is no UTF-8 on disk."""
    return PurePosixPath(os.fsencode(path.as_posix()).decode("utf-8", "replace"))


def _refuse(error: OSError) -> NoReturn:
    raise _no_access("", error) from None


def _in_order(source: str, files: list[SourceFile]) -> list[SourceFile]:
    if not files:
        raise SourceError(f"{source}: it is empty. Give the export with all its files.")
    return sorted(files, key=lambda file: file.path)


def _folder_file(source: str, path: Path, inside: PurePosixPath, limits: Limits) -> SourceFile:
    def opener() -> CountedStream:
        with _explained(shown(inside)):
            return CountedStream(path.open("rb"), shown(inside), limits, packed_bytes=size_bytes)

    try:
        size_bytes = path.stat().st_size
    except OSError:
        size_bytes = 0
    return SourceFile(source, inside, size_bytes, opener, path, limits)


@contextmanager
def _open_zip(name: str, stream: BinaryIO, limits: Limits) -> Iterator[list[SourceFile]]:
    no_directory = (
        f"{name}: the ZIP is damaged or incomplete; its table of contents cannot be read. "
        "Download it again and wait until the download has ended."
    )
    with _explained(name, no_directory):
        first = _first_bytes(stream)
        # Some servers send a line end before the ZIP; `zipfile` finds its way by the end.
        is_zip = first[:2] == b"PK"
        if not is_zip and first not in _ARCHIVE_SIGNATURES:
            is_zip = zipfile.is_zipfile(stream)
        if not is_zip:
            raise SourceError(_not_a_zip(name, _ARCHIVE_SIGNATURES.get(first, "no ZIP")))
        size_bytes = _check_directory_size(name, stream, limits)
        archive = zipfile.ZipFile(stream)
    with archive:
        yield _list_zip(name, archive, size_bytes, limits)


def _list_zip(
    name: str, archive: zipfile.ZipFile, size_bytes: int, limits: Limits
) -> list[SourceFile]:
    entries = archive.infolist()
    _check_entries(name, len(entries), limits)
    total = _Count(size_bytes)
    is_finders = size_bytes >= _PLAIN_SIZE_BYTES or any(
        "__MACOSX" in entry.filename for entry in entries
    )
    # Where an entry ends at the latest, whatever the table of contents says of its size.
    borders = sorted({*(entry.header_offset for entry in entries), archive.start_dir})
    files: dict[PurePosixPath, SourceFile] = {}
    for entry in entries:
        entry_name = _entry_name(entry)
        inside = _safe_path(name, entry_name)
        if not inside.name or entry_name.endswith(("/", "\\")) or is_junk(inside):
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise SourceError(
                f"{name}: the ZIP is protected with a password ({shown(inside)} is encrypted). "
                "Unpack it and give the folder's files, or a ZIP without a password."
            )
        if inside in files:
            raise SourceError(
                f"{name}: it holds two files named {shown(inside)}, so it is not clear which "
                "one counts. Unpack it, keep the right one, and pack the folder again."
            )
        place = bisect_right(borders, entry.header_offset)
        room = borders[place] if place < len(borders) else size_bytes
        room -= entry.header_offset + _LOCAL_HEADER_BYTES
        packed_bytes = max(0, min(entry.compress_size, room))
        label = f"{shown(inside)} in {name}"
        damage = _FINDER_DAMAGE.format(label=label) if is_finders else _damaged(label)
        opener = _entry_opener(archive, entry, label, packed_bytes, total, damage, limits)
        files[inside] = SourceFile(name, inside, entry.file_size, opener, limits=limits)
    return _in_order(name, list(files.values()))


def _entry_name(entry: zipfile.ZipInfo) -> str:
    """Return an entry's name; systems also write UTF-8 without the flag that says so.

    Of older encodings, it is the first in which the name is made of letters as people write
    them.
    """
    name = entry.filename
    if entry.flag_bits & _UTF8_NAME:
        return name
    data = name.encode("cp437")
    with suppress(UnicodeError):
        return data.decode("utf-8")
    for encoding in _OLD_ENCODINGS:
        with suppress(UnicodeError):
            decoded = data.decode(encoding)
            if _LETTERS.fullmatch(decoded):
                return decoded
    return name


def _entry_opener(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    label: str,
    packed_bytes: int,
    total: _Count,
    damage: str,
    limits: Limits,
) -> Callable[[], CountedStream]:
    """Return what opens an entry of a ZIP."""

    def opener() -> CountedStream:
        if entry.compress_type not in _METHODS:
            raise SourceError(
                f"{label}: packed with a method that cannot be read here. "
                "Unpack the ZIP and pack the folder again, or give its files."
            )
        whole = copy(entry)
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            # The Finder writes the size modulo 4 GB. Deflated data tell their own end, and the
            # checksum tells whether they are whole.
            whole.file_size = _NO_END
        with _explained(label, damage):
            stream = cast(BinaryIO, archive.open(whole))
        return CountedStream(
            stream, label, limits, packed_bytes=packed_bytes, total=total, damage=damage
        )

    return opener


def _check_directory_size(name: str, stream: BinaryIO, limits: Limits) -> int:
    """Refuse a huge table of contents before `zipfile` builds an object for each entry.

    Returns
    -------
    int
        Size of the whole file in bytes.
    """
    size_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size_bytes - (64 * 1024 + 22 + 20 + 56)))
    tail = stream.read()
    stream.seek(0)
    # Every place that could be the end record is looked at, so that none can hide behind another.
    for end in (match.start() for match in re.finditer(b"PK\x05\x06", tail)):
        directory_bytes = int.from_bytes(tail[end + 12 : end + 16], "little")
        if end >= 76 and tail.startswith(b"PK\x06\x06", end - 76):
            large = int.from_bytes(tail[end - 36 : end - 28], "little")
            directory_bytes = max(large, directory_bytes % 0xFFFFFFFF)  # all ones: see large
        # 1 kB an entry leaves room for the longest paths.
        if directory_bytes > limits.entries * 1024:
            raise LimitError(_too_many(name, limits))
    return size_bytes


def _check_entries(name: str, entries: int, limits: Limits) -> None:
    if entries > limits.entries:
        raise LimitError(_too_many(name, limits))


def _too_many(name: str, limits: Limits) -> str:
    return (
        f"{name}: more than {limits.entries:,} files. Give the export alone, as it was downloaded."
    )


def _safe_path(source: str, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:/", str(path)):
        raise SourceError(
            f"{source}: it names a file outside itself ({shown(name)!r}), which no download does. "
            "Download the export again from where it was made."
        )
    return path


def is_junk(path: PurePosixPath) -> bool:
    """Tell whether a system put a file beside others, by its path."""
    return "__MACOSX" in path.parts or path.name in _JUNK_NAMES or path.name.startswith("._")


def _not_a_zip(name: str, what: str) -> str:
    return f"{name}: this is {what}. Give the ZIP as downloaded, or the files inside it."


def _damaged(label: str) -> str:
    return (
        f"{label}: the data are damaged or incomplete. "
        "Download the export again and wait until the download has ended, "
        "or pack the ZIP again if you made it yourself."
    )


@dataclass(slots=True)
class _Count:
    """Bytes read so far from a whole source, shared by the streams on its files.

    Attributes
    ----------
    packed_bytes : int or None
        Size of the whole ZIP.
    bytes : int
        After unpacking, all files together.
    """

    packed_bytes: int | None = None
    bytes: int = 0


class CountedStream(io.RawIOBase):
    """A stream for reading that stops at the limits and explains damage.

    Parameters
    ----------
    stream : binary stream
    label : str
        The file's name in messages.
    limits : Limits
    packed_bytes : int, optional
        Bytes that the file really takes before unpacking; the ratio is held against it.
    total : _Count, optional
        Counter shared with the other files of the source.
    close : bool
        Whether closing this also closes the stream below.
    length : int, optional
        End after so many bytes.
    damage : str
        What is said of bytes that are damaged, if not the usual.
    """

    def __init__(
        self,
        stream: BinaryIO,
        label: str,
        limits: Limits,
        *,
        packed_bytes: int | None = None,
        total: _Count | None = None,
        close: bool = True,
        length: int | None = None,
        damage: str = "",
    ) -> None:
        self._damage = damage
        self._stream = stream
        self._label = label
        self._limits = limits
        self._packed_bytes = packed_bytes
        self._total = total or _Count()
        self._close = close
        self._length = length
        self._own_bytes = 0

    def readable(self) -> bool:
        """Return True: that is what it is for."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all.

        Raises
        ------
        LimitError
            When more is read than the limits allow.
        SourceError
            When the packed data are damaged.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(MIB), b""))
        if self._length is not None:
            size = min(size, self._length - self._own_bytes)
        with _explained(self._label, self._damage):
            data = self._stream.read(size)
        self._own_bytes += len(data)
        self._total.bytes += len(data)
        self._check()
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`, for readers that want that."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def unpacked(self, stream: BinaryIO) -> CountedStream:
        """Count what `stream` unpacks from this one against the same limits."""
        return CountedStream(
            stream,
            self._label,
            self._limits,
            packed_bytes=self._packed_bytes,
            total=self._total,
            damage=self._damage,
        )

    def close(self) -> None:
        """Close this, and the stream below where that is ours."""
        if self._close and not self.closed:
            self._stream.close()
        super().close()

    def _check(self) -> None:
        if self._total.bytes > self._limits.bytes_read:
            raise LimitError(
                f"{self._label}: more than {self._limits.bytes_read // GIB:,} GB of data. "
                "Split the study into several exports."
            )
        own, total = self._own_bytes, self._total.bytes
        if self._is_bomb(own, self._packed_bytes) or self._is_bomb(total, self._total.packed_bytes):
            raise LimitError(
                f"{self._label}: it unpacks to more than {self._limits.ratio} times its size, "
                "which no real export does. Download the export again from where it was made."
            )

    def _is_bomb(self, unpacked_bytes: int, packed_bytes: int | None) -> bool:
        return (
            packed_bytes is not None
            and unpacked_bytes > self._limits.ratio_free_bytes
            and unpacked_bytes > self._limits.ratio * packed_bytes
        )
