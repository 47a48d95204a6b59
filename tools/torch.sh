#!/usr/bin/env bash
# Test the PyTorch example, and tensors as answers, in .venv-torch, an environment of its own, and
# say how fast the example is here.
# TORCH names another build, such as one for CPUs only, which is far smaller than the default:
#   make torch TORCH=torch==2.13.0+cpu
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/preflight.sh
require_python

venv=.venv-torch
stamp="$("$python" -VV | tr '\n' ' ')${TORCH:-} $(sha256sum <requirements/torch.in)"
if [[ ! -x $venv/bin/python || $(cat $venv/stamp 2>/dev/null) != "$stamp" ]]; then
  rm -rf $venv
  "$python" -m venv $venv
  echo "installing PyTorch into $venv: up to several GB, some minutes" >&2
  $venv/bin/pip install --quiet --disable-pip-version-check ${TORCH:+"$TORCH"} \
    -r requirements/torch.in
  echo "$stamp" >$venv/stamp
fi
export PYTHONPATH=$PWD
$venv/bin/python -m pytest -q -rs test/torch "$@"
$venv/bin/python examples/torch_policy.py
