"""What is asked of a study: one histogram for each recording.

A recording's ticked sections are cut to the window and counted; an entry that two of them
list counts once. All that follows works on these histograms and does not depend on the
number of samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from operator import add
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from gazeheat_core.errors import SettingError
from gazeheat_core.model import Export, IntArray, recording_labels
from gazeheat_core.settings import COUNTING, MEASURE, Measure, Weight
from gazeheat_core.study import RecordingTracks, SectionTracks, Study, track_export
from gazeheat_core.tracks import TICKS_A_SECOND, Track, join, no_track
from gazeheat_core.windows import (
    MOST_SHORT,
    ShortTracks,
    counted_track,
    entries_a_histogram,
)

_LONGEST_S = 1e9
_NS_A_MS = 1_000_000
# Few entries that are counted together.
_AT_A_TIME = 2**18


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


class Counts(NamedTuple):
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
        return sum(self)

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        return Counts(*map(add, self, other))


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


@dataclass(eq=False, slots=True)  # not frozen: a thousand are made for each window
class RecordingHistogram:
    """One recording, reduced to what a heatmap needs.

    Attributes
    ----------
    id, name, wearer, label : str
        `label` tells the recordings of an export apart.
    duration_ns : int or None
        Time from first to last sample, added up over the sections that are asked for; None
        where the times cannot be told.
    sampling_interval_ns : int
        The time that a sample stands for; 0 where the times tell nothing.
    counts : Counts
    amount : int
        What the histogram adds up to: samples, fixations, or their milliseconds.
    entry_ns : int or None
        The time that 1 in the histogram stands for; None where it cannot be told.
    shape : (int, int)
        Rows and columns of the grid.
    part : Part
        The entries themselves.
    """

    id: str
    name: str
    wearer: str
    label: str
    duration_ns: int | None
    sampling_interval_ns: int
    counts: Counts
    amount: int
    entry_ns: int | None
    shape: tuple[int, int]
    part: Part

    @property
    def bins(self) -> IntArray:
        """What is counted in each bin, of the grid's shape; row 0 is the top."""
        rows, columns = self.shape
        total = np.zeros(rows * columns + 2, np.int64)
        add_parts([total], [(self.part, [1])])
        return total[:-2].reshape(self.shape)

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

    def inside(
        self, rectangles: Sequence[tuple[slice, slice]], marks: npt.NDArray[Any]
    ) -> list[int]:
        """Return what is counted in rectangles of bins.

        Parameters
        ----------
        rectangles : sequence of (slice, slice)
            Rows and columns.
        marks : array, shape (codes,)
            For each code a number whose bit ``i`` is set where rectangle ``i`` holds it.
        """
        return self.part.inside(self.shape, rectangles, marks)


def measures_of(study: Study) -> tuple[Measure, ...]:
    """Return what can be counted in a study: fixations are not in every export."""
    sections = [section for one in study.recordings for section in one.sections]
    fixations = [section.fixations for section in sections if section.fixations is not None]
    has_gaze = study.has_gaze
    has: dict[Measure, bool] = {
        "gaze": has_gaze,
        "fixation-gaze": any(section.gaze.value.any() for section in sections),
        # A table of fixations alone may not say how long they are.
        "fixation-duration": (has_gaze and bool(fixations))
        or any(track.value.any() for track in fixations),
        "fixation-count": bool(fixations),
    }
    return tuple(measure for measure in _ENTRIES if has[measure])


def first_measure(study: Study) -> Measure:
    """Return what is counted where nothing else is asked for.

    Gaze, or fixations by duration of a study that has no gaze; by number where it does not tell
    their durations either.
    """
    return measures_of(study)[0]


def check_measure(study: Study, measure: Measure) -> None:
    """Check that a measure can be counted in a study.

    Raises
    ------
    SettingError
    """
    known = measures_of(study)
    if measure in known:
        return
    if not study.has_gaze:
        lacks = "gaze" if not is_of_fixations(measure) else "durations of its fixations"
        remedy = f"Choose the measure {known[0]}, or export it again, with what is missing."
    else:
        lacks = (
            "fixations that can be read"
            if is_of_fixations(measure)
            else "column that says which gaze samples belong to a fixation"
        )
        remedy = "Choose the measure gaze, or download the export again, with its fixations."
    raise SettingError(
        f"{study.title}: the export has no {lacks}, so "
        f"'{MEASURE.titles[measure].lower()}' cannot be counted. {remedy}"
    )


def check_selection(study: Study, selection: Selection) -> None:
    """Check that what is asked for can be counted in a study.

    Raises
    ------
    SettingError
    """
    check_measure(study, selection.measure)
    if selection.window_s is not None and not study.has_times:
        raise SettingError(
            f"{study.title}: its times cannot be read, so no window of time can be counted. Leave "
            "the window out, or export the study again, with its times."
        )


def rows_of(study: Study, measure: Measure) -> tuple[int, int]:
    """Return how many rows of what is counted a study's files have, and how many are of no one.

    Parameters
    ----------
    study : Study
    measure : str

    Returns
    -------
    rows, unassigned : int
        The second are among the first.
    """
    of_fixations = is_of_fixations(measure)
    unassigned = study.unassigned_fixations if of_fixations else study.unassigned_rows
    return _prepare(study, of_fixations=of_fixations).rows + unassigned, unassigned


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

    Whole recordings are counted once: a study keeps what was counted of them.

    Parameters
    ----------
    study : Study
    selection : Selection
        By default all gaze.
    """
    counting = _Counting(study, selection)
    return tuple(counting.histogram(i) for i in range(len(study.recordings)))


def bin_recordings(export: Export) -> tuple[RecordingHistogram, ...]:
    """Take the histogram of every recording of an export, in its order, as `first_measure`.

    Raises
    ------
    PictureMissingError
        When the export has no picture yet, so that there is no grid.
    """
    study = track_export(export)
    return select(study, Selection(first_measure(study)))


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
        yield counting.stretches(counting.wanted(position))


class _Rows(NamedTuple):
    """The rows of some sections.

    Attributes
    ----------
    total, unreadable, listed_twice, untimed : int
        Rows of the file; some of which cannot be read, repeat another one, or have no time.
    duration_ns : int
    """

    total: int
    unreadable: int
    listed_twice: int
    untimed: int
    duration_ns: int

    @classmethod
    def of(cls, places: Iterable[_Place]) -> _Rows:
        """Add up those of sections."""
        return cls(*map(sum, zip(_NO_ROWS, *(place.rows for place in places), strict=True)))


_NO_ROWS = _Rows(0, 0, 0, 0, 0)


class _Place(NamedTuple):
    """A section, and what of it is the same whatever is asked for.

    Attributes
    ----------
    track : Track
        Of gaze, or of fixations.
    start : int
        The section's beginning, in ticks since the Unix epoch.
    rows : _Rows
    short : int
        Position among the short tracks that are looked up together; -1 for any other.
    """

    track: Track
    start: int
    rows: _Rows
    short: int = -1

    @classmethod
    def of(cls, section: SectionTracks, *, of_fixations: bool) -> _Place:
        """Take it from a section."""
        if of_fixations:
            track = no_track() if section.fixations is None else section.fixations
            lost = section.fixations_unreadable, section.fixations_listed_twice
            rows = section.fixation_rows
        else:
            track, rows = section.gaze, section.rows
            lost = section.unreadable, section.listed_twice
        untimed = len(track) - track.timed
        return cls(track, section.start, _Rows(rows, *lost, untimed, section.duration_ns or 0))


@dataclass(eq=False, slots=True)
class _Prepared:
    """A recording, and what of it is the same whatever is asked for.

    Attributes
    ----------
    recording : RecordingTracks
    label : str
    interval_ns : int
    places : tuple of _Place
        Its sections.
    rows : _Rows
        Of all of them.
    overlaps : bool
        Whether some of them share some time.
    has_length : bool
        Whether it can be told how long they are.
    whole : dict of str to RecordingHistogram
        All of it, by measure, once it was counted.
    """

    recording: RecordingTracks
    label: str
    interval_ns: int
    places: tuple[_Place, ...]
    rows: _Rows
    overlaps: bool
    has_length: bool
    whole: dict[Measure, RecordingHistogram] = field(default_factory=dict)

    @classmethod
    def of(cls, recording: RecordingTracks, label: str, *, of_fixations: bool) -> _Prepared:
        """Take it from a recording."""
        places = tuple(_Place.of(one, of_fixations=of_fixations) for one in recording.sections)
        groups = _overlapping((one.track, 0, len(one.track)) for one in places)
        overlaps = any(len(group) > 1 for group in groups)
        has_length = recording.duration_ns is not None
        interval_ns = recording.sampling_interval_ns
        rows = _Rows.of(places)
        return cls(recording, label, interval_ns, places, rows, overlaps, has_length)


@dataclass(eq=False, slots=True)
class _PreparedStudy:
    """The recordings of a study, and what of them is the same whatever is asked for.

    Attributes
    ----------
    recordings : list of _Prepared
    rows : int
        Of all of them.
    step : int
        Entries that a track has at least which has kept histograms; 0 where none has.
    short : list of _Place
        Sections of few entries that overlap no other.
    tables : dict of str to ShortTracks
        The same for a measure, once a window was asked for.
    """

    recordings: list[_Prepared]
    rows: int
    step: int
    short: list[_Place] = field(default_factory=list)
    tables: dict[Measure, ShortTracks] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, *, of_fixations: bool) -> _PreparedStudy:
        """Take it from a study."""
        labels = recording_labels(study.recordings)
        recordings = [
            _Prepared.of(recording, label, of_fixations=of_fixations)
            for recording, label in zip(study.recordings, labels, strict=True)
        ]
        tracks = [place.track for one in recordings for place in one.places]
        entries = sum(map(len, tracks))
        # Fixations are few, and a kept histogram of milliseconds could not tell how many.
        step = 0 if of_fixations else entries_a_histogram(entries, study.grid.codes)
        prepared = cls(recordings, sum(one.rows.total for one in recordings), step)
        few = [len(track) for track in tracks if not step or len(track) <= step]
        if sum(few) <= MOST_SHORT:
            prepared.number()
        return prepared

    def number(self) -> None:
        """Let the short tracks be looked up together."""
        for one in self.recordings:
            if one.overlaps or (self.step and any(len(p.track) > self.step for p in one.places)):
                continue
            places = [
                place._replace(short=len(self.short) + k) for k, place in enumerate(one.places)
            ]
            self.short += places
            one.places = tuple(places)


_prepared: WeakKeyDictionary[Study, dict[bool, _PreparedStudy]] = WeakKeyDictionary()


def _prepare(study: Study, *, of_fixations: bool) -> _PreparedStudy:
    """Return what is known of a study; visitors who have it open share it."""
    both = _prepared.setdefault(study, {})
    if of_fixations not in both:
        both[of_fixations] = _PreparedStudy.of(study, of_fixations=of_fixations)
    return both[of_fixations]


class _Counting:
    """Counts what is asked of the recordings of a study."""

    def __init__(self, study: Study, selection: Selection) -> None:
        self.shape = study.grid.shape
        self.outside = study.grid.outside
        self.selection = selection
        self.entries = _ENTRIES[selection.measure]
        prepared = _prepare(study, of_fixations=self.entries.of_fixations)
        self.prepared, self.step = prepared.recordings, prepared.step
        self.window: tuple[int, int] | None = None
        self.table: ShortTracks | None = None
        if selection.window_s is not None:
            first_s, last_s = selection.window_s
            self.window = round(first_s * TICKS_A_SECOND), round(last_s * TICKS_A_SECOND)
            self.look_up(prepared)

    def look_up(self, prepared: _PreparedStudy) -> None:
        """Look the window up in all short tracks."""
        if not prepared.short:
            return
        assert self.window is not None
        measure = self.selection.measure
        if measure not in prepared.tables:
            prepared.tables[measure] = ShortTracks(
                [(place.track, place.start) for place in prepared.short],
                self.outside,
                of_fixations=self.entries.of_fixations,
                weighted=self.entries.weighted,
            )
        self.table = prepared.tables[measure]
        self.found = self.table.look_up(self.window)

    def histogram(self, position: int) -> RecordingHistogram:
        """Count one recording."""
        one = self.prepared[position]
        places = self.wanted(position)
        if self.window is not None or len(places) < len(one.places):
            return self.count(one, places)
        measure = self.selection.measure
        if measure not in one.whole:
            one.whole[measure] = self.count(one, places)
        return one.whole[measure]

    def wanted(self, position: int) -> Sequence[_Place]:
        """Return the sections of a recording that are asked for."""
        places, wanted = self.prepared[position].places, self.selection.sections
        if wanted is None:
            return places
        return [place for k, place in enumerate(places) if (position, k) in wanted]

    def count(self, one: _Prepared, places: Sequence[_Place]) -> RecordingHistogram:
        """Count the entries of sections of a recording, and account for every row."""
        if self.table is not None and places and places[0].short >= 0:
            part, (used, outside, undetected, amount) = self.looked_up(self.table, places)
        else:
            part = self.part(one, places)
            used, outside, undetected, amount = part.kinds()
        of_these = one.rows if len(places) == len(one.places) else _Rows.of(places)
        rows, unreadable, listed_twice, untimed, duration_ns = of_these
        listed_twice += part.listed_twice
        if self.window is None:
            untimed = 0
        kinds = used + outside + undetected
        # A gaze sample outside of fixations has the value 0.
        no_fixation = part.entries - kinds
        recording = one.recording
        return RecordingHistogram(
            recording.id,
            recording.name,
            recording.wearer,
            one.label,
            duration_ns if one.has_length else None,
            one.interval_ns,
            Counts(
                used,
                outside,
                undetected,
                unreadable,
                listed_twice,
                no_fixation,
                rows - kinds - unreadable - listed_twice - untimed - no_fixation,
                untimed,
                one.rows.total - rows,
            ),
            amount,
            self.entry_ns(one.interval_ns),
            self.shape,
            part,
        )

    def entry_ns(self, interval_ns: int) -> int | None:
        """Return the time that 1 in a histogram stands for."""
        if self.entries.of_fixations:
            return _NS_A_MS if self.entries.weighted else None
        return interval_ns or None

    def stretches(self, places: Iterable[_Place]) -> list[Stretch]:
        """Cut sections to the window."""
        return [
            Stretch(place.track, *self.bounds(place), place.start, self.entries.weighted)
            for place in places
            if len(place.track)
        ]

    def part(self, one: _Prepared, places: Sequence[_Place]) -> Part:
        """Cut sections to the window; those that then share some time become one."""
        part = Part(self.outside, *self.entries)
        if not one.overlaps:
            for place in places:
                part.take(place.track, *self.bounds(place), self.step)
            return part
        for together in _overlapping(stretch[:3] for stretch in self.stretches(places)):
            if len(together) == 1:
                part.take(*together[0], self.step)
            else:
                track, repeated = join([track.part(*bounds) for track, *bounds in together])
                part.listed_twice += repeated
                part.take(track, 0, len(track), 0)
        return part

    def looked_up(
        self, table: ShortTracks, places: Sequence[_Place]
    ) -> tuple[Part, tuple[int, int, int, int]]:
        """Take sections of few entries from what was looked up, with their kinds."""
        part, cells, values = Part(self.outside, *self.entries), table.cell, table.value
        used = outside = undetected = amount = 0
        for place in places:
            first, last, is_used, is_outside, is_undetected, adds = self.found[place.short]
            if first == last:
                continue
            part.entries += last - first
            value = None if values is None else values[first:last]
            part.few.append((cells[first:last], value))
            used += is_used
            outside += is_outside
            undetected += is_undetected
            amount += adds
        return part, (used, outside, undetected, amount)

    def bounds(self, place: _Place) -> tuple[int, int]:
        """Return the first entry of a section in the window, and the first one after it."""
        if self.window is None:
            return 0, len(place.track)
        first, last = self.window
        return place.track.bounds(place.start + first, place.start + last)


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
class Part:
    """The part of a recording that is asked for.

    Many entries are one histogram, in which few more are counted one by one.

    Attributes
    ----------
    outside : int
        As of the grid.
    of_fixations, weighted : bool
        What the entries are, and whether they count with their value.
    entries : int
        How many they are; gaze samples in no fixation among them.
    listed_twice : int
        Those that were left out, since another section lists them too.
    codes : array, shape (codes,), or None
        The histogram of many; outside and undetected at its end.
    few : list of (array, array or None)
        Cells, and values where they count with these.
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
        if first >= last:
            return
        self.entries += last - first
        if not step or len(track) <= step:
            value = track.value[first:last] if self.weighted else None
            self.few.append((track.cell[first:last], value))
            return
        counted = counted_track(track, self.outside + 2, weighted=self.weighted)
        codes = counted.between(first, last, step)
        self.codes = codes if self.codes is None else self.codes.astype(np.int64) + codes

    def kinds(self) -> tuple[int, int, int, int]:
        """Return how many entries are used, outside and undetected, and what is counted."""
        used = outside = undetected = amount = 0
        if self.codes is not None:
            used = amount = int(self.codes[: self.outside].sum())
            outside, undetected = self.codes[self.outside :].tolist()
        for cell, value in self.few:
            if value is not None and not self.of_fixations:
                # A gaze sample outside of fixations has the value 0.
                cell, value = cell[value > 0], None
            is_inside = cell < self.outside
            inside = int(np.count_nonzero(is_inside))
            used += inside
            amount += inside if value is None else int(value[is_inside].sum(dtype=np.int64))
            if inside < len(cell):
                beside = int(np.count_nonzero(cell == self.outside))
                outside += beside
                undetected += len(cell) - inside - beside
        return used, outside, undetected, amount

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


# Cells, and values where they count with these.
_Few = tuple[npt.NDArray[Any], npt.NDArray[Any] | None]


def add_parts(totals: Sequence[IntArray], parts: Iterable[tuple[Part, Sequence[int]]]) -> None:
    """Add the histograms of parts of recordings to arrays, each as often as it is told.

    Parameters
    ----------
    totals : sequence of int64 array, shape (codes,)
    parts : iterable of (Part, sequence of int)
        With how often it is added to each of the arrays.
    """
    few: list[_Few] = []
    often: list[Sequence[int]] = []
    waiting = 0
    for part, times in parts:
        if part.codes is not None:
            for total, count in zip(totals, times, strict=True):
                if count:
                    total += part.codes if count == 1 else count * part.codes.astype(np.int64)
        for one in part.few:
            few.append(one)
            often.append(times)
            waiting += len(one[0])
        if waiting > _AT_A_TIME:
            _add_few(totals, few, often)
            few, often, waiting = [], [], 0
    _add_few(totals, few, often)


def _add_few(
    totals: Sequence[IntArray], few: Sequence[_Few], often: Sequence[Sequence[int]]
) -> None:
    """Add entries, each stretch of them as often as it is told."""
    if not few:
        return
    # One call for many recordings: a call costs as much as a thousand entries.
    cells = np.concatenate([cell for cell, _ in few]).astype(np.intp)
    lengths = [len(cell) for cell, _ in few]
    values = None
    if any(value is not None for _, value in few):
        values = np.concatenate(
            [np.ones(len(cell), np.int64) if value is None else value for cell, value in few]
        ).astype(np.int64)
    for total, times in zip(totals, zip(*often, strict=True), strict=True):
        least, most = min(times), max(times)
        if least == most == 0:
            continue
        amounts: Any = least if least == most else np.repeat(times, lengths)
        np.add.at(total, cells, amounts if values is None else amounts * values)
