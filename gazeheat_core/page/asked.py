"""What is counted: measure, weighting and window of time, in a group that says its state."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.page.controls import choice, chosen
from gazeheat_core.page.session import Opened, my_visit
from gazeheat_core.page.when import Window, choose_window
from gazeheat_core.report import asked_in_words
from gazeheat_core.settings import COUNTING, MEASURE, SCALE, WEIGHT, Measure

# Named choices: what is counted, and the blur that goes with it.
_AS_SPECIFIED = ("gaze", SCALE.default)
_AS_IN_PUPIL_CLOUD = ("fixation-count", SCALE.default)
# What the measure is called in the address and in the session where there are only fixations.
_OF_FIXATIONS = "fixations"


def choose_selection(opened: Opened) -> gh.Selection:
    """Show the group of settings; return what shall be counted, without the ticked sections."""
    visit = my_visit()
    if visit.wanted_selection is not None:
        wanted = visit.wanted_selection
        st.session_state.update({one.name: getattr(wanted, one.name) for one in COUNTING})
        st.session_state[measure_key(opened)] = wanted.measure
        visit.wanted_selection = None
    title = asked_in_words(_selection(opened))
    with st.expander(f"Counted: {title[:1].lower()}{title[1:]}", key="counted"):
        with st.container(horizontal=True, gap="small"):
            if has_gaze(opened):
                st.button(
                    "Specification",
                    type="tertiary",
                    on_click=set_measure,
                    args=(MEASURE.name, *_AS_SPECIFIED),
                    help="Gaze, pooled: the heatmap as it is specified, with a blur of 5 %.",
                )
            st.button(
                "As Pupil Cloud draws it today",
                type="tertiary",
                on_click=set_measure,
                args=(measure_key(opened), *_AS_IN_PUPIL_CLOUD),
                help="Fixations by number, pooled, with a blur of 5 %.",
            )
        among = None if has_gaze(opened) else opened.measures
        asked = choice(MEASURE, measure_key(opened), among=among)
        selection = _selection(opened)
        if selection.measure != asked:
            st.caption(
                f"{MEASURE.titles[asked]}: this export does not have them, so gaze is counted. "
                "Export it again with its fixations."
            )
        choice(WEIGHT, WEIGHT.name)
        selection = _selection(opened)
        number = opened.number

        # Both live as long as the control, so they hold the study's number and not the study.
        def take(window_s: Window | None) -> None:
            still_open = my_visit().opened.get(number)
            if still_open is not None:
                still_open.window_s = window_s

        def of() -> tuple[int, ...]:
            still_open = my_visit().opened.get(number)
            return () if still_open is None else (number, still_open.generation)

        if opened.longest_s:
            choose_window(opened.longest_s, opened.window_s, take, of=of)
        else:
            st.caption(
                "The times of this study cannot be read, so it cannot be cut to a window of time, "
                "nor played."
            )
    return selection


def has_gaze(opened: Opened) -> bool:
    """Tell whether a study has gaze, not only fixations."""
    return "gaze" in opened.measures


def measure_key(opened: Opened) -> str:
    """Return what the measure is called in the address and in the session.

    A study without gaze has a measure of its own, so that the others keep theirs.
    """
    return MEASURE.name if has_gaze(opened) else _OF_FIXATIONS


def set_measure(key: str, measure: Measure, scale: float) -> None:
    """Set all that a named choice stands for."""
    st.session_state.update({key: measure, WEIGHT.name: WEIGHT.default, SCALE.title.lower(): scale})


def _selection(opened: Opened) -> gh.Selection:
    """Return what the controls are set to, as far as the study has it."""
    measure = chosen(MEASURE, measure_key(opened))
    return replace(
        gh.Selection(),
        measure=measure if measure in opened.measures else opened.measures[0],
        weight=chosen(WEIGHT, WEIGHT.name),
        window_s=opened.window_s if opened.longest_s else None,
    )
