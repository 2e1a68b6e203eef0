"""What the colours stand for: the unit of the colour scale, its top and its bottom.

A heatmap's values are parts of its maximum. A unit is one factor on all of them, so it never
moves the hottest place. The page, the files and the bar beside a figure take the same scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10

import numpy as np

from gazeheat_core.errors import SettingError
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import FloatArray
from gazeheat_core.settings import UNIT, Look, Measure, Unit

# What stands beside the bar, by measure.
_LONGEST: dict[Measure, str] = {
    "gaze": "% of the longest gaze",
    "fixation-gaze": "% of the longest gaze in fixations",
    "fixation-duration": "% of the longest fixation time",
    "fixation-count": "% of the most fixations",
}
_WHOLE: dict[Measure, str] = {
    "gaze": "gaze time",
    "fixation-gaze": "gaze time in fixations",
    "fixation-duration": "fixation time",
    "fixation-count": "fixations",
}
# The sign of each unit, behind a value.
UNIT_SIGNS: dict[Unit, str] = {"percent": "%", "seconds": "s", "share": "%"}
_EQUAL = {"pooled": "", "recording": ", recordings equal", "wearer": ", wearers equal"}
# Ticks: so many steps at most, none nearer to the top than this part of the bar.
_MOST_STEPS = 5
# A top may be as small as a number can be; infinity times 0 would be none.
_MOST_FACTOR = 1e12
_NEAR_TOP = 0.08


@dataclass(frozen=True, slots=True)
class ColourScale:
    """The scale that colours are read by.

    Attributes
    ----------
    unit : "percent", "seconds" or "share"
    label : str
        What stands beside the bar.
    maximum : float
        The value of the hottest place, in the unit; 0 when nothing counts.
    top : float
        Where the colours end, in the unit.
    bottom : float
        Percent of the top below which the map is clear.
    """

    unit: Unit
    label: str
    maximum: float
    top: float
    bottom: float

    @property
    def factor(self) -> float:
        """What a heatmap's values are multiplied with: 1 is then the top of the scale."""
        return min(self.maximum / self.top, _MOST_FACTOR) if self.top else 1.0

    @property
    def is_exceeded(self) -> bool:
        """Whether values above the top have the last colour."""
        return self.maximum > self.top

    def painted(self, values: FloatArray) -> FloatArray:
        """Return a heatmap's values as parts of the top, at most 1.

        They are cut before they are resized, so that what lies above the top does not ring.
        """
        return values if self.factor == 1.0 else np.minimum(values * self.factor, 1.0)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the places of ticks on the bar, in percent of the top, and what they say.

        Examples
        --------
        >>> ColourScale("seconds", "seconds", 12.5, 12.5, 0).ticks()
        [(0.0, '0 s'), (40.0, '5 s'), (80.0, '10 s'), (100.0, '12.5 s')]
        >>> [text for _, text in ColourScale("percent", "%", 100, 50, 0).ticks()]
        ['0 %', '10 %', '20 %', '30 %', '40 %', '≥ 50 %']
        """
        if self.unit == "percent" and self.top == 100:
            return [(float(one), f"{one} %") for one in (0, 25, 50, 75, 100)]
        step = _step(self.top)
        count = floor(self.top / step * (1 - _NEAR_TOP) + 1e-9)
        ticks = [(100 * i * step / self.top, self.text(i * step)) for i in range(count + 1)]
        top = self.text(self.top)
        return [*ticks, (100.0, f"≥ {top}" if self.is_exceeded else top)]

    def text(self, value: float) -> str:
        """Write a value in the unit, with three digits that count.

        Examples
        --------
        >>> scale = ColourScale("seconds", "seconds", 13.8, 13.8, 0)
        >>> scale.text(1.2345), scale.text(1234.5), scale.text(0)
        ('1.23 s', '1,234 s', '0 s')
        """
        return f"{digits(value)} {UNIT_SIGNS[self.unit]}"


def digits(value: float) -> str:
    """Write a number with three digits that count, and all those before the point.

    Examples
    --------
    >>> [digits(value) for value in (0.0512, 1.2, 12.44, 123.4, 999.7, 1234.0)]
    ['0.0512', '1.2', '12.4', '123', '1,000', '1,234']
    """
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def _step(top: float) -> float:
    """Return a round step that divides a scale into a few parts."""
    least = top / _MOST_STEPS
    power: float = 10.0 ** floor(log10(least))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= least * (1 - 1e-9))


def colour_scale(heatmap: Heatmap, look: Look) -> ColourScale:
    """Return the scale of a heatmap in a look.

    Raises
    ------
    SettingError
        When the heatmap cannot be told in the unit.
    """
    problem = why_not(heatmap, look.unit)
    if problem:
        raise SettingError(problem)
    maximum = _maximum(heatmap, look.unit)
    top = look.top or maximum or 100.0
    return ColourScale(look.unit, _label(heatmap, look), maximum, top, look.bottom)


def why_not(heatmap: Heatmap, unit: Unit) -> str:
    """Say why a heatmap cannot be told in a unit; nothing where it can."""
    if unit != "seconds" or heatmap.peak is None or heatmap.peak.seconds is not None:
        return ""
    reason = (
        "Fixations by number have no seconds"
        if heatmap.selection.measure == "fixation-count"
        else "The file's times do not tell seconds"
    )
    others = f"'{UNIT.titles['percent']}' or '{UNIT.titles['share']}'"
    return f"{reason}. Choose the unit {others}."


def _maximum(heatmap: Heatmap, unit: Unit) -> float:
    if unit == "percent":
        return 100.0
    if heatmap.peak is None:
        return 0.0
    if unit == "share":
        return 100.0 * heatmap.peak.share
    assert heatmap.peak.seconds is not None
    return heatmap.peak.seconds


def _label(heatmap: Heatmap, look: Look) -> str:
    measure, weight = heatmap.selection.measure, heatmap.selection.weight
    if look.unit == "percent":
        return _LONGEST[measure] + _EQUAL[weight]
    place = " within the blur" if heatmap.scale else " in one bin"
    if look.unit == "share":
        return f"% of the {_WHOLE[measure]}{place}{_EQUAL[weight]}"
    what = "fixations" if measure == "fixation-duration" else _WHOLE[measure].replace(" time", "")
    return f"seconds of {what}{place}{_EQUAL[weight]}"
