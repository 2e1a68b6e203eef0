"""What several test modules share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# GAZEHEAT_EXAMPLES is how many inputs each property is held against, where time is short.
_EXAMPLES = int(os.environ.get("GAZEHEAT_EXAMPLES", "0"))
# No deadline: a slow machine is no wrong result. In CI, the same examples on every run.
settings.register_profile("here", deadline=None, max_examples=_EXAMPLES or 100)
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# For input that someone may have damaged on purpose.
thoroughly = settings(max_examples=_EXAMPLES or (1_000 if os.environ.get("CI") else 100))


@pytest.fixture(scope="session")
def real_data():
    """The folder of real exports, which may not be copied into the project."""
    default = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("GAZEHEAT_REAL_DATA", default)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real exports at {folder}; set GAZEHEAT_REAL_DATA to their folder")
    return folder
