"""Work of once a second: finds who came and who left, and records how the models do."""

from __future__ import annotations

import errno
import logging
import math
import os
from collections.abc import Mapping

from ..decoding.ahead import NoDecoding
from ..dispatch.base import Dispatcher
from ..errors import touchable
from ..log.throttled import Fields, ThrottledLog
from ..metrics.recorder import Recorder
from ..scheduler.batching import BatchScheduler
from ..tracking.clients import Changes, ClientRegistry
from ..tracking.models import ModelRecord

_log = logging.getLogger(__name__)

_PERIOD_S = 1.0
_AT_REST = 0.005  # utilization up to which a model that nobody asks has come to rest
_NAMED = 10  # clients in one line of the log


class Housekeeping:
    """Sweeps the clients and looks after the models, once a second while there is something to do.

    next_at: monotonic time of the next run; inf while it is idle, since nobody is there and the
    models have come to rest.
    """

    def __init__(
        self,
        clients: ClientRegistry,
        models: Mapping[str, ModelRecord],
        dispatcher: Dispatcher,
        decoding: NoDecoding,
        recorder: Recorder,
        throttled: ThrottledLog,
    ) -> None:
        self.idle = True
        self.next_at = math.inf
        self._clients = clients
        self._models = models
        self._dispatcher = dispatcher
        self._decoding = decoding
        self._images_decoded = 0  # of which is recorded
        self._recorder = recorder
        self._throttled = throttled

    def schedule(self, now: float) -> None:
        """Somebody is there: run a second from now, and from then on while anybody is."""
        self.idle = False
        self.next_at = now + _PERIOD_S

    def run(self, scheduler: BatchScheduler, now: float) -> None:
        """Run, if it is time."""
        if now < self.next_at:
            return
        changes = self._clients.sweep(now)
        self._recorder.record_clients(self._clients, changes, now)
        _log_clients(changes)
        self._record_images(now)
        self._look_for_descriptors(now)
        self._throttled.flush(now)
        for model in self._models.values():
            model.update_utilization(now)
            headroom = scheduler.headroom(model.id, now, model.latency)
            most = model.most_in_one_call(scheduler.max_batch_size)
            self._recorder.record_model(model, headroom, most, now)
            self._forget_clients(model, now)
        self.idle = not (self._clients.active() or any(map(_stirs, self._models.values())))
        self.next_at = math.inf if self.idle else now + _PERIOD_S

    def _record_images(self, now: float) -> None:
        decoded = self._decoding.decoded
        if decoded:
            count = decoded - self._images_decoded
            self._images_decoded = decoded
            self._recorder.count("images_decoded", now, value=count)
            self._recorder.count("decoded_image_bytes", now, value=self._decoding.used)

    def _look_for_descriptors(self, now: float) -> None:
        """Tell if no robot can connect any more: ZeroMQ itself only turns them away."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                return
            self._recorder.count("descriptors_exhausted", now)
            self._throttled.log(
                now,
                f"no new robot can connect: {error.strerror}; raise the limit of open files"
                " (ulimit -n, LimitNOFILE= of systemd)",
                level=logging.ERROR,
            )

    def _forget_clients(self, model: ModelRecord, now: float) -> None:
        """Have a stateful model forget the clients that left."""
        for client_id in model.placement.clients():
            client = self._clients.by_id.get(client_id)
            if client is None or not (client.connected or client.open):
                lane = model.placement.forget(client_id)
                if lane is None:
                    continue
                try:
                    self._dispatcher.forget(model.id, client_id, lane)
                except BaseException as error:  # of the user's; what is left harms nobody else
                    told = f"the dispatcher cannot have model {model.id!r} forget a client"
                    self._throttled.log(now, told, touchable(error))


def _stirs(model: ModelRecord) -> bool:
    """Whether something of a model changes although no client is there."""
    return (
        model.in_flight > 0
        or bool(model.placement.clients())
        or model.utilization > _AT_REST  # NaN before its first call
    )


def _log_clients(changes: Changes) -> None:
    """Log a line for those that came and one for those that went, however many there are."""
    silent = [client for client in changes.gone if not client.left]
    left = [client for client in changes.gone if client.left]
    told = (
        (changes.came, "new clients"),
        (silent, "clients that fell silent are gone"),
        (left, "clients that said goodbye are gone"),
    )
    for clients, what in told:
        if clients:
            names = ", ".join(repr(client.id) for client in clients[:_NAMED])
            more = ", ..." if len(clients) > _NAMED else ""
            fields: Fields = {"count": len(clients)}
            if len(clients) == 1:
                fields = {"client": clients[0].id, "type": clients[0].type}
            _log.info("%s: %s%s", what, names, more, extra={"fields": fields})
