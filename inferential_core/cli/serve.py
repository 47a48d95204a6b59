"""`inferential serve`: a server on this machine, without ROS."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ..config import InferentialConfig, load_config
from ..dispatch.loading import load_models
from ..dispatch.local import LocalDispatcher
from ..server import Server

DEFAULT_BIND = "tcp://127.0.0.1:5555"


def main(argv: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code."""
    options = _parser().parse_args(argv)
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    sys.path.insert(0, str(Path.cwd()))  # models of the folder one stands in
    models = load_models(options.model)
    config = load_config(options.config) if options.config else InferentialConfig()
    bind = options.bind or (None if options.config else DEFAULT_BIND)
    server = Server(bind, config=config, dispatcher=LocalDispatcher(models, lanes=options.lanes))
    if options.strategy:
        server.use_scheduler(options.strategy)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    with server:
        print(f"serving {', '.join(models)} on {server.address}", flush=True)
        stop.wait()
    return 0


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
    parser.add_argument("--bind", metavar="ADDRESS", help=f"default {DEFAULT_BIND}")
    parser.add_argument("--config", metavar="FILE", help="server configuration, YAML or JSON")
    parser.add_argument("--strategy", metavar="NAME", help="scheduling strategy")
    parser.add_argument("--lanes", type=int, default=1, help="calls a model works on at once")
    parser.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error")
    )
    return parser
