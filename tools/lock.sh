#!/usr/bin/env bash
# Resolve requirements/*.in for Python 3.10 to 3.13 into one lock with markers. Only uv can; if it
# is not on the PATH, it is installed for the moment. No index is named in the result.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../requirements"
if ! command -v uv >/dev/null; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  "${PYTHON:-python3}" -m venv "$scratch"
  "$scratch/bin/pip" install --quiet uv
  PATH=$scratch/bin:$PATH
fi
uv pip compile --universal --python-version 3.10 --upgrade --quiet \
  --index-strategy unsafe-best-match --no-emit-index-url --no-emit-find-links \
  --custom-compile-command "make lock" ros.in develop.in --output-file lock.txt
if grep -nE '://|^--' lock.txt; then
  echo "lock.txt names an index" >&2
  exit 1
fi
