"""The recordings of a study: a box for each, a filter and pages where there are many."""

from __future__ import annotations

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Opened
from gazeheat_core.report import further_wearer, recording_facts

# Boxes shown at a time; with more recordings than that, there are pages.
RECORDINGS_AT_A_TIME = 100
# With more recordings than that, there is a filter.
RECORDINGS_WITHOUT_FILTER = 12
LONG_NAME = 30


def picker(opened: Opened) -> None:
    """Show a box for each recording."""
    histograms = opened.histograms
    ticked = opened.ticked
    pooled = sum(histograms[i].counts.used for i in ticked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Recordings**", width="content")
        st.caption(f"{len(ticked)} of {len(histograms)}", width="content")
        st.space("stretch")
        buttons = st.container(horizontal=True, width="content")
    listed = filtered(opened)
    shares = {i: histograms[i].counts.used / pooled if pooled else 0.0 for i in ticked}
    for label in ("All", "None"):
        verb = "Tick" if label == "All" else "Untick"
        buttons.button(
            label,
            type="tertiary",
            on_click=tick_all,
            args=(opened, listed, label == "All"),
            help=f"{verb} all recordings that are listed",
        )
    with st.container(border=True, height=310 if len(listed) > 5 else "content", key="recordings"):
        for i in listed:
            key = f"tick-{opened.number}-{i}-{opened.boxes}"
            st.session_state[key] = i in ticked
            histogram = histograms[i]
            name = histogram.label
            st.checkbox(
                box_label(histogram, shares.get(i)),
                key=key,
                on_change=toggle,
                args=(ticked, i),
                help=plain(name) if len(name) > LONG_NAME else None,
            )
        bars = (
            f".st-key-tick-{opened.number}-{i}-{opened.boxes} {{ --share: {shares.get(i, 0):.4f} }}"
            for i in listed
        )
        st.html(f"<style>{' '.join(bars)}</style>")


def tick_all(opened: Opened, listed: list[int], is_ticked: bool) -> None:
    """Tick or untick all recordings that are listed.

    Their boxes are new ones: a browser that has not heard of it yet would say with its next
    message how the old ones stand, and so tick them again.
    """
    if is_ticked:
        opened.ticked.update(listed)
    else:
        opened.ticked.difference_update(listed)
    opened.boxes += 1


def toggle(ticked: set[int], position: int) -> None:
    """Tick or untick a recording."""
    ticked ^= {position}


def filtered(opened: Opened) -> list[int]:
    """Return the positions of the recordings to list; where there are many, as asked for."""
    texts = [f"{h.label} {h.wearer} {h.id}".lower() for h in opened.histograms]
    if len(texts) <= RECORDINGS_WITHOUT_FILTER:
        return list(range(len(texts)))
    wanted = st.text_input(
        "Find a recording",
        key=f"filter-{opened.number}",
        placeholder="Find by name, wearer or id",
        label_visibility="collapsed",
    ).lower()
    found = [i for i, text in enumerate(texts) if wanted in text]
    if len(found) <= RECORDINGS_AT_A_TIME:
        return found
    starts = range(0, len(found), RECORDINGS_AT_A_TIME)
    start = st.selectbox(
        "Show",
        starts,
        format_func=lambda at: (
            f"{at + 1:,} to {min(at + RECORDINGS_AT_A_TIME, len(found)):,} of {len(found):,}"
        ),
        key=f"pages-{opened.number}",
        label_visibility="collapsed",
    )
    return found[start : start + RECORDINGS_AT_A_TIME]


def box_label(histogram: gh.RecordingHistogram, share: float | None) -> str:
    """Return what a recording's box says: its name; below it, how much gaze it has.

    A screen reader says the label as it is, so it carries no markup. The style sheet in
    `main` makes the first line larger.
    """
    label = histogram.label
    name = label if len(label) <= LONG_NAME else label[: LONG_NAME - 1] + "…"
    wearer = further_wearer(histogram)
    facts = recording_facts(histogram, share)
    return f"{plain(name)}  \n{f'{plain(wearer)} · ' if wearer else ''}{facts}"
