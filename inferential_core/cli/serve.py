"""`inferential serve`: a server on this machine, without ROS."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config import LOOPBACK, InferentialConfig, chosen_bind, load_config
from ..dispatch.loading import load_models
from ..dispatch.local import LocalDispatcher
from ..server import Server


def main(argv: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    options = _parser().parse_args(argv)
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    sys.path.insert(0, str(Path.cwd()))  # models of the folder one stands in
    models = load_models(options.model, later=options.process)
    config = load_config(options.config) if options.config else InferentialConfig()
    bind = chosen_bind(config, options.bind)
    dispatcher = LocalDispatcher(
        models, lanes=options.lanes, process=options.process, timeout_s=options.timeout or None
    )
    server = Server(bind, config=config, dispatcher=dispatcher)
    if options.strategy:
        server.use_scheduler(options.strategy)
    server.start()  # not in the event loop: a Ctrl-C while models load is obeyed at once
    asyncio.run(_serve(server, f"serving {', '.join(models)}"))
    return 0


async def _serve(server: Server, announcement: str) -> None:
    """Serve until a signal, or until the server fails, which raises."""
    running = asyncio.ensure_future(server.run())
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    print(f"{announcement} on {server.address}", flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential serve",
        description="Serve models of this machine to robots, until Ctrl-C.",
        epilog="example: inferential serve --model policy=my_package.policy:Policy",
    )
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="NAME=MODULE:ATTRIBUTE",
        help="a callable, or an object or class with infer or infer_batch; may be repeated",
    )
    parser.add_argument("--bind", metavar="ADDRESS", help=f"default {LOOPBACK}")
    parser.add_argument("--config", metavar="FILE", help="server configuration, YAML or JSON")
    parser.add_argument("--strategy", metavar="NAME", help="scheduling strategy")
    parser.add_argument("--lanes", type=int, default=1, help="calls a model works on at once")
    parser.add_argument(
        "--process",
        action="append",
        default=[],
        metavar="NAME",
        help="run this model in processes of its own, one a lane; may be repeated",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="after which a model's call is given up; 0: never",
    )
    parser.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error")
    )
    return parser
