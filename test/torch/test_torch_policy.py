"""The PyTorch example: a batch gives what one at a time gives, through a server as well.

Apart from the other tests, as PyTorch is no part of the environment: `make torch`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import Connection, LocalDispatcher, Server, Status
from inferential_core.wire.images import encode

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LONG_MS = 60_000


@pytest.fixture(scope="module")
def policy() -> Any:
    sys.path.insert(0, str(EXAMPLES))
    import torch_policy

    yield torch_policy.Policy()
    sys.path.remove(str(EXAMPLES))


def observation(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "left_camera": random.integers(0, 255, (224, 224, 3), np.uint8),
        "right_camera": random.integers(0, 255, (224, 224, 3), np.uint8),
        "state": random.standard_normal(14).astype(np.float32),
    }


def tolerance(policy: Any) -> float:
    return 1e-4 if policy.device.type == "cpu" else 0.05  # bfloat16


def test_a_batch_gives_what_one_at_a_time_gives(policy: Any) -> None:
    observations = [observation(seed) for seed in range(3)]
    together = policy.infer_batch(observations)
    for obs, answer in zip(observations, together):
        (alone,) = policy.infer_batch([obs])
        assert alone["actions"].shape == (50, 14)
        np.testing.assert_allclose(answer["actions"], alone["actions"], atol=tolerance(policy))


def test_every_part_of_the_observation_makes_a_difference(policy: Any) -> None:
    base, other = observation(0), observation(1)
    (said,) = policy.infer_batch([base])
    for key in base:
        (changed,) = policy.infer_batch([{**base, key: other[key]}])
        assert np.abs(changed["actions"] - said["actions"]).max() > 0.0


@pytest.mark.parametrize("process", [False, True])
def test_robots_are_answered_through_a_server_also_with_compressed_cameras(
    policy: Any, process: bool
) -> None:
    model = "torch_policy:Policy" if process else policy
    dispatcher = LocalDispatcher({"policy": model}, process=process)
    obs = observation(0)
    (expected,) = policy.infer_batch([obs])
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address) as connection:
            robot = connection.model("policy", latency_budget_ms=LONG_MS)
            robot.observe(**obs)
            actions = robot.get_result(LONG_MS)["actions"]
            np.testing.assert_allclose(actions, expected["actions"], atol=tolerance(policy))
            png = {key: encode(key, obs[key], "png") for key in ("left_camera", "right_camera")}
            robot.observe(**{**obs, **png})
            actions = robot.get_result(LONG_MS)["actions"]
            np.testing.assert_allclose(actions, expected["actions"], atol=tolerance(policy))
            robot.observe(**{**obs, "left_camera": np.zeros((480, 640, 3), np.uint8)})
            reply = robot.get_reply(LONG_MS)
            assert reply.status is Status.REJECTED
            assert "'left_camera': shape [480, 640, 3]" in reply.error


def test_the_latency_table_is_printed_with_the_devices_name(policy: Any) -> None:
    told = subprocess.run(
        [sys.executable, str(EXAMPLES / "torch_policy.py"), "--largest", "2", "--calls", "1"],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    ).stdout
    assert policy.device_name() in told
    assert "L(b) = " in told
