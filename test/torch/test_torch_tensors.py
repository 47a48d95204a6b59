"""Tensors of PyTorch as answers and observations; and the stand-in that other tests have for them.

Apart from the other tests, as PyTorch is no part of the environment: `make torch`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core.models.answers import as_values
from inferential_core.wire.arrays import as_array

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

LONG_MS = 60_000


@pytest.fixture(params=["torch", "tensor_stand_in"])
def torch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """PyTorch, and what stands in for it in `test/core`: both have to behave alike."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1] / "core")
    yield importlib.import_module(request.param)
    sys.modules.pop("tensor_stand_in", None)


def test_numpy_by_itself_takes_neither_gradients_nor_bfloat16(torch: Any) -> None:
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(torch.tensor([1.0], requires_grad=True))
    with pytest.raises(TypeError, match="BFloat16"):
        np.asarray(torch.tensor([1.0], dtype=torch.bfloat16))


def test_tensors_become_arrays_of_the_same_numbers(torch: Any) -> None:
    both = {"requires_grad": True, "dtype": torch.bfloat16}
    values = as_values(
        {
            "plain": torch.tensor([1.0, 2.0]),
            "grad": torch.tensor([1.0, 2.0], requires_grad=True),
            "half": torch.tensor([[0.25, -1.5]], dtype=torch.bfloat16),
            "both": torch.tensor([0.25, -1.5], **both),
        }
    )
    told = {key: (value.dtype.name, value.tolist()) for key, value in values.items()}
    assert told == {
        "plain": ("float32", [1.0, 2.0]),
        "grad": ("float32", [1.0, 2.0]),
        "half": ("float32", [[0.25, -1.5]]),
        "both": ("float32", [0.25, -1.5]),
    }
    assert as_values(torch.tensor([1.0]))["actions"].tolist() == [1.0]


def test_what_is_sent_does_not_change_with_the_tensor() -> None:
    import torch

    tensor = torch.zeros(3)
    values = as_values({"actions": tensor})
    tensor += 1
    assert values["actions"].tolist() == [0.0, 0.0, 0.0]


def test_tensors_that_are_not_contiguous_or_of_other_devices_are_taken() -> None:
    import torch

    turned = torch.arange(6, dtype=torch.float32).reshape(2, 3).T
    assert as_array("x", turned).tolist() == [[0, 3], [1, 4], [2, 5]]
    if torch.cuda.is_available():
        half = torch.ones(2, device="cuda", dtype=torch.bfloat16, requires_grad=True)
        assert as_array("x", half).tolist() == [1.0, 1.0]


MODULE = """
import torch
from inferential_core import stacked

class Policy:
    def __init__(self):
        self.gain = torch.nn.Parameter(torch.full((2,), 2.0))

    @stacked
    def infer_batch(self, batch):
        scaled = torch.from_numpy(batch["state"]) * self.gain  # which still needs its gradient
        return {"actions": scaled, "half": scaled.to(torch.bfloat16)}
"""


@pytest.mark.parametrize("process", [False, True])
def test_a_model_may_answer_with_tensors_and_a_robot_may_observe_with_them(
    process: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    (tmp_path / "tensors_of_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    dispatcher = LocalDispatcher({"policy": "tensors_of_test:Policy"}, process=process)
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address) as connection:
            robot = connection.model("policy", latency_budget_ms=LONG_MS)
            robot.observe(state=torch.tensor([1.0, 2.0], requires_grad=True))
            reply = robot.get_reply(LONG_MS)
            assert reply.result is not None, reply.error
            assert reply.result["actions"].tolist() == [2.0, 4.0]
            assert reply.result["half"].tolist() == [2.0, 4.0]
