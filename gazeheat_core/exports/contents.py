"""Tables of any format to positions: one pass fills all exports that a table holds.

Cells are read as text and then understood as the format says. That takes longer than
`tables.parse_block`, which knows what Pupil Cloud writes, and asks less of a table.
"""

from __future__ import annotations

import codecs
import io
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazeheat_core.errors import LimitError, shown
from gazeheat_core.exports import tables
from gazeheat_core.exports.columns import Format, Header, letters, plain_name
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.exports.tables import FLAG_UNKNOWN, Table, Tally
from gazeheat_core.model import FloatArray, IntArray
from gazeheat_core.tracks import Columns

# Recording id and section id.
SectionKey: TypeAlias = tuple[str, str]
# Rows read so far, and the share of the files from 0 to 1.
OnRows: TypeAlias = Callable[[int, float], None]
Text: TypeAlias = "pd.Series[str]"

# What stands between the columns that together name a recording.
_JOINT = " "
# Further spellings of an empty cell: SMI, EyeLink, BIDS.
_MISSING = (*tables.MISSING, "-", ".", "n/a", "-nan", "#N/A")
# Rows that tell in which unit the times are.
_ROWS_TRIED = 1000
# The shortest time from one sample to the next, and from one fixation to the next, that any
# tracker gives: 5,000 samples a second.
_SHORTEST_STEP_NS = {"gaze": 200_000, "fixations": 20_000_000}
_LONG_AGO_NS = 10**17
# The latest moment that is read, so that the time between two of them is a number of 64 bits.
_LATEST_NS = 2**62
_UNITS_NS = (1, 1_000, 1_000_000, 1_000_000_000)
_UNIT_NAMES = dict(
    zip(_UNITS_NS, ("nanoseconds", "microseconds", "milliseconds", "seconds"), strict=True)
)
# Column of a block that tells which rows have more cells than the header: what stands behind
# the one that is split stands under another's name.
_IS_SPLIT = -1
# Of a cell that a message repeats.
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class KnownTable:
    """A table, and how it is read.

    Attributes
    ----------
    table : Table
    format : Format
    recording : str
        Name of the recording, where no column has it.
    stimulus : str
        Name of what was looked at, where no column has it.
    """

    table: Table
    format: Format
    recording: str = ""
    stimulus: str = ""


@dataclass(eq=False, slots=True)
class Stimulus:
    """All that was read of what was looked at.

    Attributes
    ----------
    gaze, fixations : dict of Columns, by recording id and section id
        In the order of the files. Of gaze the moment in nanoseconds, x, y, and 1 in a
        fixation; of fixations id, start and end in nanoseconds, x, y, milliseconds.
        Each section with fixations is in the gaze too.
    tally : Tally
        Of the rows of gaze, or of fixations where there is no gaze.
    unassigned_fixations : int
    """

    gaze: dict[SectionKey, Columns] = field(default_factory=dict)
    fixations: dict[SectionKey, Columns] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    unassigned_fixations: int = 0


class Contents:
    """What tables that belong together hold; read once, when it is first asked for.

    Parameters
    ----------
    known : sequence of KnownTable
        At least one. A table may be there twice: with its gaze and with its fixations.
    """

    def __init__(self, known: Sequence[KnownTable]) -> None:
        self.known = tuple(known)
        self.wearers: dict[str, str] = {}
        self.notices: list[str] = []
        self.has_times = True
        self.rows_without_picture = 0
        self._stimuli: dict[str, Stimulus] | None = None
        self._names: tuple[str, ...] | None = None

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The files of the tables, each once."""
        return tuple({id(one.table.file): one.table.file for one in self.known}.values())

    @property
    def has_gaze(self) -> bool:
        """Whether a table holds gaze."""
        return any(one.format.holds == "gaze" for one in self.known)

    def stimuli(self, on_rows: OnRows | None = None) -> tuple[str, ...]:
        """Return the names of all that was looked at, in the order of the files.

        Parameters
        ----------
        on_rows : callable, optional

        Raises
        ------
        GazeheatError
            When a table cannot be read.
        """
        if self._names is None:
            self._names = self._named()
        if self._names is None:
            state = self._state()
            self._names = _known_names.get(state)
            if self._names is None:
                self._names = tuple(self._read(on_rows))
                # Without a name, what is wrong with the rows has to be found each time.
                if state is not None and self._names:
                    _keep_names(state, self._names)
        return self._names

    def take(self, stimulus: str, on_rows: OnRows | None = None) -> Stimulus:
        """Return what was read of one of them, and let go of it.

        Parameters
        ----------
        stimulus : str
            One of `stimuli`.
        on_rows : callable, optional

        Raises
        ------
        GazeheatError
            When a table cannot be read.
        """
        held = self._read(on_rows)
        if stimulus not in held:  # taken before
            self._stimuli = None
            held = self._read(on_rows)
        found = held.pop(stimulus, None) or Stimulus()
        if not held:
            self._stimuli = None
        return found

    def _named(self) -> tuple[str, ...] | None:
        """Return the names as far as headers and files tell; None where the rows have them."""
        names: list[str] = []
        for one in self.known:
            header = Header(one.table.columns)
            if one.format.picture and header.find(one.format.picture):
                return None
            names += _stars(one.format, header) or [one.stimulus]
        return tuple(dict.fromkeys(names))

    def _state(self) -> Hashable:
        """Return what differs once a table on disk is changed, or read otherwise; else None."""
        try:
            states = [one.table.file.state() for one in self.known]
        except OSError:  # said when it is read
            return None
        if None in states:
            return None
        facts: list[Hashable] = []
        for state, one in zip(states, self.known, strict=True):
            table = one.table
            facts.append((state, table.file.path, table.columns, table.delimiter))
            facts.append((table.header_lines, one.format, one.recording, one.stimulus))
        return tuple(facts)

    def _read(self, on_rows: OnRows | None) -> dict[str, Stimulus]:
        if self._stimuli is None:
            self.notices, self.wearers, self.has_times = [], {}, True
            read = _Reading(self, on_rows)
            together: dict[int, list[KnownTable]] = {}
            for one in self.known:
                together.setdefault(id(one.table), []).append(one)
            for tables_of_one in together.values():
                read.add(tables_of_one)
            self._stimuli = read.finished()
        return self._stimuli


# What tables on disk were found to hold: a server opens the same ones again and again, and their
# studies may be kept.
_known_names: OrderedDict[Hashable, tuple[str, ...]] = OrderedDict()
_MOST_KNOWN = 1_000


def _keep_names(state: Hashable, names: tuple[str, ...]) -> None:
    _known_names[state] = names
    if len(_known_names) > _MOST_KNOWN:
        _known_names.popitem(last=False)


def _stars(form: Format, header: Header) -> list[str]:
    """Return what stands in the place of the star in the names of the positions."""
    if "*" not in form.x:
        return []
    upright = {one.star for one in header.find(form.y)}
    return [one.star for one in header.find(form.x) if one.star in upright]


class _Where(NamedTuple):
    """Positions of the columns of a table; None where there is none."""

    x: int
    y: int
    time: tuple[int, int] | None
    end: tuple[int, int] | None
    duration: tuple[int, int] | None
    recording: tuple[int, ...]
    wearer: int | None
    section: int | None
    picture: int | None
    keep: tuple[tuple[int, str], ...]
    detected: int | None
    at_least: tuple[int, float] | None
    fixation: int | None

    @classmethod
    def of(cls, form: Format, header: Header, star: str) -> _Where:
        def place(column: str) -> int | None:
            found = [one for one in header.find(column) if not one.star or one.star == star]
            # The star of a column that is one for all pictures may be anything.
            found = found or header.find(column)
            return found[0].position if found else None

        def moment(column: str) -> tuple[int, int] | None:
            found = header.find_time(column) if column else None
            return None if found is None else (found[0].position, found[1])

        x, y = place(form.x), place(form.y)
        assert x is not None
        assert y is not None
        least = None if form.at_least is None else place(form.at_least[0])
        kept = ((place(column), value) for column, value in form.keep)
        recording = (place(column) for column in form.recording)
        return cls(
            x=x,
            y=y,
            time=moment(form.time),
            end=moment(form.end),
            duration=moment(form.duration),
            recording=tuple(one for one in recording if one is not None),
            wearer=place(form.wearer),
            section=place(form.section),
            picture=place(form.picture),
            keep=tuple((one, value) for one, value in kept if one is not None),
            detected=place(form.detected),
            at_least=None if least is None or form.at_least is None else (least, form.at_least[1]),
            fixation=place(form.fixation),
        )

    @property
    def all(self) -> list[int]:
        """Every column that is read."""
        times = [one[0] for one in (self.time, self.end, self.duration) if one is not None]
        others = (self.wearer, self.section, self.picture, self.detected, self.fixation)
        kept = [one for one, _ in self.keep]
        least = [] if self.at_least is None else [self.at_least[0]]
        known = [one for one in others if one is not None]
        return sorted({self.x, self.y, *times, *self.recording, *kept, *least, *known})


class _Use(NamedTuple):
    """What is read of a table in one of its formats.

    Attributes
    ----------
    known : KnownTable
    places : list of (str, _Where)
        What stands in the place of the star, and the columns.
    times : _Times or None
    """

    known: KnownTable
    places: list[tuple[str, _Where]]
    times: _Times | None

    @classmethod
    def of(cls, known: KnownTable, contents: Contents) -> _Use:
        """Find the columns; adds what is to be said of them to the contents."""
        table, form = known.table, known.format
        header = Header(table.columns)
        stars = _stars(form, header) or [known.stimulus]
        places = [(star, _Where.of(form, header, star)) for star in stars]
        first, notices = places[0][1], contents.notices
        times = _time_unit(table, form, first, notices, has_gaze=contents.has_gaze)
        notices += _taken(table, form, first)
        return cls(known, places, times)

    @property
    def columns(self) -> set[int]:
        """Every column that is read."""
        return {column for _, where in self.places for column in where.all}


class _Reading:
    """One pass over tables that belong together."""

    def __init__(self, contents: Contents, on_rows: OnRows | None) -> None:
        self._contents = contents
        self._on_rows = on_rows
        self._stimuli: dict[str, Stimulus] = {}
        self._ids: dict[str, int] = {}
        self._rows = self._read_bytes = self._without_picture = self._unnamed = self._sections = 0
        files = contents.files
        self._most_bytes = max(1, sum(file.size_bytes for file in files))

    def finished(self) -> dict[str, Stimulus]:
        """Return what was read, by what was looked at."""
        for one in self._stimuli.values():
            for key in one.fixations:
                one.gaze.setdefault(key, _no_gaze())
            for columns in one.fixations.values():
                _once_each(columns)
        self._contents.rows_without_picture = self._without_picture
        if self._without_picture:
            file = self._contents.known[0].table.file
            self._contents.notices.append(
                f"{file}: {self._without_picture:,} rows name no picture, and are left out."
            )
        return self._stimuli

    def add(self, known: Sequence[KnownTable]) -> None:
        """Read a table, for each of the formats that it holds."""
        table = known[0].table
        uses = [_Use.of(one, self._contents) for one in known]
        for use in uses:
            if use.times is None and self._is_counted(use.known):
                self._contents.has_times = False
        counts_rows = any(self._is_counted(one) for one in known)
        wanted = sorted({column for use in uses for column in use.columns})
        first_line = table.header_lines + 1
        for block in tables.read_blocks(table):
            frame, lines = _cells(block, table, wanted)
            self._rows += len(frame) * counts_rows
            if self._rows > (most := table.file.limits.rows):
                raise LimitError(
                    f"{table.file}: more than {most:,} rows. Split the study into several exports."
                )
            for use in uses:
                for star, where in use.places:
                    self._take(frame, use, where, star, lines + first_line)
            first_line += block.count(b"\n")
            self._read_bytes += len(block)
            if self._on_rows is not None:
                self._on_rows(self._rows, min(1.0, self._read_bytes / self._most_bytes))

    def _is_counted(self, known: KnownTable) -> bool:
        """Tell whether rows of a table are those that an export counts."""
        return known.format.holds == "gaze" or not self._contents.has_gaze

    def _take(
        self,
        frame: pd.DataFrame,
        use: _Use,
        where: _Where,
        star: str,
        lines: IntArray,
    ) -> None:
        """Take the rows of a block for one place of the star."""
        known, times = use.known, use.times
        form, decimal = known.format, known.table.decimal
        for column, value in where.keep:
            kept = _bare(frame[column]) == value.lower()
            frame, lines = frame[kept], lines[kept.to_numpy()]
        if where.picture is not None:
            has_picture = ~frame[where.picture].isin(_MISSING)
            self._without_picture += int((~has_picture).sum()) * self._is_counted(known)
            frame, lines = frame[has_picture], lines[has_picture.to_numpy()]
        if frame.empty:
            return
        x, y = _numbers(frame[where.x], decimal), _numbers(frame[where.y], decimal)
        flags = _flags(frame, where, decimal)
        moment, has_time = _moments(frame, where.time, times, decimal)
        is_empty = np.isnan(x) | np.isnan(y)
        is_lost = np.isin(x, form.lost) | np.isin(y, form.lost)
        # A row that says that there is gaze has to say where.
        is_odd: npt.NDArray[np.bool_] = is_empty
        if where.detected is None:
            is_odd = _are_odd(frame[where.x], x) | _are_odd(frame[where.y], y)
        readable = (flags != FLAG_UNKNOWN) & has_time & ~((flags == 1) & is_odd)
        readable &= ~frame[_IS_SPLIT].to_numpy()
        is_nowhere = is_empty | is_lost | (flags != 1)
        x[is_nowhere] = y[is_nowhere] = np.nan
        fixed: list[npt.NDArray[Any]]
        if form.holds == "gaze":
            inside = np.zeros(len(x), np.uint8)
            if where.fixation is not None:
                inside[:] = ~frame[where.fixation].isin(_MISSING)
            fixed = [moment, x, y, inside]
        else:
            end, has_end = _moments(frame, where.end, times, decimal)
            duration_ms = (end - moment) / 1e6 if where.end is not None else np.zeros(len(x))
            if where.duration is not None:
                column, unit_ns = where.duration
                with np.errstate(over="ignore"):
                    duration_ms = _numbers(frame[column], decimal) * (unit_ns / 1e6)
            lasts = np.abs(duration_ms) < _LATEST_NS / 1e6
            readable &= lasts
            if where.end is None or not has_end.all():
                end = moment + np.where(lasts, duration_ms * 1e6, 0).astype(np.int64)
            fixed = [self._numbered(frame, where), moment, end, x, y, duration_ms]
        self._append(frame, known, where, star, readable, fixed, lines)

    def _numbered(self, frame: pd.DataFrame, where: _Where) -> IntArray:
        """Number the fixations: rows of one id have one number, rows without have their own."""
        own = -1 - self._unnamed - np.arange(len(frame))
        self._unnamed += len(frame)
        if where.fixation is None:
            return own
        code, names = pd.factorize(frame[where.fixation])
        numbers = [self._ids.setdefault(name, len(self._ids)) for name in names]
        has_id = ~frame[where.fixation].isin(_MISSING).to_numpy()
        return np.where(has_id, np.array(numbers, np.int64)[code], own)

    def _append(
        self,
        frame: pd.DataFrame,
        known: KnownTable,
        where: _Where,
        star: str,
        readable: npt.NDArray[np.bool_],
        columns: list[npt.NDArray[Any]],
        lines: IntArray,
    ) -> None:
        """Append rows to their sections."""
        is_gaze = known.format.holds == "gaze"
        code, keys = _combined(frame, where)
        order = np.argsort(code, kind="stable")
        for key, rows in zip(
            keys, np.split(order, np.flatnonzero(np.diff(code[order])) + 1), strict=True
        ):
            picture, recording, section, wearer = key
            stimulus = self._stimulus(known, picture if where.picture is not None else star)
            good = rows[readable[rows]]
            unreadable = len(rows) - len(good)
            id = recording if where.recording else known.recording
            if self._is_counted(known):
                first = None
                if unreadable and stimulus.tally.first is None:
                    row = int(rows[~readable[rows]][0])
                    first = self._odd(frame.iloc[row], int(lines[row]), known, where)
                unassigned = 0 if id else len(rows)
                stimulus.tally += Tally(0, unassigned, unreadable, first)
            if not id:
                stimulus.unassigned_fixations += 0 if is_gaze else len(rows)
                continue
            self._contents.wearers.setdefault(id, wearer)
            sections = stimulus.gaze if is_gaze else stimulus.fixations
            grown = sections.get((id, section))
            if grown is None:
                grown = sections[id, section] = _no_gaze() if is_gaze else no_fixations()
                self._sections += 1
                self._check_sections(known)
            grown.unreadable += unreadable
            if len(good):
                grown.append(*(column[good] for column in columns))

    def _stimulus(self, known: KnownTable, name: str) -> Stimulus:
        """Return what was read of a picture so far.

        Raises
        ------
        LimitError
            When there are more pictures than there may be exports.
        """
        found = self._stimuli.get(name)
        if found is None:
            if len(self._stimuli) >= (most := known.table.file.limits.exports):
                raise LimitError(
                    f"{known.table.file}: more than {most:,} pictures were looked at, the last "
                    f"'{shown(name, _SHOWN_CHARACTERS)}'. Give the rows of some of them at a time."
                )
            found = self._stimuli[name] = Stimulus()
        return found

    def _odd(
        self, row: pd.Series[str], line: int, known: KnownTable, where: _Where
    ) -> tuple[int, str]:
        """Explain a row that cannot be read."""
        table, decimal = known.table, known.table.decimal
        place = f" of {table.file}" if len(self._contents.files) > 1 else ""
        # Lines count from the first below the header, as `Tally` has them.
        below = line - table.header_lines
        if row[_IS_SPLIT]:
            return below, f"more cells than the header{place} has columns"

        def is_odd(column: int) -> bool:
            if column in (where.x, where.y):
                return bool(np.isnan(_numbers(row[[column]], decimal))[0])
            if column == where.detected:
                return _flag(row[column], decimal) == FLAG_UNKNOWN
            return False

        others = [one[0] for one in (where.time, where.duration) if one is not None]
        column = next(filter(is_odd, where.all), next(iter(others), where.x))
        name, cell = shown(table.columns[column]), row[column]
        held = f"holds '{shown(cell, _SHOWN_CHARACTERS)}'" if cell else "is empty"
        return below, f"column '{name}'{place} {held}"

    def _check_sections(self, known: KnownTable) -> None:
        most = known.table.file.limits.sections
        if self._sections > most:
            raise LimitError(
                f"{known.table.file}: more than {most:,} recordings and sections. Check that the "
                "columns that name them hold names."
            )


def _no_gaze() -> Columns:
    return Columns.of(np.int64, np.float64, np.float64, np.uint8)


def no_fixations() -> Columns:
    """Return what fixations are appended to: id, start, end, x, y, duration."""
    return Columns.of(*[np.int64] * 3, *[np.float64] * 3)


def _once_each(columns: Columns) -> None:
    """Leave one row of each fixation: earliest start, longest duration.

    A tracker may list a fixation with each sample or frame. Its place is that of the longest
    row that has one.
    """
    id, start, end, x, _, duration_ms = columns.arrays
    if not len(id):
        return
    order = np.lexsort((np.arange(len(id)), -duration_ms, np.isnan(x), id))
    first = np.flatnonzero(np.diff(id[order], prepend=id[order[0]] - 1))
    chosen = order[first]
    chosen = chosen[np.argsort(chosen)]
    earliest = np.minimum.reduceat(start[order], first)
    latest = np.maximum.reduceat(end[order], first)
    longest = np.maximum.reduceat(duration_ms[order], first)
    place = np.argsort(order[first])
    kept = [column[chosen] for column in columns.arrays]
    kept[1], kept[2], kept[5] = earliest[place], latest[place], longest[place]
    columns.arrays[:] = kept


# --- Cells ---------------------------------------------------------------------------


def _cells(block: bytes, table: Table, wanted: list[int]) -> tuple[pd.DataFrame, IntArray]:
    """Return the wanted columns of a block as text, and the line of each row, from 0."""
    encoding = "utf-8" if tables.is_utf8(block) else "cp1252"
    is_whole = b"\x00" not in block and codecs.BOM_UTF8 not in block
    is_whole &= block.count(b"\r") == block.count(b"\r\n")
    lines, is_split = tables.measure(block, table)
    if is_whole and not is_split:
        try:
            frame = pd.read_csv(
                io.BytesIO(block),
                header=None,
                names=list(range(len(table.columns))),
                index_col=False,
                usecols=wanted,
                dtype=object,
                sep=table.delimiter,
                encoding=encoding,
                encoding_errors="replace",
                na_filter=False,
                low_memory=False,
            )
            is_header = frame.iloc[:, 0] == table.columns[wanted[0]]
            if len(frame) == lines and not is_header.any():
                frame = _stripped(frame, block, table)
                frame[_IS_SPLIT] = False
                return frame, np.arange(lines)
        except Exception:  # pandas raises whatever comes to it
            pass
    text = block.decode(encoding, "replace").replace("\r\n", "\n").replace("\x00", "\ufffd")
    rows, places, split = [], [], []
    for place, line in enumerate(text.split("\n")):
        # Files that were joined have a mark before each header.
        cells = tables.split_line(line.removeprefix("\ufeff"), table.delimiter)
        if line.strip() and tuple(cells) != table.columns:
            places.append(place)
            rows.append([cells[one] if one < len(cells) else "" for one in wanted])
            # A delimiter more at the end of each line is none.
            split.append(any(cells[len(table.columns) :]))
    frame = pd.DataFrame(rows, columns=wanted, dtype=object)
    frame[_IS_SPLIT] = np.array(split, np.bool_)
    return frame, np.array(places, np.int64)


def _stripped(frame: pd.DataFrame, block: bytes, table: Table) -> pd.DataFrame:
    """Take off blanks around cells, where any has one; a short row has empty cells."""
    frame = frame.fillna("")
    if not _has_blanks(block, table.delimiter):
        return frame
    return frame.apply(lambda column: _once(column, str.strip))


def _has_blanks(block: bytes, delimiter: str) -> bool:
    """Tell whether a cell may begin or end with a blank."""
    values = np.frombuffer(block, np.uint8)
    blanks = np.flatnonzero(values == ord(" "))
    if not len(blanks):
        return False
    ends = np.frombuffer(f'{delimiter}\r\n"'.encode(), np.uint8)
    before = np.isin(values[np.maximum(blanks - 1, 0)], ends)
    behind = np.isin(values[np.minimum(blanks + 1, len(values) - 1)], ends)
    is_outermost = blanks[0] == 0 or blanks[-1] == len(values) - 1
    return bool(is_outermost or before.any() or behind.any())


def _once(cells: Text, change: Callable[[str], Any]) -> pd.Series[Any]:
    """Change cells, each spelling once."""
    code, spellings = pd.factorize(cells)
    if len(spellings) * 2 > len(cells):
        return cells.map(change)
    changed = np.array([*map(change, spellings), None], object)[code]
    return pd.Series(changed, cells.index, dtype=object)


def _bare(cells: Text) -> pd.Series[Any]:
    return _once(cells, str.lower)


def _numbers(cells: Text, decimal: str) -> FloatArray:
    """Return numbers; NaN in an empty cell and where there is none."""
    if decimal == ",":
        cells = cells.str.replace(",", ".", regex=False)
    try:
        values: FloatArray = cells.to_numpy(object).astype(np.float64)
    except ValueError:  # a cell that is empty, or no number
        values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, copy=True)
    values[~np.isfinite(values)] = np.nan
    return values


def _are_odd(cells: Text, values: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which cells hold something that is no number."""
    odd = np.isnan(values)
    if odd.any():
        odd[odd] = ~cells[odd].isin(_MISSING).to_numpy(np.bool_)
    return odd


def _flags(frame: pd.DataFrame, where: _Where, decimal: str) -> npt.NDArray[np.uint8]:
    """Tell for each row whether gaze was detected: 0 no, 1 yes, 2 neither can be read."""
    flags = np.ones(len(frame), np.uint8)
    if where.detected is not None:
        code, spellings = pd.factorize(frame[where.detected])
        flags = np.array([_flag(one, decimal) for one in spellings], np.uint8)[code]
    if where.at_least is not None:
        column, least = where.at_least
        flags[(flags == 1) & ~(_numbers(frame[column], decimal) >= least)] = 0
    return flags


def _flag(cell: str, decimal: str) -> int:
    """Read a yes or no; a share of a fixation's samples is a yes where there are any."""
    known = tables.flag(cell)
    if known == FLAG_UNKNOWN:
        try:
            share = float(cell.replace(decimal, "."))
        except ValueError:
            return known
        known = int(share > 0) if 0 <= share <= 1 else known
    return known


def _combined(
    frame: pd.DataFrame, where: _Where
) -> tuple[IntArray, list[tuple[str, str, str, str]]]:
    """Number the combinations of picture, recording, section and wearer."""

    def cells(column: int | None) -> Text:
        if column is None:
            return pd.Series("", frame.index, dtype=object)
        return frame[column].where(~frame[column].isin(_MISSING), "")

    names = [cells(one) for one in where.recording]
    recording = names[0] if names else cells(None)
    for further in names[1:]:
        recording = (recording + _JOINT + further).str.strip()
    columns = [cells(where.picture), recording, cells(where.section), cells(where.wearer)]
    codes, spellings = zip(*(pd.factorize(column) for column in columns), strict=True)
    shape = tuple(len(one) for one in spellings)
    code, seen = pd.factorize(np.asarray(np.ravel_multi_index(codes, shape)))
    rows = zip(*np.unravel_index(seen, shape), strict=True)
    keys = [tuple(one[i] for one, i in zip(spellings, row, strict=True)) for row in rows]
    return code.astype(np.int64), keys


# --- Times ---------------------------------------------------------------------------


class _Times(NamedTuple):
    """How the times of a table are written.

    Attributes
    ----------
    unit_ns : int
        Of numbers.
    are_dates : bool
    """

    unit_ns: int
    are_dates: bool = False


def _first_cells(table: Table, column: int) -> Text:
    block = next(tables.read_blocks(table, 2**16), b"")
    frame, _ = _cells(block, table, [column])
    return frame[column][~frame[column].isin(_MISSING)][:_ROWS_TRIED]


def time_unit_ns(cells: Text, stated_ns: int, holds: str, decimal: str = ".") -> int | None:
    """Tell in which unit numbers are times.

    Parameters
    ----------
    cells : Series of str
        The first times of a table.
    stated_ns : int
        Nanoseconds in the unit that its header states.
    holds : "gaze" or "fixations"
    decimal : str

    Returns
    -------
    int or None
        Nanoseconds in the unit: the stated one, unless that would make the tracker faster than
        any. None where most are no numbers.

    Examples
    --------
    >>> time_unit_ns(pd.Series(["2400.000", "2400.005", "2400.010"]), 1, "gaze")
    1000000000
    """
    values = _numbers(cells, decimal)
    known = values[np.isfinite(values)]
    if not len(known) or len(known) * 2 < len(values):
        return None
    with np.errstate(over="ignore"):
        steps = np.diff(known)
    steps = steps[steps > 0]
    if not len(steps):
        return stated_ns
    step, shortest = float(np.median(steps)), _SHORTEST_STEP_NS[holds]
    if step * stated_ns >= shortest:
        return stated_ns
    return next((unit for unit in _UNITS_NS if step * unit >= shortest), _UNITS_NS[-1])


def time_is_whole_ns(table: Table, form: Format) -> bool:
    """Tell whether times are whole nanoseconds, as Pupil Cloud writes them.

    A spreadsheet's ``1.74E+18`` is whole, too. Whole numbers in another unit are not, as far as
    the rate of the samples tells; an empty table holds nothing else.
    """
    found = Header(table.columns).find_time(form.time)
    if found is None:
        return False
    column, stated_ns = found[0].position, found[1]
    cells = _first_cells(table, column)
    whole = [tables.whole_number(cell.replace(table.decimal, ".")) for cell in cells]
    if not whole:
        return True
    if stated_ns != 1 or whole.count(None) * 2 > len(whole):
        return False
    # So many nanoseconds have passed since 1970, and of no other unit.
    if any(one is not None and one > _LONG_AGO_NS for one in whole):
        return True
    return time_unit_ns(cells, 1, form.holds, table.decimal) in (1, None)


def _time_unit(
    table: Table, form: Format, where: _Where, notices: list[str], *, has_gaze: bool
) -> _Times | None:
    """Find out how the times are written; None where there are none that can be read."""
    counts = form.holds == "gaze" or not has_gaze
    lacking = "durations, windows of time and seconds" if has_gaze else "windows of time"
    needless = f"The heatmap does not need them; {lacking} are not known."
    if where.time is None:
        if counts:
            notices.append(f"{table.file}: no column holds times. {needless}")
        return None
    column, stated_ns = where.time
    cells = _first_cells(table, column)
    name = shown(table.columns[column])
    unit_ns = time_unit_ns(cells, stated_ns, form.holds, table.decimal)
    if unit_ns is not None:
        if unit_ns != stated_ns:
            notices.append(
                f"{table.file}: the times in '{name}', such as {shown(cells.iloc[0])}, are read "
                f"as {_UNIT_NAMES[unit_ns]}."
            )
        return _Times(unit_ns)
    known = _dates(cells)
    if len(known) and np.count_nonzero(known[1]) * 2 >= len(cells):
        return _Times(1, are_dates=True)
    if counts:
        example = f", such as '{shown(cells.iloc[0])}'," if len(cells) else ""
        notices.append(f"{table.file}: the times in '{name}'{example} cannot be read. {needless}")
    return None


def _dates(cells: Text) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Read dates, or times of day, as nanoseconds."""
    dates = pd.to_datetime(cells, errors="coerce", utc=True, format="ISO8601")
    if dates.isna().all():
        dates = pd.to_datetime(cells, errors="coerce", utc=True, format="mixed")
    known = dates.notna().to_numpy()
    moments = np.zeros(len(cells), np.int64)
    naive = dates[known].dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
    moments[known] = naive.astype(np.int64)
    return moments, known


def _moments(
    frame: pd.DataFrame, place: tuple[int, int] | None, times: _Times | None, decimal: str
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Return times in nanoseconds, and which could be read: all, where a table has none."""
    if place is None or times is None:
        return np.zeros(len(frame), np.int64), np.ones(len(frame), np.bool_)
    cells = frame[place[0]]
    if times.are_dates:
        return _dates(cells)
    if decimal == ",":
        cells = cells.str.replace(",", ".", regex=False)
    moments = np.zeros(len(cells), np.int64)
    try:
        # Whole numbers pass through no float.
        whole = cells.to_numpy(object).astype(np.int64)
    except (ValueError, OverflowError):
        pass
    else:
        known = np.abs(whole) < _LATEST_NS // times.unit_ns
        moments[known] = whole[known] * times.unit_ns
        return moments, known
    with np.errstate(over="ignore"):
        values = _numbers(cells, decimal) * times.unit_ns
    known = np.abs(values) < _LATEST_NS
    moments[known] = np.rint(values[known])
    if times.unit_ns == 1:
        for row, cell in enumerate(cells):
            if known[row] and (exact := tables.whole_number(cell)) is not None:
                moments[row] = exact
    return moments, known


def _taken(table: Table, form: Format, where: _Where) -> Iterator[str]:
    """Say which column was taken for the position, where the format has several or another."""
    name = table.columns[where.x]
    taken, meant = (letters(one.partition("[")[0]) for one in (name, plain_name(form.x)))
    if taken != meant and "*" not in form.x:
        yield (
            f"{table.file}: positions are read from '{shown(name)}' and "
            f"'{shown(table.columns[where.y])}'."
        )
