"""Finds a contract by its path, or by the name of one that comes with this package."""

from __future__ import annotations

import os

from inferential_ros.resources import share_path


def find_contract(given: str) -> str:
    """The path; a bare name that is no file here is looked up in config/contracts."""
    if os.sep in given or os.path.exists(given):
        return given
    path = share_path(f"config/contracts/{given.removesuffix('.yaml')}.yaml")
    return path if os.path.exists(path) else given
