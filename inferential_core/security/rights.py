"""The rights of an identity, and authorized.yaml, which holds them.

    robot_1:                      # the name of the identity
      key: "..."                  # its public key, 40 characters
      token_sha256: "..."         # SHA-256 of its token, for doors; one of the two is needed
      clients: [robot_1]          # client ids it may use, * and ? as in file names
      models: ["*"]               # models it may ask
      priority: 1                 # the most important tier it may claim; 0 is above all
      rate_hz: 60                 # observations a second; unset: no limit
      bytes_per_s: 2.0e+8         # unset: no limit
      changes: []                 # models it may load, replace and unload; unset: none
      revoked: false

`inferential keys` writes it; it may be edited by hand as well.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from glob import escape
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ..config.section import Section
from ..config.yaml_source import SourceError, parse_yaml, read_text
from ..errors import ConfigError
from .keyfiles import check_mode, is_key

TOKEN = "sha256:"  # begins what a token is found by; no public key begins so
Pattern = Annotated[str, Field(min_length=1)]  # * and ? as in file names
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Identity(Section):
    """One entry of authorized.yaml, with what it grants."""

    key: str = ""
    token_sha256: str = ""
    clients: tuple[Pattern, ...] = ()
    models: tuple[Pattern, ...] = ("*",)
    priority: int = Field(default=1, ge=0)
    rate_hz: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    bytes_per_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    changes: tuple[Pattern, ...] = ()
    revoked: bool = False
    name: str = Field(default="", exclude=True)  # that of the entry

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """Client ids; unless it says otherwise the name itself and what is below it."""
        name = escape(self.name)  # arm[1] is a name, and does not speak for arm1
        return self.clients or (name, f"{name}/*")

    @property
    def found_by(self) -> str:
        """What the rights know it by: its token where it has one, else its key."""
        return TOKEN + self.token_sha256 if self.token_sha256 else self.key

    def speaks_for(self, client_id: str) -> bool:
        """Whether it may use a client id."""
        return _matches(client_id, self.patterns)

    def may_ask(self, model_id: str) -> bool:
        """Whether it may ask a model."""
        return _matches(model_id, self.models)

    def may_change(self, model_id: str) -> bool:
        """Whether it may load, replace and unload a model of this id."""
        return _matches(model_id, self.changes)


def digest_of(token: str) -> str:
    """What is kept of a token: its SHA-256, as hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


class Rights(dict[str, Identity]):
    """Everybody by public key, or by what finds a token where there is no key.

    by_token: those that have a token, by what finds it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_token: dict[str, Identity] = {}


def read_rights(path: Path) -> Rights:
    """Everybody's rights; ConfigError names file, entry and what is wrong with it."""
    check_mode(path, stat.S_IWGRP | stat.S_IWOTH, "other users can write to it", "chmod go-w")
    found = Rights()
    text = read_text(path)
    if not text.strip():  # whoever writes it empties it first, and a full disk leaves it so
        raise ConfigError(f"{path}: empty; write {{}} if nobody shall be let in")
    for name, entry in read_entries(text, path).items():
        identity = as_identity(name, entry, path)
        known_by = identity.key or identity.found_by
        if known_by in found:
            raise ConfigError(f"{path}: {found[known_by].name} and {name} have the same key")
        found[known_by] = identity
        if identity.token_sha256:
            other = found.by_token.setdefault(identity.found_by, identity)
            if other is not identity:
                raise ConfigError(f"{path}: {other.name} and {name} have the same token")
    return found


def as_identity(name: str, entry: dict[str, Any], path: Path) -> Identity:
    """One entry, checked."""
    try:
        identity = Identity.model_validate({**entry, "name": name})
    except ValidationError as error:
        raise ConfigError(f"{path}: {name}: {'; '.join(_told(error))}") from None
    if identity.key and not is_key(identity.key):
        raise ConfigError(f"{path}: {name}: key: expected 40 characters of Z85")
    if identity.token_sha256 and not _DIGEST.fullmatch(identity.token_sha256):
        raise ConfigError(f"{path}: {name}: token_sha256: expected 64 digits, 0-9 and a-f")
    if not identity.key and not identity.token_sha256:
        raise ConfigError(f"{path}: {name}: key or token_sha256 is missing")
    return identity


def read_entries(text: str, path: Path) -> dict[str, dict[str, Any]]:
    """The entries by name, as they are written; a name that is there twice is an error."""
    try:
        source = parse_yaml(text)
    except SourceError as error:
        raise error.within(path) from None
    if source.data is None:
        return {}
    if not isinstance(source.data, dict):
        raise ConfigError(f"{path}: expected identities by name")
    for keys, line in source.twice:  # YAML would take the last one, and a revocation be lost
        raise ConfigError(f"{path}:{line}: {': '.join(map(str, keys))} is there twice")
    for name, entry in source.data.items():
        if not isinstance(entry, dict):
            raise ConfigError(f"{path}: {name}: expected key, clients, models, ...")
    return {str(name): entry for name, entry in source.data.items()}


def _told(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        where = "".join(f"{part}: " for part in item["loc"])
        yield where + item["msg"].removeprefix("Value error, ")


@lru_cache(maxsize=4096)  # asked for every observation
def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
