"""The Plotly figure: the picture, the heatmap over it, the colour bar.

What it shows is what the overlay file shows. The picture is a display-sized JPEG under
the axes, the heatmap one trace of bytes on the bin grid, whose colour scale carries the
opacity rule.
"""

from __future__ import annotations

import base64

import numpy as np
import plotly.graph_objects as go

from gazeheat_core.colormaps import LEVELS, opaque_table, overlay_table, to_levels
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import Look, Size

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
        The picture as a data URI, in any resolution.
    look : Look
    """
    width, height = size
    rows, columns = heatmap.values.shape
    figure = go.Figure()
    if heatmap.counts.used:
        figure.add_trace(
            go.Heatmap(
                z=to_levels(heatmap.values),
                zmin=0,
                zmax=LEVELS - 1,
                # The centres of the first bins; the whole then spans the picture exactly.
                x0=width / columns / 2,
                dx=width / columns,
                y0=height / rows / 2,
                dy=height / rows,
                colorscale=_scale(overlay_table(look.colormap, look.opacity)),
                showscale=False,
                zsmooth="best",
                customdata=np.rint(heatmap.values * 100).astype(np.uint8),
                hovertemplate="%{customdata} %<br>x %{x:.0f} px, y %{y:.0f} px<extra></extra>",
            )
        )
    figure.add_trace(_colour_bar(look))
    figure.add_layout_image(
        source=ground,
        xref="x",
        yref="y",
        x=0,
        y=0,
        sizex=width,
        sizey=height,
        xanchor="left",
        yanchor="top",
        sizing="stretch",
        layer="below",
    )
    hidden = {"visible": False, "showgrid": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(range=[0, width], **hidden)
    figure.update_yaxes(
        # Downwards, and as many screen pixels per picture pixel as along x.
        range=[height, 0],
        scaleanchor="x",
        scaleratio=1,
        constraintoward="top",
        **hidden,
    )
    figure.update_layout(
        margin={"l": 0, "r": BAR_WIDTH_PX, "t": MARGIN_PX, "b": MARGIN_PX},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode="zoom",
        hoverlabel={"font": {"size": 14}},
        uirevision="the same picture",
    )
    return figure


def _colour_bar(look: Look) -> go.Scatter:
    """Return a trace without points that carries the bar in the map's full colours.

    The heatmap's own bar would be pale, since its colours are partly clear.
    """
    return go.Scatter(
        x=[None],
        y=[None],
        mode="markers",
        hoverinfo="skip",
        marker={
            "color": [0],
            "cmin": 0,
            "cmax": 100,
            "colorscale": _scale(opaque_table(look.colormap)),
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
    )


def _scale(table: np.ndarray) -> list[tuple[float, str]]:
    """Turn a colour table into a Plotly colour scale of as many stops."""
    last = len(table) - 1
    if table.shape[1] == 4:
        return [
            (i / last, f"rgba({r},{g},{b},{a / 255:.4f})") for i, (r, g, b, a) in enumerate(table)
        ]
    return [(i / last, f"rgb({r},{g},{b})") for i, (r, g, b) in enumerate(table)]
