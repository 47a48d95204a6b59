"""`inferential bench`: loads a server with robots that ask at a fixed rate, and reports."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence

from ..client.aio import AsyncConnection
from ..errors import UsageError
from ..security.keyfiles import SECRET, name_of_key
from .arguments import add_key, add_server, count, picture_file, positive, seconds
from .load import Robots
from .load_report import plot, report
from .progress import progress
from .sample_observation import observation

_PATIENCE_MS = 5000.0
_LOOK_S = 0.2
_FILES_A_ROBOT = 4
_PREFIX = "bench-"


def main(argv: Sequence[str]) -> int:
    """0 if something was answered, else 1; 130 after Ctrl-C, which reports what there is."""
    options = _parser().parse_args(argv)
    picture = picture_file(options.plot) if options.plot else None
    if options.prefix is None:
        name = name_of_key(options.key)
        options.prefix = f"{name}/" if name else _PREFIX
    _allow_sockets(options.robots)
    robots = asyncio.run(_run(options))
    found = robots.load
    if options.json:
        print(json.dumps(found.figures(), indent=2))
    else:
        print("\n".join(report(found)))
    if picture:
        plot(found, picture)
        print(f"the picture is in {picture}", file=sys.stderr if options.json else sys.stdout)
    if robots.stopped:
        return 130
    return 0 if found.outcomes.get("ok") else 1


async def _run(options: argparse.Namespace) -> Robots:
    link = {"server": options.server, "key": options.key, "server_key": options.server_key}
    async with AsyncConnection(**link, client_id=f"{options.prefix}probe") as probe:
        model = probe.model(options.model)
        asking = f"asking {options.server} what the model {options.model!r} takes"
        with progress(asking) as doing:
            telling = asyncio.ensure_future(_tell_why(probe, asking, doing))
            try:
                declared = await model.specification(timeout_ms=_PATIENCE_MS)
            except TimeoutError:
                why = probe.problem or "it is there, but does not say what the model takes"
                raise UsageError(f"no server answers at {options.server}: {why}") from None
            finally:
                telling.cancel()
    values, told = observation(declared, options.key_shape)
    if not options.json:
        print(
            f"{options.robots} robots ask the model {options.model!r} at {options.server}, each"
            f" {options.hz:g} times a second for {options.seconds:g} s; an observation has {told}",
            flush=True,
        )
    robots = Robots(
        link=link,
        prefix=options.prefix,
        count=options.robots,
        model=options.model,
        values=values,
        hz=options.hz,
        budget_s=(options.budget_ms or 1000.0 / options.hz) / 1000.0,
        supersede=options.supersede,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, robots.stop)
    await robots.ask_for(options.seconds)
    return robots


async def _tell_why(probe: AsyncConnection, asking: str, doing: Callable[[str], None]) -> None:
    """Have the progress say what is in the way, from when that is known on."""
    while True:
        doing(f"{asking} ({probe.problem})" if probe.problem else asking)
        await asyncio.sleep(_LOOK_S)


def _allow_sockets(robots: int) -> None:
    """A socket each, and libzmq allows 1023 in a process."""
    os.environ.setdefault("ZMQ_MAX_SOCKETS", str(robots + 10))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_A_ROBOT * robots + 100
    if soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential bench",
        description="Load a server with simulated robots. They ask at a fixed rate, whether or not"
        " they are answered. Report how their observations ended and how long that took.",
        epilog="example: inferential bench --server tcp://gpu-box:5555 --robots 50 --hz 10"
        " --model policy --plot load.png",
    )
    add_server(parser, "server to load")
    parser.add_argument(
        "--model", default="policy", metavar="NAME", help="model to ask; default %(default)s"
    )
    parser.add_argument(
        "--robots", type=count, default=10, metavar="N", help="number of robots; default 10"
    )
    parser.add_argument(
        "--hz",
        type=positive,
        default=10.0,
        metavar="F",
        help="observations a second of each robot; default %(default)g",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=10.0,
        metavar="S",
        help="length of the load; default %(default)g",
    )
    parser.add_argument(
        "--budget-ms",
        type=positive,
        metavar="MS",
        help="count an answer as in time within this; default: the time to the next observation",
    )
    parser.add_argument(
        "--shape",
        dest="key_shape",
        action="append",
        default=[],
        metavar="KEY=DTYPE[SIZES]",
        help="one key of each observation, such as joints=float32[7] or camera=uint8[224,224,3];"
        " may be repeated; default: what the model specifies, if it does",
    )
    parser.add_argument(
        "--supersede",
        action="store_true",
        help="let a robot's newer observation replace the one that waits",
    )
    add_key(parser, "these robots")
    parser.add_argument(
        "--prefix",
        help=f"beginning of the client ids; default {_PREFIX}, with a key NAME{SECRET} NAME/",
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="draw the latencies over time into this file"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser
