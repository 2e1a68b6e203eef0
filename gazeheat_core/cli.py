"""The core without a page: exports in, image files and one line of JSON for each out."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import re
import secrets
import sys
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn

from gazeheat_core.cache import HistogramCache, open_cache
from gazeheat_core.errors import (
    GazeheatError,
    PictureError,
    PictureMissingError,
    SettingError,
    listed,
)
from gazeheat_core.exports import (
    FoundExport,
    check_problems,
    find_exports,
    open_source,
    read_export,
    with_picture,
    with_ratio,
)
from gazeheat_core.exports.pupil_cloud import read_images
from gazeheat_core.heatmap import BinnedExport, RecordingHistogram, bin_export, make_heatmap
from gazeheat_core.images import encode_png, render
from gazeheat_core.model import COLORMAPS, MAX_SCALE, UNITS, Export, Look, ReferenceImage
from gazeheat_core.sample import sample_zip
from gazeheat_core.stopping import held, taken_back
from gazeheat_core.studies import PendingExport, open_executor, submit_export

EXIT_NO_MEMORY = 1
EXIT_BAD_INPUT = 2
# As a shell reports a program that writes into a closed pipe: 128 and the signal's number.
EXIT_NO_READER = 141

# Exports started, for each process, before the first of them is drawn; and on a cluster.
_EXPORTS_AT_A_TIME = 4
_EXPORTS_AT_A_TIME_ON_CLUSTER = 256

_DESCRIPTION = """\
Make the heatmap of each Reference Image Mapper or Marker Mapper export: two PNG files
at the reference image's size, the heatmap alone and the heatmap over the picture.
For each enrichment one line of JSON says what was counted.
'gazeheat sample FILE.zip' writes a sample export to try it with."""


# What the system says of a file that cannot be written: reason and remedy.
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

# A longer line loses its middle: its end says what to do.
_LINE_START, _LINE_END = 1500, 400

_STEM_CHARACTERS = 100
# A name may have 255 bytes; the rest is for a number and for "_heatmap.png".
_STEM_BYTES = 200
# Names that Windows keeps for devices, with any extension.
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
# Unicode's categories of control and format characters and of separators of lines;
# halves of a character; what is no character, or none yet.
_UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
_HALF = {"Cs"}
_UNASSIGNED = {"Cn"}
# Another run may take an empty folder away between two steps; not that often.
_TRIES = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with _log_on_terminal():
        try:
            if given[:1] == ["sample"]:
                _write_sample(given[1:])
            else:
                _run(_parser().parse_args(given))
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


def file_stem(name: str) -> str:
    """Make a file name's stem of an enrichment's name that any system accepts.

    Composed (NFC), without characters that cannot be seen, and cut to 100 characters and
    200 bytes of UTF-8, in whole characters.

    Examples
    --------
    >>> file_stem("Shelf: left/right?")
    'Shelf_ left_right_'
    """
    stem = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", unicodedata.normalize("NFC", name))
    kinds = [(c, unicodedata.category(c)) for c in stem]
    stem = "".join(
        "_" if kind in _HALF | _UNASSIGNED else c for c, kind in kinds if kind not in _UNSEEN
    )
    stem = stem.strip(". ")
    if _DEVICE.match(stem):
        stem = f"_{stem}"
    cut = stem[:_STEM_CHARACTERS].encode()[:_STEM_BYTES].decode(errors="ignore")
    return cut.strip(". ") or "export"


def _visible(text: str) -> str:
    """Escape what would act on a terminal or break the line, and bound the length."""
    if len(text) > _LINE_START + _LINE_END:
        text = f"{text[:_LINE_START]} … {text[-_LINE_END:]}"
    acting = _UNSEEN | _HALF
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in acting else c
        for c in text
    )


def _say(text: str) -> None:
    """Write one line to standard error: the only way there."""
    # Without a reader there is nobody to tell.
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"gazeheat: {_visible(text)}", file=sys.stderr)


def _print(text: str) -> None:
    """Write results to standard output: the only way there.

    Raises
    ------
    OSError
        `BrokenPipeError` when its reader has gone.
    """
    if sys.stdout is None:
        return
    try:
        print(text, flush=True)
    except OSError as error:
        # What is still in the buffer must not fail once more at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, "standard output") from None


def _in_words(error: OSError) -> str:
    # Of a rename it is the second name that the user knows.
    name = error.filename2 or error.filename or "a file"
    reason, remedy = _FAULTS.get(
        error.errno or 0, ((error.strerror or str(error)).lower(), _OTHER_REMEDY)
    )
    return f"{name}: {reason}. {remedy}."


class _ToTerminal(logging.Handler):
    """Says what is logged, each text once."""

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


class _Parser(argparse.ArgumentParser):
    """Prints as everything else here does."""

    def print_help(self, file: Any = None) -> None:
        """Print the help to standard output."""
        _print(self.format_help().rstrip())

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end."""
        super().error(_visible(message))


def _parser() -> argparse.ArgumentParser:
    default = Look()
    # Plain ASCII, which every terminal can show.
    parser = _Parser(
        prog="gazeheat",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("exports", nargs="+", metavar="EXPORT", help="a ZIP as downloaded, or a folder")
    add("--out", required=True, type=Path, metavar="DIR", help="where the images go")
    add(
        "--recording",
        action="append",
        metavar="ID_OR_NAME",
        help="pool this recording only; may be given several times (default: all)",
    )
    add(
        "--scale",
        type=float,
        default=default.scale,
        help=f"blur in percent of the picture's longer side, 0 to {MAX_SCALE:g} "
        f"(default {default.scale:g})",
    )
    add("--colormap", default=default.colormap, help=f"{', '.join(COLORMAPS)} (default turbo)")
    add(
        "--opacity",
        type=float,
        default=default.opacity,
        help=f"the most that the heatmap covers, 0 to 1 (default {default.opacity:g})",
    )
    add("--image", type=Path, metavar="FILE", help="a picture to use in place of the export's")
    add("--ratio", metavar="W:H", help="for a surface without picture: its width : height")
    add("--jobs", type=int, default=1, metavar="N", help="read with N processes (default 1)")
    add("--scheduler", default="", metavar="tcp://HOST:PORT", help="read on a Dask cluster")
    add("--cache", default="", metavar="DIR", help="keep histograms there, for the next time")
    return parser


def _write_sample(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise SettingError("'sample' takes one argument: the ZIP file to write.")
    path = Path(arguments[0])
    with _all_or_none() as write:
        write(path, sample_zip())
    _print(json.dumps({"files": [str(path)]}))


def _run(options: argparse.Namespace) -> None:
    look = Look(options.scale, options.opacity, options.colormap)
    if options.jobs < 1:
        raise SettingError(f"--jobs is {options.jobs}; give 1 or more.")
    wanted = None if options.recording is None else set(options.recording)
    missing = list(options.recording or [])
    known: dict[str, None] = {}
    lines: list[str] = []
    notes: list[str] = []
    stems: set[str] = set()
    with _all_or_none(options.out) as write:
        for export in _read_all(options, notes):
            known |= dict.fromkeys(r.name or r.id for r in export.recordings)
            chosen = [r for r in export.recordings if wanted is None or wanted & {r.id, r.name}]
            seen = {name for r in chosen for name in (r.id, r.name)}
            missing = [name for name in missing if name not in seen]
            if not chosen:
                notes.append(
                    f"{export.title}: holds none of the recordings asked for, so no images "
                    "are made of it."
                )
                continue
            notes += export.notices
            files = _draw(export, chosen, look, options.out, stems, write, notes)
            # Plain ASCII, which every terminal and pipe can carry.
            lines.append(json.dumps(_report(export, chosen, files)))
        if missing:
            raise SettingError(
                f"There is no recording '{missing[0]}'. Found: {listed([*known])}. "
                "Give an id or a name as in sections.csv."
            )
    for note in notes:
        _say(note)
    _print("\n".join(lines))


def _read_all(options: argparse.Namespace, notes: list[str]) -> Iterator[BinnedExport]:
    """Yield every export given, reduced to its histograms; a few are in work at a time."""
    cache = open_cache(options.cache, os.environ.get("GAZEHEAT_CACHE_KEY", ""))
    pending: deque[Callable[[], BinnedExport]] = deque()
    most = _EXPORTS_AT_A_TIME_ON_CLUSTER if options.scheduler else _EXPORTS_AT_A_TIME * options.jobs
    with open_executor(options.jobs, options.scheduler) as executor:
        for given in options.exports:
            pending.extend(_start(given, options, executor, cache, notes))
            while len(pending) > most:
                yield pending.popleft()()
        while pending:
            yield pending.popleft()()


def _start(
    given: str,
    options: argparse.Namespace,
    executor: Executor,
    cache: HistogramCache | None,
    notes: list[str],
) -> Iterator[Callable[[], BinnedExport]]:
    """Start on the exports of one ZIP or folder."""
    with open_source(given) as files:
        found, problems = find_exports(files)
        check_problems(found, problems)
        for problem in problems:
            notes.append(f"passed over: {problem}")
        for one in found:
            images = _grounds(one, options)
            if images:
                pending = submit_export(given, one, images, executor, cache=cache)
                yield partial(_result, pending, given, one.folder, options)
            else:
                # Whether a picture fits, only the samples can tell.
                export = bin_export(_with_ground(read_export(one), options))
                yield partial(_same, export)


def _result(
    pending: PendingExport, given: str, folder: PurePosixPath, options: argparse.Namespace
) -> BinnedExport:
    try:
        return pending.result()
    except PictureMissingError:
        if options.image is None:
            raise
    # The export's own picture is not the one that was mapped, so it is no measure for the
    # given one: the samples are.
    with open_source(given) as files:
        (one,), _ = find_exports([file for file in files if file.folder == folder])
        return bin_export(_with_ground(read_export(one), options))


def _same(export: BinnedExport) -> BinnedExport:
    return export


def _grounds(found: FoundExport, options: argparse.Namespace) -> tuple[ReferenceImage, ...]:
    """Return what the picture may be, where that can be told without the samples."""
    own = read_images(found)
    if own and options.image is None:
        return own
    is_told = len(own) == 1 or UNITS[found.kind] == "normalized"
    if not is_told or (options.image is None and options.ratio is None):
        return ()
    bare = Export(found.name, found.kind, (), own[0] if own else None)
    image = _with_ground(bare, options).image
    return () if image is None else (image,)


def _with_ground(export: Export, options: argparse.Namespace) -> Export:
    if options.image is not None:
        return with_picture(export, _read_picture(options.image), options.image.name)
    if options.ratio is not None and export.image is None:
        return with_ratio(export, _ratio(options.ratio))
    return export


def _read_picture(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(
            f"{path}: {(error.strerror or 'cannot be opened').lower()}. "
            "Give the path of a picture that you can read."
        ) from None


def _ratio(text: str) -> tuple[float, float]:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*:\s*(\d+(?:\.\d+)?)\s*", text)
    if match is None:
        raise SettingError(f"The ratio '{text}' is not of the form W:H. Give, say, 16:9.")
    return float(match[1]), float(match[2])


def _draw(
    export: BinnedExport,
    chosen: list[RecordingHistogram],
    look: Look,
    out: Path,
    stems: set[str],
    write: Callable[[Path, bytes], None],
    notes: list[str],
) -> dict[str, Path]:
    """Write the two images; return their paths by what they show."""
    assert export.image is not None
    stem = base = file_stem(export.name)
    number = 1
    while stem.lower() in stems:
        number += 1
        stem = f"{base}_{number}"
    stems.add(stem.lower())
    heatmap = make_heatmap(chosen, export.image.size, look.scale)
    if heatmap.counts.used == 0:
        notes.append(f"{export.title}: no gaze lies on the picture, so the heatmap is empty.")
    images = render(heatmap, export.image, look)
    files = {}
    for what, image in (("heatmap", images.heatmap), ("overlay", images.overlay)):
        files[what] = out / f"{stem}_{what}.png"
        write(files[what], encode_png(image))
    return files


@contextmanager
def _all_or_none(folder: Path | None = None) -> Iterator[Callable[[Path, bytes], None]]:
    """Write files under another name first; all get their own when all went well.

    `folder` is made with the first file, and taken away again should the run fail. Runs
    that write into the same folder name their files one after the other: of equal names,
    the later run's are kept, all of them.
    """
    parts: dict[Path, Path] = {}
    undo = ExitStack()

    def write(path: Path, data: bytes) -> None:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        # Of no other run, and short, whatever the file's own name.
        part = path.with_name(f".gazeheat-{secrets.token_hex(8)}.part")
        with held():
            for tries_left in reversed(range(_TRIES if folder is not None else 1)):
                try:
                    if folder is not None:
                        _make(folder, undo)
                    # Behind the folder: taken back before it.
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
    """Write `part`, a new file; errors name `path`, which it becomes."""
    try:
        with part.open("xb") as stream:
            _fill(stream, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _fill(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)


def _make(folder: Path, undo: ExitStack) -> None:
    """Make a folder and those that it lies in, unless they are there."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        try:
            one.mkdir()
        except FileExistsError:  # made by another run just now, or not a folder
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
    """Wait until no other run gives files in `folder` their names.

    The system ends the lock with the process, however that ends, and leaves no file.
    Without such locks, as on Windows and some network drives, nothing is waited for.
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


def _report(
    export: BinnedExport, chosen: list[RecordingHistogram], files: dict[str, Path]
) -> dict[str, Any]:
    width, height = export.size()
    return {
        "enrichment": export.name,
        "kind": export.kind,
        "image_size": {"width": width, "height": height},
        "recordings": [
            {"id": r.id, "name": r.name, "rows": r.rows, **asdict(r.counts)} for r in chosen
        ],
        "unassigned_rows": export.unassigned_rows,
        "files": {what: str(path) for what, path in files.items()},
    }
