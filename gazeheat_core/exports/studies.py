"""A found export to a study over its picture: tracks over the picture's grid.

The page, the command line, other processes and the cache work with these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gazeheat_core.corrections import Corrections, PlaceSums, compare
from gazeheat_core.errors import LimitError, PictureMissingError
from gazeheat_core.exports.blocks import (
    CloudTable,
    Growing,
    TableSections,
    by_recording,
    check_sections,
    collect,
    fixations_or_notice,
    fixations_table,
    gaze_table,
    placed,
)
from gazeheat_core.exports.contents import OnRows, SectionKey
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.exports.judging import (
    count_thousandfold,
    count_tracked,
    doubt_picture,
    fits_turned,
    judge_gaze,
    judge_positions,
)
from gazeheat_core.exports.picture import as_guess
from gazeheat_core.exports.reading import read_export, read_images
from gazeheat_core.exports.sections import Described, read_sections
from gazeheat_core.exports.tables import Rows, Span, Tally
from gazeheat_core.grid import Grid
from gazeheat_core.model import Export, Frame, ReferenceImage
from gazeheat_core.stuck import say_stuck
from gazeheat_core.study import RecordingTracks, Study, finish_section, track_export
from gazeheat_core.tracks import TrackBuilder, are_rounded, whole_ms


class TableTracks(TableSections[TrackBuilder]):
    """What a table holds, or a stretch of it, over one grid or several."""

    def add(self, later: TableTracks, known: CloudTable) -> None:
        """Add what another stretch holds, one that comes later in the file.

        Raises
        ------
        LimitError
            When there are then too many sections.
        """
        numbers = {key: number for number, key in enumerate(self.sections)}
        own = [numbers.setdefault(key, len(numbers)) for key in later.sections]
        self.places.add_all(later.places, np.array(own, np.int64))
        self.tally += later.tally
        for key, builder in later.sections.items():
            if key in self.sections:
                self.sections[key].add(builder)
            else:
                self.sections[key] = builder
                check_sections(known, len(self.sections))

    @property
    def is_rounded(self) -> bool:
        """Whether all sections of some length have rounded times."""
        return are_rounded(builder.whole_seconds for builder in self.sections.values())


def read_tracks(
    known: CloudTable,
    grids: Sequence[Grid],
    *,
    span: Span | None = None,
    on_rows: OnRows | None = None,
) -> TableTracks:
    """Read a table of gaze or fixations, or a stretch of it, over one grid or several.

    Parameters
    ----------
    known : CloudTable
    grids : sequence of Grid
    span : (int, int), optional
        Read this stretch of the file only, one of `tables.split_lines`.
    on_rows : callable, optional
        Called with the number of rows read so far and the share of the file, from 0 to 1.

    Raises
    ------
    GazeheatError
        When it cannot be read, or holds more than the limits allow.
    """
    gaze = _GazeEntries(grids)
    keep = partial(_fixation_entries, grids) if known.of_fixations else gaze
    dtype = np.uint32 if known.of_fixations else np.uint8
    most_rows = known.table.file.limits.tracked_rows
    new = partial(TrackBuilder, len(grids), dtype)
    read = collect(known, keep, new, most_rows, span, on_rows)
    tally = replace(read.tally, thousandfold=gaze.thousandfold)
    return TableTracks(read.places, read.sections, tally)


def no_tracks(known: CloudTable) -> TableTracks:
    """Return what stretches of a table are added to."""
    return TableTracks(PlaceSums(known.table.file.limits.fixations))


@dataclass(slots=True)
class _GazeEntries:
    """Makes entries of rows of gaze, and counts the positions without their decimal point.

    These are looked at over the first grid: others are the same picture, turned.
    """

    grids: Sequence[Grid]
    thousandfold: int = 0

    def __call__(self, rows: Rows) -> Sequence[npt.NDArray[Any]]:
        x, y = rows.numbers
        cells = [grid.cells(x, y) for grid in self.grids]
        beside = np.flatnonzero((cells[0] == self.grids[0].outside) & rows.readable)
        if len(beside):
            self.thousandfold += count_thousandfold(self.grids[0], x[beside], y[beside])
        return rows.integers[0], rows.in_fixation, *cells


def _fixation_entries(grids: Sequence[Grid], rows: Rows) -> Sequence[npt.NDArray[Any]]:
    _, start_ns, _ = rows.integers
    x, y, duration_ms = rows.numbers
    return start_ns, whole_ms(duration_ms), *(grid.cells(x, y) for grid in grids)


def read_fixations(
    found: FoundExport, grids: Sequence[Grid], notices: list[str]
) -> TableTracks | None:
    """Read the fixations; None where there are none or they cannot be used."""
    with fixations_or_notice(notices):
        known = fixations_table(found)
        if known is not None:
            return read_tracks(known, grids)
    return None


def read_study(found: FoundExport, on_rows: OnRows | None = None) -> Study | Export:
    """Read an export over its picture, 9 bytes a gaze sample.

    An export without a picture, or with one that most of the gaze does not lie on, is read
    as by `read_export`: its positions wait for a picture. So is one whose picture is in doubt,
    as `doubt_picture` tells.

    Raises
    ------
    GazeheatError
        As `read_export`.
    """
    images, _ = read_images(found)
    if not images:
        return read_export(found, on_rows)
    if found.contents is not None:
        export = read_export(found, on_rows)
        return export if export.image is None or doubt_picture(export) else track_export(export)
    grids = [Grid.over(image.size, found.frame) for image in images]
    notices: list[str] = []
    described = read_sections(found, notices)
    gaze = read_tracks(gaze_table(found), grids, on_rows=on_rows)
    fixations = read_fixations(found, grids, notices)
    try:
        study = make_study(found, images, described, gaze, fixations, notices)
    except PictureMissingError:
        return read_export(found, on_rows)
    if doubt_picture(study):
        with suppress(LimitError):  # too large to be held: then it stays as it is
            return read_export(found, on_rows)
    return study


def make_study(
    found: FoundExport,
    images: Sequence[ReferenceImage],
    described: dict[str, Described],
    gaze: TableTracks,
    fixations: TableTracks | None,
    notices: Iterable[str] = (),
) -> Study:
    """Make a study of what was read of an export.

    Parameters
    ----------
    found : FoundExport
    images : sequence of ReferenceImage
        What the reference image may be, at least one; `gaze` and `fixations` were read over the
        grid of each. The one that most samples lie on is used.
    described : dict of Described
        As `read_sections` returns it.
    gaze, fixations : TableTracks
    notices : iterable of str
        What was said while it was read.

    Raises
    ------
    PictureMissingError
        When most samples do not lie on any of the pictures.
    GazeheatError
        As `read_export`.
    """
    grids = [Grid.over(image.size, found.frame) for image in images]
    inside = [_count_inside(gaze, i, grid) for i, grid in enumerate(grids)]
    best = inside.index(max(inside))
    study = Study(
        name=found.name,
        kind=found.kind,
        frame=found.frame,
        recordings=_join_tracks(described, gaze, fixations, found.frame, best, grids[best]),
        unassigned_rows=gaze.tally.unassigned,
        unassigned_fixations=0 if fixations is None else fixations.rows_beside(gaze.sections),
        grid=grids[best],
    )
    detected = sum(
        int(np.count_nonzero(builder.codes(best) != grids[best].undetected))
        for builder in gaze.sections.values()
    )
    said = _judge_rows(found, study, gaze.is_rounded, detected, gaze.tally)
    return judge_study(found, study, images, (*notices, *said), gaze.tally.thousandfold)


def judge_again(
    found: FoundExport,
    study: Study,
    images: Sequence[ReferenceImage],
    rounded: bool,
    notices: Iterable[str] = (),
) -> Study:
    """Give a study that was judged when it was made its picture and its notices again.

    Of what is not read in stretches all notices are kept with the study: only rows tell them.

    Parameters
    ----------
    found : FoundExport
    study : Study
    images : sequence of ReferenceImage
        As for `judge_study`.
    rounded : bool
        Whether the timestamps are whole seconds.
    notices : iterable of str
        What was said before.

    Raises
    ------
    GazeheatError
        As `make_study`.
    """
    if found.contents is not None:
        image = _image_of(study, images, count_tracked(study))
        return replace(study, name=found.name, kind=found.kind, image=image)
    return judge_study(
        found, study, images, (*notices, *_judge_rows(found, study, rounded, 0, Tally()))
    )


def _image_of(
    study: Study, images: Sequence[ReferenceImage], codes: npt.NDArray[Any]
) -> ReferenceImage:
    """Return which of the pictures a study lies on, by its grid."""
    image = next(image for image in images if image.size == study.grid.size)
    return as_guess(image) if len(images) > 1 and fits_turned(study.grid, codes) else image


def _judge_rows(
    found: FoundExport, study: Study, rounded: bool, detected: int, tally: Tally
) -> list[str]:
    """Judge the rows of a study, as `judge_gaze`."""
    sections = (section for one in study.recordings for section in one.sections)
    return judge_gaze(
        found,
        recordings=study.recordings,
        rows=study.rows,
        unreadable=sum(section.unreadable for section in sections) + study.unassigned_rows,
        detected=detected,
        tally=tally,
        rounded=rounded,
    )


def _count_inside(gaze: TableTracks, number: int, grid: Grid) -> int:
    codes = (builder.codes(number) for builder in gaze.sections.values())
    return sum(int(np.count_nonzero(one < grid.outside)) for one in codes)


def judge_study(
    found: FoundExport,
    study: Study,
    images: Sequence[ReferenceImage],
    notices: Iterable[str],
    thousandfold: int = 0,
) -> Study:
    """Give a study its picture, unless its gaze lies elsewhere, and its notices.

    Parameters
    ----------
    found : FoundExport
    study : Study
    images : sequence of ReferenceImage
        What the reference image may be; the one of the grid's size is used.
    notices : iterable of str
        What was said before.
    thousandfold : int
        As `count_thousandfold`.

    Raises
    ------
    PictureMissingError
        When most samples do not lie on the picture.
    ExportError
        When the positions are in another unit than the header says.
    """
    codes = count_tracked(study)
    label = str(found.gaze.file)
    misfit, doubts = judge_positions(label, study.frame, study.grid, codes, thousandfold)
    if misfit:
        # Says which picture is wanted, as for an export that came without one.
        replace(study, image_problem=misfit).size()
    image = _image_of(study, images, codes)
    # A copied folder has the same tracks under another name.
    study = replace(study, name=found.name, kind=found.kind, image=image, columns=found.columns)
    sections = [one.stretches for one in study.recordings]
    stuck = say_stuck(study.title, sections, study.grid, image.size)
    return replace(study, notices=(*notices, *image.notices, *doubts, *stuck))


def _join_tracks(
    described: dict[str, Described],
    gaze: TableTracks,
    fixations: TableTracks | None,
    unit: Frame | None,
    number: int,
    grid: Grid,
) -> tuple[RecordingTracks, ...]:
    """Join the tables: recordings as the list of sections has them, then any others."""
    has_times = not gaze.is_rounded
    corrections = _compare(gaze, fixations, unit, grid.frame)
    recordings = []
    for recording_id, members in by_recording(described, gaze).items():
        about = described.get(recording_id, Described())
        sections = []
        for section_id, builder in members.items():
            found = None
            if fixations is not None:
                none = TrackBuilder(number + 1, np.uint32)
                found = fixations.sections.get((recording_id, section_id), none)
            own = about.section(section_id)
            sections.append(
                finish_section(
                    section_id,
                    builder,
                    found,
                    has_times=has_times,
                    grid=number,
                    corrections=corrections.get((recording_id, section_id), Corrections()),
                    start_ns=own.start_ns,
                    events=own.events,
                )
            )
        recordings.append(RecordingTracks(recording_id, about.name, about.wearer, tuple(sections)))
    return tuple(recordings)


def _compare(
    gaze: TableSections[Growing],
    fixations: TableSections[Growing] | None,
    unit: Frame | None,
    frame: Frame,
) -> dict[SectionKey, Corrections]:
    """Compare where fixations stand with their samples; empty where that cannot be told."""
    both = placed(gaze, fixations)
    if both is None:
        return {}
    return dict(zip(gaze.sections, compare(*both, len(gaze.sections), unit, frame), strict=True))
