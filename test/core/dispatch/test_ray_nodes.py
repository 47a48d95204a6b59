"""Models on the nodes of a Ray cluster, each a raylet of its own as on another machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from ray_load import load

from inferential_core import Connection, Server
from inferential_core.config import InferentialConfig
from inferential_core.status import Status

if find_spec("ray") is None:
    pytest.skip("Ray is not installed", allow_module_level=True)

from ray_cluster import Cluster, Head

BOUND_S = 60.0  # of waiting for what must come
# A node that takes its leave costs no more than one that is killed, and as long to test.
ENDINGS = ["kill", "take_away"] if "INFERENTIAL_FAULTS" in os.environ else ["kill"]
QUICK = {"health_check_period_s": 1.0, "health_check_timeout_s": 5.0}


def wait_for(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


class Nodes:
    """A head that runs no replicas, and who speaks to it."""

    def __init__(self, lasting: set[int]) -> None:
        self.head = Head()
        self.head.start()
        self.speaker = Cluster(self.head.address)
        self._lasting = lasting
        lasting |= {self.speaker.process.pid, *self.head.pids()}

    def join(self, name: str) -> None:
        self.head.join(name)
        self._lasting |= self.head.pids()
        wait_for(lambda: name in self.speaker.nodes(), f"node {name} did not join")

    def deploy(self, app: str, count: int, wait: bool = True, **resources: float) -> None:
        self.speaker.deploy(
            app=app,
            target="Batching",
            init={"delay_s": 0.005},
            wait=wait,
            num_replicas=count,
            ray_actor_options={"num_cpus": 0.1, "resources": resources},
            **QUICK,
        )

    def close(self) -> None:
        self.speaker.close()
        self.head.close()


@pytest.fixture(scope="module")
def nodes(lasting_processes: set[int]) -> Iterator[Nodes]:
    nodes = Nodes(lasting_processes)
    nodes.join("one")
    nodes.join("two")
    yield nodes
    nodes.close()


@pytest.fixture
def serve(nodes: Nodes) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def serve(*models: str) -> Server:
        config = InferentialConfig(
            ray={"address": nodes.head.address, "timeout_s": 3.0}, scheduling={"max_retries": 2}
        )
        servers.append(Server("tcp://127.0.0.1:0", list(models), config))
        servers[-1].start()
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


def test_a_batch_is_one_call_on_the_node_that_the_deployment_asks_for(
    nodes: Nodes, serve: Callable[..., Server]
) -> None:
    nodes.deploy("far", 1, two=0.1)
    server = serve("far")
    with load(server.address, "far", robots=1) as result:
        wait_for(lambda: result.first_ok(0.0), "no good answer")
    robots = [Connection(server.address, client_id=f"asks-{number}") for number in range(9)]
    handles = [robot.model("far", latency_budget_ms=30_000) for robot in robots]
    try:
        # One call keeps the replica busy, while the others wait for it together.
        handles[0].observe(state=np.zeros(3), sleep_s=1.0)
        wait_for(lambda: server.status()["in_flight"], "the first one is not at work")
        for handle in handles[1:]:
            handle.observe(state=np.zeros(3))
        replies = [handle.get_reply(timeout_ms=30_000) for handle in handles]
    finally:
        for robot in robots:
            robot.close()
    results = [reply.result for reply in replies]
    (pid,) = {int(result["pid"][0]) for result in results}
    assert nodes.head.runs("two", pid) and not nodes.head.runs("one", pid)
    assert [int(result["batch"][0]) for result in results] == [1] + 8 * [8]
    assert len({int(result["call"][0]) for result in results}) == 2
    nodes.speaker.delete(app="far")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_lost_node_costs_only_the_models_that_have_no_replica_elsewhere(
    nodes: Nodes, serve: Callable[..., Server], ending: str
) -> None:
    nodes.deploy("both", 2, seat=0.6)  # so one on each node
    nodes.deploy("there", 1, one=0.1)
    server = serve("both", "there")
    with (
        load(server.address, "both", robots=3, named="both") as both,
        load(server.address, "there", robots=1, named="there") as there,
    ):
        wait_for(lambda: both.first_ok(0.0) and there.first_ok(0.0), "no good answer")
        begun = time.monotonic()
        getattr(nodes.head, ending)("one")
        wait_for(lambda: there.count(begun)[Status.ERROR], "no error")
        gone = time.monotonic()
        wait_for(lambda: both.first_ok(gone), "no answer after that")
        nodes.join("one")
        back = time.monotonic()
        wait_for(lambda: there.first_ok(back), "not served again")
        wait_for(lambda: len(nodes.speaker.pids("both")) == 2, "no second replica again")
    counts = both.count(begun)
    print(f"\n{ending}: {dict(counts)}, longest wait {both.longest_s():.2f} s")
    assert both.lost == there.lost == 0
    ended = sum((both.count() + there.count()).values())
    assert server.status()["received"] == ended
    errors = {error for _, _, _, error in both.replies}
    assert counts[Status.OK] >= 0.99 * sum(counts.values()), errors
    nodes.speaker.delete(app="both")
    nodes.speaker.delete(app="there")
