"""Everything a person can set: range, default, step, title and help, each written once.

The page's controls, the options of the command line and the README's table are made from
`SETTINGS`. `Look` holds one value of each, and can be written as JSON and read again.
`FigureStyle` is of the figure alone: how large it is on paper.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Generic, Literal, TypeAlias, TypeVar, get_args

from gazeheat_core.errors import SettingError, listed, shown

ColormapName: TypeAlias = Literal["turbo", "viridis", "magma", "inferno", "cividis", "jet", "greys"]
COLORMAPS: tuple[ColormapName, ...] = get_args(ColormapName)
Name = TypeVar("Name", bound=str)

# What the colours measure, as it stands beside every colour bar.
UNIT = "% of the longest gaze"

# The JSON of a look has about 60 characters.
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
            f"There are no {self.title.lower()} '{shown(value)}'"
            if isinstance(value, str)
            else f"{self.title}: a name is needed"
        )
        raise SettingError(f"{problem}; choose one of {self.values}.")


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
Setting: TypeAlias = NumberSetting | ChoiceSetting[ColormapName]
SETTINGS: tuple[Setting, ...] = (SCALE, OPACITY, COLORMAP)


@dataclass(frozen=True, slots=True)
class Look:
    """The settings of a heatmap.

    Attributes
    ----------
    scale : float
        The blur: sigma in percent of the picture's longer side, 0 to 20.
    opacity : float
        The most that the heatmap covers of the picture, 0 to 1.
    colormap : str
        One of `COLORMAPS`.

    Raises
    ------
    SettingError
        When a setting is out of its range.

    Examples
    --------
    >>> Look(scale=2).as_json()
    '{"scale": 2, "opacity": 0.8, "colormap": "turbo"}'
    >>> Look.from_json('{"opacity": 0.5}')
    Look(scale=5.0, opacity=0.5, colormap='turbo')
    """

    scale: float = SCALE.default
    opacity: float = OPACITY.default
    colormap: ColormapName = COLORMAP.default

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
        return cls(**values)


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
