"""The bytes of a picture file to a reference image.

Every picture is decoded once, fully, when it comes in: a truncated or hostile file is
found then, not at the download. What is kept is the file, not its pixels.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gazeheat_core.errors import LimitError, PictureError
from gazeheat_core.exports.sources import LIMITS, Limits
from gazeheat_core.model import ReferenceImage, Size

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_EXIF_ORIENTATION = 0x0112
# Modes that are 8-bit RGB for anyone who decodes the file again: it is kept as it is.
_PLAIN_MODES = ("RGB", "L")
# A plain ground in the place of a picture: as large as a typical surface's crop.
PLAIN_LONGER_SIDE_PX = 1500
_PLAIN_GREY = (236, 236, 236)

# Pillow warns, for the whole process, from 89 megapixels on; here the limit is ours, and it
# is checked before a pixel is decoded.
if Image.MAX_IMAGE_PIXELS is not None:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, LIMITS.picture_pixels)

SampleCount = Callable[[Size], int]


def read_picture(
    data: bytes, label: str, samples_inside: SampleCount | None = None, limits: Limits = LIMITS
) -> ReferenceImage:
    """Check a picture file and bring it into the form that is kept.

    Of the pictures that it may mean, the one that most samples lie on is used.

    Parameters
    ----------
    data : bytes
        The file.
    label : str
        Its name in messages.
    samples_inside : callable, optional
        Number of gaze samples on a picture of a given ``(width, height)``. Without it
        (gaze in fractions of a surface) the picture is used as viewers show it.

    Raises
    ------
    PictureError
        When it is no picture, or damaged.
    LimitError
        When it has more pixels than the limits allow.
    """
    meanings = _meanings(data, label, samples_inside is not None, limits)
    if samples_inside is None or len(meanings) == 1:
        return meanings[0].keep()
    return max(meanings, key=lambda meaning: samples_inside(meaning.picture.size)).keep()


def read_pictures(
    data: bytes, label: str, *, by_gaze: bool, limits: Limits = LIMITS
) -> tuple[ReferenceImage, ...]:
    """Check a picture file and return what it may mean, mostly one picture.

    A phone marks a turned photo with an EXIF tag, and viewers turn it. Gaze in pixels
    belongs to one of the two, the picture as stored or as turned: the one that more
    samples lie on, and the first, as stored, when both hold the same number.

    Parameters
    ----------
    data : bytes
        The file.
    label : str
        Its name in messages.
    by_gaze : bool
        Whether the gaze shall tell, since it is in pixels; else the picture is used as
        viewers show it.

    Raises
    ------
    PictureError
        When it is no picture, or damaged.
    LimitError
        When it has more pixels than the limits allow.
    """
    return tuple(meaning.keep() for meaning in _meanings(data, label, by_gaze, limits))


class _Meaning(NamedTuple):
    """What a file may mean; brought into the form that is kept only when it is chosen.

    `data` is the file itself where it is kept as it is.
    """

    picture: Image.Image
    label: str
    data: bytes = b""
    is_transposed: bool = False
    notices: tuple[str, ...] = ()

    def keep(self) -> ReferenceImage:
        data = self.data or _as_png(self.picture, self.label)
        return ReferenceImage(self.picture.size, data, self.is_transposed, self.notices)


def _meanings(data: bytes, label: str, by_gaze: bool, limits: Limits) -> list[_Meaning]:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            _check_pixels(label, opened.size, limits)
            opened.load()
            # Only now: a PNG may carry the tag behind its pixels, and a TIFF is turned by Pillow.
            orientation = opened.getexif().get(_EXIF_ORIENTATION, 1)
            is_turned = orientation in range(2, 9)
            is_kept = opened.mode in _PLAIN_MODES and opened.format in ("JPEG", "PNG")
            if is_kept and not is_turned and not opened.has_transparency_data:
                return [_Meaning(opened, label, data)]
            picture = opened.copy()
    except UnidentifiedImageError:
        raise PictureError(f"{label}: this is no picture. Give a JPEG or a PNG file.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise LimitError(_too_many_pixels(label, "far", limits)) from None
    except (OSError, ValueError, SyntaxError, EOFError):
        raise PictureError(
            f"{label}: the picture is damaged or incomplete. Download it again, "
            "or open it in a picture editor and save it as PNG."
        ) from None

    if not is_turned:
        return [_Meaning(picture, label)]
    turned = ImageOps.exif_transpose(picture)

    def told(used: Image.Image, how: str) -> _Meaning:
        notice = (
            f"{label} carries a rotation tag (EXIF {orientation}). It is used {how}: "
            f"{_size(used.size)}" + (", which is where the gaze lies." if by_gaze else ".")
        )
        return _Meaning(used, label, is_transposed=used is turned, notices=(notice,))

    as_shown = told(turned, "turned, as picture viewers show it")
    if not by_gaze:
        return [as_shown]
    stored = told(picture, "as stored, without turning it")
    # Gaze fits two pictures of one size alike.
    return [stored, as_shown] if turned.size != picture.size else [stored]


def plain_picture(ratio: tuple[float, float], notices: tuple[str, ...] = ()) -> ReferenceImage:
    """Make a plain ground of a given width : height ratio, for a surface without picture.

    Raises
    ------
    PictureError
        When the ratio is not positive, or too far from square to be a surface.

    Examples
    --------
    >>> plain_picture((16, 9)).size
    (1500, 844)
    """
    width, height = ratio
    if not (width > 0 and height > 0 and 0.01 <= width / height <= 100):
        raise PictureError(
            f"The ratio {width:g} : {height:g} cannot be used. Give two positive numbers, "
            "such as 16 : 9, the longer at most 100 times the shorter."
        )
    longer = max(width, height)
    size = (
        round(PLAIN_LONGER_SIDE_PX * (width / longer)),
        round(PLAIN_LONGER_SIDE_PX * (height / longer)),
    )
    return ReferenceImage(
        size, _as_png(Image.new("RGB", size, _PLAIN_GREY), "ground"), False, notices
    )


def resized_picture(image: ReferenceImage, size: Size, notice: str) -> ReferenceImage:
    """Bring a picture to another size, and say so."""
    with Image.open(io.BytesIO(image.data)) as opened:
        resized = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return ReferenceImage(
        size, _as_png(resized, "picture"), image.exif_transposed, (*image.notices, notice)
    )


def same_aspect(a: Size, b: Size) -> bool:
    """Whether two sizes have the same shape, up to rounding to whole pixels and 1 %.

    Examples
    --------
    >>> same_aspect((1500, 958), (800, 511)), same_aspect((1500, 958), (958, 1500))
    (True, False)
    """
    ratio = (a[0] * b[1]) / (a[1] * b[0])
    return 0.99 <= ratio <= 1 / 0.99


def _size(size: Size) -> str:
    return f"{size[0]:,} × {size[1]:,} px"


def _check_pixels(label: str, size: Size, limits: Limits) -> None:
    if size[0] * size[1] > limits.picture_pixels:
        raise LimitError(_too_many_pixels(label, f"{_size(size)}, that is", limits))


def _too_many_pixels(label: str, found: str, limits: Limits) -> str:
    return (
        f"{label}: {found} more than {limits.picture_pixels // 1_000_000} megapixels. "
        "Give a smaller version of the picture with the same aspect ratio."
    )


def _as_png(picture: Image.Image, label: str) -> bytes:
    out = io.BytesIO()
    rgb = _as_rgb(picture, label)
    rgb.info = {}  # a rotation tag or a profile of other colours is true no more
    # Quick rather than small: this file is only kept in memory.
    rgb.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _as_rgb(picture: Image.Image, label: str) -> Image.Image:
    """Convert any picture to 8-bit RGB, clear parts on white."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        # Pillow would cut 16-bit greys off at 255 instead of scaling them.
        grey = np.asarray(picture).astype(np.int64)
        return Image.fromarray((np.clip(grey, 0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise PictureError(
            f"{label}: a picture of floating point numbers has no colours. Save it as PNG."
        )
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, clear).convert("RGB")
    return picture.convert("RGB")
