"""Contours: where the lines run, what they say, and how they are painted."""

import io

import numpy as np
import pytest
from PIL import Image

import gazeheat_core as gh
from gazeheat_core.contours import Contour, ContourPainter, contours, line_width_px
from tests.builders import picture, picture_bytes

SIZE = (900, 600)  # 300 x 200 bins of 3 px
LOOK = gh.Look(look="contours", levels=(50,), opacity=1, colormap="viridis")


def heatmap_of(values):
    return gh.Heatmap(np.asarray(values, float), gh.Counts(used=1), 1, 5.0)


def cone(x, y, radius_px):
    """A heatmap that falls from 1 at a place to 0 at a distance, in equal steps."""
    across, down = (np.arange(300) + 0.5) * 3 - x, (np.arange(200) + 0.5) * 3 - y
    return heatmap_of(np.clip(1 - np.hypot(across, down[:, None]) / radius_px, 0, None))


def lines(contour):
    """The single lines of a contour."""
    breaks = np.flatnonzero(np.isnan(contour.points[:, 0]))
    return [line[~np.isnan(line[:, 0])] for line in np.split(contour.points, breaks)]


def test_the_line_of_50_percent_on_a_cone_is_a_circle_of_half_its_radius():
    (found,) = contours(cone(400, 310, 200), SIZE, LOOK)
    (line,) = lines(found)
    np.testing.assert_array_equal(line[0], line[-1])
    # A tenth of a bin: between bins the cone is taken as straight.
    away = np.hypot(*(line - (400, 310)).T)
    np.testing.assert_allclose(away, 100, rtol=0, atol=0.3)
    assert line[:, 0].min() == pytest.approx(300, abs=0.3)
    assert line[:, 1].max() == pytest.approx(410, abs=0.3)
    assert found.text == "50 %"
    assert found.colour == tuple(gh.opaque_table("viridis")[128].tolist())


def test_lines_end_at_the_border_of_the_picture():
    # A quarter of a circle around the corner, and a half of one around a side's middle.
    (corner,) = contours(cone(0, 0, 300), SIZE, LOOK)
    (line,) = lines(corner)
    ends = sorted(line[[0, -1]].tolist())
    assert (ends[0][0], ends[1][1]) == (0, 0)
    assert (ends[0][1], ends[1][0]) == pytest.approx((150, 150), abs=0.5)
    (side,) = contours(cone(900, 300, 300), SIZE, LOOK)
    (line,) = lines(side)
    assert line[[0, -1], 0].tolist() == [900, 900]
    assert sorted(line[[0, -1], 1]) == pytest.approx([150, 450], abs=0.5)


def test_a_top_and_a_unit_say_where_lines_run_and_what_they_are_called():
    heatmap = cone(400, 300, 200)
    peak = gh.Peak(row=100, column=133, amount=800, share=0.4, seconds=8.0)
    heatmap = gh.Heatmap(heatmap.values, heatmap.counts, 1, 5.0, peak)
    # 8 s in the middle: 2 s, half of the top of 4 s, is a quarter of that.
    look = gh.Look(look="contours", levels=(50,), unit="seconds", top=4)
    (found,) = contours(heatmap, SIZE, look)
    assert found.text == "2 s"
    np.testing.assert_allclose(np.hypot(*(found.points - (400, 300)).T), 150, rtol=0, atol=0.3)
    # A top of 32 s: half of it is not reached.
    assert (
        contours(heatmap, SIZE, gh.Look(look="contours", levels=(50,), top=32, unit="seconds"))
        == []
    )


def test_levels_below_the_bottom_and_an_empty_map_have_no_lines():
    look = gh.Look(look="contours", levels=(20, 40, 60), bottom=40)
    assert [one.level for one in contours(cone(400, 300, 200), SIZE, look)] == [40, 60]
    assert contours(heatmap_of(np.zeros((200, 300))), SIZE, look) == []


def test_labels_lie_on_their_lines_apart_from_each_other_and_inside():
    look = gh.Look(look="contours", levels=(20, 40, 60, 80))
    found = contours(cone(60, 60, 700), SIZE, look)
    places = [(one, place) for one in found for place in one.labels]
    assert [one.text for one, _ in places] == ["20 %", "40 %", "60 %", "80 %"]
    for one, place in places:
        assert np.nanmin(np.hypot(*(one.points - place).T)) < 10
    xs, ys = np.transpose([place for _, place in places])
    apart = (np.abs(np.subtract.outer(xs, xs)) > 40) | (np.abs(np.subtract.outer(ys, ys)) > 20)
    assert apart[~np.eye(4, dtype=bool)].all()
    assert min(*xs, *ys) > 10


def straight(x0, y0, x1, y1):
    return [Contour(50, "50 %", (10, 20, 30), np.array([[x0, y0], [x1, y1]], float), [])]


def test_a_line_is_as_wide_as_the_picture_asks_and_smooth():
    assert (line_width_px((2000, 1500)), line_width_px((40, 30))) == (5, 1.5)
    pixels = ContourPainter(straight(100, 20, 300, 20), (2000, 40)).paint(0, 40)
    # 5 px around y = 20: four whole rows, and a half of one on either side.
    assert pixels[16:24, 200, 3].tolist() == [0, 128, 255, 255, 255, 255, 128, 0]
    assert pixels[20, 200, :3].tolist() == [10, 20, 30]
    assert pixels[20, [90, 310], 3].tolist() == [0, 0]


def test_strips_leave_no_seam():
    size = (1500, 1000)
    heatmap = cone(400, 300, 200)
    painter = ContourPainter(contours(heatmap, size, gh.Look(look="contours")), size)
    whole = painter.paint(0, 1000)
    assert set(np.unique(whole[..., 3])) > {0, 128, 255}
    for rows in (7, 250):
        strips = [painter.paint(top, min(top + rows, 1000)) for top in range(0, 1000, rows)]
        np.testing.assert_array_equal(np.concatenate(strips), whole)


def test_files_have_the_lines_alone_over_the_picture_and_on_white():
    heatmap, image = cone(400, 310, 200), gh.ReferenceImage(SIZE, picture_bytes(SIZE, "PNG"))
    look = gh.Look(look="contours", levels=(50,), opacity=0.5, colormap="viridis")
    files = gh.render_files(heatmap, image, look, ["heatmap", "overlay", "opaque"])
    alone, over, white = (np.asarray(Image.open(io.BytesIO(file))) for file in files.values())
    colour, ground = gh.opaque_table("viridis")[128].astype(int), np.asarray(picture(SIZE))
    on, off = (310, 500), (310, 420)  # on the line, right of the middle, and within it
    assert alone[on].tolist() == [*colour, 128]
    np.testing.assert_allclose(over[on], (colour + ground[on]) / 2, atol=1)
    assert white[on].tolist() == colour.tolist()
    assert (alone[off][3], over[off].tolist()) == (0, ground[off].tolist())
    assert white[off].tolist() == [255] * 3
    clear = gh.render_files(heatmap, image, gh.Look(look="contours", opacity=0), ["overlay"])
    np.testing.assert_array_equal(Image.open(io.BytesIO(clear["overlay"])), ground)
