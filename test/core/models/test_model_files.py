"""A model named by the path of its .py file, in this process and in one of its own."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inferential_core import ConfigError, Connection, LocalDispatcher, Server
from inferential_core.models import schemes
from inferential_core.models.loading import load_models

POLICY = """
from weights_beside import SHIFT

class Policy:
    def infer(self, obs):
        return {"actions": obs["x"] + SHIFT}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "weights_beside.py").write_text("SHIFT = 2\n")
    file = tmp_path / "my_own_policy.py"
    file.write_text(POLICY)
    yield file
    for name in ("my_own_policy", "weights_beside"):
        sys.modules.pop(name, None)


def test_a_file_is_imported_once_with_its_neighbours_and_can_be_pickled(file: Path) -> None:
    one, again = (load_models([f"policy:={file}:Policy"])["policy"] for _ in range(2))
    assert one.infer({"x": 1}) == {"actions": 3}
    assert type(one) is type(again)
    assert pickle.loads(pickle.dumps(one)).infer({"x": 1}) == {"actions": 3}


def test_a_process_of_its_own_finds_the_file(file: Path) -> None:
    dispatcher = LocalDispatcher({"policy": f"{file}:Policy"}, process=["policy"])
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address) as connection:
            model = connection.model("policy")
            model.observe(x=np.ones(1, np.float32))
            result = model.get_result(timeout_ms=10_000)
    assert result is not None and result["actions"].tolist() == [3]


def test_a_relative_path_is_the_same_file_wherever_it_is_loaded(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert schemes.absolute("my_own_policy.py:Policy") == f"{file}:Policy"
    assert schemes.absolute("my_pkg.policy:Policy") == "my_pkg.policy:Policy"


@pytest.mark.parametrize(
    ("name", "told"),
    [("not_there.py", "there is no file"), ("json.py", "another module is called 'json': rename")],
)
def test_a_file_that_cannot_be_a_module_is_told(file: Path, name: str, told: str) -> None:
    (file.parent / "json.py").write_text("def policy(obs): return obs\n")
    with pytest.raises(ConfigError, match=told):
        load_models([f"p:={file.parent / name}:policy"])
