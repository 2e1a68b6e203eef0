"""The sample study: four wearers look at a shop shelf, all of it made by code.

It is a ZIP in the format of a Pupil Cloud Reference Image Mapper download, so it
goes through the same reader as an upload. The picture is in `gazeheat_core.sample.shelf`,
which also says where things stand, so that the gaze can go there.

Like a real export it has blinks, stretches in which the reference image was not
found, and gaze beside the picture, some of it flagged as detected.
"""

from __future__ import annotations

import io
import uuid
import zipfile
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from gazeheat_core.model import FloatArray, IntArray
from gazeheat_core.sample.shelf import (
    BRAND_PX,
    SEED,
    SIGN_PX,
    SIZE_PX,
    draw_shelf,
    place_products,
)

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Interest: TypeAlias = Literal["favourite", "product", "price", "sale", "brand"]

JPEG_QUALITY = 88

FOLDER = "Gazeheat sample_REFERENCE-IMAGE-MAPPER_Shop shelf_csv"
ENRICHMENT_INFO = """reference-image-mapper export
Find detailed documentation here: \
https://docs.pupil-labs.com/neon/pupil-cloud/enrichments/reference-image-mapper/
Version 2"""
FILE_DATE = (2025, 3, 14, 12, 0, 0)
FIRST_START_NS = 1_741_942_800_000_000_000  # 14 March 2025, 9:00 UTC
STEP_NS = 5_000_000  # 200 Hz


@dataclass(frozen=True, slots=True)
class Wearer:
    """One wearer: what they look for, and the height their eyes return to."""

    name: str
    duration_s: float
    eye_level_px: float
    interest: dict[Interest, float]
    favourites: tuple[str, ...]


# Ada compares prices, Ben wants his coffee, Cem looks for an offer, Dia reads the top board.
WEARERS = (
    Wearer("Ada", 44, 760, {"favourite": 2, "product": 3, "price": 5}, ("MUESLI", "OATS")),
    Wearer("Ben", 33, 690, {"favourite": 3, "product": 5, "price": 1}, ("COFFEE",)),
    Wearer("Cem", 49, 980, {"favourite": 3, "product": 3, "sale": 1}, ("TUNA", "CORDIAL")),
    Wearer("Dia", 38, 400, {"favourite": 3, "product": 4, "brand": 1}, ("HONEY", "TONIC")),
)
BESIDE_SHARE, LOST_SHARE, BLINK_SHARE = 0.04, 0.015, 0.04  # of the fixations, or of their ends
MAPPER_MARGIN_PX = (
    30  # how far beside the picture gaze still counts as detected, as in real exports
)


@dataclass(frozen=True, eq=False, slots=True)
class Scanpath:
    """Fixations in their order, each with the gap that follows it; one array entry each.

    `lost` marks fixations during which the reference image was not found, `blink`
    those that end in a blink instead of a saccade.
    """

    start_ms: FloatArray
    end_ms: FloatArray
    x_px: FloatArray
    y_px: FloatArray
    lost: BoolArray
    blink: BoolArray


@dataclass(frozen=True, eq=False, slots=True)
class Gaze:
    """The samples of a recording; ids are 0 where a sample has none."""

    timestamp_ns: IntArray
    x_px: FloatArray
    y_px: FloatArray
    detected: BoolArray
    fixation_id: IntArray
    blink_id: IntArray


def find_targets(wearer: Wearer) -> tuple[FloatArray, FloatArray]:
    """What the shelf offers a wearer: places and how much each one draws.

    Returns
    -------
    places : float64 array, shape (n, 4)
        x and y of the centre, then their spread (standard deviation), in pixels.
    draw : float64 array, shape (n,)
        The interest in the kind of target, shared out with a bias to eye level.
    """
    found: list[tuple[Interest, float, float, float, float]] = []
    for group in place_products():
        width, height = group.product.size_px
        liked = group.product.name in wearer.favourites
        for x, y in group.corners_px():
            middle = (x + width / 2, y + 0.6 * height, 0.15 * width, 0.12 * height)
            found.append(("favourite" if liked else "product", *middle))
        found.append(("price", *group.tag_px, 26, 8))
    found.append(("sale", *SIGN_PX, 24, 18))
    found.append(("brand", *BRAND_PX, 200, 16))
    kinds = np.array([kind for kind, *_ in found])
    places = np.array([place for _, *place in found])
    draw = np.exp(-0.5 * ((places[:, 1] - wearer.eye_level_px) / 420) ** 2)
    for kind in set(kinds.tolist()):
        draw[kinds == kind] *= wearer.interest.get(kind, 0.0) / draw[kinds == kind].sum()
    return places, draw


def make_scanpath(wearer: Wearer, rng: np.random.Generator) -> Scanpath:
    """Let a wearer look around: near targets are likelier, longer saccades take longer."""
    places, draw = find_targets(wearer)
    width = SIZE_PX[0]
    count = round(wearer.duration_s * 4)
    at = np.empty((count, 2))
    here = np.array([width / 2, wearer.eye_level_px])
    last = 0
    for i in range(count):
        chance = draw * (0.25 + np.exp(-np.hypot(*(places[:, :2] - here).T) / 400))
        chance[last] *= 0.2  # eyes seldom go back to what they have just left
        last = int(rng.choice(len(places), p=chance / chance.sum()))
        x, y, spread_x, spread_y = places[last]
        here = at[i] = rng.normal((x, y), (spread_x, spread_y))
    beside = np.flatnonzero(rng.random(count) < BESIDE_SHARE)
    over_px = rng.uniform(5, 130, len(beside))
    at[beside, 0] = np.where(at[beside, 0] < width / 2, -over_px, width + over_px)
    duration_ms = rng.lognormal(np.log(250), 0.35, count).clip(150, 500)
    blink = rng.random(count) < BLINK_SHARE
    leap_px = np.hypot(*np.diff(at, axis=0, append=at[-1:]).T)
    saccade_ms = (20 + 0.04 * leap_px).clip(20, 60)
    gap_ms = np.where(blink, rng.uniform(120, 260, count), saccade_ms)
    end_ms = np.cumsum(duration_ms + gap_ms) - gap_ms
    done = end_ms < wearer.duration_s * 1000
    lost = rng.random(count) < LOST_SHARE
    return Scanpath(
        start_ms=(end_ms - duration_ms)[done],
        end_ms=end_ms[done],
        x_px=at[done, 0],
        y_px=at[done, 1],
        lost=lost[done],
        blink=blink[done],
    )


def sample_gaze(path: Scanpath, start_ns: int, rng: np.random.Generator) -> Gaze:
    """Sample a scanpath at 200 Hz, with the drift and tremor of an eye and its tracker."""
    count = int(path.end_ms[-1] * 1e6) // STEP_NS
    jitter_ns = rng.integers(0, 200_000, count)
    since_ns = np.arange(count, dtype=np.int64) * STEP_NS + jitter_ns
    t_ms = since_ns / 1e6
    now = np.searchsorted(path.start_ms, t_ms, side="right") - 1
    fixating = t_ms <= path.end_ms[now]
    following = np.minimum(now + 1, len(path.start_ms) - 1)
    gap_ms = np.maximum(path.start_ms[following] - path.end_ms[now], 1)
    share = ((t_ms - path.end_ms[now]) / gap_ms).clip(0, 1)
    eased = share**2 * (3 - 2 * share)  # a saccade speeds up, then slows down
    drift_px = lfilter([1], [1, -0.98], rng.normal(0, 1.2, (2, count)))
    x, y = (
        at[now] + (at[following] - at[now]) * eased + wander + rng.normal(0, 1.5, count)
        for at, wander in zip((path.x_px, path.y_px), drift_px, strict=True)
    )
    blinking = ~fixating & path.blink[now]
    missing = blinking | path.lost[now]
    width, height = SIZE_PX
    over_px = np.max([-x, x - width, -y, y - height], axis=0)
    x[missing] = y[missing] = np.nan
    return Gaze(
        timestamp_ns=start_ns + since_ns,
        x_px=x,
        y_px=y,
        detected=~missing & (over_px < MAPPER_MARGIN_PX),
        fixation_id=np.where(fixating, now + 1, 0),
        blink_id=np.where(blinking, np.cumsum(path.blink)[now], 0),
    )


# ---------------------------------------------------------------- the files

SECTION_COLUMNS = (
    "section id,recording id,recording name,wearer id,wearer name,section start time [ns],"
    "section end time [ns],start event name,end event name"
)
GAZE_COLUMNS = (
    "section id,recording id,timestamp [ns],gaze detected in reference image,"
    "gaze position in reference image x [px],gaze position in reference image y [px],"
    "fixation id,blink id"
)
FIXATION_COLUMNS = (
    "section id,recording id,fixation id,start timestamp [ns],end timestamp [ns],duration [ms],"
    "fixation detected in reference image,fixation x [px],fixation y [px]"
)


def position_cells(detected: bool, x_px: float, y_px: float) -> str:
    """The cells for flag, x and y; positions are empty where there are none."""
    position = "," if np.isnan(x_px) else f"{x_px:.3f},{y_px:.3f}"
    return f"{'true' if detected else 'false'},{position}"


def gaze_rows(ids: str, gaze: Gaze) -> list[str]:
    """Rows of ``gaze.csv``; `ids` are the cells each row begins with."""
    columns = (
        gaze.timestamp_ns,
        gaze.detected,
        gaze.x_px,
        gaze.y_px,
        gaze.fixation_id,
        gaze.blink_id,
    )
    return [
        f"{ids},{time_ns},{position_cells(detected, x, y)},{fixation or ''},{blink or ''}"
        for time_ns, detected, x, y, fixation, blink in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def fixation_rows(ids: str, gaze: Gaze) -> list[str]:
    """Rows of ``fixations.csv``: span and mean position of the samples of each fixation."""
    rows = []
    for fixation in np.unique(gaze.fixation_id[gaze.fixation_id > 0]).tolist():
        its = np.flatnonzero(gaze.fixation_id == fixation)
        start_ns, end_ns = gaze.timestamp_ns[its[[0, -1]]].tolist()
        detected = bool(gaze.detected[its].mean() > 0.5)
        cells = position_cells(detected, gaze.x_px[its].mean(), gaze.y_px[its].mean())
        duration_ms = (end_ns - start_ns) // 1_000_000
        rows.append(f"{ids},{fixation},{start_ns},{end_ns},{duration_ms},{cells}")
    return rows


def sample_zip() -> bytes:
    """Make the sample study.

    Returns
    -------
    bytes
        A ZIP as downloaded from Pupil Cloud. The same bytes on each call.
    """
    rng = np.random.default_rng(SEED)
    sections, gaze_table, fixations = [SECTION_COLUMNS], [GAZE_COLUMNS], [FIXATION_COLUMNS]
    for number, wearer in enumerate(WEARERS):
        start_ns = FIRST_START_NS + number * 660 * 10**9  # one wearer every eleven minutes
        section_id, recording_id, wearer_id = (
            str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(3)
        )
        ids = f"{section_id},{recording_id}"
        gaze = sample_gaze(make_scanpath(wearer, rng), start_ns, rng)
        gaze_table += gaze_rows(ids, gaze)
        fixations += fixation_rows(ids, gaze)
        end_ns = int(gaze.timestamp_ns[-1]) + STEP_NS
        sections.append(
            f"{ids},P{number + 1:02},{wearer_id},{wearer.name},"
            f"{start_ns},{end_ns},recording.begin,recording.end"
        )
    picture = io.BytesIO()
    draw_shelf().save(picture, "JPEG", quality=JPEG_QUALITY)
    files = {
        "enrichment_info.txt": ENRICHMENT_INFO.encode(),
        "sections.csv": "\n".join([*sections, ""]).encode(),
        "gaze.csv": "\n".join([*gaze_table, ""]).encode(),
        "fixations.csv": "\n".join([*fixations, ""]).encode(),
        "reference_image.jpeg": picture.getvalue(),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            # A date of its own: by default an entry carries the time it was made.
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", FILE_DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
