"""A study whose export came without a picture: ask for one."""

from __future__ import annotations

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.exports import LIMITS
from gazeheat_core.exports.judging import gaze_reach
from gazeheat_core.model import Frame, Size
from gazeheat_core.page.frame import centred
from gazeheat_core.page.incoming import take_missing_pictures
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Opened, my_visit

# Of screens, the smallest first.
_SCREENS: tuple[Size, ...] = (
    *((800, 600), (1024, 768), (1280, 720), (1280, 800), (1366, 768), (1280, 1024), (1440, 900)),
    *((1600, 900), (1680, 1050), (1600, 1200), (1920, 1080), (1920, 1200), (2560, 1440)),
    *((2560, 1600), (3840, 2160)),
)
# The largest width and height of a surface, in whatever unit.
_WIDEST = 100_000.0


def ask_for_picture(opened: Opened) -> None:
    """Ask for the picture that an export came without, or for the shape of the surface."""
    export = opened.export
    with centred():
        st.subheader("Which picture was looked at?", anchor=False)
        reason = export.image_problem or "This export holds no reference image."
        st.markdown(plain(reason))
        on_screen = isinstance(export, gh.Export) and export.is_on_screen
        pictures = st.file_uploader(
            _asked_for(export),
            accept_multiple_files=True,
            key=f"picture-{my_visit().uploader}",
            help="A JPEG, PNG, HEIC or AVIF file. "
            + (
                _needed(export)
                if export.unit == "px"
                else f"It must show the whole {_thing(export)} and nothing else."
            )
            + " Of several, each goes to the study that is called like it.",
        )
        if pictures:
            take_missing_pictures(opened, pictures)
        if isinstance(export, gh.Export) and (on_screen or export.unit == "normalized"):
            st.markdown(
                "Or draw the heatmap on a plain ground of the size of the screen or picture:"
                if on_screen
                else f"Or draw the heatmap on a plain ground of the {_thing(export)}'s shape:"
            )
            width, height, use = st.columns([1, 1, 1], vertical_alignment="bottom")
            seen = export.surface_ratio
            ratio: tuple[float, float]
            if on_screen:
                sides = likely_screen(gaze_reach(export.recordings))
                ratio = (
                    width.number_input("Width (px)", 1, LIMITS.picture_side_px, sides[0]),
                    height.number_input("Height (px)", 1, LIMITS.picture_side_px, sides[1]),
                )
                st.caption("Filled in as a common size that the gaze lies on. Correct it.")
            else:
                wide, high = shape_of(export.frame) if seen is None else _proposed(seen)
                ratio = (
                    width.number_input("Width", 0.1, _WIDEST, wide),
                    height.number_input("Height", 0.1, _WIDEST, high),
                )
            if seen is not None:
                st.caption(
                    "Filled in as the scene camera saw the surface. Correct it if you know better."
                )
            if use.button("Use plain ground", width="stretch"):
                with my_visit().in_words():
                    opened.take(gh.with_ratio(export, ratio))
                st.rerun()


def likely_screen(reach: Size) -> Size:
    """Return the smallest common size of a screen that gaze lies on.

    Beyond all of them it is the next full hundred.

    Examples
    --------
    >>> likely_screen((1011, 760)), likely_screen((1250, 1000)), likely_screen((5003, 40))
    ((1024, 768), (1280, 1024), (5100, 100))
    """
    known = (one for one in _SCREENS if reach[0] <= one[0] and reach[1] <= one[1])
    most = LIMITS.picture_side_px
    width, height = (min(max(100, -(-side // 100) * 100), most) for side in reach)
    return next(known, (width, height))


def shape_of(frame: Frame | None) -> tuple[float, float]:
    """Return the width and height that are proposed for positions between these borders.

    Numbers from 0 to 1, or to 100, do not tell a shape.

    Examples
    --------
    >>> shape_of((0, 0, 1280, 1024)), shape_of((0, 1, 1, 0))
    ((1280.0, 1024.0), (16.0, 9.0))
    """
    if frame is not None:
        width, height = abs(frame[2] - frame[0]), abs(frame[3] - frame[1])
        if width != height and all(0.1 <= side <= _WIDEST for side in (width, height)):
            return float(width), float(height)
    return 16.0, 9.0


def _thing(export: gh.Export | gh.Study) -> str:
    """Name what was looked at; only Pupil Cloud's users know it as a surface."""
    return "surface" if export.is_of_pupil_cloud else "picture"


def _asked_for(export: gh.Export | gh.Study) -> str:
    if not export.is_of_pupil_cloud:
        return "The picture that was looked at"
    return "The reference image" if export.unit == "px" else "A picture of the surface"


def _needed(export: gh.Export | gh.Study) -> str:
    if isinstance(export, gh.Export) and export.is_on_screen and export.grid_size is None:
        return "It must have the size that it was shown in, since the gaze is in its pixels."
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
