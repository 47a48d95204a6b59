"""Turns the frames of a message into a request that may wait, or ends it.

parse > authorize > limits > specification > place > health > deadline
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MalformedError, RejectedError, text_of
from ..log.throttled import ThrottledLog, about
from ..metrics.recorder import Recorder
from ..request import InferenceRequest
from ..scheduler.pending import Pending
from ..security.authorization import Authorization
from ..status import Status
from ..tracking.clients import Client, ClientRegistry
from ..tracking.models import ModelRecord
from ..tracking.quota import Quota
from ..wire.by_value import HandedIn
from ..wire.images import Buffer
from ..wire.messages import cut_names, decode_values, parse_observation
from .drain import Drain
from .operators import Operators
from .outcome import Outcomes
from .places import Places
from .sessions import Sessions

if TYPE_CHECKING:
    from ..config.schema import ClientEntry, InferentialConfig


_IN_LOCK_STEP = 3  # observations in a row that came right after an answer
_LONGEST_MS = 3.6e6  # that a robot's plan, or its patience, lasts
# Of who came by a door and states no budget: it stands still until it is answered.
_DRY_BUDGET_MS = 200.0


class Admission:
    """Takes in messages. clients and models are those of the pipeline, looked up each time."""

    def __init__(
        self,
        config: InferentialConfig,
        clients: ClientRegistry,
        models: Mapping[str, ModelRecord],
        outcomes: Outcomes,
        recorder: Recorder,
        throttled: ThrottledLog,
        authorization: Authorization,
    ) -> None:
        self._clients = clients
        self._models = models
        self._outcomes = outcomes
        self._recorder = recorder
        self._throttled = throttled
        self._authorization = authorization
        self.drain = Drain(outcomes, clients, models)
        self.operators = Operators(outcomes)
        self._sessions = Sessions(clients, models, self.drain, recorder, throttled)
        self.places = Places(clients.by_id)
        self.configure(config)

    def configure(self, config: InferentialConfig) -> None:
        """Go by other limits and known clients from now on."""
        # plain values: reading a pydantic field costs as much as ten of another object
        self._accept_unknown = config.clients.accept_unknown
        self._default_priority = config.clients.defaults.priority
        self._default_budget_ms = config.clients.defaults.latency_budget_ms
        self._limits = limits = config.limits.as_limits()
        self._rates = (limits.max_rate_hz_per_client, limits.max_bytes_per_s_per_client)
        self._has_rates = self._rates != (None, None)
        self.places.configure(config)
        self._known: dict[str, list[ClientEntry]] = {}
        for entry in config.clients.known:
            self._known.setdefault(str(entry.id), []).append(entry)

    def admit(
        self,
        identity: bytes,
        came: Sequence[Buffer] | HandedIn,
        key: str,
        pending: Pending,
        now: float,
        door: str = "",
    ) -> InferenceRequest | None:
        """The request a message makes; None if there is none, or if it has ended already.

        Never raises, whatever is in it. identity: of the connection it came on. came: its frames,
        or what a door hands in. key: the public key its sender proved to have. pending: what of
        that client waits, should another connection have taken its id over. door: the kind of the
        door by which it came in.
        """
        # parse
        limits = self._limits
        if by_value := isinstance(came, HandedIn):
            message, size, envelope_size = came.message, came.size, came.message.ByteSize()
        else:
            try:
                message = parse_observation(came, limits)
            except MalformedError as error:
                self._on_malformed(error, identity, now)
                return None
            size, envelope_size = sum(map(len, came)), len(came[1])
        if message.farewell or message.ping or message.control:
            self._on_no_observation(message, identity, key, now)
            return None
        # in a shorter envelope no name can be too long
        too_long = cut_names(message, limits) if envelope_size > limits.max_id_bytes else ""

        # authorize
        grant = self._authorization.grant(key, identity, message, size, now)
        if grant.refusal:
            refusal = too_long or grant.refusal
            self._turn_away(message, grant.name, identity, refusal, now, by_value)
            return None
        said = message.client
        client_id = said.id or f"anonymous-{identity.hex()}"
        client = self._clients.heard(client_id, identity, now)
        client.type, client.door, client.moves_on = said.type, door, message.moves_on
        if message.session != client.session and message.session:
            self._sessions.on_new(client, message.session, pending, now)
        if message.moves != client.moves:
            self._sessions.on_return(client, message.moves)
        entry = self._entry(client_id, message.model_id) if self._known else None
        request = self._request(message, client, now, size, entry, grant.priority, by_value)
        try:
            if rejection := too_long or grant.rejection or self.drain.refusal:
                raise RejectedError(rejection)
            self._check_limits(client, request)
            model = self._take_in(client, request, message, came)
        except Exception as error:
            self._reject(request, error, now)
            return None
        if message.describe_model and not model.starting:
            values = {"specification": json.dumps(model.specification)}
            self._outcomes.settle(request, Status.OK, values=values)
            return None

        # health
        if refusal := model.refusal(now):
            self._recorder.count("requests_refused", now, self._recorder.labels(request))
            self._outcomes.settle(request, Status.ERROR, refusal)
            return None

        # deadline
        self._set_deadline(client, request)
        request.payload_bytes = size - envelope_size
        if not request.request_id:
            self._outcomes.keep_in_order(request)
        return request

    def _on_malformed(self, error: MalformedError, identity: bytes, now: float) -> None:
        self._outcomes.ledger.malformed += 1
        self._recorder.count("observation_errors", now)
        what = f"a malformed message from {identity!r}: {error}"
        self._throttled.log(now, what, kind="malformed messages")

    def _on_no_observation(self, message: Any, identity: bytes, key: str, now: float) -> None:
        """A message that wants something else."""
        if message.farewell:
            self._sessions.on_farewell(message, identity)
        elif message.ping:
            self.drain.pong(message, identity, now)
        else:
            self.operators.on_request(message, identity, key)

    def _request(
        self,
        message: Any,
        client: Client,
        now: float,
        size: int,
        entry: ClientEntry | None,
        most_important: int,
        by_value: bool,
    ) -> InferenceRequest:
        """The request a message of `size` bytes makes, counted as received; without values and
        deadline.

        entry: what the operator configured, which wins over what the client claims.
        most_important: the tier this client may claim at most.
        """
        self._outcomes.ledger.received += 1
        client.open += 1
        client.open_bytes += size
        priority = self._default_priority
        if message.HasField("priority"):
            priority = max(message.priority, most_important)
        # Of what a client claims, NaN and other nonsense counts as not stated.
        budget_ms = message.latency_budget_ms
        if not (stated := 0.0 < budget_ms < math.inf):
            budget_ms = _DRY_BUDGET_MS if client.door else self._default_budget_ms
        if entry is not None:
            priority = priority if entry.priority is None else entry.priority
            budget_ms = entry.latency_budget_ms or budget_ms
            stated = stated or entry.latency_budget_ms is not None
        urgency = message.urgency
        if urgency != 0.0:
            urgency = min(1.0, max(0.0, urgency))  # in this order NaN becomes 0
        sent_at = math.nan  # on our clock
        if message.clock_offset_known:
            sent_at = min(now, (message.client_send_ns + message.clock_offset_ns) / 1e9)
        return InferenceRequest(
            client_id=client.id,
            model_id=message.model_id,
            identity=client.identity,
            received_at=now,
            urgency=urgency,
            steps_remaining=message.steps_remaining
            if message.HasField("steps_remaining")
            else None,
            latency_budget_ms=min(budget_ms, _LONGEST_MS),
            priority=priority,
            supersede=message.supersede,
            request_id=message.request_id,
            epoch=message.epoch,
            client_send_ns=message.client_send_ns,
            sent_at=sent_at,
            accepts_frames=message.accepts_frames,
            accepts_uint16=message.accepts_uint16,
            by_value=by_value,
            control_period_s=self._period_s(message, now) if message.control_period_ms else 0.0,
            size=size,
            budget_is_stated=stated,
        )

    def _period_s(self, message: Any, now: float) -> float:
        """How long a step of the robot lasts; 0 where it does not say so, or nothing plausible."""
        period_ms: float = message.control_period_ms
        if not 0.0 < period_ms < math.inf:
            return 0.0
        if period_ms * max(1, message.steps_remaining) > _LONGEST_MS:
            self._recorder.count("implausible_periods", now, {"client": message.client.id})
            what = f"{message.steps_remaining} steps of {period_ms:g} ms: over an hour, not used"
            self._throttled.log(now, f"client {message.client.id!r}: {what}", kind="periods")
            return 0.0
        return period_ms / 1000.0

    def _entry(self, client_id: str, model_id: str) -> ClientEntry | None:
        for entry in self._known.get(client_id, ()):
            if entry.model in (None, model_id):
                return entry
        return None

    def _check_limits(self, client: Client, request: InferenceRequest) -> None:
        """RejectedError if the client may not ask, or not so much; this request is counted in."""
        if not self._accept_unknown and client.id not in self._known:
            raise RejectedError(f"client {client.id!r} is not among the known clients")
        if request.received_at < client.takeovers.contested_until:
            raise RejectedError(f"another robot uses the client id {client.id!r}, too")
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
            if client.quota is None or client.quota.limits != self._rates:
                client.quota = Quota(*self._rates)
            exceeded = client.quota.exceeded(request.size, request.received_at)
            if exceeded:
                raise RejectedError(f"a client may send {exceeded}")

    def _take_in(
        self,
        client: Client,
        request: InferenceRequest,
        message: Any,
        came: Sequence[Buffer] | HandedIn,
    ) -> ModelRecord:
        """The model of a request, whose values are read, fit its specification and have a place
        with it; RejectedError where one of these is not so.
        """
        model = self._models.get(request.model_id)
        if model is None:
            raise RejectedError(unknown_model(request.model_id, self._models))
        if isinstance(came, HandedIn):
            inputs = came.values_within(self._limits)
        else:
            inputs = decode_values(message, came, self._limits)
        request.inputs = inputs
        if not message.describe_model:
            model.takes.check(inputs)
            if model.takes.resizes:
                model.takes.resize(inputs)
            if model.id not in client.places:
                self.places.admit(client, request, model, request.received_at)
        return model

    def _set_deadline(self, client: Client, request: InferenceRequest) -> None:
        """Compute the deadline of a request that is admitted, by what is known of its client."""
        model_id, now = request.model_id, request.received_at
        interval = self._clients.observed(client, model_id, now).interval
        # Who came by a door and tells no runway waits for each answer before it asks again, and so
        # does who keeps in lock-step with our answers. These make its cadence then, so it says
        # nothing of when they stop being useful.
        client.asks_when_dry = client.door != "" and request.steps_remaining is None
        waits = client.asks_when_dry or client.in_lock_step >= _IN_LOCK_STEP
        if interval > 0.0 and not waits:
            request.time_until_next = interval
        request.set_deadline()
        if client.epochs.get(model_id) != request.epoch:
            client.epochs[model_id] = request.epoch
            request.first_of_episode = True

    def _reject(self, request: InferenceRequest, error: Exception, now: float) -> None:
        if isinstance(error, RejectedError):
            self._throttled.log_outcome(now, request, Status.REJECTED, text_of(error))
        else:
            what = "an observation could not be read"
            self._throttled.log(now, what, error, fields=about(request))
        self._recorder.count("observation_errors", now, self._recorder.labels(request))
        self._outcomes.settle(request, Status.REJECTED, text_of(error))

    def _turn_away(
        self,
        message: Any,
        name: str,
        identity: bytes,
        refusal: str,
        now: float,
        by_value: bool,
    ) -> None:
        """End what a key does not let its holder say as the client that it claims to be.

        Counted apart, so that nobody else's figures, cadence and episodes are touched; and the
        client it claims to be hears nothing.
        """
        client = self._clients.heard(f"refused: {name}", identity, now)
        request = self._request(message, client, now, 0, None, 0, by_value)
        self._outcomes.settle(request, Status.REJECTED, refusal)


def unknown_model(model_id: str, models: Iterable[str]) -> str:
    """Why an observation for this model is rejected, and what it may have been meant for."""
    known = ", ".join(sorted(models))
    if not known:
        return f"model {model_id!r} is unknown: this server serves no models"
    close = difflib.get_close_matches(model_id, models, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"model {model_id!r} is unknown: {hint}there are {known}"
