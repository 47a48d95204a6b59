"""`inferential demo`: how large a fleet one model carries, served in two ways.

Robots join one by one until the first of them falls. First the model is asked as policy servers
ask theirs: one observation a call, in the order of their arrival. Then by this server as it comes:
in batches, formed by deadline. The model's call time, the robots, their rates, the wind and the
pushes are the same.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from inferential_core import InferentialConfig, LocalDispatcher, Server
from inferential_core.cli.arguments import count
from inferential_core.process.interpreter import keep_time
from inferential_demo.fleet_model import CALL_TIME, TimedPolicy
from inferential_demo.fleet_report import write_report
from inferential_demo.fleet_robots import MODEL, Fleet
from inferential_demo.machine import how_busy
from inferential_demo.page_address import page_address

JOIN_EVERY_S = 0.7
MOST_ROBOTS = 80
SAMPLE_EVERY = 5  # steps between two points of the picture
EXPECTED_TIMES = 3.0  # as many robots, on two cores that do nothing else
SPARE = 0.85  # of the fleet that stood, what goes on with --keep

ONE_BY_ONE: dict[str, Any] = {
    "strategy": "batch_optimized",
    "max_batch_size": 1,
    "batch_optimized": {"max_wait_ms": 0.001},  # nobody is waited for
}
AS_IT_COMES: dict[str, Any] = {"max_batch_size": 64}


@dataclass
class Act:
    """One way to serve, and what was seen of it. Times in s since its first robot joined."""

    title: str
    scheduling: dict[str, Any]
    joined_s: list[float] = field(default_factory=list)
    angles: list[tuple[float, list[float]]] = field(default_factory=list)  # rad, of each robot
    delays_ms: list[tuple[float, float, float]] = field(default_factory=list)  # s, median, longest
    fell_s: float = math.nan  # when the first robot fell
    fallen: str = ""  # which one
    mean_batch: float = math.nan

    @property
    def stood(self) -> int:
        """The largest fleet of which nobody fell."""
        return len(self.joined_s) - (1 if self.fallen else 0)


def main(argv: Sequence[str]) -> int:
    """Exit status: 0 if this server carried the larger fleet."""
    options = _parser().parse_args(argv)
    page = page_address(options.http)
    acts = [
        Act("one by one, in order of arrival", ONE_BY_ONE),
        Act("Inferential: batches by deadline", AS_IT_COMES),
    ]
    print(
        f"There is one model. A call takes {CALL_TIME}. Robots join until one falls.", flush=True
    )
    if page != "off":
        print(f"The fleet's page, while it runs: http://{page}", flush=True)
    picture = find_spec("matplotlib") is not None
    if not picture:
        print("There will be no picture: pip install 'inferential[demo]' brings matplotlib.")
    keep_time()
    show = _Lines() if options.plain or not sys.stdout.isatty() else _Line()
    try:
        for act in acts:
            play(act, options.seed, page, options.most, show)
        for line in verdict(acts):
            print(line, flush=True)
        if picture:
            write_report(acts, options.report)
            print(f"The picture is in {options.report}", flush=True)
        if options.keep:
            print(f"{_keeps(acts[1])} robots continue until Ctrl-C.", flush=True)
            keep(acts[1], options.seed, page)
    except KeyboardInterrupt:
        print()
        return 130
    return 0 if acts[1].stood > acts[0].stood else 1


def play(act: Act, seed: int, page: str, most: int, show: _Line) -> None:
    """Let robots join until one falls, or until there are `most`, and write down what is seen."""
    with _serving(act, page) as server:
        fleet = Fleet(server.address, seed)
        try:
            while not fleet.fallen and (len(fleet.robots) < most or _settling(fleet)):
                if len(fleet.robots) < most and fleet.time_s >= JOIN_EVERY_S * len(fleet.robots):
                    fleet.join()
                fleet.tick()
                if fleet.step % SAMPLE_EVERY == 0:
                    _note(act, fleet)
                    show.show(act, fleet)
        finally:
            act.joined_s = list(fleet.joined_s)
            fleet.close()
        if fleet.fallen:
            act.fallen, act.fell_s = fleet.fallen[0].name, fleet.fallen[0].fallen_at_s
        act.mean_batch = server.status()["models"][0]["mean_batch"]
    show.end(act)


def keep(act: Act, seed: int, page: str) -> None:
    """A fleet that stands, until Ctrl-C: time to look at the page."""
    with _serving(act, page) as server:
        fleet = Fleet(server.address, seed)
        try:
            while True:
                if len(fleet.robots) < _keeps(act):
                    fleet.join()
                fleet.tick()
                fleet.raise_the_fallen()
        finally:
            fleet.close()


def result(act: Act) -> str:
    """How an act ended, in words."""
    how = f"{act.fallen} fell when there were {len(act.joined_s)}" if act.fallen else "all stand"
    return f"{act.title}: {act.stood} robots stood ({how}; {act.mean_batch:.1f} robots a call)"


def verdict(acts: Sequence[Act]) -> list[str]:
    """The last lines: the two fleets, and how they compare; what may be to blame comes first."""
    lines = [result(act) for act in acts]
    if acts[0].stood:
        times = acts[1].stood / acts[0].stood
        if times < EXPECTED_TIMES:
            usual = f"With two free cores the second fleet is {EXPECTED_TIMES:g} times as large."
            lines.insert(0, f"{how_busy()} {usual}")
        lines.append(f"The same model carried {times:.1f} times as many robots.")
    return lines


def _keeps(act: Act) -> int:
    return max(1, int(SPARE * act.stood))


def _settling(fleet: Fleet) -> bool:
    """Whether the last robot that joined has not been pushed about for a while yet."""
    return fleet.time_s < fleet.joined_s[-1] + 3.0


def _serving(act: Act, page: str) -> Server:
    config = {"http": {"bind": page}, "scheduling": act.scheduling}
    return Server(
        bind="tcp://127.0.0.1:*",
        config=InferentialConfig.model_validate(config),
        dispatcher=LocalDispatcher({MODEL: TimedPolicy()}),
    )


def _note(act: Act, fleet: Fleet) -> None:
    act.angles.append((fleet.time_s, fleet.angles.tolist()))
    delays = sorted(fleet.delays_ms())
    act.delays_ms.append((fleet.time_s, delays[len(delays) // 2], delays[-1]))


class _Line:
    """One line of a terminal, written anew again and again."""

    def show(self, act: Act, fleet: Fleet) -> None:
        print(f"\r{_state(act, fleet)}\033[K", end="", flush=True)

    def end(self, act: Act) -> None:
        print(f"\r{result(act)}\033[K", flush=True)


class _Lines(_Line):
    """A line every two seconds, for a log."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def show(self, act: Act, fleet: Fleet) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + 2.0
            print(_state(act, fleet), flush=True)

    def end(self, act: Act) -> None:
        print(result(act), flush=True)


def _state(act: Act, fleet: Fleet) -> str:
    _, median_ms, longest_ms = act.delays_ms[-1]
    lean = math.degrees(abs(fleet.angles).max())
    return (
        f"{fleet.time_s:5.1f} s  {act.title}: {len(fleet.robots):2d} robots, plans take"
        f" {median_ms:.0f} to {longest_ms:.0f} ms, poles lean up to {lean:.0f} degrees"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential demo",
        description="A fleet of simulated robots grows until the first one falls, with a model"
        " asked one by one, and with the same model asked by this server.",
        epilog="inferential demo --ros shows six robots with a ROS 2 bridge each; --ros --help"
        " for its options",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--report", default=os.path.join("demo", "report.png"), help="file for the picture"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the wind and the pushes")
    parser.add_argument("--most", type=count, default=MOST_ROBOTS, help="largest number of robots")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="continue afterwards until Ctrl-C, for looking at the page",
    )
    parser.add_argument(
        "--http", default="auto", help="address (host:port) of the fleet's page, or off"
    )
    parser.add_argument("--plain", action="store_true", help="print lines for a log")
    return parser
