"""Which files make an export, and what it is called.

The only place that knows the names of files and folders. A name is a hint: headers decide what
a table holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import PurePosixPath
from typing import Any

from gazeheat_core.errors import (
    ColumnsError,
    ExportError,
    GazeheatError,
    LimitError,
    SourceError,
    UnmappedError,
    listed,
    shown,
)
from gazeheat_core.exports import formats, tables
from gazeheat_core.exports.columns import (
    Format,
    Header,
    find_columns,
    find_layout,
    lacking,
    to_values,
)
from gazeheat_core.exports.contents import Contents, KnownTable, OnRows, time_is_whole_ns
from gazeheat_core.exports.formats import HOW_TO_MAP, PUPIL_CLOUD
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.exports.tables import Table, read_header
from gazeheat_core.model import Frame

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
SAFARI_LEFT = (
    "This is what Safari leaves of a download: it unpacks the ZIP and keeps only the files that "
    "it calls safe. Download the enrichment again with another browser, or first switch off "
    "'Open \"safe\" files after downloading' in Safari's settings, under General."
)

# What a person has to do with a table that nobody has described.
_SAY_WHICH = "Say which of them hold the positions."
# Problems of one source that are told one by one.
_FEW_PROBLEMS = 5
# Tables of one source whose headers are looked at.
_MOST_TABLES = 1_000
_MOST_COLUMNS = 2_000
# Blank lines below a header that no row follows.
_BLANK_LINES = 50
# Lines that may stand before a header, and characters that separate cells.
_LINES_BEFORE, _DELIMITERS = 200, "\t,;|"
# A line under a header that says how large the screen was: "(0, 0), 1920 x 1080".
SCREEN_LINE = re.compile(
    r'["\s]*\(\s*(-?\d{1,6})\s*[,;]\s*(-?\d{1,6})\s*\)"?\s*[,;\t]?\s*"?(\d{1,6})\s*[x×]\s*(\d{1,6})'
    r'["\s,;]*'
)
_NUMBER = re.compile(r'"?\s*[-+]?[\d.,]*(?:[eE][-+]?\d+)?\s*"?')
# What tells a workbook, and names that only tables have.
_WORKBOOK = PurePosixPath("xl/workbook.xml")
_SPREADSHEETS = (".csv", ".tsv", ".xlsx", ".xls")
# Tables of areas of interest repeat columns of fixations.
_AREAS = "aoi_"
# Folders that programs make in every recording, so that they name none.
_EVERYWHERE = re.compile(r"exports?|surfaces?|\d{1,4}|gaze|data", re.IGNORECASE)

# Project, type and name of a download's folder.
_FOLDER_NAME = re.compile(
    r"^.*?_(?P<type>[A-Z]+(?:-[A-Z]+)*-MAPPER)_(?P<name>.+?)(?:_csv)?(?: \(\d+\))?$"
)

# Files that tell of a download that is known, and of no use here.
_FACE_FILES = r"gaze_on_face\.csv|fixations_on_face\.csv|face_positions\.csv"
_RAW_FILES = r"scene_camera\.json|world_timestamps\.csv|events\.csv|imu\.csv"


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
        return next((file for name in CORNERS_FILES if (file := _file(self.files, name))), None)

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
            wanted = {self.stimulus.lower(), _stem(self.stimulus).lower()}
            if {file.name.lower(), _stem(file.name).lower()} & wanted:
                return True
            if not self._is_alone:
                return False
        return _is_named_picture(file)


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


def is_table(name: str) -> bool:
    """Tell whether a file may be a table, by its name."""
    return PurePosixPath(name).suffix.lower() in TABLE_SUFFIXES


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


def _stem(name: str) -> str:
    """Return a file's name without what tells of its kind."""
    known = (*PICTURE_SUFFIXES, *TABLE_SUFFIXES)
    while (path := PurePosixPath(name)).suffix.lower() in known:
        name = path.stem
    return name


class UnknownTableError(ColumnsError):
    """A table whose columns nobody has described: a person has to say which is what.

    Attributes
    ----------
    file : SourceFile
    guess : Format or None
        The description that lacks something, if there is one.
    """

    def __init__(self, message: str, file: SourceFile, guess: Format | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.guess = guess

    def otherwise(self, way: str) -> ColumnsError:
        """Return the error where nobody can be asked, with what to do in place of an answer."""
        return ColumnsError(f"{str(self).removesuffix(_SAY_WHICH).rstrip()} {way}")


def find_exports(
    files: Iterable[SourceFile],
    known: Sequence[Format] = (),
    on_rows: OnRows | None = None,
) -> tuple[list[FoundExport], list[GazeheatError]]:
    """Find the exports among the files of one source.

    Headers are read, and the rows of those tables only that say in each row what was looked at.

    Parameters
    ----------
    files : iterable of SourceFile
    known : sequence of Format
        Descriptions of tables beside those that are known to all; they come first.
    on_rows : callable, optional
        Called with the rows read so far and the share of the files, where rows are read.

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
    everything = [file for members in folders.values() for file in members]
    found: list[FoundExport] = []
    problems: list[GazeheatError] = []
    others: list[_Looked] = []
    empty: list[SourceFile] = []
    look = _Look(known)
    for folder, members in folders.items():
        try:
            looked = look.into(members)
            without_rows = _empty_gaze(looked)
            empty += [one.file for one in without_rows]
            looked = [one for one in looked if one not in without_rows]
            cloud = _cloud_export(folder, members, looked)
            if cloud is not None:
                found.append(cloud)
            else:
                others += looked
        except GazeheatError as error:
            problems.append(error)
        if _are_too_many(found, everything, problems):
            return [], problems
    for export in _other_exports(others, everything, problems, on_rows):
        found.append(replace(export, empty=tuple(one for one in empty if one in export.files)))
        if _are_too_many(found, everything, problems):
            return [], problems
    if not found and not problems:
        problems.append(_nothing_found(everything, others, look))
    problems = _together(problems)
    return found, [*map(_beside_exports, problems)] if found else problems


def _are_too_many(
    found: list[FoundExport], files: list[SourceFile], problems: list[GazeheatError]
) -> bool:
    """Tell whether there are too many exports; then that is the only problem."""
    if not found or len(found) <= (most := found[0].gaze.file.limits.exports):
        return False
    source = found[0].gaze.file.source or "The files given"
    problems[:] = [
        LimitError(f"{source}: more than {most:,} exports. Give some of them at a time.")
    ]
    return True


def _together(problems: list[GazeheatError]) -> list[GazeheatError]:
    """Make one problem of many: the first that is not excused by good exports beside it."""
    if len(problems) <= _FEW_PROBLEMS:
        return problems
    first = next((p for p in problems if not isinstance(p, UnmappedError)), problems[0])
    words = f"{len(problems):,} folders hold a {GAZE_FILE} that cannot be used. The first: {first}"
    if isinstance(first, UnknownTableError):
        return [UnknownTableError(words, first.file, first.guess)]
    return [type(first)(words)]


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


# --- What a table is -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Looked:
    """A table whose header is known, and the formats that fit it."""

    table: Table
    formats: tuple[Format, ...]

    @property
    def file(self) -> SourceFile:
        return self.table.file

    def holding(self, holds: str) -> Format | None:
        return next((one for one in self.formats if one.holds == holds), None)


class _Look:
    """Looks at the headers of tables."""

    def __init__(self, known: Sequence[Format]) -> None:
        self._known = tuple(known)
        # Tables that are none that is known.
        self.unknown: list[SourceFile] = []
        # What is wrong with the first file that has the name of a table and is none.
        self.refused: GazeheatError | None = None
        # Files of the folder that may say what the columns of a table are called.
        self._sidecars: dict[str, SourceFile] = {}
        self._count = 0

    def into(self, members: list[SourceFile]) -> list[_Looked]:
        """Look at the tables of a folder; of Pupil Cloud's at those only that make an export.

        Raises
        ------
        GazeheatError
            When one has the name of a table of gaze and cannot be read.
        """
        self._sidecars = _sidecars(members)
        named = [self._named(file) for file in members if is_gaze(file.name)]
        is_cloud = any(one.holding("gaze") in PUPIL_CLOUD for one in named)
        wanted = "fixation" if is_cloud else ""
        others = (
            self._other(file)
            for file in members
            if is_table(file.name)
            and not is_gaze(file.name)
            and wanted in file.name.lower()
            and not file.name.lower().startswith(_AREAS)
        )
        return [*named, *(one for one in others if one is not None)]

    def _named(self, file: SourceFile) -> _Looked:
        return self._recognised(file) or _Looked(read_header(file), ())

    def _other(self, file: SourceFile) -> _Looked | None:
        self._count += 1
        if self._count > _MOST_TABLES:
            return None
        try:
            looked = self._recognised(file)
        except GazeheatError as error:
            if file.path.suffix.lower() in _SPREADSHEETS:
                self.refused = self.refused or error
            return None
        if looked is None:
            self.unknown.append(file)
        elif Header(looked.table.columns).find(formats.AREAS):
            return None
        return looked

    def _recognised(self, file: SourceFile) -> _Looked | None:
        described = _described_elsewhere(file, self._sidecars)
        if described is not None:
            fitting = formats.recognise(described.columns, self._known)
            return _Looked(described, fitting) if fitting else None
        lines = tables.read_lines(file, _LINES_BEFORE)
        for number, line in enumerate(lines):
            for delimiter in _DELIMITERS:
                if not 0 < line.count(delimiter) < _MOST_COLUMNS:
                    continue
                cells = tuple(cell.strip() for cell in tables.split_line(line, delimiter))
                if sum(map(_is_number, cells)) * 2 > len(cells):
                    continue
                fitting = formats.recognise(cells, self._known)
                if fitting:
                    decimal = "," if delimiter == ";" else "."
                    return _Looked(Table(file, cells, delimiter, decimal, number + 1), fitting)
        # A person may have named the columns by their numbers.
        if any(one.x.startswith("#") for one in self._known):
            table = headless_table(file, lines)
            if table is not None and (fitting := formats.recognise(table.columns, self._known)):
                return _Looked(table, fitting)
        return None


def _near(file: SourceFile, sidecars: dict[str, SourceFile]) -> tuple[Format, list[str]] | None:
    """Return a format whose position a table has, and the columns that it lacks of it."""
    described = _described_elsewhere(file, sidecars)
    if described is not None:
        return formats.BIDS, lacking(formats.BIDS, Header(described.columns))
    for line in tables.read_lines(file, _LINES_BEFORE):
        _, cells = cells_of(line)
        if not 2 <= len(cells) < _MOST_COLUMNS:
            continue
        header = Header(cells)
        for form in formats.FORMATS:
            if form.holds != "nothing" and header.find(form.x):
                return form, lacking(form, header)
    return None


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def cells_of(line: str) -> tuple[str, tuple[str, ...]]:
    """Return what separates the cells of a line, and the cells."""
    split = {sign: tables.split_line(line, sign) for sign in _DELIMITERS if sign in line}
    if not split:
        return ",", (line.strip(),)

    def rank(sign: str) -> tuple[int, bool, int]:
        # Of numbers, commas may be the decimal signs.
        numbers = sum(map(_is_number, filter(None, split[sign])))
        return numbers, numbers > 0 and sign != ",", len(split[sign])

    delimiter = max(split, key=rank)
    return delimiter, tuple(cell.strip() for cell in split[delimiter])


def table_of(file: SourceFile, names: tuple[str, ...], delimiter: str, header_lines: int) -> Table:
    """Return a table in which commas are decimal signs where they do not separate the cells."""
    return Table(file, names, delimiter, "." if delimiter == "," else ",", header_lines)


def guessed_table(file: SourceFile, lines: list[str]) -> Table | None:
    """Return a table by the look of it: the line before the first one of numbers is its header.

    None where there are no two columns of numbers.
    """
    before = ""
    for number, line in enumerate(lines):
        delimiter, cells = cells_of(line)
        numbers = sum(bool(cell) and _is_number(cell) for cell in cells)
        if numbers >= 2:
            names = cells_of(before)[1] if before else ()
            if len(names) >= 2 and not any(map(_is_number, filter(None, names))):
                return table_of(file, names, delimiter, number)
            return headless_table(file, lines)
        if line.strip() and not SCREEN_LINE.fullmatch(line):
            before = line
    return None


def headless_table(file: SourceFile, lines: list[str]) -> Table | None:
    """Return a table without a header: its columns are called #1, #2 and so on."""
    for number, line in enumerate(lines):
        delimiter, cells = cells_of(line)
        if sum(bool(cell) and _is_number(cell) for cell in cells) >= 2:
            names = tuple(f"#{n}" for n in range(1, len(cells) + 1))
            return table_of(file, names, delimiter, number)
    return None


def _sidecars(members: Iterable[SourceFile]) -> dict[str, SourceFile]:
    return {file.name: file for file in members if file.path.suffix.lower() == ".json"}


def _described_elsewhere(file: SourceFile, sidecars: dict[str, SourceFile]) -> Table | None:
    """Return a table without a header whose columns a file beside it names, as in BIDS."""
    name = re.sub(r"(\.tsv)?(\.gz)?$", "", file.name, flags=re.IGNORECASE)
    beside = sidecars.get(f"{name}.json")
    if beside is None or name == file.name:
        return None
    try:
        said = json.loads(beside.read(file.limits.small_table_bytes))
    except (GazeheatError, ValueError, RecursionError):
        return None
    names = said.get("Columns") if isinstance(said, dict) else None
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        return None

    def with_unit(column: str) -> str:
        about = said.get(column)
        unit = about.get("Units") if isinstance(about, dict) else None
        if not isinstance(unit, str):
            return column
        return f"{column} [{_UNITS.get(unit.lower(), unit)}]"

    return Table(file, tuple(map(with_unit, names)), "\t", ".", 0)


_UNITS = {"pixel": "px", "pixels": "px", "second": "s", "seconds": "s", "millisecond": "ms"}
_UNITS |= {"milliseconds": "ms", "sec": "s", "msec": "ms", "microseconds": "us"}


def _empty_gaze(looked: list[_Looked]) -> list[_Looked]:
    """Return a folder's tables of gaze where none has a row, and fixations beside them do."""
    gaze = [one for one in looked if one.holding("gaze")]
    fixations = [one for one in looked if one not in gaze and one.holding("fixations")]
    if not gaze or not fixations or any(map(_has_rows, gaze)):
        return []
    return gaze if any(map(_has_rows, fixations)) else []


def _has_rows(looked: _Looked) -> bool:
    """Tell whether there is a row soon below the header."""
    first = looked.table.header_lines
    lines = tables.read_lines(looked.file, first + _BLANK_LINES)
    return any(line.strip() for line in lines[first:])


# --- Exports of Pupil Cloud ----------------------------------------------------------


def _cloud_export(
    folder: PurePosixPath, members: list[SourceFile], looked: list[_Looked]
) -> FoundExport | None:
    """Return the export that the tables of a folder make; None where they are others'.

    Raises
    ------
    GazeheatError
        When there is a table of gaze that cannot be used.
    """
    named = [one for one in looked if is_gaze(one.file.name)]
    if len(named) > 1:
        raise ExportError(
            f"Several files named {GAZE_FILE} were given together, so it is not clear "
            "what belongs to what. Give one export's files, or one folder, at a time, "
            "or the ZIPs."
        )
    gaze = named or [one for one in looked if one.holding("gaze") in PUPIL_CLOUD]
    if not gaze:
        return None
    if len(gaze) > 1:
        raise ExportError(
            f"Several tables of gaze lie together ({listed([one.file.name for one in gaze], 4)}), "
            "so it is not clear which one is meant. Give one of them at a time."
        )
    table = gaze[0].table
    form = _gaze_format(gaze[0], members)
    if form not in PUPIL_CLOUD:
        return None
    if Header(table.columns).find_time(form.time) is None:
        find_columns(table, *form.recording, form.detected, form.x, form.y)
    else:
        find_layout(form, table)  # names the missing columns
    fixations = _file(members, FIXATIONS_FILE) or next(
        (
            one.file
            for one in looked
            if one.file is not table.file
            and one.holding("fixations") is formats.fixations_beside(form)
        ),
        None,
    )
    name = folder.name or _source_name(table.file)
    if not name and table.file.disk is not None:
        name = table.file.disk.absolute().parent.name
    name = name or UNTITLED
    found = FoundExport(
        name=shown(enrichment_name(name)),
        kind=enrichment_kind(name, form),
        format=form,
        gaze=table,
        files=tuple(members),
        fixations=fixations,
        sections=_sections(members),
    )
    if time_is_whole_ns(table, form):
        return found
    beside = next((one for one in looked if one.file is fixations), None)
    known = [KnownTable(table, form)]
    if beside is not None and (fixated := beside.holding("fixations")) is not None:
        known.append(KnownTable(beside.table, fixated))
    return replace(found, contents=Contents(known))


def _sections(members: list[SourceFile]) -> SourceFile | None:
    """Return the table that lists recordings and their sections, by its name or its header."""
    named = _file(members, SECTIONS_FILE)
    if named is not None:
        return named
    for file in members:
        if is_table(file.name) and "section" in file.name.lower():
            try:
                if _is_of_sections(read_header(file)):
                    return file
            except GazeheatError:
                continue
    return None


def _is_of_sections(table: Table) -> bool:
    header = Header(table.columns)
    known = formats.SECTIONS
    return all(header.find(column) for column in (known.recording, known.name, known.start))


def _source_name(file: SourceFile) -> str:
    return re.sub(r"\.zip$", "", file.source, flags=re.IGNORECASE)


def _file(files: Iterable[SourceFile], name: str) -> SourceFile | None:
    return next((file for file in files if file.name.lower() == name), None)


def _gaze_format(looked: _Looked, members: list[SourceFile]) -> Format:
    gaze = looked.holding("gaze")
    # Only Pupil Cloud has sections, so an id of the recording is missing.
    if gaze is formats.NEON_PLAYER and Header(looked.table.columns).find(formats.SECTIONS.section):
        gaze = formats.MARKERS
    gaze = gaze or formats.meant(looked.table.columns)
    if gaze is not None:
        return gaze
    useful = looked.holding("fixations")
    if useful is not None:
        return useful
    useless = looked.holding("nothing")
    if useless is None and _has_file(members, _FACE_FILES):
        useless = formats.FACE
    if useless is not None:
        raise UnmappedError(f"{looked.file}: {useless.hint}")
    unknown = None if _is_of_cloud(looked.table) else _unknown_table(looked.file)
    raise unknown or formats.unknown_header(looked.table)


def _is_of_cloud(table: Table) -> bool:
    """Tell whether a table has a column that only tables of Pupil Cloud have."""
    header = Header(table.columns)
    return any(header.find(name) for one in PUPIL_CLOUD for name in (*one.recording, one.x, one.y))


def _unknown_table(file: SourceFile) -> UnknownTableError | None:
    """Return the error for a table whose columns nobody has described; None for no table."""
    table = guessed_table(file, tables.read_lines(file, _LINES_BEFORE))
    if table is None or _is_of_sections(table):
        return None
    return UnknownTableError(
        f"{file}: a table, with columns that are not known here: {listed(table.columns)}. "
        f"{_SAY_WHICH}",
        file,
    )


def _beside_exports(problem: GazeheatError) -> GazeheatError:
    """Let no question about a table keep back the exports that were found with it."""
    if not isinstance(problem, UnknownTableError) or problem.guess is not None:
        return problem
    return problem.otherwise("Give it alone to say which of them hold the positions.")


# --- Exports of all others -----------------------------------------------------------


def _other_exports(
    looked: list[_Looked],
    files: list[SourceFile],
    problems: list[GazeheatError],
    on_rows: OnRows | None,
) -> Iterable[FoundExport]:
    """Yield the exports that tables of other programs make, one for each that was looked at.

    Tables of one program belong together: those of a folder where columns name the recordings,
    else those of all folders. What is wrong with some of them is added to the problems.
    """
    groups: dict[tuple[str, PurePosixPath | None], list[tuple[_Looked, Format]]] = {}
    for one in looked:
        for form in _read_as(one):
            if form.frame is not None and any(map(isnan, form.frame)):
                problems.append(
                    UnknownTableError(
                        f"{one.file}: this is a table of {form.title}. {form.hint}", one.file, form
                    )
                )
                continue
            header = Header(one.table.columns)
            has_names = any(header.find(column) for column in form.recording)
            folder = one.file.folder if has_names else None
            groups.setdefault((form.title, folder), []).append((one, form))
    for (_, folder), members in groups.items():
        try:
            yield from _group(folder, members, files, on_rows)
        except GazeheatError as error:
            problems.append(error)


def _read_as(one: _Looked) -> list[Format]:
    """Return the formats that a table is read in.

    Some programs write tables of gaze and of fixations with the same columns. One with the
    name of fixations then has a row for each, which is no sample of gaze.
    """
    useful = [form for form in one.formats if form.holds != "nothing"]
    usual = [form.holds for form in useful if _middle(one.file.name, form.file) is not None]
    return [form for form in useful if usual != ["fixations"] or form.holds == "fixations"]


def _group(
    folder: PurePosixPath | None,
    members: list[tuple[_Looked, Format]],
    files: list[SourceFile],
    on_rows: OnRows | None,
) -> Iterable[FoundExport]:
    """Yield the exports of tables that belong together.

    Raises
    ------
    GazeheatError
        When they cannot be read, or name nothing that was looked at.
    """
    known = _named(members)
    contents = Contents(known)
    first = next((one for one in known if one.format.holds == "gaze"), known[0])
    inside = {one.table.file.folder for one in known}
    beside = files if folder is None else [file for file in files if file.folder in inside]
    folder_name = folder.name if folder is not None else ""
    stimuli = contents.stimuli(on_rows)
    if not stimuli:
        column = Header(first.table.columns).find(first.format.picture)
        name = shown(first.table.columns[column[0].position]) if column else ""
        raise ExportError(
            f"{first.table.file}: this is a table of {first.format.title}, and "
            + (
                f"in no row '{name}' says what was looked at. "
                if contents.rows_without_picture
                else "there are no rows below the header. "
            )
            + first.format.hint
        )
    for stimulus in stimuli:
        name = stimulus or folder_name or _group_name(known)
        yield FoundExport(
            name=shown(enrichment_name(_stem(name) or name)),
            kind=enrichment_kind(folder_name, first.format),
            format=first.format,
            gaze=first.table,
            files=tuple(beside),
            sections=_sections(list(beside)),
            contents=contents,
            stimulus=stimulus,
        )


def _group_name(known: list[KnownTable]) -> str:
    """Name an export after its only file, or else after its source."""
    file = known[0].table.file
    if known[0].format in formats.OF_PUPIL_CLOUD:
        return _source_name(file) or UNTITLED
    stems = {_stem(one.table.file.name) for one in known}
    return stems.pop() if len(stems) == 1 else _source_name(file) or UNTITLED


def _named(members: list[tuple[_Looked, Format]]) -> list[KnownTable]:
    """Name the recording of each table, and what was looked at, where its file tells them.

    Recordings are told apart by those parts of their paths in which they differ.
    """
    stars = [_star(one, form) for one, form in members]
    paths = [
        (*one.file.folder.parts, recording)
        for (one, _), (recording, _) in zip(members, stars, strict=True)
    ]
    # One table of gaze and one of fixations are of the same recording, whatever they are called.
    is_pair = sorted(form.holds for _, form in members) == ["fixations", "gaze"]
    labels = _differing([paths[0]] * len(paths) if is_pair else paths)
    known = []
    for (one, form), (_, stimulus), path, label in zip(members, stars, paths, labels, strict=True):
        known.append(KnownTable(one.table, form, label or _telling(path, one.file), stimulus))
    return known


def _star(one: _Looked, form: Format) -> tuple[str, str]:
    """Return what a file's name says of the recording, and of what was looked at."""
    name = one.file.name
    # A table of gaze may hold the fixations too: it then has the name of its gaze.
    for usual in (form.file, *(other.file for other in one.formats)):
        middle = _middle(name, usual)
        if middle is not None:
            rows_tell = "*" in form.x or bool(form.picture) or form.title == formats.BIDS.title
            return (middle or _stem(name), "") if rows_tell else ("", middle)
    return _stem(name), ""


def _middle(name: str, usual: str) -> str | None:
    """Return what stands in the place of the star of a usual name; None for another name."""
    head, star, tail = usual.partition("*")
    if not star:
        return "" if usual and name == usual else None
    if len(name) < len(head + tail) or not (name.startswith(head) and name.endswith(tail)):
        return None
    return name[len(head) : len(name) - len(tail)]


def _differing(paths: list[tuple[str, ...]]) -> list[str]:
    """Return the parts in which paths differ, as one name each."""
    start = end = 0
    shortest = min(map(len, paths))
    while start < shortest and len({path[start] for path in paths}) == 1:
        start += 1
    while end < shortest - start and len({path[len(path) - 1 - end] for path in paths}) == 1:
        end += 1
    return ["/".join(filter(None, path[start : len(path) - end])) for path in paths]


def _telling(path: tuple[str, ...], file: SourceFile) -> str:
    """Name a recording that stands alone: its file, or the first folder that names something."""
    parts = [part for part in reversed(path) if part and not _EVERYWHERE.fullmatch(part)]
    return next(iter(parts), _source_name(file) or "Recording 1")


# --- Nothing -------------------------------------------------------------------------


def _has_file(files: list[SourceFile], pattern: str) -> bool:
    return any(re.fullmatch(pattern, file.name, re.IGNORECASE) for file in files)


def _nothing_found(files: list[SourceFile], looked: list[_Looked], look: _Look) -> GazeheatError:
    source = next((file.source for file in files if file.source), "") or "The files given"
    useless = next((one for one in looked if one.holding("nothing")), None)
    if useless is not None:
        form = useless.holding("nothing")
        assert form is not None
        return UnmappedError(f"{useless.file}: {form.hint}")
    if _has_file(files, _FACE_FILES):
        return UnmappedError(f"{source}: {formats.FACE.hint}")
    if _has_file(files, _RAW_FILES):
        return UnmappedError(
            f"{source}: this looks like a raw recording, which holds no gaze mapped to a picture. "
            f"{HOW_TO_MAP}"
        )
    for file in look.unknown[:_FEW_PROBLEMS]:
        near = _near(file, _sidecars(one for one in files if one.folder == file.folder))
        if near is not None:
            form, missing = near
            return UnknownTableError(
                f"{file}: this looks like a table of {form.title} without {listed(missing)}. "
                f"{form.hint}",
                file,
            )
        unknown = _unknown_table(file)
        if unknown is not None:
            return unknown
    if look.refused is not None:
        return look.refused
    if any(file.path == _WORKBOOK for file in files):
        return SourceError(f"{source}: {tables.WORKBOOK}")
    names = sorted({file.name for file in files})
    inner = next((name for name in names if is_zip(name)), None)
    if inner:
        return ExportError(f"{source}: it holds another ZIP ({shown(inner)}). Give that one.")
    if _file(files, FIXATIONS_FILE) is not None:
        return ExportError(
            f"{source}: there is a {FIXATIONS_FILE} without positions and no table of gaze, as in "
            f"a Manual Mapper export that is not finished. {HOW_TO_MAP}"
        )
    found = f"{source}: no table of gaze found" + (
        f", only {listed(names, 8, '')}" if names else "; it is empty"
    )
    if any(map(is_info, names)) and all(is_info(name) or is_picture(name) for name in names):
        return ExportError(f"{found}. {SAFARI_LEFT}")
    return ExportError(
        f"{found}. Give the download of a Reference Image Mapper or Marker Mapper enrichment, "
        "with all its files, or another eye tracker's table of mapped gaze."
    )
