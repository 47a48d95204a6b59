"""Models on a real Ray Serve, asked by real clients through a real server."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from inferential_core import ConfigError, Connection, EncodedImage, Server
from inferential_core.config import InferentialConfig
from inferential_core.dispatch.ray_serve import RayServeDispatcher
from inferential_core.status import Status
from inferential_core.wire.images import encode

LONG_MS = 30_000
LONG_S = LONG_MS / 1000
STATE = np.arange(3, dtype=np.float32)


class Robots:
    """Clients of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._connections: dict[str, Connection] = {}
        self._handles: dict[tuple[str, str], Any] = {}

    def model(self, client: str, model: str) -> Any:
        if client not in self._connections:
            self._connections[client] = Connection(self.server.address, client_id=client)
        if (client, model) not in self._handles:
            handle = self._connections[client].model(model, latency_budget_ms=LONG_MS)
            self._handles[client, model] = handle
        return self._handles[client, model]

    def ask(self, model: str, client: str = "robot", **observation: Any) -> Any:
        handle = self.model(client, model)
        handle.observe(**(observation or {"state": STATE}))
        reply = handle.get_reply(timeout_ms=LONG_MS)
        assert reply is not None
        return reply

    def ask_until(self, accept: Callable[[Any], bool], model: str, **observation: Any) -> Any:
        """Ask again and again until a reply is as wanted; bounded."""
        end = time.monotonic() + LONG_S
        while not accept(reply := self.ask(model, **observation)):
            assert time.monotonic() < end, reply
            time.sleep(0.05)
        return reply

    def ready(self, model: str, **observation: Any) -> Any:
        return self.ask_until(lambda reply: reply.status is Status.OK, model, **observation)

    def together(self, model: str, count: int, **observation: Any) -> list[Any]:
        """Replies to `count` clients that ask at once."""
        handles = [self.model(f"robot-{number}", model) for number in range(count)]
        for handle in handles:
            handle.observe(**(observation or {"state": STATE}))
        return [handle.get_reply(timeout_ms=LONG_MS) for handle in handles]

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


@pytest.fixture
def deploy(ray_cluster: Any) -> Iterator[Callable[..., None]]:
    apps = []

    def deploy(app: str, target: str, **options: Any) -> None:
        apps.append(app)
        ray_cluster.deploy(app=app, target=target, **options)

    yield deploy
    for app in set(apps):
        ray_cluster.delete(app=app)


@pytest.fixture
def serve(ray_cluster: Any) -> Iterator[Callable[..., Robots]]:
    with contextlib.ExitStack() as stack:

        def serve(
            models: list[str] | None = None, ray: dict[str, Any] | None = None, **scheduling: Any
        ) -> Robots:
            config = InferentialConfig(
                ray={"address": ray_cluster.address, **(ray or {})}, scheduling=scheduling
            )
            server = stack.enter_context(Server("tcp://127.0.0.1:0", models, config))
            robots = Robots(server)
            stack.callback(robots.close)
            return robots

        yield serve


def record(robots: Robots, model: str) -> dict[str, Any]:
    return next(each for each in robots.server.status()["models"] if each["id"] == model)


# --- forms of models ---


def test_a_batch_is_one_call_of_infer_batch(deploy, serve) -> None:
    here = "ray" in sys.modules  # another module's tests may have been at it
    deploy("policy", "Batching", init={"delay_s": 0.2})
    robots = serve(["policy"])
    robots.ready("policy")
    replies = robots.together("policy", 8)
    assert {reply.status for reply in replies} == {Status.OK}
    for reply in replies:
        np.testing.assert_array_equal(reply.result["state"], 2 * STATE)
    # Those that come while the first ones are served share the next call.
    calls = Counter(int(reply.result["call"][0]) for reply in replies)
    assert len(calls) < 8
    for reply in replies:
        shared = calls[int(reply.result["call"][0])]
        assert (int(reply.result["batch"][0]), reply.batch_size) == (shared, shared)
    assert ("ray" in sys.modules) == here


def test_a_deployment_with_infer_only_is_served(deploy, serve) -> None:
    deploy("policy", "Single")
    robots = serve(["policy"])
    assert robots.ready("policy").model_version == "single-1"
    replies = robots.together("policy", 8)
    assert {reply.status for reply in replies} == {Status.OK}
    np.testing.assert_array_equal(replies[0].result["state"], STATE)


def test_what_an_asynchronous_infer_waits_for_together_comes_together(deploy, serve) -> None:
    deploy("policy", "Asynchronous", init={"together": 4}, max_ongoing_requests=4)
    robots = serve(["policy"], strategy="batch_optimized", max_batch_size=4)
    robots.server.use_scheduler("batch_optimized", max_wait_ms=LONG_MS, max_batch_size=4)
    end = time.monotonic() + LONG_S
    while (
        record(robots, "policy")["max_batch"] != 4
    ):  # nobody asked it yet: it is known all the same
        assert time.monotonic() < end
        time.sleep(0.05)
    for reply in robots.together("policy", 4):
        np.testing.assert_array_equal(reply.result["actions"], 2 * STATE)


@pytest.mark.parametrize("target", ["Batching", "Single"])
def test_one_bad_observation_fails_alone(deploy, serve, target: str) -> None:
    deploy("policy", target)
    robots = serve(["policy"])
    robots.ready("policy")
    good = [robots.model(f"good-{number}", "policy") for number in range(4)]
    bad = robots.model("bad", "policy")
    for handle in good:
        handle.observe(state=STATE, sleep_s="0.2")
    bad.observe(state=STATE, poison="yes")
    reply = bad.get_reply(timeout_ms=LONG_MS)
    assert reply.status is Status.ERROR
    assert "ValueError: no such joint" in reply.error and "deployments.py" in reply.error
    assert {handle.get_reply(timeout_ms=LONG_MS).status for handle in good} == {Status.OK}


def test_a_model_is_told_who_asks_and_sees_images_decoded(deploy, serve) -> None:
    from PIL import Image

    deploy("policy", "Contextual")
    robots = serve(["policy"])
    robots.ready("policy")
    file = io.BytesIO()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(file, "jpeg")
    result = robots.ask(
        "policy", client="arm", camera=EncodedImage(file.getvalue(), "jpeg")
    ).result
    assert (result["client"], result["first"]) == ("arm", "True")
    assert result["shape"].tolist() == [40, 60, 3]
    assert result["mean"][0] == pytest.approx(200, abs=3)
    assert 0 < result["left_s"][0] <= LONG_S
    assert robots.ask("policy", client="arm").result["first"] == "False"
    broken = EncodedImage(file.getvalue()[:200], "jpeg", (40, 60, 3))
    reply = robots.ask("policy", client="arm", camera=broken)
    assert reply.status is Status.ERROR and reply.error


@pytest.mark.parametrize("shared_memory", [True, False], ids=["in place", "through Ray"])
def test_large_arrays_arrive_as_they_were_sent(deploy, serve, shared_memory: bool) -> None:
    deploy("policy", "Single")
    robots = serve(["policy"], ray={"shared_memory": shared_memory})
    robots.ready("policy")
    camera = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    depth = np.arange(1 << 20, dtype=np.float32).reshape(1 << 10, -1)
    half = np.linspace(0, 1, 1 << 16).astype(np.float16)
    for _ in range(3):
        reply = robots.ask("policy", camera=camera, depth=depth, half=half, prompt="take the cup")
        np.testing.assert_array_equal(reply.result["camera"], camera)
        np.testing.assert_array_equal(reply.result["depth"], depth)
        np.testing.assert_array_equal(reply.result["half"], half)
        assert reply.result["prompt"] == "take the cup"


def as_png(pixels: np.ndarray) -> EncodedImage:
    return encode("camera", pixels, "png")


@pytest.mark.parametrize("sent_as", [np.asarray, as_png], ids=["array", "decoded ahead"])
def test_what_a_model_keeps_of_an_observation_stays_as_it_is(deploy, serve, sent_as) -> None:
    deploy("policy", "Keeping")
    robots = serve(["policy"])
    camera = np.zeros((480, 640, 3), np.uint8)
    robots.ready("policy", camera=camera)
    for step in range(1, 20):
        sent = sent_as(np.full_like(camera, step))
        seen = robots.ask("policy", camera=sent).result["seen"]
        expected = [max(0, each) for each in range(step - 3, step + 1)][-len(seen) :]
        assert seen.tolist() == [[each, each] for each in expected]


def test_the_specification_is_handed_out(deploy, serve) -> None:
    deploy("policy", "Contextual")
    robots = serve(["policy"])
    robots.ready("policy")
    assert robots.model("robot", "policy").specification(timeout_ms=LONG_MS) == {"horizon": 50}


def test_a_deployment_that_cannot_serve_says_why(deploy, serve) -> None:
    deploy("policy", "Unfit")
    robots = serve(["policy"])
    reply = robots.ask_until(lambda reply: "infer" in reply.error, "policy")
    assert reply.status is Status.ERROR
    assert "Unfit has neither infer(obs) nor infer_batch" in reply.error


# --- replicas ---


def test_all_replicas_are_used_and_each_gets_a_lane(deploy, serve) -> None:
    deploy("policy", "Single", num_replicas=2)
    robots = serve(["policy"])
    robots.ask_until(lambda _: record(robots, "policy")["lanes"] == 2, "policy")
    pids = set()
    end = time.monotonic() + LONG_S
    while len(pids) < 2:
        assert time.monotonic() < end
        for reply in robots.together("policy", 4, state=STATE, sleep_s="0.05"):
            pids.add(int(reply.result["pid"][0]))


def test_a_reply_tells_the_version_of_the_replica_that_answered(
    ray_cluster, deploy, serve
) -> None:
    deploy("policy", "Individual", num_replicas=2)
    robots = serve(["policy"])
    robots.ready("policy")
    pids = set()
    end = time.monotonic() + LONG_S
    while len(pids) < 2:
        assert time.monotonic() < end
        for reply in robots.together("policy", 4, state=STATE, sleep_s="0.05"):
            pid = str(int(reply.result["pid"][0]))
            assert reply.model_version == pid
            pids.add(pid)


def test_a_rolling_update_loses_nothing_and_replies_tell_the_version(
    ray_cluster, deploy, serve
) -> None:
    options = {"num_replicas": 2, "init": {"delay_s": 0.005}}
    deploy("policy", "Batching", user_config={"version": "1"}, **options)
    robots = serve(["policy"])
    assert robots.ready("policy").model_version == "1"
    stop = threading.Event()

    def drive(number: int) -> list[Any]:
        replies = []
        while not stop.is_set() or not replies:
            replies.append(robots.ask("policy", client=f"robot-{number}"))
        return replies

    for number in range(4):
        robots.model(f"robot-{number}", "policy")
    with ThreadPoolExecutor(4) as pool:
        driving = [pool.submit(drive, number) for number in range(4)]
        try:
            # Other options: the replicas are replaced one after the other.
            deploy(
                "policy",
                "Batching",
                user_config={"version": "2"},
                **options,
                ray_actor_options={"num_cpus": 0.11},
            )
            robots.ask_until(lambda reply: reply.model_version == "2", "policy")
        finally:
            stop.set()
        replies = [reply for each in driving for reply in each.result()]
    assert {reply.status for reply in replies} == {Status.OK}
    assert {reply.model_version for reply in replies} == {"1", "2"}


def test_a_stateful_model_keeps_its_clients_and_begins_anew_with_an_episode(
    ray_cluster, deploy, serve
) -> None:
    deploy("policy", "Counting", num_replicas=2, health_check_period_s=1.0)
    robots = serve(["policy"], max_retries=2)
    robots.ask_until(lambda _: record(robots, "policy")["lanes"] == 2, "policy", client="first")
    clients = [f"robot-{number}" for number in range(4)]

    def ask(client: str) -> tuple[int, int]:
        result = robots.ready("policy", client=client).result
        return int(result["count"][0]), int(result["pid"][0])

    homes = {client: ask(client)[1] for client in clients}
    assert len(set(homes.values())) == 2
    for count in (2, 3):
        for reply in robots.together("policy", 4):
            assert int(reply.result["count"][0]) == count
    robots.model("robot-0", "policy").reset()
    assert ask("robot-0") == (1, homes["robot-0"])
    assert ask("robot-1") == (4, homes["robot-1"])
    lost = homes["robot-0"]
    ray_cluster.kill(pid=lost)
    for client in clients:
        expected = 1 if homes[client] == lost else (4 if client != "robot-1" else 5)
        assert ask(client)[0] == expected, client


# --- applications come and go ---


def test_an_application_that_comes_later_is_found_and_one_that_goes_is_missed(
    ray_cluster, deploy, serve
) -> None:
    robots = serve(["policy"])
    reply = robots.ask_until(lambda reply: "deployed" in reply.error, "policy")
    assert reply.status is Status.ERROR
    assert "no application 'policy' is deployed on Ray Serve" in reply.error
    deploy("policy", "Single")
    robots.ready("policy")
    ray_cluster.delete(app="policy")
    robots.ask_until(lambda reply: reply.status is Status.ERROR, "policy")
    deploy("policy", "Batching")  # under the same name, something else
    assert "batch" in robots.ready("policy").result


def test_without_names_every_application_is_a_model(ray_cluster, deploy, serve) -> None:
    deploy("left", "Single")
    robots = serve()
    reply = robots.ask_until(lambda reply: "left" in reply.error, "lefd")
    assert reply.status is Status.REJECTED
    assert "model 'lefd' is unknown: did you mean 'left'? there are left" in reply.error
    deploy("right", "Batching")
    robots.ready("right")
    robots.ready("left")
    ray_cluster.delete(app="left")
    reply = robots.ask_until(lambda reply: reply.status is Status.REJECTED, "left")
    assert "there are right" in reply.error


# --- what hangs ---


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def process_named(part: str, root: int) -> int:
    """The process below `root` whose command has `part` in it."""
    from ray_cluster import descendants

    for pid in descendants(root):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            if part.encode() in file.read():
                return pid
    raise LookupError(part)


def test_a_driver_that_hangs_is_replaced_and_nobody_waits_for_ever(deploy, serve) -> None:
    deploy("policy", "Single")
    robots = serve(["policy"], ray={"timeout_s": 1.0})
    robots.ready("policy")
    driver = process_named("inferential_core.dispatch.worker", os.getpid())
    with contextlib.suppress(ProcessLookupError), stopped(driver):  # killed while it is stopped
        reply = robots.ask("policy")
        assert reply.status is Status.ERROR and "it did not answer" in reply.error
    robots.ready("policy")
    assert process_named("inferential_core.dispatch.worker", os.getpid()) != driver


def test_calls_go_on_while_rays_control_service_hangs(ray_cluster, deploy, serve) -> None:
    deploy("policy", "Single")
    robots = serve(["policy"])
    robots.ready("policy")
    with stopped(process_named("gcs_server", ray_cluster.process.pid)):
        end = time.monotonic() + 3.0  # of looks at Serve, one a second
        while time.monotonic() < end:
            assert robots.ask("policy").status is Status.OK
    robots.ready("policy")


# --- the published page, and what is missing ---

PAGE = """
import asyncio
from inferential import Server

server = Server(bind="tcp://*:5555", models=["policy-v2"])
server.use_scheduler("deadline_aware")

@server.on_metric
def log_latency(name, value, labels):
    if name == "inference_latency_ms":
        print(f"Client {labels.get('client')}: {value:.1f}ms")

asyncio.run(server.run())
"""


def test_the_published_ray_server_runs_with_only_the_import_changed(
    ray_cluster, deploy, tmp_path
) -> None:
    deploy("policy-v2", "Single")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    source = PAGE.replace("from inferential import", "from inferential_core import")
    script = tmp_path / "server.py"
    script.write_text(source.replace("5555", str(port)))  # which is free for this test
    process = subprocess.Popen(
        [sys.executable, "-u", str(script)],
        env={
            **os.environ,
            "RAY_ADDRESS": ray_cluster.address,
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with Connection(server=f"tcp://localhost:{port}", client_id="agent-01") as connection:
            model = connection.model("policy-v2", latency_budget_ms=30.0)
            end = time.monotonic() + LONG_S
            result = None
            while result is None:
                assert time.monotonic() < end
                model.observe(urgency=0.8, sensor_readings=STATE, prompt="classify anomaly")
                result = model.get_result(timeout_ms=1000)
        np.testing.assert_array_equal(result["sensor_readings"], STATE)
        assert result["prompt"] == "classify anomaly"
        assert process.stdout is not None
        assert re.fullmatch(r"Client agent-01: \d+\.\dms\n", process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LONG_S)


def test_without_ray_the_way_to_install_it_is_told(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'inferential[server]'")):
        Server("tcp://127.0.0.1:0", models=["policy"])


def test_ray_client_addresses_are_refused() -> None:
    pytest.importorskip("ray", reason="Ray is the [server] extra")
    with pytest.raises(ConfigError, match="Ray Client is not supported"):
        RayServeDispatcher(["policy"], address="ray://gpu-box:10001")


def test_a_cluster_that_is_not_there_is_told_at_once() -> None:
    pytest.importorskip("ray", reason="Ray is the [server] extra")
    config = InferentialConfig(ray={"address": "127.0.0.1:9"})
    with Server("tcp://127.0.0.1:0", ["policy"], config) as server:
        robots = Robots(server)
        reply = robots.ask_until(lambda reply: "refused" in reply.error, "policy")
        assert reply.status is Status.ERROR
        assert "no Ray cluster at 127.0.0.1:9: Connection refused" in reply.error
        robots.close()
