"""Pupil Cloud's enrichment downloads: Reference Image Mapper and Marker Mapper.

The only place that knows their column and file names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gazeheat_core.errors import (
    ColumnsError,
    ExportError,
    GazeheatError,
    LimitError,
    UnmappedError,
    listed,
    shown,
)
from gazeheat_core.exports import tables
from gazeheat_core.exports.picture import read_picture, read_pictures
from gazeheat_core.exports.sources import LIMITS, Limits, SourceFile
from gazeheat_core.exports.tables import Layout, Rows, Span, Table
from gazeheat_core.model import (
    UNITS,
    EnrichmentKind,
    Export,
    Fixations,
    FloatArray,
    GazeSamples,
    IntArray,
    Recording,
    ReferenceImage,
    Section,
    Size,
    count_in_corner,
    count_inside,
)

GAZE_FILE = "gaze.csv"
FIXATIONS_FILE = "fixations.csv"
SECTIONS_FILE = "sections.csv"
PICTURE_STEM = "reference_image"
PICTURE_SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff")

# As many numbers as the C library never puts on its heap: 64 MiB, twice its limit.
_LARGE = 2**23
# Numbers from which on a column gets pages of its own. A process has 65,530 stretches of
# pages, so a file of many small sections must not take one for each.
_MANY = 2**14

# Problems of one source that are told one by one.
_FEW_PROBLEMS = 5
# Samples that a judgement on their unit takes: a tenth of a second at 200 Hz. A recording of
# fewer may well hold a single glance beside the picture.
_FEW_SAMPLES = 20

_KEY_COLUMNS = ("recording id", "section id")
_FLAG_COLUMNS: dict[EnrichmentKind, tuple[str, str]] = {
    "reference-image-mapper": ("detected in reference image", "in reference image {} [px]"),
    "marker-mapper": ("detected on surface", "on surface {} [normalized]"),
}
_FOLDER_NAME = re.compile(r"^.*?_([A-Z]+(?:-[A-Z]+)*-MAPPER)_(?P<name>.+?)(?:_csv)?(?: \(\d+\))?$")

_HOW_TO_MAP = (
    "In Pupil Cloud, add a Reference Image Mapper or a Marker Mapper enrichment to the "
    "project, let it finish, and download that."
)
# Files that tell of a download that we know, and cannot use.
_FOREIGN_FILES = (
    (r"gaze_on_face\.csv|fixations_on_face\.csv|face_positions\.csv", "a Face Mapper export"),
    (r"gaze_positions_on_surface_.*\.csv", "a surface export of Pupil Player or Neon Player"),
    (r".*\.tsv", "a table of another tracker"),
    (r"scene_camera\.json|world_timestamps\.csv|events\.csv|imu\.csv", "a raw recording"),
)

# Rows read so far, and the share of the file from 0 to 1: called while a large one is read.
OnRows = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class FoundExport:
    """An export recognised by its header, not yet read."""

    name: str
    kind: EnrichmentKind
    gaze: Table
    files: tuple[SourceFile, ...]

    @property
    def folder(self) -> PurePosixPath:
        """Folder of the export inside its source."""
        return self.gaze.file.folder

    @property
    def material(self) -> tuple[SourceFile, ...]:
        """Files that decide the histograms: gaze, sections and picture."""
        files = (self.gaze.file, self.file(SECTIONS_FILE), _picture_file(self))
        return tuple(file for file in files if file is not None)

    def file(self, name: str) -> SourceFile | None:
        """Return the file of exactly that name beside ``gaze.csv``."""
        return next((file for file in self.files if file.name.lower() == name), None)


def find_exports(
    files: Iterable[SourceFile], limits: Limits = LIMITS
) -> tuple[list[FoundExport], list[GazeheatError]]:
    """Find the exports among the files of one source; reads headers only.

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
    found: list[FoundExport] = []
    problems: list[GazeheatError] = []
    for folder, members in folders.items():
        gaze = [file for file in members if file.name.lower() == GAZE_FILE]
        try:
            if len(gaze) > 1:
                raise ExportError(
                    f"Several files named {GAZE_FILE} were given together, so it is not clear "
                    "what belongs to what. Give one export's files at a time, or the ZIPs."
                )
            if gaze:
                found.append(_recognise(gaze[0], folder, members, limits))
        except GazeheatError as error:
            problems.append(error)
        if len(found) > limits.exports:
            source = found[0].gaze.file.source or "The files given"
            return [], [
                LimitError(
                    f"{source}: more than {limits.exports:,} exports. Give some of them at a time."
                )
            ]
    if not found and not problems:
        problems.append(_nothing_found([file for members in folders.values() for file in members]))
    return found, _together(problems)


def _together(problems: list[GazeheatError]) -> list[GazeheatError]:
    """Make one problem of many: the first that is not excused by good exports beside it."""
    if len(problems) <= _FEW_PROBLEMS:
        return problems
    first = next((p for p in problems if not isinstance(p, UnmappedError)), problems[0])
    return [
        type(first)(
            f"{len(problems):,} folders hold a {GAZE_FILE} that cannot be used. The first: {first}"
        )
    ]


def read_export(
    found: FoundExport, on_rows: OnRows | None = None, limits: Limits = LIMITS
) -> Export:
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
    described = read_sections(found, notices, limits)
    buffers, tally = _read_gaze(found, on_rows, limits)
    fixations = _read_fixations(found, notices, limits)
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
        limits=limits,
    )
    image, problem = _read_image(found, recordings, limits)
    doubts: list[str] = []
    if image is not None or UNITS[found.kind] == "normalized":
        size = (1, 1) if image is None else image.size
        misfit, doubts = judge_samples(str(found.gaze.file), found.kind, size, recordings)
        if misfit:
            image, problem = None, f"{misfit} The gaze reaches {px(gaze_reach(recordings))}."
    notices += [*(image.notices if image is not None else ()), *doubts]
    return Export(
        name=found.name,
        kind=found.kind,
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
    limits: Limits = LIMITS,
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
    limits : Limits

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
    if recordings > limits.recordings:
        raise LimitError(
            f"{file}: more than {limits.recordings:,} recordings. "
            "Check that 'recording id' holds what its name says."
        )
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
    label: str, kind: EnrichmentKind, size: Size, recordings: tuple[Recording, ...]
) -> tuple[str, list[str]]:
    """Judge the positions of samples that are held, as `judge_positions`."""
    is_px = UNITS[kind] == "px"
    extent = (float(size[0]), float(size[1])) if is_px else (1.0, 1.0)
    gaze = [section.gaze for recording in recordings for section in recording.sections]
    return judge_positions(
        label,
        kind,
        size,
        detected=sum(int(np.count_nonzero(np.isfinite(g.x))) for g in gaze),
        inside=count_inside(recordings, extent),
        in_corner=count_in_corner(recordings, size) if is_px else 0,
    )


def judge_positions(
    label: str,
    kind: EnrichmentKind,
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
    kind : "reference-image-mapper" or "marker-mapper"
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
    if UNITS[kind] == "normalized":
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


def _recognise(
    file: SourceFile, folder: PurePosixPath, members: list[SourceFile], limits: Limits
) -> FoundExport:
    table = tables.read_header(file, limits)
    name = folder.name or re.sub(r"\.zip$", "", file.source, flags=re.IGNORECASE) or "Export"
    for kind, (flag, _) in _FLAG_COLUMNS.items():
        if f"gaze {flag}" in table.columns:
            _layout(table, "gaze", kind)  # names the missing columns
            return FoundExport(shown(enrichment_name(name)), kind, table, tuple(members))
    if "gaze x [px]" in table.columns:
        raise UnmappedError(
            f"{file}: this is gaze in a raw recording's scene camera (column 'gaze x [px]'), "
            f"not mapped to a picture. {_HOW_TO_MAP}"
        )
    if "gaze detected on face" in table.columns or _foreign(members) == "a Face Mapper export":
        raise UnmappedError(
            f"{file}: this is a Face Mapper export; it says whether a face was looked at, "
            f"not where on a picture. {_HOW_TO_MAP}"
        )
    raise ColumnsError(
        f"{file}: the header is not one of a Reference Image Mapper or Marker Mapper export. "
        f"Needs a column 'gaze detected in reference image' or 'gaze detected on surface', "
        f"found {listed(table.columns)}. {_HOW_TO_MAP}"
    )


def _foreign(files: list[SourceFile]) -> str | None:
    for pattern, what in _FOREIGN_FILES:
        if any(re.fullmatch(pattern, file.name, re.IGNORECASE) for file in files):
            return what
    return None


def _nothing_found(files: list[SourceFile]) -> GazeheatError:
    source = next((file.source for file in files if file.source), "") or "The files given"
    what = _foreign(files)
    if what:
        return UnmappedError(
            f"{source}: this looks like {what}, which holds no {GAZE_FILE} "
            f"mapped to a picture. {_HOW_TO_MAP}"
        )
    names = sorted({file.name for file in files})
    if FIXATIONS_FILE in names:
        return ExportError(
            f"{source}: there is a {FIXATIONS_FILE} but no {GAZE_FILE}, as in a Manual Mapper "
            f"export, which has no gaze. {_HOW_TO_MAP}"
        )
    inner = next((name for name in names if name.lower().endswith(".zip")), None)
    if inner:
        return ExportError(f"{source}: it holds another ZIP ({shown(inner)}). Give that one.")
    return ExportError(
        f"{source}: no {GAZE_FILE} found"
        + (f", only {listed(names, 8, '')}" if names else "; it is empty")
        + ". Give the download of a Reference Image Mapper or Marker Mapper enrichment, "
        "with all its files."
    )


def _layout(table: Table, what: str, kind: EnrichmentKind) -> Layout:
    """Find the columns of a gaze or fixations table."""
    flag, position = _FLAG_COLUMNS[kind]
    xy = f"gaze position {position}" if what == "gaze" else "fixation {} " + position.split()[-1]
    times = (
        ("timestamp [ns]",)
        if what == "gaze"
        else ("fixation id", "start timestamp [ns]", "end timestamp [ns]")
    )
    numbers = (xy.format("x"), xy.format("y"), *(("duration [ms]",) if what == "fixation" else ()))
    needed = table.positions(_KEY_COLUMNS[0], *times, f"{what} {flag}", *numbers)
    section = table.position(_KEY_COLUMNS[1])
    count = len(times)
    return Layout(
        keys=(needed[0],) if section is None else (needed[0], section),
        integers=needed[1 : 1 + count],
        flag=needed[1 + count],
        numbers=needed[2 + count :],
    )


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
        As the layout orders them: whole numbers first, then decimal ones.
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


def iter_gaze(
    found: FoundExport, limits: Limits = LIMITS, span: Span | None = None
) -> Iterator[Block]:
    """Read an export's gaze block by block: timestamps, x and y of each section.

    Parameters
    ----------
    found : FoundExport
    limits : Limits
    span : (int, int), optional
        Read this stretch of the file only, one of `tables.split_lines`.
    """
    return _iter_blocks(found.gaze, _layout(found.gaze, "gaze", found.kind), limits, span)


def _iter_blocks(
    table: Table, layout: Layout, limits: Limits, span: Span | None = None
) -> Iterator[Block]:
    """Read a table of gaze or fixations block by block.

    Rows that are flagged but have no finite position count as unreadable; where the
    flag says no, the position becomes NaN.

    Raises
    ------
    ExportError
        When so many rows cannot be read that the rest would take too long.
    """
    total = unreadable = 0
    is_explained = False
    for text in _read_ahead(tables.read_blocks(table, limits=limits, span=span)):
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
        if unreadable > limits.unreadable_rows and unreadable * 10 > total * 9:
            raise ExportError(
                f"{table.file}: {unreadable:,} of the {total:,} rows looked at cannot be read. "
                "Give the file as downloaded, not as saved by a spreadsheet."
            )
        tally = Tally(rows.lines, int(np.count_nonzero(rows.key < 0)), len(lost), first)
        unread = np.bincount(rows.key[bad & (rows.key >= 0)], minlength=len(rows.keys))
        groups = []
        for index, chosen in _group(rows):
            recording_id, *section_id = rows.keys[index]
            columns = tuple(column[chosen] for column in (*rows.integers, *rows.numbers))
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
    table: Table,
    layout: Layout,
    dtypes: Sequence[type],
    on_rows: OnRows | None,
    limits: Limits,
) -> tuple[dict[SectionKey, _Columns], Tally]:
    """Read a table into growing columns per recording and section."""
    buffers: dict[SectionKey, _Columns] = {}
    tally = Tally()
    total = read_bytes = 0
    for block in _iter_blocks(table, layout, limits):
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
                        f"{table.file}: more than {limits.sections:,} sections. Check that "
                        "'recording id' and 'section id' hold what their names say."
                    )
                buffer = buffers[key] = _Columns([np.empty(0, dtype) for dtype in dtypes])
            buffer.unreadable += unreadable
            buffer.append(*columns)
        read_bytes += block.size_bytes
        if on_rows is not None:
            on_rows(total, min(1.0, read_bytes / max(1, table.file.size_bytes)))
    return buffers, tally


def _read_gaze(
    found: FoundExport, on_rows: OnRows | None, limits: Limits
) -> tuple[dict[SectionKey, _Columns], Tally]:
    layout = _layout(found.gaze, "gaze", found.kind)
    return _collect(found.gaze, layout, [np.int64, np.float64, np.float64], on_rows, limits)


def _read_fixations(
    found: FoundExport, notices: list[str], limits: Limits
) -> dict[SectionKey, Fixations] | None:
    """Read the fixations; None where there are none or they cannot be used."""
    file = found.file(FIXATIONS_FILE)
    if file is None:
        return None
    try:
        table = tables.read_header(file, limits)
        layout = _layout(table, "fixation", found.kind)
        dtypes = [np.int64] * 3 + [np.float64] * 3
        buffers, _ = _collect(table, layout, dtypes, None, limits)
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
    """What ``sections.csv`` says of one recording."""

    name: str = ""
    wearer: str = ""
    events: dict[str, tuple[str, str]] = field(default_factory=dict)


def count_recordings(found: FoundExport) -> int | None:
    """Count the recordings that ``sections.csv`` lists; None without one that can be used."""
    try:
        return len(read_sections(found, [])) or None
    except LimitError:
        return None


def read_sections(
    found: FoundExport, notices: list[str], limits: Limits = LIMITS
) -> dict[str, Described]:
    """Read what is known of the recordings, by their ids; adds to `notices`.

    Raises
    ------
    LimitError
        When the table is too large, or lists too many recordings.
    """
    file = found.file(SECTIONS_FILE)
    if file is None:
        return {}
    try:
        records = tables.read_records(file, limits)
        if records and "recording id" not in records[0]:
            raise ColumnsError(f"{file}: has no column 'recording id'.")
    except LimitError:
        raise
    except GazeheatError as error:
        notices.append(f"{error} Recordings are shown by their ids.")
        return {}
    described: dict[str, Described] = {}
    for record in records:
        recording = described.setdefault(record.get("recording id", ""), Described())
        recording.name = recording.name or record.get("recording name", "")
        recording.wearer = recording.wearer or record.get("wearer name", "")
        recording.events[record.get("section id", "")] = (
            record.get("start event name", ""),
            record.get("end event name", ""),
        )
    described.pop("", None)
    if len(described) > limits.recordings:
        raise LimitError(
            f"{file}: more than {limits.recordings:,} recordings. "
            "Check that it is the file from the export."
        )
    return described


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


def _picture_file(found: FoundExport) -> SourceFile | None:
    """Return the reference image; among loose files, the only picture is it."""
    pictures = [file for file in found.files if file.path.suffix.lower() in PICTURE_SUFFIXES]
    named = [f for f in pictures if PurePosixPath(f.name).stem.lower() == PICTURE_STEM]
    if named:
        return named[0]
    is_loose = not found.gaze.file.source
    return pictures[0] if is_loose and len(pictures) == 1 else None


def read_images(found: FoundExport, limits: Limits = LIMITS) -> tuple[ReferenceImage, ...]:
    """Read the reference image without the gaze: all that it may mean, as `read_pictures`.

    Returns
    -------
    tuple of ReferenceImage
        Empty without a picture that can be used.
    """
    file = _picture_file(found)
    if file is None:
        return ()
    try:
        data = file.read(limits.picture_bytes)
        return read_pictures(data, str(file), by_gaze=UNITS[found.kind] == "px", limits=limits)
    except GazeheatError:
        return ()


def _read_image(
    found: FoundExport, recordings: tuple[Recording, ...], limits: Limits
) -> tuple[ReferenceImage | None, str]:
    """Read the reference image; a broken one leaves its reason, and the gaze is kept."""
    file = _picture_file(found)
    if file is None:
        return None, ""

    def samples_inside(size: Size) -> int:
        return count_inside(recordings, (float(size[0]), float(size[1])))

    try:
        data = file.read(limits.picture_bytes)
        by_gaze = samples_inside if UNITS[found.kind] == "px" else None
        return read_picture(data, str(file), by_gaze, limits), ""
    except GazeheatError as error:
        return None, str(error)
