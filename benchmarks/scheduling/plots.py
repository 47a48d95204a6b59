"""The same as pictures: one point a row and contestant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .campaign import BOUND
from .results import Results

STYLES = {  # contestant -> colour, marker
    "fifo-1": ("#b9b9b9", "v"),
    "fifo-8-wait": ("#8c8c8c", "s"),
    "fifo-8": ("#4d4d4d", "o"),
    "fifo-8-newest": ("#7a5c99", "<"),
    "edf": ("#c9a227", "D"),
    "published": ("#c62f2f", "x"),
    "protect": ("#1f5fa8", "o"),
    "fair": ("#5fb3e0", "^"),
    "protect+hints": ("#1b7f4b", "P"),
    "fair+hints": ("#7cc96f", "X"),
}
ALIKE = ("fifo-8-wait", "fifo-8-newest", "edf")  # as fifo-8, where robots wait for their answers


def draw(results: Results, figure: str, title: str, path: Path) -> None:
    """Write a PNG; makes its folder. Needs matplotlib, opens no window."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(11, 4.2), layout="constrained")
    axis = picture.subplots()
    rows = results.rows
    workloads = list(dict.fromkeys(row[0] for row in rows))
    for number, workload in enumerate(workloads):
        places = [place for place, row in enumerate(rows) if row[0] == workload]
        if number % 2 == 0:
            axis.axvspan(places[0] - 0.5, places[-1] + 0.5, color="#f3f3f3", zorder=0)
        axis.text(sum(places) / len(places), 108, workload, ha="center", fontweight="bold")
    if figure == "on_time":
        for place, row in enumerate(rows):
            bound = 100 * results.mean(row, BOUND, "bound")
            label = None if place else "bound"
            axis.hlines(bound, place - 0.45, place + 0.45, color="black", lw=1.5, label=label)
    left_out = () if figure == "on_time" else ALIKE
    names = [name for name in STYLES if name in results.contestants and name not in left_out]
    for number, name in enumerate(names):
        _points(axis, results, figure, name, 0.7 * ((number + 0.5) / len(names) - 0.5))
    axis.set_xticks(range(len(rows)), [f"{load:g}" for _, load in rows], fontsize=9)
    axis.set(xlabel="load", xlim=(-0.5, len(rows) - 0.5), ylim=(-3, 106), ylabel="%")
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(title + "\n", loc="left", fontsize=11)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=9, frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=110, metadata={"Software": None})


def _points(axis: Any, results: Results, figure: str, name: str, aside: float) -> None:
    colour, marker = STYLES[name]
    shares = [results.estimate(row, name, figure) for row in results.rows]
    places = [place + aside for place in range(len(shares))]
    means, halves = ([100 * each for each in column] for column in zip(*shares))
    style = {"fmt": marker, "color": colour, "markersize": 4.5, "elinewidth": 0.8}
    axis.errorbar(places, means, yerr=halves, label=name, **style)
