"""Changes one entry of authorized.yaml for the command line, and nothing else in the file."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ..config.yaml_source import parse_yaml, read_text
from ..errors import ConfigError
from ..suggestion import nearest
from .keyfiles import SERVER
from .keyring import AUTHORIZED
from .rights import Identity, as_identity, digest_of, read_entries, read_rights

_HEAD = "# Who may ask this server; made by `inferential keys`, read again when it changes.\n"


def authorize(
    folder: Path, name: str, public_key: str | None, rights: Mapping[str, Any]
) -> Identity:
    """Let a key in, or change its rights; what is not among `rights` stays as it is.

    public_key: None for the key or the token that the identity has.
    """
    if name == SERVER:
        raise ConfigError(f"{SERVER!r} is the server's own pair: it needs no rights")
    path = folder / AUTHORIZED
    with _alone(folder):
        return _authorize(path, name, public_key, rights)


def entry_of(folder: Path, name: str) -> Mapping[str, Any] | None:
    """What the file says of an identity; None where there is none of this name."""
    path = folder / AUTHORIZED
    return read_entries(read_text(path), path).get(name) if path.exists() else None


def _authorize(
    path: Path, name: str, public_key: str | None, rights: Mapping[str, Any]
) -> Identity:
    text = read_text(path) if os.path.exists(path) else _HEAD
    entries = read_entries(text, path)
    entry = {**entries.get(name, {}), **rights}
    if public_key is not None:
        entry = {"key": public_key, **entry} | {"key": public_key}
    entry.pop("revoked", None)
    identity = as_identity(name, entry, path)
    for other, each in entries.items():
        if public_key is not None and other != name and each.get("key") == public_key:
            raise ConfigError(f"{path}: {other} has this key already")
    _write(path, text, {**entries, name: entry}, name)
    return identity


def give_token(
    folder: Path,
    name: str,
    rights: Mapping[str, Any],
    *,
    show: Callable[[str], None],
    replace: bool = False,
) -> Identity:
    """Make a token for an identity, which is kept nowhere: `show` gets it before it is valid.

    replace: in place of the one that it has, which is otherwise a ConfigError.
    """
    if name == SERVER:
        raise ConfigError(f"{SERVER!r} is the server's own pair: it needs no rights")
    path = folder / AUTHORIZED
    token = secrets.token_urlsafe(32)
    with _alone(folder):
        text = read_text(path) if os.path.exists(path) else _HEAD
        entries = read_entries(text, path)
        before = entries.get(name, {})
        if before.get("token_sha256") and not replace:
            raise ConfigError(
                f"{name} has a token already, which another one would shut out: --replace makes"
                " another one all the same"
            )
        entry = {**before, **rights, "token_sha256": digest_of(token)}
        entry.pop("revoked", None)
        identity = as_identity(name, entry, path)
        show(token)
        _write(path, text, {**entries, name: entry}, name)
    return identity


def revoke(folder: Path, name: str) -> None:
    """Keep a key out; ConfigError if there is no such identity."""
    path = folder / AUTHORIZED
    with _alone(folder):
        text = read_text(path) if os.path.exists(path) else ""
        entries = read_entries(text, path)
        if name not in entries:
            raise ConfigError(
                f"{path.absolute()}: nobody is called {name!r}; {nearest(name, entries)}"
            )
        _write(path, text, {**entries, name: {**entries[name], "revoked": True}}, name)


def listed(folder: Path) -> list[str]:
    """A table of everybody's rights."""
    path = folder / AUTHORIZED
    if not path.exists():
        return [f"no client is authorized: there is no {path.absolute()}"]
    rows = [("NAME", "KEY", "CLIENTS", "MODELS", "TIER", "HZ", "BYTES/S", "CHANGES", "")]
    for identity in read_rights(path).values():
        rows.append(
            (
                identity.name,
                identity.key[:8] or "token",
                " ".join(identity.patterns),
                " ".join(identity.models),
                str(identity.priority),
                "" if identity.rate_hz is None else f"{identity.rate_hz:g}",
                "" if identity.bytes_per_s is None else f"{identity.bytes_per_s:g}",
                " ".join(identity.changes),
                "revoked" if identity.revoked else "",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other command changes the file meanwhile: it would undo what this one did."""
    try:
        held = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no folder {folder.absolute()}: inferential keys new {SERVER} makes it, and"
            " the server's keys in it (or name another one by --keys)"
        ) from None
    except OSError as error:
        raise ConfigError(f"{folder.absolute()}: {error.strerror}") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _write(path: Path, text: str, entries: Mapping[str, Any], changed: str) -> None:
    """Replace one entry, so that comments at the others stay; all at once, or not at all."""
    new = _replaced(text, changed, entries[changed])
    try:
        same = read_entries(new, path) == entries
    except ConfigError:
        same = False
    if not same:  # written in a way that lines do not tell apart
        new = _HEAD + _dumped(entries)
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_text(new, "utf-8")
        draft.chmod(0o644)
        os.replace(draft, path)
    except OSError as error:
        raise ConfigError(f"{draft}: {error.strerror}") from None


def _replaced(text: str, name: str, entry: Mapping[str, Any]) -> str:
    """The text with this entry in place of the one of that name, or added at its end.

    By lines: ruamel.yaml's round trip hangs a comment above an entry on the last value of the
    entry before, and loses it with that.
    """
    lines = text.splitlines(keepends=True)
    starts = {
        str(keys[0]): line - 1 for keys, line in parse_yaml(text).lines.items() if len(keys) == 1
    }
    first = starts.get(name, len(lines))
    last = first + 1
    while last < len(lines) and lines[last][:1] in (" ", "\t"):
        last += 1
    before = "".join(lines[:first])
    if before and not before.endswith("\n"):
        before += "\n"
    return before + _dumped({name: entry}) + "".join(lines[last:])


def _dumped(entries: Mapping[str, Any]) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    written = io.StringIO()
    yaml.dump({name: dict(entry) for name, entry in entries.items()}, written)
    return written.getvalue()
