"""The PNG writer, against what Pillow makes of the same pixels."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

import gazeheat_core as gh
from gazeheat_core.png import PngWriter, encode_strips, strips
from tests.builders import picture

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def decoded(data):
    """The image in a PNG file."""
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.format == "PNG"
        opened.load()
        return opened


def by_pillow(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return decoded(out.getvalue())


def chunks(data):
    """Name and content of each chunk, with its length and its check taken for right or wrong."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, place = [], 8
    while place < len(data):
        (length,) = struct.unpack_from(">L", data, place)
        name, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        (check,) = struct.unpack_from(">L", data, place + 8 + length)
        assert (len(content), check) == (length, zlib.crc32(name + content))
        found.append((name, content))
        place += 12 + length
    return found


def image_of(mode, size, seed, grain):
    """Noise, or equal pixels in blocks, or a slope: what filters treat in different ways."""
    width, height = size
    random = np.random.default_rng(seed)
    shape = (height, width, CHANNELS[mode])
    values = {
        "noise": lambda: random.integers(0, 256, shape),
        "blocks": lambda: random.integers(0, 2, shape).cumsum(axis=0) // 4 * 100,
        "slope": lambda: np.indices(shape).sum(axis=0) * random.integers(1, 9),
    }[grain]()
    pixels = values.astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels)


images = st.builds(
    image_of,
    st.sampled_from(list(CHANNELS)),
    st.tuples(st.integers(1, 70), st.integers(1, 40)),
    st.integers(0, 9),
    st.sampled_from(["noise", "blocks", "slope"]),
)


@given(images, st.lists(st.integers(1, 39), max_size=5))
@example(image_of("RGB", (1, 1), 0, "noise"), [])
@example(image_of("RGBA", (1, 3), 0, "noise"), [1, 2])
def test_the_pixels_are_those_of_pillow_however_the_picture_is_cut(image, cuts):
    writer = PngWriter(image.size, image.mode)
    edges = sorted({0, image.height, *(cut for cut in cuts if cut < image.height)})
    for top, bottom in itertools.pairwise(edges):
        writer.add(np.asarray(image)[top:bottom])
    ours, pillows = decoded(writer.finish()), by_pillow(image)
    assert (ours.mode, ours.size) == (pillows.mode, pillows.size)
    np.testing.assert_array_equal(ours, pillows)


@pytest.mark.parametrize("mode", CHANNELS)
@pytest.mark.parametrize("size", [(1021, 600), (1, 300_000), (300_001, 1), (600_000, 2)])
def test_a_picture_of_several_strips(mode, size):
    image = picture(size, mode)
    ours = decoded(gh.encode_png(image))
    assert (ours.mode, ours.size) == (mode, size)
    np.testing.assert_array_equal(ours, by_pillow(image))


@pytest.mark.parametrize("size", [(1, 1), (1021, 600), (4000, 3000), (2**18, 3), (2**18 + 1, 3)])
def test_strips_are_the_picture_and_no_larger_than_they_must(size):
    found = list(strips(size))
    assert [top for top, _ in found[1:]] == [bottom for _, bottom in found[:-1]]
    assert (found[0][0], found[-1][1]) == (0, size[1])
    rows = [bottom - top for top, bottom in found]
    assert all(one == 1 or one * size[0] <= 2**18 for one in rows)


def test_a_strip_is_drawn_and_gone_before_the_next():
    drawn = []

    def draw(top, bottom):
        drawn.append((top, bottom))
        return Image.new("RGB", (2048, bottom - top), (top % 256, 0, 0))

    ours = np.asarray(decoded(encode_strips((2048, 300), "RGB", draw)))
    assert drawn == [(0, 128), (128, 256), (256, 300)]
    assert ours[[0, 127, 128, 255, 256, 299], 0, 0].tolist() == [0, 0, 128, 128, 0, 0]


def row_filters(image):
    """The number of each row's filter."""
    found = chunks(gh.encode_png(image))
    rows = zlib.decompress(b"".join(data for name, data in found if name == b"IDAT"))
    return list(rows[:: len(rows) // image.height])


def test_each_row_takes_the_filter_that_leaves_less():
    across = np.tile(np.arange(100, dtype=np.uint8) * 7, (3, 1))
    down = np.repeat(np.arange(3, dtype=np.uint8)[:, None] * 70 + 60, 100, axis=1)
    sub, up = 1, 2
    # Only above the first row there is nothing alike.
    assert row_filters(Image.fromarray(across)) == [sub, up, up]
    assert row_filters(Image.fromarray(down)) == [sub, sub, sub]


def test_a_file_holds_pixels_and_texts_and_nothing_else():
    image = picture((60, 40))
    image.info = {
        "icc_profile": b"colours",
        "gamma": 0.5,
        "transparency": (0, 0, 90),
        "dpi": (9, 9),
    }
    names = [name for name, _ in chunks(gh.encode_png(image))]
    assert (names[0], set(names[1:-1]), names[-1]) == (b"IHDR", {b"IDAT"}, b"IEND")
    names = [name for name, _ in chunks(gh.encode_png(image, {"Title": "Shelf"}))]
    assert (names[:2], set(names[2:-1])) == ([b"IHDR", b"iTXt"], {b"IDAT"})


def test_pillow_reads_the_texts():
    texts = {"Title": "Shop shelf", "Größe": "5 %\n時間 🙂", "x" * 79: "", "Long": "word " * 9_999}
    image = picture((60, 40))
    ours = decoded(gh.encode_png(image, texts))
    assert ours.text == texts
    np.testing.assert_array_equal(ours, image)


@pytest.mark.parametrize(("dpi", "per_metre"), [(300, 11811), (72, 2835), (1200, 47244)])
def test_a_resolution_stands_before_the_pixels(dpi, per_metre):
    writer = PngWriter((2, 1), "L", {"Title": "Shelf"}, dpi=dpi)
    writer.add(np.zeros((1, 2), np.uint8))
    data = writer.finish()
    names, contents = zip(*chunks(data), strict=True)
    assert names[:3] == (b"IHDR", b"pHYs", b"iTXt")
    assert contents[1] == struct.pack(">LLB", per_metre, per_metre, 1)
    assert decoded(data).info["dpi"] == pytest.approx((dpi, dpi), abs=0.01)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("", "no keyword"),
        ("x" * 80, "too long"),
        ("時間", "no Latin-1"),
        ("a\0b", ""),
        ("a", "b\0c"),
    ],
)
def test_a_text_that_no_png_can_hold_is_refused(keyword, text):
    with pytest.raises(ValueError, match="1 to 79 characters of Latin-1"):
        gh.encode_png(picture((60, 40)), {keyword: text})


@pytest.mark.parametrize("mode", ["P", "1", "CMYK", "F", "I"])
def test_a_mode_that_is_not_written_is_refused(mode):
    with pytest.raises(ValueError, match=f"mode {mode}: convert it to one of L, LA, RGB, RGBA"):
        gh.encode_png(picture((60, 40), mode))
