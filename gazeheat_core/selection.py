"""What is asked of a study: one histogram for each recording, and their weighted sum.

A recording's ticked sections are cut to the window and counted; an entry that two of them
list counts once. All that follows works on these histograms and does not depend on the
number of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, fields
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gazeheat_core.errors import SettingError
from gazeheat_core.model import Export, IntArray, recording_labels
from gazeheat_core.settings import COUNTING, MEASURE, Measure, Weight
from gazeheat_core.study import RecordingTracks, SectionTracks, Study, track_export
from gazeheat_core.tracks import TICK_NS, Track, join
from gazeheat_core.windows import counted_track, entries_a_histogram

TICKS_A_SECOND = 1_000_000_000 // TICK_NS
_LONGEST_S = 1e9
_NS_A_MS = 1_000_000


class _Entries(NamedTuple):
    """What a measure counts."""

    of_fixations: bool
    # Whether an entry counts with its value: a fixation with its milliseconds, a gaze sample
    # with 1 in a fixation and 0 elsewhere.
    weighted: bool


_ENTRIES: dict[Measure, _Entries] = {
    "gaze": _Entries(False, False),
    "fixation-gaze": _Entries(False, True),
    "fixation-duration": _Entries(True, True),
    "fixation-count": _Entries(True, False),
}


def is_of_fixations(measure: Measure) -> bool:
    """Tell whether a measure counts rows of fixations, and not of gaze."""
    return _ENTRIES[measure].of_fixations


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of gaze, or of fixations; the parts add up to `rows`.

    Attributes
    ----------
    used : int
        Entries on the reference image: they make the heatmap.
    outside : int
        Detected, but beyond the picture's borders.
    undetected : int
        The gaze was not on the reference image, or not found.
    unreadable : int
        Rows with cells that cannot be read.
    listed_twice : int
        Rows that repeat an entry, which counts once.
    no_fixation : int
        Gaze samples that belong to no fixation, where only those in fixations are asked for.
    other_time : int
        Entries before or after the window that is asked for.
    no_time : int
        Entries whose time cannot be told, which are in no window.
    other_section : int
        Rows of sections that are not asked for.
    """

    used: int = 0
    outside: int = 0
    undetected: int = 0
    unreadable: int = 0
    listed_twice: int = 0
    no_fixation: int = 0
    other_time: int = 0
    no_time: int = 0
    other_section: int = 0

    @property
    def rows(self) -> int:
        """Rows in the file, of gaze or of fixations."""
        return sum(getattr(self, part.name) for part in fields(self))

    def __add__(self, other: Counts) -> Counts:
        names = [part.name for part in fields(self)]
        return Counts(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked of a study.

    Attributes
    ----------
    measure : "gaze", "fixation-gaze", "fixation-duration" or "fixation-count"
        What is counted. Fixations by duration are in milliseconds.
    weight : "pooled", "recording" or "wearer"
        Whether each entry has the same say, or each recording, or each wearer.
    window_s : (float, float) or None
        Seconds after each section's beginning: the first is included, the second is not.
        None for the whole.
    sections : set of (int, int) or None
        Positions of recordings and of their sections; None for all.

    Raises
    ------
    SettingError
        When a value makes no sense.
    """

    measure: Measure = "gaze"
    weight: Weight = "pooled"
    window_s: tuple[float, float] | None = None
    sections: frozenset[tuple[int, int]] | None = None

    def __post_init__(self) -> None:
        for setting in COUNTING:
            setting.check(getattr(self, setting.name))
        if self.window_s is not None:
            check_window(self.window_s)


# The specified heatmap: each sample of all recordings counts once.
ALL_GAZE = Selection()


def check_window(window_s: tuple[float, float]) -> None:
    """Check that a window has a length, and lies after the sections' beginning.

    Raises
    ------
    SettingError
    """
    from_s, to_s = window_s
    if not (isfinite(from_s) and isfinite(to_s) and 0 <= from_s <= to_s <= _LONGEST_S):
        raise SettingError(
            f"The window of time is {from_s:g} to {to_s:g} s. Give two numbers of seconds after "
            "the section's beginning, the smaller one first, neither below 0."
        )


@dataclass(frozen=True, eq=False, slots=True)
class RecordingHistogram:
    """One recording, reduced to what a heatmap needs.

    Attributes
    ----------
    id, name, wearer, label : str
        `label` tells the recordings of an export apart.
    duration_ns : int
        Time from first to last sample, added up over the sections that are asked for.
    sampling_interval_ns : int
        The time that a sample stands for; 0 where the times tell nothing.
    counts : Counts
    amount : int
        What the histogram adds up to: samples, fixations, or their milliseconds.
    entry_ns : int or None
        The time that 1 in the histogram stands for; None where it cannot be told.
    shape : (int, int)
        Rows and columns of the grid.
    add : callable
        Adds the histogram to an array, as often as it is told.
    inside : callable
        Tells what is counted in rectangles of bins. It takes their slices of rows and columns,
        and for each code of the grid a number with bit ``i`` where the rectangle ``i`` holds it.
    """

    id: str
    name: str
    wearer: str
    label: str
    duration_ns: int
    sampling_interval_ns: int
    counts: Counts
    amount: int
    entry_ns: int | None
    shape: tuple[int, int]
    add: Callable[[IntArray, int], None]
    inside: Callable[[Sequence[tuple[slice, slice]], npt.NDArray[Any]], list[int]]

    @property
    def bins(self) -> npt.NDArray[np.int64]:
        """What is counted in each bin, of the grid's shape; row 0 is the top."""
        total = np.zeros(self.shape, np.int64)
        self.add(total.reshape(-1), 1)
        return total

    @property
    def rows(self) -> int:
        """Rows in the file, the unreadable ones among them."""
        return self.counts.rows

    @property
    def gaze_ns(self) -> int | None:
        """The time that all of it stands for; None where it cannot be told."""
        if not self.amount:
            return 0
        return None if self.entry_ns is None else self.amount * self.entry_ns


def measures_of(study: Study) -> tuple[Measure, ...]:
    """Return what can be counted in a study: fixations are not in every export."""
    sections = [section for one in study.recordings for section in one.sections]
    has_fixations = any(section.fixations is not None for section in sections)
    has_ids = any(section.gaze.value.any() for section in sections)
    return tuple(
        measure
        for measure, entries in _ENTRIES.items()
        if measure == "gaze" or (has_fixations if entries.of_fixations else has_ids)
    )


def check_measure(study: Study, measure: Measure) -> None:
    """Check that a measure can be counted in a study.

    Raises
    ------
    SettingError
    """
    if measure not in measures_of(study):
        lacks = (
            "fixations that can be read"
            if _ENTRIES[measure].of_fixations
            else "a column that says which gaze samples belong to a fixation"
        )
        raise SettingError(
            f"{study.title}: the export has no {lacks}, so "
            f"'{MEASURE.titles[measure].lower()}' cannot be counted. Choose the measure gaze, or "
            "download the export again, with its fixations."
        )


def longest_section_s(study: Study) -> float:
    """Return the length of a study's longest section in seconds, its last entry included."""
    ends = [
        track.span[1] + 1 - section.start
        for one in study.recordings
        for section in one.sections
        for track in (section.gaze, section.fixations)
        if track is not None and track.span is not None
    ]
    return max(ends, default=0) / TICKS_A_SECOND


def select(study: Study, selection: Selection = ALL_GAZE) -> tuple[RecordingHistogram, ...]:
    """Take the histogram of every recording of a study, in its order.

    Parameters
    ----------
    study : Study
    selection : Selection
        By default all gaze.
    """
    counting = _Counting(study, selection)
    labels = recording_labels(study.recordings)
    return tuple(
        counting.histogram(position, recording, label)
        for position, (recording, label) in enumerate(zip(study.recordings, labels, strict=True))
    )


def bin_recordings(export: Export) -> tuple[RecordingHistogram, ...]:
    """Take the histogram of every recording of an export, in its order: all gaze.

    Raises
    ------
    PictureMissingError
        When the export has no picture yet, so that there is no grid.
    """
    return select(track_export(export))


class Stretch(NamedTuple):
    """The entries of a section that are asked for.

    Attributes
    ----------
    track : Track
    first, last : int
        Positions in the track; the last one is the first that does not belong to them.
    start : int
        The section's beginning, in ticks since the Unix epoch.
    weighted : bool
        Whether an entry counts with its value: then one of value 0 does not count.
    """

    track: Track
    first: int
    last: int
    start: int
    weighted: bool


def stretches(
    study: Study, selection: Selection, positions: Iterable[int]
) -> Iterator[list[Stretch]]:
    """Give, for each of some recordings, what is asked for of its sections, one by one.

    Sections that overlap list an entry twice.

    Parameters
    ----------
    study : Study
    selection : Selection
    positions : iterable of int
        Of the recordings.
    """
    counting = _Counting(study, selection)
    for position in positions:
        yield counting.stretches(counting.wanted(position, study.recordings[position]))


class _Counting:
    """Counts what is asked of the recordings of a study."""

    def __init__(self, study: Study, selection: Selection) -> None:
        self.grid = study.grid
        self.selection = selection
        self.entries = _ENTRIES[selection.measure]
        tracks = [self.track(section) for one in study.recordings for section in one.sections]
        entries = sum(len(track) for track in tracks if track is not None)
        # Fixations are few, and a kept histogram of milliseconds could not tell how many.
        is_kept = not self.entries.of_fixations
        self.step = entries_a_histogram(entries, study.grid.codes) if is_kept else 0

    def track(self, section: SectionTracks) -> Track | None:
        """Return the entries of a section."""
        return section.fixations if self.entries.of_fixations else section.gaze

    def histogram(
        self, position: int, recording: RecordingTracks, label: str
    ) -> RecordingHistogram:
        """Count one recording."""
        sections = self.wanted(position, recording)
        part = self.part(sections)
        counts, amount = self.account(recording, sections, part)
        interval_ns = recording.sampling_interval_ns
        return RecordingHistogram(
            id=recording.id,
            name=recording.name,
            wearer=recording.wearer,
            label=label,
            duration_ns=sum(section.last_ns - section.first_ns for section in sections),
            sampling_interval_ns=interval_ns,
            counts=counts,
            amount=amount,
            entry_ns=self.entry_ns(interval_ns),
            shape=self.grid.shape,
            add=part.add_to,
            inside=partial(part.inside, self.grid.shape),
        )

    def wanted(self, position: int, recording: RecordingTracks) -> list[SectionTracks]:
        """Return the sections of a recording that are asked for."""
        wanted = self.selection.sections
        return [
            section
            for place, section in enumerate(recording.sections)
            if wanted is None or (position, place) in wanted
        ]

    def entry_ns(self, interval_ns: int) -> int | None:
        """Return the time that 1 in a histogram stands for."""
        if self.entries.of_fixations:
            return _NS_A_MS if self.entries.weighted else None
        return interval_ns or None

    def stretches(self, sections: Sequence[SectionTracks]) -> list[Stretch]:
        """Cut the sections to the window."""
        return [
            Stretch(track, *self.bounds(track, section), section.start, self.entries.weighted)
            for section in sections
            if (track := self.track(section)) is not None and len(track)
        ]

    def part(self, sections: Sequence[SectionTracks]) -> _Part:
        """Cut the sections to the window; those that then share some time become one."""
        part = _Part(self.grid.outside, *self.entries)
        for together in _overlapping(one[:3] for one in self.stretches(sections)):
            if len(together) == 1:
                part.take(*together[0], self.step)
            else:
                track, repeated = join([track.part(*bounds) for track, *bounds in together])
                part.listed_twice += repeated
                part.take(track, 0, len(track), 0)
        return part

    def bounds(self, track: Track, section: SectionTracks) -> tuple[int, int]:
        """Return the first entry of a track in the window, and the first one after it."""
        if self.selection.window_s is None:
            return 0, len(track)
        start = section.start
        return track.bounds(
            *(start + round(seconds * TICKS_A_SECOND) for seconds in self.selection.window_s)
        )

    def account(
        self, recording: RecordingTracks, sections: Sequence[SectionTracks], part: _Part
    ) -> tuple[Counts, int]:
        """Account for every row of a recording; return also what is counted in all."""
        used, outside, undetected, amount = part.kinds()
        rows = sum(map(self.rows, sections))
        no_time = 0
        if self.selection.window_s is not None:
            tracks = [track for section in sections if (track := self.track(section)) is not None]
            no_time = sum(len(track) - track.timed for track in tracks)
        of_fixations = self.entries.of_fixations
        unreadable = sum(
            section.fixations_unreadable if of_fixations else section.unreadable
            for section in sections
        )
        listed_twice = part.listed_twice + sum(
            section.fixations_listed_twice if of_fixations else section.listed_twice
            for section in sections
        )
        kinds = used + outside + undetected
        # A gaze sample outside of fixations has the value 0.
        no_fixation = part.entries - kinds
        known = kinds + unreadable + listed_twice + no_time + no_fixation
        return Counts(
            used=used,
            outside=outside,
            undetected=undetected,
            unreadable=unreadable,
            listed_twice=listed_twice,
            no_fixation=no_fixation,
            other_time=rows - known,
            no_time=no_time,
            other_section=sum(map(self.rows, recording.sections)) - rows,
        ), amount

    def rows(self, section: SectionTracks) -> int:
        """Return how many rows of the file are of a section."""
        return section.fixation_rows if self.entries.of_fixations else section.rows


_Bounded = tuple[Track, int, int]


def _overlapping(tracks: Iterable[_Bounded]) -> list[list[_Bounded]]:
    """Put stretches of tracks together that share some time: these can list a sample twice."""
    some = [one for one in tracks if one[1] < one[2]]
    if len(some) < 2:
        return [some] if some else []
    timed = [(span, one) for one in some if (span := one[0].span_of(*one[1:])) is not None]
    groups = [[one] for one in some if one[0].span_of(*one[1:]) is None]
    last: int | None = None
    for span, one in sorted(timed, key=lambda pair: pair[0]):
        if last is not None and span[0] <= last:
            groups[-1].append(one)
            last = max(last, span[1])
        else:
            groups.append([one])
            last = span[1]
    return groups


@dataclass(eq=False, slots=True)
class _Part:
    """The part of a recording that is asked for.

    Many entries are one histogram, in which few more are counted one by one.
    """

    outside: int
    of_fixations: bool
    weighted: bool
    entries: int = 0
    listed_twice: int = 0
    codes: npt.NDArray[Any] | None = None
    few: list[tuple[npt.NDArray[Any], npt.NDArray[Any] | None]] = field(default_factory=list)

    def take(self, track: Track, first: int, last: int, step: int) -> None:
        """Take the entries from `first` on, before `last`; of a long track from its histograms.

        Parameters
        ----------
        step : int
            Entries that a long track has at least; 0 where it has no kept histograms.
        """
        self.entries += last - first
        codes = self.outside + 2
        if not step or len(track) <= step:
            stretch = slice(first, last)
            value = track.value[stretch] if self.weighted else None
            self.few.append((track.cell[stretch], value))
            return
        counted = counted_track(track, codes, weighted=self.weighted)
        if (first, last) == (0, len(track)) and self.codes is None:
            self.codes = counted.whole
            return
        # Its own copy: that of the whole track is kept for others.
        own = np.zeros(codes, np.int64) if self.codes is None else self.codes.astype(np.int64)
        counted.add_to(own, first, last, step)
        self.codes = own

    def kinds(self) -> tuple[int, int, int, int]:
        """Return how many entries are used, outside and undetected, and what is counted."""
        used = outside = undetected = amount = 0
        if self.codes is not None:
            used = amount = int(self.codes[: self.outside].sum())
            outside, undetected = self.codes[self.outside :].tolist()
        for cell, value in self.few:
            if value is None:
                count = len(cell)
                inside = int(np.count_nonzero(cell < self.outside))
                amount += inside
            else:
                if not self.of_fixations:
                    cell, value = cell[value > 0], value[value > 0]
                is_inside = cell < self.outside
                count, inside = len(cell), int(np.count_nonzero(is_inside))
                amount += int(value[is_inside].sum(dtype=np.int64))
            used += inside
            if inside < count:
                beside = int(np.count_nonzero(cell == self.outside))
                outside += beside
                undetected += count - inside - beside
        return used, outside, undetected, amount

    def add_to(self, total: IntArray, times: int) -> None:
        """Add the histogram to an array, as often as it is told."""
        if self.codes is not None:
            codes = self.codes[: self.outside]
            if times == 1:
                total += codes
            elif times:
                total += times * codes.astype(np.int64)
        for cell, value in self.few:
            is_inside = cell < self.outside
            amount: Any = times
            if value is not None:
                amount = times * value[is_inside].astype(np.int64)
            np.add.at(total, cell[is_inside].astype(np.intp), amount)

    def inside(
        self,
        shape: tuple[int, int],
        rectangles: Sequence[tuple[slice, slice]],
        marks: npt.NDArray[Any],
    ) -> list[int]:
        """Return what is counted in rectangles of bins; bit ``i`` of `marks` is of the one ``i``.

        The few entries are looked up one by one, which takes less than their histogram.
        """
        amounts = [0] * len(rectangles)
        if self.codes is not None:
            bins = self.codes[: self.outside].reshape(shape)
            amounts = [int(bins[one].sum(dtype=np.int64)) for one in rectangles]
        for cell, value in self.few:
            found = marks[cell]
            for i in range(len(rectangles)):
                is_inside = found & marks.dtype.type(1 << i)
                amounts[i] += (
                    int(np.count_nonzero(is_inside))
                    if value is None
                    else int(value[is_inside != 0].sum(dtype=np.int64))
                )
        return amounts


# --- Together ------------------------------------------------------------------------

# Shares of a recording are whole numbers of 2 ** -72, in two parts: sums are then exact, the
# same in whatever order recordings are ticked. A recording's first parts add up to 2 ** 50, so
# that those of 5,000 recordings stay below 2 ** 63.
_FIRST_BITS, _SECOND_BITS = 50, 22
# What a recording may amount to, so that its second parts stay below 2 ** 63 as well.
_MOST_AMOUNT = 2**40


def group_of(weight: Weight, position: int, one: RecordingHistogram) -> str:
    """Return what has one say: all, a recording, or a wearer with all of theirs.

    Parameters
    ----------
    weight : "pooled", "recording" or "wearer"
    position : int
        Of the recording in its study.
    one : RecordingHistogram
    """
    if weight == "pooled":
        return "all"
    by_wearer = weight == "wearer" and one.wearer
    return f"wearer {one.wearer}" if by_wearer else f"recording {position}"


@dataclass(frozen=True, eq=False, slots=True)
class Pooled:
    """Some recordings together.

    Attributes
    ----------
    bins : int64 or float64 array, shape (rows, columns)
        The sum of their histograms; with equal weights, of their shares.
    gaze_ns : int64 array, shape (rows, columns), or None
        The time that is in each bin; None with equal weights, and where it cannot be told.
    counts : Counts
        The sum of theirs.
    recordings : int
        How many they are.
    amount : int
        What their histograms add up to: samples, fixations, or their milliseconds.
    total_ns : int or None
        The time that all of it stands for; None where it cannot be told.
    selection : Selection
    """

    bins: IntArray | npt.NDArray[np.float64]
    gaze_ns: IntArray | None
    counts: Counts
    recordings: int
    amount: int
    total_ns: int | None
    selection: Selection


@dataclass(eq=False, slots=True)
class Pool:
    """The weighted sum of some histograms, changed by what is ticked and unticked.

    A tick costs the same with a thousand recordings as with two.

    Attributes
    ----------
    histograms : tuple of RecordingHistogram
    selection : Selection
    first, second : int64 array
        Of the grid's shape. Pooled: the sum, and the time that is in each bin as far as it is
        known. With equal weights: both parts of the sum of shares.
    """

    histograms: tuple[RecordingHistogram, ...]
    selection: Selection
    first: IntArray
    second: IntArray
    factors: dict[int, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def over(cls, study: Study, selection: Selection = ALL_GAZE) -> Pool:
        """Return an empty sum over the recordings of a study."""
        return cls.of(select(study, selection), study.grid.shape, selection)

    @classmethod
    def of(
        cls,
        histograms: tuple[RecordingHistogram, ...],
        shape: tuple[int, int],
        selection: Selection = ALL_GAZE,
    ) -> Pool:
        """Return an empty sum over histograms of a shape, as they were selected."""
        return cls(histograms, selection, np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    def take(self, wanted: Set[int]) -> Pooled:
        """Return the sum over some recordings, by their positions.

        Its arrays may be the pool's own, which the next call changes.
        """
        factors = self._factors(wanted)
        none = (0, 0)
        for i in factors.keys() | self.factors.keys():
            new, old = factors.get(i, none), self.factors.get(i, none)
            for total, times, before in zip((self.first, self.second), new, old, strict=True):
                if times != before:
                    self.histograms[i].add(total.reshape(-1), times - before)
        self.factors = factors
        chosen = [self.histograms[i] for i in wanted]
        times_ns = [one.gaze_ns for one in chosen]
        is_timed = None not in times_ns
        is_pooled = self.selection.weight == "pooled"
        return Pooled(
            bins=self.first if is_pooled else self._shares(),
            gaze_ns=self.second if is_pooled and is_timed else None,
            counts=sum((one.counts for one in chosen), Counts()),
            recordings=len(chosen),
            amount=sum(one.amount for one in chosen),
            total_ns=sum(one or 0 for one in times_ns) if is_timed else None,
            selection=self.selection,
        )

    def _factors(self, wanted: Set[int]) -> dict[int, tuple[int, int]]:
        """Return what each recording's histogram is multiplied with in both sums."""
        weight = self.selection.weight
        if weight == "pooled":
            return {i: (1, self.histograms[i].entry_ns or 0) for i in wanted}
        of_group: dict[str, int] = {}
        for i in wanted:
            group = self._group(i)
            of_group[group] = of_group.get(group, 0) + self.histograms[i].amount
        return {i: _share(amount) for i in wanted if (amount := of_group[self._group(i)])}

    def _group(self, position: int) -> str:
        return group_of(self.selection.weight, position, self.histograms[position])

    def _shares(self) -> npt.NDArray[np.float64]:
        first = self.first.astype(np.float64) * 2.0**-_FIRST_BITS
        return first + self.second.astype(np.float64) * 2.0 ** -(_FIRST_BITS + _SECOND_BITS)


def _share(amount: int) -> tuple[int, int]:
    """Return 1 / amount in whole numbers of 2 ** -50, and of 2 ** -72."""
    first, rest = divmod(2**_FIRST_BITS, amount)
    return first, (rest << _SECOND_BITS) // amount if amount <= _MOST_AMOUNT else 0


def shares(
    histograms: Sequence[RecordingHistogram], chosen: Iterable[int], weight: Weight = "pooled"
) -> dict[int, float]:
    """Return the part that each of some recordings has in their sum, 0 to 1, by position.

    Parameters
    ----------
    histograms : sequence of RecordingHistogram
    chosen : iterable of int
        Positions of the recordings.
    weight : "pooled", "recording" or "wearer"
    """
    groups: dict[str, list[int]] = {}
    for i in chosen:
        group = "" if weight == "pooled" else group_of(weight, i, histograms[i])
        groups.setdefault(group, []).append(i)
    totals = {group: sum(histograms[i].amount for i in some) for group, some in groups.items()}
    say = sum(total > 0 for total in totals.values())
    return {
        i: histograms[i].amount / totals[group] / say if totals[group] else 0.0
        for group, some in groups.items()
        for i in some
    }


def pool(
    histograms: Iterable[RecordingHistogram],
    shape: tuple[int, int],
    selection: Selection = ALL_GAZE,
) -> Pooled:
    """Add up histograms, weighted as they were selected, and their counts.

    Parameters
    ----------
    histograms : iterable of RecordingHistogram
    shape : (int, int)
        Rows and columns of the grid.
    selection : Selection
        What the histograms were selected by.
    """
    chosen = tuple(histograms)
    return Pool.of(chosen, shape, selection).take(set(range(len(chosen))))
