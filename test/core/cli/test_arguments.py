"""What no clock, no count and no address can be is told, with its option."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from inferential_core.cli import main

NUMBERS = [
    ("serve", "--wait"),
    ("serve", "--timeout"),
    ("serve", "--replicas"),
    ("model load a=b:C", "--lanes"),
    ("model load a=b:C", "--max-batch"),
    ("model replace a=b:C", "--timeout"),
    ("bench", "--robots"),
    ("bench", "--hz"),
    ("bench", "--seconds"),
    ("bench", "--budget-ms"),
    ("profile a:B", "--calls"),
    ("profile a:B", "--seconds"),
    ("profile a:B", "--rate"),
    ("top", "--every"),
    ("contract check a.yaml", "--wait"),
    ("contract new", "--wait"),
    ("replay bag", "--speed"),
    ("record bag --contract a.yaml", "--duration"),
    ("demo", "--most"),
    ("demo --ros", "--robots"),
    ("demo --ros", "--seconds"),
]
OF_ROS = {"contract", "replay", "record", "demo"}


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "two"])
@pytest.mark.parametrize(("words", "option"), NUMBERS)
def test_a_number_that_cannot_be_is_told_with_its_option(
    words: str, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = words.split()
    if command[0] in OF_ROS and find_spec("rclpy") is None:
        pytest.skip("ROS 2 is not there")
    path = list(sys.path)
    with pytest.raises(SystemExit) as ended:
        main([*command, f"{option}={value}"])
    sys.path[:] = path
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert f"argument {option}: must be " in told


@pytest.mark.parametrize("option", ["--bind", "--keys", "--http", "--config", "--strategy"])
def test_an_option_that_a_script_left_empty_is_told(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--model", "p=math:sqrt", option, ""])
    assert ended.value.code == 2
    assert f"argument {option}: must not be empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("policy=my_policy:Policy", "; name a model with --model policy=my_policy:Policy\n"),
        (
            "--modl=policy=my_policy:Policy",
            "unrecognized arguments: --modl=policy=my_policy:Policy\n",
        ),
    ],
)
def test_a_model_without_its_option_is_told_with_it(
    words: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", words])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(hint)
