"""The report: one ZIP with all files of a heatmap, its numbers, and what they are.

It is laid out as an RO-Crate, a folder whose ``ro-crate-metadata.json`` says in the words of
schema.org what each file is: https://www.researchobject.org/ro-crate/1.1/. The same input gives
the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

import numpy as np

from gazeheat_core.account import SOFTWARE, version
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import Size
from gazeheat_core.pooling import shares
from gazeheat_core.regions import RegionNumbers
from gazeheat_core.selection import RecordingHistogram
from gazeheat_core.settings import Weight
from gazeheat_core.study import Study

METADATA_FILE = "ro-crate-metadata.json"

_LOOKED_AT = "Percent of the longest gaze in each bin"
# What a file is, by the end of its name: its type, and what is in it.
_ABOUT = {
    "values.csv": ("text/csv", f"{_LOOKED_AT}, with the middle of the bins in pixels"),
    "values.npy": ("application/octet-stream", "The same as shares from 0 to 1, for NumPy"),
    "recordings.csv": ("text/csv", "The recordings, and what became of the rows of each"),
    "regions.csv": ("text/csv", "The regions, and how they were looked at"),
    "settings.json": ("application/json", "Settings, recordings and digests of the data"),
    "methods.txt": ("text/plain", "A paragraph for a paper's section on methods"),
    ".png": ("image/png", "A picture of the heatmap"),
    ".svg": ("image/svg+xml", "A figure with colour bar and caption"),
    ".pdf": ("application/pdf", "A figure with colour bar and caption"),
}
# The first moment that a ZIP can state.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_STORED = (".png", ".pdf")  # packed already
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report_zip(
    study: Study,
    histograms: Sequence[RecordingHistogram],
    ticked: Sequence[int],
    heatmap: Heatmap,
    files: Mapping[str, bytes],
    made_on: date,
    *,
    description: str,
    regions: Sequence[RegionNumbers] = (),
) -> bytes:
    """Pack the report.

    Parameters
    ----------
    study : Study
    histograms : sequence of RecordingHistogram
        Of all its recordings.
    ticked : sequence of int
        Positions of those that make the heatmap.
    heatmap : Heatmap
    files : mapping of str to bytes
        Files to put beside the tables, by their names.
    made_on : date
    description : str
        One or two sentences on the whole.
    regions : sequence of RegionNumbers
        How regions were looked at; without any, there is no table of them.

    Returns
    -------
    bytes
        The ZIP.
    """
    packed = dict(files)
    packed["values.csv"] = values_csv(heatmap, study.size()).encode()
    packed["values.npy"] = _npy(heatmap)
    packed["recordings.csv"] = recordings_csv(histograms, ticked, heatmap.selection.weight).encode(
        "utf-8-sig"
    )
    if regions:
        packed["regions.csv"] = regions_csv(regions).encode("utf-8-sig")
    packed[METADATA_FILE] = _metadata(study, packed, made_on, description).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in packed.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            is_stored = name.endswith(_STORED)
            entry.compress_type = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()


def values_csv(heatmap: Heatmap, size: Size) -> str:
    r"""Write the heatmap as a table: percent, over the middle of each bin in pixels.

    Parameters
    ----------
    heatmap : Heatmap
    size : (int, int)
        Width and height of the reference image, in pixels.

    Examples
    --------
    >>> from gazeheat_core.selection import Counts
    >>> tiny = Heatmap(np.array([[0, 0.25], [0.5, 1]]), Counts(used=4), 1, 0)
    >>> print(values_csv(tiny, (40, 30)), end="")
    y \ x (px),10,30
    7.5,0,25
    22.5,50,100
    """
    rows, columns = heatmap.values.shape
    x, y = (
        (np.arange(count) + 0.5) * side / count
        for count, side in zip((columns, rows), size, strict=True)
    )
    lines = [["y \\ x (px)", *_numbers(x)]]
    lines += [
        [middle, *_numbers(100 * values)]
        for middle, values in zip(_numbers(y), heatmap.values, strict=True)
    ]
    return "".join(f"{','.join(line)}\n" for line in lines)


def _numbers(values: np.ndarray[Any, Any]) -> list[str]:
    # Nine digits tell any two numbers of 32 bits apart.
    return [f"{value:.9g}" for value in values.tolist()]


def _npy(heatmap: Heatmap) -> bytes:
    out = io.BytesIO()
    np.save(out, heatmap.values, allow_pickle=False)
    return out.getvalue()


def recordings_csv(
    histograms: Sequence[RecordingHistogram], ticked: Sequence[int], weight: Weight = "pooled"
) -> str:
    """Write what became of each recording's rows as a table.

    Parameters
    ----------
    histograms : sequence of RecordingHistogram
        Of all recordings.
    ticked : sequence of int
        Positions of those that make the heatmap.
    weight : "pooled", "recording" or "wearer"
    """
    parts = shares(histograms, ticked, weight)
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(
        [
            "id",
            "name",
            "wearer",
            "ticked",
            "duration [s]",
            "sampling interval [ms]",
            "rows",
            "used",
            "outside",
            "undetected",
            "unreadable",
            "listed twice",
            "in no fixation",
            "at another time",
            "without a time",
            "in other sections",
            "share of the heatmap [%]",
        ]
    )
    for i, one in enumerate(histograms):
        counts = one.counts
        interval_ns = one.sampling_interval_ns
        table.writerow(
            [
                *map(_text, (one.id, one.name, one.wearer)),
                "yes" if i in parts else "no",
                "" if one.duration_ns is None else f"{one.duration_ns / 1e9:.3f}",
                f"{interval_ns / 1e6:.3f}" if interval_ns else "",
                one.rows,
                counts.used,
                counts.outside,
                counts.undetected,
                counts.unreadable,
                counts.listed_twice,
                counts.no_fixation,
                counts.other_time,
                counts.no_time,
                counts.other_section,
                f"{100 * parts.get(i, 0):.6g}",
            ]
        )
    return out.getvalue()


def regions_csv(numbers: Iterable[RegionNumbers]) -> str:
    r"""Write how regions were looked at as a table.

    A number that cannot be told is an empty cell.

    Examples
    --------
    >>> from gazeheat_core.regions import Region
    >>> one = RegionNumbers(Region("=Price", 0, 2.5, 9, 9), None, 0.25, 840, 5, 12, 1.25)
    >>> print(regions_csv([one]).splitlines()[1])
    '=Price,0,2.5,9,9,,25,5,12,1.25
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(
        [
            "name",
            "left [px]",
            "top [px]",
            "right [px]",
            "bottom [px]",
            "time [s]",
            "share [%]",
            "recordings that looked",
            "recordings",
            "median time to first look [s]",
        ]
    )
    for one in numbers:
        place = one.region
        table.writerow(
            [
                _text(place.name),
                *(f"{side:.6g}" for side in (place.left, place.top, place.right, place.bottom)),
                _known(one.seconds),
                f"{100 * one.share:.6g}",
                one.recordings_looked,
                one.recordings,
                _known(one.first_look_s),
            ]
        )
    return out.getvalue()


def _known(number: float | None) -> str:
    return "" if number is None else f"{number:.9g}"


def _text(name: str) -> str:
    """Return a name as a spreadsheet shows it: as text, whatever it begins with."""
    return f"'{name}" if name.startswith(_FORMULA) else name


def _metadata(study: Study, files: Mapping[str, bytes], made_on: date, description: str) -> str:
    """Describe the report and each file in it, as RO-Crate has it."""
    software = {
        "@id": "#gazeheat",
        "@type": "SoftwareApplication",
        "name": SOFTWARE,
        "version": version(),
    }
    entries = []
    for name, data in files.items():
        mime, about = next(known for ending, known in _ABOUT.items() if name.endswith(ending))
        entries.append(
            {
                "@id": quote(name),
                "@type": "File",
                "name": name,
                "description": about,
                "encodingFormat": mime,
                "contentSize": str(len(data)),
            }
        )
    parts = [{"@id": quote(name)} for name in files]
    graph: list[dict[str, Any]] = [
        {
            "@id": METADATA_FILE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Heatmap of {study.name}",
            "description": description,
            "datePublished": made_on.isoformat(),
            "license": "The rights of the study's owner; this report adds none and takes none.",
            "hasPart": parts,
            "mentions": {"@id": "#made"},
        },
        {
            "@id": "#made",
            "@type": "CreateAction",
            "name": f"Heatmap of {study.name} made with {SOFTWARE} {version()}",
            "instrument": {"@id": "#gazeheat"},
            "result": parts,
        },
        software,
        *entries,
    ]
    crate = {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}
    return json.dumps(crate, indent=1, ensure_ascii=False) + "\n"
