"""What tests over real DDS share: a node of their own, and processes that are always ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parent / "support"
WAIT_S = 20.0  # bound of every wait; far beyond what any of them takes
sys.path.insert(0, str(SUPPORT))


class Inbox:
    """Messages of one topic as they come, and waiting for one."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._changed = threading.Condition()

    def put(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait(self, fits: Callable[[Any], bool] = lambda _: True, since: int = 0) -> Any:
        """The first message from number `since` on that fits; AssertionError without one."""
        with self._changed:
            seen = since
            while True:
                for message in self.messages[seen:]:
                    if fits(message):
                        return message
                seen = max(seen, len(self.messages))
                if not self._changed.wait(WAIT_S):
                    newest = self.messages[-1] if self.messages else None
                    raise AssertionError(f"none of {seen} messages fits; the newest: {newest}")

    def mark(self) -> int:
        """How many there were by now, for `since`."""
        with self._changed:
            return len(self.messages)


class Graph:
    """A node in a context of its own, spinning in a thread: the robot's side of a test."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test_robot", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._nodes: list[Any] = []
        self._repeated: list[Repeated] = []
        self._stopping = False
        # A callback ends spin_once; Executor.wake does not where no callback is ready.
        self._ended = self.node.create_guard_condition(lambda: None)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stopping:
            self.executor.spin_once()

    def inbox(self, kind: type[Any], topic: str, qos: Any = 50) -> Inbox:
        inbox = Inbox()
        self.node.create_subscription(kind, topic, inbox.put, qos)
        self.executor.wake()
        return inbox

    def mailbox(self) -> Inbox:
        """An inbox that the test itself fills."""
        return Inbox()

    def add(self, node: Any) -> Any:
        """Spin a node of ours in here too, until the end."""
        self.executor.add_node(node)
        self._nodes.append(node)
        return node

    def repeat(self, *messages: tuple[Any, Any]) -> Repeated:
        """Publish (publisher, message) pairs again and again, stamped anew each time."""
        repeated = Repeated(self.node.get_clock(), list(messages))
        self._repeated.append(repeated)
        return repeated

    def publisher(self, kind: type[Any], topic: str, qos: Any = 10) -> Any:
        return self.node.create_publisher(kind, topic, qos)

    def call(self, kind: type[Any], service: str, request: Any) -> Any:
        """The response of a service."""
        client = self.node.create_client(kind, service)
        if not client.wait_for_service(WAIT_S):  # discovery, once in a thousand, misses a pair
            self.node.destroy_client(client)
            client = self.node.create_client(kind, service)
        assert client.wait_for_service(WAIT_S), f"no service {service}"
        self._be_found_by(service.rpartition("/")[0])
        response = self._ask(client, request, WAIT_S)
        assert response is not None, f"no answer from {service}"
        self.node.destroy_client(client)
        return response

    def _be_found_by(self, node: str) -> None:
        """Until `node` has found every client we made.

        A service drops its response to a client that it has not discovered yet, and only it
        knows. Discovery keeps the order: once a client made later is answered, all are found.
        """
        from rcl_interfaces.srv import GetParameters

        client = self.node.create_client(GetParameters, f"{node}/get_parameters")
        assert client.wait_for_service(WAIT_S), f"no node {node}"
        tries = (self._ask(client, GetParameters.Request(), 1.0) for _ in range(int(WAIT_S)))
        assert any(answer is not None for answer in tries), f"{node} does not answer"
        self.node.destroy_client(client)

    def _ask(self, client: Any, request: Any, timeout_s: float) -> Any:
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        self.executor.wake()
        return future.result() if done.wait(timeout_s) else None

    def matched(self, publisher: Any, count: int = 1) -> None:
        """Wait until that many subscriptions see the publisher."""
        for _ in range(int(WAIT_S / 0.02)):
            if publisher.get_subscription_count() >= count:
                return
            threading.Event().wait(0.02)  # rclpy tells no event of a match
        raise AssertionError(f"{publisher.topic} has no {count} subscribers")

    def close(self) -> None:
        import rclpy

        self._stopping = True
        for repeated in self._repeated:
            repeated.stop()
        self._ended.trigger()
        self._thread.join()
        for node in self._nodes:
            node.trigger_shutdown()
            node.destroy_node()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


class Repeated:
    """Stamps and publishes messages at 50 Hz until stopped; their clock may be wrong."""

    def __init__(self, clock: Any, messages: list[tuple[Any, Any]]) -> None:
        self.ahead_s = 0.0
        self.silent = False
        self._clock = clock
        self._messages = messages
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        from rclpy.duration import Duration

        while not self._stop.wait(0.02):
            stamp = (self._clock.now() + Duration(seconds=self.ahead_s)).to_msg()
            for publisher, message in self._messages if not self.silent else ():
                for stamped in (message, *getattr(message, "transforms", ())):
                    if hasattr(stamped, "header"):
                        stamped.header.stamp = stamp
                publisher.publish(message)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class NodeProcess:
    """One of our nodes as a process of its own."""

    def __init__(self, module: str, log: Path, ros_arguments: list[str]) -> None:
        self.log = log
        root = Path(__file__).parents[2]
        path = os.pathsep.join([str(root), str(SUPPORT), os.environ.get("PYTHONPATH", "")])
        self._output = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--ros-args", *ros_arguments],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> int:
        """The exit code, once it ended."""
        return self.process.wait(WAIT_S)

    def stop(self) -> int:
        """Ask it to end as Ctrl-C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
        self._output.close()


@pytest.fixture
def graph() -> Iterator[Graph]:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed here")
    pytest.importorskip("inferential.msg", reason="the messages are not built: make build")
    graph = Graph()
    yield graph
    graph.close()


@pytest.fixture
def make_rig(graph: Graph, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes a robot's topics, a bridge and a server: see `Rig`."""
    from bridge_rig import Rig

    made: list[Rig] = []

    def make_rig(*overrides: Any, **more: Any) -> Rig:
        made.append(Rig(graph, tmp_path, *overrides, **more))
        return made[-1]

    yield make_rig
    for rig in made:
        rig.server.stop()


@pytest.fixture
def rig(make_rig: Callable[..., Any]) -> Any:
    return make_rig()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Starts node processes: start(module, namespace, parameter=value, ...)."""
    running: list[NodeProcess] = []

    def start(module: str, namespace: str = "", **parameters: Any) -> NodeProcess:
        rules = ["-r", f"__ns:=/{namespace}"] if namespace else []
        if module.endswith("server_node") or module == "broken_server":
            parameters.setdefault("dispatcher", "local")  # where Ray is installed, too
        for name, value in parameters.items():
            rules += ["-p", f"{name}:={json.dumps(value)}"]
        log = tmp_path / f"{module.rpartition('.')[2]}_{namespace}_{len(running)}.log"
        running.append(NodeProcess(module, log, rules))
        return running[-1]

    yield start
    for process in running:
        process.close()
    for process in running:
        print(f"--- {process.log.name}\n{process.text()}")


@pytest.fixture
def address() -> str:
    """A TCP address on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"
