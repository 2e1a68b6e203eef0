"""Which files make an export, and what it is called.

The only place that knows the names of files and folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from gazeheat_core.errors import (
    ExportError,
    GazeheatError,
    LimitError,
    UnmappedError,
    listed,
    shown,
)
from gazeheat_core.exports import formats
from gazeheat_core.exports.formats import HOW_TO_MAP, Format
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.exports.tables import Table, read_header
from gazeheat_core.model import Frame

GAZE_FILE = "gaze.csv"
FIXATIONS_FILE = "fixations.csv"
SECTIONS_FILE = "sections.csv"
# The name of an export whose files came without a folder or a ZIP.
UNTITLED = "Untitled export"
PICTURE_STEMS = ("reference_image", "plane_image")
PICTURE_SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff")

# In each download, and the only file beside the picture that Safari keeps of it.
INFO_FILE = "info.json"
SAFARI_LEFT = (
    "This is what Safari leaves of a download: it unpacks the ZIP and keeps only the files that "
    "it calls safe. Download the enrichment again with another browser, or first switch off "
    "'Open \"safe\" files after downloading' in Safari's settings, under General."
)

# Problems of one source that are told one by one.
_FEW_PROBLEMS = 5

# Project, type and name of a download's folder.
_FOLDER_NAME = re.compile(
    r"^.*?_(?P<type>[A-Z]+(?:-[A-Z]+)*-MAPPER)_(?P<name>.+?)(?:_csv)?(?: \(\d+\))?$"
)

# Files that tell of a download that is known, and of no use here.
_FACE_FILES = r"gaze_on_face\.csv|fixations_on_face\.csv|face_positions\.csv"
_FOREIGN_FILES = (
    (_FACE_FILES, "a Face Mapper export"),
    (r"gaze_positions_on_surface_.*\.csv", "a surface export of Pupil Player or Neon Player"),
    (r".*\.tsv", "a table of another tracker"),
    (r"scene_camera\.json|world_timestamps\.csv|events\.csv|imu\.csv", "a raw recording"),
)


@dataclass(frozen=True, slots=True)
class FoundExport:
    """An export recognised by its header, not yet read.

    Attributes
    ----------
    name : str
        Name of the enrichment.
    kind : str
        What made it, in words: "Reference Image Mapper".
    format : Format
        What its gaze looks like.
    gaze : Table
    files : tuple of SourceFile
        Those in its folder, the gaze among them.
    """

    name: str
    kind: str
    format: Format
    gaze: Table
    files: tuple[SourceFile, ...]

    @property
    def folder(self) -> PurePosixPath:
        """Folder of the export inside its source."""
        return self.gaze.file.folder

    @property
    def frame(self) -> Frame | None:
        """The numbers at the picture's borders; None for pixels of the picture itself."""
        return self.format.frame

    @property
    def material(self) -> tuple[SourceFile, ...]:
        """Files that decide what a study holds: gaze, fixations, sections and picture."""
        files = (self.gaze.file, self.fixations, self.sections, self.picture)
        return tuple(file for file in files if file is not None)

    @property
    def fixations(self) -> SourceFile | None:
        """The table of fixations."""
        return self._file(FIXATIONS_FILE)

    @property
    def sections(self) -> SourceFile | None:
        """The table that lists recordings and their sections."""
        return self._file(SECTIONS_FILE)

    @property
    def picture(self) -> SourceFile | None:
        """The reference image: the picture of that name, else the only one there is."""
        pictures = [file for file in self.files if is_picture(file.name)]
        named = [file for file in pictures if _is_named_picture(file)]
        return next(iter(named or (pictures if len(pictures) == 1 else ())), None)

    @property
    def picture_notice(self) -> str:
        """What is to be said of the picture's name; mostly nothing."""
        picture = self.picture
        if picture is None or _is_named_picture(picture):
            return ""
        return (
            f"{picture} is used as the reference image, since it is the only picture beside "
            f"{GAZE_FILE}."
        )

    def _file(self, name: str) -> SourceFile | None:
        return next((file for file in self.files if file.name.lower() == name), None)


def is_picture(name: str) -> bool:
    """Tell whether a file is a picture, by its name."""
    return PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES


def is_zip(name: str) -> bool:
    """Tell whether a file is a ZIP, by its name."""
    return name.lower().endswith(".zip")


def is_gaze(name: str) -> bool:
    """Tell whether a file makes an export of its folder, by its name."""
    return name.lower() == GAZE_FILE


def is_info(name: str) -> bool:
    """Tell whether a file says of a download what it is, by its name."""
    return name.lower() == INFO_FILE


def _is_named_picture(file: SourceFile) -> bool:
    return PurePosixPath(file.name).stem.lower() in PICTURE_STEMS


def find_exports(files: Iterable[SourceFile]) -> tuple[list[FoundExport], list[GazeheatError]]:
    """Find the exports among the files of one source; reads headers only.

    Returns
    -------
    found : list of FoundExport
        Empty where there are more than the limits allow.
    problems : list of GazeheatError
        What is wrong with the folders that looked like an export and are none. Of many
        folders there is one that says how many.
    """
    folders: dict[PurePosixPath, list[SourceFile]] = {}
    for file in files:
        folders.setdefault(file.folder, []).append(file)
    found: list[FoundExport] = []
    problems: list[GazeheatError] = []
    for folder, members in folders.items():
        gaze = [file for file in members if is_gaze(file.name)]
        try:
            if len(gaze) > 1:
                raise ExportError(
                    f"Several files named {GAZE_FILE} were given together, so it is not clear "
                    "what belongs to what. Give one export's files, or one folder, at a time, "
                    "or the ZIPs."
                )
            if gaze:
                found.append(_recognise(gaze[0], folder, members))
        except GazeheatError as error:
            problems.append(error)
        if found and len(found) > (most := found[0].gaze.file.limits.exports):
            source = found[0].gaze.file.source or "The files given"
            return [], [
                LimitError(f"{source}: more than {most:,} exports. Give some of them at a time.")
            ]
    if not found and not problems:
        problems.append(_nothing_found([file for members in folders.values() for file in members]))
    return found, _together(problems)


def _together(problems: list[GazeheatError]) -> list[GazeheatError]:
    """Make one problem of many: the first that is not excused by good exports beside it."""
    if len(problems) <= _FEW_PROBLEMS:
        return problems
    first = next((p for p in problems if not isinstance(p, UnmappedError)), problems[0])
    return [
        type(first)(
            f"{len(problems):,} folders hold a {GAZE_FILE} that cannot be used. The first: {first}"
        )
    ]


def enrichment_name(folder: str) -> str:
    """Return the enrichment's name from its download's folder or file name.

    Examples
    --------
    >>> enrichment_name("My project_REFERENCE-IMAGE-MAPPER_Shop shelf_csv (1)")
    'Shop shelf'
    >>> enrichment_name("marker_mapper_2025")
    'marker_mapper_2025'
    """
    match = _FOLDER_NAME.match(folder)
    return match["name"] if match else folder


def enrichment_kind(folder: str, form: Format) -> str:
    """Return what made an export, in words, from its folder's name and its format.

    Two enrichments may have the same columns: then the folder's name alone tells them apart.
    It does not make a known format another one.

    Examples
    --------
    >>> enrichment_kind("Study_AUTO-IMAGE-MAPPER_Poster_csv", formats.REFERENCE_IMAGE)
    'Auto Image Mapper'
    >>> enrichment_kind("Study_MARKER-MAPPER_Poster_csv", formats.REFERENCE_IMAGE)
    'Reference Image Mapper'
    """
    match = _FOLDER_NAME.match(folder)
    words = match["type"].replace("-", " ").title() if match else form.title
    return form.title if any(words == one.title for one in formats.FORMATS) else shown(words)


def _recognise(file: SourceFile, folder: PurePosixPath, members: list[SourceFile]) -> FoundExport:
    table = read_header(file)
    form = _gaze_format(table, members)
    formats.find_layout(form, table)  # names the missing columns
    name = folder.name or re.sub(r"\.zip$", "", file.source, flags=re.IGNORECASE)
    if not name and file.disk is not None:
        name = file.disk.absolute().parent.name
    name = name or UNTITLED
    return FoundExport(
        name=shown(enrichment_name(name)),
        kind=enrichment_kind(name, form),
        format=form,
        gaze=table,
        files=tuple(members),
    )


def _gaze_format(table: Table, members: list[SourceFile]) -> Format:
    best = formats.recognise(table.columns)
    gaze = next((one for one in best if one.holds == "gaze"), None)
    gaze = gaze or formats.meant(table.columns, "gaze")
    if gaze is not None:
        return gaze
    useless = next((one for one in best if one.holds == "nothing"), None)
    if useless is None and _has_file(members, _FACE_FILES):
        useless = formats.FACE
    if useless is not None:
        raise UnmappedError(f"{table.file}: {useless.hint}")
    raise formats.unknown_header(table)


def _has_file(files: list[SourceFile], pattern: str) -> bool:
    return any(re.fullmatch(pattern, file.name, re.IGNORECASE) for file in files)


def _nothing_found(files: list[SourceFile]) -> GazeheatError:
    source = next((file.source for file in files if file.source), "") or "The files given"
    what = next((what for pattern, what in _FOREIGN_FILES if _has_file(files, pattern)), None)
    if what:
        return UnmappedError(
            f"{source}: this looks like {what}, which holds no {GAZE_FILE} "
            f"mapped to a picture. {HOW_TO_MAP}"
        )
    fixations = next((file for file in files if file.name == FIXATIONS_FILE), None)
    if fixations is not None:
        return _fixations_alone(source, fixations)
    names = sorted({file.name for file in files})
    inner = next((name for name in names if is_zip(name)), None)
    if inner:
        return ExportError(f"{source}: it holds another ZIP ({shown(inner)}). Give that one.")
    found = f"{source}: no {GAZE_FILE} found" + (
        f", only {listed(names, 8, '')}" if names else "; it is empty"
    )
    if any(map(is_info, names)) and all(is_info(name) or is_picture(name) for name in names):
        return ExportError(f"{found}. {SAFARI_LEFT}")
    return ExportError(
        f"{found}. Give the download of a Reference Image Mapper or Marker Mapper enrichment, "
        "with all its files."
    )


def _fixations_alone(source: str, file: SourceFile) -> ExportError:
    """Say what is missing beside fixations, as far as their header tells."""
    alone = f"{source}: there is a {FIXATIONS_FILE} but no {GAZE_FILE}"
    try:
        columns = read_header(file).columns
    except GazeheatError:
        columns = ()
    for form in formats.recognise(columns):
        if form.holds == "fixations":
            return ExportError(
                f"{alone}. The fixations are those of a {form.title} export. Give its "
                f"{GAZE_FILE} too: download the enrichment again, with all its files."
            )
        if form is not formats.MANUAL:
            return UnmappedError(f"{file}: {form.hint}")
    return ExportError(f"{alone}, as in a Manual Mapper export, which has no gaze. {HOW_TO_MAP}")
