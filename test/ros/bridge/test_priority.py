"""The bridge's real-time priority: which thread gets it, and what it says where it may not."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PRIORITY = 10
NOBODY = 65534

# Prints what the system says of this thread and of one that was given a priority beside it.
TAKES_IT = """
    import os, threading
    from inferential_ros.bridge.priority import take_priority
    {before}
    end = threading.Event()
    chosen = threading.Thread(target=end.wait)
    chosen.start()
    print(take_priority({priority}, chosen.native_id))
    for thread in (chosen.native_id, threading.get_native_id()):
        print(os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority)
    end.set()
"""


def take(before: str = "") -> list[str]:
    program = textwrap.dedent(TAKES_IT.format(before=before, priority=PRIORITY))
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True, timeout=30
    )
    return done.stdout.splitlines()


def may_take_it() -> bool:
    granted: int = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    return os.geteuid() == 0 or granted >= PRIORITY


granted = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not may_take_it() or take()[0] != "",
    reason="the system grants no real-time priority here",
)


@granted
def test_one_thread_gets_the_priority_and_the_others_the_lowest() -> None:
    assert take() == ["", f"{os.SCHED_FIFO} {PRIORITY}", f"{os.SCHED_RR} 1"]


def test_where_it_is_not_granted_nothing_changes_and_it_says_what_would_grant_it() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))"
    give_up_root = f"if not os.geteuid(): os.setresuid({NOBODY}, {NOBODY}, {NOBODY})"
    told, *threads = take(f"{limit}\n    {give_up_root}")
    assert "rtprio" in told and "0" in told
    assert threads == [f"{os.SCHED_OTHER} 0"] * 2


@granted
def test_the_bridge_gives_it_to_the_thread_that_publishes(
    graph: Any, start: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    from bridge_rig import CONTRACT, LATCHED
    from inferential.msg import BridgeStatus

    contract = tmp_path / "contract.yaml"
    contract.write_text(CONTRACT)
    status = graph.inbox(BridgeStatus, "/bridge_status", LATCHED)
    settings = {"contract_file": str(contract), "server": address, "sample_timeout": 0.0}
    bridge = start("inferential_ros.bridge_node", **settings, thread_priority=PRIORITY)
    status.wait()  # it is active
    tasks = [int(task.name) for task in Path(f"/proc/{bridge.process.pid}/task").iterdir()]
    found = [(os.sched_getscheduler(t), os.sched_getparam(t).sched_priority) for t in tasks]
    assert found.count((os.SCHED_FIFO, PRIORITY)) == 1
    assert set(found) == {(os.SCHED_FIFO, PRIORITY), (os.SCHED_RR, 1)}


@pytest.mark.parametrize("wrong", [-1, 100])
def test_a_priority_out_of_range_is_refused(start: Callable[..., Any], wrong: int) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed here")
    bridge = start("inferential_ros.bridge_node", thread_priority=wrong)
    assert bridge.wait() == 1
    assert "thread_priority" in bridge.text()
