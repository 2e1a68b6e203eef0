"""The settings of the heatmap, as controls.

Their values live in the page's address, so that a link keeps them.
"""

from __future__ import annotations

from functools import cache

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.chart import colour_scales
from gazeheat_core.colormaps import LEVELS
from gazeheat_core.page.session import my_visit
from gazeheat_core.settings import COLORMAP, OPACITY, SCALE, SETTINGS, NumberSetting, Setting


def choose_look() -> gh.Look:
    """Show a control for each setting; return what they are set to."""
    visit = my_visit()
    if visit.wanted_look is not None:
        values = {key(one): getattr(visit.wanted_look, one.name) for one in SETTINGS}
        st.session_state.update(values)
        visit.wanted_look = None
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
    st.html(swatches())
    return gh.Look(scale, opacity, colormap)


@cache
def swatches() -> str:
    """Return a style sheet that shows each colour map beside its name.

    The browser picks the one in the box by the name that stands in it, so that it changes
    with the choice. Neither changes the height of its line.
    """
    box = f".st-key-{key(COLORMAP)} [role=group]"
    option = f'[role=listbox][aria-label="{COLORMAP.title}"] [role=option]'
    rules = [
        f"{box}, {option} {{ position: relative; }}",
        f"""{box}:has(input)::after, {option}::after {{
          content: ""; position: absolute; right: 2.5rem; top: calc(50% - 0.375rem);
          width: 5rem; height: 0.75rem; border-radius: 2px; pointer-events: none;
          background: var(--swatch);
        }}""",
    ]
    scales = colour_scales()
    for position, (name, title) in enumerate(COLORMAP.titles.items()):
        colours = ", ".join(
            f"rgb({red} {green} {blue}) {100 * level / (LEVELS - 1):.2f}%"
            for level, red, green, blue in scales[name]
        )
        places = f'{box}:has(input[value="{title}"]), {option}[data-key="{position}"]'
        rules.append(f"{places} {{ --swatch: linear-gradient(to right, {colours}); }}")
    return f"<style>{' '.join(rules)}</style>"


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
