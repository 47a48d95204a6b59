"""Where the fleet's page goes while a show runs."""

from __future__ import annotations

import socket
from contextlib import suppress
from importlib.util import find_spec

PAGE_PORT = 5580  # where people look for it; another one if that is taken
PAGE_NEEDS = ("starlette", "uvicorn")


def free_port(wanted: int = 0) -> int:
    """A TCP port on loopback that was free a moment ago; the wanted one if it was."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    return free_port()


def page_address(wanted: str) -> str:
    """host:port of the page; off where that is said or nothing is installed that serves it."""
    if any(find_spec(name) is None for name in PAGE_NEEDS):
        if wanted != "off":
            print("the fleet's page needs starlette and uvicorn: pip install 'inferential[demo]'")
        return "off"
    return f"127.0.0.1:{free_port(PAGE_PORT)}" if wanted in ("", "auto") else wanted
