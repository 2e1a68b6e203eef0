"""Contours: lines of equal value over the picture, each with what it says.

A line runs at a part of the top of the scale, and has the map's colour of that level. The page,
the image files and the figure draw the same lines, each in its own way; `ContourPainter` paints
them into pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, hypot

import numpy as np
import numpy.typing as npt
from contourpy import LineType, contour_generator
from PIL import Image, ImageDraw, ImageFont

from gazeheat_core.colormaps import opaque_table, to_levels
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import FloatArray, Size
from gazeheat_core.scale import ColourScale, colour_scale
from gazeheat_core.settings import Look

Place = tuple[float, float]
Colour = tuple[int, int, int]

# Parts of the picture's longer side, and the least in pixels.
_WIDTH, _LEAST_WIDTH_PX = 0.0025, 1.5
_TYPE, _LEAST_TYPE_PX = 0.016, 9.0
# The plate of a label, in parts of its type size: of each character, of its ends, its height.
_CHARACTER, _ENDS, _HEIGHT = 0.56, 0.8, 1.5
PLATE, INK = "#ffffff", "#1a1a1a"
PLATE_ALPHA = 0.85
# A level has so many labels at most, each on a line of several times its length.
_MOST_LABELS = 4
_LEAST_LENGTH = 3
_CANDIDATES = 24
# A point is left out where the line then moves by less than this part of the longer side:
# a quarter of a pixel on a screen of 1,600.
_ACCURACY = 0.25 / 1600
# The plate's corners are painted larger, and shrunk.
_FINER = 4


@dataclass(frozen=True, eq=False, slots=True)
class Contour:
    """The lines of one level.

    Attributes
    ----------
    level : float
        Percent of the top of the scale.
    text : str
        Its value in the unit.
    colour : (int, int, int)
        The map's, of that level.
    points : float64 array, shape (points, 2)
        Of its lines, x and y in pixels of the picture; a row of NaN stands between two lines.
        A closed line ends where it begins, others end at the border.
    labels : list of (float, float)
        The middles of its labels. None lies over another, or reaches beyond the picture.
    """

    level: float
    text: str
    colour: Colour
    points: FloatArray
    labels: list[Place]


def contours(
    heatmap: Heatmap, size: Size, look: Look, type_px: float | None = None
) -> list[Contour]:
    """Find the lines at the levels of a look, the lowest first.

    A level that is not reached, or lies below the bottom of the scale, has none.

    Parameters
    ----------
    heatmap : Heatmap
    size : (int, int)
        Width and height of the picture, in which the lines are given.
    look : Look
    type_px : float, optional
        The size of the labels' type; by default 1.6 % of the longer side.
    """
    scale = colour_scale(heatmap, look)
    wanted = [level for level in look.levels if level >= look.bottom]
    x, y, values = _grid(heatmap.values, size)
    generator = contour_generator(x, y, values, name="serial", line_type=LineType.ChunkCombinedNan)
    found = []
    for level in wanted:
        value = level / 100 / scale.factor if scale.factor else np.inf
        (points,), *_ = generator.lines(value) if value < values.max() else ([None],)
        if points is not None:
            found.append((level, _simplified(points, _ACCURACY * max(size))))
    return _labelled(found, size, look, scale, type_px or label_type_px(size))


def line_width_px(size: Size) -> float:
    """Return how wide a line is in a picture of a size."""
    return max(_WIDTH * max(size), _LEAST_WIDTH_PX)


def label_type_px(size: Size) -> float:
    """Return how large a label's type is in a picture of a size."""
    return max(_TYPE * max(size), _LEAST_TYPE_PX)


def _grid(values: FloatArray, size: Size) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return values at the bins' centres, and once more at the borders, with their places."""
    x, y = (
        np.concatenate([[0.0], (np.arange(count) + 0.5) * side / count, [side]])
        for count, side in zip(values.shape[::-1], size, strict=True)
    )
    return x, y, np.pad(values, 1, mode="edge")


def _simplified(points: FloatArray, accuracy: float) -> FloatArray:
    """Leave out points that lie on the straight line between their neighbours.

    Of two neighbours one stays in each round, so that small errors do not add up to a large one.
    """
    for _ in range(2):
        before, here, after = points[:-2:2], points[1:-1:2], points[2::2]
        count = min(len(before), len(here), len(after))
        chord = after[:count] - before[:count]
        aside = here[:count] - before[:count]
        length = np.hypot(chord[:, 0], chord[:, 1])
        # NaN, between two lines, is never less than something.
        spare = np.abs(chord[:, 0] * aside[:, 1] - chord[:, 1] * aside[:, 0]) < accuracy * length
        keep = np.ones(len(points), bool)
        keep[1 : 1 + 2 * count : 2] = ~spare
        points = points[keep]
    return points


# --- Labels --------------------------------------------------------------------------


def label_size(text: str, type_px: float) -> Place:
    """Return width and height of a label's plate."""
    return (_CHARACTER * len(text) + _ENDS) * type_px, _HEIGHT * type_px


def _labelled(
    found: list[tuple[float, FloatArray]],
    size: Size,
    look: Look,
    scale: ColourScale,
    type_px: float,
) -> list[Contour]:
    """Give each level its labels, the highest first: its lines are the shortest."""
    taken_low = taken_high = np.empty((0, 2))  # left and top, right and bottom of plates
    table = opaque_table(look.colormap)
    contours = []
    for level, points in reversed(found):
        text = scale.text(level / 100 * scale.top)
        half = np.array(label_size(text, type_px)) / 2
        labels = []
        for places in _longest_lines(points, _LEAST_LENGTH * 2 * half[0]):
            low, high = places - half, places + half
            is_free = (low >= 0).all(axis=1) & (high <= size).all(axis=1)
            # Two plates are apart where one ends before the other begins, along either axis.
            is_apart = (high[:, None] <= taken_low) | (low[:, None] >= taken_high)
            is_free &= np.all(is_apart.any(axis=2), axis=1)
            if is_free.any():
                first = is_free.argmax()
                taken_low = np.vstack([taken_low, low[first]])
                taken_high = np.vstack([taken_high, high[first]])
                x, y = places[first].tolist()
                labels.append((x, y))
        red, green, blue = table[to_levels(np.array(level / 100))].tolist()
        contours.append(Contour(level, text, (red, green, blue), points, labels))
    return contours[::-1]


def _longest_lines(points: FloatArray, least: float) -> Iterator[FloatArray]:
    """Return places on the longest lines, those first where the line runs as its label does."""
    steps = np.diff(points, axis=0)
    lengths = np.nan_to_num(np.hypot(steps[:, 0], steps[:, 1]))
    ends = np.append(np.flatnonzero(np.isnan(points[:, 0])), len(points))
    starts = np.concatenate([[0], ends[:-1] + 1])
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    whole = along[ends - 1] - along[starts]
    for line in np.argsort(-whole, kind="stable")[:_MOST_LABELS]:
        if whole[line] < least:
            return
        first, last = starts[line], ends[line]
        # Neither at its ends: these may lie at the border.
        share = (np.arange(_CANDIDATES) + 0.5) / _CANDIDATES * whole[line]
        at = np.searchsorted(along[first:last], along[first] + share, side="right") + first
        at = np.clip(at, first + 1, last - 1)
        across = np.abs(steps[at - 1, 0]) / np.maximum(lengths[at - 1], 1e-300)
        middles = (points[at] + points[at - 1]) / 2
        yield middles[np.argsort(-across.round(1), kind="stable")]


# --- Pixels --------------------------------------------------------------------------


class ContourPainter:
    """Paints contours into strips of pixels: smooth lines, then the labels on them.

    A pixel's cover follows from how far its centre is from the nearest line, whichever strip it
    is in, so that no seam shows.

    Parameters
    ----------
    contours : list of Contour
    size : (int, int)
        Width and height of the picture that they were found for.
    type_px : float, optional
        As of `contours`.
    """

    def __init__(self, contours: list[Contour], size: Size, type_px: float | None = None) -> None:
        self._contours = contours
        self._width = size[0]
        self._reach = line_width_px(size) / 2 + 0.5
        self._segments = [_segments(one.points) for one in contours]
        type_px = type_px or label_type_px(size)
        self._labels = [
            (_plate(one.text, type_px), x, y) for one in contours for x, y in one.labels
        ]

    def paint(self, top: int, bottom: int) -> npt.NDArray[np.uint8]:
        """Return the rows from a first to a last one, that one not included, as RGBA pixels.

        They cover what lies under them in full strength; an opacity is a factor on their alpha.
        """
        cover = np.zeros((bottom - top, self._width), np.float32)
        rgba = np.zeros((*cover.shape, 4), np.uint8)
        for contour, segments in zip(self._contours, self._segments, strict=True):
            low, high = segments[:, 1::2].min(axis=1), segments[:, 1::2].max(axis=1)
            near = (high > top - self._reach) & (low < bottom + self._reach)
            for segment in segments[near].tolist():
                self._draw(segment, contour.colour, top, cover, rgba)
        rgba[..., 3] = np.rint(255 * cover)
        return self._with_labels(rgba, top) if self._labels else rgba

    def _draw(
        self,
        segment: list[float],
        colour: Colour,
        top: int,
        cover: npt.NDArray[np.float32],
        rgba: npt.NDArray[np.uint8],
    ) -> None:
        """Draw a straight line with round ends."""
        x0, y0, x1, y1 = segment
        reach = self._reach
        left, right = max(floor(min(x0, x1) - reach), 0), ceil(max(x0, x1) + reach)
        first, last = max(floor(min(y0, y1) - reach) - top, 0), ceil(max(y0, y1) + reach) - top
        part = cover[first:last, left:right]
        if not part.size:
            return
        x = np.arange(left, left + part.shape[1], dtype=np.float32) + np.float32(0.5 - x0)
        # Of the whole picture's rows: a row has the same numbers in any strip.
        rows = np.arange(top + first, top + first + part.shape[0])
        y = (rows + (0.5 - y0)).astype(np.float32)
        across, down = x1 - x0, y1 - y0
        squared = hypot(across, down) ** 2
        along = (x * np.float32(across / squared))[None] + (y * np.float32(down / squared))[:, None]
        np.clip(along, 0, 1, out=along)
        away = np.hypot(x[None] - along * np.float32(across), y[:, None] - along * np.float32(down))
        drawn = np.minimum(np.float32(reach) - away, np.float32(1))
        more = drawn > part
        part[more] = drawn[more]
        rgba[first:last, left:right, :3][more] = colour

    def _with_labels(self, rgba: npt.NDArray[np.uint8], top: int) -> npt.NDArray[np.uint8]:
        strip = Image.fromarray(rgba)
        for plate, x, y in self._labels:
            left, above = round(x - plate.width / 2), round(y - plate.height / 2) - top
            if above < strip.height and above + plate.height > 0:
                # What stands above the strip is cut from the plate.
                source = (max(-left, 0), max(-above, 0))
                strip.alpha_composite(plate, (max(left, 0), max(above, 0)), source)
        return np.asarray(strip)


def _segments(points: FloatArray) -> FloatArray:
    """Return the straight parts of lines, shape (parts, 4): x and y of both ends."""
    segments = np.concatenate([points[:-1], points[1:]], axis=1)
    is_part = np.isfinite(segments).all(axis=1) & (segments[:, :2] != segments[:, 2:]).any(axis=1)
    parts: FloatArray = segments[is_part]
    return parts


def _plate(text: str, type_px: float) -> Image.Image:
    """Draw a label: dark type on a pale plate, which can be read over any picture."""
    width, height = (max(1, round(side)) for side in label_size(text, type_px))
    large = Image.new("L", (width * _FINER, height * _FINER))
    ImageDraw.Draw(large).rounded_rectangle(
        (0, 0, large.width - 1, large.height - 1),
        radius=large.height / 4,
        fill=round(255 * PLATE_ALPHA),
    )
    plate = Image.new("RGBA", (width, height), PLATE)
    plate.putalpha(large.reduce(_FINER))
    ink = Image.new("RGBA", plate.size, INK + "00")
    ImageDraw.Draw(ink).text(
        (width / 2, height / 2),
        text,
        fill=INK,
        anchor="mm",
        font=ImageFont.load_default(type_px),
    )
    plate.alpha_composite(ink)
    return plate
