"""Bytes changed at random: only our own errors leave the readers.

Every property starts from files that are read as they are, so that a change is met deep
inside. Where the changed bytes are read after all, what is kept of them must be good for
everything that follows.
"""

import functools
import io
import struct
import zipfile
import zlib
from contextlib import contextmanager

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

import gazeheat_core as gh
from gazeheat_core.exports import Limits, open_source, sources_of
from gazeheat_core.exports.picture import read_picture, read_pictures
from tests.builders import EXIF_ORIENTATION, export_files, picture, write_zip
from tests.conftest import thoroughly

# Sizes that a changed header may claim are refused, not allocated: it is about the errors.
LIMITS = Limits(
    bytes_read=2**24, picture_pixels=250_000, picture_side_px=1_600, small_table_bytes=2**20
)
SIZE = (24, 16)


@contextmanager
def only_words_about(name):
    """Let our own errors pass, which must be one printable line that holds `name`."""
    try:
        yield
    except gh.GazeheatError as error:
        text = str(error)
    else:
        return
    assert name in text
    assert text.isprintable()


@st.composite
def changed(draw, originals):
    """One of `originals` with a few bytes changed, cut out, put in, or moved."""
    data = bytearray(draw(st.sampled_from(originals())))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        change = draw(st.sampled_from(["bit", "byte", "word", "cut", "end", "insert", "copy"]))
        if change == "bit" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif change == "byte":
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
        elif change == "word":
            word = draw(st.sampled_from([0, 1, 0x7FFF, 0xFFFF, 0x80000000, 0xFFFFFFFF]))
            order = draw(st.sampled_from("<>"))
            data[place : place + 4] = struct.pack(f"{order}L", word)
        elif change == "cut":
            del data[place : place + draw(st.integers(1, 64))]
        elif change == "end":
            del data[place:]
        elif change == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=16))
        else:
            start = draw(st.integers(0, max(0, len(data) - 1)))
            data[place:place] = data[start : start + draw(st.integers(1, 128))]
    return bytes(data)


# ---------------------------------------------------------------- archives


@functools.cache
def archives():
    """ZIPs of one export: packed, as they are, with odd names, in parts of other tools."""
    files = {f"Stüdy_x/{name}": data for name, data in export_files().items()}
    made = [
        write_zip(io.BytesIO(), files, compression=method).getvalue()
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
    ]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            # Written to a stream of unknown length: sizes stand behind the data, in 64 bits.
            with archive.open(name, "w", force_zip64=True) as target:
                target.write(data)
        archive.comment = b"PK\5\6 a comment"
    return [*made, out.getvalue()]


@thoroughly
@given(changed(archives))
def test_a_changed_archive_is_read_or_explained(data):
    given = gh.Upload("study.zip", io.BytesIO(data))
    with only_words_about("study.zip"), open_source(given, LIMITS) as files:
        for file in files:
            assert str(file).isprintable()
            with only_words_about("study.zip"):
                file.read(2**20)


@thoroughly
@given(st.lists(st.tuples(st.text(max_size=40), changed(archives)), max_size=3))
def test_changed_files_dropped_together_are_listed_or_explained(given):
    uploads = [gh.Upload(name, io.BytesIO(data)) for name, data in given]
    for source in sources_of(uploads):
        with only_words_about(""), open_source(source, LIMITS) as files:
            for file in files:
                assert str(file).isprintable()
                with only_words_about(""):
                    file.read(2**20)


# ---------------------------------------------------------------- pictures


def encoded(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


@functools.cache
def extras():
    """A rotation tag, and a profile."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    exif[0x0110] = "a phone"
    exif[0x011A] = 72.5
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {"exif": exif, "icc_profile": srgb}


@functools.cache
def jpegs():
    image = picture(SIZE)
    return [
        encoded(image, "JPEG"),
        encoded(image, "JPEG", progressive=True),
        encoded(image, "JPEG", subsampling=0, restart_marker_blocks=1),
        encoded(image.convert("L"), "JPEG", progressive=True),
        encoded(image.convert("CMYK"), "JPEG"),
        encoded(image, "JPEG", **extras()),
        encoded(image, "JPEG", progressive=True, **extras()),
        encoded(image, "MPO", save_all=True, append_images=[picture((8, 8))], **extras()),
    ]


@functools.cache
def pngs():
    image = picture(SIZE)
    grey = Image.fromarray(np.arange(384, dtype=np.uint16).reshape(16, 24) * 170)
    return [
        encoded(image, "PNG"),
        *(encoded(image.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA")),
        encoded(image.convert("P"), "PNG", transparency=3),
        encoded(image, "PNG", transparency=(0, 0, 90)),
        encoded(grey, "PNG"),
        encoded(image, "PNG", **extras()),
        encoded(image.convert("RGBA"), "PNG", **extras()),
        interlaced(),
    ]


def interlaced():
    """A grey PNG of 2 × 2 in the seven passes of Adam7."""
    chunks = {
        b"IHDR": struct.pack(">LLBBBBB", 2, 2, 8, 0, 0, 0, 1),
        b"IDAT": zlib.compress(b"\0\1" + b"\0\2" + b"\0\3\4"),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))
        for name, data in chunks.items()
    )


def with_right_checksums(data):
    """Repair the checksums of a PNG's chunks, without which nothing gets past its door."""
    out, place = data[:8], 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        body = data[place + 4 : place + 8 + length]
        out += data[place : place + 4] + body + struct.pack(">L", zlib.crc32(body))
        place += 12 + length
    return out


@functools.cache
def other_pictures():
    image = picture(SIZE)
    rgba = image.convert("RGBA")
    compressions = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg")
    return [
        *(encoded(image, "TIFF", compression=compression) for compression in compressions),
        encoded(image.convert("1"), "TIFF", compression="group4"),
        encoded(image.convert("CMYK"), "TIFF", **extras()),
        encoded(image, "TIFF", **extras()),
        encoded(image, "TIFF", big_tiff=True),
        encoded(rgba, "TIFF", compression="tiff_lzw"),
        encoded(image, "WEBP", **extras()),
        encoded(rgba, "WEBP", lossless=True),
        encoded(image, "WEBP", save_all=True, append_images=[picture(SIZE, "L").convert("RGB")]),
        *(encoded(image.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")),
    ]


def is_good_for_everything(image):
    """Hold what is kept of a picture against all that is done with it."""
    picture = gh.images.open_picture(image)
    assert (picture.mode, picture.size) == ("RGB", image.size)
    assert picture.info == {}
    with Image.open(io.BytesIO(gh.display_jpeg(image))) as shown:
        assert (shown.mode, shown.size) == ("RGB", image.size)
    assert all(notice.isprintable() for notice in image.notices)


def check_picture(data):
    kept = []
    with only_words_about("ref.jpeg: "):
        kept += read_pictures(data, "ref.jpeg", by_gaze=True, limits=LIMITS)
        kept.append(read_picture(data, "ref.jpeg", limits=LIMITS))
    for image in kept:
        is_good_for_everything(image)


@thoroughly
@given(changed(jpegs))
def test_a_changed_jpeg_is_read_or_explained(data):
    check_picture(data)


@thoroughly
@given(changed(pngs), st.booleans())
def test_a_changed_png_is_read_or_explained(data, repaired):
    check_picture(with_right_checksums(data) if repaired else data)


@thoroughly
@given(changed(other_pictures))
def test_a_changed_picture_of_another_format_is_read_or_explained(data):
    check_picture(data)


@thoroughly
@given(changed(lambda: [extras()["icc_profile"]]))
def test_a_changed_profile_is_used_or_left_out(icc):
    check_picture(encoded(picture(SIZE), "PNG", icc_profile=icc))


@thoroughly
@given(changed(lambda: [extras()["exif"].tobytes()]))
def test_changed_tags_are_followed_or_left_out(exif):
    check_picture(encoded(picture(SIZE), "JPEG", exif=exif[:60_000]))
