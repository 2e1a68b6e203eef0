"""A found export to a study over its picture, or to all its samples: one loop over rows.

Over the grid of a picture the loop gives tracks, which is what the page, the command line,
other processes and the cache work with. Without one it gives positions: for a notebook, and
for an export whose picture is still missing.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from gazeheat_core.corrections import Corrections, Places, PlaceSums, add_up, compare, place
from gazeheat_core.errors import (
    ColumnsError,
    ExportError,
    GazeheatError,
    LimitError,
    PictureMissingError,
)
from gazeheat_core.exports import formats, tables
from gazeheat_core.exports.columns import Header, check_ids, find_layout
from gazeheat_core.exports.contents import SectionKey, no_fixations
from gazeheat_core.exports.finding import FoundExport
from gazeheat_core.exports.judging import (
    count_codes,
    count_thousandfold,
    count_thousandfold_samples,
    count_tracked,
    doubt_picture,
    fits_turned,
    gaze_reach,
    judge_gaze,
    judge_positions,
    judge_samples,
    px,
)
from gazeheat_core.exports.picture import as_guess, read_pictures, stated_sizes
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.exports.surfaces import doubt_shape, read_ratio
from gazeheat_core.exports.tables import Layout, Rows, Span, Table, Tally
from gazeheat_core.grid import Grid
from gazeheat_core.model import (
    Export,
    Fixations,
    Frame,
    GazeSamples,
    IntArray,
    Recording,
    ReferenceImage,
    Section,
    Size,
    count_inside,
    positions_of,
)
from gazeheat_core.stuck import say_stuck
from gazeheat_core.study import RecordingTracks, Study, finish_section, track_export
from gazeheat_core.tracks import (
    Columns,
    TrackBuilder,
    are_rounded,
    count_whole_seconds,
    whole_ms,
)

# Rows read so far, and the share of the file from 0 to 1: called while a large one is read.
OnRows = Callable[[int, float], None]

# Where sections take turns, each has a few rows in a block. Fewer than this wait for those of
# further blocks, since each time that a section grows costs as much as hundreds of its rows.
_ROWS_WORTH_APPENDING = 200
_MOST_WAITING = 2**20


# --- The loop ------------------------------------------------------------------------


class KnownTable(NamedTuple):
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


def gaze_table(found: FoundExport) -> KnownTable:
    """Return an export's table of gaze."""
    return KnownTable(found.gaze, find_layout(found.format, found.gaze), found.frame)


def fixations_table(found: FoundExport) -> KnownTable | None:
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
    return KnownTable(table, layout, found.frame, of_fixations=True)


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


def iter_blocks(known: KnownTable, keep: Keep, span: Span | None = None) -> Iterator[Block]:
    """Read a table of gaze or fixations block by block: the only loop over rows.

    Rows that are flagged but have no finite position count as unreadable; where the
    flag says no, the position becomes NaN.

    Parameters
    ----------
    known : KnownTable
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


def _places(known: KnownTable, rows: Rows, finite: npt.NDArray[np.bool_]) -> Places:
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


def _collect(
    known: KnownTable,
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


def check_sections(known: KnownTable, count: int) -> None:
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


# --- Tracks --------------------------------------------------------------------------


class TableTracks(TableSections[TrackBuilder]):
    """What a table holds, or a stretch of it, over one grid or several."""

    def add(self, later: TableTracks, known: KnownTable) -> None:
        """Add what another stretch holds, one that comes later in the file.

        Raises
        ------
        LimitError
            When there are then too many sections.
        """
        numbers = {key: number for number, key in enumerate(self.sections)}
        own = [numbers.setdefault(key, len(numbers)) for key in later.sections]
        self.places.add_all(later.places, np.array(own, np.int64))
        self.tally += later.tally
        for key, builder in later.sections.items():
            if key in self.sections:
                self.sections[key].add(builder)
            else:
                self.sections[key] = builder
                check_sections(known, len(self.sections))

    @property
    def is_rounded(self) -> bool:
        """Whether all sections of some length have rounded times."""
        return are_rounded(builder.whole_seconds for builder in self.sections.values())


def read_tracks(
    known: KnownTable,
    grids: Sequence[Grid],
    *,
    span: Span | None = None,
    on_rows: OnRows | None = None,
) -> TableTracks:
    """Read a table of gaze or fixations, or a stretch of it, over one grid or several.

    Parameters
    ----------
    known : KnownTable
    grids : sequence of Grid
    span : (int, int), optional
        Read this stretch of the file only, one of `tables.split_lines`.
    on_rows : callable, optional
        Called with the number of rows read so far and the share of the file, from 0 to 1.

    Raises
    ------
    GazeheatError
        When it cannot be read, or holds more than the limits allow.
    """
    gaze = _GazeEntries(grids)
    keep = partial(_fixation_entries, grids) if known.of_fixations else gaze
    dtype = np.uint32 if known.of_fixations else np.uint8
    most_rows = known.table.file.limits.tracked_rows
    new = partial(TrackBuilder, len(grids), dtype)
    read = _collect(known, keep, new, most_rows, span, on_rows)
    tally = replace(read.tally, thousandfold=gaze.thousandfold)
    return TableTracks(read.places, read.sections, tally)


def no_tracks(known: KnownTable) -> TableTracks:
    """Return what stretches of a table are added to."""
    return TableTracks(PlaceSums(known.table.file.limits.fixations))


@dataclass(slots=True)
class _GazeEntries:
    """Makes entries of rows of gaze, and counts the positions without their decimal point.

    These are looked at over the first grid: others are the same picture, turned.
    """

    grids: Sequence[Grid]
    thousandfold: int = 0

    def __call__(self, rows: Rows) -> Sequence[npt.NDArray[Any]]:
        x, y = rows.numbers
        cells = [grid.cells(x, y) for grid in self.grids]
        beside = np.flatnonzero((cells[0] == self.grids[0].outside) & rows.readable)
        if len(beside):
            self.thousandfold += count_thousandfold(self.grids[0], x[beside], y[beside])
        return rows.integers[0], rows.in_fixation, *cells


def _fixation_entries(grids: Sequence[Grid], rows: Rows) -> Sequence[npt.NDArray[Any]]:
    _, start_ns, _ = rows.integers
    x, y, duration_ms = rows.numbers
    return start_ns, whole_ms(duration_ms), *(grid.cells(x, y) for grid in grids)


def read_fixations(
    found: FoundExport, grids: Sequence[Grid], notices: list[str]
) -> TableTracks | None:
    """Read the fixations; None where there are none or they cannot be used."""
    with _fixations_or_notice(notices):
        known = fixations_table(found)
        if known is not None:
            return read_tracks(known, grids)
    return None


@contextmanager
def _fixations_or_notice(notices: list[str]) -> Iterator[None]:
    try:
        yield
    except GazeheatError as error:
        notices.append(fixations_left_out(error))


def fixations_left_out(error: GazeheatError) -> str:
    """Return the notice on fixations that cannot be used."""
    return f"{error} The fixations are left out; the gaze is not affected."


def read_study(found: FoundExport, on_rows: OnRows | None = None) -> Study | Export:
    """Read an export over its picture, 9 bytes a gaze sample.

    An export without a picture, or with one that most of the gaze does not lie on, is read
    as by `read_export`: its positions wait for a picture. So is one whose picture is in doubt,
    as `doubt_picture` tells.

    Raises
    ------
    GazeheatError
        As `read_export`.
    """
    images, _ = read_images(found)
    if not images:
        return read_export(found, on_rows)
    if found.contents is not None:
        export = read_export(found, on_rows)
        return export if export.image is None or doubt_picture(export) else track_export(export)
    grids = [Grid.over(image.size, found.frame) for image in images]
    notices: list[str] = []
    described = read_sections(found, notices)
    gaze = read_tracks(gaze_table(found), grids, on_rows=on_rows)
    fixations = read_fixations(found, grids, notices)
    try:
        study = make_study(found, images, described, gaze, fixations, notices)
    except PictureMissingError:
        return read_export(found, on_rows)
    if doubt_picture(study):
        with suppress(LimitError):  # too large to be held: then it stays as it is
            return read_export(found, on_rows)
    return study


def make_study(
    found: FoundExport,
    images: Sequence[ReferenceImage],
    described: dict[str, Described],
    gaze: TableTracks,
    fixations: TableTracks | None,
    notices: Iterable[str] = (),
) -> Study:
    """Make a study of what was read of an export.

    Parameters
    ----------
    found : FoundExport
    images : sequence of ReferenceImage
        What the reference image may be, at least one; `gaze` and `fixations` were read over the
        grid of each. The one that most samples lie on is used.
    described : dict of Described
        As `read_sections` returns it.
    gaze, fixations : TableTracks
    notices : iterable of str
        What was said while it was read.

    Raises
    ------
    PictureMissingError
        When most samples do not lie on any of the pictures.
    GazeheatError
        As `read_export`.
    """
    grids = [Grid.over(image.size, found.frame) for image in images]
    inside = [_count_inside(gaze, i, grid) for i, grid in enumerate(grids)]
    best = inside.index(max(inside))
    study = Study(
        name=found.name,
        kind=found.kind,
        frame=found.frame,
        recordings=_join_tracks(described, gaze, fixations, found.frame, best, grids[best]),
        unassigned_rows=gaze.tally.unassigned,
        unassigned_fixations=0 if fixations is None else fixations.rows_beside(gaze.sections),
        grid=grids[best],
    )
    detected = sum(
        int(np.count_nonzero(builder.codes(best) != grids[best].undetected))
        for builder in gaze.sections.values()
    )
    said = _judge_rows(found, study, gaze.is_rounded, detected, gaze.tally)
    return judge_study(found, study, images, (*notices, *said), gaze.tally.thousandfold)


def judge_again(
    found: FoundExport,
    study: Study,
    images: Sequence[ReferenceImage],
    rounded: bool,
    notices: Iterable[str] = (),
) -> Study:
    """Give a study that was judged when it was made its picture and its notices again.

    Of what is not read in stretches all notices are kept with the study: only rows tell them.

    Parameters
    ----------
    found : FoundExport
    study : Study
    images : sequence of ReferenceImage
        As for `judge_study`.
    rounded : bool
        Whether the timestamps are whole seconds.
    notices : iterable of str
        What was said before.

    Raises
    ------
    GazeheatError
        As `make_study`.
    """
    if found.contents is not None:
        image = _image_of(study, images, count_tracked(study))
        return replace(study, name=found.name, kind=found.kind, image=image)
    return judge_study(
        found, study, images, (*notices, *_judge_rows(found, study, rounded, 0, Tally()))
    )


def _image_of(
    study: Study, images: Sequence[ReferenceImage], codes: npt.NDArray[Any]
) -> ReferenceImage:
    """Return which of the pictures a study lies on, by its grid."""
    image = next(image for image in images if image.size == study.grid.size)
    return as_guess(image) if len(images) > 1 and fits_turned(study.grid, codes) else image


def _judge_rows(
    found: FoundExport, study: Study, rounded: bool, detected: int, tally: Tally
) -> list[str]:
    """Judge the rows of a study, as `judge_gaze`."""
    sections = (section for one in study.recordings for section in one.sections)
    return judge_gaze(
        found,
        recordings=study.recordings,
        rows=study.rows,
        unreadable=sum(section.unreadable for section in sections) + study.unassigned_rows,
        detected=detected,
        tally=tally,
        rounded=rounded,
    )


def _count_inside(gaze: TableTracks, number: int, grid: Grid) -> int:
    codes = (builder.codes(number) for builder in gaze.sections.values())
    return sum(int(np.count_nonzero(one < grid.outside)) for one in codes)


def judge_study(
    found: FoundExport,
    study: Study,
    images: Sequence[ReferenceImage],
    notices: Iterable[str],
    thousandfold: int = 0,
) -> Study:
    """Give a study its picture, unless its gaze lies elsewhere, and its notices.

    Parameters
    ----------
    found : FoundExport
    study : Study
    images : sequence of ReferenceImage
        What the reference image may be; the one of the grid's size is used.
    notices : iterable of str
        What was said before.
    thousandfold : int
        As `count_thousandfold`.

    Raises
    ------
    PictureMissingError
        When most samples do not lie on the picture.
    ExportError
        When the positions are in another unit than the header says.
    """
    codes = count_tracked(study)
    label = str(found.gaze.file)
    misfit, doubts = judge_positions(label, study.frame, study.grid, codes, thousandfold)
    if misfit:
        # Says which picture is wanted, as for an export that came without one.
        replace(study, image_problem=misfit).size()
    image = _image_of(study, images, codes)
    # A copied folder has the same tracks under another name.
    study = replace(study, name=found.name, kind=found.kind, image=image, columns=found.columns)
    sections = [one.stretches for one in study.recordings]
    stuck = say_stuck(study.title, sections, study.grid, image.size)
    return replace(study, notices=(*notices, *image.notices, *doubts, *stuck))


def _join_tracks(
    described: dict[str, Described],
    gaze: TableTracks,
    fixations: TableTracks | None,
    unit: Frame | None,
    number: int,
    grid: Grid,
) -> tuple[RecordingTracks, ...]:
    """Join the tables: recordings as the list of sections has them, then any others."""
    has_times = not gaze.is_rounded
    corrections = _compare(gaze, fixations, unit, grid.frame)
    recordings = []
    for recording_id, members in _by_recording(described, gaze).items():
        about = described.get(recording_id, Described())
        sections = []
        for section_id, builder in members.items():
            found = None
            if fixations is not None:
                none = TrackBuilder(number + 1, np.uint32)
                found = fixations.sections.get((recording_id, section_id), none)
            own = about.section(section_id)
            sections.append(
                finish_section(
                    section_id,
                    builder,
                    found,
                    has_times=has_times,
                    grid=number,
                    corrections=corrections.get((recording_id, section_id), Corrections()),
                    start_ns=own.start_ns,
                    events=own.events,
                )
            )
        recordings.append(RecordingTracks(recording_id, about.name, about.wearer, tuple(sections)))
    return tuple(recordings)


def _compare(
    gaze: TableSections[Growing],
    fixations: TableSections[Growing] | None,
    unit: Frame | None,
    frame: Frame,
) -> dict[SectionKey, Corrections]:
    """Compare where fixations stand with their samples; empty where that cannot be told."""
    both = _placed(gaze, fixations)
    if both is None:
        return {}
    return dict(zip(gaze.sections, compare(*both, len(gaze.sections), unit, frame), strict=True))


def _placed(
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


def _by_recording(
    described: dict[str, Described], table: TableSections[Growing]
) -> dict[str, dict[str, Growing]]:
    sections: dict[str, dict[str, Growing]] = {name: {} for name in described}
    for (recording_id, section_id), section in table.sections.items():
        sections.setdefault(recording_id, {})[section_id] = section
    return sections


# --- Positions -----------------------------------------------------------------------


def read_export(
    found: FoundExport,
    on_rows: OnRows | None = None,
    images: Sequence[ReferenceImage] | None = None,
) -> Export:
    """Read an export with all its samples, 25 bytes each.

    A picture that most of the gaze does not lie on is left out, and `image_problem` says why.

    Parameters
    ----------
    found : FoundExport
    on_rows : callable, optional
    images : sequence of ReferenceImage, optional
        What the picture may be, where that is known already.

    Raises
    ------
    ExportError
        When its ``gaze.csv`` has no rows, when half of those with gaze cannot be read, or
        when their positions are in another unit than the header says.
    LimitError
        When it holds more than the limits allow.
    SourceError
        When a file is damaged.
    """
    notices: list[str] = []
    described = read_sections(found, notices)
    if found.contents is None:
        gaze = _read_positions(found, on_rows)
        fixations = _read_fixation_positions(found, notices)
    else:
        gaze, fixations = _read_contents(found, described, notices, on_rows)
    recordings = _join_positions(described, gaze, fixations, found.frame)
    samples = positions_of(recordings)
    unassigned = gaze.tally.unassigned
    counted = sum(one.rows for one in recordings)
    unreadable = sum(s.unreadable for r in recordings for s in r.sections)
    detected = sum(int(np.count_nonzero(np.isfinite(one.x))) for one in samples)
    if not found.has_gaze and fixations is not None:
        counted = fixations.rows_beside(()) - fixations.tally.unassigned
        unreadable = sum(own.unreadable for own in fixations.sections.values())
        detected = sum(
            int(np.count_nonzero(np.isfinite(own.arrays[3]))) for own in fixations.sections.values()
        )
    has_times = found.contents is None or found.contents.has_times
    images, problem = read_images(found) if images is None else (images, "")
    inside = [count_inside(recordings, one.size) for one in images]
    image = images[inside.index(max(inside))] if images else None
    if image is not None and len(images) > 1:
        grid = Grid.over(image.size, found.frame)
        if fits_turned(grid, count_codes(grid, recordings)):
            image = as_guess(image)
    size = (1, 1) if image is None else image.size
    has_place = image is not None or found.frame is not None
    tally = gaze.tally
    if has_place:
        thousandfold = count_thousandfold_samples(Grid.over(size, found.frame), samples)
        tally = replace(tally, thousandfold=thousandfold)
    notices += judge_gaze(
        found,
        recordings=recordings,
        rows=counted + unassigned,
        unreadable=unreadable + unassigned,
        detected=detected,
        tally=tally,
        rounded=has_times
        and are_rounded(
            count_whole_seconds(section.gaze.timestamp_ns)
            for one in recordings
            for section in one.sections
        ),
        has_picture=has_place,
    )
    if image is None and not problem and not found.is_of_pupil_cloud:
        problem = f"{found.name}, {found.kind}: no picture came with it. {found.way}"
    doubts: list[str] = []
    if has_place:
        label = str(found.gaze.file)
        misfit, doubts = judge_samples(label, found.frame, size, recordings, tally.thousandfold)
        if misfit:
            image, problem = None, f"{misfit} The gaze reaches {px(gaze_reach(recordings))}."
    grid_size = None
    if found.frame is None and not images and problem:
        grid_size = _too_large_size(found, recordings)
        if grid_size is not None:
            problem += (
                f" The gaze is placed by the size that its header states, {px(grid_size)}: a "
                "smaller copy of it, not cropped, is enough."
            )
    notices += [*(image.notices if image is not None else ()), *doubts]
    return Export(
        name=found.name,
        kind=found.kind,
        frame=found.frame,
        recordings=recordings,
        image=image,
        image_problem=problem,
        # Without gaze, what is told of rows is of fixations.
        unassigned_rows=unassigned if found.has_gaze else 0,
        unassigned_fixations=0 if fixations is None else fixations.rows_beside(gaze.sections),
        notices=tuple(notices),
        grid_size=grid_size,
        surface_ratio=read_ratio(found) if image is None else None,
        has_times=has_times,
        is_of_pupil_cloud=found.is_of_pupil_cloud,
        columns=found.columns,
    )


def _read_contents(
    found: FoundExport,
    described: dict[str, Described],
    notices: list[str],
    on_rows: OnRows | None,
) -> tuple[TableSections[Columns], TableSections[Columns] | None]:
    """Return what the tables of another program hold; adds to what is known of recordings."""
    assert found.contents is not None
    read = found.contents.take(found.stimulus, on_rows)
    notices += found.contents.notices
    for id, wearer in found.contents.wearers.items():
        about = described.setdefault(id, Described())
        about.name, about.wearer = about.name or id, about.wearer or wearer
    # Those that did not look at this have nothing to show.
    present = {id for id, _ in read.gaze}
    for id in [id for id in described if id not in present and found.stimulus]:
        del described[id]
    limit = found.gaze.file.limits.fixations
    gaze = TableSections(PlaceSums(limit), read.gaze, read.tally)
    if not read.fixations:
        return gaze, None
    tally = Tally(unassigned=read.unassigned_fixations)
    return gaze, TableSections(PlaceSums(limit), read.fixations, tally)


def _too_large_size(found: FoundExport, recordings: tuple[Recording, ...]) -> Size | None:
    """Return the size of a picture that is too large to be read, where the gaze lies on it."""
    file = found.picture
    if file is None:
        return None
    limits = file.limits
    try:
        with file.open() as stream:
            head = stream.read(limits.picture_bytes)
            is_too_large = bool(stream.read(1))
    except GazeheatError:
        return None
    sizes = stated_sizes(head, by_gaze=True)
    size = max(sizes, key=lambda size: count_inside(recordings, size), default=None)
    if size is None:
        return None
    is_too_large |= size[0] * size[1] > limits.picture_pixels or max(size) > limits.picture_side_px
    misfit, _ = judge_samples(str(found.gaze.file), found.frame, size, recordings)
    return size if is_too_large and not misfit else None


def _read_positions(found: FoundExport, on_rows: OnRows | None) -> TableSections[Columns]:
    known = gaze_table(found)
    return _collect(
        known,
        lambda rows: (*rows.integers, *rows.numbers, rows.in_fixation),
        partial(Columns.of, np.int64, np.float64, np.float64, np.uint8),
        known.table.file.limits.rows,
        on_rows=on_rows,
    )


def _read_fixation_positions(
    found: FoundExport, notices: list[str]
) -> TableSections[Columns] | None:
    with _fixations_or_notice(notices):
        known = fixations_table(found)
        if known is not None:
            return _collect(
                known,
                lambda rows: (*rows.integers, *rows.numbers),
                no_fixations,
                known.table.file.limits.rows,
            )
    return None


def _fixations(columns: Columns, gaze: Places | None, frame: Frame | None) -> Fixations:
    fixation_id, start_ns, end_ns, x, y, duration_ms = columns.arrays
    result = Fixations(fixation_id, start_ns, end_ns, duration_ms, x, y, columns.unreadable)
    if gaze is None:
        return result
    # The last entry is for fixations without samples.
    means = (np.append(axis, np.nan) for axis in gaze.means(frame))
    at = np.searchsorted(gaze.fixation, fixation_id)
    at[np.append(gaze.fixation, 0)[at] != fixation_id] = -1
    at[at == len(gaze.fixation)] = -1
    gaze_x, gaze_y = (axis[at] for axis in means)
    return replace(result, gaze_x=gaze_x, gaze_y=gaze_y)


def _join_positions(
    described: dict[str, Described],
    gaze: TableSections[Columns],
    fixations: TableSections[Columns] | None,
    frame: Frame | None,
) -> tuple[Recording, ...]:
    """Join the tables: recordings as the list of sections has them, then any others."""
    both = _placed(gaze, fixations)
    numbers = {key: number for number, key in enumerate(gaze.sections)}
    recordings = []
    for recording_id, members in _by_recording(described, gaze).items():
        about = described.get(recording_id, Described())
        parts = []
        for section_id, columns in members.items():
            fixated = None
            if fixations is not None:
                key = (recording_id, section_id)
                rows = fixations.sections.get(key, no_fixations())
                places = None if both is None else both[1].of_section(numbers[key])
                fixated = _fixations(rows, places, frame)
            own = about.section(section_id)
            parts.append(
                Section(
                    id=section_id,
                    gaze=GazeSamples(*columns.arrays),
                    fixations=fixated,
                    unreadable=columns.unreadable,
                    start_event=own.events[0],
                    end_event=own.events[1],
                    start_ns=own.start_ns,
                )
            )
        recordings.append(Recording(recording_id, about.name, about.wearer, tuple(parts)))
    return tuple(recordings)


# --- The list of sections ------------------------------------------------------------


class DescribedSection(NamedTuple):
    """What the list of sections says of one of them.

    Attributes
    ----------
    start_ns : int or None
        Where it begins; None where that cannot be read.
    events : (str, str)
        Names of its first and last event.
    """

    start_ns: int | None = None
    events: tuple[str, str] = ("", "")


@dataclass(slots=True)
class Described:
    """What the list of sections says of one recording."""

    name: str = ""
    wearer: str = ""
    sections: dict[str, DescribedSection] = field(default_factory=dict)

    def section(self, id: str) -> DescribedSection:
        """Return what is known of a section."""
        return self.sections.get(id, DescribedSection())


def count_recordings(found: FoundExport) -> int | None:
    """Count the recordings that the list of sections names; None without one that can be used."""
    try:
        return len(read_sections(found, [])) or None
    except LimitError:
        return None


def read_sections(found: FoundExport, notices: list[str]) -> dict[str, Described]:
    """Read what is known of the recordings, by their ids; adds to `notices`.

    Raises
    ------
    LimitError
        When the table is too large, or lists too many recordings.
    """
    if found.sections is None:
        return {}
    try:
        return describe_recordings(found.sections)
    except LimitError:
        raise
    except GazeheatError as error:
        notices.append(f"{error} Recordings are shown by their ids.")
        return {}


def describe_recordings(file: SourceFile) -> dict[str, Described]:
    """Read what a list of sections says of the recordings, by their ids.

    Raises
    ------
    GazeheatError
        When it cannot be read, is too large, or lists too many recordings.
    """
    records = tables.read_records(file)
    columns = _section_columns(tables.read_header(file))
    described: dict[str, Described] = {}
    for record in records:
        recording_id, section_id, name, wearer, start, start_event, end_event = (
            "" if column is None else record.get(column, "") for column in columns
        )
        recording = described.setdefault(recording_id, Described())
        recording.name = recording.name or name
        recording.wearer = recording.wearer or wearer
        start_ns = tables.whole_number(start)
        recording.sections[section_id] = DescribedSection(start_ns, (start_event, end_event))
    described.pop("", None)
    if len(described) > file.limits.recordings:
        raise LimitError(
            f"{file}: more than {file.limits.recordings:,} recordings. "
            "Check that it is the file from the export."
        )
    return described


def _section_columns(table: Table) -> list[str | None]:
    """Return the names that a list of sections has for recording, section and the rest."""
    known = formats.SECTIONS
    header = Header(table.columns)
    if not header.find(known.recording):
        raise ColumnsError(f"{table.file}: has no column '{known.recording}'.")
    wanted = (
        known.recording,
        known.section,
        known.name,
        known.wearer,
        known.start,
        known.start_event,
        known.end_event,
    )
    found = [header.find(column) for column in wanted]
    return [table.columns[places[0].position] if places else None for places in found]


# --- The picture ---------------------------------------------------------------------


def read_images(found: FoundExport) -> tuple[list[ReferenceImage], str]:
    """Read the reference image: all that it may be, as `read_pictures`.

    Returns
    -------
    images : list of ReferenceImage
        Mostly one; empty without a picture that can be used.
    problem : str
        What is wrong with the one that there is.
    """
    file = found.picture
    if file is None:
        return [], ""
    try:
        data = file.read(file.limits.picture_bytes)
        images = read_pictures(data, str(file), by_gaze=found.frame is None, limits=file.limits)
    except GazeheatError as error:
        return [], str(error)
    said = (found.picture_notice,) if found.picture_notice else ()
    ratio = read_ratio(found)
    return [
        replace(image, notices=(*said, *image.notices, *doubt_shape(ratio, image.size)))
        for image in images
    ], ""
