"""What a table that nobody has described probably holds, and the file with a person's answers.

A guess is a `Format` like any other: it fills in the questions that a person is asked, and
what they answer is read as every known table is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import inf, isnan, nan

import numpy as np
import pandas as pd

from gazeheat_core.errors import SettingError, shown
from gazeheat_core.exports import tables
from gazeheat_core.exports.columns import (
    TIME_UNITS_NS,
    Format,
    Header,
    from_values,
    recognise,
    to_values,
)
from gazeheat_core.exports.contents import time_unit_ns
from gazeheat_core.exports.looking import (
    SCREEN_LINE,
    cells_of,
    guessed_table,
    headless_table,
)
from gazeheat_core.exports.sources import SourceFile, Upload, open_source
from gazeheat_core.exports.tables import Table
from gazeheat_core.model import FloatArray, Frame

TITLE = "Table"
# Lines that a header may be among, and rows that are looked at.
LINES = 200
_ROWS = 1_000
# Digits of a whole number in a file with answers; a longer one is read as a decimal number.
_LONGEST_NUMBER = 15
_UNIT_NAMES = {1: "ns", 1_000: "us", 1_000_000: "ms", 1_000_000_000: "s"}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|%")
_ENDS_WITH_UNIT = re.compile(r"\[[^\[\]]*\]$")
# Signs of the language of `columns`, which in a table are letters like any other.
_SIGNS = re.compile(r"[|?*]")

_GAZE_WORDS = {"gaze", "fix", "fixation", "point", "pos", "position", "por", "coord", "look"}
_OTHER_THINGS = {"pupil", "head", "eyeball", "acc", "gyro", "velocity", "vel", "size", "scene"}
_OTHER_THINGS |= {"world", "origin", "offset", "std", "sd", "dispersion", "mouse", "cursor"}
_OTHER_THINGS |= {"target", "window", "width", "height", "saccade", "amplitude", "confidence"}
_OF_TIME = ("timestamp", "time", "ts", "t", "onset", "start")
_OF_DURATION = ("duration", "dur")
_OF_PERSON = (
    *("participant", "respondent", "subject", "subj", "sub", "observer", "person", "user"),
    *("pid", "vp", "recording", "session", "id"),
)
_OF_PICTURE = ("stimulus", "stimuli", "stim", "image", "img", "picture", "pic", "media", "slide")
_OF_VALIDITY = ("valid", "validity", "detected", "found", "confidence", "conf")
_OF_NO_NAME = _OTHER_THINGS | {"index", "x", "y", "time"}
_OF_EVENTS = {"fixation", "fix", "blink", "saccade", "event", "trial", "frame", "time", "date"}
_OF_AREAS = {"aoi", "area", "interest"}
# Columns with a length, or with a number, of something else.
_OF_LENGTHS = {"recording", "media", "stimulus", "trial", "total", "image", "blink", "saccade"}


@dataclass(frozen=True, eq=False, slots=True)
class _Column:
    """A column of a table's first rows."""

    place: int
    name: str
    cells: list[str]
    numbers: FloatArray

    @property
    def words(self) -> list[str]:
        return [word.lower() for word in _WORD.findall(self.name)]

    @property
    def known(self) -> FloatArray:
        """Its numbers, without those that are none."""
        found: FloatArray = self.numbers[np.isfinite(self.numbers)]
        return found

    @property
    def has_numbers(self) -> bool:
        filled = sum(map(bool, self.cells))
        return len(self.known) > 0 and len(self.known) * 2 >= filled

    @property
    def different(self) -> set[str]:
        return {cell for cell in self.cells if cell}

    @property
    def is_counted(self) -> bool:
        """Whether its numbers go up by themselves, as times and row numbers do, or stay."""
        steps = np.diff(self.known)
        if not len(steps):
            return False
        alike = int(np.count_nonzero(steps == np.median(steps)))
        return bool((steps >= 0).all()) or alike > 0.9 * len(steps)


def find_table(file: SourceFile, guess: Format | None = None) -> Table | None:
    """Find the header of a table that nobody has described.

    Parameters
    ----------
    file : SourceFile
    guess : Format, optional
        A description whose columns the header has.

    Returns
    -------
    Table or None
        None where there are no two columns of numbers.
    """
    lines = tables.read_lines(file, LINES)
    for number, line in enumerate(lines if guess is not None else ()):
        delimiter, cells = cells_of(line)
        if guess is not None and recognise(cells, [guess]):
            return Table(file, cells, delimiter, number + 1)
    table = guessed_table(file, lines)
    if table is not None and len(named_columns(table)) < 2:
        return headless_table(file, lines)
    return table


def table_at(file: SourceFile, header_line: int) -> Table | None:
    """Return a table whose header is in a certain line, from 1; 0 for none.

    None where that line has no two names, or the table no two columns of numbers.
    """
    lines = tables.read_lines(file, LINES)
    if header_line == 0:
        return headless_table(file, lines)
    if not 0 < header_line <= len(lines):
        return None
    delimiter, cells = cells_of(lines[header_line - 1])
    table = Table(file, cells, delimiter, header_line)
    return table if len(named_columns(table)) > 1 else None


def head_of(file: SourceFile) -> SourceFile:
    """Return the first lines of a table as a file that outlasts its source."""
    text = "\n".join(tables.read_lines(file, _ROWS)) + "\n"
    with open_source([Upload(file.name, BytesIO(text.encode()))], file.limits) as (head,):
        return head


def column_name(table: Table, place: int, unit: str = "") -> str:
    """Return the name of a column as a `Format` has it, with the unit where the header has none."""
    name = _SIGNS.sub(" ", table.columns[place])
    return f"{name} [{unit}]" if unit and not states_unit(name) else name


def named_columns(table: Table) -> list[int]:
    """Return the positions of the columns that their names tell; of equal names the first."""
    header = Header(table.columns)
    places = []
    for place in range(len(table.columns)):
        found = header.find(column_name(table, place))
        if found and found[0].position == place:
            places.append(place)
    return places


def states_unit(name: str) -> bool:
    """Tell whether the name of a column ends with a unit in brackets."""
    return _ENDS_WITH_UNIT.search(name) is not None


def first_rows(table: Table, most: int = _ROWS) -> list[list[str]]:
    """Return the first rows below the header, as many cells in each as there are columns."""
    lines = tables.read_lines(table.file, table.header_lines + most)[table.header_lines :]
    width = len(table.columns)
    split = (tables.split_line(line, table.delimiter) for line in lines if line.strip())
    return [[*cells[:width], *[""] * (width - len(cells))] for cells in split]


def guess(table: Table) -> Format:
    """Guess what a table holds, from the names of its columns and its first rows.

    Parameters
    ----------
    table : Table
        As `find_table` and `table_at` return it.

    Returns
    -------
    Format
        Its frame is None where the numbers look like pixels, and has NaN at the right and the
        bottom where they are millimetres.
    """
    rows = first_rows(table)
    columns = []
    for place in named_columns(table):
        cells = [row[place] for row in rows]
        columns.append(_Column(place, table.columns[place], cells, _numbers(cells, table.decimal)))
    x, y = _positions(columns)
    lost = _lost(x, y)
    rest = [one for one in columns if one not in (x, y) and not _OF_AREAS & {*one.words}]
    duration = _named(rest, _OF_DURATION, without=_OF_LENGTHS)
    if duration is not None and not duration.has_numbers:
        duration = None
    holds = "gaze" if duration is None else "fixations"
    rest = [one for one in rest if one is not duration]
    time = _named(rest, _OF_TIME, without={"end", "stop"})
    if time is None:
        # In any language, the unit at the end of a name tells a time.
        rising = [one for one in rest if one.is_counted and len(one.different) > 1]
        has_names = table.columns[0] != "#1"
        time = next((one for one in rising if not has_names or _stated_unit(one)), None)
    rest = [one for one in rest if one is not time]
    groups = [one for one in rest if _names_groups(one)]
    # The name of a picture rather than its number.
    picture = _named(groups, _OF_PICTURE, without={*_OF_NO_NAME, "id"})
    picture = picture or _named(groups, _OF_PICTURE, without=_OF_NO_NAME)
    groups = [one for one in groups if one is not picture]
    person = _named(groups, _OF_PERSON, without={*_OF_EVENTS, *_OF_PICTURE})
    rest = [one for one in rest if one not in (picture, person)]
    person_name = "" if person is None else column_name(table, person.place)
    flag, least = _validity(rest)
    fixation = _fixation(rest) if holds == "fixations" else None
    return Format(
        TITLE,
        "gaze" if duration is None else "fixations",
        x=column_name(table, x.place),
        y=column_name(table, y.place),
        frame=_frame(table, x, y, lost),
        time="" if time is None else column_name(table, time.place, _time_unit(time, holds)),
        duration=""
        if duration is None
        else column_name(table, duration.place, _duration_unit(duration)),
        fixation="" if fixation is None else column_name(table, fixation.place),
        recording=(person_name,) if person_name else (),
        wearer=person_name,
        picture="" if picture is None else column_name(table, picture.place),
        detected="" if flag is None else column_name(table, flag.place),
        at_least=None if least is None else (column_name(table, least.place), 0.6),
        lost=lost,
    )


def _numbers(cells: Sequence[str], decimal: str) -> FloatArray:
    values = np.full(len(cells), nan)
    for place, cell in enumerate(cells):
        try:
            values[place] = float(cell.replace(decimal, ".")) if cell.isascii() else nan
        except ValueError:
            continue
    values[~np.isfinite(values)] = nan
    return values


# --- Which columns -------------------------------------------------------------------


def _positions(columns: list[_Column]) -> tuple[_Column, _Column]:
    """Return the two columns that name x and y best, else the first two that look like them."""
    numeric = [one for one in columns if one.has_numbers]
    best: tuple[float, _Column, _Column] | None = None
    by_name = {one.name.lower(): one for one in reversed(numeric)}
    for one in numeric:
        lower = one.name.lower()
        for sign in (place for place, letter in enumerate(lower) if letter == "x"):
            other = by_name.get(f"{lower[:sign]}y{lower[sign + 1 :]}")
            if other is not None:
                words = set(one.words)
                score = 2 * ("x" in words or lower[-1] == "x")
                score += len(words & _GAZE_WORDS) - 3 * len(words & _OTHER_THINGS)
                if best is None or score > best[0]:
                    best = score, one, other
    if best is not None and best[0] > -2:
        return best[1], best[2]
    moving = [
        one
        for one in numeric
        if not one.is_counted
        and (len(one.different) > 2 or len(one.cells) < 5)
        and not {*one.words} & {*_OF_TIME, *_OF_DURATION, *_OF_VALIDITY, *_OTHER_THINGS}
    ]
    found = moving if len(moving) > 1 else numeric if len(numeric) > 1 else columns
    return found[0], found[1 % len(found)]


def _all_named(columns: list[_Column], names: Sequence[str]) -> Iterable[_Column]:
    """Yield the columns with one of several words in their names, by the order of the words."""
    for name in names:
        for one in columns:
            if name in one.words and one.different:
                yield one


def _named(columns: list[_Column], names: Sequence[str], without: set[str]) -> _Column | None:
    """Return the first column with one of several words in its name, and none of others."""
    found = _all_named(columns, names)
    return next((one for one in found if not without & {*one.words}), None)


def _names_groups(column: _Column) -> bool:
    """Tell whether a column has the same name in many rows, as that of a person."""
    filled = sum(map(bool, column.cells))
    return len(column.different) * 2 <= filled or filled < 5


def _validity(columns: list[_Column]) -> tuple[_Column | None, _Column | None]:
    """Return a column with a yes or no, and one with a number such as the confidence."""
    for one in _all_named(columns, _OF_VALIDITY):
        flags = [tables.flag(cell) for cell in one.cells if cell]
        if tables.FLAG_UNKNOWN not in flags:
            # Some trackers call zero valid.
            if flags.count(1) * 2 >= len(flags):
                return one, None
        elif one.has_numbers and one.words[-1].startswith("conf") and one.known.max() <= 1:
            return None, one
    return None, None


def _fixation(columns: list[_Column]) -> _Column | None:
    """Return the column with the fixation's number, which tells rows of one fixation."""
    counted = {"id", "index", "number", "nr"}
    return next(
        (one for one in columns if {"fix", "fixation"} & {*one.words} and counted & {*one.words}),
        None,
    )


def _lost(x: _Column, y: _Column) -> tuple[float, ...]:
    """Return the negative numbers that stand in x and y at once, again and again."""
    both = x.numbers[(x.numbers == y.numbers) & (x.numbers < 0)]
    values, counts = np.unique(both, return_counts=True)
    return tuple(float(one) for one in values[counts >= 3])


# --- What the numbers mean -----------------------------------------------------------


def _frame(table: Table, x: _Column, y: _Column, lost: tuple[float, ...]) -> Frame | None:
    lines = tables.read_lines(table.file, table.header_lines + 3)
    for line in lines:
        match = SCREEN_LINE.fullmatch(line)
        if match:
            left, top, width, height = (float(one) for one in match.groups())
            return left, top, left + width, top + height
    words = {*x.words}
    if "mm" in words:
        return 0.0, 0.0, nan, nan
    if {"px", "pixel", "pixels"} & words:
        return None
    if {"%", "percent", "pct"} & words:
        return 0.0, 0.0, 100.0, 100.0
    values = np.concatenate([x.known, y.known])
    values = values[~np.isin(values, lost)]
    for end in (1.0, 100.0):
        near = (values >= -end / 2) & (values <= end * 1.5)
        inside = (values >= 0) & (values <= end)
        if len(values) and near.mean() >= 0.95 and inside.mean() >= 0.8:
            return 0.0, 0.0, end, end
    return None


def _stated_unit(column: _Column) -> str:
    """Return the unit of time that a column's name ends with."""
    last = column.words[-1] if column.words else ""
    longer = {"sec": "s", "secs": "s", "seconds": "s", "second": "s", "msec": "ms"}
    longer |= {"milliseconds": "ms", "usec": "us", "microseconds": "us", "nanoseconds": "ns"}
    unit = longer.get(last, last)
    return unit if unit in TIME_UNITS_NS else ""


def _time_unit(column: _Column, holds: str) -> str:
    """Return the unit of times, by the column's name or by the step from one to the next."""
    cells = pd.Series(column.cells, dtype=object)
    # Of nanoseconds that would be too short, the next longer unit.
    unit_ns = time_unit_ns(cells[cells != ""], 1, holds, ",")
    return _stated_unit(column) or _UNIT_NAMES.get(unit_ns or 0, "")


def _duration_unit(column: _Column) -> str:
    typical = float(np.median(column.known))
    return _stated_unit(column) or ("s" if typical < 20 else "ms" if typical < 20_000 else "us")


# --- The file with a person's answers ------------------------------------------------


def write_answers(form: Format) -> str:
    """Return a description of a table as the text of a file."""
    return json.dumps(to_values(form), indent=2, ensure_ascii=False) + "\n"


def are_answers(data: bytes) -> bool:
    """Tell whether a file is meant to describe the columns of a table."""
    values = _parsed(data)
    return isinstance(values, dict) and {"holds", "x", "y"} <= values.keys()


def read_answers(data: bytes, label: str) -> Format:
    """Read what `write_answers` wrote.

    Parameters
    ----------
    data : bytes
    label : str
        The file's name in messages.

    Raises
    ------
    SettingError
        When it is no such file, or says something that no description can say.
    """
    values = _parsed(data)
    if isinstance(values, dict) and _is_open(values.get("frame")):
        raise SettingError(
            f"{shown(label)}: it does not say which numbers stand at the picture's right and "
            "bottom border. Write them into 'frame', as the third and the fourth number."
        )
    return from_values(values, shown(label))


def _is_open(frame: object) -> bool:
    return isinstance(frame, list) and any(isinstance(one, float) and isnan(one) for one in frame)


def _parsed(data: bytes) -> object:
    def whole(text: str) -> float:
        return int(text) if len(text) <= _LONGEST_NUMBER else inf

    try:
        return json.loads(data.decode("utf-8-sig"), parse_int=whole)
    except (ValueError, RecursionError):
        return None
