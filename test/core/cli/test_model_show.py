"""`inferential model show` says what a model takes, gives and needs, and writes a contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inferential_core.cli import main

MODULE = """
class Arm:
    version = "7"
    specification = {
        "observation": {
            "state": {"dtype": "float32", "shape": [3]},
            "camera": {"dtype": "uint8", "shape": [None, None, 3], "description": "at the wrist"},
            "task": {"dtype": "string", "optional": True},
        },
        "action_names": ["lift", "turn", "grip"],
        "horizon": 50,
        "control_rate_hz": 25.0,
        "notes": {"needs": ["a word"]},
    }

    def infer_batch(self, observations):
        return [{"actions": [[0.0] * 3] * 50} for _ in observations]


class Stays(Arm):
    stateful = True


def plain(obs):
    return obs
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shown_models.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_all_that_a_model_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "show", "arm=shown_models:Arm"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "model arm, version 7",
        "It takes",
        "  state    float32 [3]",
        "  camera   uint8 [any, any, 3]: at the wrist",
        "  task     string, may be missing",
        "It gives",
        "  actions  50 steps at 25 Hz of lift, turn, grip",
        "A call takes a batch of any size.",
        "It needs to be told",
        "  a word",
    ]


def test_it_says_how_a_model_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model", "show", "arm=shown_models:Stays"])
    assert "It keeps a state of each client" in capsys.readouterr().out
    main(["model", "show", "arm=shown_models:plain"])
    out = capsys.readouterr().out
    assert "It does not say what it takes." in out
    assert "A call takes one observation." in out


def test_it_is_told_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model", "show", "arm=shown_models:Arm", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["version"], told["batches"]) == ("arm", "7", True)
    assert told["specification"]["horizon"] == 50


def test_a_contract_is_written_and_not_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["model", "show", "arm=shown_models:Arm", "--contract", "arm.yaml"]
    assert main(asked) == 0
    text = (folder / "arm.yaml").read_text()
    assert "  names: [lift, turn, grip]" in text and "  rate_hz: 25" in text
    assert "then run: inferential contract check arm.yaml" in capsys.readouterr().out
    assert main(asked) == 1
    assert "arm.yaml exists already; --force overwrites it" in capsys.readouterr().err
    assert main([*asked, "--force"]) == 0


def test_a_model_that_cannot_be_made_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "show", "arm=shown_models:Leg"]) == 1
    assert "'shown_models' has no 'Leg'" in capsys.readouterr().err
