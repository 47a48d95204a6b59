"""A fleet for a long time: does the server grow, leak or slow down?

    python -m robustness soak [--minutes M] [--robots N] [--image FILE]

200 robots at 10 Hz and clients of every door, with the page's stream open and /metrics scraped:
memory, file descriptors, threads, asyncio tasks and latency over time, as a plot
(docs/images/soak.png) and a verdict. Status 1 if it grew.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.builds import HERE
from benchmarks.machine import introduce, rss_mb
from benchmarks.options import parse
from benchmarks.processes import ROOT
from benchmarks.watching import Watchers

LOOKED_AT_EVERY_S = {"/metrics": 1.0, "/": 10.0, "/api/status": 10.0}
IMAGE = ROOT / "docs" / "images" / "soak.png"
EVERY_S = 10.0
RATE_HZ = 10.0
WARM_SHARE = 0.2  # of the run: metrics fill their ring buffers, the allocator its arenas
MOST_MB_PER_10_MIN = 1.0
COUNTS = ("descriptors", "threads", "tasks")
DOORS = ("openpi", "gr00t", "lerobot")
VISITORS_A_DOOR = 2
TAGGED = {"tagged": True}


class Sample(NamedTuple):
    """Sizes of the server's process, and how the fleet fared in the ten seconds before."""

    minute: float
    memory_mb: float
    descriptors: int
    threads: int
    tasks: int  # of its event loops
    p50_ms: float
    p99_ms: float
    sent: int
    lost: int  # still without an answer
    failed: int
    scrapes: int  # of /metrics, so far
    events: int  # of the page's stream, so far
    exact: bool  # whether the counters added up
    unserved: int  # clients of doors that had no answer in those ten seconds


TOLD = (
    "{0.minute:6.1f} min: {0.memory_mb:7.2f} MB, {0.descriptors} descriptors, {0.threads} threads,"
    " {0.tasks} tasks, p50 {0.p50_ms:.2f} ms, p99 {0.p99_ms:.2f} ms, {0.lost} lost,"
    " {0.scrapes} scrapes, {0.events} events"
)


class Verdict(NamedTuple):
    """Of one measure."""

    name: str
    text: str
    good: bool


def soak(minutes: float, robots: int) -> list[Sample]:
    """What was measured every ten seconds; prints some of it."""
    samples: list[Sample] = []
    with ExitStack() as stack:
        doors = [{"kind": kind, "bind": "127.0.0.1:0"} for kind in DOORS]
        config, models = {"http": {"bind": "127.0.0.1:0"}, "doors": doors}, {"policy": TAGGED}
        server, told = HERE.server(stack, config=config, models=models)
        crowd = HERE.crowd(told["address"], robots, stack)
        addresses = {each["kind"]: each["address"] for each in server.ask({})["doors"]}
        visitors = HERE.program("peers/visitors.py", addresses, VISITORS_A_DOOR, stack=stack)
        visitors.hear()
        viewers = stack.enter_context(Watchers(told["page"], LOOKED_AT_EVERY_S))
        process, begun = psutil.Process(server.pid), time.monotonic()
        while time.monotonic() < begun + 60.0 * minutes:
            fleet = crowd.ask({"seconds": EVERY_S, "rate_hz": RATE_HZ})
            viewers.check()
            inside, trips = server.ask({"tasks": True}), fleet["trips_ms"]
            minute = (time.monotonic() - begun) / 60
            samples.append(
                Sample(
                    *(minute, rss_mb(server.pid), process.num_fds(), process.num_threads()),
                    *(inside["tasks"], trips["p50"], trips["p99"]),
                    *(fleet[name] for name in ("sent", "lost", "failed")),
                    *(viewers.answers[path] for path in ("/metrics", "/api/stream")),
                    inside["exact"],
                    len(visitors.ask({"live_since": time.monotonic() - EVERY_S})),
                )
            )
            if len(samples) % 6 == 1:
                print(TOLD.format(samples[-1]), flush=True)
    return samples


def judge(samples: Sequence[Sample]) -> list[Verdict]:
    """Of what came after the warm-up."""
    last = samples[-1]
    steady = [each for each in samples if each.minute >= WARM_SHARE * last.minute]
    minutes, memory = [each.minute for each in steady], [each.memory_mb for each in steady]
    slope, most = 10 * slope_per_minute(minutes, memory), MOST_MB_PER_10_MIN
    failed, sent = (sum(getattr(each, name) for each in samples) for name in ("failed", "sent"))
    # Lost is what had no answer at the end; at the other samples some were only late. Where the
    # machine is busy with something else, what waits too long is expired or dropped.
    answers = f"{last.lost} of {sent} without any, {failed} with another outcome than OK"
    exact = all(each.exact for each in samples)
    unserved = sum(each.unserved for each in steady)
    looked = f"{last.scrapes} scrapes, {last.events} events of the page"
    return [
        Verdict("memory", f"{slope:+.3f} MB per 10 min, under {most:g}", slope < most),
        *(_flat(name, [getattr(each, name) for each in steady]) for name in COUNTS),
        Verdict("answers", answers, last.lost == 0),
        Verdict("accounts", "added up each time" if exact else "did not", exact),
        Verdict("doors", f"{unserved} looks at clients without an answer", unserved == 0),
        Verdict("page, metrics", looked, last.scrapes > 0 and last.events > 0),
    ]


def slope_per_minute(minutes: Sequence[float], values: Sequence[float]) -> float:
    """Theil-Sen: the median of the slopes between all pairs, which a single step does not tilt."""
    if len(values) < 3:
        return float("nan")
    x, y = np.array(minutes), np.array(values)
    first, second = np.triu_indices(len(x), k=1)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))


def _flat(name: str, values: list[int]) -> Verdict:
    """What comes and goes may; the least of the last quarter must not be above the first's most.

    Connections of the page and of scrapers open and close all the time.
    """
    quarter = max(1, len(values) // 4)
    early, late = values[:quarter], values[-quarter:]
    text = f"{min(early)} to {max(early)} early, {min(late)} to {max(late)} late"
    return Verdict(name, text, min(late) <= max(early))


def plot(samples: Sequence[Sample], title: str, path: Path) -> None:
    """Memory, counts and latency over time; what is shaded is warm-up."""
    from matplotlib.figure import Figure

    minutes = [each.minute for each in samples]
    figure = Figure(figsize=(9, 7.5), layout="tight")
    panels = memory, counts, latency = figure.subplots(3, 1, sharex=True)
    for panel, name, style in (
        (memory, "memory_mb", {"color": "tab:blue"}),
        *((counts, name, {"label": name}) for name in COUNTS),
        (latency, "p99_ms", {"label": "p99", "color": "tab:red"}),
        (latency, "p50_ms", {"label": "p50", "color": "tab:green"}),
    ):
        panel.plot(minutes, [getattr(each, name) for each in samples], **style)
    memory.set(ylabel="resident memory, MB")
    memory.set_title(title, fontsize=9)
    counts.set(ylabel="count", ylim=(0, None))
    counts.legend(loc="center right", fontsize=8)
    latency.set(yscale="log", ylabel="round trip, ms", xlabel="minutes")
    latency.legend(loc="upper right", fontsize=8)
    for panel in panels:
        panel.axvspan(0, WARM_SHARE * minutes[-1], color="0.93", zorder=0)
        panel.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(arguments: list[str]) -> int:
    """0 if nothing grew."""
    options = parse("soak", __doc__, arguments, minutes=30.0, robots=200, image=IMAGE)
    told = f"{options.robots} robots at {RATE_HZ:.0f} Hz for {options.minutes:g} min"
    introduce(f"{told}, page and metrics open; the first {WARM_SHARE:.0%} are warm-up")
    samples = soak(options.minutes, options.robots)
    verdicts = judge(samples)
    for name, text, good in verdicts:
        print(f"{name:14}{text}: {'good' if good else 'BAD'}")
    plot(samples, verdicts[0].text, options.image)
    print(f"plotted to {options.image}")
    return 0 if all(verdict.good for verdict in verdicts) else 1
