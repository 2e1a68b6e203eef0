"""The regions of a study: marked on the picture, listed with their numbers, to be downloaded."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

import gazeheat_core as gh
from gazeheat_core.bundle import regions_csv
from gazeheat_core.naming import file_name, file_stem
from gazeheat_core.page.component import component
from gazeheat_core.page.server import File
from gazeheat_core.page.session import Opened, my_visit
from gazeheat_core.regions import (
    CHOSEN_AFTERWARDS,
    LONGEST_REGION_NAME,
    MOST_REGIONS,
    region_words,
    share_title,
)

KEY = "regions"
_HOW = "Drag a rectangle over the picture, or type its corners."
_UNKNOWN = "–"
_NO_TIMES = (
    "The times of this study cannot be read, so when a region was looked at first cannot be told."
)


def regions(opened: Opened, heatmap: gh.Heatmap) -> None:
    """Show the regions of a study, and how the ticked recordings looked at them.

    Parameters
    ----------
    opened : Opened
        With a picture.
    heatmap : Heatmap
        Of what is ticked.
    """
    study = opened.study
    selection = heatmap.selection
    numbers = opened.region_counts.look_into(
        study, selection, opened.ticked, opened.histograms, opened.regions
    )
    # Made when it is asked for: of what was shown then.
    address = opened.loan.lend(KEY, partial(table, study, numbers, heatmap))
    width, height = study.size()
    count = len(numbers)
    data = {
        "study": opened.number,
        "title": f"Regions: {count}" if count else "Regions",
        "isMarking": opened.is_marking,
        "canAdd": count < MOST_REGIONS,
        "size": [width, height],
        "longestName": LONGEST_REGION_NAME,
        "share": share_title(selection.measure),
        "rows": [row(one) for one in numbers],
        "address": address if count else "",
        "how": _HOW if opened.is_marking else "",
        "problem": opened.region_problem,
        # Of the newest one.
        "said": region_words(numbers[-1], selection.measure) if numbers else "",
        "note": CHOSEN_AFTERWARDS if opened.longest_s else f"{_NO_TIMES} {CHOSEN_AFTERWARDS}",
    }
    component("regions")(data=data, key=KEY, on_asked_change=take_message)


def row(numbers: gh.RegionNumbers) -> dict[str, str]:
    """Return what a region's row shows."""
    one = numbers.region
    seconds, first_s = numbers.seconds, numbers.first_look_s
    return {
        "name": one.name,
        "place": f"x {one.left:,.0f} to {one.right:,.0f}, y {one.top:,.0f} to {one.bottom:,.0f}",
        "seconds": _UNKNOWN if seconds is None else f"{seconds:,.2f}",
        "share": f"{100 * numbers.share:.1f}",
        "looked": f"{numbers.recordings_looked:,} of {numbers.recordings:,}",
        "first": _UNKNOWN if first_s is None else f"{first_s:,.2f}",
    }


def table(study: gh.Study, numbers: tuple[gh.RegionNumbers, ...], heatmap: gh.Heatmap) -> File:
    """Make the table that is downloaded."""
    of = len(study.recordings)
    name = file_name(
        file_stem(study.name), KEY, heatmap.recordings, of, heatmap.scale, ending="csv"
    )
    return File(regions_csv(numbers).encode("utf-8-sig"), "text/csv", name, f"{len(numbers)} rows")


def take_message() -> None:
    """Do what the browser asks for; what makes no sense is passed over.

    The study and the region are named in the message, since there can be others by now.
    """
    message = st.session_state[KEY].get("asked")
    if not isinstance(message, dict):
        return
    number = message.get("study")
    opened = my_visit().opened.get(number) if type(number) is int else None
    if opened is None or opened.pool is None:
        return
    what, name = message.get("what"), message.get("name")
    known = [one for one in opened.regions if one.name == name]
    if what == "mark":
        opened.is_marking = message.get("on") is True
        opened.region_problem = ""
    elif what == "add":
        opened.mark(message.get("corners"))
    elif what == "remove" and known:
        opened.keep_regions(lambda: [one for one in opened.regions if one not in known])
    elif what == "rename" and known:
        rename(opened, known[0], message.get("to"))


def rename(opened: Opened, one: gh.Region, name: Any) -> None:
    """Give a region another name, or say why it cannot have it."""
    if not isinstance(name, str):
        return
    sides = [one.left, one.top, one.right, one.bottom]
    opened.keep_regions(
        lambda: [
            gh.Region.between(name, sides) if other == one else other for other in opened.regions
        ]
    )
