"""Many visitors at once, as their browsers would speak with the page.

Run as ``python -m tests.benchmarks.load``, all four scenes, or one of them::

    python -m tests.benchmarks.load ticks --sessions 25 --minutes 10
    python -m tests.benchmarks.load uploads --uploads 10 --megabytes 350
    python -m tests.benchmarks.load beside --megabytes 350
    python -m tests.benchmarks.load closing --sessions 25

A server is started on a free port of this machine and stopped at the end. The exit code
is the number of targets that were missed.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np

from tests.benchmarks.data import GazeStream, write_zip
from tests.benchmarks.measure import MB, p95
from tests.benchmarks.server import serving
from tests.benchmarks.visitor import WAITING, Visitor

TICK_TARGET_S = 0.5
PAUSE_S = 3
# Where many read at once: two at a time, as the page says.
READS_AT_A_TIME = 2
HELD_TARGET_BYTES = 2**30
# What a server may hold more than before, after thousands of ticks or a closed study.
DRIFT_BYTES = 40 * MB
GRACE_S = 3

misses: list[str] = []


def check(is_met, what):
    """Print a target, and remember one that is missed."""
    print(f"  {'met ' if is_met else 'MISS'}  {what}", flush=True)
    if not is_met:
        misses.append(what)


@asynccontextmanager
async def memory_watched(server, every_s=0.5):
    """Note the server's memory while the body runs; yields the growing list of (s, bytes)."""
    seen: list[tuple[float, int]] = []
    start = time.perf_counter()

    async def watch():
        while True:
            seen.append((time.perf_counter() - start, server.memory_bytes()))
            await asyncio.sleep(every_s)

    watcher = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def sample_open(port):
    visitor = await Visitor.visit(port)
    answer = await visitor.click("Try the sample")
    assert not answer.errors, answer.errors
    return visitor


async def keep_ticking(visitor, until, pause_s, answers, first=0):
    """Tick one recording after the other until a time."""
    number = first
    while time.perf_counter() < until():
        start = time.perf_counter()
        answers.append(await visitor.tick(number))
        number += 1
        await asyncio.sleep(max(0.0, pause_s - (time.perf_counter() - start)))


def times_of(answers):
    """When each new picture had arrived; every tick has to bring one."""
    missing = sum(answer.picture_s is None for answer in answers)
    errors = [error for answer in answers for error in answer.errors]
    check(not missing and not errors, f"every tick brought a picture, no errors {errors[:3]}")
    return [answer.picture_s for answer in answers if answer.picture_s is not None]


async def ticks(args):
    """Many sessions that tick, for minutes."""
    with serving() as server:
        before = server.memory_bytes()
        visitors = [await sample_open(server.port) for _ in range(args.sessions)]
        end = time.perf_counter() + 60 * args.minutes
        answers = []

        async def begin(i, visitor):
            await asyncio.sleep(PAUSE_S * i / len(visitors))
            await keep_ticking(visitor, lambda: end, PAUSE_S, answers, i)

        async with memory_watched(server) as seen:
            await asyncio.gather(*(begin(i, one) for i, one in enumerate(visitors)))
        for visitor in visitors:
            await visitor.leave()
    times_s = times_of(answers)
    memory = np.array([held for _, held in seen])
    quarter = len(memory) // 4
    drift = memory[-quarter:].mean() - memory[quarter : 2 * quarter].mean()
    print(
        f"ticks: {args.sessions} sessions, one tick in {PAUSE_S} s each, {args.minutes:g} min: "
        f"{len(times_s):,} ticks, median {np.median(times_s) * 1e3:.0f} ms, "
        f"p95 {p95(times_s) * 1e3:.0f} ms, worst {max(times_s) * 1e3:.0f} ms; server "
        f"{before / MB:.0f} MB empty, {memory.max() / MB:.0f} MB at most, "
        f"{drift / MB:+.1f} MB from the second quarter to the last"
    )
    check(p95(times_s) <= TICK_TARGET_S, f"p95 of a tick at most {TICK_TARGET_S * 1e3:.0f} ms")
    check(drift <= DRIFT_BYTES, f"memory flat to {DRIFT_BYTES / MB:.0f} MB")


async def uploads(args):
    """Many large uploads at once."""
    with LargeZip(args.megabytes) as path, serving() as server:
        visitors = [await Visitor.visit(server.port) for _ in range(args.uploads)]
        before = server.memory_bytes()
        start = time.perf_counter()
        async with memory_watched(server, 0.2) as seen:
            answers = await asyncio.gather(*(one.upload(path) for one in visitors))
        took_s = time.perf_counter() - start
        loaded = server.memory_bytes()
        for visitor in visitors:
            await visitor.click("Clear")
            await visitor.click("Forget now")
        cleared = server.memory_bytes()
        for visitor in visitors:
            await visitor.leave()
        peak = max(held for _, held in seen)
        # The first progress bar of each tells when it was its turn.
        spans = [(one.progress[0], one.progress[-1]) for one in answers if one.progress]
        at_once = max(sum(a <= t < b for a, b in spans) for t, _ in spans)
        waited = sum(WAITING in one.waits for one in answers)
        print(
            f"uploads: {args.uploads} of {args.megabytes} MB of CSV at once "
            f"(ZIP {path.stat().st_size / MB:.0f} MB): all read after {took_s:.0f} s, "
            f"{at_once} at a time, {waited} were told to wait; server {before / MB:.0f} MB "
            f"before, {peak / MB:.0f} MB at most, {loaded / MB:.0f} MB with all open, "
            f"{cleared / MB:.0f} MB after clearing"
        )
        check(all(one.picture_s and not one.errors for one in answers), "every upload was read")
        check(at_once <= READS_AT_A_TIME, f"{READS_AT_A_TIME} read at a time")
        check(
            waited >= max(0, args.uploads - READS_AT_A_TIME),
            "the others are told that they wait",
        )
        check(loaded <= HELD_TARGET_BYTES, "at most 1 GiB with all open")
        check(cleared - before <= args.uploads * 10 * MB, "the studies' memory is given back")


async def beside(args):
    """Ticks of one visitor while another's upload is read."""
    with LargeZip(args.megabytes) as path, serving() as server:
        other, mine = await Visitor.visit(server.port), await sample_open(server.port)
        alone, during = [], []
        soon = time.perf_counter() + 5
        await keep_ticking(mine, lambda: soon, 0.2, alone)
        upload = asyncio.create_task(other.upload(path))
        await keep_ticking(mine, lambda: 0 if upload.done() else np.inf, 0.2, during)
        answer = await upload
        assert not answer.errors, answer.errors
        alone_s, during_s = times_of(alone), times_of(during)
        print(
            f"beside: ticks while another's {args.megabytes} MB are sent and read "
            f"({answer.finished_s:.1f} s): median {np.median(during_s) * 1e3:.0f} ms, p95 "
            f"{p95(during_s) * 1e3:.0f} ms, worst {max(during_s) * 1e3:.0f} ms of "
            f"{len(during_s)}; alone median {np.median(alone_s) * 1e3:.0f} ms, "
            f"p95 {p95(alone_s) * 1e3:.0f} ms"
        )
        check(p95(during_s) <= TICK_TARGET_S, f"p95 at most {TICK_TARGET_S * 1e3:.0f} ms")


async def closing(args):
    """Tabs that are closed without a word."""
    with (
        LargeZip(args.megabytes) as path,
        serving(f"--server.disconnectedSessionTTL={GRACE_S}") as server,
    ):
        # Whatever is made once for all, so that the start is a server that has been used.
        first = await Visitor.visit(server.port)
        await first.upload(path)
        await first.click("Clear")
        await first.leave()
        await asyncio.sleep(2 * GRACE_S)
        before = server.memory_bytes()
        visitors = [await sample_open(server.port) for _ in range(args.sessions)]
        large = [await Visitor.visit(server.port) for _ in range(3)]
        for visitor in large:
            answer = await visitor.upload(path)
            assert not answer.errors, answer.errors
        opened = server.memory_bytes()
        for visitor in (*visitors, *large):
            await visitor.leave()
        start = time.perf_counter()
        limit_s = 4 * GRACE_S
        while time.perf_counter() - start < limit_s:
            await asyncio.sleep(0.2)
            if server.memory_bytes() - before <= DRIFT_BYTES:
                break
        after_s = time.perf_counter() - start
        after = server.memory_bytes()
        print(
            f"closing: {args.sessions} tabs with the sample, 3 with {args.megabytes} MB of CSV: "
            f"server {before / MB:.0f} MB before, {opened / MB:.0f} MB with all open, "
            f"{after / MB:.0f} MB {after_s:.1f} s after all tabs were closed "
            f"(grace {GRACE_S} s)"
        )
        check(after - before <= DRIFT_BYTES, f"back to the start, to {DRIFT_BYTES / MB:.0f} MB")


class LargeZip:
    """A ZIP with so many megabytes of gaze, as long as the context is open."""

    def __init__(self, megabytes):
        self._rows = round(megabytes * MB / (GazeStream(10**6).size_bytes / 10**6))
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self):
        path = Path(self._folder.name, "large.zip")
        write_zip(path, self._rows, level=1)
        return path

    def __exit__(self, *_):
        self._folder.cleanup()


SCENES = {"ticks": ticks, "uploads": uploads, "beside": beside, "closing": closing}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.load")
    parser.add_argument("scene", nargs="*", choices=[[], *SCENES], help="all without one")
    parser.add_argument("--sessions", type=int, default=25)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--uploads", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=350)
    args = parser.parse_args()
    for name in args.scene or SCENES:
        # A scene that hangs is a failure, not a long wait.
        asyncio.run(asyncio.wait_for(SCENES[name](args), 60 * (args.minutes + 10)))
    return len(misses)


if __name__ == "__main__":
    raise SystemExit(main())
