#!/usr/bin/env bash
# Run the tests on the built tree: `tools/test.sh`, or `tools/test.sh -k bridge`, or with paths.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/activate.sh
# Not `python -m pytest`, which would put the checkout before the install tree; nor the command
# `pytest`, which on a ROS 2 installation may belong to another Python.
run="import sys; sys.path.remove(''); import pytest; sys.exit(pytest.console_main())"
exec python -c "$run" --numprocesses="${WORKERS:-2}" --dist=loadscope -rs "$@"
