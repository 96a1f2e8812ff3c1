"""Runs the command line as `python -m crackdet`."""

import sys

from crackdet.cli import main

sys.exit(main())
