"""`inferential serve`: runs a server on this machine, without ROS."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from ..config import LOOPBACK
from ..dispatch.factory import DISPATCHERS, local_options
from ..errors import InferentialError, UsageError
from ..log import formatting
from ..log.waiting import waiting
from ..process.hangup import on_hangup
from ..process.interpreter import keep_time
from ..process.supervisor import Supervisor
from ..server.assembly import assemble
from ..server.off_loop import off_loop
from ..server.server import Server
from .arguments import count, given, seconds, seconds_or_0
from .patience import Patience

TOLD = (
    "bind",
    "strategy",
    "keys",
    "allow_insecure",
    "http",
    "doors",
)  # options of `command_config`

_log = logging.getLogger("inferential")

_LOOK_S = 0.1


def main(argv: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code. Raises Ctrl-C until it serves."""
    options = _parser().parse_args(argv)
    with formatting.setup(options.log_format, options.log_level):
        try:
            with _sigterm_as_ctrl_c() as terminated:
                _run(options)
        except KeyboardInterrupt:  # while models are made and warm up
            if not terminated():
                raise
        except InferentialError as error:
            if error.__cause__ is not None:  # what went wrong in a user's own code
                _log.debug("%s", error, exc_info=error)
            raise
    return 0


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Raise KeyboardInterrupt on SIGTERM, until it is handled otherwise; yields whether it did."""
    came = False

    def terminate(*_: object) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(options: argparse.Namespace) -> None:
    sys.path.insert(0, str(Path.cwd()))  # models of the folder one stands in
    patience = Patience(options.wait)
    with patience.until_over("a model is still being made"):
        server, dispatcher, where, empty = assemble(
            options.config,
            {name: getattr(options, name) for name in TOLD},
            dispatcher=options.dispatcher,
            models=options.model,
            ray_address=options.ray_address,
            serve_config=options.serve_config,
            replicas=options.replicas,
            local=local_options(options.lanes, options.process, options.timeout),
        )
    if empty:
        raise UsageError("there is no model to serve: name one with --model NAME=MODULE:ATTRIBUTE")
    on_hangup(server.reload)
    with patience.until_over("a model still warms up"):
        server.start()  # not in the event loop: a Ctrl-C while models load is obeyed at once
    keep_time()
    _log.info("%s", where)
    what = ", ".join(dispatcher.models()) or "what Ray Serve has"
    asyncio.run(_serve(server, what, patience))


async def _serve(server: Server, what: str, patience: Patience) -> None:
    """Serve until a signal. Raises why the server fails, or NotReady."""
    running = asyncio.ensure_future(server.run())
    supervisor = Supervisor()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, running.cancel)
    loop.add_signal_handler(signal.SIGTERM, _drain, server, running, supervisor)
    ready = asyncio.ensure_future(_announce(server, what, patience, supervisor))
    ready.add_done_callback(lambda _: running.cancel() if _failed(ready) else None)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    supervisor.stopping()
    supervisor.end()
    if not ready.cancel():
        ready.result()  # raises NotReady, if that ended it


def _drain(server: Server, running: asyncio.Future[None], supervisor: Supervisor) -> None:
    """Take leave of the clients, then end; end at once on a second SIGTERM."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    supervisor.stopping()
    off_loop(server.drain, "inferential-drain").add_done_callback(lambda _: running.cancel())


def _failed(announced: asyncio.Future[None]) -> bool:
    return not announced.cancelled() and announced.exception() is not None


async def _announce(server: Server, what: str, patience: Patience, supervisor: Supervisor) -> None:
    """Say that it serves once no model is starting; NotReady if one is not ready in time."""
    with waiting(_log.info, f"starting on {server.address}") as doing:
        while models := [model for model in server.status()["models"] if model["unavailable"]]:
            why = "; ".join(f"model {model['id']!r}: {model['unavailable']}" for model in models)
            if patience.left() <= 0.0:
                raise patience.over(why)
            starting = any(model["circuit"] == "starting" for model in models)
            if patience.left() == math.inf and not starting:
                break  # what is wrong with it, the log has told
            doing(f"starting on {server.address}: {why}")
            await asyncio.sleep(_LOOK_S)
    lines = [f"serving {what} on {server.address}"]
    lines += [f"door for clients of {each['kind']}: {each['address']}" for each in server.doors()]
    if server.page:
        lines.append(f"the fleet's page: {server.page}")
    _tell(lines)
    supervisor.ready(lines[0])
    supervisor.feed_while(server.takes_turns)


def _tell(lines: list[str]) -> None:
    """Print these lines. Where that fails, as on a full disk, robots are served all the same."""
    try:
        print("\n".join(lines), flush=True)
    except OSError as error:
        for line in lines:
            _log.warning("%s (stdout: %s)", line, error.strerror or error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        model = re.match(r"unrecognized arguments: (\w\S*:\S+)", message)
        super().error(message + (f"; name a model with --model {model[1]}" if model else ""))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="inferential serve",
        description="Serve the models of this machine to robots, until Ctrl-C.",
        epilog="example: inferential serve --model policy=my_package.policy:Policy",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=MODULE:ATTRIBUTE",
        help="model to serve: a callable, or an object or class with infer or infer_batch; may be"
        " repeated",
    )
    parser.add_argument(
        "--dispatcher",
        choices=DISPATCHERS,
        default="",
        help="where models run: on Ray Serve (default if Ray is installed) or in this process",
    )
    parser.add_argument(
        "--bind", type=given, metavar="ADDRESS", help=f"address to listen on; default {LOOPBACK}"
    )
    parser.add_argument(
        "--keys",
        type=given,
        metavar="DIR",
        help="folder with the server's keys and authorized.yaml: see inferential keys",
    )
    parser.add_argument(
        "--allow-insecure",
        action="store_true",
        help="serve everybody who reaches the port, from other machines too, without keys",
    )
    parser.add_argument(
        "--http",
        type=given,
        metavar="HOST:PORT",
        help="address of the fleet's page; off: no page; default 127.0.0.1:5580 or the next free"
        " port",
    )
    parser.add_argument(
        "--door",
        dest="doors",
        action="append",
        default=[],
        metavar="KIND=HOST:PORT[/MODEL]",
        help="let clients of another server in, such as openpi=127.0.0.1:8000; may be repeated",
    )
    parser.add_argument(
        "--config", type=given, metavar="FILE", help="server configuration, YAML or JSON"
    )
    parser.add_argument(
        "--wait",
        type=seconds,
        default=math.inf,
        metavar="SECONDS",
        help="end with an error unless every model is ready so soon; default: wait for ever",
    )
    parser.add_argument("--strategy", type=given, metavar="NAME", help="scheduling strategy")
    on_ray = parser.add_argument_group("on Ray Serve")
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
    here = parser.add_argument_group("in this process")
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
    parser.add_argument(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="write log lines of this level and above (default info)",
    )
    parser.add_argument(
        "--log-format",
        default="text",
        choices=formatting.FORMATS,
        help="write each event as a line for people (default) or as a JSON object",
    )
    return parser
