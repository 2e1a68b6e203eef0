"""The two image files, against the reference and by eye."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

import gazeheat_core as gh
from gazeheat_core.colormaps import to_levels
from gazeheat_core.images import DISPLAY_LONGER_SIDE_PX, IMAGE_FILES, level_strips
from tests import reference
from tests.builders import picture, picture_bytes

# Around the 256 rows that are drawn at a time at a width of 1024 px, smaller and larger than
# the bin grid, portrait, landscape, and as narrow as it gets.
SIZES = [
    (1500, 958),
    (958, 1500),
    (640, 255),
    (640, 256),
    (640, 257),
    (1024, 255),
    (1024, 256),
    (1024, 257),
    (700, 1025),
    (90, 60),
    (2, 3),
    (1, 1),
    (1, 500),
    (500, 1),
    (20_000, 10),
    (10, 20_000),
]
# How close a value may lie to the middle between two entries of the colour table, where the
# last bits of a 32-bit float decide. Pillow keeps the box of a strip in such floats, off by
# at most 300 * 2**-24 = 2e-5 bins, and the values themselves, off by a few 6e-8. From one bin
# to the next a value changes by up to 2 without a blur, by 1/15 with a sigma of 15 bins.
NEAR = {0.0: 2 * 2e-5 + 1e-6, 5.0: 2e-5 / 15 + 1e-6}


@functools.cache
def heatmap_of(size, scale=5.0):
    """A heatmap of three clusters, gaze at the corners, and some at random."""
    rng = np.random.default_rng(3)
    spots = rng.choice([[0.2, 0.3], [0.5, 0.8], [0.9, 0.1]], 3000) + rng.normal(0, 0.03, (3000, 2))
    corners = [[0, 0], [0, 1], [1, 0], [1, 1]] * 20
    x, y = (np.concatenate([spots, corners, rng.random((500, 2))]) * size).T
    values = reference.grid_values(x, y, size, scale)
    return gh.Heatmap(values, gh.Counts(used=len(x)), 1, scale)


def empty(size):
    return gh.Heatmap(np.zeros(gh.grid_shape(size)), gh.Counts(), 0, 5.0)


def image_of(size, format="PNG"):
    return gh.ReferenceImage(size, picture_bytes(size, format))


def assert_within_one(image, values, look, draw):
    """Hold `image` against the reference: every pixel within 1 of 255.

    Where a value is near the middle between two colours, either one is right.
    """
    either = [
        draw(reference.heatmap_image(values, look.colormap, look.opacity, nudge))
        for nudge in (-NEAR[look.scale], NEAR[look.scale])
    ]
    differences = [np.abs(np.asarray(image, np.float64) - one).max(axis=2) for one in either]
    # Half for the rounding of alpha, times a colour at most 1; half for that of the result.
    assert np.minimum(*differences).max() <= 1


# ---------------------------------------------------------------- resizing


@pytest.mark.parametrize("scale", [0.0, 5.0])
@pytest.mark.parametrize("size", [*SIZES, (4000, 3001)])
def test_strips_leave_no_seam(size, scale):
    heatmap = heatmap_of(size, scale)
    levels = np.concatenate([levels for _, levels in level_strips(heatmap, size)])
    in_one_piece = reference.resize(heatmap.values, size).astype(np.float64)
    low, high = (to_levels(in_one_piece + nudge) for nudge in (-NEAR[scale], NEAR[scale]))
    assert ((levels == low) | (levels == high)).all()


def test_seams_would_show():
    # What the test above is for: without the rows beyond its ends, a strip starts afresh.
    heatmap = heatmap_of((640, 512))
    rows = heatmap.values.shape[0] // 2
    halves = [reference.resize(v, (640, 256)) for v in np.split(heatmap.values, [rows])]
    whole = reference.resize(heatmap.values, (640, 512))
    assert np.abs(np.concatenate(halves) - whole).max() > 100 * NEAR[5.0]


# ---------------------------------------------------------------- the two images


@pytest.mark.parametrize("size", SIZES)
def test_both_images_are_those_of_the_reference(size):
    look, image = gh.Look(), image_of(size)
    heatmap = heatmap_of(size)
    images = gh.render(heatmap, image, look)
    assert (images.heatmap.mode, images.heatmap.size) == ("RGBA", size)
    assert (images.overlay.mode, images.overlay.size) == ("RGB", size)
    values = reference.resize(heatmap.values, size)
    assert_within_one(images.heatmap, values, look, lambda rgba: rgba)
    ground = picture(size)
    assert_within_one(images.overlay, values, look, lambda rgba: reference.over(rgba, ground))


@pytest.mark.parametrize("colormap", gh.COLORMAPS)
@pytest.mark.parametrize("opacity", [0.0, 0.5, 1.0])
def test_both_images_follow_the_look(colormap, opacity):
    size, look = (300, 200), gh.Look(opacity=opacity, colormap=colormap)
    heatmap = heatmap_of(size)
    images = gh.render(heatmap, image_of(size), look)
    values = reference.resize(heatmap.values, size)
    assert_within_one(images.heatmap, values, look, lambda rgba: rgba)
    ground = picture(size)
    assert_within_one(images.overlay, values, look, lambda rgba: reference.over(rgba, ground))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_heatmap_laid_over_the_picture_is_the_overlay(size, format):
    image = image_of(size, format)
    images = gh.render(heatmap_of(size), image, gh.Look())
    with Image.open(io.BytesIO(image.data)) as ground:
        laid = Image.alpha_composite(ground.convert("RGBA"), images.heatmap)
    assert laid.getextrema()[3] == (255, 255)
    difference = np.asarray(laid, np.int16)[..., :3] - np.asarray(images.overlay)
    # Both round to whole numbers, each in its own way.
    assert np.abs(difference).max() <= 1


def test_a_grey_picture_becomes_a_colour_overlay():
    size = (90, 60)
    image = gh.ReferenceImage(size, picture_bytes(size, "PNG", mode="L"))
    look, heatmap = gh.Look(), heatmap_of(size)
    overlay = gh.render(heatmap, image, look).overlay
    assert overlay.mode == "RGB"
    ground, values = picture(size, "L").convert("RGB"), reference.resize(heatmap.values, size)
    assert_within_one(overlay, values, look, lambda rgba: reference.over(rgba, ground))


@pytest.mark.parametrize("size", [(300, 200), (1, 500)])
def test_without_gaze_the_heatmap_is_clear_and_the_overlay_is_the_picture(size):
    images = gh.render(empty(size), image_of(size), gh.Look())
    assert images.heatmap.getextrema()[3] == (0, 0)
    np.testing.assert_array_equal(images.overlay, picture(size))


def test_opacity_zero_leaves_the_picture_alone():
    size = (300, 200)
    images = gh.render(heatmap_of(size), image_of(size), gh.Look(opacity=0))
    np.testing.assert_array_equal(images.overlay, picture(size))


@pytest.mark.parametrize("size", [(1500, 958), (958, 1500), (90, 60)])
@pytest.mark.parametrize(("right", "down"), [(0.5, 0.1), (0.1, 0.5), (0.8, 0.9)])
def test_gaze_shows_up_where_it_was(size, right, down):
    width, height = size
    values = reference.grid_values([right * width], [down * height], size, 2.0)
    images = gh.render(
        gh.Heatmap(values, gh.Counts(used=1), 1, 2.0), image_of(size), gh.Look(2.0, 1.0)
    )
    alpha = np.asarray(images.heatmap)[..., 3]
    rows, columns = np.nonzero(alpha == alpha.max())
    # A sample counts for the centre of its bin; half a bin aside, half a pixel for its centre.
    aside_px = max(size) / 300 / 2 + 0.5
    assert columns.mean() + 0.5 == pytest.approx(right * width, abs=aside_px)
    assert rows.mean() + 0.5 == pytest.approx(down * height, abs=aside_px)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("size", [(1500, 958), (1, 500)])
def test_png_files_hold_the_same_pixels(size):
    images = gh.render(heatmap_of(size), image_of(size), gh.Look())
    for image in (images.heatmap, images.overlay):
        with Image.open(io.BytesIO(gh.encode_png(image))) as opened:
            assert (opened.format, opened.mode, opened.size) == ("PNG", image.mode, size)
            np.testing.assert_array_equal(opened, image)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_files_that_are_drawn_in_strips_are_those_of_the_images(size, format):
    heatmap, image, look = heatmap_of(size), image_of(size, format), gh.Look()
    images = gh.render(heatmap, image, look)
    files = gh.render_files(heatmap, image, look)
    assert files == {part: gh.encode_png(getattr(images, part)) for part in IMAGE_FILES}
    for part in IMAGE_FILES:
        with Image.open(io.BytesIO(files[part])) as opened:
            np.testing.assert_array_equal(opened, getattr(images, part))
        assert gh.render_files(heatmap, image, look, [part]) == {part: files[part]}


@pytest.mark.parametrize("size", SIZES)
def test_the_opaque_file_has_the_full_colours_everywhere(size):
    heatmap, look = heatmap_of(size), gh.Look(opacity=0.3, colormap="viridis")
    (file,) = gh.render_files(heatmap, image_of(size), look, ["opaque"]).values()
    levels = np.concatenate([levels for _, levels in level_strips(heatmap, size)])
    with Image.open(io.BytesIO(file)) as opened:
        assert (opened.mode, opened.size) == ("RGB", size)
        np.testing.assert_array_equal(opened, gh.opaque_table("viridis")[levels])


def test_where_no_one_looked_the_opaque_file_has_the_lowest_colour():
    (file,) = gh.render_files(empty((90, 60)), image_of((90, 60)), gh.Look(), ["opaque"]).values()
    with Image.open(io.BytesIO(file)) as opened:
        assert opened.getcolors() == [(90 * 60, (48, 18, 59))]  # turbo's dark blue


def test_both_files_carry_the_given_texts_and_none_else():
    heatmap, image, look = heatmap_of((90, 60)), image_of((90, 60)), gh.Look()
    texts = {"Title": "Shop shelf", "Comment": "Größe 5 %, 時間"}
    for given in (texts, {}):
        for file in gh.render_files(heatmap, image, look, texts=given).values():
            with Image.open(io.BytesIO(file)) as opened:
                assert opened.text == given


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((3200, 1000), (DISPLAY_LONGER_SIDE_PX, 500)),
        ((1000, 3200), (500, DISPLAY_LONGER_SIDE_PX)),
        ((40, 30), (40, 30)),
    ],
)
def test_picture_for_the_screen_is_a_jpeg_of_at_most_1600_px(size, shown):
    assert DISPLAY_LONGER_SIDE_PX == 1600
    with Image.open(io.BytesIO(gh.display_jpeg(image_of(size)))) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", shown)


# ---------------------------------------------------------------- other looks


def seconds_of(values):
    """A heatmap of 8 s within the blur at its hottest place."""
    peak = gh.Peak(row=0, column=0, amount=1600, share=0.5, seconds=8.0)
    return gh.Heatmap(np.asarray(values, float), gh.Counts(used=1), 1, 5.0, peak)


def files_of(values, look):
    size = (300, 200)  # as many pixels as bins: no value is resized
    files = gh.render_files(
        seconds_of(values), image_of(size), look, ["heatmap", "overlay", "opaque"]
    )
    return [np.asarray(Image.open(io.BytesIO(file))).astype(int) for file in files.values()]


def halves():
    """Values of 1 on the left, 0.25 on the right, and 0.05 at the bottom."""
    values = np.ones((200, 300))
    values[:, 150:] = 0.25
    values[150:] = 0.05
    return values


def test_above_the_top_is_the_last_colour_and_below_the_bottom_nothing():
    # The top of 4 s is half of the 8 s: 2 s are half of the scale, and 0.4 s a tenth.
    look = gh.Look(unit="seconds", top=4, bottom=20, opacity=1)
    alone, over, opaque = files_of(halves(), look)
    turbo, ground = gh.opaque_table("turbo"), np.asarray(picture((300, 200)))
    for place, level, alpha in (((20, 20), 255, 255), ((20, 280), 128, 128), ((190, 20), 26, 0)):
        assert alone[place].tolist() == [*turbo[level], alpha]
        assert opaque[place].tolist() == turbo[level].tolist()  # the bottom is not for this one
        covered = (turbo[level] * float(alpha) + ground[place] * (255.0 - alpha)) / 255
        np.testing.assert_allclose(over[place], covered, atol=1)


def test_a_spotlight_leaves_the_picture_where_gaze_fell_and_darkens_the_rest():
    alone, over, opaque = files_of(halves(), gh.Look(look="spotlight", bottom=20))
    ground = np.asarray(picture((300, 200)))
    for place, level, alpha in (((20, 20), 255, 0), ((20, 280), 64, 191), ((190, 20), 13, 204)):
        assert alone[place].tolist() == [0, 0, 0, alpha]
        np.testing.assert_allclose(over[place], ground[place] * (1 - alpha / 255), atol=1)
        assert opaque[place].tolist() == [level] * 3


def test_a_top_as_small_as_a_number_can_be_is_no_mistake():
    alone, _, _ = files_of(np.eye(200, 300), gh.Look(unit="seconds", top=5e-324, opacity=1))
    assert set(np.unique(alone[..., 3])) >= {0, 255}
