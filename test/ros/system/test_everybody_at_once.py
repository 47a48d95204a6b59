"""One server, one model, and everybody's clients at once, who share its batches.

The client of LeRobot is a stand-in that makes the same calls; with INFERENTIAL_LEROBOT=1 it is its
own RobotClient, in the environment of `make lerobot`. The openpi and GR00T clients are stand-ins
with the bytes of the real ones; the client of 0.1.0 is the published package.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")
grpc = pytest.importorskip("grpc", reason="the LeRobot door needs grpcio")

ROOT = Path(__file__).resolve().parents[3]
sys.path += [str(ROOT), str(ROOT / "test" / "core")]

from doors_rig import Gr00tClient, OpenpiClient, serve  # noqa: E402
from inferential.msg import BridgeStatus  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from benchmarks.peers import lerobot_robot  # noqa: E402
from inferential_core import Connection  # noqa: E402

LEROBOT = ROOT / ".venv-lerobot" / "bin" / "python"
ROBOT_PROGRAM = ROOT / "test" / "lerobot" / "robot_program.py"
INTEROP = ROOT / "test" / "core" / "interop.py"
ACTIONS = np.tile(np.float32([0.5, 0.25]), (40, 1))
EVERYBODY = {"openpi", "gr00t", "lerobot", "published", "bridge"}
ROUNDS, BOUND_S = 20, 60.0


class Shared:
    """Answers everybody alike; a call that has an observation of `ours` waits for the gate."""

    def __init__(self) -> None:
        self.batches: list[set[str]] = []  # of whom
        self.gate, self.busy = threading.Event(), threading.Event()

    def infer_batch(self, observations: list[Any], contexts: list[Any]) -> list[Any]:
        who = {_kind(each.client_id) for each in contexts}
        self.batches.append(who)
        if "ours" in who:
            self.busy.set()
            assert self.gate.wait(BOUND_S)
        return [{"actions": ACTIONS} for _ in observations]


def _kind(client_id: str) -> str:
    """Whose client this is: those of doors are called after their door."""
    kind = client_id.partition("-")[0]
    return {"robot": "published", "r": "bridge"}.get(kind, kind)


def published_python() -> str:
    command = [sys.executable, str(ROOT / "tools" / "published.py"), "0.1.0"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        pytest.skip("no environment for inferential 0.1.0 on this machine: make published")
    return done.stdout.strip()


@pytest.fixture
def lerobot_robot_of(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Starts one for the server at an address, which it asks until the test ends."""
    with ExitStack() as stack:

        def start(address: str) -> None:
            if not os.environ.get("INFERENTIAL_LEROBOT"):
                stand_in = lerobot_robot.Robot(address)
                stack.callback(stand_in.close)
                stand_in.begin(lerobot_robot.setup())
                _asks_for_ever(stand_in, stack)
                return
            process = subprocess.Popen(
                [str(LEROBOT), str(ROBOT_PROGRAM), address, "policy"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_alone(),
                text=True,
                cwd=tmp_path,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            told = next(line for line in process.stdout if line.startswith("{"))
            assert json.loads(told)["began"]

        yield start


def _asks_for_ever(stand_in: lerobot_robot.Robot, stack: ExitStack) -> None:
    done, steps = threading.Event(), itertools.count()

    def live(act: Callable[[], Any]) -> None:
        with contextlib.suppress(grpc.RpcError):  # the server stops first
            while not done.wait(0.03):
                act()

    def send() -> None:
        stand_in.send(lerobot_robot.observation(next(steps), time.time()))

    for act in (send, stand_in.get):
        thread = threading.Thread(target=live, args=(act,))
        thread.start()
        stack.callback(thread.join)
    stack.callback(done.set)


def _alone() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


class _Asking(threading.Thread):
    """One question, of which `answer` is what came."""

    def __init__(self, question: Callable[[], Any]) -> None:
        super().__init__()
        self._question = question

    def run(self) -> None:
        self.answer = self._question()


@pytest.mark.timeout(240)
def test_clients_of_every_kind_are_served_by_one_model_and_share_batches(
    make_rig: Callable[..., Any], lerobot_robot_of: Callable[[str], None]
) -> None:
    python, model = published_python(), Shared()
    doors = ("openpi", "gr00t", "lerobot")
    batching = {"strategy": "batch_optimized"}  # deadline_aware splits what a gate held up
    with (
        serve({"policy": model}, *doors, scheduling=batching) as server,
        ExitStack() as stack,
    ):
        openpi = stack.enter_context(OpenpiClient(server.doors()[0]["address"]))
        gr00t = stack.enter_context(Gr00tClient(server, 1))
        lerobot_robot_of(server.doors()[2]["address"])
        rig = make_rig(Parameter("server", value=server.address))
        rig.run()
        rig.until(BridgeStatus.STATE_EXECUTING)
        ours = stack.enter_context(Connection(server.address, client_id="ours"))
        mine = ours.model("policy")
        state = np.zeros(2, np.float32)
        for _ in range(ROUNDS):
            model.gate.clear()
            model.busy.clear()
            mine.observe(state=state)
            assert model.busy.wait(BOUND_S)
            before = server.status()["received"]
            scenario = ["client", "0.1.0", "sync", server.address, "say_nothing_of_priority"]
            published = subprocess.Popen([python, "-E", str(INTEROP), *scenario], env=_alone())
            questions = (
                lambda: openpi.infer({"state": state})["actions"],
                lambda: gr00t.call("get_action", {"state": state[None]})["action.actions"],
            )
            asking = [_Asking(question) for question in questions]
            for thread in asking:
                thread.start()
            until = time.monotonic() + 3.0
            while server.status()["queued"] < len(EVERYBODY) and time.monotonic() < until:
                time.sleep(0.01)
            assert server.status()["received"] > before
            model.gate.set()
            for thread in asking:
                thread.join(BOUND_S)
            assert published.wait(BOUND_S) == 0
            assert mine.get_result(1000 * BOUND_S) is not None
            assert all(np.array_equal(each.answer, ACTIONS) for each in asking)
            if any(EVERYBODY <= batch for batch in model.batches):
                break
    assert any(EVERYBODY <= batch for batch in model.batches), model.batches[-20:]
