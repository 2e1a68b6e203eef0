"""Tracks on disk: a study opened again is not read, and nothing damaged is believed."""

import errno
import io
import json
import multiprocessing
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gazeheat_core as gh
from gazeheat_core import cache as cache_module
from gazeheat_core import parallel
from gazeheat_core.cache import StudyCache, open_cache
from gazeheat_core.cli import main
from gazeheat_core.exports import blocks
from gazeheat_core.grid import Grid
from gazeheat_core.study import RecordingTracks, SectionTracks
from gazeheat_core.tracks import NO_TIME
from tests.builders import (
    FRAME,
    MM,
    PEOPLE,
    RIM,
    Row,
    export_folder,
    export_zip,
    fixations_csv,
    gaze_csv,
    picture_bytes,
    sections_csv,
)
from tests.test_parallel import assert_same, binned_in_parts, binned_whole, listed

ROOT = Path(__file__).parents[1]


@pytest.fixture
def kept(tmp_path):
    return StudyCache(tmp_path / "kept")


@pytest.fixture
def shelf(tmp_path):
    return export_folder(tmp_path / "Shelf")


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Take every file for one that has not been changed for a while."""
    monkeypatch.setattr(cache_module, "_SETTLED_NS", -(10**9))


def refuse_to_read(monkeypatch, *, digests=True):
    """From here on, reading gaze is an error; and, with `digests`, reading any file for one."""

    def refuse(*_, **__):
        raise AssertionError("nothing should be read any more")

    monkeypatch.setattr(blocks, "iter_blocks", refuse)
    monkeypatch.setattr(parallel, "read_part", refuse)
    if digests:
        large = ("gaze.csv", "fixations.csv")
        monkeypatch.setattr(Path, "open", _only(Path.open, lambda path: path.name not in large))


def _only(original, allowed):
    def opened(path, *arguments, **options):
        # The header of a table, and the whole of one for its digest, are both opened so.
        stream = original(path, *arguments, **options)
        return stream if allowed(path) else _FewBytes(stream)

    return opened


class _FewBytes(io.BytesIO):
    """The first bytes of a file; more than a header's worth is an error."""

    def __init__(self, stream):
        with stream:
            super().__init__(stream.read(2**16))

    def read(self, size=-1):
        assert size <= 2**16, "only the header should be read"
        return super().read(size)


def entries(kept, prefix=""):
    return sorted(path for path in kept.folder.iterdir() if path.name.startswith(prefix))


def tracks(kept):
    """The only entry that holds a study."""
    (entry,) = [path for path in entries(kept) if not path.name.startswith("file-")]
    return entry


# Of a picture of 40 × 30 px: 225 × 300 bins, then outside and undetected.
GRID = Grid((40, 30), FRAME[MM])
OUTSIDE, UNDETECTED = 67_500, 67_501
# Of each recording of `study`: samples beside the picture, and without a position.
BESIDE = [OUTSIDE, UNDETECTED, UNDETECTED]


def track(zero, *columns, dtype=np.uint8):
    time, cell, value = columns
    return gh.Track(
        zero, np.array(time, np.uint32), np.array(cell, np.uint32), np.array(value, dtype)
    )


def study(*used):
    """A study with one recording for each number: so many samples used, and its fixations."""
    recordings = tuple(
        RecordingTracks(
            id=f"rec-{i}",
            name=f"P{i}",
            wearer="Zoë",
            sections=(
                SectionTracks(
                    id=f"sec-{i}",
                    gaze=track(
                        17 * 10**12 + i,
                        [*range(0, 50 * count, 50), *[50 * count] * 2, NO_TIME],
                        [*np.arange(count) * 7 % OUTSIDE, *BESIDE],
                        [*np.arange(count) % 2, 0, 0, 0],
                    ),
                    fixations=track(
                        -5, range(count), [OUTSIDE - 1] * count, [70_000] * count, dtype=np.uint32
                    ),
                    unreadable=3,
                    listed_twice=4,
                    fixations_unreadable=1,
                    fixations_listed_twice=2,
                    fixations_compared=9,
                    fixations_corrected=8,
                    fixations_mirrored=6,
                    first_ns=1_741_942_800_123_456_789,
                    last_ns=1_741_942_800_123_456_789 + i,
                    sampling_interval_ns=5_000_000 + i,
                    start_ns=None if i else 1_741_942_800_000_000_001,
                    start_event="recording.begin",
                    end_event='größer, "2"',
                ),
                SectionTracks(f"none-{i}", track(0, [], [], [])),
            ),
        )
        for i, count in enumerate(used)
    )
    return gh.Study(
        name="Shelf",
        kind=MM,
        recordings=recordings,
        unassigned_rows=7,
        unassigned_fixations=5,
        frame=FRAME[MM],
        grid=GRID,
    )


def plain(study):
    """All that a study holds, as plain values."""
    sections = [
        (
            section.id,
            *(
                (listed(t), t.value.dtype)
                for t in (section.gaze, section.fixations)
                if t is not None
            ),
            (section.unreadable, section.listed_twice, section.first_ns, section.last_ns),
            (section.fixations_unreadable, section.fixations_listed_twice),
            (section.fixations_compared, section.fixations_corrected, section.fixations_mirrored),
            section.sampling_interval_ns,
            (section.start_ns, section.start_event, section.end_event),
        )
        for one in study.recordings
        for section in one.sections
    ]
    return [
        *((one.id, one.name, one.wearer, len(one.sections)) for one in study.recordings),
        *sections,
        study.name,
        study.kind,
        study.frame,
        study.grid,
        study.unassigned_rows,
        study.unassigned_fixations,
        study.notices,
        study.image,
    ]


def load(kept, name):
    """The study that is kept under a name, if there is one."""
    found = kept.load(name, [Grid((30, 40), FRAME[MM]), GRID])
    return None if found is None else found[0]


# ---------------------------------------------------------------- kept and found again


@pytest.mark.parametrize("packed_entries", [2**20, 7, 1])
@pytest.mark.parametrize("used", [(), (1,), (1, 2, 0, 300)])
@pytest.mark.parametrize("rounded", [True, False])
def test_what_is_stored_is_loaded(kept, monkeypatch, used, rounded, packed_entries):
    monkeypatch.setattr(cache_module, "_PACKED_ENTRIES", packed_entries)
    kept.store("a" * 64, study(*used), rounded=rounded)
    found, was_rounded = kept.load("a" * 64, [GRID])
    assert plain(found) == plain(study(*used))
    assert was_rounded is rounded
    assert kept.load("b" * 64, [GRID]) is None


def test_what_is_loaded_counts_as_what_was_stored(kept):
    kept.store("k", study(3), rounded=False)
    (histogram,) = gh.select(load(kept, "k"))
    assert histogram.counts == gh.Counts(3, outside=1, undetected=2, unreadable=3, listed_twice=4)
    assert np.flatnonzero(histogram.bins).tolist() == [0, 7, 14]
    fixations = gh.Selection("fixation-duration")
    (histogram,) = gh.select(load(kept, "k"), fixations)
    assert histogram.bins[-1, -1] == histogram.amount == 3 * 70_000
    assert histogram.counts == gh.Counts(used=3, unreadable=1, listed_twice=2)


def test_a_study_over_another_grid_is_not_the_one_that_is_asked_for(kept):
    kept.store("k", study(3), rounded=False)
    assert kept.load("k", [Grid((30, 40), FRAME[MM])]) is None


def test_many_tiny_recordings_are_a_small_entry(kept):
    kept.store("k", study(*[3] * 5_000), rounded=False)
    assert entries(kept)[0].stat().st_size < 300_000
    assert plain(load(kept, "k")) == plain(study(*[3] * 5_000))


def test_a_turned_picture_is_no_reason_to_read_again(tmp_path, kept, monkeypatch):
    turned = picture_bytes((40, 30), orientation=6)
    given = export_folder(tmp_path / "Shelf", [Row(5.0, 39.0)] * 3, picture_data=turned)
    whole = binned_whole(given)
    assert whole.size() == (30, 40)
    assert_same(binned_in_parts(given, cache=kept), whole)
    refuse_to_read(monkeypatch)
    assert_same(binned_in_parts(given, cache=kept), whole)


@pytest.mark.parametrize("packed", [True, False])
def test_a_second_opening_reads_nothing(tmp_path, kept, monkeypatch, packed):
    rows = [*[Row(1.0, 1.0)] * 21, *[Row("gone", 1.0)] * 20]
    if packed:
        given = export_zip(tmp_path / "shelf.zip", rows)
    else:
        given = export_folder(tmp_path / "Shelf", rows)
    whole = binned_whole(given)
    assert "20 of 41 rows cannot be read" in whole.notices[0]
    assert_same(binned_in_parts(given, cache=kept), whole)
    refuse_to_read(monkeypatch, digests=not packed)
    assert_same(binned_in_parts(given, cache=kept), whole)
    with pytest.raises(AssertionError, match="nothing should be read"):
        binned_in_parts(given)


def test_every_file_is_read_once_for_its_digest(kept, shelf, monkeypatch):
    binned_in_parts(shelf, cache=kept)
    # Gaze, fixations, sections and picture.
    assert len(entries(kept, "file-")) == 4
    refuse_to_read(monkeypatch)
    binned_in_parts(shelf, cache=kept)
    for path in entries(kept, "file-"):
        path.unlink()
    with pytest.raises(AssertionError, match="only the header"):
        binned_in_parts(shelf, cache=kept)


def test_a_file_that_was_changed_just_now_is_not_taken_for_settled(kept, shelf, monkeypatch):
    # Its times may not show the next change: they are as coarse as the disk makes them.
    monkeypatch.setattr(cache_module, "_SETTLED_NS", 10**18)
    whole = binned_in_parts(shelf, cache=kept)
    assert entries(kept, "file-") == []
    refuse_to_read(monkeypatch, digests=False)
    assert_same(binned_in_parts(shelf, cache=kept), whole)


def test_another_size_of_the_picture_is_another_entry(tmp_path, kept):
    for size in ((40, 30), (80, 60), (30, 40)):
        for kind in (RIM, MM):
            folder = tmp_path / f"{size}-{kind}" / "Shelf"
            export_folder(folder, kind=kind, picture_data=picture_bytes(size))
            assert_same(binned_in_parts(folder, cache=kept), binned_whole(folder))
    assert len([e for e in entries(kept) if not e.name.startswith("file-")]) == 6


def test_a_key_tells_content_and_grid_apart(tmp_path, kept):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    keys = [
        kept.key([one], "gaze.csv", (40.0, 30.0), (225, 300)),
        kept.key([one], "gaze.csv", (1.0, 1.0), (225, 300)),
        kept.key([one], "gaze.csv", (40.0, 30.0), (224, 300)),
        kept.key([one], "else.csv", (40.0, 30.0), (225, 300)),
        kept.key([other], "gaze.csv", (40.0, 30.0), (225, 300)),
        kept.key([one, other], "gaze.csv", (40.0, 30.0), (225, 300)),
    ]
    assert len(set(keys)) == len(keys)
    assert kept.key([one], "gaze.csv", (40.0, 30.0), (225, 300)) == keys[0]
    assert kept.key([shutil.copy(one, tmp_path / "copy")], "gaze.csv", (40.0, 30.0), (225, 300)) \
        == keys[0]  # fmt: skip


# ---------------------------------------------------------------- changed, copied, renamed


def test_changed_gaze_is_read_anew(kept, shelf):
    first = binned_in_parts(shelf, cache=kept)
    (shelf / "gaze.csv").write_text(gaze_csv([Row(1.0, 1.0)] * 3))
    second = binned_in_parts(shelf, cache=kept)
    assert (first.rows, second.rows) == (9, 3)
    assert_same(second, binned_whole(shelf))


def test_fixations_are_kept_and_read_anew_when_they_change(kept, shelf, monkeypatch):
    def durations(study):
        return [s.fixations.value.tolist() for r in study.recordings for s in r.sections]

    assert durations(binned_in_parts(shelf, cache=kept)) == [[200, 100], [300]]
    with monkeypatch.context() as patch:
        refuse_to_read(patch)
        assert durations(binned_in_parts(shelf, cache=kept)) == [[200, 100], [300]]
    (shelf / "fixations.csv").write_text(fixations_csv([(1, 10.0, 5.0, 80)]))
    assert durations(binned_in_parts(shelf, cache=kept)) == [[80], []]
    (shelf / "fixations.csv").unlink()
    without = binned_in_parts(shelf, cache=kept)
    assert [s.fixations for r in without.recordings for s in r.sections] == [None, None]


def test_other_names_of_recordings_are_read_anew(kept, shelf):
    binned_in_parts(shelf, cache=kept)
    (shelf / "sections.csv").write_text(sections_csv([("rec-a", "sec-a", "P77", "Ada")]))
    assert [r.name for r in binned_in_parts(shelf, cache=kept).recordings] == ["P77", ""]


def test_a_change_that_hides_behind_size_and_time_is_seen(kept, shelf):
    gaze = shelf / "gaze.csv"
    binned_in_parts(shelf, cache=kept)
    before, text = gaze.stat(), gaze.read_text()
    changed = text.replace("10.0,5.0", "11.0,6.0")
    assert (len(changed), changed != text) == (len(text), True)
    # Written as a new file, whose number differs however coarse the disk's times are.
    (shelf / "new").write_text(changed)
    (shelf / "new").replace(gaze)
    os.utime(gaze, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = gaze.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert_same(binned_in_parts(shelf, cache=kept), binned_whole(shelf))


@pytest.mark.parametrize("packed", [True, False])
def test_a_copy_has_the_same_entry_under_its_own_name(tmp_path, kept, monkeypatch, packed):
    rows = [*[Row(1.0, 1.0)] * 21, *[Row("gone", 1.0)] * 20]
    if packed:
        given = export_zip(tmp_path / "shelf.zip", rows)
        copy = Path(shutil.copy(given, tmp_path / "renamed.zip"))
    else:
        given = export_folder(tmp_path / "Shelf", rows)
        copy = Path(shutil.copytree(given, tmp_path / "Renamed"))
    binned_in_parts(given, cache=kept)
    whole = binned_whole(copy)
    # The name of the copy, also in what is said of its rows.
    assert copy.name in whole.notices[0]
    refuse_to_read(monkeypatch, digests=False)
    assert_same(binned_in_parts(copy, cache=kept), whole)
    assert copy.stem == ("renamed" if packed else whole.name)


def test_rounded_timestamps_are_noticed_the_second_time_too(tmp_path, kept):
    rows = [Row(1.0, 1.0, True, "rec-a", "sec-a", i * 10**9) for i in range(1, 20)]
    folder = export_folder(tmp_path / "Shelf", rows)
    notices = [binned_in_parts(folder, cache=kept).notices for _ in range(2)]
    assert notices[0] == notices[1] == binned_whole(folder).notices
    assert "rounded" in notices[0][0]


def spoken_of(text, *rows):
    """Rows enough to be judged, some that are odd, and words of what is said of these."""
    return [*[Row(float(i), 15.0) for i in range(30)], *rows], text


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        spoken_of("separator of thousands", Row('"1,234.5"', 1.0)),
        spoken_of("divided by 1,000", Row(20123.0, 12345.0)),
        ([Row(float(i % 40), float(i % 30)) for i in range(65_535)], "cut the file there"),
        ([Row(0.0, 0.0), Row(20.0, 15.0), Row(0.0, 0.0)] * 50, "100 of 150 samples"),
    ],
    ids=["thousands", "decimal points", "cut", "many at one point"],
)
def test_what_is_odd_about_the_gaze_is_said_each_time_and_however_it_is_read(
    tmp_path, kept, rows, words
):
    gone = ("rec-z", "sec-z", "P26", "Zoe")
    folder = export_folder(tmp_path / "Shelf", rows, people=[*PEOPLE, gone])
    whole = binned_whole(folder)
    (notice,) = whole.notices
    assert words in notice
    assert ("'P02', 'P26'" in notice) == ("cut" in words)
    assert_same(binned_in_parts(folder, part_bytes=max(500, 20 * len(rows))), whole)
    for _ in range(2):
        assert_same(binned_in_parts(folder, cache=kept), whole)


def test_gaze_that_cannot_be_used_is_refused_each_time(tmp_path, kept):
    folder = export_folder(tmp_path / "Shelf", [Row("gone", 1.0)])
    for _ in range(2):
        with pytest.raises(gh.ExportError, match="none of its 1 rows can be read"):
            binned_in_parts(folder, cache=kept)


# ---------------------------------------------------------------- damaged


def harmed(data):
    half = bytearray(data)
    half[len(half) // 2] ^= 1
    return {
        "truncated": data[:-1],
        "cut in half": data[: len(data) // 2],
        "less than a seal": data[:5],
        "empty": b"",
        "a byte flipped": bytes(half),
        "longer": data + b"\0",
        "zeros": bytes(len(data)),
    }


@pytest.mark.parametrize("harm", harmed(b"12"))
@pytest.mark.parametrize("what", ["tracks", "digests"])
def test_what_is_damaged_is_made_anew(kept, shelf, harm, what, caplog):
    whole = binned_in_parts(shelf, cache=kept)
    chosen = [tracks(kept)] if what == "tracks" else entries(kept, "file-")
    before = {path: path.read_bytes() for path in chosen}
    for path, data in before.items():
        path.write_bytes(harmed(data)[harm])
    assert_same(binned_in_parts(shelf, cache=kept), whole)
    assert {path: path.read_bytes() for path in chosen} == before
    assert "damaged; it is made anew" in caplog.text


def test_no_flipped_byte_goes_unnoticed(kept):
    kept.store("k", study(1), rounded=False)
    (path,) = entries(kept)
    data = path.read_bytes()
    for position in range(len(data)):
        harm = bytearray(data)
        harm[position] ^= 0x55
        path.write_bytes(harm)
        assert load(kept, "k") is None
        assert not path.exists()
    path.write_bytes(data)
    assert load(kept, "k") is not None


def test_no_entry_passes_for_another(kept):
    kept.store("one", study(1), rounded=False)
    one = entries(kept)[0]
    kept.store("other", study(2), rounded=False)
    (other,) = set(entries(kept)) - {one}
    a, b = one.read_bytes(), other.read_bytes()
    one.write_bytes(b)
    other.write_bytes(a)
    assert (load(kept, "one"), load(kept, "other")) == (None, None)


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


def with_lengths(text, data=b"", *, text_bytes=None):
    """The beginning of an entry with `text` as its facts."""
    line = zlib.compress(text)
    lengths = struct.pack("<QQ", len(line), len(text) if text_bytes is None else text_bytes)
    return lengths + line + data


GARBAGE = {
    "nothing": b"",
    "text": b"no tracks, but a text of some length",
    "the start of a ZIP": b"PK\x03\x04 and no more",
    "an empty ZIP": b"PK\x05\x06" + bytes(18),
    "a pickle": pickle.dumps(Trap()),
    "a pickle as facts": with_lengths(pickle.dumps(Trap())),
    "no facts": with_lengths(b""),
    "no JSON": with_lengths(bytes(3)),
    "other JSON": with_lengths(b"[1]"),
    "deep JSON": with_lengths(b"[" * 10**5),
    "one array": np.zeros(3).tobytes(),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_under_a_right_seal_is_made_anew(kept, shelf, what, caplog):
    whole = binned_in_parts(shelf, cache=kept)
    entry = tracks(kept)
    name = entry.name.split(".")[0]
    kept._write(name, [GARBAGE[what]])
    assert load(kept, name) is None
    assert not entry.exists()
    assert "not to be decoded" in caplog.text
    assert_same(binned_in_parts(shelf, cache=kept), whole)


def planes(numbers, width):
    """Numbers as an entry has them: their differences, the lowest bytes of all first."""
    steps = [(b - a) % 256**width for a, b in zip((0, *numbers[:-1]), numbers, strict=True)]
    return bytes(step >> 8 * place & 255 for place in range(width) for step in steps)


def entry_bytes(
    *,
    times=(0, 50, 50, 0),
    cells=(7, OUTSIDE, 67_499, UNDETECTED),
    values=(1, 0, 0, 0),
    lengths=(3, 1),
    piece=None,
    pieces=None,
    fixations=None,
    text_bytes=None,
    recordings=(("a", "P01", "Ada", 2),),
    **sections,
):
    """What stands in an entry before its seal, with one piece of gaze."""
    data = planes(times, 4) + planes(cells, 4) + planes(values, 1) if piece is None else piece
    data = zlib.compress(data)
    numbers = {name: [0, 0] for name in cache_module._NUMBERS}
    texts = {"id": ["s1", "s2"], "start_event": ["", ""], "end_event": ["", ""]}
    zeros = sections.pop("zeros", [100, 200])
    facts = {
        "name": "Shelf",
        "kind": MM,
        "frame": FRAME[MM],
        "size": (40, 30),
        "unassigned_rows": 0,
        "unassigned_fixations": 0,
        "rounded": False,
        "pieces": {"gaze": [len(data)] if pieces is None else pieces, "fixations": []},
        "tracks": {"gaze": [zeros, lengths], "fixations": fixations or [[None, None], [0, 0]]},
        "sections": numbers | texts | {"start_ns": [None, 5]} | sections,
        "recordings": recordings,
    }
    return with_lengths(json.dumps(facts).encode(), data, text_bytes=text_bytes)


def test_an_entry_written_by_hand_is_loaded(kept):
    kept._write("k", [entry_bytes()])
    (recording,) = load(kept, "k").recordings
    assert [listed(section.gaze) for section in recording.sections] == [
        [100, [0, 50, 50], [7, 67_500, 67_499], [1, 0, 0]],
        [200, [0], [67_501], [0]],
    ]
    assert [section.fixations for section in recording.sections] == [None, None]
    assert [section.start_ns for section in recording.sections] == [None, 5]


@pytest.mark.parametrize(
    "entry",
    [
        {"cells": (7, OUTSIDE, 67_502, UNDETECTED)},
        {"cells": (2**32 - 1, 0, 0, 0)},
        {"times": (0, 50, 49, 0)},
        {"times": (0, NO_TIME, 50, 0)},
        {"times": (0, 50, 50, 0), "lengths": (4, 0)},
        {"lengths": (3, 2)},
        {"lengths": (3, 0)},
        {"lengths": (3,)},
        {"lengths": (3, 1, 0)},
        {"lengths": (3.0, 1.0)},
        {"zeros": [100]},
        {"zeros": [100, None]},
        {"zeros": [100, "200"]},
        {"zeros": [100, 10**15]},
        {"pieces": []},
        {"pieces": [10]},
        {"pieces": [10**6]},
        {"pieces": [0, 0]},
        {"recordings": ()},
        {"recordings": (("a", "P01", "Ada", 1),)},
        {"recordings": (("a", "P01", "Ada", 3),)},
        {"recordings": (("a", "P01", "Ada", 3), ("b", "P02", "Ben", -1))},
        {"recordings": (("a", "P01", None, 2),)},
        {"id": ["s1", 2]},
        {"id": ["s1"]},
        {"unreadable": [0, 0.5]},
        {"first_ns": [0, 2**63]},
        {"start_ns": [None, "5"]},
        {"fixations": [[0, None], [1, 0]]},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_not_believed(kept, entry, caplog):
    kept._write("k", [entry_bytes(**entry)])
    assert load(kept, "k") is None
    assert entries(kept) == []
    assert "not to be decoded; it is made anew" in caplog.text


def test_of_two_pieces_each_has_its_length(kept, monkeypatch):
    monkeypatch.setattr(cache_module, "_PACKED_ENTRIES", 4)
    kept.store("k", study(2), rounded=False)  # 5 samples, 2 fixations
    whole = entries(kept)[0].read_bytes()
    assert load(kept, "k") is not None
    monkeypatch.setattr(cache_module, "_PACKED_ENTRIES", 3)  # two pieces too, of other lengths
    assert load(kept, "k") is None
    kept._path("k").write_bytes(whole)
    monkeypatch.setattr(cache_module, "_PACKED_ENTRIES", 5)  # one piece
    assert load(kept, "k") is None


@pytest.mark.parametrize(
    "entry",
    [
        {"lengths": (10**8, 10**8 - 1)},
        {"lengths": (10**12, 1)},
        {"lengths": (10**12, 4 - 10**12)},
        {"fixations": [[0, 0], [10**8, 0]]},
        {"piece": bytes(10**8)},
        {"piece": bytes(10**8), "lengths": (0, 0)},
        {"piece": bytes(35)},
        {"lengths": (-2, -2)},
        {"text_bytes": 10},
        {"text_bytes": 10**6},
        {"text_bytes": 10**12},
    ],
    ids=[
        "many samples",
        "far too many",
        "that cancel out",
        "many fixations",
        "more than stated",
        "nothing stated",
        "less",
        "negative",
        "more text than stated",
        "less text",
        "text beyond the bound",
    ],
)
def test_what_an_entry_unpacks_to_is_bounded(kept, entry):
    data = entry_bytes(**entry)
    kept._write("k", [data])
    tracemalloc.start()
    try:
        assert load(kept, "k") is None
        assert tracemalloc.get_traced_memory()[1] < 10 * len(data) + 2**20
    finally:
        tracemalloc.stop()
    assert entries(kept) == []


def test_samples_and_fixations_are_bounded_together(kept, monkeypatch, caplog):
    monkeypatch.setattr(cache_module, "ENTRY_SAMPLES", 8)  # study(2): 5 samples, 2 fixations
    kept.store("k", study(2), rounded=False)
    assert load(kept, "k") is not None
    monkeypatch.setattr(cache_module, "ENTRY_SAMPLES", 6)
    assert load(kept, "k") is None
    kept.store("other", study(2), rounded=False)
    assert entries(kept) == []
    assert "the tracks of Shelf are too large to be kept" in caplog.text


def test_an_entry_too_large_to_be_one_is_not_held(kept, monkeypatch):
    kept.store("k", study(1), rounded=False)
    monkeypatch.setattr(cache_module, "ENTRY_BYTES", entries(kept)[0].stat().st_size - 1)
    assert load(kept, "k") is None


def test_a_study_too_large_for_an_entry_is_read_each_time(kept, monkeypatch, caplog):
    monkeypatch.setattr(cache_module, "ENTRY_BYTES", 2 * 3 * 4)
    kept.store("k", study(1, 2), rounded=False)
    assert not kept.folder.exists()
    assert "the tracks of Shelf are too large to be kept" in caplog.text


def test_text_too_large_for_an_entry_is_read_each_time(kept, monkeypatch):
    kept.store("k", study(1), rounded=False)
    monkeypatch.setattr(cache_module, "ENTRY_TEXT_BYTES", 100)
    assert load(kept, "k") is None
    kept.store("k", study(1), rounded=False)
    assert entries(kept) == []


# ---------------------------------------------------------------- who may write


@pytest.fixture
def with_key(kept):
    return open_cache(str(kept.folder), "a secret")


def test_a_folder_and_a_key_open_a_cache(tmp_path):
    folder = str(tmp_path / "kept")
    assert open_cache("") is None
    assert open_cache("", "a secret") is None
    assert open_cache(folder) == StudyCache(tmp_path / "kept")
    assert open_cache(folder, "a secret") != open_cache(folder, "another")
    # As long as one likes; and it is not shown.
    assert "secret" not in repr(open_cache(folder, "a secret" * 1000))


def test_with_the_key_an_entry_is_loaded(kept, with_key):
    with_key.store("k", study(1), rounded=True)
    again = open_cache(str(kept.folder), "a secret")
    assert plain(load(again, "k")) == plain(study(1))


def test_entries_of_another_key_are_made_anew_without_a_word(kept, with_key, caplog):
    others = [kept, open_cache(str(kept.folder), "another")]
    for number, other in enumerate(others):
        other.store("k", study(number), rounded=False)
    assert load(with_key, "k") is None
    with_key.store("k", study(5), rounded=False)
    for number, cache in zip((0, 1, 5), (*others, with_key), strict=True):
        assert plain(load(cache, "k")) == plain(study(number))
    assert caplog.text == ""


def test_without_the_key_no_entry_can_be_forged(kept, with_key, caplog):
    with_key.store("k", study(1), rounded=False)
    (entry,) = entries(kept)
    kept._write("k", [entry_bytes()])
    forged = kept._path("k").read_bytes()
    entry.write_bytes(forged)
    assert load(with_key, "k") is None
    assert "damaged; it is made anew" in caplog.text


def test_a_digest_of_a_file_cannot_be_forged_either(kept, with_key, shelf):
    binned_in_parts(shelf, cache=kept)
    for path in entries(kept, "file-"):
        name = path.name.split(".")[0]
        shutil.copy(path, with_key._path(name))
    assert_same(binned_in_parts(shelf, cache=with_key), binned_whole(shelf))


posix_only = pytest.mark.skipif(os.name != "posix", reason="rights of another kind")


@posix_only
def test_a_new_folder_is_for_its_account_alone(tmp_path):
    kept = StudyCache(tmp_path / "a" / "kept")
    kept.store("k", study(1), rounded=False)
    assert kept.folder.stat().st_mode & 0o777 == 0o700


@posix_only
@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_said_once(tmp_path, caplog, mode):
    tmp_path.chmod(mode)
    for _ in range(2):
        kept = StudyCache(tmp_path)
        kept.store("k", study(1), rounded=False)
        assert load(kept, "k") is not None
    assert caplog.text.count("other accounts may write into") == 1
    assert str(tmp_path) in caplog.text


@posix_only
def test_a_link_in_the_place_of_an_entry_is_not_followed(kept, tmp_path):
    kept.store("k", study(1), rounded=False)
    (entry,) = entries(kept)
    outside = tmp_path / "outside"
    entry.rename(outside)
    before = outside.read_bytes()
    entry.symlink_to(outside)
    assert load(kept, "k") is None
    kept.store("k", study(2), rounded=False)
    assert not entry.is_symlink()
    assert plain(load(kept, "k")) == plain(study(2))
    assert outside.read_bytes() == before


@posix_only
def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(kept):
    kept.folder.mkdir()
    os.mkfifo(kept._path("k"))
    assert load(kept, "k") is None


# ---------------------------------------------------------------- bounded


def age(path, days):
    then = path.stat().st_mtime - days * 86_400
    os.utime(path, (then, then))


def test_the_least_recently_used_go_first(kept):
    sizes = []
    for name in "abc":
        kept.store(name, study(1), rounded=False)
        (new,) = [path for path in entries(kept) if path.name.startswith(name)]
        sizes.append(new.stat().st_size)
    for days, path in zip((3, 2, 1), entries(kept), strict=True):
        age(path, days)
    assert load(kept, "a") is not None  # used: now "b" is the oldest
    small = replace(kept, limit_bytes=sum(sizes))
    small.store("d", study(1), rounded=False)
    assert [path.name[0] for path in entries(kept)] == ["a", "c", "d"]
    assert sum(path.stat().st_size for path in entries(kept)) <= small.limit_bytes


def test_an_entry_larger_than_the_bound_is_not_kept(kept):
    replace(kept, limit_bytes=10).store("a", study(1), rounded=False)
    assert entries(kept) == []


def test_what_a_crash_left_counts_and_goes(kept, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    kept.store("a", study(1), rounded=False)
    entry_bytes = entries(kept)[0].stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        patch.setattr(os, "unlink", lambda _: None)  # the power is off before that
        with pytest.raises(KeyboardInterrupt):
            kept.store("b", study(1), rounded=False)
    (left,) = entries(kept, ".part-")
    age(left, 1)
    replace(kept, limit_bytes=2 * entry_bytes).store("c", study(1), rounded=False)
    assert [path.name[0] for path in entries(kept)] == ["a", "c"]


def test_nothing_else_in_the_folder_is_ever_removed(kept):
    kept.folder.mkdir()
    (kept.folder / "thesis.zip").write_bytes(bytes(1000))
    (kept.folder / ("0" * 64)).write_bytes(bytes(1000))
    (kept.folder / "study").mkdir()
    for path in entries(kept):
        age(path, 100)
    small = replace(kept, limit_bytes=1)
    small.store("a", study(1), rounded=False)
    assert [path.name for path in entries(kept)] == ["0" * 64, "study", "thesis.zip"]


def test_entries_of_earlier_versions_are_never_read_and_go_first(kept):
    kept.store("a", study(1), rounded=False)
    (entry,) = entries(kept)
    age(entry, 100)
    old = kept.folder / "b.histograms"
    old.write_bytes(entry.read_bytes())  # younger than the other
    assert load(kept, "b") is None
    room_bytes = 2 * entry.stat().st_size
    replace(kept, limit_bytes=room_bytes + old.stat().st_size).store("c", study(1), rounded=False)
    assert [path.name for path in entries(kept)] == ["a.tracks", "b.histograms", "c.tracks"]
    replace(kept, limit_bytes=room_bytes).store("c", study(1), rounded=False)
    assert [path.name for path in entries(kept)] == ["a.tracks", "c.tracks"]


# ---------------------------------------------------------------- disks and neighbours


def test_a_folder_that_is_none_is_no_error(tmp_path, shelf, caplog):
    (tmp_path / "a file").write_text("")
    kept = StudyCache(tmp_path / "a file" / "kept")
    for _ in range(2):
        assert_same(binned_in_parts(shelf, cache=kept), binned_whole(shelf))
    assert "studies cannot be kept in" in caplog.text


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing_is_no_error(kept, shelf, monkeypatch, reason):
    def refuse(*_, **__):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(cache_module.tempfile, "mkstemp", refuse)
    assert_same(binned_in_parts(shelf, cache=kept), binned_whole(shelf))
    assert entries(kept) == []


def test_a_disk_that_gets_full_keeps_no_half_of_an_entry(kept, shelf):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    export = study(*range(50))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        kept.store("a", export, rounded=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert entries(kept) == []
    kept.store("a", export, rounded=False)
    assert plain(load(kept, "a")) == plain(export)


def test_a_folder_that_can_only_be_read_serves_as_well(kept, shelf, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EROFS, "Read-only file system")

    whole = binned_in_parts(shelf, cache=kept)
    for name in ("utime", "replace", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(cache_module.tempfile, "mkstemp", refuse)
    refuse_to_read(monkeypatch)
    assert_same(binned_in_parts(shelf, cache=kept), whole)


def store_and_load(folder, own):
    """What one of several processes does: write, read, and crowd the others out."""
    kept = StudyCache(Path(folder), limit_bytes=5_000)
    loaded = 0
    for number in range(25):
        name = f"{number % 7}"
        kept.store(name, study(number % 7 + 1), rounded=False)
        kept.store(f"{own}-{number}", study(own), rounded=False)
        found = load(kept, name)
        if found is not None:
            assert plain(found) == plain(study(number % 7 + 1))
            loaded += 1
    return loaded


def test_several_processes_share_a_folder(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(3) as pool:
        loaded = pool.starmap(store_and_load, [(str(tmp_path), own) for own in (1, 2, 3)])
        pool.close()
        pool.join()
    assert all(loaded)
    assert not list(tmp_path.glob(".part-*"))
    kept = StudyCache(tmp_path, limit_bytes=5_000)
    kept.store("last", study(1), rounded=False)
    assert sum(path.stat().st_size for path in entries(kept)) <= 5_000
    assert all(load(kept, path.name.split(".")[0]) for path in entries(kept))


def test_a_reader_without_numbers_of_its_own_is_the_same_in_a_new_process(shelf, kept):
    binned_in_parts(shelf, cache=kept)
    code = (
        "import sys; from pathlib import Path; import gazeheat_core as gh;"
        "from gazeheat_core import parallel;"
        "from gazeheat_core.cache import StudyCache; parallel.read_part = None;"
        "from tests.test_parallel import binned_in_parts;"
        "study = binned_in_parts(Path(sys.argv[1]), cache=StudyCache(Path(sys.argv[2])));"
        "print([r.counts.used for r in gh.select(study)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shelf), str(kept.folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "[3, 2]\n"


# ---------------------------------------------------------------- the command line


def test_a_second_run_equals_the_first_and_reads_nothing(tmp_path, kept, capsys, monkeypatch):
    given = [
        str(export_folder(tmp_path / "b", [Row(1.0, 1.0)] * 3)),
        str(export_zip(tmp_path / "a.zip")),
    ]
    out, results = tmp_path / "images", []
    for cache in ([], ["--cache", str(kept.folder)], ["--cache", str(kept.folder)]):
        assert main([*given, "--out", str(out), *cache]) == 0
        images = {path.name: path.read_bytes() for path in out.iterdir()}
        results.append((capsys.readouterr(), images))
        if cache:
            refuse_to_read(monkeypatch, digests=False)
    assert results[0] == results[1] == results[2]
    assert len(results[0][1]) == 4
    with pytest.raises(AssertionError, match="nothing should be read"):
        main([*given, "--out", str(out)])


def test_the_command_takes_the_key_from_its_environment(tmp_path, kept, capsys, monkeypatch):
    given = [str(export_zip(tmp_path / "a.zip")), "--out", str(tmp_path / "images")]
    monkeypatch.setenv("GAZEHEAT_CACHE_KEY", "a secret")
    assert main([*given, "--cache", str(kept.folder)]) == 0
    refuse_to_read(monkeypatch, digests=False)
    assert main([*given, "--cache", str(kept.folder)]) == 0
    monkeypatch.setenv("GAZEHEAT_CACHE_KEY", "another")
    with pytest.raises(AssertionError, match="nothing should be read"):
        main([*given, "--cache", str(kept.folder)])
    assert capsys.readouterr().err == ""
