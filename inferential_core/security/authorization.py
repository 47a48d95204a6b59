"""Decides which observations are served: those that the key of their connection grants.

Looks the key up for every observation, so what is revoked or changed holds for connections that
exist already. Called by whoever has the server's lock.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..tracking.quota import Quota
from .keyring import Keyring
from .refusals import OBSERVATION, Refusals
from .rights import Identity


class Grant(NamedTuple):
    """What a key lets its holder say."""

    name: str = ""  # whose key it is, for people
    refusal: str = ""  # why it may not speak as the client it claims to be; empty: it may
    rejection: str = ""  # why this client's observation is not served; empty: it may be
    priority: int = 0  # the most important tier that it may claim


_EVERYTHING = Grant()


class Authorization:
    """Grants everything to everybody: for servers without keys."""

    def grant(self, key: str, routing_id: bytes, said: Any, size: int, now: float) -> Grant:
        """What the holder of `key` may say; asked once of each observation.

        routing_id: of the connection it came on. said: the message, as parsed. size: in bytes.
        """
        return _EVERYTHING

    def why_no_change(self, key: str, model_id: str) -> str:
        """Why the holder of `key` may not load, replace or unload this model; empty: it may.

        Nobody may over the network, where there are no keys.
        """
        return "models are changed over the network by a key's right only: this server has no keys"


class KeyAuthorization(Authorization):
    """Grants what the rights in `keyring` say."""

    def __init__(self, keyring: Keyring, refusals: Refusals) -> None:
        self._keyring = keyring
        self._refusals = refusals
        self._quotas: dict[str, Quota] = {}  # by name

    def grant(self, key: str, routing_id: bytes, said: Any, size: int, now: float) -> Grant:
        identity = self._keyring.find(key)
        if identity is None:
            told = "this key is not authorized any more"
            return Grant(f"key {key[:8]}", self._refuse("unknown key", told))
        refusal = self._refusal(identity, said.client.id, routing_id)
        rejection = "" if refusal else self._rejection(identity, said.model_id, size, now)
        return Grant(identity.name, refusal, rejection, identity.priority)

    def why_no_change(self, key: str, model_id: str) -> str:
        identity = self._keyring.find(key)
        if identity is None or identity.revoked:
            told = "this key is not authorized any more"
            return self._refuse("revoked key" if identity else "unknown key", told)
        if identity.may_change(model_id):
            return ""
        name = identity.name
        wanted = " ".join(f"--change '{each}'" for each in (*identity.changes, model_id))
        told = (
            f"the key of {name!r} may not change the model {model_id!r};"
            f" inferential keys authorize {name} {wanted}, on the server, lets it"
        )
        return self._refuse("model change not granted", told)

    def _refusal(self, identity: Identity, client_id: str, routing_id: bytes) -> str:
        name = identity.name
        if identity.revoked:
            return self._refuse("revoked key", f"the key of {name!r} is revoked")
        if not client_id or not identity.speaks_for(client_id):
            speaks_for = ", ".join(identity.patterns)
            told = f"the key of {name!r} speaks for {speaks_for}, not for {client_id!r}"
            return self._refuse("client id not granted", told)
        if routing_id == client_id.encode():
            told = "with keys, the ZeroMQ identity must not be the client id: others may guess it"
            return self._refuse("routing id can be guessed", told)
        return ""

    def _rejection(self, identity: Identity, model_id: str, size: int, now: float) -> str:
        name = identity.name
        if not identity.may_ask(model_id):
            models = ", ".join(identity.models)
            told = f"the key of {name!r} may ask {models}, not {model_id!r}"
            return self._refuse("model not granted", told)
        if identity.rate_hz is not None or identity.bytes_per_s is not None:
            exceeded = self._quota(identity).exceeded(size, now)
            if exceeded:
                return self._refuse("quota", f"the key of {name!r} may send {exceeded}")
        return ""

    def _quota(self, identity: Identity) -> Quota:
        quota = self._quotas.get(identity.name)
        limits = (identity.rate_hz, identity.bytes_per_s)
        if quota is None or quota.limits != limits:
            names = {each.name for each in self._keyring.rights.values()}
            for gone in self._quotas.keys() - names:
                del self._quotas[gone]
            quota = self._quotas[identity.name] = Quota(*limits)
        return quota

    def _refuse(self, reason: str, told: str) -> str:
        self._refusals.add(OBSERVATION, reason, told)
        return told
