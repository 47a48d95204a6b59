#!/usr/bin/env bash
# Test the adapter for LeRobot's policies against LeRobot itself, in .venv-lerobot, an environment of
# its own: Python 3.12 or newer, about 5 GB on disk, of which 3 GB are downloaded.
#   tools/lerobot.sh                     make the environment, run test/lerobot
#   tools/lerobot.sh -- CMD ...          run something else in it, such as: python -m benchmarks ...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/preflight.sh

choose_newer_python() {
  local candidate
  shopt -s nullglob  # pyenv's names call nothing where it is told of no such version
  for candidate in ${PYTHON:-python3.12 python3.13 python3 ~/.pyenv/versions/3.1[2-9].*/bin/python3}; do
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 12))' \
      2>/dev/null; then
      python=$("$candidate" -c 'import sys; print(sys._base_executable or sys.executable)')
      return
    fi
  done
  fail "LeRobot needs Python 3.12 or newer: sudo apt install python3.12 python3.12-venv," \
    "or name one, make PYTHON=/path/to/python3.12 lerobot"
}

venv=.venv-lerobot
wanted=$(sha256sum <requirements/lerobot.in)
if [[ ! -x $venv/bin/python || $(cat $venv/stamp 2>/dev/null) != "$wanted" ]]; then
  if [[ ! -x $venv/bin/python ]]; then
    choose_newer_python
    "$python" -m venv $venv
  fi
  echo "installing LeRobot and PyTorch into $venv: about 3 GB, some minutes" >&2
  $venv/bin/pip install --disable-pip-version-check -r requirements/lerobot.in |
    grep --line-buffered -E '^(Collecting|  Downloading|Installing)'
  echo "$wanted" >$venv/stamp
fi
export PYTHONPATH=$PWD
if [[ ${1:-} == -- ]]; then
  shift
  PATH=$PWD/$venv/bin:$PATH exec "$@"
fi
exec $venv/bin/python -m pytest -q -rs --show-capture=no test/lerobot "$@"
