"""Settings: ranges, what is said outside of them, and JSON there and back."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gazeheat_core as gh
from gazeheat_core.cli import main
from gazeheat_core.settings import COLORMAP, LEVELS, OPACITY, SCALE, SETTINGS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_settings_are_those_of_the_specification_by_default():
    assert dataclasses.asdict(gh.Look()) == {
        **{"scale": 5, "opacity": 0.8, "colormap": "turbo", "look": "colours"},
        **{"unit": "percent", "top": 0, "bottom": 0, "levels": (20, 40, 60, 80)},
    }
    assert gh.Selection() == gh.Selection("gaze", "pooled", window_s=None, sections=None)


@pytest.mark.parametrize("scale", [0, 0.1, 20])
@pytest.mark.parametrize("opacity", [0, 1])
@pytest.mark.parametrize("colormap", gh.COLORMAPS)
def test_settings_include_the_ends_of_their_ranges(scale, opacity, colormap):
    look = gh.Look(scale, opacity, colormap)
    assert (look.scale, look.opacity, look.colormap) == (scale, opacity, colormap)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"scale": -1}, "Scale is -1; choose a value from 0 to 20 percent."),
        ({"scale": 20.5}, "Scale is 20.5; choose a value from 0 to 20 percent."),
        ({"scale": math.nan}, "Scale is nan; choose a value from 0 to 20 percent."),
        ({"scale": math.inf}, "Scale is inf; choose a value from 0 to 20 percent."),
        ({"opacity": -0.1}, "Opacity is -0.1; choose a value from 0 to 1."),
        ({"opacity": 80}, "Opacity is 80; choose a value from 0 to 1."),
        ({"opacity": math.nan}, "Opacity is nan; choose a value from 0 to 1."),
        (
            {"colormap": "rainbow"},
            "There are no colours 'rainbow'; choose one of "
            "turbo, viridis, magma, inferno, cividis, jet, greys.",
        ),
        (
            {"look": "rainbow"},
            "There is no look 'rainbow'; choose one of colours, spotlight, contours.",
        ),
        (
            {"unit": "minutes"},
            "There is no unit 'minutes'; choose one of percent, seconds, share.",
        ),
        ({"top": -1}, "Top is -1; choose a value from 0 to 1e+09."),
        ({"bottom": 96}, "Bottom is 96; choose a value from 0 to 95 percent."),
        *(
            (
                {"levels": levels},
                "Lines are not 1 to 12 numbers from 1 to 99 in ascending order; give such.",
            )
            for levels in ((), (50, 20), (20, 20), (0, 50), (math.nan,), tuple(range(1, 14)), 50)
        ),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_range(setting, message):
    with pytest.raises(gh.SettingError) as caught:
        gh.Look(**setting)
    assert str(caught.value) == message


@pytest.mark.parametrize("scale", [np.float64(2), np.float32(2), np.int64(2)])
def test_numbers_of_an_array_are_numbers(scale):
    assert gh.Look(scale).scale == 2


def test_the_ranges_are_those_of_the_specification():
    assert (SCALE.lowest, SCALE.highest, OPACITY.lowest, OPACITY.highest) == (0, 20, 0, 1)
    assert tuple(COLORMAP.titles) == gh.COLORMAPS


def test_each_setting_is_a_field_of_the_look_with_the_same_default():
    defaults = {setting.name: setting.default for setting in SETTINGS}
    assert dataclasses.asdict(gh.Look()) == defaults


# ---------------------------------------------------------------- the figure


@pytest.mark.parametrize(
    ("style", "width_px"),
    [((160, 300), 1890), ((30, 72), 85), ((1000, 254), 10_000), ((200, 1200), 9449)],
)
def test_a_figure_s_width_in_pixels(style, width_px):
    assert gh.FigureStyle(*style).width_px == width_px


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ({"width_mm": 29.9}, "Width is 29.9; choose a value from 30 to 1000 mm."),
        ({"width_mm": math.inf}, "Width is inf; choose a value from 30 to 1000 mm."),
        ({"dpi": 71}, "Resolution is 71; choose a value from 72 to 1200 dpi."),
        ({"dpi": "300"}, "Resolution is '300'; choose a value from 72 to 1200 dpi."),
        (
            {"width_mm": 300, "dpi": 1200},
            "A figure of 300 mm at 1200 dpi is 14,173 pixels wide; 10,000 are the most. "
            "Choose a smaller width, or fewer dpi.",
        ),
    ],
)
def test_a_figure_that_is_too_large_is_said_with_what_to_do(style, message):
    with pytest.raises(gh.SettingError) as caught:
        gh.FigureStyle(**style)
    assert str(caught.value) == message


# ---------------------------------------------------------------- JSON


@given(
    st.floats(0, 20),
    st.one_of(st.floats(0, 1), st.sampled_from([0, 1])),
    st.sampled_from(gh.COLORMAPS),
)
def test_a_look_comes_back_from_json_as_it_was(scale, opacity, colormap):
    look = gh.Look(scale, opacity, colormap)
    assert gh.Look.from_json(look.as_json()) == look
    assert look.as_json().isascii()


def test_json_holds_each_setting_by_its_name():
    look = gh.Look(2.5, 0.5, "jet", "contours", "seconds", 3.5, 10, (25, 50))
    assert json.loads(look.as_json()) == {
        **{"scale": 2.5, "opacity": 0.5, "colormap": "jet", "look": "contours"},
        **{"unit": "seconds", "top": 3.5, "bottom": 10, "levels": [25, 50]},
    }
    assert gh.Look.from_json(look.as_json()) == look


def test_a_setting_that_is_missing_has_its_default():
    assert gh.Look.from_json('{"colormap": "jet"}') == gh.Look(colormap="jet")
    assert gh.Look.from_json("{}") == gh.Look()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The settings '' are no JSON. Give settings that Gazeheat wrote."),
        ("{'scale': 5}", "The settings '{'scale': 5}' are no JSON. Give settings that"),
        ("[" * 9_000, "are no JSON"),
        ("9" * 9_000, "are no object of JSON"),
        ("[1]", "The settings '[1]' are no object of JSON. Give one, such as {\"scale\": 5.0,"),
        ("null", "are no object of JSON"),
        (" " * 10_001, "The settings have 10,001 characters; 10,000 are the most."),
        ('{"scale": NaN}', "Scale is nan; choose a value from 0 to 20 percent."),
        ('{"scale": 1e999}', "Scale is inf; choose"),
        (f'{{"scale": {"9" * 5_000}}}', "Scale is inf; choose"),
        ('{"scale": -1}', "Scale is -1; choose"),
        ('{"scale": "5"}', "Scale is '5'; choose a value from 0 to 20 percent."),
        ('{"scale": true}', "Scale is no number; choose"),
        ('{"scale": null}', "Scale is no number; choose"),
        ('{"opacity": [1]}', "Opacity is no number; choose a value from 0 to 1."),
        ('{"opacity": {"scale": 1}}', "Opacity is no number; choose"),
        ('{"colormap": 7}', "Colours: a name is needed; choose one of turbo, "),
        ('{"colormap": ["jet"]}', "Colours: a name is needed; choose"),
        ('{"colormap": "Jet\\u001b[31m"}', "There are no colours 'Jet\ufffd[31m'; choose"),
        ('{"blur": 5, "scale": 5}', "There is no setting 'blur'; the settings are 'scale', "),
        ('{"": 5}', "There is no setting ''; the settings are"),
        ('{"scale": 5, "scale": 6}', "The setting 'scale' stands there twice. Give it once."),
    ],
    ids=lambda value: value[:30],
)
def test_json_from_anywhere_is_refused_in_words(text, message):
    with pytest.raises(gh.SettingError) as caught:
        gh.Look.from_json(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


@given(st.text(max_size=200))
def test_any_text_is_a_look_or_a_setting_error(text):
    try:
        look = gh.Look.from_json(text)
    except gh.SettingError:
        return
    assert look == gh.Look()  # "{}", among blanks


# ---------------------------------------------------------------- where they are told


def test_the_readme_s_table_says_what_the_settings_say():
    rows = [
        f"| {one.title} | `--{one.name}` | {one.help} | {one.values} | {one.default_text} |"
        for one in SETTINGS
    ]
    table = [
        "| Setting | Option | What it does | Values | Default |",
        "|---|---|---|---|---|",
        *rows,
    ]
    assert "\n".join(table) in README


def test_the_help_says_what_the_settings_say(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for one in SETTINGS:
        about = f"{one.help} ({one.values}; default {one.default_text})"
        assert f"--{one.name} {one.name.upper()} {about}" in said


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_terminal_can_show_what_a_setting_does(setting):
    assert f"{setting.help} {setting.values} {setting.default_text}".isascii()


def test_contour_lines_are_read_as_people_type_them():
    for text in ("25,50", " 25 , 50 ", "50;25;50", "25 50"):
        assert LEVELS.parse(text) == (25, 50)
    with pytest.raises(gh.SettingError, match="Lines are 'half'; give 1 to 12 numbers"):
        LEVELS.parse("half")


@pytest.mark.parametrize(
    "window_s", [(-1, 2), (3, 2), (0, math.inf), (math.nan, 2), (0, 1e10)], ids=str
)
def test_a_window_of_time_that_makes_no_sense_is_refused(window_s):
    with pytest.raises(gh.SettingError, match="Give two numbers of seconds after the section's"):
        gh.Selection(window_s=window_s)
