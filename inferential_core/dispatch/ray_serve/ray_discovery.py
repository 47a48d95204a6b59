"""Finds the cluster to join and what to deploy, without importing Ray."""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...config.yaml_source import read
from ...errors import ConfigError
from ...models import schemes

_PROBE_S = 1.0


def joined() -> str | None:
    """The cluster that this process is connected to, if it uses Ray itself."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    address: str = ray.get_runtime_context().gcs_address
    return address


def running() -> str | None:
    """The cluster that RAY_ADDRESS names, or the one that runs on this machine."""
    named = os.environ.get("RAY_ADDRESS")
    if named:
        return named
    folder = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray"
    try:
        address = (folder / "ray_current_cluster").read_text().strip()
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), _PROBE_S).close()
    except (OSError, ValueError):  # none was started, or it is no more
        return None
    return address


def check_target(name: str, target: str) -> None:
    """ConfigError if there is no such module; what is in it shows when it is deployed."""
    if schemes.read(target) is not None:
        return
    module, _, attribute = target.partition(":")
    if not attribute:
        raise ConfigError(f"model {name!r}: write module:attribute, not {target!r}")
    try:
        known = find_spec(module) is not None
    except ImportError as error:
        raise ConfigError(f"model {name!r}: cannot import {module!r}: {error}") from None
    if not known:
        raise ConfigError(f"model {name!r}: cannot import {module!r}: no such module")


def serve_config_file(path: Path) -> dict[str, Any]:
    """What a Serve config file says; ConfigError says what is wrong with it."""
    config, _ = read(path)
    applications = config.get("applications")
    if not isinstance(applications, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in applications
    ):
        raise ConfigError(f"{path}: a Serve config file has `applications`, each with a `name`")
    return config
