"""The Ray cluster that models run on loses a replica, or all of itself."""

from __future__ import annotations

from ..stage import Stage
from .fault import Fault


class ReplicaKilled(Fault):
    family = "ray"
    name = "replica killed"
    what = "SIGKILL to one of two"
    way = "ray"
    lasts_s = (3.0, 3.0)

    def begin(self, stage: Stage) -> None:
        assert stage.cluster is not None
        stage.cluster.ask({"do": "kill_replica"})

    def end(self, stage: Stage) -> None:
        pass  # another one goes on, and Serve starts a new one by itself


class RayKilled(Fault):
    family = "ray"
    name = "Ray killed"
    what = "the whole cluster, and a new one at the same address"
    way = "ray"
    lasts_s = (2.0, 2.0)

    def begin(self, stage: Stage) -> None:
        assert stage.cluster is not None
        stage.cluster.ask({"do": "stop"})

    def end(self, stage: Stage) -> None:
        assert stage.cluster is not None
        stage.cluster.ask({"do": "start"})


FAULTS = (ReplicaKilled, RayKilled)
