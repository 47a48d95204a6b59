"""What a door is: implement it to let clients of another protocol in.

    class Lines(Door):
        kind = "lines"

        def open(self):
            ...bind self.settings.bind, start a thread, which for each client does
            visit = self.reception.enter(peer="10.0.0.7")
            visit.ask("policy", {"state": array}, self._answer)

A configuration names it as `kind: my_package.lines:Lines`.
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from typing import ClassVar

from ..config.doors import DoorConfig, split_address
from ..errors import ConfigError
from .reception import Reception


class Door(ABC):
    """One protocol on one port; made by the server for each entry of `doors`.

    settings: that entry. reception: takes what clients ask, see `Reception`.
    """

    kind: ClassVar[str]  # what the page calls it: "via openpi"
    takes_tokens: ClassVar[bool] = True  # whether its clients can send a credential
    encrypts: ClassVar[bool] = False  # whether it can serve with a certificate

    def __init__(self, settings: DoorConfig, reception: Reception) -> None:
        self.settings = settings
        self.reception = reception

    @property
    @abstractmethod
    def address(self) -> str:
        """Where its clients reach it, with the real port; asked after `open`."""

    @abstractmethod
    def open(self) -> None:
        """Listen, and serve on threads of the door's own; ConfigError where that cannot be.

        Keepalives of the protocol must be answered whatever a model does.
        """

    @abstractmethod
    def close(self) -> None:
        """Send what was answered, end every connection, and return when the thread has ended."""

    def cannot_listen(self, error: OSError) -> ConfigError:
        """Why its address could not be bound, with the way out."""
        host, port = split_address(self.settings.bind)
        where = f"door {self.kind!r}: {self.settings.bind}"
        if error.errno != errno.EADDRINUSE:
            return ConfigError(f"{where}: {os.strerror(error.errno or 0)}")
        ours = self.reception.own_places().items()
        who = next(
            (who for address, who in ours if address.rpartition(":")[2] == str(port)),
            "another program listens",
        )
        return ConfigError(
            f"{where} is taken: {who} there. Give the door another port (bind:"
            f" {host}:{port + 1}) and tell it to the client, which has an option for its port"
        )
