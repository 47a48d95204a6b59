"""The folder with the server's key pair and everybody's rights.

    keys/server.key_secret    stays here
    keys/server.key           for every robot
    keys/authorized.yaml      who may do what; read again when it changes

What cannot be read changes nothing: the rights that were read last go on to hold.
"""

from __future__ import annotations

import contextlib
import logging
import stat
import threading
from pathlib import Path

from ..config.file_watch import settled, state_of
from ..errors import ConfigError
from .keyfiles import SECRET, SERVER, check_mode, read_secret
from .rights import Identity, Rights, read_rights

AUTHORIZED = "authorized.yaml"
_log = logging.getLogger(__name__)


class Keyring:
    """Read at start; ConfigError names the file and the fix."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder).expanduser()
        check_mode(
            folder, stat.S_IWGRP | stat.S_IWOTH, "other users can write to it", "chmod go-w"
        )
        secret = folder / (SERVER + SECRET)
        if not secret.exists():
            fix = f"inferential keys new {SERVER} --keys {folder}"
            raise ConfigError(f"{secret.absolute()} is not there; make it: {fix}")
        self.server = read_secret(secret)
        self.path = folder / AUTHORIZED
        self.rights = Rights()  # replaced as a whole: whoever looks sees one state of it
        self.problem = ""  # why the file's newest state does not hold
        self._lock = threading.Lock()
        self._seen = state_of(self.path)
        if self._seen is not None:
            self.rights = read_rights(self.path)

    def find(self, key: str) -> Identity | None:
        """Whose public key this is, or whose token (`found_by`)."""
        return self.rights.get(key) or self.rights.by_token.get(key)

    def reload(self) -> None:
        """Read the rights again, now; ConfigError if they cannot be, and then nothing changes."""
        with self._lock:
            self._seen = state_of(self.path)
            try:
                rights = read_rights(self.path)
            except ConfigError as error:
                self.problem = str(error)
                _log.error("the rights have a mistake, and stay as they were: %s", error)
                raise
            self.problem = ""
            if rights != self.rights:
                _log.info("the server read the rights again: %d identities", len(rights))
            self.rights = rights

    def reload_if_changed(self) -> None:
        """Read the rights again if the file changed, once it has settled; log what is wrong."""
        if state_of(self.path) != self._seen and settled(self.path) != self._seen:
            with contextlib.suppress(ConfigError):  # logged, and in the status
                self.reload()
