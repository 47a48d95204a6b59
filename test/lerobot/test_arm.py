"""Three commands from a checkpoint to a robot that moves: no Python is written for it.

The server runs in LeRobot's environment; the arm and its bridge in the one that has ROS, as on a
robot. `make build` makes that one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tiny_policies
from conftest import contexts, observations

from inferential_core.models.loading import load_model

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30.0
RATE_HZ = 25.0
JOINTS = ",".join(f"joint_{at}" for at in range(tiny_policies.DOF))
ROS = ["tools/run.sh", "python"]

pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "install").exists(), reason="the bridge is not built: make build"
    ),
    pytest.mark.timeout(300),
]


def inferential(*words: object) -> str:
    command = [sys.executable, "-m", "inferential_core.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running(log: Path, *command: object) -> Iterator[None]:
    with log.open("w") as written:
        process = subprocess.Popen(
            [*map(str, command)], cwd=ROOT, stdout=written, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)
            print(f"--- {log.name}\n{log.read_text()[-2000:]}")


def test_an_arm_is_driven_by_an_act_through_the_contract_that_was_written_for_it(
    tmp_path: Path,
) -> None:
    folder = tiny_policies.save(
        tmp_path / "act", "act", cameras=1, size=(48, 64), **tiny_policies.SMALL_ACT
    )
    model = f"lerobot:{folder}?action_names={JOINTS}&state_names={JOINTS}&control_rate_hz=25"
    contract = tmp_path / "arm.yaml"
    told = inferential("model", "show", f"arm={model}", "--contract", contract)
    assert "20 steps at 25 Hz of joint_0" in told and "It needs to be told" not in told
    checked = subprocess.run(
        [*ROS, "-m", "inferential_core.cli", "contract", "check", contract],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    serve = [sys.executable, "-m", "inferential_core.cli", "serve", "--model", f"arm={model}"]
    serve += ["--dispatcher", "local", "--bind", address, "--http", "off"]
    bridge = [*ROS, "-m", "inferential_ros.bridge_node", "--ros-args"]
    bridge += ["-p", f"contract_file:={contract}", "-p", f"server:={address}"]
    with running(tmp_path / "serve.log", *serve), running(tmp_path / "bridge.log", *bridge):
        arm = subprocess.run(
            [*ROS, "test/lerobot/support/mujoco_arm.py", str(SECONDS)],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
            timeout=200,
        )
    found = json.loads(arm.stdout.splitlines()[-1])
    print(found)
    assert found["seconds"] > 0.9 * SECONDS and found["longest_gap_s"] < 2.0, found
    assert found["commands"] > 0.6 * RATE_HZ * SECONDS, found
    assert found["moved"] > 0.01 and found["error"] < 0.2, found
    # What it was told is what the policy says of states like its own.
    policy = load_model(model)
    said = policy.infer_batch(observations(policy, 8), contexts(8))
    actions = np.concatenate([each["actions"] for each in said])
    margin = 0.5 * (actions.max() - actions.min())
    assert actions.min() - margin < found["least"] < found["most"] < actions.max() + margin
