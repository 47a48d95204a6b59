"""The one list of processes: what a server, a robot and the demo consist of.

Plain data, standard library only. The launch files (launching.py) turn it into launch_ros nodes,
the supervisor (supervisor.py) into processes where `launch` is not installed, tests read it.
An empty value means "as the node or its parameter file has it", so that a default written
here never overrides what a user wrote into a parameter file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inferential_ros.process import Process
from inferential_ros.resources import share_path

# One thread each: a dozen processes whose BLAS spins up a pool each would fight for the cores.
SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

SLOWDOWN_FILE_VARIABLE = "INFERENTIAL_DEMO_SLOWDOWN_FILE"  # demo/slowdown.py reads it
DEMO_MODEL = "cartpole"
DEMO_POLICY = f"{DEMO_MODEL}:=inferential_ros.demo.policy:CartPolePolicy"


@dataclass(frozen=True)
class Argument:
    """One launch argument: named as nav2 names it, text on the command line, typed in here."""

    name: str
    default: str
    description: str
    parse: Callable[[str], Any] = str


def flag(text: str) -> bool | None:
    """'true' or 'false'; empty leaves the choice to the node."""
    if text.strip().lower() in ("true", "1"):
        return True
    if text.strip().lower() in ("false", "0"):
        return False
    if not text.strip():
        return None
    raise ValueError(f"expected true or false, not {text!r}")


def count(text: str) -> int | None:
    """A whole number; empty leaves the choice to the node."""
    return int(text) if text.strip() else None


def number(text: str) -> float | None:
    """A number; empty leaves the choice to the node."""
    return float(text) if text.strip() else None


def words(text: str) -> list[str]:
    """Blank-separated words."""
    return text.split()


COMMON_ARGUMENTS = (
    Argument("namespace", "", "Namespace of the nodes"),
    Argument("params_file", "", "ROS parameter file (keyed '/**:') with the nodes' parameters"),
    Argument("use_sim_time", "", "Take the time from /clock (true or false)", flag),
    Argument("autostart", "true", "Configure and activate the nodes at start", flag),
    Argument("use_respawn", "false", "Start a node again when it dies", flag),
    Argument("log_level", "info", "Log level of the nodes"),
)

SERVER_ARGUMENTS = (
    *COMMON_ARGUMENTS,
    Argument("bind", "", "Address to listen on (default tcp://127.0.0.1:5555)"),
    Argument("keys", "", "Folder of the server's keys and of authorized.yaml: clients need keys"),
    Argument(
        "allow_insecure",
        "",
        "Beyond loopback without keys: serve anybody who reaches the port (true or false)",
        flag,
    ),
    Argument("models", "", "Models to serve: blank-separated 'id:=module:Attribute'", words),
    Argument("http", "", "Where the fleet's page is (default 127.0.0.1:5580), or off"),
    Argument("config_file", "", "YAML file with the server's InferentialConfig"),
    Argument("dispatcher", "", "ray (Ray Serve; default where the node can import Ray) or local"),
    Argument(
        "ray_address",
        "",
        "Ray cluster to join, host:port, or local: start one (default: the one that runs here,"
        " else local)",
    ),
    Argument("serve_config_file", "", "Ray Serve config file with applications to deploy"),
    Argument("replicas", "", "Replicas of each model on Ray Serve (default 1)", count),
    Argument("lanes", "", "Calls a local model works on at once (default 1)", count),
    Argument("process", "", "Local models that run in processes of their own, by id", words),
    Argument("timeout", "", "Seconds a call of a local model may take (default 30)", number),
)

ROBOT_ARGUMENTS = (
    *COMMON_ARGUMENTS,
    Argument("contract_file", "", "YAML contract: topics to observations, actions to topics"),
    Argument("server", "", "Address of the inference server (default tcp://127.0.0.1:5555)"),
    Argument("client_id", "", "Id towards the server (default: the namespace)"),
    Argument("key_file", "", "This robot's NAME.key_secret (default: $INFERENTIAL_KEY)"),
    Argument("server_key_file", "", "The server's public key (default: $INFERENTIAL_SERVER_KEY)"),
)

DEMO_ARGUMENTS = (
    Argument("robots", "6", "How many robots to simulate", int),
    Argument("port", "5555", "TCP port of the inference server, on loopback", int),
    Argument("report", "demo/report.png", "Where to write the picture of the run"),
    Argument("seconds", "30", "Length of the run, in seconds", float),
    Argument("slowdown", "true", "Slow the model down after the fast phase", flag),
    Argument("seed", "0", "Seed of the noise and of the pushes", int),
    Argument("http", "", "Where the fleet's page is (default 127.0.0.1:5580), or off"),
    Argument("keep", "false", "Go on after the run, until Ctrl-C", flag),
    Argument("log_level", "info", "Log level of the nodes"),
)


def server(
    *,
    namespace: str = "",
    params_file: str = "",
    use_sim_time: bool | None = None,
    autostart: bool | None = True,
    use_respawn: bool | None = False,
    log_level: str = "",
    bind: str = "",
    http: str = "",
    keys: str = "",
    allow_insecure: bool | None = None,
    models: Sequence[str] = (),
    config_file: str = "",
    dispatcher: str = "",
    ray_address: str = "",
    serve_config_file: str = "",
    replicas: int | None = None,
    lanes: int | None = None,
    process: Sequence[str] = (),
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> list[Process]:
    """The inference server, and what it starts itself: the Ray driver, a cluster of its own."""
    return [
        Process(
            executable="server_node",
            name="inference_server",
            namespace=namespace,
            params_file=params_file,
            parameters=_given(
                bind=bind,
                http=http,
                keys=keys,
                allow_insecure=allow_insecure,
                models=list(models),
                config_file=config_file,
                dispatcher=dispatcher,
                ray_address=ray_address,
                serve_config_file=serve_config_file,
                replicas=replicas,
                lanes=lanes,
                process=list(process),
                timeout=timeout,
                use_sim_time=use_sim_time,
                autostart=autostart,
            ),
            env=dict(env or {}),
            log_level=log_level,
            respawn=bool(use_respawn),
        )
    ]


def robot(
    *,
    namespace: str = "",
    params_file: str = "",
    use_sim_time: bool | None = None,
    autostart: bool | None = True,
    use_respawn: bool | None = False,
    log_level: str = "",
    contract_file: str = "",
    server: str = "",
    client_id: str = "",
    key_file: str = "",
    server_key_file: str = "",
    env: Mapping[str, str] | None = None,
) -> list[Process]:
    """One robot's bridge to the server."""
    return [
        Process(
            executable="bridge_node",
            name="inference_bridge",
            namespace=namespace,
            params_file=params_file,
            parameters=_given(
                contract_file=contract_file,
                server=server,
                client_id=client_id,
                key_file=key_file,
                server_key_file=server_key_file,
                use_sim_time=use_sim_time,
                autostart=autostart,
            ),
            env=dict(env or {}),
            log_level=log_level,
            respawn=bool(use_respawn),
        )
    ]


def demo(
    *,
    robots: int = 6,
    port: int = 5555,
    report: str = "demo/report.png",
    seconds: float = 30.0,
    slowdown: bool | None = True,
    seed: int = 0,
    log_level: str = "",
    slowdown_file: str = "",
    plain: bool = False,
    http: str = "",
    keep: bool | None = False,
) -> list[Process]:
    """Simulated robots, a bridge each, one server, and the director that runs the show."""
    if robots < 1:
        raise ValueError(f"robots must be at least 1, not {robots}")
    address = f"tcp://127.0.0.1:{port}"
    slowdown_file = slowdown_file or os.path.join(
        tempfile.gettempdir(), f"inferential_demo_{os.getpid()}_slowdown_ms"
    )
    knob = {**SINGLE_THREADED, SLOWDOWN_FILE_VARIABLE: slowdown_file}
    processes = server(
        bind=address,
        http=http,
        models=[DEMO_POLICY],
        dispatcher="local",
        log_level=log_level,
        env=knob,
    )
    for number in range(1, robots + 1):
        namespace = f"robot_{number}"
        processes.append(
            Process(
                executable="cartpole_node",
                name="cartpole",
                namespace=namespace,
                parameters={"seed": seed * 1000 + number},
                env=SINGLE_THREADED,
                log_level=log_level,
            )
        )
        processes += robot(
            namespace=namespace,
            contract_file=share_path("config/demo/cartpole.yaml"),
            server=address,
            client_id=namespace,
            log_level=log_level,
            env=SINGLE_THREADED,
        )
    processes.append(
        Process(
            executable="demo_director",
            name="demo_director",
            parameters={
                "robots": robots,
                "seconds": float(seconds),
                "slowdown": bool(slowdown),
                "seed": seed,
                "report": os.path.abspath(report),
                "plain": plain,
                "keep": bool(keep),
                "page": "" if http in ("", "off") else f"http://{http}",
            },
            env=knob,
            required=True,
            foreground=True,
        )
    )
    return processes


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [])}
