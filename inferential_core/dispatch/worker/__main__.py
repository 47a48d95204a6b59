"""The child process itself. `process.WorkerProcess` starts it; it is of no use by hand."""

import sys

from .serving import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
