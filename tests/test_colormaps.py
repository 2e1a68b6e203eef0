"""Value to colour and cover."""

import numpy as np
import pytest

import gazeheat_core as gh
from gazeheat_core.colormaps import bar_table, colour_stops, layer_table, to_levels
from tests import reference

# First and last colour as published.
ENDS = {
    "turbo": ((48, 18, 59), (122, 4, 3)),
    "viridis": ((68, 1, 84), (253, 231, 37)),
    "magma": ((0, 0, 4), (252, 253, 191)),
    "inferno": ((0, 0, 4), (252, 255, 164)),
    "cividis": ((0, 34, 78), (254, 232, 56)),
    "jet": ((0, 0, 128), (128, 0, 0)),
    "greys": ((255, 255, 255), (0, 0, 0)),
}


def test_every_colormap_is_tested_here():
    assert set(gh.COLORMAPS) == set(ENDS)


@pytest.mark.parametrize("name", gh.COLORMAPS)
def test_colours_are_the_published_ones(name):
    table = gh.opaque_table(name)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert (tuple(table[0]), tuple(table[-1])) == ENDS[name]
    np.testing.assert_array_equal(table, reference.colours(name))


@pytest.mark.parametrize("name", gh.COLORMAPS)
@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.8, 1.0])
def test_cover_grows_with_the_value_up_to_the_opacity(name, opacity):
    table = gh.overlay_table(name, opacity)
    assert (table.shape, table.dtype) == ((256, 4), np.uint8)
    np.testing.assert_array_equal(table[:, :3], gh.opaque_table(name))
    rule = 255 * np.minimum(np.arange(256) / 255, opacity)
    # Rounded to the nearest of 256 steps.
    np.testing.assert_allclose(table[:, 3], rule, rtol=0, atol=0.5)
    assert table[0, 3] == 0


def test_default_cover_can_be_read_by_eye():
    alpha = gh.overlay_table("turbo", gh.Look().opacity)[:, 3]
    assert alpha[[0, 1, 100, 203, 204, 205, 255]].tolist() == [0, 1, 100, 203, 204, 204, 204]


@pytest.mark.parametrize("table", [gh.opaque_table("turbo"), gh.overlay_table("turbo", 0.8)])
def test_tables_are_shared_so_they_cannot_be_written_to(table):
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 7


@pytest.mark.parametrize("name", gh.COLORMAPS)
@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.8, 1.0])
def test_straight_lines_between_the_stops_miss_no_colour_by_more_than_one_step(name, opacity):
    table = gh.overlay_table(name, opacity)
    stops = colour_stops(table)
    assert len(stops) < 50
    for channel in table.T:
        lines = np.interp(np.arange(256), stops, channel[stops])
        np.testing.assert_allclose(lines, channel, rtol=0, atol=1 + 1e-9)


def test_a_straight_table_needs_its_ends_only():
    assert colour_stops(np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(256, 3)) == [0, 255]


def test_levels_are_the_nearest_entries():
    steps = np.arange(256) / 255
    for nudge in (-0.49 / 255, 0.0, 0.49 / 255):
        np.testing.assert_array_equal(to_levels(steps + nudge), np.arange(256))


def test_levels_of_overshoot_are_the_first_and_last():
    assert to_levels(np.array([-0.02, 0.0, 1.0, 1.014])).tolist() == [0, 0, 255, 255]


def test_below_the_bottom_the_colours_are_clear_and_above_it_as_they_were():
    table = gh.overlay_table("turbo", 0.8, 20.0)
    assert table[[0, 50, 51, 255], 3].tolist() == [0, 0, 51, 204]
    np.testing.assert_array_equal(table[51:], gh.overlay_table("turbo", 0.8)[51:])
    bar = bar_table(gh.Look(bottom=20))
    assert bar[[0, 50, 51, 255], 3].tolist() == [0, 0, 255, 255]
    np.testing.assert_array_equal(bar[:, :3], gh.opaque_table("turbo"))


def test_a_spotlight_is_black_that_goes_as_the_value_grows():
    table = layer_table(gh.Look(look="spotlight", opacity=0.8))
    assert not table[:, :3].any()
    assert table[[0, 51, 52, 155, 255], 3].tolist() == [204, 204, 203, 100, 0]
    # What is below the bottom counts as never looked at.
    table = layer_table(gh.Look(look="spotlight", opacity=0.8, bottom=50))
    assert table[[0, 127, 128, 255], 3].tolist() == [204, 204, 127, 0]
    bar = bar_table(gh.Look(look="spotlight", bottom=50))
    assert bar[[0, 127, 128, 255]].tolist() == [[n, n, n, 255] for n in (0, 0, 128, 255)]
