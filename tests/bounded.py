"""Files read through the core, each upload in a process of its own with bounds on it.

A server process imports the package once and forks for every upload, so that a case
takes milliseconds. What is measured is the child's own: processor time, and the rise of
the memory in use over what it was before the upload was read.
"""

import contextlib
import io
import os
import pickle
import resource
import struct
import subprocess
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MIB = 2**20
# The bounds of the product are checked by the tests; these end a child that goes far beyond.
STOP_CPU_S = 30
STOP_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True)
class ReadExport:
    """What one export gave."""

    name: str
    ids: tuple[str, ...]
    names: tuple[str, ...]
    size: tuple[int, int]
    counts: dict[str, int]
    bins: np.ndarray
    durations_ns: tuple[int | None, ...]
    notices: tuple[str, ...]
    pixels: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Outcome:
    """What an upload gave, and what it took.

    `escaped` is the traceback of anything that is none of the core's own errors, and
    `printed` whatever was written to the terminal meanwhile.
    """

    exports: tuple[ReadExport, ...] = ()
    problems: tuple[str, ...] = ()
    escaped: str = ""
    printed: str = ""
    cpu_s: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Upload:
    """Files given together; `pixels` are places of the picture whose colours are wanted."""

    files: dict[str, bytes]
    as_folder: bool = False
    picture: tuple[str, bytes] | None = None
    pixels: tuple[tuple[int, int], ...] = field(default=())


class Server:
    """The process that forks; one upload at a time."""

    def __init__(self, warm_up):
        # One thread: a fork copies no other, and the time of all is measured.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bounded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            env={**os.environ, **threads},
        )
        _send(self._process.stdin, warm_up)

    def read(self, upload):
        """Read an upload in a child of its own and return its `Outcome`."""
        _send(self._process.stdin, upload)
        return _receive(self._process.stdout)

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _send(stream, value):
    data = pickle.dumps(value)
    stream.write(struct.pack("<Q", len(data)) + data)
    stream.flush()


def _receive(stream):
    head = stream.read(8)
    return pickle.loads(stream.read(*struct.unpack("<Q", head))) if head else None


def _serve():
    # Loaded here, so that the tests' own process does not need them.
    import gazeheat_core
    import gazeheat_core.exports  # noqa: F401

    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed must not end up among the answers
    warm_up = _receive(incoming)
    _read(warm_up)
    while (upload := _receive(incoming)) is not None:
        _send(outgoing, _in_a_child(warm_up, upload))


def _in_a_child(warm_up, upload):
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            answer = pickle.dumps(_measured(warm_up, upload))
        except BaseException:
            answer = pickle.dumps(Outcome(escaped=traceback.format_exc()))
        with os.fdopen(theirs, "wb") as stream:
            stream.write(answer)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as stream:
        answer = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return pickle.loads(answer) if answer else Outcome(escaped=f"ended by signal {-status}")


def _measured(warm_up, upload):
    # Pages of the libraries are no part of what the upload takes: touch them first.
    _read(warm_up)
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts anew
    memory_bytes = _status_bytes("VmRSS")
    cpu_s = _cpu_s()
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s) + STOP_CPU_S,) * 2)
    resource.setrlimit(resource.RLIMIT_AS, (_status_bytes("VmSize") + STOP_MEMORY_BYTES,) * 2)
    escaped = ""
    exports, problems = [], []
    with tempfile.TemporaryFile() as printed:
        kept = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            with warnings.catch_warnings():
                # Below the filters of the package, which a user has too.
                warnings.simplefilter("always", append=True)
                exports, problems = _read(upload)
        except BaseException:
            escaped = traceback.format_exc()
        cpu_s = _cpu_s() - cpu_s
        memory_bytes = _status_bytes("VmHWM") - memory_bytes
        sys.stderr.flush()
        os.dup2(kept, 2)
        printed.seek(0)
        text = printed.read(10_000).decode("utf-8", "replace")
    return Outcome(tuple(exports), tuple(problems), escaped, text, cpu_s, memory_bytes)


def _status_bytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) * 1024


def _cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _read(upload):
    """Read an upload as the page does, up to the picture that it shows."""
    import gazeheat_core as gh
    from gazeheat_core.exports import find_exports, read_study

    exports, problems = [], []
    for source in _sources(upload):
        try:
            with source as files:
                found, wrong = find_exports(files)
                problems += map(str, wrong)
                for one in found:
                    try:
                        export = read_study(one)
                        if upload.picture is not None:
                            name, data = upload.picture
                            export = gh.with_picture(export, data, name)
                        exports.append(_reduced(export, upload.pixels))
                    except gh.GazeheatError as error:
                        problems.append(str(error))
        except gh.GazeheatError as error:
            problems.append(str(error))
    return exports, problems


def _sources(upload):
    """Each ZIP by itself, all other files together; or one folder."""
    import gazeheat_core as gh
    from gazeheat_core.exports import open_source, sources_of

    if upload.as_folder:
        return [_as_folder(upload.files)]
    uploads = [gh.Upload(name, io.BytesIO(data)) for name, data in upload.files.items()]
    return [open_source(source) for source in sources_of(uploads)]


@contextlib.contextmanager
def _as_folder(files):
    from gazeheat_core.exports import open_source

    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        with open_source(folder) as listed:
            yield listed


def _reduced(export, pixels):
    import gazeheat_core as gh

    study = export if isinstance(export, gh.Study) else gh.track_export(export)
    recordings = gh.select(study)
    counts = gh.make_heatmap(recordings, export.size(), 5.0).counts
    gh.display_jpeg(export.image)
    picture = gh.open_picture(export.image) if pixels else None
    return ReadExport(
        name=export.name,
        ids=tuple(one.id for one in recordings),
        names=tuple(one.name for one in recordings),
        size=export.size(),
        counts={
            "used": counts.used,
            "outside": counts.outside,
            "undetected": counts.undetected,
            "unreadable": counts.unreadable + export.unassigned_rows,
        },
        bins=sum(np.asarray(one.bins, np.int64) for one in recordings),
        durations_ns=tuple(one.duration_ns for one in recordings),
        notices=tuple(export.notices),
        pixels=tuple(picture.getpixel(place) for place in pixels),
    )


if __name__ == "__main__":
    from tests import bounded

    # Pickled values belong to the module of that name, not to this script.
    bounded._serve()
