#!/usr/bin/env bash
# Run a command in the environment: `tools/run.sh pytest test/core`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/activate.sh
exec "$@"
