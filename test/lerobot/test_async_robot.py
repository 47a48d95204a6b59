"""LeRobot's own robot program against the door, and its own server beside it for comparison."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from lerobot.async_inference.configs import PolicyServerConfig
from lerobot.async_inference.helpers import RemotePolicyConfig, TimedObservation
from lerobot.async_inference.policy_server import PolicyServer
from lerobot.transport import services_pb2, services_pb2_grpc
from lerobot.transport.utils import grpc_channel_options, send_bytes_in_chunks

from inferential_core import InferentialConfig, LocalDispatcher, Server
from inferential_core.models.loading import load_model

PROGRAM = Path(__file__).with_name("robot_program.py")


class RobotProgram:
    """The process; `wait(n)` returns once its robot executed so many more actions."""

    def __init__(self, address: str, model: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), address, model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,  # LeRobot makes a folder of logs
        )
        self.told = self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"the robot's program ended with {self._process.wait()}")

    def wait(self, actions: int) -> dict[str, Any]:
        return self._say(f"wait {actions}")

    def stop(self) -> dict[str, Any]:
        told = self._say("stop")
        self._process.wait(30)
        return told

    def _say(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)
        self.told = self._hear()
        return self.told

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def robots(tmp_path: Path) -> Iterator[Any]:
    started: list[RobotProgram] = []

    def start(address: str, model: str) -> RobotProgram:
        started.append(RobotProgram(address, model, tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.end()


def serve(models: dict[str, Any], bind: str = "127.0.0.1:0") -> Server:
    config = InferentialConfig(
        transport={"bind": "tcp://127.0.0.1:0"}, doors=[{"kind": "lerobot", "bind": bind}]
    )
    return Server(config=config, dispatcher=LocalDispatcher(models))


def address(server: Server) -> str:
    return server.doors()[0]["address"]


class Counting:
    """Answers (20, 2) with steps from where the first joint is on; remembers batch sizes."""

    def __init__(self) -> None:
        self.observed: list[dict[str, Any]] = []
        self.sizes: list[int] = []

    def infer_batch(self, observations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.observed += observations
        self.sizes.append(len(observations))
        rise = np.arange(1.0, 21.0)[:, None] * [1.0, 0.0]
        return [{"actions": rise + each["observation.state"]} for each in observations]


def test_its_robot_executes_what_the_model_answers(robots):
    model = Counting()
    with serve({"policy": model}) as server:
        robot = robots(address(server), "policy")
        assert robot.told["began"]
        told = robot.wait(60)
        assert told["errors"] == []
        assert told["actions"][0] == [1.0, 0.0]
        first = model.observed[0]
        robot.stop()
    assert first["observation.state"].tolist() == [0.0, 0.0]
    assert first["observation.images.front"].shape == (48, 64, 3)
    assert first["task"] == "pick"


def test_the_runway_that_it_is_served_by_is_what_is_left_in_its_queue(robots):
    seen = []
    with serve({"policy": Counting()}) as server:
        enter = server._ran.pipeline._bypass.enter

        def watched(request: Any) -> None:
            seen.append((request.steps_remaining, request.control_period_s))
            enter(request)

        server._ran.pipeline._bypass.enter = watched
        robot = robots(address(server), "policy")
        robot.wait(120)
        robot.stop()
    told = [(steps, period) for steps, period in seen if steps is not None]
    # It asks when half of its 20 actions are left or fewer. More are on their way to it where it
    # observed before it took the last answer out.
    assert len(told) >= 3 and all(0 <= steps < 20 for steps, _ in told)
    assert sorted(steps for steps, _ in told)[len(told) // 2] <= 10
    assert told[-1][1] == pytest.approx(1 / 30, rel=0.25)


def test_a_model_that_is_not_served_ends_its_program_with_our_words(robots):
    with serve({"policy": Counting()}) as server:
        robot = robots(address(server), "polcy")
    assert robot.told["began"] is False
    assert "did you mean 'policy'?" in robot.told["errors"][0]


def test_an_error_of_the_model_is_in_its_log_once_a_second_and_it_goes_on(robots):
    model = Counting()
    healthy = model.infer_batch
    broken = threading.Event()

    def infer_batch(observations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if broken.is_set():
            raise RuntimeError("the gripper is too hot")
        return healthy(observations)

    model.infer_batch = infer_batch
    with serve({"policy": model}) as server:
        robot = robots(address(server), "policy")
        robot.wait(20)
        broken.set()
        while not robot.wait(0)["errors"]:
            pass
        assert "the gripper is too hot" in robot.told["errors"][0]
        broken.clear()
        before = len(robot.told["actions"])
        assert len(robot.wait(30)["actions"]) >= before + 30
        robot.stop()


def test_after_a_server_that_was_started_anew_it_is_told_to_begin_again(robots):
    """It never begins again by itself: its program has to be started again."""
    server = serve({"policy": Counting()})
    server.start()
    where = address(server)
    robot = robots(where, "policy")
    robot.wait(20)
    server.stop()
    with serve({"policy": Counting()}, where):
        while not any("start the robot's client again" in e for e in robot.wait(0)["errors"]):
            pass
        again = robots(where, "policy")
        assert again.told["began"]
        again.wait(20)
        again.stop()
    robot.stop()


# --- beside LeRobot's own server ---


class StockServer:
    """LeRobot's PolicyServer on a port of its own."""

    def __init__(self) -> None:
        self._policy = PolicyServer(PolicyServerConfig(host="127.0.0.1", port=1))
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        services_pb2_grpc.add_AsyncInferenceServicer_to_server(self._policy, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._policy.stop()
        self._server.stop(None).wait()


def ask(where: str, setup: RemotePolicyConfig, observation: TimedObservation) -> list[Any]:
    """One answer, by the calls and helpers that LeRobot's robot makes."""
    with grpc.insecure_channel(where, grpc_channel_options()) as channel:
        stub = services_pb2_grpc.AsyncInferenceStub(channel)
        stub.Ready(services_pb2.Empty())
        stub.SendPolicyInstructions(services_pb2.PolicySetup(data=pickle.dumps(setup)))
        parts = send_bytes_in_chunks(pickle.dumps(observation), services_pb2.Observation)
        stub.SendObservations(parts)
        return pickle.loads(stub.GetActions(services_pb2.Empty()).data)


def test_a_checkpoint_answers_as_behind_lerobots_own_server(
    act_cameras: Path, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    policy = load_model(f"lerobot:{act_cameras}")
    names = list(policy.specification["observation"])
    cameras = [name for name in names if name.startswith("observation.images.")]
    size = policy.specification["observation"]["observation.state"]["shape"][0]
    motors = [f"joint_{number}.pos" for number in range(size)]
    random = np.random.default_rng(5)
    values = {name: float(random.normal()) for name in motors} | {"task": "pick"}
    features = {
        "observation.state": {"dtype": "float32", "shape": (size,), "names": motors},
    }
    for name in cameras:
        camera = name.removeprefix("observation.images.")
        values[camera] = random.integers(0, 255, (48, 64, 3), np.uint8)
        features[name] = {
            "dtype": "image",
            "shape": (48, 64, 3),
            "names": ["height", "width", "channels"],
            "info": {"is_depth_map": False},
        }
    observation = TimedObservation(12.0, 7, values, must_go=True)
    answers = []
    stock = StockServer()
    with serve({"policy": policy}) as server:
        for where, model in ((stock.address, str(act_cameras)), (address(server), "policy")):
            setup = RemotePolicyConfig("act", model, features, 5)
            answers.append(ask(where, setup, observation))
    stock.stop()
    theirs, ours = answers
    assert [each.timestep for each in ours] == [each.timestep for each in theirs]
    for mine, other in zip(ours, theirs):
        assert mine.action.dtype == other.action.dtype
        assert np.allclose(mine.action.numpy(), other.action.numpy(), atol=1e-5)
