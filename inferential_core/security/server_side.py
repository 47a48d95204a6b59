"""The security of one running server: what it demands of peers, and whom it refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..transport.zmq_router import OpenGate
from .authorization import Authorization, KeyAuthorization
from .exposure import is_local
from .gate import Gate, KeyGate
from .keyring import Keyring
from .refusals import Record, Refusals

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig

_log = logging.getLogger(__name__)

# mode: who is served
KEYS, THIS_MACHINE, ANYBODY = "keys", "this machine", "anybody"


class ServerSecurity:
    """mode: who is served: "keys", "this machine" or "anybody"."""

    def __init__(self, config: InferentialConfig, clock: Clock, record: Record | None) -> None:
        bind, allow_insecure = config.transport.bind, config.security.allow_insecure
        self.refusals = Refusals(clock, record)
        self.keyring = Keyring(keys) if (keys := config.security.keys) else None
        self.authorization = Authorization()
        # what decides on the peers of a socket: a new one for each
        self.gate: Callable[[], OpenGate] = OpenGate
        if self.keyring is not None:
            self.mode = KEYS
            self.gate = partial(KeyGate, self.keyring, self.refusals)
            self.authorization = KeyAuthorization(self.keyring, self.refusals)
            if not self.keyring.path.exists():
                _log.warning(
                    "no client is authorized yet in %s: inferential keys authorize NAME lets one"
                    " in",
                    self.keyring.path.parent,
                )
        elif is_local(bind):
            self.mode = THIS_MACHINE
        elif allow_insecure:
            self.mode = ANYBODY
            _log.warning(
                "%s is open: allow_insecure is set, so anybody who reaches this port can ask the"
                " models and speak as any robot, and can read and change what others send. Keys"
                " end that: docs/security.md",
                bind,
            )
        else:
            self.mode = THIS_MACHINE
            self.gate = partial(Gate, self.refusals)
            _log.warning(
                "%s can be reached from other machines, but they are refused, as there are no"
                " keys: only this machine is served. Set security.keys (inferential keys new), or"
                " security.allow_insecure to serve anybody: docs/security.md",
                bind,
            )

    def report(self) -> dict[str, Any]:
        """For the status."""
        rights = {} if self.keyring is None else self.keyring.rights
        return {
            "mode": self.mode,
            "identities": sum(not identity.revoked for identity in rights.values()),
            "revoked": sum(identity.revoked for identity in rights.values()),
            "problem": "" if self.keyring is None else self.keyring.problem,
            **self.refusals.report(),
        }
