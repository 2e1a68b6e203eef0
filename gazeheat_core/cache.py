"""Histograms kept on disk, so that a study opened again needs no reading.

An entry's name is a digest of the content of the export's files and of the grid; what the
files are called and where they lie does not matter. To know the content of files that have
not changed since, without reading them again, their digest is kept too, under their path,
size and times.

An entry ends with a digest of itself and is used only when that is right: a damaged one is
removed and made anew. Entries are written under another name and then renamed, so that
several processes can share a folder. The least recently used go when it grows too large.
"""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from gazeheat_core.heatmap import BinnedExport, Counts, RecordingHistogram

log = logging.getLogger("gazeheat")

# Part of every key: raised when what is stored, or how bins are counted, changes.
FORMAT = 1
DEFAULT_LIMIT_BYTES = 2 * 2**30

_DIGEST_BYTES = 32
_READ_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class HistogramCache:
    """A folder of histograms.

    Attributes
    ----------
    folder : Path
        Made when the first entry is written.
    limit_bytes : int
        The most that the entries may take together.
    """

    folder: Path
    limit_bytes: int = DEFAULT_LIMIT_BYTES

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

    def load(self, key: str) -> BinnedExport | None:
        """Return the entry, without its picture; None when there is none that is whole."""
        data = self._read(key)
        if data is None:
            return None
        try:
            return _decode(data)
        except (ValueError, KeyError, TypeError, OSError, EOFError):
            self._forget(key, "cannot be decoded")
            return None

    def store(self, key: str, export: BinnedExport) -> None:
        """Keep the histograms of an export; a full or read-only disk is no error."""
        self._write(key, _encode(export))

    def _content_digest(self, path: Path) -> str:
        found = path.stat()
        identity = repr(
            (str(path.resolve()), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        )
        name = "file-" + blake2b(identity.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        known = self._read(name)
        if known is not None:
            return known.decode("ascii")
        digest = blake2b(digest_size=_DIGEST_BYTES)
        with path.open("rb") as stream:
            while data := stream.read(_READ_BYTES):
                digest.update(data)
        self._write(name, digest.hexdigest().encode("ascii"))
        return digest.hexdigest()

    def _read(self, name: str) -> bytes | None:
        path = self.folder / name
        try:
            sealed = path.read_bytes()
            # What was used lately is kept longest.
            os.utime(path)
        except OSError:
            return None
        data, seal = sealed[:-_DIGEST_BYTES], sealed[-_DIGEST_BYTES:]
        if _seal(name, data) != seal:
            self._forget(name, "damaged")
            return None
        return data

    def _write(self, name: str, data: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(prefix=".part-", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                    stream.write(_seal(name, data))
                os.replace(part, self.folder / name)
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
            with suppress(OSError):  # another process may have removed it
                found = entry.stat()
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
            os.unlink(self.folder / name)


def _seal(name: str, data: bytes) -> bytes:
    """Digest of an entry and its name, so that none can pass for another."""
    return blake2b(name.encode() + b"\0" + data, digest_size=_DIGEST_BYTES).digest()


def _encode(export: BinnedExport) -> bytes:
    facts: dict[str, Any] = {
        "name": export.name,
        "kind": export.kind,
        "unassigned_rows": export.unassigned_rows,
        "notices": export.notices,
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
    out = io.BytesIO()
    bins = np.stack([r.bins for r in export.recordings]) if export.recordings else np.empty(0)
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez_compressed(out, facts=text, bins=bins)
    return out.getvalue()


def _decode(data: bytes) -> BinnedExport:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        facts = json.loads(arrays["facts"].tobytes())
        bins = arrays["bins"]
    recordings = tuple(
        RecordingHistogram(**{**about, "counts": Counts(**about["counts"])}, bins=one)
        for about, one in zip(facts["recordings"], bins, strict=True)
    )
    return BinnedExport(
        name=facts["name"],
        kind=facts["kind"],
        recordings=recordings,
        unassigned_rows=facts["unassigned_rows"],
        notices=tuple(facts["notices"]),
    )
