"""The bytes of a picture file, and which picture fits the gaze."""

import functools
import io
import math
import random
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

import gazeheat_core as gh
from gazeheat_core.exports import Limits, read_export, read_study
from gazeheat_core.exports import find_exports as find
from gazeheat_core.exports import open_source as opened
from gazeheat_core.exports.picture import plain_picture, read_picture, same_aspect
from tests.builders import (
    EXIF_ORIENTATION,
    MM,
    RIM,
    Row,
    export_zip,
    gaze_csv,
    picture,
    picture_bytes,
)
from tests.heic import HEIC, TURNED_HEIC

SIZE = (60, 40)
TURNED = (40, 60)


def encoded(image, format="PNG", **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def pixels(image):
    """The pixels that anyone who decodes the kept file gets, as RGB."""
    with Image.open(io.BytesIO(image.data)) as kept:
        assert kept.format in ("JPEG", "PNG")
        assert kept.size == image.size
        assert not kept.has_transparency_data
        return np.asarray(kept.convert("RGB"))


def png(width, height, *chunks):
    """A PNG of 16-bit grey with the given chunks, written by hand."""
    head = struct.pack(">LLBBBBB", width, height, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))
        for name, data in ((b"IHDR", head), *chunks, (b"IEND", b""))
    )


def words(error, *expected):
    text = str(error.value)
    assert all(word in text for word in expected), text


# ---------------------------------------------------------------- kinds of files


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_plain_jpeg_or_png_is_kept_as_it_is(format, mode):
    data = picture_bytes(SIZE, format, mode=mode)
    image = read_picture(data, "p")
    assert image.data == data
    assert (image.size, image.exif_transposed, image.notices) == (SIZE, False, ())


@pytest.mark.parametrize("format", ["WEBP", "BMP", "TIFF"])
def test_other_formats_become_png(format):
    options = {"lossless": True} if format == "WEBP" else {}
    image = read_picture(encoded(picture(SIZE), format, **options), "p")
    assert (pixels(image) == np.asarray(picture(SIZE))).all()


@pytest.mark.parametrize(
    ("data", "turned"),
    [
        (HEIC, False),
        (TURNED_HEIC, True),
        (encoded(picture(SIZE), "AVIF"), False),
        (picture_bytes(SIZE, "AVIF", orientation=6), True),
    ],
    ids=["HEIC", "turned HEIC", "AVIF", "turned AVIF"],
)
@pytest.mark.parametrize("by_gaze", [False, True])
def test_a_phones_heic_or_avif_becomes_png_turned_once(data, turned, by_gaze):
    # Gaze would fit the picture as stored better, but every program turns these alike.
    image = read_picture(data, "IMG_1.jpg", (lambda size: size == SIZE) if by_gaze else None)
    expected = ImageOps.exif_transpose(picture(SIZE))
    if turned:
        expected = expected.transpose(Image.Transpose.ROTATE_270)
    assert (image.size, image.notices) == (TURNED if turned else SIZE, ())
    assert np.abs(pixels(image).astype(int) - np.asarray(expected)).max() <= 24  # small and lossy


@pytest.mark.parametrize("data", [HEIC, encoded(picture(SIZE), "AVIF")], ids=["HEIC", "AVIF"])
def test_limits_hold_for_heic_and_avif_before_they_are_decoded(data, monkeypatch):
    with pytest.raises(gh.PictureError, match=r"IMG_1\.heic: this is an? .* damaged or incomplete"):
        read_picture(data[: len(data) // 2], "IMG_1.heic")
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(gh.LimitError, match="60 × 40 px, that is more than 0 megapixels"):
        read_picture(data, "IMG_1.heic", limits=Limits(picture_pixels=2399))
    with pytest.raises(gh.LimitError, match="MB of memory"):
        read_picture(data, "IMG_1.heic", limits=Limits(picture_memory_bytes=-(10**6)))


def test_a_jpeg_of_several_pictures_gives_the_first():
    data = encoded(picture(SIZE), "MPO", save_all=True, append_images=[picture((6, 4))])
    assert np.allclose(pixels(read_picture(data, "p")), np.asarray(picture(SIZE)), atol=12)


@pytest.mark.parametrize("mode", ["1", "P", "L", "LA", "RGBA", "CMYK"])
def test_other_modes_become_rgb(mode):
    original = picture(SIZE, mode)
    image = read_picture(encoded(original, "TIFF" if mode == "CMYK" else "PNG"), "p")
    assert (pixels(image) == np.asarray(original.convert("RGB"))).all()


def test_a_cmyk_jpeg_becomes_rgb():
    image = read_picture(picture_bytes(SIZE, mode="CMYK"), "p")
    assert np.allclose(pixels(image), np.asarray(picture(SIZE)), atol=12)


def test_a_profile_of_other_colours_is_not_kept():
    data = encoded(picture(SIZE, "CMYK"), "JPEG", icc_profile=b"how to print")
    with Image.open(io.BytesIO(read_picture(data, "p").data)) as kept:
        assert "icc_profile" not in kept.info


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_cut(format):
    grey = Image.fromarray(np.array([[0, 256, 257, 32768, 65535]], np.uint16))
    assert pixels(read_picture(encoded(grey, format), "p"))[0, :, 0].tolist() == [0, 0, 1, 127, 255]


def test_16_bit_colours_are_scaled():
    row = b"\0" + struct.pack(">6H", 0, 32768, 65535, 65535, 0, 256)
    data = png(2, 1, (b"IDAT", zlib.compress(row)))
    head = struct.pack(">LLBBBBB", 2, 1, 16, 2, 0, 0, 0)
    data = data[:16] + head + struct.pack(">L", zlib.crc32(b"IHDR" + head)) + data[33:]
    assert pixels(read_picture(data, "p")).tolist() == [[[0, 128, 255], [255, 0, 1]]]


def test_clear_parts_lie_on_white():
    rgba = Image.new("RGBA", (3, 1), (0, 0, 0, 0))
    rgba.putpixel((1, 0), (0, 0, 255, 255))
    rgba.putpixel((2, 0), (0, 0, 0, 51))
    expected = [[[255, 255, 255], [0, 0, 255], [204, 204, 204]]]
    assert pixels(read_picture(encoded(rgba), "p")).tolist() == expected
    assert pixels(read_picture(encoded(rgba, "TIFF"), "p")).tolist() == expected
    grey = Image.fromarray(np.array([[[0, 0], [80, 255]]], np.uint8))
    assert pixels(read_picture(encoded(grey), "p"))[0, :, 0].tolist() == [255, 80]


@pytest.mark.parametrize(
    ("mode", "clear", "other"), [("P", 0, 1), ("L", 7, 0), ("RGB", (7, 7, 7), (0, 0, 0))]
)
@pytest.mark.parametrize("orientation", [None, 2])
def test_a_clear_colour_becomes_white(mode, clear, other, orientation):
    image = Image.new(mode, (2, 2), other)
    if mode == "P":
        image.putpalette([7, 7, 7, 0, 0, 0])
    image.putpixel((0, 0), clear)
    exif = Image.Exif()
    if orientation:
        exif[EXIF_ORIENTATION] = orientation
    kept = read_picture(encoded(image, transparency=clear, exif=exif), "p")
    first = [0, 255] if orientation else [255, 0]
    assert pixels(kept)[0, :, 0].tolist() == first


@pytest.mark.parametrize("mode", ["1", "P"])
def test_a_drawing_is_kept_as_it_is(mode):
    data = picture_bytes(SIZE, "PNG", mode=mode)
    image = read_picture(data, "p")
    assert image.data == data
    assert gh.render(heatmap(), image, gh.Look(opacity=0)).overlay.mode == "RGB"
    assert (pixels(image) == np.asarray(gh.images.open_picture(image))).all()


# ---------------------------------------------------------------- colours

# From the red, green and blue of Display P3 to XYZ under the light of D65, and from there to
# those of sRGB, as published with the two standards.
P3_TO_XYZ = [
    [0.48657095, 0.26566769, 0.19821729],
    [0.22897456, 0.69173852, 0.07928691],
    [0.00000000, 0.04511338, 1.04394437],
]
XYZ_TO_SRGB = [
    [3.24096994, -1.53738318, -0.49861076],
    [-0.96924364, 1.87596750, 0.04155506],
    [0.05563008, -0.20397696, 1.05697151],
]
# The same primaries for the light of D50, which profiles are written for.
P3_PRIMARIES = {
    b"r": (0.51512, 0.24120, -0.00105),
    b"g": (0.29198, 0.69225, 0.04189),
    b"b": (0.15710, 0.06657, 0.78410),
}
D50 = (0.9642, 1.0, 0.8249)


def srgb_curve(value):
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def p3_to_srgb(rgb):
    """Convert 8-bit Display P3 to 8-bit sRGB by the published numbers."""
    light = srgb_curve(np.asarray(rgb) / 255) @ np.transpose(P3_TO_XYZ) @ np.transpose(XYZ_TO_SRGB)
    light = np.clip(light, 0, 1)
    encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return encoded * 255


def profile(space, tags):
    """A colour profile of the given tags, of version 2 and written by hand."""
    table, content = b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        place = 128 + 4 + 12 * len(tags) + len(content)
        table += name + struct.pack(">LL", place, len(data))
        content += data
    head = struct.pack(">L4sL4s4s4s", 0, b"none", 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + xyz(*D50)[8:]
    head = head.ljust(128, b"\0") + struct.pack(">L", len(tags))
    whole = head + table + content
    return struct.pack(">L", len(whole)) + whole[4:]


def xyz(*values):
    return b"XYZ " + bytes(4) + struct.pack(">3l", *(round(v * 65536) for v in values))


def curve(values):
    points = [round(float(v) * 65535) for v in values]
    return b"curv" + bytes(4) + struct.pack(f">L{len(points)}H", len(points), *points)


@functools.cache
def display_p3():
    tone = curve(srgb_curve(np.linspace(0, 1, 1024)))
    colours = {name + b"XYZ": xyz(*primary) for name, primary in P3_PRIMARIES.items()}
    return profile(
        b"RGB ",
        {
            b"wtpt": xyz(*D50),
            **colours,
            **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone),
        },
    )


def gamma_grey(gamma):
    return profile(b"GRAY", {b"wtpt": xyz(*D50), b"kTRC": curve(np.linspace(0, 1, 1024) ** gamma)})


def srgb():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


P3_COLOURS = np.array(
    [[200, 60, 40], [60, 160, 70], [40, 70, 190], [255, 255, 255], [0, 0, 0], [128, 128, 128],
     [250, 240, 60], [255, 0, 0], [20, 30, 25]],
    np.uint8,
)  # fmt: skip


def patches(colours=P3_COLOURS, side=16):
    """One square of each colour in a row, large enough for JPEG to keep the middle pure."""
    row = np.repeat(np.asarray(colours), side, axis=0)
    return Image.fromarray(np.repeat(row[None], side, axis=0))


def middles(image, side=16):
    return pixels(image)[side // 2, side // 2 :: side].astype(np.float64)


def test_the_hand_made_profile_is_display_p3():
    # A saturated red that sRGB lacks and a dull one that it has, by the standards' numbers.
    assert np.allclose(p3_to_srgb([255, 0, 0]), [255, 0, 0], atol=1)
    assert np.allclose(p3_to_srgb([200, 60, 40]), [217, 42, 22], atol=2)
    assert ImageCms.getOpenProfile(io.BytesIO(display_p3())).profile.xcolor_space == "RGB "


LOSSLESS = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
LOSSLESS["MPO"] = {**LOSSLESS["JPEG"], "save_all": True, "append_images": [picture((6, 4))]}


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("format", ["JPEG", "MPO", "PNG", "WEBP", "TIFF"])
def test_a_phones_colours_are_brought_to_srgb(format, orientation):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    options = {"icc_profile": display_p3(), "exif": exif, **LOSSLESS.get(format, {})}
    image = read_picture(encoded(patches(), format, **options), "p")
    found = middles(image) if orientation == 1 else pixels(image)[8::16, 8].astype(np.float64)
    # Two steps, and one of the JPEG's own.
    assert np.abs(found - p3_to_srgb(P3_COLOURS)).max() <= (3 if format in ("JPEG", "MPO") else 2)
    with Image.open(io.BytesIO(image.data)) as kept:
        assert "icc_profile" not in kept.info


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_clear_parts_are_white_and_the_others_are_converted(format):
    rgba = patches().convert("RGBA")
    rgba.paste((0, 0, 0, 0), (0, 0, 16, 16))
    options = {"icc_profile": display_p3(), "exact": True, **LOSSLESS.get(format, {})}
    found = middles(read_picture(encoded(rgba, format, **options), "p"))
    assert found[0].tolist() == [255, 255, 255]
    assert np.abs(found[1:] - p3_to_srgb(P3_COLOURS[1:])).max() <= 2


def test_a_palettes_colours_are_brought_to_srgb():
    data = encoded(patches().convert("P", palette=Image.Palette.ADAPTIVE), icc_profile=display_p3())
    assert np.abs(middles(read_picture(data, "p")) - p3_to_srgb(P3_COLOURS)).max() <= 2


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_grey_profile_is_brought_to_srgb(mode):
    levels = np.array([[0, 40, 128, 200, 255]], np.uint8)
    grey = Image.fromarray(levels if mode != "I;16" else levels.astype(np.uint16) * 257)
    data = encoded(grey.convert(mode), icc_profile=gamma_grey(1.0))
    light = levels[0] / 255  # with a gamma of 1, a value is the light itself
    expected = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    found = pixels(read_picture(data, "p"))[0]
    assert np.abs(found - expected[:, None]).max() <= 2


def test_a_grey_picture_with_a_profile_of_colours_is_brought_to_srgb():
    grey = Image.fromarray(np.array([[0, 40, 128, 200, 255]], np.uint8))
    # P3 and sRGB have the same greys, so it is kept; of a cut profile, nothing is known.
    found = pixels(read_picture(encoded(grey, icc_profile=display_p3()), "p"))
    assert np.abs(found[0, :, 0].astype(int) - np.asarray(grey)[0]).max() <= 1


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_an_srgb_picture_is_kept_bit_for_bit(format):
    data = encoded(patches(), format, icc_profile=srgb())
    image = read_picture(data, "p")
    assert (image.data, image.notices) == (data, ())


@pytest.mark.parametrize(
    "icc",
    [b"how to print", display_p3()[:200], display_p3()[:-900], gamma_grey(2.2)],
    ids=["no profile", "cut short", "cut late", "of grey"],
)
def test_a_profile_that_cannot_be_used_is_left_out_with_a_word(icc):
    data = encoded(patches(), icc_profile=icc)
    image = read_picture(data, "shelf.png")
    assert (pixels(image) == np.asarray(patches())).all()
    (notice,) = image.notices
    assert notice.startswith("shelf.png: its colour profile cannot be used and is left out.")


@pytest.mark.parametrize("icc", [srgb(), b"how to print", display_p3()])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_page_and_files_show_the_same_colours_and_carry_no_profile(format, icc):
    image = read_picture(encoded(patches(), format, icc_profile=icc, quality=100), "p")
    images = gh.render(heatmap((144, 16)), image, gh.Look(opacity=0))
    files = [gh.encode_png(images.overlay), gh.encode_png(images.heatmap), gh.display_jpeg(image)]
    for file in files:
        with Image.open(io.BytesIO(file)) as opened:
            assert "icc_profile" not in opened.info
    shown = np.asarray(Image.open(io.BytesIO(files[2])), np.int16)[8, 8::16]
    assert (np.asarray(images.overlay) == pixels(image)).all()
    assert np.abs(shown - pixels(image)[8, 8::16]).max() <= 6  # it is a JPEG


COLOUR_CHUNKS = {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP"}
# The red, green and blue of Adobe RGB (1998) for the light of D50; its gamma is 563 / 256.
ADOBE_PRIMARIES = {
    b"r": (0.60974, 0.31111, 0.01947),
    b"g": (0.20528, 0.62567, 0.06087),
    b"b": (0.14919, 0.06322, 0.74457),
}


def adobe_rgb():
    gamma = b"curv" + bytes(4) + struct.pack(">LH", 1, 563)
    colours = {name + b"XYZ": xyz(*primary) for name, primary in ADOBE_PRIMARIES.items()}
    tones = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma)
    return profile(b"RGB ", {b"wtpt": xyz(*D50), **colours, **tones})


def chunk_names(data):
    names, place = [], 8
    while place < len(data):
        (length,) = struct.unpack_from(">L", data, place)
        names.append(data[place + 4 : place + 8])
        place += 12 + length
    return names


def as_viewers_show_it(data):
    """The colours of a file on a screen of sRGB, in a viewer that follows profiles."""
    with Image.open(io.BytesIO(data)) as opened:
        icc, shown = opened.info.get("icc_profile"), opened.convert("RGB")
    if icc is None:
        return shown
    given = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return ImageCms.profileToProfile(shown, given, ImageCms.createProfile("sRGB"), 1)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "icc", [None, srgb(), display_p3(), adobe_rgb()], ids=["none", "sRGB", "Display P3", "Adobe"]
)
def test_laid_over_the_given_picture_one_file_looks_like_the_other(format, icc):
    # Greys, and colours that all of these have.
    dull = np.array([[200, 60, 40], [110, 150, 100], [128, 128, 128], [255, 255, 255]], np.uint8)
    data = encoded(patches(dull), format, icc_profile=icc, **LOSSLESS.get(format, {}))
    image = read_picture(data, "p")
    values = np.tile(np.linspace(0, 1, 300), (gh.grid_shape(image.size)[0], 1))
    warm = gh.Heatmap(values, gh.Counts(used=1), 1, 5.0)
    files = gh.render_files(warm, image, gh.Look())
    assert [COLOUR_CHUNKS & set(chunk_names(file)) for file in files.values()] == [set(), set()]
    heat, overlay = (Image.open(io.BytesIO(files[part])) for part in ("heatmap", "overlay"))
    laid = Image.alpha_composite(as_viewers_show_it(data).convert("RGBA"), heat).convert("RGB")
    # Two steps for the conversion, which may be made in another way, and one for the laying.
    assert np.abs(np.asarray(laid, np.int16) - np.asarray(overlay)).max() <= 3


def test_without_its_profile_a_picture_would_look_different():
    # What the test above is for.
    with_profile = as_viewers_show_it(encoded(patches(), icc_profile=adobe_rgb()))
    assert np.abs(np.asarray(with_profile, np.int16) - np.asarray(patches())).max() > 20


def heatmap(size=SIZE):
    return gh.Heatmap(np.zeros(gh.grid_shape(size)), gh.Counts(), 0, 5.0)


# ---------------------------------------------------------------- files that are no picture


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"GIF89a" + bytes(20), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xff\xd8\xff"],
    ids=["empty", "web page", "gif", "eps", "three bytes"],
)
def test_no_picture(data):
    with pytest.raises(gh.PictureError) as error:
        read_picture(data, "ref.jpeg")
    words(error, "ref.jpeg", "this is no picture", "Give a JPEG or a PNG")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_picture_is_found_at_once(format, share):
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    data = encoded(Image.fromarray(noise), format)
    with pytest.raises(gh.PictureError) as error:
        read_picture(data[: int(len(data) * share)], "ref.jpeg")
    words(error, "ref.jpeg", "damaged or incomplete", "Download it again")


def test_pixels_that_are_no_zlib_stream():
    with pytest.raises(gh.PictureError) as error:
        read_picture(png(3, 3, (b"IDAT", b"not packed at all")), "ref.png")
    words(error, "ref.png", "damaged", "Download it again", "save it as PNG")


@pytest.mark.parametrize(
    ("brand", "what"),
    [
        (b"heic", "this is a HEIC photo, as iPhones take them,"),
        (b"mif1", "this is a HEIC photo, as iPhones take them,"),
        (b"avif", "this is an AVIF picture"),
        (b"mp42", "this is no picture"),
    ],
)
def test_what_phones_save_is_named(brand, what):
    with pytest.raises(gh.PictureError) as error:
        read_picture(b"\0\0\0\x18ftyp" + brand + bytes(40), "IMG_1234.HEIC")
    words(error, "IMG_1234.HEIC", what, "JPEG")


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_picture_with_any_byte_changed_is_read_or_explained(format):
    data = picture_bytes((20, 10), format)
    chance = random.Random(2)
    explained = []
    for _ in range(300):
        changed = bytearray(data)
        changed[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read_picture(bytes(changed), "ref.jpeg")
        except gh.GazeheatError as error:
            explained.append(str(error))
    assert explained
    assert all("ref.jpeg" in text for text in explained)


@pytest.mark.parametrize("side", [10_001, 20_000, 2**31 - 1])
def test_a_header_that_claims_too_many_pixels(side):
    with pytest.raises(gh.LimitError) as error:
        read_picture(png(side, side, (b"IDAT", b"")), "ref.png")
    words(error, "ref.png", "more than 100 megapixels", "smaller version", "same aspect ratio")


def test_a_picture_that_is_longer_than_any_jpeg():
    with pytest.raises(gh.LimitError) as error:
        read_picture(png(1_000_000, 1, (b"IDAT", b"")), "ref.png")
    words(error, "ref.png", "1,000,000 × 1 px", "more than 65,535 px on one side")


def in_scans(size, count, mode="RGB"):
    """A progressive JPEG whose last pass is repeated until there are `count`."""
    data = encoded(Image.new(mode, size), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (count - data.count(b"\xff\xda") + 1) + data[-2:]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_in_hundreds_of_passes_is_refused_before_it_is_decoded(mode, monkeypatch):
    data = in_scans((200, 100), 300, mode)
    assert read_picture(data, "p").size == (200, 100)  # small enough to be quick
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(gh.LimitError) as error:
        read_picture(data, "ref.jpg", limits=Limits(picture_scan_pixels=299 * 20_000))
    words(error, "ref.jpg", "200 × 100 px", "in 300 passes", "not progressive")


def test_an_ordinary_progressive_photo_of_the_largest_size_is_within_the_limits():
    limits = Limits()
    assert limits.picture_pixels * 15 <= limits.picture_scan_pixels
    assert limits.picture_scan_pixels < 9_000 * 9_000 * 300


@pytest.mark.parametrize(
    ("raised", "found"),
    [
        (struct.error, "damaged or incomplete"),
        (AssertionError, "damaged or incomplete"),
        (ZeroDivisionError, "damaged or incomplete"),
        (zlib.error, "damaged or incomplete"),
        (Image.DecompressionBombError, "far more than 100 megapixels"),
        (MemoryError, "not enough memory"),
    ],
)
def test_whatever_pillow_raises_is_explained(raised, found, monkeypatch):
    def load(self):
        raise raised

    data = picture_bytes(SIZE, "PNG")
    monkeypatch.setattr(Image.Image, "load", load)
    with pytest.raises(gh.GazeheatError) as error:
        read_picture(data, "ref\n.png")
    words(error, "ref\ufffd.png: ", found)


def test_what_looks_like_passes_in_a_preview_or_a_comment_is_not_counted():
    thumbnail = b"Exif\0\0" + b"\xff\xda\0\x0c" * 500
    data = picture_bytes(SIZE)
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    assert read_picture(data, "p", limits=Limits(picture_scan_pixels=2400)).data == data


@pytest.mark.parametrize(
    ("format", "options", "needed"),
    [
        ("WEBP", {}, 16),
        ("TIFF", {"compression": "tiff_lzw"}, 8),
        ("JPEG", {"progressive": True, "subsampling": 0}, 6),
        ("JPEG", {"progressive": True, "orientation": 6}, 7),
    ],
)
def test_a_small_file_that_takes_much_memory_is_refused(format, options, needed):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = options.get("orientation", 1)
    data = encoded(Image.new("RGB", (1000, 500)), format, **{**options, "exif": exif})
    free = 500_000 * needed - 100 * len(data)
    assert read_picture(data, "p", limits=Limits(picture_memory_bytes=free)).size
    with pytest.raises(gh.LimitError) as error:
        read_picture(data, "ref", limits=Limits(picture_memory_bytes=free - 1))
    words(error, "ref: reading it takes", "MB of memory", "1,000 × 500 px", "save it as PNG")


@pytest.mark.parametrize("progressive", [False, True])
def test_an_ordinary_jpeg_needs_no_more_than_its_pixels(progressive):
    data = encoded(Image.new("RGB", (1000, 500)), "JPEG", progressive=progressive)
    assert read_picture(data, "p", limits=Limits(picture_memory_bytes=-(10**9))).data == data


def test_a_jpeg_inside_a_tiff_is_refused():
    data = encoded(picture(SIZE), "TIFF", compression="jpeg")
    with pytest.raises(gh.PictureError, match=r"ref\.tif: a TIFF of a kind.*\(jpeg\)\. Save it as"):
        read_picture(data, "ref.tif")


def test_nothing_is_written_beside_the_message(tmp_path):
    # Pixels from which on Pillow warns, and a tag that it warns of.
    (tmp_path / "large.png").write_bytes(png(13_000, 9_000, (b"IDAT", b"")))
    (tmp_path / "larger.png").write_bytes(png(60_000, 9_000, (b"IDAT", b"")))
    tag = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\0\0\0\x09\xff\xff\xff\0"
    data = picture_bytes(SIZE)
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(tag) + 2) + tag + data[2:]
    (tmp_path / "tag.jpg").write_bytes(data)
    code = (
        "import sys, gazeheat_core.exports.picture as p\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(p.read_picture(open(name, 'rb').read(), 'p').size)\n"
        "    except p.LimitError: print('too large')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
    )
    assert (done.stdout.split("\n"), done.stderr) == (["too large"] * 2 + ["(60, 40)", ""], "")


def test_pixels_up_to_the_limit():
    data = picture_bytes(SIZE)
    assert read_picture(data, "p", limits=Limits(picture_pixels=2400)).size == SIZE
    with pytest.raises(gh.LimitError, match=r"p: 60 × 40 px, that is more than"):
        read_picture(data, "p", limits=Limits(picture_pixels=2399))


def test_the_largest_picture_is_opened_without_a_warning():
    assert Limits().picture_pixels <= Image.MAX_IMAGE_PIXELS


def test_a_picture_of_floating_point_numbers():
    data = encoded(Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF")
    with pytest.raises(gh.PictureError, match=r"ref\.tif: .*floating point.*Save it as PNG"):
        read_picture(data, "ref.tif")


# ---------------------------------------------------------------- rotation tags

# Where the top left pixel of the stored picture lies when it is shown.
SHOWN = {
    1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left",
    5: "top left", 6: "top right", 7: "bottom right", 8: "bottom left",
}  # fmt: skip
CORNERS = {"top left": (0, 0), "top right": (0, -1), "bottom left": (-1, 0)}
CORNERS["bottom right"] = (-1, -1)


def marked(orientation, format="PNG"):
    """A black picture, white in the top left of what is stored, with a rotation tag."""
    image = Image.new("RGB", SIZE)
    image.paste((255, 255, 255), (0, 0, 16, 16))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return encoded(image, format, exif=exif)


def white_corner(image):
    (corner,) = (name for name, place in CORNERS.items() if pixels(image)[place][0] > 200)
    return corner


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_without_gaze_in_pixels_a_picture_is_used_as_viewers_show_it(orientation, format):
    image = read_picture(marked(orientation, format), "photo")
    assert image.size == (TURNED if orientation >= 5 else SIZE)
    assert white_corner(image) == SHOWN[orientation]
    assert image.exif_transposed
    (notice,) = image.notices
    assert f"photo carries a rotation tag (EXIF {orientation})" in notice
    assert "as picture viewers show it: {} × {} px.".format(*image.size) in notice


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize(
    ("stored", "turned", "use_turned"),
    [(9, 1, False), (1, 9, True), (5, 5, False), (0, 0, False)],
    ids=["more on the stored", "more on the turned", "as many on both", "on none"],
)
def test_gaze_in_pixels_tells_which_one_it_belongs_to(orientation, stored, turned, use_turned):
    counts = {SIZE: stored, TURNED: turned}
    image = read_picture(marked(orientation), "photo", counts.__getitem__)
    if orientation < 5:  # both have the same size, so the gaze cannot tell
        use_turned = False
    assert image.exif_transposed is use_turned
    assert image.size == (TURNED if use_turned else SIZE)
    assert white_corner(image) == (SHOWN[orientation] if use_turned else "top left")
    used = "turned, as picture viewers show it" if use_turned else "as stored, without turning it"
    assert used in image.notices[0]


@pytest.mark.parametrize(
    ("orientation", "stored", "turned", "is_guess"),
    [(6, 9, 1, False), (6, 1, 9, False), (6, 5, 5, True), (3, 9, 9, True)],
)
def test_a_guess_between_the_meanings_of_a_rotation_tag_is_said(
    orientation, stored, turned, is_guess
):
    counts = {SIZE: stored, TURNED: turned}
    (notice,) = read_picture(marked(orientation), "photo", counts.__getitem__).notices
    assert ("px, which is where the gaze lies." in notice) is not is_guess
    assert ("px. The gaze does not tell whether that is right, since" in notice) is is_guess
    assert ("turn it in a picture editor, save it, and give that file." in notice) is is_guess


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_the_one_that_pillow_makes(orientation, mode):
    # Large enough for several strips, and not of a whole number of them.
    noise = np.random.default_rng(1).integers(0, 255, (601, 1001, 3), np.uint8)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    data = encoded(Image.fromarray(noise).convert(mode), exif=exif)
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert (pixels(read_picture(data, "p")) == expected).all()


def with_tags(*tags):
    """A JPEG with EXIF tags written by hand: number, type, count and four bytes of value."""
    block = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(tags))
    block += b"".join(struct.pack(">HHL4s", *tag) for tag in tags) + bytes(4)
    data = picture_bytes(SIZE)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


TURN = (EXIF_ORIENTATION, 3, 1, b"\0\x06\0\0")


@pytest.mark.parametrize("tag", [0x0100, 0x0101, 0x011A, 0x0128, 0x0213, 0x8769, 0x8825])
@pytest.mark.parametrize("kind", [1, 2, 4, 7, 9, 13, 99])
def test_a_tag_of_another_type_does_not_hinder_the_turning(tag, kind):
    tags = sorted([TURN, (tag, kind, 1, b"abc\0")])
    assert read_picture(with_tags(*tags), "p").size == TURNED


@pytest.mark.parametrize("kind", [5, 10, 12])
def test_a_tag_whose_value_lies_nowhere_hides_those_behind_it(kind):
    data = with_tags((0x0100, kind, 1, b"abc\0"), TURN)
    assert read_picture(data, "p").size == SIZE
    data = with_tags(TURN, (0x0128, kind, 1, b"abc\0"))
    assert read_picture(data, "p").size == TURNED


@pytest.mark.parametrize(
    "tag",
    [
        (EXIF_ORIENTATION, 2, 2, b"6\0\0\0"),
        (EXIF_ORIENTATION, 5, 1, b"\0\0\0\x08"),
        (EXIF_ORIENTATION, 11, 1, struct.pack(">f", 6.0)),
        (EXIF_ORIENTATION, 3, 9, b"\xff\xff\xff\0"),
        (EXIF_ORIENTATION, 77, 1, b"\0\x06\0\0"),
    ],
    ids=["text", "fraction", "decimal", "far away", "no type"],
)
def test_a_rotation_tag_that_is_no_whole_number_turns_nothing(tag):
    data = with_tags(tag)
    image = read_picture(data, "p")
    assert (image.data, image.size, image.notices) == (data, SIZE, ())


def test_a_tiff_whose_tags_lie_elsewhere_is_explained():
    data = bytearray(encoded(picture(SIZE), "TIFF"))
    for place in (4, 2**31, len(data) - 3):
        data[4:8] = struct.pack("<L", place)
        with pytest.raises(gh.PictureError, match=r"ref\.tif: "):
            read_picture(bytes(data), "ref.tif")


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_a_tag_that_turns_nothing_is_not_mentioned(orientation):
    data = picture_bytes(SIZE, orientation=orientation)
    image = read_picture(data, "photo")
    assert (image.data, image.exif_transposed, image.notices) == (data, False, ())


def test_a_turned_tiff_is_used_as_viewers_show_it():
    image = read_picture(marked(6, "TIFF"), "photo", {SIZE: 9, TURNED: 1}.__getitem__)
    assert (image.size, white_corner(image)) == (TURNED, SHOWN[6])


def test_what_is_kept_of_a_turned_picture_carries_no_tag():
    image = read_picture(marked(6), "photo")
    with Image.open(io.BytesIO(image.data)) as kept:
        assert EXIF_ORIENTATION not in kept.getexif()


# ---------------------------------------------------------------- in an export

WIDE = [Row(55.0, 5.0), Row(50.0, 30.0), Row(5.0, 35.0)]  # 60 × 40 only
TALL = [Row(5.0, 55.0), Row(30.0, 50.0), Row(35.0, 5.0)]  # 40 × 60 only
BOTH = [Row(5.0, 5.0), Row(39.0, 39.0)]


def export_of(rows=WIDE, **options):
    (export,) = gh.read_exports(
        gh.Upload("study.zip", io.BytesIO(export_zip(rows=rows, **options)))
    )
    return export


def study_of(rows, **options):
    """The same over its picture, as the page reads it."""
    with opened(gh.Upload("study.zip", io.BytesIO(export_zip(rows=rows, **options)))) as files:
        return read_study(find(files)[0][0])


@pytest.mark.parametrize(
    ("rows", "kind", "size", "use_turned"),
    [
        (WIDE, RIM, SIZE, False),
        (TALL, RIM, TURNED, True),
        (BOTH, RIM, SIZE, False),
        (WIDE, MM, TURNED, True),
    ],
    ids=["fits stored", "fits turned", "fits both", "surface"],
)
def test_a_phone_photo_is_used_where_the_gaze_lies(rows, kind, size, use_turned):
    data = picture_bytes(SIZE, orientation=6)
    export = export_of(rows, kind=kind, size=SIZE, picture_data=data)
    assert export.size() == size
    assert export.image.exif_transposed is use_turned
    assert "reference_image.jpeg" in export.notices[-1]
    assert ("turned, as" in export.notices[-1]) is use_turned
    assert ("The gaze does not tell" in export.notices[-1]) is (rows is BOTH)
    assert export.notices == study_of(rows, kind=kind, size=SIZE, picture_data=data).notices


@pytest.mark.parametrize("name", ["reference_image.jpeg", "reference_image.heic", "IMG_1.HEIC"])
def test_an_iphones_photo_is_the_picture_of_an_export_under_any_name(name):
    files = [("gaze.csv", gaze_csv(WIDE).encode()), (name, HEIC)]
    (export,) = gh.read_exports([gh.Upload(one, io.BytesIO(data)) for one, data in files])
    assert (export.size(), export.image_problem) == (SIZE, "")
    drawn = gh.render(heatmap(), export.image, gh.Look())
    with Image.open(io.BytesIO(gh.encode_png(drawn.overlay))) as overlay:
        assert (overlay.format, overlay.size) == ("PNG", SIZE)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"nothing", "this is no picture"),
        (picture_bytes((300, 200))[:2000], "damaged or incomplete"),
    ],
    ids=["no picture", "truncated"],
)
def test_a_broken_picture_leaves_the_gaze(data, problem):
    export = export_of(picture_data=data)
    assert (export.image, export.rows) == (None, 3)
    assert "reference_image.jpeg in study.zip" in export.image_problem
    assert problem in export.image_problem
    with pytest.raises(gh.PictureMissingError) as error:
        export.size()
    words(error, problem, "Give the picture that the gaze was mapped to")
    repaired = gh.with_picture(export, picture_bytes(SIZE), "good.jpg")
    assert (repaired.size(), repaired.image_problem) == (SIZE, "")


LARGE = (24_000, 16_000)
ON_LARGE = [Row(400.0 * x, 400.0 * y) for x, y, *_ in WIDE]


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_picture_of_too_many_pixels_gives_its_size_and_a_smaller_one_its_pixels(orientation):
    size = LARGE if orientation == 1 else LARGE[::-1]
    tag = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHLHHL", 0x0112, 3, 1, orientation, 0, 0)
    data = png(*size, (b"eXIf", tag), (b"IDAT", b""))
    export = export_of(ON_LARGE, picture_data=data)
    assert (export.image, export.grid_size, export.rows) == (None, LARGE, 3)
    with pytest.raises(gh.PictureMissingError) as error:
        gh.track_export(export)
    assert str(error.value) == (
        "Study_REFERENCE-IMAGE-MAPPER_Shelf_csv/reference_image.jpeg in study.zip: "
        "{:,} × {:,} px, that is more than 100 megapixels. Give a smaller version of the picture "
        "with the same aspect ratio. The gaze is placed by the size that its header states, "
        "24,000 × 16,000 px: a smaller copy of it, not cropped, is enough.".format(*size)
    )
    given = gh.with_picture(export, picture_bytes(SIZE), "small.jpg")
    assert given.notices[-1] == (
        "small.jpg is 60 × 40 px, and stands for the export's own reference image, 24,000 × "
        "16,000 px, which is too large to be read. Images are made in the size of small.jpg."
    )
    # The same bins as on a picture of 60 × 40 px whose gaze is in its own pixels.
    study, small = gh.track_export(given), gh.track_export(export_of(WIDE, size=SIZE))
    assert (study.size(), study.grid.size) == (SIZE, LARGE)
    assert (gh.select(study)[0].bins == gh.select(small)[0].bins).all()
    with pytest.raises(gh.PictureError, match=r"50 × 40 px, but .* 24,000 × 16,000 px: the shapes"):
        gh.with_picture(export, picture_bytes((50, 40)), "crop.jpg")


def test_the_size_of_a_picture_that_is_too_large_is_not_used_where_the_gaze_lies_elsewhere():
    rows = [Row(30_000.0, 5.0)] * 30
    export = export_of(rows, picture_data=png(*LARGE, (b"IDAT", b"")))
    assert (export.image, export.grid_size) == (None, None)


def test_a_picture_file_that_is_too_large():
    limits = Limits(picture_bytes=700)
    with opened(gh.Upload("study.zip", io.BytesIO(export_zip(size=SIZE))), limits) as files:
        export = read_export(find(files)[0][0])
    assert "reference_image.jpeg in study.zip: larger than" in export.image_problem
    assert "its header states, 60 × 40 px: a smaller copy" in export.image_problem
    given = gh.with_picture(export, picture_bytes((30, 20)), "small.jpg")
    assert (given.size(), given.grid_size) == ((30, 20), SIZE)


# ---------------------------------------------------------------- a picture given by hand


@pytest.mark.parametrize("size", [(30, 20), (120, 80), (60, 40), (121, 81)])
def test_the_same_shape_is_brought_to_the_size_of_the_gaze(size):
    export = gh.with_picture(export_of(size=SIZE), picture_bytes(size), "small.jpg")
    assert export.size() == SIZE
    assert pixels(export.image).shape == (40, 60, 3)
    if size == SIZE:
        assert export.notices == ()
    else:
        assert export.notices[-1] == (
            f"small.jpg is {size[0]} × {size[1]} px. It was brought to the size of the export's "
            "own reference image, 60 × 40 px."
        )


@pytest.mark.parametrize("kind", [RIM, MM])
def test_another_shape_is_refused(kind):
    with pytest.raises(gh.PictureError) as error:
        gh.with_picture(export_of(kind=kind, size=SIZE), picture_bytes((50, 40)), "crop.jpg")
    words(error, "crop.jpg is 50 × 40 px", "is 60 × 40 px", "same aspect ratio, not cropped")


def test_a_surface_keeps_the_given_pictures_own_size():
    export = gh.with_picture(export_of(kind=MM, size=SIZE), picture_bytes((150, 100)), "fine.jpg")
    assert (export.size(), export.notices) == ((150, 100), ())


def test_without_an_own_picture_most_of_the_gaze_must_lie_on_it():
    export = export_of([*WIDE, Row(math.nan, math.nan, False)], size=None)
    assert gh.with_picture(export, picture_bytes(SIZE), "ref.jpg").size() == SIZE
    with pytest.raises(gh.PictureError) as error:
        gh.with_picture(export, picture_bytes((30, 20)), "small.jpg")
    words(error, "small.jpg is 30 × 20 px", "gaze reaches 50 × 30 px", "0 of 3 samples")
    words(error, "Give the reference image in the size that was uploaded")


def spread(width, height, count=400):
    """Gaze all over the pixels of a picture, its edges included."""
    number = np.arange(count)
    x, y = (number * 0.6180339) % 1 * width, (number * 0.7548776) % 1 * height
    return [Row(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def places(export):
    return gh.select(gh.track_export(export))[0].bins


DOUBT = "The gaze fills only the top left "


@pytest.mark.parametrize("has_own", [False, True])
def test_a_larger_picture_than_the_one_that_was_mapped_is_drawn_with_a_notice(has_own):
    rows = spread(160, 120)
    export = export_of(rows, size=None, picture_data=picture_bytes((400, 300)) if has_own else None)
    if not has_own:
        export = gh.with_picture(export, picture_bytes((400, 300)), "phone.jpg")
    (notice,) = export.notices
    assert notice.startswith(f"{DOUBT}160 × 120 px of the picture's 400 × 300 px, and ends there.")
    assert "is taken for the one" in notice
    assert "give the right one in the place of this picture" in notice
    # The right one takes its place, and the doubt is gone.
    right = gh.with_picture(export, picture_bytes((160, 120)), "cloud.jpg")
    assert right.notices == (
        "cloud.jpg is 160 × 120 px. It takes the place of the picture of 400 × 300 px in its own "
        "size, since the gaze lies on it.",
    )
    expected = export_of(rows, size=(160, 120))
    assert expected.notices == ()
    assert (places(right) == places(expected)).all()
    # A larger one of the same shape says nothing new.
    larger = gh.with_picture(export, picture_bytes((800, 600)), "large.jpg")
    assert larger.size() == (400, 300)


@pytest.mark.parametrize(
    "rows",
    [
        spread(300, 60),  # along the top
        spread(160, 120, 199),  # too few to tell
        [*spread(160, 120), Row(210.0, 20.0)],  # beyond
        [*spread(160, 120), Row(-1.0, 20.0)],  # someone looked past the picture
        [*(Row(x + 60, y / 3 + 50) for x, y, *_ in spread(100, 120))],  # one thing on it
    ],
    ids=["band", "few", "beyond", "past", "thing"],
)
def test_gaze_on_a_part_of_a_picture_is_not_doubted(rows):
    if rows[-1].x == -1.0:
        rows = [Row(row.x + 30, row.y + 50) for row in rows[:-1]] + rows[-1:]
    assert export_of(rows, size=(400, 300)).notices == ()


def test_gaze_in_absurd_numbers_is_told_without_a_crash():
    far = [Row(1e308, -1e308), Row(-1e308, 1e308)] * 3
    with pytest.raises(gh.PictureError, match="0 of 6 samples"):
        gh.with_picture(export_of(far, size=None), picture_bytes(SIZE), "p.jpg")


def test_an_export_without_gaze_on_the_picture_takes_any():
    export = export_of([Row(math.nan, math.nan, False)], size=None)
    assert gh.with_picture(export, picture_bytes((7, 9)), "p.jpg").size() == (7, 9)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_given_phone_photo_is_used_in_the_shape_of_the_export(orientation):
    low = [Row(2.0, 35.0), Row(3.0, 36.0)]  # would all lie on 20 × 30 upright, too
    own = export_of(low, size=SIZE)
    stored = gh.with_picture(own, picture_bytes((30, 20), orientation=orientation), "p.jpg")
    turned = gh.with_picture(own, picture_bytes((20, 30), orientation=orientation), "p.jpg")
    assert (stored.size(), stored.image.exif_transposed) == (SIZE, False)
    assert (turned.size(), turned.image.exif_transposed) == (SIZE, True)
    assert len(stored.image.notices) == len(turned.image.notices) == 2


def test_a_given_file_that_is_no_picture():
    with pytest.raises(gh.PictureError, match=r"notes\.txt: this is no picture"):
        gh.with_picture(export_of(), b"hello", "notes.txt")


# ---------------------------------------------------------------- a plain ground


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ((16, 9), (1500, 844)),
        ((9, 16), (844, 1500)),
        ((1, 1), (1500, 1500)),
        ((0.5, 50), (15, 1500)),
        ((1e308, 1e307), (1500, 150)),
        ((1e-308, 1e-307), (150, 1500)),
    ],
)
def test_a_ratio_gives_a_plain_ground(ratio, size):
    export = gh.with_ratio(export_of(kind=MM, size=None), ratio)
    assert export.size() == size
    assert len(np.unique(pixels(export.image))) == 1


@pytest.mark.parametrize(
    "ratio",
    [(0, 1), (1, 0), (-16, -9), (16, -9), (101, 1), (1, 101), (math.nan, 1), (math.inf, 1)],
)
def test_a_ratio_that_makes_no_sense(ratio):
    with pytest.raises(gh.PictureError) as error:
        plain_picture(ratio)
    words(error, "{:g} : {:g}".format(*ratio), "two positive numbers, such as 16 : 9")


def test_a_ratio_is_not_enough_for_gaze_in_pixels():
    with pytest.raises(gh.PictureError) as error:
        gh.with_ratio(export_of(size=None), (16, 9))
    words(error, "Shelf", "in pixels of the reference image", "in its full size")


def test_a_surface_without_a_picture_says_what_to_give():
    with pytest.raises(gh.PictureMissingError) as error:
        export_of(kind=MM, size=None).size()
    words(error, "Shelf", "holds no reference image", "width : height ratio")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ((1500, 958), (750, 479), True),
        ((4000, 3000), (1024, 768), True),
        ((100, 100), (100, 101), True),
        ((100, 100), (100, 102), False),
        ((4000, 3000), (1920, 1080), False),
        ((60, 40), (40, 60), False),
    ],
)
def test_shapes_are_compared_up_to_rounding(a, b, same):
    assert same_aspect(a, b) is same_aspect(b, a) is same
