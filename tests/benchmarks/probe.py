"""Reads a study of any length in a process of its own, and prints what that took as JSON.

Run as ``python -m tests.benchmarks.probe read 10000000 12``, samples and recordings, or
``files 1000000``: both image files of a picture of 4000x3000 px.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from threadpoolctl import threadpool_limits

import gazeheat_core as gh
from gazeheat_core.exports import find_exports
from gazeheat_core.exports.studies import read_study
from gazeheat_core.page.session import Opened, Visit
from tests.benchmarks.data import RECORDINGS, GazeStream, made_export, photo, source_files
from tests.benchmarks.measure import memory_bytes, reset_peak, seconds, settle_memory


def read(rows, recordings=RECORDINGS):
    """Read, open, tick, draw both files, forget."""
    # Whatever is made once: modules, the generator's block, tables of colours.
    warm_up()
    drained_s, _ = seconds(drain, GazeStream(rows, recordings=recordings))
    settle_memory()
    start = memory_bytes()
    reset_peak()
    (found,), _ = find_exports(source_files(rows, recordings=recordings))
    read_s, study = seconds(read_study, found)
    peak = memory_bytes("VmHWM")
    visit = Visit()
    open_s, _ = seconds(visit.add, study, time.monotonic())
    opened_peak = memory_bytes("VmHWM")
    del study, found
    settle_memory()
    held = memory_bytes()
    opened = visit.opened[0]
    ticks_ms = []
    for turn in range(40):
        begin = time.perf_counter()
        opened.ticked ^= {turn % len(opened.histograms)}
        heatmap = opened.heatmap(5)
        size = opened.export.image.size
        json.dumps(gh.overlay_figure(heatmap, size, opened.ground, gh.Look()))
        ticks_ms.append(1e3 * (time.perf_counter() - begin))
    files_s, two = seconds(both_files, heatmap, opened.export.image)
    del heatmap, opened, two
    visit.opened.clear()
    settle_memory()
    left = memory_bytes()
    return {
        "rows": rows,
        "recordings": recordings,
        "csv_bytes": GazeStream(rows).size_bytes,
        "generator_s": drained_s,
        "read_s": read_s - drained_s,
        "open_s": open_s,
        "tick_ms": float(np.median(ticks_ms)),
        "files_s": files_s,
        "start_bytes": start,
        "peak_bytes": peak - start,
        "opened_peak_bytes": opened_peak - start,
        "held_bytes": held - start,
        "left_bytes": left - start,
    }


def files(samples):
    """Draw both files of a study that is open."""
    export = made_export(samples, (4000, 3000))
    heatmap = gh.make_heatmap(gh.bin_recordings(export), export.image.size)
    settle_memory()
    start = memory_bytes()
    reset_peak()
    files_s, _ = seconds(both_files, heatmap, export.image)
    peak = memory_bytes("VmHWM")
    return {"files_s": files_s, "peak_bytes": peak - start, "whole_process_bytes": peak}


def both_files(heatmap, image):
    """The two downloads, as the command line writes them."""
    return list(gh.render_files(heatmap, image, gh.Look()).values())


def warm_up():
    photo((4000, 3000))
    (found,), _ = find_exports(source_files(200_000))
    opened = Opened(0, read_study(found))
    heatmap = opened.heatmap(5)
    size = opened.export.image.size
    json.dumps(gh.overlay_figure(heatmap, size, opened.ground, gh.Look()))
    both_files(heatmap, opened.export.image)


def drain(stream):
    while stream.read(2**23):
        pass


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        work = {"read": read, "files": files}[sys.argv[1]]
        print(json.dumps(work(*map(int, sys.argv[2:]))))
