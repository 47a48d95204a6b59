"""Point the ROS wheels' CMake files at the environment they were unpacked into.

Some of them name the Python of the machine that built the wheels (/opt/python/cp311-cp311/...).
Run with the environment's own Python. Touches nothing outside that environment; running it twice
changes nothing.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

BUILD_MACHINE = re.compile(r"/opt/python/cp\d+-cp\d+t?/")
INCLUDE = re.compile(BUILD_MACHINE.pattern + r"include/python\d+\.\d+t?")
SITE_PACKAGES = re.compile(BUILD_MACHINE.pattern + r"lib/python\d+\.\d+t?/site-packages")


def cmake_path(name: str) -> str:
    """A path of this environment as CMake writes it."""
    return Path(sysconfig.get_path(name)).as_posix()


def relocate(text: str) -> str:
    """The text with every path of the build machine replaced by ours."""
    text = INCLUDE.sub(lambda _: cmake_path("include"), text)
    return SITE_PACKAGES.sub(lambda _: cmake_path("purelib"), text)


def main() -> int:
    """Rewrite the files in place; fail if a path of the build machine is left over."""
    left_over = []
    for path in Path(sys.prefix, "share").glob("*/cmake/**/*.cmake"):
        text = path.read_text(encoding="utf-8")
        if not BUILD_MACHINE.search(text):
            continue
        text = relocate(text)
        path.write_text(text, encoding="utf-8")
        if BUILD_MACHINE.search(text):
            left_over.append(path)
    for path in left_over:
        print(f"still names the build machine's Python: {path}", file=sys.stderr)
    return 1 if left_over else 0


if __name__ == "__main__":
    sys.exit(main())
