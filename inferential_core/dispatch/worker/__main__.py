"""The child process itself; started by `process.WorkerProcess`, of no use by hand."""

import sys

from .serving import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
