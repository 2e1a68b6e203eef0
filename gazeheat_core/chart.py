"""The chart: the picture, the heatmap over it, the colour bar.

What it shows is what the overlay file shows. The picture is a display-sized JPEG under
the axes, the heatmap one trace of bytes on the bin grid, whose colour scale carries the
opacity rule.

The chart is a Plotly figure as plain data, ready for JSON: Plotly's script draws it in the
browser, and `plotly.graph_objects.Figure` takes it in a notebook.
"""

from __future__ import annotations

import base64
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gazeheat_core.colormaps import LEVELS, colour_stops, opaque_table, to_levels
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import Size
from gazeheat_core.scale import ColourScale, colour_scale
from gazeheat_core.settings import COLORMAPS, ColormapName, Look

# Room to the right of the picture for the colour bar, its ticks and what it measures, with
# text of 16 px.
BAR_WIDTH_PX = 104
MARGIN_PX = 8


def ground_uri(jpeg: bytes) -> str:
    """Return a JPEG file as a data URI; it is made once for a picture and used again."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def overlay_figure(heatmap: Heatmap, size: Size, ground: str, look: Look) -> dict[str, Any]:
    """Describe the heatmap over its picture, with a colour bar from 0 to 100 %.

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
        A Plotly figure: ``data``, the heatmap (if there is gaze) before the colour bar, and
        ``layout``. Nothing checks it against Plotly's schema, which would take longer than
        all the rest of a redraw; a test does.
    """
    traces = [_colour_bar(look, colour_scale(heatmap, look))]
    if heatmap.counts.used:
        traces.insert(0, _heatmap_trace(heatmap, size, look))
    return {"data": traces, "layout": _layout(size, ground)}


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
def overlay_scale(name: ColormapName, opacity: float) -> list[tuple[float, str]]:
    """Return Plotly's colour scale for the heatmap: ``alpha = min(value, opacity)``.

    The stops are those of the opaque map, and one where the cover stops to grow.

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
    return [
        (
            level / (LEVELS - 1),
            f"rgba({_number(r)},{_number(g)},{_number(b)},{min(level, cover) / (LEVELS - 1):.4f})",
        )
        for level, r, g, b in stops
    ]


def _between(before: tuple[float, ...], after: tuple[float, ...], level: int) -> tuple[float, ...]:
    """Return the colour on the straight line between two stops."""
    share = (level - before[0]) / (after[0] - before[0])
    colour = (start + (end - start) * share for start, end in zip(before, after, strict=True))
    return (level, *list(colour)[1:])


def _number(channel: float) -> str:
    return str(channel) if isinstance(channel, int) else f"{channel:.10f}"


def _heatmap_trace(heatmap: Heatmap, size: Size, look: Look) -> dict[str, Any]:
    width, height = size
    rows, columns = heatmap.values.shape
    return {
        "type": "heatmap",
        "z": _typed(to_levels(heatmap.values)),
        "zmin": 0,
        "zmax": LEVELS - 1,
        # The centres of the first bins; the whole then spans the picture exactly.
        "x0": width / columns / 2,
        "dx": width / columns,
        "y0": height / rows / 2,
        "dy": height / rows,
        "colorscale": overlay_scale(look.colormap, look.opacity),
        "showscale": False,
        "zsmooth": "fast",
        "customdata": _typed(np.rint(heatmap.values * 100).astype(np.uint8)),
        "hovertemplate": "%{customdata} %<br>x %{x:.0f} px, y %{y:.0f} px<extra></extra>",
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
            "colorscale": _opaque_scale(look.colormap),
            "showscale": True,
            "colorbar": {
                "tickvals": list(places),
                "ticktext": list(texts),
                "title": {"text": scale.label, "side": "right"},
                "ticklabeloverflow": "allow",
                "thickness": 16,
                "outlinewidth": 0,
                "len": 1,
                "y": 1,
                "yanchor": "top",
                "xpad": 12,
                "ypad": 0,
            },
        },
    }


def _layout(size: Size, ground: str) -> dict[str, Any]:
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
        "margin": {"l": 0, "r": BAR_WIDTH_PX, "t": MARGIN_PX, "b": MARGIN_PX},
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


@cache
def _opaque_scale(name: ColormapName) -> list[tuple[float, str]]:
    return [(i / (LEVELS - 1), f"rgb({r},{g},{b})") for i, r, g, b in _stops(name)]


def _typed(array: npt.NDArray[np.uint8]) -> dict[str, str]:
    """Return an array of bytes as Plotly reads it."""
    return {
        "dtype": "u1",
        "bdata": base64.b64encode(array.tobytes()).decode("ascii"),
        "shape": ", ".join(map(str, array.shape)),
    }
