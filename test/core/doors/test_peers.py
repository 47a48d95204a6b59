"""The unmodified clients of other servers, each in an environment of its own, at our doors."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import door_peers
import numpy as np
import pytest
from accounting import assert_balanced
from doors_rig import address, port, serve
from environments import alone, python_in

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(door_peers.__file__)
TIMEOUT_S = 60.0

pytestmark = pytest.mark.timeout(600)  # the first run makes the environments


@pytest.fixture(scope="session")
def python_of(pytestconfig: pytest.Config) -> Any:
    """`python_of(environment)` -> its Python; skips where this machine cannot have it."""
    return partial(python_in, config=pytestconfig)


def told_by(python: str, *arguments: object) -> list[Any]:
    """What a peer prints, line by line."""
    command = [python, "-E", str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(
        command, env=alone(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Policy:
    specification = {"notes": {"metadata": {"reset_pose": [0.0]}}}

    def infer(self, obs):
        return door_peers.answer(obs)


@pytest.mark.parametrize("environment", ["openpi-0.1.1", "openpi-0.1.2"])
def test_openpis_client_gets_from_our_door_what_the_stock_server_gives_it(python_of, environment):
    python, stock = python_of(environment), python_of("openpi-0.1.2")
    with serve({"pi0": Policy()}, "openpi", scheduling={"max_retries": 0}) as server:
        ours = told_by(python, "openpi", "127.0.0.1", port(server))
        status = assert_balanced(server)
    reference = subprocess.Popen(
        [stock, "-E", str(SCRIPT), "openpi-server"],
        env=alone(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with reference:
        try:
            theirs = told_by(python, "openpi-until-an-error", int(reference.stdout.readline()))
        finally:
            reference.kill()
    count = len(door_peers.observations())
    assert ours[0] == {"reset_pose": [0.0]}
    assert ours[: count + 2] == theirs
    assert ours[count + 1] == [[7]] * 8  # step by step, by openpi's own ActionChunkBroker
    error, words = ours[count + 2]
    assert error == "RuntimeError"
    assert "Error in inference server:\nREJECTED: 'nothing': NoneType is no array" in words
    assert "actions" in ours[count + 3]  # the connection is open still
    assert status["ok"] == count + 2 + 1


def test_openpis_client_names_model_and_client_in_its_address(python_of):
    python = python_of("openpi-0.1.2")
    models = {"other": lambda obs: {"actions": np.zeros(1)}, "pi0": Policy()}
    with serve(models, "openpi", scheduling={"max_retries": 0}) as server:
        address = f"ws://127.0.0.1:{port(server)}/pi0?client=arm-1"
        assert told_by(python, "openpi", address, "")[0] == {"reset_pose": [0.0]}
        (found,) = server.status()["clients"]
    assert found["id"] == "arm-1"


def test_a_gr00t_client_of_a_unitree_g1_acts(python_of):
    python = python_of("gr00t")
    seen = []

    def model(obs):
        seen.append(obs)
        arms = {f"action.{side}_arm": np.full((16, 7), 0.5, np.float32) for side in SIDES}
        hands = {f"action.{side}_hand": np.zeros((16, 7), np.float32) for side in SIDES}
        return {**arms, **hands}

    with serve({"g1": model}, "gr00t") as server:
        (actions,) = told_by(python, "gr00t", port(server))
        assert_balanced(server)
    assert np.shape(actions) == (16, 16)
    assert actions[0][:7] == [0.5] * 7
    assert seen[0]["annotation.human.task_description.0"] == "wave"
    assert seen[0]["video.ego_view"].shape == (1, 8, 8, 3)


def test_the_examples_run_as_they_stand(python_of):
    def model(obs):
        return {"actions": np.zeros((10, 7)), "action.left_arm": np.zeros((16, 7), np.float32)}

    with serve({"policy": model}, "openpi", "gr00t") as server:
        for example, environment, number, shown in (
            ("door_openpi.py", "openpi-0.1.2", 0, "(10, 7)"),
            ("door_gr00t.py", "gr00t", 1, "'left_arm': (1, 16, 7)"),
        ):
            command = [python_of(environment), "-E", ROOT / "examples" / example]
            done = subprocess.run(
                [*command, address(server, number)],
                env=alone(),
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
            )
            assert shown in done.stdout, done.stdout + done.stderr
        assert [each["asks_when_dry"] for each in server.status()["clients"]] == [False, False]


SIDES = ("left", "right")
