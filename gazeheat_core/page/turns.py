"""Reading in turns: few uploads at a time, the others wait and are told their place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

# Uploads that are read at a time, over all sessions; the others wait their turn.
READS_AT_A_TIME = 2
# How often one that waits lets Streamlit end its script, should the visitor have left.
LOOK_UP_S = 0.5


class Queue:
    """Lets a limited number in at a time, in the order in which they came.

    Parameters
    ----------
    places : int
        How many may be in.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        # The first `places` tickets are in, the others wait. To leave, for whatever reason,
        # it is enough to remove one's ticket.
        self._tickets: list[object] = []
        self._change = threading.Condition()

    @contextmanager
    def turn(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place, and hold it while the body runs.

        Parameters
        ----------
        waiting : callable
            Called with the number of those who are let in before, when that changes and
            about twice a second. An exception that it raises ends the wait.
        """
        ticket = object()
        with self._change:
            self._tickets.append(ticket)
        try:
            while (before := self._before(ticket)) is not None:
                waiting(before)
                with self._change:
                    self._change.wait_for(lambda: self._before(ticket) != before, LOOK_UP_S)
            yield
        finally:
            with self._change:
                self._tickets.remove(ticket)
                self._change.notify_all()

    def _before(self, ticket: object) -> int | None:
        """Return how many are let in before a ticket; None once it is in itself."""
        place = self._tickets.index(ticket) - self._places
        return place if place >= 0 else None


@st.cache_resource(show_spinner=False)
def reading_queue() -> Queue:
    """Return the queue that bounds how many uploads are read at a time."""
    return Queue(READS_AT_A_TIME)


@contextmanager
def my_turn() -> Iterator[None]:
    """Wait until fewer than `READS_AT_A_TIME` uploads are being read, and say so."""
    place = st.empty()

    def waiting(before: int) -> None:
        # Each call of Streamlit lets it end the script of a visitor who has left.
        next_one = "Yours is next." if not before else f"{before:,} more come before yours."
        place.caption(f":material/hourglass_top: Other uploads are being read. {next_one}")

    with reading_queue().turn(waiting):
        place.empty()
        yield
