"""The shape of a surface by its corners, and pictures that contradict it."""

import io
import json

import numpy as np
import pytest

import gazeheat_core as gh
from gazeheat_core.cli import main
from gazeheat_core.exports import find_exports, open_source, read_study
from gazeheat_core.exports.surfaces import read_ratio
from tests.builders import MM, RIM, Row, export_files, write_zip

NAMES = [f"{corner} {axis} [px]" for corner in ("tl", "tr", "br", "bl") for axis in "xy"]
ROWS = [Row(float(x), 10.0) for x in range(5, 35)]


def seen(width, height, frames=60, *, distance=1000.0, turned=0.0):
    """Corners of a surface, in mm, that a camera sees from a distance, turned to the side."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2]
    depth = distance + corners[:, 0] * np.sin(turned)
    x = 800 + 900 * corners[:, 0] * np.cos(turned) / depth
    y = 600 + 900 * corners[:, 1] / depth
    return [np.stack([x, y], axis=1).reshape(-1).tolist()] * frames


def corners_csv(rows, names=NAMES):
    head = ",".join(["section id", "recording id", "timestamp [ns]", "detected marker IDs", *names])
    cells = (",".join("" if value is None else f"{value:.3f}" for value in row) for row in rows)
    return "\n".join([head, *(f's,r,1,"""0;1""",{row}' for row in cells)]) + "\n"


def export_zip(corners, *, name="surface_positions.csv", kind=MM, size=None):
    files = export_files(ROWS, kind=kind, size=size)
    table = corners if isinstance(corners, str) else corners_csv(corners)
    return io.BytesIO(write_zip(io.BytesIO(), {**files, name: table}).getvalue())


def ratio_of(corners, **options):
    with open_source(gh.Upload("s.zip", export_zip(corners, **options))) as files:
        (found,), _ = find_exports(files)
        return read_ratio(found)


SLIVER = [[1010, 789, 847, 768, 862, 747, 929, 809]] * 300  # crossed, as real tables have it


@pytest.mark.parametrize(
    "corners",
    [
        seen(300, 200),
        seen(300, 200, turned=0.5),
        # Most frames show it far away and from the side; those that show it well are larger.
        [*seen(300, 200, 300, distance=9000, turned=1.4), *SLIVER, *seen(300, 200, 40)],
        [*seen(300, 200), *[[None] * 8] * 500],
    ],
    ids=["in front", "to the side", "mostly far away", "mostly not seen"],
)
@pytest.mark.parametrize("name", ["surface_positions.csv", "aoi_positions.csv"])
def test_the_shape_is_that_of_frames_that_show_the_surface_well(corners, name):
    assert ratio_of(corners, name=name) == pytest.approx(1.5, rel=0.15)


@pytest.mark.parametrize(
    "corners",
    [
        seen(300, 200, 20),
        SLIVER,
        corners_csv([]),
        "",
        "a,b\n1,2\n",
        corners_csv(seen(300, 200)).replace(".", "x"),
        "\0" * 999,
    ],
    ids=["few", "crossed", "no rows", "empty", "other columns", "no numbers", "no table"],
)
def test_corners_that_tell_nothing_are_passed_over(corners):
    assert ratio_of(corners) is None


def test_pixels_of_a_picture_have_no_surface():
    assert ratio_of(seen(300, 200), kind=RIM) is None


def picture(size):
    return export_files(ROWS, size=size)["reference_image.jpeg"]


DOUBT = (
    "The picture's width : height is 1 : 3, but the scene camera saw the surface at about 1.5 : 1."
)


def test_a_picture_of_another_shape_is_drawn_with_a_notice_whoever_gives_it(tmp_path, capsys):
    bare, tall = export_zip(seen(300, 200)), picture((20, 60))
    (export,) = gh.read_exports(gh.Upload("s.zip", bare))
    (notice,) = gh.with_picture(export, tall, "tall.jpg").notices
    assert notice.startswith(DOUBT)
    assert gh.with_ratio(export, (1, 3)).notices == (notice,)
    # Within what perspective does, nothing is said.
    assert gh.with_picture(export, picture((40, 20)), "wide.jpg").notices == ()
    assert gh.with_ratio(export, (16, 9)).notices == ()
    with open_source(gh.Upload("s.zip", export_zip(seen(300, 200), size=(20, 60)))) as files:
        study = read_study(find_exports(files)[0][0])
    assert (study.notices, study.size()) == ((notice,), (20, 60))
    (tmp_path / "s.zip").write_bytes(bare.getvalue())
    (tmp_path / "tall.jpg").write_bytes(tall)
    given = ["--image", str(tmp_path / "tall.jpg"), "--out", str(tmp_path / "out")]
    assert main([str(tmp_path / "s.zip"), *given]) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out)["image_size"], err.count(DOUBT)) == ({"width": 20, "height": 60}, 1)


def test_without_a_picture_the_ratio_that_was_seen_is_told():
    (export,) = gh.read_exports(gh.Upload("s.zip", export_zip(seen(300, 200))))
    assert export.surface_ratio == pytest.approx(1.5)
    with pytest.raises(gh.PictureMissingError, match=r"scene camera saw .* at about 1\.5 : 1\."):
        export.size()
