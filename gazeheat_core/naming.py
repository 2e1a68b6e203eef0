"""Names of files: any system accepts them, and they say what is in the file."""

from __future__ import annotations

import re
import unicodedata

from gazeheat_core.selection import ALL_GAZE, Selection

_STEM_CHARACTERS = 100
# A name may have 255 bytes; the rest is for a number and for what `file_name` says, such as
# "_heatmap_4999-of-5000_scale-1.23457e-05.png".
_NAME_BYTES = 255
_STEM_BYTES = 200
_SHORTEST_STEM_BYTES = 100
# Names that Windows keeps for devices, with any extension.
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
# Unicode's categories of characters that cannot be seen: control and format characters,
# separators of lines and paragraphs.
_UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
# Halves of surrogate pairs, and characters that are not assigned.
_NOT_WRITABLE = {"Cs", "Cn"}


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
    stem = "".join("_" if kind in _NOT_WRITABLE else c for c, kind in kinds if kind not in _UNSEEN)
    stem = stem.strip(". ")
    if _DEVICE.match(stem):
        stem = f"_{stem}"
    cut = stem[:_STEM_CHARACTERS].encode()[:_STEM_BYTES].decode(errors="ignore")
    return cut.strip(". ") or "export"


def free_stem(name: str, taken: set[str]) -> str:
    """Return the stem of an enrichment's files, with a number where it is taken.

    Parameters
    ----------
    name : str
        Of the enrichment.
    taken : set of str
        Stems in lower case, since some systems do not tell the cases apart. The new one is
        added.

    Examples
    --------
    >>> taken = set()
    >>> [free_stem(name, taken) for name in ("Shelf", "SHELF", "Wall")]
    ['Shelf', 'SHELF_2', 'Wall']
    """
    stem = base = file_stem(name)
    number = 1
    while stem.lower() in taken:
        number += 1
        stem = f"{base}_{number}"
    taken.add(stem.lower())
    return stem


def file_name(
    stem: str,
    what: str,
    pooled: int,
    of: int,
    scale: float,
    ending: str = "png",
    selection: Selection = ALL_GAZE,
) -> str:
    """Return the name of a file, which says what is in it.

    Parameters
    ----------
    stem : str
        As of `file_stem` or `free_stem`.
    what : str
        Such as ``heatmap``.
    pooled, of : int
        How many recordings are in it, of how many that the study has.
    scale : float
        The blur's sigma in percent of the longer side.
    ending : str
        Of the name.
    selection : Selection
        What was counted; said where it is not all gaze, pooled.

    Examples
    --------
    >>> file_name("Shelf", "overlay", 3, 4, 5.0)
    'Shelf_overlay_3-of-4_scale-5.png'
    >>> file_name("Shelf", "overlay", 3, 4, 5.0, "svg", Selection("fixation-count", "wearer"))
    'Shelf_overlay_3-of-4_scale-5_fixation-count_equal-wearer.svg'
    """
    parts = [what, f"{pooled}-of-{of}", f"scale-{scale + 0.0:g}"]
    if selection.measure != ALL_GAZE.measure:
        parts.append(selection.measure)
    if selection.weight != ALL_GAZE.weight:
        parts.append(f"equal-{selection.weight}")
    if selection.window_s is not None:
        parts.append("{:g}-to-{:g}-s".format(*selection.window_s))
    if selection.sections is not None:
        parts.append("some-sections")
    rest = f"_{'_'.join(parts)}.{ending}"
    room = max(_SHORTEST_STEM_BYTES, _NAME_BYTES - len(rest))
    return stem.encode()[:room].decode(errors="ignore") + rest
