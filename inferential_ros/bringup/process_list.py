"""The one list of processes: what a server, a robot and the demo consist of.

Plain data, standard library only. The launch files (launching.py) turn it into launch_ros nodes,
the supervisor (supervisor.py) into processes where `launch` is not installed, tests read it.
An empty value means "as the node or its parameter file has it", so that a default written
here never overrides what a user wrote into a parameter file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from inferential_ros.bringup.process import Process
from inferential_ros.resources import share_path

# One thread each: a dozen processes whose BLAS spins up a pool each would fight for the cores.
SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

SLOWDOWN_FILE_VARIABLE = "INFERENTIAL_DEMO_SLOWDOWN_FILE"  # inferential_demo.slowdown reads it
DEMO_MODEL = "cartpole"
DEMO_POLICY = f"{DEMO_MODEL}:=inferential_demo.policy:CartPolePolicy"


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
    doors: Sequence[str] = (),
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
            lifecycle=True,
            namespace=namespace,
            params_file=params_file,
            parameters=_given(
                bind=bind,
                http=http,
                keys=keys,
                allow_insecure=allow_insecure,
                models=list(models),
                doors=list(doors),
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
    thread_priority: int | None = None,
    env: Mapping[str, str] | None = None,
) -> list[Process]:
    """One robot's bridge to the server."""
    return [
        Process(
            executable="bridge_node",
            name="inference_bridge",
            lifecycle=True,
            namespace=namespace,
            params_file=params_file,
            parameters=_given(
                contract_file=contract_file,
                server=server,
                client_id=client_id,
                key_file=key_file,
                server_key_file=server_key_file,
                thread_priority=thread_priority,
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
