"""Key files, as pyzmq writes them: NAME.key_secret stays where it is used, NAME.key goes round.

A secret file that others can read is refused, as ssh does: whoever read it is that robot.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError
from .variables import KEY_VARIABLE

SECRET, PUBLIC = ".key_secret", ".key"
SERVER = "server"  # name of the server's own pair
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")  # ZeroMQ RFC 32


class KeyPair(NamedTuple):
    """Both keys, each as 40 characters of Z85."""

    public: bytes
    secret: bytes


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a new key pair; paths of the public and the secret file. Never overwrites one."""
    from zmq.auth import create_certificates  # takes asyncio along

    if not re.fullmatch(r"[\w.@-]+", name) or name.startswith("."):
        raise ConfigError(f"name {name!r}: letters, digits and _ - . @ only")
    public, secret = folder / (name + PUBLIC), folder / (name + SECRET)
    for path in (public, secret):
        if path.exists():
            raise ConfigError(f"{path} is there already; move it away to make another one")
    before = os.umask(0o077)  # nobody reads the secret, not even for a moment
    try:
        folder.mkdir(parents=True, exist_ok=True)
        create_certificates(folder, name)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror}") from None
    finally:
        os.umask(before)
    public.chmod(0o644)
    return public, secret


def read_secret(path: str | os.PathLike[str]) -> KeyPair:
    """The pair in a .key_secret file; ConfigError if it is none, or if others can read it."""
    public, secret = _read(path)
    if not secret:
        raise ConfigError(f"{path}: this is a public key; the secret one is in {_secret_of(path)}")
    check_mode(path, stat.S_IRWXG | stat.S_IRWXO, "other users can read it", "chmod 600")
    return KeyPair(public, secret)


def _secret_of(path: str | os.PathLike[str]) -> str:
    """Where the other half of a public key is, as `make_keys` writes them."""
    name = os.fspath(path)
    beside = name.removesuffix(PUBLIC) + SECRET
    return beside if name.endswith(PUBLIC) and os.path.exists(beside) else f"NAME{SECRET}"


def name_of_key(path: str | os.PathLike[str] | None) -> str:
    """Whose key a file NAME.key_secret is, by its name, or that of the environment; '' if none."""
    name = os.path.basename(path or os.environ.get(KEY_VARIABLE, ""))
    return name.removesuffix(SECRET) if name.endswith(SECRET) else ""


def is_key(text: str) -> bool:
    """Whether this is a key, as 40 characters of Z85."""
    return _Z85.fullmatch(text) is not None


def read_public(key: str | os.PathLike[str]) -> bytes:
    """The public key in a file, or `key` itself where it is one; ConfigError otherwise."""
    if not os.path.exists(key) and is_key(os.fspath(key)):
        return os.fspath(key).encode()
    public, secret = _read(key)
    if secret:
        raise ConfigError(
            f"{key}: this is a secret key, which stays on its own machine; the public one is in"
            f" NAME{PUBLIC}"
        )
    return public


def check_mode(path: str | os.PathLike[str], forbidden: int, problem: str, fix: str) -> None:
    """ConfigError, with the command that mends it, if others may do what only we should."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise ConfigError(f"{os.path.abspath(path)}: {error.strerror}") from None
    if found.st_mode & forbidden:
        raise ConfigError(f"{path}: {problem}: {fix} {path}")
    if os.geteuid() not in (0, found.st_uid) and found.st_uid != 0:
        raise ConfigError(f"{path}: it belongs to another user: chown it to yourself")


def _keys_beside(path: str | os.PathLike[str]) -> str:
    """Which key files are in the folder of one that is not there."""
    folder, name = os.path.split(os.path.abspath(path))
    ending = SECRET if name.endswith(SECRET) else PUBLIC
    try:
        found = sorted(each for each in os.listdir(folder) if each.endswith(ending))
    except OSError:
        return f"; there is no folder {folder}"
    return f"; in that folder are {', '.join(found)}" if found else "; that folder has no keys"


def _read(path: str | os.PathLike[str]) -> tuple[bytes, bytes]:
    from zmq.auth import load_certificate

    try:
        public, secret = load_certificate(path)
    except OSError as error:
        reason = error.strerror or "No such file or directory"
        raise ConfigError(f"{os.path.abspath(path)}: {reason}{_keys_beside(path)}") from None
    except (ValueError, IndexError):
        raise ConfigError(f"{path}: no key file, as `inferential keys new` makes them") from None
    for key in (public, secret or public):
        if not is_key(key.decode("ascii", "replace")):
            raise ConfigError(f"{path}: a damaged key file: keys are 40 characters of Z85")
    return public, secret or b""
