#!/usr/bin/env bash
# Make .venv (with ROS_WHEELS: .venv-DISTRIBUTION) if it is not there or not what requirements/ says;
# otherwise return at once.
# The stamp holds everything the environment was made from, so that a stale one is made anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/preflight.sh

exec 9<Makefile
flock 9  # two runs at once: the second waits for the first one's environment

require_python
mode=wheels$suffix
if have_ros; then
  mode=ros-$ROS_DISTRO
fi
stamp="$mode $PWD $("$python" -VV | tr '\n' ' ')$python $(
  cat requirements/* tools/bootstrap.py tools/relocate_ros_wheels.py | sha256sum
)"
if [[ -x $venv/bin/python && $(cat $venv/stamp 2>/dev/null) == "$stamp" ]]; then
  exit
fi
rm -rf $venv build$suffix install$suffix log$suffix
"$python" tools/bootstrap.py "${mode%%-*}"
echo "$python" >$venv/made_with
echo "$stamp" >$venv/stamp
