"""The stage: the picture with its heatmap, drawn in the browser by Plotly's script.

Streamlit's own chart makes a changed figure anew, and the picture goes white for a moment.
This one is drawn over the same element, so nothing flashes and the zoom stays. Opacity and
colours follow their settings on the page before the server has heard of them.
"""

from __future__ import annotations

from typing import Any

import gazeheat_core as gh
from gazeheat_core.chart import colour_scales
from gazeheat_core.page.component import component
from gazeheat_core.page.server import script_address
from gazeheat_core.page.session import Opened

_NOT_DRAWN = (
    "The picture cannot be drawn: the script that draws it did not arrive. A blocker in the "
    "browser or a lost connection can be why. Allow scripts from this address, then choose "
    "Try again. The downloads below work without it."
)

Rectangle = tuple[float, float, float, float]


def stage(
    opened: Opened, heatmap: gh.Heatmap, look: gh.Look, words: str, *, asks_rectangle: bool = False
) -> Rectangle | None:
    """Show the picture of an export with its heatmap.

    Parameters
    ----------
    opened : Opened
        With a picture.
    heatmap : Heatmap
    look : Look
    words : str
        The picture in words, for those who cannot see it.
    asks_rectangle : bool
        Let a drag over the picture mark a rectangle, in the place of a zoom.

    Returns
    -------
    (float, float, float, float) or None
        Left, top, right and bottom of the marked rectangle, in pixels of the picture; None
        as long as there is none, or it is not asked for.
    """
    image = opened.export.image
    assert image is not None
    scale = gh.colour_scale(heatmap, look)
    data = {
        "figure": gh.overlay_figure(heatmap, image.size, opened.ground, look),
        "words": words,
        "look": {
            "kind": look.look,
            "opacity": look.opacity,
            "colours": look.colormap,
            "bottom": look.bottom,
        },
        "unit": {"maximum": scale.maximum, "sign": "s" if scale.unit == "seconds" else "%"},
        "scales": colour_scales(),
        "asksRectangle": asks_rectangle,
        "notDrawn": _NOT_DRAWN,
    }
    marked = _component(data, "stage").get("rectangle")
    return tuple(marked) if asks_rectangle and marked else None


def prepare_stage() -> None:
    """Let the browser fetch the script before there is something to draw."""
    _component({}, "stage-to-be")


def _component(data: dict[str, Any], key: str) -> Any:
    # Plotly writes rules of its own into the page, which reach no isolated element.
    return component("stage", isolate_styles=False)(
        data={"script": script_address(), **data}, key=key, on_rectangle_change=lambda: None
    )
