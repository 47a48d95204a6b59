"""The samples of a soak as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .judging import WARM_SHARE, Verdict
from .sampling import Sample


def plot(samples: Sequence[Sample], verdicts: Sequence[Verdict], path: Path) -> None:
    """Memory, counts and latency over time; what is shaded is warm-up."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    minutes = [each.minute for each in samples]
    figure, panels = pyplot.subplots(3, 1, sharex=True, figsize=(9, 7.5))
    memory, counts, latency = panels
    memory.plot(minutes, [each.memory_mb for each in samples], color="tab:blue")
    memory.set_ylabel("resident memory, MB")
    memory.set_title(verdicts[0].text, fontsize=9)
    for name in ("descriptors", "threads", "tasks"):
        counts.plot(minutes, [getattr(each, name) for each in samples], label=name)
    counts.set_ylabel("count")
    counts.set_ylim(bottom=0)
    counts.legend(loc="center right", fontsize=8)
    for name, colour in (("p99_ms", "tab:red"), ("p50_ms", "tab:green")):
        values = [getattr(each, name) for each in samples]
        latency.plot(minutes, values, label=name[:3], color=colour)
    latency.set_yscale("log")
    latency.set_ylabel("round trip, ms")
    latency.set_xlabel("minutes")
    latency.legend(loc="upper right", fontsize=8)
    for panel in panels:
        panel.axvspan(0, WARM_SHARE * minutes[-1], color="0.93", zorder=0)
        panel.grid(alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
