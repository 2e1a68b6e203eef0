"""The studies in one folder of the server, found and opened without leaving it.

The folder is walked by names and headers only. Nothing outside it can be reached: links
are not followed, and a path is checked again when it is opened.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gazeheat_core.errors import GazeheatError, SourceError, shown
from gazeheat_core.exports import find_exports, open_source
from gazeheat_core.exports.finding import is_gaze, is_zip
from gazeheat_core.exports.reading import count_recordings

log = logging.getLogger("gazeheat")

_MOST_FOLDERS = 100_000


@dataclass(frozen=True, slots=True)
class ServerStudy:
    """A study in the folder, as it is listed: one export of a ZIP, or a folder.

    Attributes
    ----------
    path : PurePosixPath
        The ZIP or the folder of the export, relative to the library. A name on disk may be
        bytes that are not UTF-8, so that no browser takes it: show `shown_path`.
    inside : PurePosixPath
        The export's folder inside the ZIP; ``.`` for one at its root, and for a folder.
    name : str
    kind : str
        What made it, in words: "Reference Image Mapper".
    recordings : int or None
        As ``sections.csv`` says; None without one.
    size_bytes : int
        Of its gaze, unpacked.
    modified_s : float
        When the file was last changed, in seconds since the Unix epoch.
    """

    path: PurePosixPath
    inside: PurePosixPath
    name: str
    kind: str
    recordings: int | None
    size_bytes: int
    modified_s: float

    @property
    def shown_path(self) -> str:
        """The path as it can be shown, not opened."""
        return shown(self.path)


@dataclass(frozen=True, slots=True)
class Library:
    """A folder with exports.

    Attributes
    ----------
    root : Path
    """

    root: Path

    def list(self) -> list[ServerStudy]:
        """List the studies in the folder, by path; other files are passed over.

        Raises
        ------
        SourceError
            When the folder is missing or cannot be read.
        """
        if not (os.path.isdir(self.root) and os.access(self.root, os.R_OK | os.X_OK)):
            raise SourceError(
                f"{self.root}: there is no such folder on the server, or it cannot be read. "
                "Ask whoever set GAZEHEAT_DATA to correct it."
            )
        return [study for path in self._candidates() for study in self._look_into(path)]

    def locate(self, path: PurePosixPath) -> Path:
        """Return where a listed path lies.

        Raises
        ------
        SourceError
            When it is not, or not any more, inside the folder.
        """
        try:
            root = self.root.resolve()
            target = (root / path).resolve(strict=True)
            is_inside = target.is_relative_to(root) and not path.is_absolute()
            # Links are not listed, so none is opened, not even one to a place inside.
            if is_inside and target == root / path:
                return target
        except (OSError, ValueError, RuntimeError):  # no such place, no such name, a loop
            pass
        raise SourceError(
            f"{shown(path)}: it is not in the server's folder any more. List the folder again."
        )

    def _candidates(self) -> Iterator[PurePosixPath]:
        """Yield ZIPs, and folders that hold a ``gaze.csv``, without following links."""
        for number, (parent, folders, names) in enumerate(os.walk(self.root)):
            if number == _MOST_FOLDERS:
                return
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            here = PurePosixPath(Path(parent).relative_to(self.root).as_posix())
            for name in sorted(names):
                is_export = is_gaze(name) or is_zip(name)
                # Opening a pipe of such a name would wait for its writer.
                if is_export and _is_plain_file(Path(parent, name)):
                    yield here if is_gaze(name) else here / name

    def _look_into(self, path: PurePosixPath) -> Iterator[ServerStudy]:
        try:
            place = self.locate(path)
            with open_source(place, flat=True) as files:
                found, _ = find_exports(files)
                for one in found:
                    yield ServerStudy(
                        path=path,
                        inside=one.folder,
                        name=one.name,
                        kind=one.kind,
                        recordings=count_recordings(one),
                        size_bytes=one.gaze.file.size_bytes,
                        modified_s=(one.gaze.file.disk or place).stat().st_mtime,
                    )
        except (GazeheatError, OSError):
            return
        except Exception:
            # An error in one study must not hide the others.
            log.exception("a study in the folder cannot be listed: %s", shown(path))


def _is_plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # gone since it was listed
        return False
