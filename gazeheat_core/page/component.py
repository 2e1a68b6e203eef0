"""Components of our own: each is a room's HTML, CSS and JavaScript, in files beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st


def component(room: str, *, isolate_styles: bool = True) -> Callable[..., Any]:
    """Return the component whose files are beside a room of the page.

    Parameters
    ----------
    room : str
        Name of the room and of its files.
    isolate_styles : bool
        Whether the page's style and the component's are kept apart.
    """
    # With the same definition each time, Streamlit registers it once for each server.
    return st.components.v2.component(
        f"gazeheat_{room}", **_texts(room), isolate_styles=isolate_styles
    )


@cache
def _texts(room: str) -> dict[str, str]:
    """Read a room's files, once: they are asked for with every tick."""
    here = Path(__file__)
    return {
        kind: here.with_name(f"{room}.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    }
