"""Decides when to ask: by the trigger, the server's hint, and what is under way.

No rclpy in here and no clock. Guarded by the bridge's lock. What a contract's trigger says of
samples is in inputs.py; this adds what the plans and the server say.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from inferential_ros.contract.schema import ALWAYS, WHEN_DRY, Contract
from inferential_ros.execution.executor import Executor
from inferential_ros.execution.plan import Plan

ANSWERS = 8
SHORT, ENOUGH = 2.5, 3.5  # answers: a shorter chunk is short of actions, a longer one no more
LONGEST_S = 1.0  # wait after a failure
MARGIN = 1.2  # answers that are to be left when the next one is asked for


class Backoff:
    """How long to wait before the next observation, after a model that gives nothing usable.

    Doubles with each failure, from one policy period to a second: a new sample comes a hundred
    times a second, and asked at once, a broken model would get them all. Times are handed in.
    """

    def __init__(self, first_s: float) -> None:
        self.wait_s = 0.0  # 0: the newest attempt did not fail
        self._first_s = min(first_s, LONGEST_S)
        self._until_s = float("-inf")

    def failed(self, now_s: float) -> None:
        """An answer was unusable; one to what was asked before the wait is no new attempt."""
        if now_s >= self._until_s:
            self.wait_s = min(2 * self.wait_s, LONGEST_S) if self.wait_s else self._first_s
            self._until_s = now_s + self.wait_s

    def succeeded(self) -> None:
        """An answer was usable, so nothing is waited for."""
        self.wait_s, self._until_s = 0.0, float("-inf")

    def waiting(self, now_s: float) -> bool:
        """Whether the wait is not over."""
        return now_s < self._until_s


class Tuning(NamedTuple):
    """What may change at any time, by parameters of these names.

    runway: share of a chunk that is left when the next one is asked for; negative: as the
    contract has it. obey_hints: whether the server may move that moment.
    """

    runway: float = -1.0
    obey_hints: bool = True


class RequeryPolicy:
    """Before a robot has actions at all, every sample is worth its way.

    short_of_actions: a chunk is over before the second answer from its observation on can come.
    Who asks one at a time then runs dry, so such a robot sends every sample: the newest one waits
    at the server when the model is done with the one before.
    """

    def __init__(self, contract: Contract, executor: Executor) -> None:
        self.tuning = Tuning()
        self._runway = contract.trigger.runway
        self.backoff = Backoff(1.0 / contract.action.rate_hz)
        self._supersede = contract.model.supersede
        self._executor = executor
        self._hint_steps = 0
        self._asked_ns = 0
        self._waiting_since_ns: int | None = None  # since when something is unanswered
        self._answered_ns = 0
        self.short_of_actions = False
        self._answers_ns: deque[int] = deque(maxlen=ANSWERS)  # how long the newest ones took
        # How long the server takes for one answer after the other, the longest but one of late:
        # from when it was asked, or from the answer before where something was waiting already.
        self.answer_ns = 0

    def may(self, in_flight: int, now_ns: int) -> bool:
        """Whether one may be sent now, beside those that are not answered yet.

        The fresh observation of a robot that ran dry: what it asked before is of no more use, so
        it asks again, once, and the newer one takes the older one's place in the server's queue.
        What the model works on already is not replaced: the fresh one would wait behind it. So a
        robot whose chunks are short asks with every sample instead.

        Nothing is asked while a plan is yet to begin, as where samples are stamped ahead of the
        robot's clock.
        """
        if self._executor.open_loop:
            return not in_flight and not self._executor.runway_ns(now_ns)
        newest = self._executor.newest
        if newest is not None and now_ns < newest.start_ns:
            return False  # its turn comes, and each newer one would take it away
        if not in_flight or self._supersede == ALWAYS:
            return True
        if self._supersede == WHEN_DRY and self.short_of_actions:
            return True
        ran_dry = newest is not None and self._asked_ns < newest.end_ns <= now_ns
        return self._supersede == WHEN_DRY and ran_dry

    def low(self, now_ns: int) -> bool:
        """Whether the actions at hand call for the next ones, for a runway trigger."""
        newest = self._executor.newest
        if newest is None or self._runway is None or not self._executor.runway_ns(now_ns):
            return True
        if self._hint_steps and self.tuning.obey_hints:
            return now_ns >= newest.due_ns(self._hint_steps)
        if self.short_of_actions or self._executor.runway_ns(now_ns) <= MARGIN * self.answer_ns:
            return True  # later would be too late
        threshold = self._runway if self.tuning.runway < 0.0 else self.tuning.runway
        return self._executor.share_left(now_ns) <= threshold

    def asked(self, now_ns: int) -> None:
        """An observation was sent."""
        self._asked_ns = now_ns
        if self._waiting_since_ns is None:
            self._waiting_since_ns = now_ns

    def answered(self, plan: Plan, in_flight: int, now_ns: int) -> None:
        """The model answered one, in time or too late; so many others are not answered yet."""
        if self._waiting_since_ns is not None:
            since_ns = max(self._waiting_since_ns, self._answered_ns)
            self._answers_ns.append(max(0, now_ns - since_ns))
            if len(self._answers_ns) > 1:
                self.answer_ns = sorted(self._answers_ns)[-2]
        self._answered_ns = now_ns
        if not in_flight:
            self._waiting_since_ns = None
        enough = ENOUGH if self.short_of_actions else SHORT
        self.short_of_actions = plan.length_ns < enough * self.answer_ns

    def planned(self, plan: Plan, hint_steps: int) -> None:
        """A plan is executed; the server would like to be asked after so many steps, 0: none."""
        self._hint_steps = min(hint_steps, plan.horizon)
        if self.backoff.wait_s:
            self.backoff.succeeded()

    def forget(self) -> None:
        """A break: nothing that was known of the plans holds."""
        self._hint_steps = self._asked_ns = self._answered_ns = 0
        self._waiting_since_ns = None
        self.backoff.succeeded()
