"""What a bridge prints on the console and /rosout: each change once, silence again and again."""

from __future__ import annotations

import time

from rclpy.lifecycle import LifecycleNode

from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.bridge.inputs import Input
from inferential_ros.bridge.state import BridgeMode, State
from inferential_ros.contract.schema import Contract, Output
from inferential_ros.discovery.graph import (
    absence,
    check_input_type,
    check_output_type,
    no_taker,
)
from inferential_ros.discovery.live import check_sample
from inferential_ros.options.errors import ContractError

CLOCK_S = 60.0  # from one line about a simulated time that does not begin to the next
REMIND_S = 5.0  # from one line about a silent topic or server to the next
CALM_S = 1.0  # a state that comes and goes faster is told this often


class Console:
    """`changed` comes from any thread with the bridge's lock held, `report` once a second."""

    def __init__(self, node: LifecycleNode, contract: Contract, server: str) -> None:
        self._node = node
        self._log = node.get_logger()
        self._server = server
        self._state = State.WAITING
        self._state_s = float("-inf")
        self._connected = False
        self._planned = False
        self._received = [0 for _ in contract.topics]
        self._outputs = contract.action.outputs
        self._unheard = list(contract.action.outputs)
        self._rivals = [0 for _ in contract.action.outputs]
        self._told: dict[str, str] = {}  # what does not fit, by the path of its key
        self._partial_s: dict[str, float] = {}  # since when there is only a part of a key
        self._remind_s = time.monotonic() + REMIND_S
        self._clock_s = time.monotonic() + REMIND_S

    def changed(self, bridge: BridgeCore) -> None:
        """Tell what changed of the link and the state."""
        if bridge.link.connected != self._connected:
            self._connected = not self._connected
            if self._connected:
                self._log.info(f"connected to {bridge.link.server}")
            else:
                self._log.warning(f"the link to {bridge.link.server} is down")
        now_s = time.monotonic()
        if bridge.state is not self._state and now_s - self._state_s >= CALM_S:
            self._state, self._state_s = bridge.state, now_s
            self._tell_state(bridge)

    def report(self, bridge: BridgeCore, rivals: list[int]) -> None:
        """Tell what went wrong, what does not fit, and who is waited for.

        rivals: how many others publish on the topic of each output.
        """
        now_s = time.monotonic()
        with bridge.lock:
            self.changed(bridge)
            news = bridge.failures.lines_to_tell(now_s)
            topics = list(bridge.inputs.topics)
        for line in news:
            self._log.warning(line)
        for item in topics:
            self._check_input(item, bridge)
        for output, before, now in zip(self._outputs, self._rivals, rivals):
            if now > before:
                self._log.warning(f"{output.path}: others publish on {output.topic!r} as well")
        self._rivals = rivals
        self._unheard = [output for output in self._unheard if not self._heard(output)]
        if now_s >= self._clock_s and self._time_stands_still():
            self._clock_s = now_s + CLOCK_S
            self._log.warning(
                "use_sim_time is set, but nothing comes on /clock: no time passes, so the bridge"
                " asks and executes nothing; start what publishes /clock, or unset use_sim_time"
            )
        if now_s >= self._remind_s:
            self._remind_s = now_s + REMIND_S
            self._remind(topics, bridge.link.problem)

    def _time_stands_still(self) -> bool:
        clock = self._node.get_clock()
        return clock.ros_time_is_active and clock.now().nanoseconds == 0

    def _tell_state(self, bridge: BridgeCore) -> None:
        if self._state is State.EXECUTING:
            self._log.info(
                "executing plans again" if self._planned else "executing the first plan"
            )
            self._planned = True
        elif self._state is State.FALLBACK and bridge.mode is BridgeMode.ENDING:
            self._log.info("the bridge stops: publishing the declared fallback")
        elif self._state is State.FALLBACK:
            reason = bridge.statistics.last_error
            self._log.warning(
                "no valid actions are left: publishing the declared fallback"
                + (f" ({reason.strip().splitlines()[-1]})" if reason.strip() else "")
            )

    def _check_input(self, item: Input, bridge: BridgeCore) -> None:
        key = item.key
        try:
            if not item.received:
                check_input_type(self._node, key)
            elif item.misfit:
                raise ContractError("", item.misfit)
            elif item.lacks_sample(self._node.get_clock().now().nanoseconds, CALM_S):
                self._check_partial(item, bridge)
            elif not item.decoded:  # another key may be waited for, this one can be told of now
                check_sample(key, item.message)
        except ContractError as error:
            self._complain(key.path, str(error))
        else:
            self._told.pop(key.path, None)

    def _check_partial(self, item: Input, bridge: BridgeCore) -> None:
        """ContractError if a moment after a part of what a key needs the rest is not there."""
        now_s = time.monotonic()
        if now_s - self._partial_s.setdefault(item.key.path, now_s) >= CALM_S:
            try:
                check_sample(item.key, item.partial)
            except ContractError as error:
                with bridge.lock:
                    item.error = str(error)
                    bridge.statistics.fail(item.error)
                raise

    def _heard(self, output: Output) -> bool:
        try:
            return check_output_type(self._node, output)
        except ContractError as error:
            self._complain(output.path, str(error))
            return False

    def _complain(self, path: str, problem: str) -> None:
        if path not in self._told:
            self._log.error(problem)
        self._told[path] = problem

    def _remind(self, topics: list[Input], refusal: str) -> None:
        if not self._connected:
            why = f": {refusal}" if refusal else ""
            self._log.warning(f"no connection to {self._server}{why}")
        for index, item in enumerate(topics):
            before, self._received[index] = self._received[index], item.received
            if item.key.path in self._told:
                continue
            if not item.received:
                if item.key.quiet:
                    continue
                self._log.warning(f"{item.key.path}: {absence(self._node, item.key)}")
            elif item.received == before and item.key.max_age_s is not None:
                self._log.warning(
                    f"{item.key.path}: no message on {item.key.topic!r} for {REMIND_S:.0f} s"
                )
        for output in self._outputs:
            if not self._heard(output) and output.path not in self._told:
                self._log.warning(f"{output.path}: {no_taker(self._node, output)}")
