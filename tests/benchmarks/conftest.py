"""What the benchmarks share: one line of figures each, and data that is made once."""

from pathlib import Path

import pytest

from tests.benchmarks.data import MOST_SAMPLES


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.benchmark)


def pytest_addoption(parser):
    group = parser.getgroup("benchmarks")
    group.addoption(
        "--samples",
        type=int,
        default=MOST_SAMPLES,
        help="the most gaze samples that the benchmarks of growth and memory read",
    )


@pytest.fixture
def report(capsys):
    """A function that prints a line, whatever pytest does with output."""

    def report(*lines):
        with capsys.disabled():
            print("", *lines, sep="\n  ", flush=True)

    return report
