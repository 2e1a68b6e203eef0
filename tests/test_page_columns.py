"""A table that nobody has described, on the page: what is asked, and what is kept of it."""

from dataclasses import replace

import gazeheat_core as gh
from gazeheat_core.exports.guessing import read_answers, write_answers
from tests import builders
from tests.test_app import app, bar, check, click, drop, infos, line, said

PLACES = [(300, 200), (310, 190), (700, 500), (120, 640), (900, 80), (400, 410)]
COLUMNS = ["person", "time", "eye_x", "eye_y"]
ALL = "**6 samples of 1 recording** · 0 outside · 0 undetected · 0 unreadable = 6 rows"
QUESTION = "Which column is what?"


def table(person="Ada", columns=COLUMNS):
    rows = [(person, 20 * n, x, y) for n, (x, y) in enumerate(PLACES)]
    return builders.lines(columns, *rows).encode()


def picture(size=(1000, 700)):
    return builders.picture_bytes(size, "PNG")


def asked(page, label):
    """The control of a question."""
    controls = [*page.selectbox, *page.radio, *page.number_input]
    (control,) = [one for one in controls if one.label == label]
    return control


def answer(page, label, value):
    return check(asked(page, label).set_value(value).run())


def subjects(page):
    return [one.value for one in page.subheader]


def visit_of(page):
    return page.session_state["visit"]


def test_an_unknown_table_is_asked_about_with_the_guesses_filled_in_and_read():
    page = drop(app(), p1__csv=table(), wall__png=picture())
    assert (subjects(page), said(page)) == ([QUESTION], [])
    assert "'person', 'time', 'eye_x', 'eye_y'" in page.markdown[-2].value
    found = page.markdown[-1].value.replace("\\", "")
    assert "x in 'eye_x' and y in 'eye_y', pixels of the picture" in found
    assert "time in 'time [ms]', person in 'person'" in found
    assert [(one.label, one.value) for one in page.selectbox] == [
        ("Position, x", 2),
        ("Position, y", 3),
        ("Person", 0),
        ("Time", 1),
        ("Time: unit", "ms"),
        ("What was looked at", -1),
        ("Duration of a fixation", -1),
        ("Validity", -1),
    ]
    assert asked(page, "The positions are").value == "Pixels of the picture"
    # The command line is not spoken of here.
    assert not any("gazeheat " in one.value or "--" in one.value for one in page.markdown)
    page = click(page, "Read the table")
    assert line(page) == ALL
    visit = visit_of(page)
    assert visit.waiting == []
    (study,) = visit.opened.values()
    assert (study.export.name, study.export.size()) == ("p1", (1000, 700))
    assert study.export.recordings[0].name == "Ada"


def test_what_a_person_says_counts():
    page = drop(app(), p1__csv=table())
    page = answer(page, "Position, x", 3)
    assert "x and y are the same column" in page.caption[-1].value
    page = answer(page, "Position, y", 2)
    page = answer(page, "The positions are", "Pixels of a screen")
    assert "how wide and how high" in page.caption[-1].value
    (read,) = [one for one in page.button if one.label == "Read the table"]
    assert read.disabled
    page = answer(page, "Width", 700.0)
    page = answer(page, "Height", 1000.0)
    page = answer(page, "y starts", "At the bottom")
    page = answer(page, "Person", -1)
    page = answer(page, "Time: unit", "s")
    page = click(page, "Read the table")
    (opened,) = visit_of(page).opened.values()
    export = opened.export
    assert (export.frame, export.unit) == ((0, 1000, 700, 0), "normalized")
    (section,) = export.recordings[0].sections
    assert (section.gaze.x[0], section.gaze.y[0]) == (200, 300)
    assert section.gaze.timestamp_ns[1] - section.gaze.timestamp_ns[0] == 20 * 10**9


def test_another_line_may_have_the_names():
    page = drop(app(), p1__csv=b"a,b,c,d\n" + table())
    page = answer(page, "Line with the names of the columns", 0)
    assert asked(page, "Position, x").options[2] == "#3"
    page = answer(page, "Line with the names of the columns", 2)
    assert asked(page, "Position, x").options[2] == "eye_x"
    page = answer(page, "Line with the names of the columns", 200)
    assert "no names of columns" in page.caption[-1].value


def test_a_second_table_of_the_same_columns_opens_without_a_question():
    page = click(drop(app(), p1__csv=table(), wall__png=picture()), "Read the table")
    page = drop(page, p2__csv=table("Ben"), wall__png=picture())
    assert (said(page), subjects(page)) == ([], [])
    assert "p2.csv: read as was said of these columns before." in infos(page)
    assert len(bar(page).options) == 2
    # Of other columns it has not been said.
    page = drop(page, p3__csv=table(columns=[*COLUMNS[:2], "left_x", "left_y"]))
    assert subjects(page) == [QUESTION]
    page = click(page, "Leave this table")
    assert (subjects(page), visit_of(page).waiting) == ([], [])


def answers(**changes):
    form = read_answers(b'{"title": "T", "holds": "gaze", "x": "eye_x", "y": "eye_y"}', "c")
    return write_answers(replace(form, **changes)).encode()


def test_a_file_with_answers_serves_the_table_that_waits_and_those_after_it():
    page = drop(app(), p1__csv=table())
    page = drop(page, columns__json=answers(frame=(0.0, 0.0, 1000.0, 700.0)))
    assert said(page) == []
    assert subjects(page) == ["Which picture was looked at?"]
    page = drop(page, p2__csv=table(), wall__png=picture())
    assert line(page) == ALL
    page = drop(page, p3__csv=table(columns=["a", "b", "c", "d"]))
    page = drop(page, columns__json=answers())
    assert "are of a table with 'eye_x', 'eye_y', and this one has 'a', 'b', 'c'" in said(page)[0]
    assert subjects(page) == [QUESTION]


def test_a_file_that_was_made_brings_the_answers_back_with_its_settings():
    page = click(drop(app(), p1__csv=table(), wall__png=picture()), "Read the table")
    (opened,) = visit_of(page).opened.values()
    account = gh.account_of(opened.export, [0], gh.Look(scale=7.0))
    page = drop(app(), p1__csv=table(), wall__png=picture())
    assert subjects(page) == [QUESTION]
    page = drop(page, made__json=account.as_json().encode())
    assert line(page) == ALL
    assert infos(page)[0].startswith("made.json: its settings are used, with 1 of 1 recording")
    assert visit_of(page).given_answer == account.columns


def test_answers_may_come_first_and_their_mistakes_are_said():
    page = drop(app(), columns__json=answers())
    assert infos(page)[0].startswith("columns.json: kept for the next table with these columns.")
    page = drop(page, p1__csv=table(), wall__png=picture())
    assert line(page) == ALL
    page = drop(app(), columns__json=answers(frame=(0.0, 0.0, 0.0, 1.0)))
    assert "left and right differ" in said(page)[0]


def test_pictures_that_come_while_a_table_waits_are_found_by_their_names():
    rows = [(f"{n % 2}.png", x, y) for n, (x, y) in enumerate(PLACES)]
    text = builders.lines(["image", "eye_x", "eye_y"], *rows).encode()
    page = drop(app(), both__csv=text)
    page = drop(page, **{"1__png": picture((1000, 700)), "0__png": picture((1200, 900))})
    assert "1.png, 0.png: kept with both.csv." in infos(page)
    page = click(page, "Read the table")
    studies = [one.export for one in visit_of(page).opened.values()]
    assert [(one.name, one.size()) for one in studies] == [("0", (1200, 900)), ("1", (1000, 700))]


def test_a_known_table_without_its_size_comes_with_all_else_filled_in():
    name = "gazePosPlane2D_vidPos_homography"
    columns = ["timestamp", "frame_idx", f"{name}_x", f"{name}_y"]
    rows = [(33.3 * n, n, x, y) for n, (x, y) in enumerate(PLACES)]
    page = drop(
        app(), gazeData__tsv="\n".join("\t".join(map(str, r)) for r in [columns, *rows]).encode()
    )
    assert subjects(page) == [QUESTION]
    assert (asked(page, "Position, x").value, asked(page, "Position, y").value) == (2, 3)
    assert asked(page, "The positions are").value == "Millimetres"
    assert asked(page, "Width").value is None
    page = answer(answer(page, "Width", 1000.0), "Height", 700.0)
    page = click(page, "Read the table")
    (opened,) = visit_of(page).opened.values()
    assert (opened.export.kind, opened.export.frame) == ("gazeMapper", (0, 0, 1000, 700))
    # What was missing has been said.
    assert not any("millimetres" in one for one in infos(page))


def test_a_table_that_waits_is_kept_within_the_limit_and_for_the_visit(monkeypatch):
    data = table()
    few = replace(gh.exports.LIMITS, waiting_bytes=len(data))
    for room in ("session", "incoming"):
        monkeypatch.setattr(f"gazeheat_core.page.{room}.LIMITS", few)
    page = drop(app(), p1__csv=data)
    assert subjects(page) == [QUESTION]
    page = drop(page, p2__csv=data)
    assert "Give the first thousand lines of the table alone" in said(page)[0]
    page = drop(page, wall__png=picture())
    visit = visit_of(page)
    assert [len(one.files) for one in visit.waiting] == [1]
    visit.forget()
    assert (visit.waiting, visit.answers) == ([], {})


def test_names_from_the_table_are_text():
    columns = ["<b>who", "time", "$x$_x", "$x$_y"]
    page = drop(app(), p1__csv=table("<script>", columns=columns))
    shown = page.get("html")
    (rows,) = [one.proto.body for one in shown if 'class="gazeheat-rows"' in one.proto.body]
    assert "&lt;b&gt;who" in rows
    assert "&lt;script&gt;" in rows
    assert "<script" not in rows
