"""CSV text to columns, in blocks of whole lines.

A table is read in blocks of a few megabytes, so that memory does not depend on the
file's size. Each block goes through pandas; whole numbers in another spelling, as a
spreadsheet writes timestamps, are read as text. The rare block that pandas cannot read as
typed columns (a position that is no number, a stray quote, a blank line) goes line by
line through a slow reader that says which rows are unreadable. What both can read,
they read alike.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import math
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice, pairwise
from typing import BinaryIO, Literal, TypeAlias, TypedDict, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazeheat_core.errors import LimitError, SourceError, shown
from gazeheat_core.exports.sources import SourceFile
from gazeheat_core.model import FloatArray, IntArray

BLOCK_BYTES = 4 * 2**20
# Stands for the id of no fixation, or for one that is no whole number of 64 bits.
NO_FIXATION = -(2**63)

# Spellings of an empty cell, after pandas and R have re-saved a table.
MISSING = ("", "nan", "NaN", "NAN", "NA", "N/A", "null", "NULL", "None")
# Spellings of a "detected" flag: Pupil Cloud, pandas, Excel, and the Manual Mapper's.
_FLAGS = {
    "true": 1,
    "1": 1,
    "1.0": 1,
    "mapped": 1,
    "false": 0,
    "0": 0,
    "0.0": 0,
    "not mapped": 0,
}
FLAG_UNKNOWN = 2

# First and last byte (not included) of a stretch of a file.
Span: TypeAlias = tuple[int, int]

WORKBOOK = (
    "this is a spreadsheet's workbook, whatever its name says. Save the sheet as 'CSV UTF-8', or "
    "better give the file as it was downloaded."
)
_GZIP = b"\x1f\x8b"
# Enough for the lines of properties that some programs write before the header.
_HEAD_BYTES = 2**16
_SEPARATOR = re.compile(rb"sep=.?", re.IGNORECASE)
# The byte order mark of UTF-8. Inside a file it tells where another one was appended.
_MARK = "\ufeff"
_INT64 = np.iinfo(np.int64)
# From here on, a float does not tell all whole numbers apart.
_EXACT = 2.0**53

# Bytes looked at together when cells are counted: few enough to stay in the processor's cache.
_COUNTED_BYTES = 2**19
# A number with separators of thousands that can be nothing else: decimals behind another sign,
# or several of them.
_GROUPED = re.compile(
    r"-?\d{1,3}(?:(?:,\d{3})+\.\d*|(?:\.\d{3})+,\d*|(?:[ \xa0\u202f'\u2019]\d{3})+(?:[.,]\d*)?"
    r"|,\d{3}(?:,\d{3})+|\.\d{3}(?:\.\d{3})+)"
)
# Characters of a cell that a message repeats.
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file whose header has been read.

    Attributes
    ----------
    file : SourceFile
    columns : tuple of str
        Names in the header, in their order, without surrounding blanks.
    delimiter : str
        ``","``, ``";"``, ``"|"`` or a tab.
    header_lines : int
        Lines up to the header, which is the last of them; the others are blank.
    """

    file: SourceFile
    columns: tuple[str, ...]
    delimiter: str = ","
    header_lines: int = 1

    @property
    def decimal(self) -> str:
        """The decimal sign: where commas do not separate the cells, they may be one."""
        return "." if self.delimiter == "," else ","


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of the columns to read, by what they hold.

    Attributes
    ----------
    keys : tuple of int
        Identifiers: text. A row needs the first of them; the others may be empty.
    integers : tuple of int
        Whole numbers that must not pass through a float, such as timestamps.
    numbers : tuple of int
        Decimal numbers.
    flag : int
        A yes or no.
    fixation : int, optional
        The id of the fixation that a sample belongs to; empty between fixations.
    """

    keys: tuple[int, ...]
    integers: tuple[int, ...]
    numbers: tuple[int, ...]
    flag: int
    fixation: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """The rows of one block.

    A row with more cells than the header has columns has the flag "neither": one of its
    cells is split, so that nothing behind it stands under its own column.

    Attributes
    ----------
    keys : list of tuple of str
        The different combinations of identifiers.
    key : int64 array, shape (n,)
        Index into `keys` for each row, -1 where the first identifier is missing.
    integers : int64 array, shape (number of integer columns, n)
        Zero where a cell is no whole number.
    numbers : float64 array, shape (number of decimal columns, n)
        NaN where a cell is empty or no number.
    flag : uint8 array, shape (n,)
        0 no, 1 yes, 2 neither.
    readable : bool array, shape (n,)
        False where the first identifier or a whole number could not be read.
    lines : int
        Lines of the block, the blank ones among them.
    in_fixation : uint8 array, shape (n,)
        1 where there is the id of a fixation, else 0; 0 without such a column.
    fixation : int64 array, shape (n,)
        That id, or `NO_FIXATION`.
    """

    keys: list[tuple[str, ...]]
    key: IntArray
    integers: IntArray
    numbers: FloatArray
    flag: npt.NDArray[np.uint8]
    readable: npt.NDArray[np.bool_]
    lines: int
    in_fixation: npt.NDArray[np.uint8]
    fixation: IntArray

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted of a stretch of a table beside the samples.

    Attributes
    ----------
    lines : int
        All of them, the blank ones among them.
    unassigned : int
        Rows whose recording is unknown.
    lost : int
        Rows that cannot be read, other than those that say that no gaze was detected.
    first : (int, str) or None
        The first of these: its line in the stretch, from 1, and what is wrong with it.
    grouped : int
        Those of the lost rows that have a position with separators of thousands.
    thousandfold : int
        Samples whose positions are a thousand times too large, as `count_thousandfold`.
    """

    lines: int = 0
    unassigned: int = 0
    lost: int = 0
    first: tuple[int, str] | None = None
    grouped: int = 0
    thousandfold: int = 0

    @property
    def tells_more(self) -> bool:
        """Whether something is to be said that a study does not show by itself."""
        return self.grouped > 0 or self.thousandfold > 0

    def __add__(self, later: Tally) -> Tally:
        first = self.first
        if first is None and later.first is not None:
            first = (self.lines + later.first[0], later.first[1])
        return Tally(
            self.lines + later.lines,
            self.unassigned + later.unassigned,
            self.lost + later.lost,
            first,
            self.grouped + later.grouped,
            self.thousandfold + later.thousandfold,
        )


@contextmanager
def open_text(file: SourceFile) -> Iterator[BinaryIO]:
    """Open a table as UTF-8 bytes without a byte order mark.

    Unpacks gzip and converts UTF-16, whatever the file's name says.
    """
    with file.open() as raw:
        stream, head = _push_back(raw)
        if head[:2] == _GZIP:
            unpacked = raw.unpacked(cast(BinaryIO, gzip.GzipFile(fileobj=stream)))
            stream, head = _push_back(unpacked)
        encoding = _encoding(head)
        if encoding == "utf-8":
            yield stream
        elif encoding == "utf-8-sig":
            stream.read(3)
            yield stream
        else:
            yield cast(BinaryIO, codecs.EncodedFile(stream, "utf-8", encoding, "replace"))


def _push_back(stream: io.RawIOBase) -> tuple[BinaryIO, bytes]:
    """Look at the first bytes of a stream without losing them."""
    buffered = io.BufferedReader(stream, buffer_size=2**16)
    return cast(BinaryIO, buffered), buffered.peek(256)[:256]


def _encoding(head: bytes) -> str:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # A header is plain ASCII: without a mark, UTF-16 shows as zeros in every other place.
    if len(head) >= 8 and not any(head[1:8:2]):
        return "utf-16-le"
    if len(head) >= 8 and not any(head[0:8:2]):
        return "utf-16-be"
    return "utf-8"


def read_header(file: SourceFile) -> Table:
    """Read the header of a table, and find out how its cells are separated.

    Blank lines before it are passed over, as a spreadsheet writes them: empty, or of
    delimiters alone.

    Raises
    ------
    SourceError
        When the file is empty, no text, or not in lines.
    """
    lines = _head(file)
    number = next((n for n, line in enumerate(lines) if not _is_no_header(line)), None)
    if number is None:
        raise SourceError(f"{file}: the file is empty. Download the export again.")
    # Files that were joined have a mark before each header.
    text = lines[number].rstrip(b"\r").decode("utf-8", "replace").removeprefix(_MARK)
    _check_text(file, lines[0][:2], text)
    delimiter = max(",;\t", key=text.count)
    try:
        cells = next(csv.reader([text], delimiter=delimiter))
    except (csv.Error, StopIteration):
        raise SourceError(
            f"{file}: its lines end with a carriage return alone, as on old Macs. "
            "Give the file as it was downloaded, or save it as 'CSV UTF-8'."
        ) from None
    columns = tuple(cell.strip() for cell in cells)
    return Table(file, columns, delimiter, number + 1)


def _head(file: SourceFile) -> list[bytes]:
    with open_text(file) as stream:
        return stream.read(_HEAD_BYTES).split(b"\n")


def _is_no_header(line: bytes) -> bool:
    """Tell whether a line is blank, or a spreadsheet's note on what separates the cells."""
    return not line.strip(b' \t\r,;"') or _SEPARATOR.fullmatch(line.strip(b' \r"')) is not None


def _check_text(file: SourceFile, start: bytes, text: str) -> None:
    if start in (b"PK", b"\xd0\xcf"):
        raise SourceError(f"{file}: {WORKBOOK}")
    if "\x00" in text or text.count("\ufffd") > 2:
        raise SourceError(
            f"{file}: this is no text, so no CSV table. Give the file as it was downloaded."
        )


def read_lines(file: SourceFile, most: int) -> list[str]:
    """Read the first lines of a table as they are, without line ends.

    Names typed on old systems may not be UTF-8: then the text is read as Windows-1252.

    Raises
    ------
    SourceError
        When it is no text.
    """
    head = _head(file)
    # The last line that was read may be cut in the middle of a character.
    whole = b"\n".join(head[: min(most, max(1, len(head) - 1))])
    encoding = "utf-8" if is_utf8(whole) else "cp1252"
    lines = whole.decode(encoding, "replace").split("\n")
    _check_text(file, whole[:2], next(filter(str.strip, lines), ""))
    return [line.rstrip("\r").removeprefix(_MARK) for line in lines]


def split_lines(table: Table, part_bytes: int) -> list[Span]:
    """Cut a table into stretches of about the same length, on line ends.

    Returns
    -------
    list of (int, int)
        Where each stretch starts and stops in the file; together they hold every line
        below the header once. Empty for a table that has to be read from its start:
        packed, or not in UTF-8.
    """
    file = table.file
    if file.disk is None:
        return []
    with file.open() as stream:
        head = stream.read(256)
    if head[:2] == _GZIP or not _encoding(head).startswith("utf-8"):
        return []
    size_bytes = file.size_bytes
    first = 0
    for _ in range(table.header_lines):
        first = _next_line(file, first + 1)
    targets = range(first + part_bytes, size_bytes, part_bytes)
    starts = [first, *(_next_line(file, target) for target in targets), size_bytes]
    return [(a, b) for a, b in pairwise(starts) if a < b]


def _next_line(file: SourceFile, position: int) -> int:
    """Return where the first line that begins at or behind a position begins."""
    position -= 1
    # A line beyond the limit is refused when it is read: no use in looking for its end.
    with file.open_span(position, position + file.limits.line_bytes + BLOCK_BYTES) as stream:
        while data := stream.read(2**16):
            cut = data.find(b"\n") + 1
            if cut:
                return position + cut
            position += len(data)
    return position


def read_blocks(
    table: Table, block_bytes: int = BLOCK_BYTES, span: Span | None = None
) -> Iterator[bytes]:
    """Yield the lines below the header in blocks of whole lines, none of them empty.

    Parameters
    ----------
    table : Table
    block_bytes : int
        About the size of a block.
    span : (int, int), optional
        Read this stretch only, one of `split_lines`.

    Raises
    ------
    LimitError
        When a line is longer than any real one.
    """
    line_bytes = table.file.limits.line_bytes
    with _open_lines(table, span) as stream:
        rest = b""
        header_lines = table.header_lines if span is None else 0
        while True:
            data = stream.read(block_bytes)
            cut = data.rfind(b"\n") + 1
            if data and not cut:
                rest += data
            else:
                # Copied once, not twice: a block is some megabytes.
                block, rest = b"".join((rest, memoryview(data)[:cut])), data[cut:]
                if not data:
                    block, rest = block + rest, b""
                while header_lines and block:
                    header_lines -= 1
                    block = block.partition(b"\n")[2]
                if block:
                    yield block
            if len(rest) > line_bytes:
                raise LimitError(
                    f"{table.file}: a line is longer than {line_bytes:,} bytes, "
                    "so this is no table of gaze. Give the file as it was downloaded."
                )
            if not data:
                return


def _open_lines(table: Table, span: Span | None) -> AbstractContextManager[BinaryIO]:
    if span is None:
        return open_text(table.file)
    return cast(AbstractContextManager[BinaryIO], table.file.open_span(*span))


def parse_block(block: bytes, table: Table, layout: Layout) -> Rows:
    """Read the columns of `layout` from a block of whole lines.

    Returns
    -------
    Rows
        One for each line that is neither blank nor the header again, in the order of the
        file.
    """
    try:
        return _parse_typed(block, table, layout)
    except Exception:  # pandas raises whatever comes to it
        return _parse_by_line(block, table, layout)


def _parse_typed(block: bytes, table: Table, layout: Layout) -> Rows:
    """Read a block with pandas.

    Raises
    ------
    ValueError
        When the block needs the slow reader.
    """
    if b"\x00" in block:
        raise ValueError("pandas ends a cell at a zero byte")
    if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
        raise ValueError("pandas ends a line at a carriage return alone")
    if b"\xef" in block and codecs.BOM_UTF8 in block:
        raise ValueError("pandas takes off a byte order mark at the start only")
    lines, is_split = measure(block, table)
    if is_split:
        raise ValueError("pandas passes over cells beyond the header's")
    frame = _read_frame(block, table, layout, "category")
    if any(_is_changed(frame[p], str) for p in layout.keys) or _is_changed(
        frame[layout.flag], (str, np.bool_)
    ):
        frame = _read_frame(block, table, layout, "object")
    if len(frame) != lines:
        raise ValueError("blank lines, or a quote that swallowed line ends")
    integers, is_whole = _integers(frame, block, table, layout)
    numbers = np.stack([frame[p].to_numpy() for p in layout.numbers])
    if any(_may_be_truth_values(n) and _has_words(block, table, layout) for n in numbers):
        raise ValueError("pandas makes numbers of a column of nothing but true and false")
    keys, key = _combine([frame[position] for position in layout.keys])
    return Rows(
        keys=keys,
        key=key,
        integers=integers,
        numbers=numbers,
        flag=_flags(frame[layout.flag]),
        readable=(key >= 0) & is_whole,
        lines=lines,
        **_fixations(frame, table, layout),
    )


def measure(block: bytes, table: Table) -> tuple[int, bool]:
    """Count the lines of a block, and tell whether one may have more cells than the header."""
    lines, delimiters = _count_cells(block, table.delimiter)
    return lines, delimiters >= len(table.columns) and _is_split(block, table)


def _count_cells(block: bytes, delimiter: str) -> tuple[int, int]:
    """Count the lines of a block, and the delimiters in the line that has most of them."""
    values = np.frombuffer(block, np.uint8)
    lines = most = start = 0
    while start < len(values):
        stop = min(start + _COUNTED_BYTES, len(values))
        if stop < len(values):
            stop = (block.rfind(b"\n", start, stop) + 1) or (block.find(b"\n", stop) + 1)
            stop = stop or len(values)
        part = values[start:stop]
        ends = np.flatnonzero(part == ord("\n"))
        starts = np.concatenate(([0], ends + 1))
        if starts[-1] == len(part):
            starts = starts[:-1]
        is_delimiter = part == ord(delimiter)
        # Bytes are added up fastest; a line with more delimiters than they can count shows
        # in the sum.
        counts = np.add.reduceat(is_delimiter.view(np.uint8), starts, dtype=np.uint8)
        if counts.sum(dtype=np.int64) != np.count_nonzero(is_delimiter):
            counts = np.add.reduceat(is_delimiter, starts, dtype=np.int64)
        lines += len(starts)
        most = max(most, int(counts.max()))
        start = stop
    return lines, most


def _is_split(block: bytes, table: Table) -> bool:
    """Tell whether a line has more cells than the header; those in quotes may hold delimiters."""
    if b'"' not in block:
        return True
    between = re.escape(table.delimiter.encode()) + b"\r\n"
    whole_cell = rb'(?<![^%b])"(?:[^"\n]|"")*"(?![^%b])' % (between, between)
    block = re.sub(whole_cell, b"", block)
    return b'"' in block or _count_cells(block, table.delimiter)[1] >= len(table.columns)


def _read_frame(
    block: bytes, table: Table, layout: Layout, text: Literal["category", "object"]
) -> pd.DataFrame:
    """Read the columns of a layout, the text among them as `text`.

    Categories take a third less time, but pandas makes numbers of ids such as 007.
    """
    dtypes: dict[int, str] = dict.fromkeys((*layout.keys, layout.flag), text)
    dtypes |= dict.fromkeys(layout.numbers, "float64")
    if layout.fixation is None:
        return _read_columns(block, table, layout, dtypes)
    try:
        # Nearly all ids are numbers, which take less time than text.
        frame = _read_columns(block, table, layout, dtypes | {layout.fixation: "float64"})
        if _are_whole(frame[layout.fixation].to_numpy()):
            return frame
    except (pd.errors.EmptyDataError, pd.errors.ParserError):
        raise  # not a matter of ids
    except ValueError:
        pass
    return _read_columns(block, table, layout, dtypes | {layout.fixation: "object"})


def _are_whole(ids: FloatArray) -> bool:
    """Tell whether a column of floats, NaN in empty cells, holds all of its ids exactly."""
    known = ids[ids == ids]  # NaN is not itself
    is_whole = (np.abs(known) < _EXACT) & (known == np.rint(known))
    return bool(is_whole.all()) and not _may_be_truth_values(ids)


def _read_columns(
    block: bytes, table: Table, layout: Layout, dtypes: dict[int, str]
) -> pd.DataFrame:
    return pd.read_csv(
        io.BytesIO(block),
        header=None,
        sep=table.delimiter,
        # A semicolon does not always mean decimal commas.
        decimal=table.decimal if table.decimal.encode() in block else ".",
        usecols=sorted({*dtypes, *layout.integers}),
        dtype=dtypes,
        keep_default_na=False,
        na_values=list(MISSING),
        low_memory=False,
    )


def _is_changed(column: pd.Series, kinds: type | tuple[type, ...]) -> bool:
    """Tell whether pandas has made something else of the spellings in a column."""
    spellings = column.cat.categories
    return len(spellings) > 0 and not isinstance(spellings[0], kinds)


def _integers(
    frame: pd.DataFrame, block: bytes, table: Table, layout: Layout
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Return the whole numbers, and in which rows all of them could be read."""
    # Asked for int64, pandas would turn one 1.0 in a column, and all cells with it, into floats.
    odd = [p for p in layout.integers if frame[p].dtype != np.int64]
    texts = _read_texts(block, table, odd)
    if len(texts) != len(frame) * bool(odd):
        raise ValueError("lines that are blank in these columns")
    is_whole = np.ones(len(frame), np.bool_)
    integers = np.empty((len(layout.integers), len(frame)), np.int64)
    for place, position in enumerate(layout.integers):
        if position in odd:
            integers[place], is_read = _read_integers(texts[position], table.decimal)
            is_whole &= is_read
        else:
            integers[place] = frame[position]
    return integers, is_whole


def _read_integers(texts: pd.Series, decimal: str) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Read whole numbers from text exactly: each spelling once, since a spreadsheet makes few."""
    code, spellings = pd.factorize(texts)
    # The last entry is for the code -1, of a row that ends before its cell.
    values = [*(_integer(spelling.strip(), decimal) for spelling in spellings), None]
    integers = np.array([value or 0 for value in values], np.int64)
    return integers[code], np.array([value is not None for value in values])[code]


def _read_texts(block: bytes, table: Table, positions: list[int]) -> pd.DataFrame:
    """Read columns as the text that they are."""
    if not positions:
        return pd.DataFrame()
    return pd.read_csv(
        io.BytesIO(block),
        header=None,
        sep=table.delimiter,
        usecols=sorted(positions),
        dtype="object",
        na_filter=False,
        low_memory=False,
    )


def _may_be_truth_values(numbers: FloatArray) -> bool:
    """Tell whether a column holds zeros and ones alone, as positions never do."""
    is_known = numbers == numbers  # NaN is not itself
    # The first number tells of nearly every block.
    if numbers[np.argmax(is_known)] not in (0, 1):
        return False
    known = numbers[is_known]
    return bool(((known == 0) | (known == 1)).all())


def _has_words(block: bytes, table: Table, layout: Layout) -> bool:
    """Tell whether a cell of the decimal columns is a truth value."""
    as_text = Layout(keys=layout.numbers, integers=(), numbers=(), flag=layout.numbers[0])
    frame = _read_frame(block, table, as_text, "object")
    return any(flag(cell) < FLAG_UNKNOWN and cell.isalpha() for cell in _texts(frame))


def _texts(frame: pd.DataFrame) -> set[str]:
    """Return the different texts in a frame; an empty cell has none."""
    return {cell for name in frame for cell in frame[name] if isinstance(cell, str)}


def _combine(columns: list[pd.Series]) -> tuple[list[tuple[str, ...]], IntArray]:
    """Number the combinations of identifiers; -1 where the first of them is missing.

    Raises
    ------
    ValueError
        When there are blanks around one: only the slow reader takes them off.
    """
    names: list[list[str]] = []
    codes: list[IntArray] = []
    for column in columns:
        code, uniques = pd.factorize(column)
        if any(name != name.strip() for name in uniques):
            raise ValueError("blanks around an identifier")
        names.append([*uniques, ""])
        # An empty cell has the code -1: it becomes the last one, the empty name.
        codes.append(code % len(names[-1]))
    known = codes[0] < len(names[0]) - 1
    shape = tuple(len(n) for n in names)
    numbering, seen = pd.factorize(np.ravel_multi_index([c[known] for c in codes], shape))
    key = np.full(len(known), -1, np.int64)
    key[known] = numbering
    indices = np.unravel_index(seen, shape)
    keys = [
        tuple(n[i] for n, i in zip(names, row, strict=True)) for row in zip(*indices, strict=True)
    ]
    return keys, key


def _flags(column: pd.Series) -> npt.NDArray[np.uint8]:
    code, spellings = pd.factorize(column)
    # The last entry is for the code -1: an empty cell, so nothing was detected.
    # pandas has made truth values of a column with nothing else in it.
    return np.array([*(flag(str(spelling)) for spelling in spellings), 0], np.uint8)[code]


class _OfFixations(TypedDict):
    in_fixation: npt.NDArray[np.uint8]
    fixation: IntArray


def _fixations(frame: pd.DataFrame, table: Table, layout: Layout) -> _OfFixations:
    if layout.fixation is None:
        return _OfFixations(
            in_fixation=np.zeros(len(frame), np.uint8),
            fixation=np.full(len(frame), NO_FIXATION),
        )
    ids = frame[layout.fixation]
    if ids.dtype == np.float64:
        # pandas makes NaN of nothing but the spellings of an empty cell.
        values = ids.to_numpy()
        is_known = values == values
        numbers = np.full(len(values), NO_FIXATION)
        numbers[is_known] = values[is_known]
        return _OfFixations(in_fixation=is_known.astype(np.uint8), fixation=numbers)
    code, spellings = pd.factorize(ids)
    # The last entry is for the code -1: an empty cell.
    filled = [*(_is_filled(spelling) for spelling in spellings), False]
    known = [_fixation(spelling.strip(), table.decimal) for spelling in spellings]
    return _OfFixations(
        in_fixation=np.array(filled, np.uint8)[code],
        fixation=np.array([*known, NO_FIXATION], np.int64)[code],
    )


def _fixation(cell: str, decimal: str) -> int:
    """Read the id of a fixation."""
    value = _number(cell, decimal)
    if abs(value) < _EXACT:
        return int(value) if value.is_integer() else NO_FIXATION
    whole = _integer(cell, decimal)
    return NO_FIXATION if whole is None else whole


def _is_filled(cell: str) -> bool:
    return cell.strip() not in MISSING


def flag(cell: str) -> int:
    """Read a yes or no: 0 no, 1 yes, 2 neither; an empty cell is a no."""
    spelling = cell.strip()
    return 0 if spelling in MISSING else _FLAGS.get(spelling.lower(), FLAG_UNKNOWN)


def _parse_by_line(block: bytes, table: Table, layout: Layout) -> Rows:
    """Read a block cell by cell; slow, and never fails."""
    # Nothing but line ends is no work, or a small packed file could take minutes.
    lines = [] if block.isspace() else _text_lines(block)
    # And the same line over and over is read once.
    code, different = pd.factorize(np.array(lines, object))
    keys: dict[tuple[str, ...], int] = {}
    key: list[int] = []
    integers: list[int] = []
    numbers: list[float] = []
    flags: list[int] = []
    readable: list[bool] = []
    in_fixation: list[bool] = []
    fixations: list[int] = []
    place: list[int] = []
    for line in different:
        cells = _row(line, table)
        place.append(-1 if cells is None else len(key))
        if cells is None:
            continue
        row_key = _key(cells, layout)
        row_integers = [_integer(cells[p], table.decimal) for p in layout.integers]
        key.append(keys.setdefault(row_key, len(keys)) if row_key[0] else -1)
        readable.append(row_key[0] != "" and None not in row_integers)
        integers.extend(value or 0 for value in row_integers)
        numbers.extend(_number(cells[p], table.decimal) for p in layout.numbers)
        flags.append(_row_flag(cells, table, layout))
        fixation = "" if layout.fixation is None else cells[layout.fixation]
        in_fixation.append(_is_filled(fixation))
        fixations.append(_fixation(fixation, table.decimal))
    row = np.array(place, np.int64)[code]
    row = row[row >= 0]
    return Rows(
        keys=list(keys),
        key=np.array(key, np.int64)[row],
        integers=np.array(integers, np.int64).reshape(len(key), len(layout.integers)).T[:, row],
        numbers=np.array(numbers, np.float64).reshape(len(key), len(layout.numbers)).T[:, row],
        flag=np.array(flags, np.uint8)[row],
        readable=np.array(readable, np.bool_)[row],
        lines=block.count(b"\n") + (block[-1:] not in (b"\n", b"")),
        in_fixation=np.array(in_fixation, np.uint8)[row],
        fixation=np.array(fixations, np.int64)[row],
    )


def _text_lines(block: bytes) -> list[str]:
    return block.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")


def _row(line: str, table: Table) -> list[str] | None:
    """Split a line; None for a blank one, and for the header again, as in joined files."""
    if not line.strip():
        return None
    cells = split_line(line.removeprefix(_MARK).replace("\x00", "\ufffd"), table.delimiter)
    if tuple(cells) == table.columns:
        return None
    return cells + [""] * (len(table.columns) - len(cells))


def split_line(line: str, delimiter: str) -> list[str]:
    """Split a line as `csv` does; none where it cannot be split."""
    if '"' not in line and "\r" not in line and len(line) < csv.field_size_limit():
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        # One line at a time: a stray quote then harms its own line only.
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    except (csv.Error, StopIteration):
        return []


def _key(cells: list[str], layout: Layout) -> tuple[str, ...]:
    return tuple("" if cells[p] in MISSING else cells[p] for p in layout.keys)


def _row_flag(cells: list[str], table: Table, layout: Layout) -> int:
    return FLAG_UNKNOWN if len(cells) > len(table.columns) else flag(cells[layout.flag])


def explain_row(block: bytes, row: int, table: Table, layout: Layout) -> tuple[int, str]:
    """Say why a row of a block cannot be read.

    Parameters
    ----------
    block : bytes
    row : int
        Position in what `parse_block` made of the block.
    table : Table
    layout : Layout

    Returns
    -------
    line : int
        The row's line in the block, from 1.
    reason : str
        A clause that names the column and repeats the cell.
    """
    split = ((number, _row(line, table)) for number, line in enumerate(_text_lines(block), 1))
    rows = ((number, cells) for number, cells in split if cells is not None)
    number, cells = next(islice(rows, row, None))
    return number, _reason(cells, table, layout)


def count_grouped(block: bytes, rows: IntArray, table: Table, layout: Layout) -> int:
    """Count the rows with separators of thousands in a position, such as '1,234.5'.

    Parameters
    ----------
    block : bytes
    rows : int64 array
        Positions in what `parse_block` made of the block, ascending.
    table : Table
    layout : Layout
    """
    wanted = set(rows.tolist())
    split = (_row(line, table) for line in _text_lines(block))
    kept = (cells for cells in split if cells is not None)
    return sum(
        any(_GROUPED.fullmatch(cells[p]) for p in layout.numbers)
        for row, cells in enumerate(kept)
        if row in wanted and len(cells) <= len(table.columns)
    )


def _reason(cells: list[str], table: Table, layout: Layout) -> str:
    names = table.columns
    if len(cells) > len(names):
        reason = f"{len(cells)} cells under {len(names)} columns"
        if table.delimiter == ",":
            reason += ", as when decimal commas stand beside commas that separate the cells"
        return reason
    faults = [
        (not _key(cells, layout)[0], layout.keys[0], "no id"),
        *((_integer(cells[p], table.decimal) is None, p, "no whole number")
          for p in layout.integers),
        (flag(cells[layout.flag]) == FLAG_UNKNOWN, layout.flag, "neither true nor false"),
        *((not math.isfinite(_number(cells[p], table.decimal)), p, "no number")
          for p in layout.numbers),
    ]  # fmt: skip
    position, what = next(
        (p, what) for is_wrong, p, what in [*faults, (True, 0, "odd")] if is_wrong
    )
    cell = shown(cells[position], _SHOWN_CHARACTERS)
    if not cell:
        return f"column '{names[position]}' is empty"
    return f"column '{names[position]}' holds '{cell}', which is {what}"


def _is_plain(cell: str) -> bool:
    # Python also reads '1_000' and digits of other scripts as numbers; pandas does not.
    return cell.isascii() and "_" not in cell


def whole_number(cell: str) -> int | None:
    """Read a whole number of 64 bits exactly; None where the cell is none.

    Examples
    --------
    >>> whole_number("1.67041E+18"), whole_number("soon")
    (1670410000000000000, None)
    """
    return _integer(cell, ".")


def _integer(cell: str, decimal: str) -> int | None:
    """Read a whole number exactly; a spreadsheet may have turned it into 1.67041E+18."""
    if not _is_plain(cell):
        return None
    if cell.isdigit() and len(cell) < 20:
        whole = int(cell)
        return whole if whole <= _INT64.max else None
    try:
        value = Decimal(cell.replace(decimal, "."))
        if not value.is_finite() or value.adjusted() > 19 or value != value.to_integral_value():
            return None
    except InvalidOperation:
        return None
    whole = int(value)
    return whole if _INT64.min <= whole <= _INT64.max else None


def _number(cell: str, decimal: str) -> float:
    try:
        return float(cell.replace(decimal, ".")) if _is_plain(cell) else math.nan
    except ValueError:
        return math.nan


def read_records(file: SourceFile) -> list[dict[str, str]]:
    """Read a small table of text, such as ``sections.csv``, as a list of rows.

    Names typed on old systems may not be UTF-8: then the table is read as Windows-1252.

    Raises
    ------
    LimitError
        When it is larger, or has more lines, than the limits allow.
    SourceError
        When it is no table.
    """
    limits = file.limits
    table = read_header(file)
    with open_text(file) as stream:
        data = stream.read(limits.small_table_bytes + 1)
    if len(data) > limits.small_table_bytes:
        raise LimitError(
            f"{file}: larger than {limits.small_table_bytes // 2**20} MB. "
            "Check that it is the file from the export."
        )
    encoding = "utf-8" if is_utf8(data) else "cp1252"
    text = io.TextIOWrapper(io.BytesIO(data), encoding, "replace", newline="")
    for _ in range(table.header_lines):
        text.readline()
    lines = (line.replace("\x00", "").replace(_MARK, "") for line in text)
    records = []
    try:
        for number, row in enumerate(csv.reader(lines, delimiter=table.delimiter)):
            if number == limits.sections:
                raise LimitError(
                    f"{file}: more than {limits.sections:,} lines, and each is a section. "
                    "Check that it is the file from the export."
                )
            cells = tuple(cell.strip() for cell in row)
            # The header again, as in joined files, is no row.
            if row and cells != table.columns:
                records.append(dict(zip(table.columns, cells, strict=False)))
    except csv.Error:
        raise SourceError(
            f"{file}: a cell is far too long, so this is no table. "
            "Give the file as it was downloaded."
        ) from None
    return records


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8, without a copy of all of them as text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _COUNTED_BYTES):
            decoder.decode(data[start : start + _COUNTED_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
