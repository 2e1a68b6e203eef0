"""The settings of the heatmap, as controls.

Their values live in the page's address, so that a link keeps them.
"""

from __future__ import annotations

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.settings import COLORMAP, OPACITY, SCALE, SETTINGS, NumberSetting, Setting


def choose_look() -> gh.Look:
    """Show a control for each setting; return what they are set to."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Look**", width="content")
        st.space("stretch")
        defaults = ", ".join(f"{one.title.lower()} {one.default_text}" for one in SETTINGS)
        st.button("Reset", type="tertiary", on_click=reset, help=f"Back to {defaults}")
    scale = slider(SCALE)
    opacity = slider(OPACITY)
    colormap = st.selectbox(
        COLORMAP.title,
        list(COLORMAP.titles),
        format_func=COLORMAP.titles.__getitem__,
        key=key(COLORMAP),
        bind="query-params",
        help=COLORMAP.help,
    )
    return gh.Look(scale, opacity, colormap)


def slider(setting: NumberSetting) -> float:
    """Show a setting that is a number."""
    return st.slider(
        setting.title,
        setting.lowest,
        setting.highest,
        setting.default,
        setting.step,
        format="%g %%" if setting.unit == "percent" else None,
        key=key(setting),
        bind="query-params",
        help=setting.help,
    )


def reset() -> None:
    """Set every setting back to its default."""
    st.session_state.update({key(one): one.default for one in SETTINGS})


def key(setting: Setting) -> str:
    """Return what a setting is called in the address and in the session."""
    return setting.title.lower()
