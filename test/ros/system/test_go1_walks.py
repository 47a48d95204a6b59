"""A real walking policy through real topics: robot in MuJoCo, bridge and server are processes.

It falls if actions come 30 ms late, so it walks only if observations, answers and commands keep
time. `make endurance` lets it walk five times for twenty seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("mujoco", reason="the robot is simulated by mujoco")
pytest.importorskip("onnx", reason="the policy needs onnx and onnxruntime")
pytest.importorskip("onnxruntime", reason="the policy needs onnx and onnxruntime")

ROOT = Path(__file__).resolve().parents[3]
SUPPORT = Path(__file__).parents[1] / "support"
DATA = Path(os.environ.get("INFERENTIAL_TEST_DATA", ROOT.parent / "shared" / "data"))
GO1 = DATA / "playground_go1"
STARTS = int(os.environ.get("INFERENTIAL_GO1_STARTS", "1"))
SECONDS = float(os.environ.get("INFERENTIAL_GO1_SECONDS", "8"))
SPEED = 0.6  # m/s, as go1_ros.py commands it

pytestmark = [
    pytest.mark.skipif(not GO1.exists(), reason=f"no Go1 walking policy in {GO1}"),
    pytest.mark.timeout(60 + STARTS * (SECONDS + 5)),
]


def test_a_robot_walks_by_its_topics(
    start: Callable[..., Any], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO1_POLICY", str(GO1 / "go1_policy.onnx"))
    start("inferential_ros.server_node", bind=address, models=["go1:=go1_ros:Go1FromTopics"])
    contract = str(SUPPORT / "go1.yaml")
    start("inferential_ros.bridge_node", "go1", contract_file=contract, server=address)
    scene = str(GO1 / "go1_flat_meshfree.xml")
    robot = subprocess.run(
        [sys.executable, "-m", "go1_robot", scene, str(STARTS), str(SECONDS)]
        + ["--ros-args", "-r", "__ns:=/go1"],
        env={**os.environ, "PYTHONPATH": f"{SUPPORT}:{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=40 + STARTS * (SECONDS + 5),
        check=True,
    )
    walks = [json.loads(line) for line in robot.stdout.splitlines()]
    print(*walks, sep="\n")
    assert len(walks) == STARTS
    for walk in walks:
        assert walk["seconds"] == pytest.approx(SECONDS) and walk["upright"] > 0.8, walk
        assert walk["meters"] > 0.5 * SPEED * SECONDS, walk
