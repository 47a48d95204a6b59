"""`inferential profile`: measures a model, and says how many robots it can carry."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from ..config.schema import InferentialConfig
from ..errors import UsageError
from ..models import profile as profiles
from ..models.caller import ModelCaller
from ..models.loading import load_model
from ..models.profile import Profile
from ..process.users_code import users_code
from ..profiling.capacity import Capacity, Robots, by_size, capacity, workload_of
from ..profiling.measure import Effort, Progress, measure, sizes_of
from . import profile_report
from .arguments import MODEL, check_writable, count, picture_file, positive, seconds
from .progress import progress
from .sample_observation import observation

_DEFAULT_HZ, _DEFAULT_STEPS = 50.0, 50

T = TypeVar("T")


def main(argv: Sequence[str]) -> int:
    """Returns the exit code; ConfigError or UsageError says why a model cannot be measured."""
    options = parser().parse_args(argv)
    picture = picture_file(options.plot) if options.plot else None
    output = Path(options.output) if options.output else None
    if output is not None:
        check_writable("--output", output)
    sys.path.insert(0, str(Path.cwd()))  # models of the folder one stands in, as for serve
    with progress("loading the model") as doing:
        profile, specification = _measured(_target(options), options, doing)
        robots = _robots(options, specification)
        found = _capacities(profile, robots, options, doing)
    if options.json:
        print(json.dumps(profile_report.as_data(profile, robots, found), indent=2))
    else:
        print("\n".join(profile_report.lines(profile, robots, found)))
    if options.save:
        path = profiles.save(profile, output)
        print(f"saved in {path}, which the server reads at its start", file=sys.stderr)
    if picture:
        profile_report.plot(profile, robots, found, picture)
        print(f"the picture is in {picture}", file=sys.stderr)
    return 0


def _target(options: argparse.Namespace) -> str:
    """The model's name, of NAME=MODULE:ATTRIBUTE or of MODULE:ATTRIBUTE alone."""
    before, equals, after = options.model.replace(":=", "=", 1).partition("=")
    target: str = after if equals and ":" not in before else options.model
    return target


def _measured(
    target: str, options: argparse.Namespace, doing: Progress
) -> tuple[Profile, dict[str, Any]]:
    """The profile of a model, and what it specifies."""
    begun = time.monotonic()
    caller = ModelCaller(target, load_model(target))
    loaded = time.monotonic()
    values, told = observation(caller.specification, options.key_shape)
    doing("warming the model up")
    with users_code(f"model {target!r}: warming it up"):
        _on_a_thread(caller.warm_up)
    warm = time.monotonic()
    print(f"an observation has {told}", file=sys.stderr)
    effort, sizes = Effort(options.calls, options.seconds), sizes_of(caller, options.max_batch)
    batches = _on_a_thread(lambda: measure(caller, values, sizes, effort, doing))
    profile = Profile(
        profiles.name_of(target),
        profiles.this_machine(),
        tuple(batches),
        loaded - begun,
        warm - loaded,
    )
    return profile, dict(caller.specification)


def _robots(options: argparse.Namespace, specification: dict[str, Any]) -> Robots:
    """As the options say, else as the model specifies."""
    rate_hz = options.rate or float(specification.get("control_rate_hz", _DEFAULT_HZ))
    horizon = options.horizon or int(specification.get("horizon", _DEFAULT_STEPS))
    chunk_s = horizon / rate_hz
    deadline_s = options.deadline_ms / 1000.0 if options.deadline_ms else chunk_s / 2
    if deadline_s >= chunk_s:
        raise UsageError(
            f"--deadline-ms {1000 * deadline_s:g} is as long as a chunk of {horizon} steps at"
            f" {rate_hz:g} Hz, {1000 * chunk_s:g} ms: a robot asks while it still has actions"
        )
    return Robots(rate_hz, horizon, deadline_s, options.network_ms / 1000.0)


def _capacities(
    profile: Profile, robots: Robots, options: argparse.Namespace, doing: Progress
) -> dict[bool, Capacity]:
    """How many robots fit that obey the server's hints, and that do not."""
    workload = workload_of(by_size(profile.seconds, options.max_batch), robots)
    strategy = InferentialConfig().scheduling.strategy
    return {
        obey: capacity(workload, strategy, obey_hints=obey, jitter=profile.jitter, progress=doing)
        for obey in (True, False)
    }


def _on_a_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises, done where a server does it, so that a Ctrl-C ends it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="inferential-profile", daemon=True).start()
    return future.result()


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="inferential profile",
        description="Measure how long a model takes for each batch size, and simulate how many"
        " robots that carries. The profile is saved beside the model; a server that serves it"
        " reads the profile at its start and plans by it from the first call.",
        epilog="example: inferential profile my_package.policy:Policy --rate 50 --horizon 50"
        " --deadline-ms 400 --plot profile.png",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help=f"model to measure, with or without NAME= before it: {MODEL}",
    )
    parser.add_argument(
        "--max-batch",
        type=count,
        default=8,
        metavar="N",
        help="largest batch; default %(default)s, as scheduling.max_batch_size",
    )
    parser.add_argument(
        "--calls", type=count, default=30, metavar="N", help="calls of each size; default 30"
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=10.0,
        metavar="S",
        help="longest time for the calls of one size; default %(default)g",
    )
    parser.add_argument(
        "--shape",
        dest="key_shape",
        action="append",
        default=[],
        metavar="KEY=DTYPE[SIZES]",
        help="one key of an observation, such as camera=uint8[224,224,3]; may be repeated;"
        " default: what the model specifies",
    )
    robots = parser.add_argument_group("the robots")
    robots.add_argument(
        "--rate",
        type=positive,
        metavar="HZ",
        help=f"actions a second; default: as the model specifies, else {_DEFAULT_HZ:g}",
    )
    robots.add_argument(
        "--horizon",
        type=count,
        metavar="STEPS",
        help=f"actions in a chunk; default: as the model specifies, else {_DEFAULT_STEPS}",
    )
    robots.add_argument(
        "--deadline-ms",
        type=positive,
        metavar="MS",
        help="time from asking to running out of actions; default: half a chunk",
    )
    robots.add_argument(
        "--network-ms",
        type=positive,
        default=2.0,
        metavar="MS",
        help="time on the network, one way; default %(default)g",
    )
    parser.add_argument("--output", metavar="FILE", help="file of the profile")
    parser.add_argument(
        "--no-save", dest="save", action="store_false", help="measure, but save no profile"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the profile into this file")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser
