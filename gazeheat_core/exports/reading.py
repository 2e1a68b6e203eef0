"""A found export to recordings, sections and samples, and what is odd about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gazeheat_core.errors import ColumnsError, ExportError, GazeheatError, LimitError
from gazeheat_core.exports import formats, tables
from gazeheat_core.exports.finding import FoundExport
from gazeheat_core.exports.formats import check_ids, find_layout
from gazeheat_core.exports.picture import read_picture, read_pictures
from gazeheat_core.exports.tables import Layout, Rows, Span, Table
from gazeheat_core.model import (
    Export,
    Fixations,
    FloatArray,
    Frame,
    GazeSamples,
    IntArray,
    Recording,
    ReferenceImage,
    Section,
    Size,
    count_in_corner,
    count_inside,
)

# As many numbers as the C library never puts on its heap: 64 MiB, twice its limit.
_LARGE = 2**23
# Numbers from which on a column gets pages of its own. A process has 65,530 stretches of
# pages, so a file of many small sections must not take one for each.
_MANY = 2**14

# Samples that a judgement on their unit takes: a tenth of a second at 200 Hz. A recording of
# fewer may well hold a single glance beside the picture.
_FEW_SAMPLES = 20

# Rows read so far, and the share of the file from 0 to 1: called while a large one is read.
OnRows = Callable[[int, float], None]


def read_export(found: FoundExport, on_rows: OnRows | None = None) -> Export:
    """Read an export into memory, 24 bytes a gaze sample.

    A picture that most of the gaze does not lie on is left out, and `image_problem` says why.

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
    buffers, tally = _read_gaze(found, on_rows)
    fixations = _read_fixations(found, notices)
    recordings = _assemble(described, buffers, fixations)
    positions = [s.gaze.x for r in recordings for s in r.sections]
    detected = sum(int(np.count_nonzero(np.isfinite(x))) for x in positions)
    notices += judge_gaze(
        found,
        recordings=len(recordings),
        rows=sum(r.rows for r in recordings) + tally.unassigned,
        unreadable=sum(s.unreadable for r in recordings for s in r.sections) + tally.unassigned,
        detected=detected,
        tally=tally,
        rounded=_rounded_by_spreadsheet(recordings),
    )
    image, problem = _read_image(found, recordings)
    doubts: list[str] = []
    if image is not None or found.frame is not None:
        size = (1, 1) if image is None else image.size
        misfit, doubts = judge_samples(str(found.gaze.file), found.frame, size, recordings)
        if misfit:
            image, problem = None, f"{misfit} The gaze reaches {px(gaze_reach(recordings))}."
    notices += [*(image.notices if image is not None else ()), *doubts]
    return Export(
        name=found.name,
        kind=found.kind,
        frame=found.frame,
        recordings=recordings,
        image=image,
        image_problem=problem,
        unassigned_rows=tally.unassigned,
        notices=tuple(notices),
    )


def judge_gaze(
    found: FoundExport,
    *,
    recordings: int,
    rows: int,
    unreadable: int,
    detected: int,
    tally: Tally,
    rounded: bool,
) -> list[str]:
    """Say what is odd about the gaze that was read.

    Parameters
    ----------
    found : FoundExport
    recordings : int
    rows : int
        All that the file has.
    unreadable : int
        Those that cannot be read, their recording being known or not.
    detected : int
        Samples with a position that can be read.
    tally : Tally
        Of the whole file; an empty one for histograms that were judged when they were made.
    rounded : bool
        Whether the timestamps are whole seconds.

    Returns
    -------
    list of str
        Notices for the user.

    Raises
    ------
    LimitError
        When there are too many recordings.
    ExportError
        When there are no rows, or at least half of those with gaze cannot be read.
    """
    file = found.gaze.file
    if recordings > file.limits.recordings:
        ids = check_ids(found.gaze, find_layout(found.format, found.gaze))
        raise LimitError(f"{file}: more than {file.limits.recordings:,} recordings. {ids}")
    if rows == 0:
        raise ExportError(
            f"{file}: there is a header but no gaze below it. Check in Pupil Cloud "
            "that the enrichment has finished and covers your recordings; then download it again."
        )
    # Rows without gaze have empty cells, and mostly can be read: they are no measure.
    if unreadable == rows or (tally.lost and tally.lost >= detected):
        if unreadable == rows:
            found_out = f"none of its {rows:,} rows can be read"
        else:
            found_out = f"{unreadable:,} of {rows:,} rows cannot be read"
        first = ""
        if tally.first is not None:
            line, reason = tally.first
            first = f" The first: line {found.gaze.header_lines + line:,}, {reason}."
        raise ExportError(
            f"{file}: {found_out}.{first} "
            "Give the file as downloaded, not as saved by a spreadsheet."
        )
    notices = []
    if unreadable > max(10, rows // 100):
        notices.append(
            f"{file}: {unreadable:,} of {rows:,} rows cannot be read and are left "
            "out. If a spreadsheet has saved the file, use the original download."
        )
    if rounded:
        notices.append(
            f"{file}: the timestamps are rounded, as spreadsheets do. "
            "The heatmap is right; the time spans are not."
        )
    return notices


def judge_samples(
    label: str, frame: Frame | None, size: Size, recordings: tuple[Recording, ...]
) -> tuple[str, list[str]]:
    """Judge the positions of samples that are held, as `judge_positions`."""
    extent = (float(size[0]), float(size[1])) if frame is None else frame[2:]
    gaze = [section.gaze for recording in recordings for section in recording.sections]
    return judge_positions(
        label,
        frame,
        size,
        detected=sum(int(np.count_nonzero(np.isfinite(g.x))) for g in gaze),
        inside=count_inside(recordings, extent),
        in_corner=count_in_corner(recordings, size) if frame is None else 0,
    )


def judge_positions(
    label: str,
    frame: Frame | None,
    size: Size,
    *,
    detected: int,
    inside: int,
    in_corner: int,
) -> tuple[str, list[str]]:
    """Tell whether positions are in the unit that their columns say, by a few counts.

    Parameters
    ----------
    label : str
        Name of the file in messages.
    frame : (float, float, float, float) or None
        The numbers at the borders of a surface; None for pixels of the picture.
    size : (int, int)
        Width and height of the picture in pixels; of a surface, it is not looked at.
    detected : int
        Samples with a position.
    inside : int
        Those of them on the picture.
    in_corner : int
        Those of them in the bins of `model.corner_shape`.

    Returns
    -------
    problem : str
        Why the picture cannot be the one that the gaze was mapped to; empty if it can.
    notices : list of str
        Sentences for the user.

    Raises
    ------
    ExportError
        When no picture could be at fault.
    """
    if detected < _FEW_SAMPLES:
        return "", []
    if frame is not None:
        # Of positions in pixels or percent next to none is within 0 and 1, while of people
        # who look past a surface some gaze still falls on it.
        if inside * 100 < detected:
            raise ExportError(
                f"{label}: only {inside:,} of {detected:,} detected samples lie on the surface, "
                "whose positions run from 0 to 1. These are in another unit, such as pixels or "
                "percent. Give the file as downloaded."
            )
        if inside * 2 < detected:
            return "", [
                f"{label}: {detected - inside:,} of {detected:,} detected samples lie outside the "
                "surface, and are not in the heatmap. Check that the positions are fractions of "
                "the surface, from 0 to 1, as the header says."
            ]
        return "", []
    if in_corner * 10 >= detected * 9:
        raise ExportError(
            f"{label}: {in_corner:,} of {detected:,} detected samples lie in the top left corner "
            f"of the picture, {px(size)}, about within its first pixel. These are no pixels, as "
            "the header says, but perhaps fractions from 0 to 1. Give the file as downloaded."
        )
    if inside * 2 < detected:
        return (
            f"{label}: only {inside:,} of {detected:,} detected samples lie on the picture, "
            f"which is {px(size)}. So the gaze is in pixels of another picture, or of this one "
            "in another size."
        ), []
    return "", []


def gaze_reach(recordings: tuple[Recording, ...]) -> Size:
    """Return how far right and down the gaze reaches, but for the furthest hundredth.

    Those few are no measure of a picture's size.
    """
    gaze = [section.gaze for recording in recordings for section in recording.sections]
    x = np.concatenate([g.x[np.isfinite(g.x)] for g in gaze] or [np.empty(0)])
    y = np.concatenate([g.y[np.isfinite(g.y)] for g in gaze] or [np.empty(0)])
    right, bottom = (round(float(np.quantile(v, 0.99, method="lower"))) for v in (x, y))
    return right, bottom


def px(size: Size) -> str:
    """Write a size as messages have it.

    Examples
    --------
    >>> px((1600, 1200)), px((10**300, -4))
    ('1,600 × 1,200 px', '1e+300 × -4 px')
    """
    # A damaged position may have three hundred digits.
    width, height = (f"{side:,}" if abs(side) < 10**9 else f"{side:.0e}" for side in size)
    return f"{width} × {height} px"


@dataclass(slots=True)
class _Columns:
    """Columns of numbers of one section that grow in place while a file is read."""

    arrays: list[npt.NDArray[Any]]
    unreadable: int = 0

    def append(self, *columns: npt.NDArray[Any]) -> None:
        start = len(self.arrays[0])
        end = start + len(columns[0])
        if start < _MANY <= end:
            self.arrays = [_on_own_pages(array) for array in self.arrays]
        for array, column in zip(self.arrays, columns, strict=True):
            # In place, the memory moves instead of being copied: no second copy, ever.
            array.resize(end, refcheck=False)
            array[start:] = column


def _on_own_pages(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the same numbers where they can grow without leaving holes on the heap.

    The C library gives a large array its own pages, and leaves it there whatever size it
    takes later. On the heap it would grow among what each block leaves behind: 80 MB more
    for ten million rows. Pages that nobody writes to take no room.
    """
    own = np.empty(_LARGE, array.dtype)
    own[: len(array)] = array
    own.resize(len(array), refcheck=False)
    return own


# Recording id and section id.
SectionKey: TypeAlias = tuple[str, str]


def _group(rows: Rows) -> Iterable[tuple[int, slice | IntArray]]:
    """Yield each key's index with its readable rows, in the order of the file."""
    if len(rows.keys) == 1 and rows.readable.all():
        yield 0, slice(None)
        return
    key = np.where(rows.readable, rows.key, -1)
    order = np.argsort(key, kind="stable")
    starts = np.searchsorted(key[order], np.arange(len(rows.keys) + 1))
    for index in range(len(rows.keys)):
        yield index, order[starts[index] : starts[index + 1]]


class Group(NamedTuple):
    """Rows of a block that belong to one section.

    Attributes
    ----------
    key : (str, str)
        Recording id and section id.
    unreadable : int
        Rows that were left out.
    columns : tuple of arrays
        As the layout orders them: whole numbers, decimal ones, and last a uint8 array that is
        1 where a sample belongs to a fixation.
    """

    key: SectionKey
    unreadable: int
    columns: tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted of a stretch of a table beside the samples.

    Attributes
    ----------
    lines : int
        All of them, the blank ones among them.
    unassigned : int
        Rows whose recording is unknown.
    lost : int
        Rows that cannot be read, other than those that say that no gaze was detected.
    first : (int, str) or None
        The first of these: its line in the stretch, from 1, and what is wrong with it.
    """

    lines: int = 0
    unassigned: int = 0
    lost: int = 0
    first: tuple[int, str] | None = None

    def __add__(self, later: Tally) -> Tally:
        first = self.first
        if first is None and later.first is not None:
            first = (self.lines + later.first[0], later.first[1])
        return Tally(
            self.lines + later.lines,
            self.unassigned + later.unassigned,
            self.lost + later.lost,
            first,
        )


class Block(NamedTuple):
    """A stretch of a table, sorted by section.

    Attributes
    ----------
    rows : int
        All of them.
    tally : Tally
    size_bytes : int
    groups : list of Group
    """

    rows: int
    tally: Tally
    size_bytes: int
    groups: list[Group]


def iter_gaze(found: FoundExport, span: Span | None = None) -> Iterator[Block]:
    """Read an export's gaze block by block.

    The columns of each section are timestamps, x, y, and 1 for a sample in a fixation.

    Parameters
    ----------
    found : FoundExport
    span : (int, int), optional
        Read this stretch of the file only, one of `tables.split_lines`.
    """
    return iter_blocks(found.gaze, find_layout(found.format, found.gaze), span)


def iter_blocks(table: Table, layout: Layout, span: Span | None = None) -> Iterator[Block]:
    """Read a table of gaze or fixations block by block.

    Rows that are flagged but have no finite position count as unreadable; where the
    flag says no, the position becomes NaN.

    Raises
    ------
    ExportError
        When so many rows cannot be read that the rest would take too long.
    """
    most_unreadable = table.file.limits.unreadable_rows
    total = unreadable = 0
    is_explained = False
    for text in _read_ahead(tables.read_blocks(table, span=span)):
        rows = tables.parse_block(text, table, layout)
        detected = rows.flag == 1
        finite = np.isfinite(rows.numbers[0]) & np.isfinite(rows.numbers[1])
        rows.readable[(rows.flag == tables.FLAG_UNKNOWN) | (detected & ~finite)] = False
        rows.numbers[:2, ~detected] = np.nan
        bad = ~rows.readable
        lost = np.flatnonzero(bad & (rows.flag != 0)) if bad.any() else np.empty(0, np.int64)
        first = None
        if len(lost) and not is_explained:
            first = tables.explain_row(text, int(lost[0]), table, layout)
            is_explained = True
        total += len(rows)
        unreadable += int(np.count_nonzero(bad))
        if unreadable > most_unreadable and unreadable * 10 > total * 9:
            raise ExportError(
                f"{table.file}: {unreadable:,} of the {total:,} rows looked at cannot be read. "
                "Give the file as downloaded, not as saved by a spreadsheet."
            )
        tally = Tally(rows.lines, int(np.count_nonzero(rows.key < 0)), len(lost), first)
        unread = np.bincount(rows.key[bad & (rows.key >= 0)], minlength=len(rows.keys))
        groups = []
        for index, chosen in _group(rows):
            recording_id, *section_id = rows.keys[index]
            all_columns = (*rows.integers, *rows.numbers, rows.in_fixation)
            columns = tuple(column[chosen] for column in all_columns)
            key = (recording_id, section_id[0] if section_id else "")
            groups.append(Group(key, int(unread[index]), columns))
        yield Block(len(rows), tally, len(text), groups)


def _read_ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack the next block in a thread while this one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(next, blocks, None)
        while (block := ahead.result()) is not None:
            ahead = thread.submit(next, blocks, None)
            yield block


def _collect(
    table: Table, layout: Layout, dtypes: Sequence[type], on_rows: OnRows | None = None
) -> tuple[dict[SectionKey, _Columns], Tally]:
    """Read a table into growing columns per recording and section: the first of each group."""
    limits = table.file.limits
    buffers: dict[SectionKey, _Columns] = {}
    tally = Tally()
    total = read_bytes = 0
    for block in iter_blocks(table, layout):
        total += block.rows
        if total > limits.rows:
            raise LimitError(
                f"{table.file}: more than {limits.rows:,} rows. "
                "Split the study into several exports."
            )
        tally += block.tally
        for key, unreadable, columns in block.groups:
            buffer = buffers.get(key)
            if buffer is None:
                if len(buffers) == limits.sections:
                    raise LimitError(
                        f"{table.file}: more than {limits.sections:,} sections. "
                        f"{check_ids(table, layout)}"
                    )
                buffer = buffers[key] = _Columns([np.empty(0, dtype) for dtype in dtypes])
            buffer.unreadable += unreadable
            buffer.append(*columns[: len(dtypes)])
        read_bytes += block.size_bytes
        if on_rows is not None:
            on_rows(total, min(1.0, read_bytes / max(1, table.file.size_bytes)))
    return buffers, tally


def _read_gaze(
    found: FoundExport, on_rows: OnRows | None
) -> tuple[dict[SectionKey, _Columns], Tally]:
    layout = find_layout(found.format, found.gaze)
    return _collect(found.gaze, layout, [np.int64, np.float64, np.float64], on_rows)


def _read_fixations(found: FoundExport, notices: list[str]) -> dict[SectionKey, Fixations] | None:
    """Read the fixations; None where there are none or they cannot be used."""
    file = found.fixations
    if file is None:
        return None
    try:
        table = tables.read_header(file)
        layout = find_layout(formats.fixations_beside(found.format), table)
        dtypes = [np.int64] * 3 + [np.float64] * 3
        buffers, _ = _collect(table, layout, dtypes)
    except GazeheatError as error:
        notices.append(f"{error} The fixations are left out; the gaze is not affected.")
        return None
    result = {}
    for key, buffer in buffers.items():
        fixation_id, start_ns, end_ns, x, y, duration_ms = buffer.arrays
        result[key] = Fixations(fixation_id, start_ns, end_ns, duration_ms, x, y)
    return result


@dataclass(slots=True)
class Described:
    """What the list of sections says of one recording."""

    name: str = ""
    wearer: str = ""
    events: dict[str, tuple[str, str]] = field(default_factory=dict)


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
    file = found.sections
    if file is None:
        return {}
    try:
        records = tables.read_records(file)
        columns = _section_columns(tables.read_header(file))
    except LimitError:
        raise
    except GazeheatError as error:
        notices.append(f"{error} Recordings are shown by their ids.")
        return {}
    described: dict[str, Described] = {}
    for record in records:
        recording_id, section_id, name, wearer, start_event, end_event = (
            "" if column is None else record.get(column, "") for column in columns
        )
        recording = described.setdefault(recording_id, Described())
        recording.name = recording.name or name
        recording.wearer = recording.wearer or wearer
        recording.events[section_id] = (start_event, end_event)
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
    header = formats.Header(table.columns)
    if not header.find(known.recording):
        raise ColumnsError(f"{table.file}: has no column '{known.recording}'.")
    wanted = (
        known.recording,
        known.section,
        known.name,
        known.wearer,
        known.start_event,
        known.end_event,
    )
    found = [header.find(column) for column in wanted]
    return [table.columns[places[0].position] if places else None for places in found]


def _assemble(
    described: dict[str, Described],
    gaze: dict[SectionKey, _Columns],
    fixations: dict[SectionKey, Fixations] | None,
) -> tuple[Recording, ...]:
    """Join the tables: recordings as ``sections.csv`` lists them, then any others."""
    sections: dict[str, dict[str, _Columns]] = {name: {} for name in described}
    for (recording_id, section_id), columns in gaze.items():
        sections.setdefault(recording_id, {})[section_id] = columns
    recordings = []
    for recording_id, members in sections.items():
        about = described.get(recording_id, Described())
        parts = []
        for section_id, columns in members.items():
            key = (recording_id, section_id)
            timestamp_ns, x, y = columns.arrays
            start_event, end_event = about.events.get(section_id, ("", ""))
            parts.append(
                Section(
                    id=section_id,
                    gaze=GazeSamples(timestamp_ns, x, y),
                    fixations=None if fixations is None else fixations.get(key, _no_fixations()),
                    unreadable=columns.unreadable,
                    start_event=start_event,
                    end_event=end_event,
                )
            )
        recordings.append(Recording(recording_id, about.name, about.wearer, tuple(parts)))
    return tuple(recordings)


def _no_fixations() -> Fixations:
    whole: IntArray = np.empty(0, np.int64)
    decimal: FloatArray = np.empty(0, np.float64)
    return Fixations(whole, whole, whole, decimal, decimal, decimal)


def _rounded_by_spreadsheet(recordings: tuple[Recording, ...]) -> bool:
    times = [s.gaze.timestamp_ns for r in recordings for s in r.sections if len(s.gaze) > 10]
    return bool(times) and all(is_rounded(timestamp_ns) for timestamp_ns in times)


def is_rounded(timestamp_ns: IntArray) -> bool:
    """Tell whether timestamps are whole seconds, as no tracker writes them."""
    return not (timestamp_ns[:1000] % 1_000_000_000).any()


def read_images(found: FoundExport) -> tuple[ReferenceImage, ...]:
    """Read the reference image without the gaze: all that it may mean, as `read_pictures`.

    Returns
    -------
    tuple of ReferenceImage
        Empty without a picture that can be used.
    """
    file = found.picture
    if file is None:
        return ()
    try:
        data = file.read(file.limits.picture_bytes)
        by_gaze = found.frame is None
        images = read_pictures(data, str(file), by_gaze=by_gaze, limits=file.limits)
        return tuple(_noted(found, image) for image in images)
    except GazeheatError:
        return ()


def _read_image(
    found: FoundExport, recordings: tuple[Recording, ...]
) -> tuple[ReferenceImage | None, str]:
    """Read the reference image; a broken one leaves its reason, and the gaze is kept."""
    file = found.picture
    if file is None:
        return None, ""

    def samples_inside(size: Size) -> int:
        return count_inside(recordings, (float(size[0]), float(size[1])))

    try:
        data = file.read(file.limits.picture_bytes)
        by_gaze = samples_inside if found.frame is None else None
        return _noted(found, read_picture(data, str(file), by_gaze, file.limits)), ""
    except GazeheatError as error:
        return None, str(error)


def _noted(found: FoundExport, image: ReferenceImage) -> ReferenceImage:
    """Add to a picture what is to be said of its name."""
    if not found.picture_notice:
        return image
    return replace(image, notices=(found.picture_notice, *image.notices))
