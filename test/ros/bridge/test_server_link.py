"""What the network thread of a bridge promises whatever comes between two of its steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="the server side needs pydantic")

from inferential_core import InferenceContext, LocalDispatcher, Reply, Server
from inferential_ros.bridge.server_link import LinkSettings, Observation, ServerLink

WAIT_S = 20.0


class Asked:
    """A model that keeps the number it was asked about, and in which epoch."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def infer(self, obs: dict[str, Any], context: InferenceContext) -> dict[str, Any]:
        self.seen.append((int(obs["number"]), context.epoch))
        return {"actions": np.zeros((1, 1))}


class ResetWhileObserving:
    """Makes two observations; the robot is reset while each of them is being made.

    Number 1 is of the episode before the reset, number 2 of the one that the reset began.
    """

    link: ServerLink

    def __init__(self) -> None:
        self.made = 0
        self.replies: list[Observation] = []
        self.answered = threading.Event()

    def next_observation(self) -> tuple[Observation, int | None] | None:
        self.made += 1
        if self.made > 2:
            return None
        self.link.reset(self.made)
        epoch = self.made - 1 if self.made == 1 else self.made
        values = {"number": np.int32(self.made)}
        return Observation(values, stamp_ns=0, generation=0, epoch=epoch), None

    def on_sent(self) -> None:
        pass

    def on_reply(self, observation: Observation, reply: Reply) -> None:
        self.replies.append(observation)
        self.answered.set()

    def on_connected(self, connected: bool) -> None:
        pass

    def on_error(self, reason: str) -> None:
        raise AssertionError(reason)

    def on_refused(self, reason: str) -> None:
        raise AssertionError(reason)


@pytest.fixture
def served() -> Iterator[tuple[str, Asked]]:
    model = Asked()
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"m": model}))
    server.start()
    yield server.address, model
    server.stop()


def test_a_reset_while_an_observation_is_made_loses_no_reply_of_the_new_episode(
    served: tuple[str, Asked],
) -> None:
    address, model = served
    handler = ResetWhileObserving()
    link = ServerLink(LinkSettings(address, "r", "m", None, None, 20.0, True, 5000.0), handler)
    handler.link = link
    link.start()
    try:
        link.wake()
        assert handler.answered.wait(WAIT_S)
    finally:
        link.stop()
    assert [int(each.values["number"]) for each in handler.replies] == [2]
    # The one of the episode that is over was not sent, and the other one begins the second.
    assert [number for number, _ in model.seen] == [2]
    assert model.seen[0][1] == 2
