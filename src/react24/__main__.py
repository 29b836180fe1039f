"""``python -m react24``: the command line of ``react24.cli.steps``."""

import sys

from react24.cli.steps import main

sys.exit(main())
