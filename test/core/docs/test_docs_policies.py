"""docs/policies.md and its pages: the options are those there are, and the snippets run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from documented import ROOT, blocks, text_of

from inferential_core import Connection
from inferential_core.models import schemes
from inferential_core.models.loading import load_model

ADAPTERS = sorted((ROOT / "inferential_core" / "checkpoints").rglob("*.py"))
KINDS = "text|flag|choice|whole|rate|names|sizes"  # methods of Options
LONG_MS = 20_000


def test_the_page_lists_every_option() -> None:
    taken = set()
    for file in ADAPTERS:
        found = rf"(?:given|options)\.(?:{KINDS})\(\"(\w+)\""
        taken |= set(re.findall(found, file.read_text()))
    rows = re.findall(r"^\| ((?:`\w+` ?)+)\|", text_of("policies.md"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == taken


def test_the_page_lists_every_scheme() -> None:
    assert set(re.findall(r"^\| `(\w+):", text_of("policies.md"), re.MULTILINE)) == set(
        schemes.SCHEMES
    )


def test_every_scheme_names_a_function_that_is_there() -> None:
    for target in schemes.SCHEMES.values():
        module, _, name = target.partition(":")
        file = (ROOT / module.replace(".", "/")).with_suffix(".py")
        assert f"def {name}(source: str, options: Mapping[str, str])" in file.read_text()


def test_the_scheme_of_the_page_is_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = blocks(text_of("policies.md"), "python")
    page: dict[str, object] = {}
    exec(text, page)

    class EntryPoint:
        load = staticmethod(lambda: page["load"])

    monkeypatch.setattr(schemes, "_entry_points", lambda name: [EntryPoint] * (name == "mine"))
    model = load_model("mine:anything?gain=2")
    assert model({"joints": np.ones(3)})["actions"].tolist() == [[2.0, 2.0, 2.0]]


def test_the_network_of_the_page_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    monkeypatch.chdir(tmp_path)
    write, serve = blocks(text_of("networks.md"), "python")
    page: dict[str, object] = {}
    exec(write, page)
    exec(serve, page)
    with page["server"] as server, Connection(server.address) as connection:  # type: ignore
        model = connection.model("policy", latency_budget_ms=LONG_MS)
        assert model.specification(LONG_MS)["action_names"] == ["lift", "turn", "grip"]
        model.observe(joints=np.arange(3, dtype=np.float32))
        result = model.get_result(LONG_MS)
        assert result is not None and result["actions"].tolist() == [0.0, 1.0, 2.0]
