"""One active bridge: samples in, observations out, replies in, actions out. No rclpy.

Three threads meet here: `store` and the services come from the ROS thread, `tick` from the
control thread, the link's callbacks from the network thread. One lock guards the inputs'
freshness, the executor, the statistics and the order of what is published; messages are decoded
outside of it.

Nothing that began before a break (pause, emergency stop, lost link, reset, clock set back) is
executed after it: each break starts a new generation, and replies of older ones are discarded.
"""

from __future__ import annotations

import math
import threading
from typing import Any

from inferential_core import Reply, Status
from inferential_ros.bridge.action_output import ActionOutput, Sinks
from inferential_ros.bridge.inputs import Inputs, NotNow
from inferential_ros.bridge.options import link_settings, make_executor, make_jump_watch
from inferential_ros.bridge.plans import left_over_values, make_plan
from inferential_ros.bridge.requery_policy import RequeryPolicy
from inferential_ros.bridge.server_link import (
    NO_KEYS,
    KeyFiles,
    LinkCallbacks,
    Observation,
    ServerLink,
)
from inferential_ros.bridge.state import Mode, State
from inferential_ros.bridge.statistics import Statistics
from inferential_ros.bridge.troubles import Troubles
from inferential_ros.contract.schema import Contract
from inferential_ros.convert.registry import InputError
from inferential_ros.execution.executor import (
    PlanRefused,
    PlanTooLate,
)
from inferential_ros.execution.plan import Plan

SETTLE_S = 0.5  # beyond the time that the fallback takes, for ticks that are late


class BridgeCore:
    """From activation to deactivation."""

    def __init__(
        self,
        contract: Contract,
        server: str,
        client_id: str,
        sinks: Sinks,
        keys: KeyFiles = NO_KEYS,
    ) -> None:
        self.lock = threading.RLock()
        self.statistics = Statistics()
        self.troubles = Troubles()
        self._held_back = False  # a sample would have been sent but for the backoff
        self.inputs = Inputs(contract)
        self._contract = contract
        self._sinks = sinks
        self._generation = 0
        self._planned = False  # whether a plan of this generation came
        self._period_ns = round(1e9 / contract.action.rate_hz)
        self.executor = make_executor(contract)
        self._jumps = make_jump_watch(contract)
        self._motion = ActionOutput(self.executor, self.statistics, sinks)
        self.asking = RequeryPolicy(contract, self.executor)
        callbacks = LinkCallbacks(
            next_observation=self._next_observation,
            on_sent=self._on_sent,
            on_reply=self._on_reply,
            on_connected=self._on_connected,
            on_error=lambda reason: self._fail("link", reason),
            on_refused=self._on_refused,
        )
        self.link = ServerLink(link_settings(contract, server, client_id, keys), callbacks)

    # --- lifecycle ---

    def start(self) -> None:
        self.link.start()

    def end(self) -> None:
        """Stop motion by the fallback of every output; returns when it has nothing left to do.

        The ticks must go on meanwhile, and replies on their way start nothing any more. The wait
        is bounded, since a simulated clock may stand still.
        """
        with self.lock:
            settling_s = self.executor.settling_ns / 1e9
            self._break(Mode.ENDING)
        if settling_s:
            self._motion.settled.wait(settling_s + SETTLE_S)

    def stop(self) -> None:
        """Publish the last word of every output, then end the conversation. No tick may come."""
        with self.lock:
            self._motion.rest()
        self.link.stop()

    # --- ROS thread ---

    def store(self, index: int, message: Any) -> None:
        """A new sample of the topic key with that index."""
        now_ns = self._sinks.now_ns()
        with self.lock:
            self.inputs.store(index, message, now_ns)
            due = self._due(now_ns)
        if due:
            self.link.wake()

    def would_ask(self) -> bool:
        """Whether an observation is to be made now, of the samples at hand."""
        with self.lock:
            return self._due(self._sinks.now_ns())

    def set_text(self, name: str, text: str) -> None:
        """Another text for a key that comes from a parameter, from the next observation on."""
        with self.lock:
            self.inputs.set_text(name, text)

    def pause(self) -> str:
        """Stop asking and executing, publish the fallback."""
        with self.lock:
            if self._motion.mode is Mode.RUNNING:
                self._break(Mode.PAUSED)
        return ""

    def resume(self) -> str:
        """Ask again, from the next sample on. Returns why not, or ''."""
        with self.lock:
            if self._motion.mode is Mode.STOPPED:
                return "stopped by emergency_stop: call reset first"
            if self._motion.mode is Mode.PAUSED:
                self._break(Mode.RUNNING)
        return ""

    def emergency_stop(self) -> str:
        """As pause, but only reset and then resume lead out of it."""
        with self.lock:
            self._break(Mode.STOPPED)
        return ""

    def reset(self) -> str:
        """Begin a new episode; an emergency stop becomes a pause."""
        with self.lock:
            self.executor.new_epoch()
            self._break(Mode.PAUSED if self._motion.mode is Mode.STOPPED else self._motion.mode)
            self.link.reset()
        return ""

    # --- control thread ---

    def tick(self) -> None:
        """Publish what is due."""
        with self.lock:
            # Read in here: while it was waited for, a plan may have come and been begun.
            self._motion.publish(self._sinks.now_ns(), on_time=True)
            again = self._held_back and not self.asking.backoff.waiting(self._sinks.steady_s())
            if again:
                self._held_back = False
        if again:  # the sample that was held back may be the last for long
            self.link.wake()

    def clock_went_back(self) -> None:
        """The clock was set back (a simulation began anew): the plan's times mean nothing now."""
        with self.lock:
            self._break(self._motion.mode)

    # --- figures, with the lock held ---

    @property
    def state(self) -> State:
        return self._motion.state

    @property
    def mode(self) -> Mode:
        return self._motion.mode

    @property
    def epoch(self) -> int:
        return self.executor.epoch

    # --- network thread ---

    def _next_observation(self) -> tuple[Observation, int | None] | None:
        now_ns = self._sinks.now_ns()
        with self.lock:
            if not self._due(now_ns):
                return None
            samples = self.inputs.take(now_ns)
            generation, epoch = self._generation, self.executor.epoch
            steps = self.executor.runway_ns(now_ns) // self._period_ns
            steps_remaining = steps if self._planned else None
        try:
            values, stamp_ns = self.inputs.assemble(samples, now_ns)
            with self.lock:
                values |= left_over_values(self.executor, stamp_ns)
                self.asking.asked(now_ns)
        except InputError as error:
            with self.lock:
                self.statistics.fail(str(error))
                # What does not come or does not fit is told by who watches the inputs.
                if isinstance(error, NotNow) and all(i.received for i in self.inputs.topics):
                    self.troubles.add(error.path, str(error))
            return None
        return Observation(values, stamp_ns, generation, epoch), steps_remaining

    def _on_sent(self) -> None:
        with self.lock:
            self.statistics.observations += 1

    def _on_reply(self, observation: Observation, reply: Reply) -> None:
        with self.lock:
            self.statistics.count(reply.status)
            if reply.status in (Status.ERROR, Status.REJECTED):
                self.asking.backoff.failed(self._sinks.steady_s())
            if reply.status is not Status.OK:
                if reply.status is not Status.SUPERSEDED:
                    self._fail(str(reply.status), f"{reply.status}: {reply.error}")
                return
            if observation.generation != self._generation or self._motion.mode is not Mode.RUNNING:
                return
            now_ns = self._sinks.now_ns()
            dry = self.executor.runway_ns(now_ns) == 0
            try:
                plan = make_plan(self._contract.action, observation, reply)
                pinned = self.executor.accept(plan, now_ns)
            except PlanTooLate as error:
                self.statistics.deadline_misses += 1
                self._fail("late", str(error))
                return
            except PlanRefused as error:
                self.statistics.invalid_plans += 1
                self.asking.backoff.failed(self._sinks.steady_s())
                self._fail("plan", f"plan refused: {error}")
                return
            self.statistics.well()
            self._tell_jumps(plan)
            self.asking.planned(pinned, reply.requery_after_steps)
            if self._planned:
                self.statistics.deadline_misses += dry
                self.statistics.deadline_hits += not dry
            self._planned = True
            if self._contract.action.publish_on_arrival:
                self._motion.publish(now_ns)
            self._sinks.chunk(pinned)
            self._sinks.pending(lambda: self.executor.pending(now_ns))

    def _on_connected(self, connected: bool) -> None:
        with self.lock:
            if connected:
                self.inputs.forget_fresh()
            else:
                self._generation += 1  # the plan at hand stays valid until its lease ends
                self.statistics.fail("the link to the server is down")
            self._sinks.state_changed()

    def _on_refused(self, reason: str) -> None:
        self._fail("refused", reason)
        with self.lock:
            self._sinks.state_changed()

    def _fail(self, kind: str, reason: str) -> None:
        with self.lock:
            self.statistics.fail(reason)
            self.troubles.add(kind, reason)

    # --- inside, with the lock held ---

    def _tell_jumps(self, plan: Plan) -> None:
        for column, step in self._jumps.found(plan):
            name = self._contract.action.names[column]
            self.troubles.add(
                f"jump of {name}",
                f"the plan moves {name!r} by {step:.2f} from one step to the next, more than half"
                " a turn: if it is an angle without ends, name it under action.continuous",
            )

    def _due(self, now_ns: int) -> bool:
        running = self._motion.mode is Mode.RUNNING and self.link.connected
        if not running:
            return False
        # Answers to what was asked before a break are of no use, so they are not waited for.
        if not self.asking.may(self.link.in_flight(self._generation), now_ns):
            return False
        if self.asking.backoff.waiting(self._sinks.steady_s()):
            self._held_back = True
            return False
        share_left = 0.0 if self.asking.low(now_ns) else math.inf
        return self.inputs.due(now_ns, share_left)

    def _break(self, mode: Mode) -> None:
        self._generation += 1
        self._planned = False
        self.asking.forget()
        self.inputs.forget_fresh()
        self._motion.change(mode)
