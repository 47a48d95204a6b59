"""Reports the results of a load, in words and as a picture."""

from __future__ import annotations

from pathlib import Path

from .load import Load

_BUSY = 0.8  # of a core: then the generator may be what is slow
_LATE_MS = 20.0


def report(load: Load) -> list[str]:
    """Line by line."""
    found = load.figures()
    ended = ", ".join(f"{count} {name}" for name, count in load.outcomes.most_common())
    open_still = f", {found['unanswered']} had no answer" if found["unanswered"] else ""
    lines = [
        f"sent {load.sent} observations ({found['per_second']:.0f} a second): {ended}{open_still}"
    ]
    if load.answers:
        lines += [
            f"round trip p50 {found['p50_ms']:.1f} ms, p95 {found['p95_ms']:.1f} ms, p99"
            f" {found['p99_ms']:.1f} ms; mean batch {found['mean_batch']:.1f} observations",
            f"in time: {100 * found['in_time']:.1f} % of the observations sent",
        ]
    lines += [f"  {count} times: {error}" for error, count in load.errors.most_common(5) if error]
    lines.append(f"sending this load used {100 * load.cpu_share:.0f} % of a core here")
    if load.cpu_share > _BUSY or found["sent_late_ms"] > _LATE_MS:
        lines.append(
            f"some observations were sent up to {found['sent_late_ms']:.0f} ms late, which makes"
            " the latencies longer; ask for less, or start several processes (--prefix)"
        )
    return lines


def plot(load: Load, path: Path) -> None:
    """Latencies over time and their distribution; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = load.figures()
    times = [at for at, _ in load.answers]
    took = [1000.0 * seconds for _, seconds in load.answers]
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(10, 3.8), width_ratios=(2, 1), sharey=True, constrained_layout=True
    )
    left.plot(times, took, ".", markersize=3, alpha=0.5)
    left.set(xlabel="time, s", ylabel="round trip, ms", title="each answer")
    left.set_ylim(bottom=0)
    right.plot([(i + 1) / len(took) for i in range(len(took))], sorted(took))
    right.set(xlabel="share of answers", title="as fast or faster")
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        if found[name] is not None:
            right.axhline(found[name], color="0.6", linewidth=0.8)
            right.annotate(f"{name[:-3]} {found[name]:.1f} ms", (0.02, found[name]), va="bottom")
    ended = ", ".join(f"{count} {name}" for name, count in load.outcomes.most_common())
    figure.suptitle(f"{load.sent} observations: {ended}")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
