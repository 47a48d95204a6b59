#!/usr/bin/env bash
# Run the tests on the built tree: `tools/test.sh`, or `tools/test.sh -k bridge`, or with paths.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/activate.sh
exec pytest --numprocesses="${WORKERS:-2}" --dist=loadscope "$@"
