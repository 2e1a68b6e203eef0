"""The core without a page: exports in, image files and one line of JSON for each out."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gazeheat_core.errors import GazeheatError, PictureError, SettingError
from gazeheat_core.exports import (
    check_problems,
    find_exports,
    open_source,
    read_export,
    with_picture,
    with_ratio,
)
from gazeheat_core.heatmap import RecordingHistogram, bin_recordings, make_heatmap
from gazeheat_core.images import encode_png, render
from gazeheat_core.model import (
    COLORMAPS,
    MAX_SCALE,
    EnrichmentKind,
    Export,
    Look,
    ReferenceImage,
)
from gazeheat_core.sample import sample_zip

EXIT_BAD_INPUT = 2

_DESCRIPTION = """\
Make the heatmap of each Reference Image Mapper or Marker Mapper export: two PNG files
at the reference image's size, the heatmap alone and the heatmap over the picture.
For each enrichment one line of JSON says what was counted.
'gazeheat sample FILE.zip' writes a sample export to try it with."""


@dataclass(frozen=True, eq=False, slots=True)
class _Study:
    """One export, reduced to its histograms."""

    name: str
    title: str
    kind: EnrichmentKind
    image: ReferenceImage
    unassigned_rows: int
    histograms: tuple[RecordingHistogram, ...]


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
    return parser


def _write_sample(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise SettingError("'sample' takes one argument: the ZIP file to write.")
    path = Path(arguments[0])
    _write_all({path: sample_zip()})
    print(json.dumps({"files": [str(path)]}))


def _run(options: argparse.Namespace) -> None:
    look = Look(options.scale, options.opacity, options.colormap)
    studies = [study for given in options.exports for study in _read(given, options)]
    wanted: list[str] | None = options.recording
    if wanted is not None:
        _check_recordings(studies, wanted)
    lines = []
    stems: set[str] = set()
    with ExitStack() as undo:
        for study in studies:
            chosen = [
                h for h in study.histograms if wanted is None or h.id in wanted or h.name in wanted
            ]
            if not chosen:
                print(
                    f"gazeheat: {study.title}: holds none of the recordings asked for, "
                    "so no images are made of it.",
                    file=sys.stderr,
                )
                continue
            files = _draw(study, chosen, look, options.out, stems)
            for path in files:
                # Should a later export fail, the run leaves nothing behind.
                undo.callback(path.unlink, missing_ok=True)
            # Plain ASCII, which every terminal and pipe can carry.
            lines.append(json.dumps(_report(study, chosen, files)))
        undo.pop_all()
    print("\n".join(lines))


def _read(given: str, options: argparse.Namespace) -> list[_Study]:
    studies = []
    with open_source(given) as files:
        found, problems = find_exports(files)
        check_problems(found, problems)
        for problem in problems:
            print(f"gazeheat: passed over: {problem}", file=sys.stderr)
        for one in found:
            export = _with_ground(read_export(one), options)
            for notice in export.notices:
                print(f"gazeheat: {notice}", file=sys.stderr)
            export.size()  # a missing picture is found before the histograms are taken
            assert export.image is not None
            studies.append(
                _Study(
                    export.name,
                    export.title,
                    export.kind,
                    export.image,
                    export.unassigned_rows,
                    bin_recordings(export),
                )
            )
    return studies


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


def _check_recordings(studies: list[_Study], wanted: list[str]) -> None:
    known = [h for study in studies for h in study.histograms]
    names = {name for h in known for name in (h.id, h.name) if name}
    unknown = [name for name in wanted if name not in names]
    if unknown:
        listing = ", ".join(f"'{h.name or h.id}'" for h in known[:12])
        more = f" and {len(known) - 12} more" if len(known) > 12 else ""
        raise SettingError(
            f"There is no recording '{unknown[0]}'. Found: {listing}{more}. "
            "Give an id or a name as in sections.csv."
        )


def _draw(
    study: _Study, chosen: list[RecordingHistogram], look: Look, out: Path, stems: set[str]
) -> list[Path]:
    stem = base = file_stem(study.name)
    number = 1
    while stem.lower() in stems:
        number += 1
        stem = f"{base}_{number}"
    stems.add(stem.lower())
    heatmap = make_heatmap(chosen, study.image.size, look.scale)
    if heatmap.counts.used == 0:
        print(
            f"gazeheat: {study.title}: no gaze lies on the picture, so the heatmap is empty.",
            file=sys.stderr,
        )
    images = render(heatmap, study.image, look)
    out.mkdir(parents=True, exist_ok=True)
    contents = {
        out / f"{stem}_heatmap.png": encode_png(images.heatmap),
        out / f"{stem}_overlay.png": encode_png(images.overlay),
    }
    _write_all(contents)
    return list(contents)


def _write_all(contents: dict[Path, bytes]) -> None:
    """Write files, all or none: under another name first, then renamed."""
    with ExitStack() as undo:
        for path, data in contents.items():
            part = path.with_name(f".{path.name}.part")
            undo.callback(part.unlink, missing_ok=True)
            part.write_bytes(data)
        for path in contents:
            path.with_name(f".{path.name}.part").replace(path)
            undo.callback(path.unlink, missing_ok=True)
        undo.pop_all()


def _report(study: _Study, chosen: list[RecordingHistogram], files: list[Path]) -> dict[str, Any]:
    width, height = study.image.size
    return {
        "enrichment": study.name,
        "kind": study.kind,
        "image_size": {"width": width, "height": height},
        "recordings": [
            {"id": h.id, "name": h.name, "rows": h.counts.rows, **asdict(h.counts)} for h in chosen
        ],
        "unassigned_rows": study.unassigned_rows,
        "files": {"heatmap": str(files[0]), "overlay": str(files[1])},
    }
