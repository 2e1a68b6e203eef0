"""The image files, at the reference image's exact size."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from gazeheat_core.colormaps import layer_table, to_levels
from gazeheat_core.contours import ContourPainter, contours
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import ReferenceImage, Size
from gazeheat_core.png import PngWriter, encode_strips, strips
from gazeheat_core.scale import colour_scale
from gazeheat_core.settings import Look

ImageFile: TypeAlias = Literal["heatmap", "overlay", "opaque"]
# Those that are made where no others are asked for.
IMAGE_FILES: tuple[ImageFile, ...] = ("heatmap", "overlay")
_MODES: dict[ImageFile, str] = {"heatmap": "RGBA", "overlay": "RGB", "opaque": "RGB"}

_DEFAULT = Look()

DISPLAY_LONGER_SIDE_PX = 1600
_DISPLAY_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Images:
    """The two images of a heatmap.

    Attributes
    ----------
    heatmap : PIL image, RGBA
        The heatmap alone, clear where no one looked.
    overlay : PIL image, RGB
        The heatmap over the reference image.
    """

    heatmap: Image.Image
    overlay: Image.Image


def level_strips(
    heatmap: Heatmap, size: Size, look: Look = _DEFAULT
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Resize a heatmap to a picture's size with Lanczos, as entries of the colour table.

    The 32-bit values of a large picture never exist all at once.

    Parameters
    ----------
    heatmap : Heatmap
    size : (int, int)
        Width and height in pixels.
    look : Look
        Its unit and top say what the last entry stands for.

    Yields
    ------
    top : int
        The first row of a strip.
    levels : uint8 array, shape (rows, width)
        0 for never gazed at, 255 for the top of the scale.
    """
    width, height = size
    rows, columns = heatmap.values.shape
    values = colour_scale(heatmap, look).painted(heatmap.values)
    grid = Image.fromarray(values.astype(np.float32))
    for top, bottom in strips(size):
        # Pillow also looks at the bins beyond the box, so that no seam shows.
        box = (0.0, top * rows / height, float(columns), bottom * rows / height)
        strip = grid.resize((width, bottom - top), Image.Resampling.LANCZOS, box)
        yield top, to_levels(np.asarray(strip))


@dataclass(frozen=True, slots=True)
class _Strip:
    """Some rows of what is drawn: over the picture, and in full colours."""

    top: int
    layer: npt.NDArray[np.uint8]
    opaque: npt.NDArray[np.uint8]


def _drawn_strips(
    heatmap: Heatmap, size: Size, look: Look, type_px: float | None = None
) -> Iterator[_Strip]:
    """Draw a heatmap, strip by strip."""
    if look.look == "contours":
        yield from _contour_strips(heatmap, size, look, type_px)
        return
    # Each entry as one 32-bit number: looked up in half the time of four 8-bit ones.
    table = layer_table(look).view(np.uint32)[:, 0]
    for top, levels in level_strips(heatmap, size, look):
        layer = table.take(levels).view(np.uint8).reshape(*levels.shape, 4)
        # The full colours of a spotlight are greys, and these the levels themselves.
        is_grey = look.look == "spotlight"
        full = np.broadcast_to(levels[..., None], (*levels.shape, 3)) if is_grey else layer[..., :3]
        yield _Strip(top, layer, full)


def _contour_strips(
    heatmap: Heatmap, size: Size, look: Look, type_px: float | None
) -> Iterator[_Strip]:
    """Draw contours: over the picture as strong as the opacity is, and on white."""
    painter = ContourPainter(contours(heatmap, size, look, type_px), size, type_px)
    for top, bottom in strips(size):
        layer = painter.paint(top, bottom)
        alone = Image.fromarray(layer)
        opaque = Image.new("RGB", alone.size, "white")
        opaque.paste(alone, mask=alone)
        layer = layer.copy()
        layer[..., 3] = np.rint(layer[..., 3] * np.float32(look.opacity))
        yield _Strip(top, layer, np.asarray(opaque))


def render_heatmap(heatmap: Heatmap, size: Size, look: Look) -> Image.Image:
    """Draw the heatmap alone, RGBA, at a picture's size."""
    width, height = size
    pixels = np.empty((height, width, 4), np.uint8)
    for strip in _drawn_strips(heatmap, size, look):
        pixels[strip.top : strip.top + len(strip.layer)] = strip.layer
    return Image.fromarray(pixels)


def render(heatmap: Heatmap, image: ReferenceImage, look: Look) -> Images:
    """Draw both images, at the reference image's size.

    Laying the first over the reference image gives the second.
    """
    alone = render_heatmap(heatmap, image.size, look)
    overlay = open_picture(image)
    # A paste through the alpha channel is the "over" of two pictures, in whole numbers.
    overlay.paste(alone, mask=alone)
    return Images(alone, overlay)


def render_overlay(heatmap: Heatmap, image: ReferenceImage, look: Look) -> Image.Image:
    """Draw the heatmap over its picture, RGB, a strip at a time."""
    overlay = open_picture(image)
    lay_over(overlay, heatmap, look)
    return overlay


def lay_over(
    picture: Image.Image, heatmap: Heatmap, look: Look, type_px: float | None = None
) -> None:
    """Draw the heatmap over an RGB picture of any size, in place.

    Parameters
    ----------
    picture : PIL image, RGB
    heatmap : Heatmap
    look : Look
    type_px : float, optional
        The size of the type on contours, where it is another than the picture's size says.
    """
    for strip in _drawn_strips(heatmap, picture.size, look, type_px):
        alone = Image.fromarray(strip.layer)
        picture.paste(alone, (0, strip.top), alone)


def render_files(
    heatmap: Heatmap,
    image: ReferenceImage,
    look: Look,
    parts: Iterable[ImageFile] = IMAGE_FILES,
    texts: Mapping[str, str] | None = None,
) -> dict[ImageFile, bytes]:
    """Draw images straight into PNG files, without holding their pixels.

    All files carry the same colours, sRGB, and no profile: laying the heatmap over the
    reference image gives the overlay in viewers that follow profiles, too.

    Parameters
    ----------
    heatmap : Heatmap
    image : ReferenceImage
    look : Look
    parts : iterable of str
        ``heatmap`` for the heatmap alone, ``overlay`` for the heatmap over the picture, as
        of `render`; ``opaque`` for the map's full colours everywhere, also where no one looked:
        greys for the spotlight, and the lines on white for contours.
    texts : mapping of str to str, optional
        Texts to keep in each file, by their keywords; see `gazeheat_core.png.PngWriter`.

    Returns
    -------
    dict of str to bytes
        The files, by part.
    """
    writers = {part: PngWriter(image.size, _MODES[part], texts) for part in parts}
    picture = open_picture(image) if "overlay" in writers else None
    for strip in _drawn_strips(heatmap, image.size, look):
        if "heatmap" in writers:
            writers["heatmap"].add(strip.layer)
        if "opaque" in writers:
            writers["opaque"].add(strip.opaque)
        if picture is not None:
            alone = Image.fromarray(strip.layer)
            ground = picture.crop((0, strip.top, picture.width, strip.top + alone.height))
            ground.paste(alone, mask=alone)
            writers["overlay"].add(np.asarray(ground))
    return {part: writer.finish() for part, writer in writers.items()}


def open_picture(image: ReferenceImage) -> Image.Image:
    """Decode a reference image to RGB."""
    opened = _open(image)
    opened.load()
    picture = opened if opened.mode == "RGB" else opened.convert("RGB")
    # Its colours are sRGB; a profile or a tag that says so does not belong to the heat on it.
    picture.info = {}
    return picture


def _open(image: ReferenceImage) -> Image.Image:
    return Image.open(io.BytesIO(image.data), formats=("JPEG", "PNG"))


def display_jpeg(image: ReferenceImage) -> bytes:
    """Make the smaller picture that is shown on a screen, as a JPEG file."""
    shrink = min(1.0, DISPLAY_LONGER_SIDE_PX / max(image.size))
    width, height = (max(1, round(side * shrink)) for side in image.size)
    opened = _open(image)
    # A large JPEG is decoded at half its size, or less, where that is still enough.
    opened.draft(opened.mode, (width, height))
    # Greys stay greys until they are few: as RGB, each takes four times the memory.
    mode = "L" if opened.mode in ("1", "L") else "RGB"
    picture = opened if opened.mode == mode else opened.convert(mode)
    picture = picture.resize((width, height), Image.Resampling.LANCZOS).convert("RGB")
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_DISPLAY_JPEG_QUALITY, optimize=True)
    return out.getvalue()


def encode_png(image: Image.Image, texts: Mapping[str, str] | None = None) -> bytes:
    """Encode an image as a PNG file: its pixels and the given texts, nothing else.

    Parameters
    ----------
    image : PIL image of mode L, LA, RGB or RGBA
    texts : mapping of str to str, optional
        By their keywords; see `gazeheat_core.png.PngWriter`.

    Raises
    ------
    ValueError
        When the image has another mode, or a text does not fit.
    """

    def draw(top: int, bottom: int) -> Image.Image:
        return image.crop((0, top, image.width, bottom))

    return encode_strips(image.size, image.mode, draw, texts)
