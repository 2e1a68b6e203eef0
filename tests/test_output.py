"""Every file of a heatmap: what is in the report, and what a form or a file may ask for."""

import csv
import io
import json
import zipfile
from datetime import date

import numpy as np
import pytest
from PIL import Image
from rocrate.rocrate import ROCrate

import gazeheat_core as gh
from gazeheat_core.account import find_account
from gazeheat_core.bundle import recordings_csv
from gazeheat_core.output import FILE_KINDS, FigureAsked, Output
from gazeheat_core.paper import caption, methods_text
from gazeheat_core.settings import FigureStyle
from tests.builders import Row, export_zip

DAY = date(2026, 11, 26)
LOOK = gh.Look(scale=2, colormap="viridis")
ASKED = FigureAsked(FigureStyle(60, 100), heading="A $shelf$ & more", caption="Größe: <b>no</b>")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Two of three recordings, the second of a name that a spreadsheet would compute."""
    path = tmp_path_factory.mktemp("output") / "shelf.zip"
    places = {"rec-a": (10.0, 10.0), "rec-b": (30.0, 20.0), "rec-c": (5.0, 5.0)}
    rows = [Row(x, y, True, id, id) for id, (x, y) in places.items() for _ in range(6)]
    rows += [Row(90.0, 10.0, True, "rec-a", "rec-a"), Row(1.0, 1.0, False, "rec-b", "rec-b")]
    names = [("rec-a", "rec-a", "P01", "Ada"), ("rec-b", "rec-b", "=1+1", "Ben")]
    names += [("rec-c", "rec-c", "P03", "Ada")]
    (read,) = gh.read_exports(export_zip(path, name="Shelf", rows=rows, people=names))
    study = gh.track_export(read)
    histograms = gh.select(study)
    ticked = [0, 1]
    heatmap = gh.make_heatmap([histograms[i] for i in ticked], study.size(), LOOK.scale)
    return Output(study, histograms, ticked, heatmap, LOOK, "Shelf")


@pytest.fixture(scope="module")
def report(output):
    return output.make("report", ASKED, DAY)


def unpacked(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_names_say_what_is_in_the_files(output):
    assert [output.name(what) for what in FILE_KINDS] == [
        "Shelf_heatmap_2-of-3_scale-2.png",
        "Shelf_overlay_2-of-3_scale-2.png",
        "Shelf_opaque_2-of-3_scale-2.png",
        "Shelf_figure_2-of-3_scale-2.png",
        "Shelf_figure_2-of-3_scale-2.svg",
        "Shelf_figure_2-of-3_scale-2.pdf",
        "Shelf_report_2-of-3_scale-2.zip",
    ]
    assert [output.mime(what).rpartition("/")[2] for what in FILE_KINDS[3:]] == [
        "png",
        "svg+xml",
        "pdf",
        "zip",
    ]


def test_the_report_holds_every_file_as_it_is_alone(output, report):
    files = unpacked(report)
    for what in FILE_KINDS[:-1]:
        assert files[output.name(what)] == output.make(what, ASKED)
    assert output.make("report", ASKED, DAY) == report


def test_every_file_says_what_it_was_made_of(output, report):
    plain, figure = output.account(), output.account(ASKED)
    assert plain.figure is None
    assert figure.figure == {
        "width_mm": 60,
        "dpi": 100,
        "heading": "A $shelf$ & more",
        "caption": "Größe: <b>no</b>",
    }
    files = unpacked(report)
    for what in FILE_KINDS[:-1]:
        expected = figure if what.startswith("figure") else plain
        assert find_account(files[output.name(what)], output.name(what)) == expected
    whole = find_account(report, "report.zip")
    assert whole.figure == {**figure.figure, "made_on": "2026-11-26"}
    assert FigureAsked.from_values(whole.figure) == ASKED


def test_the_numbers_of_the_report_read_back(output, report):
    files = unpacked(report)
    values = np.load(io.BytesIO(files["values.npy"]), allow_pickle=False)
    np.testing.assert_array_equal(values, output.heatmap.values)
    table = list(csv.reader(io.StringIO(files["values.csv"].decode())))
    # A picture of 40 × 30 px: 300 × 225 bins of 2/15 px.
    assert table[0][1:3] == ["0.0666666667", "0.2"]
    assert [line[0] for line in table[1:3]] == ["0.0666666667", "0.2"]
    numbers = np.array([line[1:] for line in table[1:]], np.float64)
    # Nine digits that count.
    np.testing.assert_allclose(numbers / 100, output.heatmap.values, rtol=1e-8, atol=0)


def test_the_table_of_recordings_is_text_in_a_spreadsheet_and_adds_up(output, report):
    text = unpacked(report)["recordings.csv"].decode("utf-8-sig")
    head, *lines = csv.reader(io.StringIO(text))
    assert [line[:4] for line in lines] == [
        ["rec-a", "P01", "Ada", "yes"],
        ["rec-b", "'=1+1", "Ben", "yes"],
        ["rec-c", "P03", "Ada", "no"],
    ]
    first = head.index("rows")
    for line in lines:
        rows, *parts = map(int, line[first : first + 6])
        assert rows == sum(parts)
    assert [line[first : first + 3] for line in lines] == [
        ["7", "6", "1"],
        ["7", "6", "0"],
        ["6", "6", "0"],
    ]
    assert [line[-1] for line in lines] == ["50", "50", "0"]
    assert text == recordings_csv(output.histograms, output.ticked)


def test_the_report_is_a_crate(report, tmp_path):
    with zipfile.ZipFile(io.BytesIO(report)) as archive:
        archive.extractall(tmp_path)
    crate = ROCrate(tmp_path)
    assert crate.name == "Heatmap of Shelf"
    assert crate.datePublished.date() == DAY
    described = {one["name"]: one for one in crate.data_entities}
    there = {path.name for path in tmp_path.iterdir()} - {"ro-crate-metadata.json"}
    assert set(described) == there
    for name, one in described.items():
        assert int(one["contentSize"]) == (tmp_path / name).stat().st_size
    assert described["methods.txt"]["encodingFormat"] == "text/plain"
    (software,) = [one for one in crate.contextual_entities if one.type == "SoftwareApplication"]
    assert software["name"] == "Gazeheat"


def test_the_opaque_heatmap_is_the_map_s_colours_everywhere(output):
    with Image.open(io.BytesIO(output.make("opaque"))) as image:
        assert (image.mode, image.size) == ("RGB", (40, 30))
        # No one looked at the right border: the first colour of the map.
        assert image.getpixel((39, 0)) == tuple(gh.opaque_table("viridis")[0].tolist())


def test_words_that_nobody_has_written_are_the_page_s_own(output):
    assert output.caption() == caption(output.study, output.pooled, output.heatmap)
    assert output.account(FigureAsked()).figure["caption"] == output.caption()
    assert output.account(FigureAsked(caption="")).figure["caption"] == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"width_mm": 5}, "Width is 5; choose a value from 30 to 1000 mm."),
        ({"width_mm": "5"}, "Width is '5'; choose a value from 30 to 1000 mm."),
        ({"dpi": None}, "Resolution is no number; choose a value from 72 to 1200 dpi."),
        ({"heading": 7}, "The heading of the figure is no text. Write one, or none."),
        ({"caption": ["a"]}, "The caption of the figure is no text. Write one, or none."),
    ],
)
def test_a_figure_that_cannot_be_is_said(values, words):
    with pytest.raises(gh.SettingError) as said:
        FigureAsked.from_values(values)
    assert str(said.value) == words
    with pytest.raises(gh.SettingError):
        FigureAsked.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "[" * 100_000])
def test_a_form_that_is_none_is_said(text):
    with pytest.raises(gh.SettingError, match="did not arrive whole"):
        FigureAsked.from_json(text)


# ---------------------------------------------------------------- caption and methods


def test_the_caption_says_what_of_whom_and_how(output):
    first, *rest = output.caption().split(". ")
    assert first == "Gaze of 2 of 3 recordings (2 wearers) on Shelf, pooled: 12 samples"
    assert rest[0].startswith("100 % = 0.0")
    assert output.caption().endswith(
        f"Gaussian blur, sigma 2 % of the longer side. Gazeheat {output.account().version}."
    )


def test_the_methods_hold_every_number_and_leave_blanks(output):
    text = methods_text(output.study, output.pooled, output.heatmap, output.look)
    for part in (
        "[eye tracker, model and firmware: fill in] at 200 Hz",
        "(Shelf, 40 × 30 px) with the Reference Image Mapper",
        "2 of 3 recordings (2 wearers)",
        "1 recording left out because [fill in]",
        "Of 14 samples, 12 (85.7 %) lay on the picture and were used",
        "1 (7.1 %) lay outside the picture, 1 (7.1 %) were not on it or not detected",
        "300 × 225 bins, blurred with a Gaussian (sigma 2 % of the longer side, 1 px",
        "viridis colour map",
        "10.3758/s13428-023-02187-1",
    ):
        assert part in text
    assert "Holmqvist" not in text


def test_a_heatmap_without_gaze_has_its_files_too(output):
    bare = gh.make_heatmap([], output.study.size(), 0)
    none = Output(output.study, output.histograms, [], bare, gh.Look(scale=0), "Shelf")
    files = unpacked(none.make("report", made_on=DAY))
    assert "Gaze of 0 of 3 recordings on Shelf, pooled: 0 samples. No blur." in none.caption()
    first_row = files["values.csv"].decode().splitlines()[1]
    assert first_row == "0.0666666667" + 300 * ",0"
