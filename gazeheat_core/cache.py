"""Histograms kept on disk, so that a study opened again needs no reading.

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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from typing import Any

import numpy as np

from gazeheat_core.heatmap import BinnedExport, Bins, Counts, RecordingHistogram
from gazeheat_core.model import LONGER_SIDE_BINS
from gazeheat_core.stopping import held

log = logging.getLogger("gazeheat")

# Part of every key: raised when what is stored, or how bins are counted, changes.
FORMAT = 3
DEFAULT_LIMIT_BYTES = 2 * 2**30
# The most that one entry may take, on disk and unpacked: 900 recordings over a picture of
# 4:3. Larger studies are read each time.
ENTRY_BYTES = 2**28

_DIGEST_BYTES = 32
_READ_BYTES = 2**22
# Nothing without this ending is ever removed: the folder may hold other things.
_SUFFIX = ".histograms"
# A file changed within this time may change again without showing it in its times.
_SETTLED_NS = 2 * 10**9


@dataclass(frozen=True, slots=True)
class HistogramCache:
    """A folder of histograms.

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

    def load(self, key: str) -> tuple[BinnedExport, bool] | None:
        """Return what `store` was given, without picture and notices.

        None when there is no entry that is whole.
        """
        data = self._read(key)
        if data is None:
            return None
        try:
            return _decode(data)
        except Exception:  # numpy, zipfile and json raise whatever comes to it
            self._forget(key, "not to be decoded")
            return None

    def store(self, key: str, export: BinnedExport, *, rounded: bool) -> None:
        """Keep the histograms of an export; a full or read-only disk is no error.

        Notices are not kept, since they name the files: `rounded` says whether there
        is one on the timestamps, and the others follow from the counts.
        """
        data = _encode(export, rounded)
        if data is None:
            log.warning("the histograms of %s are too large to be kept", export.name)
        else:
            self._write(key, data)

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
            self._write(name, digest.digest())
        return digest.hexdigest()

    def _path(self, name: str) -> Path:
        if self.secret:
            # Tells keys apart, and does not tell the key.
            of_key = blake2b(key=self.secret, digest_size=8, person=b"gazeheat name")
            name = f"{name}-{of_key.hexdigest()}"
        return self.folder / f"{name}{_SUFFIX}"

    def _seal(self, name: str, data: bytes) -> bytes:
        """Digest of an entry and its name, so that none can pass for another."""
        return blake2b(
            name.encode() + b"\0" + data, key=self.secret, digest_size=_DIGEST_BYTES
        ).digest()

    def _read(self, name: str) -> bytes | None:
        try:
            sealed = _read_regular(self._path(name))
        except OSError:
            return None
        data, seal = sealed[:-_DIGEST_BYTES], sealed[-_DIGEST_BYTES:]
        if not compare_digest(self._seal(name, data), seal):
            self._forget(name, "damaged")
            return None
        return data

    def _write(self, name: str, data: bytes) -> None:
        try:
            # A signal must not leave half an entry.
            with held():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle, part = tempfile.mkstemp(_SUFFIX, ".part-", self.folder)
                try:
                    with os.fdopen(handle, "wb") as stream:
                        stream.write(data)
                        stream.write(self._seal(name, data))
                    os.replace(part, self._path(name))
                except BaseException:
                    os.unlink(part)
                    raise
            self._trim()
        except OSError as error:
            log.warning("histograms cannot be kept in %s: %s", self.folder, error)

    def _trim(self) -> None:
        """Remove what was used least lately until the rest fits."""
        entries = []
        for entry in os.scandir(self.folder):
            if not entry.name.endswith(_SUFFIX):
                continue
            with suppress(OSError):  # another process may have removed it
                found = entry.stat(follow_symlinks=False)
                entries.append((found.st_mtime_ns, found.st_size, entry.path))
        surplus_bytes = sum(size for _, size, _ in entries) - self.limit_bytes
        for _, size, path in sorted(entries):
            if surplus_bytes <= 0:
                return
            with suppress(OSError):
                os.unlink(path)
            surplus_bytes -= size

    def _forget(self, name: str, reason: str) -> None:
        log.warning("kept histograms %s are %s; they are made anew", name, reason)
        with suppress(OSError):
            os.unlink(self._path(name))


def open_cache(folder: str, key: str = "") -> HistogramCache | None:
    """Open the folder of histograms that a person or the administrator named.

    Parameters
    ----------
    folder : str
        Empty for none.
    key : str
        A secret of the administrator, of any length; empty for none.

    Returns
    -------
    HistogramCache, or None without a folder
    """
    secret = blake2b(key.encode(errors="surrogateescape")).digest() if key else b""
    return HistogramCache(Path(folder), secret=secret) if folder else None


@cache
def _warn_of_other_writers(folder: Path) -> None:
    """Say, once for each folder, that other accounts may write there."""
    with suppress(OSError):
        # Windows has no such mode.
        if os.name == "posix" and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            log.warning(
                "other accounts may write into the folder for histograms, %s, and so change "
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


def _encode(export: BinnedExport, rounded: bool) -> bytes | None:
    """Put an export into bytes: a line of JSON, and the bins packed. None if too large."""
    # Without recordings there is no shape.
    shape = export.recordings[0].kept.shape if export.recordings else (0, 0)
    facts: dict[str, Any] = {
        "name": export.name,
        "kind": export.kind,
        "frame": export.frame,
        "unassigned_rows": export.unassigned_rows,
        "rounded": rounded,
        "shape": shape,
        "recordings": [
            {
                "id": r.id,
                "name": r.name,
                "wearer": r.wearer,
                "label": r.label,
                "duration_ns": r.duration_ns,
                "counts": asdict(r.counts),
            }
            for r in export.recordings
        ],
    }
    if 4 * len(export.recordings) * shape[0] * shape[1] > ENTRY_BYTES:
        return None
    bins = np.array([r.bins for r in export.recordings], "<u4")
    data = json.dumps(facts).encode() + b"\n" + zlib.compress(bins.tobytes())
    return data if len(data) + _DIGEST_BYTES <= ENTRY_BYTES else None


def _decode(data: bytes) -> tuple[BinnedExport, bool]:
    line, _, packed = data.partition(b"\n")
    facts = json.loads(line)
    rows, columns = facts["shape"]
    shape = (len(facts["recordings"]), rows, columns)
    size_bytes = 4 * shape[0] * rows * columns
    if not (0 <= rows <= LONGER_SIDE_BINS and 0 <= columns <= LONGER_SIDE_BINS):
        raise ValueError("no such grid")
    if size_bytes > ENTRY_BYTES:
        raise ValueError("too large when unpacked")
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(packed, size_bytes + 1)
    if len(unpacked) != size_bytes or not unpacker.eof:
        raise ValueError("not the size that is stated")
    bins = np.frombuffer(unpacked, "<u4").reshape(shape).astype(np.uint32, copy=False)
    recordings = tuple(
        RecordingHistogram(**{**about, "counts": Counts(**about["counts"])}, kept=Bins.of(one))
        for about, one in zip(facts["recordings"], bins, strict=True)
    )
    if any(r.kept.total != r.counts.used for r in recordings):
        raise ValueError("the bins are not those that were counted")
    export = BinnedExport(
        name=facts["name"],
        kind=facts["kind"],
        frame=facts["frame"] and tuple(facts["frame"]),
        recordings=recordings,
        unassigned_rows=facts["unassigned_rows"],
    )
    return export, facts["rounded"]
