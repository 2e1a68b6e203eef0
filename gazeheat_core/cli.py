"""The core without a page: exports in, image files and one line of JSON for each out."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from errno import EISDIR
from functools import partial
from pathlib import Path
from typing import Any

from gazeheat_core.cache import HistogramCache
from gazeheat_core.errors import GazeheatError, PictureError, SettingError
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
from gazeheat_core.studies import open_executor, submit_export

EXIT_BAD_INPUT = 2

# Exports started, for each process, before the first of them is drawn; and on a cluster.
_EXPORTS_AT_A_TIME = 4
_EXPORTS_AT_A_TIME_ON_CLUSTER = 256

_DESCRIPTION = """\
Make the heatmap of each Reference Image Mapper or Marker Mapper export: two PNG files
at the reference image's size, the heatmap alone and the heatmap over the picture.
For each enrichment one line of JSON says what was counted.
'gazeheat sample FILE.zip' writes a sample export to try it with."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["sample"]:
            _write_sample(given[1:])
            return 0
        _run(_parser().parse_args(given))
    except GazeheatError as error:
        print(f"gazeheat: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except OSError as error:
        reason = error.strerror or str(error)
        # Of a rename it is the second name that the user knows.
        name = error.filename2 or error.filename or "a file"
        print(
            f"gazeheat: {name}: {reason.lower()}. "
            "Check that the folder exists and that you may write there.",
            file=sys.stderr,
        )
        return EXIT_BAD_INPUT
    return 0


def file_stem(name: str) -> str:
    """Make a file name's stem of an enrichment's name that any system accepts.

    Examples
    --------
    >>> file_stem("Shelf: left/right?")
    'Shelf_ left_right_'
    """
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).strip(". ")[:100] or "export"


def _parser() -> argparse.ArgumentParser:
    default = Look()
    parser = argparse.ArgumentParser(
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
    add("--scheduler", default="", metavar="tcp://…", help="read on a Dask cluster instead")
    add("--cache", type=Path, metavar="DIR", help="keep histograms there, for the next time")
    return parser


def _write_sample(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise SettingError("'sample' takes one argument: the ZIP file to write.")
    path = Path(arguments[0])
    with _all_or_none() as write:
        write(path, sample_zip())
    print(json.dumps({"files": [str(path)]}))


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
                f"There is no recording '{missing[0]}'. Found: {_listing([*known])}. "
                "Give an id or a name as in sections.csv."
            )
    for note in notes:
        print(f"gazeheat: {note}", file=sys.stderr)
    print("\n".join(lines))


def _listing(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown


def _read_all(options: argparse.Namespace, notes: list[str]) -> Iterator[BinnedExport]:
    """Yield every export given, reduced to its histograms; a few are in work at a time."""
    cache = None if options.cache is None else HistogramCache(options.cache)
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
                yield submit_export(given, one, images, executor, cache=cache).result
            else:
                # Whether a picture fits, only the samples can tell.
                export = bin_export(_with_ground(read_export(one), options))
                yield partial(_same, export)


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

    `folder` is made with the first file, and taken away again should the run fail.
    """
    parts: dict[Path, Path] = {}

    def write(path: Path, data: bytes) -> None:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "is a folder", str(path))
        if folder is not None and not folder.is_dir():
            folder.mkdir(parents=True)
            undo.callback(folder.rmdir)
        parts[path] = path.with_name(f".{path.name}.part")
        undo.callback(parts[path].unlink, missing_ok=True)
        parts[path].write_bytes(data)

    with ExitStack() as undo:
        yield write
        for path, part in parts.items():
            part.replace(path)
        undo.pop_all()


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
