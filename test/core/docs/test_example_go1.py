"""The ONNX example with the real walking policy: equal to one at a time, and robots that walk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inferential_core import InferenceContext, LocalDispatcher, Server
from inferential_core.models.caller import ModelCaller

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
DATA = Path(os.environ.get("INFERENTIAL_TEST_DATA", ROOT.parent / "shared" / "data"))
GO1 = DATA / "playground_go1"
LONG_S = 100

onnxruntime = pytest.importorskip("onnxruntime", reason="the ONNX example needs onnxruntime")
pytest.importorskip("onnx", reason="the ONNX example needs onnx")
pytestmark = pytest.mark.skipif(
    not (GO1 / "go1_policy.onnx").exists(), reason=f"no Go1 walking policy in {GO1}"
)

ASKING = InferenceContext("robot", 0, 1, True, float("inf"))


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("GO1_POLICY", str(GO1 / "go1_policy.onnx"))
    from go1_policy import Go1Policy

    yield Go1Policy()
    del sys.modules["go1_policy"]


def observations(count: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    sizes = {
        "linear_velocity": 3,
        "angular_velocity": 3,
        "gravity": 3,
        "joint_positions": 12,
        "joint_velocities": 12,
        "last_targets": 12,
        "command": 3,
    }
    return [
        {key: random.standard_normal(size).astype(np.float32) for key, size in sizes.items()}
        for _ in range(count)
    ]


def test_a_batch_gives_what_the_network_as_published_gives_one_by_one(policy) -> None:
    network = onnxruntime.InferenceSession(str(GO1 / "go1_policy.onnx"))
    assert network.get_inputs()[0].shape == [1, 48]
    home = np.tile([0.1, 0.9, -1.8, -0.1, 0.9, -1.8], 2)
    asked = observations(16)
    caller = ModelCaller("go1", policy)
    assert caller.batches
    for obs, answer in zip(asked, caller.call(asked, [ASKING] * 16)):
        rows = list(obs.values())
        rows[3] = rows[3] - home
        rows[5] = 2 * (rows[5] - home)
        (expected,) = network.run(None, {"obs": np.concatenate(rows)[None].astype(np.float32)})
        np.testing.assert_allclose(answer["actions"], home + 0.5 * expected, atol=1e-4)
        assert answer["actions"].shape == (1, 12)


def test_a_herd_walks_by_it(policy) -> None:
    pytest.importorskip("mujoco", reason="the herd is simulated in MuJoCo")
    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"go1": policy})) as server:
        script = [str(EXAMPLES / "go1_herd.py"), str(GO1 / "go1_flat_meshfree.xml")]
        herd = subprocess.run(
            [sys.executable, *script, "--server", server.address, "--seconds", "4"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            timeout=LONG_S,
        )
        status = server.status()
    assert herd.returncode == 0, herd.stderr
    walked = re.findall(r"go1-\d: walks, (\d\.\d\d) m", herd.stdout)
    assert len(walked) == 4, herd.stdout
    assert [float(metres) > 1.0 for metres in walked] == [True] * 4, herd.stdout
    (model,) = status["models"]
    assert (status["ok"], model["failed"]) == (800, 0)
    assert model["batches"] < 800  # robots shared calls
