"""``python -m gazeheat_core``: the command line."""

import sys

from gazeheat_core.cli import main

sys.exit(main())
