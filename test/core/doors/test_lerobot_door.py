"""The door for robots of LeRobot, over real gRPC and in front of a real server."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from accounting import assert_balanced
from doors_rig import Starting, address, port, serve, wait_for

from benchmarks.peers import lerobot_robot as robot
from benchmarks.peers.lerobot_robot import Robot, parts
from inferential_core import ConfigError, Connection
from inferential_core.doors.lerobot import lerobot_async_pb2 as pb
from inferential_core.doors.lerobot import robots, service


def policy(obs):
    """Ten steps that begin with the state that was observed."""
    return {"actions": np.arange(20.0).reshape(10, 2) + obs["observation.state"]}


@pytest.fixture
def server():
    with serve({"policy": policy}, "lerobot") as server:
        yield server


@pytest.fixture
def arm(server):
    arm = Robot(address(server))
    yield arm
    arm.close()


def refusal(call, *args) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as refused:
        call(*args)
    return refused.value.code().name, refused.value.details()


def test_a_robot_gets_the_steps_that_follow_its_observation(server, arm):
    arm.begin(robot.setup())

    arm.send(robot.observation(step=4))

    actions = arm.get()
    assert [action.timestep for action in actions] == [*range(4, 14)]
    assert actions[1].action.tolist() == [3.5, 3.25]
    assert_balanced(server)


def test_an_image_that_came_in_parts_reaches_the_model_as_it_was():
    image = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    seen = []

    def look(obs):
        seen.append(obs)
        return policy(obs)

    with serve({"policy": look}, "lerobot") as server:
        arm = Robot(address(server), part_bytes=100_000)
        arm.begin(robot.setup())
        arm.send(robot.observation(front=image))
        assert len(arm.get()) == 10
        arm.close()
    (obs,) = seen
    assert np.array_equal(obs["observation.images.front"], image)
    assert obs["task"] == "pick"
    assert obs["observation.state"].dtype == np.float32


def test_the_runway_that_the_scheduler_sees_is_exact():
    seen = []

    class Watching:
        def infer_batch(self, observations):
            return [policy(obs) for obs in observations]

    with serve({"policy": Watching()}, "lerobot") as server:
        loop = server._ran.pipeline
        enter = loop._bypass.enter

        def watched(request):
            seen.append((request.steps_remaining, round(1000 * request.control_period_s)))
            enter(request)

        loop._bypass.enter = watched
        arm = Robot(address(server))
        arm.begin(robot.setup())
        for step, at in ((0, 1.0), (3, 1.15), (5, 1.25), (14, 1.7), (14, 1.75)):
            arm.send(robot.observation(step=step, at=at))
            arm.get()
        arm.close()
    # sent so far: nothing, to 9, 12, 14 and 23
    assert seen == [(None, 0), (6, 50), (7, 50), (0, 50), (9, 50)]


def test_a_robot_that_begins_while_its_model_starts_waits_and_is_checked_then():
    class Six:
        specification = {"observation": {"observation.state": {"shape": [6], "dtype": "float32"}}}

        def infer(self, obs):
            return policy(obs)

    dispatcher = Starting({"policy": policy, "six": Six()})
    with serve({}, "lerobot", dispatcher=dispatcher) as server, ThreadPoolExecutor(2) as pool:
        arms = [Robot(address(server)) for _ in range(2)]
        begins = pool.submit(arms[0].begin, robot.setup("policy"))
        fails = pool.submit(arms[1].begin, robot.setup("six"))
        wait_for(lambda: server.doors()[0]["clients"] == 2)
        assert not begins.done() and not fails.done()
        dispatcher.let_start()
        begins.result(20)
        code, words = refusal(fails.result, 20)
        assert code == "FAILED_PRECONDITION" and "shape [2], the model takes [6]" in words
        for arm in arms:
            arm.close()


def test_a_model_that_is_not_served_is_refused_where_the_robot_begins(arm):
    code, words = refusal(arm.begin, robot.setup("polcy"))

    assert (code, words) == ("NOT_FOUND", "model 'polcy' is unknown: did you mean 'policy'?")


def test_the_name_of_a_checkpoint_may_stand_for_a_model():
    door = {"kind": "lerobot", "models": {"user/act_pick": "policy"}}
    with serve({"policy": policy, "other": policy}, door) as server:
        arm = Robot(address(server))
        arm.begin(robot.setup("user/act_pick"))
        arm.send(robot.observation())
        assert arm.get()
        arm.close()


class Particular:
    specification = {
        "observation": {"observation.images.top": {"dtype": "uint8", "shape": [None, None, 3]}}
    }

    def infer(self, obs):
        return policy(obs)


def test_a_robot_that_does_not_observe_what_the_model_takes_is_refused_where_it_begins():
    with serve({"policy": Particular()}, "lerobot") as server:
        arm = Robot(address(server))
        code, words = refusal(arm.begin, robot.setup())
        assert code == "FAILED_PRECONDITION" and "observation.images.top" in words

        renamed = {"observation.images.front": "observation.images.top"}
        arm.begin(robot.setup(rename_map=renamed))
        arm.send(robot.observation())
        assert arm.get()
        arm.close()


@pytest.mark.parametrize(
    "message, why",
    [
        (b"", "no pickle"),
        (b"\0\0\0\2{}", "no pickle"),
        (robot.dumps([1, 2]), "no RemotePolicyConfig"),
        (robot.setup(chunk=0), "actions_per_chunk"),
    ],
)
def test_what_is_no_setup_is_refused_in_words_and_counted(server, arm, message, why):
    code, words = refusal(arm.begin, message)

    assert code == "INVALID_ARGUMENT" and why in words
    assert server.doors()[0]["errors"] == {"setup": 1}


@pytest.mark.parametrize(
    "made, why",
    [
        ([], "before its last part"),
        ([b"\xff\xff"], "Error parsing message"),
        ([pb.Part(data=b"x").SerializeToString()], "transfer state 0"),
        (parts(b"x" * 50, 10)[:3], "before its last part"),
        (parts(robot.observation()[:-40], 1 << 20), "cut off|of which"),
        (parts(robot.setup(), 1 << 20), "no TimedObservation"),
        (parts(robot.observation(**{"shoulder.pos": "high"}), 1 << 20), "has to be a number"),
        (parts(b"x" * 2000, 1), "more than 1024 parts"),
    ],
)
def test_what_is_no_observation_is_refused_and_the_robot_goes_on(server, arm, made, why):
    arm.begin(robot.setup())

    code, words = refusal(arm.send_parts, made)

    assert code == "INVALID_ARGUMENT" and re.search(why, words)
    assert server.doors()[0]["errors"] == {"observation": 1}
    arm.send(robot.observation())
    assert arm.get()
    assert_balanced(server)


def test_an_observation_over_the_limit_is_refused_before_it_is_there():
    with serve({"policy": policy}, "lerobot", limits={"max_message_bytes": 10_000}) as server:
        arm = Robot(address(server))
        arm.begin(robot.setup())
        sent = []

        def endless():
            while True:
                part = pb.Part(transfer_state=pb.TRANSFER_MIDDLE, data=bytes(1000))
                sent.append(1)
                yield part.SerializeToString()

        code, words = refusal(arm.send_parts, endless())
        arm.close()
    assert code == "INVALID_ARGUMENT" and "10000 bytes, the limit" in words


def test_an_observation_that_never_ends_is_given_up(server, arm, monkeypatch):
    monkeypatch.setattr(service, "SLOWEST_S", 0.2)
    arm.begin(robot.setup())
    release = threading.Event()

    def slow():
        yield parts(b"x" * 20, 10)[0]
        release.wait(30)

    code, words = refusal(arm.send_parts, slow())
    release.set()

    assert code == "ABORTED" and "longer than" in words
    assert server.doors()[0]["errors"] == {"slow": 1}


def test_what_the_model_refuses_is_told_to_the_robot_that_asks_for_actions():
    def fails(obs):
        raise RuntimeError("the gripper is too hot")

    with serve({"policy": fails}, "lerobot") as server:
        arm = Robot(address(server))
        arm.begin(robot.setup())
        arm.send(robot.observation())
        began = time.monotonic()
        code, words = refusal(arm.get)
        assert code == "INTERNAL" and "the gripper is too hot" in words
        assert time.monotonic() - began >= service.BETWEEN_REFUSALS_S  # it asks again at once
        arm.close()
        assert_balanced(server)


def test_a_robot_that_has_nothing_to_hear_gets_nothing_and_asks_again(arm, monkeypatch):
    monkeypatch.setattr(service, "LONG_POLL_S", 0.1)
    arm.begin(robot.setup())

    assert arm.get() == []


def test_newer_observations_take_the_place_of_those_that_wait():
    go, entered = threading.Event(), threading.Event()
    steps = []

    def slow(obs):
        steps.append(obs["observation.state"][0])
        entered.set()
        go.wait(20)
        return policy(obs)

    with serve({"policy": slow}, "lerobot") as server:
        arm = Robot(address(server))
        arm.begin(robot.setup())
        arm.send(robot.observation(step=0, **{"shoulder.pos": 0.0}))
        entered.wait(20)
        for step in (1, 2, 3):
            arm.send(robot.observation(step=step, **{"shoulder.pos": float(step)}))
        wait_for(lambda: server.status()["superseded"] == 2)
        go.set()
        firsts = [arm.get()[0].timestep]
        while firsts[-1] != 3:
            firsts.append(arm.get()[0].timestep)
        arm.close()
        assert_balanced(server)
    assert steps == [0.0, 3.0]


def test_a_robot_that_did_not_begin_is_told_to(server, arm, monkeypatch):
    monkeypatch.setattr(service, "BETWEEN_REFUSALS_S", 0.05)

    code, words = refusal(arm.get)

    assert code == "FAILED_PRECONDITION" and "start the robot's client again" in words


def test_a_robot_whose_connection_broke_goes_on_over_another_one(server, arm, monkeypatch):
    monkeypatch.setattr(robots, "LOST_AFTER_S", 0.2)
    monkeypatch.setattr(service, "BETWEEN_REFUSALS_S", 0.05)
    arm.begin(robot.setup())
    arm.send(robot.observation())
    assert arm.get()
    arm.close()
    again = Robot(address(server))

    def went_on() -> bool:
        try:
            again.send(robot.observation(step=30))
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
            return False
        return True

    wait_for(went_on)
    assert again.get()[0].timestep == 30
    again.close()
    (client,) = server.status()["clients"]
    assert client["id"] == "lerobot-127.0.0.1-1"


def test_where_two_robots_may_be_meant_neither_is_taken_for_the_other(server, monkeypatch):
    monkeypatch.setattr(robots, "LOST_AFTER_S", 0.1)
    monkeypatch.setattr(service, "BETWEEN_REFUSALS_S", 0.05)
    for _ in range(2):
        arm = Robot(address(server))
        arm.begin(robot.setup())
        arm.close()
    wait_for(lambda: not any(each["connected"] for each in server.status()["clients"]))

    stranger = Robot(address(server))
    assert refusal(stranger.get)[0] == "FAILED_PRECONDITION"
    stranger.close()


@pytest.fixture
def two_on_one_connection(server, monkeypatch):
    """As in a process that runs two: gRPC shares its connections."""
    monkeypatch.setattr(service, "BETWEEN_REFUSALS_S", 0.05)
    pair = [Robot(address(server), shared=True) for _ in range(2)]
    yield pair
    for each in pair:
        each.close()


def words_of(call, *args) -> str:
    try:
        return str(call(*args))
    except grpc.RpcError as error:
        return error.details()


def test_of_two_robots_on_one_connection_the_second_may_not_begin(two_on_one_connection):
    first, second = two_on_one_connection
    first.begin(robot.setup())
    done = threading.Event()

    def listen():
        while not done.is_set():
            words_of(first.get)

    listening = threading.Thread(target=listen)
    listening.start()
    wait_for(lambda: "two robots share one connection" in words_of(second.begin, robot.setup()))
    done.set()
    listening.join(20)


def test_two_robots_on_one_connection_get_no_actions(two_on_one_connection):
    first, second = two_on_one_connection
    first.begin(robot.setup())
    second.begin(robot.setup())  # neither asked so far: it may be the same one again
    heard = []
    asking = [
        threading.Thread(target=lambda each=each: heard.append(words_of(each.get)))
        for each in (first, second)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(20)

    assert sorted(words[:10] for words in heard) == ["[]", "two robots"]
    assert "start the robot's client again" in words_of(first.get)


def test_a_robot_that_begins_again_forgets_what_it_was_sent(server, arm):
    arm.begin(robot.setup())
    arm.send(robot.observation(step=50))
    wait_for(lambda: server.status()["ok"] == 1)

    arm.begin(robot.setup())
    arm.send(robot.observation(step=0))

    assert arm.get()[0].timestep == 0


def test_a_robot_is_known_by_its_configured_name_and_shown_as_coming_by_the_door():
    door = {"kind": "lerobot", "clients": {"127.0.0.1": "arm_7"}}
    with serve({"policy": policy}, door) as server:
        arm = Robot(address(server))
        arm.begin(robot.setup())
        arm.send(robot.observation())
        assert arm.get()
        (client,) = server.status()["clients"]
        arm.close()
    assert (client["id"], client["door"]) == ("arm_7", "lerobot")


def test_robots_and_clients_of_our_own_share_a_batch():
    gate, sizes = threading.Event(), []

    class Batching:
        def infer_batch(self, observations):
            gate.wait(20)
            sizes.append(len(observations))
            return [policy(obs) for obs in observations]

    values = {"observation.state": np.zeros(2, np.float32)}
    with serve({"policy": Batching()}, "lerobot") as server:
        arms = [Robot(address(server)) for _ in range(3)]
        with Connection(server.address, client_id="ours") as connection:
            model = connection.model("policy")
            model.observe(**values)
            wait_for(lambda: server.status()["in_flight"] == 1)
            model.observe(**values)
            for arm in arms:
                arm.begin(robot.setup())
                arm.send(robot.observation())
            wait_for(lambda: server.status()["queued"] == 4)
            gate.set()
            assert all(len(arm.get()) == 10 for arm in arms)
            for _ in range(2):
                assert model.get_result(20_000) is not None
        for arm in arms:
            arm.close()
    assert sizes == [1, 4]


def test_the_server_needs_neither_torch_nor_lerobot():
    code = "import inferential_core.doors.lerobot, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()

    assert not {"torch", "lerobot", "pickle5", "cloudpickle"} & set(loaded)


def test_a_port_that_is_taken_is_told_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        door = {"kind": "lerobot", "bind": f"127.0.0.1:{number}"}
        with pytest.raises(ConfigError, match=f"127.0.0.1:{number} is taken.*another port"):
            serve({"policy": policy}, door).start()


def test_a_door_beyond_loopback_is_refused_because_robots_run_what_they_receive():
    door = {"kind": "lerobot", "bind": "0.0.0.0:0"}

    with pytest.raises(ConfigError, match="no credentials.*ssh -L"):
        serve({"policy": policy}, door, transport={"bind": "tcp://127.0.0.1:0"}).start()


def test_a_server_that_stops_ends_its_calls_and_its_threads(server):
    arm = Robot(address(server))
    arm.begin(robot.setup())
    ended = []
    asking = threading.Thread(target=lambda: ended.append(refusal(arm.get)[0]))
    asking.start()
    wait_for(lambda: server.doors()[0]["clients"] == 1)

    where = port(server)
    server.stop()

    asking.join(20)
    assert ended and ended[0] in ("UNAVAILABLE", "CANCELLED")
    socket.create_server(("127.0.0.1", where)).close()
    arm.close()
