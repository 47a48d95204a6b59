"""The Ray cluster as seen from a driver: joining it, and what Serve runs there.

The only place that knows how Serve's controller is asked. Never stops a cluster it joined.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import Any

# Read by Serve when it is imported. Its router runs on our loop; calls go by gRPC where a batch is
# small; replies may be large.
ENVIRONMENT = {
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(1 << 29),
    "RAY_SERVE_LOG_TO_STDERR": "0",
}

_PROBE_S = 2.0


class Unreachable(Exception):
    """Why the cluster cannot be joined now."""


def join(address: str) -> None:
    """Become a driver of the cluster at `address` ("auto": the one of this machine)."""
    os.environ.update({key: os.environ.get(key, value) for key, value in ENVIRONMENT.items()})
    import ray
    from ray.cloudpickle import register_pickle_by_value

    from . import replica

    if ray.is_initialized():
        return
    _probe(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as error:
        ray.shutdown()
        raise Unreachable(f"no Ray cluster at {address!r}: {_first_line(error)}") from error
    register_pickle_by_value(replica)


def leave() -> None:
    """Disconnect; what runs on the cluster goes on."""
    import ray

    ray.shutdown()


async def applications() -> Mapping[str, Any] | None:
    """Serve's applications by name, as its REST interface describes them; None: Serve is off."""
    import ray

    try:
        controller = ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return None
    details = await controller.get_serve_instance_details.remote()
    found: Mapping[str, Any] = details["applications"]
    return found


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


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
