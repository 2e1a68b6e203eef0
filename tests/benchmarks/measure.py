"""Time and memory, measured alike everywhere."""

from __future__ import annotations

import ctypes
import gc
import re
import time
from pathlib import Path

import numpy as np

MB = 1e6


def seconds(work, *given):
    """Return how long a function takes on what is given, and what it returns."""
    gc.collect()
    start = time.perf_counter()
    result = work(*given)
    return time.perf_counter() - start, result


def p95(times):
    """The time that 19 of 20 stay below."""
    return float(np.percentile(times, 95))


def side_by_side(works, rounds, clock=time.perf_counter):
    """Call functions in turn, so that a busy machine hits all alike.

    `clock` may be `time.thread_time`, which stands while others have the processor.

    Returns
    -------
    array, shape (functions, rounds), in seconds
    """
    times = np.empty((len(works), rounds))
    for turn in range(rounds):
        for i, work in enumerate(works):
            start = clock()
            work(turn)
            times[i, turn] = clock() - start
    return times


def memory_bytes(what="VmRSS", pid="self"):
    """Memory of a process: VmRSS now, VmHWM the most since the last `reset_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024


def reset_peak():
    """Let VmHWM of this process start from what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


def settle_memory():
    """Give back to the system what is free, so that what is left is really held."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
