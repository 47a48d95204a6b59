"""The Ray cluster as seen from a driver: joining it, and what Serve runs there.

The only place that knows how Serve's controller is asked. Never stops a cluster it joined.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import first_cause, text_of
from . import descendants, shipped

# Read by Ray when it is imported. Serve's router runs on our loop; replies may be large; and no
# call of Ray's interface starts a cluster, as one does by default that finds itself disconnected.
ENVIRONMENT = {
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(1 << 29),
    "RAY_SERVE_LOG_TO_STDERR": "0",
}

_PROBE_S = 2.0
_QUIETLY = {"log_to_driver": False, "configure_logging": False}


class Unreachable(Exception):
    """Why the cluster cannot be joined now."""


class Lost(Exception):
    """Why this driver can do no more: a new one has to join."""


def join(address: str) -> None:
    """Become a driver of the cluster at `address`.

    "auto": the one that Ray finds on this machine. "local": a new one, which ends with this
    process.
    """
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    try:
        import ray
        from ray import serve
    except ImportError as error:
        raise Unreachable(f"{error}: pip install 'inferential[server]'") from error
    if ray.is_initialized():
        return
    for name in ("ray", "ray.serve"):  # what matters comes as an error of a call
        logging.getLogger(name).setLevel(logging.ERROR)
    if address == "local":
        ray.init(address="local", include_dashboard=False, **_QUIETLY)
    else:
        _join_running(ray, address)
    shipped.pickle_by_value()
    if address == "local":
        serve.start(proxy_location="Disabled")  # nobody asks it but us


def _join_running(ray: Any, address: str) -> None:
    _probe(address)
    try:
        try:
            ray.init(address=address, **_QUIETLY)
        except ConnectionError as error:
            if "InvalidAuthToken" not in text_of(first_cause(error)) or not _may_present_token(
                address
            ):
                raise
            ray.shutdown()
            ray.init(address=address, **_QUIETLY)
    except Exception as error:
        ray.shutdown()
        cause = first_cause(error)
        reason = first_line(cause) or type(cause).__name__
        raise Unreachable(f"no Ray cluster at {address!r}: {reason}") from error


def leave(address: str) -> None:
    """Disconnect; what runs on the cluster goes on, unless it is one of our own."""
    import ray

    logging.disable()  # Serve's tasks in this process go on until it ends, and complain
    if address == "local":
        # Not by Ray: while it shuts down, a call of one of Serve's tasks ends this process on the
        # spot, and some of Ray's helpers would be left, to notice ten seconds later.
        descendants.end()
        atexit.unregister(ray.shutdown)
        atexit.register(descendants.end)  # should a thread still be joining
    else:
        ray.shutdown()


def check_node() -> None:
    """Lost if the Ray node that this driver works through is no more; Ray itself would wait."""
    import ray

    node = getattr(ray._private.worker, "_global_node", None)
    path = getattr(node, "raylet_socket_name", None)
    if not isinstance(path, str):  # a Ray that keeps it elsewhere: waiting will do
        return
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
    except OSError as error:
        raise Lost(f"the Ray node of this machine is gone: {error.strerror}") from None


class Controller:
    """Serve's controller. Looking an actor up by its name blocks for as long as Ray's control
    service takes to answer, which may be for ever: that happens on threads, and once.
    """

    def __init__(self) -> None:
        self._actor: Any = None

    async def applications(self) -> Mapping[str, Any] | None:
        """Serve's applications by name, as its REST interface has them; None: Serve is off."""
        if self._actor is None:
            try:
                self._actor = await actor("SERVE_CONTROLLER_ACTOR")
            except ValueError:
                return None
        try:
            details = await self._actor.get_serve_instance_details.remote()
        except Exception:  # it may have been replaced
            self._actor = None
            raise
        found: Mapping[str, Any] = details["applications"]
        return found


async def actor(name: str) -> Any:
    """The actor of Serve's that has this name; ValueError if there is none."""
    import ray

    return await asyncio.to_thread(ray.get_actor, name, namespace="serve")


def _probe(address: str) -> None:
    """Unreachable at once where nothing listens; Ray would try for a long time."""
    address = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    host, found, port = address.rpartition(":")
    if not found or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), _PROBE_S).close()
    except OSError as error:
        raise Unreachable(f"no Ray cluster at {address}: {error.strerror or error}") from None


def _may_present_token(address: str) -> bool:
    """Have Ray present the token that it made for this user's clusters, to this machine only.

    Recent versions ask for one by default, and present it by themselves only where they found the
    cluster themselves ("auto"). Presented to a cluster that asks for none, it would break calls.
    """
    if "RAY_AUTH_MODE" in os.environ or not (Path.home() / ".ray" / "auth_token").exists():
        return False
    try:
        with socket.socket() as probe:
            probe.bind((address.rpartition(":")[0], 0))
    except OSError:  # no address of this machine
        return False
    os.environ["RAY_AUTH_MODE"] = "token"
    importlib.import_module("ray._raylet").Config.initialize("")  # read the environment again
    return True


def first_line(error: BaseException) -> str:
    """The first line of an error's text, which says it: Ray's errors are pages long."""
    return text_of(error).strip().partition("\n")[0][:300]
