"""The bytes of a picture file to a reference image.

Every picture is decoded once, fully, when it comes in: a truncated or hostile file is
found then, not at the download. What is kept is a file, not its pixels, and everyone who
decodes it gets the same sRGB colours: the file that was given where it is plain already,
else a PNG made from it.

A picture may have 100 million pixels, so it is never held twice: what is done to its
pixels is done strip by strip on the way into the PNG.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
import pi_heif
from PIL import Image, ImageCms, JpegImagePlugin, UnidentifiedImageError

from gazeheat_core.errors import LONGEST_NAME, GazeheatError, LimitError, PictureError, shown
from gazeheat_core.exports.sources import LIMITS, Limits
from gazeheat_core.model import ReferenceImage, Size
from gazeheat_core.png import encode_strips

# A file's name and that of its ZIP.
_LONGEST_LABEL = 2 * LONGEST_NAME + len(" in ")
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF", "HEIF")
# Compressions of a TIFF whose decoding costs no more than its pixels; a JPEG inside a TIFF,
# say, may have any number of passes.
_TIFF_COMPRESSIONS = (
    "raw",
    "packbits",
    "tiff_lzw",
    "tiff_deflate",
    "tiff_adobe_deflate",
    "group3",
    "group4",
    "tiff_ccitt",
)
_EXIF_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Modes that are 8-bit colours for anyone who decodes the file again: it is kept as it is.
_PLAIN_MODES = ("RGB", "L", "P", "1")
_GREY_MODES = ("1", "L", "LA", "La", "I")
# Bytes a pixel that Pillow holds; four for every other mode.
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_WEBP_BYTES = 16
# The video frame in up to 16 bits a colour, the colours made of it, and Pillow's own copy.
_VIDEO_FRAME_BYTES = 14
_FREE_BYTES = 6
# Formats whose way of turning is no EXIF tag but a part of the picture, which all follow.
_TURNED_BY_ITSELF = ("AVIF", "HEIF")
# What the first bytes of these say, for pictures that cannot be read.
_FTYP_NAMES = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "a HEIC photo"),
    **dict.fromkeys((b"mif1", b"msf1"), "a HEIC photo"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF picture"),
}
# A marker of a JPEG that is followed by its length. Decoders pass over those below 0xC0.
_JPEG_SEGMENT = re.compile(rb"\xff([\xc0-\xcf\xda-\xfe])(..)", re.DOTALL)
_START_OF_SCAN = b"\xda"

# A plain ground in the place of a picture: as large as a typical surface's crop.
PLAIN_LONGER_SIDE_PX = 1500
_PLAIN_GREY = (236, 236, 236)

# What is said of a rotation tag where the gaze is in pixels.
_WHERE_GAZE_LIES = ", which is where the gaze lies."
_A_GUESS = (
    ". The gaze does not tell whether that is right, since about as much of it lies on the "
    "picture the other way. If the picture lies on its side or is mirrored, turn it in a picture "
    "editor, save it, and give that file."
)

# Two steps of 255 cannot be seen, and tell sRGB in all its spellings from other colours.
_SAME_COLOUR = 2

# Pillow warns, for the whole process, from 89 megapixels on, and refuses to tell the size of a
# picture of twice as many. Here the limit is ours, and it is checked before a pixel is decoded.
# Its other warnings are about tags that it skips: what matters to the user is an error or a
# notice.
if Image.MAX_IMAGE_PIXELS is not None:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, LIMITS.picture_side_px**2)
warnings.filterwarnings("ignore", module=r"PIL\.")
pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

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
    inside = [samples_inside(meaning.size) for meaning in meanings]
    best = meanings[inside.index(max(inside))].keep()
    return as_guess(best) if inside.count(max(inside)) > 1 else best


def read_pictures(
    data: bytes, label: str, *, by_gaze: bool, limits: Limits = LIMITS
) -> tuple[ReferenceImage, ...]:
    """Check a picture file and return what it may mean, mostly one picture.

    A phone marks a turned photo with an EXIF tag, and viewers turn it. Gaze in pixels
    belongs to one of the two, the picture as stored or as turned: the one that more
    samples lie on, and the first, as stored, when both hold the same number; see `as_guess`.

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


def as_guess(image: ReferenceImage) -> ReferenceImage:
    """Say of a picture with a rotation tag that the gaze does not tell which way it belongs."""
    *rest, last = image.notices
    return replace(image, notices=(*rest, last.removesuffix(_WHERE_GAZE_LIES) + _A_GUESS))


class _Meaning(NamedTuple):
    """What a file may mean; brought into the form that is kept only when it is chosen.

    Attributes
    ----------
    label : str
    size : (int, int)
        Width and height, turned as `orientation` says.
    picture : PIL image
        As stored in the file.
    orientation : int
        The EXIF tag that is followed, 1 for as stored.
    colours : ImageCms transform or None
        To sRGB.
    data : bytes
        The file itself where it is kept as it is.
    notices : tuple of str
    """

    label: str
    size: Size
    picture: Image.Image
    orientation: int = 1
    colours: ImageCms.ImageCmsTransform | None = None
    data: bytes = b""
    notices: tuple[str, ...] = ()

    def keep(self) -> ReferenceImage:
        def strip(top: int, bottom: int) -> Image.Image:
            stored = _turned_strip(self.picture, self.orientation, top, bottom)
            return _as_srgb(stored, self.colours)

        with _explained(self.label):
            data = self.data or encode_strips(self.size, "RGB", strip)
        return ReferenceImage(self.size, data, self.orientation != 1, self.notices)


def _meanings(data: bytes, label: str, by_gaze: bool, limits: Limits) -> list[_Meaning]:
    label = shown(label, _LONGEST_LABEL)
    with _explained(label, data, limits):
        return _decode(data, label, by_gaze, limits)


def _decode(data: bytes, label: str, by_gaze: bool, limits: Limits) -> list[_Meaning]:
    opened = Image.open(io.BytesIO(data), formats=_FORMATS)
    _check_pixels(label, opened.size, limits)
    if opened.mode == "F":
        raise PictureError(
            f"{label}: a picture of floating point numbers has no colours. Save it as PNG."
        )
    scans = _count_scans(data) if isinstance(opened, JpegImagePlugin.JpegImageFile) else 1
    _check_scans(label, opened.size, scans, limits)
    if opened.format == "TIFF":
        _check_compression(label, opened)
    if opened.format != "JPEG":
        _check_memory(label, opened, _bytes_a_pixel(opened, scans), len(data), limits)
        # A PNG may carry tag and profile behind its pixels, and Pillow turns a TIFF.
        opened.load()
    size = opened.size
    orientation = _orientation(opened)
    colours, notices = _to_srgb(opened, label)
    is_plain = opened.mode in _PLAIN_MODES and opened.format in ("JPEG", "PNG")
    if is_plain and orientation == 1 and colours is None and not opened.has_transparency_data:
        _check_memory(label, opened, _coefficient_bytes(opened, scans), len(data), limits)
        # Small pixels are enough to find damage: every byte is read for them, too.
        opened.draft(opened.mode, (max(1, size[0] // 8), max(1, size[1] // 8)))
        opened.load()
        return [_Meaning(label, size, opened, data=data, notices=notices)]
    _check_memory(label, opened, _bytes_a_pixel(opened, scans), len(data), limits)
    opened.load()
    stored = _Meaning(label, size, opened, colours=colours, notices=notices)
    if orientation == 1:
        return [stored]
    turned = stored._replace(size=_turned_size(size, orientation), orientation=orientation)
    if opened.format in _TURNED_BY_ITSELF:
        return [turned]

    # Gaze fits two pictures of one size alike.
    is_told = turned.size != size
    by = (_WHERE_GAZE_LIES if is_told else _A_GUESS) if by_gaze else "."

    def told(used: _Meaning, how: str) -> _Meaning:
        notice = (
            f"{label} carries a rotation tag (EXIF {orientation}). It is used {how}: "
            f"{_size(used.size)}{by}"
        )
        return used._replace(notices=(*notices, notice))

    as_shown = told(turned, "turned, as picture viewers show it")
    if not by_gaze:
        return [as_shown]
    as_stored = told(stored, "as stored, without turning it")
    return [as_stored, as_shown] if is_told else [as_stored]


def stated_sizes(data: bytes, *, by_gaze: bool) -> tuple[Size, ...]:
    """Return the sizes that a picture may have by its first bytes, as `read_pictures`.

    Parameters
    ----------
    data : bytes
        The beginning of the file.
    by_gaze : bool
        As for `read_pictures`.

    Returns
    -------
    tuple of (int, int)
        Empty where they do not tell.
    """
    try:
        opened = Image.open(io.BytesIO(data), formats=_FORMATS)
        orientation, size = _orientation(opened), opened.size
    except Exception:  # of any kind; what is wrong with the picture is told by who reads it
        return ()
    turned = _turned_size(size, orientation)
    if not by_gaze or opened.format in _TURNED_BY_ITSELF:
        return (turned,)
    return (size, turned) if turned != size else (size,)


def _turned_size(size: Size, orientation: int) -> Size:
    return size if orientation < 5 else (size[1], size[0])


@contextmanager
def _explained(label: str, data: bytes = b"", limits: Limits = LIMITS) -> Iterator[None]:
    """Turn whatever Pillow raises on bad bytes into a message; the one place for it.

    Its plugins raise nearly every kind of error, from `struct.error` to `AssertionError`.
    """
    try:
        yield
    except GazeheatError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{label}: {_what_it_is(data)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise LimitError(_too_many_pixels(label, "far", limits)) from None
    except MemoryError:
        raise PictureError(
            f"{label}: there is not enough memory to read this picture. Give a smaller version "
            "with the same aspect ratio."
        ) from None
    except Exception:
        raise PictureError(
            f"{label}: the picture is damaged or incomplete. Download it again, "
            "or open it in a picture editor and save it as PNG."
        ) from None


def _what_it_is(data: bytes) -> str:
    name = _FTYP_NAMES.get(data[8:12]) if data[4:8] == b"ftyp" else None
    if name is None:
        return "this is no picture. Give a JPEG or a PNG file."
    phones = ", as iPhones take them," if "HEIC" in name else ""
    return (
        f"this is {name}{phones} that is damaged or incomplete. Send or download it again, or "
        "save it as JPEG in its full size, and give that file."
    )


def _orientation(opened: Image.Image) -> int:
    """Return the rotation tag; 1, which turns nothing, where there is none that makes sense."""
    try:
        tag = opened.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # of any kind; the pixels do not depend on it
        return 1
    return tag if isinstance(tag, int) and tag in _TURNS else 1


def _to_srgb(
    opened: Image.Image, label: str
) -> tuple[ImageCms.ImageCmsTransform | None, tuple[str, ...]]:
    """Return what brings a picture's colours to sRGB, and notices.

    None where they are sRGB: without a profile they are taken for it, as everywhere.
    Colours that sRGB has too keep their look exactly (relative colorimetric); those it
    lacks become the nearest it has. Tables for another intent are rare in photos, and
    without them the other intents give the same.
    """
    icc = opened.info.get("icc_profile")
    if not icc:
        return None, ()
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[profile.profile.xcolor_space.strip()]
        kind = "CMYK" if opened.mode == "CMYK" else "L" if _is_grey(opened) else "RGB"
        if mode != kind and (mode, kind) != ("RGB", "L"):
            raise ValueError("a profile of another kind of colours")
        colours = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return (None if mode == "RGB" and _changes_nothing(colours) else colours), ()
    except Exception:  # of any kind; the picture is whole without it
        return None, (
            f"{label}: its colour profile cannot be used and is left out. "
            "The picture's colours may look a little different.",
        )


def _is_grey(picture: Image.Image) -> bool:
    return picture.mode in _GREY_MODES or picture.mode.startswith("I;16")


def _changes_nothing(colours: ImageCms.ImageCmsTransform) -> bool:
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 9, 3)
    changed = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), colours), np.int16)
    return bool(np.abs(changed - cube).max() <= _SAME_COLOUR)


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
    return _plain(size, notices)


def plain_screen(size: tuple[float, float], limits: Limits = LIMITS) -> ReferenceImage:
    """Make a plain ground of a size in pixels, for gaze on a screen or a picture without one.

    Raises
    ------
    PictureError
        When these are no whole numbers, or so large that no picture may be.

    Examples
    --------
    >>> plain_screen((1920.0, 1080.0)).size
    (1920, 1080)
    """
    width, height = size
    most = limits.picture_side_px
    is_whole = width == int(width) and height == int(height)
    if not (is_whole and min(size) >= 1 and max(size) <= most) or (
        width * height > limits.picture_pixels
    ):
        raise PictureError(
            f"A ground of {width:g} × {height:g} px cannot be made. Give the width and height of "
            f"the screen or picture in whole pixels, each from 1 to {most:,}, and at most "
            f"{limits.picture_pixels:,} in all."
        )
    return _plain((int(width), int(height)))


def _plain(size: Size, notices: tuple[str, ...] = ()) -> ReferenceImage:
    def strip(top: int, bottom: int) -> Image.Image:
        return Image.new("RGB", (size[0], bottom - top), _PLAIN_GREY)

    return ReferenceImage(size, encode_strips(size, "RGB", strip), False, notices)


def resized_picture(image: ReferenceImage, size: Size, notice: str) -> ReferenceImage:
    """Bring a picture to another size, and say so."""
    with Image.open(io.BytesIO(image.data)) as opened:
        picture = opened if opened.mode == "RGB" else opened.convert("RGB")
        scale = picture.height / size[1]

        def strip(top: int, bottom: int) -> Image.Image:
            # Pillow also looks at the rows beyond the box, so that no seam shows.
            box = (0.0, top * scale, float(picture.width), bottom * scale)
            return picture.resize((size[0], bottom - top), Image.Resampling.LANCZOS, box)

        data = encode_strips(size, "RGB", strip)
    return ReferenceImage(size, data, image.exif_transposed, (*image.notices, notice))


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
    if max(size) > limits.picture_side_px:
        raise LimitError(
            f"{label}: {_size(size)}, that is more than {limits.picture_side_px:,} px on one "
            "side. Give a picture that is less long."
        )


def _too_many_pixels(label: str, found: str, limits: Limits) -> str:
    return (
        f"{label}: {found} more than {limits.picture_pixels // 1_000_000} megapixels. "
        "Give a smaller version of the picture with the same aspect ratio."
    )


def _count_scans(data: bytes) -> int:
    """Count the passes that a JPEG's data are stored in, those of an MPO's further pictures too.

    Segments are stepped over by their lengths, since their content may look like a marker.
    """
    scans = 0
    place = 2
    while segment := _JPEG_SEGMENT.search(data, place):
        scans += segment[1] == _START_OF_SCAN
        place = segment.start(2) + max(2, int.from_bytes(segment[2], "big"))
    return scans


def _check_scans(label: str, size: Size, scans: int, limits: Limits) -> None:
    if scans > 1 and size[0] * size[1] * scans > limits.picture_scan_pixels:
        raise LimitError(
            f"{label}: {_size(size)} stored in {scans:,} passes, which would take long to read. "
            "Open it in a picture editor and save it as PNG, or as a JPEG that is not progressive."
        )


def _check_compression(label: str, opened: Image.Image) -> None:
    compression = opened.info.get("compression", "raw")
    if compression not in _TIFF_COMPRESSIONS:
        raise PictureError(
            f"{label}: a TIFF of a kind that cannot be read here ({shown(compression)}). "
            "Save it as PNG."
        )


def _bytes_a_pixel(opened: Image.Image, scans: int) -> float:
    """Memory that the decoding takes."""
    if opened.format == "WEBP":
        return _WEBP_BYTES
    if opened.format in ("AVIF", "HEIF"):
        return _VIDEO_FRAME_BYTES
    pixel = _MODE_BYTES.get(opened.mode, 4)
    if opened.format == "TIFF":
        # The data of one strip, which may be all, beside the pixels; or a copy when turned.
        return 2 * pixel
    return pixel + _coefficient_bytes(opened, scans)


def _coefficient_bytes(opened: Image.Image, scans: int) -> float:
    """Memory a pixel for what a JPEG decoder holds before there are pixels."""
    if scans < 2 or not isinstance(opened, JpegImagePlugin.JpegImageFile):
        return 0
    # A number of two bytes for each sample; colours mostly have a quarter of the samples.
    sampling = [(across, down) for _, across, down, _ in opened.layer]
    most = max(across for across, _ in sampling) * max(down for _, down in sampling)
    return 2 * sum(across * down for across, down in sampling) / max(1, most)


def _check_memory(
    label: str, opened: Image.Image, bytes_a_pixel: float, file_bytes: int, limits: Limits
) -> None:
    """Refuse a small file that takes far more memory to decode than its pixels do."""
    needed_bytes = int(opened.width * opened.height * bytes_a_pixel)
    allowed_bytes = limits.picture_memory_bytes + 100 * file_bytes
    if bytes_a_pixel >= _FREE_BYTES and needed_bytes > allowed_bytes:
        raise LimitError(
            f"{label}: reading it takes {needed_bytes // 1_000_000:,} MB of memory, too much for "
            f"a file of {max(1, file_bytes // 1000):,} kB ({opened.format}, {_size(opened.size)}). "
            "Open it in a picture editor and save it as PNG."
        )


def _turned_strip(picture: Image.Image, orientation: int, top: int, bottom: int) -> Image.Image:
    """Return the rows of a picture from `top` to `bottom`, both counted when it is turned."""
    width, height = picture.size
    if orientation >= 7:
        box = (width - bottom, 0, width - top, height)
    elif orientation >= 5:
        box = (top, 0, bottom, height)
    elif orientation >= 3:
        box = (0, height - bottom, width, height - top)
    else:
        box = (0, top, width, bottom)
    strip = picture.crop(box)
    return strip if orientation == 1 else strip.transpose(_TURNS[orientation])


def _as_srgb(strip: Image.Image, colours: ImageCms.ImageCmsTransform | None) -> Image.Image:
    """Convert any picture to 8-bit sRGB, clear parts on white."""
    if strip.mode.startswith("I;16") or strip.mode == "I":
        # Pillow would cut 16-bit greys off at 255 instead of scaling them.
        grey = np.asarray(strip).astype(np.int64)
        strip = Image.fromarray((np.clip(grey, 0, 65535) // 257).astype(np.uint8))
    if not strip.has_transparency_data:
        return _in_srgb(strip, colours)
    clear = strip.convert("RGBA")
    white = Image.new("RGB", clear.size, (255, 255, 255))
    white.paste(_in_srgb(clear.convert("RGB"), colours), mask=clear.getchannel("A"))
    return white


def _in_srgb(strip: Image.Image, colours: ImageCms.ImageCmsTransform | None) -> Image.Image:
    if colours is None:
        return strip.convert("RGB")
    return cast(Image.Image, ImageCms.applyTransform(strip.convert(colours.input_mode), colours))
