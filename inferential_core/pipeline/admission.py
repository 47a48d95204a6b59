"""From a decoded message to a request: whose it is, when it is due, whether it is served."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RejectedError
from ..request import InferenceRequest
from ..tracking.quota import Quota
from ..wire.images import Buffer
from ..wire.observation import cut_names, decode_values, parse_observation

if TYPE_CHECKING:
    from ..config.schema import ClientEntry, InferentialConfig
    from ..tracking.cadence import Cadence
    from ..tracking.clients import Client


class Intake:
    """Applies the client configuration and the limits to observations as they arrive."""

    def __init__(self, config: InferentialConfig) -> None:
        # plain values: reading a pydantic field costs as much as ten of another object
        self._accept_unknown = config.clients.accept_unknown
        self._default_priority = config.clients.defaults.priority
        self._default_budget_ms = config.clients.defaults.latency_budget_ms
        self._limits = limits = config.limits.as_limits()
        self._rates = (limits.max_rate_hz_per_client, limits.max_bytes_per_s_per_client)
        self._has_rates = self._rates != (None, None)
        self._known: dict[str, list[ClientEntry]] = {}
        for entry in config.clients.known:
            self._known.setdefault(str(entry.id), []).append(entry)

    def parse(self, frames: Sequence[Buffer]) -> Any:
        """The message in `frames`; MalformedError where there is none."""
        return parse_observation(frames, self._limits)

    def cut_names(self, message: Any, frames: Sequence[Buffer]) -> str:
        """Why a message is rejected whose names are too long, and were cut; or ''."""
        if len(frames[1]) <= self._limits.max_id_bytes:  # no name in it can be too long
            return ""
        return cut_names(message, self._limits)

    def request(
        self, message: Any, client_id: str, identity: bytes, now: float, most_important: int = 0
    ) -> InferenceRequest:
        """The request a message makes, still without values and deadline.

        most_important: the tier this client may claim at most.
        """
        entry = self._entry(client_id, message.model_id) if self._known else None
        priority = self._default_priority
        if message.HasField("priority"):
            priority = max(message.priority, most_important)
        budget_ms = _positive(message.latency_budget_ms) or self._default_budget_ms
        if entry is not None:  # what the operator configured wins over what the client claims
            priority = priority if entry.priority is None else entry.priority
            budget_ms = entry.latency_budget_ms or budget_ms
        urgency = message.urgency
        if urgency != 0.0:
            urgency = min(1.0, max(0.0, urgency))  # in this order NaN becomes 0
        return InferenceRequest(
            client_id=client_id,
            model_id=message.model_id,
            identity=identity,
            received_at=now,
            urgency=urgency,
            steps_remaining=message.steps_remaining
            if message.HasField("steps_remaining")
            else None,
            latency_budget_ms=budget_ms,
            priority=priority,
            supersede=message.supersede,
            request_id=message.request_id,
            epoch=message.epoch,
            client_send_ns=message.client_send_ns,
            sent_at=_sent_at(message, now),
            accepts_frames=message.accepts_frames,
        )

    def admit(
        self,
        request: InferenceRequest,
        message: Any,
        frames: Sequence[Buffer],
        models: Iterable[str],
        client: Client,
    ) -> None:
        """Check a request of this client against configuration and limits, and decode its values.

        The client's open requests have this one counted in. RejectedError says what is wrong.
        """
        if not self._accept_unknown and request.client_id not in self._known:
            raise RejectedError(f"client {request.client_id!r} is not among the known clients")
        if request.received_at < client.takeovers.contested_until:
            raise RejectedError(f"another robot uses the client id {request.client_id!r}, too")
        limits = self._limits
        if client.open > limits.max_requests_per_client:
            raise RejectedError(
                f"{client.open} observations of this client wait,"
                f" limit {limits.max_requests_per_client}"
            )
        if client.open_bytes > limits.max_bytes_per_client:
            raise RejectedError(
                f"{client.open_bytes} bytes of this client wait,"
                f" limit {limits.max_bytes_per_client}"
            )
        if self._has_rates:
            self._charge(client, request)
        if request.model_id not in models:
            raise RejectedError(unknown_model(request.model_id, models))
        request.inputs = decode_values(message, frames, self._limits)

    def _charge(self, client: Client, request: InferenceRequest) -> None:
        if client.quota is None or client.quota.limits != self._rates:
            client.quota = Quota(*self._rates)
        exceeded = client.quota.exceeded(request.size, request.received_at)
        if exceeded:
            raise RejectedError(f"a client may send {exceeded}")

    def schedule(self, request: InferenceRequest, message: Any, cadence: Cadence) -> None:
        """Say when the answer has to leave the server.

        Where the robot tells when its actions run out (steps_remaining x control period), that
        moment counts, and its latency budget where it is stated and earlier. Where it does not:
        the budget, or the one that is configured, and the next observation its cadence makes
        expect, which makes this one stale; the earlier of both. All are counted from when it
        was sent, where that is known, and the way back is taken to last as long as the way here.
        """
        now = request.received_at
        away = 0.0 if math.isnan(request.sent_at) else now - request.sent_at  # s, one way
        budget = now + request.latency_budget_ms / 1000.0
        next_observation = cadence.expected()
        if now < next_observation < math.inf:
            request.time_until_next = next_observation - now
        request.control_period_s = _positive(message.control_period_ms) / 1000.0
        if request.steps_remaining is not None and request.control_period_s > 0.0:
            due = now + request.steps_remaining * request.control_period_s
            if self._states_budget(request, message):
                due = min(due, budget)
        else:
            due = min(budget, now + request.time_until_next)
        request.deadline = due - 2 * away

    def _states_budget(self, request: InferenceRequest, message: Any) -> bool:
        """Whether somebody wants this latency budget, rather than having it by default."""
        if _positive(message.latency_budget_ms):
            return True
        entry = self._entry(request.client_id, request.model_id)
        return entry is not None and entry.latency_budget_ms is not None

    def _entry(self, client_id: str, model_id: str) -> ClientEntry | None:
        for entry in self._known.get(client_id, ()):
            if entry.model in (None, model_id):
                return entry
        return None


def _positive(value: float) -> float:
    """The value, or 0 where it is absent or nonsense such as NaN."""
    return value if 0 < value < math.inf else 0.0


def _sent_at(message: Any, now: float) -> float:
    """When the client sent it, on our clock; NaN where it does not know the offset."""
    if not message.clock_offset_known:
        return math.nan
    sent_at: float = (message.client_send_ns + message.clock_offset_ns) / 1e9
    return min(now, sent_at)


def unknown_model(model_id: str, models: Iterable[str]) -> str:
    known = ", ".join(sorted(models))
    if not known:
        return f"model {model_id!r} is unknown: this server serves no models"
    close = difflib.get_close_matches(model_id, models, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"model {model_id!r} is unknown: {hint}known: {known}"
