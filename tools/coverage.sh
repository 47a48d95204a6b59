#!/usr/bin/env bash
# Run the tests (`tools/coverage.sh`, or with the arguments of tools/test.sh) and tell which lines and
# branches of both packages ran, in pytest's processes and in those that tests start. What is killed
# tells nothing. .coverage/ keeps the data: `coverage html` makes pages of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rm -rf .coverage
COVERAGE=1 tools/test.sh "$@" || failed=$?
tools/run.sh coverage combine --quiet
tools/run.sh coverage report --sort=cover
exit "${failed:-0}"
