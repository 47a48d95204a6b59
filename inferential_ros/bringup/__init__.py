"""What a server, a robot and the demo consist of, and two ways to start it: launch, or by itself.

Nothing here imports rclpy, and only `launching` imports launch.
"""

from typing import Any

from inferential_core.moved import moved_name

_IN_PROCESS_LIST = {
    *("server", "robot", "demo", "SINGLE_THREADED"),
    *("SLOWDOWN_FILE_VARIABLE", "DEMO_MODEL", "DEMO_POLICY"),
}


def __getattr__(name: str) -> Any:
    if name in _IN_PROCESS_LIST:
        return moved_name(__name__, name, f"{__name__}.process_list")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
