"""Both full-size files, against the plain way of making them and against Pillow alone."""

import functools
import io
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

import gazeheat_core as gh
from gazeheat_core.sample import sample_zip
from tests.benchmarks.data import SIZE, made_export, photo
from tests.benchmarks.measure import MB, seconds
from tests.benchmarks.probe import both_files

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def export():
    return made_export(1_000_000, SIZE)


@pytest.fixture(scope="module")
def heatmap(export):
    return gh.make_heatmap(gh.bin_recordings(export), SIZE)


def plain_recipe(export):
    """As scripts do it: every step at the picture's full resolution, drawn by matplotlib."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="the plain recipe needs matplotlib")
    pyplot.switch_backend("agg")
    width, height = SIZE
    picture = pyplot.imread(io.BytesIO(photo(SIZE)), format="jpeg")
    gaze = [section.gaze for recording in export.recordings for section in recording.sections]
    x, y = (np.concatenate([getattr(one, axis) for one in gaze]) for axis in "xy")
    bins, _, _ = np.histogram2d(y, x, bins=(height, width), range=((0, height), (0, width)))
    values = gaussian_filter(bins, 0.05 * width)
    values /= values.max()
    files = []
    for ground in (None, picture):
        figure = pyplot.figure(figsize=(width / 100, height / 100), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        if ground is not None:
            axes.imshow(ground)
        axes.imshow(values, cmap="turbo", alpha=np.minimum(values, 0.8))
        out = io.BytesIO()
        figure.savefig(out, format="png", transparent=ground is None)
        pyplot.close(figure)
        files.append(out.getvalue())
    return files


def test_both_files_are_made_ten_times_faster_than_by_the_plain_recipe(export, report):
    def ours():
        heatmap = gh.make_heatmap(gh.bin_recordings(export), SIZE)
        return both_files(heatmap, export.image)

    plain_s, plain_files = seconds(plain_recipe, export)
    ours_s = min(seconds(ours)[0] for _ in range(3))
    report(
        f"both files, 4000x3000 px, 1 M samples, from samples to PNG: {ours_s:.2f} s; "
        f"histogram2d, blur and matplotlib at full resolution {plain_s:.1f} s: "
        f"{plain_s / ours_s:.0f} times as fast (target 10)"
    )
    assert [Image.open(io.BytesIO(one)).size for one in plain_files] == [SIZE, SIZE]
    assert plain_s >= 10 * ours_s


def by_pillow(image, level=1):
    """As PNG by Pillow alone; its quickest level that looks for repetitions is the first."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=level)
    return out.getvalue()


def test_both_files_cost_half_of_decoding_and_encoding_by_pillow(export, heatmap, report):
    images = gh.render(heatmap, export.image, gh.Look())

    def pillow_alone():
        with Image.open(io.BytesIO(export.image.data)) as opened:
            opened.load()
        return by_pillow(images.heatmap), by_pillow(images.overlay)

    turns = [
        (seconds(pillow_alone)[0], seconds(both_files, heatmap, export.image)[0]) for _ in range(3)
    ]
    pillow_s, ours_s = np.min(turns, axis=0)
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.probe", "files", "1000000"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    memory = json.loads(done.stdout)
    report(
        f"both files, 4000x3000 px: {ours_s:.2f} s; decoding the JPEG and encoding two such PNGs "
        f"by Pillow {pillow_s:.2f} s; ratio {ours_s / pillow_s:.2f} (target 0.5); peak "
        f"{memory['peak_bytes'] / MB:.0f} MB over the start (target 115), the whole process "
        f"{memory['whole_process_bytes'] / MB:.0f} MB"
    )
    assert ours_s <= 0.5 * pillow_s
    assert memory["peak_bytes"] <= 115 * MB


def test_sizes_of_files_in_figures(export, report):
    (sample,) = gh.read_exports(gh.Upload("sample.zip", io.BytesIO(sample_zip())))
    lines = ["picture  scale  colours  file       Pillow, level 1       ours"]
    for name, study in (("photo", export), ("sample", sample)):
        recordings = gh.bin_recordings(study)
        for scale, colours in itertools.product((1, 5, 15), ("turbo", "magma")):
            look = gh.Look(scale, colormap=colours)
            heatmap = gh.make_heatmap(recordings, study.image.size, scale)
            images = gh.render(heatmap, study.image, look)
            for part, data in gh.render_files(heatmap, study.image, look).items():
                pillow_bytes = len(by_pillow(getattr(images, part)))
                lines.append(
                    f"{name:8} {scale:5}  {colours:7}  {part:7}  {pillow_bytes / MB:12.2f} MB  "
                    f"{len(data) / MB:6.2f} MB  {len(data) / pillow_bytes - 1:+6.1%}"
                )
                assert len(data) <= 1.08 * pillow_bytes
    report("PNG files", *lines)


def test_encoders_in_figures(export, heatmap, report):
    images = gh.render(heatmap, export.image, gh.Look())
    encoders = {"ours": gh.encode_png}
    for level in (1, 6):
        encoders[f"Pillow, level {level}"] = functools.partial(by_pillow, level=level)
    lines = ["encoder            heatmap           overlay"]
    costs = {}
    for name, encode in encoders.items():
        cells = []
        for image in (images.heatmap, images.overlay):
            work_s, data = seconds(encode, image)
            cells.append((work_s, len(data)))
        costs[name] = np.sum(cells, axis=0)
        lines.append(f"{name:16}" + "".join(f"{s:7.2f} s {size / MB:5.2f} MB" for s, size in cells))
    report("PNG encoders, 4000x3000 px", *lines)
    ours_s, ours_bytes = costs["ours"]
    slow_s, slow_bytes = costs["Pillow, level 6"]
    # What the choice rests on: Pillow's own level costs ten times as much, saves under a third.
    assert slow_s >= 10 * ours_s
    assert slow_bytes >= 0.67 * ours_bytes
