"""A table that nobody has described, on the page: what is asked, and what is kept of it."""

import io
import json
from dataclasses import replace

import pytest

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


def test_a_table_of_each_recording_is_asked_about_once():
    files = {f"{name}/gaze.csv": table(name) for name in ("Ada", "Ben", "Cem")}
    page = drop(app(), study__zip=builders.write_zip(io.BytesIO(), files).getvalue())
    assert (subjects(page), len(visit_of(page).waiting)) == ([QUESTION], 1)
    page = click(page, "Read the table")
    assert [one.export.name for one in visit_of(page).opened.values()] == ["Ada", "Ben", "Cem"]
    assert not visit_of(page).waiting


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


# --- Answers in the page's address ----------------------------------------------------


def in_address(page):
    """What the address says of columns; None where it says nothing."""
    text = page.query_params.get("columns")
    return text[-1] if isinstance(text, list) else text


def test_the_address_says_the_last_answers_until_clear():
    page = drop(app(), p1__csv=table())
    assert in_address(page) is None
    page = click(answer(page, "The positions are", "Percent, from 0 to 100"), "Read the table")
    text = in_address(page)
    values = json.loads(text)
    assert text == json.dumps(values, separators=(",", ":"))
    assert (values["x"], values["y"], values["frame"]) == ("eye_x", "eye_y", [0, 0, 100, 100])
    assert (values["time"], values["recording"]) == ("time [ms]", ["person"])
    # A file that is given later counts more, also for the table that was asked about.
    page = drop(page, columns__json=answers(frame=(0.0, 0.0, 1000.0, 700.0)))
    assert json.loads(in_address(page))["frame"] == [0, 0, 1000, 700]
    page = drop(page, p2__csv=table())
    assert [one.export.frame[2] for one in visit_of(page).opened.values()] == [100, 1000]
    page = click(page, "Clear")
    assert in_address(page) is None
    assert subjects(drop(page, p3__csv=table())) == [QUESTION]


def test_a_table_opens_without_a_question_at_an_address_with_its_answers():
    first = click(drop(app(), p1__csv=table(), wall__png=picture()), "Read the table")
    page = app(columns=in_address(first), scale="7.0")
    page = drop(page, p2__csv=table("Ben"), wall__png=picture())
    assert (said(page), line(page)) == ([], ALL)
    # What else the address says stays.
    assert in_address(page) == in_address(first)
    # Of other columns it says nothing.
    assert subjects(drop(page, p3__csv=table(columns=["a", "b", "c", "d"]))) == [QUESTION]


GOOD = answers().decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[" * 1_500,
        "[1]",
        GOOD.replace("gaze", "<b>"),
        GOOD.replace('"x"', '"z"'),
        answers(frame=(0.0, 0.0, 0.0, 1.0)).decode(),
        # Good, but longer than any that the page writes.
        GOOD + " " * 2_000,
    ],
    ids=range(8),
)
def test_an_address_that_says_nothing_of_columns_is_passed_over(text):
    page = app(columns=text)
    assert (said(page), infos(page), visit_of(page).given_answer) == ([], [], None)
    assert subjects(drop(page, p1__csv=table())) == [QUESTION]


def test_answers_that_are_too_long_for_an_address_are_not_in_it():
    columns = [*COLUMNS[:2], "\u00e4" * 200 + "x", "\u00e4" * 200 + "y"]
    page = drop(app(), p1__csv=table())
    page = click(page, "Read the table")
    assert in_address(page) is not None
    page = click(drop(page, p2__csv=table(columns=columns)), "Read the table")
    assert (said(page), in_address(page)) == ([], None)
    assert len(visit_of(page).opened) == 2


# --- Pictures that come after a table of several stimuli ------------------------------


def of_pictures(*names, file="both__csv"):
    """A table of a known format with gaze on several pictures; as the page opens it."""
    rows = [("Ada", name, *place) for name in names for place in PLACES]
    columns = ["Recording name", "Presented Media name", "Gaze point X [MCSpx]"]
    return {file: builders.lines([*columns, "Gaze point Y [MCSpx]"], *rows).encode()}


def sizes(page):
    """The open studies' names and the sizes of their pictures; None for one that waits."""
    return {
        one.export.name: one.export.image and one.export.size()
        for one in visit_of(page).opened.values()
    }


SMALL, LARGE = (1000, 700), (1200, 900)


@pytest.mark.parametrize("way", ["anywhere", "ZIP", "place of the missing picture"])
def test_pictures_that_come_later_are_given_by_name(way):
    page = drop(app(), **of_pictures("Shelf.png", "poster.jpg", "door"))
    assert sizes(page) == {"Shelf": None, "poster": None, "door": None}
    files = {"POSTER.png": picture(LARGE), "shelf.PNG": picture(SMALL)}
    if way == "ZIP":
        page = drop(page, p__zip=builders.write_zip(io.BytesIO(), files).getvalue())
    else:
        place = page.file_uploader[way != "anywhere"]
        place.set_value([(name, data, "") for name, data in files.items()])
        page = check(page.run())
    assert sizes(page) == {"Shelf": SMALL, "poster": LARGE, "door": None}
    assert infos(page)[0] == "2 pictures given by name: POSTER.png to poster, shelf.PNG to Shelf."
    assert said(page) == []


def test_a_picture_alone_goes_to_the_study_of_its_name_else_to_the_chosen():
    page = drop(app(), **of_pictures("a.png", "b.png"))
    b = [*visit_of(page).opened.values()][1]
    assert visit_of(page).chosen == b.number
    page = drop(page, a__jpg=picture(SMALL))
    assert sizes(page) == {"a": SMALL, "b": None}
    assert infos(page)[0] == "1 picture given by name: a.jpg to a."
    # None waits for another of this name.
    page = drop(page, a__jpg=picture(LARGE))
    assert sizes(page) == {"a": SMALL, "b": LARGE}
    assert not any("given by name" in one for one in infos(page))


def test_pictures_that_belong_to_no_study_are_named():
    page = drop(app(), **of_pictures("a.png", "b.png"))
    page = drop(page, a__png=picture(SMALL), c__png=picture(), d__png=picture())
    assert sizes(page) == {"a": SMALL, "b": None}
    assert said(page) == [
        "c.png, d.png: no study that waits for a picture is called so. The names of those that "
        "wait: 'b'. Name the pictures so, or choose a study and give its picture alone."
    ]
    page = drop(page, b__png=picture(LARGE), a__png=picture(LARGE))
    assert sizes(page) == {"a": SMALL, "b": LARGE}
    assert said(page)[0].startswith("a.png: no other study waits for a picture.")


def test_of_studies_of_one_name_each_gets_one_and_a_new_name_serves_too():
    page = drop(app(), **of_pictures("a.png", "b.png", file="one__csv"))
    page = drop(page, **of_pictures("a.png", "b.png", file="two__csv"))
    visit_of(page).rename(0, "wall")
    page = drop(page, wall__png=picture(SMALL), a__png=picture(LARGE))
    assert sizes(page) == {"wall": SMALL, "b": None, "a (2)": LARGE, "b (2)": None}
    visit_of(page).chosen = 1
    # Of two that wait, the one that is shown.
    page = drop(check(page.run()), b__png=picture(SMALL))
    assert sizes(page) == {"wall": SMALL, "b": SMALL, "a (2)": LARGE, "b (2)": None}


def test_a_picture_that_cannot_be_used_leaves_its_study_waiting_and_the_others_get_theirs():
    page = drop(app(), **of_pictures("a.png", "b.png"))
    page = drop(page, a__png=b"no picture", b__png=picture(SMALL))
    assert sizes(page) == {"a": None, "b": SMALL}
    assert [one.partition(":")[0] for one in said(page)] == ["a.png"]
    assert infos(page)[0] == "1 picture given by name: b.png to b."


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
