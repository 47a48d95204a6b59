"""The reader of authorized.yaml, which says what each key may do: rights, or a ConfigError."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from inferential_core.errors import ConfigError
from inferential_core.security.rights import Identity, read_rights
from robustness.fuzz.targets.text import mutate_yaml

KEYS = ("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
WORDS = (*Identity.model_fields, "robot_1", "*", *KEYS)
SEED = f"""
robot_1: {{key: "{KEYS[0]}", clients: [robot_1], models: ["*"], priority: 1, rate_hz: 60}}
robot_2: {{key: "{KEYS[1]}", bytes_per_s: 2.0e+8, revoked: true}}
"""
_FILE = Path(tempfile.mkdtemp(prefix="fuzz-")) / "authorized.yaml"
mutate = partial(mutate_yaml, words=WORDS)


def seeds() -> list[bytes]:
    return [SEED.encode(), f'robot: {{key: "{KEYS[0]}"}}\n'.encode()]


def check(data: bytes) -> None:
    _FILE.write_bytes(data)
    _FILE.chmod(0o600)
    try:
        rights = read_rights(_FILE)
    except ConfigError as error:
        assert str(error)
        return
    for identity in rights.values():
        identity.speaks_for("robot_1")
        identity.may_ask("policy")
