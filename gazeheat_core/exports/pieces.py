"""Files that belong together though they came apart: which of those given make one source.

A download may be cut into several ZIPs, as Google Drive does with a folder, or its files come
loose, at once or one after the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from gazeheat_core.errors import ExportError, GazeheatError, LimitError, listed
from gazeheat_core.exports.filenames import FIXATIONS_FILE, GAZE_FILE, SECTIONS_FILE, is_picture
from gazeheat_core.exports.finding import find_exports
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.exports.sections import Described, describe_recordings
from gazeheat_core.exports.sources import (
    MIB,
    Given,
    Piece,
    SourceFile,
    Upload,
    is_junk,
    looks_like_zip,
    open_source,
)
from gazeheat_core.model import Enrichment


def sources_of(given: Iterable[Piece]) -> list[Given]:
    """Tell which of the things given together make a source that `open_source` opens.

    Parameters
    ----------
    given : iterable of path or Upload

    Returns
    -------
    list
        Each folder and each ZIP by itself, and all other files as one list; of paths whose
        names are equal, those of each folder as a list. Where each of several has a part of one
        folder, and only one of them has its gaze, they are one list. Files that a system puts
        beside others, such as ``.DS_Store``, are left out.
    """
    alone: list[list[Piece]] = []
    packed: list[list[Piece]] = []
    loose: list[Piece] = []
    places: dict[int, int] = {}
    given = [*given]
    for place, piece in enumerate(given):
        places.setdefault(id(piece), place)
        if not isinstance(piece, Upload) and not Path(piece).is_file():
            alone.append([piece])  # a folder, or nothing at all
        elif looks_like_zip(piece):
            packed.append([piece])
        elif not is_junk(PurePosixPath(_name(piece))):
            loose.append(piece)
    groups = [*packed, *_by_folder(loose)]
    if len(groups) > 1:
        groups = _joined(groups)
    groups += alone
    # In the order in which they were given, loose files last.
    groups.sort(key=lambda group: (group[0] in loose, places[id(group[0])]))
    return [one[0] if len(one) == 1 and one[0] not in loose else one for one in groups]


def _name(piece: Piece) -> str:
    return piece.name if isinstance(piece, Upload) else os.fsdecode(piece)


def _by_folder(loose: list[Piece]) -> list[list[Piece]]:
    """Part loose files by folder where names are equal: each folder has files of its own."""
    if not loose:
        return []
    paths = [PurePosixPath(_name(piece)) for piece in loose]
    if len({path.name for path in paths}) == len(paths):
        return [loose]
    folders: dict[PurePosixPath, list[Piece]] = {}
    for path, piece in zip(paths, loose, strict=True):
        folder = PurePosixPath() if isinstance(piece, Upload) else path.parent
        folders.setdefault(folder, []).append(piece)
    return [*folders.values()]


def _joined(groups: list[list[Piece]]) -> list[list[Piece]]:
    """Join the groups of which each has a part of one folder; the others stay apart."""
    paths = [_paths_in(group) for group in groups]
    folders = [{path.parent for path in own} for own in paths]
    joined: list[list[Piece]] = []
    left = [*range(len(groups))]
    while left:
        together, waiting = [], [left.pop(0)]
        while waiting:
            number = waiting.pop()
            together.append(number)
            near = [other for other in left if folders[number] & folders[other]]
            left = [other for other in left if other not in near]
            waiting += near
        together.sort()
        members = [groups[number] for number in together]
        if _are_pieces([paths[number] for number in together], members):
            members = [[piece for group in members for piece in group]]
        joined += members
    return joined


def _paths_in(group: Sequence[Piece]) -> list[PurePosixPath]:
    try:
        with open_source(group) as files:
            return [file.folder / file.name for file in files]
    except GazeheatError:  # said when it is opened to be read
        return []


def _are_pieces(paths: list[list[PurePosixPath]], groups: list[list[Piece]]) -> bool:
    """Tell whether no file is in two groups, and no folder has its gaze from two."""
    every = [path for own in paths for path in own]
    if len(groups) < 2 or len(set(every)) < len(every):
        return False
    homes: list[PurePosixPath] = []
    for group in groups:
        with open_source(group) as files:
            found, _ = find_exports(files)
            homes += {one.folder for one in found if one.has_gaze}
    return 0 < len(homes) == len(set(homes))


# --- Pieces that come later ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pieces:
    """Files of an export without its gaze.

    Attributes
    ----------
    picture, sections, fixations : SourceFile or None
    """

    picture: SourceFile | None = None
    sections: SourceFile | None = None
    fixations: SourceFile | None = None

    @classmethod
    def among(cls, files: Iterable[SourceFile]) -> Pieces:
        """Return the pieces among files, by name; of several pictures there is none."""
        every = [*files]
        pictures = [file for file in every if is_picture(file.name)]
        by_name = {file.name.lower(): file for file in every}
        return cls(
            pictures[0] if len(pictures) == 1 else None,
            by_name.get(SECTIONS_FILE),
            by_name.get(FIXATIONS_FILE),
        )

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Those that there are."""
        every = (self.picture, self.sections, self.fixations)
        return tuple(file for file in every if file is not None)

    def lacked_by(self, found: FoundExport) -> Pieces:
        """Return picture and sections, where an export came without them."""
        return Pieces(
            None if found.picture is not None else self.picture,
            None if found.sections is not None else self.sections,
        )

    def without(self, others: Pieces) -> Pieces:
        """Return those that are not among others."""
        picture, sections, fixations = (
            None if own in others.files else own
            for own in (self.picture, self.sections, self.fixations)
        )
        return Pieces(picture, sections, fixations)

    def kept_with(self, later: Pieces, most_bytes: int) -> Pieces:
        """Return picture and sections with later ones in their place, kept in memory.

        Raises
        ------
        LimitError
            When they are larger than `most_bytes` together.
        """
        picture = self.picture if later.picture is None else _copy(later.picture, most_bytes)
        sections = self.sections if later.sections is None else _copy(later.sections, most_bytes)
        kept = Pieces(picture, sections)
        if sum(file.size_bytes for file in kept.files) > most_bytes:
            raise _too_large(listed(kept.files, quote=""), most_bytes)
        return kept


def _copy(file: SourceFile, most_bytes: int) -> SourceFile:
    """Return a file that outlasts its source."""
    with file.open() as stream:
        data = stream.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise _too_large(str(file), most_bytes)
    with open_source([Upload(file.name, BytesIO(data))], file.limits) as (copy,):
        return copy


def _too_large(label: str, most_bytes: int) -> LimitError:
    return LimitError(
        f"{label}: more than {most_bytes // MIB:,} MB, which is too large to be kept until the "
        f"gaze comes. Give it together with {GAZE_FILE}."
    )


AnyExport = TypeVar("AnyExport", bound=Enrichment[Any])


def with_sections(export: AnyExport, file: SourceFile) -> AnyExport:
    """Give the recordings of an export what a list of sections says of them.

    They are then as if the list had been read with the gaze: in its order, those of the list
    that have no gaze among them.

    Parameters
    ----------
    export : Export or Study
    file : SourceFile

    Raises
    ------
    ExportError
        When it is no list of sections, or it lists none of the recordings.
    LimitError
        When it is too large.
    """
    described = describe_recordings(file)
    known = {one.id: one for one in export.recordings}
    if not described.keys() & known.keys():
        raise ExportError(
            f"{file}: it lists none of the recordings of {export.title}. Give the one of the "
            "same download, or choose the export that it belongs to first."
        )
    make = type(export.recordings[0])
    recordings = []
    for id in {**described, **known}:
        about = described.get(id, Described())
        one = known.get(id) or make(id, "", "", ())
        sections = []
        for section in one.sections:
            said = about.section(section.id)
            start_event, end_event = said.events
            changes = {"start_event": start_event, "end_event": end_event}
            sections.append(replace(section, start_ns=said.start_ns, **changes))
        recordings.append(
            replace(one, name=about.name, wearer=about.wearer, sections=tuple(sections))
        )
    return replace(export, recordings=tuple(recordings))
