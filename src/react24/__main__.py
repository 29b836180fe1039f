"""``python -m react24``: the same as the command ``react24``."""

import sys

from react24.cli.main import main

sys.exit(main())
