"""The window of time: which seconds of each section count, chosen in the browser.

The browser draws the window by itself and says where it is. It sends the next place only when
the server has answered to the one before, so that a slow server is never behind by more than
one. The answer names the message that it answers to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from gazeheat_core.page.component import component

Window = tuple[float, float]

# Beyond any recording: eleven days.
MOST_S = 1e6
# A window is exact to a tenth of a millisecond.
DECIMALS = 4
LEAST_STEP_S = 0.1
STEPS_S = (LEAST_STEP_S, 0.2, 0.5, *(n * 10**power for power in range(4) for n in (1, 2, 5)))


def choose_window(
    longest_s: float,
    window_s: Window | None,
    take: Callable[[Window | None], None],
    *,
    of: Callable[[], Sequence[int]] = tuple,
    key: str = "when",
) -> None:
    """Show the control for the window of time.

    Parameters
    ----------
    longest_s : float
        Seconds from the start of a section to its last sample, of the section where they are
        most.
    window_s : (float, float) or None
        The window that holds: seconds after a section's start, the second one excluded. None
        for the whole section.
    take : callable
        Given the window that was chosen, before the script runs again, which has to show that
        window, or the control goes back. Streamlit keeps it as long as the control is shown:
        it should not hold a study.
    of : callable
        Says whose window it is and how often others than its visitor have set it, as numbers.
        It is asked again when a message comes: one that was sent for another window is passed
        over, even where it comes together with what sets the window.
    key : str
        Name of the control in the session.
    """
    on_change = partial(take_window, key, of, longest_s, take)
    turn = turn_of(st.session_state.get(key))
    component("when")(
        data=told(longest_s, window_s, turn, of()), key=key, on_window_change=on_change
    )


def told(longest_s: float, window_s: Window | None, turn: int, of: Sequence[int]) -> dict[str, Any]:
    """Return what the browser is told, ready for JSON.

    Returns
    -------
    dict
        `longest`, `step` and `end` in seconds. The end is the first step behind the last
        sample: a window up to there holds the sample. `window` is None for the whole, `turn`
        the number of the message that this answers to.
    """
    longest_s = math.ceil(round(longest_s * 10**DECIMALS, 3)) / 10**DECIMALS
    step_s = max(one for one in STEPS_S if one <= max(LEAST_STEP_S, longest_s / 100))
    steps = math.floor(round(longest_s / step_s, 6)) + 1
    return {
        "of": list(of),
        "turn": turn,
        "longest": longest_s,
        "step": step_s,
        "end": round(steps * step_s, DECIMALS),
        "window": None if window_s is None else list(window_s),
    }


def turn_of(state: Any) -> int:
    """Return the number of the browser's last message; 0 without one."""
    message = state.get("window") if state else None
    turn = message.get("turn") if isinstance(message, dict) else None
    return turn if type(turn) is int and 0 <= turn < 2**53 else 0


def take_window(
    key: str,
    of: Callable[[], Sequence[int]],
    longest_s: float,
    take: Callable[[Window | None], None],
) -> None:
    """Hand on the window that the browser asks for; what makes no sense is passed over."""
    message = st.session_state[key].get("window")
    if not isinstance(message, dict) or message.get("of") != list(of()):
        return
    ends = message.get("window")
    if not isinstance(ends, list) or len(ends) != 2:
        return
    # Compared before they are rounded: a whole number can be too large for that.
    if not all(type(one) in (int, float) and 0 <= one <= MOST_S for one in ends):
        return
    from_s, to_s = (round(float(one), DECIMALS) for one in ends)
    if from_s < to_s:
        is_whole = from_s == 0 and to_s >= longest_s
        take(None if is_whole else (from_s, to_s))
