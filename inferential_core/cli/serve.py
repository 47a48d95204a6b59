"""`inferential serve`: runs a server on this machine, without ROS."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..dispatch.factory import local_options
from ..errors import InferentialError, UsageError
from ..log import formatting
from ..log.waiting import waiting
from ..process.hangup import on_hangup
from ..process.interpreter import keep_time
from ..process.supervisor import Supervisor
from ..server.assembly import assemble
from ..server.off_loop import off_loop
from ..server.server import Server
from .patience import Patience
from .serve_options import parser

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
    options = parser().parse_args(argv)
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
    what = ", ".join(dispatcher.models())
    if not what:
        what = "what Ray Serve has"
        _log.info(
            "no model is named, so the server serves what is deployed on Ray Serve; without Ray,"
            " --dispatcher local --model NAME=MODULE:ATTRIBUTE serves one in this process"
        )
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
    except (OSError, ValueError) as error:  # it is full; a model has closed it
        why = getattr(error, "strerror", None) or error
        for line in lines:
            _log.warning("%s (stdout: %s)", line, why)
        if not sys.stdout.closed:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
