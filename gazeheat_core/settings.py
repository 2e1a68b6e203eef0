"""Everything a person can set: range, default, step, title and help, each written once.

The page's controls, the options of the command line and the README's table are made from
`SETTINGS`. `Look` holds one value of each, and can be written as JSON and read again: how
a heatmap is drawn. `MEASURE` and `WEIGHT` are of what is counted, see `selection`.
`FigureStyle` is of the figure alone: how large it is on paper.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from numbers import Real
from typing import Any, Generic, Literal, TypeAlias, TypeVar, get_args

from gazeheat_core.errors import SettingError, listed, shown

ColormapName: TypeAlias = Literal["turbo", "viridis", "magma", "inferno", "cividis", "jet", "greys"]
COLORMAPS: tuple[ColormapName, ...] = get_args(ColormapName)
Measure: TypeAlias = Literal["gaze", "fixation-gaze", "fixation-duration", "fixation-count"]
Weight: TypeAlias = Literal["pooled", "recording", "wearer"]
LookKind: TypeAlias = Literal["colours", "spotlight", "contours"]
Unit: TypeAlias = Literal["percent", "seconds", "share"]
Name = TypeVar("Name", bound=str)

# The JSON of a look has about 200 characters.
_LONGEST_JSON = 10_000


@dataclass(frozen=True, slots=True)
class NumberSetting:
    """A setting that is a number.

    Attributes
    ----------
    name : str
        Its field in `Look`, its key in JSON, and its option on the command line.
    title : str
        What the page calls it.
    default, lowest, highest, step : float
        Both ends of the range are allowed; the step is that of the page's slider.
    unit : "percent", "mm", "dpi" or ""
    help : str
        Sentences in plain ASCII, which every terminal can show.
    """

    name: str
    title: str
    default: float
    lowest: float
    highest: float
    step: float
    unit: Literal["percent", "mm", "dpi", ""]
    help: str

    @property
    def values(self) -> str:
        """The range in words."""
        return f"{self.lowest:g} to {self.highest:g} {self.unit}".rstrip()

    @property
    def default_text(self) -> str:
        """The default as it is typed."""
        return f"{self.default:g}"

    def check(self, value: object) -> None:
        """Check that a value is a number in the range.

        Raises
        ------
        SettingError
        """
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if is_number and self.lowest <= value <= self.highest:  # type: ignore[operator]
            return
        given = f"'{shown(value)}'" if isinstance(value, str) else "no number"
        found = f"{value:g}" if is_number else given
        raise SettingError(f"{self.title} is {found}; choose a value from {self.values}.")


@dataclass(frozen=True, slots=True)
class ChoiceSetting(Generic[Name]):
    """A setting that is one of several names.

    Attributes
    ----------
    name : str
        Its field in `Look`, its key in JSON, and its option on the command line.
    title : str
        What the page calls it.
    default : str
    titles : dict of str to str
        What the page calls each of the names.
    help : str
        Sentences in plain ASCII, which every terminal can show.
    """

    name: str
    title: str
    default: Name
    titles: dict[Name, str]
    help: str

    @property
    def values(self) -> str:
        """The names, in order."""
        return ", ".join(self.titles)

    @property
    def default_text(self) -> str:
        """The default as it is typed."""
        return self.default

    def check(self, value: object) -> None:
        """Check that a value is one of the names.

        Raises
        ------
        SettingError
        """
        if isinstance(value, str) and value in self.titles:
            return
        problem = (
            f"There {'are' if self.title.endswith('s') else 'is'} no {self.title.lower()} "
            f"'{shown(value)}'"
            if isinstance(value, str)
            else f"{self.title}: a name is needed"
        )
        raise SettingError(f"{problem}; choose one of {self.values}.")


@dataclass(frozen=True, slots=True)
class NumbersSetting:
    """A setting that is several numbers, in ascending order.

    Attributes
    ----------
    name : str
        Its field in `Look`, its key in JSON, and its option on the command line.
    title : str
        What the page calls it.
    default : tuple of float
    lowest, highest : float
        Both ends of the range are allowed.
    most : int
        How many numbers there may be; one is the least.
    help : str
        Sentences in plain ASCII, which every terminal can show.
    """

    name: str
    title: str
    default: tuple[float, ...]
    lowest: float
    highest: float
    most: int
    help: str

    @property
    def values(self) -> str:
        """The range in words."""
        return f"1 to {self.most} numbers from {self.lowest:g} to {self.highest:g}"

    @property
    def default_text(self) -> str:
        """The default as it is typed."""
        return self.text(self.default)

    def text(self, values: Sequence[float]) -> str:
        """Return numbers as they are typed."""
        return ",".join(f"{value:g}" for value in values)

    def parse(self, text: str) -> tuple[float, ...]:
        """Read what somebody has typed: numbers, between them commas, semicolons or blanks.

        Raises
        ------
        SettingError
        """
        try:
            values = tuple(sorted({float(one) for one in re.split(r"[,;\s]+", text.strip())}))
        except ValueError:
            raise SettingError(f"{self.title} are '{shown(text)}'; give {self.values}.") from None
        self.check(values)
        return values

    def check(self, value: object) -> None:
        """Check that a value is a tuple of such numbers.

        Raises
        ------
        SettingError
        """
        if (
            isinstance(value, tuple)
            and 1 <= len(value) <= self.most
            and all(isinstance(one, Real) and not isinstance(one, bool) for one in value)
            and all(self.lowest <= one <= self.highest for one in value)
            and all(one < later for one, later in pairwise(value))
        ):
            return
        raise SettingError(f"{self.title} are not {self.values} in ascending order; give such.")


MEASURE: ChoiceSetting[Measure] = ChoiceSetting(
    name="measure",
    title="Measure",
    default="gaze",
    titles={
        "gaze": "Gaze",
        "fixation-gaze": "Gaze in fixations",
        "fixation-duration": "Fixations by duration",
        "fixation-count": "Fixations by number",
    },
    help="What is counted: each gaze sample; each sample that belongs to a fixation; each "
    "fixation, as much as it took milliseconds; each fixation, once. Corrections by hand in "
    "Pupil Cloud move fixations only.",
)
WEIGHT: ChoiceSetting[Weight] = ChoiceSetting(
    name="weight",
    title="Weighting",
    default="pooled",
    titles={
        "pooled": "Pooled",
        "recording": "Equal for each recording",
        "wearer": "Equal for each wearer",
    },
    help="Pooled: each sample counts once, so a longer recording weighs more. Equal: each "
    "recording, or each wearer, has the same say, however long it is.",
)
SCALE = NumberSetting(
    name="scale",
    title="Scale",
    default=5.0,
    lowest=0.0,
    highest=20.0,
    step=0.5,
    unit="percent",
    help="How far each glance spreads: the blur's sigma, in percent of the picture's longer "
    "side. 0 shows the bare counts.",
)
OPACITY = NumberSetting(
    name="opacity",
    title="Opacity",
    default=0.8,
    lowest=0.0,
    highest=1.0,
    step=0.05,
    unit="",
    help="The most that the heatmap covers of the picture. Where no one looked it is always clear.",
)
COLORMAP: ChoiceSetting[ColormapName] = ChoiceSetting(
    name="colormap",
    title="Colours",
    default="turbo",
    titles={name: name.capitalize() for name in COLORMAPS},
    help="Viridis, Magma, Inferno and Cividis have even steps, also for the colour-blind and in "
    "print. Jet is for comparison with old figures.",
)
LOOK_KIND: ChoiceSetting[LookKind] = ChoiceSetting(
    name="look",
    title="Look",
    default="colours",
    titles={"colours": "Colours", "spotlight": "Spotlight", "contours": "Contours"},
    help="Colours over the picture; or the picture lit where gaze fell, and dark elsewhere; or "
    "lines of equal value.",
)
UNIT: ChoiceSetting[Unit] = ChoiceSetting(
    name="unit",
    title="Unit",
    default="percent",
    titles={"percent": "% of the maximum", "seconds": "Seconds", "share": "% of the gaze time"},
    help="What the colour bar counts in. Seconds and % of the gaze time are of the gaze within "
    "the blur, and can be compared between pictures that share one top.",
)
TOP = NumberSetting(
    name="top",
    title="Top",
    default=0.0,
    lowest=0.0,
    highest=1e9,
    step=1.0,
    unit="",
    help="Where the colours end, in the unit of the scale; what lies above has the last colour. "
    "0 takes the largest value.",
)
BOTTOM = NumberSetting(
    name="bottom",
    title="Bottom",
    default=0.0,
    lowest=0.0,
    highest=95.0,
    step=5.0,
    unit="percent",
    help="Below this part of the top the map is clear.",
)
LEVELS = NumbersSetting(
    name="levels",
    title="Lines",
    default=(20.0, 40.0, 60.0, 80.0),
    lowest=1.0,
    highest=99.0,
    most=12,
    help="Where the lines of the contours run, in percent of the top of the scale.",
)
WIDTH_MM = NumberSetting(
    name="width_mm",
    title="Width",
    default=160.0,
    lowest=30.0,
    highest=1000.0,
    step=1.0,
    unit="mm",
    help="How wide the figure is on paper. A text column of A4 has about 160 mm.",
)
DPI = NumberSetting(
    name="dpi",
    title="Resolution",
    default=300.0,
    lowest=72.0,
    highest=1200.0,
    step=1.0,
    unit="dpi",
    help="Pixels in an inch of paper. Most printers and journals ask for 300.",
)
FIGURE_SETTINGS = (WIDTH_MM, DPI)
# A figure may have this many pixels, as a picture may.
FIGURE_PIXELS = 100_000_000
# No figure is much higher than wide, so this is where it comes near to that.
_FIGURE_WIDTH_PX = 10_000
MM_PER_INCH = 25.4
Setting: TypeAlias = (
    NumberSetting
    | NumbersSetting
    | ChoiceSetting[ColormapName]
    | ChoiceSetting[LookKind]
    | ChoiceSetting[Unit]
)
# Of how a heatmap is drawn, and of what is counted.
SETTINGS: tuple[Setting, ...] = (SCALE, OPACITY, COLORMAP, LOOK_KIND, UNIT, TOP, BOTTOM, LEVELS)
COUNTING = (MEASURE, WEIGHT)


@dataclass(frozen=True, slots=True)
class Look:
    """How a heatmap is drawn.

    Attributes
    ----------
    scale : float
        The blur: sigma in percent of the picture's longer side, 0 to 20.
    opacity : float
        The most that the heatmap covers of the picture, 0 to 1.
    colormap : str
        One of `COLORMAPS`.
    look : "colours", "spotlight" or "contours"
    unit : "percent", "seconds" or "share"
        What the colour scale counts in: % of the maximum, seconds, % of the gaze time.
    top : float
        Where the colours end, in the unit; 0 for the largest value.
    bottom : float
        Percent of the top below which the map is clear, 0 to 95.
    levels : tuple of float
        Percents of the top where contours run, 1 to 99, ascending.

    Raises
    ------
    SettingError
        When a setting is out of its range.

    Examples
    --------
    >>> Look(scale=2).as_json()[:48]
    '{"scale": 2, "opacity": 0.8, "colormap": "turbo"'
    >>> Look.from_json('{"opacity": 0.5}') == Look(opacity=0.5)
    True
    """

    scale: float = SCALE.default
    opacity: float = OPACITY.default
    colormap: ColormapName = COLORMAP.default
    look: LookKind = LOOK_KIND.default
    unit: Unit = UNIT.default
    top: float = TOP.default
    bottom: float = BOTTOM.default
    levels: tuple[float, ...] = LEVELS.default

    def __post_init__(self) -> None:
        for setting in SETTINGS:
            setting.check(getattr(self, setting.name))

    def as_json(self) -> str:
        """Write the settings as one line of JSON, in plain ASCII."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Look:
        """Read settings that `as_json` wrote; one that is missing has its default.

        Parameters
        ----------
        text : str
            An object of JSON. It may come from anywhere.

        Raises
        ------
        SettingError
            When it is no such object, holds a setting that there is not, or one out of its
            range.
        """
        if len(text) > _LONGEST_JSON:
            raise SettingError(
                f"The settings have {len(text):,} characters; {_LONGEST_JSON:,} are the most. "
                "Give settings that Gazeheat wrote."
            )
        try:
            # Whole numbers as floats: a float takes any number of digits.
            values = json.loads(text, parse_int=float, object_pairs_hook=each_once)
        except (ValueError, RecursionError):
            raise SettingError(
                f"The settings '{shown(text)}' are no JSON. Give settings that Gazeheat wrote."
            ) from None
        if not isinstance(values, dict):
            raise SettingError(
                f"The settings '{shown(text)}' are no object of JSON. "
                f"Give one, such as {cls().as_json()}."
            )
        names = [setting.name for setting in SETTINGS]
        unknown = [name for name in values if name not in names]
        if unknown:
            raise SettingError(
                f"There is no setting {listed(unknown, 3)}; the settings are {listed(names)}."
            )
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Look:
        """Take values as JSON has them, by their names; one that is missing has its default.

        Raises
        ------
        SettingError
        """
        levels = values.get(LEVELS.name)
        tuples = {LEVELS.name: tuple(levels)} if isinstance(levels, list) else {}
        return cls(**{**values, **tuples})


def each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON of its pairs: a hook for `json.loads`.

    Raises
    ------
    SettingError
        When a name stands there twice.
    """
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise SettingError(f"The setting '{shown(name)}' stands there twice. Give it once.")
        values[name] = value
    return values


@dataclass(frozen=True, slots=True)
class FigureStyle:
    """How large a figure is on paper.

    Attributes
    ----------
    width_mm : float
        Its width in millimetres, 30 to 1000.
    dpi : float
        Pixels in an inch, 72 to 1200.

    Raises
    ------
    SettingError
        When a setting is out of its range, or both ask for too many pixels.

    Examples
    --------
    >>> FigureStyle().width_px, FigureStyle(254, 100).width_px
    (1890, 1000)
    """

    width_mm: float = WIDTH_MM.default
    dpi: float = DPI.default

    def __post_init__(self) -> None:
        for setting in FIGURE_SETTINGS:
            setting.check(getattr(self, setting.name))
        if self.width_px > _FIGURE_WIDTH_PX:
            raise SettingError(
                f"A figure of {self.width_mm:g} mm at {self.dpi:g} dpi is {self.width_px:,} pixels "
                f"wide; {_FIGURE_WIDTH_PX:,} are the most. Choose a smaller width, or fewer dpi."
            )

    @property
    def width_px(self) -> int:
        """Its width in pixels."""
        return round(self.width_mm / MM_PER_INCH * self.dpi)
