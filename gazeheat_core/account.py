"""What a file says of itself, for machines: software, settings, and the data it was made of.

Every picture, figure and report carries its account as one text of JSON, in plain ASCII:

- a PNG file as uncompressed ``iTXt`` under the keyword ``gazeheat``, before the pixels,
- an SVG file in ``<metadata id="gazeheat">``, escaped as XML wants it,
- a PDF file as ``/Keywords (…)`` of its document information,
- a report in its ``settings.json``, which is the text itself.

`find_account` reads it from each of them. The same account, over the same data, gives the same
files again; `differences` says where the data are not the same.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from io import BytesIO
from typing import Any, TypeVar

from gazeheat_core.errors import SettingError, SourceError, shown
from gazeheat_core.exports.columns import Format, from_values, to_values
from gazeheat_core.exports.judging import px
from gazeheat_core.exports.sources import LIMITS, MIB, Limits, Upload, open_source
from gazeheat_core.model import SHORT_ID_LENGTH, Size
from gazeheat_core.regions import MOST_REGIONS, Region, check_regions
from gazeheat_core.selection import (
    ALL_GAZE,
    Counts,
    RecordingHistogram,
    Selection,
    is_of_fixations,
    select,
)
from gazeheat_core.settings import COUNTING, SETTINGS, Look, NumberSetting, each_once
from gazeheat_core.study import Study

SOFTWARE = "Gazeheat"
# The keyword of the text in a PNG file, and the id of the element in an SVG file.
KEYWORD = "gazeheat"
SETTINGS_FILE = "settings.json"

_GIVE = "Give a picture, SVG or PDF that Gazeheat made, or its settings.json."
_NO_SETTINGS = f"no settings of Gazeheat are in it. {_GIVE}"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_NUMBER = 15  # digits, which any program reads exactly
_DEEPEST_FIGURE = 8
_SIDES = ("left", "top", "right", "bottom")
_MOST_SECTIONS = 1000  # of a recording, on average
_WORDS: dict[type, str] = {dict: "object", list: "list", str: "text", int: "whole number"}

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# No picture that is accepted has as many; each costs a microsecond or two.
_MOST_CHUNKS = 200_000
_SVG_START = re.compile(rb"""<metadata\s+id=["']gazeheat["']\s*>""")
_SVG_END = b"</metadata>"
# The ampersand comes last: what it stood for is no escape.
_XML_ESCAPED = {b"&lt;": b"<", b"&gt;": b">", b"&quot;": b'"', b"&apos;": b"'", b"&amp;": b"&"}
_PDF_KEY = b"/Keywords"
_PDF_START = re.compile(_PDF_KEY + rb"\s*\(")
# So often the word may stand in a PDF without a text behind it.
_MOST_KEYWORDS = 1000
_PDF_TEXT = re.compile(rb"((?:[^\\()]++|\\[\s\S])*+)\)")
_PDF_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r\n|[\s\S])")
_PDF_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
# A line end behind a backslash stands for nothing.
_PDF_ESCAPED |= dict.fromkeys((b"\r\n", b"\n", b"\r"), b"")

T = TypeVar("T")


@cache
def version() -> str:
    """Return the version of this software, as it is installed."""
    try:
        return installed_version("gazeheat")
    except PackageNotFoundError:  # started from its source code
        return "unknown"


def software() -> str:
    """Return the name and the version of this software."""
    return f"{SOFTWARE} {version()}"


@dataclass(frozen=True, slots=True)
class UsedRecording:
    """A recording that a file was made of.

    Attributes
    ----------
    id, name : str
    counts : Counts
        What became of its rows of gaze, or of fixations where these are counted.
    gaze_sha256 : str
        As `RecordingTracks.digest`.
    fixations_sha256 : str
        The same of its fixations; empty where these are not counted.
    """

    id: str
    name: str
    counts: Counts
    gaze_sha256: str
    fixations_sha256: str = ""

    @property
    def rows(self) -> int:
        """Rows of gaze in the file, the unreadable ones among them."""
        return self.counts.rows


@dataclass(frozen=True, slots=True)
class Account:
    """What a file says of itself.

    Attributes
    ----------
    version : str
        Of the software.
    look : Look
    recordings : tuple of UsedRecording
        Those that were pooled, in the order of the study.
    name, kind : str
        Of the export.
    image_size : (int, int)
        Width and height of the reference image, in pixels.
    image_sha256 : str
        SHA-256 digest of the reference image's file.
    figure : dict or None
        Settings of a figure, as its maker has written them; None where the file is none.
    selection : Selection
        What was counted; without its sections.
    sections : tuple of (str, str) or None
        Ids of recordings and of their sections that were counted; None for all.
    regions : tuple of Region
        As they were asked for, before they were widened to whole bins.
    columns : Format or None
        What a person said of the columns of the export's table.
    """

    version: str
    look: Look
    recordings: tuple[UsedRecording, ...]
    name: str
    kind: str
    image_size: Size
    image_sha256: str
    figure: dict[str, Any] | None = None
    selection: Selection = ALL_GAZE
    sections: tuple[tuple[str, str], ...] | None = None
    regions: tuple[Region, ...] = ()
    columns: Format | None = None

    def as_json(self) -> str:
        """Write the account as one line of JSON, in plain ASCII; equal ones give equal lines."""
        width, height = self.image_size
        image = {"width": width, "height": height, "sha256": self.image_sha256}
        export: dict[str, Any] = {"name": self.name, "kind": self.kind, "image": image}
        if self.columns is not None:
            export["columns"] = to_values(self.columns)
        return json.dumps(
            {
                "software": {"name": SOFTWARE, "version": self.version},
                **self.settings(),
                "figure": self.figure,
                "export": export,
                "recordings": [
                    {
                        "id": one.id,
                        "name": one.name,
                        "rows": one.rows,
                        **one.counts._asdict(),
                        "gaze_sha256": one.gaze_sha256,
                        "fixations_sha256": one.fixations_sha256,
                    }
                    for one in self.recordings
                ],
            },
            sort_keys=True,
            allow_nan=False,
        )

    def settings(self) -> dict[str, Any]:
        """Return all that was chosen, ready for JSON."""
        selection = self.selection
        return {
            "look": asdict(self.look),
            "selection": {
                "measure": selection.measure,
                "weight": selection.weight,
                "window_s": selection.window_s,
                "sections": self.sections,
            },
            "regions": [asdict(one) for one in self.regions],
        }

    @classmethod
    def from_json(cls, text: str, limits: Limits = LIMITS) -> Account:
        """Read an account that `as_json` wrote; what a later version adds is passed over.

        Parameters
        ----------
        text : str
            An object of JSON. It may come from anywhere.
        limits : Limits

        Raises
        ------
        SettingError
            When it is no such object, or holds a value that makes no sense.
        """
        values = _parsed(text, limits)
        software, look, export = (_get(values, key, dict) for key in ("software", "look", "export"))
        if software.get("name") != SOFTWARE:
            raise _not_ours("they are of other software")
        image = _get(export, "image", dict)
        # Earlier versions had the first three only.
        named = [one.name for i, one in enumerate(SETTINGS) if i < 3 or one.name in look]
        values_of_look = {name: look.get(name) for name in named}
        size = _get(image, "width", int), _get(image, "height", int)
        if not all(1 <= side <= limits.picture_side_px for side in size):
            raise _not_ours(f"they are of a picture of {px(size)}")
        figure = values.get("figure")
        if figure is not None and not _is_plain(_get(values, "figure", dict), _DEEPEST_FIGURE):
            raise _not_ours("'figure' is nested too deep")
        given = _get(values, "recordings", list)
        if len(given) > limits.recordings:
            raise _not_ours(f"they are of {len(given):,} recordings")
        recordings = tuple(map(_recording, given))
        for id, times in Counter(one.id for one in recordings).items():
            if times > 1:
                raise _not_ours(f"the recording '{shown(id)}' stands there twice")
        return cls(
            version=_get(software, "version", str),
            look=_plain_look(Look.from_values(values_of_look)),
            recordings=recordings,
            name=_get(export, "name", str),
            kind=_get(export, "kind", str),
            image_size=size,
            image_sha256=_digest(image, "sha256"),
            figure=figure,
            **_selection(values, limits),
            regions=tuple(_regions(values)),
            columns=from_values(export["columns"]) if "columns" in export else None,
        )

    def selection_in(self, study: Study) -> Selection:
        """Return what was counted, as a selection of a study; what it lacks is left out."""
        if self.sections is None:
            return self.selection
        wanted = set(self.sections)
        return replace(
            self.selection,
            sections=frozenset(
                (i, k)
                for i, recording in enumerate(study.recordings)
                for k, section in enumerate(recording.sections)
                if (recording.id, section.id) in wanted
            ),
        )


def account_of(
    study: Study,
    chosen: Iterable[int],
    look: Look,
    figure: dict[str, Any] | None = None,
    *,
    selection: Selection = ALL_GAZE,
    histograms: Sequence[RecordingHistogram] | None = None,
    regions: Iterable[Region] = (),
) -> Account:
    """Make the account of a file; it looks at all samples of the chosen recordings.

    Parameters
    ----------
    study : Study
    chosen : iterable of int
        Positions of the recordings that are pooled, in any order.
    look : Look
    figure : dict, optional
        Settings of a figure, of what JSON can hold.
    selection : Selection
        What was counted.
    histograms : sequence of RecordingHistogram, optional
        Those of all recordings, as they were selected; selected here without them.
    regions : iterable of Region, optional

    Raises
    ------
    PictureMissingError
        When the study has no picture.
    """
    histograms = select(study, selection) if histograms is None else histograms
    positions = sorted(set(chosen))
    of_fixations = is_of_fixations(selection.measure)
    size = study.size()
    assert study.image is not None
    return Account(
        version=version(),
        look=_plain_look(look),
        recordings=tuple(
            UsedRecording(
                id=histograms[position].id,
                name=histograms[position].name,
                counts=histograms[position].counts,
                gaze_sha256=study.recordings[position].digest(),
                fixations_sha256=(
                    study.recordings[position].digest(of_fixations=True) if of_fixations else ""
                ),
            )
            for position in positions
        ),
        name=study.name,
        kind=study.kind,
        image_size=size,
        image_sha256=sha256(study.image.data).hexdigest(),
        figure=figure,
        selection=_plain_selection(selection),
        sections=_section_ids(study, positions, selection),
        regions=tuple(_plain_region(one) for one in regions),
        columns=None if study.columns is None else from_values(study.columns),
    )


def _section_ids(
    study: Study, chosen: Sequence[int], selection: Selection
) -> tuple[tuple[str, str], ...] | None:
    """Return the ids of the sections that are counted; None where they are all."""
    if selection.sections is None:
        return None
    ids = tuple(
        (study.recordings[i].id, section.id)
        for i in chosen
        for k, section in enumerate(study.recordings[i].sections)
        if (i, k) in selection.sections
    )
    are_all = len(ids) == sum(len(study.recordings[i].sections) for i in chosen)
    return None if are_all else ids


def png_texts(account: Account) -> dict[str, str]:
    """Return the texts that a PNG file carries, by their keywords."""
    return {"Software": f"{SOFTWARE} {account.version}", KEYWORD: account.as_json()}


def differences(account: Account, study: Study) -> list[str]:
    """Say where a study is not the one of an account; it looks at all samples.

    Without a difference the same files come out, byte for byte, under the account's name.

    Parameters
    ----------
    account : Account
    study : Study

    Returns
    -------
    list of str
        Sentences; the names in them are as they are.
    """
    said = []
    if account.version != version():
        said.append(
            f"The settings were saved with {SOFTWARE} {shown(account.version)}. This is "
            f"{SOFTWARE} {version()}, which may draw in another way."
        )
    if account.kind != study.kind:
        said.append(f"It is of a {study.kind}; the settings are of a {shown(account.kind)}.")
    size, image = study.size(), study.image
    has_same_size = size == account.image_size
    if not has_same_size:
        said.append(
            f"Its picture is {px(size)}; the settings were saved with one of "
            f"{px(account.image_size)}."
        )
    elif image is not None and sha256(image.data).hexdigest() != account.image_sha256:
        said.append(
            f"Its picture is not the one that the settings were saved with; both are {px(size)}."
        )
    selected = select(study, account.selection_in(study))
    here = {one.id: (one, study.recordings[i]) for i, one in enumerate(selected)}
    sections = {(one.id, section.id) for one in study.recordings for section in one.sections}
    of_fixations = is_of_fixations(account.selection.measure)
    for then in account.recordings:
        if then.id not in here:
            label = then.name or then.id[:SHORT_ID_LENGTH]
            said.append(f"{shown(label)}: the settings use this recording, which is not there.")
            continue
        now, tracks = here[then.id]
        label = shown(now.label)
        if then.name != now.name:
            said.append(f"{label}: in the settings, this recording is called '{shown(then.name)}'.")
        lost = sum(one[0] == then.id and one not in sections for one in account.sections or ())
        if lost:
            said.append(
                f"{label}: {lost:,} of its sections in the settings "
                f"{'are' if lost > 1 else 'is'} not there."
            )
        # Over a picture of another size the same gaze lies in other cells.
        is_told = has_same_size or then.rows != now.rows
        digest = then.fixations_sha256 if of_fixations else then.gaze_sha256
        if is_told and digest != tracks.digest(of_fixations=of_fixations):
            used = (then.counts.used, now.counts.used)
            entries = "fixations" if of_fixations else "samples"
            numbers = (
                f"{used[0]:,} {entries} then, {used[1]:,} now"
                if used[0] != used[1]
                else f"{used[0]:,} {entries} both times"
            )
            what = "its fixations are not those" if of_fixations else "its gaze is not the one"
            said.append(f"{label}: {what} that the settings were saved with ({numbers}).")
    return said


def find_account(data: bytes, name: str, limits: Limits = LIMITS) -> Account:
    """Read the account that a file carries.

    Parameters
    ----------
    data : bytes
        A PNG, SVG or PDF file, a ``settings.json``, or the ZIP of a report. It may come from
        anywhere: nothing in it is unpacked or followed, except for that one entry of a ZIP.
    name : str
        Of the file, for messages.
    limits : Limits

    Raises
    ------
    SettingError
        When there is none, or it makes no sense.
    """
    label = shown(name)
    if len(data) > limits.account_file_bytes:
        raise SettingError(
            f"{label}: it has more than {limits.account_file_bytes // MIB:,} MB, which is the most "
            f"that is searched for settings. {_GIVE}"
        )
    try:
        text = _carried(data, name, limits)
        if len(text) > limits.account_bytes:
            raise SettingError(_too_long(limits))
        return Account.from_json(text.decode("utf-8-sig"), limits)
    except UnicodeDecodeError:
        raise SettingError(f"{label}: the settings in it are damaged. {_GIVE}") from None
    except SettingError as error:
        raise SettingError(f"{label}: {error}") from None
    except SourceError as error:  # it names the file, and what is in it
        raise SettingError(error) from None


def _carried(data: bytes, name: str, limits: Limits) -> bytes:
    """Return the text of an account as it stands in a file."""
    start = data[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if data.startswith(_PNG_SIGNATURE):
        return _in_png(data)
    if start.startswith(b"<"):
        return _in_svg(data, limits)
    if start.startswith(b"%PDF-"):
        return _in_pdf(data, limits)
    if start.startswith(b"PK"):
        return _in_report(data, name, limits)
    if start.startswith(b"{"):
        return data
    raise SettingError(_NO_SETTINGS)


def _in_png(data: bytes) -> bytes:
    place, head = len(_PNG_SIGNATURE), KEYWORD.encode() + b"\0"
    for _ in range(_MOST_CHUNKS):
        length, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > len(data):
            raise SettingError("the file is cut off. Copy it again from where it was made.")
        if kind == b"iTXt" and data.startswith(head, place + 8):
            if zlib.crc32(data[place + 4 : end]).to_bytes(4) != data[end : end + 4]:
                raise SettingError(f"the settings in it are damaged. {_GIVE}")
            packed, _, rest = data[place + 8 + len(head) : end].partition(b"\0")
            if packed:
                raise SettingError(
                    "the settings in it are packed, so another program has saved it. "
                    "Give the file as Gazeheat made it."
                )
            # The method of packing; then a language and a translated keyword, both ended by NUL.
            return rest[1:].split(b"\0", 2)[-1]
        if kind == b"IEND":
            break
        place = end + 4
    raise SettingError(_NO_SETTINGS)


def _in_svg(data: bytes, limits: Limits) -> bytes:
    # No XML parser: one that follows entities could be made to do work without end.
    found = _SVG_START.search(data)
    end = -1 if found is None else data.find(_SVG_END, found.end())
    if found is None or end < 0:
        raise SettingError(_NO_SETTINGS)
    if end - found.end() > limits.account_bytes:
        raise SettingError(_too_long(limits))
    text = data[found.end() : end].strip()
    for escaped, character in _XML_ESCAPED.items():
        text = text.replace(escaped, character)
    return text


def _in_pdf(data: bytes, limits: Limits) -> bytes:
    # The last one holds: what a program appends to a PDF takes the place of what was before.
    end = len(data)
    for _ in range(_MOST_KEYWORDS):
        end = data.rfind(_PDF_KEY, 0, end)
        start = _PDF_START.match(data, end) if end >= 0 else None
        if start is not None or end < 0:
            break
    # Whatever brackets the text holds are escaped.
    found = start and _PDF_TEXT.match(data, start.end(), start.end() + limits.account_bytes)
    if not found:
        raise SettingError(_NO_SETTINGS)
    return _PDF_ESCAPE.sub(_pdf_unescaped, found[1])


def _pdf_unescaped(found: re.Match[bytes]) -> bytes:
    what = found[1]
    if what.isdigit() and what < b"8":
        return bytes([int(what, 8) % 256])
    return _PDF_ESCAPED.get(what, what)


def _in_report(data: bytes, name: str, limits: Limits) -> bytes:
    with open_source(Upload(name, BytesIO(data)), limits) as files:
        own = [file for file in files if file.path.name == SETTINGS_FILE]
        if not own:
            raise SettingError(_NO_SETTINGS)
        with min(own, key=lambda file: len(file.path.parts)).open() as stream:
            return stream.read(limits.account_bytes + 1)


def _too_long(limits: Limits) -> str:
    return (
        f"the settings in it have more than {limits.account_bytes // MIB:,} MB, which is more "
        f"than Gazeheat writes. {_GIVE}"
    )


# --- JSON ----------------------------------------------------------------------------


def _parsed(text: str, limits: Limits) -> dict[str, Any]:
    if len(text) > limits.account_bytes:
        raise SettingError(_too_long(limits))
    try:
        values = json.loads(
            text,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_finite,
            object_pairs_hook=each_once,
        )
    except (ValueError, RecursionError):
        raise _not_ours("they are no JSON") from None
    if not isinstance(values, dict):
        raise _not_ours("they are no object of JSON")
    return values


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError
    return value


def _get(values: dict[str, Any], name: str, kind: type[T]) -> T:
    value = values.get(name)
    # Not `isinstance`: to Python, true and false are whole numbers.
    if type(value) is not kind:
        found = f"no {_WORDS[kind]}" if name in values else "missing"
        raise _not_ours(f"'{name}' is {found}")
    return value


def _digest(values: dict[str, Any], name: str) -> str:
    value = _get(values, name, str)
    if not _DIGEST.fullmatch(value):
        raise _not_ours(f"'{name}' is no SHA-256 digest")
    return value


def _recording(values: object) -> UsedRecording:
    if not isinstance(values, dict):
        raise _not_ours("'recordings' holds what is no recording")
    # Earlier versions had the first five only.
    names = [name for i, name in enumerate(Counts._fields) if i < 5 or name in values]
    counts = Counts(**{name: _get(values, name, int) for name in names})
    if min(counts) < 0 or counts.rows != _get(values, "rows", int):
        raise _not_ours("the counts of a recording do not add up to its rows")
    return UsedRecording(
        id=_get(values, "id", str),
        name=_get(values, "name", str),
        counts=counts,
        gaze_sha256=_digest(values, "gaze_sha256"),
        fixations_sha256=(
            _digest(values, "fixations_sha256") if values.get("fixations_sha256") else ""
        ),
    )


def _selection(values: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Read what was counted; earlier versions counted all gaze."""
    if "selection" not in values:
        return {}
    given = _get(values, "selection", dict)
    window_s = given.get("window_s")
    if window_s is not None:
        window_s = _get(given, "window_s", list)
        if len(window_s) != 2 or not all(type(one) in (int, float) for one in window_s):
            raise _not_ours("'window_s' is no pair of numbers")
        window_s = float(window_s[0]) + 0.0, float(window_s[1]) + 0.0
    sections = given.get("sections")
    if sections is not None:
        sections = _get(given, "sections", list)
        if len(sections) > limits.recordings * _MOST_SECTIONS or not all(
            type(one) is list and len(one) == 2 and all(type(id) is str for id in one)
            for one in sections
        ):
            raise _not_ours("'sections' holds what is no section")
        sections = tuple((recording, section) for recording, section in sections)
    chosen: dict[str, Any] = {one.name: _get(given, one.name, str) for one in COUNTING}
    return {"selection": Selection(**chosen, window_s=window_s), "sections": sections}


def _regions(values: dict[str, Any]) -> list[Region]:
    """Read the regions; earlier versions had none."""
    given = _get(values, "regions", list) if "regions" in values else []
    regions = []
    for one in given[: MOST_REGIONS + 1]:
        sides: list[Any] = [one.get(side) for side in _SIDES] if isinstance(one, dict) else []
        if not sides or not all(type(side) in (int, float) for side in sides):
            raise _not_ours("'regions' holds what is no region")
        regions.append(_plain_region(Region(_get(one, "name", str), *sides)))
    check_regions(regions)
    return regions


def _plain_region(region: Region) -> Region:
    """Write the numbers of a region in one way."""
    return Region(region.name, *(float(getattr(region, side)) + 0.0 for side in _SIDES))


def _is_plain(value: object, levels: int) -> bool:
    """Tell whether objects and lists are nested in at most so many levels."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels >= 0 and all(_is_plain(one, levels - 1) for one in inner)


def _plain_look(look: Look) -> Look:
    """Write the numbers of a look in one way: 5 and 5.0, and 0.0 and -0.0, are the same."""
    plain: dict[str, Any] = {
        one.name: float(getattr(look, one.name)) + 0.0
        for one in SETTINGS
        if isinstance(one, NumberSetting)
    }
    return replace(look, **plain, levels=tuple(float(level) for level in look.levels))


def _plain_selection(selection: Selection) -> Selection:
    """Write the numbers of a selection in one way, and leave its sections out."""
    window_s = selection.window_s
    if window_s is not None:
        window_s = float(window_s[0]) + 0.0, float(window_s[1]) + 0.0
    return replace(selection, window_s=window_s, sections=None)


def _not_ours(problem: str) -> SettingError:
    return SettingError(f"these are no settings that Gazeheat wrote: {problem}. {_GIVE}")
