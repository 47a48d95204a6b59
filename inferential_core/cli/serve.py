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
    models = load_models(options.model)
    config = load_config(options.config) if options.config else InferentialConfig()
    bind = chosen_bind(config, options.bind)
    server = Server(bind, config=config, dispatcher=LocalDispatcher(models, lanes=options.lanes))
    if options.strategy:
        server.use_scheduler(options.strategy)
    asyncio.run(_serve(server, f"serving {', '.join(models)}"))
    return 0


async def _serve(server: Server, announcement: str) -> None:
    """Serve until a signal, or until the server fails, which raises."""
    running = asyncio.ensure_future(server.run())
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    await asyncio.sleep(0)  # it has started, or failed to
    if not running.done():
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
        "--log-level", default="info", choices=("debug", "info", "warning", "error")
    )
    return parser
