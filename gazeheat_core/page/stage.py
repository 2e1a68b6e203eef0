"""The stage: the picture with its heatmap, drawn in the browser by Plotly's script.

Streamlit's own chart makes a changed figure anew, and the picture goes white for a moment.
This one is drawn over the same element, so nothing flashes and the zoom stays. Opacity and
colours follow their settings on the page before the server has heard of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.chart import colour_scales
from gazeheat_core.errors import shown
from gazeheat_core.page.component import component
from gazeheat_core.page.server import script_address
from gazeheat_core.page.session import Opened, my_visit
from gazeheat_core.scale import UNIT_SIGNS

_NOT_DRAWN = (
    "The picture cannot be drawn: the script that draws it did not arrive. A blocker in the "
    "browser or a lost connection can be why. Allow scripts from this address, then choose "
    "Try again. The downloads below work without it."
)

KEY = "stage"
# A region's name on the picture has at most so many characters.
_LABEL_CHARACTERS = 24


def stage(opened: Opened, heatmap: gh.Heatmap, look: gh.Look, words: str) -> None:
    """Show the picture of an export with its heatmap and its regions.

    While a region is being marked, a drag over the picture marks a rectangle, in the place of
    a zoom.

    Parameters
    ----------
    opened : Opened
        With a picture.
    heatmap : Heatmap
    look : Look
    words : str
        The picture in words, for those who cannot see it.
    """
    image = opened.export.image
    assert image is not None
    scale = gh.colour_scale(heatmap, look)
    figure = gh.overlay_figure(heatmap, image.size, opened.ground, look)
    layout, marks = figure["layout"], region_shapes(opened.regions)
    layout["shapes"] = marks["shapes"]
    layout["annotations"] = [*layout.get("annotations", []), *marks["annotations"]]
    if opened.is_marking:
        layout["dragmode"] = "select"
    data = {
        "figure": figure,
        "study": opened.number,
        "words": words,
        "look": {
            "kind": look.look,
            "opacity": look.opacity,
            "colours": look.colormap,
            "bottom": look.bottom,
        },
        "unit": {"maximum": scale.maximum, "sign": UNIT_SIGNS[scale.unit]},
        "scales": colour_scales(),
        "notDrawn": _NOT_DRAWN,
    }
    _component(data, KEY)


def region_shapes(regions: Iterable[gh.Region]) -> dict[str, list[dict[str, Any]]]:
    """Draw regions as parts of a Plotly layout: thin rectangles with their names.

    A white line between dark ones can be told from any picture, in any theme.
    """
    shapes: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for one in regions:
        place = {"x0": one.left, "y0": one.top, "x1": one.right, "y1": one.bottom}
        shapes += [
            {"type": "rect", **place, "line": {"color": colour, "width": width}}
            for colour, width in (("rgba(0,0,0,0.7)", 4), ("#fff", 1.5))
        ]
        labels.append(
            {
                "name": "region",
                # Plotly reads marks of HTML in a text.
                "text": escape(shown(one.name, _LABEL_CHARACTERS), quote=False),
                "x": one.left,
                "y": one.top,
                "xanchor": "left",
                "yanchor": "top",
                "showarrow": False,
                "bgcolor": "rgba(0,0,0,0.75)",
                "font": {"color": "#fff"},
                "borderpad": 3,
            }
        )
    return {"shapes": shapes, "annotations": labels}


def take_rectangle() -> None:
    """Mark the rectangle that was drawn in the browser, if it was asked for.

    The study is named in the message, since another can be chosen by now.
    """
    message = st.session_state[KEY].get("rectangle")
    if not isinstance(message, dict):
        return
    number = message.get("study")
    opened = my_visit().opened.get(number) if type(number) is int else None
    if opened is not None and opened.is_marking:
        opened.mark(message.get("corners"))


def prepare_stage() -> None:
    """Let the browser fetch the script before there is something to draw."""
    _component({}, "stage-to-be")


def _component(data: dict[str, Any], key: str) -> Any:
    # Plotly writes rules of its own into the page, which reach no isolated element.
    return component("stage", isolate_styles=False)(
        data={"script": script_address(), **data}, key=key, on_rectangle_change=take_rectangle
    )
