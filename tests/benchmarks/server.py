"""The page on a server of its own, only for this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


@dataclass
class Server:
    """A running page: where it answers, and its process."""

    port: int
    process: psutil.Process

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def memory_bytes(self):
        """Memory of the server and of the workers that it has started."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family)


@contextmanager
def serving(*options, app="app.py", **environment):
    """Serve the page on a free port, with options for Streamlit; yields a `Server`.

    `app` is the file to run, from the root of the repository.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLIT_")}
    own["PYTHONPATH"] = str(ROOT)
    own["MALLOC_ARENA_MAX"] = "1"  # as the README has it for a lab's server
    command = [sys.executable, "-m", "streamlit", "run", app, f"--server.port={port}"]
    command += ["--server.address=127.0.0.1", *options]
    with tempfile.TemporaryDirectory() as home:
        log = Path(home, "server.log")
        with log.open("w") as out:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**own, "HOME": home, **environment}, stdout=out, stderr=out
            )
        try:
            server = Server(port, psutil.Process(process.pid))
            _wait_for(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        words = log.read_text()
    if "Traceback" in words:
        raise RuntimeError(f"the server's log holds an error:\n{words}")


def _wait_for(server, process, log):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{server.address}/_stcore/health", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise RuntimeError(f"the server does not answer:\n{log.read_text()}")
