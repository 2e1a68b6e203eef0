"""The command line: what it writes, what it prints, and how it says no."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gazeheat_core as gh
from gazeheat_core.cli import file_stem, main
from tests.builders import (
    MM,
    PEOPLE,
    RIM,
    Row,
    export_folder,
    export_zip,
    picture_bytes,
    write_zip,
)

ROOT = Path(__file__).parents[1]
# What `builders.ROWS` holds.
ADA = {"id": "rec-a", "name": "P01", "rows": 5}
ADA |= {"used": 3, "outside": 1, "undetected": 1, "unreadable": 0}
BEN = {"id": "rec-b", "name": "P02", "rows": 4}
BEN |= {"used": 2, "outside": 0, "undetected": 0, "unreadable": 2}


@pytest.fixture
def shelf(tmp_path):
    return export_zip(tmp_path / "shelf.zip")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "images"


def run(capsys, *arguments):
    """Run with success; return one parsed line for each enrichment."""
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert (status, printed.err) == (0, "")
    return [json.loads(line) for line in printed.out.splitlines()]


def assert_refused(capsys, *arguments, words):
    """Run without success: one message for people, with all of `words`."""
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert printed.err.startswith("gazeheat: ")
    assert printed.err.count("\n") == 1
    assert printed.err.endswith(".\n")
    for word in words:
        assert str(word) in printed.err


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels(path):
    with Image.open(path) as opened:
        return np.asarray(opened)


# ---------------------------------------------------------------- what comes out


@pytest.mark.parametrize("kind", [RIM, MM])
@pytest.mark.parametrize("packed", [True, False])
def test_one_export_gives_two_images_and_one_line(tmp_path, out, capsys, kind, packed):
    if packed:
        given, name = export_zip(tmp_path / "any name.zip", kind=kind), "Shelf"
    else:
        given, name = export_folder(tmp_path / "My shelf", kind=kind), "My shelf"
    files = {part: str(out / f"{name}_{part}.png") for part in ("heatmap", "overlay")}
    assert run(capsys, given, "--out", out) == [
        {
            "enrichment": name,
            "kind": kind,
            "image_size": {"width": 40, "height": 30},
            "recordings": [ADA, BEN],
            "unassigned_rows": 0,
            "files": files,
        }
    ]
    assert names(out) == [f"{name}_heatmap.png", f"{name}_overlay.png"]
    for part, mode in (("heatmap", "RGBA"), ("overlay", "RGB")):
        with Image.open(files[part]) as opened:
            assert (opened.format, opened.mode, opened.size) == ("PNG", mode, (40, 30))


def test_images_are_those_of_the_functions(shelf, out, capsys):
    options = {"--scale": 2, "--opacity": 0.5, "--colormap": "viridis"}
    run(capsys, shelf, "--out", out, *(word for pair in options.items() for word in pair))
    (export,) = gh.read_exports(shelf)
    look = gh.Look(2, 0.5, "viridis")
    heatmap = gh.make_heatmap(gh.bin_recordings(export), (40, 30), look.scale)
    images = gh.render(heatmap, export.image, look)
    np.testing.assert_array_equal(pixels(out / "Shelf_heatmap.png"), images.heatmap)
    np.testing.assert_array_equal(pixels(out / "Shelf_overlay.png"), images.overlay)


def test_defaults_are_those_of_the_specification(shelf, out, tmp_path, capsys):
    run(capsys, shelf, "--out", out)
    said = ["--scale", "5", "--opacity", "0.8", "--colormap", "turbo"]
    run(capsys, shelf, "--out", tmp_path / "said", *said)
    for name in names(out):
        assert (out / name).read_bytes() == (tmp_path / "said" / name).read_bytes()
    assert pixels(out / "Shelf_heatmap.png")[..., 3].max() == 204  # 0.8 of 255


@pytest.mark.parametrize(
    ("wanted", "counted"),
    [
        (["rec-a"], [ADA]),
        (["P02"], [BEN]),
        (["P02", "rec-a"], [ADA, BEN]),
        (["rec-b", "P02"], [BEN]),
    ],
)
def test_recordings_are_chosen_by_id_or_name(shelf, out, capsys, wanted, counted):
    chosen = [word for name in wanted for word in ("--recording", name)]
    (line,) = run(capsys, shelf, "--out", out, *chosen)
    assert line["recordings"] == counted


def test_only_the_chosen_recording_is_on_the_images(shelf, out, capsys):
    run(capsys, shelf, "--out", out, "--recording", "P01", "--scale", "1")
    alpha = pixels(out / "Shelf_heatmap.png")[..., 3]
    assert alpha[5, 10] > 0  # Ada's
    assert alpha[15:, 20:].max() == 0  # Ben's lower right quarter


def test_several_exports_give_a_line_each_and_names_of_their_own(tmp_path, out, capsys):
    first = export_zip(tmp_path / "1.zip")
    second = export_zip(tmp_path / "2.zip", kind=MM)
    third = export_zip(tmp_path / "3.zip", name="Wall: left/right?".replace("/", "\\"))
    lines = run(capsys, first, second, third, "--out", out)
    assert [line["kind"] for line in lines] == [RIM, MM, RIM]
    assert len({path for line in lines for path in line["files"].values()}) == 6
    assert all(Path(path).parent == out for line in lines for path in line["files"].values())
    assert len(names(out)) == 6
    assert names(out)[:4] == [
        "Shelf_2_heatmap.png",
        "Shelf_2_overlay.png",
        "Shelf_heatmap.png",
        "Shelf_overlay.png",
    ]


def test_one_zip_may_hold_several_exports(tmp_path, out, capsys):
    inner = {}
    for name in ("Shelf", "Wall"):
        folder = export_folder(tmp_path / f"Study_{RIM.upper()}_{name}_csv")
        inner |= {f"{folder.name}/{p.name}": p.read_bytes() for p in folder.iterdir()}
    lines = run(capsys, write_zip(tmp_path / "both.zip", inner), "--out", out)
    assert [line["enrichment"] for line in lines] == ["Shelf", "Wall"]


def test_an_export_without_a_chosen_recording_is_passed_over_in_words(tmp_path, out, capsys):
    other = export_zip(
        tmp_path / "other.zip",
        [Row(5.0, 5.0, True, "rec-z", "sec-z")],
        name="Wall",
        people=[("rec-z", "sec-z", "P26", "Zoe")],
        fixations=None,
    )
    shelf = export_zip(tmp_path / "shelf.zip")
    arguments = [str(other), str(shelf), "--out", str(out), "--recording", "P01"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    (line,) = map(json.loads, printed.out.splitlines())
    assert (line["enrichment"], line["recordings"]) == ("Shelf", [ADA])
    assert "Wall" in printed.err
    assert "none of the recordings" in printed.err
    assert names(out) == ["Shelf_heatmap.png", "Shelf_overlay.png"]


def test_without_gaze_on_the_picture_the_images_are_made_and_it_is_said(tmp_path, out, capsys):
    beside = export_zip(tmp_path / "beside.zip", [(-1.0, 5.0), (math.nan, math.nan, False)])
    assert main([str(beside), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    ada, ben = json.loads(printed.out)["recordings"]
    assert (ada["used"], ada["outside"], ada["undetected"], ben["rows"]) == (0, 1, 1, 0)
    assert "no gaze lies on the picture" in printed.err
    assert pixels(out / "Shelf_heatmap.png")[..., 3].max() == 0


def test_another_picture_takes_the_place_of_the_exports_own(shelf, tmp_path, out, capsys):
    given = tmp_path / "white.png"
    Image.new("RGB", (40, 30), (255, 255, 255)).save(given)
    run(capsys, shelf, "--out", out, "--image", given, "--opacity", "0")
    assert pixels(out / "Shelf_overlay.png").min() == 255


def test_a_surface_without_picture_takes_a_ratio(tmp_path, out, capsys):
    given = export_zip(tmp_path / "mm.zip", kind=MM, size=None)
    (line,) = run(capsys, given, "--out", out, "--ratio", "4:3")
    assert line["image_size"] == {"width": 1500, "height": 1125}
    assert line["recordings"] == [ADA, BEN]


@pytest.mark.parametrize(
    ("export", "options", "size"),
    [
        ({}, ["--image", "given.png"], (40, 30)),
        ({"kind": MM}, ["--image", "given.png"], (80, 60)),
        ({"kind": MM, "size": None}, ["--image", "given.png"], (80, 60)),
        ({"kind": MM, "picture_data": b"broken"}, ["--image", "given.png"], (80, 60)),
        ({"kind": MM, "size": None}, ["--ratio", "4:3"], (1500, 1125)),
        ({"kind": MM, "picture_data": b"broken"}, ["--ratio", "4:3"], (1500, 1125)),
    ],
    ids=str,
)
def test_another_ground_needs_no_samples_and_is_kept(
    tmp_path, out, capsys, monkeypatch, export, options, size
):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (80, 60)).save("given.png")
    given = export_zip(tmp_path / "shelf.zip", **export)
    monkeypatch.setattr("gazeheat_core.cli.read_export", None)
    for _ in range(2):
        assert main([str(given), "--out", str(out), "--cache", "kept", *options]) == 0
        line = json.loads(capsys.readouterr().out)
        assert line["image_size"] == {"width": size[0], "height": size[1]}
        assert line["recordings"] == [ADA, BEN]
        # From here on, nothing can be read.
        monkeypatch.setattr("gazeheat_core.studies.bin_part", None)


def test_a_picture_for_gaze_in_pixels_alone_is_held_against_the_samples(tmp_path, out, capsys):
    given = export_zip(tmp_path / "shelf.zip", size=None)
    Image.new("RGB", (40, 30)).save(tmp_path / "right.png")
    Image.new("RGB", (4, 3)).save(tmp_path / "small.png")
    (line,) = run(capsys, given, "--out", out, "--image", tmp_path / "right.png")
    assert line["recordings"] == [ADA, BEN]
    options = ["--out", out, "--image", tmp_path / "small.png"]
    assert_refused(capsys, given, *options, words=["small.png is 4 × 3 px", "the gaze reaches"])


def test_images_of_an_earlier_run_are_replaced(shelf, out, capsys):
    run(capsys, shelf, "--out", out)
    before = (out / "Shelf_heatmap.png").read_bytes()
    run(capsys, shelf, "--out", out, "--colormap", "greys")
    assert len(names(out)) == 2
    assert (out / "Shelf_heatmap.png").read_bytes() != before


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Shelf", "Shelf"),
        ("Küche · 棚", "Küche · 棚"),
        ('a<b>c:d"e/f\\g|h?i*j', "a_b_c_d_e_f_g_h_i_j"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("two\nlines\x00", "two_lines_"),
        (" . ", "export"),
        ("", "export"),
        ("x" * 300, "x" * 100),
    ],
)
def test_stems_can_be_written_on_any_system(name, stem):
    assert file_stem(name) == stem


# ---------------------------------------------------------------- how it says no


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scale", "21"], ["Scale is 21", "0 to 20"]),
        (["--scale", "-1"], ["Scale is -1", "0 to 20"]),
        (["--scale", "nan"], ["Scale is nan", "0 to 20"]),
        (["--opacity", "80"], ["Opacity is 80", "0 to 1"]),
        (["--colormap", "rainbow"], ["'rainbow'", *gh.COLORMAPS]),
        (["--recording", "P03"], ["'P03'", "'P01', 'P02'", "sections.csv"]),
        (["--recording", "P01", "--recording", "p02"], ["'p02'", "'P01', 'P02'"]),
    ],
)
def test_a_bad_setting_is_named_with_what_is_possible(shelf, out, capsys, options, words):
    assert_refused(capsys, shelf, "--out", out, *options, words=words)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["EXPORT", "--out"]),
        (["shelf.zip"], ["--out"]),
        (["--out", "images"], ["EXPORT"]),
        (["shelf.zip", "--out", "images", "--scale", "wide"], ["--scale", "'wide'"]),
        (["shelf.zip", "--out", "images", "--width", "5"], ["--width"]),
    ],
)
def test_a_wrong_command_shows_how_it_is_used(capsys, arguments, words):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert printed.err.startswith("usage: gazeheat")
    for word in words:
        assert word in printed.err.splitlines()[-1]


def test_a_missing_export_is_named(tmp_path, out, capsys):
    missing = tmp_path / "gone.zip"
    words = [missing, "no such file", "ZIP or a folder"]
    assert_refused(capsys, missing, "--out", out, words=words)
    assert not out.exists()


def test_a_missing_picture_file_is_named(shelf, tmp_path, out, capsys):
    missing = tmp_path / "gone.png"
    words = [missing, "no such file", "Give the path of a picture"]
    assert_refused(capsys, shelf, "--out", out, "--image", missing, words=words)
    assert not out.exists()


def test_a_picture_of_another_shape_is_refused_with_both_sizes(shelf, tmp_path, out, capsys):
    given = tmp_path / "tall.png"
    given.write_bytes(picture_bytes((30, 40), "PNG"))
    words = ["tall.png", "30 × 40 px", "40 × 30 px", "aspect ratio"]
    assert_refused(capsys, shelf, "--out", out, "--image", given, words=words)
    assert not out.exists()


@pytest.mark.parametrize("ratio", ["16x9", "0:3", "1000:1", "-4:3"])
def test_a_bad_ratio_is_refused_with_an_example(tmp_path, out, capsys, ratio):
    given = export_zip(tmp_path / "mm.zip", kind=MM, size=None)
    assert_refused(capsys, given, "--out", out, f"--ratio={ratio}", words=["ratio", "16"])
    assert not out.exists()


def test_an_export_without_picture_is_refused_with_what_to_give(tmp_path, out, capsys):
    given = export_zip(tmp_path / "rim.zip", size=None)
    words = ["Shelf", "no reference image", "full size"]
    assert_refused(capsys, given, "--out", out, words=words)
    assert not out.exists()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"notes.txt": b"hello"}, ["no gaze.csv", "notes.txt", "Reference Image Mapper"]),
        ({"gaze.csv": b""}, ["gaze.csv", "empty"]),
        ({"gaze.csv": b"a,b\n1,2\n"}, ["gaze.csv", "'a', 'b'", "Marker Mapper"]),
    ],
)
def test_files_that_are_no_export_are_refused(tmp_path, out, capsys, files, words):
    given = write_zip(tmp_path / "odd.zip", files)
    assert_refused(capsys, given, "--out", out, words=["odd.zip", *words])
    assert not out.exists()


def test_when_the_second_export_cannot_be_read_the_first_leaves_nothing(
    shelf, tmp_path, out, capsys
):
    broken = tmp_path / "broken.zip"
    broken.write_bytes(shelf.read_bytes()[:-200])
    assert_refused(capsys, shelf, broken, "--out", out, words=["broken.zip", "Download it again"])
    assert not out.exists()


@pytest.mark.parametrize("part", ["heatmap", "overlay"])
def test_when_the_second_export_cannot_be_written_the_first_leaves_nothing(
    shelf, tmp_path, out, capsys, part
):
    wall = export_zip(tmp_path / "wall.zip", name="Wall")
    in_the_way = out / f"Wall_{part}.png"
    in_the_way.mkdir(parents=True)
    assert_refused(capsys, shelf, wall, "--out", out, words=[in_the_way])
    assert names(out) == [in_the_way.name]


def test_out_may_not_be_a_file(shelf, out, capsys):
    out.write_text("mine")
    assert_refused(capsys, shelf, "--out", out, words=[out, "file exists", "folder"])
    assert out.read_text() == "mine"


# ---------------------------------------------------------------- the sample


def test_sample_is_an_export_like_any_other(tmp_path, out, capsys):
    path = tmp_path / "sample.zip"
    assert run(capsys, "sample", path) == [{"files": [str(path)]}]
    (export,) = gh.read_exports(path)
    (line,) = run(capsys, path, "--out", out)
    assert line["enrichment"] == export.name == "Shop shelf"
    assert line["kind"] == export.kind == RIM
    assert line["image_size"] == {"width": 2000, "height": 1500}
    assert len(line["recordings"]) == 4
    for counted, recording in zip(line["recordings"], export.recordings, strict=True):
        assert (counted["id"], counted["name"]) == (recording.id, recording.name)
        assert counted["rows"] == recording.rows
        assert counted["used"] > 5000
        assert counted["unreadable"] == 0
    assert names(out) == ["Shop shelf_heatmap.png", "Shop shelf_overlay.png"]


@pytest.mark.parametrize("arguments", [[], ["a.zip", "b.zip"]])
def test_sample_takes_one_file(capsys, arguments):
    assert_refused(capsys, "sample", *arguments, words=["'sample' takes one argument"])


def test_sample_is_not_written_into_a_folder_that_is_not_there(tmp_path, capsys):
    words = [tmp_path / "gone", "no such file", "Check that the folder exists"]
    assert_refused(capsys, "sample", tmp_path / "gone" / "sample.zip", words=words)
    assert names(tmp_path) == []


# ---------------------------------------------------------------- as a process


def process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "gazeheat_core", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_a_process_prints_names_that_its_terminal_cannot(tmp_path, out):
    people = [(*PEOPLE[0][:2], "Küche · 棚", "Ada"), PEOPLE[1]]
    given = export_zip(tmp_path / "kitchen.zip", people=people)
    done = process(given, "--out", out, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["recordings"] == [ADA | {"name": "Küche · 棚"}, BEN]
    assert names(out) == ["Shelf_heatmap.png", "Shelf_overlay.png"]


def test_a_process_that_fails_shows_no_traceback(tmp_path, out):
    given = tmp_path / "odd.zip"
    given.write_bytes(b"no ZIP")
    done = process(given, "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gazeheat: odd.zip: this is no ZIP. Give the ZIP as downloaded, or the files inside it.\n"
    )
    assert not out.exists()
