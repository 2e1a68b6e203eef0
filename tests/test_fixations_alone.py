"""Exports of fixations alone, and tables without times: what is counted, and what is said."""

import io
import json

import numpy as np
import pytest

import gazeheat_core as gh
from gazeheat_core.cache import StudyCache
from gazeheat_core.cli import main
from gazeheat_core.exports import find_exports, open_source, read_study
from gazeheat_core.parallel import open_executor
from gazeheat_core.report import counted
from tests import builders
from tests.builders import (
    FIRST_NS,
    MM,
    Fixation,
    export_files,
    export_folder,
    gaze_columns,
    picture_bytes,
)
from tests.test_app import app, check, drop, line, listed
from tests.test_parallel import assert_same, binned_in_parts

# In the builder's export Ada has a fixation of 200 ms on the picture and one beside it; Ben has
# one of 300 ms.
LATER = tuple(
    one._replace(start_ns=FIRST_NS + i * 400_000_000) for i, one in enumerate(builders.FIXATIONS)
)
DURATION = gh.Selection("fixation-duration")


def fixations_folder(path, fixations=LATER, **options):
    export_folder(path, fixations=fixations, **options)
    (path / "gaze.csv").unlink()
    return path


def manual_folder(path):
    """What a Manual Mapper writes: a status in the place of the yes or no."""
    fixations_folder(path)
    table = path / "fixations.csv"
    text = table.read_text().replace("fixation detected in reference image", "fixation status")
    table.write_text(text.replace(",true,", ",Mapped,").replace(",false,", ",Not mapped,"))
    return path


def eyelink_folder(path):
    """A fixation report without starts: two trials of one person."""
    path.mkdir()
    rows = [
        "RECORDING_SESSION_LABEL\tTRIAL_INDEX\tCURRENT_FIX_X\tCURRENT_FIX_Y\tCURRENT_FIX_DURATION"
    ]
    rows += ["ada\t1\t10.0\t5.0\t200", "ada\t1\t41.0\t5.0\t100", "ben\t1\t30.0\t20.0\t300"]
    (path / "report.txt").write_text("\n".join(rows) + "\n")
    (path / "screen.png").write_bytes(picture_bytes((40, 30), "PNG"))
    return path


def studio_folder(path):
    path.mkdir()
    columns = ["RecordingTimestamp", "RecordingName", "ParticipantName", "MediaName"]
    columns += ["FixationIndex", "FixationPointX (MCSpx)", "FixationPointY (MCSpx)"]
    rows = [[*columns, "GazeEventType", "GazeEventDuration"]]
    for i, one in enumerate(builders.FIXATIONS):
        about = [1000 + 400 * i, "r", one.recording, "shelf.png"]
        rows.append([*about, one.id, one.x, one.y, "Fixation", one.duration_ms])
    (path / "study.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    (path / "shelf.png").write_bytes(picture_bytes((40, 30), "PNG"))
    return path


def study_of(given):
    with open_source(given) as files:
        (found,), problems = find_exports(files)
        assert problems == []
        return read_study(found)


def run(capsys, *arguments):
    status = main([*map(str, arguments)])
    said = capsys.readouterr()
    return status, [json.loads(one) for one in said.out.splitlines()], said.err


MAKERS = {
    "reference image": fixations_folder,
    "markers": lambda path: fixations_folder(path, kind=MM),
    "manual": manual_folder,
    "eyelink": eyelink_folder,
    "tobii studio": studio_folder,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_fixations_alone_are_counted_by_their_duration(tmp_path, capsys, make):
    folder = make(tmp_path / "Shelf")
    study = study_of(folder)
    assert gh.measures_of(study) == ("fixation-duration", "fixation-count")
    ada, ben = gh.select(study, DURATION)
    assert (ada.counts, ben.counts) == (gh.Counts(used=1, outside=1), gh.Counts(used=1))
    bins = ada.bins + ben.bins  # 300 × 225 over 40 × 30 px
    assert {(r, c): bins[r, c] for r, c in np.argwhere(bins).tolist()} == {
        (37, 75): 200,
        (150, 225): 300,
    }
    status, (told_of,), said = run(capsys, folder, "--out", tmp_path / "images")
    assert status == 0
    assert "no gaze lies" not in said
    assert told_of["settings"]["selection"]["measure"] == "fixation-duration"
    assert told_of["seconds"] == 0.5
    assert [one["used"] for one in told_of["recordings"]] == [1, 1]
    assert all("no gaze lies" not in one["sentence"] for one in told_of["checks"])
    assert told_of["files"]["overlay"].endswith("_scale-5_fixation-duration.png")


def test_gaze_that_is_there_is_counted_as_ever(tmp_path):
    study = study_of(export_folder(tmp_path / "Shelf"))
    assert gh.first_measure(study) == "gaze"
    assert gh.Pool.over(study).take({0, 1}).counts.used == 5


def test_a_length_runs_from_the_first_fixation_to_the_end_of_the_last(tmp_path):
    ada, ben = gh.select(study_of(fixations_folder(tmp_path / "Shelf")), DURATION)
    # Ada's begin at 0 and 400 ms; the second takes 100 ms.
    assert (ada.duration_ns, ben.duration_ns) == (500_000_000, 300_000_000)


def test_windows_count_from_the_first_fixation(tmp_path):
    study = study_of(fixations_folder(tmp_path / "Shelf", people=None))
    assert gh.longest_section_s(study) == 0.4001
    (ada, ben) = gh.select(study, gh.Selection("fixation-count", window_s=(0.3, 0.5)))
    assert ada.counts == gh.Counts(outside=1, other_time=1)
    assert ben.counts == gh.Counts(other_time=1)


def test_rows_of_no_recording_add_up(tmp_path):
    rows = [*LATER, Fixation(9, 1.0, 1.0, recording="", section="")]
    study = study_of(fixations_folder(tmp_path / "Shelf", rows))
    assert (study.unassigned_rows, study.unassigned_fixations) == (0, 1)
    heatmap = gh.make_heatmap(gh.select(study, DURATION), study.size(), 5, DURATION)
    assert counted(study, heatmap) == (
        "**2 fixations of 2 recordings** · 1 outside · 0 undetected · 0 unreadable · "
        "1 of no recording = 4 rows"
    )


@pytest.mark.parametrize("make", [fixations_folder, studio_folder])
def test_processes_and_the_cache_give_the_same(tmp_path, monkeypatch, capsys, make):
    folder, kept = make(tmp_path / "Shelf"), StudyCache(tmp_path / "kept")
    whole = study_of(folder)
    with open_executor(jobs=2) as executor:
        assert_same(binned_in_parts(folder, executor=executor), whole)
    assert_same(binned_in_parts(folder, cache=kept), whole)
    images = {}
    for jobs in "12":
        out = tmp_path / jobs
        assert run(capsys, folder, "--out", out, "--jobs", jobs)[0] == 0
        images[jobs] = [path.read_bytes() for path in sorted(out.iterdir())]
    assert images["1"] == images["2"]

    def refuse(*_, **__):
        raise AssertionError("nothing should be read any more")

    # Not even for the names that only rows have: these are known of files as they were.
    monkeypatch.setattr("gazeheat_core.parallel.read_export", refuse)
    monkeypatch.setattr("gazeheat_core.exports.tables.read_blocks", refuse)
    assert_same(binned_in_parts(folder, cache=kept), whole)


def test_stimuli_of_one_table_are_kept_apart(tmp_path, capsys):
    folder = studio_folder(tmp_path / "Shelf")
    table = folder / "study.tsv"
    first, *rest = table.read_text().splitlines(keepends=True)
    other = [one.replace("shelf.png", "wall.png").replace("\t300", "\t900") for one in rest]
    table.write_text(first + "".join(rest + other))
    (folder / "wall.png").write_bytes(picture_bytes((40, 30), "PNG"))
    lines = []
    for _ in range(2):
        given = (folder, "--out", tmp_path / "images", "--cache", tmp_path / "kept")
        status, told_of, _ = run(capsys, *given)
        assert status == 0
        lines.append([(one["enrichment"], one["seconds"]) for one in told_of])
    assert lines == [[("shelf", 0.5), ("wall", 1.1)]] * 2


@pytest.mark.parametrize("is_packed", [False, True])
def test_names_in_rows_are_found_anew_in_a_table_that_changed(tmp_path, is_packed):
    folder = studio_folder(tmp_path / "Study")
    table = folder / "study.tsv"
    names = []
    for name in ("shelf", "shelf", "wall"):
        table.write_text(table.read_text().replace("shelf", name))
        place = folder
        if is_packed:
            place = tmp_path / "study.zip"
            builders.write_zip(place, {"study.tsv": table.read_text()})
        with open_source(place) as files:
            found, _ = find_exports(files)
            names.append([one.stimulus for one in found])
    assert names == [["shelf.png"], ["shelf.png"], ["wall.png"]]


def test_the_settings_that_a_file_carries_make_it_again(tmp_path, capsys):
    folder = fixations_folder(tmp_path / "Shelf")
    _, (told_of,), _ = run(capsys, folder, "--out", tmp_path / "images")
    overlay = told_of["files"]["overlay"]
    given = ("--settings", overlay, folder, "--out", tmp_path / "again")
    status, (again,), said = run(capsys, *given)
    assert (status, said) == (0, "")
    with open(overlay, "rb") as one, open(again["files"]["overlay"], "rb") as other:
        assert one.read() == other.read()
    status, _, said = run(capsys, folder, "--out", tmp_path / "no", "--measure", "gaze")
    assert status == 2
    assert "the export has no gaze, so 'gaze' cannot be counted. Choose the measure" in said


def test_fixations_in_the_pixels_of_another_picture_are_refused(tmp_path, capsys):
    rows = [Fixation(i, 900.0 + i, 700.0, 200, start_ns=FIRST_NS + i * 10**9) for i in range(6)]
    status, _, said = run(
        capsys, fixations_folder(tmp_path / "Shelf", rows), "--out", tmp_path / "images"
    )
    assert status == 2
    assert "only 0 of 6 detected fixations lie on the picture, which is 40 × 30 px" in said


def test_a_recording_of_fixations_only_is_named_beside_others_with_gaze(tmp_path):
    place = "on surface,{0} x [normalized],{0} y [normalized]\n"
    gaze = "timestamp [ns],gaze detected " + place.format("gaze position on surface")
    fixations = "fixation id,start timestamp [ns],end timestamp [ns],duration [ms],"
    fixations += "fixation detected " + place.format("fixation")
    gaze += "".join(f"{FIRST_NS + i * 5_000_000},True,0.5,0.5\n" for i in range(30))
    fixations += f"1,{FIRST_NS},{FIRST_NS + 10**8},100,True,0.25,0.25\n"
    files = {
        "study/ada/gaze_positions_on_surface_X.csv": gaze,
        "study/ada/fixations_on_surface_X.csv": fixations,
        "study/ben/fixations_on_surface_X.csv": fixations,
    }
    given = gh.Upload("study.zip", builders.write_zip(io.BytesIO(), files))
    (export,) = gh.read_exports(given)
    study = gh.track_export(gh.with_ratio(export, (4, 3)))
    assert gh.first_measure(study) == "gaze"
    checks = {one.slug: one for one in gh.check_study(study)}
    assert checks["no-gaze"].of == (("ben", "fixations only"),)
    assert "choose the measure fixations by duration" in checks["no-gaze"].sentence
    assert [one.counts.used for one in gh.select(study, DURATION)] == [1, 1]


def test_the_page_offers_fixations_only_and_counts_them(tmp_path):
    files = export_files(fixations=LATER)
    del files["gaze.csv"]
    page = drop(app(), fixed__zip=builders.write_zip(io.BytesIO(), files).getvalue())
    assert (
        line(page)
        == "**2 fixations of 2 recordings** · 1 outside · 0 undetected · 0 unreadable = 3 rows"
    )
    measure = page.selectbox(key="fixations")
    assert measure.options == ["Fixations by duration", "Fixations by number"]
    assert measure.value == "fixation-duration"
    assert page.expander[0].label.startswith("Counted: fixations by duration · pooled")
    assert [row.facts for row in listed(page)] == ["0:00 · 40 %", "0:00 · 60 %"]
    assert "Specification" not in [one.label for one in page.button]
    check(measure.set_value("fixation-count").run())
    # Gaze that comes later is counted as ever.
    page = drop(page, shelf__zip=builders.export_zip())
    assert page.selectbox(key="measure").value == "gaze"
    assert line(page).startswith("**5 samples of 2 recordings**")


# ---------------------------------------------------------------- without times


def timeless_folder(path, times=None):
    """An export whose gaze has no times, or has text in their place."""
    export_folder(path, fixations=None)
    header, *rows = [one.split(",") for one in (path / "gaze.csv").read_text().splitlines()]
    at = header.index("timestamp [ns]")
    for i, row in enumerate([header, *rows]):
        if times is None:
            del row[at]
        elif i:
            row[at] = times
    (path / "gaze.csv").write_text("".join(",".join(row) + "\n" for row in [header, *rows]))
    return path


@pytest.mark.parametrize("times", [None, "soon"])
def test_gaze_without_times_is_drawn_and_nothing_of_time_is_told(tmp_path, capsys, times):
    timed = study_of(export_folder(tmp_path / "timed"))
    folder = timeless_folder(tmp_path / "Shelf", times)
    study = study_of(folder)
    for one, other in zip(gh.select(study), gh.select(timed), strict=True):
        np.testing.assert_array_equal(one.bins, other.bins)
        assert one.counts == other.counts
        assert (one.duration_ns, one.entry_ns) == (None, None)
    region = ("--region", "All=0,0,40,30")
    status, (told_of,), said = run(
        capsys, folder, "--out", tmp_path / "images", *region, "--report"
    )
    assert status == 0
    assert "The heatmap does not need them; durations, windows of time and seconds are not" in said
    assert told_of["seconds"] is told_of["interval_ms"] is None
    assert [one["listed_twice"] for one in told_of["recordings"]] == [None, None]
    (looks,) = told_of["regions"]
    assert (looks["seconds"], looks["first_look_s"], looks["share"]) == (None, None, 1.0)
    checks = {one["check"]: one["sentence"] for one in told_of["checks"]}
    for slug in ("gaps", "frozen", "repeated"):
        assert checks[slug] == "The times cannot be read, so this cannot be told."
    with open_source(told_of["files"]["report"]) as files:
        report = {file.name: bytes(file.read(10**6)) for file in files}
    rows = [one.split(",") for one in report["recordings.csv"].decode("utf-8-sig").splitlines()]
    assert {row[rows[0].index("duration [s]")] for row in rows[1:]} == {""}
    assert b" s in all" not in report["methods.txt"]
    status, _, said = run(capsys, folder, "--out", tmp_path / "no", "--window", "0:5")
    assert status == 2
    assert "its times cannot be read, so no window of time can be counted" in said


def test_the_page_says_what_it_cannot_offer_without_times(tmp_path):
    folder = timeless_folder(tmp_path / "Shelf")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    page = drop(app(), shelf__zip=builders.write_zip(io.BytesIO(), files).getvalue())
    assert line(page).startswith("**5 samples of 2 recordings**")
    assert [row.facts for row in listed(page)] == ["60 %", "40 %"]
    said = [one.value for one in page.caption if "times of this study" in one.value]
    assert said == [
        "The times of this study cannot be read, so it cannot be cut to a window of time, nor "
        "played."
    ]


def test_a_report_without_starts_is_counted_by_duration(tmp_path):
    study = study_of(eyelink_folder(tmp_path / "Shelf"))
    assert not study.has_times
    assert [one.duration_ns for one in gh.select(study, DURATION)] == [None, None]
    assert [one.amount for one in gh.select(study, DURATION)] == [200, 300]


@pytest.mark.parametrize("blank_lines", [0, 3])
def test_gaze_without_a_row_leaves_the_fixations(tmp_path, blank_lines):
    files = export_files(fixations=LATER)
    del files["gaze.csv"]
    alone = study_of(builders.write_zip(tmp_path / "alone.zip", files))
    files["gaze.csv"] = gaze_columns() + "\n" * (1 + blank_lines)
    study = study_of(builders.write_zip(tmp_path / "both.zip", files))
    assert gh.measures_of(study) == gh.measures_of(alone)
    counts = [
        [one.counts for one in gh.select(each, gh.Selection(gh.measures_of(each)[0]))]
        for each in (study, alone)
    ]
    assert counts[0] == counts[1]
    assert study.notices[0] == (
        "gaze.csv in both.zip: there is a header but no gaze below it, so only fixations are "
        "counted."
    )


def test_neither_gaze_nor_fixations_with_a_row_is_refused(tmp_path):
    files = export_files(fixations=())
    files["gaze.csv"] = gaze_columns() + "\n"
    with pytest.raises(gh.ExportError, match="there is a header but no gaze below it"):
        study_of(builders.write_zip(tmp_path / "none.zip", files))
