"""The stand-in of `make test` has the names of LeRobot itself, and takes the same arguments."""

from __future__ import annotations

import ast
import importlib
import inspect
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[1] / "core" / "lerobot_stand_in.py"
OURS = {"Processor", "normalize"}  # which make no part of LeRobot


def functions() -> Iterator[Any]:
    """Each function of the stand-in: module, class or nothing, name, arguments."""
    for module, text in runpy.run_path(str(FILE))["FILES"].items():
        for node in ast.parse(text).body:
            if module == "torch" or getattr(node, "name", "") in OURS:
                continue
            if isinstance(node, ast.ClassDef):
                for each in (it for it in node.body if isinstance(it, ast.FunctionDef)):
                    if not each.name.startswith("__"):
                        yield pytest.param(module, node.name, each, id=f"{node.name}.{each.name}")
            elif isinstance(node, ast.FunctionDef):
                yield pytest.param(module, "", node, id=node.name)


@pytest.mark.parametrize("module,owner,function", list(functions()))
def test_lerobot_has_it(module: str, owner: str, function: ast.FunctionDef) -> None:
    place: Any = importlib.import_module(module)
    if owner == "PreTrainedPolicy":  # which the stand-in's policies are named after
        place = importlib.import_module("lerobot.policies.pretrained")
    real = getattr(getattr(place, owner) if owner else place, function.name)
    parameters = inspect.signature(real).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return
    for argument in (*function.args.args, *function.args.kwonlyargs):
        assert argument.arg in ("self", "cls", *parameters), argument.arg
