"""Which observations are served: those that the key they came with grants.

Looks the key up for every observation, so what is revoked or changed holds for connections that
exist already. Called by whoever has the server's lock.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import RejectedError
from ..request import InferenceRequest
from ..tracking.quota import Quota
from .keyring import Keyring
from .refusals import OBSERVATION, Refusals
from .rights import Identity


class Grant(NamedTuple):
    """What a key lets its holder say as the client that it claims to be."""

    name: str = ""  # whose key it is, for people
    refusal: str = ""  # why it may not speak as that client; empty: it may
    priority: int = 0  # the most important tier that it may claim


_EVERYTHING = Grant()


class Authorization:
    """Grants everything to everybody: for servers without keys."""

    def grant(self, key: str, client_id: str, routing_id: bytes) -> Grant:
        """Whether the holder of `key` may speak as this client, and how important it may be."""
        return _EVERYTHING

    def admit(self, key: str, request: InferenceRequest) -> None:
        """RejectedError if the key does not grant this request."""


class KeyAuthorization(Authorization):
    """Grants what the rights in `keyring` say."""

    def __init__(self, keyring: Keyring, refusals: Refusals) -> None:
        self._keyring = keyring
        self._refusals = refusals
        self._quotas: dict[str, Quota] = {}  # by key

    def grant(self, key: str, client_id: str, routing_id: bytes) -> Grant:
        identity = self._keyring.find(key)
        if identity is None:
            why = self._refuse("unknown key", "this key is not authorized any more")
            return Grant(f"key {key[:8]}", why)
        why = ""
        if identity.revoked:
            why = self._refuse("revoked key", f"the key of {identity.name!r} is revoked")
        elif not client_id or not identity.speaks_for(client_id):
            speaks_for = ", ".join(identity.patterns)
            told = f"the key of {identity.name!r} speaks for {speaks_for}, not for {client_id!r}"
            why = self._refuse("client id not granted", told)
        elif routing_id == client_id.encode():
            told = "with keys, the ZeroMQ identity must not be the client id: others may guess it"
            why = self._refuse("routing id can be guessed", told)
        return Grant(identity.name, why, identity.priority)

    def admit(self, key: str, request: InferenceRequest) -> None:
        identity = self._keyring.find(key)
        if identity is None:  # the rights were read again since it was granted
            raise RejectedError("this key is not authorized any more")
        if not identity.may_ask(request.model_id):
            models = ", ".join(identity.models)
            told = f"the key of {identity.name!r} may ask {models}, not {request.model_id!r}"
            raise RejectedError(self._refuse("model not granted", told))
        if identity.rate_hz is not None or identity.bytes_per_s is not None:
            exceeded = self._quota(identity).exceeded(request.size, request.received_at)
            if exceeded:
                told = f"the key of {identity.name!r} may send {exceeded}"
                raise RejectedError(self._refuse("quota", told))

    def _quota(self, identity: Identity) -> Quota:
        quota = self._quotas.get(identity.key)
        limits = (identity.rate_hz, identity.bytes_per_s)
        if quota is None or quota.limits != limits:
            for key in self._quotas.keys() - self._keyring.rights.keys():
                del self._quotas[key]
            quota = self._quotas[identity.key] = Quota(*limits)
        return quota

    def _refuse(self, reason: str, told: str) -> str:
        self._refusals.add(OBSERVATION, reason, told)
        return told
