"""The chart: the picture, the heatmap over it, the colour bar.

What it shows is what the overlay file shows. The picture is a display-sized JPEG under
the axes, the heatmap one trace of bytes on the bin grid, whose colour scale carries the
opacity rule. Contours are traces of lines; the heatmap is then clear, and says the values.

The chart is a Plotly figure as plain data, ready for JSON: Plotly's script draws it in the
browser, and `plotly.graph_objects.Figure` takes it in a notebook.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gazeheat_core.colormaps import LEVELS, colour_stops, first_shown, opaque_table, to_levels
from gazeheat_core.contours import INK, PLATE, PLATE_ALPHA, Contour, contours
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import Size
from gazeheat_core.scale import ColourScale, colour_scale
from gazeheat_core.settings import COLORMAPS, ColormapName, Look

# Room to the right of the picture for the colour bar, its ticks and what it measures, with
# text of 16 px.
BAR_WIDTH_PX = 104
# What a further line of the label takes, and ticks that are longer than 100 %.
_LINE_PX, _LONG_TICKS_PX = 16, 8
# A label is broken into lines of this many characters.
_LINE_CHARACTERS = 34
MARGIN_PX = 8
_CONTOUR_PX = 2
_LABEL_PX = 11


def ground_uri(jpeg: bytes) -> str:
    """Return a JPEG file as a data URI; it is made once for a picture and used again."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def overlay_figure(heatmap: Heatmap, size: Size, ground: str, look: Look) -> dict[str, Any]:
    """Describe the heatmap over its picture, with its colour bar.

    Parameters
    ----------
    heatmap : Heatmap
    size : (int, int)
        Width and height of the reference image: the axes are in its pixels.
    ground : str
        Where the picture is: its address, or all of it as a data URI. In any resolution.
    look : Look

    Returns
    -------
    dict
        A Plotly figure: ``data``, the heatmap (if there is gaze) before the colour bar and
        the contours (each with its level, 0 to 255, as ``meta``), and ``layout``. Nothing
        checks it against Plotly's schema, which would take longer than all the rest of a
        redraw; a test does.
    """
    scale = colour_scale(heatmap, look)
    traces = [_colour_bar(look, scale)]
    # Without gaze, a spotlight is dark everywhere.
    if heatmap.counts.used or look.look == "spotlight":
        traces.insert(0, _heatmap_trace(heatmap, size, look, scale))
    layout = _layout(size, ground, _bar_width_px(look, scale))
    if look.look == "contours":
        found = contours(heatmap, size, look)
        traces += [_lines(one, look) for one in found]
        layout["annotations"] = [
            _annotation(one.text, place, look) for one in found for place in one.labels
        ]
    return {"data": traces, "layout": layout}


def colour_scales() -> dict[ColormapName, list[list[int]]]:
    """Return the few colours of each map that stand for all of it.

    A browser makes the heatmap's colour scale for another opacity from them, by the rule of
    `overlay_scale`.

    Returns
    -------
    dict
        For each map, rows of level (0 to 255), red, green and blue, in order of level.

    Examples
    --------
    >>> colour_scales()["turbo"][0]
    [0, 48, 18, 59]
    """
    return {name: [list(stop) for stop in _stops(name)] for name in COLORMAPS}


@lru_cache(maxsize=64)
def overlay_scale(
    name: ColormapName, opacity: float, bottom: float = 0.0
) -> list[tuple[float, str]]:
    """Return Plotly's colour scale for the heatmap: ``alpha = min(value, opacity)``.

    The stops are those of the opaque map, and one where the cover stops to grow. Below
    `bottom` percent it is clear.

    Examples
    --------
    >>> overlay_scale("greys", 0)[0]
    (0.0, 'rgba(255,255,255,0.0000)')
    """
    cover = round((LEVELS - 1) * opacity)
    stops: list[tuple[float, ...]] = []
    for stop in _stops(name):
        if stops and stops[-1][0] < cover < stop[0]:
            stops.append(_between(stops[-1], stop, cover))
        stops.append(stop)
    return _cut([(*stop, min(stop[0], cover) / (LEVELS - 1)) for stop in stops], bottom)


@lru_cache(maxsize=64)
def spotlight_scale(opacity: float, bottom: float = 0.0) -> list[tuple[float, str]]:
    """Return Plotly's colour scale for the spotlight: black, ``alpha = min(1 - value, opacity)``.

    Examples
    --------
    >>> [place for place, _ in spotlight_scale(0.8)]
    [0.0, 0.2, 1.0]
    """
    top = LEVELS - 1
    cover = round(top * opacity)
    levels = sorted({0, top - cover, top})
    stops = [(level, 0, 0, 0, min(top - level, cover) / top) for level in levels]
    return _cut(stops, bottom, cover / top)


def _cut(
    stops: Sequence[tuple[float, ...]], bottom: float, below: float = 0.0
) -> list[tuple[float, str]]:
    """Write stops of level, colour and alpha, with one alpha for all below the bottom."""
    first = first_shown(bottom)
    if first:
        after = next(i for i, stop in enumerate(stops) if stop[0] >= first)
        edge = _between(stops[after - 1], stops[after], first)
        colour = edge[1:4]
        # Between two levels, of which there is none: the edge is sharp.
        step = first - 0.5
        shown = [(step, *edge[1:]), edge, *(stop for stop in stops if stop[0] > first)]
        stops = [(0.0, *colour, below), (step, *colour, below), *shown]
    return [
        (level / (LEVELS - 1), f"rgba({_number(r)},{_number(g)},{_number(b)},{alpha:.4f})")
        for level, r, g, b, alpha in stops
    ]


def _between(before: tuple[float, ...], after: tuple[float, ...], level: int) -> tuple[float, ...]:
    """Return the colour on the straight line between two stops."""
    share = (level - before[0]) / (after[0] - before[0])
    colour = (start + (end - start) * share for start, end in zip(before, after, strict=True))
    return (level, *list(colour)[1:])


def _number(channel: float) -> str:
    return str(channel) if isinstance(channel, int) else f"{channel:.10f}"


def _layer_scale(look: Look) -> list[tuple[float, str]]:
    if look.look == "spotlight":
        return spotlight_scale(look.opacity, look.bottom)
    # Under contours it is there for its values only.
    opacity = 0.0 if look.look == "contours" else look.opacity
    return overlay_scale(look.colormap, opacity, look.bottom)


def _heatmap_trace(heatmap: Heatmap, size: Size, look: Look, scale: ColourScale) -> dict[str, Any]:
    width, height = size
    whole = "" if scale.unit == "percent" else f" of {scale.text(scale.maximum)}"
    rows, columns = heatmap.values.shape
    return {
        "type": "heatmap",
        "z": _typed(to_levels(scale.painted(heatmap.values))),
        "zmin": 0,
        "zmax": LEVELS - 1,
        # The centres of the first bins; the whole then spans the picture exactly.
        "x0": width / columns / 2,
        "dx": width / columns,
        "y0": height / rows / 2,
        "dy": height / rows,
        "colorscale": _layer_scale(look),
        "showscale": False,
        "zsmooth": "fast",
        "customdata": _typed(np.rint(heatmap.values * 100).astype(np.uint8)),
        "hovertemplate": f"%{{customdata}} %{whole}<br>x %{{x:.0f}} px, y %{{y:.0f}} px"
        "<extra></extra>",
    }


def _lines(contour: Contour, look: Look) -> dict[str, Any]:
    x, y = contour.points.astype(np.float32).T
    red, green, blue = contour.colour
    return {
        "type": "scatter",
        "mode": "lines",
        "x": _typed(x),
        "y": _typed(y),
        "meta": int(to_levels(np.array(contour.level / 100))),
        "line": {"color": f"rgb({red},{green},{blue})", "width": _CONTOUR_PX},
        "opacity": look.opacity,
        "hoverinfo": "skip",
    }


def _annotation(text: str, place: tuple[float, float], look: Look) -> dict[str, Any]:
    red, green, blue = (int(PLATE[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "text": text,
        "x": place[0],
        "y": place[1],
        "xref": "x",
        "yref": "y",
        "showarrow": False,
        "font": {"size": _LABEL_PX, "color": INK},
        "bgcolor": f"rgba({red},{green},{blue},{PLATE_ALPHA})",
        "borderpad": 1,
        "opacity": look.opacity,
    }


def _colour_bar(look: Look, scale: ColourScale) -> dict[str, Any]:
    """Return a trace without points that carries the bar in the map's full colours.

    The heatmap's own bar would be pale, since its colours are partly clear.
    """
    places, texts = zip(*scale.ticks(), strict=True)
    return {
        "type": "scatter",
        "x": [None],
        "y": [None],
        "mode": "markers",
        "hoverinfo": "skip",
        "marker": {
            "color": [0],
            "cmin": 0,
            "cmax": 100,
            "colorscale": _bar_scale(look),
            "showscale": True,
            "colorbar": {
                "tickvals": list(places),
                "ticktext": list(texts),
                "title": {"text": "<br>".join(_label_lines(scale)), "side": "right"},
                "ticklabeloverflow": "allow",
                "thickness": 16,
                # What is clear, or white, would else not be seen as a part of the bar.
                "outlinewidth": 1 if look.bottom or look.look == "spotlight" else 0,
                "outlinecolor": "rgb(128,128,128)",
                "len": 1,
                "y": 1,
                "yanchor": "top",
                "xpad": 12,
                "ypad": 0,
            },
        },
    }


def _label_lines(scale: ColourScale) -> list[str]:
    """Break what the bar measures into lines that fit beside it, about equally long."""
    label = scale.label
    count = -(-len(label) // _LINE_CHARACTERS)
    return textwrap.wrap(label, max(_LINE_CHARACTERS, len(label) // count + 1))


def _bar_width_px(look: Look, scale: ColourScale) -> int:
    """Return the room for the bar: it follows from the unit, so that a tick moves nothing."""
    long_ticks = scale.unit != "percent" or look.top
    lines = len(_label_lines(scale))
    return BAR_WIDTH_PX + (lines - 1) * _LINE_PX + (_LONG_TICKS_PX if long_ticks else 0)


def _layout(size: Size, ground: str, bar_width_px: int) -> dict[str, Any]:
    width, height = size
    hidden = {"visible": False, "showgrid": False, "zeroline": False, "constrain": "domain"}
    return {
        "images": [
            {
                "source": ground,
                "xref": "x",
                "yref": "y",
                "x": 0,
                "y": 0,
                "sizex": width,
                "sizey": height,
                "xanchor": "left",
                "yanchor": "top",
                "sizing": "stretch",
                "layer": "below",
            }
        ],
        # Zoom stays inside the picture.
        "xaxis": {"range": [0, width], "minallowed": 0, "maxallowed": width, **hidden},
        "yaxis": {
            # Downwards, and as many screen pixels per picture pixel as along x.
            "range": [height, 0],
            "minallowed": 0,
            "maxallowed": height,
            "scaleanchor": "x",
            "scaleratio": 1,
            "constraintoward": "top",
            **hidden,
        },
        "margin": {"l": 0, "r": bar_width_px, "t": MARGIN_PX, "b": MARGIN_PX},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "dragmode": "zoom",
        "hoverlabel": {"font": {"size": 14}},
    }


@cache
def _stops(name: ColormapName) -> list[tuple[int, int, int, int]]:
    """Return level, red, green and blue of the entries that stand for a map."""
    table = opaque_table(name)
    return [(i, *table[i].tolist()) for i in colour_stops(table)]


def _bar_scale(look: Look) -> list[tuple[float, str]]:
    """Return the full colours of a look, clear below the bottom; black there in a spotlight."""
    if look.look == "spotlight":
        return _spotlight_bar(look.bottom)
    if look.bottom:
        return _cut([(*stop, 1.0) for stop in _stops(look.colormap)], look.bottom)
    return _opaque_scale(look.colormap)


def _spotlight_bar(bottom: float) -> list[tuple[float, str]]:
    first = first_shown(bottom)
    ends = [(0.0, "rgb(0,0,0)"), (1.0, "rgb(255,255,255)")]
    step, grey = (first - 0.5) / (LEVELS - 1), f"rgb({first},{first},{first})"
    edge = [(step, ends[0][1]), (step, grey), (first / (LEVELS - 1), grey)] if first else []
    return [ends[0], *edge, ends[1]]


@cache
def _opaque_scale(name: ColormapName) -> list[tuple[float, str]]:
    return [(i / (LEVELS - 1), f"rgb({r},{g},{b})") for i, r, g, b in _stops(name)]


def _typed(array: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> dict[str, str]:
    """Return an array of bytes, or of 32-bit numbers, as Plotly reads it."""
    typed = {
        "dtype": "u1" if array.dtype == np.uint8 else "f4",
        "bdata": base64.b64encode(array.tobytes()).decode("ascii"),
    }
    # A single row of numbers has no shape of its own.
    return typed if array.ndim == 1 else {**typed, "shape": ", ".join(map(str, array.shape))}
