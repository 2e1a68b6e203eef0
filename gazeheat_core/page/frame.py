"""What every state of the page has: its title, a middle column, what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gazeheat_core.page.markup import plain
from gazeheat_core.page.server import TITLE as TITLE
from gazeheat_core.page.session import my_visit, words

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


def show_problems() -> None:
    """Show what was wrong with the last files."""
    visit = my_visit()
    for problem in [*visit.interrupted, *visit.problems]:
        st.error(plain(problem), icon=":material/error:")
