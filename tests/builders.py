"""Small exports made for tests, the same bytes on every call.

Imports nothing of the package: column names are written out as Pupil Cloud writes them.
"""

import io
import math
import zipfile
from typing import NamedTuple

import numpy as np
from PIL import Image

RIM = "Reference Image Mapper"
MM = "Marker Mapper"
# What stands at the left, top, right and bottom border; None for pixels of the picture.
FRAME = {RIM: None, MM: (0.0, 0.0, 1.0, 1.0)}

FIRST_NS = 1_741_942_800_123_456_789  # as a float64 it would end in 768
STEP_NS = 5_000_000
EXIF_ORIENTATION = 0x0112

POSITION = {RIM: "in reference image", MM: "on surface"}
UNIT = {RIM: "px", MM: "normalized"}
SECTION_COLUMNS = (
    "section id,recording id,recording name,wearer id,wearer name,section start time [ns],"
    "section end time [ns],start event name,end event name"
)


class Row(NamedTuple):
    """A row of gaze. Text is written as it is, NaN as an empty cell, floats in full."""

    x: float | str
    y: float | str
    detected: bool | str = True
    recording: str = "rec-a"
    section: str = "sec-a"
    timestamp_ns: int | str | None = None  # None: 5 ms after the row before
    fixation: int | str = ""


class Fixation(NamedTuple):
    """A row of fixations."""

    id: int | str
    x: float | str
    y: float | str
    duration_ms: int | str = 200
    detected: bool | str = True
    recording: str = "rec-a"
    section: str = "sec-a"
    start_ns: int = FIRST_NS


def cell(value):
    """Write a value as Pupil Cloud does: lowercase flags, nothing for NaN."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(float(value))
    return str(value)


def lines(*rows):
    """Join rows of cells into CSV text with a final line end."""
    return "".join(",".join(cell(value) for value in row) + "\n" for row in rows)


def gaze_columns(kind=RIM):
    """The header of ``gaze.csv``, without a line end."""
    where, unit = POSITION[kind], UNIT[kind]
    return (
        f"section id,recording id,timestamp [ns],gaze detected {where},"
        f"gaze position {where} x [{unit}],gaze position {where} y [{unit}],fixation id,blink id"
    )


def gaze_csv(rows, kind=RIM):
    """Text of a ``gaze.csv`` with `rows`, each a `Row` or a tuple in its order."""
    rows = [Row(*row) for row in rows]
    return (
        gaze_columns(kind)
        + "\n"
        + lines(
            *(
                (
                    row.section,
                    row.recording,
                    FIRST_NS + i * STEP_NS if row.timestamp_ns is None else row.timestamp_ns,
                    row.detected,
                    row.x,
                    row.y,
                    row.fixation,
                    "",
                )
                for i, row in enumerate(rows)
            )
        )
    )


def fixations_csv(rows, kind=RIM):
    """Text of a ``fixations.csv`` with `rows`, each a `Fixation` or a tuple in its order."""
    header = (
        "section id,recording id,fixation id,start timestamp [ns],end timestamp [ns],"
        f"duration [ms],fixation detected {POSITION[kind]},"
        f"fixation x [{UNIT[kind]}],fixation y [{UNIT[kind]}]\n"
    )
    rows = [Fixation(*row) for row in rows]
    return header + lines(
        *(
            (
                row.section,
                row.recording,
                row.id,
                row.start_ns,
                row.start_ns + int(row.duration_ms) * 1_000_000,
                row.duration_ms,
                row.detected,
                row.x,
                row.y,
            )
            for row in rows
        )
    )


def sections_csv(sections):
    """Text of a ``sections.csv``.

    `sections` are tuples: recording id, section id, recording name, wearer, and
    optionally the names of the start and end event.
    """
    rows = []
    for recording, section, name, wearer, *events in sections:
        start, end = events or ("recording.begin", "recording.end")
        span = (FIRST_NS, FIRST_NS + 10**10)
        rows.append((section, recording, name, f"id of {wearer}", wearer, *span, start, end))
    return SECTION_COLUMNS + "\n" + lines(*rows)


def picture(size, mode="RGB"):
    """A picture with a gradient along each axis, so that no turn or flip goes unnoticed."""
    width, height = size
    x = np.linspace(0, 255, width).astype(np.uint8)
    y = np.linspace(0, 255, height).astype(np.uint8)
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = x, y[:, None], 90
    return Image.fromarray(rgb).convert(mode)


def picture_bytes(size, format="JPEG", *, mode="RGB", orientation=None):
    """The file of `picture`, with an EXIF orientation tag if one is given."""
    exif = Image.Exif()
    if orientation is not None:
        exif[EXIF_ORIENTATION] = orientation
    out = io.BytesIO()
    picture(size, mode).save(out, format, exif=exif)
    return out.getvalue()


def write_zip(target, files, *, compression=zipfile.ZIP_DEFLATED):
    """Write `files`, name to bytes or text, into a ZIP at a path or in a stream."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, whenever the test runs
            archive.writestr(entry, data, compression)
    return target


def folder_name(name="Shelf", kind=RIM, project="Study"):
    """The folder of a download, such as ``Study_MARKER-MAPPER_Shelf_csv``."""
    return f"{project}_{kind.upper().replace(' ', '-')}_{name}_csv"


# Two people who looked at a picture of 40 × 30 px.
PEOPLE = (("rec-a", "sec-a", "P01", "Ada"), ("rec-b", "sec-b", "P02", "Ben"))
SIZE = (40, 30)
# Ada: 3 used, 1 outside, 1 undetected. Ben: 2 used, 2 unreadable.
ROWS = (
    Row(10.0, 5.0),
    Row(10.5, 5.5),
    Row(0.0, 0.0),
    Row(40.5, 5.0),
    Row(math.nan, math.nan, False),
    Row(30.0, 20.0, True, "rec-b", "sec-b"),
    Row(40.0, 30.0, True, "rec-b", "sec-b"),
    Row("gone", 1.0, True, "rec-b", "sec-b"),
    Row(1.0, 1.0, "maybe", "rec-b", "sec-b"),
)
FIXATIONS = (
    Fixation(1, 10.0, 5.0, 200),
    Fixation(2, 41.0, 5.0, 100),
    Fixation(1, 30.0, 20.0, 300, True, "rec-b", "sec-b"),
)


def export_files(
    rows=ROWS, *, kind=RIM, size=SIZE, people=PEOPLE, fixations=FIXATIONS, picture_data=None
):
    """The files of an export by name: gaze, fixations, sections, picture.

    `rows` are in pixels for both kinds; for a surface, numbers are divided by `size`.
    None for `size`, `people` or `fixations` leaves that file out.
    """
    if kind == MM:
        rows = [_as_fractions(Row(*row), size or SIZE) for row in rows]
        fixations = fixations and [_as_fractions(Fixation(*f), size or SIZE) for f in fixations]
    files = {"gaze.csv": gaze_csv(rows, kind).encode()}
    if fixations is not None:
        files["fixations.csv"] = fixations_csv(fixations, kind).encode()
    if people is not None:
        files["sections.csv"] = sections_csv(people).encode()
    if picture_data is not None or size is not None:
        files["reference_image.jpeg"] = picture_data or picture_bytes(size)
    return files


def _as_fractions(row, size):
    x, y = (
        value / side if isinstance(value, float) else value
        for value, side in zip((row.x, row.y), size, strict=True)
    )
    return row._replace(x=x, y=y)


def export_zip(target=None, rows=ROWS, *, name="Shelf", **options):
    """A ZIP with one export in its folder, as downloaded; options as for `export_files`.

    Written to `target`, a path or a stream, and returned; as bytes without a target.
    """
    files = export_files(rows, **options)
    folder = folder_name(name, options.get("kind", RIM))
    out = io.BytesIO() if target is None else target
    write_zip(out, {f"{folder}/{file}": data for file, data in files.items()})
    return out.getvalue() if target is None else out


def export_folder(path, rows=ROWS, **options):
    """A folder with one export, not packed; options as for `export_files`."""
    path.mkdir(parents=True)
    for file, data in export_files(rows, **options).items():
        (path / file).write_bytes(data)
    return path
