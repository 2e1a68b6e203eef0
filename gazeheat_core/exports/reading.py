"""A found export to all its samples, with the picture that came with it.

These are positions: for a notebook, and for an export whose picture is still missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gazeheat_core.corrections import Places, PlaceSums
from gazeheat_core.errors import GazeheatError
from gazeheat_core.exports.blocks import (
    TableSections,
    by_recording,
    collect,
    fixations_or_notice,
    fixations_table,
    gaze_table,
    placed,
)
from gazeheat_core.exports.contents import OnRows, no_fixations
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.exports.judging import (
    count_codes,
    count_thousandfold_samples,
    fits_turned,
    gaze_reach,
    judge_gaze,
    judge_samples,
    px,
)
from gazeheat_core.exports.picture import as_guess, read_pictures, stated_sizes
from gazeheat_core.exports.sections import Described, read_sections
from gazeheat_core.exports.surfaces import doubt_shape, read_ratio
from gazeheat_core.exports.tables import Tally
from gazeheat_core.grid import Grid
from gazeheat_core.model import (
    Export,
    Fixations,
    Frame,
    GazeSamples,
    Recording,
    ReferenceImage,
    Section,
    Size,
    count_inside,
    positions_of,
)
from gazeheat_core.tracks import Columns, are_rounded, count_whole_seconds


def read_export(
    found: FoundExport,
    on_rows: OnRows | None = None,
    images: Sequence[ReferenceImage] | None = None,
) -> Export:
    """Read an export with all its samples, 25 bytes each.

    A picture that most of the gaze does not lie on is left out, and `image_problem` says why.

    Parameters
    ----------
    found : FoundExport
    on_rows : callable, optional
    images : sequence of ReferenceImage, optional
        What the picture may be, where that is known already.

    Raises
    ------
    ExportError
        When its ``gaze.csv`` has no rows, when half of those with gaze cannot be read, or
        when their positions are in another unit than the header says.
    LimitError
        When it holds more than the limits allow.
    SourceError
        When a file is damaged.
    """
    notices: list[str] = []
    described = read_sections(found, notices)
    if found.contents is None:
        gaze = _read_positions(found, on_rows)
        fixations = _read_fixation_positions(found, notices)
    else:
        gaze, fixations = _read_contents(found, described, notices, on_rows)
    recordings = _join_positions(described, gaze, fixations, found.frame)
    samples = positions_of(recordings)
    unassigned = gaze.tally.unassigned
    counted = sum(one.rows for one in recordings)
    unreadable = sum(s.unreadable for r in recordings for s in r.sections)
    detected = sum(int(np.count_nonzero(np.isfinite(one.x))) for one in samples)
    if not found.has_gaze and fixations is not None:
        counted = fixations.rows_beside(()) - fixations.tally.unassigned
        unreadable = sum(own.unreadable for own in fixations.sections.values())
        detected = sum(
            int(np.count_nonzero(np.isfinite(own.arrays[3]))) for own in fixations.sections.values()
        )
    has_times = found.contents is None or found.contents.has_times
    images, problem = read_images(found) if images is None else (images, "")
    inside = [count_inside(recordings, one.size) for one in images]
    image = images[inside.index(max(inside))] if images else None
    if image is not None and len(images) > 1:
        grid = Grid.over(image.size, found.frame)
        if fits_turned(grid, count_codes(grid, recordings)):
            image = as_guess(image)
    size = (1, 1) if image is None else image.size
    has_place = image is not None or found.frame is not None
    tally = gaze.tally
    if has_place:
        thousandfold = count_thousandfold_samples(Grid.over(size, found.frame), samples)
        tally = replace(tally, thousandfold=thousandfold)
    notices += judge_gaze(
        found,
        recordings=recordings,
        rows=counted + unassigned,
        unreadable=unreadable + unassigned,
        detected=detected,
        tally=tally,
        rounded=has_times
        and are_rounded(
            count_whole_seconds(section.gaze.timestamp_ns)
            for one in recordings
            for section in one.sections
        ),
        has_picture=has_place,
    )
    if image is None and not problem and not found.is_of_pupil_cloud:
        problem = f"{found.name}, {found.kind}: no picture came with it. {found.way}"
    doubts: list[str] = []
    if has_place:
        label = str(found.gaze.file)
        misfit, doubts = judge_samples(label, found.frame, size, recordings, tally.thousandfold)
        if misfit:
            image, problem = None, f"{misfit} The gaze reaches {px(gaze_reach(recordings))}."
    grid_size = None
    if found.frame is None and not images and problem:
        grid_size = _too_large_size(found, recordings)
        if grid_size is not None:
            problem += (
                f" The gaze is placed by the size that its header states, {px(grid_size)}: a "
                "smaller copy of it, not cropped, is enough."
            )
    notices += [*(image.notices if image is not None else ()), *doubts]
    return Export(
        name=found.name,
        kind=found.kind,
        frame=found.frame,
        recordings=recordings,
        image=image,
        image_problem=problem,
        # Without gaze, what is told of rows is of fixations.
        unassigned_rows=unassigned if found.has_gaze else 0,
        unassigned_fixations=0 if fixations is None else fixations.rows_beside(gaze.sections),
        notices=tuple(notices),
        grid_size=grid_size,
        surface_ratio=read_ratio(found) if image is None else None,
        has_times=has_times,
        is_of_pupil_cloud=found.is_of_pupil_cloud,
        columns=found.columns,
    )


def _read_contents(
    found: FoundExport,
    described: dict[str, Described],
    notices: list[str],
    on_rows: OnRows | None,
) -> tuple[TableSections[Columns], TableSections[Columns] | None]:
    """Return what the tables of another program hold; adds to what is known of recordings."""
    assert found.contents is not None
    read = found.contents.take(found.stimulus, on_rows)
    notices += [*filter(None, [found.empty_notice]), *found.contents.notices]
    for id, wearer in found.contents.wearers.items():
        about = described.setdefault(id, Described())
        about.name, about.wearer = about.name or id, about.wearer or wearer
    # Those that did not look at this have nothing to show.
    present = {id for id, _ in read.gaze}
    for id in [id for id in described if id not in present and found.stimulus]:
        del described[id]
    limit = found.gaze.file.limits.fixations
    gaze = TableSections(PlaceSums(limit), read.gaze, read.tally)
    if not read.fixations:
        return gaze, None
    tally = Tally(unassigned=read.unassigned_fixations)
    return gaze, TableSections(PlaceSums(limit), read.fixations, tally)


def _too_large_size(found: FoundExport, recordings: tuple[Recording, ...]) -> Size | None:
    """Return the size of a picture that is too large to be read, where the gaze lies on it."""
    file = found.picture
    if file is None:
        return None
    limits = file.limits
    try:
        with file.open() as stream:
            head = stream.read(limits.picture_bytes)
            is_too_large = bool(stream.read(1))
    except GazeheatError:
        return None
    sizes = stated_sizes(head, by_gaze=True)
    size = max(sizes, key=lambda size: count_inside(recordings, size), default=None)
    if size is None:
        return None
    is_too_large |= size[0] * size[1] > limits.picture_pixels or max(size) > limits.picture_side_px
    misfit, _ = judge_samples(str(found.gaze.file), found.frame, size, recordings)
    return size if is_too_large and not misfit else None


def _read_positions(found: FoundExport, on_rows: OnRows | None) -> TableSections[Columns]:
    known = gaze_table(found)
    return collect(
        known,
        lambda rows: (*rows.integers, *rows.numbers, rows.in_fixation),
        partial(Columns.of, np.int64, np.float64, np.float64, np.uint8),
        known.table.file.limits.rows,
        on_rows=on_rows,
    )


def _read_fixation_positions(
    found: FoundExport, notices: list[str]
) -> TableSections[Columns] | None:
    with fixations_or_notice(notices):
        known = fixations_table(found)
        if known is not None:
            return collect(
                known,
                lambda rows: (*rows.integers, *rows.numbers),
                no_fixations,
                known.table.file.limits.rows,
            )
    return None


def _fixations(columns: Columns, gaze: Places | None, frame: Frame | None) -> Fixations:
    fixation_id, start_ns, end_ns, x, y, duration_ms = columns.arrays
    result = Fixations(fixation_id, start_ns, end_ns, duration_ms, x, y, columns.unreadable)
    if gaze is None:
        return result
    # The last entry is for fixations without samples.
    means = (np.append(axis, np.nan) for axis in gaze.means(frame))
    at = np.searchsorted(gaze.fixation, fixation_id)
    at[np.append(gaze.fixation, 0)[at] != fixation_id] = -1
    at[at == len(gaze.fixation)] = -1
    gaze_x, gaze_y = (axis[at] for axis in means)
    return replace(result, gaze_x=gaze_x, gaze_y=gaze_y)


def _join_positions(
    described: dict[str, Described],
    gaze: TableSections[Columns],
    fixations: TableSections[Columns] | None,
    frame: Frame | None,
) -> tuple[Recording, ...]:
    """Join the tables: recordings as the list of sections has them, then any others."""
    both = placed(gaze, fixations)
    numbers = {key: number for number, key in enumerate(gaze.sections)}
    recordings = []
    for recording_id, members in by_recording(described, gaze).items():
        about = described.get(recording_id, Described())
        parts = []
        for section_id, columns in members.items():
            fixated = None
            if fixations is not None:
                key = (recording_id, section_id)
                rows = fixations.sections.get(key, no_fixations())
                places = None if both is None else both[1].of_section(numbers[key])
                fixated = _fixations(rows, places, frame)
            own = about.section(section_id)
            parts.append(
                Section(
                    id=section_id,
                    gaze=GazeSamples(*columns.arrays),
                    fixations=fixated,
                    unreadable=columns.unreadable,
                    start_event=own.events[0],
                    end_event=own.events[1],
                    start_ns=own.start_ns,
                )
            )
        recordings.append(Recording(recording_id, about.name, about.wearer, tuple(parts)))
    return tuple(recordings)


def read_images(found: FoundExport) -> tuple[list[ReferenceImage], str]:
    """Read the reference image: all that it may be, as `read_pictures`.

    Returns
    -------
    images : list of ReferenceImage
        Mostly one; empty without a picture that can be used.
    problem : str
        What is wrong with the one that there is.
    """
    file = found.picture
    if file is None:
        return [], ""
    try:
        data = file.read(file.limits.picture_bytes)
        images = read_pictures(data, str(file), by_gaze=found.frame is None, limits=file.limits)
    except GazeheatError as error:
        return [], str(error)
    said = (found.picture_notice,) if found.picture_notice else ()
    ratio = read_ratio(found)
    return [
        replace(image, notices=(*said, *image.notices, *doubt_shape(ratio, image.size)))
        for image in images
    ], ""
