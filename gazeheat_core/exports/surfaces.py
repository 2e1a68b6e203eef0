"""The shape of a surface, told by where its corners were seen."""

from __future__ import annotations

import io
from itertools import islice

import numpy as np
import pandas as pd

from gazeheat_core.errors import GazeheatError
from gazeheat_core.exports import tables
from gazeheat_core.exports.columns import Header
from gazeheat_core.exports.formats import CORNERS
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.model import FloatArray, Size, ratio_text

# About an hour of video: more would not tell it better.
_MOST_BLOCKS = 4
# Perspective makes what is seen of a shape rough.
_CONTRADICTS = 1.5
# Fewer frames tell nothing: a second of video.
_FEW_FRAMES = 30


def read_ratio(found: FoundExport) -> float | None:
    """Tell how many times as wide as high a surface is, by its corners in the scene camera.

    It is the median over the frames, each weighed by the area that the surface has in it. Of a
    surface that fills the view, the sides tell its shape well; one that is far away or looked
    at from the side is seen as a sliver, and its corners may even be confused.

    Returns
    -------
    float or None
        None where there is no table of corners, or it does not tell.
    """
    if found.frame is None or found.corners is None:
        return None
    try:
        table = tables.read_header(found.corners)
        header = Header(table.columns)
        places = [header.find(column) for column in CORNERS]
        if not all(places):
            return None
        columns = [one[0].position for one in places]
        blocks = islice(tables.read_blocks(table), _MOST_BLOCKS)
        corners = [_corners(block, table, columns) for block in blocks]
    except (GazeheatError, ValueError):  # the gaze is whole without it
        return None
    return _ratio(np.concatenate([np.empty((0, 4, 2)), *corners]))


def _corners(block: bytes, table: tables.Table, columns: list[int]) -> FloatArray:
    """Read the corners of a block, shape (n, 4, 2); NaN where there is none."""
    frame = pd.read_csv(
        io.BytesIO(block),
        sep=table.delimiter,
        decimal=table.decimal,
        header=None,
        names=range(len(table.columns)),
        usecols=columns,
        encoding_errors="replace",
        on_bad_lines="skip",
    )
    numbers = [pd.to_numeric(frame[column], errors="coerce") for column in columns]
    return np.stack(numbers, axis=1).astype(np.float64).reshape(-1, 4, 2)


def _ratio(corners: FloatArray) -> float | None:
    """Return the ratio of corners: top left, top right, bottom right, bottom left."""
    corners = corners[np.isfinite(corners).all(axis=(1, 2)) & (np.abs(corners) < 1e6).all((1, 2))]
    sides = np.roll(corners, -1, axis=1) - corners
    following = np.roll(sides, -1, axis=1)
    # In this order, every corner of what is seen from its front turns right.
    turns = sides[..., 0] * following[..., 1] - sides[..., 1] * following[..., 0]
    is_seen = (turns > 0).all(axis=1)
    if np.count_nonzero(is_seen) < _FEW_FRAMES:
        return None
    lengths = np.linalg.norm(sides[is_seen], axis=2)
    ratios = np.sqrt(lengths[:, 0] * lengths[:, 2] / (lengths[:, 1] * lengths[:, 3]))
    # Half of the sum of opposite turns is twice the area.
    areas = turns[is_seen].sum(axis=1) / 4
    order = np.argsort(ratios)
    reached = np.cumsum(areas[order])
    return float(ratios[order][np.searchsorted(reached, reached[-1] / 2)])


def doubt_shape(ratio: float | None, size: Size) -> tuple[str, ...]:
    """Say that a picture's shape contradicts that of the surface; nothing where it does not.

    Parameters
    ----------
    ratio : float or None
        As `read_ratio`.
    size : (int, int)
        Of the picture.
    """
    width, height = size
    if ratio is None or 1 / _CONTRADICTS <= width / height / ratio <= _CONTRADICTS:
        return ()
    return (
        f"The picture's width : height is {ratio_text(width / height)}, but the scene camera saw "
        f"the surface at about {ratio_text(ratio)}. The picture is taken for the whole surface; if "
        "it shows something else, or a part of it, the map lies where nobody looked. Give a "
        "picture of the whole surface and nothing else.",
    )
