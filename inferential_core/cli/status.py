"""`inferential status`: how a running server does, for people and for scripts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from . import figures, server_status

OK, TROUBLED = 0, 3  # 1: there is no server; 2: a mistake in the arguments


def main(argv: Sequence[str]) -> int:
    """Returns the exit code, see --help; Unreachable if there is no server."""
    options = _parser().parse_args(argv)
    status = server_status.ask(options)
    troubles = figures.troubles(status)
    if options.json:
        json.dump(status, sys.stdout, indent=2)
        print()
    else:
        print("\n".join(_lines(status, troubles)))
    return TROUBLED if troubles else OK


def _lines(status: figures.Status, troubles: list[str]) -> list[str]:
    lines = [
        f"{status['bind']}, {status['strategy']}, up {figures.duration(status['uptime_s'])}",
        f"robots: {figures.robots(status)}",
        figures.accounting(status),
        f"served: {figures.security(status)}",
        f"settings: {figures.settings(status)}",
    ]
    for model in status["models"]:
        lines.append(
            f"model {model['id']}: room: {figures.room(model)}, in use"
            f" {figures.share(model['utilization'])}, a call takes {figures.latency(model)},"
            f" {model['queued']} waiting"
        )
    return [*lines, *(f"▲ {trouble}" for trouble in troubles)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential status",
        description="How a running server does: its robots, its models, every observation"
        " accounted for.",
        epilog="exit code: 0 all is well; 1 no server there; 3 a robot starves or a model's"
        " circuit is open",
    )
    server_status.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="all there is, as /api/status has it")
    return parser
