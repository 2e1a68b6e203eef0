"""Names and messages as text, where Streamlit reads Markdown."""

from __future__ import annotations

import re

# What is said as it is when a backslash stands before it.
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
# What is looked for once the backslashes are gone: addresses, which become links; names
# between colons, which become pictures; signs, which become arrows and dashes.
_LATE = re.compile(
    r"(?<=www)(?=\.)|(?<=@)|(?<=:)(?=//|[a-z])|(?<=[-<>=~])(?=[-<>=~])", re.IGNORECASE
)
# Has no width, is not spoken, and parts nothing at a line's end.
_WORD_JOINER = "\u2060"
_LINE_ENDS = re.compile(r"\s*[\r\n\t\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def plain(text: str) -> str:
    r"""Keep Markdown from reading anything into a name.

    Marks that mean nothing where they stand are left alone, since a screen reader says
    the backslashes too.

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
