"""What arrives: from the frames of a message to a request that may wait, or to its end.

parse -> guard (keys) -> client -> intake (limits, values, deadline) -> request
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MalformedError, RejectedError
from ..log.throttled import ThrottledLog, about
from ..metrics.recorder import Recorder
from ..request import InferenceRequest
from ..scheduler.pending import Pending
from ..status import Status
from ..tracking.clients import Client, ClientRegistry
from ..tracking.models import ModelRecord
from ..wire.images import Buffer
from .admission import Intake
from .outcome import Outcomes

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig
    from ..security.guard import Authorization


class Arrivals:
    """Takes in messages. clients, models: those of the pipeline, looked at each time."""

    def __init__(
        self,
        config: InferentialConfig,
        clients: ClientRegistry,
        models: Mapping[str, ModelRecord],
        outcomes: Outcomes,
        measuring: Recorder,
        throttled: ThrottledLog,
        guard: Authorization | None,
    ) -> None:
        self._intake = Intake(config)
        self._clients = clients
        self._models = models
        self._outcomes = outcomes
        self._measuring = measuring
        self._throttled = throttled
        self._guard = guard

    def configure(self, config: InferentialConfig) -> None:
        """Other limits and known clients, from now on."""
        self._intake = Intake(config)

    def take(
        self, identity: bytes, frames: Sequence[Buffer], key: str, pending: Pending, now: float
    ) -> InferenceRequest | None:
        """The request a message makes; None if there is none, or if it has ended already.

        Never raises, whatever is in it. pending: what of that client waits, should another
        connection have taken its id over.
        """
        try:
            message = self._intake.parse(frames)
        except MalformedError as error:
            self._outcomes.ledger.malformed += 1
            self._measuring.count("observation_errors", now)
            told = f"a malformed message from {identity!r}: {error}"
            self._throttled.log(now, told, kind="malformed messages")
            return None
        too_long = self._intake.cut_names(message, frames)
        guard = self._guard
        if guard is not None:
            refusal = guard.refusal(key, message.client.id, identity)
            if refusal:
                self._turn_away(message, guard.name(key), identity, too_long or refusal, now)
                return None
        client_id = message.client.id or f"anonymous-{identity.hex()}"
        client = self._clients.heard(client_id, identity, now)
        client.type = message.client.type
        if message.session and message.session != client.session:
            self._on_new_session(client, message.session, pending, now)
        tier = 0 if guard is None else guard.most_important(key)
        request = self._intake.request(message, client_id, identity, now, tier)
        self._count(client)
        request.size = sum(map(len, frames))
        client.open_bytes += request.size
        try:
            if too_long:
                raise RejectedError(too_long)
            if guard is not None:
                guard.admit(key, request)
            self._intake.admit(request, message, frames, self._models, client)
            if not message.describe_model:
                self._models[request.model_id].check(request.inputs)
        except Exception as error:
            self._reject(request, error, now)
            return None
        model = self._models[request.model_id]
        if message.describe_model:
            told = json.dumps(model.specification)
            self._outcomes.settle(request, Status.OK, values={"specification": told})
            return None
        refusal = model.health.refusal(now)
        if refusal:
            self._measuring.count("requests_refused", now, self._measuring.labels(request))
            self._outcomes.settle(request, Status.ERROR, refusal)
            return None
        cadence = self._clients.observed(client, request.model_id, now)
        request.first_of_episode = client.epochs.get(request.model_id) != request.epoch
        client.epochs[request.model_id] = request.epoch
        self._intake.schedule(request, message, cadence)
        request.payload_bytes = request.size - len(frames[1])
        self._outcomes.begin(request)
        return request

    def _count(self, client: Client) -> None:
        self._outcomes.ledger.received += 1
        client.received += 1
        client.open += 1

    def _reject(self, request: InferenceRequest, error: Exception, now: float) -> None:
        if isinstance(error, RejectedError):
            self._throttled.log_outcome(now, request, Status.REJECTED, str(error))
        else:
            what = "an observation could not be read"
            self._throttled.log(now, what, error, fields=about(request))
        self._measuring.count("observation_errors", now, self._measuring.labels(request))
        self._outcomes.settle(request, Status.REJECTED, str(error))

    def _turn_away(
        self, message: Any, name: str, identity: bytes, refusal: str, now: float
    ) -> None:
        """Its key does not let it speak as the client it claims to be: that one hears nothing.

        Counted apart, so that nobody else's figures, cadence and episodes are touched.
        """
        request = self._intake.request(message, f"refused: {name}", identity, now)
        self._count(self._clients.heard(request.client_id, identity, now))
        self._outcomes.settle(request, Status.REJECTED, refusal)

    def _on_new_session(self, client: Client, session: int, pending: Pending, now: float) -> None:
        """Somebody else speaks under this id: a rebooted robot, or a second one that took it."""
        if client.session:
            client.takeovers.note(client.session, session, now)
            self._measuring.count("client_takeovers", now, {"client": client.id})
            self._throttled.log(
                now,
                f"client {client.id!r} was taken over by a new connection",
                kind="a client was taken over",
                fields={"client": client.id},
            )
            pending.remove_client(client.id, "another connection took this id over")
            client.epochs.clear()
            for model in self._models.values():
                if model.placement is not None:
                    model.placement.begin_anew(client.id)
        client.session = session
