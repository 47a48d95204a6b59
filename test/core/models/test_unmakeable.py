"""A model that cannot be made: its error is told with the place, wherever it was to run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferential_core import ConfigError, LocalDispatcher
from inferential_core.cli import main
from inferential_core.models.loading import load_model, load_models
from inferential_core.process.users_code import users_code

MODULE = """
class Broken:
    def __init__(self):
        weights()

    def infer(self, obs):
        return obs


def factory():
    return Broken()


class Cold(Broken):
    def __init__(self):
        pass

    def warm_up(self):
        weights()


def weights():
    raise FileNotFoundError("weights.pt is not there")


class Needy(Broken):
    def __init__(self, path):
        pass


class Leaving(Broken):
    def __init__(self):
        raise SystemExit(7)
"""
LOCAL = ("--dispatcher=local", "--bind=tcp://127.0.0.1:*")
TOLD = r"FileNotFoundError: weights\.pt is not there \(broken_models\.py:23\)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "broken_models.py").write_text(MODULE)
    (tmp_path / "leaves_at_once.py").write_text("import sys\nsys.exit(5)\n")
    (tmp_path / "interrupts.py").write_text("raise KeyboardInterrupt\n")
    (tmp_path / "needs_more.py").write_text("import numpy\nimport surely_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("broken_models", "needs_more", "leaves_at_once", "interrupts"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
@pytest.mark.parametrize("attribute", ["Broken", "factory", "Cold"])
def test_the_place_is_told(folder: Path, attribute: str, process: bool) -> None:
    with pytest.raises(ConfigError, match=TOLD) as caught:
        models = LocalDispatcher({"p": f"broken_models:{attribute}"}, process=process)
        models.start(lambda completion: None)
    assert "weights()" in "".join(_told_by(caught.value))  # the way there, for the log


def test_a_constructor_that_takes_arguments_is_told_without_a_place_of_ours(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing 1 required positional argument: 'path'$"):
        load_models(["p:=broken_models:Needy"])


def test_a_mistake_of_syntax_is_told_with_one_place_and_that_is_its_own(folder: Path) -> None:
    (folder / "mistyped.py").write_text("def infer(obs)\n    return obs\n")
    (folder / "imports_mistyped.py").write_text("import mistyped\n")
    for module in ("mistyped", "imports_mistyped"):
        with pytest.raises(ConfigError, match=r"SyntaxError: .*\(mistyped\.py, line 1\)$"):
            load_models([f"p={module}:infer"])


def test_a_mistyped_kind_of_checkpoint_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean the checkpoint .* lerobot:SOURCE"):
        load_models(["arm=lerobt:ck"])
    for target in ("my_policy:Policy", "nope:Policy"):
        with pytest.raises(ConfigError, match="packages$"):
            load_models([f"arm={target}"])
    for target in ("ck/policy.onnx", "ck/policy.onnx:Policy"):
        with pytest.raises(ConfigError, match=r"did you mean .* onnx:ck/policy\.onnx\?$"):
            load_models([f"arm={target}"])
    with pytest.raises(ConfigError, match=r"torch:policy\.pt2\?$"):
        load_model("policy.pt2")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("broken_models:Leaving", r"SystemExit: 7 \(broken_models\.py:33\)"),
        ("leaves_at_once:P", r"cannot import 'leaves_at_once': SystemExit: 5 \(leaves_at_once"),
        ("interrupts:P", r"KeyboardInterrupt \(interrupts\.py:1\)"),
    ],
)
def test_a_model_that_would_end_the_process_is_one_that_cannot_be_made(
    folder: Path, target: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=told):
        load_models([f"p:={target}"])
    for command in (["model", "show", f"p={target}"], ["profile", target]):
        assert main(command) == 1
        assert re.search(told, capsys.readouterr().err)


def test_a_ctrl_c_while_a_model_is_made_is_no_failure_of_the_model() -> None:
    with pytest.raises(KeyboardInterrupt), users_code("making the model"):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _told_by(error: BaseException | None) -> Iterator[str]:
    import traceback

    yield from traceback.format_exception(error)


def serve(folder: Path, *arguments: str) -> str:
    """What the command says on stderr before it gives up."""
    ran = subprocess.run(
        [sys.executable, "-m", "inferential_core.cli", "serve", *LOCAL, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    return ran.stderr


def test_the_command_tells_it_in_one_line_and_the_traceback_at_debug(folder: Path) -> None:
    line = (
        "inferential serve: model 'p=broken_models:Broken': FileNotFoundError: weights.pt is not"
        " there (broken_models.py:23)\n"
    )
    assert serve(folder, "--model=p=broken_models:Broken") == line
    told = serve(folder, "--model=p=broken_models:Broken", "--log-level=debug")
    assert told.endswith(line) and "Traceback" in told and "weights()" in told


def test_a_module_that_is_not_there_is_told_with_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_models(["p:=no_such_module:Policy"])
    assert "it was looked for in" in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_module_that_lacks_another_is_told_with_the_line(folder: Path) -> None:
    missing = r"No module named 'surely_not_installed' \(needs_more\.py:2\)"
    with pytest.raises(ConfigError, match=missing):
        load_models(["p:=needs_more:Policy"])
