"""The window of time without a browser: what it is told, what is taken, what is passed over."""

import math
from types import SimpleNamespace

import pytest

from gazeheat_core.page import when

OF = [3, 1]
WHOLE = None


@pytest.mark.parametrize(
    ("longest_s", "step_s", "end_s"),
    [
        (0, 0.1, 0.1),
        (0.05, 0.1, 0.1),
        (6.3, 0.1, 6.4),
        (63.2, 0.5, 63.5),
        (60, 0.5, 60.5),  # the end is excluded, so it lies behind the last sample
        (600, 5, 605),
        (3600, 20, 3620),
        (1e6, 5000, 1_005_000),
    ],
)
def test_steps_are_round_and_the_end_lies_behind_the_last_sample(longest_s, step_s, end_s):
    told = when.told(longest_s, WHOLE, 0, OF)
    assert (told["longest"], told["step"], told["end"]) == (longest_s, step_s, end_s)


def test_a_length_is_rounded_up_to_a_tenth_of_a_millisecond():
    assert when.told(63.213_74, WHOLE, 0, OF)["longest"] == 63.2138


def test_the_browser_is_told_the_window_and_to_what_it_answers():
    told = when.told(10, (2.0001, 7.5), 8, OF)
    assert (told["of"], told["turn"], told["window"]) == (OF, 8, [2.0001, 7.5])
    assert when.told(10, WHOLE, 0, OF)["window"] is None


@pytest.mark.parametrize(
    ("state", "turn"),
    [
        (None, 0),
        ({}, 0),
        ({"window": None}, 0),
        ({"window": {"turn": 8}}, 8),
        ({"window": {"turn": -1}}, 0),
        ({"window": {"turn": True}}, 0),
        ({"window": {"turn": 10**400}}, 0),
        ({"window": {"turn": "8"}}, 0),
    ],
)
def test_a_turn_is_a_number_of_the_browser_s(state, turn):
    assert when.turn_of(state) == turn


@pytest.fixture
def taken_of(monkeypatch):
    """A function that returns the windows that are taken of a message, with 63.2 s in all."""

    def taken_of(message):
        session = SimpleNamespace(session_state={"when": {"window": message}})
        monkeypatch.setattr(when, "st", session)
        taken = []
        when.take_window("when", lambda: OF, 63.2, taken.append)
        return taken

    return taken_of


@pytest.mark.parametrize(
    ("ends", "window"),
    [
        ([2, 7.5], (2.0, 7.5)),
        ([2.0001, 2.0002], (2.0001, 2.0002)),
        ([2.000_04, 7], (2.0, 7.0)),
        ([0, 63.1], (0.0, 63.1)),
        ([0, 63.2], WHOLE),
        ([0, 63.5], WHOLE),
        ([0.1, 63.5], (0.1, 63.5)),
        ([100, 1e6], (100.0, 1e6)),
    ],
)
def test_a_window_is_taken_and_one_over_everything_is_the_whole(taken_of, ends, window):
    assert taken_of({"of": OF, "turn": 1, "window": ends}) == [window]


@pytest.mark.parametrize(
    "ends",
    [
        None,
        "2 to 7",
        {"0": 2, "1": 7},
        [],
        [2],
        [2, 7, 9],
        [2, None],
        [2, "7"],
        [2, [7]],
        [False, True],
        [-1, 7],
        [7, 2],
        [2, 2],
        [2.000_01, 2.000_02],  # one and the same tenth of a millisecond
        [2, 1_000_000.5],
        [2, 10**400],
        [2, math.inf],
        [math.nan, 7],
        [2, math.nan],
    ],
)
def test_a_window_that_makes_no_sense_is_passed_over(taken_of, ends):
    assert taken_of({"of": OF, "turn": 1, "window": ends}) == []


@pytest.mark.parametrize(
    "message",
    [
        None,
        [2, 7],
        "window",
        {"window": [2, 7]},
        {"of": [3, 0], "window": [2, 7]},  # others have set the window since
        {"of": [4, 1], "window": [2, 7]},
        {"of": 3, "window": [2, 7]},
        {"of": OF},
    ],
)
def test_a_message_for_another_window_is_passed_over(taken_of, message):
    assert taken_of(message) == []
