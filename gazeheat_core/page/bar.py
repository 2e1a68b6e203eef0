"""The bar over a study: choose among the open ones, add, remove, clear."""

from __future__ import annotations

import streamlit as st

from gazeheat_core.page.frame import TITLE
from gazeheat_core.page.incoming import drop_exports
from gazeheat_core.page.library import choose_from_server
from gazeheat_core.page.session import my_visit, return_memory


def bar() -> int:
    """Show the bar; return the number of the study that is chosen."""
    visit = my_visit()
    if visit.newest in visit.opened:
        st.session_state["export"] = visit.newest
        visit.newest = None
    elif st.session_state.get("export") not in visit.opened:
        st.session_state["export"] = next(reversed(visit.opened))
    titles = {number: opened.export.title for number, opened in visit.opened.items()}
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        st.markdown(f"### {TITLE}", width="content", anchors=False)
        number = st.selectbox(
            "Export",
            list(titles),
            format_func=titles.__getitem__,
            key="export",
            label_visibility="collapsed",
        )
        st.button(
            "Remove", on_click=remove, args=(number,), help="Forget this export; the others stay."
        )
        # A new key closes the popover once files were taken, so that it does not cover the
        # picture.
        with st.popover("Add files", key=f"add-{visit.uploader}"):
            drop_exports("Exports, or a picture for this one")
            choose_from_server()
        st.button("Clear", on_click=clear, help="Forget everything that was loaded.")
    return number


def clear() -> None:
    """Forget everything of this session."""
    my_visit().forget()
    return_memory()


def remove(number: int) -> None:
    """Forget one export."""
    my_visit().remove(number)
    return_memory()
