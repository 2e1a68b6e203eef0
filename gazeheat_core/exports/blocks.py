"""Tables of Pupil Cloud, gaze or fixations, block by block: the only loop over their rows.

What is kept of a row, and what the rows of a section are appended to, is the caller's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from gazeheat_core.corrections import Places, PlaceSums, add_up, place
from gazeheat_core.errors import ExportError, GazeheatError, LimitError
from gazeheat_core.exports import formats, tables
from gazeheat_core.exports.columns import check_ids, find_layout
from gazeheat_core.exports.contents import OnRows, SectionKey
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.exports.tables import Layout, Rows, Span, Table, Tally
from gazeheat_core.model import Frame, IntArray

# Where sections take turns, each has a few rows in a block. Fewer than this wait for those of
# further blocks, since each time that a section grows costs as much as hundreds of its rows.
_ROWS_WORTH_APPENDING = 200
_MOST_WAITING = 2**20


class CloudTable(NamedTuple):
    """A table whose columns are known.

    Attributes
    ----------
    table : Table
    layout : Layout
    frame : (float, float, float, float) or None
        Of its positions, as `Export.frame`.
    of_fixations : bool
        Whether its rows are fixations, not gaze.
    """

    table: Table
    layout: Layout
    frame: Frame | None
    of_fixations: bool = False


def gaze_table(found: FoundExport) -> CloudTable:
    """Return an export's table of gaze."""
    return CloudTable(found.gaze, find_layout(found.format, found.gaze), found.frame)


def fixations_table(found: FoundExport) -> CloudTable | None:
    """Return an export's table of fixations; None without one.

    Raises
    ------
    GazeheatError
        When it cannot be used.
    """
    if found.fixations is None:
        return None
    table = tables.read_header(found.fixations)
    layout = find_layout(formats.fixations_beside(found.format), table)
    return CloudTable(table, layout, found.frame, of_fixations=True)


@contextmanager
def fixations_or_notice(notices: list[str]) -> Iterator[None]:
    """Turn an error of fixations that cannot be used into a notice."""
    try:
        yield
    except GazeheatError as error:
        notices.append(fixations_left_out(error))


def fixations_left_out(error: GazeheatError) -> str:
    """Return the notice on fixations that cannot be used."""
    return f"{error} The fixations are left out; the gaze is not affected."


# What is kept of the rows of a block, by column.
Keep: TypeAlias = Callable[[Rows], Sequence[npt.NDArray[Any]]]


class Block(NamedTuple):
    """The rows of a stretch of a table.

    Attributes
    ----------
    rows : int
        All of them.
    tally : Tally
    size_bytes : int
    sections : list of SectionKey
        Those that have rows in it.
    unreadable : int64 array, shape (number of sections,)
        Rows of each that were left out.
    section : int64 array, shape (n,)
        Index into `sections` for each row that can be read.
    columns : tuple of arrays of length n
        What is kept of these rows.
    places : Places
        Of fixations where they stand; of gaze where the samples of each fixation lie.
    """

    rows: int
    tally: Tally
    size_bytes: int
    sections: list[SectionKey]
    unreadable: IntArray
    section: IntArray
    columns: tuple[npt.NDArray[Any], ...]
    places: Places


def iter_blocks(known: CloudTable, keep: Keep, span: Span | None = None) -> Iterator[Block]:
    """Read a table of gaze or fixations block by block: the only loop over rows.

    Rows that are flagged but have no finite position count as unreadable; where the
    flag says no, the position becomes NaN.

    Parameters
    ----------
    known : CloudTable
    keep : callable
        Says what is kept of each row.
    span : (int, int), optional
        Read this stretch of the file only, one of `tables.split_lines`.

    Raises
    ------
    ExportError
        When so many rows cannot be read that the rest would take too long.
    """
    table, layout = known.table, known.layout
    most_unreadable = table.file.limits.unreadable_rows
    total = unreadable = 0
    is_explained = False
    for text in _read_ahead(tables.read_blocks(table, span=span)):
        rows = tables.parse_block(text, table, layout)
        detected = rows.flag == 1
        finite = np.isfinite(rows.numbers[0]) & np.isfinite(rows.numbers[1])
        rows.readable[(rows.flag == tables.FLAG_UNKNOWN) | (detected & ~finite)] = False
        places = _places(known, rows, finite)
        rows.numbers[:2, ~detected] = np.nan
        bad = ~rows.readable
        lost = np.flatnonzero(bad & (rows.flag != 0)) if bad.any() else np.empty(0, np.int64)
        first = None
        if len(lost) and not is_explained:
            first = tables.explain_row(text, int(lost[0]), table, layout)
            is_explained = True
        grouped = tables.count_grouped(text, lost, table, layout) if len(lost) else 0
        total += len(rows)
        unreadable += int(np.count_nonzero(bad))
        if unreadable > most_unreadable and unreadable * 10 > total * 9:
            raise ExportError(
                f"{table.file}: {unreadable:,} of the {total:,} rows looked at cannot be read. "
                "Give the file as downloaded, not as saved by a spreadsheet."
            )
        unassigned = int(np.count_nonzero(rows.key < 0))
        tally = Tally(rows.lines, unassigned, len(lost), first, grouped)
        unread = np.bincount(rows.key[bad & (rows.key >= 0)], minlength=len(rows.keys))
        section, columns = rows.key, tuple(keep(rows))
        if not rows.readable.all():
            section = section[rows.readable]
            columns = tuple(column[rows.readable] for column in columns)
        sections = [(id, rest[0] if rest else "") for id, *rest in rows.keys]
        yield Block(len(rows), tally, len(text), sections, unread, section, columns, places)


def _places(known: CloudTable, rows: Rows, finite: npt.NDArray[np.bool_]) -> Places:
    """Add up the positions of each fixation; the section is the index into `Rows.keys`."""
    if known.of_fixations:
        fixation, counted = rows.integers[0], rows.readable & finite & (rows.flag == 1)
    else:
        # A fixation's place is the mean of all its samples with a position. The flag tells
        # which of them lie on the surface.
        fixation, counted = rows.fixation, rows.readable & finite
    counted &= fixation != tables.NO_FIXATION
    x, y = rows.numbers[:2, counted]
    return place(rows.key[counted], fixation[counted], x, y, known.frame)


def _read_ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack the next block in a thread while this one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(next, blocks, None)
        while (block := ahead.result()) is not None:
            ahead = thread.submit(next, blocks, None)
            yield block


class Grows(Protocol):
    """What the rows of a section are appended to."""

    unreadable: int

    def __len__(self) -> int:
        """Rows that it holds."""
        ...

    @property
    def append(self) -> Callable[..., None]:
        """Appends rows, given by column."""
        ...


Growing = TypeVar("Growing", bound=Grows)


@dataclass(eq=False, slots=True)
class TableSections(Generic[Growing]):
    """What a table holds, or a stretch of it, by recording id and section id.

    Attributes
    ----------
    sections : dict
        In the order of the file.
    tally : Tally
    places : PlaceSums
        By the number of the section, in the order of `sections`.
    """

    places: PlaceSums
    sections: dict[SectionKey, Growing] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def rows_beside(self, known: Container[SectionKey]) -> int:
        """Count the rows of no recording, and those of sections that are not known."""
        return self.tally.unassigned + sum(
            len(own) + own.unreadable for key, own in self.sections.items() if key not in known
        )


def collect(
    known: CloudTable,
    keep: Keep,
    new: Callable[[], Growing],
    most_rows: int,
    span: Span | None = None,
    on_rows: OnRows | None = None,
) -> TableSections[Growing]:
    """Read a table, or a stretch of it, into something that grows for each section."""
    file = known.table.file
    result: TableSections[Growing] = TableSections(PlaceSums(file.limits.fixations))
    growing: list[Growing] = []
    numbers: dict[SectionKey, int] = {}
    waiting: list[tuple[npt.NDArray[Any], ...]] = []
    total = read_bytes = 0
    for block in iter_blocks(known, keep, span):
        total += block.rows
        if total > most_rows:
            raise LimitError(
                f"{file}: more than {most_rows:,} rows. Split the study into several exports."
            )
        result.tally += block.tally
        for key, unreadable in zip(block.sections, block.unreadable.tolist(), strict=True):
            if key not in numbers:
                numbers[key] = len(numbers)
                result.sections[key] = new()
                growing.append(result.sections[key])
                check_sections(known, len(growing))
            growing[numbers[key]].unreadable += unreadable
        own = np.array([numbers[key] for key in block.sections], np.int64)
        result.places.add(block.places._replace(section=own[block.places.section]))
        waiting.append((own[block.section], *block.columns))
        has_few_sections = len(own) * _ROWS_WORTH_APPENDING <= block.rows
        if has_few_sections or sum(len(rows[0]) for rows in waiting) > _MOST_WAITING:
            _append_all(waiting, growing)
        read_bytes += block.size_bytes
        if on_rows is not None:
            on_rows(total, min(1.0, read_bytes / max(1, file.size_bytes)))
    _append_all(waiting, growing)
    return result


def _append_all(waiting: list[tuple[npt.NDArray[Any], ...]], growing: Sequence[Grows]) -> None:
    """Append the rows that wait to their sections, each with its number as the first column."""
    blocks = [block for block in waiting if len(block[0])]
    waiting.clear()
    if not blocks:
        return
    number, *columns = (
        blocks[0]
        if len(blocks) == 1
        else (np.concatenate(all) for all in zip(*blocks, strict=True))
    )
    del blocks
    if (number == number[0]).all():
        growing[number[0]].append(*columns)
        return
    order = np.argsort(number, kind="stable")
    number, *columns = (column[order] for column in (number, *columns))
    bounds = [0, *(np.flatnonzero(number[1:] != number[:-1]) + 1).tolist(), len(number)]
    for start, stop in pairwise(bounds):
        growing[number[start]].append(*[column[start:stop] for column in columns])


def check_sections(known: CloudTable, count: int) -> None:
    """Check that ids are ids.

    Raises
    ------
    LimitError
        When there are too many sections.
    """
    most = known.table.file.limits.sections
    if count > most:
        raise LimitError(
            f"{known.table.file}: more than {most:,} sections. "
            f"{check_ids(known.table, known.layout)}"
        )


def placed(
    gaze: TableSections[Growing], fixations: TableSections[Growing] | None
) -> tuple[Places, Places] | None:
    """Return where fixations stand and where their samples lie, by the sections of the gaze."""
    places = gaze.places.result()
    stated = None if fixations is None else fixations.places.result()
    if fixations is None or stated is None or places is None:
        return None
    numbers = {key: number for number, key in enumerate(gaze.sections)}
    own = np.array([numbers.get(key, -1) for key in fixations.sections], np.int64)
    section = own[stated.section]
    known = Places(*(column[section >= 0] for column in stated._replace(section=section)))
    return add_up([known]), places


def by_recording(
    first: Iterable[str], table: TableSections[Growing]
) -> dict[str, dict[str, Growing]]:
    """Return the sections by their ids for each recording: those of `first`, then any others."""
    sections: dict[str, dict[str, Growing]] = {id: {} for id in first}
    for (recording_id, section_id), section in table.sections.items():
        sections.setdefault(recording_id, {})[section_id] = section
    return sections
