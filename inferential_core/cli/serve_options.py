"""The options of `inferential serve`."""

from __future__ import annotations

import argparse
import math
import re
from typing import NoReturn

from ..config import LOOPBACK
from ..dispatch.factory import DISPATCHERS
from ..log import formatting
from .arguments import MODEL, count, given, seconds, seconds_or_0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        model = re.match(r"unrecognized arguments: (\w\S*:\S+)", message)
        super().error(message + (f"; name a model with --model {model[1]}" if model else ""))


def parser() -> argparse.ArgumentParser:
    """The parser of its command line."""
    made = _Parser(
        prog="inferential serve",
        description="Serve the models of this machine to robots, until Ctrl-C.",
        epilog="example: inferential serve --model policy=my_package.policy:Policy",
    )
    made.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=MODEL",
        help=f"model to serve; MODEL is {MODEL}; may be repeated",
    )
    made.add_argument(
        "--dispatcher",
        choices=DISPATCHERS,
        default="",
        help="where models run: on Ray Serve (default if Ray is installed) or in this process",
    )
    made.add_argument(
        "--bind", type=given, metavar="ADDRESS", help=f"address to listen on; default {LOOPBACK}"
    )
    made.add_argument(
        "--keys",
        type=given,
        metavar="DIR",
        help="folder with the server's keys and authorized.yaml: see inferential keys",
    )
    made.add_argument(
        "--allow-insecure",
        action="store_true",
        help="serve everybody who reaches the port, from other machines too, without keys",
    )
    made.add_argument(
        "--http",
        type=given,
        metavar="HOST:PORT",
        help="address of the fleet's page; off: no page; default 127.0.0.1:5580 or the next free"
        " port",
    )
    made.add_argument(
        "--door",
        dest="doors",
        action="append",
        default=[],
        metavar="KIND=HOST:PORT[/MODEL]",
        help="let clients of another server in, such as openpi=127.0.0.1:8000; may be repeated",
    )
    made.add_argument(
        "--config", type=given, metavar="FILE", help="server configuration, YAML or JSON"
    )
    made.add_argument(
        "--wait",
        type=seconds,
        default=math.inf,
        metavar="SECONDS",
        help="end with an error unless every model is ready so soon; default: wait for ever",
    )
    made.add_argument("--strategy", type=given, metavar="NAME", help="scheduling strategy")
    on_ray = made.add_argument_group("on Ray Serve")
    on_ray.add_argument(
        "--ray-address",
        type=given,
        metavar="HOST:PORT",
        help="cluster to join; local: start one; default: the one that runs on this machine, else"
        " local",
    )
    on_ray.add_argument(
        "--serve-config", type=given, metavar="FILE", help="Ray Serve config file to deploy"
    )
    on_ray.add_argument(
        "--replicas", type=count, default=0, help="replicas of each model (default 1)"
    )
    here = made.add_argument_group("in this process")
    here.add_argument("--lanes", type=int, help="calls that a model works on at once (default 1)")
    here.add_argument(
        "--process",
        action="append",
        default=[],
        metavar="NAME",
        help="run this model in processes of its own, one for each lane; may be repeated",
    )
    here.add_argument(
        "--timeout",
        type=seconds_or_0,
        metavar="SECONDS",
        help="longest time that a call of a model may take (default 30); 0: no limit",
    )
    made.add_argument(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="write log lines of this level and above (default info)",
    )
    made.add_argument(
        "--log-format",
        default="text",
        choices=formatting.FORMATS,
        help="write each event as a line for people (default) or as a JSON object",
    )
    return made
