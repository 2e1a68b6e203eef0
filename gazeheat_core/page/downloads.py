"""All files that can be had of a heatmap: a click gives one, or says why not."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

import gazeheat_core as gh
from gazeheat_core.naming import file_stem
from gazeheat_core.output import FigureAsked, FileKind, Output
from gazeheat_core.page.component import component
from gazeheat_core.page.server import File
from gazeheat_core.page.session import Opened
from gazeheat_core.settings import DPI, WIDTH_MM

_WORDS = {
    "more": "Figure, report, more",
    "making": "Making the file in full size…",
    "unreachable": "The server does not answer. Check the connection, then try again.",
    "copied": "The caption is in the clipboard.",
    "notCopied": "The browser does not let the caption be copied. Mark it, then press Ctrl+C.",
}
# What a button says; the first two are in sight, the others behind "more".
_LABELS: dict[FileKind, str] = {
    "heatmap": "Download heatmap",
    "overlay": "Download overlay",
    "figure-png": "Download figure as PNG",
    "figure-svg": "Download figure as SVG",
    "figure-pdf": "Download figure as PDF",
    "opaque": "Download opaque heatmap",
    "report": "Download report",
}
_IN_SIGHT = ("heatmap", "overlay")
# These are made of what the form for the figure says.
_OF_FORM = ("figure-png", "figure-svg", "figure-pdf", "report")


def downloads(opened: Opened, heatmap: gh.Heatmap, look: gh.Look) -> None:
    """Offer every file; each is made in full size when it is clicked."""
    study = opened.study
    output = Output(
        study,
        opened.histograms,
        sorted(opened.ticked),
        heatmap,
        look,
        file_stem(study.name),
        tuple(opened.regions),
    )
    is_empty = heatmap.counts.used == 0

    def make(what: FileKind, form: str | None = None) -> File:
        asked = FigureAsked() if form is None else FigureAsked.from_json(form)
        data = output.make(what, asked)
        size = "{} x {} px".format(*study.size())
        return File(data, output.mime(what), output.name(what), size)

    def offer(what: FileKind) -> dict[str, Any]:
        of_form = what in _OF_FORM
        lend = opened.loan.lend_form if of_form else opened.loan.lend
        address = lend(what, partial(make, what))
        return {
            "what": what,
            "label": _LABELS[what],
            "name": output.name(what),
            "address": "" if is_empty else address,
            "asks": of_form,
            "more": what not in _IN_SIGHT,
        }

    said = opened.figure
    data = {
        "files": [offer(what) for what in _LABELS],
        "caption": "" if is_empty else output.caption(),
        "style": {
            "widthMm": said.style.width_mm,
            "widthBoundsMm": [WIDTH_MM.lowest, WIDTH_MM.highest],
            "dpi": said.style.dpi,
            "dpiBounds": [DPI.lowest, DPI.highest],
        },
        # With another text of it, the form is filled in anew.
        "filled": json.dumps([opened.number, asdict(said)]),
        "heading": said.heading,
        "written": said.caption,
        **_WORDS,
    }
    component("downloads")(data=data, key="downloads")
