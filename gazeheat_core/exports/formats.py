"""Every table that is known, as data: what its columns are called and what they mean.

The only place that knows a column's name. A `Format` holds no code, so that another table
is a few more lines of data; a table is recognised by its header alone, with the same few
functions for all.

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
    column.

Names are compared by their letters and digits alone, with and without the unit:
underscores, the dots of R and camel case make the same column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from gazeheat_core.errors import ColumnsError, listed, shown
from gazeheat_core.exports.tables import Layout, Table
from gazeheat_core.model import Frame, Unit, frame_unit

Holds: TypeAlias = Literal["gaze", "fixations", "nothing"]

_UNIT = re.compile(r"\s*\[[^\[\]*]*\]$")
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
        Column with the time; a fixation's is its start.
    end, duration : str
        Columns with a fixation's end and its length.
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
        Usual name of the file; a star in it names the picture. It never tells the format.
    hint : str
        What it is and what to give in its place, to follow the file's name and a colon.
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
        for position, name in enumerate(self._columns):
            self._exact.setdefault(name, []).append(position)
            self._whole.setdefault(_bare(name), []).append(position)
            stem = _UNIT.sub("", name) if name.endswith("]") else ""
            if stem:
                self._without_unit.setdefault(_bare(stem), []).append(position)

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
        stem = _UNIT.sub("", name)
        places = (
            self._exact.get(name)
            or self._whole.get(_bare(name))
            # Where both state a unit, it has to be the same.
            or (self._whole if stem != name else self._without_unit).get(_bare(stem))
        )
        return [Found(position) for position in places or ()]

    def _starred(self, name: str) -> list[Found]:
        head, _, tail = (list(_bare(part)) for part in _UNIT.sub("", name).partition("*"))
        found = []
        for position, cell in enumerate(self._columns):
            places = [place for place, sign in enumerate(cell) if sign.isalnum()]
            letters = [cell[place].lower() for place in places]
            last = len(letters) - len(tail)
            if last > len(head) and letters[: len(head)] == head and letters[last:] == tail:
                start = places[len(head) - 1] + 1 if head else 0
                stop = places[last] if tail else len(cell)
                found.append(Found(position, cell[start:stop].strip(" []")))
        return found


def _bare(name: str) -> str:
    """Return a name's letters and digits alone."""
    return "".join(sign.lower() for sign in name if sign.isalnum())


def _alternatives(column: str) -> list[str]:
    return [name.removesuffix("?") for name in column.split("|")]


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


def recognise(columns: Iterable[str], formats: Iterable[Format] = ()) -> tuple[Format, ...]:
    """Tell what a table holds by its header.

    Parameters
    ----------
    columns : iterable of str
        The names in the header.
    formats : iterable of Format
        Those to choose from; all that are known if there are none.

    Returns
    -------
    tuple of Format
        For gaze and for fixations the one that explains most columns, the better first. One
        of no use here only where there is neither. Empty where no format has all the columns
        that it needs.
    """
    header = Header(columns)
    explained = [(_count_explained(one, header), one) for one in (*formats,) or FORMATS]
    # Of formats that explain as many, the order of the list decides.
    fitting = [one for count, one in sorted(explained, key=lambda e: -e[0]) if count]
    best: dict[Holds, Format] = {}
    for one in fitting:
        best.setdefault(one.holds, one)
    useful = tuple(one for one in best.values() if one.holds != "nothing")
    return useful or tuple(best.values())


def _count_explained(form: Format, header: Header) -> int:
    """Count the columns that a format explains; 0 where one that it needs is missing."""
    count = 0
    for column in form.columns:
        is_there = bool(header.find(column))
        if not is_there and not _may_be_missing(column):
            return 0
        count += is_there
    return count


def meant(columns: Iterable[str], holds: Holds) -> Format | None:
    """Tell what a table was meant to be that lacks columns.

    The column with the yes or no says on what the gaze was detected, so it tells the format.
    """
    header = Header(columns)
    return next(
        (
            one
            for one in FORMATS
            if one.holds == holds and one.detected and header.find(one.detected)
        ),
        None,
    )


def fixations_beside(form: Format) -> Format:
    """Return the format of the fixations that come with gaze of a format."""
    return next(one for one in FORMATS if one.holds == "fixations" and one.title == form.title)


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


def unknown_header(table: Table) -> ColumnsError:
    """Return the error for a table of gaze whose header is none that is known."""
    gaze = [one for one in FORMATS if one.holds == "gaze"]
    titles = " or ".join(one.title for one in gaze)
    columns = " or ".join(f"'{plain_name(one.detected)}'" for one in gaze)
    return ColumnsError(
        f"{table.file}: the header is not one of a {titles} export. "
        f"Needs a column {columns}, found {listed(table.columns)}. {HOW_TO_MAP}"
    )


# --- Pupil Cloud ---------------------------------------------------------------------

HOW_TO_MAP = (
    "In Pupil Cloud, add a Reference Image Mapper or a Marker Mapper enrichment to the "
    "project, or an Auto Image Mapper, let it finish, and download that."
)
_SURFACE: Frame = (0.0, 0.0, 1.0, 1.0)

# The Auto Image Mapper has the columns of the Reference Image Mapper.
REFERENCE_IMAGE = Format(
    "Reference Image Mapper",
    "gaze",
    x="gaze position in reference image x [px]",
    y="gaze position in reference image y [px]",
    time="timestamp [ns]",
    fixation="fixation id?",
    recording=("recording id",),
    section="section id?",
    detected="gaze detected in reference image",
)
REFERENCE_IMAGE_FIXATIONS = Format(
    "Reference Image Mapper",
    "fixations",
    x="fixation x [px]",
    y="fixation y [px]",
    time="start timestamp [ns]",
    end="end timestamp [ns]",
    duration="duration [ms]",
    fixation="fixation id",
    recording=("recording id",),
    section="section id?",
    detected="fixation detected in reference image",
)
MARKERS = replace(
    REFERENCE_IMAGE,
    title="Marker Mapper",
    x="gaze position on surface x [normalized]",
    y="gaze position on surface y [normalized]",
    frame=_SURFACE,
    detected="gaze detected on surface",
)
MARKERS_FIXATIONS = replace(
    REFERENCE_IMAGE_FIXATIONS,
    title="Marker Mapper",
    x="fixation x [normalized]",
    y="fixation y [normalized]",
    frame=_SURFACE,
    detected="fixation detected on surface",
)
FACE = Format(
    "Face Mapper",
    "nothing",
    x="gaze detected on face|gaze on face|fixation detected on face|fixation on face",
    y="",
    hint="this is a Face Mapper export; it says whether a face was looked at, not where on a "
    f"picture. {HOW_TO_MAP}",
)
MANUAL = Format(
    "Manual Mapper",
    "nothing",
    x="fixation x [px]?",
    y="fixation y [px]?",
    recording=("recording id",),
    detected="fixation status",
    hint=f"these are fixations of a Manual Mapper export, which has no gaze. {HOW_TO_MAP}",
)
RAW = Format(
    "raw recording",
    "nothing",
    x="gaze x [px]",
    y="gaze y [px]",
    hint="this is gaze in a raw recording's scene camera (column 'gaze x [px]'), not mapped to "
    f"a picture. {HOW_TO_MAP}",
)
RAW_FIXATIONS = replace(
    RAW,
    x="fixation x [px]",
    y="fixation y [px]",
    time="start timestamp [ns]",
    hint="these are fixations in a raw recording's scene camera, not mapped to a picture. "
    f"{HOW_TO_MAP}",
)
# The corners of a surface in the scene camera, x and y of each.
CORNERS = tuple(f"{corner} {axis} [px]" for corner in ("tl", "tr", "br", "bl") for axis in "xy")
SECTIONS = SectionList(
    recording="recording id",
    section="section id",
    name="recording name",
    wearer="wearer name",
    start="section start time [ns]",
    start_event="start event name",
    end_event="end event name",
)

FORMATS = (
    REFERENCE_IMAGE,
    REFERENCE_IMAGE_FIXATIONS,
    MARKERS,
    MARKERS_FIXATIONS,
    FACE,
    MANUAL,
    RAW,
    RAW_FIXATIONS,
)
