"""``python -m gazeheat_core``: the command line."""

import sys

from gazeheat_core.cli import main

# Worker processes import this module too.
if __name__ == "__main__":
    sys.exit(main())
