"""The core without a page: exports in, image files and one line of JSON for each out."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import re
import secrets
import shlex
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast, get_args

from gazeheat_core.account import Account, differences, find_account
from gazeheat_core.cache import StudyCache, open_cache
from gazeheat_core.errors import (
    ColumnsError,
    ExportError,
    GazeheatError,
    LimitError,
    PictureError,
    PictureMissingError,
    SettingError,
    listed,
    shown,
)
from gazeheat_core.exports import (
    LIMITS,
    AnyExport,
    FoundExport,
    check_problems,
    find_exports,
    open_source,
    read_export,
    sources_of,
    with_picture,
    with_ratio,
)
from gazeheat_core.exports.columns import Format
from gazeheat_core.exports.filenames import SECTIONS_FILE, is_picture
from gazeheat_core.exports.formats import recognise
from gazeheat_core.exports.guessing import find_table, guess, read_answers, write_answers
from gazeheat_core.exports.judging import doubt_picture
from gazeheat_core.exports.looking import UnknownTableError
from gazeheat_core.exports.reading import read_images
from gazeheat_core.exports.surfaces import read_ratio
from gazeheat_core.figure import FIGURE_KINDS
from gazeheat_core.heatmap import make_heatmap
from gazeheat_core.images import IMAGE_FILES, ImageFile
from gazeheat_core.model import Export, ReferenceImage
from gazeheat_core.naming import free_stem
from gazeheat_core.output import FILE_KINDS, FigureAsked, FileKind, Output
from gazeheat_core.parallel import PendingStudy, open_executor, submit_export
from gazeheat_core.regions import Region, check_regions
from gazeheat_core.sample import sample_zip
from gazeheat_core.scale import colour_scale
from gazeheat_core.selection import (
    RecordingHistogram,
    Selection,
    check_selection,
    first_measure,
    is_of_fixations,
    select,
)
from gazeheat_core.settings import (
    COUNTING,
    FIGURE_SETTINGS,
    MEASURE,
    SETTINGS,
    ChoiceSetting,
    FigureStyle,
    Look,
    Measure,
    NumberSetting,
    NumbersSetting,
    Setting,
    Weight,
)
from gazeheat_core.stopping import held, taken_back
from gazeheat_core.study import Study, track_export

EXIT_NO_MEMORY = 1
EXIT_BAD_INPUT = 2
# What a shell reports of a program that writes into a closed pipe: 128 + SIGPIPE.
EXIT_NO_READER = 141

# Exports that are being read at a time: for each process; on a cluster, in all.
_EXPORTS_AT_A_TIME = 4
_EXPORTS_AT_A_TIME_ON_CLUSTER = 256

_ABOUT_EXPORT = (
    "a ZIP as downloaded, or a folder; or the files of one export (gaze, sections, picture)"
)
_DESCRIPTION = """\
Make the heatmap of each Reference Image Mapper, Auto Image Mapper or Marker Mapper
export: two PNG files at the reference image's size, the heatmap alone and the heatmap
over the picture.
For each enrichment one line of JSON says what was counted.
'gazeheat columns TABLE' guesses which column of another table is what.
'gazeheat sample FILE.zip' writes a sample export to try it with.
'gazeheat page' starts the page; 'gazeheat page --help' lists its options."""


# Reason and remedy for each error of the system when a file cannot be written.
_FAULTS = {
    errno.ENOSPC: ("the disk is full", "Free some space there, or choose a folder elsewhere"),
    errno.EDQUOT: (
        "your share of the disk is used up",
        "Remove files of yours there, or choose a folder elsewhere",
    ),
    errno.EFBIG: ("the file is too large for this disk", "Choose a folder on another disk"),
    errno.EROFS: ("the disk can only be read", "Choose a folder on another disk"),
    errno.EACCES: ("permission denied", "Choose a folder that you may write to"),
    errno.EPERM: ("permission denied", "Choose a folder that you may write to"),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a folder with a shorter path"),
    errno.EISDIR: ("a folder has this name", "Move it away, or choose another folder"),
    errno.EEXIST: ("file exists", "Choose a name that is free, or a folder"),
    errno.ENOTDIR: ("a part of this path is a file", "Choose a path that holds folders only"),
}
_OTHER_REMEDY = "Check that the folder exists and that you may write there"

# The most characters of a line on the terminal.
_LONGEST_LINE = 1900
# Attempts to write into a folder that another run may remove in between.
_TRIES = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with _log_on_terminal():
        if given[:1] == ["sample"]:
            return exit_status(lambda: _write_sample(given[1:]))
        if given[:1] == ["columns"]:
            return exit_status(lambda: _print_columns(given[1:]))
        return exit_status(lambda: _run(Options.of(given)))


def exit_status(work: Callable[[], object]) -> int:
    """Do the work of a command, say what goes wrong in one line, and return its exit status."""
    try:
        work()
    except GazeheatError as error:
        _say(str(error))
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        return EXIT_NO_READER
    except OSError as error:
        _say(_in_words(error))
        return EXIT_BAD_INPUT
    except MemoryError:
        _say(
            "There is not enough memory. Close other programs, give fewer exports at a time, "
            "or fewer --jobs."
        )
        return EXIT_NO_MEMORY
    return 0


def _say(text: str) -> None:
    """Write one line to standard error. Nothing else writes there."""
    # Where standard error is closed, the line is dropped.
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"gazeheat: {shown(text, _LONGEST_LINE, escaped=True)}", file=sys.stderr)


def _print(text: str) -> None:
    """Write results to standard output. Nothing else writes there.

    Raises
    ------
    OSError
        `BrokenPipeError` when its reader has ended.
    """
    if sys.stdout is None:
        return
    try:
        print(text, flush=True)
    except OSError as error:
        # Python flushes the buffer again at the end of the process; that must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, "standard output") from None


def _in_words(error: OSError) -> str:
    # When a rename fails, the user knows the second name: the first is a temporary file.
    name = error.filename2 or error.filename or "a file"
    reason, remedy = _FAULTS.get(
        error.errno or 0, ((error.strerror or str(error)).lower(), _OTHER_REMEDY)
    )
    return f"{name}: {reason}. {remedy}."


class _ToTerminal(logging.Handler):
    """Prints what is logged, each text once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            _say(text[:1].upper() + text[1:] + ".")


@contextmanager
def _log_on_terminal() -> Iterator[None]:
    log, handler = logging.getLogger("gazeheat"), _ToTerminal()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class Parser(argparse.ArgumentParser):
    """Prints by `_print` and escapes as `_say` does."""

    def print_help(self, file: Any = None) -> None:
        """Print the help to standard output."""
        _print(self.format_help().rstrip())

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end."""
        super().error(shown(message, _LONGEST_LINE, escaped=True))


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line was told.

    Attributes
    ----------
    exports : tuple of str
        Paths of ZIPs and folders, and of the files of one export.
    out : Path
        The folder for the images.
    look : Look
    recordings : tuple of str
        Ids and names of the recordings to pool; empty for all.
    selection : Selection
        What is counted, without its sections.
    is_measure_given : bool
        Whether the selection's measure was asked for; else it is each study's own.
    sections : tuple of str
        Ids and names of events of the sections to count; empty for all.
    regions : tuple of Region
        Rectangles to tell about.
    account : Account or None
        What a file says of itself that shall be made again: the look, what is counted, and the
        recordings by their ids.
    files : tuple of str
        The files to make, as of `gazeheat_core.output`.
    asked : FigureAsked
        How a figure shall be.
    made_on : date or None
        What a report shall give as its day; None for today.
    image : Path or None
        A picture that takes the place of the exports' own.
    ratio : (float, float) or None
        Width and height of a surface without a picture, or of a screen in pixels.
    columns : tuple of Format
        What a file says of the columns of a table; empty without one.
    jobs : int
        Number of processes that read.
    scheduler : str
        Address of a Dask scheduler; empty for none.
    cache : str
        The folder that keeps what was read; empty for none.
    """

    exports: tuple[str, ...]
    out: Path
    look: Look
    recordings: tuple[str, ...]
    selection: Selection
    is_measure_given: bool
    sections: tuple[str, ...]
    regions: tuple[Region, ...]
    account: Account | None
    files: tuple[FileKind, ...]
    asked: FigureAsked
    made_on: date | None
    image: Path | None
    ratio: tuple[float, float] | None
    columns: tuple[Format, ...]
    jobs: int
    scheduler: str
    cache: str

    @classmethod
    def of(cls, arguments: Sequence[str]) -> Options:
        """Read the arguments of a command.

        Raises
        ------
        SettingError
            When a value makes no sense.
        SystemExit
            When the arguments are no command, or ask for help; it has been printed.
        """
        given = vars(_parser().parse_args(arguments))
        known = (*SETTINGS, *COUNTING, *FIGURE_SETTINGS)
        names = [*(setting.name for setting in known), "window", "recording", "section"]
        names.append("region")
        chosen = {name: given.pop(name) for name in names}
        columns = given.pop("columns")
        chosen = {name: value for name, value in chosen.items() if value is not None}
        settings = given.pop("settings")
        if given["jobs"] < 1:
            raise SettingError(f"--jobs is {given['jobs']}; give 1 or more.")
        if settings is not None and chosen:
            raise SettingError(
                f"--settings and --{next(iter(chosen))} are both given, and each says how the "
                "images look or what is in them. Leave one of them out."
            )
        account = None if settings is None else find_account(_read_settings(settings), settings)
        described: tuple[Format, ...] = ()
        if columns is not None:
            described = (read_answers(_read_answers(columns), columns),)
        elif account is not None and account.columns is not None:
            described = (account.columns,)
        recordings = tuple(chosen.pop("recording", ()))
        sections = tuple(chosen.pop("section", ()))
        regions = tuple(map(Region.parse, chosen.pop("region", ())))
        check_regions(regions)
        counting = {one.name: chosen.pop(one.name) for one in COUNTING if one.name in chosen}
        selection = Selection(**counting, window_s=_window(chosen.pop("window", None)))
        sizes = {one.name: chosen.pop(one.name) for one in FIGURE_SETTINGS if one.name in chosen}
        asked, made_on = FigureAsked(FigureStyle(**sizes)), None
        extra = _asked_files(given)
        if account is not None and account.figure is not None:
            asked = FigureAsked.from_values(account.figure)
            made_on = _day(account.figure.get("made_on"))
            extra = extra or _FILES_OF.get(Path(settings).suffix.lower(), ())
        return cls(
            exports=tuple(given.pop("exports")),
            recordings=recordings,
            selection=selection,
            is_measure_given=MEASURE.name in counting,
            sections=sections,
            regions=regions if account is None else account.regions,
            look=Look(**chosen) if account is None else account.look,
            account=account,
            files=(*IMAGE_FILES, *extra),
            asked=asked,
            made_on=made_on,
            ratio=_ratio(given.pop("ratio")),
            columns=described,
            **given,
        )


AnySetting = Setting | ChoiceSetting[Measure] | ChoiceSetting[Weight]
_IMAGES = get_args(ImageFile)
# What is made again of a file with the settings of a figure, beside the two images.
_FILES_OF: dict[str, tuple[FileKind, ...]] = {
    ".png": ("figure-png",),
    ".svg": ("figure-svg",),
    ".pdf": ("figure-pdf",),
    ".json": FILE_KINDS[len(IMAGE_FILES) :],
    ".zip": FILE_KINDS[len(IMAGE_FILES) :],
}


def _asked_files(given: dict[str, Any]) -> tuple[FileKind, ...]:
    """Return the files that options ask for beside the two images, and take these options out."""
    figures = [f"figure-{kind}" for kind in given.pop("figure") or ()]
    flags = [name for name in ("opaque", "report") if given.pop(name)]
    return tuple(kind for kind in FILE_KINDS if kind in (*figures, *flags))


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _parser() -> argparse.ArgumentParser:
    # Plain ASCII, which every terminal can show.
    parser = Parser(
        prog="gazeheat",
        description=_DESCRIPTION,
        allow_abbrev=False,  # a later option could give the short form another meaning
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("exports", nargs="+", metavar="EXPORT", help=_ABOUT_EXPORT)
    add("--out", required=True, type=Path, metavar="DIR", help="where the images go")
    add(
        "--recording",
        action="append",
        metavar="ID_OR_NAME",
        help="pool this recording only; may be given several times (default: all)",
    )
    add(
        "--section",
        action="append",
        metavar="EVENT_OR_ID",
        help="count this section only, by its id or the name of an event that it starts or ends "
        "with; may be given several times (default: all)",
    )
    add(
        "--window",
        metavar="FROM:TO",
        help="count these seconds only, after each section's beginning; the second end is not "
        "part of them (default: the whole)",
    )
    add(
        "--region",
        action="append",
        metavar="NAME=X0,Y0,X1,Y1",
        help="tell how a rectangle was looked at, given by two corners in pixels of the picture; "
        "may be given several times",
    )
    for setting in (*COUNTING, *SETTINGS, *FIGURE_SETTINGS):
        add(
            f"--{setting.name.replace('_', '-')}",
            type=_type(setting),
            help=_about(setting),
        )
    add("--opaque", action="store_true", help="also write the heatmap without transparency")
    add(
        "--figure",
        action="append",
        choices=FIGURE_KINDS,
        help="also write the overlay with its colour bar and a caption; may be given several times",
    )
    add(
        "--report",
        action="store_true",
        help="also write a ZIP with every file, the numbers behind them and a text for a paper",
    )
    add(
        "--settings",
        metavar="FILE",
        help="make the same images again: a picture, SVG or PDF that Gazeheat made, or its "
        "settings.json, in place of --recording and the settings above",
    )
    add("--image", type=Path, metavar="FILE", help="a picture to use in place of the export's")
    add(
        "--ratio",
        metavar="W:H",
        help="for a surface without picture: its width : height; for gaze in pixels of a screen: "
        "its size in pixels, such as 1920:1080",
    )
    add(
        "--columns",
        metavar="FILE",
        help="what the columns of a table are that is not known here: what 'gazeheat columns "
        "TABLE' guesses, corrected where it is not so",
    )
    add("--jobs", type=int, default=1, metavar="N", help="read with N processes (default 1)")
    add("--scheduler", default="", metavar="tcp://HOST:PORT", help="read on a Dask cluster")
    add("--cache", default="", metavar="DIR", help="keep what was read there, for the next time")
    return parser


def _type(setting: AnySetting) -> Callable[[str], Any]:
    """Return what reads a setting's value."""
    if isinstance(setting, NumbersSetting):
        return setting.parse
    return float if isinstance(setting, NumberSetting) else str


def _about(setting: AnySetting) -> str:
    """Return a setting's help; argparse reads a percent sign as the start of a name."""
    text = f"{setting.help} ({setting.values}; default {setting.default_text})"
    return text.replace("%", "%%")


def _write_sample(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise SettingError("'sample' takes one argument: the ZIP file to write.")
    path = Path(arguments[0])
    with _all_or_none() as write:
        write(path, sample_zip())
    _print(json.dumps({"files": [str(path)]}))


def _print_columns(arguments: list[str]) -> None:
    """Print which column of a table is what, as far as that is known or can be guessed."""
    if len(arguments) != 1:
        raise SettingError("'columns' takes one argument: the table to look at.")
    path = arguments[0]
    with open_source([path]) as files:
        file = next(iter(files), None)
        table = None if file is None else find_table(file)
        if table is None:
            raise ColumnsError(
                f"{path}: no table with two columns of numbers. Give the file that holds the "
                "positions, unpacked."
            )
        known = next((one for one in recognise(table.columns) if one.holds != "nothing"), None)
        _print(write_answers(known or guess(table)).rstrip())


def _run(options: Options) -> None:
    missing = list(options.recordings)
    known: dict[str, None] = {}
    lines: list[str] = []
    notes: list[str] = []
    stems: set[str] = set()
    sections: dict[str, bool] = dict.fromkeys(options.sections, False)
    with _all_or_none(options.out) as write:
        for read in _read_all(options, notes):
            known |= dict.fromkeys(r.name or r.id for r in read.recordings)
            selection = _selection(read, options, sections)
            check_selection(read, selection)
            histograms = select(read, selection)
            ticked = _ticked(histograms, selection, options)
            chosen = [histograms[i] for i in ticked]
            seen = {name for r in chosen for name in (r.id, r.name)}
            missing = [name for name in missing if name not in seen]
            if not chosen:
                notes.append(
                    f"{read.title}: holds none of the recordings asked for, so no images "
                    "are made of it."
                )
                continue
            export = _compared(read, options, notes)
            notes += export.notices
            heatmap = make_heatmap(chosen, export.size(), options.look.scale, selection)
            colour_scale(heatmap, options.look)  # before anything is drawn
            if heatmap.counts.used == 0:
                what = "fixation" if is_of_fixations(selection.measure) else "gaze"
                notes.append(
                    f"{export.title}: no {what} lies on the picture, so the heatmap is empty."
                )
            stem = free_stem(export.name, stems)
            output = Output(
                export, histograms, ticked, heatmap, options.look, stem, options.regions
            )
            files = _draw(output, options, write)
            # Plain ASCII, which every terminal and pipe can carry.
            lines.append(json.dumps(output.told(files)))
        if missing:
            raise SettingError(
                f"There is no recording '{missing[0]}'. Found: {listed([*known])}. "
                f"Give an id or a name as in {SECTIONS_FILE}."
            )
        unknown = [name for name, is_known in sections.items() if not is_known]
        if unknown and not missing:
            raise SettingError(
                f"There is no section '{shown(unknown[0])}'. Give an id, or the name of an event, "
                f"as in {SECTIONS_FILE}."
            )
        if options.account is not None and not lines:
            raise SettingError(
                f"None of the recordings in the settings is there. Found: {listed([*known])}. "
                f"Give the export that the settings are of: {shown(options.account.name)}."
            )
    for note in notes:
        _say(note)
    _print("\n".join(lines))


def _selection(study: Study, options: Options, known: dict[str, bool]) -> Selection:
    """Return what is counted in a study, and note which of the sections asked for it has."""
    if options.account is not None:
        return options.account.selection_in(study)
    selection = options.selection
    if not options.is_measure_given:
        selection = replace(selection, measure=first_measure(study))
    if not options.sections:
        return selection
    wanted = set()
    for i, recording in enumerate(study.recordings):
        for k, section in enumerate(recording.sections):
            names = {section.id, section.start_event, section.end_event} & {*options.sections}
            known |= dict.fromkeys(names, True)
            if names:
                wanted.add((i, k))
    return replace(selection, sections=frozenset(wanted))


def _ticked(
    histograms: Sequence[RecordingHistogram], selection: Selection, options: Options
) -> list[int]:
    """Return the positions of the recordings to pool."""
    if options.account is not None:
        ids = {one.id for one in options.account.recordings}
        return [i for i, one in enumerate(histograms) if one.id in ids]
    wanted = set(options.recordings)
    chosen = [i for i, one in enumerate(histograms) if not wanted or wanted & {one.id, one.name}]
    if selection.sections is None:
        return chosen
    # A recording without any of the sections asked for is not one of those that are pooled.
    having = {recording for recording, _ in selection.sections}
    return [i for i in chosen if i in having]


def _compared(export: Study, options: Options, notes: list[str]) -> Study:
    """Compare an export with the settings given, where they are those of a file.

    Where it is the same, it takes the name that it had then: an export may be read from a
    folder or a ZIP of any name, and the files say its name.
    """
    if options.account is None:
        return export
    different = differences(options.account, export)
    notes += [f"{export.title}: {sentence}" for sentence in different]
    return export if different else replace(export, name=options.account.name)


def _read_all(options: Options, notes: list[str]) -> Iterator[Study]:
    """Yield every export given, over its picture; a few are in work at a time."""
    cache = open_cache(options.cache, os.environ.get("GAZEHEAT_CACHE_KEY", ""))
    pending: deque[Callable[[], Study]] = deque()
    most = _EXPORTS_AT_A_TIME_ON_CLUSTER if options.scheduler else _EXPORTS_AT_A_TIME * options.jobs
    with open_executor(options.jobs, options.scheduler) as executor:
        for given in _sources(options.exports):
            pending.extend(_start(given, options, executor, cache, notes))
            while len(pending) > most:
                yield pending.popleft()()
        while pending:
            yield pending.popleft()()


def _sources(paths: Sequence[str]) -> Iterator[str | Sequence[str]]:
    """Return what is to be opened, with the pieces of one source together."""
    # Of paths there are paths and lists of paths.
    yield from cast(list[str | Sequence[str]], sources_of(paths))


def _start(
    given: str | Sequence[str],
    options: Options,
    executor: Executor,
    cache: StudyCache | None,
    notes: list[str],
) -> Iterator[Callable[[], Study]]:
    """Start on the exports of one ZIP or folder, or of the pieces of one."""
    with open_source(given) as files:
        found, problems = find_exports(files, options.columns)
        if not found and all(is_picture(file.name) for file in files):
            raise ExportError(
                f"{listed([*map(str, files)], 4, '')}: no gaze is given with it. Give the files "
                "of the export beside it, or, to use it in place of an export's own picture, "
                "--image and its name."
            )
        with _way_to_say_columns():
            check_problems(found, problems)
        for problem in problems:
            notes.append(f"passed over: {problem}")
        for one in found:
            images = _grounds(one, options)
            if images:
                pending = submit_export(given, one, images, executor, cache=cache)
                yield partial(_result, pending, given, options)
            else:
                # The samples are needed to check whether the picture fits.
                yield partial(_same, _tracked(one, options))


@contextmanager
def _way_to_say_columns() -> Iterator[None]:
    """Name the command and the option that help where a table is not known."""
    try:
        yield
    except UnknownTableError as error:
        path = shlex.quote(error.file.name)
        raise ColumnsError(
            f"{error} 'gazeheat columns {path}' prints a guess; save it, correct what is not so, "
            "and give it with --columns FILE."
        ) from None


def _result(pending: PendingStudy, given: str | Sequence[str], options: Options) -> Study:
    misfit: PictureMissingError | None = None
    try:
        study = pending.result()
        if options.image is None or not doubt_picture(study):
            return _with_ground(study, options)
    except PictureMissingError as error:
        misfit = error
    # The export's own picture does not fit its gaze, or may not, so the given picture is checked
    # against the samples, which also tell how far the gaze reaches.
    with open_source(given) as files, _options_named(pending.found):
        wanted = pending.found.folder, pending.found.stimulus
        found, _ = find_exports(files, options.columns)
        one = next(one for one in found if (one.folder, one.stimulus) == wanted)
        try:
            export = read_export(one)
        except LimitError:
            if misfit is None or options.image is not None:
                raise
            raise misfit from None
        return track_export(_with_ground(export, options))


def _tracked(found: FoundExport, options: Options) -> Study:
    """Read an export whose samples are needed to check whether the picture fits."""
    with _options_named(found):
        return track_export(_with_ground(read_export(found), options))


@contextmanager
def _options_named(found: FoundExport) -> Iterator[None]:
    """Name the options that help where a picture is missing, or does not fit."""
    try:
        yield
    except PictureError as error:
        image = "--image FILE gives a picture"
        ratio = ", --ratio W:H the shape of a surface without one"
        if found.frame is None:
            ratio = "" if found.is_of_pupil_cloud else ", --ratio W:H the screen's size in pixels"
        raise type(error)(f"{error} {image}{ratio}.") from None


def _same(study: Study) -> Study:
    return study


def _grounds(found: FoundExport, options: Options) -> list[ReferenceImage]:
    """Return the pictures that come into question; empty where the samples are needed."""
    own, _ = read_images(found)
    if own or found.frame is None or (options.image is None and options.ratio is None):
        return own
    ratio = read_ratio(found)
    bare = Export(found.name, found.kind, (), frame=found.frame, surface_ratio=ratio)
    image = _with_ground(bare, options).image
    return [] if image is None else [image]


def _with_ground(export: AnyExport, options: Options) -> AnyExport:
    if options.image is not None:
        return with_picture(export, _read_picture(options.image), options.image.name)
    if options.ratio is not None and isinstance(export, Export) and export.image is None:
        return cast(AnyExport, with_ratio(export, options.ratio))
    return export


def _read_picture(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(_unread(path, error, "a picture")) from None


def _read_answers(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(LIMITS.answers_bytes)
    except OSError as error:
        raise SettingError(_unread(path, error, "a description of columns")) from None


def _read_settings(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(LIMITS.account_file_bytes + 1)
    except OSError as error:
        raise SettingError(_unread(path, error, "a file with settings")) from None


def _unread(path: Path | str, error: OSError, what: str) -> str:
    reason = (error.strerror or "cannot be opened").lower()
    return f"{path}: {reason}. Give the path of {what} that you can read."


def _window(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    from_s, _, to_s = text.partition(":")
    try:
        return float(from_s), float(to_s)
    except ValueError:
        raise SettingError(
            f"The window '{shown(text)}' is not of the form FROM:TO. Give seconds, say, 0:5."
        ) from None


def _ratio(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+(?:\.\d+)?)\s*", text)
    if match is None:
        raise SettingError(f"The ratio '{text}' is not of the form W:H. Give, say, 16:9.")
    return float(match[1]), float(match[2])


def _draw(
    output: Output, options: Options, write: Callable[[Path, bytes], None]
) -> dict[FileKind, Path]:
    """Write the files that were asked for; return their paths by what they show."""
    images = [what for what in options.files if what in _IMAGES]
    # The images of one heatmap are drawn together.
    made = cast(dict[FileKind, bytes], output.images(cast(list[ImageFile], images)))
    files: dict[FileKind, Path] = {}
    for what in options.files:
        data = made.pop(what, None) or output.make(what, options.asked, options.made_on)
        files[what] = options.out / output.name(what)
        write(files[what], data)
    return files


@contextmanager
def _all_or_none(folder: Path | None = None) -> Iterator[Callable[[Path, bytes], None]]:
    """Write files under temporary names; rename them all when the body has ended well.

    `folder` is made with the first file, and removed again if the run fails. Runs that
    write into the same folder rename their files one after the other: of equal names, the
    files of the later run are kept, all of them.
    """
    parts: dict[Path, Path] = {}
    undo = ExitStack()

    def write(path: Path, data: bytes) -> None:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        # A name that no other run uses, and short, however long the file's own name is.
        part = path.with_name(f".gazeheat-{secrets.token_hex(8)}.part")
        with held():
            for tries_left in reversed(range(_TRIES if folder is not None else 1)):
                try:
                    if folder is not None:
                        _make(folder, undo)
                    # Registered after the folder, so that it is undone before it.
                    undo.callback(part.unlink, missing_ok=True)
                    _write_new(part, path, data)
                    break
                except FileNotFoundError:
                    if not tries_left:
                        raise
        parts[path] = part

    with ExitStack() as locks, ExitStack() as end, taken_back(undo.close):
        yield write
        for place in sorted({path.parent for path in parts}):
            locks.enter_context(_alone_in(place))
        end.enter_context(held())
        for path, part in parts.items():
            part.replace(path)
        undo.pop_all()


def _write_new(part: Path, path: Path, data: bytes) -> None:
    """Write a new file `part`; errors name `path`, which it is renamed to."""
    try:
        with part.open("xb") as stream:
            _fill(stream, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _fill(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)


def _make(folder: Path, undo: ExitStack) -> None:
    """Make a folder and its parents where they are missing."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        try:
            one.mkdir()
        except FileExistsError:  # another run has just made it, or it is no folder
            if not one.is_dir():
                raise
        else:
            undo.callback(_remove_empty, one)
    if not folder.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # another run may have written into it
        folder.rmdir()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other run renames files in `folder`.

    The system ends the lock with the process, however that ends, and leaves no file.
    Windows and some network drives have no such locks; there the body runs at once.
    """
    try:
        from fcntl import LOCK_EX, flock
    except ImportError:
        yield
        return
    with ExitStack() as stack:
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            flock(handle, LOCK_EX)
        yield
