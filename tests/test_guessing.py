"""What is guessed of a table that nobody has described, and what its answers make of it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

import gazeheat_core as gh
from gazeheat_core.cli import main
from gazeheat_core.exports import find_exports, open_source, read_export
from gazeheat_core.exports.columns import to_values
from gazeheat_core.exports.guessing import (
    are_answers,
    find_table,
    guess,
    read_answers,
    table_at,
    write_answers,
)
from gazeheat_core.exports.looking import UnknownTableError
from tests import builders


def given(text, name="table.csv"):
    data = text if isinstance(text, bytes) else text.encode()
    return [gh.Upload(name, io.BytesIO(data))]


def guessed(text, header_line=None):
    """What is guessed, without what is so of every guess."""
    with open_source(given(text)) as (file,):
        table = find_table(file) if header_line is None else table_at(file, header_line)
        values = to_values(guess(table))
    assert values.pop("title") == "Table"
    return values


# x and y wander over the picture, as eyes do.
PLACES = [(300, 200), (310, 190), (700, 500), (120, 640), (900, 80), (400, 410)]
SHARES = [(x / 1000, y / 1000) for x, y in PLACES]
SECONDS = [0.0, 0.02, 0.04, 0.06, 0.08, 0.1]


def table(columns, *rows):
    return builders.lines(columns, *rows)


def of_places(columns, places=PLACES):
    return table(columns, *places)


GUESSES = {
    "a person, a time without a unit": (
        table(
            ["id", "time", "position_x", "position_y"],
            *[(who, n + 1, x, y) for who in "ab" for n, (x, y) in enumerate(PLACES)],
        ),
        {
            "holds": "gaze",
            "x": "position_x",
            "y": "position_y",
            "time": "time [ms]",
            "recording": ["id"],
            "wearer": "id",
        },
    ),
    "seconds by their step, validity": (
        table(
            ["t", "gaze_x", "gaze_y", "valid"],
            *[(s, x, y, "true") for s, (x, y) in zip(SECONDS, PLACES, strict=True)],
        ),
        {"holds": "gaze", "x": "gaze_x", "y": "gaze_y", "time": "t [s]", "detected": "valid"},
    ),
    "a time in another language, by its unit; a number that only counts": (
        table(
            ["nummer", "zeit_s", "links", "oben"],
            *[(n, s, x, y) for n, (s, (x, y)) in enumerate(zip(SECONDS, PLACES, strict=True))],
        ),
        {"holds": "gaze", "x": "links", "y": "oben", "time": "zeit_s [s]"},
    ),
    "microseconds by their step, confidence": (
        table(
            ["confidence", "pos_x", "pos_y", "timestamp"],
            *[(0.9, x, y, 4000 * n) for n, (x, y) in enumerate(PLACES)],
        ),
        {
            "holds": "gaze",
            "x": "pos_x",
            "y": "pos_y",
            "time": "timestamp [us]",
            "at_least": ["confidence", 0.6],
        },
    ),
    "fixations with their duration": (
        table(
            ["Subject", "Stimulus", "FixX", "FixY", "FixDuration", "Onset_ms"],
            *[("s1", f"{n % 2}.png", x, y, 200 + n, 300 * n) for n, (x, y) in enumerate(PLACES)],
        ),
        {
            "holds": "fixations",
            "x": "FixX",
            "y": "FixY",
            "time": "Onset_ms [ms]",
            "duration": "FixDuration [ms]",
            "recording": ["Subject"],
            "wearer": "Subject",
            "picture": "Stimulus",
        },
    ),
    "from 0 to 1, with some beside": (
        of_places(["x_pred", "y_pred"], [*SHARES * 5, (1.1, 0.5), (-0.2, 0.4)]),
        {"holds": "gaze", "x": "x_pred", "y": "y_pred", "frame": [0, 0, 1, 1]},
    ),
    "from 0 to 1, with minus one for lost": (
        of_places(["x", "y"], [*SHARES, *[(-1, -1)] * 4]),
        {"holds": "gaze", "x": "x", "y": "y", "frame": [0, 0, 1, 1], "lost": [-1]},
    ),
    "percent": (
        of_places(["x", "y"], [(x / 10, y / 10) for x, y in PLACES]),
        {"holds": "gaze", "x": "x", "y": "y", "frame": [0, 0, 100, 100]},
    ),
    "a line with the screen": (
        "gx,gy\n(0, 0), 1920 x 1080\n" + "".join(f"{x},{y}\n" for x, y in PLACES),
        {"holds": "gaze", "x": "gx", "y": "gy", "frame": [0, 0, 1920, 1080]},
    ),
    "no header": (
        "".join(f"{20 * n};{x},5;{y},25\n" for n, (x, y) in enumerate(PLACES)),
        {"holds": "gaze", "x": "#2", "y": "#3", "time": "#1 [ms]"},
    ),
    "two numbers and nothing else": (
        "".join(f"{x}\t{y}\n" for x, y in PLACES),
        {"holds": "gaze", "x": "#1", "y": "#2"},
    ),
    "no names that tell": (
        table(["n", "a", "b", "c"], *[(n, x, y, 7) for n, (x, y) in enumerate(PLACES)]),
        {"holds": "gaze", "x": "a", "y": "b"},
    ),
    "names without letters": (
        of_places(["-", "?"]),
        {"holds": "gaze", "x": "#1", "y": "#2"},
    ),
    "both eyes under the same names": (
        table(["X", "Y", "X", "Y"], *[(x, y, x + 1, y + 1) for x, y in PLACES]),
        {"holds": "gaze", "x": "X", "y": "Y"},
    ),
    "the eyes, not the pupils": (
        table(["pupil_x", "pupil_y", "fix_x", "fix_y"], *[(3, 4, x, y) for x, y in PLACES]),
        {"holds": "gaze", "x": "fix_x", "y": "fix_y"},
    ),
    "lines before the header": (
        "made by a program\nversion;2\n\n" + "X;Y\n" + "".join(f"{x};{y}\n" for x, y in PLACES),
        {"holds": "gaze", "x": "X", "y": "Y"},
    ),
}


@pytest.mark.parametrize(("text", "values"), GUESSES.values(), ids=GUESSES.keys())
def test_a_guess(text, values):
    assert guessed(text) == values


def test_a_plane_in_millimetres_has_no_size():
    values = guessed(of_places(["x [mm]", "y [mm]"]))
    np.testing.assert_array_equal(values["frame"], [0, 0, np.nan, np.nan])
    with pytest.raises(gh.SettingError, match="as the third and the fourth number"):
        read_answers(json.dumps({**values, "title": "T"}).encode(), "columns.json")


def test_the_header_may_be_another_line():
    text = "old,names\nx,y\n" + "".join(f"{x},{y}\n" for x, y in PLACES)
    assert (guessed(text)["x"], guessed(text, 1)["x"], guessed(text, 0)["x"]) == ("x", "old", "#1")
    with open_source(given(text)) as (file,):
        assert table_at(file, 9_999) is None


def test_a_guess_reads_the_table_that_it_was_made_of():
    text = table(
        ["who", "participant", "time_ms", "eye|x?", "eye|y?"],
        *[("-", p, 10 * n, x, y) for p in ("p1", "p2") for n, (x, y) in enumerate(PLACES)],
    )
    with open_source(given(text, "session.csv")) as files:
        _, (problem,) = find_exports(files)
        assert isinstance(problem, UnknownTableError)
        form = read_answers(write_answers(guess(find_table(problem.file))).encode(), "c")
        (found,), problems = find_exports(files, [form])
        export = read_export(found)
    assert (problems, export.name, export.unit) == ([], "session", "px")
    assert [one.id for one in export.recordings] == ["p1", "p2"]
    (section,) = export.recordings[1].sections
    assert [*zip(section.gaze.x, section.gaze.y, strict=True)] == PLACES
    assert np.diff(section.gaze.timestamp_ns).tolist() == [10_000_000] * 5


def test_a_table_of_several_pictures_is_one_export_each():
    text = table(["image", "x", "y"], *[(f"{n % 2}.png", x, y) for n, (x, y) in enumerate(PLACES)])
    pictures = [
        gh.Upload(f"{n}.png", io.BytesIO(builders.picture_bytes((1000, 700), "PNG")))
        for n in (1, 0)
    ]
    with open_source([*given(text), *pictures]) as files:
        form = guess(find_table(next(file for file in files if file.name == "table.csv")))
        found, _ = find_exports(files, [form])
        assert [(one.stimulus, one.picture.name) for one in found] == [
            ("0.png",) * 2,
            ("1.png",) * 2,
        ]
        first = read_export(found[0]).recordings[0].sections[0].gaze
    assert [*zip(first.x, first.y, strict=True)] == PLACES[::2]


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (b'{"holds": "gaze", "x": "a", "y": "b"}', True),
        (b'\xef\xbb\xbf{"holds": "gaze", "x": "a", "y": "b"}', True),
        (b'{"Columns": ["x", "y"]}', False),
        (b"[" * 100_000, False),
        (b"\xff\x00", False),
    ],
)
def test_a_file_with_answers_is_known_by_what_it_holds(data, is_one):
    assert are_answers(data) == is_one


@pytest.mark.parametrize("number", ["1e999", "9" * 4_000, "NaN", '"1"'])
def test_a_border_that_is_no_number_is_refused(number):
    text = f'{{"title": "T", "holds": "gaze", "x": "a", "y": "b", "frame": [0, 0, {number}, 1]}}'
    with pytest.raises(gh.SettingError, match=r"columns\.json: .*'?frame"):
        read_answers(text.encode(), "columns.json")


# ---------------------------------------------------------------- on the command line


def test_the_command_line_guesses_takes_the_answers_and_names_both(tmp_path, capsys):
    path, answers = tmp_path / "p1.csv", tmp_path / "mine.json"
    text = table(["time", "pos_x", "pos_y"], (0, 300, 200), (5, 300, 200), (10, 700, 500))
    path.write_text(text)
    picture = tmp_path / "wall.png"
    picture.write_bytes(builders.picture_bytes((1000, 700), "PNG"))
    given = [str(path), "--out", str(tmp_path / "out"), "--image", str(picture)]

    assert main(given) == 2
    message = capsys.readouterr().err
    assert "columns that are not known here: 'time', 'pos_x', 'pos_y'" in message
    assert "'gazeheat columns p1.csv' prints a guess" in message
    assert "give it with --columns FILE" in message

    assert main(["columns", str(path)]) == 0
    answers.write_text(capsys.readouterr().out)
    form = read_answers(answers.read_bytes(), "mine.json")
    assert (form.x, form.y, form.time, form.frame) == ("pos_x", "pos_y", "time [ms]", None)

    assert main([*given, "--columns", str(answers)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["enrichment"], told["interval_ms"]) == ("p1", 5.0)
    assert [one["used"] for one in told["recordings"]] == [3]
    assert told["maximum"]["x"] == pytest.approx(300, abs=5)
    assert told["maximum"]["y"] == pytest.approx(200, abs=5)

    # The images that were made carry the answers.
    made = tmp_path / "out" / Path(told["files"]["heatmap"]).name
    again = [str(path), "--out", str(tmp_path / "again"), "--image", str(picture)]
    assert main([*again, "--settings", str(made)]) == 0
    assert (tmp_path / "again" / made.name).read_bytes() == made.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["columns"], "'columns' takes one argument"),
        (["columns", "{words}"], "no table with two columns of numbers"),
        (["{words}", "--out", "o", "--columns", "{words}"], "does not describe the columns"),
        (["{words}", "--out", "o", "--columns", "{words}0"], "no such file"),
    ],
)
def test_what_the_command_line_cannot_take_for_columns(tmp_path, capsys, arguments, words):
    path = tmp_path / "notes.csv"
    path.write_text("just,words\nand,more\n")
    assert main([one.format(words=path) for one in arguments]) == 2
    assert words in capsys.readouterr().err
