#!/usr/bin/env bash
# Build the package with colcon into build/ and install/ (with ROS_WHEELS: build-DISTRIBUTION/ and
# install-DISTRIBUTION/), unless nothing changed.
# Python, launch and config files are linked into the install tree: editing them needs no build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/preflight.sh

require_python
require_compiler
tools/environment.sh

exec 9<Makefile
flock 9
stamp=$(
  cat $venv/stamp
  cat CMakeLists.txt package.xml msg/*.msg srv/*.srv | sha256sum
  find . -type d \( -name '.?*' -o -name __pycache__ -o -path './build*' -o -path './install*' \
    -o -path './log*' -o -path ./demo \) -prune -o -type f -print | LC_ALL=C sort
)
if [[ -e install$suffix/setup.bash && $(cat install$suffix/stamp 2>/dev/null) == "$stamp" ]]; then
  exit
fi
rm -f install$suffix/stamp

arguments=(--symlink-install --cmake-args)
if have_ros; then
  arguments+=("-DPython3_EXECUTABLE=$python")
else
  source tools/activate.sh
  arguments+=("-DPython3_EXECUTABLE=$PWD/$venv/bin/python" -DPython3_FIND_VIRTUALENV=ONLY)
fi
# Only this package, whatever else the checkout may hold; output of the compiler only if it fails.
colcon --log-base log$suffix build --base-paths . --packages-select inferential \
  --build-base build$suffix --install-base install$suffix "${arguments[@]}" 2> >(
  grep -v "doesn't contain any 'local_setup" >&2
)
echo "$stamp" >install$suffix/stamp
