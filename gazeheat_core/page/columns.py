"""A table that nobody has described: ask which column is what, with the guesses filled in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import escape
from math import isnan

import streamlit as st

from gazeheat_core.errors import listed, shown
from gazeheat_core.exports import tables
from gazeheat_core.exports.columns import Format, Header
from gazeheat_core.exports.guessing import (
    LINES,
    column_name,
    first_rows,
    guess,
    named_columns,
    states_unit,
    table_at,
    write_answers,
)
from gazeheat_core.exports.tables import Table
from gazeheat_core.model import Frame
from gazeheat_core.page.frame import TITLE, centred, show_messages
from gazeheat_core.page.incoming import drop_exports, leave, use_answers
from gazeheat_core.page.markup import plain
from gazeheat_core.page.session import Waiting

ANSWERS_FILE = "columns.json"

# Of the table that is shown: lines before the rows and of rows, columns, characters of a cell.
_LINES_BEFORE, _ROWS_SHOWN, _COLUMNS_SHOWN, _CELL_CHARACTERS = 3, 6, 40, 40
_NONE = -1
_PICTURE, _SHARE, _PERCENT = "Pixels of the picture", "From 0 to 1", "Percent, from 0 to 100"
_SCREEN, _MM, _OTHER = "Pixels of a screen", "Millimetres", "Other numbers"
_KINDS = (_PICTURE, _SHARE, _PERCENT, _SCREEN, _MM, _OTHER)
_ENDS = {_SHARE: 1.0, _PERCENT: 100.0}
_TOP, _BOTTOM = "At the top", "At the bottom"
_UNITS = {
    "ms": "milliseconds",
    "s": "seconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "": "date or time of day",
}
_FARTHEST = 1e9


def ask_alone(waiting: Waiting) -> None:
    """Ask on a page on which no study is open."""
    with centred():
        st.title(TITLE, anchor=False)
        show_messages()
    ask_for_columns(waiting)
    with centred():
        drop_exports("The pictures that were looked at, or answers that were saved")


def ask_for_columns(waiting: Waiting) -> None:
    """Ask which column of a table is what, and read it once that is known."""
    with centred(), st.container(key="columns"):
        st.subheader("Which column is what?", anchor=False)
        st.markdown(plain(waiting.problem))
        preview, answers = st.container(), st.container()
        header_line = int(
            st.number_input(
                "Line with the names of the columns",
                0,
                LINES,
                _header_line(waiting),
                key=f"columns-{waiting.number}-line",
                help="Lines before it are passed over. 0: no line has names; then the columns "
                "are called #1, #2 and so on.",
            )
        )
        table = table_at(waiting.head, header_line)
        with preview:
            _show_rows(waiting, table, header_line)
        form, missing = None, ""
        with answers:
            if table is None:
                missing = "This line has no names of columns, or no numbers stand below it."
            else:
                known = _known_guess(waiting, table)
                st.markdown(plain(_found(known)))
                asked = _Questions(table, known, f"columns-{waiting.number}-{header_line}")
                form, missing = asked.ask()
        if missing:
            st.caption(plain(missing))
        _act(waiting, None if missing else form, table)


def _header_line(waiting: Waiting) -> int:
    return 0 if waiting.header[0] == "#1" else waiting.header_line


def _known_guess(waiting: Waiting, table: Table) -> Format:
    """Return what the questions are filled in with."""
    if waiting.guess is not None and table.columns == waiting.header:
        return waiting.guess
    return guess(table)


def _act(waiting: Waiting, form: Format | None, table: Table | None) -> None:
    """Offer to read the table, to save the answers, and to leave the table."""
    with st.container(horizontal=True):
        wants = st.button("Read the table", type="primary", disabled=form is None)
        st.download_button(
            "Save these answers",
            write_answers(form) if form is not None else "",
            ANSWERS_FILE,
            "application/json",
            on_click="ignore",
            disabled=form is None,
            help="Drop this file with another table of the same columns, and nothing is asked.",
        )
        st.button(
            "Leave this table",
            on_click=leave,
            args=(waiting,),
            help="It is freed at once, and nothing is read of it.",
        )
    if wants and form is not None and table is not None:
        use_answers(waiting, form, table.columns)
        st.rerun()


# --- What the table is ---------------------------------------------------------------


def _show_rows(waiting: Waiting, table: Table | None, header_line: int) -> None:
    """Show the first lines with their numbers, cut into cells."""
    start = max(1, header_line - _LINES_BEFORE)
    lines = tables.read_lines(waiting.head, header_line + _ROWS_SHOWN + 1)
    delimiter = "," if table is None else table.delimiter
    rows = []
    for number, line in enumerate(lines, 1):
        if start <= number <= header_line + _ROWS_SHOWN:
            is_header = number == header_line
            cells = tables.split_line(line, delimiter)
            tag, more = ("th", ' scope="col"') if is_header else ("td", "")
            texts = [escape(shown(cell, _CELL_CHARACTERS)) for cell in cells[:_COLUMNS_SHOWN]]
            texts += ["…"] * (len(cells) > _COLUMNS_SHOWN)
            row = "".join(f"<{tag}{more}>{text}</{tag}>" for text in texts)
            rows.append(f'<tr><th scope="row">{number}</th>{row}</tr>')
    name = escape(shown(waiting.head.name))
    st.html(
        f'<div class="gazeheat-rows" tabindex="0" role="region" aria-label="First lines of {name}">'
        f"<table><caption>First lines of {name}</caption>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _found(form: Format) -> str:
    """Say in one sentence what the guess is."""
    kind = _kind(form.frame)
    others = {
        "time": form.time,
        "person": form.wearer or " ".join(form.recording),
        "what was looked at": form.picture,
        "validity": form.detected or (form.at_least[0] if form.at_least else ""),
        "duration": form.duration,
    }
    said = [f"{what} in {listed([column])}" for what, column in others.items() if column]
    also = f"; {', '.join(said)}" if said else ""
    what = "fixations" if form.holds == "fixations" else "gaze"
    place = {_PICTURE: "pixels of the picture", _SCREEN: "pixels of a screen"}.get(
        kind, kind[0].lower() + kind[1:]
    )
    return (
        f"It looks like {what} with x in {listed([form.x])} and y in {listed([form.y])}, "
        f"{place}{also}. Correct what is not so."
    )


def _kind(frame: Frame | None) -> str:
    if frame is None:
        return _PICTURE
    left, top, right, bottom = frame
    if isnan(right) or isnan(bottom):
        return _MM
    if left == 0 and min(top, bottom) == 0:
        ends = {right, max(top, bottom)}
        return next((kind for kind, end in _ENDS.items() if ends == {end}), _SCREEN)
    return _OTHER


# --- The questions -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Questions:
    """The controls, filled in with a guess.

    Attributes
    ----------
    table : Table
    guess : Format
    key : str
        What the keys of the controls begin with.
    """

    table: Table
    guess: Format
    key: str

    def ask(self) -> tuple[Format | None, str]:
        """Show the controls; return what they say, and what is missing."""
        left, right = st.columns(2)
        with left:
            x = self._column("Position, x", self.guess.x)
        with right:
            y = self._column("Position, y", self.guess.y)
        frame, missing = self._ask_frame()
        left, right = st.columns(2)
        with left:
            names = self.guess.recording
            person = self._column("Person", names[0] if names else "", optional=True)
            time, time_unit = self._time("Time", self.guess.time)
        with right:
            picture = self._column("What was looked at", self.guess.picture, optional=True)
            duration, duration_unit = self._time(
                "Duration of a fixation", self.guess.duration, none="none: rows are gaze"
            )
        detected, at_least = self._ask_validity()
        if x == y:
            missing = "x and y are the same column. Choose another one."
        name = "" if person == _NONE else column_name(self.table, person)
        is_guessed = self._place(names[0] if names else "") == person
        form = replace(
            self.guess,
            holds="gaze" if duration == _NONE else "fixations",
            x=column_name(self.table, x),
            y=column_name(self.table, y),
            frame=frame,
            time="" if time == _NONE else column_name(self.table, time, time_unit),
            duration="" if duration == _NONE else column_name(self.table, duration, duration_unit),
            # Of gaze, this column says something else.
            fixation="" if duration == _NONE else self.guess.fixation,
            recording=names if is_guessed else tuple(filter(None, (name,))),
            wearer=self.guess.wearer if is_guessed else name,
            picture="" if picture == _NONE else column_name(self.table, picture),
            detected=detected,
            at_least=at_least,
            # It says what was missing.
            hint="",
        )
        return form, missing

    def _place(self, column: str) -> int:
        """Return where a column of the guess is."""
        header = Header(self.table.columns)
        found = header.find(column)
        if not found and column:
            moment = header.find_time(column)
            found = [] if moment is None else [moment[0]]
        return found[0].position if found else _NONE

    def _column(
        self, label: str, column: str, *, optional: bool = False, none: str = "none"
    ) -> int:
        options = [*([_NONE] if optional else ()), *named_columns(self.table)]
        place = self._place(column)

        def title(place: int) -> str:
            return none if place == _NONE else shown(self.table.columns[place])

        chosen: int = st.selectbox(
            label,
            options,
            options.index(place) if place in options else 0,
            format_func=title,
            key=f"{self.key}-{label}",
        )
        return chosen

    def _time(self, label: str, column: str, none: str = "none") -> tuple[int, str]:
        """Ask for a column with times, and their unit where its name does not state it."""
        place = self._column(label, column, optional=True, none=none)
        if place == _NONE or states_unit(self.table.columns[place]):
            return place, ""
        guessed = column.rpartition("[")[2].strip(" ]") if column.endswith("]") else ""
        is_length = label != "Time"
        units = [unit for unit in _UNITS if unit or not is_length]
        default = units.index(guessed) if guessed in units else 0
        unit = st.selectbox(
            f"{label}: unit",
            units,
            default,
            format_func=_UNITS.__getitem__,
            key=f"{self.key}-{label}-unit",
        )
        return place, unit

    def _ask_frame(self) -> tuple[Frame | None, str]:
        """Ask which numbers stand at the picture's borders."""
        frame = self.guess.frame
        guessed = _kind(frame)
        kind = st.radio(
            "The positions are",
            _KINDS,
            _KINDS.index(guessed),
            horizontal=True,
            key=f"{self.key}-kind",
            help="Pixels of the picture: x is 0 at its left border, y is 0 at its top, and the "
            "picture is given in its full size. Of a screen or in millimetres, say how large "
            "that was; the picture then has to show all of it.",
        )
        if kind == _PICTURE:
            return None, ""
        known = frame if kind == guessed else None
        if kind == _OTHER:
            borders = self._numbers(
                ("At the left", "At the top", "At the right", "At the bottom"), known or (None,) * 4
            )
            left, top, right, bottom = borders
            if left is None or top is None or right is None or bottom is None:
                return None, "Say first which numbers stand at the four borders of the picture."
            if left == right or top == bottom:
                return None, "Opposite borders have the same number. Correct one of them."
            return (left, top, right, bottom), ""
        if kind in _ENDS:
            width: float | None = _ENDS[kind]
            height: float | None = _ENDS[kind]
        else:
            sides = (None, None) if known is None else (known[2], max(known[1], known[3]))
            width, height = self._numbers(
                ("Width", "Height"),
                tuple(None if one is None or isnan(one) else one for one in sides),
            )
        start = st.radio(
            "y starts",
            (_TOP, _BOTTOM),
            int(known is not None and known[1] > known[3]),
            horizontal=True,
            key=f"{self.key}-start",
        )
        if not width or not height or width < 0 or height < 0:
            return None, "Say first how wide and how high it was."
        return ((0.0, 0.0, width, height) if start == _TOP else (0.0, height, width, 0.0)), ""

    def _numbers(
        self, labels: tuple[str, ...], values: Iterable[float | None]
    ) -> list[float | None]:
        places = st.columns(len(labels))
        return [
            place.number_input(
                label, -_FARTHEST, _FARTHEST, value, format="%g", key=f"{self.key}-{label}"
            )
            for place, label, value in zip(places, labels, values, strict=True)
        ]

    def _ask_validity(self) -> tuple[str, tuple[str, float] | None]:
        """Ask which column says whether gaze was detected: a yes or no, or a number."""
        guessed = self.guess.at_least
        left, right = st.columns(2)
        with left:
            place = self._column(
                "Validity",
                self.guess.detected or (guessed[0] if guessed else ""),
                optional=True,
            )
        if place == _NONE:
            return "", None
        name = column_name(self.table, place)
        cells = {row[place] for row in first_rows(self.table)} - {""}
        if all(tables.flag(cell) != tables.FLAG_UNKNOWN for cell in cells):
            return name, None
        least = right.number_input(
            "Least value that counts",
            -_FARTHEST,
            _FARTHEST,
            guessed[1] if guessed else 0.6,
            key=f"{self.key}-least",
        )
        return "", (name, least)
