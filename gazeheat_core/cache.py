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
import time
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
        self._write(key, _encode(export, rounded))

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
        return self.folder / f"{name}{_SUFFIX}"

    def _read(self, name: str) -> bytes | None:
        try:
            sealed = self._path(name).read_bytes()
        except OSError:
            return None
        with suppress(OSError):  # a folder that can only be read serves as well
            # What was used lately is kept longest.
            os.utime(self._path(name))
        data, seal = sealed[:-_DIGEST_BYTES], sealed[-_DIGEST_BYTES:]
        if _seal(name, data) != seal:
            self._forget(name, "damaged")
            return None
        return data

    def _write(self, name: str, data: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(_SUFFIX, ".part-", self.folder)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                    stream.write(_seal(name, data))
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
            os.unlink(self._path(name))


def _seal(name: str, data: bytes) -> bytes:
    """Digest of an entry and its name, so that none can pass for another."""
    return blake2b(name.encode() + b"\0" + data, digest_size=_DIGEST_BYTES).digest()


def _encode(export: BinnedExport, rounded: bool) -> bytes:
    facts: dict[str, Any] = {
        "name": export.name,
        "kind": export.kind,
        "unassigned_rows": export.unassigned_rows,
        "rounded": rounded,
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
    bins = np.array([r.bins for r in export.recordings], np.uint32)
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez_compressed(out, facts=text, bins=bins)
    return out.getvalue()


def _decode(data: bytes) -> tuple[BinnedExport, bool]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        facts = json.loads(arrays["facts"].tobytes())
        bins = arrays["bins"]
    recordings = tuple(
        RecordingHistogram(**{**about, "counts": Counts(**about["counts"])}, bins=one)
        for about, one in zip(facts["recordings"], bins, strict=True)
    )
    if any(r.bins.dtype != np.uint32 or r.bins.sum() != r.counts.used for r in recordings):
        raise ValueError("the bins are not those that were counted")
    export = BinnedExport(
        name=facts["name"],
        kind=facts["kind"],
        recordings=recordings,
        unassigned_rows=facts["unassigned_rows"],
    )
    return export, facts["rounded"]
