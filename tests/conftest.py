"""What several test modules share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: a slow machine is no wrong result. In CI, the same examples on every run.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# For input that someone may have damaged on purpose.
_DEFAULT_EXAMPLES = 1_000 if os.environ.get("CI") else 100
thoroughly = settings(max_examples=int(os.environ.get("GAZEHEAT_EXAMPLES", _DEFAULT_EXAMPLES)))


@pytest.fixture(scope="session")
def real_data():
    """The folder of real exports, which may not be copied into the project."""
    default = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("GAZEHEAT_REAL_DATA", default)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real exports at {folder}; set GAZEHEAT_REAL_DATA to their folder")
    return folder
