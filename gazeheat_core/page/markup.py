"""Names and messages as text, where Streamlit reads Markdown."""

from __future__ import annotations

import re
from unicodedata import bidirectional

# Characters that Markdown reads as text after a backslash.
_MARKS = re.compile(
    r"""
    [\\`*\[\]<>$~&@|=+{}^!]               # anywhere
    | (?<![^\W_])[-_] | [-_](?![^\W_])    # not between letters or digits
    | :(?!(?<=(?<!\d)\d\d:)\d\d(?!\d))    # not in a time of day
    | (?<=:material)/                     # the name of an icon
    | ^\# | (?<=^\d)[.)] | (?<=^\d\d)[.)]  # a heading, a list
    """,
    re.VERBOSE,
)
# Places that are read after the backslashes have been removed: addresses become links,
# names between colons become pictures, signs become arrows and dashes.
_LATE = re.compile(
    r"(?<=www)(?=\.)|(?<=@)|(?<=:)(?=//|[a-z])|(?<=[-<>=~])(?=[-<>=~])", re.IGNORECASE
)
# A character that has no width, is not spoken and allows no line break.
_WORD_JOINER = "\u2060"
_LINE_ENDS = re.compile(r"\s*[\r\n\t\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def plain(text: str) -> str:
    r"""Write a name so that Markdown shows it as it is.

    Only marks that would act where they stand are escaped, since a screen reader speaks the
    backslashes too.

    Examples
    --------
    >>> plain("*a* _b")
    '\\*a\\* \\_b'
    >>> plain("2025-08-09_06:55:05, left.jpeg")
    '2025-08-09_06:55:05, left.jpeg'
    >>> plain("www.lab.example")
    'www\u2060.lab.example'
    """
    line = _LINE_ENDS.sub(" ", text)
    return _MARKS.sub(r"\\\g<0>", _LATE.sub(_WORD_JOINER, line))


def isolated(name: str) -> str:
    r"""Keep a name that is written from right to left from turning the text beside it.

    Examples
    --------
    >>> isolated("Shelf")
    'Shelf'
    >>> isolated("\u05de\u05d3\u05e3") == "\u2068\u05de\u05d3\u05e3\u2069"
    True
    """
    is_turned = any(bidirectional(character) in ("R", "AL", "AN") for character in name)
    return f"\u2068{name}\u2069" if is_turned else name
