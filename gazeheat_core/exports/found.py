"""An export that was found: its tables, its picture and what else belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gazeheat_core.errors import listed
from gazeheat_core.exports import formats
from gazeheat_core.exports.columns import Format, to_values
from gazeheat_core.exports.contents import Contents
from gazeheat_core.exports.filenames import (
    CORNERS_FILES,
    file_named,
    is_named_picture,
    is_picture,
    stem,
)
from gazeheat_core.exports.formats import HOW_TO_MAP
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.exports.tables import Table
from gazeheat_core.model import Frame


@dataclass(frozen=True, slots=True)
class FoundExport:
    """An export recognised by its header, not yet read.

    Attributes
    ----------
    name : str
        Name of the enrichment, or of what was looked at.
    kind : str
        What made it, in words: "Reference Image Mapper".
    format : Format
        What its gaze looks like; without gaze, its fixations.
    gaze : Table
        The first table of gaze; without gaze, of fixations.
    files : tuple of SourceFile
        Those in its folder, or of its source where it comes from several folders.
    fixations, sections : SourceFile or None
        Beside a table of Pupil Cloud: that of fixations, and the one that lists recordings and
        their sections.
    contents : Contents or None
        What its tables hold, of which it may be one part; None for a table as Pupil Cloud
        writes it, which is read in stretches.
    stimulus : str
        The part of the contents.
    empty : tuple of SourceFile
        Tables of gaze beside it that have no rows, so that fixations are all there is.
    """

    name: str
    kind: str
    format: Format
    gaze: Table
    files: tuple[SourceFile, ...]
    fixations: SourceFile | None = None
    sections: SourceFile | None = None
    contents: Contents | None = None
    stimulus: str = ""
    empty: tuple[SourceFile, ...] = ()

    @property
    def folder(self) -> PurePosixPath:
        """Folder of the export inside its source."""
        return self.gaze.file.folder

    @property
    def frame(self) -> Frame | None:
        """The numbers at the picture's borders; None for pixels of the picture itself."""
        return self.format.frame

    @property
    def has_gaze(self) -> bool:
        """Whether there is gaze, not only fixations."""
        return self.contents is None or self.contents.has_gaze

    @property
    def material(self) -> tuple[SourceFile, ...]:
        """Files that decide what a study holds: gaze, fixations, sections and picture."""
        own = (self.gaze.file, self.fixations) if self.contents is None else self.contents.files
        files = (*own, self.sections, self.picture)
        return tuple(file for file in files if file is not None)

    @property
    def way(self) -> str:
        """What to do in the maker's program to get a better export."""
        return HOW_TO_MAP if self.is_of_pupil_cloud else self.format.hint

    @property
    def is_of_pupil_cloud(self) -> bool:
        """Whether Pupil Cloud made it."""
        return self.format in formats.OF_PUPIL_CLOUD

    @property
    def corners(self) -> SourceFile | None:
        """The table of the surface's corners."""
        return next(
            (file for name in CORNERS_FILES if (file := file_named(self.files, name))), None
        )

    @property
    def columns(self) -> dict[str, Any] | None:
        """What a person said of the columns, as `Enrichment.columns`."""
        return None if self.format in formats.FORMATS else to_values(self.format)

    @property
    def picture(self) -> SourceFile | None:
        """The picture named like what was looked at, or the reference image, or the only one."""
        pictures = [file for file in self.files if is_picture(file.name)]
        named = [file for file in pictures if self._is_named(file)]
        is_alone = len(pictures) == 1 and self._is_alone
        return next(iter(named or (pictures if is_alone else ())), None)

    @property
    def picture_notice(self) -> str:
        """What is to be said of the picture's name; mostly nothing."""
        picture = self.picture
        if picture is None or self._is_named(picture):
            return ""
        return (
            f"{picture} is used as the reference image, since it is the only picture beside "
            f"{self.gaze.file.name}."
        )

    @property
    def empty_notice(self) -> str:
        """What is to be said of gaze that is not there; mostly nothing."""
        if not self.empty:
            return ""
        return (
            f"{listed(self.empty, 4, '')}: there is a header but no gaze below it, so only "
            "fixations are counted."
        )

    @property
    def _is_alone(self) -> bool:
        """Whether a picture beside the tables can belong to nothing else."""
        return self.contents is None or len(self.contents.stimuli()) == 1

    def _is_named(self, file: SourceFile) -> bool:
        if self.stimulus:
            wanted = {self.stimulus.lower(), stem(self.stimulus).lower()}
            if {file.name.lower(), stem(file.name).lower()} & wanted:
                return True
            if not self._is_alone:
                return False
        return is_named_picture(file)
