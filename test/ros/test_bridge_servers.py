"""A bridge that may ask two servers: its robot goes on when the first one ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from bridge_rig import GOOD, Rig
from inferential.msg import BridgeStatus
from rclpy.parameter import Parameter

from inferential_core import LocalDispatcher, Server

LONG = np.tile(np.float32([0.5, 2.0]), (100, 1))  # 2 s of actions


class Second:
    """The other server; `asked` counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Any = LONG
        self.server = Server(
            bind="tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": self._infer})
        )
        self.server.start()

    def _infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        return {"actions": self.answer}


@pytest.fixture
def second() -> Iterator[Second]:
    second = Second()
    yield second
    second.server.stop()


def moved(rig: Rig, second: Second, mark: int) -> None:
    """The bridge asks the second server, and its robot never ran out of actions."""
    status = rig.status.wait(lambda m: m.server == second.server.address, mark)
    assert status.connected
    answered = status.ok
    rig.status.wait(lambda m: m.ok > answered, mark)
    since = rig.status.messages[mark:]
    assert {m.state for m in since} == {BridgeStatus.STATE_EXECUTING}
    rig.judge()


def test_a_robot_goes_on_at_the_second_server_when_the_first_one_is_gone(
    make_rig: Callable[..., Rig], second: Second
) -> None:
    rig = make_rig(server_seen_at=lambda first: f"{first},{second.server.address}")
    rig.answer = LONG
    rig.run()
    first = rig.until(BridgeStatus.STATE_EXECUTING)
    assert first.server == rig.server.address and not second.asked
    mark = rig.status.mark()
    rig.server.stop()
    moved(rig, second, mark)


def test_a_robot_leaves_a_server_that_drains_and_loses_nothing(
    make_rig: Callable[..., Rig], second: Second
) -> None:
    rig = make_rig(server_seen_at=lambda first: f"{first},{second.server.address}")
    rig.answer = LONG
    rig.run()
    rig.until(BridgeStatus.STATE_EXECUTING)
    mark = rig.status.mark()
    assert rig.server.drain(20.0)
    moved(rig, second, mark)
    rig.server.stop()
    last = rig.status.messages[-1]
    assert (last.lost, last.dropped, last.rejected) == (0, 0, 0)
    assert rig.server.status()["dropped"] == 0


def test_the_servers_may_be_given_as_a_list(make_rig: Callable[..., Rig], second: Second) -> None:
    nobody = "tcp://127.0.0.1:1"
    rig = make_rig(Parameter("server", value=[nobody, second.server.address]))
    rig.answer = GOOD
    rig.run()
    assert rig.until(BridgeStatus.STATE_EXECUTING).server == second.server.address


def test_an_episode_that_must_not_move_stops_until_it_is_reset(
    make_rig: Callable[..., Rig], second: Second
) -> None:
    rig = make_rig(
        server_seen_at=lambda first: f"{first},{second.server.address}",
        changes={"{id: policy,": "{id: policy, stateful_failover: refuse,"},
    )
    rig.run()
    rig.until(BridgeStatus.STATE_EXECUTING)
    mark = rig.status.mark()
    rig.server.stop()
    stopped = rig.until(BridgeStatus.STATE_FALLBACK, mark)
    assert not second.asked and not stopped.connected
    mark = rig.status.mark()
    assert rig.call("reset").success
    running = rig.until(BridgeStatus.STATE_EXECUTING, mark)
    assert running.server == second.server.address and second.asked
