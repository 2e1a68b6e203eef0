"""The empty page: what this is, and the ways in."""

from __future__ import annotations

import io

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.errors import shown
from gazeheat_core.exports.formats import OTHER_PROGRAMS
from gazeheat_core.page.frame import TITLE, centred, show_messages
from gazeheat_core.page.incoming import (
    drop_exports,
    open_sample,
    sample_bytes,
)
from gazeheat_core.page.library import choose_from_server, configured
from gazeheat_core.page.markup import plain

LONGEST_NOTICE = 500


@st.cache_resource(show_spinner="Drawing the sample…")
def sample_picture() -> bytes:
    """Return a JPEG of the sample's heatmap, made once for all visitors."""
    (export,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_bytes())))
    assert export.image is not None
    heatmap = gh.make_heatmap(gh.bin_recordings(export), export.image.size)
    overlay = gh.render(heatmap, export.image, gh.Look()).overlay
    overlay.thumbnail((1200, 1200))
    out = io.BytesIO()
    overlay.save(out, "JPEG", quality=85)
    return out.getvalue()


def welcome() -> None:
    """Say what this is, and offer the ways in."""
    with centred():
        st.title(TITLE, anchor=False)
        st.markdown("See where people looked: a heatmap over your reference image.")
        show_notice()
        show_messages()
        picture, ways_in = st.columns([1.3, 1], gap="medium", vertical_alignment="center")
        picture.image(
            sample_picture(),
            width="stretch",
            alt="A shop shelf under a heatmap: red where people looked longest, clear where no "
            "one looked.",
        )
        with ways_in:
            drop_exports("Drop your export here")
            st.caption("or see it at work first")
            st.button("Try the sample", on_click=open_sample, width="stretch")
        choose_from_server()
        with st.expander("Where do I get the export?"):
            st.markdown(
                "1. In Pupil Cloud, open your project and its **Enrichments**. You need a "
                "*Reference Image Mapper*, an *Auto Image Mapper* or a *Marker Mapper* that has "
                "finished.\n"
                "2. On the enrichment, choose **Download**.\n"
                "3. Drop the ZIP here as it is. There is no need to unpack it.\n\n"
                "From another eye tracker, drop its table of gaze or fixations, and the pictures "
                f"that were looked at: {plain(', '.join(OTHER_PROGRAMS))}. Of any other table with "
                "positions you are asked which column is what."
            )
        with st.expander("What happens to my data?"):
            st.markdown(
                "It goes to the server that shows this page and stays there in memory until "
                "you close the page, or press *Clear* or *Remove*. These can be undone for two "
                "minutes; then it is gone, or at once with *Forget now*. Nothing is written to "
                "disk, nobody else who uses the page can see it, and nothing is sent anywhere."
            )


def show_notice() -> None:
    """Show what the administrator has to say to every visitor; text, no Markdown."""
    if notice := " ".join(configured("GAZEHEAT_NOTICE").split()):
        st.info(plain(shown(notice, LONGEST_NOTICE)), icon=":material/campaign:")
