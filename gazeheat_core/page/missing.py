"""A study whose export came without a picture: ask for one."""

from __future__ import annotations

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.page.frame import centred
from gazeheat_core.page.incoming import take_only_picture
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Opened, my_visit


def ask_for_picture(opened: Opened) -> None:
    """Ask for the picture that an export came without, or for the shape of the surface."""
    export = opened.export
    with centred():
        st.subheader("Which picture was looked at?", anchor=False)
        reason = export.image_problem or "This export holds no reference image."
        st.markdown(plain(reason))
        picture = st.file_uploader(
            "The reference image" if export.unit == "px" else "A picture of the surface",
            key=f"picture-{my_visit().uploader}",
            help="A JPEG, PNG, HEIC or AVIF file. "
            + (
                _needed(export)
                if export.unit == "px"
                else "It must show the whole surface and nothing else."
            ),
        )
        if picture is not None:
            take_only_picture(opened, picture)
        if export.unit == "normalized" and isinstance(export, gh.Export):
            st.markdown("Or draw the heatmap on a plain ground of the surface's shape:")
            width, height, use = st.columns([1, 1, 1], vertical_alignment="bottom")
            seen = export.surface_ratio
            wide, high = (16.0, 9.0) if seen is None else _proposed(seen)
            ratio = (
                width.number_input("Width", 0.1, 1000.0, wide),
                height.number_input("Height", 0.1, 1000.0, high),
            )
            if seen is not None:
                st.caption(
                    "Filled in as the scene camera saw the surface. Correct it if you know better."
                )
            if use.button("Use plain ground", width="stretch"):
                with my_visit().in_words():
                    opened.take(gh.with_ratio(export, ratio))
                st.rerun()


def _needed(export: gh.Export | gh.Study) -> str:
    if isinstance(export, gh.Export) and export.grid_size is not None:
        return "A smaller copy of the export's own picture, whole, of the same shape."
    return (
        "It must be the full-size picture that the enrichment was made with, since the gaze is "
        "in its pixels."
    )


def _proposed(ratio: float) -> tuple[float, float]:
    """Return a width and a height of a ratio, the shorter of them 1."""
    ratio = min(max(ratio, 0.01), 100.0)
    return (round(ratio, 2), 1.0) if ratio >= 1 else (1.0, round(1 / ratio, 2))
