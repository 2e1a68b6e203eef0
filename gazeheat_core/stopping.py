"""How a signal ends the command: in one line, with nothing half-written.

A signal can arrive between any two steps, also inside a library that swallows exceptions.
So the handler raises none: it takes back what is unfinished, stops the worker processes and
ends the process. Steps that belong together wait for each other in `held`.

Without `stop_on_signals`, as on the page and in a notebook, nothing here has an effect.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType

# Ctrl-C, a request to terminate, and a terminal that was closed.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
# How long a signal has to be heard, before it is sent again.
_HEARD_S = 0.1

# Only the main thread of the command changes these.
_holds = 0
_asked: list[int] = []
_unfinished: list[Callable[[], object]] = []
_is_written = False
_speaks_of_files = True


def stop_on_signals(writes_files: bool = True) -> None:
    """Let a signal end this process with status 128 and its number; for the main thread.

    Parameters
    ----------
    writes_files : bool
        Whether the line that a signal leaves tells what became of the files.
    """
    global _speaks_of_files
    _speaks_of_files = writes_files
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        # A signal that the caller ignores, as nohup does, stays ignored.
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)
    if hasattr(signal, "pthread_kill"):  # not on Windows
        signal.set_wakeup_fd(_repeater(), warn_on_full_buffer=False)


@cache
def _repeater() -> int:
    """Start what repeats signals; return the file that gets the number of each one."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=_repeat, args=(reading,), daemon=True).start()
    return writing


def _repeat(reading: int) -> None:
    """Send the main thread a signal again and again, until it ends the process.

    Python hears of a signal between two of its steps, and a wait of the system is cut short by
    one. A signal that comes after the last step before such a wait does neither: opening a pipe
    that nobody writes to would then never end.
    """
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    number = os.read(reading, 1)[0]
    while True:
        time.sleep(_HEARD_S)
        signal.pthread_kill(main_thread, number)


def ignore_signals() -> None:
    """Let a process that has done its work end in peace; for the main thread."""
    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


@contextmanager
def held() -> Iterator[None]:
    """Let a signal wait until the block is done.

    Signals end the main thread's work only: in another thread, this does nothing.
    """
    global _holds
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _holds += 1
    try:
        yield
    finally:
        _holds -= 1
        if _asked and not _holds:
            _stop(_asked[0])


@contextmanager
def taken_back(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` should the block fail, or a signal end the process in it.

    Parameters
    ----------
    undo : callable
        May be called more than once.
    """
    global _is_written
    _unfinished.append(undo)
    try:
        yield
        _is_written = True
    except BaseException:
        with held():
            undo()
        raise
    finally:
        _unfinished.remove(undo)


def _on_signal(number: int, _: FrameType | None) -> None:
    _asked.append(number)
    if not _holds:
        _stop(number)


def _stop(number: int) -> None:
    global _holds
    # A second signal must not cut this short.
    _holds += 1
    for undo in reversed(_unfinished):
        with suppress(Exception):
            undo()
    if "multiprocessing" in sys.modules:
        from multiprocessing import active_children

        for worker in active_children():
            worker.kill()
    files = " The files are written." if _is_written else " No files were written."
    with suppress(OSError):
        os.write(2, f"gazeheat: Stopped.{files if _speaks_of_files else ''}\n".encode())
    # The ordinary way out would wait for threads that are still reading.
    os._exit(128 + number)
