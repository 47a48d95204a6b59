"""All ROS entities of a configured bridge: made at configure, gone after cleanup."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from inferential.msg import ActionChunk, BridgeStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Trigger

from inferential_core.errors import describe
from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.bridge.console import Console
from inferential_ros.bridge.diagnostics import diagnostics_message
from inferential_ros.bridge.instructions import Instructions
from inferential_ros.bridge.outputs import Outputs
from inferential_ros.bridge.pacing import ControlLoop
from inferential_ros.bridge.priority import take_priority
from inferential_ros.bridge.requery_policy import Tuning
from inferential_ros.bridge.sample_reader import SampleTopics
from inferential_ros.bridge.status import status_message
from inferential_ros.contract.schema import Contract
from inferential_ros.convert.chunk import chunk_message
from inferential_ros.distributions import steady_clock
from inferential_ros.execution.plan import Plan
from inferential_ros.keys import NO_KEYS, KeyFiles
from inferential_ros.qos import CHUNKS, DIAGNOSTICS, QUIET, STATUS

REPORT_PERIOD_S = 1.0
# As the model gave it; what is ahead, mixed and limited; what was published of one that is over.
CHUNK_TOPICS = ("action_chunk", "pending_chunk", "executed_chunk")
SERVICES = ("reset", "pause", "resume", "emergency_stop")


class RosInterfaces:
    """Publishers, subscriptions and services, and the bridge between them, whose RobotIo it is."""

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
        self._bridge: BridgeCore | None = None
        self._loop: ControlLoop | None = None
        self._console = Console(node, contract, server)
        with ExitStack() as made:  # what was made goes again, also if the rest cannot be made
            self._make(made)
            self._made = made.pop_all()

    def _make(self, made: ExitStack) -> None:
        node, contract = self._node, self._contract
        group = MutuallyExclusiveCallbackGroup()
        self._outputs = Outputs(node, contract, group)
        made.callback(self._outputs.destroy)
        self.publish_actions = self._outputs.publish
        self._instructions = Instructions(node, contract, self._set_text)
        made.callback(self._instructions.destroy)
        chunks = []
        for topic in CHUNK_TOPICS:
            chunks.append(
                node.create_lifecycle_publisher(ActionChunk, topic, CHUNKS, event_callbacks=QUIET)
            )
            made.callback(node.destroy_lifecycle_publisher, chunks[-1])
        given, self._pending, executed = chunks
        self.publish_chunk = partial(self._publish_plan, given)
        self.publish_executed_chunk = partial(self._publish_plan, executed)
        self.wants_executed_chunks = executed.get_subscription_count
        self._status = node.create_publisher(
            BridgeStatus, "bridge_status", STATUS, event_callbacks=QUIET
        )
        made.callback(node.destroy_publisher, self._status)
        self._diagnostics = node.create_publisher(
            DiagnosticArray, "/diagnostics", DIAGNOSTICS, event_callbacks=QUIET
        )
        made.callback(node.destroy_publisher, self._diagnostics)
        self._samples = SampleTopics(node, contract)
        made.callback(self._samples.destroy)
        for name in SERVICES:
            call = self._calling(name)
            service = node.create_service(Trigger, f"~/{name}", call, callback_group=group)
            made.callback(node.destroy_service, service)
        # Reports go on while a simulation is paused, so their clock is a steady one.
        self._timer = node.create_timer(
            REPORT_PERIOD_S, self._report, callback_group=group, clock=steady_clock()
        )
        made.callback(node.destroy_timer, self._timer)

    # --- lifecycle ---

    def activate(self, priority: int = 0) -> None:
        """Connect, and tick at the control rate; with a real-time priority, unless it is 0."""
        self._console = Console(self._node, self._contract, self._server)
        bridge = BridgeCore(self._contract, self._server, self._client_id, self, self._keys)
        self._bridge = bridge
        self._samples.give_to(bridge)
        try:
            self._instructions.tell()
            self._loop = ControlLoop(
                self._clock,
                self.now_ns,
                round(1e9 / self._contract.action.control_rate_hz),
                bridge.tick,
                bridge.clock_went_back,
                self._tick_failed,
            )
            bridge.start()
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
            then.callback(self._forget_bridge)
            if self._bridge is not None:
                then.callback(self._outputs.flush)
                then.callback(self._bridge.stop)
            if self._loop is not None:
                then.callback(self._loop.stop)
            if self._bridge is not None:
                self._bridge.end()

    def tune(self, tuning: Tuning) -> None:
        """From now on; the next activation is tuned anew."""
        if self._bridge is not None:
            with self._bridge.lock:
                self._bridge.asking.tuning = tuning

    def destroy(self) -> None:
        """Deactivate, then destroy whatever was made on the node."""
        with self._made:
            self.deactivate()

    def _forget_bridge(self) -> None:
        self._samples.give_to(None)
        self._bridge = self._loop = None

    # --- the node's thread ---

    def _set_text(self, name: str, text: str) -> None:
        bridge = self._bridge
        if bridge is not None:
            bridge.set_text(name, text)

    def _calling(self, name: str) -> Callable[[Trigger.Request, Trigger.Response], Any]:
        def call(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            bridge = self._bridge
            refusal = getattr(bridge, name)() if bridge is not None else "the node is not active"
            response.success = not refusal
            response.message = refusal or f"{name}: done"
            self._node.get_logger().info(f"{name}: {refusal or 'done'}")
            return response

        return call

    def _report(self) -> None:
        bridge = self._bridge
        if bridge is None:
            return
        with bridge.lock:
            bridge.statistics.measure_rates(self._timer.clock.now().nanoseconds / 1e9)
        self._console.report(bridge, self._outputs.rivals())
        self._publish_status()
        self._diagnostics.publish(
            diagnostics_message(
                bridge,
                self._outputs,
                self._node.get_fully_qualified_name(),
                self._contract.robot,
                self.now_ns(),
            )
        )

    # --- any thread: the RobotIo of the bridge ---

    def now_ns(self) -> int:
        """The time of the node's clock; that of the system where nothing simulates one."""
        if self._clock.ros_time_is_active:
            return self._clock.now().nanoseconds
        return time.time_ns()  # the clock that rclpy reads, too, by way of several objects

    def steady_s(self) -> float:
        """The time of a clock that a simulation leaves alone."""
        return time.monotonic()

    def publish_pending_chunk(self, plan_ahead: Callable[[], Plan | None]) -> None:
        """Publish on `pending_chunk`, if somebody listens: to work it out costs more than all
        else of a plan.
        """
        if not self._outputs.takes_plans and not self._pending.get_subscription_count():
            return
        plan = plan_ahead()
        if plan is not None:
            if self._outputs.takes_plans:
                self._outputs.follow(plan, self.now_ns())
            self._publish_plan(self._pending, plan)

    def publish_state(self) -> None:
        """Publish on `bridge_status`, and say on the console what changed."""
        bridge = self._bridge
        if bridge is not None:
            self._console.changed(bridge)
        self._publish_status()

    def _publish_status(self) -> None:
        bridge = self._bridge
        if bridge is not None:
            self._status.publish(
                status_message(
                    bridge,
                    self._client_id,
                    self._contract.model.id,
                    self.now_ns(),
                )
            )

    def _publish_plan(self, publisher: Any, plan: Plan) -> None:
        if not publisher.get_subscription_count():  # to make the message costs more than to ask
            return
        names, model = self._contract.action.names, self._contract.model.id
        publisher.publish(chunk_message(plan, names, self._client_id, model))

    def _tick_failed(self, error: BaseException) -> None:
        self._node.get_logger().error(
            f"control tick failed: {describe(error)}", throttle_duration_sec=1.0
        )
