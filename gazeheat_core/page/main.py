"""The page, in order: set up, the empty page or the bar, what is to be asked, the chosen study.

It only arranges: the rooms beside it hold what is on the page, the core computes.
Streamlit runs this file as a script for every visitor, again with each act of theirs.

What a person brings is kept in that person's session and nowhere else. What a setting
changes is drawn by one fragment, and what a tick changes by another one within it; both
work on the bin grid.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from html import escape
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from threadpoolctl import threadpool_limits

import gazeheat_core as gh
from gazeheat_core.page.asked import choose_selection
from gazeheat_core.page.bar import CHECK, bar
from gazeheat_core.page.checks import checks
from gazeheat_core.page.columns import ask_alone, ask_for_columns
from gazeheat_core.page.downloads import downloads
from gazeheat_core.page.frame import TITLE, kept, show_messages, show_notices
from gazeheat_core.page.look import choose_look
from gazeheat_core.page.markup import isolated, plain
from gazeheat_core.page.missing import ask_for_picture
from gazeheat_core.page.recordings import picker
from gazeheat_core.page.regions import regions
from gazeheat_core.page.session import Opened, Visit, greet, my_visit
from gazeheat_core.page.stage import prepare_stage, stage
from gazeheat_core.page.welcome import welcome
from gazeheat_core.page.window import take_drops, watch_window
from gazeheat_core.report import COUNTS_HELP, counted, described, meaning, weighting
from gazeheat_core.scale import why_not

PAGE_STYLE = Path(__file__).with_name("page.css")
PRINT_STYLE = Path(__file__).with_name("print.css")


@kept
def main() -> None:
    """Lay out the page."""
    visit = my_visit()
    st.set_page_config(page_title=tab_title(visit), layout="wide")
    settle()
    greet(visit)
    st.html(PAGE_STYLE)
    st.html(PRINT_STYLE)
    watch_window(holds_study=bool(visit.opened))
    if visit.chosen is not None:
        study()
        take_drops()
    elif visit.waiting:
        ask_alone(visit.waiting[0])
        prepare_stage()
    else:
        welcome()
        prepare_stage()


def tab_title(visit: Visit) -> str:
    """Return what the browser's tab is called: by the study that is shown."""
    opened = visit.opened.get(-1 if visit.chosen is None else visit.chosen)
    return TITLE if opened is None else f"{isolated(opened.export.name)} · {TITLE}"


def study() -> None:
    """Show the bar, and the chosen study below it."""
    number = bar()
    show_messages()
    visit = my_visit()
    if visit.waiting:
        ask_for_columns(visit.waiting[0])
        return
    opened = visit.opened[number]
    show_notices(opened)
    if opened.export.image is None:
        ask_for_picture(opened)
    elif st.session_state.get("view") == CHECK:
        checks(opened)
    else:
        workbench(number)


@st.fragment
@kept
def workbench(number: int) -> None:
    """Show recordings, settings and picture: all that a setting redraws.

    Streamlit keeps a fragment's arguments longer than the session's state, so it gets the
    study's number and not the study.
    """
    opened = my_visit().opened.get(number)
    if opened is None:  # forgotten while the connection was lost
        st.rerun()
    with st.container(key="workbench"):
        left, right = st.columns([1, 2.7], gap="medium")
        with left:
            boxes = st.container()
            selection = choose_selection(opened)
            look = choose_look(opened)
        with right:
            counted_and_drawn(number, selection, look, boxes)


@st.fragment
@kept
def counted_and_drawn(
    number: int, selection: gh.Selection, look: gh.Look, boxes: DeltaGenerator
) -> None:
    """Show what a tick redraws: the picture, what belongs to it, and the boxes.

    The settings are a fragment's arguments: a tick changes none of them, and their controls
    are most of what there is on the page.
    """
    opened = my_visit().opened.get(number)
    if opened is None:
        st.rerun()
    opened.ask(replace(selection, sections=opened.selection_sections()))
    result(opened, look)
    # The picture is sent before the boxes: the browser draws it while it receives them.
    with boxes:
        picker(opened)


def result(opened: Opened, look: gh.Look) -> None:
    """Show the picture with its heatmap, what was counted, and the downloads."""
    heatmap = opened.heatmap(look.scale)
    problem = why_not(heatmap, look.unit)
    if problem:
        look = replace(look, unit="percent", top=0.0)
    # Seen on paper only, where the bar is left out.
    st.html(f'<h1 class="gazeheat-heading">{escape(opened.export.title)}</h1>')
    stage(opened, heatmap, look, described(opened.export.name, opened.export.size(), heatmap))
    # Both lines are always there: a tick moves nothing.
    about = [
        problem,
        meaning(heatmap, opened.export.size(), look),
        weighting(opened.pooled, heatmap.selection, isolated),
    ]
    with st.container(gap="xxsmall"):
        st.markdown(plain(" ".join(filter(None, about))) or "&nbsp;")
        st.markdown(counted(opened.study, heatmap), help=COUNTS_HELP)
    downloads(opened, heatmap, look)
    regions(opened, heatmap)


@st.cache_resource(show_spinner=False)
def settle() -> None:
    """Prepare the process for many small requests, once.

    The blur's two small matrix products are done in 2 ms by one thread, and in 20 ms by
    several that have to wait for a busy processor. And Streamlit collects garbage after
    every run of the script: 65 ms, unless what the imports made is out of its sight.
    """
    threadpool_limits(1, "blas")
    gc.collect()
    gc.freeze()


# Worker processes import this file too; they must not draw the page.
if __name__ == "__main__":
    main()
