"""The figure: what stands where on the paper, in all three kinds of file."""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

import gazeheat_core as gh
from gazeheat_core.model import ReferenceImage
from tests.builders import picture_bytes

LABEL = "% of the longest gaze"
CAPTION = "Gaze of 3 recordings (2 wearers) on Shelf, pooled: 21,040 samples."
ACCOUNT = r'{"export": {"name": "<Shelf> & \u68da (\"a\\b\")"}}'
SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = ("0", "25", "50", "75", "100")
SIZE = (400, 300)
ROOT = Path(__file__).parents[1]


def heatmap_of(size, row=0.5, column=0.5):
    """A heatmap whose hottest place is at a share of the height and of the width."""
    shape = gh.grid_shape(size)
    bins = np.zeros(shape)
    bins[int(row * shape[0]), int(column * shape[1])] = 1
    values = gh.normalize(gh.blur(bins, 5))
    return gh.Heatmap(values, gh.Counts(used=1), recordings=1, scale=5)


def draw(kind, size=SIZE, style=None, look=None, **words):
    given = {"label": LABEL, "heading": "Shelf", "caption": CAPTION, "account": ACCOUNT, **words}
    image = ReferenceImage(size, picture_bytes(size, "PNG"))
    style = style or gh.FigureStyle()
    return gh.draw_figure(heatmap_of(size), image, look or gh.Look(), style, kind, **given)


def pixels(png):
    with Image.open(io.BytesIO(png)) as opened:
        return np.asarray(opened).astype(int)


def tool(name, *arguments, data):
    """Give a file to another program; skip where it is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    return subprocess.run([name, *arguments], input=data, capture_output=True, check=True).stdout


def svg_texts(svg):
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def svg_images(svg):
    """The two pictures in an SVG file: overlay and bar."""
    found = ElementTree.fromstring(svg).iter(f"{SVG}image")
    links = [one.get("{http://www.w3.org/1999/xlink}href") for one in found]
    files = [base64.b64decode(link.split(",")[1]) for link in links]
    return [Image.open(io.BytesIO(file)).convert("RGB") for file in files]


def picture_box(image):
    """Left, top, right and bottom of the overlay in a drawn figure, by its blue of 90.

    Without heat the picture of `builders` has that blue everywhere; no text and no bar of
    greys has it.
    """
    rows, columns = np.nonzero((image[..., 2] == 90) & (image[..., 0] != 90))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


# ---------------------------------------------------------------- the same bytes


def digests():
    return [sha256(draw(kind)).hexdigest() for kind in gh.FIGURE_KINDS]


def test_the_same_figure_has_the_same_bytes_in_any_process():
    here = digests()
    assert digests() == here
    code = "from tests.test_figure import digests; print(*digests())"
    # Another seed of Python's hashes, and another day.
    env = {**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1000000000"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == here


def test_figures_that_are_drawn_at_the_same_time_do_not_mix():
    with ThreadPoolExecutor(4) as threads:
        drawn = [threads.submit(draw, kind) for kind in gh.FIGURE_KINDS * 2]
        found = [sha256(one.result()).hexdigest() for one in drawn]
    assert found == digests() * 2


def test_a_person_s_own_settings_change_nothing_and_stay():
    usual = digests()
    own = {"font.size": 30, "svg.fonttype": "path", "pdf.fonttype": 3, "axes.facecolor": "red"}
    with matplotlib.rc_context(own):
        assert digests() == usual
        assert {name: matplotlib.rcParams[name] for name in own} == own


# ---------------------------------------------------------------- pixels


def test_the_overlay_s_pixels_are_those_of_the_overlay_file():
    overlay = gh.render_overlay(
        heatmap_of(SIZE), ReferenceImage(SIZE, picture_bytes(SIZE, "PNG")), gh.Look()
    )
    (ours, _) = svg_images(draw("svg"))
    np.testing.assert_array_equal(ours, overlay)


def test_a_known_place_has_the_overlay_s_colour():
    clear = pixels(draw("png", look=gh.Look(opacity=0, colormap="greys")))
    left, top, right, bottom = picture_box(clear)
    assert (right - left) / (bottom - top) == pytest.approx(4 / 3, abs=0.002)
    drawn = pixels(draw("png"))
    # The hottest place: Turbo's last colour covers 0.8 of the picture's.
    middle = drawn[(top + bottom) // 2, (left + right) // 2]
    expected = 0.8 * np.array([122, 4, 3]) + 0.2 * np.array([127, 127, 90])
    np.testing.assert_allclose(middle, expected, atol=2)
    corner = drawn[top, left]
    np.testing.assert_allclose(corner, [0, 0, 90], atol=2)


@pytest.mark.parametrize("colormap", ["turbo", "viridis", "greys"])
def test_the_bar_has_the_map_s_full_colours(colormap):
    table = gh.opaque_table(colormap)[[0, 128, 255]].astype(int)
    look = gh.Look(opacity=0.3, colormap=colormap)
    drawn = pixels(draw("png", look=look))
    _, top, right, bottom = picture_box(pixels(draw("png", look=gh.Look(opacity=0))))
    in_bar = right + 45  # 7 points of paper, and half the bar of 9 points, at 300 dpi
    found = drawn[[bottom - 1, (top + bottom) // 2, top], in_bar]
    np.testing.assert_allclose(found, table, atol=3)
    np.testing.assert_array_equal(found[[0, 2]], table[[0, 2]])
    # Above and below the bar's thin border is paper.
    assert drawn[[top - 4, bottom + 4], in_bar].tolist() == [[255] * 3] * 2


def test_a_vector_file_holds_no_more_pixels_than_the_picture_or_the_paper():
    small, bar = svg_images(draw("svg", (40, 30)))
    assert small.size == (40, 30)
    np.testing.assert_array_equal(np.asarray(bar)[[-1, 0], 0], gh.opaque_table("turbo")[[0, 255]])
    (large, _) = svg_images(draw("svg", (4000, 3000), gh.FigureStyle(100, 100)))
    assert 300 < large.width < 394


# ---------------------------------------------------------------- size


@pytest.mark.parametrize("style", [(160, 300), (30, 72), (85, 600), (400, 99.5)])
def test_every_kind_has_the_width_that_was_asked_for(style):
    style = gh.FigureStyle(*style)
    with Image.open(io.BytesIO(draw("png", style=style))) as opened:
        assert opened.width == style.width_px
        assert opened.info["dpi"] == pytest.approx((style.dpi, style.dpi), abs=0.02)
    root = ElementTree.fromstring(draw("svg", style=style))
    assert root.get("width").endswith("pt")
    points = float(root.get("width").removesuffix("pt"))
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", draw("pdf", style=style))
    for width in (points, float(box[1])):
        assert width / 72 * 25.4 == pytest.approx(style.width_mm, abs=0.1)


def test_the_height_follows_from_what_is_there():
    def height(**words):
        return len(pixels(draw("png", **words)))

    bare = height(heading="", caption="")
    assert bare < height(caption="") < height() < height(caption=CAPTION * 3)
    # 3 mm of paper on either side of a picture of 4 : 3 that leaves room for the bar.
    assert 1000 < bare < 1500


@pytest.mark.parametrize("size", [(500, 1), (1, 500), (1, 1), (900, 1600)])
@pytest.mark.parametrize("kind", gh.FIGURE_KINDS)
def test_pictures_of_any_shape_fit_on_the_paper(size, kind):
    data = draw(kind, size, gh.FigureStyle(100, 100))
    if kind == "png":
        image = pixels(data)
        assert image.shape[1] == 394
        assert image.shape[0] < 1.6 * 394
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert (border == 255).all()
    elif kind == "svg":
        assert {*NUMBERS, LABEL} <= set(svg_texts(data))


def test_a_png_of_too_many_pixels_is_refused():
    with pytest.raises(gh.SettingError) as caught:
        draw("png", (100, 200), gh.FigureStyle(211, 1200))
    assert re.fullmatch(
        r"The figure would have 9,969 × 1\d,\d{3} pixels; 100 million are the most. "
        "Choose a smaller width, or fewer dpi.",
        str(caught.value),
    )


# ---------------------------------------------------------------- text


def test_a_long_caption_wraps_inside_the_paper():
    long = "Gaze of several people on one shelf, and so on. " * 12 + "x" * 500
    image = pixels(draw("png", caption=long))
    _, _, _, bottom = picture_box(pixels(draw("png", caption=long, look=gh.Look(opacity=0))))
    ink = np.nonzero((image[bottom + 10 :] < 128).any(axis=(0, 2)))[0]
    # The caption begins at the picture's edge and keeps the same margin on the right.
    assert 30 <= ink.min() <= 40
    assert 1890 - 80 < ink.max() < 1890 - 30
    said = svg_texts(draw("svg", caption=long))
    caption = [line for line in said if line not in {"Shelf", LABEL, *NUMBERS}]
    assert len(caption) > 8
    assert " ".join(caption).replace(" ", "") == long.replace(" ", "")


def test_line_ends_of_a_caption_are_kept_and_blanks_are_one():
    texts = svg_texts(draw("svg", heading="", caption=" One  line.\n\n\tAnother.\n"))
    assert texts[-2:] == ["One line.", "Another."]


@pytest.mark.parametrize("kind", gh.FIGURE_KINDS)
@pytest.mark.parametrize("style", [(160, 300), (30, 300)])
def test_names_are_text_whatever_stands_in_them(kind, style):
    name = r"$x_1^2$ \frac{} <b> & 棚 مرآة 🙂 \x00"
    data = draw(
        kind,
        style=gh.FigureStyle(*style),
        heading=f"{name}\x00\ud800\ufffe\u202e",
        caption="時間の棚、" * 60 + f"\n{name}",
        label=name,
    )
    if kind == "svg" and style[0] == 160:
        assert f"{name}\ufffd\ufffd\ufffd" in svg_texts(data)


@pytest.mark.parametrize("what", ["heading", "caption", "label"])
def test_a_text_that_is_too_long_is_refused(what):
    with pytest.raises(gh.SettingError) as caught:
        draw("svg", **{what: "x" * 2001})
    assert str(caught.value) == (
        f"The figure's {what} has 2,001 characters; 2,000 are the most. Shorten it."
    )
    if what == "caption":
        with pytest.raises(gh.SettingError, match=r"takes 1,000 lines; 200 are the most"):
            draw("svg", caption="x\n" * 1000)


def test_another_program_finds_the_text_in_a_pdf():
    said = tool("pdftotext", "-layout", "-", "-", data=draw("pdf")).decode()
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert next(line for line in lines if line) == "Shelf"
    assert CAPTION in lines
    assert {*NUMBERS, LABEL} <= set(lines)


def test_another_program_draws_the_svg_as_the_png_is():
    style = gh.FigureStyle(100, 100)
    theirs = tool("rsvg-convert", "--width", "394", data=draw("svg", style=style))
    theirs, ours = (pixels(png)[..., :3] for png in (theirs, draw("png", style=style)))
    assert abs(len(theirs) - len(ours)) <= 1
    rows = min(len(theirs), len(ours))
    assert np.abs(theirs[:rows] - ours[:rows]).mean() < 4


# ---------------------------------------------------------------- other looks


def test_the_bar_says_the_unit_s_values_and_is_paper_below_the_bottom():
    look = gh.Look(top=50, bottom=20)
    assert {"0", "10", "20", "30", "40", "≥ 50"} <= set(svg_texts(draw("svg", look=look)))
    _, bar = svg_images(draw("svg", look=look))
    colours = np.asarray(bar)[::-1, 4]  # from below
    steps = len(colours)
    np.testing.assert_array_equal(colours[: steps // 5 - 1], 255)
    table = gh.opaque_table("turbo")
    np.testing.assert_array_equal(colours[[steps // 5 + 1, -1]], table[[51, 255]])
    _, bar = svg_images(draw("svg", look=gh.Look(look="spotlight")))
    assert np.asarray(bar)[[-1, 0], 4].tolist() == [[0] * 3, [255] * 3]


def test_a_long_label_stands_beside_the_bar_in_lines():
    label = "seconds of gaze in fixations within the blur, recordings equal"
    texts = svg_texts(draw("svg", (400, 160), gh.FigureStyle(100, 100), label=label))
    lines = [text for text in texts if text and text in label and text not in NUMBERS]
    assert " ".join(lines) == label
    assert 2 <= len(lines) <= 3
    # In a picture that is high enough it is one line.
    assert label in svg_texts(draw("svg", label=label))


def test_contours_are_paths_and_text_in_a_vector_file():
    look = gh.Look(look="contours", levels=(20, 50), opacity=0.6, colormap="viridis")
    data = draw("svg", look=look)
    shown, _ = svg_images(data)
    np.testing.assert_array_equal(shown, Image.open(io.BytesIO(picture_bytes(SIZE, "PNG"))))
    assert {"20 %", "50 %"} <= set(svg_texts(data))
    paths = [one.get("style", "") for one in ElementTree.fromstring(data).iter(f"{SVG}path")]
    for level in (51, 128):
        colour = "#" + bytes(gh.opaque_table("viridis")[level].tolist()).hex()
        (style,) = [style for style in paths if f"stroke: {colour}" in style]
        assert "stroke-opacity: 0.6" in style
    said = tool("pdftotext", "-layout", "-", "-", data=draw("pdf", look=look)).decode()
    assert "20 %" in said


def test_contours_of_a_png_are_where_those_of_the_svg_are():
    style, look = gh.FigureStyle(100, 100), gh.Look(look="contours", opacity=1)
    theirs = tool("rsvg-convert", "--width", "394", data=draw("svg", style=style, look=look))
    theirs, ours = (pixels(png)[..., :3] for png in (theirs, draw("png", style=style, look=look)))
    rows = min(len(theirs), len(ours))
    assert np.abs(theirs[:rows] - ours[:rows]).mean() < 4


# ---------------------------------------------------------------- the account


def test_a_png_says_what_it_is():
    with Image.open(io.BytesIO(draw("png"))) as opened:
        assert opened.text == {
            "Software": "Gazeheat 0.1.0",
            "Title": "Shelf",
            "Description": CAPTION,
            "gazeheat": ACCOUNT,
        }
    with Image.open(io.BytesIO(draw("png", heading="", caption=""))) as opened:
        assert set(opened.text) == {"Software", "gazeheat"}


def test_an_svg_says_what_it_is():
    root = ElementTree.fromstring(draw("svg", heading="<Shelf>"))
    assert root.find(f"{SVG}title").text == "<Shelf>"
    assert root.find(f"{SVG}desc").text == CAPTION
    (metadata,) = root.iter(f"{SVG}metadata")
    assert (metadata.get("id"), metadata.text) == ("gazeheat", ACCOUNT)


def test_a_pdf_says_what_it_is():
    data = draw("pdf")
    (keywords,) = re.findall(rb"/Keywords \(((?:[^\\()]|\\.)*)\)", data)
    assert re.sub(rb"\\(.)", rb"\1", keywords).decode() == ACCOUNT
    assert b"/Title (Shelf)" in data
    assert b"/Creator (Gazeheat 0.1.0)" in data
    assert b"Date" not in data[data.index(b"/Keywords") :]


def test_an_account_that_is_not_plain_ascii_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="plain ASCII"):
        draw("svg", account='"棚"')
