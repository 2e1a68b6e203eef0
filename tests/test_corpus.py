"""Broken and odd inputs through the core, bounded, and some of them through the page."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests import bounded
from tests.builders import export_zip
from tests.corpus import CASES, Drawn, Refused, export, packed, read_plainly
from tests.test_app import ALL_COUNTED, app, charts, drop, line
from tests.test_app import check as check_page

MB = 10**6
# What an upload of less than so many bytes may take at most: processor time, and memory over
# the start. A picture that really has many pixels may take so many bytes for each.
SMALL_UPLOAD_BYTES = MB
CPU_S = 5.0
MEMORY_BYTES = 300 * MB
BYTES_A_PIXEL = 6
MESSAGE_LENGTH = 1000

on_linux = pytest.mark.skipif(
    sys.platform != "linux" or not Path("/proc/self/clear_refs").exists(),
    reason="memory is measured as Linux tells it",
)


def test_the_plain_reader_tells_what_becomes_of_each_row():
    text = (
        "section id,recording id,timestamp [ns],gaze detected in reference image,"
        "gaze position in reference image x [px],gaze position in reference image y [px]\n"
        "s,r,1,true,0,0\n"  # the picture's corners belong to it
        "s,r,2,1,3e2,200\n"
        "s,r,3,True,300.001,0\n"
        "s,r,4,false,10,10\n"
        "s,r,5,,,\n"
        "s,r,6.5,true,10,10\n"
        "s,,7,true,10,10\n"
        "s,r,8,maybe,10,10\n"
        "s,r,9,true,1_0,10\n"
        "s,r,10,true,10,5,10\n"
    )
    reading = read_plainly(text, (300, 200))
    counts = reading.used, reading.outside, reading.undetected, reading.unreadable
    assert counts == (2, 1, 2, 5)
    assert reading.bins.shape == (200, 300)
    assert np.argwhere(reading.bins).tolist() == [[0, 0], [199, 299]]


def test_every_case_has_a_name_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES) >= 120


@pytest.fixture(scope="module")
def server():
    """The process that forks for every case."""
    one = bounded.Server(bounded.Upload({"study.zip": packed(export())}))
    yield one
    one.close()


def read(server, case):
    files = dict(case.files())
    picture = case.picture and (case.picture[0], case.picture[1]())
    colours = getattr(case.expected, "colours", None) or {}
    outcome = server.read(bounded.Upload(files, case.as_folder, picture, tuple(colours)))
    return outcome, sum(map(len, files.values()))


@on_linux
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_odd_input_gives_the_right_map_or_one_message(server, case):
    check(*read(server, case), case)


def check(outcome, size_bytes, case):
    assert not outcome.escaped, outcome.escaped
    assert not outcome.printed
    if isinstance(case.expected, Refused):
        assert not outcome.exports
        check_message(outcome.problems, case.expected.words)
    else:
        check_maps(outcome, case.expected)
    check_bounds(outcome, case, size_bytes)


def check_message(problems, words):
    assert len(problems) == 1, [problem[:300] for problem in problems[:5]]
    (message,) = problems
    check_sentence(message)
    missing = [word for word in words if word not in message]
    assert not missing, message


def check_sentence(text):
    assert text.isprintable(), ascii(text[:300])
    assert len(text) <= MESSAGE_LENGTH, text[:300]


def check_maps(outcome, expected: Drawn):
    if expected.beside:
        check_message(outcome.problems, expected.beside)
    else:
        assert not outcome.problems
    found = sorted(outcome.exports, key=lambda one: one.name)
    wanted = sorted(expected.maps, key=lambda one: one.name or "")
    assert len(found) == len(wanted)
    for one, told in zip(found, wanted, strict=True):
        check_map(one, told)
    notices = [notice for one in found for notice in one.notices]
    for notice in notices:
        check_sentence(notice)
    assert len(notices) == len(expected.notices), notices
    for notice, words in zip(notices, expected.notices, strict=True):
        assert all(word in notice for word in words), notice
    if expected.colours:
        (one,) = found
        seen = np.array(one.pixels, int)
        # A JPEG moves colours by a few levels.
        np.testing.assert_allclose(seen, list(expected.colours.values()), atol=6)


def check_map(found, told):
    reading = told.reading()
    assert found.counts == {
        "used": reading.used,
        "outside": reading.outside,
        "undetected": reading.undetected,
        "unreadable": reading.unreadable,
    }
    assert found.size == told.size
    np.testing.assert_array_equal(found.bins, reading.bins)
    # None where no time tells it.
    assert all(duration is None or duration >= 0 for duration in found.durations_ns)
    assert told.name in (None, found.name)
    assert told.ids in (None, found.ids)
    assert told.names in (None, found.names)


def check_bounds(outcome, case, size_bytes):
    if case.pixels:
        assert outcome.memory_bytes <= BYTES_A_PIXEL * case.pixels
    elif size_bytes < SMALL_UPLOAD_BYTES:
        assert outcome.cpu_s <= CPU_S
        assert outcome.memory_bytes <= MEMORY_BYTES


# --- Through the page ----------------------------------------------------------------

BY_NAME = {case.name: case for case in CASES}
ON_THE_PAGE = [
    "zip: an entry without a name",
    "zip: only an entry without a name",
    "zip: 250 MB of line ends by bzip2",
    "zip: half of it",
    "zip: no byte under its name",
    "zip: only a name of 60,000 characters",
    "zip: only control characters in a name",
    "zip: control characters and turned writing in a folder's name",
    "gaze.csv: decimal commas without quotes",
    "gaze.csv: pixels for fractions",
    "gaze.csv: flags -1 and 0",
    "gaze.csv: times at both ends of 64 bits",
    "sections.csv: of 100,000 recordings",
    "sections.csv: with an address in a name",
    "picture: EXIF 6 with its resolution as text",
    "picture: a progressive JPEG of 300 scans",
    "picture: a HEIC file",
    "mixture: two ZIPs, one of them broken",
    "mixture: an export beside 5,000 other tables",
    "mixture: a raw recording",
]


@pytest.mark.parametrize("name", ON_THE_PAGE)
def test_the_page_says_it_once_and_keeps_the_open_study(name, caplog):
    case = BY_NAME[name]
    page = drop(app(), before__zip=export_zip(name="Before"))
    assert line(page) == ALL_COUNTED
    page.file_uploader[0].set_value([(file, data, "") for file, data in case.files().items()])
    check_page(page.run())
    is_drawn = isinstance(case.expected, Drawn)
    # What is wrong with a picture stands where the page asks for another one.
    asks = [one.value for one in page.subheader] == ["Which picture was looked at?"]
    assert len(page.error) + asks == (bool(case.expected.beside) if is_drawn else 1)
    # Whatever was added is open now; the study before is one choice away, as it was.
    box = page.segmented_control(key="export")
    assert len(box.options) == (2 if is_drawn or not page.error else 1)
    assert box.options[0] == "Before"
    check_page(box.set_value(0).run())
    assert line(page) == ALL_COUNTED
    assert len(charts(page)) == 1
    assert "Traceback" not in caplog.text
