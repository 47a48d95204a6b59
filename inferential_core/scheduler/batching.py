"""The interface the server drives: a choice for one model, made when that model is free."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..clock import Clock, SystemClock
from ..errors import touchable
from ..process.users_code import Foreign
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from ..tracking.placement import Eligible
from .base import Scheduler
from .chooser import Chooser
from .pending import Pending, Removed
from .user_code import is_ctrl_c

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_log = logging.getLogger(__name__)

Allowed = frozenset[InferenceRequest]

_waiting_since = attrgetter("waiting_since")

# What the server asks a strategy beside `form`, and what the answer is.
_ASKED: dict[str, Callable[[Any], Any]] = {
    "answered": int,
    "entered": id,
    "explain": str,
    "headroom": float,
    "hold_until": float,
    "left": id,
    "reason": str,
    "serve_lone": bool,
    "share_in_time": float,
}


class BatchScheduler(Scheduler):
    """A strategy is `choose`: from those that wait for a model, who goes into its next batch.

    One that keeps an order of its own (`entered`, `left`) overrides `form` instead, and is spared
    the sorting of all that wait. It also has the published five methods, for use without a
    server. All methods are called by one thread at a time; in a server, `choose` of a strategy
    that is none of this package is called by a thread of its own and given BUDGET_S.
    """

    BUDGET_S = 0.02
    may_bypass_queue = False  # whether `serve_lone` may ever return True

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self._trusted = type(self).__module__.startswith(__package__)
        self._failed: set[str] = set()  # methods of a user's strategy of which that is logged
        if not self._trusted:
            for name, kind in _ASKED.items():
                setattr(self, name, self._guarded(name, kind))
        self.pending = Pending(config, self.entered, self.left)
        self._chooser: Chooser | None = None  # has `choose` of a user's strategy called
        self.lanes: dict[str, int] = {}  # batches each model works on at once; 1 where not said
        self.holders: Collection[str] = ()  # who has a place, when `share_in_time` is called

    # --- what a strategy says ---

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        """At most `limit` of `waiting` (longest waiting first, never empty), first served first.

        A request that superseded another waits since that one came. The requests of one client are
        served in the order in which it made them: a newer one stands for the oldest of its client.

        Empty means: wait; `hold_until` then says until when.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither `choose` nor `form`")

    def form(
        self,
        model_id: str,
        limit: int,
        now: float,
        latency: LatencyModel,
        allowed: Allowed | None = None,
    ) -> list[InferenceRequest]:
        """The next batch for a model that somebody waits for; O(n log n) unless overridden.

        allowed: whom it may be given now, None: whoever waits.
        """
        choose = self.choose if self._chooser is None else self._chooser.choose
        return choose(self._waiting(model_id, allowed), limit, now, latency)

    def entered(self, request: InferenceRequest) -> None:
        """A request begins to wait."""

    def left(self, request: InferenceRequest) -> None:
        """A request no longer waits: it is in a batch, or ended unserved."""

    @property
    def max_batch_size(self) -> int:
        """Most observations in one call, whatever the model could take."""
        return self.config.max_batch_size

    def hold_until(self, model_id: str) -> float:
        """When to ask again for a free model that was given nothing although requests wait.

        Monotonic seconds; inf means: only when another request arrives.
        """
        return math.inf

    def serve_lone(
        self, request: InferenceRequest, limit: int, now: float, latency: LatencyModel
    ) -> bool:
        """Whether the only request there is may go to its model, which is free, without waiting.

        After True the scheduler takes it as served, although `entered` and `left` were never
        called for it. It is asked only where it says that it `may_bypass_queue`.
        """
        return False

    def answered(self, request: InferenceRequest, now: float, horizon: int = 0) -> int:
        """A request from a batch was answered with a chunk of `horizon` actions (0: unknown).

        Returns the hint for its client: ask again after this many steps of the chunk; 0: none.
        """
        return 0

    def headroom(self, model_id: str, now: float, latency: LatencyModel) -> float:
        """How many more robots like those it has a model can carry; NaN where that is unknown."""
        return math.nan

    def share_in_time(
        self, model_id: str, more: int, tier: int, now: float, latency: LatencyModel
    ) -> float:
        """The share of answers in time that robots of this tier and more important ones would
        have, with so many more of them; NaN where that is unknown, and 0 where enough robots are
        there to find it out with.
        """
        return math.nan

    def reason(self, model_id: str) -> str:
        """Why its newest decision for a model was as it was, in a few words; empty: unknown."""
        return ""

    def explain(self, model_id: str) -> str:
        """What it does about a model lately that is not usual, for people to read; often empty."""
        return ""

    # --- what the server calls ---

    def pick(
        self,
        model_id: str,
        limit: int,
        now: float,
        latency: LatencyModel,
        eligible: Eligible | None = None,
    ) -> list[InferenceRequest]:
        """The next batch for a model that is free; those in it no longer wait.

        eligible: from those that wait, those it may be given now; makes it O(n log n).
        """
        self.pending.expire(now)
        if not self.pending.count(model_id) or limit < 1:
            return []
        allowed = None
        if eligible is not None:
            allowed = frozenset(eligible(self._waiting(model_id)))
            if not allowed:
                return []
        batch = self._formed(model_id, limit, now, latency, allowed)
        self.pending.begin_service(batch)
        return batch

    def _formed(
        self,
        model_id: str,
        limit: int,
        now: float,
        latency: LatencyModel,
        allowed: Allowed | None,
    ) -> list[InferenceRequest]:
        """What `form` says; the longest waiting ones where a strategy of the user's raises."""
        try:
            batch = self.form(model_id, limit, now, latency, allowed)
            if self._trusted:
                return batch
            alive = dict.fromkeys(each for each in batch if each in self.pending)
            fit = [each for each in alive if allowed is None or each in allowed][:limit]
            return self.pending.in_clients_order(fit)
        except BaseException as error:
            if self._trusted or is_ctrl_c(error):
                raise
            self.complain("choose", "the longest waiting are served", error)
            return self._waiting(model_id, allowed)[:limit]

    def _guarded(self, name: str, kind: Callable[[Any], Any]) -> Callable[..., Any]:
        """A method of a user's strategy; that of this package's class where it raises."""
        asked: Foreign[Callable[..., Any]] = getattr(self, name)
        ours = next(e for e in type(self).__mro__ if e.__module__.startswith(__package__))
        otherwise = getattr(ours, name)

        def answer(*given: Any) -> Any:
            try:
                return kind(asked(*given))
            except BaseException as error:
                if is_ctrl_c(error):
                    raise
                self.complain(name, f"{ours.__name__}.{name} is called instead", error)
                return otherwise(self, *given)

        return answer

    def complain(self, method: str, instead: str, error: BaseException) -> None:
        """Log, once a method, that it raised in a user's strategy, and what is done instead."""
        if method not in self._failed:
            self._failed.add(method)
            told = "%s.%s raised: %s where it does, and further errors are not logged"
            _log.error(told, type(self).__name__, method, instead, exc_info=touchable(error))

    def _waiting(self, model_id: str, allowed: Allowed | None = None) -> list[InferenceRequest]:
        """Those that wait for a model, longest waiting first; O(n log n)."""
        waiting = sorted(self.pending.of(model_id), key=_waiting_since)
        if allowed is None:
            return waiting
        return [request for request in waiting if request in allowed]

    def collect_removed(self) -> list[Removed]:
        """Those that left unserved since the last call."""
        return self.pending.collect_removed()

    def put_back(self, request: InferenceRequest) -> None:
        """A request that was out already waits again."""
        self.pending.put_back(request)

    def serve(self, wake: Callable[[], None]) -> None:
        """A server drives it from now on: code of the user's may run on threads of its own.

        wake: call it, from any thread, when there is something to serve that there was not.
        """
        if not self._trusted:
            self._chooser = Chooser(type(self).__name__, self.choose, self.BUDGET_S)

    def close(self) -> None:
        """Nobody will call it any more; threads it has started end."""
        if self._chooser is not None:
            self._chooser.close()

    # --- the published five ---

    def submit(self, request: InferenceRequest) -> None:
        self.pending.add(request)

    def next_batch(self) -> list[InferenceRequest]:
        self.pending.collect_removed()  # without a server, nobody else empties it
        now = self.clock.now()
        self.pending.expire(now)
        unknown = LatencyModel()
        for model_id in self.pending.models():
            batch = self.pick(model_id, self.max_batch_size, now, unknown)
            if batch:
                return batch
        return []

    def tick(self) -> None:
        self.pending.expire(self.clock.now())

    def status(self) -> dict[str, Any]:
        return {
            "strategy": self.config.strategy,
            "queue_len": len(self.pending),
            "queued_by_model": {name: self.pending.count(name) for name in self.pending.models()},
        }

    def queue_len(self) -> int:
        return len(self.pending)
