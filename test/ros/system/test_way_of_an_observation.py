"""One real observation through a live bridge and a live server: the rooms that it passes.

docs/architecture.md tells them in their order; this fails where the page and the code disagree.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from bridge_rig import Rig
from way_tracer import Call, Tracer

PAGE = Path(__file__).resolve().parents[3] / "docs" / "architecture.md"
TIMES = 5  # what is not of the way, such as a status that is due, is not in each of so many
LONG_S = 20.0  # beyond what any wait takes
MOST_FILES, MOST_FUNCTIONS = 60, 185  # 58 and 163 to 176 when this was written


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    tracer = Tracer()
    tracer.install()
    yield tracer
    tracer.close()


def rooms_of_the_page() -> tuple[list[str], set[str]]:
    """Of the section "The way of one observation": the rooms of the table, in order, and all that
    it names, also beside the way.
    """
    section = PAGE.read_text("utf-8").partition("## The way of one observation")[2]
    section = section.partition("\n## ")[0]
    rows = [re.match(r"\| \d+ \| `([\w/]+)` \|", row) for row in section.splitlines()]
    named = set(re.findall(r"`(inferential_\w+/\w+)`", section))
    return [row[1] for row in rows if row], named


def rooms_passed(calls: list[Call]) -> list[str]:
    """The rooms in the order in which they are entered, each move from one to the next."""
    rooms: list[str] = []
    for call in calls:
        if not rooms or rooms[-1] != call.room:
            rooms.append(call.room)
    return rooms


def test_an_observation_passes_the_rooms_of_the_page_in_their_order(
    tracer: Tracer, make_rig: Callable[..., Rig]
) -> None:
    rig = make_rig()
    rig.graph.executor.create_task(tracer.here)
    rig.run()
    rig.expect([0.5], [2.0])
    rig.sensor.silent = True
    drop_tools(rig)
    ways = [one_way(tracer, rig, 3.0 + index) for index in range(TIMES)]
    every_time = set(ways[0]).intersection(*ways[1:])
    way = [call for call in ways[0] if call in every_time]

    files = {call.file for call in way}
    passed, (told, named) = rooms_passed(way), rooms_of_the_page()
    print(f"{len(files)} files, {len(every_time)} functions:", *passed, sep="\n  ")
    assert told, f"{PAGE.name} tells no way"
    assert set(passed) - named == set(), "rooms that the page does not tell of"
    remaining = iter(passed)
    missed = [room for room in told if room not in remaining]
    assert not missed, f"not passed in this order: {missed}"
    assert len(files) <= MOST_FILES
    assert len(every_time) <= MOST_FUNCTIONS


def drop_tools(rig: Rig) -> None:
    """End the subscriptions of tools, which a robot may lack; on the thread that waits on them."""
    dropped = threading.Event()

    def drop() -> None:
        for subscription in list(rig.graph.node.subscriptions):
            if subscription.topic_name.endswith("_chunk"):
                rig.graph.node.destroy_subscription(subscription)
        dropped.set()

    rig.graph.executor.create_task(drop)
    assert dropped.wait(LONG_S)


def one_way(tracer: Tracer, rig: Rig, value: float) -> list[Call]:
    """The calls from a sample's arrival, while an earlier plan is executed, to the first command
    of the plan that answers it, which is to hold this value.
    """
    rig.answer = np.tile(np.float32([0.5, value]), (10, 1))
    rig.joints.header.stamp = rig.graph.node.get_clock().now().to_msg()
    mark = rig.gripper.mark()
    tracer.begin()
    rig.state.publish(rig.joints)
    rig.gripper.wait(lambda message: list(message.data) == [value], mark)
    return tracer.end()
