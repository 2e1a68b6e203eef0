"""Tables of other eye trackers: each as its program writes it, with the values by eye."""

import gzip
import io
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.exports import find_exports, open_source, read_export
from gazeheat_core.exports.columns import Format, plain_name
from gazeheat_core.exports.formats import FORMATS, OF_PUPIL_CLOUD, recognise
from gazeheat_core.exports.looking import UnknownTableError
from gazeheat_core.study import track_export
from tests.builders import picture_bytes, write_zip
from tests.conftest import thoroughly

MS = 1_000_000


def upload(files, name="study.zip"):
    return gh.Upload(name, io.BytesIO(write_zip(io.BytesIO(), files).getvalue()))


def read(files):
    """All exports of files in a ZIP, by their names."""
    return {export.name: export for export in gh.read_exports(upload(files))}


def read_one(files):
    (export,) = read(files).values()
    return export


def problems_of(files):
    with open_source(upload(files)) as opened:
        found, problems = find_exports(opened)
    assert not found
    return problems


def samples(export):
    """Of each recording its name, wearer and samples as (ms, x, y); None where it is lost."""
    return {
        recording.name: [
            (t // MS, *((None, None) if math.isnan(x) else (x, y)))
            for section in recording.sections
            for t, x, y in zip(
                section.gaze.timestamp_ns.tolist(),
                section.gaze.x.tolist(),
                section.gaze.y.tolist(),
                strict=True,
            )
        ]
        for recording in export.recordings
    }


def fixations(export):
    """Of each recording its fixations as (start in ms, duration in ms, x, y)."""
    return {
        recording.name: [
            (t // MS, d, *((None, None) if math.isnan(x) else (x, y)))
            for section in recording.sections
            if section.fixations is not None
            for t, d, x, y in zip(
                section.fixations.start_ns.tolist(),
                section.fixations.duration_ms.tolist(),
                section.fixations.x.tolist(),
                section.fixations.y.tolist(),
                strict=True,
            )
        ]
        for recording in export.recordings
    }


def unreadable(export):
    return sum(section.unreadable for one in export.recordings for section in one.sections)


def tabs(text):
    """A table written with bars, to be seen by eye, as one with tabs."""
    return re.sub(r" *\| *", "\t", text.strip()) + "\n"


LOST = (None, None)

# ---------------------------------------------------------------- Pupil Labs

CORE = (
    "world_timestamp,world_index,gaze_timestamp,x_norm,y_norm,x_scaled,y_scaled,on_surf,confidence"
)
CORE_FIXATIONS = (
    "world_timestamp,world_index,fixation_id,start_timestamp,duration,dispersion,norm_pos_x,"
    "norm_pos_y,x_scaled,y_scaled,on_surf"
)


def core(*rows):
    """Rows of x, y, on the surface, confidence: 5 ms apart, from 100 s on."""
    return f"{CORE}\n" + "".join(
        f"{100 + n * 0.005},{n},{100 + n * 0.005},{x},{y},{x},{y},{on},{sure}\n"
        for n, (x, y, on, sure) in enumerate(rows)
    )


def test_pupil_core_counts_up_from_the_bottom_and_needs_confidence():
    gaze = core((0.25, 0.905, True, 1.0), (0.5, 0.5, True, 0.59), (1.5, 0.5, False, 1.0))
    spots = (
        f"{CORE_FIXATIONS}\n"
        # Fixation 7 is listed with each frame of the scene camera.
        "100.00,0,7,100.000,120.5,1,0.2,0.8,0,0,True\n"
        "100.03,1,7,100.000,120.5,1,0.2,0.8,0,0,True\n"
        "100.30,2,8,100.250,80.0,1,1.4,0.8,0,0,False\n"
    )
    folder = "rec1/exports/000/surfaces/"
    export = read_one(
        {
            f"{folder}gaze_positions_on_surface_Shelf.csv": gaze,
            f"{folder}fixations_on_surface_Shelf.csv": spots,
        }
    )
    assert (export.name, export.kind, export.frame) == ("Shelf", "Pupil Core surface", (0, 1, 1, 0))
    assert samples(export) == {"rec1": [(100_000, 0.25, 0.905), (100_005, *LOST), (100_010, *LOST)]}
    assert fixations(export) == {"rec1": [(100_000, 120.5, 0.2, 0.8), (100_250, 80.0, *LOST)]}
    (histogram,) = gh.bin_recordings(gh.with_ratio(export, (1, 1)))
    # High up on the picture of 300 × 300 bins.
    assert np.argwhere(histogram.bins).tolist() == [[28, 75]]
    assert histogram.counts == gh.Counts(used=1, undetected=2)


def test_recordings_are_named_by_the_folders_in_which_their_paths_differ():
    files = {}
    for recording, surface in itertools.product(("rec1", "rec2"), ("A", "B")):
        path = f"{recording}/exports/000/surfaces/gaze_positions_on_surface_{surface}.csv"
        files[path] = core((0.5, 0.5, True, 1.0))
    exports = read(files)
    assert sorted(exports) == ["A", "B"]
    for export in exports.values():
        assert list(samples(export)) == ["rec1", "rec2"]
        assert export.rows == 2


def test_neon_player_has_the_names_of_core_and_other_headers():
    gaze = (
        "timestamp [ns],gaze detected on surface,gaze position on surface x [normalized],"
        "gaze position on surface y [normalized]\n"
        "1741942800123456789,True,0.25,0.1\n"
        "1741942800128456789,False,,\n"
    )
    spots = (
        "fixation id,start timestamp [ns],end timestamp [ns],duration [ms],"
        "fixation detected on surface,fixation x [normalized],fixation y [normalized]\n"
        # Up to version 6.0.7 a share, since then a truth value.
        "1,1741942800123456789,1741942800223456789,100,0.4,0.25,0.1\n"
        "2,1741942800323456789,1741942800423456789,100,0.0,0.25,0.1\n"
        "3,1741942800523456789,1741942800623456789,100,True,0.75,0.1\n"
    )
    names = ("gaze_positions_on_surface_A.csv", "fixations_on_surface_A.csv")
    export = read_one(dict(zip(names, (gaze, spots), strict=True)))
    assert (export.name, export.kind, export.frame) == ("A", "Neon Player surface", (0, 0, 1, 1))
    (section,) = export.recordings[0].sections
    assert section.gaze.timestamp_ns.tolist() == [1741942800123456789, 1741942800128456789]
    first = 1741942800123
    assert samples(export) == {"study": [(first, 0.25, 0.1), (first + 5, *LOST)]}
    assert fixations(export) == {
        "study": [
            (first, 100, 0.25, 0.1),
            (first + 200, 100, *LOST),
            (first + 400, 100, 0.75, 0.1),
        ]
    }


def test_manual_mapper_says_true_false_and_not_mapped():
    rows = (
        "section id,recording id,fixation id,start timestamp [ns],end timestamp [ns],"
        "duration [ms],fixation status,fixation x [px],fixation y [px]\n"
        "s,r,1,1741942800000000000,1741942800100000000,100,True,10,20\n"
        "s,r,2,1741942800200000000,1741942800300000000,100,False,,\n"
        "s,r,3,1741942800400000000,1741942800500000000,100,Not mapped,,\n"
    )
    export = read_one({"fixations.csv": rows})
    assert (export.kind, export.frame, export.rows) == ("Manual Mapper", None, 0)
    start = 1741942800000
    assert fixations(export) == {
        "r": [(start, 100, 10, 20), (start + 200, 100, *LOST), (start + 400, 100, *LOST)]
    }


# ---------------------------------------------------------------- Tobii

LAB = "Recording timestamp [{}] | Sensor | Participant name | Recording name"
TWO_SNAPSHOTS = f"""
{LAB} | Mapped gaze X [Shelf 1] | Mapped gaze Y [Shelf 1] | Mapped gaze X [B] | Mapped gaze Y [B]\
 | Mapped eye movement type [Shelf 1] | Mapped eye movement type index [Shelf 1]\
 | Mapped fixation X [Shelf 1] | Mapped fixation Y [Shelf 1] | Gaze event duration [ms]
"""


def snapshots(unit="μs", decimal="."):
    step = {"μs": 20_000, "ms": 20}[unit]
    rows = [
        "{0} | Eye Tracker | Ada | R1 | 10.5 | 20 |  |  | Fixation | 1 | 11.5 | 21 | 40",
        "{1} | Gyroscope | Ada | R1 |  |  |  |  |  |  |  |  | ",
        "{1} | Eye Tracker | Ada | R1 | 12 | 22 |  |  | Fixation | 1 | 11.5 | 21 | 40",
        "{2} | Eye Tracker | Ada | R1 |  |  | 7 | 8 | Saccade | 1 |  |  | 20",
        "{0} | Eye Tracker | Ben | R1 | 30 | 40 |  |  | Fixation | 1 | 31 | 41 | 90",
    ]
    times = [n * step for n in range(3)]
    text = (TWO_SNAPSHOTS.format(unit) + "\n".join(rows).format(*times)).replace(".", decimal)
    return "\ufeff" + tabs(text)


@pytest.mark.parametrize(("unit", "decimal"), [("μs", "."), ("ms", "."), ("μs", ",")])
def test_each_snapshot_of_tobii_pro_lab_is_an_export(unit, decimal):
    exports = read({"Data Export.tsv": snapshots(unit, decimal)})
    assert list(exports) == ["Shelf 1", "B"]
    first, second = exports.values()
    assert first.kind == second.kind == "Tobii Pro Lab, snapshot"
    # Rows of other sensors are none of gaze, and two people may have a 'R1'.
    assert samples(first) == {
        "Ada R1": [(0, 10.5, 20), (20, 12, 22), (40, *LOST)],
        "Ben R1": [(0, 30, 40)],
    }
    assert samples(second) == {
        "Ada R1": [(0, *LOST), (20, *LOST), (40, 7, 8)],
        "Ben R1": [(0, *LOST)],
    }
    assert [one.wearer for one in first.recordings] == ["Ada", "Ben"]
    assert fixations(first) == {"Ada R1": [(0, 40, 11.5, 21)], "Ben R1": [(0, 90, 31, 41)]}


@pytest.mark.parametrize(
    ("names", "frame"),
    [
        (["Gaze point {}"], None),
        (["Gaze point {} [MCSpx]"], None),
        (["Gaze point {} [DACS px]", "Gaze point {} [MCS norm]"], None),
        (["Gaze point {} [MCS norm]", "Gaze point {} [DACS mm]", "Gaze point {} [MCS px]"], None),
        (["Gaze point {} [MCSnorm]", "Gaze point {} [DACS mm]"], (0, 0, 1, 1)),
    ],
)
def test_tobii_pro_lab_of_a_screen_is_read_in_the_unit_that_it_states(names, frame):
    """Each unit has other numbers, so that none can be taken for another."""
    numbers = {"norm": ".5", "mm": "77", "DACS": "900"}

    def number(name):
        return next((value for unit, value in numbers.items() if unit in name), "300")

    columns = [name.format(axis) for name in names for axis in "XY"]
    table = f"""
    {LAB.format("ms")} | Presented Media name | {" | ".join(columns)}
    0 | Eye Tracker | Ada | R1 | cat.png | {" | ".join(map(number, columns))}
    9 | Eye Tracker | Ada | R1 |  | {" | ".join(map(number, columns))}
    9 | Mouse | Ada | R1 | cat.png | {" | " * (len(columns) - 1)}
    """
    export = read_one({"screen.tsv": tabs(re.sub(r"\n +", "\n", table))})
    assert (export.name, export.kind, export.frame) == ("cat", "Tobii Pro Lab, screen", frame)
    best = "MCS px" if any("MCS px" in one for one in names) else names[0]
    value = 0.5 if frame else float(numbers["DACS"] if "DACS" in best else "300")
    assert samples(export) == {"Ada R1": [(0, value, value)]}
    assert "1 rows name no picture" in " ".join(export.notices)


def test_tobii_studio_2_has_lines_of_properties_and_minus_one_where_gaze_is_lost():
    table = (
        "Data properties:\r\n\r\nRecording date: 27/09/2011\r\nScreen resolution: 1280 x 1024\r\n"
        "Coordinate unit: Pixels\r\n\r\n"
        "Timestamp\tGazePointX\tGazePointY\tStimuliName\t\r\n"
        "26\t513\t518\ta.png\t\r\n42\t-1\t518\ta.png\t\r\n59\t-1280\t-1024\ta.png\t\r\n"
    )
    export = read_one({"P61.tsv": table})
    assert (export.name, export.kind, export.frame) == ("a", "Tobii Studio 2", None)
    assert samples(export) == {"P61": [(26, 513, 518), (42, *LOST), (59, *LOST)]}


def test_tobii_studio_3():
    table = tabs(
        """
RecordingName | ParticipantName | MediaName | RecordingTimestamp | GazePointX (ADCSpx)\
 | GazePointX (MCSpx) | GazePointY (MCSpx) | GazeEventType | GazeEventDuration | FixationIndex\
 | FixationPointX (MCSpx) | FixationPointY (MCSpx)
R1 | Ada | a.png | 0 | 900 | 10 | 20 | Fixation | 30 | 1 | 11 | 21
R1 | Ada | a.png | 17 | 900 | 12 | 22 | Fixation | 33 | 1 | 11 | 21
R1 | Ada | a.png | 33 | 900 |  |  | Unclassified | 17 |  |  |
R1 | Ada | b.png | 50 | 900 | 1 | 2 | Saccade | 17 |  |  |
"""
    )
    exports = read({"all.tsv": table})
    assert list(exports) == ["a", "b"]
    assert samples(exports["a"]) == {"Ada R1": [(0, 10, 20), (17, 12, 22), (33, *LOST)]}
    assert fixations(exports["a"]) == {"Ada R1": [(0, 33, 11, 21)]}
    assert samples(exports["b"]) == {"Ada R1": [(50, 1, 2)]}


# ---------------------------------------------------------------- screens

POINT = (
    "MEDIA_ID,MEDIA_NAME,CNT,TIME(2022/09/19 13:34:49.156),TIMETICK(f=10000000),FPOGX,FPOGY,"
    "FPOGS,FPOGD,FPOGID,FPOGV,BPOGX,BPOGY,BPOGV,"
)


def gazepoint(*rows):
    """Rows of media, s, FPOG (x, y, start, duration, id, valid) and BPOG (x, y, valid)."""
    return f"{POINT}\r\n" + "".join(
        f"0,{media},{n},{t},99,{','.join(map(str, fixed))},{','.join(map(str, best))},\r\n"
        for n, (media, t, fixed, best) in enumerate(rows)
    )


ADA = gazepoint(
    ("A", 0.0, (0.3, 0.3, 0.0, 0.0, 1, 0), (0.1, 0.2, 1)),
    ("A", 0.016, (0.4, 0.3, 0.0, 0.016, 2, 1), (0.11, 0.21, 1)),
    ("A", 0.033, (0.5, 0.3, 0.0, 0.033, 2, 1), (1.6, -1.6, 0)),
    ("A", 0.05, (0.9, 0.9, 0.0, 0.033, 2, 0), (1.2, 0.5, 1)),
    ("B", 0.066, (0.6, 0.6, 0.06, 0.006, 3, 1), (0.6, 0.7, 1)),
)
BEN = gazepoint(("A", 0.0, (0.5, 0.5, 0.0, 0.0, 1, 0), (0.9, 0.8, 1)))


def test_gazepoint_has_a_file_for_each_person_and_an_export_for_each_media():
    exports = read({"result/Ada_all_gaze.csv": ADA, "result/Ben_all_gaze.csv": BEN})
    assert list(exports) == ["A", "B"]
    assert exports["A"].frame == (0, 0, 1, 1)
    assert samples(exports["A"]) == {
        "Ada": [(0, 0.1, 0.2), (16, 0.11, 0.21), (33, *LOST), (50, 1.2, 0.5)],
        "Ben": [(0, 0.9, 0.8)],
    }
    # Where FPOGV is 0 there is none: 2 ends with its last valid place.
    assert fixations(exports["A"])["Ada"] == [(0, 33, 0.5, 0.3)]
    # Ben did not look at B.
    assert samples(exports["B"]) == {"Ada": [(66, 0.6, 0.7)]}
    assert fixations(exports["B"]) == {"Ada": [(60, 6, 0.6, 0.6)]}


def test_gazepoints_table_of_fixations_adds_no_gaze():
    spots = gazepoint(("A", 0.033, (0.5, 0.3, 0.0, 0.033, 2, 1), (0.12, 0.22, 1)))
    alone = read_one({"Ben_fixations.csv": spots})
    assert (alone.rows, fixations(alone)) == (0, {"Ben": [(0, 33, 0.5, 0.3)]})
    both = read({"Ada_all_gaze.csv": ADA, "Ada_fixations.csv": spots})
    assert len(samples(both["A"])["Ada"]) == 4
    assert fixations(both["A"]) == {"Ada": [(0, 33, 0.5, 0.3)]}


def test_smi_samples():
    lines = ["## [BeGaze]", "## Converted from:\tC:\\a\\b.idf", *["##"] * 40]
    lines += [
        "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tR POR X [px]\tR POR Y [px]\tStimulus",
        "70590724309\tMSG\t1\t# Message: test.bmp",
        "70590726309\tSMP\t1\t858.16\t516.11\t860.25\t517.5\ttest.bmp",
        "70590730309\tSMP\t1\t0.00\t0.00\t0.00\t0.00\ttest.bmp",
        "70590734309\tSMP\t1\t-\t-\t-\t-\ttest.bmp",
        "70590738309\tSMP\t2\t858.16\t516.11\todd\t517.5\ttest.bmp",
        "70590742309\tSMP\t2\t858.16\t516.11\t861.5\t517.5\ttest.bmp",
    ]
    export = read_one({"p01.txt": "\r\n".join(lines) + "\r\n"})
    assert (export.name, export.kind, export.frame) == ("test", "SMI samples", None)
    assert samples(export) == {
        "p01": [
            (70590726, 860.25, 517.5),
            (70590730, *LOST),
            (70590734, *LOST),
            (70590742, 861.5, 517.5),
        ]
    }
    assert [one.id for one in export.recordings[0].sections] == ["1", "2"]
    assert (unreadable(export), export.rows) == (1, 5)
    assert "positions are read from 'R POR X [px]'" in " ".join(export.notices)


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_smi_begaze_with_any_delimiter(delimiter):
    rows = [
        "RecordingTime [ms] | Trial | Stimulus | Participant | Category Right"
        " | Point of Regard Right X [px] | Point of Regard Right Y [px]",
        "1.5 | T1 | a.png | Ada | Fixation | 10.25 | 20.5",
        "5.5 | T1 | a.png | Ada | Blink | - | -",
        "9.5 | T1 | a.png | Ada | Saccade | 0.0 | 0.0",
    ]
    text = "\n".join(rows).replace(" | ", delimiter)
    export = read_one({"metrics.txt": text.replace(".", ",") if delimiter == ";" else text})
    assert export.kind == "SMI BeGaze"
    assert samples(export) == {"Ada": [(1, 10.25, 20.5), (5, *LOST), (9, *LOST)]}
    assert export.recordings[0].wearer == "Ada"


def test_eyelink_without_times_lists_no_fixation_twice():
    table = (
        "RECORDING_SESSION_LABEL,TRIAL_INDEX,CURRENT_FIX_X,CURRENT_FIX_Y,CURRENT_FIX_DURATION\n"
        "p1,1,59.8,125.4,22\np1,1,59.8,125.4,22\np1,2,.,.,300\np2,1,1,2,30\n"
    )
    files = {"fix.csv": table, "screen.png": picture_bytes((200, 150), "PNG")}
    export = read_one(files)
    assert (export.kind, export.has_times, export.rows) == ("EyeLink fixation report", False, 0)
    assert fixations(export) == {
        "p1": [(0, 22, 59.8, 125.4), (0, 22, 59.8, 125.4), (0, 300, *LOST)],
        "p2": [(0, 30, 1, 2)],
    }
    with open_source(upload(files)) as opened:
        (found,), _ = find_exports(opened)
        study = track_export(read_export(found))
    by_time = gh.select(study, gh.Selection(measure="fixation-duration"))
    assert [int(one.bins.sum()) for one in by_time] == [44, 30]
    timed = table.replace("DURATION\n", "DURATION,CURRENT_FIX_START\n")
    timed = re.sub(r"(\d)\n", r"\1,1000\n", timed)
    assert fixations(read_one({"fix.csv": timed}))["p2"] == [(1000, 30, 1, 2)]


def test_imotions_has_metadata_first():
    table = (
        "#METADATA,,\n#Study name,Shops\n#Respondent Name,Ada\n#DATA,,\n"
        "Row,Timestamp,EventSource,SourceStimuliName,Respondent Name,Gaze X,Gaze Y\n"
        "1,0,1,shop,Ada,100.5,200\n2,16.6,1,shop,Ada,-1,-1\n3,33.2,1,shop,Ada,,\n"
    )
    export = read_one({"001_Ada.csv": table})
    assert (export.name, export.kind) == ("shop", "iMotions")
    assert samples(export) == {"Ada": [(0, 100.5, 200), (16, *LOST), (33, *LOST)]}


def test_gorilla_holds_predictions_among_other_rows_with_y_up():
    table = (
        "filename,participant_id,spreadsheet_row,time_elapsed,type,screen_index,x_pred,y_pred,"
        "x_pred_normalised,y_pred_normalised,face_conf\n"
        "f,77,3,0,new file start,4,,,,,\n"
        "f,77,3,10.5,prediction,4,500,100,0.5,0.9,0.8\n"
        "f,77,3,40.5,zone,4,,,,,\n"
        "f,77,3,70.5,prediction,4,500,100,0.25,0.1,0.8\n"
    )
    export = read_one({"eyetracking.csv": table})
    assert (export.name, export.frame) == ("4", (0, 1, 1, 0))
    assert samples(export) == {"77": [(10, 0.5, 0.9), (70, 0.25, 0.1)]}


# ---------------------------------------------------------------- mapped by open software


@pytest.mark.parametrize(("step", "said"), [(40.0, ""), (0.04, "read as seconds")])
def test_mobile_gaze_mapping_has_a_time_of_any_unit(step, said):
    rows = [f"{n}\t{n * step}\t0.9\t1\t2\t{10 + n}\t20" for n in range(3)]
    rows.append(f"3\t{3 * step}\t0.3\t1\t2\t5\t6")
    table = "worldFrame\tgaze_ts\tconfidence\tworld_gazeX\tworld_gazeY\tref_gazeX\tref_gazeY\n"
    table += "\n".join(rows) + "\n"
    names = ("ada/gazeData_mapped.tsv", "ben/gazeData_mapped.tsv")
    export = read_one(dict.fromkeys(names, table))
    own = [(0, 10, 20), (40, 11, 20), (80, 12, 20), (120, *LOST)]
    assert samples(export) == {"ada": own, "ben": own}
    assert said in " ".join(export.notices)
    assert bool(said) == ("are read as" in " ".join(export.notices))


def test_gaze_mapper_asks_for_the_size_of_the_plane_and_hides_nothing_else():
    table = (
        "timestamp\tframe_idx\tgazePosPlane2D_vidPos_homography_x\t"
        "gazePosPlane2D_vidPos_homography_y\n0.0\t0\t120.5\t30\n"
    )
    (problem,) = problems_of({"gazePlane.tsv": table})
    assert isinstance(problem, UnknownTableError)
    assert problem.guess is not None
    assert (problem.guess.title, problem.file.name) == ("gazeMapper", "gazePlane.tsv")
    assert "millimetres on the plane" in str(problem)
    with open_source(upload({"gazePlane.tsv": table, "Ada_all_gaze.csv": ADA})) as opened:
        found, problems = find_exports(opened)
    assert [one.name for one in found] == ["A", "B"]
    assert [type(one) for one in problems] == [UnknownTableError]


def bids(unit="pixel", rows="0.0\t10.5\t20\n0.002\tn/a\tn/a\n"):
    about = {
        "Columns": ["timestamp", "x_coordinate", "y_coordinate"],
        "timestamp": {"Units": "s"},
        "x_coordinate": {"Units": unit},
        "y_coordinate": {"Units": unit},
    }
    stem = "sub-{0}/beh/sub-{0}_task-look_recording-eye1_physio"
    files = {}
    for subject in ("01", "02"):
        files[stem.format(subject) + ".tsv.gz"] = gzip.compress(rows.encode())
        files[stem.format(subject) + ".json"] = json.dumps(about)
    return files


def test_bids_has_its_header_in_the_file_beside_it():
    export = read_one(bids())
    assert (export.kind, export.frame) == ("BIDS eye tracking", None)
    first, second = samples(export).items()
    assert ("sub-01" in first[0], "sub-02" in second[0]) == (True, True)
    assert first[1] == second[1] == [(0, 10.5, 20), (2, *LOST)]


def test_bids_in_another_unit_is_refused_with_what_it_needs():
    (problem,) = problems_of(bids(unit="deg"))
    for words in ("BIDS eye tracking", "'x_coordinate [px]'", "pixels of the screen"):
        assert words in str(problem)


# ---------------------------------------------------------------- rows, pictures, tables


def test_a_row_with_more_cells_than_the_header_is_not_read_under_the_wrong_names():
    table = gazepoint(
        ("A", 0.0, (0.3, 0.3, 0, 0, 1, 0), (0.1, 0.2, 1)),
        ("A", 0.02, (0.3, 0.3, 0, 0, 1, 0), ("0", "125", "0,5", 1)),
        ("A", 0.04, (0.3, 0.3, 0, 0, 1, 0), (0.3, 0.4, 1)),
    )
    export = read_one({"Ada_all_gaze.csv": table})
    assert (samples(export)["Ada"], unreadable(export)) == ([(0, 0.1, 0.2), (40, 0.3, 0.4)], 1)
    # A delimiter more at the end of the lines makes no cell.
    export = read_one({"Ada_all_gaze.csv": table.replace(",\r\n", ",,\r\n")})
    assert samples(export)["Ada"][0] == (0, 0.1, 0.2)


def test_nothing_is_read_where_no_row_names_a_picture():
    (problem,) = problems_of({"Ada_all_gaze.csv": ADA.replace(",A,", ",,").replace(",B,", ",,")})
    for words in ("Gazepoint", "in no row 'MEDIA_NAME' says", "In Gazepoint Analysis"):
        assert words in str(problem)


PICTURES = {"A.png": picture_bytes((50, 40), "PNG"), "b.JPG": picture_bytes((60, 40))}


@pytest.mark.parametrize(
    ("pictures", "sizes"),
    [
        (["A.png", "b.JPG"], [(50, 40), (60, 40)]),
        (["b.JPG"], [None, (60, 40)]),
        ([], [None, None]),
    ],
)
def test_pictures_named_like_what_was_looked_at_belong_to_it(pictures, sizes):
    files = {"Ada_all_gaze.csv": ADA, **{name: PICTURES[name] for name in pictures}}
    found = [one.image and one.image.size for one in read(files).values()]
    assert found == sizes


def test_the_only_picture_belongs_to_no_one_of_several():
    files = {"Ada_all_gaze.csv": ADA, "screenshot.png": PICTURES["A.png"]}
    assert [one.image for one in read(files).values()] == [None, None]
    files["Ada_all_gaze.csv"] = BEN
    assert read_one(files).image.size == (50, 40)


def test_two_tables_of_one_recording_are_one_recording():
    first, second = (snapshots().splitlines(keepends=True)[n] for n in (1, 3))
    header = snapshots().splitlines(keepends=True)[0]
    exports = read({"part1.tsv": header + first, "part2.tsv": header + second})
    assert samples(exports["Shelf 1"]) == {"Ada R1": [(0, 10.5, 20), (20, 12, 22)]}


# ---------------------------------------------------------------- the same gaze in each format


def as_core(gaze, width, height):
    rows = [(x / width, 1 - y / height, 1, 1) if x else ("", "", 0, 0) for x, y in gaze]
    return {"gaze_positions_on_surface_A.csv": core(*rows)}


def as_gazepoint(gaze, width, height):
    rows = [
        ("A", n * 0.005, (0, 0, 0, 0, 1, 0), (x / width, y / height, 1) if x else (-0.3, 0.2, 0))
        for n, (x, y) in enumerate(gaze)
    ]
    return {"Ada_all_gaze.csv": gazepoint(*rows)}


def as_snapshot(gaze, *_):
    header = f"{LAB.format('ms')} | Mapped gaze X [A] | Mapped gaze Y [A]\n"
    rows = [
        f"{n * 5} | Eye Tracker | Ada | R | {x or ''} | {y or ''}\n"
        for n, (x, y) in enumerate(gaze)
    ]
    return {"export.tsv": tabs(header + "".join(rows)) + "\n"}


def as_studio(gaze, *_):
    rows = [f"{n * 5}\t{x or -1}\t{y or -1}\tA\n" for n, (x, y) in enumerate(gaze)]
    return {"a.tsv": "Timestamp\tGazePointX\tGazePointY\tStimuliName\n" + "".join(rows)}


def as_smi(gaze, *_):
    rows = [f"{n * 5000}\tSMP\t1\t{x or '-'}\t{y or '-'}\tA\n" for n, (x, y) in enumerate(gaze)]
    return {"a.txt": "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tStimulus\n" + "".join(rows)}


def as_bids(gaze, *_):
    rows = "".join(f"{n * 0.005}\t{x or 'n/a'}\t{y or 'n/a'}\n" for n, (x, y) in enumerate(gaze))
    return {name: data for name, data in bids(rows=rows).items() if "sub-01" in name}


def as_imotions(gaze, *_):
    rows = [f"{n * 5},A,Ada,{x or ''},{y or ''}\n" for n, (x, y) in enumerate(gaze)]
    return {"a.csv": "Timestamp,SourceStimuliName,Respondent Name,Gaze X,Gaze Y\n" + "".join(rows)}


WRITERS = [as_core, as_gazepoint, as_snapshot, as_studio, as_smi, as_bids, as_imotions]


@thoroughly
@given(
    # Halves of pixels of a picture whose sides are powers of two, so that shares are exact.
    gaze=st.lists(
        st.one_of(
            st.just((None, None)),
            st.tuples(st.integers(1, 2 * 256 - 1), st.integers(1, 2 * 128 - 1)).map(
                lambda xy: (xy[0] / 2 + 0.25, xy[1] / 2 + 0.25)
            ),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_same_gaze_in_each_format_gives_the_same_bins(gaze):
    width, height = size = (256, 128)
    picture = picture_bytes(size, "PNG")
    seen = [(x, y) for x, y in gaze if x]
    for write in WRITERS:
        export = gh.with_picture(read_one(write(gaze, width, height)), picture, "A.png")
        (histogram,) = gh.bin_recordings(export)
        assert histogram.counts == gh.Counts(used=len(seen), undetected=len(gaze) - len(seen))
        expected = np.zeros_like(histogram.bins)
        rows, columns = expected.shape
        for x, y in seen:
            expected[int(y * rows / height), int(x * columns / width)] += 1
        np.testing.assert_array_equal(histogram.bins, expected, write.__name__)
        (times,) = ([t for t, *_ in one] for one in samples(export).values())
        assert [t - times[0] for t in times] == [n * 5 for n in range(len(gaze))]


# ---------------------------------------------------------------- headers tell the format


def header_of(form):
    """Return the columns of a format as its program writes them, and some of no use."""
    names = [re.sub(r"[?]", "", column).split("|")[0] for column in form.columns]
    names = ["Mapped" + name[6:].replace("*", "Shelf 1") if "Mapped" in name else name
             for name in names]  # fmt: skip
    names = [name.replace("(*)", "(2022/09/19 13:34:49.156)") for name in names]
    return ["Row number", *names, "Comment"]


def titled(forms):
    return {(one.title, one.holds) for one in forms}


USEFUL = [one for one in FORMATS if one.holds != "nothing"]
IDS = [f"{one.title}, {one.holds}" for one in FORMATS]
RENAMED = {
    "as written": str,
    "R": lambda name: "".join(sign if sign.isalnum() else "." for sign in name),
    "Python": lambda name: name.replace(" ", "_").lower(),
    "MATLAB": lambda name: "".join(s for s in name.title() if s.isalnum()),
}


@pytest.mark.parametrize("form", FORMATS, ids=IDS)
@pytest.mark.parametrize("rename", RENAMED.values(), ids=RENAMED)
def test_every_header_is_recognised_as_itself_and_as_no_other(form, rename):
    found = recognise(map(rename, header_of(form)))
    # Gaze and fixations may stand in one table; two makers' never do.
    assert {one.title for one in found} == {form.title}
    assert form.holds in {one.holds for one in found}


PACKED = {
    "plain": str.encode,
    "BOM": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(text.encode()),
}


@pytest.mark.parametrize("form", USEFUL, ids=[f"{one.title}, {one.holds}" for one in USEFUL])
@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_a_table_is_recognised_under_any_name_delimiter_and_packing(form, pack):
    header = header_of(form)
    kept = {name.split("?")[0]: value for name, value in form.keep}
    for delimiter in "\t,;":
        cells = [kept.get(name, kept.get(name.replace("Shelf 1", "*"), "1")) for name in header]
        quoted = [f'"{name}"' if delimiter in name else name for name in header]
        text = "\n".join(delimiter.join(row) for row in (quoted, cells)) + "\n"
        with open_source(upload({"my table (2).txt": pack(text)})) as opened:
            found, problems = find_exports(opened)
        if isinstance(next(iter(problems), None), UnknownTableError):
            assert problems[0].guess is form
        else:
            assert [one.format.title for one in found] == [form.title]


def test_only_those_of_neon_and_invisible_are_sent_to_pupil_cloud():
    for form in FORMATS:
        is_theirs = form in OF_PUPIL_CLOUD or form.title in (
            "Manual Mapper", "Face Mapper", "raw recording"
        )  # fmt: skip
        assert is_theirs or "Pupil Cloud" not in form.hint
        if is_theirs or form.holds == "nothing":
            continue
        # A table without rows, and one without its last needed column.
        header = header_of(form)[1:-1]
        needed = [re.sub("[?]", "", c).split("|")[0] for c in form.columns if c[-1] != "?"]
        for columns in (header, [name for name in header if name not in needed[-1:]]):
            with pytest.raises(gh.GazeheatError) as error:
                read({"table.tsv": "\t".join(columns) + "\n"})
            assert "Pupil Cloud" not in str(error.value)
            if columns is header:
                assert form.hint in str(error.value)


def test_scene_camera_and_tuples_say_what_to_give():
    cases = {
        "Recording name\tSensor\tGaze point X\tGaze point Y\n": "map the gaze onto a snapshot",
        "left_gaze_point_on_display_area,right_gaze_point_on_display_area\n": "Tobii Pro SDK",
        "gaze_timestamp,confidence,norm_pos_x,norm_pos_y\n": "add the Surface Tracker plugin",
    }
    for header, words in cases.items():
        (problem,) = problems_of({"table.tsv": header})
        assert isinstance(problem, gh.UnmappedError)
        assert words in str(problem)
        assert "Pupil Cloud" not in str(problem)


# ---------------------------------------------------------------- real tables


def arrays(export):
    (recording,) = export.recordings
    gaze = [section.gaze for section in recording.sections]
    return tuple(
        np.concatenate([getattr(one, name) for one in gaze]) for name in ("timestamp_ns", "x", "y")
    )


def assert_values(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_real_gazepoint(real_data):
    (path,) = (real_data / "trackers" / "gazepoint").glob("*.csv")
    (export,) = gh.read_exports([path])
    raw = pd.read_csv(path)
    assert raw.MEDIA_NAME.unique().tolist() == [export.name] == ["NewMedia0"]
    is_lost = raw.BPOGV == 0
    time_ns = np.rint(raw.iloc[:, 3] * 1e9).astype(np.int64)
    assert export.recordings[0].name == "User 1"
    x, y = (raw[name].mask(is_lost) for name in ("BPOGX", "BPOGY"))
    assert 0 < is_lost.sum() < len(raw) == export.rows
    assert_values(arrays(export), (time_ns, x, y))
    valid = raw[raw.FPOGV == 1].groupby("FPOGID")
    found = export.recordings[0].sections[0].fixations
    last = valid.tail(1)
    assert_values((found.x, found.y), (last.FPOGX, last.FPOGY))
    np.testing.assert_allclose(found.duration_ms, valid.FPOGD.max() * 1e3)
    np.testing.assert_allclose(found.start_ns, valid.FPOGS.min() * 1e9)


def test_real_tobii_studio(real_data):
    (path,) = (real_data / "trackers" / "tobii_studio").glob("*.tsv")
    (export,) = gh.read_exports([path])
    lines = path.read_text("utf-8-sig").splitlines()
    header = next(n for n, line in enumerate(lines) if line.startswith("FixationIndex"))
    raw = np.array([line.split("\t")[:5] for line in lines[header + 1 :] if line], float)
    start, duration, x, y = raw[np.unique(raw[:, 0], return_index=True)[1], 1:].T
    lost = (x == -1) | (y == -1)
    assert lost.any()
    found = export.recordings[0].sections[0].fixations
    x[lost] = y[lost] = np.nan
    assert_values((found.start_ns // MS, found.duration_ms), (start, duration))
    assert_values((found.x, found.y), (x, y))
    assert (export.rows, len(found)) == (0, len(raw))


def test_real_smi(real_data):
    (path,) = (real_data / "trackers" / "smi_didec").glob("*.txt")
    (export,) = gh.read_exports([path])
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    raw = [row for row in rows if len(row) > 5 and row[1] == "SMP"]
    assert {row[-1] for row in raw} == {f"{export.name}.bmp"}
    time_ns = [int(row[0]) * 1000 for row in raw]
    assert_values(arrays(export), (time_ns, *np.array([row[5:7] for row in raw], float).T))


def test_real_eyelink(real_data):
    (path,) = (real_data / "trackers" / "eyelink").glob("*.csv")
    (export,) = gh.read_exports([path])
    raw = pd.read_csv(path)
    (recording,) = export.recordings
    assert [recording.name] == raw.RECORDING_SESSION_LABEL.unique().tolist()
    trials = raw.groupby("TRIAL_INDEX", sort=False)
    assert [one.id for one in recording.sections] == [str(trial) for trial, _ in trials]
    for section, (_, rows) in zip(recording.sections, trials, strict=True):
        found = section.fixations
        expected = (rows.CURRENT_FIX_X, rows.CURRENT_FIX_Y, rows.CURRENT_FIX_DURATION)
        assert_values((found.x, found.y, found.duration_ms), expected)


def test_a_real_table_of_no_maker_is_read_as_a_person_says(real_data):
    folder = real_data / "trackers" / "generic_jp"
    form = Format("Mine", "gaze", "position_x", "position_y", time="time [s]", recording=("id",))
    with open_source(folder) as files:
        found, problems = find_exports(files)
        assert (found, [type(one) for one in problems]) == ([], [UnknownTableError])
    with open_source(folder) as files:
        (one,), _ = find_exports(files, (form,))
        export = read_export(one)
    (path,) = folder.glob("*.csv")
    _, time, x, y = np.loadtxt(path, delimiter=",", skiprows=1, encoding="utf-8-sig").T
    assert [one.name for one in export.recordings] == ["1"]
    assert_values(arrays(export), (time * 1e9, x, y))


# ---------------------------------------------------------------- the README


def test_the_readme_lists_every_table_that_opens():
    """Whoever adds a description is told which line the README lacks."""
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    _, _, rest = text.partition("## Other eye trackers")
    rows = [line.split("|")[1:-1] for line in rest.partition("\n## ")[0].splitlines()
            if line.startswith("| ")]  # fmt: skip
    listed = {tuple(cell.strip() for cell in row[:3]) for row in rows[1:]}

    def columns(form):
        return f"`{plain_name(form.x)}`"

    def frame(form):
        if form.frame is None:
            return "pixels"
        if any(map(math.isnan, form.frame)):
            return "millimetres, asked for"
        return "0 to 1" + (", y up" if form.frame[1] > form.frame[3] else "")

    expected = {
        (form.title, columns(form), frame(form)) for form in USEFUL if form not in OF_PUPIL_CLOUD
    }
    assert listed == expected
