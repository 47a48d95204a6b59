"""Which observations are served: those that the key they came with grants.

Looks the key up for every observation, so what is revoked or changed holds for connections that
exist already. Called by whoever has the server's lock.
"""

from __future__ import annotations

from ..errors import RejectedError
from ..request import InferenceRequest
from ..tracking.quota import Quota
from .keyring import Keyring
from .refusals import OBSERVATION, Refusals
from .rights import Identity


class Authorization:
    """The rights in `keyring`, applied."""

    def __init__(self, keyring: Keyring, refusals: Refusals) -> None:
        self._keyring = keyring
        self._refusals = refusals
        self._quotas: dict[str, Quota] = {}  # by key

    def name(self, user: str) -> str:
        """Whose key it is, for people."""
        identity = self._keyring.find(user)
        return identity.name if identity is not None else f"key {user[:8]}"

    def refusal(self, user: str, client_id: str, routing_id: bytes) -> str:
        """Why the key `user` may not speak as this client, or ''."""
        identity = self._keyring.find(user)
        if identity is None:
            return self._refuse("unknown key", "this key is not authorized any more")
        if identity.revoked:
            return self._refuse("revoked key", f"the key of {identity.name!r} is revoked")
        if not client_id or not identity.speaks_for(client_id):
            speaks_for = ", ".join(identity.patterns)
            told = f"the key of {identity.name!r} speaks for {speaks_for}, not for {client_id!r}"
            return self._refuse("client id not granted", told)
        if routing_id == client_id.encode():
            told = "with keys, the ZeroMQ identity must not be the client id: others may guess it"
            return self._refuse("routing id can be guessed", told)
        return ""

    def most_important(self, user: str) -> int:
        """The tier that the key may claim at most."""
        identity = self._keyring.find(user)
        return 0 if identity is None else identity.priority

    def admit(self, user: str, request: InferenceRequest) -> None:
        """RejectedError if the key does not grant this request."""
        identity = self._keyring.find(user)
        if identity is None:  # revoked between two looks
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
