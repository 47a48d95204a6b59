"""The arguments of the launch files: plain data, standard library only.

Those of a file are the keywords of the function in process_list.py that builds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
    raise ValueError(f"must be true or false, not {text!r}")


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
    Argument(
        "keys", "", "Folder with the server's keys and authorized.yaml; with it clients need keys"
    ),
    Argument(
        "allow_insecure",
        "",
        "Serve everybody who reaches the port, from other machines too, without keys (true or"
        " false)",
        flag,
    ),
    Argument("models", "", "Models to serve: blank-separated 'id:=module:Attribute'", words),
    Argument("http", "", "Address of the fleet's page (default 127.0.0.1:5580), or off"),
    Argument("config_file", "", "YAML or JSON file with the server's configuration"),
    Argument("dispatcher", "", "ray (Ray Serve; default if the node can import Ray) or local"),
    Argument(
        "ray_address",
        "",
        "Ray cluster to join, host:port; local: start one (default: the one that runs on this"
        " machine, else local)",
    ),
    Argument("serve_config_file", "", "Ray Serve config file with applications to deploy"),
    Argument("replicas", "", "Replicas of each model on Ray Serve (default 1)", count),
    Argument("lanes", "", "Calls that a local model works on at once (default 1)", count),
    Argument("process", "", "Ids of the local models that run in processes of their own", words),
    Argument(
        "timeout",
        "",
        "Longest time, in seconds, that a call of a local model may take (default 30)",
        number,
    ),
)

ROBOT_ARGUMENTS = (
    *COMMON_ARGUMENTS,
    Argument(
        "contract_file",
        "",
        "Contract (YAML): it maps topics to observations and actions to topics",
    ),
    Argument("server", "", "Address of the inference server (default tcp://127.0.0.1:5555)"),
    Argument("client_id", "", "Client id, unique in the fleet (default: the namespace)"),
    Argument("key_file", "", "This robot's NAME.key_secret (default: $INFERENTIAL_KEY)"),
    Argument("server_key_file", "", "The server's public key (default: $INFERENTIAL_SERVER_KEY)"),
    Argument(
        "thread_priority",
        "",
        "Real-time priority, 1 to 99, of the thread that publishes commands",
        count,
    ),
)

DEMO_ARGUMENTS = (
    Argument("robots", "6", "How many robots to simulate", int),
    Argument("port", "5555", "TCP port of the inference server, on loopback", int),
    Argument("report", "demo/report.png", "Where to write the picture of the run"),
    Argument("seconds", "30", "Length of the run, in seconds", float),
    Argument("slowdown", "true", "Slow the model down after the fast phase", flag),
    Argument("seed", "0", "Seed of the noise and of the pushes", int),
    Argument("http", "", "Address of the fleet's page (default 127.0.0.1:5580), or off"),
    Argument("keep", "false", "Continue after the run, until Ctrl-C", flag),
    Argument("log_level", "info", "Log level of the nodes"),
)
