"""A ZIP, a folder, loose files: all seen as files with a name and a stream.

Nothing is ever unpacked to disk. Whatever comes in is hostile until read, so every
limit on input stands here, in `Limits`, and every byte passes through a stream that
counts.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NoReturn, TypeAlias

from gazeheat_core.errors import LimitError, SourceError

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is accepted, for everything that is read.

    Attributes
    ----------
    entries : int
        Files in one ZIP or folder.
    bytes_read : int
        Bytes read from one ZIP or folder, after unpacking.
    ratio : int
        Unpacked over packed size of one packed file. Real exports reach about 10;
        the rest of the way to 1,000, the most that ZIP can do, is for bombs.
    ratio_free_bytes : int
        So much may be unpacked before the ratio is looked at, since a short
        uniform file packs very well.
    line_bytes : int
        Length of one line of a table.
    small_table_bytes : int
        Size of a table that is held whole (``sections.csv``).
    rows : int
        Gaze samples of one export: 24 bytes each in memory.
    recordings, sections : int
        Of one export. Every recording costs one histogram, at most 360 kB.
    picture_bytes, picture_pixels : int
        File size and number of pixels of a picture.
    """

    entries: int = 10_000
    bytes_read: int = 32 * GIB
    ratio: int = 200
    ratio_free_bytes: int = 64 * MIB
    line_bytes: int = 1 * MIB
    small_table_bytes: int = 64 * MIB
    rows: int = 150_000_000
    recordings: int = 5_000
    sections: int = 50_000
    picture_bytes: int = 256 * MIB
    picture_pixels: int = 100_000_000


LIMITS = Limits()

# What operating systems leave in folders and ZIPs; never part of an export.
_JUNK_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini"}
_ARCHIVE_SIGNATURES = {
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"%PDF": "a PDF",
}
# Everything the standard library raises on damaged packed data. ValueError: a name that
# is no UTF-8, an offset before the file's start. RuntimeError: a flag of encryption.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    struct.error,
    ValueError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file handed over by name and stream, such as one dropped on the page."""

    name: str
    stream: BinaryIO


Given: TypeAlias = str | os.PathLike[str] | Upload


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes
    ----------
    source : str
        Name of the ZIP or folder, for messages.
    path : PurePosixPath
        Where the file lies inside the source.
    size_bytes : int
        Its size after unpacking, as stated by the source.
    opener : callable
        Opens a fresh stream on its bytes.
    disk : Path or None
        Where it lies on disk, if it lies there by itself.
    """

    source: str
    path: PurePosixPath
    size_bytes: int
    opener: Callable[[], CountedStream]
    disk: Path | None = None

    @property
    def name(self) -> str:
        """Base name, without the `` (1)`` that a browser adds to a second download."""
        return re.sub(r" \(\d+\)(?=\.\w+$)", "", self.path.name)

    @property
    def folder(self) -> PurePosixPath:
        """Folder inside the source."""
        return self.path.parent

    def __str__(self) -> str:
        return f"{self.path} in {self.source}" if self.source else str(self.path)

    def open(self) -> CountedStream:
        """Open the file; every read is counted against the limits."""
        return self.opener()

    def open_span(self, start: int, stop: int, limits: Limits = LIMITS) -> CountedStream:
        """Open a stretch of bytes of a file that lies on disk by itself."""
        assert self.disk is not None
        try:
            stream = self.disk.open("rb")
        except OSError as error:
            _refuse(error)
        stream.seek(start)
        return CountedStream(stream, str(self), limits, length=stop - start)

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
def open_source(
    given: Given, limits: Limits = LIMITS, *, flat: bool = False
) -> Iterator[list[SourceFile]]:
    """Open a ZIP or a folder, by its path or as an upload, and list its files.

    The files can be read as long as the context is open.

    Parameters
    ----------
    given : path or Upload
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
        with _open_zip(given.name, given.stream, limits) as files:
            yield files
        return
    path = Path(given)
    try:
        stream = None if path.is_dir() else path.open("rb")
    except OSError as error:
        raise SourceError(
            f"{path}: {(error.strerror or 'cannot be opened').lower()}. "
            "Give the path of a ZIP or a folder that you can read."
        ) from None
    if stream is None:
        yield _list_folder(path, limits, flat=flat)
        return
    with stream, _open_zip(path.name, stream, limits) as files:
        yield files


@contextmanager
def open_uploads(
    uploads: Sequence[Upload], limits: Limits = LIMITS
) -> Iterator[list[list[SourceFile]]]:
    """Open files dropped together: each ZIP is a source, all others make one more.

    Raises
    ------
    SourceError
        As `open_source`; callers that want to keep the good ones of several
        uploads open them one by one.
    """
    with ExitStack() as stack:
        sources = [
            stack.enter_context(open_source(upload, limits))
            for upload in uploads
            if looks_like_zip(upload)
        ]
        loose = [
            _loose_file(upload, limits)
            for upload in uploads
            if not looks_like_zip(upload) and not _is_junk(PurePosixPath(upload.name))
        ]
        yield [*sources, loose] if loose else sources


def looks_like_zip(upload: Upload) -> bool:
    """True for a file that is a ZIP by its first bytes, or claims to be one by its name."""
    return upload.name.lower().endswith(".zip") or _first_bytes(upload.stream)[:2] == b"PK"


def _first_bytes(stream: BinaryIO) -> bytes:
    stream.seek(0)
    first = stream.read(4)
    stream.seek(0)
    return first


def _loose_file(upload: Upload, limits: Limits) -> SourceFile:
    first = _first_bytes(upload.stream)
    if first in _ARCHIVE_SIGNATURES:
        raise SourceError(_not_a_zip(upload.name, _ARCHIVE_SIGNATURES[first]))
    size_bytes = upload.stream.seek(0, io.SEEK_END)

    def opener() -> CountedStream:
        upload.stream.seek(0)
        # A view of its own, so that closing it leaves the upload open.
        return CountedStream(upload.stream, upload.name, limits, close=False)

    # Only the last part of an uploaded name is used: a browser may send a path.
    name = PurePosixPath(upload.name.replace("\\", "/")).name
    return SourceFile("", PurePosixPath(name), size_bytes, opener)


def _list_folder(folder: Path, limits: Limits, *, flat: bool) -> list[SourceFile]:
    source = folder.name or str(folder)
    files: list[SourceFile] = []
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        if flat:
            folders.clear()
            names = [name for name in names if not Path(parent, name).is_symlink()]
        for name in names:
            path = Path(parent, name)
            inside = PurePosixPath(path.relative_to(folder).as_posix())
            # A pipe or a device would be waited for; a broken link is said when it is opened.
            if _is_junk(inside) or (path.exists() and not path.is_file()):
                continue
            files.append(_folder_file(source, path, inside, limits))
            _check_entries(source, len(files), limits)
    return _in_order(source, files)


def _refuse(error: OSError) -> NoReturn:
    reason = (error.strerror or "cannot be opened").lower()
    raise SourceError(f"{error.filename}: {reason}. Check that you may read it.") from None


def _in_order(source: str, files: list[SourceFile]) -> list[SourceFile]:
    if not files:
        raise SourceError(f"{source}: it is empty. Give the export with all its files.")
    return sorted(files, key=lambda file: file.path)


def _folder_file(source: str, path: Path, inside: PurePosixPath, limits: Limits) -> SourceFile:
    def opener() -> CountedStream:
        try:
            return CountedStream(path.open("rb"), str(inside), limits)
        except OSError as error:
            _refuse(error)

    try:
        size_bytes = path.stat().st_size
    except OSError:
        size_bytes = 0
    return SourceFile(source, inside, size_bytes, opener, path)


@contextmanager
def _open_zip(name: str, stream: BinaryIO, limits: Limits) -> Iterator[list[SourceFile]]:
    first = _first_bytes(stream)
    if first[:2] != b"PK":
        raise SourceError(_not_a_zip(name, _ARCHIVE_SIGNATURES.get(first, "no ZIP")))
    _check_directory_size(name, stream, limits)
    try:
        archive = zipfile.ZipFile(stream)
    except _DAMAGE:
        raise SourceError(
            f"{name}: the ZIP is damaged or incomplete; its table of contents cannot be read. "
            "Download it again and wait until the download has ended."
        ) from None
    with archive:
        entries = archive.infolist()
        _check_entries(name, len(entries), limits)
        total = _Count()
        files = []
        for entry in entries:
            inside = _safe_path(name, entry.filename)
            if entry.is_dir() or _is_junk(inside):
                continue
            if entry.flag_bits & 0x1:
                raise SourceError(
                    f"{name}: the ZIP is protected with a password ({inside} is encrypted). "
                    "Unpack it and give the folder's files, or a ZIP without a password."
                )
            files.append(_zip_file(name, archive, entry, inside, total, limits))
        yield _in_order(name, files)


def _zip_file(
    source: str,
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    inside: PurePosixPath,
    total: _Count,
    limits: Limits,
) -> SourceFile:
    label = f"{inside} in {source}"

    def opener() -> CountedStream:
        try:
            stream = archive.open(entry)
        except NotImplementedError:
            raise SourceError(
                f"{label}: packed with a method that cannot be read here. "
                "Unpack the ZIP and pack the folder again, or give its files."
            ) from None
        except _DAMAGE:
            raise SourceError(_damaged(label)) from None
        return CountedStream(
            stream,  # type: ignore[arg-type]  # IO[bytes], which lacks nothing that is used
            label,
            limits,
            packed_bytes=entry.compress_size,
            total=total,
        )

    return SourceFile(source, inside, entry.file_size, opener)


def _check_directory_size(name: str, stream: BinaryIO, limits: Limits) -> None:
    """Refuse a huge table of contents before `zipfile` builds an object for each entry."""
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
            f"{source}: it names a file outside itself ({name!r}), which no download does. "
            "Download the export again from where it was made."
        )
    return path


def _is_junk(path: PurePosixPath) -> bool:
    return "__MACOSX" in path.parts or path.name in _JUNK_NAMES or path.name.startswith("._")


def _not_a_zip(name: str, what: str) -> str:
    return f"{name}: this is {what}. Give the ZIP as downloaded, or the files inside it."


def _damaged(label: str) -> str:
    return (
        f"{label}: the data are damaged or incomplete. "
        "Download the export again and wait until the download has ended."
    )


class _Count:
    """Bytes read so far from a whole source, shared by the streams on its files."""

    bytes = 0


class CountedStream(io.RawIOBase):
    """A stream for reading that stops at the limits and explains damage.

    Parameters
    ----------
    stream : binary stream
    label : str
        The file's name in messages.
    limits : Limits
    packed_bytes : int, optional
        Size before unpacking, where there is one; the ratio is held against it.
    total : _Count, optional
        Counter shared with the other files of the source.
    close : bool
        Whether closing this also closes the stream below.
    length : int, optional
        End after so many bytes.
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
    ) -> None:
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
        try:
            data = self._stream.read(size)
        except _DAMAGE:
            raise SourceError(_damaged(self._label)) from None
        self._own_bytes += len(data)
        self._total.bytes += len(data)
        self._check()
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`, for readers that want that."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

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
        if (
            self._packed_bytes is not None
            and self._own_bytes > self._limits.ratio_free_bytes
            and self._own_bytes > self._limits.ratio * self._packed_bytes
        ):
            raise LimitError(
                f"{self._label}: it unpacks to more than {self._limits.ratio} times its size, "
                "which no real export does. Download the export again from where it was made."
            )
