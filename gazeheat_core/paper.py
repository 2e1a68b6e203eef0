"""The text for a paper: the caption of a figure, and the paragraph on methods.

Names stand in it as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from gazeheat_core.account import software
from gazeheat_core.errors import many
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.report import entries, meaning, recordings, weighting, when_in_words
from gazeheat_core.scale import colour_scale
from gazeheat_core.selection import RecordingHistogram, is_of_fixations
from gazeheat_core.settings import LEVELS, MEASURE, WEIGHT, Look, Measure, Weight
from gazeheat_core.study import Study


def caption(
    study: Study,
    pooled: Sequence[RecordingHistogram],
    heatmap: Heatmap,
    look: Look | None = None,
) -> str:
    """Say what a figure shows, of whom, and how it was made; names stand there as they are.

    Parameters
    ----------
    study : Study
    pooled : sequence of RecordingHistogram
        Its recordings that make the heatmap.
    heatmap : Heatmap
    look : Look, optional
        Unit, top and bottom of the scale; by default % of the maximum.
    """
    look = look or Look()
    asked = heatmap.selection
    when = when_in_words(asked)
    what = MEASURE.titles[asked.measure]
    parts = [
        f"{what} of {_of_whom(pooled, len(study.recordings))} on {study.name}, "
        f"{WEIGHT.titles[asked.weight].lower()}"
        + (f", {when} after each section's beginning" if when else "")
        + (", in some of their sections" if heatmap.counts.other_section else "")
        + f": {entries(heatmap.counts.used, asked.measure)}.",
        meaning(heatmap, study.size(), look),
        _blurred(heatmap),
        _bottom(look),
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
    lengths_ns = [one.duration_ns for one in pooled if one.duration_ns is not None]
    length = f", {sum(lengths_ns) / 1e9:,.0f} s in all" if lengths_ns or not pooled else ""
    left_out = len(study.recordings) - len(pooled)
    sigma_px = 0.01 * heatmap.scale * max(width, height)
    asked = heatmap.selection
    noun = "fixations" if is_of_fixations(asked.measure) else "samples"
    lost = [
        f"{count:,} ({count / counts.rows * 100:.1f} %) {what}"
        for count, what in (
            (counts.outside, "lay outside the picture"),
            (counts.undetected, "were not on it or not detected"),
            (counts.unreadable, "could not be read"),
            (counts.listed_twice, f"repeated another {noun[:-1]}"),
            (counts.no_fixation, "belonged to no fixation"),
            (counts.other_time, "lay at another time"),
            (counts.no_time, "had no time"),
            (counts.other_section, "lay in other sections"),
        )
        if count
    ]
    sentences = [
        "Gaze was recorded with [eye tracker, model and firmware: fill in]"
        + (_rate(pooled) if study.has_gaze else "")
        + " and mapped to the reference image "
        f"({study.name}, {width:,} × {height:,} px) with the {study.kind} [version: fill in].",
        "Accuracy and precision were [degrees, and how they were measured: fill in]; calibration "
        "was [fill in]; the picture was seen from [distance, or size in degrees: fill in].",
        f"The heatmap pools {_of_whom(pooled, len(study.recordings))}{length}"
        + (f"; {recordings(left_out)} left out because [fill in]" if left_out else "")
        + f". Of {counts.rows:,} {noun}, {counts.used:,} "
        f"({counts.used / max(1, counts.rows) * 100:.1f} %) lay on the picture and were used"
        + (f"; {', '.join(lost)}" if lost else "")
        + f". {_WEIGHED[asked.measure]}{_SAY[asked.weight]}.",
        f"Only {when_in_words(asked)} after each section's beginning were taken."
        if asked.window_s
        else "",
        f"The {noun} were counted in {columns} × {rows} bins, "
        + (
            f"blurred with a Gaussian (sigma {heatmap.scale:g} % of the longer side, "
            f"{sigma_px:,.0f} px; reflected at the borders), "
            if heatmap.scale
            else "not blurred, "
        )
        + "and divided by the maximum. "
        + _painted(heatmap, look),
        meaning(heatmap, study.size(), look),
        weighting(pooled, asked) if asked.weight == "pooled" or not heatmap.peak else "",
        _bottom(look),
        f"It was made with {software()}.",
    ]
    return f"{' '.join(filter(None, sentences))}\n\n{_REFERENCES}\n"


_WEIGHED: dict[Measure, str] = {
    "gaze": "Every sample counted once",
    "fixation-gaze": "Every sample that belongs to a fixation counted once",
    "fixation-duration": "Every fixation counted as much as it took milliseconds",
    "fixation-count": "Every fixation counted once",
}
_SAY: dict[Weight, str] = {
    "pooled": ", so longer recordings weigh more",
    "recording": "; then each recording was divided by its total, so that all weigh the same",
    "wearer": "; then each wearer's recordings were divided by their total, so that all wearers "
    "weigh the same",
}


def _painted(heatmap: Heatmap, look: Look) -> str:
    """Say what the colours show, in a sentence."""
    opacity = f"opacity up to {100 * look.opacity:g} %"
    unit = (
        "percent of that maximum" if look.unit == "percent" else colour_scale(heatmap, look).label
    )
    if look.look == "spotlight":
        return f"The picture is lit by {unit} (black elsewhere; {opacity})."
    what = "Lines show" if look.look == "contours" else "Colours show"
    return f"{what} {unit} ({look.colormap} colour map; {opacity})."


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
    return f"{part} ({many(len(wearers), 'wearer')})"


def _bottom(look: Look) -> str:
    """Say what is clear, or where lines run."""
    lines = (
        f"Lines at {LEVELS.text(look.levels).replace(',', ', ')} % of the scale's top."
        if look.look == "contours"
        else ""
    )
    clear = f"Below {look.bottom:g} % of the scale's top it is clear." if look.bottom else ""
    return " ".join(filter(None, (lines, clear)))


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
