"""Files to model: what comes in, and what it means.

A stair: `sources` opens files as streams, `tables` makes typed columns of them and `picture`
the reference image, `formats` knows what columns are called, `finding` what files are called,
`reading` makes an export of what was found, and `pieces` knows what belongs together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from gazeheat_core.errors import GazeheatError, PictureError, UnmappedError
from gazeheat_core.exports.finding import FoundExport, find_exports
from gazeheat_core.exports.judging import gaze_reach, judge_samples, px
from gazeheat_core.exports.picture import (
    plain_picture,
    read_picture,
    resized_picture,
    same_aspect,
)
from gazeheat_core.exports.pieces import Pieces, sources_of, with_sections
from gazeheat_core.exports.reading import OnRows, read_export, read_study
from gazeheat_core.exports.sources import (
    LIMITS,
    Given,
    Limits,
    SourceFile,
    Upload,
    looks_like_zip,
    open_source,
)
from gazeheat_core.model import Enrichment, Export, Recording, ReferenceImage, Size, count_inside

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
    is brought to that size, another shape is an error. Gaze in fractions of a surface
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
    its_own: ReferenceImage | None = export.image

    def fit(size: Size) -> int:
        if its_own is not None:
            return same_aspect(size, its_own.size)
        return count_inside(_held(export), size)

    image = read_picture(data, name, fit if is_px else None)
    if its_own is not None:
        own = its_own.size
        if not same_aspect(image.size, own):
            raise PictureError(
                f"{name} is {px(image.size)}, but the export's own reference image is "
                f"{px(own)}: the shapes differ, so the gaze would not lie where people looked. "
                "Give a picture with the same aspect ratio, not cropped."
            )
        if is_px and image.size != own:
            notice = f"{name} is {px(image.size)}. It was brought to the size of the export's "
            image = resized_picture(image, own, f"{notice}own reference image, {px(own)}.")
    elif is_px:
        _check_gaze_inside(_held(export), image.size, name)
        judge_samples(export.title, export.frame, image.size, _held(export))
    notices = (*export.notices, *image.notices)
    changes: dict[str, Any] = {"image": image, "image_problem": "", "notices": notices}
    if isinstance(export, Export) and its_own is not None:
        changes["grid_size"] = export.grid_size or its_own.size
    return replace(export, **changes)


def _held(export: Enrichment[Any]) -> tuple[Recording, ...]:
    """Return the samples of an export that has no picture: a study always has one."""
    assert isinstance(export, Export)
    return export.recordings


def with_ratio(export: Export, ratio: tuple[float, float]) -> Export:
    """Give a surface without a picture a plain ground of a width : height ratio.

    Raises
    ------
    PictureError
        When the ratio makes no sense, or the gaze is in pixels of a picture.
    """
    if export.unit == "px":
        raise PictureError(
            f"{export.title}: its gaze is in pixels of the reference image, so a ratio is not "
            "enough. Give the reference image in its full size."
        )
    return replace(export, image=plain_picture(ratio), image_problem="")


def _check_gaze_inside(recordings: tuple[Recording, ...], size: Size, name: str) -> None:
    gaze = [section.gaze for recording in recordings for section in recording.sections]
    detected = sum(int(np.count_nonzero(np.isfinite(g.x))) for g in gaze)
    inside = count_inside(recordings, size)
    if inside * 2 >= detected:
        return
    raise PictureError(
        f"{name} is {px(size)}, but the gaze reaches {px(gaze_reach(recordings))}: only "
        f"{inside:,} of {detected:,} samples lie on it. Give the reference image in the size that "
        "was uploaded to Pupil Cloud."
    )
