"""The settings of the heatmap, as controls.

Their values live in the page's address, so that a link keeps them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import ceil, floor, log10
from typing import Any

import streamlit as st

import gazeheat_core as gh
from gazeheat_core import colormaps
from gazeheat_core.chart import colour_scales
from gazeheat_core.page.controls import choice, chosen
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Opened, my_visit
from gazeheat_core.scale import UNIT_SIGNS, colour_scale, why_not
from gazeheat_core.settings import (
    BOTTOM,
    COLORMAP,
    LEVELS,
    LOOK_KIND,
    OPACITY,
    SCALE,
    SETTINGS,
    TOP,
    UNIT,
    ChoiceSetting,
    NumberSetting,
    Setting,
)

AnySetting = Setting | ChoiceSetting[Any]


def choose_look(opened: Opened) -> gh.Look:
    """Show a control for each setting; return what they are set to."""
    visit = my_visit()
    if visit.wanted_look is not None:
        set_to(visit.wanted_look)
        visit.wanted_look = None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Look**", width="content")
        st.space("stretch")
        shown = (SCALE, OPACITY, COLORMAP)
        defaults = ", ".join(f"{one.title.lower()} {one.default_text}" for one in shown)
        st.button(
            "Reset",
            type="tertiary",
            on_click=set_to,
            args=(gh.Look(),),
            help=f"Back to {defaults}, and to % of the maximum",
        )
    scale = slider(SCALE)
    opacity = slider(OPACITY)
    colormap = choice(COLORMAP, key(COLORMAP))
    st.html(swatches())
    kind, unit = chosen(LOOK_KIND, key(LOOK_KIND)), chosen(UNIT, key(UNIT))
    title = f"Drawn as: {LOOK_KIND.titles[kind].lower()} · {UNIT.titles[unit]}"
    with st.expander(title, key="drawn"):
        kind = choice(LOOK_KIND, key(LOOK_KIND))
        levels = lines() if kind == "contours" else LEVELS.default
        unit = choice(UNIT, key(UNIT), forget_top)
        top = st.number_input(
            f"{TOP.title} ({UNIT_SIGNS[unit]})",
            TOP.lowest,
            TOP.highest,
            None,
            format="%g",
            key=key(TOP),
            placeholder="The largest value",
            bind="query-params",
            help=f"{TOP.help.removesuffix('0 takes the largest value.')}Empty takes the largest "
            "value.",
        )
        bottom = slider(BOTTOM)
        if len(visit.opened) > 1 and unit != "percent":
            st.button(
                "Use one scale for all exports",
                on_click=share_scale,
                args=(opened.number,),
                help="Sets the top to the largest value among all open exports, so that their "
                "pictures can be laid side by side.",
            )
    return gh.Look(scale, opacity, colormap, kind, unit, top or 0.0, bottom, levels)


def forget_top() -> None:
    """End the colours at the largest value again: a top of another unit means something else."""
    st.session_state[key(TOP)] = None


def lines() -> tuple[float, ...]:
    """Show where contours run, as text; return it as numbers, by default where it is none."""
    text = st.text_input(
        f"{LEVELS.title} (% of the top)",
        LEVELS.default_text,
        key=key(LEVELS),
        bind="query-params",
        help=LEVELS.help,
    )
    try:
        return LEVELS.parse(text or "")
    except gh.SettingError as error:
        st.caption(f":red[{plain(str(error))}]")
        return LEVELS.default


def share_scale(number: int) -> None:
    """Set the top of the scale to the largest value among all open studies."""
    visit = my_visit()
    look = gh.Look(scale=st.session_state[key(SCALE)], unit=chosen(UNIT, key(UNIT)))
    asked = visit.opened[number].pool
    tops = []
    for opened in visit.opened.values():
        if asked is None or opened.pool is None:
            continue
        measure = asked.selection.measure
        if measure in opened.measures:
            opened.ask(
                replace(opened.pool.selection, measure=measure, weight=asked.selection.weight)
            )
        heatmap = opened.heatmap(look.scale)
        if not why_not(heatmap, look.unit):
            tops.append(colour_scale(heatmap, look).maximum)
    if max(tops, default=0):
        st.session_state[key(TOP)] = rounded_up(max(tops))


def rounded_up(value: float) -> float:
    """Round to three digits that count, never down.

    Examples
    --------
    >>> rounded_up(13.811), rounded_up(13.8), rounded_up(0.012341)
    (13.9, 13.8, 0.0124)
    """
    digits = 2 - floor(log10(value))
    return float(f"{ceil(round(value * 10.0**digits, 9)) / 10.0**digits:.3g}")


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
            f"rgb({red} {green} {blue}) {100 * level / (colormaps.LEVELS - 1):.2f}%"
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


def set_to(look: gh.Look) -> None:
    """Set every control to a look."""
    values: dict[str, Any] = {key(one): getattr(look, one.name) for one in SETTINGS}
    values[key(TOP)] = look.top or None
    values[key(LEVELS)] = LEVELS.text(look.levels)
    st.session_state.update(values)


def key(setting: AnySetting) -> str:
    """Return what a setting is called in the address and in the session."""
    return setting.title.lower()
