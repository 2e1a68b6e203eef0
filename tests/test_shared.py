"""Studies on the server: read once, shared while someone has them open, then freed."""

import gc
import threading

import numpy as np
import pytest

import gazeheat_core as gh
from gazeheat_core.exports import find_exports, open_source
from gazeheat_core.page.shared import SharedStudies, identity
from tests.builders import Row, export_folder, export_zip, gaze_csv

PATIENCE_S = 60


def a_study():
    """A study that is known by its object alone."""
    return gh.Study(name="Shelf", kind="", recordings=(), grid=gh.Grid((4, 3), (0, 0, 4, 3)))


def never():
    raise AssertionError("nobody has to wait")


def test_a_study_is_read_once_for_all_who_have_it_open():
    shared, read = SharedStudies(), []

    def make():
        read.append(1)
        return a_study()

    one, other = (shared.get(("a",), make, never) for _ in range(2))
    assert one is other
    assert shared.get(("b",), make, never) is not one
    assert len(read) == 2


def test_a_study_that_nobody_has_open_is_freed_and_read_again():
    shared, read = SharedStudies(), []

    def make():
        read.append(1)
        return a_study()

    shared.get(("a",), make, never)
    gc.collect()
    shared.get(("a",), make, never)
    assert len(read) == 2


def test_others_wait_while_one_reads_and_get_the_same():
    shared = SharedStudies()
    begun, go_on, waited = threading.Event(), threading.Event(), threading.Event()
    got = []

    def slow():
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return a_study()

    def wait():
        waited.set()
        go_on.set()

    def ask(read, waiting):
        got.append(shared.get(("a",), read, waiting))

    first = threading.Thread(target=ask, args=(slow, never))
    first.start()
    assert begun.wait(PATIENCE_S)
    ask(never, wait)
    first.join(PATIENCE_S)
    assert waited.is_set()
    assert got[0] is got[1]


def test_after_an_error_the_next_one_reads():
    shared = SharedStudies()

    def fail():
        raise gh.SourceError("gone")

    with pytest.raises(gh.SourceError, match="gone"):
        shared.get(("a",), fail, never)
    assert isinstance(shared.get(("a",), a_study, never), gh.Study)


def found_in(place):
    with open_source(place) as files:
        (found,), _ = find_exports(files)
    return found


@pytest.mark.parametrize("packed", [True, False])
def test_a_changed_file_makes_another_study(tmp_path, packed):
    make = export_zip if packed else export_folder
    place = make(tmp_path / "Shelf")
    known = identity(found_in(place))
    assert identity(found_in(place)) == known
    if packed:
        export_zip(place, [Row(1.0, 1.0)])
    else:
        (place / "gaze.csv").write_text(gaze_csv([Row(1.0, 1.0)]))
    assert identity(found_in(place)) != known


def test_a_file_that_is_gone_is_said(tmp_path):
    place = export_folder(tmp_path / "Shelf")
    found = found_in(place)
    (place / "sections.csv").unlink()
    with pytest.raises(gh.SourceError, match=r"sections\.csv.*: it is not there any more\."):
        identity(found)


def test_what_is_shared_cannot_be_changed(tmp_path):
    place = export_folder(tmp_path / "Shelf")
    with open_source(place) as files:
        (found,), _ = find_exports(files)
        study = gh.exports.read_study(found)
    track = study.recordings[0].sections[0].gaze
    for column in (track.time, track.cell, track.value):
        with pytest.raises(ValueError, match="read-only"):
            column[:1] = np.zeros(1, column.dtype)
