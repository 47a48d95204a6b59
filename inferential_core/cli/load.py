"""The robots of the load generator: the real client, one connection each, in one process.

Open loop: a robot asks when it is time to, so that a slow server is not asked less.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..client.aio import AsyncConnection, AsyncModel
from ..client.reply import Reply

_TIME = re.compile(r"\d+(\.\d+)? m?s\b")
_CONNECT_S = 0.5
_DRAIN_S = 10.0  # longer than an observation waits in a queue


@dataclass
class Load:
    """What became of what was asked."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[float, float]] = field(default_factory=list)  # s since begin, round trip s
    in_time: int = 0
    batched: int = 0  # sum of the sizes of the batches that answers came from
    errors: Counter[str] = field(default_factory=Counter)  # those that differ in a time are one
    _alike: dict[str, str] = field(default_factory=dict)  # without its times: the first of them
    seconds: float = 0.0  # of asking
    cpu_share: float = 0.0  # of a core, that asking took here
    latest_s: float = 0.0  # how late an observation was sent, at most

    def take(self, reply: Reply, begun: float, budget_s: float) -> None:
        """Count one reply: an answer with the time that it took and whether that was within
        `budget_s` (seconds), anything else by its status and its error.
        """
        self.outcomes[str(reply.status)] += 1
        if reply.result is None:
            alike = _TIME.sub("", reply.error)
            self.errors[self._alike.setdefault(alike, reply.error)] += 1
            return
        took = reply.received_at - reply.sent_at
        self.answers.append((reply.sent_at - begun, took))
        self.in_time += took <= budget_s
        self.batched += reply.batch_size

    def figures(self) -> dict[str, Any]:
        """All of it as plain data; latencies in ms, None where nothing was answered."""
        took = sorted(seconds for _, seconds in self.answers)

        def quantile(share: float) -> float | None:
            return 1000.0 * took[min(len(took) - 1, int(share * len(took)))] if took else None

        return {
            "sent": self.sent,
            "outcomes": dict(self.outcomes),
            "unanswered": self.sent - sum(self.outcomes.values()),
            "per_second": self.sent / self.seconds if self.seconds else 0.0,
            "p50_ms": quantile(0.5),
            "p95_ms": quantile(0.95),
            "p99_ms": quantile(0.99),
            "in_time": self.in_time / self.sent if self.sent else None,
            "mean_batch": self.batched / len(took) if took else None,
            "own_cpu_share": self.cpu_share,
            "sent_late_ms": 1000.0 * self.latest_s,
            "errors": dict(self.errors.most_common(5)),
        }


@dataclass
class Robots:
    """So many, that all observe the same."""

    link: dict[str, Any]
    prefix: str
    count: int
    model: str
    values: dict[str, Any]
    hz: float
    budget_s: float
    supersede: bool = False
    load: Load = field(default_factory=Load)
    stopped: bool = False
    _asking: asyncio.Future[Any] | None = None

    async def ask_for(self, seconds: float) -> Load:
        """Connect, ask, wait for what is still open. Once: robots that stopped stay so."""
        begun = time.monotonic() + _CONNECT_S
        cpu = time.process_time()
        self._asking = asyncio.gather(*(self._ask(n, begun, seconds) for n in range(self.count)))
        try:
            await self._asking
        except asyncio.CancelledError:
            if not self.stopped:
                raise
            seconds = max(0.0, min(seconds, time.monotonic() - begun))
        self.load.cpu_share = (time.process_time() - cpu) / (time.monotonic() - begun + _CONNECT_S)
        self.load.seconds = seconds
        return self.load

    def stop(self) -> None:
        """Ask no more and wait for nothing: `ask_for` returns what there is."""
        if self._asking is not None:
            self.stopped = self._asking.cancel() or self.stopped

    async def _ask(self, number: int, begun: float, seconds: float) -> None:
        async with AsyncConnection(
            **self.link, client_id=f"{self.prefix}{number + 1}", client_type="bench"
        ) as connection:
            model = connection.model(
                self.model, latency_budget_ms=1000.0 * self.budget_s, supersede=self.supersede
            )
            asked: asyncio.Queue[bool] = asyncio.Queue()  # True: one more; False: that was all
            listening = asyncio.ensure_future(self._listen(model, asked, begun))
            first = begun + number / self.count / self.hz  # spread, as robots are
            try:
                for step in range(max(1, round(seconds * self.hz))):
                    due = first + step / self.hz
                    await asyncio.sleep(due - time.monotonic())
                    self.load.latest_s = max(self.load.latest_s, time.monotonic() - due)
                    await model.observe(**self.values)
                    self.load.sent += 1
                    asked.put_nowait(True)
                asked.put_nowait(False)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(listening, _DRAIN_S)
            finally:  # before its connection closes
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, model: AsyncModel, asked: asyncio.Queue[bool], begun: float) -> None:
        """One reply for each observation, in their order."""
        while await asked.get():
            reply = await model.get_reply(timeout_ms=None)
            if reply is not None:
                self.load.take(reply, begun, self.budget_s)
