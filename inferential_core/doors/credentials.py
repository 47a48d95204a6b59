"""Who a client of a door is: its token, looked up among the rights of authorized.yaml.

A token is kept as its SHA-256 only (`token_sha256`), so that whoever reads the file learns none.
It is looked up by that digest, which takes the same time whatever a stranger guesses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from ..errors import ConfigError, RejectedError
from ..security.keyring import Keyring
from ..security.refusals import HANDSHAKE, Refusals
from ..security.rights import TOKEN, Identity, digest_of

_FIRST_S, _MOST_S = 0.5, 8.0  # a failed credential waits so long, and longer each time
_DOUBLED = 10  # times at most, which is more than the longest wait
_FORGOTTEN_S = 60.0
_MOST_PEERS = 10_000


class Pass(NamedTuple):
    """What a credential grants."""

    key: str = ""  # under which `Authorization` finds the rights; empty where there are no keys
    client_id: str = ""  # the only client id it speaks for, if it is one


class Credentials:
    """Of one door. keyring: None where the server has no keys, so that nobody needs a token.

    identity: whose rights clients without a token have; ConfigError if there is nobody of that
    name.
    """

    def __init__(
        self,
        keyring: Keyring | None,
        refusals: Refusals,
        now: Callable[[], float],
        identity: str = "",
    ) -> None:
        self._keyring = keyring
        self._refusals = refusals
        self._now = now
        self._identity = identity
        self._failed: dict[str, tuple[int, float]] = {}  # peer -> failures in a row, the last
        self._lock = threading.Lock()
        if keyring is not None:
            check_identity(keyring, identity)

    def admit(self, token: str, peer: str) -> Pass:
        """What a client with this token may do; RejectedError says why it may nothing."""
        if self._keyring is None:
            return Pass()
        if not token and self._identity:
            found = _named(self._keyring, self._identity)
            why = "no such identity"
        elif not token:
            found, why = None, "no token"
        else:
            found = self._keyring.find(TOKEN + digest_of(token))
            why = "unknown token"
        if found is not None and found.revoked:
            found, why = None, "revoked token"
        if found is None:
            self._note_failure(peer)
            self._refusals.add(HANDSHAKE, why, peer)
            raise RejectedError(f"{why}: this server serves clients with a token of its own")
        with self._lock:
            self._failed.pop(peer, None)
        names = [each for each in found.patterns if not set(each) & set("*?[")]
        return Pass(found.found_by, names[0] if names else "")

    def delay(self, peer: str) -> float:
        """Seconds before a client at this address, which failed, may hear that it did."""
        with self._lock:
            failures, _ = self._failed.get(peer, (0, 0.0))
        return min(_MOST_S, _FIRST_S * 2.0 ** min(failures - 1, _DOUBLED)) if failures else 0.0

    def _note_failure(self, peer: str) -> None:
        now = self._now()
        with self._lock:
            failures, at = self._failed.pop(peer, (0, now))
            if now - at > _FORGOTTEN_S:
                failures = 0
            if len(self._failed) >= _MOST_PEERS:
                self._failed.clear()
            self._failed[peer] = (failures + 1, now)


def check_identity(keyring: Keyring, identity: str) -> None:
    """ConfigError where a door names an identity, and there is none of that name."""
    if identity and _named(keyring, identity) is None:
        raise ConfigError(f"doors.identity {identity!r}: nobody is called that in {keyring.path}")


def _named(keyring: Keyring, name: str) -> Identity | None:
    rights = keyring.rights.values()
    return next((identity for identity in rights if identity.name == name), None)
