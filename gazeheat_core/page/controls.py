"""Controls for settings that are one of several names; their values live in the page's address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from gazeheat_core.settings import ChoiceSetting

Name = TypeVar("Name", bound=str)


def choice(
    setting: ChoiceSetting[Name],
    key: str,
    on_change: Callable[[], None] | None = None,
    among: Sequence[Name] | None = None,
) -> Name:
    """Show a setting; return what it is set to.

    Parameters
    ----------
    setting : ChoiceSetting
    key : str
        What it is called in the address and in the session.
    on_change : callable, optional
        Called when a visitor has chosen another name.
    among : sequence of str, optional
        Those of its names that are offered, the default first; all without it.
    """
    return st.selectbox(
        setting.title,
        list(setting.titles if among is None else among),
        format_func=setting.titles.__getitem__,
        key=key,
        bind="query-params",
        help=setting.help,
        on_change=on_change,
    )


def chosen(setting: ChoiceSetting[Name], key: str) -> Name:
    """Return what a setting is set to, also before its control is shown for the first time."""
    if key in st.session_state:
        value: Name = st.session_state[key]
        return value
    title = st.query_params.get(key, "")
    named = (name for name, one in setting.titles.items() if one == title)
    return next(named, setting.default)
