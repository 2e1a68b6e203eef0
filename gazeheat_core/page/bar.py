"""The bar over a study: choose among the open ones, rename, add, remove, clear."""

from __future__ import annotations

import streamlit as st

from gazeheat_core.errors import LONGEST_NAME
from gazeheat_core.page.frame import TITLE
from gazeheat_core.page.incoming import drop_exports
from gazeheat_core.page.library import choose_from_server
from gazeheat_core.page.markup import isolated, plain
from gazeheat_core.page.session import Opened, Visit, my_visit

ONE_MAP, CHECK = "One map", "Check"
VIEWS = {
    ONE_MAP: "gaze of all ticked recordings together",
    CHECK: "whether the data are fine, a sentence for each question",
}
# So many open exports are a row of segments; more are a list.
MOST_SEGMENTS = 4


def bar() -> int:
    """Show the bar; return the number of the study that is chosen."""
    visit = my_visit()
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        st.markdown(f"### {TITLE}", width="content", anchors=False)
        number = choose(visit)
        rename_export(visit.opened[number])
        st.button("Remove", on_click=visit.remove, args=(number,), help="Close this export only.")
        # A new key closes the popover once files were taken, so that it does not cover the
        # picture.
        with st.popover("Add files", key=f"add-{visit.uploader}"):
            drop_exports("Exports, or a picture for this one")
            choose_from_server()
        st.button(
            "Clear",
            on_click=visit.clear,
            help="Close everything that was loaded, and forget what was said of columns.",
        )
        st.space("stretch")
        choose_view()
    return number


def choose_view() -> None:
    """Show what there is to see of a study: its map, or whether its data are fine."""
    st.segmented_control(
        "View",
        list(VIEWS),
        default=ONE_MAP,
        key="view",
        required=True,
        label_visibility="collapsed",
        help="\n".join(f"- **{view}**: {what}" for view, what in VIEWS.items()),
    )


def choose(visit: Visit) -> int:
    """Show the open studies; return the number of the chosen one."""
    titles = {number: name_and_kind(one) for number, one in visit.opened.items()}
    # Also where the number or the names of the studies have changed.
    st.session_state["export"] = visit.chosen
    if len(titles) <= MOST_SEGMENTS:
        st.segmented_control(
            "Export",
            list(titles),
            format_func=short_names(visit, titles).__getitem__,
            key="export",
            on_change=take_choice,
            required=True,
            help="  \n".join(titles.values()),
        )
    else:
        st.selectbox(
            "Export",
            list(titles),
            format_func=titles.__getitem__,
            key="export",
            on_change=take_choice,
            label_visibility="collapsed",
        )
    assert visit.chosen is not None
    return visit.chosen


def take_choice() -> None:
    """Show the study that was chosen."""
    visit = my_visit()
    if st.session_state["export"] in visit.opened:
        visit.chosen = st.session_state["export"]


def name_and_kind(opened: Opened) -> str:
    """Return the title of a study."""
    return plain(f"{isolated(opened.export.name)} · {opened.export.kind}")


def short_names(visit: Visit, titles: dict[int, str]) -> dict[int, str]:
    """Return what tells the studies apart: their names, with the kind where it is needed."""
    names = [one.export.name for one in visit.opened.values()]
    short = {
        number: plain(isolated(one.export.name))
        if names.count(one.export.name) == 1
        else titles[number]
        for number, one in visit.opened.items()
    }
    return short if len(set(short.values())) == len(short) else titles


def rename_export(opened: Opened) -> None:
    """Let a study be renamed."""
    name = opened.export.name
    # A new key closes the popover once the name was taken.
    popover = st.popover("Rename", key=f"rename-{opened.number}-{name}", help=name_and_kind(opened))
    # In a form, Enter takes the name, and leaving the field does not.
    with popover.form(f"name-of-{opened.number}", border=False):
        key = f"name-{opened.number}-{name}"
        st.text_input("Name of this export", name, max_chars=LONGEST_NAME, key=key)
        st.form_submit_button("Use this name", on_click=rename, args=(opened.number, key))


def rename(number: int, key: str) -> None:
    """Give a study the name that was written."""
    my_visit().rename(number, st.session_state[key])
