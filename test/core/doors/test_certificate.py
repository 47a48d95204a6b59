"""Files of certificates and keys that a door cannot use are told in words."""

from __future__ import annotations

import subprocess

import pytest

from inferential_core import ConfigError
from inferential_core.config.doors import DoorConfig
from inferential_core.doors.certificate import context_of

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("a", "b"):
        made = subprocess.run(
            ["openssl", "req", "-x509", *NEW_KEY, "-nodes", "-subj", "/CN=localhost"]
            + ["-keyout", f"{name}.key", "-out", f"{name}.pem"],
            capture_output=True,
            cwd=folder,
        )
        if made.returncode:
            pytest.skip("openssl is not here")
    locked = ["openssl", "pkey", "-in", "a.key", "-aes256", "-passout", "pass:x"]
    subprocess.run([*locked, "-out", "locked.key"], check=True, cwd=folder)
    (folder / "both.pem").write_text(
        (folder / "a.key").read_text() + (folder / "a.pem").read_text()
    )
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        ("none.pem", "a.key", "certificate 'none.pem': No such file or directory"),
        ("a.pem", "none.key", "certificate_key 'none.key': No such file or directory"),
        ("a.pem", "", "certificate 'a.pem' holds no private key in PEM: give its file as certif"),
        ("a.pem", "b.pem", "certificate_key 'b.pem' holds no private key in PEM"),
        ("a.key", "a.key", "certificate 'a.key' holds no certificate in PEM"),
        ("a.pem", "b.key", "the private key of certificate_key 'b.key' belongs to another"),
        ("a.pem", "locked.key", "certificate_key 'locked.key' has a passphrase"),
        ("", "a.key", "certificate_key 'a.key' needs a certificate beside it"),
    ],
)
def test_the_file_that_is_wrong_is_named(files, monkeypatch, certificate, key, told):
    monkeypatch.chdir(files)
    door = DoorConfig(kind="openpi", bind=":0", certificate=certificate, certificate_key=key)
    with pytest.raises(ConfigError) as caught:
        context_of(door)
    assert str(caught.value).startswith(f"door 'openpi': {told}")


def test_a_key_may_stand_in_the_file_of_its_certificate(files):
    door = DoorConfig(kind="openpi", bind=":0", certificate=str(files / "both.pem"))
    assert context_of(door) is not None
    assert context_of(DoorConfig(kind="openpi", bind=":0")) is None
