"""The Plotly figure: the picture, the heatmap over it, the colour bar.

What it shows is what the overlay file shows. The picture is a display-sized JPEG under
the axes, the heatmap one trace of bytes on the bin grid, whose colour scale carries the
opacity rule.
"""

from __future__ import annotations

import base64
from functools import cache, lru_cache
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gazeheat_core.colormaps import LEVELS, colour_stops, opaque_table, overlay_table, to_levels
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import Size
from gazeheat_core.settings import ColormapName, Look

# Room to the right of the picture for the colour bar and its ticks.
BAR_WIDTH_PX = 84
MARGIN_PX = 8


def ground_uri(jpeg: bytes) -> str:
    """Return a JPEG file as a data URI; it is made once for a picture and used again."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def overlay_figure(heatmap: Heatmap, size: Size, ground: str, look: Look) -> go.Figure:
    """Draw the heatmap over its picture, with a colour bar from 0 to 100 %.

    Parameters
    ----------
    heatmap : Heatmap
    size : (int, int)
        Width and height of the reference image: the axes are in its pixels.
    ground : str
        Where the picture is: its address, or all of it as a data URI. In any resolution.
    look : Look
    """
    traces = [_colour_bar(look)]
    if heatmap.counts.used:
        traces.insert(0, _heatmap_trace(heatmap, size, look))
    # Checking the colour scales against Plotly's schema would take longer than all the rest
    # of a redraw; a test does it instead.
    return go.Figure({"data": traces, "layout": _layout(size, ground)}, _validate=False)


def _heatmap_trace(heatmap: Heatmap, size: Size, look: Look) -> dict[str, Any]:
    width, height = size
    rows, columns = heatmap.values.shape
    return {
        "type": "heatmap",
        "z": to_levels(heatmap.values),
        "zmin": 0,
        "zmax": LEVELS - 1,
        # The centres of the first bins; the whole then spans the picture exactly.
        "x0": width / columns / 2,
        "dx": width / columns,
        "y0": height / rows / 2,
        "dy": height / rows,
        "colorscale": _overlay_scale(look.colormap, look.opacity),
        "showscale": False,
        "zsmooth": "fast",
        "customdata": np.rint(heatmap.values * 100).astype(np.uint8),
        "hovertemplate": "%{customdata} %<br>x %{x:.0f} px, y %{y:.0f} px<extra></extra>",
    }


def _colour_bar(look: Look) -> dict[str, Any]:
    """Return a trace without points that carries the bar in the map's full colours.

    The heatmap's own bar would be pale, since its colours are partly clear.
    """
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
                "tickvals": [0, 25, 50, 75, 100],
                "ticktext": ["0 %", "25 %", "50 %", "75 %", "100 %"],
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
        "xaxis": {"range": [0, width], **hidden},
        "yaxis": {
            # Downwards, and as many screen pixels per picture pixel as along x.
            "range": [height, 0],
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
        "uirevision": "the same picture",
    }


@lru_cache(maxsize=64)
def _overlay_scale(name: ColormapName, opacity: float) -> list[tuple[float, str]]:
    table = overlay_table(name, opacity)
    scale = []
    for i in colour_stops(table):
        r, g, b, a = table[i].tolist()
        scale.append((i / (LEVELS - 1), f"rgba({r},{g},{b},{a / 255:.4f})"))
    return scale


@cache
def _opaque_scale(name: ColormapName) -> list[tuple[float, str]]:
    table = opaque_table(name)
    return [(i / (LEVELS - 1), "rgb({},{},{})".format(*table[i])) for i in colour_stops(table)]
