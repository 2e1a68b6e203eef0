"""What can go wrong, as a tree.

::

    GazeheatError              everything the core raises on purpose
    ├── SourceError            a ZIP, folder or file that cannot be read at all
    │   └── LimitError         it can be read, but is larger than we accept
    ├── ExportError            the files are readable, but are not an export we know
    │   ├── UnmappedError      gaze of a scene camera or a face: another enrichment is needed
    │   └── ColumnsError       a table without the columns it needs
    ├── PictureError           a reference image that cannot be used
    │   └── PictureMissingError    there is none, and one is needed
    ├── SettingError           a setting or a selection outside its range
    └── ClusterError           workers that cannot be reached, or that were lost

Every message is written for the person who brought the file: it names the file,
says what was found, and says what to do. The page and the command line show it
as it is, so a message is one printable line of bounded length, whatever stands in it.
"""

from collections.abc import Sequence
from unicodedata import category

LONGEST_NAME = 120
# A message names at most about ten names.
_LONGEST_MESSAGE = 2_000
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def shown(name: object, longest: int = LONGEST_NAME, *, escaped: bool = False) -> str:
    r"""Make a text that comes from elsewhere fit for a label, a message or a terminal.

    Parameters
    ----------
    name : object
        A name, a path, or anything else with a text.
    longest : int
        The most characters that are kept; a longer text loses its middle.
    escaped : bool
        Whether characters that are not printable are written as Python's escapes, so that
        a reader can tell them apart.

    Returns
    -------
    str
        One line. A replacement character, or an escape, stands for everything that is not
        printable: control characters, line ends, marks that turn the direction of text,
        zero-width characters, and halves of a surrogate pair. Every kind of blank is a space.

    Examples
    --------
    >>> shown("gaze\x1b[31m\u202e.csv\n")
    'gaze�[31m�.csv�'
    >>> shown("a" * 50 + "b" * 50, 11)
    'aaaaa…bbbbb'
    >>> shown("two\nlines", escaped=True)
    'two\\nlines'
    """
    text = str(name)
    if len(text) > longest:
        head = (longest - 1) // 2
        text = f"{text[:head]}…{text[head + 1 - longest :]}"
    return "".join(_printable(c, escaped) for c in text)


def listed(names: Sequence[object], most: int = 12, quote: str = "'") -> str:
    """Name the first of several things, and say how many more there are.

    Examples
    --------
    >>> listed(["a", "b"])
    "'a', 'b'"
    >>> listed("abcde", 2, "")
    'a, b and 3 more'
    """
    text = ", ".join(f"{quote}{shown(name)}{quote}" for name in names[:most])
    return f"{text} and {len(names) - most:,} more" if len(names) > most else text


def many(count: int, what: str) -> str:
    """Say how many there are of something.

    Examples
    --------
    >>> many(1, "gap"), many(1200, "sample")
    ('1 gap', '1,200 samples')
    """
    return f"{count:,} {what}" + ("s" if count != 1 else "")


def where(found: int, among: int) -> str:
    """Say in how many recordings something was found.

    Examples
    --------
    >>> where(1, 1), where(2, 2), where(1, 3)
    ('In the recording', 'In both recordings', 'In 1 of 3 recordings')
    """
    if found < among:
        return f"In {found:,} of {among:,} recordings"
    if among == 1:
        return "In the recording"
    return "In both recordings" if among == 2 else f"In all {among:,} recordings"


def up_to(text: str, found: Sequence[object]) -> str:
    """Say that a figure is the largest of some; of one, it is the figure itself."""
    return text if len(found) == 1 else f"up to {text}"


def percent(share: float) -> str:
    """Write a share with two digits that count.

    Examples
    --------
    >>> [percent(share) for share in (0, 0.0004, 0.042, 0.42)]
    ['0 %', '0.04 %', '4.2 %', '42 %']
    """
    value = 100 * share
    if not value:
        return "0 %"
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.2g} %"


def _printable(character: str, escaped: bool) -> str:
    if character.isprintable():
        return character
    if category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode() if escaped else _REPLACEMENT


class GazeheatError(Exception):
    """Root of all errors the core raises on purpose; its text is for the user."""

    def __init__(self, message: object = "") -> None:
        super().__init__(shown(message, _LONGEST_MESSAGE))


class SourceError(GazeheatError):
    """A ZIP, a folder or a file that cannot be read."""


class LimitError(SourceError):
    """Larger, longer or more numerous than the limits on input allow."""


class ExportError(GazeheatError):
    """Files that can be read, but do not make an export we know."""


class UnmappedError(ExportError):
    """An export whose gaze is not mapped to a reference image or a surface."""


class ColumnsError(ExportError):
    """A table that lacks columns it needs."""


class PictureError(GazeheatError):
    """A reference image that cannot be used."""


class PictureMissingError(PictureError):
    """No reference image, and no size given in its place."""


class ClusterError(GazeheatError):
    """Workers, on this machine or on others, that cannot be reached or were lost."""


class SettingError(GazeheatError):
    """A setting, or a selection of recordings, that makes no sense."""
