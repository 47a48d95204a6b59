"""The network between robots and server, which is one of our own (cast/link.py, cast/relay.py)."""

from __future__ import annotations

from ..stage import Stage
from .fault import Fault


class Network(Fault):
    family = "network"
    way = "link"
    mode = ""
    loses_messages = True

    def begin(self, stage: Stage) -> None:
        assert stage.between is not None
        stage.between.ask({"mode": self.mode})

    def end(self, stage: Stage) -> None:
        assert stage.between is not None
        stage.between.ask({"mode": "clear"})


class Cut(Network):
    name = "link cut"
    what = "nothing gets through, and nobody is told"
    mode = "cut"
    lasts_s = (2.0, 6.0)


class Latency(Network):
    name = "200 ms latency"
    what = "more, in each direction"
    mode = "latency"
    loses_messages = False


class TcpLoss(Network):
    name = "5 % loss, TCP"
    what = "of segments, which are sent again after 200 ms; 20 ms of jitter"
    mode = "loss"
    loses_messages = False


class MessageLoss(Network):
    name = "5 % loss, messages"
    what = "each way, for good; replies out of order, some twice"
    way = "relay"
    mode = "loss"


FAULTS = (Cut, Latency, TcpLoss, MessageLoss)
