"""The studies in one folder of the server, found and opened without leaving it.

The folder is walked by names and headers only. Rows are read of those tables alone that name
in each row what was looked at, and once as long as they do not change. Nothing outside the
folder can be reached: links are not followed, and a path is checked again when it is opened.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gazeheat_core.errors import GazeheatError, SourceError, shown
from gazeheat_core.exports import FoundExport, SourceFile, find_exports, open_source
from gazeheat_core.exports.filenames import is_table, is_zip, recording_folder
from gazeheat_core.exports.sections import count_recordings

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
    stimulus : str
        Which export of its tables, where these hold several.
    folders : tuple of PurePosixPath
        The folders that its recordings lie in, relative to `path`, where these are several.
    """

    path: PurePosixPath
    inside: PurePosixPath
    name: str
    kind: str
    recordings: int | None
    size_bytes: int
    modified_s: float
    stimulus: str = ""
    folders: tuple[PurePosixPath, ...] = ()

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells it apart from all others in a list."""
        return self.path, self.inside, self.stimulus, self.kind

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
        return _joined(study for path in self._candidates() for study in self._look_into(path))

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

    @contextmanager
    def open(self, one: ServerStudy) -> Iterator[tuple[Path, tuple[SourceFile, ...]]]:
        """Open a listed study: where it lies, and its files, readable while this is open.

        Raises
        ------
        SourceError
            When it is not, or not any more, inside the folder.
        """
        place = self.locate(one.path)
        with ExitStack() as stack:
            if one.folders and place.is_dir():
                files = [
                    replace(file, source=shown(place.name), path=folder / file.path)
                    for folder in one.folders
                    for file in stack.enter_context(
                        open_source(self.locate(one.path / folder), flat=True)
                    )
                ]
            else:
                wanted = one.folders or (one.inside,)
                every = stack.enter_context(open_source(place, flat=True))
                files = [file for file in every if file.folder in wanted]
            yield place, tuple(files)

    def _candidates(self) -> Iterator[PurePosixPath]:
        """Yield ZIPs, and folders that hold a table, without following links."""
        for number, (parent, folders, names) in enumerate(os.walk(self.root)):
            if number == _MOST_FOLDERS:
                return
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            here = PurePosixPath(Path(parent).relative_to(self.root).as_posix())
            is_yielded = False
            for name in sorted(names):
                if is_yielded and is_table(name):
                    continue
                # Opening a pipe of such a name would wait for its writer.
                if (is_table(name) or is_zip(name)) and _is_plain_file(Path(parent, name)):
                    is_yielded |= is_table(name)
                    yield here if is_table(name) else here / name

    def _look_into(self, path: PurePosixPath) -> Iterator[_Listed]:
        try:
            place = self.locate(path)
            with open_source(place, flat=True) as files:
                found, _ = find_exports(files)
                for one in found:
                    study = _listed(path, place, one)
                    yield _Listed(study, _is_by_folder(one) and place.is_dir())
        except (GazeheatError, OSError):
            return
        except Exception:
            # An error in one study must not hide the others.
            log.exception("a study in the folder cannot be listed: %s", shown(path))


@dataclass(frozen=True, slots=True)
class _Listed:
    """A study of one folder or ZIP, and whether its recordings are told apart by folders."""

    study: ServerStudy
    is_by_folder: bool


def _listed(path: PurePosixPath, place: Path, one: FoundExport) -> ServerStudy:
    files = [one.gaze.file]
    recordings = count_recordings(one)
    folders: tuple[PurePosixPath, ...] = ()
    if one.contents is not None and not one.is_of_pupil_cloud:
        kind = "gaze" if one.has_gaze else "fixations"
        own = [table for table in one.contents.known if table.stimulus in ("", one.stimulus)]
        tables = [table for table in own if table.format.holds == kind] or own
        files = list(dict.fromkeys(table.table.file for table in tables))
        if _is_by_folder(one):
            recordings = len({table.recording for table in own})
            folders = tuple(dict.fromkeys(table.table.file.folder for table in own))
    return ServerStudy(
        path=path,
        inside=folders[0] if folders else one.folder,
        name=one.name,
        kind=one.kind,
        recordings=recordings,
        size_bytes=sum(file.size_bytes for file in files),
        modified_s=max((file.disk or place).stat().st_mtime for file in files),
        stimulus=one.stimulus,
        folders=folders if len(folders) > 1 else (),
    )


def _is_by_folder(one: FoundExport) -> bool:
    """Tell whether folders name the recordings, as where a file names what was looked at."""
    return one.contents is not None and any(table.stimulus for table in one.contents.known)


def _joined(listed: Iterable[_Listed]) -> list[ServerStudy]:
    """Make one study of recordings that lie in folders beside each other."""
    groups: dict[tuple[object, ...], list[ServerStudy]] = {}
    for one in listed:
        study = one.study
        above = recording_folder(study.path).parent
        key = (above, study.kind, study.stimulus) if one.is_by_folder else study.identity
        groups.setdefault(key, []).append(study)
    return [_together(members) for members in groups.values()]


def _together(members: list[ServerStudy]) -> ServerStudy:
    first = members[0]
    if len(members) == 1:
        return first
    above = recording_folder(first.path).parent
    folders = tuple(one.path.relative_to(above) for one in members)
    return replace(
        first,
        path=above,
        inside=folders[0],
        recordings=sum(one.recordings or 0 for one in members),
        size_bytes=sum(one.size_bytes for one in members),
        modified_s=max(one.modified_s for one in members),
        folders=folders,
    )


def _is_plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # gone since it was listed
        return False
