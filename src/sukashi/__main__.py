"""``python -m sukashi`` is the command ``sukashi``."""

from __future__ import annotations

import sys

from sukashi.cli import main

if __name__ == "__main__":
    sys.exit(main())
