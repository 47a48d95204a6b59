"""A Ray cluster that is killed and made again: `cluster.py PORT SEED`, told {"do": ...}.

kill_replica: one of the two replicas dies; Serve looks after them. stop: everything of the
cluster is killed at once, as when its machine dies. start: a new cluster at the same address,
answered once it serves the model.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from benchmarks.processes import ROOT, descendants, listen

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"  # or a token would be written to the user's home

REPLICAS = 2
START_S = 60.0


class Cluster:
    """One node; the model is deployed by a process of its own, which goes with it."""

    def __init__(self, port: int, seed: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._port = port
        self._random = random.Random(seed)
        # Short: Ray puts the paths of sockets below it, which may have 107 characters.
        self._folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
        self._node: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start"]
        command += ["--head", "--block", "--node-ip-address=127.0.0.1", f"--port={self._port}"]
        command += ["--num-cpus=2", "--include-dashboard=false", f"--temp-dir={self._folder}"]
        command += ["--object-store-memory=200000000"]
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        self._node = subprocess.Popen(command, **quiet)
        end = time.monotonic() + START_S
        while self._speak("deploy").returncode != 0:
            if time.monotonic() > end or self._node.poll() is not None:
                raise RuntimeError("the Ray cluster did not start")
            time.sleep(0.2)

    def _speak(self, what: str) -> subprocess.CompletedProcess[str]:
        """In a process of its own: a Ray driver does not outlive its cluster."""
        command = [sys.executable, __file__, "speak", self.address, what]
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return subprocess.run(command, text=True, timeout=START_S, **quiet)

    def kill_replica(self) -> None:
        pids = json.loads(self._speak("pids").stdout.splitlines()[-1])
        os.kill(self._random.choice(sorted(pids)), signal.SIGKILL)

    def stop(self) -> None:
        if self._node is not None:
            for pid in [self._node.pid, *descendants(self._node.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._node.wait()
            self._node = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def speak(address: str, what: str) -> None:
    """Deploy the model, or tell the processes of its replicas."""
    import ray
    from ray import serve

    from robustness.chaos.cast.model import Tagged

    ray.init(address=address, log_to_driver=False, logging_level="error")
    if what == "deploy":
        serve.start(proxy_location="Disabled")
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        importable = {"env_vars": {"PYTHONPATH": path}}
        deployment = serve.deployment(Tagged).options(
            num_replicas=REPLICAS,
            ray_actor_options={"num_cpus": 0.1, "runtime_env": importable},
            health_check_period_s=1.0,
            graceful_shutdown_wait_loop_s=0.1,
        )
        serve.run(deployment.bind(), name="policy", route_prefix=None)
        return
    controller = ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    details = ray.get(controller.get_serve_instance_details.remote())
    found = details["applications"]["policy"]["deployments"].values()
    replicas = [each for deployment in found for each in deployment["replicas"]]
    print(json.dumps([each["pid"] for each in replicas if each["state"] == "RUNNING"]))


def main(port: str, seed: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # Ray writes to stdout now and then
    os.dup2(2, 1)
    cluster = Cluster(int(port), int(seed))
    try:
        cluster.start()
        print(json.dumps(cluster.address), file=answers)
        for question in listen():
            getattr(cluster, question["do"])()
            print(json.dumps("done"), file=answers)
    finally:
        cluster.close()


if __name__ == "__main__":
    if sys.argv[1] == "speak":
        speak(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
