"""The view of a study's data: fine or not, and a sentence each."""

from __future__ import annotations

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.checks import summary
from gazeheat_core.errors import shown
from gazeheat_core.page.markup import isolated, plain
from gazeheat_core.page.session import Opened
from gazeheat_core.report import recordings

# An answer is a word and a sign; no colour has to be told from another.
_FINE = ":material/check: Fine"
_LOOK = ":material/visibility: **Look at this**"


def checks(opened: Opened) -> None:
    """Show what was checked of an open study that has a picture, the worst first."""
    # It shows only when it takes longer than half a second.
    with st.spinner("Looking at all samples…"):
        found = opened.checks()
    with st.container(key="checks", gap="medium", width=900):
        st.subheader(summary(found), anchor=False)
        for check in found:
            _show(check)


def _show(check: gh.Check) -> None:
    """Show one answer, and the recordings that it is of."""
    word, told = st.columns([1, 5], gap="xxsmall")
    word.markdown(_FINE if check.is_fine else _LOOK)
    with told.container(gap="xsmall"):
        st.markdown(f"**{plain(check.title)}**  \n{plain(check.sentence)}")
        if check.of:
            count = len(check.of) + check.more
            with st.expander(recordings(count).capitalize()):
                st.markdown("\n".join(_lines(check)))


def _lines(check: gh.Check) -> list[str]:
    """Return the recordings as a list of Markdown."""
    named = [f"- {plain(isolated(shown(label)))}: {plain(told)}" for label, told in check.of]
    return [*named, *([f"- and {check.more:,} more"] if check.more else [])]
