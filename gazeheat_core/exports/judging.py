"""What is odd about gaze that was read: too much of it lost, times rounded, another unit."""

from __future__ import annotations

import numpy as np

from gazeheat_core.errors import ExportError, LimitError
from gazeheat_core.exports.columns import check_ids, find_layout
from gazeheat_core.exports.finding import FoundExport
from gazeheat_core.exports.tables import Tally
from gazeheat_core.grid import Grid
from gazeheat_core.model import Frame, IntArray, Recording, Size

# Samples that a judgement on their unit takes: a tenth of a second at 200 Hz. A recording of
# fewer may well hold a single glance beside the picture.
_FEW_SAMPLES = 20


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
        Of the whole file; an empty one for tracks that were judged when they were made.
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
    grid = Grid.over(size, frame)
    codes = np.zeros(grid.codes, np.int64)
    for recording in recordings:
        for section in recording.sections:
            cells = grid.cells(section.gaze.x, section.gaze.y)
            codes += np.bincount(cells, minlength=grid.codes)
    return judge_positions(label, frame, grid, codes)


def judge_positions(
    label: str, frame: Frame | None, grid: Grid, codes: IntArray
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
            f"of the picture, {px(grid.size)}, about within its first pixel. These are no pixels, "
            "as the header says, but perhaps fractions from 0 to 1. Give the file as downloaded."
        )
    if inside * 2 < detected:
        return (
            f"{label}: only {inside:,} of {detected:,} detected samples lie on the picture, "
            f"which is {px(grid.size)}. So the gaze is in pixels of another picture, or of this "
            "one in another size."
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
