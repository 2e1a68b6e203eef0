"""What is said about heatmaps: sentences, file names, and the report of the command line.

Pure functions on values. The page and the command line show what they return; how a name is
kept from being read as Markdown is the page's own affair.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from os import PathLike
from typing import Any

from gazeheat_core.account import software
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.library import ServerStudy
from gazeheat_core.model import Export, Size
from gazeheat_core.selection import RecordingHistogram
from gazeheat_core.settings import Look
from gazeheat_core.study import Study

COUNTS_HELP = """
Every row of the file's gaze is in one of these:

- **samples**: on the picture; these make the heatmap, each counting once
- **outside**: detected, but beyond the picture's borders
- **undetected**: the gaze was not on the reference image, or not found
- **unreadable**: a cell that is no number
- **listed twice**: repeats a sample, which counts once
- **not ticked**: belongs to recordings without a tick
"""

_STEM_CHARACTERS = 100
# A name may have 255 bytes; the rest is for a number and for what `file_name` says, such as
# "_heatmap_4999-of-5000_scale-1.23457e-05.png".
_STEM_BYTES = 200
# Names that Windows keeps for devices, with any extension.
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
# Unicode's categories of characters that cannot be seen: control and format characters,
# separators of lines and paragraphs.
_UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
# Halves of surrogate pairs, and characters that are not assigned.
_NOT_WRITABLE = {"Cs", "Cn"}


# --- Sentences -----------------------------------------------------------------------


def samples(count: int) -> str:
    """Say how many samples there are.

    Examples
    --------
    >>> samples(1), samples(1200)
    ('1 sample', '1,200 samples')
    """
    return f"{count:,} sample" + ("s" if count != 1 else "")


def recordings(count: int) -> str:
    """Say how many recordings there are.

    Examples
    --------
    >>> recordings(1), recordings(12)
    ('1 recording', '12 recordings')
    """
    return f"{count:,} recording" + ("s" if count != 1 else "")


def counted(export: Export | Study, heatmap: Heatmap) -> str:
    """Say what became of every row of an export's gaze.

    Parameters
    ----------
    export : Export or Study
    heatmap : Heatmap
        Of the export's ticked recordings.

    Returns
    -------
    str
        One line of Markdown that holds no names.
    """
    counts = heatmap.counts
    if not heatmap.recordings:
        return (
            "No recording is ticked, so the picture is bare. "
            f"Tick one to see where its wearer looked. The file has {export.rows:,} rows."
        )
    not_ticked = export.rows - counts.rows - export.unassigned_rows
    parts = [
        f"{counts.outside:,} outside",
        f"{counts.undetected:,} undetected",
        f"{counts.unreadable:,} unreadable",
        *([f"{counts.listed_twice:,} listed twice"] if counts.listed_twice else []),
        *([f"{not_ticked:,} not ticked"] if not_ticked else []),
        *([f"{export.unassigned_rows:,} of no recording"] if export.unassigned_rows else []),
    ]
    pooled = recordings(heatmap.recordings)
    start = (
        f"**{samples(counts.used)} of {pooled}**"
        if counts.used
        else f"No gaze of {pooled} lies on the picture, so it is bare: 0 samples"
    )
    return f"{start} · {' · '.join(parts)} = {export.rows:,} rows"


def recording_facts(histogram: RecordingHistogram, share: float | None) -> str:
    """Say in a few characters how much gaze a recording has.

    Parameters
    ----------
    histogram : RecordingHistogram
    share : float or None
        Its part of all samples that are pooled, 0 to 1; None when it is not pooled.

    Returns
    -------
    str
        Minutes and seconds, and the share.
    """
    return "not counted" if share is None else f"{_clock(histogram)} · {share * 100:.0f} %"


def recording_details(histogram: RecordingHistogram, share: float | None) -> str:
    """Say how much gaze a recording has: samples on the picture, minutes and seconds, share.

    The parameters are those of `recording_facts`.
    """
    part = "not counted" if share is None else f"{share * 100:.0f} % of the total"
    return f"{samples(histogram.counts.used)} · {_clock(histogram)} · {part}"


def _clock(histogram: RecordingHistogram) -> str:
    seconds = round(histogram.duration_ns / 1e9)
    return f"{seconds // 60}:{seconds % 60:02}"


def ticked_in_words(ticked: int, among: int, used: int) -> str:
    """Say how many recordings are ticked, and how many samples they have.

    Examples
    --------
    >>> ticked_in_words(3, 4, 21040)
    '3 of 4 recordings, 21,040 samples'
    """
    return f"{ticked:,} of {recordings(among)}, {samples(used)}"


def further_wearer(histogram: RecordingHistogram) -> str:
    """Return the wearer's name where the recording's label does not hold it, else nothing."""
    wearer = histogram.wearer
    return "" if wearer in histogram.label.split(" · ") else wearer


def described(name: str, size: Size, heatmap: Heatmap) -> str:
    """Describe the heatmap over its picture to someone who cannot see it.

    Parameters
    ----------
    name : str
        Of the export.
    size : (int, int)
        Width and height of the reference image, in pixels.
    heatmap : Heatmap
    """
    if heatmap.peak is None:
        return f"The reference image of {name}, without a heatmap."
    width, height = size
    x, y = _place(heatmap)
    across = ("on the left", "in the middle", "on the right")[int(3 * x)]
    down = ("at the top", "halfway down", "at the bottom")[int(3 * y)]
    return (
        f"Heatmap over the reference image of {name}, from "
        f"{samples(heatmap.counts.used)} of {recordings(heatmap.recordings)}. "
        f"The longest gaze is {across}, {down}: "
        f"x {x * width:,.0f} px, y {y * height:,.0f} px. Half the longest or more covers "
        f"{(heatmap.values >= 0.5).mean() * 100:.0f} % of the picture."
    )


def meaning(heatmap: Heatmap, size: Size) -> str:
    """Say what 100 % stands for, and where it is; nothing without gaze.

    Parameters
    ----------
    heatmap : Heatmap
    size : (int, int)
        Width and height of the reference image, in pixels.
    """
    peak = heatmap.peak
    if peak is None:
        return ""
    x, y = _place(heatmap)
    much = f"{peak.amount:,.0f} samples" if peak.seconds is None else _seconds(peak.seconds)
    where = "within the blur" if heatmap.scale else "in one bin"
    return (
        f"100 % = {much} of gaze {where}, at x {x * size[0]:,.0f}, y {y * size[1]:,.0f} px"
        + (" (the file's times do not tell seconds)" if peak.seconds is None else "")
        + "."
    )


def dominance(pooled: Iterable[RecordingHistogram]) -> str:
    """Say which of several pooled recordings supplies more than half of the heatmap, if one.

    Its name stands in the sentence as it is.
    """
    chosen = list(pooled)
    used = sum(one.counts.used for one in chosen)
    for one in chosen:
        if len(chosen) > 1 and 2 * one.counts.used > used:
            share = 100 * one.counts.used / used
            return f"{one.label} alone supplies {share:.0f} % of the samples."
    return ""


def _place(heatmap: Heatmap) -> tuple[float, float]:
    """Return where the longest gaze is, as shares of the picture's width and height."""
    assert heatmap.peak is not None
    rows, columns = heatmap.values.shape
    return (heatmap.peak.column + 0.5) / columns, (heatmap.peak.row + 0.5) / rows


def _seconds(seconds: float) -> str:
    """Write a duration with three digits that count.

    Examples
    --------
    >>> [_seconds(s) for s in (0.0512, 1.234, 12.44, 123.4, 1234.0)]
    ['0.0512 s', '1.23 s', '12.4 s', '123 s', '1,234 s']
    """
    return f"{seconds:,.0f} s" if seconds >= 999.5 else f"{seconds:#.3g}".rstrip(".") + " s"


def server_study_line(study: ServerStudy) -> str:
    """Say what a study on the server is, in the list of those that can be opened."""
    facts = [
        study.name,
        study.kind,
        *([recordings(study.recordings)] if study.recordings else []),
        f"{study.size_bytes / 1e6:,.0f} MB",
        f"{datetime.fromtimestamp(study.modified_s):%Y-%m-%d}",
        study.shown_path,
    ]
    return " · ".join(facts)


# --- The figure and the paper --------------------------------------------------------


def caption(study: Study, pooled: Sequence[RecordingHistogram], heatmap: Heatmap) -> str:
    """Say what a figure shows, of whom, and how it was made; names stand there as they are.

    Parameters
    ----------
    study : Study
    pooled : sequence of RecordingHistogram
        Its recordings that make the heatmap.
    heatmap : Heatmap
    """
    parts = [
        f"Gaze of {_of_whom(pooled, len(study.recordings))} on {study.name}, pooled: "
        f"{samples(heatmap.counts.used)}.",
        meaning(heatmap, study.size()),
        _blurred(heatmap),
        f"{software()}.",
    ]
    return " ".join(filter(None, parts))


def methods_text(
    study: Study, pooled: Sequence[RecordingHistogram], heatmap: Heatmap, look: Look
) -> str:
    """Write the paragraph on a heatmap for a paper's section on methods.

    What an export does not know is left as a blank between brackets. What such a paragraph has
    to tell is taken from Dunn et al. 2024.

    Parameters
    ----------
    study : Study
    pooled : sequence of RecordingHistogram
        Its recordings that make the heatmap.
    heatmap : Heatmap
    look : Look
    """
    width, height = study.size()
    rows, columns = heatmap.values.shape
    counts = heatmap.counts
    seconds = sum(one.duration_ns for one in pooled) / 1e9
    left_out = len(study.recordings) - len(pooled)
    sigma_px = 0.01 * heatmap.scale * max(width, height)
    lost = [
        f"{count:,} ({count / counts.rows * 100:.1f} %) {what}"
        for count, what in (
            (counts.outside, "lay outside the picture"),
            (counts.undetected, "were not on it or not detected"),
            (counts.unreadable, "could not be read"),
            (counts.listed_twice, "repeated another sample"),
        )
        if count
    ]
    sentences = [
        "Gaze was recorded with [eye tracker, model and firmware: fill in]"
        + _rate(pooled)
        + " and mapped to the reference image "
        f"({study.name}, {width:,} × {height:,} px) with the {study.kind} [version: fill in].",
        "Accuracy and precision were [degrees, and how they were measured: fill in]; calibration "
        "was [fill in]; the picture was seen from [distance, or size in degrees: fill in].",
        f"The heatmap pools {_of_whom(pooled, len(study.recordings))}, {seconds:,.0f} s in all"
        + (f"; {recordings(left_out)} left out because [fill in]" if left_out else "")
        + f". Of {counts.rows:,} samples, {counts.used:,} "
        f"({counts.used / max(1, counts.rows) * 100:.1f} %) lay on the picture and were used"
        + (f"; {', '.join(lost)}" if lost else "")
        + ". Every sample counted once, so longer recordings weigh more.",
        f"The samples were counted in {columns} × {rows} bins, "
        + (
            f"blurred with a Gaussian (sigma {heatmap.scale:g} % of the longer side, "
            f"{sigma_px:,.0f} px; reflected at the borders), "
            if heatmap.scale
            else "not blurred, "
        )
        + "and divided by the maximum. Colours show percent of that maximum "
        f"({look.colormap} colour map; opacity up to {100 * look.opacity:g} %).",
        meaning(heatmap, study.size()),
        dominance(pooled),
        f"It was made with {software()}.",
    ]
    return f"{' '.join(filter(None, sentences))}\n\n{_REFERENCES}\n"


_REFERENCES = (
    "What to report: Dunn, M. J., et al. (2024). Minimal reporting guideline for research "
    "involving eye tracking (2023 edition). Behavior Research Methods, 56, 4351-4357. "
    "https://doi.org/10.3758/s13428-023-02187-1\n"
    "What a heatmap can say: Bojko, A. (2009). Informative or misleading? Heatmaps deconstructed. "
    "https://doi.org/10.1007/978-3-642-02574-7_4"
)


def _of_whom(pooled: Sequence[RecordingHistogram], of: int) -> str:
    """Say how many recordings and, where the export knows them, wearers there are."""
    wearers = {one.wearer for one in pooled}
    part = f"{len(pooled):,} of {recordings(of)}" if len(pooled) < of else recordings(of)
    if "" in wearers or not wearers:
        return part
    return f"{part} ({len(wearers):,} wearer{'s' if len(wearers) > 1 else ''})"


def _blurred(heatmap: Heatmap) -> str:
    if not heatmap.scale:
        return "No blur."
    return f"Gaussian blur, sigma {heatmap.scale:g} % of the longer side."


def _rate(pooled: Sequence[RecordingHistogram]) -> str:
    """Say how often the tracker took a sample, as far as the times tell."""
    rates = {round(1e9 / one.sampling_interval_ns) for one in pooled if one.sampling_interval_ns}
    if not rates:
        return " at [sampling rate: fill in]"
    least, most = min(rates), max(rates)
    return f" at {least} Hz" if least == most else f" at {least} to {most} Hz"


# --- Files ---------------------------------------------------------------------------


def file_stem(name: str) -> str:
    """Make a file name's stem of an enrichment's name that any system accepts.

    Composed (NFC), without characters that cannot be seen, and cut to 100 characters and
    200 bytes of UTF-8, in whole characters.

    Examples
    --------
    >>> file_stem("Shelf: left/right?")
    'Shelf_ left_right_'
    """
    stem = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", unicodedata.normalize("NFC", name))
    kinds = [(c, unicodedata.category(c)) for c in stem]
    stem = "".join("_" if kind in _NOT_WRITABLE else c for c, kind in kinds if kind not in _UNSEEN)
    stem = stem.strip(". ")
    if _DEVICE.match(stem):
        stem = f"_{stem}"
    cut = stem[:_STEM_CHARACTERS].encode()[:_STEM_BYTES].decode(errors="ignore")
    return cut.strip(". ") or "export"


def free_stem(name: str, taken: set[str]) -> str:
    """Return the stem of an enrichment's files, with a number where it is taken.

    Parameters
    ----------
    name : str
        Of the enrichment.
    taken : set of str
        Stems in lower case, since some systems do not tell the cases apart. The new one is
        added.

    Examples
    --------
    >>> taken = set()
    >>> [free_stem(name, taken) for name in ("Shelf", "SHELF", "Wall")]
    ['Shelf', 'SHELF_2', 'Wall']
    """
    stem = base = file_stem(name)
    number = 1
    while stem.lower() in taken:
        number += 1
        stem = f"{base}_{number}"
    taken.add(stem.lower())
    return stem


def file_name(stem: str, what: str, pooled: int, of: int, scale: float, ending: str = "png") -> str:
    """Return the name of a file, which says what is in it.

    Parameters
    ----------
    stem : str
        As of `file_stem` or `free_stem`.
    what : str
        Such as ``heatmap``.
    pooled, of : int
        How many recordings are in it, of how many that the study has.
    scale : float
        The blur's sigma in percent of the longer side.
    ending : str
        Of the name.

    Examples
    --------
    >>> file_name("Shelf", "overlay", 3, 4, 5.0)
    'Shelf_overlay_3-of-4_scale-5.png'
    """
    return f"{stem}_{what}_{pooled}-of-{of}_scale-{scale + 0.0:g}.{ending}"


def as_report(
    export: Study,
    pooled: Iterable[RecordingHistogram],
    files: Mapping[Any, PathLike[str]],
) -> dict[str, Any]:
    """Return what the command line prints of an export, ready for JSON.

    Parameters
    ----------
    export : Study
    pooled : iterable of RecordingHistogram
        Those of its recordings that make the heatmap.
    files : mapping of str to path
        Where each file was written.
    """
    width, height = export.size()
    return {
        "enrichment": export.name,
        "kind": export.kind.lower().replace(" ", "-"),
        "image_size": {"width": width, "height": height},
        "recordings": [
            {"id": r.id, "name": r.name, "rows": r.rows, **asdict(r.counts)} for r in pooled
        ],
        "unassigned_rows": export.unassigned_rows,
        "files": {what: str(path) for what, path in files.items()},
    }
