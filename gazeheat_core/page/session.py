"""What a session keeps: the open studies of one visitor, and when they are freed."""

from __future__ import annotations

import ctypes
import gc
import io
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

import gazeheat_core as gh
from gazeheat_core.errors import shown
from gazeheat_core.exports import LIMITS, Pieces, SourceFile, Upload, formats
from gazeheat_core.exports.columns import Format, recognise, to_values
from gazeheat_core.exports.guessing import read_answers
from gazeheat_core.exports.judging import doubt_picture
from gazeheat_core.exports.sources import GIB, MIB, Given, Piece
from gazeheat_core.page.server import File, Loan, close_session
from gazeheat_core.regions import check_regions, snapped
from gazeheat_core.report import recordings
from gazeheat_core.settings import Measure

log = logging.getLogger("gazeheat")

# How long Clear and Remove can be undone, in seconds. The page says "two minutes".
UNDO_S = 120
GONE = (
    "It cannot be brought back: more than two minutes have passed, or other files came in. "
    "Give the files again."
)
# A folder's name can make up any other kind, so none of those goes into the log.
_LOGGED_KINDS = {*(one.title for one in formats.FORMATS), "Auto Image Mapper"}

# No picture is so large; a browser may send any number.
_FARTHEST_PX = 1e9

# Shown for errors that no other message covers.
UNEXPECTED = (
    "Something went wrong here that is not the fault of your files. What was open is still "
    "open. Try again; if it happens once more, ask whoever runs this server to look into its log."
)
TOO_LITTLE_MEMORY = (
    "The server has too little memory for this. Close studies that you do not need, or try "
    "again later; the administrator can say how much memory there is."
)


@dataclass(eq=False, slots=True)
class Opened:
    """An open study: one export over its picture.

    Attributes
    ----------
    number : int
        Tells the studies of a visit apart; never used twice.
    export : Export or Study
        An export as long as it waits for a picture, then a study.
    looked_at : str
        The name that it came with, which is that of what was looked at; it stays when the study
        is called otherwise.
    shared : Study or None
        The study as other visitors have it open too, from the server's folder.
    ticked : set of int
        Positions of the recordings that count, with one section at least.
    sections : dict of int to set of int
        For each ticked recording of which only some sections count: their positions.
    generation : int
        How often the server has set the ticks. A message of the browser that knows of fewer
        is out of date.
    pool : Pool or None
        The recordings' histograms and their sum; None as long as there is no picture.
    measures : tuple of str
        What can be counted; the first is counted where nothing else is asked for.
    longest_s : float
        The length of the longest section; 0 where no time can be read.
    window_s : (float, float) or None
        The window of time that is counted, after each section's beginning.
    positions : Export or None
        The study with its positions, as long as its picture is in doubt: it may be replaced by
        one of another size.
    loan : Loan
        The files that the browser may fetch: the picture, and the downloads.
    ground : str
        The address of the picture.
    closed : set of str
        The export's notices that its visitor has closed.
    figure : FigureAsked
        What the form for the figure is filled in with.
    regions : list of Region
        What is marked on the picture: the rectangles of whole bins.
    is_marking : bool
        Whether a drag on the picture marks a region.
    region_problem : str
        Why the last region could not be had; empty where it could.
    region_counts : RegionCounts
        What the recordings have in the regions.
    """

    number: int
    export: gh.Export | gh.Study
    looked_at: str = ""
    shared: gh.Study | None = None
    ticked: set[int] = field(default_factory=set)
    sections: dict[int, set[int]] = field(default_factory=dict)
    generation: int = 0
    pool: gh.Pool | None = None
    measures: tuple[Measure, ...] = ()
    longest_s: float = 0.0
    window_s: tuple[float, float] | None = None
    positions: gh.Export | None = None
    loan: Loan = field(default_factory=Loan)
    ground: str = ""
    closed: set[str] = field(default_factory=set)
    figure: gh.FigureAsked = field(default_factory=gh.FigureAsked)
    regions: list[gh.Region] = field(default_factory=list)
    is_marking: bool = False
    region_problem: str = ""
    region_counts: gh.RegionCounts = field(default_factory=gh.RegionCounts)
    _picture: File | None = None
    _checks: tuple[gh.Check, ...] | None = None

    def __post_init__(self) -> None:
        self.ticked = set(range(len(self.export.recordings)))
        self.take(self.export)

    def take(self, export: gh.Export | gh.Study) -> None:
        """Take an export, perhaps with a new picture, and prepare all that ticks need."""
        image = export.image
        if image is not None:
            # With a picture that is beyond doubt, the positions are not needed any more.
            self.positions = None
            study = export
            if isinstance(export, gh.Export):
                self.positions = export if doubt_picture(export) else None
                study = gh.track_export(export)
            assert isinstance(study, gh.Study)
            self.measures = gh.measures_of(study)
            self.pool = gh.Pool.over(study, gh.Selection(self.measures[0]))
            self.longest_s = gh.longest_section_s(study)
            export = study
            # Each picture has an address of its own, since the browser keeps what it has fetched.
            self._picture = File(gh.display_jpeg(image), "image/jpeg")
            self._checks = None
            self.lend()
        self.export = export

    def tick(
        self, positions: Iterable[int], sections: Iterable[tuple[int, int]] | None = None
    ) -> None:
        """Tick these recordings and no others, whatever the browser is about to say.

        Parameters
        ----------
        positions : iterable of int
        sections : iterable of (int, int), optional
            Positions of recordings and of their sections that count; without it, all do.
        """
        self.ticked = set(positions)
        self.sections = {}
        if sections is not None:
            places: dict[int, set[int]] = {i: set() for i in self.ticked}
            for i, place in sections:
                if i in places:
                    places[i].add(place)
            counts = self.section_counts
            self.ticked = {i for i, some in places.items() if some}
            self.sections = {i: places[i] for i in self.ticked if len(places[i]) < counts[i]}
        self.generation += 1

    def describe(self, export: gh.Export | gh.Study) -> None:
        """Take an export whose recordings have other names or another order; the ticks stay."""
        ids = [one.id for one in self.export.recordings]
        ticked = {ids[i] for i in self.ticked}
        sections = {ids[i]: own for i, own in self.sections.items()}
        self.take(export)
        places = {id: i for i, id in enumerate([one.id for one in export.recordings])}
        self.ticked = {i for id, i in places.items() if id in ticked or id not in ids}
        self.sections = {places[id]: own for id, own in sections.items()}
        self.generation += 1

    def lend(self) -> None:
        """Lend the browser the picture, under a new address; what was lent before ends."""
        self.loan.end()
        self.loan = Loan()
        picture = self._picture
        if picture is not None:
            self.ground = self.loan.lend("picture", lambda: picture)

    @property
    def study(self) -> gh.Study:
        """The export over its picture; only once it has one."""
        assert isinstance(self.export, gh.Study)
        return self.export

    @property
    def notices(self) -> list[str]:
        """What is to be said of the export, without what its visitor has closed."""
        return [one for one in self.export.notices if one not in self.closed]

    @property
    def histograms(self) -> tuple[gh.RecordingHistogram, ...]:
        """One for each recording; empty as long as there is no picture."""
        return () if self.pool is None else self.pool.histograms

    @property
    def section_counts(self) -> list[int]:
        """How many sections each recording has."""
        return [len(one.sections) for one in self.export.recordings]

    def selection_sections(self) -> frozenset[tuple[int, int]] | None:
        """Return what a `Selection` is to hold as its sections; None for all.

        A recording that is not ticked is there with all of its sections, so that a tick of it
        asks for nothing else than before.
        """
        if not self.sections:
            return None
        return frozenset(
            (i, place)
            for i, count in enumerate(self.section_counts)
            for place in self.sections.get(i, range(count))
        )

    @property
    def pooled(self) -> list[gh.RecordingHistogram]:
        """Those that are ticked."""
        return [self.histograms[i] for i in sorted(self.ticked)]

    def ask(self, selection: gh.Selection) -> None:
        """Count something else; what stays the same is not counted again."""
        assert self.pool is not None
        before = self.pool.selection
        if selection == before:
            return
        if selection == replace(before, weight=selection.weight):
            shape = self.study.grid.shape
            self.pool = gh.Pool.of(self.pool.histograms, shape, selection)
        else:
            self.pool = gh.Pool.over(self.study, selection)

    def checks(self) -> tuple[gh.Check, ...]:
        """Return what is to be said of the data; all samples are looked at once."""
        if self._checks is None:
            self._checks = gh.check_study(self.study)
        return self._checks

    def heatmap(self, scale: float) -> gh.Heatmap:
        """Return the heatmap of the ticked recordings."""
        assert self.pool is not None
        return gh.finish_heatmap(self.pool.take(self.ticked), scale)

    def mark(self, corners: object) -> None:
        """Mark a region, under a name that no other has.

        Parameters
        ----------
        corners : list of four float
            x and y of two opposite corners, in pixels of the picture. What is no such list is
            passed over.
        """
        if not isinstance(corners, list) or len(corners) != 4:
            return
        if not all(type(one) in (int, float) and abs(one) < _FARTHEST_PX for one in corners):
            return
        self.is_marking = False
        taken = {one.name for one in self.regions}
        names = (f"Region {number}" for number in itertools.count(1))
        name = next(one for one in names if one not in taken)
        self.keep_regions(lambda: [*self.regions, gh.Region.between(name, corners)])

    def keep_regions(self, wanted: Callable[[], list[gh.Region]]) -> None:
        """Have these regions and no others, or keep those that there are and say why."""
        self.region_problem = ""
        try:
            self.regions = self.fitted(wanted())
        except gh.SettingError as error:
            self.region_problem = str(error)

    def fitted(self, regions: Iterable[gh.Region]) -> list[gh.Region]:
        """Return regions as the whole bins of this study's picture.

        Raises
        ------
        SettingError
            When they do not lie on it, or are not to be told apart.
        """
        study = self.study
        fitted = [snapped(one, study.grid.shape, study.size()).region for one in regions]
        check_regions(fitted)
        return fitted

    @property
    def size_bytes(self) -> int:
        """About the memory that it takes, without the histograms that are kept."""
        held = self.positions
        return self.export.size_bytes + (0 if held is None else held.size_bytes)


@dataclass(frozen=True, eq=False, slots=True)
class TakenAway:
    """What Clear or Remove took away, and can be brought back for a while.

    Attributes
    ----------
    opened : dict of int to Opened
        All studies that were open before, by number, in their order.
    chosen : int
        The one that was chosen.
    names : tuple of str
        Those of the studies that were closed.
    verb : str
        How: "cleared" or "removed".
    timer : threading.Timer
        Ends the while.
    ends_s : float
        When the while ends, as `time.monotonic` tells it.
    """

    opened: dict[int, Opened]
    chosen: int
    names: tuple[str, ...]
    verb: str
    timer: threading.Timer
    ends_s: float

    @property
    def left_s(self) -> float:
        """How much of the while is left, in seconds."""
        return max(0.0, self.ends_s - time.monotonic())


@dataclass(frozen=True, eq=False, slots=True)
class Waiting:
    """What was given with a table that nobody has described, kept until its visitor has.

    Attributes
    ----------
    number : int
        Tells those of a visit apart; never used twice.
    problem : str
        What was found, and what is to be said of it.
    head : SourceFile
        The first lines of the table.
    header : tuple of str
        The names of its columns.
    header_line : int
        The line that they stand in, from 1.
    guess : Format or None
        A description of its maker's that lacks something, if there is one.
    files : tuple of (str, bytes)
        Everything that was given together, by name.
    is_packed : bool
        Whether it is one ZIP.
    read : frozenset of (str, str)
        Path and stimulus of the exports beside the table that are open already.
    """

    number: int
    problem: str
    head: SourceFile
    header: tuple[str, ...]
    header_line: int
    guess: Format | None
    files: tuple[tuple[str, bytes], ...]
    is_packed: bool
    read: frozenset[tuple[str, str]]

    @property
    def source(self) -> Given:
        """What `open_source` opens."""
        pieces: list[Piece] = [Upload(name, io.BytesIO(data)) for name, data in self.files]
        return pieces[0] if self.is_packed else pieces

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return sum(len(data) for _, data in self.files)


@dataclass(slots=True)
class Visit:
    """All that one session holds: the open studies of one visitor."""

    opened: dict[int, Opened] = field(default_factory=dict)
    # The study that is shown; None as long as none is open.
    chosen: int | None = None
    problems: list[str] = field(default_factory=list)
    # Shown by a run of the script that starts while an earlier run still reads files.
    interrupted: list[str] = field(default_factory=list)
    # Numbers of the studies that the last files made.
    added: tuple[int, ...] = ()
    # Pieces of an export that wait for its gaze.
    kept: Pieces = field(default_factory=Pieces)
    # Tables that nobody has described, the next to ask about first.
    waiting: list[Waiting] = field(default_factory=list)
    # What was answered, by the names of the columns; and the last that came as a file or with
    # the page's address.
    answers: dict[tuple[str, ...], Format] = field(default_factory=dict)
    given_answer: Format | None = None
    # What became of settings, and of pieces of an export, that were given.
    said: list[str] = field(default_factory=list)
    # What these settings ask for, until the controls have been set to it.
    wanted_look: gh.Look | None = None
    wanted_selection: gh.Selection | None = None
    taken_away: TakenAway | None = None
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    # Part of the uploaders' keys: under a new key, an uploader is empty.
    uploader: int = 0
    # How often the connection has ended.
    departures: int = 0

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Take files in the body: what was said of earlier ones goes, and so does Undo."""
        self.problems.clear()
        self.said.clear()
        self.added = ()
        self.give_up_undo()
        before = set(self.opened)
        try:
            yield
        finally:
            self.added = tuple(number for number in self.opened if number not in before)

    def add(
        self, export: gh.Export | gh.Study, started_s: float, *, is_shared: bool = False
    ) -> None:
        """Add an export and select it; one of the same title gets a number.

        Parameters
        ----------
        export : Export or Study
        started_s : float
            When its reading began, as `time.monotonic` tells it.
        is_shared : bool
            Whether other visitors get the same study. It is then kept as it is, too.

        Raises
        ------
        LimitError
            When the session would then hold too much.
        """
        self.give_up_undo()
        self.check_room(export.title)
        shared = export if is_shared and isinstance(export, gh.Study) else None
        looked_at = export.name
        export = told_apart(export, self.opened.values())
        opened = Opened(next(self.numbers), export, looked_at, shared)
        self._check_size(opened)
        self.opened[opened.number] = opened
        self.chosen = opened.number
        log.info(
            "opened a study: %s, %s, %s rows, %.1f s",
            export.kind if export.kind in _LOGGED_KINDS else "another mapper",
            recordings(len(export.recordings)),
            f"{export.rows:,}",
            time.monotonic() - started_s,
        )

    def rename(self, number: int, name: str) -> None:
        """Give a study another name; one of the same title gets a number.

        An empty name changes nothing.
        """
        name = shown(" ".join(name.split()))
        opened = self.opened.get(number)
        if name and opened is not None:
            others = [one for one in self.opened.values() if one is not opened]
            opened.export = told_apart(replace(opened.export, name=name), others)

    def check_room(self, what: str) -> None:
        """Check that another export may be opened.

        Raises
        ------
        LimitError
            Naming `what` there is no room for.
        """
        if len(self.opened) >= LIMITS.session_exports:
            raise gh.LimitError(
                f"{what}: not opened, since {LIMITS.session_exports:,} exports are open, which is "
                "the most. Remove what you do not need, then give it again."
            )

    def _check_size(self, opened: Opened) -> None:
        held_bytes = opened.size_bytes + sum(one.size_bytes for one in self.opened.values())
        if held_bytes > LIMITS.session_bytes:
            raise gh.LimitError(
                f"{opened.export.title}: with it, more than {LIMITS.session_bytes // GIB:,} GB "
                "would be open. Remove an export that you do not need, then give this one again."
            )

    def answer_to(self, header: tuple[str, ...]) -> Format | None:
        """Return what is known in this visit of a table with these columns."""
        given = self.given_answer
        known = self.answers.get(header)
        if known is None and given is not None and recognise(header, [given]):
            return given
        return known

    def keep_answer(self, form: Format, header: tuple[str, ...] | None = None) -> None:
        """Keep what was said of columns for later tables, also in the page's address.

        Parameters
        ----------
        form : Format
        header : tuple of str, optional
            The names of the columns that it was said of; without it, it serves every table
            that has those that it names, and takes the place of earlier answers.
        """
        if header is None:
            self.given_answer = form
            self.answers = {
                known: said for known, said in self.answers.items() if not recognise(known, [form])
            }
        else:
            self.answers[header] = form
        write_address(form)

    def wait_for_answers(self, one: Waiting) -> None:
        """Keep what was given until its visitor has said which column is what.

        Raises
        ------
        LimitError
            When more would then be kept than the limits allow.
        """
        held_bytes = one.size_bytes + sum(other.size_bytes for other in self.waiting)
        if held_bytes > LIMITS.waiting_bytes:
            raise gh.LimitError(
                f"{one.problem} It is more than {LIMITS.waiting_bytes // MIB:,} MB together with "
                "what waits, which is too large to be kept until then. Give the first "
                "thousand lines of the table alone, say it of these, then give the whole: "
                "what you said is kept."
            )
        self.waiting.append(one)

    # --- What is closed ---

    def clear(self) -> None:
        """Close every study, which can be undone for a while, and forget what columns are."""
        self._take_away([*self.opened], "cleared")
        self.answers.clear()
        self.given_answer = None
        write_address(None)
        self.kept = Pieces()
        self.waiting.clear()
        self.problems.clear()
        self.interrupted = []

    def remove(self, number: int) -> None:
        """Close one study; for a while this can be undone."""
        if number in self.opened:
            self._take_away([number], "removed")

    def _take_away(self, numbers: list[int], verb: str) -> None:
        if not numbers or self.chosen is None:
            return
        self.give_up_undo()
        self.added = ()
        before = dict(self.opened)
        for number in numbers:
            # Nothing can be fetched any more, though the study could come back.
            self.opened.pop(number).loan.end()
        names = tuple(before[number].export.name for number in numbers)
        timer = threading.Timer(UNDO_S, self._end_undo)
        timer.daemon = True
        ends_s = time.monotonic() + UNDO_S
        self.taken_away = TakenAway(before, self.chosen, names, verb, timer, ends_s)
        self.chosen = next(reversed(self.opened), None)
        timer.start()

    def undo(self) -> None:
        """Bring back what was closed last, as it was."""
        taken = self._withdraw()
        if taken is None:
            self.problems.append(GONE)
            return
        for number, opened in taken.opened.items():
            if number not in self.opened:
                opened.export = told_apart(opened.export, self.opened.values())
                opened.lend()
        self.opened = taken.opened
        self.chosen = taken.chosen

    def give_up_undo(self) -> None:
        """Free what was closed last, if it could still be brought back."""
        if self._withdraw() is not None:
            return_memory()

    def _withdraw(self) -> TakenAway | None:
        taken, self.taken_away = self.taken_away, None
        if taken is not None:
            taken.timer.cancel()
        return taken

    def _end_undo(self) -> None:
        """Free what was closed last, once its while is over."""
        taken = self.taken_away
        is_its_own = taken is not None and taken.timer is threading.current_thread()
        del taken
        if is_its_own:
            self.give_up_undo()

    def forget(self) -> None:
        """Close every study for good, and drop all messages."""
        self.give_up_undo()
        for opened in self.opened.values():
            opened.loan.end()
        self.opened.clear()
        self.kept = Pieces()
        self.waiting.clear()
        self.answers.clear()
        self.given_answer = None
        self.chosen = None
        self.added = ()
        self.problems.clear()
        self.interrupted = []

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Turn any error in the body into a sentence; the open studies stay."""
        try:
            yield
        except Exception as error:
            self.problems.append(words(error))


def told_apart(export: gh.Export | gh.Study, others: Iterable[Opened]) -> gh.Export | gh.Study:
    """Return an export, with a number in its name where another one has its title."""
    titles = {one.export.title for one in others}
    name = export.name
    for copy in itertools.count(2):
        if export.title not in titles:
            break
        export = replace(export, name=f"{name} ({copy})")
    return export


def words(error: Exception) -> str:
    """Return the sentence that a visitor is told of an error; log one that is not ours."""
    if isinstance(error, gh.GazeheatError):
        return str(error)
    log.error("an error that was not foreseen", exc_info=error)
    return TOO_LITTLE_MEMORY if isinstance(error, MemoryError) else UNEXPECTED


def my_visit() -> Visit:
    """Return what this session holds."""
    if "visit" not in st.session_state:
        st.session_state["visit"] = Visit(given_answer=read_address())
    visit: Visit = st.session_state["visit"]
    return visit


# --- The page's address --------------------------------------------------------------

COLUMNS = "columns"


def read_address() -> Format | None:
    """Return what the page's address says of columns; what says nothing is passed over."""
    text = st.query_params.get(COLUMNS, "")
    if not text or len(text) > LIMITS.address_characters:
        return None
    with suppress(gh.SettingError, UnicodeEncodeError):
        return read_answers(text.encode(), "the page's address")
    return None


def write_address(form: Format | None) -> None:
    """Have the page's address say what columns are, unless that is too long for it."""
    text = "" if form is None else json.dumps(to_values(form), separators=(",", ":"))
    if text and len(text) <= LIMITS.address_characters:
        st.query_params[COLUMNS] = text
    elif COLUMNS in st.query_params:
        del st.query_params[COLUMNS]


# --- A visitor leaves ----------------------------------------------------------------


@dataclass(eq=False, slots=True)
class Visitor:
    """The connection of a visitor, and what their session holds."""

    visit: Visit
    session_id: str

    def leave(self) -> None:
        """Shut the session down, unless its connection comes back in time."""
        self.visit.departures += 1
        timer = threading.Timer(_grace_s(), self.forget, [self.visit.departures])
        timer.daemon = True
        timer.start()

    def forget(self, departure: int) -> None:
        """Shut the session down if its connection has not come back since a departure."""
        if self.visit.departures != departure or is_connected(self.session_id):
            return
        self.visit.forget()
        close_session(self.session_id)
        return_memory()


def _grace_s() -> float:
    """Return how long a lost connection may take to come back, in seconds.

    It is a little shorter than Streamlit's own time. When that is over, Streamlit drops the
    session, but keeps its uploads and lets a script that runs in it go on.
    """
    longest_s: float = st.get_option("server.disconnectedSessionTTL")
    return longest_s - min(2.0, longest_s / 4)


def is_connected(session_id: str) -> bool:
    """Tell whether a session has a connection."""
    return runtime.exists() and runtime.get_instance().is_active_session(session_id)


def return_memory() -> None:
    """Return freed memory to the system.

    Ended runs of the script leave objects in reference cycles, which Python frees late. The
    C library keeps freed memory for itself. Together these were 150 MB after an upload of
    140 MB had been closed.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has this call
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@st.cache_resource(scope="session", show_spinner=False, on_release=Visitor.leave)
def greet(_visit: Visit) -> Visitor:
    """Note that a visitor is connected.

    Streamlit calls `Visitor.leave` as soon as the connection ends. It frees the session only
    when another session disconnects, which on a quiet server may be never.
    """
    return Visitor(_visit, getattr(get_script_run_ctx(), "session_id", ""))
