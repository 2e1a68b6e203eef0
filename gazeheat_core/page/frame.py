"""What every state of the page has: its title, a middle column, what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec
from zlib import crc32

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gazeheat_core.page.markup import isolated, plain
from gazeheat_core.page.server import TITLE as TITLE
from gazeheat_core.page.session import Opened, Visit, my_visit, words

# Of many names, so many are said.
FEW_NAMES = 4

Parameters = ParamSpec("Parameters")


def kept(part: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Show an error in a part of the page as a sentence, and keep the rest of the page.

    Streamlit stops and restarts a script by exceptions that are no `Exception`; they pass.
    """

    @wraps(part)
    def run(*args: Parameters.args, **named: Parameters.kwargs) -> None:
        try:
            part(*args, **named)
        except Exception as error:
            st.error(plain(words(error)), icon=":material/error:")

    return run


def centred() -> DeltaGenerator:
    """Return a column in the middle of the page."""
    return st.container(horizontal_alignment="center").container(width=900)


# --- Messages ------------------------------------------------------------------------


def show_messages() -> None:
    """Show what was wrong with the last files, what they made, and what can be undone."""
    visit = my_visit()
    for problem in dict.fromkeys([*visit.interrupted, *visit.problems]):
        message(st.error, problem, ":material/error:", close_problem)
    for said in visit.said:
        message(st.info, said, ":material/info:", visit.said.remove)
    offer_undo(visit)
    names = [visit.opened[one].export.name for one in visit.added if one in visit.opened]
    if 1 < len(names) == len(visit.added):
        which = ", ".join(isolated(name) for name in names[:FEW_NAMES])
        if len(names) > FEW_NAMES:
            which += f" and {len(names) - FEW_NAMES:,} more"
        message(st.info, f"{len(names):,} exports added: {which}", ":material/add:", close_added)


def show_notices(opened: Opened) -> None:
    """Show what is to be said of a study."""
    for notice in opened.notices:
        message(st.info, notice, ":material/info:", opened.closed.add)


def message(
    box: Callable[..., DeltaGenerator], text: str, icon: str, close: Callable[[str], None]
) -> None:
    """Show a sentence in a box with a small button that closes it.

    Parameters
    ----------
    box : callable
        Streamlit's function for that kind of message.
    text : str
        The sentence; text, no Markdown.
    icon : str
    close : callable
        Is given the text, and has it shown no more.
    """
    # By the text, so that a second click on the same place does not close the next one.
    key = f"{crc32(text.encode()):x}"
    with st.container(key=f"message-{key}"):
        box(plain(text), icon=icon)
        st.button(
            "Close this message",
            icon=":material/close:",
            type="tertiary",
            key=f"close-{key}",
            on_click=close,
            args=(text,),
        )


def close_problem(text: str) -> None:
    """Show a problem no more."""
    visit = my_visit()
    visit.problems = [one for one in visit.problems if one != text]
    visit.interrupted = [one for one in visit.interrupted if one != text]


def close_added(_: str) -> None:
    """Say no more what the last files made."""
    my_visit().added = ()


def offer_undo(visit: Visit) -> None:
    """Say what was closed last, and offer to bring it back."""
    taken = visit.taken_away
    if taken is None:
        return
    names = taken.names
    what = f"{isolated(names[0])} was" if len(names) == 1 else f"{len(names):,} exports were"
    left_ms = round(1000 * taken.left_s)
    # The browser ends the offer by itself. Under another name, the animation begins anew with
    # what is left then.
    st.html(
        f"<style>@keyframes undo-over-{left_ms} {{ to {{ visibility: hidden; }} }}"
        f".st-key-undo {{ animation: undo-over-{left_ms} 1ms {left_ms}ms forwards; }}</style>"
    )
    with st.container(horizontal=True, vertical_alignment="center", key="undo"):
        st.caption(plain(f"{what} {taken.verb}."), width="content")
        st.button("Undo", on_click=visit.undo, help="Possible for two minutes.")
        st.button(
            "Forget now",
            type="tertiary",
            on_click=visit.give_up_undo,
            help="Free it at once; then it cannot be brought back.",
        )
