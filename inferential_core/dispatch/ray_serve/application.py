"""One model: a Serve application, its replicas, and the way to call them.

Calls go through Serve's own handle, so its routing, limits and autoscaling hold. Two ways lead to
a replica: by value (gRPC straight to it, about half the time for small observations) and by
reference (through Ray's shared memory: arrays are copied into it once and read in place).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ModelUnavailable, text_of
from ..base import ModelInfo
from . import cluster, one_replica, payload, replica
from .payload import Packed, Stayed
from .replica_memory import Block
from .replica_values import Observation, Outcome
from .serve_message import in_one_line
from .shipped import METHOD

_log = logging.getLogger(__name__)

BY_REFERENCE_FROM = 1 << 20  # bytes of a batch: below, gRPC's copies cost less than Ray's store
# A call costs about a millisecond beside the work: of models that take one observation a call,
# as many are handed over as take a few of them.
HAND_OVER_S = 5e-3
_ABANDONED_S = 60.0  # what a call was given that nobody waits for stays so long
_PREPARE_S = 0.4  # a look at Serve waits for new replicas
_ATTACH_S = 5.0  # they may take, then they are asked again
_ATTEMPTS = 4  # at a call that found a replica which has not been prepared


# Replica, version of its model, seconds it took, the outcomes, and the blocks of shared memory
# that the replica still refers to.
Answer = tuple[str, str, float, list[Outcome], list[Block]]


@dataclass(frozen=True)
class CallLimits:
    """How much is handed over at once."""

    max_batch: int = 64
    lanes_per_replica: int = 1
    shared_memory: bool = True


class Application:
    """Belongs to the driver's event loop."""

    def __init__(
        self,
        model_id: str,
        limits: CallLimits,
        refresh: Callable[[], Awaitable[None]],
        changed: Callable[[], None],
        name: str = "",
    ) -> None:
        self.id = model_id
        self.name = name or model_id  # of the application, as Serve knows it
        self.calling = 0  # calls that are under way
        self._refresh = refresh  # look at Serve now: `update` follows
        self._changed = changed  # `info` says something else
        self.why_not = "it was not looked for yet"  # why it cannot be called; "" if it can
        self.deploying = True  # it cannot be called yet, but Serve is at it
        self._limits = limits
        self.raised = ""  # Serve's newest message that has the traceback of a replica
        self._handles: tuple[Any, Any] | None = None  # by value, by reference
        self._deployment = ""
        self._actors: dict[str, str] = {}  # name of the actor -> replica id, of running replicas
        self._prepared: dict[str, Mapping[str, Any]] = {}  # name of the actor -> description
        self._described: Mapping[str, Any] = {}
        self._concurrency = 1
        self._lanes: list[str] = []  # of a stateful model: the actor behind each, "" if none is
        self._each_s = math.inf  # an observation takes a replica, lately
        self._gone: dict[str, list[str]] = {}  # actor -> clients that it may forget
        self._held: dict[str, Stayed] = {}  # what replicas refer to beyond their calls
        self._preparing: dict[str, asyncio.Task[Mapping[str, Any]]] = {}

    # --- what Serve says of it ---

    async def update(self, details: Mapping[str, Any] | None) -> None:
        """Take in what Serve tells of this application; None: it has none of this name."""
        self.deploying = not self._described and _is_deploying(details)
        if details is None:
            self.why_not = f"no application {self.name!r} is deployed on Ray Serve"
            self._actors.clear()
            self._handles = None
            return
        try:
            await self._find_deployment(details["deployments"])
        except Exception as error:
            self.why_not = f"application {self.name!r} is {details['status']!s}: {text_of(error)}"
            self._actors.clear()
            return
        deployment = details["deployments"][self._deployment]
        self._concurrency = deployment["deployment_config"].get("max_ongoing_requests") or 1
        self._actors = {
            each["actor_name"]: each["replica_id"]
            for each in deployment["replicas"]
            if each["state"] == "RUNNING"
        }
        if self._actors:
            self.raised = ""
        for name in set(self._prepared) - set(self._actors):
            del self._prepared[name]
        self._place(deployment["target_num_replicas"])
        await self.prepare()
        self.deploying = not self._described and _is_deploying(details)
        self.why_not = self._described.get("unfit", "")
        never = not self._described and deployment["target_num_replicas"] > 0
        if not self._actors and (never or details["status"] in ("DEPLOY_FAILED", "DELETING")):
            self.why_not = self._why_no_replica(details, deployment)

    def _why_no_replica(self, details: Mapping[str, Any], deployment: Mapping[str, Any]) -> str:
        told = [it for it in (deployment.get("message"), details.get("message")) if it]
        # While Serve tries again only one of the two has the error, and at the end neither.
        raised = next((message for message in told if "Traceback" in message), "")
        if raised and raised != self.raised:
            self.raised = raised
            _log.debug("application %r: %s", self.name, raised)
        message = self.raised or (told[-1] if told else "no replica runs")
        status = getattr(details["status"], "value", details["status"])
        return f"application {self.name!r} is {status}: {in_one_line(message)}"

    async def _find_deployment(self, deployments: Mapping[str, Any]) -> None:
        """The handle of the deployment that takes the application's calls."""
        from ray import serve

        if self._handles is not None and self._deployment in deployments:
            return
        self._handles = None  # what they call is gone
        handle = await asyncio.to_thread(serve.get_app_handle, self.name)  # asks, and waits
        if handle.deployment_name not in deployments:
            raise LookupError(f"its deployment {handle.deployment_name!r} is not there")
        try:
            by_value, by_reference = (
                handle.options(
                    method_name=METHOD,
                    _by_reference=reference,
                    request_serialization="pickle",  # plain data and arrays: no need for more
                    response_serialization="pickle",
                )
                for reference in (False, True)
            )
        except TypeError:  # a Ray that knows one way only
            by_value = by_reference = handle.options(method_name=METHOD)
        self._deployment, self._handles = handle.deployment_name, (by_value, by_reference)

    def _place(self, target: int) -> None:
        """Give each replica a lane, for good: clients of a stateful model live on it."""
        here = [name if name in self._actors else "" for name in self._lanes]
        new = [name for name in self._actors if name not in here]
        here = [name or (new.pop(0) if new else "") for name in here] + new
        while len(here) > max(1, target) and "" in here:  # scaled down, not broken
            here.remove("")
        self._lanes = here
        running = set(self._actors.values())
        self._held = {replica: held for replica, held in self._held.items() if replica in running}
        self._gone = {name: ids for name, ids in self._gone.items() if name in self._actors}

    async def prepare(self) -> None:
        """Give the replicas that are new the method we call.

        One that does not answer is not waited for beyond `_PREPARE_S`: what else runs must not
        be lost sight of because of it.
        """
        for name in self._actors:
            if name not in self._prepared and name not in self._preparing:
                task = asyncio.ensure_future(self._attach(name))
                self._preparing[name] = task
                task.add_done_callback(functools.partial(self._attached, name))
        if self._preparing:
            await asyncio.wait(self._preparing.values(), timeout=_PREPARE_S)

    async def _attach(self, name: str) -> Mapping[str, Any]:
        actor = await cluster.actor(name)
        call = actor.__ray_call__.remote(
            replica.attach, METHOD, self._concurrency, *payload.probe()
        )
        described: Mapping[str, Any] = await asyncio.wait_for(call, _ATTACH_S)
        return described

    def _attached(self, name: str, task: asyncio.Task[Mapping[str, Any]]) -> None:
        del self._preparing[name]
        if task.cancelled():
            return
        if task.exception() is not None:
            _log.debug("replica %s could not be prepared: %r", name, task.exception())
        elif name in self._actors:
            self._prepared[name] = self._described = task.result()

    @property
    def fit(self) -> bool:
        """Whether it is known to serve observations."""
        return bool(self._described) and "unfit" not in self._described

    @property
    def replicas(self) -> int:
        """How many replicas answer at the moment."""
        return len(self._actors)

    @property
    def near(self) -> bool:
        """Whether all its replicas can read the shared memory of this process."""
        described = [self._prepared.get(name, {}) for name in self._actors]
        return bool(described) and all(each.get("near") for each in described)

    def info(self) -> ModelInfo:
        """What the server plans with."""
        described = self._described
        stateful = bool(described.get("stateful"))
        lanes = max(1, self.replicas) * self._limits.lanes_per_replica
        if stateful:
            lanes = max(1, len(self._lanes))
        return ModelInfo(
            self.id,
            max_batch=self._most_at_once(),
            lanes=lanes,
            replicas=self.replicas,
            version=described.get("version", ""),
            specification=described.get("specification", {}),
            reads_pixels=self._limits.shared_memory and self.near,
            stateful=stateful,
            unavailable=self.why_not,
            batch_sizes=tuple(described.get("batch_sizes", ())),
        )

    def _most_at_once(self) -> int:
        """How many observations to give a replica in one call.

        One that takes a single observation gets as many as take it a few times what a call costs
        beside the work: more would keep robots waiting that another replica could serve.
        """
        most = self._limits.max_batch
        if self._described.get("batches"):
            sizes: tuple[int, ...] = self._described.get("batch_sizes", ())
            return min((most, *sizes[-1:]))
        if self._described.get("asynchronous"):
            return min(most, self._concurrency)
        fitting = int(HAND_OVER_S / self._each_s)  # 0 while nothing is known
        return max(1, min(most, 1 << max(0, fitting.bit_length() - 1)))  # of few values

    def _learn(self, seconds: float, observations: int) -> None:
        each = max(1e-6, seconds / observations)
        before = self._most_at_once()
        self._each_s = each if self._each_s == math.inf else 0.8 * self._each_s + 0.2 * each
        if self._most_at_once() != before:
            self._changed()

    # --- calls ---

    async def call(self, lane: int, packed: Packed) -> Answer:
        """One call; ModelUnavailable where there is nobody to call."""
        try:
            answer = await self._call(lane, packed)
        except BaseException:
            # Whoever was asked may be at it still, and must not see other things there.
            asyncio.get_running_loop().call_later(_ABANDONED_S, packed.stayed.clear)
            raise
        self._learn(answer[2], len(packed.observations))
        held = self._held.setdefault(answer[0], {})
        held.update(packed.stayed)
        self._held[answer[0]] = {block: held[block] for block in answer[4] if block in held}
        return answer

    async def _call(self, lane: int, packed: Packed) -> Answer:
        from ray.serve import exceptions

        known = (exceptions.BackPressureError, exceptions.DeploymentUnavailableError)
        for _ in range(_ATTEMPTS):
            if self.why_not or self._handles is None:
                raise ModelUnavailable(self.why_not or f"application {self.name!r} is starting")
            handle = self._handles[packed.size >= BY_REFERENCE_FROM]
            try:
                if self._described.get("stateful"):
                    return await self._call_lane(handle, lane, packed.observations)
                answer: Answer = await handle.remote(packed.observations)
                return answer
            except known:
                raise
            except (exceptions.RayServeException, LookupError) as error:
                cause: Exception = error
            # A replica that has just come and does not know the method yet.
            await self._refresh()
        raise ModelUnavailable(f"application {self.name!r} cannot be called: {text_of(cause)}")

    async def _call_lane(self, handle: Any, lane: int, observations: list[Observation]) -> Answer:
        """A call of one replica and no other: that has the state of these clients."""
        actor = self._lanes[lane] if lane < len(self._lanes) else ""
        if not actor:
            raise ModelUnavailable("the replica that kept this client's state is gone")
        gone = self._gone.pop(actor, ())
        answer: Answer = await one_replica.call(handle, self._actors[actor], observations, gone)
        return answer

    def forget(self, client_id: str, lane: int) -> None:
        """Told to the replica with its next call."""
        if lane < len(self._lanes) and self._lanes[lane]:
            self._gone.setdefault(self._lanes[lane], []).append(client_id)


def _is_deploying(details: Mapping[str, Any] | None) -> bool:
    """Whether Serve has an application, and has not given up on it."""
    failed = ("DEPLOY_FAILED", "UNHEALTHY", "DELETING")
    return details is not None and details["status"] not in failed
