"""Shows a model's profile: as a table, as data and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..models.profile import BatchProfile, Profile
from ..profiling.capacity import MOVING, Capacity, Robots

_HEADS = ("batch", "median ms", "p95 ms", "first ms", "per s", "host MiB", "device MiB", "calls")
_MIB = 1024.0**2


def lines(profile: Profile, robots: Robots, found: Mapping[bool, Capacity]) -> Iterator[str]:
    """For people, line by line."""
    yield f"{profile.model} on {profile.machine}"
    yield f"made in {profile.load_s:.1f} s, warmed up in {profile.warm_up_s:.1f} s"
    yield ""
    yield from _table([_HEADS, *map(_row, profile.batches)])
    yield ""
    yield (
        f"robots that execute chunks of {robots.horizon} steps at {robots.rate_hz:g} Hz and ask"
        f" {1000 * robots.deadline_s:.0f} ms before they run out of actions"
    )
    yield f"{_count(found[True])} fit that obey the server's hints when to ask, as bridges do"
    yield f"{_count(found[False])} fit that do not"
    yield f"(simulated; a fleet fits if each robot moves for {100 * MOVING:g} % of the time)"


def as_data(profile: Profile, robots: Robots, found: Mapping[bool, Capacity]) -> dict[str, Any]:
    """For scripts."""
    return {
        **profile.as_data(),
        "robots": {
            "rate_hz": robots.rate_hz,
            "horizon": robots.horizon,
            "deadline_s": robots.deadline_s,
            "network_s": robots.network_s,
            "fit": found[True].robots,
            "fit_without_hints": found[False].robots,
            "more_may_fit": found[True].more,
        },
    }


def plot(profile: Profile, robots: Robots, found: Mapping[bool, Capacity], path: Path) -> None:
    """Latency and throughput by batch size; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sizes = [each.batch_size for each in profile.batches]
    medians = [1000 * each.median_s for each in profile.batches]
    high = [1000 * (each.p95_s - each.median_s) for each in profile.batches]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), constrained_layout=True)
    left.errorbar(sizes, medians, yerr=([0.0] * len(high), high), marker="o", capsize=3)
    left.set(xlabel="batch size", ylabel="a call, ms", title="latency: median, and up to p95")
    left.set_ylim(bottom=0)
    right.plot(sizes, [each.batch_size / each.median_s for each in profile.batches], marker="o")
    right.set(xlabel="batch size", ylabel="observations per second", title="throughput")
    right.set_ylim(bottom=0)
    figure.suptitle(
        f"{profile.model}: {_count(found[True])} robots fit ({robots.rate_hz:g} Hz, chunks of"
        f" {robots.horizon}, {1000 * robots.deadline_s:.0f} ms)"
    )
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _row(each: BatchProfile) -> tuple[str, ...]:
    return (
        str(each.batch_size),
        f"{1000 * each.median_s:.1f}",
        f"{1000 * each.p95_s:.1f}",
        f"{1000 * each.first_s:.1f}",
        f"{each.batch_size / each.median_s:.1f}" if each.median_s > 0 else "-",
        _mebibytes(each.host_bytes),
        _mebibytes(each.device_bytes),
        str(each.calls),
    )


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(map(str.rjust, row, widths))


def _mebibytes(value: float) -> str:
    return f"{value / _MIB:.0f}" if value == value else "-"


def _count(found: Capacity) -> str:
    return f"{found.robots} robots" + " or more" * found.more
