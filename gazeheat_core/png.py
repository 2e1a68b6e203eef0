"""Pixels to a PNG file, a strip of rows at a time.

A picture may have 100 million pixels: whoever draws it makes one strip after the other, and
only the compressed file grows.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
from isal import isal_zlib
from PIL import Image

from gazeheat_core.model import Size

# About so many pixels are worked on at a time: few enough for the processor's cache.
_STRIP_PIXELS = 2**18
# Level 2 gains 0.5 %; level 3 costs two to six times the time.
_COMPRESS_LEVEL = 1
# Channels, and the number that stands for them in a PNG; each channel has 8 bits.
_MODES = {"L": (1, 0), "LA": (2, 4), "RGB": (3, 2), "RGBA": (4, 6)}
# PNG's number for a metre, in which it states a resolution.
_METRE = 1
# PNG's numbers for two of its filters: less the pixel on the left, less the one above.
_SUB, _UP = 1, 2
# Every 13th byte of a row tells which filter suits it; 13 shares no factor with the number
# of channels, so that all of them are looked at.
_LOOK_EVERY = 13
_LONGEST_KEYWORD = 79


def strips(size: Size) -> Iterator[tuple[int, int]]:
    """Return the strips in which a picture is drawn and encoded.

    Parameters
    ----------
    size : (int, int)
        Width and height in pixels.

    Yields
    ------
    (int, int)
        The first row, and the one behind the last.

    Examples
    --------
    >>> list(strips((2048, 300)))
    [(0, 128), (128, 256), (256, 300)]
    """
    width, height = size
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


class PngWriter:
    """A PNG file that grows by strips: the pixels and, where given, texts and a resolution.

    It carries no colour profile: all colours of this project are sRGB, which viewers take
    pixels without a profile for.

    Parameters
    ----------
    size : (int, int)
        Width and height in pixels.
    mode : str
        Pillow's name of the channels: ``L``, ``LA``, ``RGB`` or ``RGBA``.
    texts : mapping of str to str, optional
        Texts by their keywords, such as ``Title`` or ``Description``. A keyword has 1 to 79
        characters of Latin-1, neither of the two holds a NUL.
    dpi : float, optional
        Pixels in an inch, where the picture has a size on paper.

    Raises
    ------
    ValueError
        When the mode or a text does not fit.
    """

    def __init__(
        self,
        size: Size,
        mode: str,
        texts: Mapping[str, str] | None = None,
        *,
        dpi: float | None = None,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(f"A picture of mode {mode}: convert it to one of {', '.join(_MODES)}.")
        self._channels, number = _MODES[mode]
        self._file = io.BytesIO()
        self._file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">LLBBBBB", *size, 8, number, 0, 0, 0))
        if dpi is not None:
            # PNG counts in whole pixels a metre.
            per_metre = round(dpi / 0.0254)
            self._chunk(b"pHYs", struct.pack(">LLB", per_metre, per_metre, _METRE))
        for keyword, text in (texts or {}).items():
            self._chunk(b"iTXt", _text(keyword, text))
        self._packer = isal_zlib.compressobj(_COMPRESS_LEVEL)
        self._row_above = np.zeros(size[0] * self._channels, np.uint8)

    def add(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Append a strip below the ones before.

        Parameters
        ----------
        pixels : uint8 array, shape (rows, width, channels), or (rows, width) for one channel
        """
        rows = pixels.reshape(len(pixels), len(self._row_above))
        self._chunk(b"IDAT", self._packer.compress(self._filtered(rows).data))
        self._row_above = rows[-1].copy()

    def finish(self) -> bytes:
        """Return the file, once all rows are in it."""
        self._chunk(b"IDAT", self._packer.flush())
        self._chunk(b"IEND", b"")
        return self._file.getvalue()

    def _filtered(self, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return each row less its neighbour on the left or above, and which of the two.

        The one that leaves the smaller numbers is taken. Either one alone makes some heatmaps
        or drawings a tenth larger.
        """
        shape = (len(rows), 1 + rows.shape[1])
        n = self._channels
        sub = np.empty(shape, np.uint8)
        sub[:, 0] = _SUB
        sub[:, 1 : 1 + n] = rows[:, :n]
        np.subtract(rows[:, n:], rows[:, :-n], out=sub[:, 1 + n :])
        up = np.empty(shape, np.uint8)
        up[:, 0] = _UP
        np.subtract(rows[0], self._row_above, out=up[0, 1:])
        np.subtract(rows[1:], rows[:-1], out=up[1:, 1:])
        smaller = _magnitude(sub) < _magnitude(up)
        up[smaller] = sub[smaller]
        return up

    def _chunk(self, name: bytes, data: bytes) -> None:
        check = isal_zlib.crc32(data, isal_zlib.crc32(name))
        self._file.write(struct.pack(">L", len(data)) + name)
        self._file.write(data)
        self._file.write(struct.pack(">L", check))


def encode_strips(
    size: Size,
    mode: str,
    draw: Callable[[int, int], Image.Image],
    texts: Mapping[str, str] | None = None,
) -> bytes:
    """Encode a picture that is drawn strip by strip.

    Parameters
    ----------
    size : (int, int)
        Width and height in pixels.
    mode : str
        As of `PngWriter`.
    draw : callable
        Returns the rows from a first to a last one, that one not included, in that mode.
    texts : mapping of str to str, optional
        As of `PngWriter`.
    """
    writer = PngWriter(size, mode, texts)
    for top, bottom in strips(size):
        writer.add(np.asarray(draw(top, bottom)))
    return writer.finish()


def _magnitude(differences: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Estimate how far from 0 the differences of each row are, where 255 stands for -1."""
    signed = differences[:, 1::_LOOK_EVERY].view(np.int8)
    # The magnitude of -128 fits a byte without a sign only.
    magnitudes: npt.NDArray[np.int64] = np.abs(signed).view(np.uint8).sum(axis=1, dtype=np.int64)
    return magnitudes


def _text(keyword: str, text: str) -> bytes:
    """Return the content of an iTXt chunk: UTF-8, not compressed, of no stated language."""
    name = keyword.encode("latin-1", "ignore")
    if not 1 <= len(name) == len(keyword) <= _LONGEST_KEYWORD or "\0" in keyword + text:
        raise ValueError(
            f"The text {keyword!r} of a PNG: a keyword has 1 to {_LONGEST_KEYWORD} characters of "
            "Latin-1, and no NUL stands in it or in its text."
        )
    return name + b"\0\0\0\0\0" + text.encode()
