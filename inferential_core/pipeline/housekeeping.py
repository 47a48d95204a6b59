"""What is done once a second: who came and who left, and how the models do."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from ..dispatch.base import Dispatcher
from ..log.throttled import Fields, ThrottledLog
from ..metrics.recorder import Recorder
from ..scheduler.batching import BatchScheduler
from ..tracking.clients import Changes, ClientRegistry
from ..tracking.models import ModelRecord

_log = logging.getLogger(__name__)

_PERIOD_S = 1.0
_NAMED = 10  # clients in one line of the log


class Housekeeping:
    """next_at: monotonic time of the next one; inf while nobody is there."""

    def __init__(
        self,
        clients: ClientRegistry,
        models: Mapping[str, ModelRecord],
        dispatcher: Dispatcher,
        measuring: Recorder,
        throttled: ThrottledLog,
    ) -> None:
        self.next_at = math.inf
        self._clients = clients
        self._models = models
        self._dispatcher = dispatcher
        self._measuring = measuring
        self._throttled = throttled

    def expect(self, now: float) -> None:
        """Somebody is there."""
        if self.next_at == math.inf:
            self.next_at = now + _PERIOD_S

    def run(self, scheduler: BatchScheduler, now: float) -> None:
        """Do it, if it is time."""
        if now < self.next_at:
            return
        changes = self._clients.sweep(now)
        self._measuring.look_at_clients(self._clients, changes, now)
        _tell_of_clients(changes)
        self._throttled.flush(now)
        for model in self._models.values():
            model.look(now)
            headroom = scheduler.headroom(model.id, now, model.latency)
            most = model.most_in_one_call(scheduler.max_batch_size)
            self._measuring.look_at_model(model, headroom, most, now)
            self._forget_clients(model)
        self.next_at = now + _PERIOD_S if self._clients.active() else math.inf

    def _forget_clients(self, model: ModelRecord) -> None:
        """Of a stateful model: those that left have no place any more."""
        if model.placement is None:
            return
        for client_id in model.placement.clients():
            client = self._clients.by_id.get(client_id)
            if client is None or not (client.connected or client.open):
                lane = model.placement.forget(client_id)
                if lane is not None:
                    self._dispatcher.forget(model.id, client_id, lane)


def _tell_of_clients(changes: Changes) -> None:
    """A line for those that came and one for those that went, however many there are."""
    for clients, what in ((changes.came, "here now"), (changes.gone, "silent, so gone")):
        if clients:
            names = ", ".join(repr(client.id) for client in clients[:_NAMED])
            more = ", ..." if len(clients) > _NAMED else ""
            fields: Fields = {"count": len(clients)}
            if len(clients) == 1:
                fields = {"client": clients[0].id, "type": clients[0].type}
            _log.info("%s: %s%s", what, names, more, extra={"fields": fields})
