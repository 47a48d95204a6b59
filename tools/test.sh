#!/usr/bin/env bash
# Run the tests on the built tree: `tools/test.sh`, or `tools/test.sh -k bridge`, or with paths.
# With COVERAGE=1 what they run is written down: tools/coverage.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/activate.sh
# Not `python -m pytest`, which would put the checkout before the install tree; nor the command
# `pytest`, which on a ROS 2 installation may belong to another Python.
run="import sys; sys.path.remove(''); import pytest; sys.exit(pytest.console_main())"
if [[ -n ${COVERAGE:-} ]]; then  # xdist's workers are processes that it follows
  run="import coverage; recording = coverage.Coverage(); recording.start()
import atexit; atexit.register(lambda: (recording.stop(), recording.save()))
$run"
fi
exec python -c "$run" --numprocesses="${WORKERS:-2}" --dist=loadscope -rs "$@"
