"""Calls one certain replica, which Serve's handles do not offer.

A stateful model needs it: a client's state is where its last observation went. This uses the
replicas that a handle's router knows, the interface Serve has for routers of one's own.
"""

from __future__ import annotations

from typing import Any

from ...errors import ModelUnavailable


async def call(handle: Any, replica_id: str, *arguments: Any) -> Any:
    """What the replica answers; LookupError if the handle does not know it (yet)."""
    try:
        from ray.serve._private.default_impl import get_request_metadata
        from ray.serve._private.request_router.common import PendingRequest

        router = handle._router._asyncio_router.request_router
        replicas = router.curr_replicas if router is not None else {}
        metadata = get_request_metadata(handle.init_options, handle.handle_options)
        request = PendingRequest(args=list(arguments), kwargs={}, metadata=metadata)
    except (ImportError, AttributeError, TypeError) as error:
        raise ModelUnavailable(
            f"this version of Ray does not let one choose a replica ({error}):"
            " serve stateful models with LocalDispatcher"
        ) from error
    for known_id, replica in list(replicas.items()):
        if replica_id == known_id.unique_id:
            return await replica.try_send_request(request, with_rejection=False).get_async()
    raise LookupError(f"replica {replica_id} is not there")
