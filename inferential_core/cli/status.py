"""`inferential status`: prints the state of a running server, for people and for scripts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from ..web.several import merged
from . import figures, server_status

OK, TROUBLED = 0, 3  # 1: there is no server; 2: a mistake in the arguments


def main(argv: Sequence[str]) -> int:
    """Returns the exit code, see --help; Unreachable if there is no server."""
    options = _parser().parse_args(argv)
    statuses, silent = server_status.ask(options)
    several = len(statuses) + len(silent) > 1
    if options.json:
        json.dump(statuses if several else statuses[0], sys.stdout, indent=2)
        print()
    else:
        if several:
            print(f"robots of all servers: {figures.robots(merged(statuses))}")
        for status in statuses:
            print("\n".join(_lines(status, figures.troubles(status))))
        for each in silent:
            print(f"▲ {each}")
    return TROUBLED if silent or any(map(figures.troubles, statuses)) else OK


def _lines(status: figures.Status, troubles: list[str]) -> list[str]:
    lines = [
        f"server at {status['bind']}, strategy {status['strategy']}, running for"
        f" {figures.duration(status['uptime_s'])}{', draining' if status['draining'] else ''}",
        f"robots: {figures.robots(status)}",
        f"observations: {figures.accounting(status)}",
        f"who is served: {figures.security(status)}",
        f"settings: {figures.settings(status)}",
    ]
    for door in status["doors"]:
        lines.append(f"door {door['kind']} at {door['address']}: {figures.door(door)}")
    for model in status["models"]:
        lines.append(
            f"model {model['id']}: room for robots: {figures.room(model)}, in use"
            f" {figures.share(model['utilization'])}, call time {figures.call_time(model)},"
            f" {model['queued']} observations waiting"
            + f", {model['change']}"
            * bool(model["change"])
        )
    return [*lines, *(f"▲ {trouble}" for trouble in troubles)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential status",
        description="Print the state of a running server: its robots, its models, and how its"
        " observations ended.",
        epilog="exit code: 0: all is well; 1: there is no server; 3: a robot starves, a model is"
        " still starting or its circuit is open, or one of several servers is not there",
    )
    server_status.add_arguments(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print everything as JSON, as /api/status returns it; of several servers a list",
    )
    return parser
