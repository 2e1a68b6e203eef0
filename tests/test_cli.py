"""The command line: what it writes, what it prints, and how it says no."""

import contextlib
import errno
import json
import logging
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gazeheat_core as gh
from gazeheat_core import cli, output, parallel
from gazeheat_core.cli import main
from tests.builders import (
    FIRST_NS,
    MM,
    PEOPLE,
    RIM,
    SECTION_COLUMNS,
    SIZE,
    STEP_NS,
    Fixation,
    Row,
    export_files,
    export_folder,
    export_zip,
    fixations_csv,
    folder_name,
    gaze_csv,
    picture_bytes,
    write_zip,
)

ROOT = Path(__file__).parents[1]
PATIENCE_S = 300
# What `builders.ROWS` holds.
ADA = {"id": "rec-a", "name": "P01", "rows": 5}
LEFT_OUT = dict.fromkeys(["no_fixation", "other_time", "no_time", "other_section"], 0)
ADA |= {"used": 3, "outside": 1, "undetected": 1, "unreadable": 0, "listed_twice": 0}
BEN = {"id": "rec-b", "name": "P02", "rows": 4}
BEN |= {"used": 2, "outside": 0, "undetected": 0, "unreadable": 2, "listed_twice": 0}
ADA |= {**LEFT_OUT, "interval_ms": 5.0}
BEN |= {**LEFT_OUT, "interval_ms": 5.0}
PICTURE = "reference_image.jpeg"
# What is made of it, without options.
SHELF = ["Shelf_heatmap_2-of-2_scale-5.png", "Shelf_overlay_2-of-2_scale-5.png"]


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
    made = [f"{name}_{part}_2-of-2_scale-5.png" for part in ("heatmap", "overlay")]
    files = dict(zip(("heatmap", "overlay"), [str(out / one) for one in made], strict=True))
    (line,) = run(capsys, given, "--out", out)
    assert (
        line.items()
        >= {
            "enrichment": name,
            "kind": kind.lower().replace(" ", "-"),
            "image_size": {"width": 40, "height": 30},
            "recordings": [ADA, BEN],
            "unassigned_rows": 0,
            "files": files,
            "seconds": 0.025,
            "interval_ms": 5.0,
        }.items()
    )
    assert line["maximum"].keys() == {"value", "unit", "x", "y"}
    assert (line["maximum"]["value"], line["maximum"]["unit"]) == (100.0, "percent")
    assert line["settings"]["selection"] == {
        **{"measure": "gaze", "weight": "pooled", "window_s": None, "sections": None}
    }
    assert names(out) == made
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
    for part in ("heatmap", "overlay"):
        made = pixels(out / f"Shelf_{part}_2-of-2_scale-2.png")
        np.testing.assert_array_equal(made, getattr(images, part))


def test_defaults_are_those_of_the_specification(shelf, out, tmp_path, capsys):
    run(capsys, shelf, "--out", out)
    said = ["--scale", "5", "--opacity", "0.8", "--colormap", "turbo"]
    run(capsys, shelf, "--out", tmp_path / "said", *said)
    for name in names(out):
        assert (out / name).read_bytes() == (tmp_path / "said" / name).read_bytes()
    assert pixels(out / SHELF[0])[..., 3].max() == 204  # 0.8 of 255


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
    alpha = pixels(out / "Shelf_heatmap_1-of-2_scale-1.png")[..., 3]
    assert alpha[5, 10] > 0  # Ada's
    assert alpha[15:, 20:].max() == 0  # Ben's lower right quarter


def test_several_exports_give_a_line_each_and_names_of_their_own(tmp_path, out, capsys):
    first = export_zip(tmp_path / "1.zip")
    second = export_zip(tmp_path / "2.zip", kind=MM)
    third = export_zip(tmp_path / "3.zip", name="Wall: left/right?".replace("/", "\\"))
    lines = run(capsys, first, second, third, "--out", out)
    assert [line["kind"] for line in lines] == [
        "reference-image-mapper",
        "marker-mapper",
        "reference-image-mapper",
    ]
    assert len({path for line in lines for path in line["files"].values()}) == 6
    assert all(Path(path).parent == out for line in lines for path in line["files"].values())
    assert len(names(out)) == 6
    assert names(out)[:4] == [
        "Shelf_2_heatmap_2-of-2_scale-5.png",
        "Shelf_2_overlay_2-of-2_scale-5.png",
        "Shelf_heatmap_2-of-2_scale-5.png",
        "Shelf_overlay_2-of-2_scale-5.png",
    ]


def test_one_zip_may_hold_several_exports(tmp_path, out, capsys):
    inner = {}
    for name in ("Shelf", "Wall"):
        folder = export_folder(tmp_path / folder_name(name))
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
    assert names(out) == [
        "Shelf_heatmap_1-of-2_scale-5.png",
        "Shelf_overlay_1-of-2_scale-5.png",
    ]


def test_without_gaze_on_the_picture_the_images_are_made_and_it_is_said(tmp_path, out, capsys):
    beside = export_zip(tmp_path / "beside.zip", [(-1.0, 5.0), (math.nan, math.nan, False)])
    assert main([str(beside), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    ada, ben = json.loads(printed.out)["recordings"]
    assert (ada["used"], ada["outside"], ada["undetected"], ben["rows"]) == (0, 1, 1, 0)
    assert "no gaze lies on the picture" in printed.err
    assert pixels(out / SHELF[0])[..., 3].max() == 0


def test_another_picture_takes_the_place_of_the_exports_own(shelf, tmp_path, out, capsys):
    given = tmp_path / "white.png"
    Image.new("RGB", (40, 30), (255, 255, 255)).save(given)
    run(capsys, shelf, "--out", out, "--image", given, "--opacity", "0")
    assert pixels(out / SHELF[1]).min() == 255


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
        monkeypatch.setattr("gazeheat_core.parallel.read_part", None)


def test_a_picture_for_gaze_in_pixels_alone_is_held_against_the_samples(tmp_path, out, capsys):
    given = export_zip(tmp_path / "shelf.zip", size=None)
    Image.new("RGB", (40, 30)).save(tmp_path / "right.png")
    Image.new("RGB", (4, 3)).save(tmp_path / "small.png")
    (line,) = run(capsys, given, "--out", out, "--image", tmp_path / "right.png")
    assert line["recordings"] == [ADA, BEN]
    options = ["--out", out, "--image", tmp_path / "small.png"]
    assert_refused(capsys, given, *options, words=["small.png is 4 × 3 px", "the gaze reaches"])


def test_a_given_picture_takes_the_place_of_one_that_does_not_fit(capsys, tmp_path):
    """The export holds a copy of half the size; the picture that was mapped is given."""
    rows = [Row(20.0 + i % 20, 15.0 + i % 15) for i in range(40)]
    shelf = export_zip(tmp_path / "Shelf.zip", rows, size=(20, 15), fixations=None)
    words = ["of 40 detected samples lie on the picture, which is 20 × 15 px"]
    words += ["The gaze reaches 39 × 29 px", "--image FILE gives a picture"]
    assert_refused(capsys, shelf, "--out", tmp_path / "out", words=words)
    given = tmp_path / "given.png"
    given.write_bytes(picture_bytes((40, 30), "PNG"))
    (line,) = run(capsys, shelf, "--out", tmp_path / "out", "--image", given)
    assert line["image_size"] == {"width": 40, "height": 30}
    assert [one["used"] for one in line["recordings"]] == [40, 0]


def test_a_given_picture_takes_the_place_of_one_in_doubt_in_its_own_size(capsys, tmp_path):
    """The export's picture was enlarged; the picture that was mapped is given."""
    rows = [Row(x + 0.5, y + 0.5) for x in range(40) for y in range(30)]
    shelf = export_zip(tmp_path / "Shelf.zip", rows, size=(100, 75), fixations=None)
    assert main([str(shelf), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "gazeheat: The gaze fills only the top left 40 × 30 px of" in said.err
    size, *_ = json.loads(said.out)["checks"]
    assert (size["check"], size["ok"]) == ("size", False)
    assert size["sentence"] in said.err
    (tmp_path / "given.png").write_bytes(picture_bytes((40, 30), "PNG"))
    options = ["--out", str(tmp_path / "out"), "--image", str(tmp_path / "given.png")]
    assert main([str(shelf), *options]) == 0
    said = capsys.readouterr()
    line = json.loads(said.out)
    assert line["image_size"] == {"width": 40, "height": 30}
    assert all(check["ok"] for check in line["checks"] if check["check"] == "size")
    assert said.err == (
        "gazeheat: given.png is 40 × 30 px. It takes the place of the picture of 100 × 75 px in "
        "its own size, since the gaze lies on it.\n"
    )


def test_images_of_an_earlier_run_are_replaced(shelf, out, capsys):
    run(capsys, shelf, "--out", out)
    before = (out / SHELF[0]).read_bytes()
    run(capsys, shelf, "--out", out, "--colormap", "greys")
    assert len(names(out)) == 2
    assert (out / SHELF[0]).read_bytes() != before


def test_long_names_in_chinese_are_written_and_told_apart(tmp_path, out, capsys):
    given = [export_zip(tmp_path / f"{i}.zip", name="货架" * 34 + str(i)) for i in range(3)]
    lines = run(capsys, *given, "--out", out)
    assert names(out) == [
        f"{'货架' * 33}{number}_{what}_2-of-2_scale-5.png"
        for number in ("_2", "_3", "")
        for what in ("heatmap", "overlay")
    ]
    assert [line["enrichment"] for line in lines] == ["货架" * 34 + str(i) for i in range(3)]


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


def test_the_files_of_an_export_are_taken_as_they_are(tmp_path, out, capsys):
    folder = export_folder(tmp_path / "Shelf")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "info.json").write_text("{}")
    star = sorted(folder.iterdir())
    (line,) = run(capsys, *star, "--out", out)
    assert (line["enrichment"], line["recordings"]) == ("Shelf", [ADA, BEN])
    assert names(out) == SHELF
    (bare,) = run(capsys, folder / "gaze.csv", "--image", folder / PICTURE, "--out", out)
    assert [one["name"] for one in bare["recordings"]] == ["", ""]
    assert [one["used"] for one in bare["recordings"]] == [3, 2]


@pytest.mark.parametrize("options", [[], ["--jobs", "2"], ["--cache", "kept"]])
def test_pieces_of_one_folder_are_one_export(tmp_path, out, capsys, options, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = export_files()
    first = {f"Shelf/{name}": data for name, data in files.items() if name != PICTURE}
    write_zip(tmp_path / "drive-1.zip", first)
    write_zip(tmp_path / "drive-2.zip", {f"Shelf/{PICTURE}": files[PICTURE]})
    other = export_zip(tmp_path / "poster.zip", name="Poster")
    for _ in range(2):  # the second time from the cache
        lines = run(capsys, "drive-1.zip", other, "drive-2.zip", "--out", out, *options)
        assert sorted(line["enrichment"] for line in lines) == ["Poster", "Shelf"]
        assert all(line["recordings"] == [ADA, BEN] for line in lines)
    # Each piece decides what is in the cache.
    write_zip(tmp_path / "drive-2.zip", {f"Shelf/{PICTURE}": picture_bytes((80, 60))})
    lines = run(capsys, "drive-1.zip", "drive-2.zip", "--out", out, *options)
    assert lines[0]["image_size"] == {"width": 80, "height": 60}


def test_what_helps_on_the_command_line_is_named_there(tmp_path, out, capsys):
    for kind, words in ((RIM, ["--image FILE"]), (MM, ["--image FILE", "--ratio W:H"])):
        folder = export_folder(tmp_path / kind, kind=kind, size=None)
        assert_refused(capsys, folder / "gaze.csv", "--out", out, words=words)
    (tmp_path / "p.png").write_bytes(picture_bytes(SIZE, "PNG"))
    rim = [tmp_path / RIM, "--ratio", "4:3"]
    assert_refused(capsys, *rim, "--out", out, words=["a ratio is not enough", "--image FILE"])
    words = ["p.png: no gaze is given with it", "--image"]
    assert_refused(capsys, tmp_path / "p.png", "--out", out, words=words)
    words = ["gone.csv: no such file"]
    assert_refused(capsys, tmp_path / "gone.csv", "--out", out, words=words)
    assert not out.exists()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"notes.txt": b"hello"}, ["no table of gaze", "notes.txt", "Reference Image Mapper"]),
        ({"gaze.csv": b""}, ["gaze.csv", "empty"]),
        ({"gaze.csv": b"a,b\n1,2\n"}, ["gaze.csv", "'a', 'b'", "gazeheat columns gaze.csv"]),
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
    in_the_way = out / f"Wall_{part}_2-of-2_scale-5.png"
    in_the_way.mkdir(parents=True)
    assert_refused(capsys, shelf, wall, "--out", out, words=[in_the_way])
    assert names(out) == [in_the_way.name]


def test_out_may_not_be_a_file(shelf, out, capsys):
    out.write_text("mine")
    assert_refused(capsys, shelf, "--out", out, words=[out, "file exists", "folder"])
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (errno.ENOSPC, ["the disk is full", "Free some space"]),
        (errno.EDQUOT, ["your share of the disk is used up", "Remove files of yours"]),
        (errno.EROFS, ["the disk can only be read", "another disk"]),
        (errno.EACCES, ["permission denied", "that you may write to"]),
        (errno.ENAMETOOLONG, ["the name is too long", "a shorter path"]),
        (errno.EIO, [os.strerror(errno.EIO).lower(), "Check that the folder exists"]),
    ],
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(
    shelf, out, capsys, monkeypatch, fault, words
):
    def refuse(stream, data):
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(cli, "_fill", refuse)
    words = [f"gazeheat: {out / SHELF[0]}: ", *words]
    assert_refused(capsys, shelf, "--out", out, words=words)
    assert not out.exists()


def test_folders_that_were_made_for_nothing_are_removed(shelf, tmp_path, out, capsys):
    arguments = [shelf, "--out", out / "a" / "b", "--recording", "P01", "--recording", "P9"]
    assert_refused(capsys, *arguments, words=["'P9'"])
    assert not out.exists()
    run(capsys, shelf, "--out", out / "a" / "b")
    assert len(names(out / "a" / "b")) == 2


def test_a_part_of_the_path_may_not_be_a_file(shelf, out, capsys):
    out.write_text("mine")
    words = [out / "a", "a part of this path is a file"]
    assert_refused(capsys, shelf, "--out", out / "a", words=words)


def test_an_image_has_the_rights_of_any_new_file(shelf, out, capsys):
    run(capsys, shelf, "--out", out)
    (out / "mine").write_text("")
    modes = {path.stat().st_mode for path in out.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("where", ["in this process", "in a worker"])
def test_too_little_memory_is_one_line(shelf, out, capsys, monkeypatch, where):
    if where == "in a worker":
        monkeypatch.setattr(parallel, "read_part", no_memory)
    else:
        monkeypatch.setattr(output, "render_files", no_memory)
    jobs = "2" if where == "in a worker" else "1"
    assert main([str(shelf), "--out", str(out), "--jobs", jobs]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith("gazeheat: There is not enough memory. Close other programs")
    assert not out.exists()


def no_memory(*_):
    """Take the place of a function that needs more memory than there is."""
    raise MemoryError


# ---------------------------------------------------------------- what reaches the terminal


def test_nothing_that_is_printed_acts_on_the_terminal(tmp_path, out, capsys):
    given = tmp_path / "\x1b]0;pwned\x07\u202e\x9b31m\u2028.zip"
    # The core has already put a mark in the place of each; what argparse says comes as it is.
    words = ["/\ufffd]0;pwned\ufffd\ufffd\ufffd31m\ufffd.zip"]
    assert_refused(capsys, given, "--out", out, words=words)
    with pytest.raises(SystemExit):
        main(["a.zip", "--out", "b", "--\x1b[31m"])
    assert capsys.readouterr().err.endswith("--\\x1b[31m\n")


def test_a_note_is_one_line_of_bounded_length(capsys):
    cli._say("x" * 60_000 + "\nand what to do.")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gazeheat: xxx")
    assert line.endswith(r"xxx\nand what to do.")
    assert len(line) < 2_000


def test_what_is_logged_is_said_once_in_the_same_form(shelf, out, capsys, monkeypatch):
    def warn(*given):
        for _ in range(2):
            logging.getLogger("gazeheat").warning("a \x1b[1m in %s", "a folder")
        return gh.render_files(*given)

    monkeypatch.setattr(output, "render_files", warn)
    assert main([str(shelf), "--out", str(out)]) == 0
    assert capsys.readouterr().err == "gazeheat: A \\x1b[1m in a folder.\n"


# ---------------------------------------------------------------- the same again


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def noted(capsys, *arguments):
    """Run with success; return the parsed lines, and what was said."""
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert status == 0
    return [json.loads(line) for line in printed.out.splitlines()], printed.err.splitlines()


LOOK = ["--scale", "2.5", "--opacity", "0.6", "--colormap", "magma", "--recording", "P02"]


# ---------------------------------------------------------------- what is counted


@pytest.fixture
def trials(tmp_path):
    """Two recordings of two sections each, a second after the other, with fixations."""
    rows, fixations = [], []
    for recording, x in (("rec-a", 5.0), ("rec-b", 35.0)):
        for number, section in enumerate(("task", "rest")):
            id = f"{recording}-{section}"
            start_ns = FIRST_NS + number * 10**9
            count = {"rec-a-task": 6, "rec-a-rest": 4, "rec-b-task": 20, "rec-b-rest": 10}[id]
            rows += [
                Row(x, 5.0 + 20 * number, True, recording, id, start_ns + i * STEP_NS)
                for i in range(count)
            ]
            fixations.append(
                Fixation(number + 1, x, 5.0, 200 + 100 * number, True, recording, id, start_ns)
            )
    people = "".join(
        f"{recording}-{section},{recording},{name},w,{wearer},,,{section}.begin,{section}.end\n"
        for recording, name, wearer in (("rec-a", "P01", "Ada"), ("rec-b", "P02", "Ben"))
        for section in ("task", "rest")
    )
    files = {
        "gaze.csv": gaze_csv(rows, RIM),
        "fixations.csv": fixations_csv(fixations, RIM),
        "sections.csv": f"{SECTION_COLUMNS}\n{people}",
        "reference_image.jpeg": picture_bytes((40, 30)),
    }
    return write_zip(tmp_path / "Trials.zip", files)


def used(line):
    return {one["id"]: one["used"] for one in line["recordings"]}


@pytest.mark.parametrize(
    ("options", "counted", "seconds"),
    [
        ([], {"rec-a": 10, "rec-b": 30}, 0.2),
        (["--section", "task.begin"], {"rec-a": 6, "rec-b": 20}, 0.13),
        (["--section", "rec-b-rest"], {"rec-b": 10}, 0.05),
        (["--section", "rec-b-rest", "--section", "task.end"], {"rec-a": 6, "rec-b": 30}, 0.18),
        (["--window", "0:0.02"], {"rec-a": 8, "rec-b": 8}, 0.08),
        (["--window", "0.02:0.05"], {"rec-a": 2, "rec-b": 12}, 0.07),
        (["--measure", "fixation-duration"], {"rec-a": 2, "rec-b": 2}, 1.0),
        (
            ["--measure", "fixation-count", "--section", "task.begin"],
            {"rec-a": 1, "rec-b": 1},
            None,
        ),
    ],
)
def test_measures_sections_and_windows_are_chosen(trials, out, capsys, options, counted, seconds):
    (line,) = run(capsys, trials, "--out", out, *options)
    assert used(line) == counted
    assert line["seconds"] == (seconds and pytest.approx(seconds))
    for one in line["recordings"]:
        assert (
            sum(one[kind] for kind in ADA.keys() - {"id", "name", "rows", "interval_ms"})
            == one["rows"]
        )


def test_weights_move_the_hottest_place(trials, out, tmp_path, capsys):
    """P02 has three times the samples, on two places; P01 has six of ten on one."""
    (pooled,) = run(capsys, trials, "--out", out, "--scale", 0)
    assert pooled["maximum"]["x"] == pytest.approx(35, abs=0.1)
    for weight in ("recording", "wearer"):
        (equal,) = run(
            capsys, trials, "--out", tmp_path / weight, "--scale", 0, "--weight", weight,
            "--unit", "share",
        )  # fmt: skip
        # Both have two thirds and a bit less on one place: 20 of 30, and 6 of 10.
        assert equal["maximum"]["value"] == pytest.approx(100 * 20 / 30 / 2)
        assert used(equal) == {"rec-a": 10, "rec-b": 30}


def test_a_unit_and_a_top_are_for_comparison(trials, out, capsys):
    look = ["--scale", 0, "--unit", "seconds", "--top", 0.05, "--bottom", 50]
    (line,) = run(capsys, trials, "--out", out, *look)
    assert line["maximum"]["value"] == pytest.approx(0.1)  # 20 samples of 5 ms
    assert line["settings"]["look"]["top"] == 0.05


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--measure", "glances"], ["There is no measure 'glances'", "fixation-count"]),
        (["--weight", "all"], ["There is no weighting 'all'", "pooled, recording, wearer"]),
        (["--window", "5"], ["'5' is not of the form FROM:TO", "0:5"]),
        (["--window", "5:1"], ["The window of time is 5 to 1 s", "the smaller one first"]),
        (["--section", "lunch"], ["no section 'lunch'", "sections.csv"]),
        (
            ["--measure", "fixation-count", "--unit", "seconds"],
            ["Fixations by number have no seconds", "% of the maximum"],
        ),
        (["--levels", "0"], ["Lines are not 1 to 12 numbers from 1 to 99"]),
    ],
)
def test_what_cannot_be_counted_is_said(trials, out, capsys, options, words):
    assert_refused(capsys, trials, "--out", out, *options, words=words)
    assert not out.exists()


def test_an_export_without_fixations_says_so(tmp_path, out, capsys):
    given = export_zip(tmp_path / "shelf.zip", fixations=None)
    words = ["Shelf", "has no fixations that can be read", "Choose the measure gaze"]
    assert_refused(capsys, given, "--out", out, "--measure", "fixation-count", words=words)


def test_what_was_counted_is_in_the_file_and_makes_it_again(trials, out, tmp_path, capsys):
    asked = ["--measure", "fixation-duration", "--weight", "wearer", "--window", "0:1"]
    asked += ["--section", "task.begin", "--unit", "share", "--top", 80, "--bottom", 10]
    run(capsys, trials, "--out", out, *asked, "--figure", "svg")
    before = contents(out)
    parts = "2-of-2_scale-5_fixation-duration_equal-wearer_0-to-1-s_some-sections"
    assert sorted(before) == [
        f"Trials_{part}_{parts}.{ending}"
        for part, ending in (("figure", "svg"), ("heatmap", "png"), ("overlay", "png"))
    ]
    for i, name in enumerate(sorted(before)):
        again = tmp_path / f"again {i}"
        run(capsys, "--settings", out / name, trials, "--out", again)
        assert contents(again).items() <= before.items()
    # The picture's own account names the sections.
    account = gh.find_account(before[sorted(before)[1]], "heatmap")
    assert account.sections == (("rec-a", "rec-a-task"), ("rec-b", "rec-b-task"))
    assert account.recordings[0].counts == gh.Counts(used=1, other_section=1)


@pytest.mark.parametrize(("kind", "opaque"), [(RIM, []), (MM, ["--opaque"])])
def test_a_file_s_settings_make_the_same_files_again(tmp_path, out, capsys, kind, opaque):
    given = export_zip(tmp_path / "shelf.zip", kind=kind)
    run(capsys, given, "--out", out, *LOOK, *opaque)
    before = contents(out)
    parts = ["heatmap", *(["opaque"] if opaque else []), "overlay"]
    assert sorted(before) == [f"Shelf_{part}_1-of-2_scale-2.5.png" for part in parts]
    files = [out / name for name in before]
    account = gh.find_account(files[0].read_bytes(), files[0].name)
    files.append(tmp_path / "settings.json")
    files[-1].write_text(account.as_json())
    # The same data under another name take the name of the settings.
    folder = export_folder(tmp_path / "Another name", kind=kind)
    ways = [[given], [folder], [folder, "--cache", tmp_path], [folder, "--jobs", 2]]
    for i, (file, same) in enumerate(zip((files * 2)[: len(ways)], ways, strict=True)):
        again = tmp_path / f"again {i}"
        (line,) = run(capsys, "--settings", file, *same, "--out", again, *opaque)
        assert contents(again) == before
        assert (line["enrichment"], line["recordings"]) == ("Shelf", [BEN])


def test_the_opaque_heatmap_is_named_and_leaves_the_others_as_they_are(
    shelf, out, tmp_path, capsys
):
    run(capsys, shelf, "--out", out)
    (line,) = run(capsys, shelf, "--out", tmp_path / "three", "--opaque")
    assert list(line["files"]) == ["heatmap", "overlay", "opaque"]
    opaque = Path(line["files"]["opaque"])
    assert opaque.name == "Shelf_opaque_2-of-2_scale-5.png"
    three = contents(tmp_path / "three")
    del three[opaque.name]
    assert three == contents(out)
    with Image.open(opaque) as opened:
        assert (opened.mode, opened.size) == ("RGB", (40, 30))


def test_figures_and_report_are_named_and_made_again(shelf, tmp_path, out, capsys):
    asked = ["--figure", "svg", "--figure", "png", "--width-mm", 80, "--dpi", 100, "--report"]
    (line,) = run(capsys, shelf, "--out", out, "--recording", "P02", *asked)
    names = {what: Path(path).name for what, path in line["files"].items()}
    assert names == {
        "heatmap": "Shelf_heatmap_1-of-2_scale-5.png",
        "overlay": "Shelf_overlay_1-of-2_scale-5.png",
        "figure-png": "Shelf_figure_1-of-2_scale-5.png",
        "figure-svg": "Shelf_figure_1-of-2_scale-5.svg",
        "report": "Shelf_report_1-of-2_scale-5.zip",
    }
    before = contents(out)
    with Image.open(out / names["figure-png"]) as figure:
        assert figure.width == 315  # 80 mm at 100 dpi
    # A figure is made again beside the two images, a report with all that it holds.
    for what, also in (("figure-svg", []), ("report", ["opaque", "figure-png", "figure-pdf"])):
        again = tmp_path / what
        (line,) = run(capsys, "--settings", out / names[what], shelf, "--out", again)
        assert {"heatmap", "overlay", what, *also} <= set(line["files"])
        made = contents(again)
        assert {name: made[name] for name in made if name in before}.items() <= before.items()
        assert names[what] in made


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--width-mm", "5"], ["Width is 5", "30 to 1000 mm"]),
        (["--dpi", "9000"], ["Resolution is 9000", "72 to 1200 dpi"]),
        (["--width-mm", "1000", "--dpi", "600"], ["23,622 pixels wide", "smaller width"]),
    ],
)
def test_a_figure_that_cannot_be_is_said(shelf, out, capsys, options, words):
    assert_refused(capsys, shelf, "--out", out, "--figure", "png", *options, words=words)
    assert not out.exists()


def test_other_data_than_those_of_the_settings_are_said(shelf, tmp_path, out, capsys):
    run(capsys, shelf, "--out", out)
    rows = [Row(20.0, 20.0), Row(21.0, 20.0)]
    other = export_zip(tmp_path / "other.zip", rows, name="Wall", size=(80, 60))
    arguments = ["--settings", out / SHELF[1], other, "--out", tmp_path / "again"]
    (line,), notes = noted(capsys, *arguments)
    title = "gazeheat: Wall · Reference Image Mapper"
    assert [note.replace("\\xb7", "·").replace("\\xd7", "×") for note in notes] == [
        f"{title}: Its picture is 80 × 60 px; the settings were saved with one of 40 × 30 px.",
        f"{title}: P01: its gaze is not the one that the settings were saved with "
        "(3 samples then, 2 now).",
        f"{title}: P02: its gaze is not the one that the settings were saved with "
        "(2 samples then, 0 now).",
    ]
    # The look is that of the settings, the name is the export's own.
    assert (line["enrichment"], line["image_size"]["width"]) == ("Wall", 80)
    assert names(tmp_path / "again") == [name.replace("Shelf", "Wall") for name in SHELF]


def test_of_several_exports_those_without_the_recordings_are_passed_over(tmp_path, out, capsys):
    shelf = export_zip(tmp_path / "shelf.zip")
    people = [("rec-z", "sec-z", "P26", "Zoe")]
    rows = [Row(5.0, 5.0, True, "rec-z", "sec-z")]
    wall = export_zip(tmp_path / "wall.zip", rows, name="Wall", people=people, fixations=None)
    run(capsys, shelf, "--out", out)
    arguments = ["--settings", out / SHELF[0], wall, "--out", tmp_path / "again"]
    words = ["None of the recordings in the settings is there. Found: 'P26'", "of: Shelf."]
    assert_refused(capsys, *arguments, words=words)
    (line,), (note,) = noted(capsys, shelf, *arguments[2:], *arguments[:2])
    assert "Wall" in note
    assert "none of the recordings" in note
    assert line["enrichment"] == "Shelf"
    assert contents(tmp_path / "again") == contents(out)


@pytest.mark.parametrize("option", [LOOK[:2], LOOK[2:4], LOOK[4:6], LOOK[6:]])
def test_settings_come_from_a_file_or_from_options(shelf, out, capsys, option):
    words = [f"--settings and {option[0]} are both given", "Leave one of them out"]
    assert_refused(capsys, shelf, "--out", out, "--settings", "any.png", *option, words=words)


def test_a_file_without_settings_is_said(shelf, tmp_path, out, capsys):
    (tmp_path / "a.png").write_bytes(picture_bytes((4, 3), "PNG"))
    for name, words in (
        ("a.png", ["no settings of Gazeheat are in it", "or its settings.json"]),
        ("gone.png", ["no such file", "Give the path of a file with settings"]),
        (".", ["is a directory"]),
    ):
        words = [tmp_path / name, *words]
        assert_refused(capsys, shelf, "--out", out, "--settings", words[0], words=words)
    assert not out.exists()


# ---------------------------------------------------------------- the sample


def test_sample_is_an_export_like_any_other(tmp_path, out, capsys):
    path = tmp_path / "sample.zip"
    assert run(capsys, "sample", path) == [{"files": [str(path)]}]
    (export,) = gh.read_exports(path)
    (line,) = run(capsys, path, "--out", out)
    assert line["enrichment"] == export.name == "Shop shelf"
    assert (line["kind"], export.kind) == ("reference-image-mapper", RIM)
    assert line["image_size"] == {"width": 2000, "height": 1500}
    assert len(line["recordings"]) == 4
    for counted, recording in zip(line["recordings"], export.recordings, strict=True):
        assert (counted["id"], counted["name"]) == (recording.id, recording.name)
        assert counted["rows"] == recording.rows
        assert counted["used"] > 5000
        assert counted["unreadable"] == 0
    assert names(out) == [
        "Shop shelf_heatmap_4-of-4_scale-5.png",
        "Shop shelf_overlay_4-of-4_scale-5.png",
    ]


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
    assert names(out) == SHELF


def test_a_process_that_fails_shows_no_traceback(tmp_path, out):
    given = tmp_path / "odd.zip"
    given.write_bytes(b"no ZIP")
    done = process(given, "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gazeheat: odd.zip: this is no ZIP. Give the ZIP as downloaded, or the files inside it.\n"
    )
    assert not out.exists()


# The command as `run` starts it, after what is put before.
PREPARED = "from gazeheat_core.__main__ import run\n{}\nrun()"


def prepared(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", PREPARED.format(code), *map(str, arguments)],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, **options,
    )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="another kind of limit")
def test_a_process_with_too_little_memory_says_one_line(tmp_path, out):
    given = export_zip(tmp_path / "large.zip", size=(4000, 3000))
    # 20 MB more than the start takes; the picture takes 36 MB.
    code = """
import resource, gazeheat_core.cli, gazeheat_core.images
pages = int(open("/proc/self/statm").read().split()[0])
most = pages * resource.getpagesize() + 20 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no way to tell how much the start takes")
    done = prepared(code, given, "--out", out)
    assert done.returncode == 1
    assert done.stderr.startswith("gazeheat: There is not enough memory.")
    assert done.stderr.count("\n") == 1
    assert not out.exists()


def test_a_librarys_warnings_stay_off_the_terminal(shelf, out):
    code = """
import warnings, gazeheat_core.output as output
def render_files(*given, render_files=output.render_files):
    warnings.warn("for developers")
    return render_files(*given)
output.render_files = render_files
"""
    done = prepared(code, shelf, "--out", out, stdout=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("what", ["a run", "the help"])
def test_a_reader_that_has_gone_is_no_error_to_show(shelf, out, what):
    reading, writing = os.pipe()
    os.close(reading)
    arguments = ["--help"] if what == "the help" else [shelf, "--out", out]
    done = prepared("", *arguments, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
    assert what == "the help" or len(names(out)) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_under_standard_output_is_said(shelf, out):
    with open("/dev/full", "w") as full:
        done = prepared("", shelf, "--out", out, stdout=full)
    assert done.returncode == 2
    assert done.stderr == (
        "gazeheat: standard output: the disk is full. "
        "Free some space there, or choose a folder elsewhere.\n"
    )


@pytest.mark.parametrize(
    ("encoding", "environment"),
    [
        ("ascii", {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"}),
        ("ascii", {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}),
        ("utf-16", {"PYTHONIOENCODING": "utf-16:strict"}),
    ],
)
def test_every_terminal_can_show_the_help(encoding, environment):
    done = subprocess.run(
        [sys.executable, "-m", "gazeheat_core", "--help"],
        cwd=ROOT, env=os.environ | environment, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    help = done.stdout.decode(encoding)
    assert help.startswith("usage: gazeheat [-h] --out DIR")
    assert help.isascii()


# ---------------------------------------------------------------- stopped, and beside another

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")


class Started:
    """The command in a process group of its own."""

    def __init__(self, *arguments, before=()):
        # What this process ignores, as one in the background may, the new one would too.
        with signal_default(signal.SIGINT):
            self.process = subprocess.Popen(
                [sys.executable, *before, "-m", "gazeheat_core", *map(str, arguments)],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip

    def until(self, found):
        """Ask again and again, as long as the process lives; return the first yes."""
        while not (answer := found()):
            assert self.process.poll() is None, self.process.communicate()
            os.sched_yield()
        return answer

    def until_loaded(self, module):
        """Read what ``-X importtime`` prints up to a module."""
        for line in self.process.stderr:
            if line.split("|")[-1].strip() == module:
                return
        pytest.fail(f"{module} was not loaded")

    def send(self, *numbers):
        """Send signals to the group, as a terminal does."""
        for number in numbers:
            os.killpg(self.process.pid, number)

    def ended(self):
        """Return the status and what was printed, when no process holds the pipes any more."""
        try:
            printed, warned = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            raise AssertionError(self.process.communicate()) from None
        return self.process.returncode, printed, warned


@contextlib.contextmanager
def signal_default(number):
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextlib.contextmanager
def locked(folder):
    """Hold a folder as a run does that gives its files their names."""
    fcntl = pytest.importorskip("fcntl")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def parts(folder):
    return [name for name in names(folder) if name.endswith(".part")] if folder.exists() else []


STOPPED = "gazeheat: Stopped. No files were written.\n"
SIGNALS = [] if os.name != "posix" else [
    ([signal.SIGINT], 130),
    ([signal.SIGTERM], 143),
    ([signal.SIGHUP], 129),
    ([signal.SIGINT, signal.SIGINT, signal.SIGTERM], 130),
]  # fmt: skip


@posix_only
@pytest.mark.parametrize("module", ["argparse", "numpy", "pandas", "gazeheat_core.parallel"])
def test_a_signal_while_libraries_are_loaded_ends_in_one_line(shelf, out, module):
    run = Started(shelf, "--out", out, before=["-X", "importtime"])
    run.until_loaded(module)
    run.send(signal.SIGINT)
    status, printed, warned = run.ended()
    assert (status, printed) == (130, "")
    assert [line for line in warned.splitlines(True) if not line.startswith("import time:")] == [
        STOPPED
    ]


@posix_only
@pytest.mark.parametrize(
    ("jobs", "numbers", "status"),
    [(1, *one) for one in SIGNALS] + [(2, *one) for one in SIGNALS[::3]],
)
def test_a_signal_while_files_are_written_leaves_none(shelf, tmp_path, out, jobs, numbers, status):
    # Behind more exports than are read ahead, one that never comes.
    os.mkfifo(tmp_path / "never.zip")
    given = [*[shelf] * 10, tmp_path / "never.zip"]
    run = Started(*given, "--out", out / "new", "--jobs", jobs)
    run.until(lambda: parts(out / "new"))
    run.send(*numbers)
    ended, printed, warned = run.ended()
    # Of several at once, the system chooses which comes first.
    assert ended == status or (len(numbers) > 1 and ended == 143)
    assert (printed, warned) == ("", STOPPED)
    assert not out.exists()


@posix_only
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no list of processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_workers_start_shows_no_traceback_of_theirs(shelf, tmp_path, out, number):
    os.mkfifo(tmp_path / "never.zip")
    run = Started(*[shelf] * 3, tmp_path / "never.zip", "--out", out, "--jobs", 3)
    task = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
    # The first child keeps account of semaphores, the second is a worker.
    run.until(lambda: len(task.read_text().split()) >= 2)
    run.send(number)
    assert run.ended() == (128 + number, "", STOPPED)
    assert not out.exists()


# The handler of a signal runs in the main thread. Here another thread gets the signal, so that
# the wait of the main thread for a pipe that nobody writes to is not cut short.
UNHEARD = """
import os, signal, sys, threading
from gazeheat_core.stopping import stop_on_signals

def other(task):
    def read(name):
        with open(f"{task}/{name}") as file:
            return file.read()

    while read("stat").rpartition(")")[2].split()[0] != "S" or "futex" in read("wchan"):
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

stop_on_signals()
task = f"/proc/self/task/{threading.get_native_id()}"
threading.Thread(target=other, args=(task,)).start()
open(sys.argv[1])
"""


@posix_only
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no list of threads")
def test_a_signal_is_heard_while_the_main_thread_waits_for_the_system(tmp_path):
    os.mkfifo(tmp_path / "never")
    done = subprocess.run(
        [sys.executable, "-c", UNHEARD, tmp_path / "never"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (143, STOPPED)


@posix_only
def test_a_signal_while_another_run_holds_the_folder_changes_nothing(shelf, out, capsys):
    main([str(shelf), "--out", str(out)])
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with locked(out):
        run = Started(shelf, "--out", out, "--opacity", 0.2)
        run.until(lambda: len(parts(out)) == 2)
        run.send(signal.SIGTERM)
        assert run.ended() == (143, "", STOPPED)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@posix_only
def test_workers_end_with_a_command_that_is_killed(shelf, tmp_path, out):
    os.mkfifo(tmp_path / "never.zip")
    run = Started(*[shelf] * 10, tmp_path / "never.zip", "--out", out, "--jobs", 2)
    run.until(lambda: parts(out))
    os.kill(run.process.pid, signal.SIGKILL)
    assert run.ended()[0] == -signal.SIGKILL
    # What a kill leaves stands in nobody's way.
    left = parts(out)
    assert main([str(shelf), "--out", str(out)]) == 0
    assert names(out) == sorted([*left, *SHELF])


@posix_only
def test_of_two_runs_at_once_the_pair_is_always_from_one(shelf, tmp_path, out, capsys):
    pairs = {}
    for opacity in ("0.2", "0.9"):
        assert main([str(shelf), "--out", str(tmp_path / opacity), "--opacity", opacity]) == 0
        pairs[opacity] = [path.read_bytes() for path in sorted((tmp_path / opacity).iterdir())]
    assert pairs["0.2"][0] != pairs["0.9"][0]
    assert pairs["0.2"][1] != pairs["0.9"][1]
    out.mkdir()
    # Which of the two is first differs from round to round.
    for _ in range(3):
        with locked(out):
            runs = [Started(shelf, "--out", out, "--opacity", opacity) for opacity in pairs]
            for run in runs:
                run.until(lambda: len(parts(out)) == 4)
            assert len(set(parts(out))) == 4
        for run in runs:
            status, printed, warned = run.ended()
            assert (status, warned) == (0, "")
            assert json.loads(printed)["enrichment"] == "Shelf"
        assert names(out) == SHELF
        assert [path.read_bytes() for path in sorted(out.iterdir())] in pairs.values()
        for path in out.iterdir():
            path.unlink()


def test_a_run_that_fails_leaves_the_folder_to_another(tmp_path, out):
    def fail(write):
        with cli._all_or_none(out) as other:
            other(out / "a.png", b"other")
            write(out / "a.png", b"one")
            raise ZeroDivisionError

    with cli._all_or_none(out) as write:
        with pytest.raises(ZeroDivisionError):
            fail(write)
        assert len(parts(out)) == 1
    assert (out / "a.png").read_bytes() == b"one"


def test_a_folder_that_another_run_took_away_is_made_again(out, monkeypatch):
    original, taken = cli._write_new, []

    def take_away(part, path, data):
        if not taken:
            taken.append(out.rmdir())
        original(part, path, data)

    monkeypatch.setattr(cli, "_write_new", take_away)
    with cli._all_or_none(out) as write:
        write(out / "a.png", b"one")
    assert names(out) == ["a.png"]
