"""One active bridge: samples in, observations out, replies in, actions out. No rclpy.

Four threads meet here: `store` comes from the samples' thread, the services from the node's,
`tick` from the control thread, what `LinkHandler` declares from the network thread. One lock
guards the inputs' freshness, the executor, the statistics and the order of what is published;
messages are decoded outside of it.

Whether an observation is worth its way is decided once for each: when a sample or a reply comes,
or when a backoff is over. The network thread makes the observation on the strength of that.

Nothing that began before a break (pause, emergency stop, lost link, reset, clock set back) is
executed after it: each break starts a new generation, and replies of older ones are discarded.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from inferential_core import Reply, Status
from inferential_ros.bridge.action_output import ActionOutput
from inferential_ros.bridge.failure_log import FailureLog
from inferential_ros.bridge.inputs import Inputs, NotNow
from inferential_ros.bridge.options import link_settings, make_executor, make_jump_watch
from inferential_ros.bridge.plans import left_over_values, make_plan
from inferential_ros.bridge.requery_policy import RequeryPolicy
from inferential_ros.bridge.robot_io import RobotIo
from inferential_ros.bridge.server_link import LinkHandler, LinkSettings, Observation, ServerLink
from inferential_ros.bridge.state import BridgeMode, State
from inferential_ros.bridge.statistics import Statistics
from inferential_ros.contract.schema import Contract
from inferential_ros.convert.registry import InputError
from inferential_ros.execution.executor import PlanRefused, PlanTooLate
from inferential_ros.execution.plan import Plan
from inferential_ros.keys import NO_KEYS, KeyFiles

AHEAD_S = 0.1  # that a plan begins later than it came, from where on it is told
SETTLE_S = 0.5  # beyond the time that the fallback takes, for ticks that are late


class BridgeCore:
    """From activation to deactivation."""

    def __init__(
        self,
        contract: Contract,
        server: str,
        client_id: str,
        robot: RobotIo,
        keys: KeyFiles = NO_KEYS,
        make_link: Callable[[LinkSettings, LinkHandler], ServerLink] = ServerLink,
    ) -> None:
        self.lock = threading.RLock()
        self.statistics = Statistics()
        self.failures = FailureLog()
        self._observation_due = False  # the samples at hand are to be sent
        self._held_back = False  # they would be, but for the backoff
        self.inputs = Inputs(contract)
        self._contract = contract
        self._robot = robot
        self._generation = self._made_in = 0  # and that of the observation made last
        self._unanswered = 0  # observations of this generation
        self._planned = False  # whether a plan of this generation came
        self._moved_why = ""  # why another server is asked, as it was told
        self._period_ns = round(1e9 / contract.action.rate_hz)
        self.executor = make_executor(contract)
        self._jumps = make_jump_watch(contract)
        self._motion = ActionOutput(self.executor, self.statistics, robot)
        self.asking = RequeryPolicy(contract, self.executor)
        self.link = make_link(link_settings(contract, server, client_id, keys), self)

    # --- lifecycle ---

    def start(self) -> None:
        """Begin to talk with the server."""
        self.link.start()

    def end(self) -> None:
        """Stop motion by the fallback of every output; returns when it has nothing left to do.

        The ticks must go on meanwhile, and replies on their way start nothing any more. The wait
        is bounded, since a simulated clock may stand still.
        """
        with self.lock:
            settling_s = self.executor.settling_ns / 1e9
            self._break(BridgeMode.ENDING)
        if settling_s:
            self._motion.settled.wait(settling_s + SETTLE_S)

    def stop(self) -> None:
        """Publish the last word of every output, then end the conversation. No tick may come."""
        with self.lock:
            self._motion.rest()
        self.link.stop()

    # --- samples' thread ---

    def store(self, index: int, message: Any) -> None:
        """A new sample of the topic key with that index."""
        now_ns = self._robot.now_ns()
        with self.lock:
            self.inputs.store(index, message, now_ns)
            due = self._observation_due = self._should_observe(now_ns)
        if due:
            self.link.wake()  # the thread that wakes takes the lock at once

    # --- the node's thread ---

    def set_text(self, name: str, text: str) -> None:
        """Another text for a key that comes from a parameter, from the next observation on."""
        with self.lock:
            self.inputs.set_text(name, text)

    def pause(self) -> str:
        """Stop asking and executing, publish the fallback."""
        with self.lock:
            if self.mode is BridgeMode.RUNNING:
                self._break(BridgeMode.PAUSED)
        return ""

    def resume(self) -> str:
        """Ask again, from the next sample on. Returns why not, or ''."""
        with self.lock:
            if self.mode is BridgeMode.STOPPED:
                return "stopped by emergency_stop: call reset first"
            if self.mode is BridgeMode.PAUSED:
                self._break(BridgeMode.RUNNING)
        return ""

    def emergency_stop(self) -> str:
        """As pause, but only reset and then resume lead out of it."""
        with self.lock:
            self._break(BridgeMode.STOPPED)
        return ""

    def reset(self) -> str:
        """Begin a new episode; an emergency stop becomes a pause."""
        with self.lock:
            self.executor.new_epoch()
            self.inputs.new_episode()
            stopped = self.mode is BridgeMode.STOPPED
            self._break(BridgeMode.PAUSED if stopped else self.mode)
            self.link.reset(self.executor.epoch)
        return ""

    # --- control thread ---

    def tick(self) -> None:
        """Publish what is due."""
        with self.lock:
            # Read in here: while it was waited for, a plan may have come and been begun.
            now_ns = self._robot.now_ns()
            self._motion.publish(now_ns, on_time=True)
            wake = self._held_back and not self.asking.backoff.waiting(self._robot.steady_s())
            if wake:  # the sample that was held back may be the last for long
                self._held_back = False
                self._observation_due = self._should_observe(now_ns)
        if wake:
            self.link.wake()

    def clock_went_back(self) -> None:
        """The clock was set back (a simulation began anew): the plan's times mean nothing now."""
        with self.lock:
            self.inputs.new_episode(clock_went_back=True)
            self._break(self.mode)

    # --- figures, with the lock held ---

    @property
    def state(self) -> State:
        """What the robot does now."""
        return self._motion.state

    @property
    def mode(self) -> BridgeMode:
        """Which mode the operator has chosen."""
        return self._motion.mode

    @property
    def epoch(self) -> int:
        """The number of the present epoch: plans of an earlier one are not executed."""
        return self.executor.epoch

    @property
    def observation_due(self) -> bool:
        """Whether the network thread is to make an observation of the samples at hand."""
        return self._observation_due

    # --- network thread: the LinkHandler ---

    def next_observation(self) -> tuple[Observation, int | None] | None:
        """The observation that is due, if one is."""
        with self.lock:
            if not self._observation_due:
                return None
            self._observation_due = False
            now_ns = self._robot.now_ns()
            samples = self.inputs.take(now_ns)
            self._made_in, epoch = self._generation, self.executor.epoch
            steps = self.executor.runway_ns(now_ns) // self._period_ns
            steps_remaining = steps if self._planned else None
        try:
            values, stamp_ns = self.inputs.assemble(samples, now_ns)
            with self.lock:
                action = self._contract.action
                if self.executor.tells_left_over:
                    values |= left_over_values(action, self.executor, stamp_ns, values)
                self.asking.asked(now_ns)
        except InputError as error:
            with self.lock:
                self.statistics.fail(str(error))
                # What does not come or does not fit is told by who watches the inputs.
                topics = self.inputs.topics
                if isinstance(error, NotNow):
                    told = any(not (item.received or item.key.quiet) for item in topics)
                else:
                    told = any(item.misfit for item in topics)
                if not told:
                    self.failures.add(error.path, str(error))
            return None
        return Observation(values, stamp_ns, self._made_in, epoch), steps_remaining

    def on_sent(self) -> None:
        """Count it; what was found due while it was being made is judged anew."""
        with self.lock:
            self.statistics.observations += 1
            self._unanswered += self._made_in == self._generation
            if self._observation_due:
                self._observation_due = self._should_observe(self._robot.now_ns())

    def on_reply(self, observation: Observation, reply: Reply) -> None:
        """Execute the plan it holds, and see whether the samples at hand are to be sent now."""
        with self.lock:
            self._unanswered -= observation.generation == self._generation
            self._use_reply(observation, reply)
            self._observation_due = self._should_observe(self._robot.now_ns())

    def on_connected(self, connected: bool) -> None:
        """Samples from before the link was up are not sent; none is while it is down."""
        with self.lock:
            self._forget_samples()
            if not connected:
                self._begin_generation()  # the plan at hand stays valid until its lease ends
                self.statistics.fail("the link to the server is down")
            self._robot.publish_state()

    def on_moved(self, server: str, reason: str) -> None:
        """Tell that another server is asked; the plan at hand goes on, and so does the episode."""
        self._fail("moved", reason)
        self._moved_why = reason  # also of what the other server did not answer
        with self.lock:
            self._robot.publish_state()

    def on_refused(self, reason: str) -> None:
        """Tell why the server does not let this robot in."""
        self._fail("refused", reason)
        with self.lock:
            self._robot.publish_state()

    def on_error(self, reason: str) -> None:
        """Tell what went wrong between this robot and the server."""
        self._fail("link", reason)

    # --- inside, with the lock held ---

    def _use_reply(self, observation: Observation, reply: Reply) -> None:
        self.statistics.replies[reply.status] += 1
        if reply.status in (Status.ERROR, Status.REJECTED):
            self.asking.backoff.failed(self._robot.steady_s())
        if reply.status is not Status.OK:
            told = reply.status is Status.LOST and reply.error == self._moved_why
            if reply.status is not Status.SUPERSEDED and not told:
                self._fail(str(reply.status), f"{reply.status}: {reply.error}")
            return
        running = self._motion.mode is BridgeMode.RUNNING
        if observation.generation != self._generation or not running:
            return
        now_ns = self._robot.now_ns()
        dry = self.executor.runway_ns(now_ns) == 0
        self.executor.records = self._robot.wants_executed_chunks() > 0
        try:
            plan = make_plan(self._contract.action, observation, reply)
            was_short = self.asking.short_of_actions
            self.asking.answered(plan, self._unanswered, now_ns)
            if self.asking.short_of_actions and not was_short:
                self._tell_short(plan)
            pinned = self.executor.accept(plan, now_ns)
        except PlanTooLate as error:
            self.statistics.plans_late += 1
            self._fail("late", str(error))
            return
        except PlanRefused as error:
            self.statistics.invalid_plans += 1
            self.asking.backoff.failed(self._robot.steady_s())
            self._fail("plan", f"plan refused: {error}")
            return
        self.statistics.last_error = ""  # what failed before is over
        self._tell_ahead((plan.start_ns - now_ns) / 1e9)
        if self._jumps.watching:
            for column, step in self._jumps.found(plan):
                self._tell_jump(column, step)
        self.asking.planned(pinned, reply.requery_after_steps)
        if self._planned:
            self.statistics.plans_late += dry
            self.statistics.plans_in_time += not dry
        self._planned = True
        if self._contract.action.publish_on_arrival:
            self._motion.publish(now_ns)
        self._robot.publish_chunk(pinned)
        self._robot.publish_pending_chunk(lambda: self.executor.pending(now_ns))

    def _fail(self, kind: str, reason: str) -> None:
        with self.lock:
            self.statistics.fail(reason)
            self.failures.add(kind, reason)

    def _tell_short(self, plan: Plan) -> None:
        chunk_s, answer_s = plan.length_ns / 1e9, self.asking.answer_ns / 1e9
        if chunk_s < 2.0 * answer_s:
            self.failures.add(
                "short of actions",
                f"a chunk lasts {chunk_s:.2f} s and an answer takes {answer_s:.2f} s: with less"
                " than two answers a chunk the robot may run out of actions; longer chunks, a"
                " faster model or fewer robots a server help",
            )

    def _tell_ahead(self, seconds: float) -> None:
        if seconds > AHEAD_S:
            told = f"samples are stamped {seconds:.2f} s ahead of this robot's clock"
            self._fail("ahead", f"{told}, and plans begin as much later")

    def _tell_jump(self, column: int, step: float) -> None:
        name = self._contract.action.names[column]
        self.failures.add(
            f"jump of {name}",
            f"the plan moves {name!r} by {step:.2f} from one step to the next, more than half"
            " a turn: if it is an angle without ends, name it under action.continuous",
        )

    def _should_observe(self, now_ns: int) -> bool:
        """Whether to send the samples at hand now."""
        running = self._motion.mode is BridgeMode.RUNNING and self.link.connected
        if not running:
            return False
        # Answers to what was asked before a break are of no use, so they are not waited for.
        if not self.asking.may(self._unanswered, now_ns):
            return False
        backoff = self.asking.backoff
        if backoff.wait_s and backoff.waiting(self._robot.steady_s()):
            self._held_back = True
            return False
        share_left = 0.0 if self.asking.low(now_ns) else math.inf
        return self.inputs.due(now_ns, share_left)

    def _begin_generation(self) -> None:
        self._generation += 1
        self._unanswered = 0

    def _break(self, mode: BridgeMode) -> None:
        self._begin_generation()
        self._planned = False
        self.asking.forget()
        self._forget_samples()
        self._motion.change(mode)

    def _forget_samples(self) -> None:
        """Only what arrives from now on makes an observation."""
        self.inputs.forget_fresh()
        self._observation_due = False
