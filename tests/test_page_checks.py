"""The view of what was checked: words, not colours, and names as text."""

import io
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

import gazeheat_core as gh
from gazeheat_core.page.session import Opened
from tests.builders import export_zip
from tests.test_checks import changed, gaze, recording, study

NAME = "# *Ben* :red[x] <b>"


def view():
    """The script of a page that has nothing but the view."""
    import streamlit as st

    from gazeheat_core.page.checks import checks

    checks(st.session_state["opened"])


def shown(study):
    page = AppTest.from_function(view, default_timeout=60)
    page.session_state["opened"] = Opened(0, study)
    page.run()
    assert not page.exception
    return page


@pytest.fixture(scope="module")
def crossed():
    """A study over a real picture, of which one recording looked beside it."""
    (export,) = gh.read_exports(gh.Upload("shelf.zip", io.BytesIO(export_zip())))
    beside = changed(slice(0, None, 4), 310.0, 100.5)
    found = study(recording("Ada", gaze()), recording(NAME, beside))
    return replace(found, image=replace(export.image, size=found.grid.size))


def test_each_check_has_a_word_the_worst_comes_first_and_names_are_text(crossed):
    page = shown(crossed)
    assert [one.value for one in page.subheader] == ["Check the data: 1 thing to look at"]
    texts = [one.value for one in page.markdown]
    assert texts[0] == ":material/visibility: **Look at this**"
    assert texts[1].startswith("**Gaze beside the picture**  \nIn 1 of 2 recordings, 25 % of")
    assert [one.label for one in page.expander] == ["1 recording"]
    (named,) = page.expander[0].markdown
    assert named.value == (
        "- \\# \\*Ben\\* \\:\u2060red\\[x\\] \\<b\\>: 2,500 of 10,000 samples, 25 %"
    )
    assert texts[2] == named.value
    words, told = texts[3::2], texts[4::2]
    assert words == 12 * [":material/check: Fine"]
    assert told[0].startswith("**Size of picture and gaze**")


def test_a_study_is_looked_at_once_and_again_with_another_picture(crossed):
    opened = Opened(0, crossed)
    first = opened.checks()
    assert opened.checks() is first
    opened.take(crossed)
    assert opened.checks() is not first
    assert opened.checks() == first
