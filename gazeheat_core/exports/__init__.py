"""Files to model: what comes in, and what it means.

A stair: `sources` opens files as streams, `tables` makes typed columns of them and `picture`
the reference image, `formats` knows what columns are called, `filenames` what files are called,
`looking` what a table is, `found` what belongs to an export and `finding` which tables make one,
`guessing` what a table holds that is not known, `sections` reads the list of sections and `blocks`
the tables of gaze and fixations, `reading` makes an export of what was found and `studies` a
study, and `pieces` knows what belongs together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from gazeheat_core.errors import GazeheatError, PictureError, UnmappedError
from gazeheat_core.exports.contents import OnRows
from gazeheat_core.exports.finding import find_exports
from gazeheat_core.exports.found import FoundExport
from gazeheat_core.exports.judging import (
    count_thousandfold_samples,
    doubt_picture,
    gaze_reach,
    judge_decimal_points,
    judge_samples,
    px,
)
from gazeheat_core.exports.picture import (
    plain_picture,
    plain_screen,
    read_picture,
    resized_picture,
    same_aspect,
)
from gazeheat_core.exports.pieces import Pieces, sources_of, with_sections
from gazeheat_core.exports.reading import read_export
from gazeheat_core.exports.sources import (
    LIMITS,
    Given,
    Limits,
    SourceFile,
    Upload,
    looks_like_zip,
    open_source,
)
from gazeheat_core.exports.studies import read_study
from gazeheat_core.exports.surfaces import doubt_shape
from gazeheat_core.grid import Grid
from gazeheat_core.model import (
    Enrichment,
    Export,
    Recording,
    Size,
    count_inside,
    name_of,
    positions_of,
)

__all__ = [
    "LIMITS",
    "FoundExport",
    "Limits",
    "OnRows",
    "Pieces",
    "SourceFile",
    "Upload",
    "find_exports",
    "looks_like_zip",
    "open_source",
    "read_export",
    "read_exports",
    "read_study",
    "sources_of",
    "with_picture",
    "with_ratio",
    "with_sections",
]


def read_exports(given: Given, on_rows: OnRows | None = None) -> tuple[Export, ...]:
    """Read every export in a ZIP, a folder or loose files.

    Folders of other enrichments beside good ones are passed over; anything else that
    is wrong is an error.

    Parameters
    ----------
    given : path, Upload, or list of these
        A ZIP or a folder; a ZIP as an upload; loose files, and ZIPs that have a part each.
    on_rows : callable, optional
        Called with the number of rows read so far and the share of the file, from 0 to 1,
        for each export anew.

    Raises
    ------
    GazeheatError
        When something cannot be read, or there is no export.
    """
    with open_source(given) as files:
        found, problems = find_exports(files)
        check_problems(found, problems)
        return tuple(read_export(one, on_rows) for one in found)


def check_problems(found: list[FoundExport], problems: list[GazeheatError]) -> None:
    """Raise the first problem that good exports beside it do not excuse."""
    for problem in problems:
        if not found or not isinstance(problem, UnmappedError):
            raise problem


AnyExport = TypeVar("AnyExport", bound=Enrichment[Any])


def with_picture(export: AnyExport, data: bytes, name: str) -> AnyExport:
    """Give an export a picture, or another one than its own.

    Gaze in pixels belongs to the full-size reference image: a picture of the same shape
    is brought to that size, another shape is an error. An own picture that is too large to be
    read gives its size to the bins, and the one that stands for it its own to the images. Where
    the own picture is in doubt, as `doubt_picture` tells, a smaller one that the gaze lies on
    takes its place in its own size. Gaze in fractions of a surface
    fits any picture of the surface's shape, in that picture's own size. The bins stay those
    of the first picture.

    Parameters
    ----------
    export : Export or Study
    data : bytes
        The picture's file.
    name : str
        Its name in messages.

    Raises
    ------
    PictureError
        When it is no picture, or does not fit the gaze.
    ExportError
        When the gaze fits no picture, since it is in another unit than pixels.
    """
    is_px = export.unit == "px"
    own = _own_size(export)

    def fit(size: Size) -> int:
        if own is not None:
            return same_aspect(size, own)
        return count_inside(_held(export), size)

    image = read_picture(data, name, fit if is_px else None)
    notices, grid_size = export.notices, None
    if own is None or _is_rather(export, image.size):
        if is_px:
            notices += tuple(_check_decimal_points(export.title, _held(export), image.size))
            _check_gaze_inside(_held(export), image.size, name, _right_size(export))
            _, doubts = judge_samples(export.title, export.frame, image.size, _held(export))
            if own is not None:
                doubt = doubt_picture(export)
                notices = (
                    *(one for one in notices if one != doubt),
                    f"{name} is {px(image.size)}. It takes the place of the picture of {px(own)} "
                    "in its own size, since the gaze lies on it.",
                )
            notices += tuple(doubts)
        elif isinstance(export, Export):
            said = doubt_shape(export.surface_ratio, image.size)
            image = replace(image, notices=(*image.notices, *said))
    elif not same_aspect(image.size, own):
        raise PictureError(
            f"{name} is {px(image.size)}, but the export's own reference image is "
            f"{px(own)}: the shapes differ, so the gaze would not lie where people looked. "
            "Give a picture with the same aspect ratio, not cropped."
        )
    else:
        grid_size = (export.grid_size if isinstance(export, Export) else None) or own
        if is_px and export.image is None:
            notices += (
                f"{name} is {px(image.size)}, and stands for the export's own reference image, "
                f"{px(own)}, which is too large to be read. Images are made in the size of {name}.",
            )
        elif is_px and image.size != own:
            notice = f"{name} is {px(image.size)}. It was brought to the size of the export's "
            image = resized_picture(image, own, f"{notice}own reference image, {px(own)}.")
    changes: dict[str, Any] = {
        "image": image,
        "image_problem": "",
        "notices": (*notices, *image.notices),
    }
    if isinstance(export, Export):
        changes["grid_size"] = grid_size
    return replace(export, **changes)


def _own_size(export: Enrichment[Any]) -> Size | None:
    """Return the size of the picture that an export has, or of its own that is too large."""
    if export.image is not None:
        return export.image.size
    return export.grid_size if isinstance(export, Export) else None


def _is_rather(export: Enrichment[Any], size: Size) -> bool:
    """Tell whether a picture is the one that was mapped, rather than the one that is there.

    So it is where that one is in doubt, and next to all the gaze lies on this smaller one.
    """
    if not isinstance(export, Export) or not doubt_picture(export):
        return False
    own = export.size()
    inside = count_inside(export.recordings, size)
    return size[0] * size[1] < own[0] * own[1] and (
        inside * 20 >= _count_detected(export.recordings) * 19
    )


def _held(export: Enrichment[Any]) -> tuple[Recording, ...]:
    """Return the samples of an export that has no picture: a study always has one."""
    assert isinstance(export, Export)
    return export.recordings


def with_ratio(export: Export, ratio: tuple[float, float]) -> Export:
    """Give an export without a picture a plain ground.

    Parameters
    ----------
    export : Export
    ratio : (float, float)
        Width and height of a surface, in any unit; of gaze in pixels, the size of the screen or
        picture that was looked at, in pixels.

    Raises
    ------
    PictureError
        When the ratio makes no sense, the gaze does not lie on a ground of this size, or it is
        in pixels of a picture that it was mapped to.
    """
    if export.is_on_screen:
        image = plain_screen(ratio)
        # First: a size that was typed is no evidence of how positions are written.
        remedy = "Give the size of the screen or picture in pixels."
        _check_gaze_inside(export.recordings, image.size, "The ground", remedy)
        notices = _check_decimal_points(export.title, export.recordings, image.size)
        _, doubts = judge_samples(export.title, None, image.size, export.recordings)
        notices = [*export.notices, *notices, *doubts]
        return replace(export, image=image, image_problem="", notices=tuple(notices))
    if export.unit == "px":
        raise PictureError(
            f"{export.title}: its gaze is in pixels of the reference image, so a ratio is not "
            "enough. Give the reference image in its full size."
        )
    image = plain_picture(ratio)
    said = doubt_shape(export.surface_ratio, image.size)
    return replace(
        export,
        image=replace(image, notices=said),
        image_problem="",
        notices=(*export.notices, *said),
    )


def _check_decimal_points(title: str, recordings: tuple[Recording, ...], size: Size) -> list[str]:
    samples, detected = positions_of(recordings), _count_detected(recordings)
    thousandfold = count_thousandfold_samples(Grid.over(size, None), samples)
    return judge_decimal_points(title, None, thousandfold, detected)


def _right_size(export: Enrichment[Any]) -> str:
    if isinstance(export, Export) and export.is_on_screen:
        return "Give the picture in the size that it was shown in."
    return "Give the reference image in the size that was uploaded to Pupil Cloud."


def _check_gaze_inside(
    recordings: tuple[Recording, ...], size: Size, name: str, remedy: str
) -> None:
    detected = _count_detected(recordings)
    inside = count_inside(recordings, size)
    if inside * 2 >= detected:
        return
    raise PictureError(
        f"{name} is {px(size)}, but the gaze reaches {px(gaze_reach(recordings))}: only "
        f"{inside:,} of {detected:,} {name_of(positions_of(recordings))} lie on it. "
        f"{remedy}"
    )


def _count_detected(recordings: tuple[Recording, ...]) -> int:
    held = positions_of(recordings)
    return sum(int(np.count_nonzero(np.isfinite(one.x))) for one in held)
