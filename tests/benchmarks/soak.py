"""Visitors who come and go for minutes; what the server holds when the last one has left.

Run as ``python -m tests.benchmarks.soak --minutes 10``. The exit code is the number of
targets that were missed.

Six visitors at a time: each comes, opens the sample or uploads an export, ticks, downloads
both files while the others come and go, and closes the tab. Three minutes after the last
one the server's memory, threads and open files are held against those at the start, which
is a server that one visitor has used.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tests import builders
from tests.benchmarks.measure import MB
from tests.benchmarks.server import serving
from tests.benchmarks.visitor import Visitor

VISITORS_AT_A_TIME = 6
# The grace of .streamlit/config.toml is two minutes.
AFTERWARDS_S = 180
HELD_BYTES, HELD_THREADS, HELD_FILES = 100 * MB, 5, 20


@dataclass
class Seen:
    """What the visitors met."""

    visits: int = 0
    ticks: int = 0
    downloads: int = 0
    problems: list[str] = field(default_factory=list)


async def visit(port, archive, chance, seen):
    """Come, load, tick, download, leave."""
    visitor = await Visitor.visit(port)
    if chance.random() < 0.5:
        size, answer = (2000, 1500), await visitor.click("Try the sample")
    else:
        size, answer = builders.SIZE, await visitor.upload(archive)
    seen.problems += answer.errors
    for number in range(chance.randrange(4)):
        answer = await visitor.tick(2 * number)
        answer = await visitor.tick(2 * number)
        seen.problems += answer.errors
        seen.ticks += 2
    for what in ("heatmap", "overlay"):
        file = await visitor.download(what)
        seen.downloads += 1
        if file.status != 200:
            seen.problems.append(f"{what}: {file.status} {file.data[:100]!r}")
        elif Image.open(io.BytesIO(file.data)).size != size:
            seen.problems.append(f"{what}: a picture of another size")
    if chance.random() < 0.3:
        seen.problems += (await visitor.click("Clear")).errors
    await visitor.leave()
    seen.visits += 1


async def keep_coming(port, archive, until, seed, seen):
    chance = random.Random(seed)
    while time.monotonic() < until:
        await visit(port, archive, chance, seen)


def held(server):
    """Memory in bytes, threads, open files."""
    process = server.process
    return server.memory_bytes(), process.num_threads(), process.num_fds()


async def soak(minutes):
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        archive = Path(folder, "Shelf.zip")
        builders.export_zip(archive)
        await visit(server.port, archive, random.Random(0), Seen())
        start = held(server)
        until = time.monotonic() + 60 * minutes
        await asyncio.gather(
            *(
                keep_coming(server.port, archive, until, seed, seen)
                for seed in range(VISITORS_AT_A_TIME)
            )
        )
        at_the_end = held(server)
        await asyncio.sleep(AFTERWARDS_S)
        later = held(server)
    print(
        f"soak: {minutes:g} min, {seen.visits:,} visits, {seen.ticks:,} ticks, "
        f"{seen.downloads:,} downloads, {len(seen.problems)} problems"
    )
    for when, (memory_bytes, threads, files) in (
        ("at the start", start),
        ("when the last one left", at_the_end),
        (f"{AFTERWARDS_S} s later", later),
    ):
        print(f"  {when}: {memory_bytes / MB:.0f} MB, {threads} threads, {files} open files")
    rise = [b - a for a, b in zip(start, later, strict=True)]
    targets = {
        f"no download failed, no error was met {seen.problems[:3]}": not seen.problems,
        f"memory within {HELD_BYTES // MB} MB of the start": rise[0] <= HELD_BYTES,
        f"threads within {HELD_THREADS} of the start": rise[1] <= HELD_THREADS,
        f"open files within {HELD_FILES} of the start": rise[2] <= HELD_FILES,
    }
    for what, is_met in targets.items():
        print(f"  {'met ' if is_met else 'MISS'}  {what}")
    return sum(not is_met for is_met in targets.values())


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10)
    return asyncio.run(soak(parser.parse_args().minutes))


if __name__ == "__main__":
    raise SystemExit(main())
