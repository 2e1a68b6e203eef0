"""What is odd about gaze that was read: rows lost, a sheet cut, times rounded, another unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gazeheat_core.errors import ExportError, LimitError, listed, many
from gazeheat_core.exports.columns import check_ids, find_layout
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.exports.tables import Tally
from gazeheat_core.grid import Grid
from gazeheat_core.model import (
    Enrichment,
    Export,
    Fixations,
    FloatArray,
    Frame,
    GazeSamples,
    IntArray,
    Recording,
    Size,
    name_of,
    positions_of,
    recording_labels,
)
from gazeheat_core.study import RecordingTracks, Study

AnyRecordings: TypeAlias = Sequence[Recording] | Sequence[RecordingTracks]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

# Samples that a judgement on their unit takes: a tenth of a second at 200 Hz. A recording of
# fewer may well hold a single glance beside the picture.
_FEW_SAMPLES = 20
# A fixation is a glance by itself.
_FEW_FIXATIONS = 5

# Rows of a spreadsheet's sheet, the header among them: of today's programs, and of those that
# write the older format.
_SHEET_ROWS = (1_048_576, 65_536)
# Recordings that a notice names.
_MOST_NAMED = 5
# What becomes of the number 300.123 where the point is taken for a separator of thousands.
_TIMES = 1_000
_ON_SURFACE = "surface", "451 of 0.451"
# Nothing that was looked at lies so many pictures away.
_FAR = 10
# A second at 200 Hz. People who were asked to look at one thing leave more of the picture free.
FEW_FOR_SIZE = 200
# How much of each side the gaze must leave free before its picture is doubted, and how alike
# the parts of both sides must be that it reaches.
_HALF_FREE = 0.5
_ALIKE = 0.9
# How near to the corner the gaze must begin, and how much must lie at its end, both as parts of
# its own extent.
_CORNER = 0.2
_EDGE_STRIP = 0.1
_EDGE_SHARE = 0.02


def judge_gaze(
    found: FoundExport,
    *,
    recordings: AnyRecordings,
    rows: int,
    unreadable: int,
    detected: int,
    tally: Tally,
    rounded: bool,
    has_picture: bool = True,
) -> list[str]:
    """Say what is odd about the gaze that was read.

    Parameters
    ----------
    found : FoundExport
    recordings : sequence of Recording or RecordingTracks
        Those without rows among them.
    rows : int
        All that the file has.
    unreadable : int
        Those that cannot be read, their recording being known or not.
    detected : int
        Samples with a position that can be read.
    tally : Tally
        Of the whole file; an empty one for tracks that were judged when they were made.
    rounded : bool
        Whether the timestamps are whole seconds.
    has_picture : bool
        Whether it is known what the positions lie on.

    Returns
    -------
    list of str
        Notices for the user.

    Raises
    ------
    LimitError
        When there are too many recordings.
    ExportError
        When there are no rows, at least half of those with gaze cannot be read, or most
        positions are a thousand times too large.
    """
    file = found.gaze.file
    if len(recordings) > file.limits.recordings:
        ids = "Check that the columns that name them hold names."
        if found.contents is None:
            ids = check_ids(found.gaze, find_layout(found.format, found.gaze))
        raise LimitError(f"{file}: more than {file.limits.recordings:,} recordings. {ids}")
    if rows == 0:
        raise ExportError(
            f"{file}: there is a header but no gaze below it. "
            + (
                "Check in Pupil Cloud that the enrichment has finished and covers your "
                "recordings; then download it again."
                if found.is_of_pupil_cloud
                else f"Check that the recording has gaze, and export it again. {found.way}"
            )
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
            f"{file}: {found_out}.{first}{_say_grouped(tally.grouped)} "
            "Give the file as downloaded, not as saved by a spreadsheet."
        )
    notices = []
    is_cut = rows + found.gaze.header_lines in _SHEET_ROWS
    if is_cut:
        notices.append(_say_cut(found, recordings, rows))
    if tally.grouped:
        notices.append(
            f"{file}: {unreadable:,} of {rows:,} rows cannot be read and are left out."
            f"{_say_grouped(tally.grouped)} The heatmap is not complete. Use the file as "
            "downloaded, not as saved by a spreadsheet."
        )
    elif unreadable > max(10, rows // 100):
        notices.append(
            f"{file}: {unreadable:,} of {rows:,} rows cannot be read and are left "
            "out. If a spreadsheet has saved the file, use the original download."
        )
    notices += judge_decimal_points(str(file), found.frame, tally.thousandfold, detected)
    if rounded:
        # Sections that overlap list a sample twice, which only its time would tell.
        is_right = (
            has_picture
            and not (is_cut or unreadable or tally.thousandfold)
            and all(len(one.sections) <= 1 for one in recordings)
        )
        notices.append(
            f"{file}: the timestamps are rounded, as spreadsheets do. "
            + (
                "The heatmap is right; the time spans are not."
                if is_right
                else "The time spans are not right, and samples that are listed twice cannot be "
                "told. The positions are read as they stand. Use the file as downloaded."
            )
        )
    return notices


def _say_cut(found: FoundExport, recordings: AnyRecordings, rows: int) -> str:
    """Say that a spreadsheet has cut the table, and which recordings are gone with its end."""
    labels = recording_labels(recordings)
    counts = [one.rows for one in recordings]
    gone = [label for label, count in zip(labels, counts, strict=True) if not count]
    missing = ""
    if gone:
        missing = (
            f" {many(len(gone), 'recording')} in {found.sections} {_have(gone)} no rows at all: "
            f"{listed(gone, _MOST_NAMED)}."
        )
    return (
        f"{found.gaze.file}: the {rows:,} rows below its header are all that a spreadsheet's sheet "
        "holds, so a spreadsheet has cut the file there. What came after is missing, and the "
        f"heatmap is not complete.{missing} Use the file as downloaded."
    )


def _have(things: Sequence[object]) -> str:
    return "has" if len(things) == 1 else "have"


def _say_grouped(rows: int) -> str:
    """Say, after a blank, that positions have separators of thousands; nothing without any."""
    if not rows:
        return ""
    return (
        f" In {many(rows, 'row')}, a position has a separator of thousands, as in '1,234.5': so "
        "what lies at 1,000 or more is missing."
    )


def count_thousandfold(grid: Grid, x: FloatArray, y: FloatArray) -> int:
    """Count the positions that lie on a picture only once they are divided by a thousand.

    A spreadsheet that takes the decimal point for a separator of thousands makes 300123 of
    300.123. Where there are not three decimals it leaves the number alone, so one coordinate
    may be changed and the other not.

    Parameters
    ----------
    grid : Grid
        Over the picture.
    x, y : float64 array, shape (n,)
        In the units of its frame; those on the picture may be among them.
    """
    left, top, right, bottom = grid.frame
    (on_x, far_x), (on_y, far_y) = _reach(x, left, right), _reach(y, top, bottom)
    return int(np.count_nonzero((on_x | far_x) & (on_y | far_y) & ~(on_x & on_y)))


def _reach(position: FloatArray, start: float, stop: float) -> tuple[BoolArray, BoolArray]:
    """Tell which positions lie between two borders, and which do so divided by a thousand."""
    low, high = min(start, stop), max(start, stop)
    is_on = (position >= low) & (position <= high)
    is_far = (position > _FAR * high) & (position >= low * _TIMES) & (position <= high * _TIMES)
    return is_on, is_far & (position == np.floor(position))


def count_thousandfold_samples(
    grid: Grid, samples: Sequence[GazeSamples] | Sequence[Fixations]
) -> int:
    """Count among samples or fixations that are held, as `count_thousandfold`."""
    return sum(count_thousandfold(grid, one.x, one.y) for one in samples)


def judge_decimal_points(
    label: str, frame: Frame | None, thousandfold: int, detected: int
) -> list[str]:
    """Tell whether positions have lost their decimal points.

    Parameters
    ----------
    label : str
        Name of the file in messages.
    frame : (float, float, float, float) or None
        The numbers at the borders of a surface; None for pixels of the picture.
    thousandfold : int
        As `count_thousandfold`.
    detected : int
        Samples with a position.

    Returns
    -------
    list of str
        Notices for the user.

    Raises
    ------
    ExportError
        When it is so for at least half of the samples, and these are in pixels.
    """
    # Whole pixels and percent also lie on a surface then: `judge_positions` says both.
    if frame is not None and (thousandfold * 2 >= detected or detected < _FEW_SAMPLES):
        return []
    place, example = ("picture", "300123 of 300.123") if frame is None else _ON_SURFACE
    said = (
        f"{label}: {thousandfold:,} of {detected:,} detected samples lie far beside the {place}, "
        "and on it where their positions are divided by 1,000. So a spreadsheet has taken the "
        f"decimal point for a separator of thousands, and made {example}."
    )
    if detected >= _FEW_SAMPLES and thousandfold * 2 >= detected:
        raise ExportError(f"{said} Give the file as downloaded, not as saved by a spreadsheet.")
    if not thousandfold:
        return []
    return [
        f"{said} They are not in the heatmap, which is not complete. Use the file as downloaded, "
        "not as saved by a spreadsheet."
    ]


def judge_samples(
    label: str,
    frame: Frame | None,
    size: Size,
    recordings: tuple[Recording, ...],
    thousandfold: int = 0,
) -> tuple[str, list[str]]:
    """Judge the positions of samples that are held, as `judge_positions`."""
    grid = Grid.over(size, frame)
    codes, noun = count_codes(grid, recordings), name_of(positions_of(recordings))
    return judge_positions(label, frame, grid, codes, thousandfold, noun)


def count_codes(grid: Grid, recordings: tuple[Recording, ...]) -> IntArray:
    """Count the positions that are held by their codes, shape (grid.codes,), as `positions_of`."""
    codes = np.zeros(grid.codes, np.int64)
    for one in positions_of(recordings):
        codes += np.bincount(grid.cells(one.x, one.y), minlength=grid.codes)
    return codes


def judge_positions(
    label: str,
    frame: Frame | None,
    grid: Grid,
    codes: IntArray,
    thousandfold: int = 0,
    noun: str = "samples",
) -> tuple[str, list[str]]:
    """Tell whether positions are in the unit that their columns say, by where they lie.

    Parameters
    ----------
    label : str
        Name of the file in messages.
    frame : (float, float, float, float) or None
        The numbers at the borders of a surface; None for pixels of the picture.
    grid : Grid
        Over the picture; of a surface, its size is not looked at.
    codes : int64 array, shape (grid.codes,)
        Samples with each code.
    thousandfold : int
        As `count_thousandfold`.
    noun : "samples" or "fixations"
        What they are.

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
    bins = codes[: grid.outside].reshape(grid.shape)
    inside = int(bins.sum())
    detected = inside + int(codes[grid.outside])
    rows, columns = grid.corner
    in_corner = int(bins[:rows, :columns].sum())
    if detected < (_FEW_SAMPLES if noun == "samples" else _FEW_FIXATIONS):
        return "", []
    if frame is not None:
        # Of positions in pixels or percent next to none is within 0 and 1, while of people
        # who look past a surface some gaze still falls on it.
        if inside * 100 < detected:
            these = "These are"
            if thousandfold * 2 >= detected:
                these = (
                    f"Divided by 1,000, {thousandfold:,} of them do: perhaps a spreadsheet has "
                    f"taken the decimal point for a separator of thousands, and made "
                    f"{_ON_SURFACE[1]}. Or these are"
                )
            raise ExportError(
                f"{label}: only {inside:,} of {detected:,} detected {noun} lie on the surface, "
                f"whose positions run from 0 to 1. {these} in another unit, such as pixels or "
                "percent. Give the file as downloaded."
            )
        if inside * 2 < detected:
            return "", [
                f"{label}: {detected - inside:,} of {detected:,} detected {noun} lie outside the "
                "surface, and are not in the heatmap. Check that the positions are fractions of "
                "the surface, from 0 to 1, as the header says."
            ]
        return "", []
    if in_corner * 10 >= detected * 9:
        raise ExportError(
            f"{label}: {in_corner:,} of {detected:,} detected {noun} lie in the top left corner "
            f"of the picture, {px(grid.size)}, about within its first pixel. These are no pixels, "
            "as the header says, but perhaps fractions from 0 to 1. Give the file as downloaded."
        )
    if inside * 2 < detected:
        return (
            f"{label}: only {inside:,} of {detected:,} detected {noun} lie on the picture, "
            f"which is {px(grid.size)}. So the gaze is in pixels of another picture, or of this "
            "one in another size."
        ), []
    doubt = doubt_size(grid, codes)
    return "", [doubt] if doubt else []


def doubt_size(grid: Grid, codes: IntArray) -> str:
    """Say that a picture may be larger than the one that gaze in pixels was mapped to.

    Gaze in the pixels of a smaller picture reaches the same part of both sides of a larger one
    of its shape, as far as the smaller one would reach, and nothing lies beyond. So the picture
    is doubted when the gaze ends before the middle of both sides, and either at about the same
    part of them, with no detected sample beside the picture, or so: it begins at the top left
    corner and is not thin where it ends. Gaze on one thing, or on a part, mostly does neither.

    Parameters
    ----------
    grid : Grid
        Over the picture.
    codes : int64 array, shape (grid.codes,)
        Samples with each code.

    Returns
    -------
    str
        Empty where there is no doubt, and where samples are too few to tell.
    """
    bins = codes[: grid.outside].reshape(grid.shape)
    if bins.sum() < FEW_FOR_SIZE:
        return ""
    sides = [_Extent.along(bins.sum(axis=axis)) for axis in (0, 1)]
    reached = sorted(side.part for side in sides)
    is_alike = reached[0] >= _ALIKE * reached[1] and not codes[grid.outside]
    if reached[1] > _HALF_FREE or not (is_alike or all(side.fills for side in sides)):
        return ""
    width, height = (
        round(side.part * length) for side, length in zip(sides, grid.size, strict=True)
    )
    return (
        f"The gaze fills only the top left {px((width, height))} of the picture's "
        f"{px(grid.size)}, and ends there. The picture is taken for the one that the gaze was "
        "mapped to, in its full size. If that one is smaller, the map lies where nobody looked: "
        "compare them, and give the right one in the place of this picture."
    )


def count_tracked(study: Study) -> IntArray:
    """Count what tells where people looked by codes, shape (grid.codes,), as `positions_of`."""
    codes, has_gaze = np.zeros(study.grid.codes, np.int64), study.has_gaze
    for recording in study.recordings:
        for section in recording.sections:
            track = section.gaze if has_gaze else section.fixations
            if track is not None:
                track.add_to(codes)
    return codes


def doubt_picture(export: Enrichment[Any]) -> str:
    """Say that an export's picture may be larger than the one that was mapped, as `doubt_size`."""
    if export.unit != "px" or export.image is None:
        return ""
    if isinstance(export, Study):
        return doubt_size(export.grid, count_tracked(export))
    assert isinstance(export, Export)
    grid = Grid.over(export.grid_size or export.image.size, export.frame)
    return doubt_size(grid, count_codes(grid, export.recordings))


def fits_turned(grid: Grid, codes: IntArray) -> bool:
    """Tell whether as many samples may lie on a picture that is turned to the side.

    Samples that lie on it only when it is turned are among those outside, but which ones is not
    known. So the answer is no only where fewer samples lie outside than on the part of the
    picture that only this way has.
    """
    bins = codes[: grid.outside].reshape(grid.shape)
    common = min(grid.size)
    columns, rows = (
        -(-common * count // side) for count, side in zip(grid.shape[::-1], grid.size, strict=True)
    )
    only_here = int(bins[rows:].sum() + bins[:, columns:].sum())
    return only_here <= int(codes[grid.outside])


@dataclass(frozen=True, slots=True)
class _Extent:
    """How far along a side gaze reaches.

    Attributes
    ----------
    part : float
        Where it ends, from 0 to 1.
    fills : bool
        Whether it begins near 0, and is not thin where it ends.
    """

    part: float
    fills: bool

    @classmethod
    def along(cls, counts: IntArray) -> _Extent:
        """Tell the extent of samples, given how many there are in each bin of a side."""
        some = np.flatnonzero(counts)
        start, end = int(some[0]), int(some[-1]) + 1
        strip = max(1, round(_EDGE_STRIP * end))
        at_end = counts[end - strip : end].sum()
        fills = start <= _CORNER * end and at_end >= _EDGE_SHARE * counts.sum()
        return cls(end / len(counts), bool(fills))


def gaze_reach(recordings: tuple[Recording, ...]) -> Size:
    """Return how far right and down the gaze reaches, but for the furthest hundredth.

    Those few are no measure of a picture's size. Without any it is (0, 0).
    """
    held = positions_of(recordings)
    x = np.concatenate([one.x[np.isfinite(one.x)] for one in held] or [np.empty(0)])
    y = np.concatenate([one.y[np.isfinite(one.y)] for one in held] or [np.empty(0)])
    if not len(x) or not len(y):
        return 0, 0
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
