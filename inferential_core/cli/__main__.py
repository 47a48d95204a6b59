"""`python -m inferential_core.cli`, where the command itself is not on the PATH."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
