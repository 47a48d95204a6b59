"""Nothing that users write down goes away: names may be added, none may be taken back.

`public_names.txt` was gathered from the first state of this package that was inspected; whoever
adds a name that users will rely on appends its line there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="the server side needs pydantic")

from public_names import public_names

ROOT = Path(__file__).resolve().parents[3]
PROMISED = Path(__file__).with_name("public_names.txt")


def test_every_public_name_is_still_there() -> None:
    promised = PROMISED.read_text("utf-8").splitlines()
    found = set(public_names(ROOT))
    assert len(promised) > 500
    assert [name for name in promised if name not in found] == []
