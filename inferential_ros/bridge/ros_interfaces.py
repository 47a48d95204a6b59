"""Everything of a configured bridge that lives in ROS: made at configure, gone after cleanup."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from inferential.msg import ActionChunk, BridgeStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Trigger

from inferential_ros.bridge.action_output import Sinks
from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.bridge.console import Console
from inferential_ros.bridge.diagnostics import diagnostics_message
from inferential_ros.bridge.instructions import Instructions
from inferential_ros.bridge.outputs import Outputs
from inferential_ros.bridge.pacing import ControlLoop
from inferential_ros.bridge.priority import take_priority
from inferential_ros.bridge.requery_policy import Tuning
from inferential_ros.bridge.server_link import NO_KEYS, KeyFiles
from inferential_ros.bridge.status import status_message
from inferential_ros.contract.schema import Contract
from inferential_ros.convert.chunk import chunk_message
from inferential_ros.execution.plan import Plan
from inferential_ros.qos import CHUNKS, DIAGNOSTICS, QUIET, STATUS, matching_qos, qos_profile

REPORT_PERIOD_S = 1.0
# As the model gave it; what is ahead, mixed and limited; what was published of one that is over.
CHUNK_TOPICS = ("action_chunk", "pending_chunk", "executed_chunk")
SERVICES = ("reset", "pause", "resume", "emergency_stop")


class RosInterfaces:
    """Publishers, subscriptions, services and the session between them."""

    def __init__(
        self,
        node: LifecycleNode,
        contract: Contract,
        server: str,
        client_id: str,
        keys: KeyFiles = NO_KEYS,
    ) -> None:
        self._node = node
        self._contract = contract
        self._server = server
        self._client_id = client_id
        self._keys = keys
        self._clock = node.get_clock()
        self._session: BridgeCore | None = None
        # Samples that are valid until the next one: an instruction may come once for many lives.
        self._lasting: dict[int, Any] = {}
        self._loop: ControlLoop | None = None
        self._console = Console(node, contract, server)
        with ExitStack() as made:  # what was made goes again, also if the rest cannot be made
            self._make(made)
            self._made = made.pop_all()

    def _make(self, made: ExitStack) -> None:
        node, contract = self._node, self._contract
        self._outputs = Outputs(node, contract.action.outputs)
        made.callback(self._outputs.destroy)
        self._instructions = Instructions(node, contract, self._set_text)
        made.callback(self._instructions.destroy)
        chunks = []
        for topic in CHUNK_TOPICS:
            chunks.append(
                node.create_lifecycle_publisher(ActionChunk, topic, CHUNKS, event_callbacks=QUIET)
            )
            made.callback(node.destroy_lifecycle_publisher, chunks[-1])
        self._chunks, self._pending, self._executed = chunks
        self._status = node.create_publisher(
            BridgeStatus, "bridge_status", STATUS, event_callbacks=QUIET
        )
        made.callback(node.destroy_publisher, self._status)
        self._diagnostics = node.create_publisher(
            DiagnosticArray, "/diagnostics", DIAGNOSTICS, event_callbacks=QUIET
        )
        made.callback(node.destroy_publisher, self._diagnostics)
        group = MutuallyExclusiveCallbackGroup()
        for index, key in enumerate(contract.topics):
            profile = qos_profile(matching_qos(node, key.topic, key.qos))
            subscription = node.create_subscription(
                key.message, key.topic, self._storing(index), profile, callback_group=group
            )
            made.callback(node.destroy_subscription, subscription)
        for name in SERVICES:
            call = self._calling(name)
            service = node.create_service(Trigger, f"~/{name}", call, callback_group=group)
            made.callback(node.destroy_service, service)
        # Reports go on while a simulation is paused, so their clock is a steady one.
        self._timer = node.create_timer(
            REPORT_PERIOD_S, self._report, callback_group=group, clock=Clock(clock_type=STEADY)
        )
        made.callback(node.destroy_timer, self._timer)

    # --- lifecycle ---

    def activate(self, priority: int = 0) -> None:
        """Connect, and tick at the control rate; with a real-time priority, unless it is 0."""
        sinks = Sinks(
            now_ns=lambda: self._clock.now().nanoseconds,
            steady_s=time.monotonic,
            actions=self._outputs.publish,
            chunk=lambda plan: self._publish_chunk(self._chunks, plan),
            pending=self._publish_pending,
            executed=lambda plan: self._publish_chunk(self._executed, plan),
            state_changed=self._changed,
        )
        self._console = Console(self._node, self._contract, self._server)
        session = BridgeCore(self._contract, self._server, self._client_id, sinks, self._keys)
        self._session = session
        try:
            self._instructions.tell()
            for index, message in self._lasting.items():
                session.store(index, message)
            self._loop = ControlLoop(
                self._clock,
                round(1e9 / self._contract.action.control_rate_hz),
                session.tick,
                session.clock_went_back,
                self._tick_failed,
            )
            session.start()
            self._loop.start()
            refusal = take_priority(priority, self._loop.thread_id) if priority else ""
            if refusal:
                self._node.get_logger().warning(f"thread_priority {priority}: {refusal}")
        except BaseException:
            self.deactivate()
            raise
        self._publish_status()

    def deactivate(self) -> None:
        """Stop motion by the declared fallback, while the publishers still work."""
        with ExitStack() as then:  # each whatever comes of the others, from the last to the first
            then.callback(self._forget_session)
            if self._session is not None:
                then.callback(self._outputs.flush)
                then.callback(self._session.stop)
            if self._loop is not None:
                then.callback(self._loop.stop)
            if self._session is not None:
                self._session.end()

    def tune(self, tuning: Tuning) -> None:
        """From now on; the next activation is tuned anew."""
        if self._session is not None:
            with self._session.lock:
                self._session.asking.tuning = tuning

    def destroy(self) -> None:
        with self._made:
            self.deactivate()

    def _forget_session(self) -> None:
        self._session = self._loop = None

    # --- ROS thread ---

    def _storing(self, index: int) -> Callable[[Any], None]:
        lasting = self._contract.topics[index].max_age_s is None

        def store(message: Any) -> None:
            if lasting:
                self._lasting[index] = message
            session = self._session
            if session is not None:
                session.store(index, message)

        return store

    def _set_text(self, name: str, text: str) -> None:
        session = self._session
        if session is not None:
            session.set_text(name, text)

    def _calling(self, name: str) -> Callable[[Trigger.Request, Trigger.Response], Any]:
        def call(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            session = self._session
            refusal = getattr(session, name)() if session is not None else "the node is not active"
            response.success = not refusal
            response.message = refusal or f"{name}: done"
            self._node.get_logger().info(f"{name}: {refusal or 'done'}")
            return response

        return call

    def _report(self) -> None:
        session = self._session
        if session is None:
            return
        with session.lock:
            session.statistics.measure_rates(self._timer.clock.now().nanoseconds / 1e9)
        self._console.report(session, self._outputs.rivals())
        self._publish_status()
        self._diagnostics.publish(
            diagnostics_message(
                session,
                self._outputs,
                self._node.get_fully_qualified_name(),
                self._contract.robot,
                self._server,
                self._clock.now().nanoseconds,
            )
        )

    # --- any thread ---

    def _changed(self) -> None:
        session = self._session
        if session is not None:
            self._console.changed(session)
        self._publish_status()

    def _publish_status(self) -> None:
        session = self._session
        if session is not None:
            self._status.publish(
                status_message(
                    session,
                    self._client_id,
                    self._contract.model.id,
                    self._server,
                    self._clock.now().nanoseconds,
                )
            )

    def _publish_chunk(self, publisher: Any, plan: Plan) -> None:
        if not publisher.get_subscription_count():  # to make the message costs more than to ask
            return
        names, model = self._contract.action.names, self._contract.model.id
        publisher.publish(chunk_message(plan, names, self._client_id, model))

    def _publish_pending(self, look: Callable[[], Plan | None]) -> None:
        """To work out what is ahead costs more than all else of a plan: only if somebody looks."""
        plan = look() if self._pending.get_subscription_count() else None
        if plan is not None:
            self._publish_chunk(self._pending, plan)

    def _tick_failed(self, error: Exception) -> None:
        self._node.get_logger().error(
            f"control tick failed: {type(error).__name__}: {error}", throttle_duration_sec=1.0
        )


STEADY = ClockType.STEADY_TIME
