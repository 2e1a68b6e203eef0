"""Gaze by the million, written while it is read, and pictures of any size.

A block of rows is drawn once; a stream repeats it with new timestamps and ids. So a
hundred million rows take no disk and 13 MB of memory.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

import gazeheat_core as gh
from gazeheat_core.exports import LIMITS, SourceFile
from gazeheat_core.exports.sources import CountedStream
from tests.builders import FIRST_NS, STEP_NS, folder_name, gaze_columns, sections_csv

BLOCK_ROWS = 100_000
# Each recording repeats its own half of the block, so that no two look at the same places.
CHUNK_ROWS = BLOCK_ROWS // 2
RECORDINGS = 12
SIZE = (4000, 3000)
# The most that the benchmarks of growth and memory read, unless they are told otherwise.
MOST_SAMPLES = 100_000_000

_ID_DIGITS = 36
_KEYS_LENGTH = 2 * (_ID_DIGITS + 1)
_TIME_DIGITS = 19


def gaze_id(kind, number):
    """An identifier as long as the real ones."""
    return f"{kind}{number:07x}-5a4d-4eb2-9163-{number:012x}"


def positions(rows, size, seed=1):
    """Where people look: a dozen places, one after the other, some of it beside the picture."""
    random = np.random.default_rng(seed)
    width, height = size
    places = random.uniform(0.1, 0.9, (12, 2))
    xy = places[np.arange(rows) * 12 // rows] + random.normal(0, 0.08, (rows, 2))
    return xy[:, 0] * width, xy[:, 1] * height


@cache
def block(size):
    """The bytes of `BLOCK_ROWS` lines, and where each starts; 5 % are undetected."""
    x, y = positions(BLOCK_ROWS, size)
    undetected = np.random.default_rng(2).random(BLOCK_ROWS) < 0.05
    fixation = np.arange(BLOCK_ROWS) // 60
    head = "-" * (_KEYS_LENGTH + _TIME_DIGITS)
    lines = [
        f"{head},false,,,,\n" if skip else f"{head},true,{a:.4f},{b:.4f},{f},\n"
        for skip, a, b, f in zip(undetected, x, y, fixation.tolist(), strict=True)
    ]
    starts = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
    return np.frombuffer("".join(lines).encode(), np.uint8), starts


class GazeStream(io.RawIOBase):
    """A ``gaze.csv`` of any length: recordings one after the other, 200 samples a second."""

    def __init__(self, rows, *, recordings=RECORDINGS, size=SIZE):
        text, self._starts = block(size)
        self._text = text.copy()
        self._header = (gaze_columns() + "\n").encode()
        each = -(-rows // recordings)
        # Recording, first sample in it, number of samples.
        self._chunks = [
            (recording, first, min(CHUNK_ROWS, each - first, rows - recording * each - first))
            for recording in range(recordings)
            for first in range(0, min(each, rows - recording * each), CHUNK_ROWS)
        ]
        self.size_bytes = len(self._header) + sum(map(self._length, self._chunks))
        self._todo = iter(self._chunks)
        self._ready = memoryview(self._header)

    def _length(self, chunk):
        recording, _, rows = chunk
        at = self._place(recording)
        return int(self._starts[at + rows] - self._starts[at])

    def _place(self, recording):
        return recording % 6 * (BLOCK_ROWS - CHUNK_ROWS) // 5

    def readable(self):
        return True

    def read(self, size=-1):
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(2**24), b""))
        if not self._ready:
            chunk = next(self._todo, None)
            if chunk is None:
                return b""
            self._ready = memoryview(self._write(*chunk))
        data, self._ready = bytes(self._ready[:size]), self._ready[size:]
        return data

    def _write(self, recording, first, rows):
        at = self._place(recording)
        starts = self._starts[at : at + rows]
        if first == 0:
            keys = f"{gaze_id('a', recording)},{gaze_id('b', recording)},".encode()
            # No later stretch of a recording is longer than its first.
            for place, byte in enumerate(keys):
                self._text[starts + place] = byte
        start_ns = FIRST_NS + recording * 10**13 + first * STEP_NS
        left = start_ns + np.arange(rows, dtype=np.int64) * STEP_NS
        for place in reversed(range(_TIME_DIGITS)):
            left, digit = np.divmod(left, 10)
            self._text[starts + _KEYS_LENGTH + place] = digit.astype(np.uint8) + ord("0")
        return self._text[starts[0] : self._starts[at + rows]].tobytes()


def people_csv(recordings=RECORDINGS):
    """The ``sections.csv`` of a stream."""
    return sections_csv(
        (gaze_id("b", i), gaze_id("a", i), f"P{i + 1:02}", f"Wearer {i + 1}")
        for i in range(recordings)
    ).encode()


def source_files(rows, *, recordings=RECORDINGS, size=SIZE, picture=None):
    """An export whose gaze is written while it is read, as files of a source."""

    def file(name, size_bytes, open_stream):
        def opener():
            return CountedStream(open_stream(), name, LIMITS)

        return SourceFile("made", PurePosixPath("made", name), size_bytes, opener)

    jpeg = photo(size) if picture is None else picture
    people = people_csv(recordings)

    def gaze():
        return GazeStream(rows, recordings=recordings, size=size)

    return [
        file("gaze.csv", gaze().size_bytes, gaze),
        file("sections.csv", len(people), lambda: io.BytesIO(people)),
        file("reference_image.jpeg", len(jpeg), lambda: io.BytesIO(jpeg)),
    ]


def write_zip(target, rows, *, recordings=RECORDINGS, size=SIZE, name="Shelf", level=6):
    """Write an export as it is downloaded; returns the length of its ``gaze.csv``."""
    gaze = GazeStream(rows, recordings=recordings, size=size)
    folder = folder_name(name)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        with archive.open(f"{folder}/gaze.csv", "w", force_zip64=True) as out:
            while data := gaze.read(2**23):
                out.write(data)
        archive.writestr(f"{folder}/sections.csv", people_csv(recordings))
        archive.writestr(f"{folder}/reference_image.jpeg", photo(size))
    return gaze.size_bytes


def write_folder(folder, rows, *, recordings=RECORDINGS, size=SIZE):
    """Write an export without packing it; returns the length of its ``gaze.csv``."""
    folder.mkdir(parents=True)
    gaze = GazeStream(rows, recordings=recordings, size=size)
    with (folder / "gaze.csv").open("wb") as out:
        while data := gaze.read(2**23):
            out.write(data)
    (folder / "sections.csv").write_bytes(people_csv(recordings))
    (folder / "reference_image.jpeg").write_bytes(photo(size))
    return gaze.size_bytes


@cache
def photo(size):
    """A JPEG with shapes, shades and noise like a photograph's."""
    random = np.random.default_rng(3)
    width, height = size
    total = np.full((height, width, 3), 128, np.float32)
    for grain_px, light, colour in ((700, 40, 12), (120, 24, 6), (24, 14, 3), (5, 8, 0)):
        rows, columns = (max(2, -(-side // grain_px)) for side in (height, width))
        shade = random.normal(0, light, (rows, columns, 1)) + random.normal(
            0, colour, (rows, columns, 3)
        )
        for channel in range(3):
            coarse = Image.fromarray(shade[..., channel].astype(np.float32))
            total[..., channel] += coarse.resize(size, Image.Resampling.BICUBIC)
    total += random.normal(0, 3, (height, width, 1)).astype(np.float32)
    out = io.BytesIO()
    Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


# Of 50 samples of 5 ms, 40 are in a fixation.
SAMPLES_A_FIXATION, SAMPLES_IN_FIXATION = 50, 40


def made_export(samples, size, *, recordings=RECORDINGS):
    """An export that is already in memory."""
    each = samples // recordings
    people = []
    for i in range(recordings):
        x, y = positions(each, size, seed=i)
        moment_ns = FIRST_NS + np.arange(each, dtype=np.int64) * STEP_NS
        in_fixation = (np.arange(each) % SAMPLES_A_FIXATION < SAMPLES_IN_FIXATION).astype(np.uint8)
        gaze = gh.GazeSamples(moment_ns, x, y, in_fixation)
        first = slice(None, None, SAMPLES_A_FIXATION)
        start_ns = moment_ns[first]
        fixations = gh.Fixations(
            np.arange(len(start_ns)),
            start_ns,
            start_ns + SAMPLES_IN_FIXATION * STEP_NS,
            np.full(len(start_ns), SAMPLES_IN_FIXATION * STEP_NS / 1e6),
            x[first],
            y[first],
        )
        section = gh.Section(gaze_id("a", i), gaze, fixations)
        people.append(gh.Recording(gaze_id("b", i), f"P{i + 1:02}", f"Wearer {i + 1}", (section,)))
    image = gh.ReferenceImage(size, photo(size))
    return gh.Export("Shelf", "Reference Image Mapper", tuple(people), image)
