"""Validate package.xml as the ROS 2 tools read it, and what it shares with other files."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from catkin_pkg.package import InvalidPackage, parse_package

ROOT = Path(__file__).resolve().parent.parent


def faults() -> list[str]:
    """Everything wrong with the manifest, in words."""
    warnings: list[str] = []
    try:
        package = parse_package(ROOT, warnings=warnings)
        package.validate(warnings=warnings)
    except InvalidPackage as error:
        return [str(error)]
    found = list(warnings)
    if package.package_format != 3:
        found.append(f"format {package.package_format}, expected 3")
    if package.get_build_type() != "ament_cmake":
        found.append(f"build type {package.get_build_type()}, expected ament_cmake")
    project = re.search(r"^project\((\w+)\)", (ROOT / "CMakeLists.txt").read_text(), re.M)
    if project is None or project[1] != package.name:
        found.append(f"CMakeLists.txt has another project name than {package.name}")
    code = (ROOT / "inferential_core" / "version.py").read_text()
    if f'"{package.version}"' not in code:
        found.append(f"inferential_core/version.py has another version than {package.version}")
    return found


if __name__ == "__main__":
    problems = faults()
    for problem in problems:
        print(f"package.xml: {problem}", file=sys.stderr)
    sys.exit(bool(problems))
