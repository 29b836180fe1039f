"""``python -m react24``: the command line of ``react24.cli``."""

import sys

from react24.cli import main

sys.exit(main())
