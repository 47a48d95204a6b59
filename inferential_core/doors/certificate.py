"""The certificate of a door that encrypts."""

from __future__ import annotations

import ssl

from ..config.doors import DoorConfig
from ..errors import ConfigError

_CERTIFICATE, _KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"
_LOCKED = (b"-----BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")


def context_of(settings: DoorConfig) -> ssl.SSLContext | None:
    """What encrypts the connections of a door; None where it has no certificate.

    ConfigError names the file that is wrong. The key may stand in the file of the certificate.
    """
    where = f"door {settings.kind!r}"
    file, key = settings.certificate, settings.certificate_key
    if not file:
        if key:
            raise ConfigError(f"{where}: certificate_key {key!r} needs a certificate beside it")
        return None
    if _CERTIFICATE not in _content(where, "certificate", file):
        raise ConfigError(f"{where}: certificate {file!r} holds no certificate in PEM")
    name = f"certificate_key {key!r}" if key else f"certificate {file!r}"
    content = _content(where, "certificate_key" if key else "certificate", key or file)
    if _KEY not in content:
        fix = "" if key else ": give its file as certificate_key"
        raise ConfigError(f"{where}: {name} holds no private key in PEM{fix}")
    if any(mark in content for mark in _LOCKED):
        raise ConfigError(
            f"{where}: {name} has a passphrase, which nobody types when the server starts: write"
            " the key without one (openssl pkey -in FILE -out PLAIN)"
        )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(file, key or None)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"the private key of {name} belongs to another certificate than {file!r}"
        else:
            why = f"certificate {file!r} with {name}: {error}"
        raise ConfigError(f"{where}: {why}") from None
    return context


def _content(where: str, setting: str, file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except OSError as error:
        raise ConfigError(f"{where}: {setting} {file!r}: {error.strerror}") from None
