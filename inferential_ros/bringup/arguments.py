"""The arguments of the launch files: plain data, standard library only.

Those of a file are the keywords of the function in process_list.py that builds it.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("debug", "info", "warn", "error", "fatal")


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


def whole(low: int = 0, high: int | None = None) -> Callable[[str], int | None]:
    """Reads whole numbers from `low` to `high`; empty leaves the choice to the node."""
    bounds = f"of at least {low}" if high is None else f"from {low} to {high}"

    def parse(text: str) -> int | None:
        if not text.strip():
            return None
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            raise ValueError(f"must be a whole number {bounds}, not {text!r}")
        return value

    return parse


def number(text: str) -> float | None:
    """A number; empty leaves the choice to the node."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"must be a number, not {text!r}")
    return value


def given(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Reads what `parse` does, but nothing empty, for what no node has a choice of its own."""

    def parse_given(text: str) -> Any:
        value = parse(text)
        if value is None:
            raise ValueError("must not be empty")
        return value

    return parse_given


def log_level(text: str) -> str:
    """A severity of ROS 2, for all loggers or, as 'LOGGER:=SEVERITY', for one."""
    if text and text.rpartition(":=")[2].lower() not in SEVERITIES:
        raise ValueError(f"must be one of {', '.join(SEVERITIES)}, not {text!r}")
    return text


def file(text: str) -> str:
    """The path of a file that is there; empty leaves the choice to the node."""
    if text and not os.path.isfile(text):
        raise ValueError(f"there is no file {text!r}")
    return text


def words(text: str) -> list[str]:
    """Blank-separated words."""
    return text.split()


COMMON_ARGUMENTS = (
    Argument("namespace", "", "Namespace of the nodes"),
    Argument(
        "params_file", "", "ROS parameter file (keyed '/**:') with the nodes' parameters", file
    ),
    Argument("use_sim_time", "", "Take the time from /clock (true or false)", flag),
    Argument("autostart", "true", "Configure and activate the nodes at start", flag),
    Argument("use_respawn", "false", "Start a node again when it dies", flag),
    Argument("log_level", "info", "Log level of the nodes", log_level),
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
    Argument(
        "models",
        "",
        "Models to serve: blank-separated 'id:=module:Attribute', where the module may be the path"
        " of a .py file, or 'id:=scheme:source', such as onnx:FILE (docs/policies.md)",
        words,
    ),
    Argument("http", "", "Address of the fleet's page (default 127.0.0.1:5580), or off"),
    Argument(
        "doors",
        "",
        "Ways in for clients of other servers: blank-separated 'openpi=127.0.0.1:8000'",
        words,
    ),
    Argument("config_file", "", "YAML or JSON file with the server's configuration"),
    Argument("dispatcher", "", "ray (Ray Serve; default if the node can import Ray) or local"),
    Argument(
        "ray_address",
        "",
        "Ray cluster to join, host:port; local: start one (default: the one that runs on this"
        " machine, else local)",
    ),
    Argument("serve_config_file", "", "Ray Serve config file with applications to deploy"),
    Argument("replicas", "", "Replicas of each model on Ray Serve (default 1)", whole()),
    Argument("lanes", "", "Calls that a local model works on at once (default 1)", whole()),
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
    Argument(
        "server",
        "",
        "Address of the inference server, or several with commas between, in the order of"
        " preference (default: $INFERENTIAL_SERVER, else tcp://127.0.0.1:5555)",
    ),
    Argument("client_id", "", "Client id, unique in the fleet (default: the namespace)"),
    Argument("key_file", "", "This robot's NAME.key_secret (default: $INFERENTIAL_KEY)"),
    Argument("server_key_file", "", "The server's public key (default: $INFERENTIAL_SERVER_KEY)"),
    Argument(
        "thread_priority",
        "",
        "Real-time priority, 1 to 99, of the thread that publishes commands",
        whole(0, 99),
    ),
)

DEMO_ARGUMENTS = (
    Argument("robots", "6", "How many robots to simulate", given(whole(1))),
    Argument(
        "port", "5555", "TCP port of the inference server, on loopback", given(whole(1, 65535))
    ),
    Argument("report", "demo/report.png", "Where to write the picture of the run"),
    Argument("seconds", "30", "Length of the run, in seconds", given(number)),
    Argument("slowdown", "true", "Slow the model down after the fast phase", flag),
    Argument("seed", "0", "Seed of the noise and of the pushes", given(whole(0, 2_000_000))),
    Argument("http", "", "Address of the fleet's page (default 127.0.0.1:5580), or off"),
    Argument("keep", "false", "Continue after the run, until Ctrl-C", flag),
    Argument("log_level", "info", "Log level of the nodes", log_level),
)


def mistyped(names: Iterable[str], arguments: Sequence[Argument]) -> list[str]:
    """A sentence for each name that is nearly one of the arguments.

    launch takes any name without a word; one that is quite different may be meant for a launch
    file that includes ours.
    """
    known = [argument.name for argument in arguments]
    sentences = []
    for name in sorted(set(names) - set(known)):
        if close := difflib.get_close_matches(name, known, n=1, cutoff=0.8):
            sentences.append(f"no launch argument is named {name}: did you mean {close[0]}?")
    return sentences
