"""Tracks kept on disk, so that a study opened again needs no reading.

An entry's name is a digest of the content of the export's files and of the grid; what the
files are called and where they lie does not matter. To know the content of files that have
not changed since, without reading them again, their digest is kept too, under their path,
size and times.

An entry ends with a digest of itself, its seal, and is used only when that is right: a
damaged one is removed and made anew. Whoever can write into the folder could seal an entry of
their own, unless the administrator has set a key: then only who knows it can. Entries of
another key have other names.

Entries are written under another name and then renamed, so that several processes can share
a folder. The least recently used go when it grows too large.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from hmac import compare_digest
from itertools import accumulate, islice
from pathlib import Path
from struct import Struct
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gazeheat_core.grid import Grid
from gazeheat_core.model import Frame
from gazeheat_core.stopping import held
from gazeheat_core.study import RecordingTracks, SectionTracks, Study
from gazeheat_core.tracks import TICK_NS, Track

Buffer: TypeAlias = bytes | memoryview

log = logging.getLogger("gazeheat")

# Part of every key: raised when what is stored, or how gaze is put into bins, changes.
FORMAT = 5
DEFAULT_LIMIT_BYTES = 2 * 2**30
# The most that one entry may take on disk: about 150 million samples. Larger studies are
# read each time.
ENTRY_BYTES = 2**28
# The most samples and fixations that one entry may unpack to, 12 bytes each at most.
ENTRY_SAMPLES = 200_000_000
# The most text, in bytes: what is known of recordings and sections beside their tracks.
ENTRY_TEXT_BYTES = 2**26

_DIGEST_BYTES = 32
_READ_BYTES = 2**22
# Nothing without one of these endings is ever removed: the folder may hold other things.
_SUFFIX = ".tracks"
_OLD_SUFFIX = ".histograms"  # of earlier versions, which nothing reads
# What stands before the facts: how long they are, packed and as text.
_LENGTHS = Struct("<QQ")
# Entries of tracks that are packed together.
_PACKED_ENTRIES = 2**20
# The most that zlib makes of a byte.
_UNPACKED_BYTES = 1032
# A file changed within this time may change again without showing it in its times.
_SETTLED_NS = 2 * 10**9


@dataclass(frozen=True, slots=True)
class StudyCache:
    """A folder of studies.

    Attributes
    ----------
    folder : Path
        Made when the first entry is written.
    limit_bytes : int
        The most that the entries may take together.
    secret : bytes
        The key that entries are sealed with, at most 64 bytes; empty for none.
    """

    folder: Path
    limit_bytes: int = DEFAULT_LIMIT_BYTES
    secret: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        _warn_of_other_writers(self.folder)

    def key(self, files: Sequence[Path], *facts: object) -> str:
        """Name the entry for the content of `files`, and whatever else decides the result.

        Parameters
        ----------
        files : sequence of Path
            Read once; after that, their digests are remembered until they change.
        facts : objects with a plain `repr`
            Such as the grid's shape.
        """
        digests = [self._content_digest(path) for path in files]
        return blake2b(
            repr((FORMAT, digests, facts)).encode(), digest_size=_DIGEST_BYTES
        ).hexdigest()

    def load(self, key: str, grids: Sequence[Grid]) -> tuple[Study, bool] | None:
        """Return what `store` was given, without picture, and with those notices alone.

        Its grid is one of `grids`. None when there is no entry that is whole.
        """
        data = self._read(key)
        if data is None:
            return None
        try:
            return _decode(data, grids)
        except Exception:  # numpy, zlib and json raise whatever comes to it
            self._forget(key, "not to be decoded")
            return None

    def store(self, key: str, study: Study, *, rounded: bool, notices: Sequence[str] = ()) -> None:
        """Keep the tracks of a study; a full or read-only disk is no error.

        Its own notices are not kept, since they name the files: `rounded` says whether there
        is one on the timestamps, and the others follow from the counts.

        Parameters
        ----------
        key : str
        study : Study
        rounded : bool
        notices : sequence of str
            Those that only rows tell; whatever names them has to be in the key.
        """
        pieces = _encode(study, rounded, notices)
        if pieces is None:
            log.warning("the tracks of %s are too large to be kept: read each time", study.name)
        else:
            self._write(key, pieces)

    def _content_digest(self, path: Path) -> str:
        found = path.stat()
        identity = repr(
            (str(path.resolve()), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        )
        name = "file-" + blake2b(identity.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        known = self._read(name)
        if known is not None:
            return known.hex()
        age_ns = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns)
        digest = blake2b(digest_size=_DIGEST_BYTES)
        with path.open("rb") as stream:
            while data := stream.read(_READ_BYTES):
                digest.update(data)
        if age_ns > _SETTLED_NS:
            self._write(name, [digest.digest()])
        return digest.hexdigest()

    def _path(self, name: str) -> Path:
        if self.secret:
            # Tells keys apart, and does not tell the key.
            of_key = blake2b(key=self.secret, digest_size=8, person=b"gazeheat name")
            name = f"{name}-{of_key.hexdigest()}"
        return self.folder / f"{name}{_SUFFIX}"

    def _seal(self, name: str, pieces: Iterable[Buffer]) -> bytes:
        """Digest of an entry and its name, so that none can pass for another."""
        digest = blake2b(name.encode() + b"\0", key=self.secret, digest_size=_DIGEST_BYTES)
        for piece in pieces:
            digest.update(piece)
        return digest.digest()

    def _read(self, name: str) -> memoryview | None:
        try:
            sealed = memoryview(_read_regular(self._path(name)))
        except OSError:
            return None
        data, seal = sealed[:-_DIGEST_BYTES], sealed[-_DIGEST_BYTES:]
        if not compare_digest(self._seal(name, [data]), seal):
            self._forget(name, "damaged")
            return None
        return data

    def _write(self, name: str, pieces: Sequence[bytes]) -> None:
        try:
            # A signal must not leave half an entry.
            with held():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle, part = tempfile.mkstemp(_SUFFIX, ".part-", self.folder)
                try:
                    with os.fdopen(handle, "wb") as stream:
                        stream.writelines(pieces)
                        stream.write(self._seal(name, pieces))
                    os.replace(part, self._path(name))
                except BaseException:
                    os.unlink(part)
                    raise
            self._trim()
        except OSError as error:
            log.warning("studies cannot be kept in %s: %s", self.folder, error)

    def _trim(self) -> None:
        """Remove what was used least lately until the rest fits."""
        entries = []
        for entry in os.scandir(self.folder):
            if not entry.name.endswith((_SUFFIX, _OLD_SUFFIX)):
                continue
            with suppress(OSError):  # another process may have removed it
                found = entry.stat(follow_symlinks=False)
                # Those that nothing reads go before all others.
                is_read = entry.name.endswith(_SUFFIX)
                entries.append((is_read, found.st_mtime_ns, found.st_size, entry.path))
        surplus_bytes = sum(size for _, _, size, _ in entries) - self.limit_bytes
        for _, _, size, path in sorted(entries):
            if surplus_bytes <= 0:
                return
            with suppress(OSError):
                os.unlink(path)
            surplus_bytes -= size

    def _forget(self, name: str, reason: str) -> None:
        path = self._path(name)
        log.warning("an entry of the cache, %s, is %s; it is made anew", path, reason)
        with suppress(OSError):
            os.unlink(path)


def open_cache(folder: str, key: str = "") -> StudyCache | None:
    """Open the folder of studies that a person or the administrator named.

    Parameters
    ----------
    folder : str
        Empty for none.
    key : str
        A secret of the administrator, of any length; empty for none.

    Returns
    -------
    StudyCache, or None without a folder
    """
    secret = blake2b(key.encode(errors="surrogateescape")).digest() if key else b""
    return StudyCache(Path(folder), secret=secret) if folder else None


@cache
def _warn_of_other_writers(folder: Path) -> None:
    """Say, once for each folder, that other accounts may write there."""
    with suppress(OSError):
        # Windows has no such mode.
        if os.name == "posix" and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            log.warning(
                "other accounts may write into the folder for studies, %s, and so change "
                "what is shown; 'chmod go-w' on it forbids that",
                folder,
            )


def _read_regular(path: Path) -> bytes:
    """Read a file of an entry's size; what is no plain file, such as a link, is an error."""
    # Without O_NONBLOCK, a pipe of this name would be waited for.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # not every system has each
        flags |= getattr(os, name, 0)
    handle = os.open(path, flags)
    with open(handle, "rb") as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > ENTRY_BYTES:
            raise FileNotFoundError
        with suppress(OSError):  # a folder that can only be read serves as well
            # What was used lately is kept longest.
            os.utime(handle if os.utime in os.supports_fd else path)
        return stream.read(found.st_size)


# --- An entry ------------------------------------------------------------------------
#
# Two lengths; the facts, as packed JSON; the gaze; the fixations. All tracks of the study lie
# end to end and are packed together, so that a thousand small ones cost little.

# The moments that 64 bits of nanoseconds reach, in ticks.
_FURTHEST_TICK = 2**63 // TICK_NS
# What stands in the facts of each section, column by column, and of what type it is.
_TEXTS = ("id", "start_event", "end_event")
_NUMBERS = (
    "unreadable",
    "listed_twice",
    "fixations_unreadable",
    "fixations_listed_twice",
    "fixations_compared",
    "fixations_corrected",
    "fixations_mirrored",
    "first_ns",
    "last_ns",
    "sampling_interval_ns",
)
_TRACKS: dict[str, npt.DTypeLike] = {"gaze": np.uint8, "fixations": np.uint32}


def _encode(study: Study, rounded: bool, notices: Sequence[str] = ()) -> list[bytes] | None:
    """Put a study into the pieces of an entry; None if it is too large."""
    sections = [section for one in study.recordings for section in one.sections]
    tracks: dict[str, list[Track | None]] = {
        name: [getattr(section, name) for section in sections] for name in _TRACKS
    }
    some = {name: [one for one in column if one is not None] for name, column in tracks.items()}
    if sum(len(track) for column in some.values() for track in column) > ENTRY_SAMPLES:
        return None
    packed = {name: [_pack(chunk) for chunk in _chunks(column)] for name, column in some.items()}
    facts = {
        "name": study.name,
        "kind": study.kind,
        "frame": study.frame,
        "size": study.grid.size,
        "unassigned_rows": study.unassigned_rows,
        "unassigned_fixations": study.unassigned_fixations,
        "rounded": rounded,
        "notices": list(notices),
        # Of each piece, how long it is.
        "pieces": {name: [len(piece) for piece in pieces] for name, pieces in packed.items()},
        # Of each track, what its moments count from and how many entries it has.
        "tracks": {
            name: [
                [None if one is None else one.zero for one in column],
                [0 if one is None else len(one) for one in column],
            ]
            for name, column in tracks.items()
        },
        "sections": {
            name: [getattr(section, name) for section in sections]
            for name in (*_TEXTS, *_NUMBERS, "start_ns")
        },
        "recordings": [
            (one.id, one.name, one.wearer, len(one.sections)) for one in study.recordings
        ],
    }
    text = json.dumps(facts, separators=(",", ":")).encode()
    line = zlib.compress(text, 1)
    head = _LENGTHS.pack(len(line), len(text))
    pieces = [head, line, *packed["gaze"], *packed["fixations"]]
    size_bytes = sum(map(len, pieces)) + _DIGEST_BYTES
    return pieces if size_bytes <= ENTRY_BYTES and len(text) <= ENTRY_TEXT_BYTES else None


def _chunks(tracks: Iterable[Track]) -> Iterator[list[npt.NDArray[Any]]]:
    """Yield time, cell and value of tracks laid end to end, a bounded number at a time."""
    waiting: list[list[npt.NDArray[Any]]] = []
    count = 0
    for track in tracks:
        columns = [track.time, track.cell, track.value]
        length = len(track)
        while count + length >= _PACKED_ENTRIES:
            room = _PACKED_ENTRIES - count
            waiting.append([column[:room] for column in columns])
            yield [np.concatenate(column) for column in zip(*waiting, strict=True)]
            waiting, count = [], 0
            columns, length = [column[room:] for column in columns], length - room
        if length:
            waiting.append(columns)
            count += length
    if waiting:
        yield [np.concatenate(column) for column in zip(*waiting, strict=True)]


def _pack(columns: list[npt.NDArray[Any]]) -> bytes:
    """Pack time, cell and value: differences pack best, byte by byte of the same rank."""
    time, cell, value = columns
    packed = b"".join(
        np.diff(column, prepend=column.dtype.type(0))
        .astype(f"<u{column.itemsize}", copy=False)
        .view(np.uint8)
        .reshape(len(column), column.itemsize)
        .T.tobytes()
        for column in (time, cell, value)
    )
    return zlib.compress(packed, 1)


def _decode(data: memoryview, grids: Iterable[Grid]) -> tuple[Study, bool]:
    """Make a study of an entry.

    The seal says that it is whole, but without a key not who wrote it: each length is held
    against what is there before memory is taken for it.
    """
    packed_bytes, text_bytes = _LENGTHS.unpack_from(data)
    rest = data[_LENGTHS.size :]
    if packed_bytes > len(rest) or text_bytes > ENTRY_TEXT_BYTES:
        raise ValueError("more text than there is, or may be")
    facts = json.loads(_unpack(rest[:packed_bytes], text_bytes))
    rest = rest[packed_bytes:]
    grid = next(grid for grid in grids if list(grid.size) == facts["size"])
    pieces, places = facts["pieces"], facts["tracks"]
    if sum(map(sum, pieces.values())) != len(rest):
        raise ValueError("not as long as is stated")
    counts = {name: sum(places[name][1]) for name in _TRACKS}
    if sum(counts.values()) > ENTRY_SAMPLES:
        raise ValueError("more entries than there may be")
    tracks = {}
    for name, dtype in _TRACKS.items():
        stop = sum(pieces[name])
        columns = _unpack_columns(rest[:stop], pieces[name], counts[name], dtype)
        rest = rest[stop:]
        if counts[name] and int(columns[1].max()) >= grid.codes:
            raise ValueError("a bin that the grid does not have")
        tracks[name] = _split(columns, *places[name])
    sections = _sections(facts["sections"], tracks)
    about = facts["recordings"]
    _texts([text for id, name, wearer, _ in about for text in (id, name, wearer)])
    if sum(count for _, _, _, count in about) != len(sections):
        raise ValueError("not as many sections as are stated")
    todo = iter(sections)
    recordings = tuple(
        RecordingTracks(id, name, wearer, tuple(islice(todo, count)))
        for id, name, wearer, count in about
    )
    name, kind = _texts([facts["name"], facts["kind"]])
    unassigned_rows, unassigned_fixations = _numbers(
        [facts["unassigned_rows"], facts["unassigned_fixations"]]
    )
    study = Study(
        name=name,
        kind=kind,
        frame=None if facts["frame"] is None else _frame(*facts["frame"]),
        recordings=recordings,
        unassigned_rows=unassigned_rows,
        unassigned_fixations=unassigned_fixations,
        notices=tuple(_texts(facts.get("notices", []))),
        grid=grid,
    )
    return study, bool(facts["rounded"])


def _unpack(packed: memoryview, size_bytes: int) -> bytes:
    """Unpack what is of a known size; no more memory is taken than that."""
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, size_bytes + 1)
    if len(data) != size_bytes or not unpacker.eof or unpacker.unused_data:
        raise ValueError("not of the size that is stated")
    return data


def _unpack_columns(
    packed: memoryview, pieces: Sequence[int], count: int, dtype: npt.DTypeLike
) -> list[npt.NDArray[Any]]:
    """Return time, cell and value of all tracks, end to end."""
    kinds = [np.dtype(kind) for kind in (np.uint32, np.uint32, dtype)]
    if count * sum(kind.itemsize for kind in kinds) > len(packed) * _UNPACKED_BYTES:
        raise ValueError("more entries than can be packed there")
    if min(pieces, default=0) < 0 or len(pieces) != -(-count // _PACKED_ENTRIES):
        raise ValueError("not as many pieces as are stated")
    columns = [np.empty(count, kind) for kind in kinds]
    for number, length in enumerate(pieces):
        part = slice(number * _PACKED_ENTRIES, (number + 1) * _PACKED_ENTRIES)
        _fill(packed[:length], [column[part] for column in columns])
        packed = packed[length:]
    return columns


def _fill(packed: memoryview, columns: list[npt.NDArray[Any]]) -> None:
    """Fill columns with what `_pack` was given."""
    data = _unpack(packed, sum(column.nbytes for column in columns))
    start = 0
    for column in columns:
        planes = np.frombuffer(data, np.uint8, column.nbytes, start)
        start += column.nbytes
        steps = np.ascontiguousarray(planes.reshape(column.itemsize, len(column)).T)
        np.cumsum(steps.view(f"<u{column.itemsize}").reshape(-1), dtype=column.dtype, out=column)


def _split(
    columns: list[npt.NDArray[Any]], zeros: Sequence[int | None], lengths: Sequence[int]
) -> list[Track | None]:
    """Cut what lies end to end into tracks, each in order of time."""
    moments = _numbers([zero for zero in zeros if zero is not None])
    if min(_numbers(lengths), default=0) < 0 or max(map(abs, moments), default=0) > _FURTHEST_TICK:
        raise ValueError("a length or a moment that there is not")
    time, cell, value = columns
    ends = list(accumulate(lengths, initial=0))
    tracks = [
        None if zero is None else Track(zero, time[start:stop], cell[start:stop], value[start:stop])
        for zero, start, stop in zip(zeros, ends[:-1], ends[1:], strict=True)
    ]
    starts = set(ends)
    for first in range(0, len(time), _PACKED_ENTRIES):
        some = time[max(0, first - 1) : first + _PACKED_ENTRIES]
        falls = np.flatnonzero(some[1:] < some[:-1]) + max(1, first)
        if not starts.issuperset(falls.tolist()):
            raise ValueError("not in order of time")
    return tracks


def _sections(
    facts: dict[str, list[Any]], tracks: dict[str, list[Track | None]]
) -> list[SectionTracks]:
    columns: dict[str, Sequence[Any]] = {
        **tracks,
        **{name: _texts(facts[name]) for name in _TEXTS},
        **{name: _numbers(facts[name]) for name in _NUMBERS},
        "start_ns": facts["start_ns"],
    }
    _numbers([one for one in facts["start_ns"] if one is not None])
    if None in tracks["gaze"]:
        raise ValueError("a section without gaze")
    return [
        SectionTracks(**dict(zip(columns, row, strict=True)))
        for row in zip(*columns.values(), strict=True)
    ]


def _frame(left: float, top: float, right: float, bottom: float) -> Frame:
    return float(left), float(top), float(right), float(bottom)


def _texts(values: Sequence[Any]) -> Sequence[str]:
    if set(map(type, values)) - {str}:
        raise TypeError("no text")
    return values


def _numbers(values: Sequence[Any]) -> Sequence[int]:
    if set(map(type, values)) - {int}:
        raise TypeError("no whole number")
    if values and not -(2**63) <= min(values) <= max(values) < 2**63:
        raise ValueError("no whole number of 64 bits")
    return values
