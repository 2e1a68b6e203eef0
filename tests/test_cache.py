"""Histograms on disk: a study opened again is not read, and nothing damaged is believed."""

import errno
import io
import json
import multiprocessing
import os
import pickle
import shutil
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
from gazeheat_core import studies
from gazeheat_core.cache import HistogramCache, open_cache
from gazeheat_core.cli import main
from gazeheat_core.heatmap import BinnedExport, Bins, RecordingHistogram
from tests.builders import (
    FRAME,
    MM,
    RIM,
    Row,
    export_folder,
    export_zip,
    gaze_csv,
    picture_bytes,
    sections_csv,
)
from tests.test_studies import assert_same, binned_in_parts, binned_whole

ROOT = Path(__file__).parents[1]


@pytest.fixture
def kept(tmp_path):
    return HistogramCache(tmp_path / "kept")


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

    monkeypatch.setattr(studies, "iter_gaze", refuse)
    monkeypatch.setattr(studies, "bin_part", refuse)
    if digests:
        monkeypatch.setattr(Path, "open", _only(Path.open, lambda path: path.name != "gaze.csv"))


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


def histograms(kept):
    """The only entry that holds histograms."""
    (entry,) = [path for path in entries(kept) if not path.name.startswith("file-")]
    return entry


def binned(*used, size=(2, 3)):
    """An export with one recording for each number, which all its bins hold."""
    recordings = tuple(
        RecordingHistogram(
            id=f"rec-{i}",
            name=f"P{i}",
            wearer="Zoë",
            label=f"P{i}",
            duration_ns=i,
            counts=gh.Counts(used=count * size[0] * size[1], outside=1, undetected=2, unreadable=3),
            kept=Bins.of(np.full(size, count, np.uint32)),
        )
        for i, count in enumerate(used)
    )
    return BinnedExport("Shelf", MM, recordings, unassigned_rows=7, frame=FRAME[MM])


def plain(export):
    return [
        (r.id, r.name, r.wearer, r.label, r.duration_ns, r.counts, r.bins.tolist(), r.bins.dtype)
        for r in export.recordings
    ] + [
        export.name,
        export.kind,
        export.frame,
        export.unassigned_rows,
        export.notices,
        export.image,
    ]


# ---------------------------------------------------------------- kept and found again


@pytest.mark.parametrize("used", [(), (1,), (1, 2, 4_294_967_295)])
@pytest.mark.parametrize("rounded", [True, False])
def test_what_is_stored_is_loaded(kept, used, rounded):
    kept.store("a" * 64, binned(*used), rounded=rounded)
    export, was_rounded = kept.load("a" * 64)
    assert plain(export) == plain(binned(*used))
    assert was_rounded is rounded
    assert kept.load("b" * 64) is None


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
    # Gaze, sections and picture: the fixations decide nothing.
    assert len(entries(kept, "file-")) == 3
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
@pytest.mark.parametrize("what", ["histograms", "digests"])
def test_what_is_damaged_is_made_anew(kept, shelf, harm, what, caplog):
    whole = binned_in_parts(shelf, cache=kept)
    chosen = [histograms(kept)] if what == "histograms" else entries(kept, "file-")
    before = {path: path.read_bytes() for path in chosen}
    for path, data in before.items():
        path.write_bytes(harmed(data)[harm])
    assert_same(binned_in_parts(shelf, cache=kept), whole)
    assert {path: path.read_bytes() for path in chosen} == before
    assert "damaged; they are made anew" in caplog.text


def test_no_flipped_byte_goes_unnoticed(kept):
    kept.store("k", binned(1), rounded=False)
    (path,) = entries(kept)
    data = path.read_bytes()
    for position in range(len(data)):
        harm = bytearray(data)
        harm[position] ^= 0x55
        path.write_bytes(harm)
        assert kept.load("k") is None
        assert not path.exists()
    path.write_bytes(data)
    assert kept.load("k") is not None


def test_no_entry_passes_for_another(kept):
    kept.store("one", binned(1), rounded=False)
    one = entries(kept)[0]
    kept.store("other", binned(2), rounded=False)
    (other,) = set(entries(kept)) - {one}
    a, b = one.read_bytes(), other.read_bytes()
    one.write_bytes(b)
    other.write_bytes(a)
    assert (kept.load("one"), kept.load("other")) == (None, None)


def npz(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


GARBAGE = {
    "nothing": b"",
    "text": b"no histogram",
    "the start of a ZIP": b"PK\x03\x04 and no more",
    "an empty ZIP": b"PK\x05\x06" + bytes(18),
    "a pickle": pickle.dumps(Trap()),
    "a pickle in an array": npz(facts=np.array([Trap()], object), bins=np.zeros(1)),
    "other arrays": npz(x=np.zeros(3)),
    "no JSON": npz(facts=np.zeros(3, np.uint8), bins=np.zeros(1)),
    "other JSON": npz(facts=np.frombuffer(b"[1]", np.uint8), bins=np.zeros(1)),
    "deep JSON": npz(facts=np.frombuffer(b"[" * 10**5, np.uint8), bins=np.zeros(1)),
    "one array": np.zeros(3).tobytes(),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_under_a_right_seal_is_made_anew(kept, shelf, what, caplog):
    whole = binned_in_parts(shelf, cache=kept)
    entry = histograms(kept)
    name = entry.name.split(".")[0]
    kept._write(name, GARBAGE[what])
    assert kept.load(name) is None
    assert not entry.exists()
    assert "not to be decoded" in caplog.text
    assert_same(binned_in_parts(shelf, cache=kept), whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, counts=replace(r.counts, used=5)),
        lambda r: replace(r, kept=Bins.of(r.bins + np.uint32(1))),
    ],
    ids=["counts", "bins"],
)
def test_bins_that_do_not_add_up_are_not_believed(kept, change):
    export = binned(1)
    export = replace(export, recordings=tuple(map(change, export.recordings)))
    kept.store("k", export, rounded=False)
    assert kept.load("k") is None


def entry_bytes(*, recordings=1, shape=(2, 3), bins=None):
    """What stands in an entry before its seal; `bins` are packed as they are given."""
    counts = {"used": 0, "outside": 0, "undetected": 0, "unreadable": 0}
    about = {"id": "a", "name": "", "wearer": "", "label": "a", "duration_ns": 0}
    facts = {"name": "Shelf", "kind": MM, "frame": None, "unassigned_rows": 0, "rounded": False}
    facts["shape"] = shape
    facts["recordings"] = [about | {"counts": counts}] * recordings
    size_bytes = 4 * recordings * shape[0] * shape[1]
    return json.dumps(facts).encode() + b"\n" + zlib.compress(bins or bytes(size_bytes))


def test_an_entry_written_by_hand_is_loaded(kept):
    kept._write("k", entry_bytes())
    assert kept.load("k")[0].recordings[0].bins.tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(
    "entry",
    [
        {"recordings": 5_000, "shape": (300, 300), "bins": bytes(10**7)},
        {"shape": (30_000, 30_000), "bins": bytes(10**7)},
        {"shape": (2, 3), "bins": bytes(10**8)},
        {"shape": (0, 3), "bins": bytes(10**8)},
        {"shape": (2, 3), "bins": bytes(23)},
        {"shape": (-2, -3)},
    ],
    ids=["many recordings", "large grid", "more than stated", "nothing stated", "less", "negative"],
)
def test_what_an_entry_unpacks_to_is_bounded(kept, entry):
    data = entry_bytes(**entry)
    kept._write("k", data)
    tracemalloc.start()
    try:
        assert kept.load("k") is None
        assert tracemalloc.get_traced_memory()[1] < 10 * len(data) + 2**20
    finally:
        tracemalloc.stop()
    assert entries(kept) == []


def test_an_entry_too_large_to_be_one_is_not_held(kept, monkeypatch):
    kept.store("k", binned(1), rounded=False)
    monkeypatch.setattr(cache_module, "ENTRY_BYTES", entries(kept)[0].stat().st_size - 1)
    assert kept.load("k") is None


def test_a_study_too_large_for_an_entry_is_read_each_time(kept, monkeypatch, caplog):
    monkeypatch.setattr(cache_module, "ENTRY_BYTES", 2 * 3 * 4)
    kept.store("k", binned(1, 2), rounded=False)
    assert not kept.folder.exists()
    assert "the histograms of Shelf are too large to be kept" in caplog.text


# ---------------------------------------------------------------- who may write


@pytest.fixture
def with_key(kept):
    return open_cache(str(kept.folder), "a secret")


def test_a_folder_and_a_key_open_a_cache(tmp_path):
    folder = str(tmp_path / "kept")
    assert open_cache("") is None
    assert open_cache("", "a secret") is None
    assert open_cache(folder) == HistogramCache(tmp_path / "kept")
    assert open_cache(folder, "a secret") != open_cache(folder, "another")
    # As long as one likes; and it is not shown.
    assert "secret" not in repr(open_cache(folder, "a secret" * 1000))


def test_with_the_key_an_entry_is_loaded(kept, with_key):
    with_key.store("k", binned(1), rounded=True)
    again = open_cache(str(kept.folder), "a secret")
    assert plain(again.load("k")[0]) == plain(binned(1))


def test_entries_of_another_key_are_made_anew_without_a_word(kept, with_key, caplog):
    others = [kept, open_cache(str(kept.folder), "another")]
    for number, other in enumerate(others):
        other.store("k", binned(number), rounded=False)
    assert with_key.load("k") is None
    with_key.store("k", binned(5), rounded=False)
    for number, cache in zip((0, 1, 5), (*others, with_key), strict=True):
        assert plain(cache.load("k")[0]) == plain(binned(number))
    assert caplog.text == ""


def test_without_the_key_no_entry_can_be_forged(kept, with_key, caplog):
    with_key.store("k", binned(1), rounded=False)
    (entry,) = entries(kept)
    kept._write("k", entry_bytes())
    forged = kept._path("k").read_bytes()
    entry.write_bytes(forged)
    assert with_key.load("k") is None
    assert "damaged; they are made anew" in caplog.text


def test_a_digest_of_a_file_cannot_be_forged_either(kept, with_key, shelf):
    binned_in_parts(shelf, cache=kept)
    for path in entries(kept, "file-"):
        name = path.name.split(".")[0]
        shutil.copy(path, with_key._path(name))
    assert_same(binned_in_parts(shelf, cache=with_key), binned_whole(shelf))


posix_only = pytest.mark.skipif(os.name != "posix", reason="rights of another kind")


@posix_only
def test_a_new_folder_is_for_its_account_alone(tmp_path):
    kept = HistogramCache(tmp_path / "a" / "kept")
    kept.store("k", binned(1), rounded=False)
    assert kept.folder.stat().st_mode & 0o777 == 0o700


@posix_only
@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_said_once(tmp_path, caplog, mode):
    tmp_path.chmod(mode)
    for _ in range(2):
        kept = HistogramCache(tmp_path)
        kept.store("k", binned(1), rounded=False)
        assert kept.load("k") is not None
    assert caplog.text.count("other accounts may write into") == 1
    assert str(tmp_path) in caplog.text


@posix_only
def test_a_link_in_the_place_of_an_entry_is_not_followed(kept, tmp_path):
    kept.store("k", binned(1), rounded=False)
    (entry,) = entries(kept)
    outside = tmp_path / "outside"
    entry.rename(outside)
    before = outside.read_bytes()
    entry.symlink_to(outside)
    assert kept.load("k") is None
    kept.store("k", binned(2), rounded=False)
    assert not entry.is_symlink()
    assert plain(kept.load("k")[0]) == plain(binned(2))
    assert outside.read_bytes() == before


@posix_only
def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(kept):
    kept.folder.mkdir()
    os.mkfifo(kept._path("k"))
    assert kept.load("k") is None


# ---------------------------------------------------------------- bounded


def age(path, days):
    then = path.stat().st_mtime - days * 86_400
    os.utime(path, (then, then))


def test_the_least_recently_used_go_first(kept):
    sizes = []
    for name in "abc":
        kept.store(name, binned(1), rounded=False)
        (new,) = [path for path in entries(kept) if path.name.startswith(name)]
        sizes.append(new.stat().st_size)
    for days, path in zip((3, 2, 1), entries(kept), strict=True):
        age(path, days)
    assert kept.load("a") is not None  # used: now "b" is the oldest
    small = replace(kept, limit_bytes=sum(sizes))
    small.store("d", binned(1), rounded=False)
    assert [path.name[0] for path in entries(kept)] == ["a", "c", "d"]
    assert sum(path.stat().st_size for path in entries(kept)) <= small.limit_bytes


def test_an_entry_larger_than_the_bound_is_not_kept(kept):
    replace(kept, limit_bytes=10).store("a", binned(1), rounded=False)
    assert entries(kept) == []


def test_what_a_crash_left_counts_and_goes(kept, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    kept.store("a", binned(1), rounded=False)
    entry_bytes = entries(kept)[0].stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        patch.setattr(os, "unlink", lambda _: None)  # the power is off before that
        with pytest.raises(KeyboardInterrupt):
            kept.store("b", binned(1), rounded=False)
    (left,) = entries(kept, ".part-")
    age(left, 1)
    replace(kept, limit_bytes=2 * entry_bytes).store("c", binned(1), rounded=False)
    assert [path.name[0] for path in entries(kept)] == ["a", "c"]


def test_nothing_else_in_the_folder_is_ever_removed(kept):
    kept.folder.mkdir()
    (kept.folder / "thesis.zip").write_bytes(bytes(1000))
    (kept.folder / ("0" * 64)).write_bytes(bytes(1000))
    (kept.folder / "study").mkdir()
    for path in entries(kept):
        age(path, 100)
    small = replace(kept, limit_bytes=1)
    small.store("a", binned(1), rounded=False)
    assert [path.name for path in entries(kept)] == ["0" * 64, "study", "thesis.zip"]


# ---------------------------------------------------------------- disks and neighbours


def test_a_folder_that_is_none_is_no_error(tmp_path, shelf, caplog):
    (tmp_path / "a file").write_text("")
    kept = HistogramCache(tmp_path / "a file" / "kept")
    for _ in range(2):
        assert_same(binned_in_parts(shelf, cache=kept), binned_whole(shelf))
    assert "histograms cannot be kept in" in caplog.text


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
    export = binned(*range(50), size=(50, 50))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        kept.store("a", export, rounded=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert entries(kept) == []
    kept.store("a", export, rounded=False)
    assert plain(kept.load("a")[0]) == plain(export)


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
    kept = HistogramCache(Path(folder), limit_bytes=5_000)
    loaded = 0
    for number in range(25):
        name = f"{number % 7}"
        kept.store(name, binned(number % 7 + 1), rounded=False)
        kept.store(f"{own}-{number}", binned(own), rounded=False)
        found = kept.load(name)
        if found is not None:
            assert plain(found[0]) == plain(binned(number % 7 + 1))
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
    kept = HistogramCache(tmp_path, limit_bytes=5_000)
    kept.store("last", binned(1), rounded=False)
    assert sum(path.stat().st_size for path in entries(kept)) <= 5_000
    assert all(kept.load(path.name.split(".")[0]) for path in entries(kept))


def test_a_reader_without_numbers_of_its_own_is_the_same_in_a_new_process(shelf, kept):
    binned_in_parts(shelf, cache=kept)
    code = (
        "import sys; from pathlib import Path; from gazeheat_core import studies;"
        "from gazeheat_core.cache import HistogramCache; studies.bin_part = None;"
        "from tests.test_studies import binned_in_parts;"
        "export = binned_in_parts(Path(sys.argv[1]), cache=HistogramCache(Path(sys.argv[2])));"
        "print([r.counts.used for r in export.recordings])"
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
