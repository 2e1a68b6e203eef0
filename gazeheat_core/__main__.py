"""The command line as a process of its own: ``gazeheat`` and ``python -m gazeheat_core``."""

import os
import sys
import warnings
from multiprocessing import parent_process
from typing import NoReturn

from gazeheat_core.stopping import ignore_signals, stop_on_signals


def run() -> NoReturn:
    """Run the command line with the arguments of this process, and end it."""
    is_page = sys.argv[1:2] == ["page"]
    stop_on_signals(writes_files=not is_page)
    if not sys.warnoptions:
        # Libraries warn their developers. Worker processes take it from the environment.
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"
    # The products of matrices are small; each further thread would reserve memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        # numpy and the rest take a second to load, in which a signal may come.
        # Only the page needs Streamlit, which takes two more.
        if is_page:
            from gazeheat_core.page.command import main
        else:
            from gazeheat_core.cli import main
    except Exception as error:  # of many kinds, where memory is short
        # The last line is the cause; what stands before it is advice to developers.
        reason = (str(error).strip().splitlines() or ["there is not enough memory"])[-1].rstrip(".")
        print(
            f"gazeheat: Cannot start: {reason[:500]}. Close other programs if memory is short; "
            "otherwise install gazeheat again.",
            file=sys.stderr,
        )
        sys.exit(1)
    try:
        sys.exit(main())
    finally:
        ignore_signals()


if parent_process() is not None:
    # A worker process loads this module first. What fails in it, the command says in its
    # own words; a traceback would stand beside them.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
elif __name__ == "__main__":
    run()
