#!/usr/bin/env bash
# Build the message packages of others that tests talk to (test/peers) into .peers/ (with ROS_WHEELS:
# .peers-DISTRIBUTION/), unless nothing changed. Those that a ROS 2 installation already has are left to it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/preflight.sh

require_python
require_compiler
peers=.peers$suffix
mkdir -p $peers
exec 9<test/peers/README.md
flock 9

stamp=$(
  cat $venv/stamp tools/peers.sh
  find test/peers -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
)
if [[ $(cat $peers/stamp 2>/dev/null) == "$stamp" ]]; then
  exit
fi
rm -rf $peers/*
source tools/activate.sh
missing=()
for folder in test/peers/*/; do
  name=$(basename "$folder")
  python -c "import $name.msg" 2>/dev/null || missing+=("$folder")
done
if ((${#missing[@]})); then
  # Without optimisation: they are built once and called by tests alone.
  arguments=(-DCMAKE_BUILD_TYPE=Debug "-DPython3_EXECUTABLE=$(command -v python)")
  have_ros || arguments+=(-DPython3_FIND_VIRTUALENV=ONLY)
  colcon --log-base $peers/log build --paths "${missing[@]}" --build-base $peers/build \
    --install-base $peers/install --merge-install --executor sequential \
    --cmake-args "${arguments[@]}" 2> >(grep -v "doesn't contain any 'local_setup" >&2)
fi
echo "$stamp" >$peers/stamp
