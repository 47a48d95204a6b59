"""A Ray cluster of the tests' own, told what to do line by line on stdin, answering in JSON.

    cluster.py              starts a cluster, which ends with this process
    cluster.py HOST:PORT    speaks to one that runs

Each line is a JSON list: the name of a function below and its arguments by name.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"  # or a token would be written to the user's home
sys.path.insert(0, str(Path(__file__).parent))

import deployments
import ray
from ray import serve


def connect(arguments: list[str]) -> str:
    quiet = {"log_to_driver": False, "logging_level": "error"}
    if arguments:
        ray.init(address=arguments[0], **quiet)
    else:
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=200_000_000,
            _temp_dir=os.environ["RAY_RIG_FOLDER"],
            **quiet,
        )
    serve.start(proxy_location="Disabled")
    return ray.get_runtime_context().gcs_address


def deploy(app: str, target: str, init: dict | None = None, wait: bool = True, **options) -> None:
    options.setdefault("ray_actor_options", {"num_cpus": 0.1})
    options.setdefault("graceful_shutdown_wait_loop_s", 0.1)
    deployment = serve.deployment(getattr(deployments, target)).options(**options)
    bound = deployment.bind(**(init or {}))
    if wait:
        serve.run(bound, name=app, route_prefix=None)
    else:
        serve.api._run(bound, name=app, route_prefix=None, _blocking=False)


def delete(app: str) -> None:
    serve.delete(app)


def replicas(app: str) -> list[dict]:
    """Of the application: pid and state each; one that waits for a node has no pid yet."""
    controller = ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    details = ray.get(controller.get_serve_instance_details.remote())
    found = details["applications"].get(app, {"deployments": {}})["deployments"]
    return [
        {"pid": each.get("pid"), "state": each["state"]}
        for deployment in found.values()
        for each in deployment["replicas"]
    ]


def nodes() -> list[str]:
    """The resources of all nodes that are alive."""
    return [name for node in ray.nodes() if node["Alive"] for name in node["Resources"]]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # Ray writes to stdout now and then
    os.dup2(2, 1)
    print(json.dumps(connect(sys.argv[1:])), file=answers)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            print(json.dumps({"answer": globals()[name](**arguments)}, default=str), file=answers)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers)
    if not sys.argv[1:]:
        serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
