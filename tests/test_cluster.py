"""Reading on a Dask cluster: a real scheduler and workers, each a process on this machine."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import gazeheat_core as gh
from gazeheat_core.cli import main
from gazeheat_core.errors import ClusterError
from gazeheat_core.exports import find_exports, open_source
from gazeheat_core.exports.reading import read_images
from gazeheat_core.parallel import Part, open_executor, read_part, submit_export
from tests.builders import Row, export_folder, export_zip, gaze_csv
from tests.test_parallel import GRID, assert_same, binned_in_parts, binned_whole

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name here")

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60
ON_LOOPBACK = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")


class Cluster:
    """A scheduler and workers; `address` is where the scheduler answers."""

    def __init__(self, stack, home, workers=2):
        self._stack, self._home = stack, home
        self.scheduler = self._start("scheduler", "--port", "0")
        for line in self.scheduler.stderr:
            if "Scheduler at:" in line:
                self.address = line.split()[-1]
                break
        # What it says from now on is read away, lest it wait for a reader.
        drain = threading.Thread(target=self.scheduler.stderr.read)
        drain.start()
        stack.callback(self.scheduler.stderr.close)
        stack.callback(drain.join, PATIENCE_S)
        stack.callback(self.scheduler.kill)
        for number in range(workers):
            where = str(home / f"worker-{number}")
            self._start("worker", self.address, "--no-nanny", "--nthreads", "1",
                        "--local-directory", where)  # fmt: skip
        self.client = stack.enter_context(
            distributed.Client(self.address, timeout=PATIENCE_S, set_as_default=False)
        )
        self.client.wait_for_workers(workers, timeout=PATIENCE_S)

    def _start(self, what, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *ON_LOOPBACK, *options]
        process = subprocess.Popen(
            command,
            cwd=self._home,
            env={**os.environ, "PYTHONPATH": str(self._home) + os.pathsep + str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if what == "scheduler" else subprocess.DEVNULL,
            text=True,
        )
        self._stack.callback(process.wait, PATIENCE_S)
        self._stack.callback(process.kill)
        return process


@contextlib.contextmanager
def start_cluster(home):
    with contextlib.ExitStack() as stack:
        yield Cluster(stack, home)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with start_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def study(tmp_path):
    rows = [Row(float(i % 41), float(i % 31), i % 5 > 0, f"rec-{'ab'[i % 2]}") for i in range(500)]
    return export_folder(tmp_path / "Shelf", rows)


def run_cli(*arguments):
    """Run the command in a process of its own: status, and all that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "gazeheat_core", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return done.returncode, done.stdout, done.stderr


# ---------------------------------------------------------------- the same result


def test_a_cluster_gives_the_same(cluster, study):
    with open_executor(scheduler=cluster.address) as executor:
        assert_same(binned_in_parts(study, 2000, executor), binned_whole(study))


def test_the_command_gives_the_same(cluster, study, tmp_path):
    given = (study, export_zip(tmp_path / "a.zip"), "--out", tmp_path / "images")
    results = []
    for where in ((), ("--scheduler", cluster.address)):
        printed = run_cli(*given, *where)
        assert (printed[0], printed[2]) == (0, "")
        images = {path.name: path.read_bytes() for path in (tmp_path / "images").iterdir()}
        results.append((printed, images))
    assert results[0] == results[1]


def test_a_changed_file_is_read_anew(cluster, study):
    part = Part(str(study), False, ("gaze.csv",), None, (GRID,))
    with open_executor(scheduler=cluster.address) as executor:
        first = executor.submit(read_part, part)
        assert sum(map(len, first.result(PATIENCE_S).sections.values())) == 500
        (study / "gaze.csv").write_text(gaze_csv([Row(1.0, 1.0)]))
        second = executor.submit(read_part, part)
        assert sum(map(len, second.result(PATIENCE_S).sections.values())) == 1


def test_what_a_worker_says_arrives_word_for_word(cluster, tmp_path):
    folder = export_folder(tmp_path / "Shelf")
    with (folder / "gaze.csv").open("ab") as stream:
        stream.write(b"1" * 2 * 2**20)
    messages = set()
    for scheduler in ("", cluster.address):
        with open_executor(scheduler=scheduler) as executor, pytest.raises(gh.LimitError) as error:
            binned_in_parts(folder, executor=executor)
        messages.add(str(error.value))
    assert len(messages) == 1


def waiting_workers(cluster):
    """Addresses of the workers that wait at a pipe."""
    calls = cluster.client.call_stack()
    return [worker for worker in calls if "path.open(" in str(calls[worker])]


def asked_until(ready):
    """Ask again and again; each time is a message there and back. Returns the first yes."""
    return next(answer for answer in (ready() for _ in range(20_000)) if answer)


def test_after_an_error_nothing_is_left_to_do(cluster, tmp_path):
    def all_idle():
        left = cluster.client.run(lambda dask_worker: len(dask_worker.state.tasks))
        return all(tasks <= 1 for tasks in left.values())  # the one it still waits for

    def fail():
        with open_executor(scheduler=cluster.address) as executor:
            for name in "ab":
                os.mkfifo(tmp_path / name)
                executor.submit(read_part, Part(str(tmp_path / name), False, (), None, ()))
            asked_until(lambda: len(waiting_workers(cluster)) == 2)
            for number in range(10):
                executor.submit(Path.touch, tmp_path / f"done-{number}")
            raise gh.ExportError("wrong")

    with pytest.raises(gh.ExportError, match="wrong"):
        fail()
    asked_until(all_idle)
    for name in "ab":
        os.close(os.open(tmp_path / name, os.O_WRONLY))
    asked_until(lambda: not waiting_workers(cluster))
    assert cluster.client.submit(int, 7, pure=False).result(PATIENCE_S) == 7
    assert list(tmp_path.glob("done-*")) == []


# ---------------------------------------------------------------- workers that are lost


def waiting_part(path):
    """Put a pipe in the place of a ZIP: reading it waits. Returns what puts the ZIP back."""
    aside = path.with_name("aside")
    path.rename(aside)
    os.mkfifo(path)
    return lambda: aside.replace(path)


def submit(given, executor, *, waits=False):
    """Start on an export; with `waits`, on a ZIP that does not come until it is put back."""
    with open_source(given) as files:
        (found,), _ = find_exports(files)
        images, _ = read_images(found)
        put_back = waiting_part(given) if waits else None
        return submit_export(given, found, images, executor, part_bytes=2000), put_back


def worker_that_waits(cluster):
    """Process number of the worker that waits for the ZIP's only table, as soon as one does."""
    (worker,) = asked_until(lambda: waiting_workers(cluster))
    return cluster.client.run(os.getpid, workers=[worker])[worker]


def test_a_worker_killed_in_the_middle_changes_nothing(study, tmp_path):
    packed = export_zip(tmp_path / "packed.zip", fixations=None)
    whole = [binned_whole(packed), binned_whole(study)]
    with start_cluster(tmp_path) as own, open_executor(scheduler=own.address) as executor:
        waiting, put_back = submit(packed, executor, waits=True)
        # Alone as yet, so that no other worker can be the one that waits.
        doomed = worker_that_waits(own)
        parts, _ = submit(study, executor)
        assert not waiting.parts[0].done()
        put_back()
        os.kill(doomed, signal.SIGKILL)
        for one, expected in zip((waiting, parts), whole, strict=True):
            assert_same(one.result(), expected)
        assert doomed not in own.client.run(os.getpid).values()


def test_a_part_that_kills_its_workers_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    packed = export_zip(tmp_path / "packed.zip", fixations=None)
    with start_cluster(tmp_path) as own, open_executor(scheduler=own.address) as executor:
        pending, _ = submit(packed, executor, waits=True)
        os.kill(worker_that_waits(own), signal.SIGKILL)
        with pytest.raises(ClusterError, match=r"lost its work \(KilledWorker\)\. Check"):
            pending.result()


def test_workers_without_the_package_are_one_sentence(study, tmp_path):
    (tmp_path / "gazeheat_core.py").write_text("raise ImportError('not installed')")
    with start_cluster(tmp_path) as own:
        given = (study, "--out", tmp_path / "images", "--scheduler", own.address)
        status, said, warned = run_cli(*given)
    assert (status, said) == (2, "")
    assert warned.startswith("gazeheat: The cluster lost its work (")
    assert warned.endswith("have gazeheat installed, and see the data under the same path.\n")
    assert warned.count("\n") == 1


def test_a_scheduler_that_is_lost_is_one_sentence(tmp_path):
    packed = export_zip(tmp_path / "packed.zip", fixations=None)
    with start_cluster(tmp_path) as own, open_executor(scheduler=own.address) as executor:
        pending, _ = submit(packed, executor, waits=True)
        worker_that_waits(own)
        own.scheduler.kill()
        with pytest.raises(ClusterError, match="The cluster lost its work"):
            pending.result()


# ---------------------------------------------------------------- no scheduler


@pytest.fixture
def nobody():
    """An address on this machine where no one listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{bound.getsockname()[1]}"


def test_a_scheduler_that_is_not_there_is_one_line(study, tmp_path, nobody):
    given = (study, "--out", tmp_path / "images", "--scheduler", nobody)
    assert run_cli(*given) == (
        2,
        "",
        f"gazeheat: No scheduler answers at {nobody}. "
        "Check the address, and that 'dask scheduler' runs there.\n",
    )
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://10.0.0.5", "http://10.0.0.5:8787", "tcp://a:b", " ", "foo://1:2"]
)
def test_what_is_no_address_is_said(address):
    words = r"not the address .* such as tcp://10\.0\.0\.5:8786"
    with pytest.raises(ClusterError, match=words), open_executor(scheduler=address):
        pass


def test_a_missing_package_is_named(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    given = [str(study), "--out", str(tmp_path / "images"), "--scheduler", "tcp://127.0.0.1:1"]
    status = main(given)
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert "pip install 'gazeheat[cluster]'" in printed.err
    assert printed.err.count("\n") == 1
