# Source this (bash) to stand in the environment: .venv, ROS 2, and the built tree if there is one.
#     source tools/activate.sh

_suffix=${ROS_WHEELS:+-$ROS_WHEELS}  # of another distribution's wheels
_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -z $_suffix && -n ${ROS_DISTRO:-} ]] && command -v ros2 >/dev/null; then
  :  # the installation has set everything
else
  # What another environment, or a ROS 2 that is no longer there, may have left behind.
  if [[ -n ${_ROS_WHEELS_BOOTSTRAP_COMPLETE:-}$_suffix ]]; then
    unset _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH
  fi
  unset PYTHONPATH PYTHONHOME COLCON_PREFIX_PATH RMW_IMPLEMENTATION
  export AMENT_PREFIX_PATH=$_root/.venv$_suffix CMAKE_PREFIX_PATH=$_root/.venv$_suffix
fi
export VIRTUAL_ENV=$_root/.venv$_suffix
export PATH=$VIRTUAL_ENV/bin:$PATH

for _setup in .peers$_suffix/install/local_setup.bash install$_suffix/setup.bash; do
  if [[ -e $_root/$_setup ]]; then
    _options=$-
    set +u  # colcon's script reads variables that may be unset
    source "$_root/$_setup"
    [[ $_options != *u* ]] || set -u
  fi
done
unset _root _suffix _setup _options
