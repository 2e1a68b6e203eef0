"""A study: one enrichment over its picture, its recordings as tracks."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from gazeheat_core.corrections import Corrections, add_up, are_moved, place
from gazeheat_core.grid import Grid
from gazeheat_core.model import Enrichment, Export, Fixations, Frame, Section
from gazeheat_core.stuck import say_stuck
from gazeheat_core.tracks import (
    TICK_NS,
    Track,
    TrackBuilder,
    are_rounded,
    no_track,
    sampling_interval_ns,
    whole_ms,
)

# What a track takes beside its entries: the objects around three arrays.
_TRACK_BYTES = 800
_NOT_COMPARED = Corrections()


@dataclass(frozen=True, eq=False, slots=True)
class SectionTracks:
    """The part of a recording between two events, over a grid.

    Attributes
    ----------
    id : str
    gaze : Track
    fixations : Track or None
        None where the export has no fixations that can be used.
    unreadable : int
        Rows of gaze that could not be read.
    listed_twice : int
        Rows of gaze that repeat another one; they are no entries of `gaze`.
    fixations_unreadable, fixations_listed_twice : int
        The same of the rows of fixations.
    fixations_compared, fixations_corrected, fixations_mirrored : int
        As `Corrections`.
    first_ns, last_ns : int
        First and last moment of the gaze that was read, in nanoseconds since the Unix
        epoch; of the fixations where there is no gaze. Both 0 without any.
    sampling_interval_ns : int
        The time between two samples; 0 where the times tell nothing.
    start_ns : int or None
        Where the section begins as ``sections.csv`` has it.
    start_event, end_event : str
        Names of the events, empty where the export has no ``sections.csv``.
    """

    id: str
    gaze: Track
    fixations: Track | None = None
    unreadable: int = 0
    listed_twice: int = 0
    fixations_unreadable: int = 0
    fixations_listed_twice: int = 0
    fixations_compared: int = 0
    fixations_corrected: int = 0
    fixations_mirrored: int = 0
    first_ns: int = 0
    last_ns: int = 0
    sampling_interval_ns: int = 0
    start_ns: int | None = None
    start_event: str = ""
    end_event: str = ""

    @property
    def rows(self) -> int:
        """Rows of gaze in the file."""
        return len(self.gaze) + self.listed_twice + self.unreadable

    @property
    def fixation_rows(self) -> int:
        """Rows of fixations in the file."""
        known = 0 if self.fixations is None else len(self.fixations)
        return known + self.fixations_listed_twice + self.fixations_unreadable

    @property
    def start(self) -> int:
        """Moment from which windows count, in ticks since the Unix epoch.

        The stated beginning or the first sample, whichever is earlier; without samples the
        first fixation.
        """
        moments = [] if self.start_ns is None else [self.start_ns // TICK_NS]
        span = self.gaze.span
        if span is None and self.fixations is not None:
            span = self.fixations.span
        return min([*moments, *(span[:1] if span else ())], default=0)

    @property
    def duration_ns(self) -> int | None:
        """Time from the first to the last moment; None where there are entries without times."""
        # Each tick asks every section: most tell it at once.
        if self.first_ns == self.last_ns:
            tracks = [track for track in (self.gaze, self.fixations) if track is not None]
            if any(map(len, tracks)) and not any(track.timed for track in tracks):
                return None
        return self.last_ns - self.first_ns


@dataclass(frozen=True, eq=False, slots=True)
class RecordingTracks:
    """One recording of one wearer, over a grid.

    Attributes
    ----------
    id, name, wearer : str
        The last two are empty where the export has no ``sections.csv``.
    sections : tuple of SectionTracks
        In the order of the file.
    """

    id: str
    name: str
    wearer: str
    sections: tuple[SectionTracks, ...]

    @property
    def rows(self) -> int:
        """Rows of gaze in the file, the unreadable ones among them."""
        return sum(section.rows for section in self.sections)

    @property
    def stretches(self) -> tuple[tuple[int, Track], ...]:
        """Where each section begins, in ticks since the Unix epoch, and its gaze."""
        return tuple((section.start, section.gaze) for section in self.sections)

    @property
    def duration_ns(self) -> int | None:
        """Time from first to last moment, added up over the sections; None without times."""
        lengths = [section.duration_ns for section in self.sections]
        known = [length for length in lengths if length is not None]
        return sum(known) if known or not lengths else None

    @property
    def sampling_interval_ns(self) -> int:
        """The time between two samples of its longest section that tells it; else 0.

        All sections come from the same tracker.
        """
        telling = [section for section in self.sections if section.sampling_interval_ns]
        longest = max(telling, key=lambda section: len(section.gaze), default=None)
        return 0 if longest is None else longest.sampling_interval_ns

    def digest(self, *, of_fixations: bool = False) -> str:
        """Return a SHA-256 digest of its gaze, in hexadecimal; it looks at all samples.

        It is of what was read: each section's id, its rows that could not be read or are
        listed twice, and its track. A digest of the file's bytes could not be had when the
        study comes from parts or from the cache. This one is the same for a ZIP, a folder and
        loose files, by whomever they are read, and whatever the columns are called and in
        which order they stand. It is of the cells of the study's grid: over a picture of
        another size, it is another one.

        Parameters
        ----------
        of_fixations : bool
            Take the fixations in place of the gaze.
        """
        digest = sha256(_length(len(self.sections)))
        for section in self.sections:
            track, lost = section.gaze, f"{section.unreadable} {section.listed_twice}"
            if of_fixations:
                track = section.fixations if section.fixations is not None else no_track()
                lost = f"{section.fixations_unreadable} {section.fixations_listed_twice}"
            rows = f"{lost} {track.zero}"
            for text in (section.id, rows):
                data = text.encode("utf-8", "surrogatepass")
                digest.update(_length(len(data)) + data)
            # The order of bytes is fixed, whatever the machine's own.
            value = "<u4" if of_fixations else "u1"
            for column, dtype in ((track.time, "<u4"), (track.cell, "<u4"), (track.value, value)):
                digest.update(_length(len(column)))
                digest.update(np.ascontiguousarray(column, dtype).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True, weakref_slot=True)
class Study(Enrichment[RecordingTracks]):
    """One enrichment over its picture: all that can be asked of it.

    Attributes
    ----------
    grid : Grid
        Of the picture that the gaze was mapped to.
    """

    grid: Grid

    @property
    def has_gaze(self) -> bool:
        """Whether there are rows of gaze, or no fixations either."""
        sections = [section for one in self.recordings for section in one.sections]
        return (
            any(section.rows for section in sections)
            or self.unassigned_rows > 0
            or not any(section.fixation_rows for section in sections)
        )

    @property
    def has_times(self) -> bool:
        """Whether a sample or a fixation has a time that can be told."""
        return any(
            track.timed
            for one in self.recordings
            for section in one.sections
            for track in (section.gaze, section.fixations)
            if track is not None
        )

    @property
    def size_bytes(self) -> int:
        """About the memory that it takes."""
        tracks = [
            track
            for recording in self.recordings
            for section in recording.sections
            for track in (section.gaze, section.fixations)
            if track is not None
        ]
        picture = 0 if self.image is None else len(self.image.data)
        return picture + sum(track.size_bytes + _TRACK_BYTES for track in tracks)


def _length(length: int) -> bytes:
    """Write a length, so that no two contents make the same bytes."""
    return length.to_bytes(8, "little")


def finish_section(
    id: str,
    gaze: TrackBuilder,
    fixations: TrackBuilder | None,
    *,
    has_times: bool,
    has_moments: bool = True,
    grid: int = 0,
    start_ns: int | None = None,
    events: tuple[str, str] = ("", ""),
    corrections: Corrections = _NOT_COMPARED,
) -> SectionTracks:
    """Make a section of what was read of it.

    Parameters
    ----------
    id : str
    gaze : TrackBuilder
    fixations : TrackBuilder or None
    has_times : bool
        False where the times of all sections are rounded, as `are_rounded` tells.
    has_moments : bool
        False where the tables have no times at all.
    grid : int
        Position of the grid that is wanted.
    start_ns : int or None
        Where it begins as ``sections.csv`` has it.
    events : (str, str)
        Names of its first and last event.
    corrections : Corrections
        What became of its fixations.
    """
    track, listed_twice = gaze.finish(grid, has_times=has_times and not gaze.whole_seconds.are_all)
    fixated, fixations_listed_twice = None, 0
    if fixations is not None:
        # Those that all begin at one moment have no times at all.
        are_timed = fixations.first_ns < fixations.last_ns or (has_moments and len(fixations) < 2)
        fixated, fixations_listed_twice = fixations.finish(grid, has_times=are_timed)
    first_ns, last_ns = gaze.first_ns, gaze.last_ns
    if fixated is not None and fixated.timed and not (len(gaze) or gaze.unreadable):
        first_ns, last_ns = _fixated_ns(fixated)
    return SectionTracks(
        id=id,
        gaze=track,
        fixations=fixated,
        unreadable=gaze.unreadable,
        listed_twice=listed_twice,
        fixations_unreadable=0 if fixations is None else fixations.unreadable,
        fixations_listed_twice=fixations_listed_twice,
        fixations_compared=corrections.compared,
        fixations_corrected=corrections.corrected,
        fixations_mirrored=corrections.mirrored,
        first_ns=first_ns,
        last_ns=last_ns,
        sampling_interval_ns=sampling_interval_ns(track),
        start_ns=start_ns,
        start_event=events[0],
        end_event=events[1],
    )


def _fixated_ns(fixations: Track) -> tuple[int, int]:
    """Return when the first fixation begins and the last one ends, in nanoseconds."""
    timed = fixations.timed
    ends_ms = fixations.time[:timed] * (TICK_NS / 1e6) + fixations.value[:timed]
    zero_ns = fixations.zero * TICK_NS
    return zero_ns + int(fixations.time[0]) * TICK_NS, zero_ns + round(float(ends_ms.max()) * 1e6)


def track_export(export: Export) -> Study:
    """Put the gaze and the fixations of an export over its picture.

    Raises
    ------
    PictureMissingError
        When the export has no picture yet, so that there is no grid.
    """
    size = export.size()
    grid = Grid.over(export.grid_size or size, export.frame)
    read = [[_builders(section, grid) for section in one.sections] for one in export.recordings]
    rounded = are_rounded(gaze.whole_seconds for sections in read for gaze, _ in sections)
    recordings = tuple(
        RecordingTracks(
            recording.id,
            recording.name,
            recording.wearer,
            tuple(
                finish_section(
                    section.id,
                    *builders,
                    has_times=export.has_times and not rounded,
                    has_moments=export.has_times,
                    start_ns=section.start_ns,
                    events=(section.start_event, section.end_event),
                    corrections=_corrections(section.fixations, export.frame, grid.frame),
                )
                for section, builders in zip(recording.sections, sections, strict=True)
            ),
        )
        for recording, sections in zip(export.recordings, read, strict=True)
    )
    stuck = say_stuck(export.title, [one.stretches for one in recordings], grid, export.size())
    return Study(
        name=export.name,
        kind=export.kind,
        frame=export.frame,
        is_of_pupil_cloud=export.is_of_pupil_cloud,
        columns=export.columns,
        recordings=recordings,
        image=export.image,
        unassigned_rows=export.unassigned_rows,
        unassigned_fixations=export.unassigned_fixations,
        notices=(*export.notices, *stuck),
        grid=grid,
    )


def _builders(section: Section, grid: Grid) -> tuple[TrackBuilder, TrackBuilder | None]:
    gaze = TrackBuilder()
    gaze.unreadable = section.unreadable
    samples = section.gaze
    in_fixation = samples.in_fixation
    if in_fixation is None:
        in_fixation = np.zeros(len(samples), np.uint8)
    gaze.append(samples.timestamp_ns, in_fixation, grid.cells(samples.x, samples.y))
    if section.fixations is None:
        return gaze, None
    fixations, found = TrackBuilder(1, np.uint32), section.fixations
    fixations.unreadable = found.unreadable
    fixations.append(found.start_ns, whole_ms(found.duration_ms), grid.cells(found.x, found.y))
    return gaze, fixations


def _corrections(fixations: Fixations | None, unit: Frame | None, frame: Frame) -> Corrections:
    """Compare where fixations stand with the means of their samples."""
    if fixations is None or fixations.gaze_x is None or fixations.gaze_y is None:
        return _NOT_COMPARED
    known = np.flatnonzero(np.isfinite(fixations.x) & np.isfinite(fixations.gaze_x))
    ids, section = fixations.fixation_id[known], np.zeros(len(known), np.int64)
    # The same fixation once, as `add_up` has it.
    stated = add_up([place(section, ids, fixations.x[known], fixations.y[known], unit)])
    first = known[np.unique(ids, return_index=True)[1]]
    means = fixations.gaze_x[first], fixations.gaze_y[first]
    corrected, mirrored = are_moved(*stated.means(unit), *means, frame)
    return Corrections(
        len(first), int(np.count_nonzero(corrected)), int(np.count_nonzero(mirrored))
    )
