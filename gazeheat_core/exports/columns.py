"""What the columns of a table are called and what its numbers mean, as data.

A `Format` holds no code, so that another table is a few more lines of data, and a person's own
answer is one too. A table is recognised by its header alone, with the same few functions for
all.

The signs in a column's name
----------------------------
``a|b``
    The first of these that is there.
``a?``
    May be missing.
``a*b``
    Anything in the place of the star.
``a [unit]``
    The unit, where the header states none. A header that states another unit has another
    column; but a time is read in the unit that the header states.
``#3``
    The third column, of a table that has no header.

Names are compared by their letters and digits alone, with and without the unit:
underscores, the dots of R and camel case make the same column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from gazeheat_core.errors import ColumnsError, SettingError, listed, shown
from gazeheat_core.exports.tables import Layout, Table
from gazeheat_core.model import Frame, Unit, frame_unit

Holds: TypeAlias = Literal["gaze", "fixations", "nothing"]

_UNIT = re.compile(r"\s*\[[^\[\]*]*\]$")
# Nanoseconds in a unit of time, by its spelling in a header.
TIME_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "\N{MICRO SIGN}s": 1_000,
    "\N{GREEK SMALL LETTER MU}s": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
}
# Characters of a column's name that is no one's mistake.
_LONGEST_USUAL = 200
# Of a description that comes from elsewhere: columns in a list, characters of a name.
_MOST_VALUES, _LONGEST_COLUMN = 100, 1_000
# Characters of a column's name that a message repeats.
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Format:
    """What the columns of a table are called, and what its numbers mean.

    Attributes
    ----------
    title : str
        What made it, for people: "Reference Image Mapper".
    holds : "gaze", "fixations" or "nothing"
        "nothing" is a table that is known and of no use here; `hint` says why.
    x, y : str
        Columns with the position.
    frame : (float, float, float, float) or None
        The numbers that stand at the picture's left, top, right and bottom border; None for
        pixels of the picture itself.
    time : str
        Column with the time, and its unit: "gaze_timestamp [s]"; a fixation's is its start.
    end, duration : str
        Columns with a fixation's end and its length, with their units.
    fixation : str
        Column with the id of a fixation; of gaze, that of the fixation that it belongs to.
    recording : tuple of str
        Columns that together name the recording; none where a file is one recording.
    wearer, section, picture : str
        Columns that name the wearer, the section, and what was looked at.
    keep : tuple of (str, str)
        Columns and what they hold in the rows that count; other rows are other sensors'.
    detected : str
        Column with a yes or no: whether the gaze is on the picture.
    at_least : (str, float) or None
        Column with a number, such as the confidence, and its least value.
    lost : tuple of float
        Positions that stand for "no gaze".
    file : str
        Usual name of the file. A star in it names what was looked at, or the recording where
        a column does that. It never tells the format.
    hint : str
        What to do in the maker's program. Of a table of no use here what it is and what to
        give in its place, to follow the file's name and a colon.
    """

    title: str
    holds: Holds
    x: str
    y: str
    frame: Frame | None = None
    time: str = ""
    end: str = ""
    duration: str = ""
    fixation: str = ""
    recording: tuple[str, ...] = ()
    wearer: str = ""
    section: str = ""
    picture: str = ""
    keep: tuple[tuple[str, str], ...] = ()
    detected: str = ""
    at_least: tuple[str, float] | None = None
    lost: tuple[float, ...] = ()
    file: str = ""
    hint: str = ""

    @property
    def unit(self) -> Unit:
        """Unit of the positions."""
        return frame_unit(self.frame)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it names, each with its signs."""
        names = (
            *self.recording,
            self.section,
            self.wearer,
            self.picture,
            *(name for name, _ in self.keep),
            self.fixation,
            self.time,
            self.end,
            self.detected,
            *((self.at_least[0],) if self.at_least else ()),
            self.x,
            self.y,
            self.duration,
        )
        return tuple(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True, slots=True)
class SectionList:
    """What the columns of the table are called that lists recordings and their sections."""

    recording: str
    section: str
    name: str
    wearer: str
    start: str
    start_event: str
    end_event: str


class Found(NamedTuple):
    """A column of a header.

    Attributes
    ----------
    position : int
    star : str
        What stands in the place of the star.
    """

    position: int
    star: str = ""


class Header:
    """The names in a header, to look columns up in.

    Parameters
    ----------
    columns : iterable of str
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = tuple(columns)
        # By the exact name; by letters and digits, with the unit and without.
        self._exact: dict[str, list[int]] = {}
        self._whole: dict[str, list[int]] = {}
        self._without_unit: dict[str, list[int]] = {}
        self._bares: list[str] | None = None
        for position, name in enumerate(self._columns):
            self._exact.setdefault(name, []).append(position)
            self._whole.setdefault(_bare(name), []).append(position)
            stem = _UNIT.sub("", name) if name.endswith("]") else ""
            if stem:
                self._without_unit.setdefault(_bare(stem), []).append(position)

    def find_time(self, column: str) -> tuple[Found, int] | None:
        """Find a column with a time, in whatever unit the header states.

        Returns
        -------
        (Found, int) or None
            The column, and how many nanoseconds its unit has.
        """
        for name in _alternatives(column):
            unit = _unit(name)
            found = self.find(name)
            if not found and unit in TIME_UNITS_NS:
                places = self._without_unit.get(_bare(_UNIT.sub("", name)), ())
                found = [Found(p) for p in places if _unit(self._columns[p]) in TIME_UNITS_NS]
            if found:
                stated = _unit(self._columns[found[0].position])
                return found[0], TIME_UNITS_NS.get(stated) or TIME_UNITS_NS.get(unit, 1_000_000)
        return None

    def find(self, column: str) -> list[Found]:
        """Find a column, written with the signs of this module.

        Returns
        -------
        list of Found
            Empty where there is none. Several where the name fits more than one: then only
            those that fit best.
        """
        for name in _alternatives(column):
            found = self._starred(name) if "*" in name else self._plain(name)
            if found:
                return found
        return []

    def _plain(self, name: str) -> list[Found]:
        whole, stem = _spellings(name)
        if not whole:
            return []
        places = (
            self._exact.get(name)
            or self._whole.get(whole)
            # Where both state a unit, it has to be the same.
            or (self._without_unit if stem == whole else self._whole).get(stem)
        )
        return [Found(position) for position in places or ()]

    def _starred(self, name: str) -> list[Found]:
        head, _, tail = (_bare(part) for part in _UNIT.sub("", name).partition("*"))
        if self._bares is None:
            self._bares = [_bare(cell) for cell in self._columns]
        found = []
        for position, bare in enumerate(self._bares):
            last = len(bare) - len(tail)
            if last > len(head) and bare.startswith(head) and bare.endswith(tail):
                cell = self._columns[position]
                places = [place for place, sign in enumerate(cell) if sign.isalnum()]
                start = places[len(head) - 1] + 1 if head else 0
                stop = places[last] if tail else len(cell)
                found.append(Found(position, cell[start:stop].strip(" []")))
        return found


def _unit(name: str) -> str:
    """Return the unit in brackets at the end of a name."""
    match = _UNIT.search(name)
    return match[0].strip(" []").lower() if match else ""


def _bare(name: str) -> str:
    """Return a name's letters and digits alone."""
    return _bare_of_usual(name) if len(name) < _LONGEST_USUAL else letters(name)


def letters(name: str) -> str:
    """Return a text's letters and digits alone, in lower case."""
    return "".join(sign.lower() for sign in name if sign.isalnum())


# The names of the formats are looked up in every header.
_bare_of_usual = lru_cache(maxsize=4096)(letters)


@lru_cache(maxsize=1024)
def _spellings(name: str) -> tuple[str, str]:
    """Return the letters and digits of a format's column, and those without its unit."""
    return letters(name), letters(_UNIT.sub("", name))


@lru_cache(maxsize=1024)
def _alternatives(column: str) -> tuple[str, ...]:
    return tuple(name.removesuffix("?") for name in column.split("|"))


def plain_name(column: str) -> str:
    """Return a column's name as people know it, without the signs.

    Examples
    --------
    >>> plain_name("gaze x [px]|gaze_x?")
    'gaze x [px]'
    """
    return _alternatives(column)[0]


def _may_be_missing(column: str) -> bool:
    return column.endswith("?")


def recognise(columns: Iterable[str], formats: Iterable[Format]) -> tuple[Format, ...]:
    """Tell what a table holds by its header.

    Parameters
    ----------
    columns : iterable of str
        The names in the header.
    formats : iterable of Format
        Those to choose from.

    Returns
    -------
    tuple of Format
        For gaze and for fixations the one that explains most columns, the better first. One
        of no use here only where there is neither. Empty where no format has all the columns
        that it needs.
    """
    header = Header(columns)
    explained = [(_count_explained(one, header), one) for one in formats]
    # Of formats that explain as many, the order of the list decides.
    fitting = [one for count, one in sorted(explained, key=lambda e: -e[0]) if count]
    best: dict[Holds, Format] = {}
    for one in fitting:
        best.setdefault(one.holds, one)
    useful = tuple(one for one in best.values() if one.holds != "nothing")
    return useful or tuple(best.values())


def _count_explained(form: Format, header: Header) -> int:
    """Count the columns that a format explains; 0 where one that it needs is missing.

    A position for each picture tells more than one position for all of them.
    """
    # Of most tables the position tells at once that they are another's.
    if not _may_be_missing(form.x) and not header.find(form.x):
        return 0
    count = 0
    for column in form.columns:
        is_time = column in (form.time, form.end, form.duration)
        is_there = bool(header.find_time(column) if is_time else header.find(column))
        if not is_there and not _may_be_missing(column):
            return 0
        count += is_there * (2 if "*" in column and column in (form.x, form.y) else 1)
    return count


def lacking(form: Format, header: Header) -> list[str]:
    """Return the columns that a format needs and a table does not have, as people know them."""
    return [
        plain_name(column)
        for column in form.columns
        if not _may_be_missing(column) and not header.find(column) and not header.find_time(column)
    ]


def find_layout(form: Format, table: Table) -> Layout:
    """Find the columns to read of a table.

    Whole numbers are the time of gaze; of fixations their id, start and end. Decimal numbers
    are x and y, and of fixations their duration.

    Raises
    ------
    ColumnsError
        Naming the missing columns and those that were found, or those that are there twice.
    """
    is_gaze = form.holds == "gaze"
    integers = (form.time,) if is_gaze else (form.fixation, form.time, form.end)
    numbers = (form.x, form.y) if is_gaze else (form.x, form.y, form.duration)
    needed = find_columns(table, *form.recording, *integers, form.detected, *numbers)
    keys, rest = needed[: len(form.recording)], needed[len(form.recording) :]
    header = Header(table.columns)
    section, fixation = header.find(form.section), header.find(form.fixation)
    return Layout(
        keys=(*keys, *(one.position for one in section[:1])),
        integers=rest[: len(integers)],
        flag=rest[len(integers)],
        numbers=rest[len(integers) + 1 :],
        fixation=fixation[0].position if is_gaze and fixation else None,
    )


def find_columns(table: Table, *columns: str) -> tuple[int, ...]:
    """Return the positions of columns that must be there.

    Raises
    ------
    ColumnsError
        Naming the missing columns and those that were found, or those that are there twice.
    """
    header = Header(table.columns)
    found = [header.find(column) for column in columns]
    missing = [plain_name(c) for c, places in zip(columns, found, strict=True) if not places]
    if missing:
        raise ColumnsError(
            f"{table.file}: needs the column{'s' if len(missing) > 1 else ''} "
            f"{listed(missing)}, found {listed(table.columns)}. "
            "Give the file as downloaded, with its header unchanged."
        )
    twice = [plain_name(c) for c, places in zip(columns, found, strict=True) if len(places) > 1]
    if twice:
        raise ColumnsError(
            f"{table.file}: has more than one column {listed(twice)}, so it is not clear which "
            "to read. Give the file as downloaded, with its header unchanged."
        )
    return tuple(places[0].position for places in found)


def check_ids(table: Table, layout: Layout) -> str:
    """Return the sentence that asks to check the columns with identifiers."""
    names = [f"'{shown(table.columns[place], _SHOWN_CHARACTERS)}'" for place in layout.keys]
    if len(names) == 1:
        return f"Check that {names[0]} holds what its name says."
    return f"Check that {' and '.join(names)} hold what their names say."


def to_values(form: Format) -> dict[str, Any]:
    """Return a format as values for JSON: what it says, and nothing that it leaves open.

    Examples
    --------
    >>> to_values(Format("Mine", "gaze", "px", "py", frame=(0, 0, 1, 1)))
    {'title': 'Mine', 'holds': 'gaze', 'x': 'px', 'y': 'py', 'frame': [0, 0, 1, 1]}
    """
    said = {one.name: getattr(form, one.name) for one in fields(form)}
    open_to = {one.name: one.default for one in fields(form) if one.default is not MISSING}
    return {
        name: _listed(value) for name, value in said.items() if value != open_to.get(name, MISSING)
    }


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple) else value


def from_values(values: object, label: str = "columns") -> Format:
    """Return the format that `to_values` wrote.

    Parameters
    ----------
    values : object
        As JSON has it.
    label : str
        Name of the file in messages.

    Raises
    ------
    SettingError
        When it says something that no format can say, or lacks what each needs.
    """
    if not isinstance(values, Mapping):
        raise SettingError(
            f"{label}: it does not describe the columns of a table. Give the file that was saved "
            "from 'gazeheat columns' or from the page."
        )
    known = {one.name for one in fields(Format)}
    for name, value in values.items():
        if name not in known or not _is_kind(name, value):
            raise SettingError(
                f"{label}: '{shown(name)}' holds '{shown(value)}', which says nothing about "
                "columns. Correct it, or save the description anew."
            )
    try:
        form = Format(**{name: _tupled(value) for name, value in values.items()})
    except TypeError:
        needed = [one.name for one in fields(Format) if one.default is MISSING]
        raise SettingError(
            f"{label}: needs {listed(needed)}, found {listed(list(values))}. Add what is missing."
        ) from None
    if form.frame is not None:
        left, top, right, bottom = form.frame
        if left == right or top == bottom or not all(map(math.isfinite, form.frame)):
            raise SettingError(
                f"{label}: the frame is {list(form.frame)}. Give four numbers: those at the "
                "picture's left, top, right and bottom border; left and right differ, as do top "
                "and bottom."
            )
    return form


def _tupled(value: Any) -> Any:
    return tuple(_tupled(one) for one in value) if isinstance(value, list) else value


def _is_kind(name: str, value: Any) -> bool:
    """Tell whether a value of JSON can be one of a format's."""

    def are(values: Any, kind: type | tuple[type, ...], count: int | None = None) -> bool:
        return (
            isinstance(values, list)
            and len(values) <= _MOST_VALUES
            and (count is None or len(values) == count)
            and all(isinstance(one, kind) and not isinstance(one, bool) for one in values)
        )

    if name == "holds":
        return value in ("gaze", "fixations")
    if name == "frame":
        return value is None or are(value, (int, float), 4)
    if name == "lost":
        return are(value, (int, float))
    if name == "recording":
        return are(value, str)
    if name == "keep":
        return are(value, list) and all(are(one, str, 2) for one in value)
    if name == "at_least":
        return value is None or (
            isinstance(value, list)
            and len(value) == 2
            and are(value[:1], str)
            and are(value[1:], (int, float))
        )
    return isinstance(value, str) and len(value) <= _LONGEST_COLUMN
