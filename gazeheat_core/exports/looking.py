"""What a table is, by its first lines and its name.

Formats that fit its header, the columns that it lacks of one, or a header by the look of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gazeheat_core.errors import ColumnsError, GazeheatError, listed
from gazeheat_core.exports import formats, tables
from gazeheat_core.exports.columns import Format, Header, lacking
from gazeheat_core.exports.filenames import (
    AREAS_START,
    FIXATIONS_HINT,
    SECTIONS_FILE,
    SECTIONS_HINT,
    SPREADSHEETS,
    file_named,
    is_gaze,
    is_table,
    sidecar_of,
    sidecars_among,
)
from gazeheat_core.exports.formats import PUPIL_CLOUD
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.exports.tables import Table, read_header

# What a person has to do with a table that nobody has described.
_SAY_WHICH = "Say which of them hold the positions."
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


@dataclass(frozen=True, slots=True)
class Looked:
    """A table whose header is known, and the formats that fit it.

    Attributes
    ----------
    table : Table
    formats : tuple of Format
        Empty where only the file's name says what it is.
    """

    table: Table
    formats: tuple[Format, ...]

    @property
    def file(self) -> SourceFile:
        """The file that the table is in."""
        return self.table.file

    def holding(self, holds: str) -> Format | None:
        """Return the format that fits a table of gaze, of fixations or of nothing of use."""
        return next((one for one in self.formats if one.holds == holds), None)


class Look:
    """Looks at the headers of tables.

    Attributes
    ----------
    unknown : list of SourceFile
        Tables that are none that is known.
    refused : GazeheatError or None
        What is wrong with the first file that has the name of a table and is none.
    """

    def __init__(self, known: Sequence[Format]) -> None:
        self._known = tuple(known)
        self.unknown: list[SourceFile] = []
        self.refused: GazeheatError | None = None
        # Files of the folder that may say what the columns of a table are called.
        self._sidecars: dict[str, SourceFile] = {}
        self._count = 0

    def into(self, members: list[SourceFile]) -> list[Looked]:
        """Look at the tables of a folder; of Pupil Cloud's at those only that make an export.

        Raises
        ------
        GazeheatError
            When one has the name of a table of gaze and cannot be read.
        """
        self._sidecars = sidecars_among(members)
        named = [self._named(file) for file in members if is_gaze(file.name)]
        is_cloud = any(one.holding("gaze") in PUPIL_CLOUD for one in named)
        wanted = FIXATIONS_HINT if is_cloud else ""
        others = (
            self._other(file)
            for file in members
            if is_table(file.name)
            and not is_gaze(file.name)
            and wanted in file.name.lower()
            and not file.name.lower().startswith(AREAS_START)
        )
        return [*named, *(one for one in others if one is not None)]

    def _named(self, file: SourceFile) -> Looked:
        return self._recognised(file) or Looked(read_header(file), ())

    def _other(self, file: SourceFile) -> Looked | None:
        self._count += 1
        if self._count > _MOST_TABLES:
            return None
        try:
            looked = self._recognised(file)
        except GazeheatError as error:
            if file.path.suffix.lower() in SPREADSHEETS:
                self.refused = self.refused or error
            return None
        if looked is None:
            self.unknown.append(file)
        elif Header(looked.table.columns).find(formats.AREAS):
            return None
        return looked

    def _recognised(self, file: SourceFile) -> Looked | None:
        described = _described_elsewhere(file, self._sidecars)
        if described is not None:
            fitting = formats.recognise(described.columns, self._known)
            return Looked(described, fitting) if fitting else None
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
                    return Looked(Table(file, cells, delimiter, number + 1), fitting)
        # A person may have named the columns by their numbers.
        if any(one.x.startswith("#") for one in self._known):
            table = headless_table(file, lines)
            if table is not None and (fitting := formats.recognise(table.columns, self._known)):
                return Looked(table, fitting)
        return None


def near_format(
    file: SourceFile, sidecars: dict[str, SourceFile]
) -> tuple[Format, list[str]] | None:
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


def unknown_table(file: SourceFile) -> UnknownTableError | None:
    """Return the error for a table whose columns nobody has described; None for no table."""
    table = guessed_table(file, tables.read_lines(file, _LINES_BEFORE))
    if table is None or _is_of_sections(table):
        return None
    return UnknownTableError(
        f"{file}: a table, with columns that are not known here: {listed(table.columns)}. "
        f"{_SAY_WHICH}",
        file,
    )


def sections_table(members: list[SourceFile]) -> SourceFile | None:
    """Return the table that lists recordings and their sections, by its name or its header."""
    named = file_named(members, SECTIONS_FILE)
    if named is not None:
        return named
    for file in members:
        if is_table(file.name) and SECTIONS_HINT in file.name.lower():
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


def empty_gaze(looked: list[Looked]) -> list[Looked]:
    """Return a folder's tables of gaze where none has a row, and fixations beside them do."""
    gaze = [one for one in looked if one.holding("gaze")]
    fixations = [one for one in looked if one not in gaze and one.holding("fixations")]
    if not gaze or not fixations or any(map(_has_rows, gaze)):
        return []
    return gaze if any(map(_has_rows, fixations)) else []


def _has_rows(looked: Looked) -> bool:
    """Tell whether there is a row soon below the header."""
    first = looked.table.header_lines
    lines = tables.read_lines(looked.file, first + _BLANK_LINES)
    return any(line.strip() for line in lines[first:])


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


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


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
                return Table(file, names, delimiter, number)
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
            return Table(file, names, delimiter, number)
    return None


def _described_elsewhere(file: SourceFile, sidecars: dict[str, SourceFile]) -> Table | None:
    """Return a table without a header whose columns a file beside it names, as in BIDS."""
    beside = sidecar_of(file, sidecars)
    if beside is None:
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

    return Table(file, tuple(map(with_unit, names)), "\t", 0)


_UNITS = {"pixel": "px", "pixels": "px", "second": "s", "seconds": "s", "millisecond": "ms"}
_UNITS |= {"milliseconds": "ms", "sec": "s", "msec": "ms", "microseconds": "us"}
