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
    "protect+bridge": ("#1b7f4b", "P"),
}


def draw(results: Results, figure: str, title: str, path: Path) -> None:
    """Write a PNG; makes its folder. Needs matplotlib, opens no window."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    picture, axis = pyplot.subplots(figsize=(11, 4.2), layout="constrained")
    rows = results.rows
    for place in range(0, len(rows), 2):
        axis.axvspan(place - 0.5, place + 0.5, color="#f3f3f3", zorder=0)
    if figure == "on_time":
        bound = [100 * results.mean(row, BOUND, "bound") for row in rows]
        axis.hlines(
            bound,
            [x - 0.45 for x in range(len(rows))],
            [x + 0.45 for x in range(len(rows))],
            color="black",
            lw=1.5,
            label="bound",
        )
    names = [name for name in STYLES if name in results.contestants]
    for number, name in enumerate(names):
        _points(axis, results, figure, name, 0.7 * ((number + 0.5) / len(names) - 0.5))
    axis.set_xticks(range(len(rows)), [f"{row[1]:g}\n{row[0]}" for row in rows], fontsize=8)
    axis.set_xlim(-0.5, len(rows) - 0.5)
    axis.set_ylim(-3, 104)
    axis.set_ylabel("%")
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(title, loc="left", fontsize=11)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=9, frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(picture)


def _points(axis: Any, results: Results, figure: str, name: str, aside: float) -> None:
    colour, marker = STYLES[name]
    shares = [results.estimate(row, name, figure) for row in results.rows]
    axis.errorbar(
        [place + aside for place in range(len(shares))],
        [100 * share.mean for share in shares],
        yerr=[100 * share.half for share in shares],
        fmt=marker,
        color=colour,
        markersize=4.5,
        elinewidth=0.8,
        label=name,
    )
