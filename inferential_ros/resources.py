"""Finds this package's files, in a source tree or in the prefix to which it was installed.

The answer follows the module that asks: imported from a checkout, it gives that checkout's
files; imported from where colcon or pip installed it, the installed ones. They are never mixed.
"""

from __future__ import annotations

import os

PACKAGE = "inferential"
INDEX = os.path.join("share", "ament_index", "resource_index", "packages")


def source_root() -> str | None:
    """The checkout this module was imported from, None if it was installed."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return root if os.path.isfile(os.path.join(root, "package.xml")) else None


def python_path() -> list[str]:
    """The folders of this checkout that hold its Python packages; none where it is installed."""
    root = source_root()
    return [] if root is None else [root, os.path.join(root, "examples", "demo")]


def share_path(relative: str) -> str:
    """Absolute path of one of this package's own files, such as 'config/demo/cartpole.yaml'."""
    return os.path.join(source_root() or _installed_share(), relative)


def _installed_share() -> str:
    """The folder share/inferential of the prefix, or of what `pip install --target` made."""
    packages = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    prefix = os.path.normpath(os.path.join(packages, "..", "..", ".."))  # of lib/python3.X/...
    for root in (prefix, packages):
        share = os.path.join(root, "share", PACKAGE)
        if os.path.isdir(share):
            return share
    return os.path.join(package_prefix(PACKAGE), "share", PACKAGE)


def executable_path(package: str, executable: str) -> str:
    """Absolute path of a package's executable; FileNotFoundError names where it was expected."""
    root = source_root()
    if package == PACKAGE and root is not None:
        path = os.path.join(root, "scripts", executable)
    else:
        path = os.path.join(package_prefix(package), "lib", package, executable)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no executable {executable!r} of package {package!r}: {path}")
    return path


def package_prefix(package: str) -> str:
    """The prefix a package is installed to, from the ament index (AMENT_PREFIX_PATH)."""
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        if os.path.isfile(os.path.join(prefix, INDEX, package)):
            return prefix
    raise FileNotFoundError(
        f"package {package!r} is in no prefix of AMENT_PREFIX_PATH: source install/setup.bash"
    )
