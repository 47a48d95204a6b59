#!/usr/bin/env bash
# Make .venv-fuzz, which has atheris and nothing else, for the Python that is given; print its own.
# Everything besides atheris it finds in the environment that it is started from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv-fuzz
base=$("$1" -c 'import sys; print(sys._base_executable or sys.executable)')
stamp="$("$base" -VV | tr '\n' ' ')$(sha256sum <requirements/fuzz.in)"
if [[ ! -x $venv/bin/python || $(cat $venv/stamp 2>/dev/null) != "$stamp" ]]; then
  rm -rf $venv
  "$base" -m venv $venv
  $venv/bin/pip install --quiet --disable-pip-version-check -r requirements/fuzz.in >&2
  echo "$stamp" >$venv/stamp
fi
echo "$PWD/$venv/bin/python"
