"""Drives a user's scheduler as if it were one of this package."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..errors import touchable
from ..process.users_code import Foreign, Guarded, shown
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import Scheduler
from .batching import BatchScheduler
from .user_code import Answer, UserThread, is_ctrl_c

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_log = logging.getLogger(__name__)


class CustomScheduler(BatchScheduler):
    """A five-method scheduler; what it does wrong costs its own requests only.

    What it raises is logged once a method; what it forgets expires; what it returns twice or
    never got is ignored. Its batches may mix models: each model takes its own from them.

    Called directly until `serve`. From then on a thread of its own calls it: it is given what
    comes, is asked for a batch when a model is free, and its answer wakes the server. When a call
    takes longer than `PATIENCE_S`, requests are served in the order of their arrival until it
    returns.
    """

    TICK_S = 0.01  # how soon it is asked again after it gave a free model nothing
    ASKS = 1000  # times it is asked in a row for something to serve
    PATIENCE_S = 0.25
    FRUITLESS = 64  # answers in a row with nothing in them that waits, before it gets a pause
    ANSWER_S = 0.02  # how long `status` waits for its own status

    def __init__(
        self, user: Foreign[Scheduler], config: SchedulingConfig, clock: Clock | None = None
    ) -> None:
        super().__init__(config, clock)
        self.user = user
        self._ready: dict[str, list[InferenceRequest]] = {}
        self._logged: set[str] = set()
        self._thread: UserThread | None = None
        self._wake: Callable[[], None] = _nothing
        self._asked: Answer[list[InferenceRequest]] | None = None
        self._asked_at = 0.0
        self._hangs = False
        self._fruitless = 0  # answers in a row that held nothing to serve
        self._silent_until = 0.0  # server's clock; it had nothing to serve
        self._unsubmitted: deque[InferenceRequest] = deque()  # what the thread has yet to submit
        self._aside: dict[str, Answer[Any]] = {}  # ticks and status, the newest of each

    def serve(self, wake: Callable[[], None]) -> None:
        self._thread = UserThread(f"scheduler {self.config.strategy}")
        self._wake = wake

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()

    # --- what waits ---

    def submit(self, request: InferenceRequest) -> None:
        if self.pending.add(request):
            self._submit(request)

    def put_back(self, request: InferenceRequest) -> None:
        if self.pending.put_back(request):
            self._submit(request)

    def _submit(self, request: InferenceRequest) -> None:
        if self._thread is None:
            self._call("submit", request)
            return
        self._unsubmitted.append(request)
        if (
            len(self._unsubmitted) > 2 * self.config.max_queue_size
        ):  # it hangs: let go of what is over
            self._unsubmitted = deque(each for each in self._unsubmitted if each in self.pending)

    def tick(self) -> None:
        super().tick()
        if self._thread is None:
            self._call("tick")
        else:
            self._begin(self._thread, "tick")

    def status(self) -> dict[str, Any]:
        if self._thread is None:
            return {**super().status(), "custom": self._call("status")}
        answer = self._begin(self._thread, "status")
        own = answer.get() if answer.ready(self.ANSWER_S) else "no answer"
        return {**super().status(), "custom": own}

    def _begin(self, thread: UserThread, method: str) -> Answer[Any]:
        """Have a method called, unless the same call waits already."""
        answer = self._aside.get(method)
        if answer is None or answer.ready():
            answer = self._aside[method] = thread.begin(lambda: self._call(method))
        return answer

    # --- what it is asked ---

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        model_id = waiting[0].model_id
        if not self._alive(model_id):
            if self._thread is None:
                self._collect(self._ask(model_id, self._still_waits))
            elif not self._ask_aside(model_id, self._thread):
                return list(waiting[:limit])  # it hangs
        ready = self._alive(model_id)
        allowed = set(waiting)  # of a stateful model only those whose lane is free
        batch = [request for request in ready if request in allowed][:limit]
        taken = set(batch)
        self._ready[model_id] = [request for request in ready if request not in taken]
        return batch

    def hold_until(self, model_id: str) -> float:
        asked = self._asked is not None and not self._hangs
        return self.clock.now() + (self.PATIENCE_S if asked else self.TICK_S)

    def _ask(
        self, model_id: str, waits: Callable[[InferenceRequest], bool]
    ) -> list[InferenceRequest]:
        """What it returns until something in it is for this model, or it has nothing new."""
        seen: dict[InferenceRequest, None] = {}
        for _ in range(self.ASKS):
            batch = [each for each in self._next_batch() if each not in seen]
            seen.update(dict.fromkeys(batch))
            if not batch or any(each.model_id == model_id and waits(each) for each in batch):
                break
        return list(seen)

    def _ask_aside(self, model_id: str, thread: UserThread) -> bool:
        """Have it asked, or collect what it answered; False if it takes too long."""
        if self._asked is not None:
            if not self._asked.ready():
                return not self._too_long()
            answered = self._asked.get() or []
            self._asked = None
            self._hangs = False
            self._fruitless = 0 if self._collect(answered) else self._fruitless + 1
            if not answered or self._fruitless > self.FRUITLESS:
                self._silent_until = self.clock.now() + self.TICK_S
            if self._alive(model_id):
                return True
        if self._unsubmitted or self.clock.now() >= self._silent_until:
            new, self._unsubmitted = self._unsubmitted, deque()
            self._asked_at = time.monotonic()
            self._asked = thread.begin(lambda: self._submit_and_ask(new, model_id), self._wake)
        return True

    def _submit_and_ask(
        self, requests: Iterable[InferenceRequest], model_id: str
    ) -> list[InferenceRequest]:
        for request in requests:
            self._call("submit", request)
        return self._ask(model_id, _any)

    def _too_long(self) -> bool:
        if time.monotonic() - self._asked_at < self.PATIENCE_S:
            return False
        if not self._hangs:
            self._hangs = True
            _log.error(
                "scheduler %r has not answered for %.0f ms: requests are served in the order of"
                " their arrival until it does",
                self.config.strategy,
                1000 * self.PATIENCE_S,
            )
        return True

    def _still_waits(self, request: InferenceRequest) -> bool:
        return request in self.pending

    def _collect(self, batch: Iterable[InferenceRequest]) -> bool:
        """Keep what can be served; whether there was any."""
        alive = [request for request in batch if request in self.pending]
        for request in alive:
            self._ready.setdefault(request.model_id, []).append(request)
        return bool(alive)

    def _alive(self, model_id: str) -> list[InferenceRequest]:
        """Those the user chose that still wait, each once."""
        ready = self._ready.get(model_id, ())
        return [request for request in dict.fromkeys(ready) if request in self.pending]

    def _next_batch(self) -> list[InferenceRequest]:
        return self._call("next_batch", then=_requests_in) or []

    def _call(self, method: str, *args: Any, then: Callable[[Any], Any] | None = None) -> Any:
        try:
            answer = getattr(self.user, method)(*args)
            return answer if then is None or answer is None else then(answer)
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            if method not in self._logged:
                self._logged.add(method)
                told = "%s.%s raised; further ones are not logged"
                _log.error(told, shown(self.user), method, exc_info=touchable(error))
            return None


def _requests_in(batch: Guarded[Any]) -> list[InferenceRequest]:
    return [request for request in batch if isinstance(request, InferenceRequest)]


def _nothing() -> None:
    """Nobody needs to be woken."""


def _any(request: InferenceRequest) -> bool:
    return True
