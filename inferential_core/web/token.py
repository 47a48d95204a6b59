"""Reads the token that the page demands, from a file that only its owner can read."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path

from ..errors import ConfigError

_SHORTEST = 16  # characters; long enough that guessing is hopeless


class Token:
    """Compared in constant time; a browser gets a cookie derived from it, never the token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._text = text.encode()
        self.cookie = hmac.new(self._text, b"the page's cookie", hashlib.sha256).hexdigest()

    def matches(self, text: str) -> bool:
        """Whether a text is the token; the comparison takes the same time for any text."""
        return hmac.compare_digest(self._text, text.encode())

    def is_cookie(self, text: str) -> bool:
        """Whether a text is the value of the page's cookie; in the same time for any text."""
        return hmac.compare_digest(self.cookie.encode(), text.encode())


def load_token(path: str) -> Token:
    """The first line of a file; ConfigError if it is short, or others can read the file."""
    file = Path(path).expanduser()
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        text = file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"http.token_file {path}: {error}") from None
    if mode & 0o077:
        raise ConfigError(f"http.token_file {path}: others can read it: chmod 600 {path}")
    if len(text) < _SHORTEST:
        raise ConfigError(
            f"http.token_file {path}: {len(text)} characters are too few, {_SHORTEST} or more are"
            f" needed: (umask 077; openssl rand -hex 24 > {path})"
        )
    return Token(text)
