"""The chart: what lies where, and in which colour."""

import base64
import io
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

import gazeheat_core as gh
from gazeheat_core.chart import BAR_WIDTH_PX, colour_scales, overlay_scale, spotlight_scale
from gazeheat_core.colormaps import bar_table, layer_table
from tests.builders import picture_bytes

SIZES = [(1500, 958), (958, 1500), (100_000, 10), (1, 500)]
GROUND = "data:image/jpeg;base64,AAAA"
LEVELS = np.arange(256) / 255


DEFAULT = gh.Look()


def draw(size, values=None, used=1, look=DEFAULT):
    if values is None:
        values = np.zeros(gh.grid_shape(size))
        values[0, -1] = 1
    heatmap = gh.Heatmap(values, gh.Counts(used=used), 1, look.scale)
    chart = gh.overlay_figure(heatmap, size, GROUND, look)
    # As the browser gets it; Plotly's own package checks it against Plotly's schema.
    return go.Figure(json.loads(json.dumps(chart)))


def array(typed):
    """The numbers that Plotly reads from an array of bytes."""
    assert typed["dtype"] == "u1"
    shape = [int(side) for side in typed["shape"].split(",")]
    return np.frombuffer(base64.b64decode(typed["bdata"]), np.uint8).reshape(shape)


def traces(figure, kind):
    return [trace for trace in figure.data if trace.type == kind]


def drawn(colorscale):
    """The colours of all 256 levels, in straight lines between those that are given."""
    colours = [[float(n) for n in re.findall(r"[\d.]+", colour)] for _, colour in colorscale]
    positions = [position for position, _ in colorscale]
    return np.transpose(
        [np.interp(LEVELS, positions, channel) for channel in np.transpose(colours)]
    )


@pytest.mark.parametrize("size", SIZES)
def test_picture_spans_exactly_its_own_pixels(size):
    (image,) = draw(size).layout.images
    assert (image.source, image.layer) == (GROUND, "below")
    assert (image.xref, image.yref) == ("x", "y")
    assert (image.x, image.xanchor, image.y, image.yanchor) == (0, "left", 0, "top")
    assert (image.sizex, image.sizey) == size
    assert image.sizing == "stretch"


@pytest.mark.parametrize("size", SIZES)
def test_axes_run_right_and_down_in_equal_steps(size):
    width, height = size
    x, y = draw(size).layout.xaxis, draw(size).layout.yaxis
    assert (tuple(x.range), tuple(y.range)) == ((0, width), (height, 0))
    assert (y.scaleanchor, y.scaleratio) == ("x", 1)
    assert (x.constrain, y.constrain) == ("domain", "domain")


@pytest.mark.parametrize("size", SIZES)
def test_zoom_stays_inside_the_picture(size):
    x, y = draw(size).layout.xaxis, draw(size).layout.yaxis
    assert ((x.minallowed, x.maxallowed), (y.minallowed, y.maxallowed)) == tuple(
        (0, side) for side in size
    )


@pytest.mark.parametrize("size", SIZES)
def test_cells_span_exactly_the_picture(size):
    (cells,) = traces(draw(size), "heatmap")
    for count, start, step, side in zip(
        array(cells.z).shape[::-1], (cells.x0, cells.y0), (cells.dx, cells.dy), size, strict=True
    ):
        # Plotly wants the centre of the first cell; half a cell before it is the edge.
        assert start == pytest.approx(step / 2, rel=1e-15, abs=0)  # one rounding
        assert count * step == pytest.approx(side, rel=1e-15, abs=0)


def test_cells_are_the_values_with_row_0_on_top():
    values = np.zeros((225, 300))
    values[0, 299], values[224, 0], values[100, 100] = 1.0, 0.5, 0.004
    (cells,) = traces(draw((40, 30), values), "heatmap")
    assert (cells.zmin, cells.zmax) == (0, 255)
    z = array(cells.z)
    assert (z[0, 299], z[224, 0], z[100, 100]) == (255, 128, 1)
    assert np.count_nonzero(z) == 3
    assert cells.y0 > 0
    assert cells.dy > 0


def test_hover_shows_whole_percent():
    values = np.linspace(0, 1, 225 * 300).reshape(225, 300)
    (cells,) = traces(draw((40, 30), values), "heatmap")
    np.testing.assert_array_equal(array(cells.customdata), np.rint(100 * values))
    assert cells.hovertemplate.startswith("%{customdata} %")


@pytest.mark.parametrize("colormap", ["turbo", "greys"])
@pytest.mark.parametrize("opacity", [0.0, 0.5, 0.8, 1.0])
def test_colours_of_the_cells_carry_the_opacity_rule(colormap, opacity):
    figure = draw((40, 30), look=gh.Look(opacity=opacity, colormap=colormap))
    (cells,) = traces(figure, "heatmap")
    colours = drawn(cells.colorscale)
    np.testing.assert_allclose(colours[:, :3], gh.opaque_table(colormap), rtol=0, atol=1 + 1e-9)
    # Drawn to one of 256 steps, which are rounded themselves and written with four decimals.
    rule = np.minimum(LEVELS, opacity)
    np.testing.assert_allclose(colours[:, 3], rule, rtol=0, atol=1.5 / 255 + 5e-5)
    assert not cells.showscale


def test_the_cover_stops_to_grow_at_the_opacity():
    # Greys go from white to black; half of 255 is rounded to the even 128.
    scale = dict(overlay_scale("greys", 0.5))
    assert scale[0] == "rgba(255,255,255,0.0000)"
    assert scale[128 / 255].endswith(",0.5020)")
    assert scale[1] == "rgba(0,0,0,0.5020)"


@pytest.mark.parametrize("name", gh.COLORMAPS)
def test_few_colours_stand_for_each_map(name):
    stops = np.array(colour_scales()[name])
    levels = [stop / 255 for stop in stops[:, 0]]
    colours = np.transpose([np.interp(LEVELS, levels, channel) for channel in stops[:, 1:].T])
    np.testing.assert_allclose(colours, gh.opaque_table(name), rtol=0, atol=1 + 1e-9)
    assert len(stops) < 64


@pytest.mark.parametrize("used", [0, 1])
def test_colour_bar_has_the_full_colours_and_percent(used):
    (bar,) = traces(draw((40, 30), used=used), "scatter")
    marker = bar.marker
    assert marker.showscale
    assert (marker.cmin, marker.cmax) == (0, 100)
    assert list(marker.colorbar.tickvals) == [0, 25, 50, 75, 100]
    assert marker.colorbar.title.text == "% of the longest gaze"
    assert list(marker.colorbar.ticktext) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    np.testing.assert_allclose(
        drawn(marker.colorscale), gh.opaque_table("turbo"), rtol=0, atol=1 + 1e-9
    )
    assert (bar.x, bar.y) == ((None,), (None,))


def test_without_gaze_there_is_the_picture_and_no_heatmap():
    figure = draw((40, 30), np.zeros((225, 300)), used=0)
    assert traces(figure, "heatmap") == []
    assert len(figure.layout.images) == 1


def test_background_is_clear_in_any_theme():
    layout = draw((40, 30)).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_ground_is_the_picture_as_a_data_uri():
    image = gh.ReferenceImage((40, 30), picture_bytes((40, 30)))
    head, _, data = gh.ground_uri(gh.display_jpeg(image)).partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
        assert (opened.format, opened.size) == ("JPEG", (40, 30))


# ---------------------------------------------------------------- other looks


def in_seconds(values):
    """A heatmap of 8 s within the blur at its hottest place."""
    peak = gh.Peak(row=0, column=0, amount=1600, share=0.5, seconds=8.0)
    return gh.Heatmap(values, gh.Counts(used=1), 1, 5.0, peak)


def drawn_as(values, **look):
    chart = gh.overlay_figure(in_seconds(values), (300, 225), GROUND, gh.Look(**look))
    return go.Figure(json.loads(json.dumps(chart)))


def ramp():
    """Values from 0 on the left to 1 on the right."""
    return np.tile(np.linspace(0, 1, 300), (225, 1))


def test_cells_end_at_the_top_and_hover_tells_of_the_largest_value():
    figure = drawn_as(ramp(), unit="seconds", top=4)
    (cells,), (bar,) = traces(figure, "heatmap"), traces(figure, "scatter")
    # 4 s are half of the 8 s: from the middle on there is the last colour.
    np.testing.assert_array_equal(
        array(cells.z)[0], np.rint(255 * np.minimum(2 * np.linspace(0, 1, 300), 1))
    )
    np.testing.assert_array_equal(array(cells.customdata), np.rint(100 * ramp()))
    assert cells.hovertemplate.startswith("%{customdata} % of 8 s<br>")
    assert bar.marker.colorbar.ticktext == ("0 s", "1 s", "2 s", "3 s", "≥ 4 s")
    assert bar.marker.colorbar.tickvals == (0, 25, 50, 75, 100)
    assert bar.marker.colorbar.title.text == "seconds of gaze within the blur"


def test_below_the_bottom_cells_and_bar_are_clear():
    figure = drawn_as(ramp(), bottom=20, opacity=1)
    (cells,), (bar,) = traces(figure, "heatmap"), traces(figure, "scatter")
    # The bar's colours above the bottom are written with an alpha of 1.
    for scale, above in ((cells.colorscale, np.arange(51, 256) / 255), (bar.marker.colorscale, 1)):
        colours = drawn(scale)
        np.testing.assert_array_equal(colours[:51, 3], 0)
        np.testing.assert_allclose(colours[51:, 3], above, atol=1e-4)
        np.testing.assert_allclose(colours[51:, :3], gh.opaque_table("turbo")[51:], atol=1 + 1e-9)


@pytest.mark.parametrize("opacity", [0.0, 0.8, 1.0])
@pytest.mark.parametrize("bottom", [0, 10, 50])
def test_a_spotlight_has_the_colours_of_the_files(opacity, bottom):
    look = gh.Look(look="spotlight", opacity=opacity, bottom=bottom)
    colours = drawn(spotlight_scale(opacity, bottom))
    assert not colours[:, :3].any()
    np.testing.assert_allclose(255 * colours[:, 3], layer_table(look)[:, 3], atol=0.05)
    (bar,) = traces(draw((40, 30), look=look), "scatter")
    np.testing.assert_allclose(
        drawn(bar.marker.colorscale), bar_table(look)[:, :3], rtol=0, atol=1e-9
    )


def test_where_no_one_looked_a_spotlight_is_dark():
    figure = draw((40, 30), np.zeros((225, 300)), used=0, look=gh.Look(look="spotlight"))
    (cells,) = traces(figure, "heatmap")
    assert not array(cells.z).any()
    assert cells.colorscale[0] == (0, "rgba(0,0,0,0.8000)")


def test_contours_are_lines_with_their_values_over_clear_cells():
    figure = drawn_as(ramp(), look="contours", unit="seconds", levels=(25, 75), opacity=0.6)
    (cells,) = traces(figure, "heatmap")
    assert not drawn(cells.colorscale)[:, 3].any()
    _, low, high = traces(figure, "scatter")
    for line, level, share in ((low, 64, 0.25), (high, 191, 0.75)):
        assert (line.mode, line.hoverinfo, line.opacity, line.meta) == ("lines", "skip", 0.6, level)
        red, green, blue = gh.opaque_table("turbo")[level]
        assert line.line.color == f"rgb({red},{green},{blue})"
        x, y = (
            np.frombuffer(base64.b64decode(part["bdata"]), np.float32) for part in (line.x, line.y)
        )
        # From the first column's middle at 0.5 px to the last one's, in equal steps.
        np.testing.assert_allclose(x, 0.5 + 299 * share, atol=1e-3)
        assert sorted(y[[0, -1]]) == [0, 225]
    said = [(one.text, one.x, one.opacity, one.showarrow) for one in figure.layout.annotations]
    assert said == [
        ("2 s", pytest.approx(75.25), 0.6, False),
        ("6 s", pytest.approx(224.75), 0.6, False),
    ]


def test_a_long_label_is_broken_and_has_room():
    heatmap = gh.Heatmap(
        ramp(),
        gh.Counts(used=1),
        1,
        5.0,
        gh.Peak(0, 0, 1600, 0.5, 8.0),
        gh.Selection("fixation-gaze", "recording"),
    )
    chart = gh.overlay_figure(heatmap, (300, 225), GROUND, gh.Look(unit="seconds"))
    colorbar = chart["data"][1]["marker"]["colorbar"]
    assert colorbar["title"]["text"] == (
        "seconds of gaze in fixations<br>within the blur, recordings equal"
    )
    assert chart["layout"]["margin"]["r"] > BAR_WIDTH_PX == draw((40, 30)).layout.margin.r
