"""Decides when a free model had better wait for robots that are about to ask.

Robots that ask as soon as they are answered (in lock-step with the model) come back a moment after
their answers left. A model that takes the first of them alone makes all others wait for a second
batch. Pure: time is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LONGEST = 0.5  # of L(1), that a model waits for robots that are about to ask
_GATHERING = 1.5  # times what one batch for all saves, that it waits for images at most
_QUICK = 0.25  # of L(1), within which a client asks again that is waited for
_NEWEST = 0.2  # weight of the newest pause of a client in its average
_SURE = 3  # pauses that have been seen before one is predicted
_LONGER = 4.0  # times its usual pause, and error, as which a pause counts that is longer still
MARGIN = 3.0  # average errors that a client may come later than it usually does
TIMER_S = 0.0005  # and by which the server's timers may be early


@dataclass(eq=False, slots=True)
class Pause:
    """How long a client takes from its answer to its next observation."""

    seen: int = 0
    mean_s: float = math.nan
    error_s: float = 0.0  # how far newer ones are from that on average
    answered_at: float = math.nan  # NaN while it has asked since, or was never answered

    def asked(self, now: float) -> None:
        """Its next observation is here."""
        passed = now - self.answered_at
        if passed != passed:
            return
        self.answered_at = math.nan
        self.seen += 1
        mean, error = self.mean_s, self.error_s
        if self.seen == 1:
            self.mean_s = passed
            return
        # Between two episodes a client pauses once for long, and is as quick as ever after that.
        later = min(passed, _LONGER * (mean + error + TIMER_S)) - mean
        self.mean_s = mean + _NEWEST * later
        self.error_s = error + _NEWEST * (abs(later) - error)

    @property
    def latest_s(self) -> float:
        """How long after its answer it will have asked again."""
        return self.mean_s + MARGIN * self.error_s + TIMER_S


class Wait(NamedTuple):
    """What a model waits for."""

    until: float  # monotonic s
    more: int  # observations that are expected by then
    whom: str = "are about to ask"


@dataclass(eq=False, slots=True)
class Anticipation:
    """The clients of one model that are about to ask, and since when it waits for them."""

    soon: dict[str, Pause] = field(default_factory=dict)  # answered, and quick to ask again
    waits_since: float = math.nan
    waited: int = 0  # batches that it waited for
    waited_s: float = 0.0

    def answered(self, client_id: str, pause: Pause, now: float, call_s: float) -> None:
        """A client's answer leaves. call_s: how long the model takes for one."""
        pause.answered_at = now
        if pause.seen >= _SURE and pause.mean_s <= _QUICK * call_s:
            self.soon[client_id] = pause

    def asked(self, client_id: str, pause: Pause, now: float) -> None:
        """An observation of a client is here."""
        pause.asked(now)
        if self.soon:
            self.soon.pop(client_id, None)

    def wait(
        self,
        waiting: int,
        deadlines: Iterable[float],
        now: float,
        seconds: Sequence[float],
        coming: Sequence[float] = (),
        decoding_s: float = 0.0,
    ) -> Wait | None:
        """For how long a free model should wait, with so many observations there; None: not.

        coming: when others will be ready that are here, but for their images, monotonic s.
        decoding_s: how long decoding the images of one observation takes.

        It waits for k more that will be there in d seconds, beside w that wait, where one batch of
        all is done before two batches would be:

            d + L(w + k)  <  L(w) + L(k)

        as clients in lock-step are answered once for each time that all of them are. Of several k
        it takes the one that gains most. It waits for half of L(1) at most, or for images until
        that takes clearly longer than what it saves, and never where one of `deadlines` (those
        that matter to a robot, s) would be met without waiting and not so. O(k log k).

        With images, two groups can take turns instead: those of one are decoded while the model
        serves the other. It waits for nobody where all n are served sooner in that way:

            n decoding_s + L(n)  >=  2 L(n / 2)
        """
        limit = len(seconds) - 1
        room = limit - waiting
        if room <= 0:
            return None
        since = now if math.isnan(self.waits_since) else self.waits_since
        everybody = min(limit, waiting + len(coming) + len(self.soon))
        saved = 2.0 * seconds[(everybody + 1) // 2] - seconds[everybody]
        if 0.0 < decoding_s and everybody * decoding_s >= saved:
            return None
        gathered = since + _GATHERING * saved
        soon = self._expected(now, since + LONGEST * seconds[1])
        times = sorted([*soon, *(at for at in coming if at <= gathered)])
        best, least = None, 0.0
        for more, at in enumerate(times[:room], 1):
            both = waiting + more
            gain = seconds[waiting] + seconds[more] - (at - now) - seconds[both]
            if gain > least:
                best, least = Wait(at, more), gain
        if best is None:
            return None
        soonest = now + seconds[waiting]
        done = best.until + seconds[waiting + best.more]
        if any(soonest <= deadline < done for deadline in deadlines):
            return None
        return best

    def begins(self, wait: Wait, now: float) -> None:
        """The model waits, at first or still."""
        if math.isnan(self.waits_since):
            self.waits_since = now

    def ends(self, now: float) -> None:
        """The model is given a batch."""
        if self.waits_since == self.waits_since:
            self.waited += 1
            self.waited_s += now - self.waits_since
            self.waits_since = math.nan

    def text(self) -> str:
        """For how many batches it waited, and how long on average."""
        each_ms = 1000.0 * self.waited_s / max(1, self.waited)
        return (
            f"waited {each_ms:.1f} ms each for robots about to ask, before {self.waited} batches"
        )

    def _expected(self, now: float, longest: float) -> list[float]:
        """When each of them will have asked; those that should have by now are forgotten."""
        times = []
        for client_id, pause in list(self.soon.items()):
            at = pause.answered_at + pause.latest_s
            if at <= now:
                del self.soon[client_id]
            elif at <= longest:
                times.append(at)
        return times
