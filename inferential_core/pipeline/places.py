"""Who has a place with which model, where the operator keeps answers in time (`admission`).

A robot gets its place with its first observation, and keeps it until it says goodbye. What it asks
for is counted until then, or until it has been silent for a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RejectedError
from ..request import InferenceRequest
from ..scheduler.batching import BatchScheduler
from ..tracking.clients import Client
from ..tracking.models import ModelRecord

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig

_REMEMBERED_S = 0.2  # a refusal, as finding it out takes a look at every robot


class Known(NamedTuple):
    """A client whose place is kept for it."""

    name: str
    model: str | None  # None: all of them
    tier: int


class Refusal(NamedTuple):
    """Why a model has no place for robots of a tier, nor for those of less important ones."""

    tier: int
    until: float
    why: str


class Places:
    """The places of all models. clients: everybody, by id.

    `configure` comes before all else, and `scheduler` has to be set to whoever knows what the
    robots ask for that have a place.
    """

    scheduler: BatchScheduler

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients
        self._refusals: dict[str, Refusal] = {}  # the newest one, by model

    def configure(self, config: InferentialConfig) -> None:
        """Go by another share to keep, and by other known clients, from now on."""
        self._refusals.clear()
        self.keep = config.admission.keep
        usual = config.clients.defaults.priority
        self._known = [
            Known(str(each.id), each.model, usual if each.priority is None else each.priority)
            for each in config.clients.known
        ]

    def admit(
        self, client: Client, request: InferenceRequest, model: ModelRecord, now: float
    ) -> None:
        """Give a client its place with this model; RejectedError if there is none.

        Known clients always have one. A robot takes nothing from those of more important tiers,
        and those of less important ones give way to it.
        """
        if self.keep is not None:
            self._check(self.keep, client, model, request.priority, now)
        client.places.add(model.id)

    def _check(
        self, keep: float, client: Client, model: ModelRecord, tier: int, now: float
    ) -> None:
        known = [each for each in self._known if each.model in (None, model.id)]
        if any(each.name == client.id for each in known):
            return
        refusal = self._refusals.get(model.id)
        if refusal is not None and now < refusal.until and refusal.tier <= tier:
            raise RejectedError(refusal.why)
        absent = {each.name: each.tier for each in known if self._is_absent(each.name, model)}
        more = 1 + sum(each <= tier for each in absent.values())
        self.scheduler.holders = {
            name
            for name, each in self._clients.items()
            if model.id in each.places and name not in absent
        }
        share = self.scheduler.share_in_time(model.id, more, tier, now, model.latency)
        if share < keep:  # False for NaN, as nothing is known yet
            told = (
                f"{100 * share:.1f} % of the answers would be in time,"
                f" and admission.keep is {100 * keep:g} %"
                if share
                else "how many it can carry is being found out with those that it has"
            )
            why = f"model {model.id!r} has no place for one more robot: {told}"
            self._refusals[model.id] = Refusal(tier, now + _REMEMBERED_S, why)
            raise RejectedError(why)

    def _is_absent(self, name: str, model: ModelRecord) -> bool:
        client = self._clients.get(name)
        return client is None or not client.connected or model.id not in client.places
