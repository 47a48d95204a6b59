"""A new robot is refused where those that are served would lose their answers in time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from house import House, reply

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, Status
from inferential_core.config.loading import load_config
from inferential_core.dispatch.base import ModelInfo
from inferential_core.errors import ConfigError
from inferential_core.simulation.robots import HINTED
from inferential_core.simulation.serving import OurServer
from inferential_core.simulation.simulation import Model, Simulation, fleet_of
from inferential_core.simulation.workload import Kind, Workload
from inferential_core.transport.memory import MemoryPeer
from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import status_of

CHUNK = {"actions": np.zeros((50, 7), np.float32)}
CALL_S = 0.05  # for one at a time: nine tenths of 20 a second are those of nine robots


class Fleet(House):
    """Robots that want two answers a second each, the first of which is known to a model that
    gives 20.
    """

    def __init__(self, keep: float | None = 0.98, known: tuple[str, ...] = ()) -> None:
        clients = {"known": [{"id": name} for name in known]}
        super().__init__(
            ModelInfo("policy", max_batch=1), admission={"keep": keep}, clients=clients
        )

        self.peers: dict[str, MemoryPeer] = {}
        self.serve("robot_0")

    def robot(self, name: str) -> MemoryPeer:
        """Its connection."""
        if name not in self.peers:
            self.peers[name] = self.client(name)
        return self.peers[name]

    def ask(self, name: str, **fields: int) -> pb.ModelResponse | None:
        """What a robot is told at once: why it is refused, or nothing."""
        peer = self.robot(name)
        self.observe(peer, steps_remaining=25, control_period_ms=20, session=1, **fields)
        return reply(peer)

    def serve(self, *names: str, seconds: float = 5.0, **fields: int) -> None:
        """Have them ask for so long; nobody is refused."""
        for _ in range(round(2 * seconds)):
            begun = self.clock.now()
            for name in names:
                assert self.ask(name, **fields) is None
                while self.dispatcher.batches:
                    self.clock.advance(CALL_S)
                    self.complete(CHUNK, duration=CALL_S)
                    assert status_of(reply(self.robot(name))) is Status.OK
            self.clock.advance(max(0.0, begun + 0.5 - self.clock.now()))


def names(count: int) -> list[str]:
    return [f"robot_{index}" for index in range(count)]


def test_a_robot_that_would_make_others_late_is_told_so_with_the_figure():
    fleet = Fleet()
    fleet.serve(*names(9))
    refused = fleet.ask("one_more")
    assert status_of(refused) is Status.REJECTED
    assert refused.error == (
        "model 'policy' has no place for one more robot: 90.0 % of the answers would be in time,"
        " and admission.keep is 98 %"
    )
    fleet.serve(*names(9))


def test_robots_that_are_served_are_never_refused_however_many_there_are():
    fleet = Fleet(keep=None)
    fleet.serve(*names(9))
    fleet.pipeline.reconfigure(InferentialConfig(admission={"keep": 0.99}))
    fleet.serve(*names(9))  # each of them, although the model is full


def test_what_is_kept_decides_how_many_find_a_place():
    fleet = Fleet(keep=0.75)
    fleet.serve(*names(9))
    found = [fleet.ask(f"more_{index}") is None for index in range(5)]
    assert found == [True, True, True, False, False]  # 18 a second are 75 % of 24


def test_who_says_goodbye_gives_its_place_to_another():
    fleet = Fleet()
    fleet.serve(*names(9))
    assert fleet.ask("one_more") is not None
    goodbye = pb.Observation(client=pb.Client(id="robot_0"), farewell=True, session=1)
    fleet.robot("robot_0").send([b"", goodbye.SerializeToString()])
    fleet.settle()
    fleet.serve(*names(9)[1:])
    assert fleet.ask("one_more") is None
    assert fleet.ask("robot_0") is not None  # it comes after that one


def test_robots_that_are_cut_off_find_their_places_free_when_they_come_back():
    fleet = Fleet()
    fleet.serve(*names(9))
    fleet.clock.advance(16.5)
    assert [status_of(fleet.ask(f"more_{index}")) for index in range(3)] == [Status.REJECTED] * 3
    fleet.serve(*names(9))
    fleet.clock.advance(61.0)  # they are gone for good
    assert fleet.ask("one_more") is None


def test_known_clients_have_their_places_reserved():
    fleet = Fleet(known=("arm",))
    fleet.serve(*names(8))
    assert fleet.ask("one_more") is not None
    assert fleet.ask("arm") is None


def test_a_robot_of_a_more_important_tier_finds_a_place_and_one_of_a_lesser_does_not():
    fleet = Fleet()
    fleet.serve(*names(9))
    assert fleet.ask("lesser", priority=2) is not None
    assert fleet.ask("alike") is not None
    assert fleet.ask("important", priority=0) is None


def test_robots_that_come_at_once_do_not_all_find_the_same_place():
    fleet = Fleet()
    fleet.serve(*names(7))
    assert [fleet.ask(f"more_{index}") is None for index in range(4)] == [True, True, False, False]


def test_while_nobody_is_known_a_full_batch_of_robots_is_let_in_to_find_out():
    fleet = House(ModelInfo("policy", max_batch=2), admission={"keep": 0.98})
    told = []
    for name in ("a", "b", "c"):
        peer = fleet.client(name)
        fleet.observe(peer, steps_remaining=25, control_period_ms=20)
        told.append(reply(peer))
    assert told[:2] == [None, None]
    assert told[2].error == (
        "model 'policy' has no place for one more robot: how many it can carry is being found out"
        " with those that it has"
    )


def test_a_refusal_is_found_out_anew_after_a_moment():
    fleet = Fleet()
    fleet.serve(*names(9))
    assert fleet.ask("one_more") is not None
    fleet.clock.advance(61.0)  # all others are silent for longer than places are kept
    assert fleet.ask("one_more") is None


def test_a_refusal_is_remembered_once_for_all_less_important_tiers():
    fleet = Fleet()
    fleet.serve(*names(9))
    asked = []
    scheduler = fleet.pipeline.scheduler
    share_in_time = scheduler.share_in_time
    scheduler.share_in_time = lambda *told: asked.append(told) or share_in_time(*told)
    for tier in (2, *range(2, 50), 1):
        told = fleet.ask("one_more", priority=tier)
        assert told is not None and status_of(told) is Status.REJECTED
    assert [tier for _, _, tier, *_ in asked] == [2, 1]


def test_of_a_fleet_that_is_switched_on_at_once_as_many_find_a_place_as_can_be_served():
    workload = Workload("T", "pi0.5-like", (Kind(50, 50, 0.5),), 0.02, 0.01, 8, 0.005, 0.002)
    server = OurServer(workload, "deadline_aware", {}, supersedes=True)
    server.admission.configure(InferentialConfig(admission={"keep": 0.98}))
    server.admission.places.scheduler = server.scheduler
    robots = fleet_of(workload, 1.5, seed=0, habits=HINTED)
    assert len(robots) == 60
    Simulation(robots, server, Model(workload)).run(8.0, drain=False)
    served = {client.id for client in server.clients.by_id.values() if client.places}
    assert 34 <= len(served) <= 40  # nine tenths of 80 answers a second are those of 36
    asked = [each for robot in robots if robot.name in served for each in robot.asked]
    answered = [each for each in asked if 3.0 < each.sent_s and each.dry_s < 8.0]
    assert sum(each.on_time for each in answered) >= 0.98 * len(answered)


@pytest.mark.parametrize("keep", [0.98, None])
def test_a_real_server_refuses_the_second_of_two_that_ask_without_a_pause(keep: float | None):
    def slow(obs: dict) -> dict:
        time.sleep(0.1)  # so that what a busy machine adds does not make room
        return {"actions": np.zeros(1)}

    config = InferentialConfig(admission={"keep": keep})
    models = LocalDispatcher({"policy": slow})
    with (
        Server("tcp://127.0.0.1:0", config=config, dispatcher=models) as server,
        Connection(server.address, client_id="first") as first,
        Connection(server.address, client_id="second") as second,
    ):
        robot, other = first.model("policy"), second.model("policy")
        for _ in range(8):
            robot.observe(x=np.zeros(1))
            assert robot.get_reply(5000).status is Status.OK
        other.observe(x=np.zeros(1))
        answer = other.get_reply(5000)
        assert answer.status is (Status.OK if keep is None else Status.REJECTED)
        assert ("no place for one more robot" in answer.error) is (keep is not None)
        robot.observe(x=np.zeros(1))
        assert robot.get_reply(5000).status is Status.OK


@pytest.mark.parametrize("strategy", ["batch_optimized", "priority_tiered", "round_robin"])
def test_a_strategy_that_foresees_nothing_is_refused_where_answers_are_to_be_kept_in_time(
    strategy: str, tmp_path: Path
) -> None:
    file = tmp_path / "server.yaml"
    file.write_text(f"admission: {{keep: 0.9}}\nscheduling: {{strategy: {strategy}}}\n")
    told = f"keep is 0.9, but the strategy '{strategy}' cannot tell"
    with pytest.raises(ConfigError, match=f"server.yaml:1: admission: {told}"):
        load_config(file)
    server = Server("tcp://127.0.0.1:0", config=InferentialConfig(admission={"keep": 0.9}))
    with pytest.raises(ConfigError, match=told):
        server.use_scheduler(strategy)
