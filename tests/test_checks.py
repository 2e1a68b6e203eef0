"""What is checked of the data: each defect is found, alone, and a healthy study has none."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest

import gazeheat_core as gh
from gazeheat_core import stuck
from gazeheat_core.cache import StudyCache
from gazeheat_core.checks import Check, as_json, check_study, summary
from gazeheat_core.sample import sample_zip
from tests.builders import FIRST_NS, MM, RIM, Row, export_zip
from tests.test_parallel import binned_in_parts

# A bin is a pixel.
SIZE = (300, 200)
MS = 1_000_000
NAN = np.nan
# Long enough that two seconds at 5 ms are no twentieth of it.
COUNT = 10_000

ALL = {
    "size",
    "upside-down",
    "no-gaze",
    "outside",
    "undetected",
    "clumps",
    "frozen",
    "gaps",
    "interval",
    "corrected",
    "overlaps",
    "repeated",
    "unreadable",
}


def gaze(count=COUNT, *, step_ms=5, first_ms=0, width=300, height=200):
    """Samples all over the picture, or its top left: each in another bin than the one before."""
    number = np.arange(count)
    times = FIRST_NS + (first_ms + step_ms * number) * MS
    return gh.GazeSamples(times, (37 * number) % width + 0.5, (53 * number) % height + 0.5)


def changed(places, x, y):
    """Healthy gaze but for some samples, which lie elsewhere."""
    samples = gaze()
    samples.x[places], samples.y[places] = x, y
    return samples


def later(samples, places, by_ms):
    """Put all samples from each of these on later."""
    shift = np.zeros(len(samples), np.int64)
    shift[places] = by_ms * MS
    return replace(samples, timestamp_ns=samples.timestamp_ns + shift.cumsum())


def taken(samples, places):
    """Some of the samples, in this order."""
    return gh.GazeSamples(samples.timestamp_ns[places], samples.x[places], samples.y[places])


def rounded(samples):
    """Samples with the times that a spreadsheet leaves of them."""
    return replace(samples, timestamp_ns=samples.timestamp_ns // (1000 * MS) * (1000 * MS))


def recording(name, *sections, unreadable=0):
    """A recording of a wearer, each section given by its samples."""
    return gh.Recording(
        f"id of {name}",
        name,
        "",
        tuple(gh.Section(f"{name} {i}", one, None, unreadable) for i, one in enumerate(sections)),
    )


def study(*recordings, frame=None, size=SIZE):
    kind = RIM if frame is None else MM
    picture = gh.ReferenceImage(size, b"")
    return gh.track_export(gh.Export("Shelf", kind, recordings, picture, frame=frame))


def with_ben(*sections, **options):
    """A healthy recording of Ada, and one of Ben that has these sections."""
    return study(recording("Ada", gaze()), recording("Ben", *sections, **options))


def fixated(compared, corrected, mirrored):
    """A healthy study in which Ben's fixations were compared with their gaze."""
    healthy = with_ben(gaze())
    ada, ben = healthy.recordings
    (section,) = ben.sections
    section = replace(
        section,
        fixations_compared=compared,
        fixations_corrected=corrected,
        fixations_mirrored=mirrored,
    )
    return replace(healthy, recordings=(ada, replace(ben, sections=(section,))))


def findings(study):
    return [check for check in check_study(study) if not check.is_fine]


def only_finding(study):
    (found,) = findings(study)
    return found


# ---------------------------------------------------------------- nothing to look at


def test_a_healthy_study_has_no_finding():
    found = check_study(with_ben(gaze(), gaze(first_ms=100_000)))
    assert {check.slug for check in found} == ALL
    assert [check for check in found if not check.is_fine or check.of] == []
    assert summary(found) == "Check the data: all fine"


def test_the_sample_has_no_finding():
    (export,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_zip())))
    assert findings(gh.track_export(export)) == []


def blob(x, y, spread):
    """A thousand samples around one place, thinning out."""
    rng = np.random.default_rng(5)
    number = np.arange(1000)
    x, y = rng.normal(x, spread, 1000), rng.normal(y, spread, 1000)
    return gh.GazeSamples(FIRST_NS + 5 * MS * number, x, y)


@pytest.mark.parametrize(
    ("samples", "frame"),
    [
        (gaze(1000, width=300, height=60), None),  # a band at the top, such as a headline
        (gaze(1000, width=140, height=90), (0.0, 0.0, 300.0, 200.0)),  # parts of a surface
        (gaze(199, width=140, height=90), None),  # too few to tell
        (blob(70, 50, 12), None),  # one spot, away from the corner
        (blob(50, 40, 11), None),  # one spot near the corner, which thins out
    ],
    ids=["band", "surface", "few", "spot", "spot near the corner"],
)
def test_gaze_on_a_part_of_the_picture_may_well_be_right(samples, frame):
    assert findings(study(recording("Ada", samples), frame=frame)) == []


@pytest.mark.parametrize(
    "samples",
    [
        changed(slice(0, 400), 150.5, 100.5),  # 1.995 s in one bin
        changed(slice(0, None, 21), 150.5, 100.5),  # 4.8 % of the samples
        changed(slice(0, None, 6), 310.0, 100.5),  # 17 % beside the picture
        changed(slice(0, 4900), NAN, NAN),  # 49 % undetected: outside of bins nothing is frozen
        later(gaze(), [2000], 2600),  # 4.9 % of the time
        gh.GazeSamples(np.array([FIRST_NS]), np.array([1.0]), np.array([1.0])),
        # Positions in hundredths of the side, many of them at one place.
        gh.GazeSamples(
            FIRST_NS + 5 * MS * np.arange(1000),
            150.0 + 3 * (np.arange(1000) % 4),
            np.full(1000, 100.0),
        ),
    ],
    ids=["still", "point", "outside", "undetected", "gap", "one sample", "rounded"],
)
def test_a_little_of_a_defect_is_none(samples):
    slugs = {check.slug for check in findings(with_ben(samples))}
    assert slugs <= {"interval"}  # one sample tells no interval
    assert not slugs or len(samples) == 1


# ---------------------------------------------------------------- one defect each


@pytest.mark.parametrize(
    ("given", "slug", "severity", "sentence", "of"),
    [
        (
            study(recording("Ada", gaze(width=120, height=80))),
            "size",
            3,
            "The gaze fills only the top left 120 × 80 px of the picture's 300 × 200 px",
            [],
        ),
        (
            fixated(9, 9, 5),
            "upside-down",
            3,
            "In 1 of 2 recordings, fixations lie nearer to their gaze turned upside down",
            [("Ben", "5 of 9 fixations")],
        ),
        (
            with_ben(changed(slice(None), NAN, NAN)),
            "no-gaze",
            2,
            "In 1 of 2 recordings, no gaze lies on the picture",
            [("Ben", "10,000 samples, none on the picture")],
        ),
        (
            with_ben(changed(slice(0, None, 4), 310.0, 100.5)),
            "outside",
            2,
            "In 1 of 2 recordings, 25 % of the detected samples lie beside the picture.",
            [("Ben", "2,500 of 10,000 samples, 25 %")],
        ),
        (
            with_ben(changed(slice(0, 6000), NAN, NAN)),
            "undetected",
            2,
            "In 1 of 2 recordings, 60 % of the samples are not on the picture",
            [("Ben", "6,000 of 10,000 samples, 60 %")],
        ),
        (
            with_ben(changed(slice(0, None, 10), 0.0, 0.0)),
            "clumps",
            2,
            "In 1 of 2 recordings, one point has 10 % of the samples, and next to none lie around "
            "it, at x 0, y 0 px.",
            [("Ben", "1,000 of 10,000 samples, 10 %, at x 0, y 0 px")],
        ),
        (
            with_ben(changed(slice(100, 501), 150.5, 100.5)),
            "frozen",
            2,
            "In 1 of 2 recordings, the gaze stands still for 2 s or more: 1 time, 2.0 s in all.",
            [("Ben", "1 time, 2.0 s in all, first 0.5 s after the section's start")],
        ),
        (
            with_ben(later(gaze(), [1000, 2000], 2000)),
            "gaps",
            2,
            "In 1 of 2 recordings, 7.4 % of the time has no samples: 2 gaps of more than 100 ms, "
            "4.0 s in all.",
            [("Ben", "2 gaps, 4.0 s in all, 7.4 % of the time")],
        ),
        (
            with_ben(gaze(step_ms=20)),
            "interval",
            1,
            "In 1 of 2 recordings, samples are not as far apart as in the others: 5.0 to 20.0 ms.",
            [("Ben", "20.0 ms between samples")],
        ),
        (
            study(recording("Ada", rounded(gaze())), recording("Ben", rounded(gaze()))),
            "interval",
            1,
            "In both recordings, the times do not tell how far samples are apart.",
            [],
        ),
        (
            # A damaged row, six days late.
            with_ben(later(gaze(), [COUNT - 1], 6 * 86_400_000)),
            "interval",
            1,
            "In 1 of 2 recordings, 1 sample without a time that can be read",
            [("Ben", "1 sample without a time")],
        ),
        (
            fixated(41, 3, 0),
            "corrected",
            1,
            "3 of 41 fixations were corrected by hand. A map of gaze does not contain the "
            "correction. Choose a measure of fixations",
            [("Ben", "3 of 41 fixations")],
        ),
        (
            # Two seconds of one section are in the other one, too.
            with_ben(gaze(), taken(gaze(), slice(4000, 4400))),
            "overlaps",
            1,
            "In 1 of 2 recordings, 400 samples are listed by more than one section.",
            [("Ben", "400 samples")],
        ),
        (
            with_ben(taken(gaze(), np.tile(np.arange(COUNT), 2))),
            "repeated",
            1,
            "In 1 of 2 recordings, 10,000 rows repeat another one.",
            [("Ben", "10,000 of 20,000 rows")],
        ),
        (
            with_ben(gaze(), unreadable=200),
            "unreadable",
            2,
            "200 of 20,200 rows cannot be read. They are not in the map.",
            [("Ben", "200 of 10,200 rows")],
        ),
    ],
)
def test_a_defect_is_the_only_finding(given, slug, severity, sentence, of):
    found = only_finding(given)
    assert (found.slug, found.severity) == (slug, severity)
    assert found.sentence.startswith(sentence)
    assert list(found.of) == of
    assert found.more == 0


def test_rows_of_no_recording_are_told():
    healthy = replace(with_ben(gaze()), unassigned_rows=300)
    found = only_finding(healthy)
    assert found.sentence.startswith(
        "300 of 20,300 rows cannot be read, 300 of them of no recording."
    )
    assert found.of == ()


def test_what_is_wrong_with_the_whole_map_comes_first():
    wrong = fixated(9, 9, 5)
    ada, ben = wrong.recordings
    samples = later(changed(slice(0, None, 4), 310.0, 1.0), slice(None), 15)
    cara = study(recording("Cara", samples))
    found = check_study(replace(wrong, recordings=(ada, ben, *cara.recordings)))
    assert [check.slug for check in found[:3]] == ["upside-down", "outside", "interval"]
    assert [check.severity for check in found] == [3, 2, 1] + 10 * [0]
    assert summary(found) == "Check the data: 3 things to look at"


def test_only_some_recordings_are_named_and_none_where_it_is_the_same_in_all():
    blind = [recording(f"P{i:02}", changed(slice(None), NAN, NAN)) for i in range(25)]
    found = only_finding(study(*blind, recording("Ada", gaze())))
    assert [label for label, _ in found.of] == [f"P{i:02}" for i in range(20)]
    assert found.more == 5
    (found,) = (check for check in findings(study(*blind)) if check.slug == "no-gaze")
    assert (found.of, found.more) == ((), 0)
    assert found.sentence.startswith("In all 25 recordings, no gaze lies on the picture")


def test_the_worst_recording_is_named_first():
    shares = {"Ada": 5, "Ben": 2, "Cem": 4}
    given = [recording(name, changed(slice(0, None, n), 310.0, 1.0)) for name, n in shares.items()]
    found = only_finding(study(*given))
    assert [label for label, _ in found.of] == ["Ben", "Cem"]
    assert found.sentence.startswith("In 2 of 3 recordings, up to 50 % of the detected samples")


# ---------------------------------------------------------------- moments


def moments(study):
    """What is said of gaps and of gaze that stands still."""
    return {
        check.slug: (check.sentence, check.of)
        for check in check_study(study)
        if check.slug in ("gaps", "frozen")
    }


def test_moments_do_not_depend_on_how_many_samples_are_looked_at_at_a_time(monkeypatch):
    samples = later(changed(slice(0, 500), 9.5, 9.5), [700, 1400, 1401], 5000)
    samples.x[1396:1900], samples.y[1396:1900] = 50.5, 60.5  # broken by two gaps
    samples.x[9000:], samples.y[9000:] = 70.5, 80.5  # to the end
    given = with_ben(samples)
    whole = moments(given)
    assert whole["gaps"][1] == (("Ben", "3 gaps, 15.0 s in all, 23 % of the time"),)
    # 500, 499 and 1,000 samples: 2.495 s, 2.49 s and 4.995 s.
    assert whole["frozen"][1] == (
        ("Ben", "3 times, 10.0 s in all, first 0.0 s after the section's start"),
    )
    for at_a_time in (1, 7, 500):
        monkeypatch.setattr(stuck, "_AT_A_TIME", at_a_time)
        assert moments(given) == whole


def test_what_two_sections_share_is_seen_once():
    samples = later(changed(slice(100, 501), 150.5, 100.5), [1000, 2000, 3000], 2000)
    once = moments(with_ben(samples))
    assert "3 gaps" in once["gaps"][0]
    assert "1 time" in once["frozen"][0]
    # The second gap begins with the last sample of the first section.
    first, second, third = (
        taken(samples, part) for part in (slice(2000), slice(50, None), slice(60, 900))
    )
    assert moments(with_ben(second, third, first)) == once


# ---------------------------------------------------------------- said when it is opened


@pytest.mark.parametrize(
    ("samples", "slug", "told"),
    [
        (
            changed(slice(0, None, 10), 0.0, 0.0),
            "clumps",
            "In 1 of 2 recordings, one point has 10 % of the samples, and next to none lie around "
            "it, at x 0, y 0 px. These are 1,000 of 10,000 samples, and they are counted.",
        ),
        (
            changed(slice(0, None, 5), 150.0, 100.0),
            "clumps",
            "In 1 of 2 recordings, one point has 20 % of the samples, and next to none lie around "
            "it, at x 150, y 100 px. These are 2,000 of 10,000 samples, and they are counted.",
        ),
        (
            changed(slice(100, 501), 150.5, 100.5),
            "frozen",
            "In 1 of 2 recordings, the gaze stands still for 2 s or more: 1 time, 2.0 s in all. "
            "These are 401 of 10,000 samples, 4 %, longest at x 150, y 100 px, and they are "
            "counted.",
        ),
    ],
    ids=["lost", "middle of the screen", "frozen"],
)
def test_stuck_gaze_is_said_in_the_same_words_when_a_study_is_opened(samples, slug, told):
    given = with_ben(samples)
    found = only_finding(given)
    assert found.slug == slug
    assert found.sentence.startswith(told)
    assert given.notices == (f"Shelf · {RIM}: {found.sentence}",)
    # It is counted all the same.
    assert gh.select(given)[1].counts.used == COUNT


def test_a_clump_is_found_where_a_bin_holds_several_pixels():
    samples = gaze(400, width=1600, height=1200)
    samples.x[::2] = samples.y[::2] = 0.0
    given = study(recording("Ada", samples), size=(1600, 1200))
    (notice,) = given.notices
    assert "has 50 % of the samples" in notice
    assert "at x 0 to 5, y 0 to 5 px. These are 200 of 400 samples" in notice


def test_of_clumps_at_several_places_the_worst_is_named():
    given = study(
        recording("Ada", changed(slice(0, None, 10), 0.0, 0.0)),
        recording("Ben", changed(slice(0, None, 5), 150.0, 100.0)),
    )
    (notice,) = given.notices
    assert "In both recordings, one point has up to 20 % of the samples" in notice
    assert "in the worst of them at x 150, y 100 px. These are 3,000 of 20,000 samples" in notice


def test_stuck_gaze_that_two_sections_share_is_counted_once():
    samples = changed(slice(0, None, 10), 0.0, 0.0)
    samples.x[101:503], samples.y[101:503] = 150.5, 100.5
    once = with_ben(samples).notices
    assert "These are 960 of 10,000 samples" in once[0]
    assert "These are 402 of 10,000 samples" in once[1]
    parts = [taken(samples, part) for part in (slice(50, None), slice(2000), slice(60, 900))]
    assert with_ben(*parts).notices == once


# ---------------------------------------------------------------- samples listed twice


def twice_listed(rows, people=None):
    """What is counted of the samples of an export, and said of those listed twice."""
    (export,) = gh.read_exports(
        gh.Upload("a.zip", io.BytesIO(export_zip(rows=rows, people=people)))
    )
    tracked = gh.track_export(export)
    counts = gh.select(tracked)[0].counts
    said = {one.slug: one.sentence for one in check_study(tracked) if not one.is_fine}
    return counts, {slug: said[slug] for slug in ("overlaps", "repeated") if slug in said}


def looks(count, section="whole", first=0):
    """Rows of one recording, 5 ms apart, that any section lists alike."""
    return [
        Row(i % 40 + 0.5, 7 * i % 30 + 0.5, True, "rec-a", section, FIRST_NS + 5 * MS * i)
        for i in range(first, first + count)
    ]


def test_a_section_inside_another_adds_no_sample():
    counts, said = twice_listed([*looks(200, "part", 100), *looks(400)])
    assert (counts.rows, counts.used, counts.listed_twice) == (600, 400, 200)
    assert list(said) == ["overlaps"]
    assert said["overlaps"].startswith(
        "In the recording, 200 samples are listed by more than one section. Together they count "
        "once, so the map is right."
    )


def test_a_file_joined_with_itself_adds_no_sample():
    counts, said = twice_listed(looks(400) * 2)
    assert (counts.rows, counts.used, counts.listed_twice) == (800, 400, 400)
    assert list(said) == ["repeated"]
    assert said["repeated"].startswith(
        "In the recording, 400 rows repeat another one. Each sample counts once"
    )


def test_overlapping_sections_joined_with_themselves_are_told_apart():
    counts, said = twice_listed([*looks(200, "part", 100), *looks(400)] * 2)
    assert (counts.rows, counts.used, counts.listed_twice) == (1200, 400, 800)
    assert "200 samples are listed by more than one section" in said["overlaps"]
    assert "600 rows repeat another one" in said["repeated"]


def test_rows_with_rounded_times_are_not_taken_for_repeated():
    rows = [row._replace(timestamp_ns="1.74194E+18") for row in looks(400) * 2]
    counts, said = twice_listed(rows)
    assert (counts.rows, counts.used, counts.listed_twice) == (800, 800, 0)
    assert said == {}


# ---------------------------------------------------------------- for machines


def test_json_holds_what_the_view_says():
    check = Check("gaps", "Gaps", 2, "Two gaps.", (("Ben", "2 gaps"),), 3)
    told = as_json([check])
    assert json.loads(json.dumps(told)) == told
    assert told == [
        {
            "check": "gaps",
            "ok": False,
            "sentence": "Two gaps.",
            "recordings": [{"recording": "Ben", "sentence": "2 gaps"}],
            "more_recordings": 3,
        }
    ]


def test_parts_and_the_cache_get_the_same_answers_as_an_upload(tmp_path):
    rows = [
        Row(7.5 * (i % 4), 20.0, True, *who) if i % 3 else Row(NAN, NAN, False, *who)
        for who in (("rec-a", "sec-a"), ("rec-b", "sec-b"))
        for i in range(120)
    ]
    rows += [Row("gone", 1.0, True, "rec-b", "sec-b")] * 5
    given = export_zip(tmp_path / "shelf.zip", rows)
    (export,) = gh.read_exports(given)
    whole = check_study(gh.track_export(export))
    assert [check.slug for check in whole if not check.is_fine] == ["unreadable"]
    cache = StudyCache(tmp_path / "kept")
    for options in ({"part_bytes": 500}, {"cache": cache}, {"cache": cache}):
        assert check_study(binned_in_parts(given, **options)) == whole
