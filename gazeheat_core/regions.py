"""Regions: named rectangles on the picture, and how they were looked at.

A region consists of whole bins, since gaze is kept by bin. What a recording has in a region
does not depend on the ticks, so it is counted once; a tick adds up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, isnan
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gazeheat_core.errors import SettingError, listed, many, shown
from gazeheat_core.model import IntArray, Size
from gazeheat_core.pooling import groups_of
from gazeheat_core.selection import (
    RecordingHistogram,
    Selection,
    Stretch,
    stretches,
)
from gazeheat_core.settings import Measure, Weight
from gazeheat_core.study import Study
from gazeheat_core.tracks import TICKS_A_SECOND

MOST_REGIONS = 50
LONGEST_REGION_NAME = 60
CHOSEN_AFTERWARDS = (
    "A region that was chosen after seeing the map proves nothing by itself: decide on the "
    "regions before you look, or test them with other people."
)

_FORM = "NAME=X0,Y0,X1,Y1 with two opposite corners in pixels of the picture"
# A first look is mostly found early, so the first stretches are short.
_FIRST_CHUNK, _LARGEST_CHUNK = 2**12, 2**16
_OF_WHAT: dict[Measure, str] = {
    "gaze": "the gaze",
    "fixation-gaze": "the gaze in fixations",
    "fixation-duration": "the time in fixations",
    "fixation-count": "the fixations",
}

_Bins: TypeAlias = tuple[int, int, int, int]
_Rectangle: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Region:
    """A named rectangle, in pixels of the picture as it is shown.

    Attributes
    ----------
    name : str
        1 to 60 characters that can be seen.
    left, top, right, bottom : float
        From the picture's top left corner.

    Raises
    ------
    SettingError
        When the name or a number makes no sense.
    """

    name: str
    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        name = self.name
        if not (0 < len(name) <= LONGEST_REGION_NAME and name.isprintable() and name.strip()):
            raise SettingError(
                f"The name of a region is '{shown(name)}'. Give 1 to {LONGEST_REGION_NAME} "
                "characters that can be seen."
            )
        sides = (self.left, self.top, self.right, self.bottom)
        if not (all(map(isfinite, sides)) and self.left <= self.right and self.top <= self.bottom):
            raise SettingError(
                f"Region '{name}' runs from {self.left:g}, {self.top:g} to {self.right:g}, "
                f"{self.bottom:g}. Give left, top, right and bottom in pixels, the smaller first."
            )

    @classmethod
    def between(cls, name: str, corners: Sequence[float]) -> Region:
        """Return the region between two opposite corners, in any order.

        Parameters
        ----------
        name : str
            Blanks around it do not count.
        corners : sequence of four float
            x and y of one corner, x and y of the other one.

        Raises
        ------
        SettingError
        """
        x0, y0, x1, y1 = map(float, corners)
        # What is no number has no order, and is refused as it stands.
        if all(map(isfinite, (x0, y0, x1, y1))):
            (x0, x1), (y0, y1) = sorted((x0, x1)), sorted((y0, y1))
        return cls(name.strip(), x0, y0, x1, y1)

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read what somebody has typed: ``NAME=X0,Y0,X1,Y1``, the corners in any order.

        Raises
        ------
        SettingError

        Examples
        --------
        >>> Region.parse("Price=120,80,40,20")
        Region(name='Price', left=40.0, top=20.0, right=120.0, bottom=80.0)
        """
        # A name may hold the sign too.
        name, _, numbers = text.rpartition("=")
        try:
            corners = [float(number) for number in numbers.split(",")]
        except ValueError:
            corners = []
        if len(corners) != 4:
            raise SettingError(f"The region '{shown(text)}' cannot be read. Give {_FORM}.")
        return cls.between(name, corners)


@dataclass(frozen=True, slots=True)
class Snapped:
    """The whole bins of a region.

    Attributes
    ----------
    rows, columns : slice
    region : Region
        The rectangle that they cover.
    """

    rows: slice
    columns: slice
    region: Region


def snapped(region: Region, shape: tuple[int, int], size: Size) -> Snapped:
    """Take the bins whose centre lies in a rectangle, its left and top edge included.

    Parameters
    ----------
    region : Region
        What lies beside the picture is cut off.
    shape : (int, int)
        Rows and columns of the grid.
    size : (int, int)
        Width and height of the picture, in pixels.

    Raises
    ------
    SettingError
        When it lies beside the picture, or holds no centre of a bin.

    Examples
    --------
    >>> snapped(Region("Price", 11, 0, 29, 100), (3, 4), (40, 30))
    Snapped(rows=slice(0, 3, None), columns=slice(1, 3, None), region=Region(name='Price', \
left=10.0, top=0.0, right=30.0, bottom=30.0))
    """
    (rows, columns), (width, height) = shape, size
    if region.left >= width or region.top >= height or region.right <= 0 or region.bottom <= 0:
        raise SettingError(
            f"Region '{region.name}' lies beside the picture, which has {width:,} x {height:,} "
            "pixels. Give corners on the picture."
        )
    across = _bins_between(region.left, region.right, columns, width)
    down = _bins_between(region.top, region.bottom, rows, height)
    if across.start == across.stop or down.start == down.stop:
        raise SettingError(
            f"Region '{region.name}' is too small: gaze is counted in bins of "
            f"{width / columns:.3g} x {height / rows:.3g} pixels, and it holds the middle of none. "
            "Give a larger rectangle."
        )
    left, right = (place * width / columns for place in (across.start, across.stop))
    top, bottom = (place * height / rows for place in (down.start, down.stop))
    return Snapped(down, across, Region(region.name, left, top, right, bottom))


def _bins_between(start: float, stop: float, count: int, side: int) -> slice:
    """Return the bins along a side whose centre lies from `start` on, before `stop`."""
    centres = (np.arange(count) + 0.5) * side / count
    return slice(*centres.searchsorted([start, stop]).tolist())


def check_regions(regions: Collection[Region]) -> None:
    """Check that there are not too many regions, and that their names tell them apart.

    Raises
    ------
    SettingError
    """
    if len(regions) > MOST_REGIONS:
        raise SettingError(
            f"There are {len(regions):,} regions; {MOST_REGIONS} are the most. Leave some out."
        )
    names = [one.name for one in regions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingError(
            f"There is more than one region of the name {listed(twice, 3)}. "
            "Give each region a name of its own."
        )


@dataclass(frozen=True, slots=True)
class RegionNumbers:
    """How the ticked recordings looked at a region.

    Attributes
    ----------
    region : Region
        The rectangle that its bins cover.
    seconds : float or None
        Of all recordings together, whatever their weights; None where it cannot be told.
    share : float
        Part of all that is counted, 0 to 1, as the selection weighs the recordings; 0 where
        nothing is counted.
    amount : int
        Samples, fixations, or their milliseconds.
    recordings_looked : int
        How many recordings have anything in it.
    recordings : int
        How many are ticked, those without any gaze among them.
    first_look_s : float or None
        Median, over the recordings that looked, of the seconds from a section's beginning to
        the first entry in the region. Of the sections of a recording the soonest counts.
        None where none has looked, or the times cannot be told.
    """

    region: Region
    seconds: float | None
    share: float
    amount: int
    recordings_looked: int
    recordings: int
    first_look_s: float | None


class _Looks(NamedTuple):
    """What each recording has in a region.

    Attributes
    ----------
    is_known : bool array, shape (n,)
        Whether a recording has been looked through.
    amount : int64 array, shape (n,)
    first : int64 array, shape (n,)
        Ticks from the section's beginning to the first look; -1 where there is none.
    """

    is_known: npt.NDArray[np.bool_]
    amount: IntArray
    first: IntArray

    @classmethod
    def none(cls, count: int) -> _Looks:
        """Return that of `count` recordings of which nothing is known."""
        return cls(np.zeros(count, bool), np.zeros(count, np.int64), np.full(count, -1, np.int64))


class _Say(NamedTuple):
    """How the recordings of a study weigh.

    Attributes
    ----------
    weight : "pooled", "recording" or "wearer"
    entry_ns : float64 array, shape (n,)
        The time that 1 stands for in each recording; NaN where it cannot be told.
    group : int array, shape (n,)
        The number of the group that each has its say in.
    amount : float64 array, shape (n,)
        All that is counted in each.
    """

    weight: Weight
    entry_ns: npt.NDArray[np.float64]
    group: IntArray
    amount: npt.NDArray[np.float64]

    @classmethod
    def of(cls, histograms: Sequence[RecordingHistogram], weight: Weight) -> _Say:
        """Take it from the recordings' histograms."""
        members = np.zeros(len(histograms), np.intp)
        for number, group in enumerate(groups_of(weight, histograms, range(len(histograms)))):
            members[group] = number
        times = [np.nan if one.entry_ns is None else one.entry_ns for one in histograms]
        return cls(
            weight,
            np.array(times, np.float64),
            members,
            np.array([one.amount for one in histograms], np.float64),
        )


class RegionCounts:
    """What the recordings of a study have in its regions; each is looked through once."""

    def __init__(self) -> None:
        self._histograms: Sequence[RecordingHistogram] = ()
        self._say = _Say.of((), "pooled")
        self._looks: dict[_Bins, _Looks] = {}

    def look_into(
        self,
        study: Study,
        selection: Selection,
        ticked: Iterable[int],
        histograms: Sequence[RecordingHistogram],
        regions: Sequence[Region],
    ) -> tuple[RegionNumbers, ...]:
        """Do the same as the function `look_into`, and keep what does not depend on ticks.

        It is kept as long as the histograms are the same object.
        """
        check_regions(regions)
        places = [snapped(one, study.grid.shape, study.size()) for one in regions]
        if histograms is not self._histograms or selection.weight != self._say.weight:
            self._say = _Say.of(histograms, selection.weight)
        if histograms is not self._histograms:
            self._histograms, self._looks = histograms, {}
        count = len(histograms)
        self._looks = {
            bins: self._looks.get(bins) or _Looks.none(count) for bins in map(_bins, places)
        }
        positions = np.array(sorted(ticked), np.intp)
        self._count(study, selection, positions)
        total = np.bincount(self._say.group[positions], self._say.amount[positions])
        return tuple(
            self._numbers(place.region, self._looks[_bins(place)], positions, total)
            for place in places
        )

    def _count(self, study: Study, selection: Selection, positions: IntArray) -> None:
        """Look through those recordings of which something is not known."""
        new = {
            bins: looks
            for bins, looks in self._looks.items()
            if not looks.is_known[positions].all()
        }
        if not new:
            return
        is_known = np.logical_and.reduce([looks.is_known[positions] for looks in new.values()])
        unknown = positions[~is_known].tolist()
        rectangles = list(map(_slices, new))
        marks = _marks(rectangles, study.grid.shape)
        for position, own in zip(unknown, stretches(study, selection, unknown), strict=True):
            amounts = self._histograms[position].inside(rectangles, marks)
            firsts = _first_looks(own, marks, amounts)
            for looks, amount, first in zip(new.values(), amounts, firsts, strict=True):
                looks.amount[position] = amount
                looks.first[position] = first
                looks.is_known[position] = True

    def _numbers(
        self,
        region: Region,
        looks: _Looks,
        positions: IntArray,
        total: npt.NDArray[Any],
    ) -> RegionNumbers:
        """Add up what the ticked recordings have in a region.

        Parameters
        ----------
        total : array, shape (groups,)
            All that they have in each group that has a say.
        """
        amount, first = looks.amount[positions], looks.first[positions]
        has_say = total > 0
        inside = np.bincount(self._say.group[positions], amount)[has_say] / total[has_say]
        has_looked = amount > 0
        time_ns = float((amount * self._say.entry_ns[positions])[has_looked].sum())
        first = first[first >= 0]
        return RegionNumbers(
            region=region,
            seconds=None if isnan(time_ns) else time_ns / 1e9,
            share=float(inside.mean()) if len(inside) else 0.0,
            amount=int(amount.sum()),
            recordings_looked=int(has_looked.sum()),
            recordings=len(positions),
            first_look_s=float(np.median(first)) / TICKS_A_SECOND if len(first) else None,
        )


def look_into(
    study: Study,
    selection: Selection,
    ticked: Iterable[int],
    histograms: Sequence[RecordingHistogram],
    regions: Sequence[Region],
) -> tuple[RegionNumbers, ...]:
    """Tell how the ticked recordings looked at regions.

    Parameters
    ----------
    study : Study
    selection : Selection
    ticked : iterable of int
        Positions of recordings.
    histograms : sequence of RecordingHistogram
        Of all its recordings, as `select` returns them for the selection.
    regions : sequence of Region
        At most 50, of different names.

    Returns
    -------
    tuple of RegionNumbers
        In the order of the regions.

    Raises
    ------
    SettingError
        When a region holds no bin, or there are too many.
    """
    return RegionCounts().look_into(study, selection, ticked, histograms, regions)


def _bins(place: Snapped) -> _Bins:
    return place.rows.start, place.rows.stop, place.columns.start, place.columns.stop


def _slices(bins: _Bins) -> _Rectangle:
    top, bottom, left, right = bins
    return slice(top, bottom), slice(left, right)


def _marks(rectangles: Sequence[_Rectangle], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Return, for each code of the grid, a number with bit ``i`` where rectangle ``i`` holds it."""
    dtype = np.min_scalar_type(2 ** len(rectangles) - 1)
    rows, columns = shape
    # Nothing holds the codes of outside and undetected.
    marks = np.zeros(rows * columns + 2, dtype)
    grid = marks[:-2].reshape(shape)
    for i, one in enumerate(rectangles):
        grid[one] |= dtype.type(1 << i)
    return marks


def _first_looks(
    own: Iterable[Stretch], marks: npt.NDArray[Any], amounts: Sequence[int]
) -> list[int]:
    """Return when each region was looked at first, in ticks after a section's beginning.

    Parameters
    ----------
    own : iterable of Stretch
        Of one recording.
    marks : array
        As of `_marks`.
    amounts : sequence of int
        What is counted in each region: only what has some is searched.

    Returns
    -------
    list of int
        -1 where there is none.
    """
    firsts = [-1] * len(amounts)
    wanted = sum(1 << i for i, amount in enumerate(amounts) if amount)
    for track, first, end, start, weighted in own:
        last = min(end, track.timed)
        missing = wanted
        chunk = _FIRST_CHUNK
        while missing and first < last:
            part = slice(first, min(first + chunk, last))
            found = marks[track.cell[part]]
            if weighted:
                found[track.value[part] == 0] = 0
            seen = int(np.bitwise_or.reduce(found)) & missing
            for i in range(len(amounts)) if seen else ():
                bit = 1 << i
                if seen & bit:
                    place = first + int((found & found.dtype.type(bit)).argmax())
                    # A fixation may have begun before its section.
                    ticks = max(0, track.zero + int(track.time[place]) - start)
                    firsts[i] = ticks if firsts[i] < 0 else min(firsts[i], ticks)
            missing &= ~seen
            first = part.stop
            chunk = min(2 * chunk, _LARGEST_CHUNK)
    return firsts


# --- In words ------------------------------------------------------------------------


def region_words(numbers: RegionNumbers, measure: Measure = "gaze") -> str:
    """Say how a region was looked at; its name stands in the sentence as it is.

    Examples
    --------
    >>> region_words(RegionNumbers(Region("Price", 0, 0, 9, 9), 4.2, 0.25, 840, 5, 12, 1.25))
    'Price: 4.20 s, 25.0 % of the gaze; 5 of 12 recordings looked, the first time after 1.25 s \
(median).'
    """
    much = "" if numbers.seconds is None else f"{numbers.seconds:,.2f} s, "
    soon = (
        ""
        if numbers.first_look_s is None
        else f", the first time after {numbers.first_look_s:,.2f} s (median)"
    )
    return (
        f"{numbers.region.name}: {much}{100 * numbers.share:.1f} % of {_OF_WHAT[measure]}; "
        f"{looked_words(numbers)}{soon}."
    )


def share_title(measure: Measure) -> str:
    """Return the heading of the share in a table.

    Examples
    --------
    >>> share_title("fixation-count")
    '% of the fixations'
    """
    return f"% of {_OF_WHAT[measure]}"


def looked_words(numbers: RegionNumbers) -> str:
    """Say how many recordings looked at a region.

    Examples
    --------
    >>> looked_words(RegionNumbers(Region("Price", 0, 0, 9, 9), 4.2, 0.25, 840, 1, 1, 1.25))
    '1 of 1 recording looked'
    """
    return f"{numbers.recordings_looked:,} of {many(numbers.recordings, 'recording')} looked"


def as_json(numbers: Iterable[RegionNumbers]) -> list[dict[str, Any]]:
    """Return the numbers ready for JSON; lengths are in pixels, the share is 0 to 1."""
    return [
        {**asdict(one.region), **{k: v for k, v in asdict(one).items() if k != "region"}}
        for one in numbers
    ]
