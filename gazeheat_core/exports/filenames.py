"""What files and folders are called.

The only place that knows the names of files and folders. A name is a hint: headers decide what
a table holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from gazeheat_core.errors import shown
from gazeheat_core.exports import formats
from gazeheat_core.exports.columns import Format
from gazeheat_core.exports.sources import SourceFile

GAZE_FILE = "gaze.csv"
FIXATIONS_FILE = "fixations.csv"
SECTIONS_FILE = "sections.csv"
# Where the corners of a surface were seen; the second is what it was called until 2023.
CORNERS_FILES = ("surface_positions.csv", "aoi_positions.csv")
# The name of an export whose files came without a folder or a ZIP.
UNTITLED = "Untitled export"
PICTURE_STEMS = ("reference_image", "plane_image")
PICTURE_SUFFIXES = (
    *(".jpeg", ".jpg", ".png", ".heic", ".heif", ".avif"),
    *(".webp", ".bmp", ".tif", ".tiff"),
)
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".gz", ".tab", ".xlsx", ".xls")

# In each download, and the only file beside the picture that Safari keeps of it.
INFO_FILE = "info.json"

# What tells a workbook, and names that only tables have.
WORKBOOK = PurePosixPath("xl/workbook.xml")
SPREADSHEETS = (".csv", ".tsv", ".xlsx", ".xls")
# Tables of areas of interest repeat columns of fixations.
AREAS_START = "aoi_"
# What names of tables of fixations and of sections have in them, whatever else.
FIXATIONS_HINT, SECTIONS_HINT = "fixation", "section"
# Folders that programs make in every recording, so that they name none.
_EVERYWHERE = re.compile(r"exports?|surfaces?|\d{1,4}|gaze|data", re.IGNORECASE)

# Project, type and name of a download's folder.
_FOLDER_NAME = re.compile(
    r"^.*?_(?P<type>[A-Z]+(?:-[A-Z]+)*-MAPPER)_(?P<name>.+?)(?:_csv)?(?: \(\d+\))?$"
)

# Files that tell of a download that is known, and of no use here.
FACE_FILES = r"gaze_on_face\.csv|fixations_on_face\.csv|face_positions\.csv"
RAW_FILES = r"scene_camera\.json|world_timestamps\.csv|events\.csv|imu\.csv"


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


def is_named_picture(file: SourceFile) -> bool:
    """Tell whether a picture is called as Pupil Cloud calls it."""
    return PurePosixPath(file.name).stem.lower() in PICTURE_STEMS


def is_table(name: str) -> bool:
    """Tell whether a file may be a table, by its name."""
    return PurePosixPath(name).suffix.lower() in TABLE_SUFFIXES


def file_named(files: Iterable[SourceFile], name: str) -> SourceFile | None:
    """Return the first file of that name, which is given in lower case."""
    return next((file for file in files if file.name.lower() == name), None)


def has_file(files: list[SourceFile], pattern: str) -> bool:
    """Tell whether the name of a file is like the pattern."""
    return any(re.fullmatch(pattern, file.name, re.IGNORECASE) for file in files)


def sidecars_among(members: Iterable[SourceFile]) -> dict[str, SourceFile]:
    """Return, by name, the files that may say what the columns of a table are called."""
    return {file.name: file for file in members if file.path.suffix.lower() == ".json"}


def sidecar_of(file: SourceFile, sidecars: dict[str, SourceFile]) -> SourceFile | None:
    """Return the file that says what the columns of a table are called, as in BIDS."""
    name = re.sub(r"(\.tsv)?(\.gz)?$", "", file.name, flags=re.IGNORECASE)
    return None if name == file.name else sidecars.get(f"{name}.json")


def stem(name: str) -> str:
    """Return a file's name without what tells of its kind."""
    known = (*PICTURE_SUFFIXES, *TABLE_SUFFIXES)
    while (path := PurePosixPath(name)).suffix.lower() in known:
        name = path.stem
    return name


def source_name(file: SourceFile) -> str:
    """Return the name of what a file came in, without that of a ZIP; empty where it has none."""
    return re.sub(r"\.zip$", "", file.source, flags=re.IGNORECASE)


def recording_folder(folder: PurePosixPath) -> PurePosixPath:
    """Return the folder of a recording, above those that programs make in every one.

    Examples
    --------
    >>> str(recording_folder(PurePosixPath("study/ada/000/exports/000/surfaces")))
    'study/ada'
    """
    while _EVERYWHERE.fullmatch(folder.name):
        folder = folder.parent
    return folder


def telling_name(path: tuple[str, ...], file: SourceFile) -> str:
    """Name a recording that stands alone: its file, or the first folder that names something."""
    parts = [part for part in reversed(path) if part and not _EVERYWHERE.fullmatch(part)]
    return next(iter(parts), source_name(file) or "Recording 1")


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
