"""`inferential serve` with Ray Serve: what it starts, what it joins, and what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray_cluster import descendants, is_alive

from inferential_core import Connection
from inferential_core.status import Status

if find_spec("ray") is None:
    pytest.skip("Ray is not installed", allow_module_level=True)

SOON_S = 90.0  # a bound, not a duration
ROOT = Path(__file__).resolve().parents[3]

MODELS = """
from ray import serve

class Doubler:
    version = "v7"

    def infer_batch(self, batch):
        return [{"actions": 2 * obs["state"]} for obs in batch]

def tripler(obs):
    return 3 * obs["state"]

@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Own:
    def infer(self, obs):
        return 4 * obs["state"]

app = Own.bind()

class Broken(Doubler):
    def __init__(self):
        raise FileNotFoundError("weights.pt is not there")
"""

CONFIG = """
applications:
  - name: from_file
    import_path: my_models:app
    route_prefix: null
    runtime_env: {env_vars: {PYTHONPATH: FOLDER}}
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts the command in a folder with models; the process, and where it serves."""
    (tmp_path / "my_models.py").write_text(MODELS)
    (tmp_path / "serve.yaml").write_text(CONFIG.replace("FOLDER", str(tmp_path)))
    scratch = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # short: sockets lie below it
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "RAY_TMPDIR": scratch,
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    processes: list[subprocess.Popen[str]] = []

    def run(command: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "inferential_core.cli", "serve", *arguments]
        process = run([*command, "--bind=tcp://127.0.0.1:*"])
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving "), line
        return process, line.split()[-1]

    start.run = run
    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
    shutil.rmtree(scratch, ignore_errors=True)


def answer(address: str, model: str, **observation: Any) -> Any:
    """The first good reply."""
    observation = observation or {"state": np.ones(3, np.float32)}
    end = time.monotonic() + SOON_S
    with Connection(address, client_id="robot") as connection:
        handle = connection.model(model, latency_budget_ms=10_000)
        while True:
            handle.observe(**observation)
            reply = handle.get_reply(timeout_ms=30_000)
            if reply is not None and reply.status is Status.OK:
                return reply
            assert time.monotonic() < end, reply
            time.sleep(0.1)


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> int:
    process.send_signal(number)
    process.communicate(timeout=SOON_S)
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_starts_a_cluster_of_its_own_which_ends_with_it(
    serve: Any, number: signal.Signals
) -> None:
    process, address = serve(
        "--model=policy=my_models:Doubler", "--model=other=my_models:tripler", "--replicas=2"
    )
    reply = answer(address, "policy")
    assert reply.model_version == "v7"
    np.testing.assert_array_equal(reply.result["actions"], [2, 2, 2])
    np.testing.assert_array_equal(answer(address, "other").result["actions"], [3, 3, 3])
    started = descendants(process.pid)
    assert len(started) > 3
    assert stop(process, number) == (0 if number is signal.SIGINT else -number)
    end = time.monotonic() + SOON_S
    while any(map(is_alive, started)):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_example_serves_two_models_with_two_replicas_each(serve: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    process = serve.run([sys.executable, str(ROOT / "examples" / "ray_serve.py"), address])
    replicas = {"arm": set(), "walker": set()}
    end = time.monotonic() + SOON_S
    while any(len(tags) < 2 for tags in replicas.values()):
        assert time.monotonic() < end, replicas
        arm = answer(address, "arm", joints=np.ones(7, np.float32))
        walker = answer(address, "walker", command=np.array([2.0, 0.5], np.float32))
        replicas["arm"].add(arm.result["replica"])
        replicas["walker"].add(walker.result["replica"])
    assert (arm.model_version, arm.result["actions"].shape) == ("arm-3", (50, 7))
    assert (walker.model_version, walker.result["actions"].shape) == ("walker-1", (10, 2))
    assert walker.result["actions"].max() == 1.0
    assert stop(process) == 0


def test_in_a_cluster_it_joins_it_takes_off_what_it_put_on_and_nothing_else(
    ray_cluster: Any, serve: Any
) -> None:
    ray_cluster.deploy(app="theirs", target="Single")
    process, address = serve(
        f"--ray-address={ray_cluster.address}",
        "--model=policy=my_models:Doubler",
        "--model=own=my_models:app",
        "--serve-config=serve.yaml",
    )
    for model, factor in (("policy", 2), ("own", 4), ("from_file", 4)):
        np.testing.assert_array_equal(answer(address, model).result["actions"], [factor] * 3)
    assert ray_cluster.pids("policy")
    assert stop(process) == 0
    end = time.monotonic() + SOON_S
    while any(ray_cluster.replicas(app=app) for app in ("policy", "own", "from_file")):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert ray_cluster.pids("theirs")
    ray_cluster.delete(app="theirs")


def test_with_a_configuration_alone_it_serves_what_that_names(
    ray_cluster: Any, serve: Any, tmp_path: Path
) -> None:
    (tmp_path / "server.yaml").write_text(
        "dispatch: {models: {policy: 'my_models:Doubler'}}\n"
        f"ray: {{address: '{ray_cluster.address}', deployment: {{num_replicas: 1}}}}\n"
    )
    process, address = serve("--config=server.yaml")
    assert answer(address, "policy").model_version == "v7"
    assert stop(process) == 0


def test_it_says_that_it_serves_once_the_model_answers(ray_cluster: Any, serve: Any) -> None:
    process, address = serve(
        f"--ray-address={ray_cluster.address}", "--model=policy=my_models:Doubler"
    )
    with Connection(address, client_id="robot") as connection:
        handle = connection.model("policy", latency_budget_ms=10_000)
        handle.observe(state=np.ones(3, np.float32))
        reply = handle.get_reply(timeout_ms=30_000)
        assert reply.status is Status.OK, reply.error
    assert stop(process) == 0


def test_who_will_not_wait_is_told_what_is_not_ready(ray_cluster: Any, serve: Any) -> None:
    arguments = ["--model=policy=my_models:Doubler", "--wait=0.01", "--bind=tcp://127.0.0.1:*"]
    command = [sys.executable, "-m", "inferential_core.cli", "serve", *arguments]
    process = serve.run([*command, f"--ray-address={ray_cluster.address}"])
    assert process.communicate(timeout=SOON_S)[0] == ""
    assert process.returncode == 1


def test_a_model_that_cannot_be_made_is_told_with_the_place(ray_cluster: Any, serve: Any) -> None:
    process, address = serve(
        f"--ray-address={ray_cluster.address}", "--model=broken=my_models:Broken"
    )
    with Connection(address, client_id="robot") as connection:
        handle = connection.model("broken", latency_budget_ms=10_000)
        handle.observe(state=np.ones(3, np.float32))
        reply = handle.get_reply(timeout_ms=30_000)
    line = 1 + MODELS.splitlines().index(
        '        raise FileNotFoundError("weights.pt is not there")'
    )
    told = f"FileNotFoundError: weights.pt is not there (my_models.py:{line})"
    assert reply.status is Status.ERROR and reply.error.endswith(told), reply.error
    assert stop(process) == 0
