"""The two image files, at the reference image's exact size."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gazeheat_core.colormaps import overlay_table, to_levels
from gazeheat_core.heatmap import Heatmap
from gazeheat_core.model import ReferenceImage, Size
from gazeheat_core.settings import Look

# Rows of the picture worked on at a time, so that the 32-bit values of a large one
# never exist all at once.
_STRIP_PX = 256
# Both files hold smooth gradients or a photo's noise: the slow settings of zlib gain
# little on them and cost many times the time. See tests/benchmarks.
PNG_COMPRESS_LEVEL = 1

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


def resize_levels(heatmap: Heatmap, size: Size) -> Image.Image:
    """Resize a heatmap to a picture's size with Lanczos, as entries of the colour table.

    Parameters
    ----------
    heatmap : Heatmap
    size : (int, int)
        Width and height in pixels.

    Returns
    -------
    PIL image of mode L: 0 for never gazed at, 255 for the longest.
    """
    width, height = size
    rows, columns = heatmap.values.shape
    grid = Image.fromarray(heatmap.values.astype(np.float32))
    levels = Image.new("L", size)
    for top in range(0, height, _STRIP_PX):
        bottom = min(top + _STRIP_PX, height)
        box = (0.0, top * rows / height, float(columns), bottom * rows / height)
        strip = grid.resize((width, bottom - top), Image.Resampling.LANCZOS, box)
        levels.paste(Image.fromarray(to_levels(np.asarray(strip))), (0, top))
    return levels


def render_heatmap(heatmap: Heatmap, size: Size, look: Look) -> Image.Image:
    """Draw the heatmap alone, RGBA, at a picture's size."""
    levels = resize_levels(heatmap, size)
    return Image.fromarray(overlay_table(look.colormap, look.opacity)[np.asarray(levels)])


def render(heatmap: Heatmap, image: ReferenceImage, look: Look) -> Images:
    """Draw both images, at the reference image's size.

    Laying the first over the reference image gives the second.
    """
    alone = render_heatmap(heatmap, image.size, look)
    overlay = open_picture(image)
    # A paste through the alpha channel is the "over" of two pictures, in whole numbers.
    overlay.paste(alone, mask=alone)
    return Images(alone, overlay)


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


def encode_png(image: Image.Image) -> bytes:
    """Encode an image as a PNG file."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=PNG_COMPRESS_LEVEL)
    return out.getvalue()
