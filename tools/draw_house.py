"""Draw the rooms of both packages, and the way of one observation through them (`make docs`).

The picture is docs/images/house.svg. Each room stands above everything that it imports. Of the
arrows only those are drawn that do not follow from others. The numbers are the steps of
docs/architecture.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rooms

PAGE = rooms.ROOT / "docs" / "architecture.md"
STEP = re.compile(r"\| (\d+) \| `([\w/]+)` \|")
ROBOT, SERVER, WAY = "#e8f1ea", "#e9eef6", "#1b7f4b"
WIDTH, HEIGHT, APART = 1.5, 0.52, 1.9  # of the rooms' boxes; levels are 1 apart

Graph = dict[str, set[str]]


def draw(path: Path) -> Path:
    """Write the picture. Needs matplotlib, opens no window."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "house", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    graph = folders()
    places = placed(graph)
    picture, axis = pyplot.subplots(figsize=(11, 8), layout="constrained")
    for room, below in reduced(graph).items():
        for other in sorted(below):
            _arrow(axis, places[room], places[other]).set_gid(arrow_name(room, other))
    numbers = steps_by_room()
    for room, place in places.items():
        _box(axis, room, place, numbers.get(room, []))
    axis.set_axis_off()
    axis.autoscale_view()
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, metadata={"Date": None, "Creator": None}, facecolor="white")
    pyplot.close(picture)
    return path


def arrow_name(room: str, other: str) -> str:
    """The id in the picture of the arrow from a room to one that it imports."""
    return f"{room}-to-{other}"


def folders() -> Graph:
    """What each room imports, the modules beside the folders left out: everyone knows those."""
    graph: Graph = {room: set() for room in rooms.rooms() if rooms.is_folder(room)}
    for here, there in rooms.arrows():
        if here in graph and there in graph:
            graph[here].add(there)
    return graph


def steps_by_room() -> dict[str, list[str]]:
    """The numbers of the steps that the page tells of each room."""
    steps: defaultdict[str, list[str]] = defaultdict(list)
    for number, room in STEP.findall(PAGE.read_text("utf-8")):
        steps[room].append(number)
    return steps


def levels(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """How far each room stands above the ground; ValueError names the rooms of a circle."""
    found: dict[str, int] = {}

    def level(room: str, above: tuple[str, ...]) -> int:
        if room in above:
            raise ValueError("rooms import each other: " + " -> ".join([*above, room]))
        if room not in found:
            found[room] = 1 + max(
                (level(each, (*above, room)) for each in graph[room]), default=-1
            )
        return found[room]

    for room in graph:
        level(room, ())
    return found


def reduced(graph: Mapping[str, set[str]]) -> Graph:
    """Without the arrows that lead where a longer way leads as well."""

    def reach(room: str) -> set[str]:
        return graph[room].union(*(reach(each) for each in graph[room]))

    return {
        room: {each for each in below if not any(each in reach(other) for other in below - {each})}
        for room, below in graph.items()
    }


def placed(graph: Mapping[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Where the middle of each room's box is: its level, and near to what it imports."""
    rows: defaultdict[int, list[str]] = defaultdict(list)
    for room, level in levels(graph).items():
        rows[level].append(room)
    places: dict[str, tuple[float, float]] = {}
    for level in sorted(rows):
        for package, side in (("inferential_ros", -1), ("inferential_core", 1)):
            row = [room for room in rows[level] if room.startswith(package)]
            row.sort(key=lambda room: (_middle(places, graph[room]) * side, room))
            for index, room in enumerate(row):
                places[room] = side * (0.6 + index) * APART, float(level)
    return places


def _middle(places: Mapping[str, tuple[float, float]], below: set[str]) -> float:
    """Where on average the rooms are that a room imports."""
    return sum(places[each][0] for each in below) / max(1, len(below))


def _arrow(axis: Any, begin: tuple[float, float], end: tuple[float, float]) -> Any:
    high, low = (begin[0], begin[1] - HEIGHT / 2), (end[0], end[1] + HEIGHT / 2)
    style = {"arrowstyle": "-|>", "color": "#b0b0b0", "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
    return axis.annotate("", low, high, arrowprops=style, zorder=1).arrow_patch


def _box(axis: Any, room: str, place: tuple[float, float], steps: list[str]) -> None:
    from matplotlib.patches import FancyBboxPatch

    package, _, name = room.partition("/")
    x, y = place
    axis.add_patch(
        FancyBboxPatch(
            (x - WIDTH / 2, y - HEIGHT / 2),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0.02,rounding_size=0.08",
            facecolor=ROBOT if package == "inferential_ros" else SERVER,
            edgecolor=WAY if steps else "#888888",
            linewidth=1.6 if steps else 0.8,
            zorder=2,
        )
    )
    axis.text(x, y + 0.06, name, ha="center", va="center", weight="bold", zorder=3)
    below = ", ".join(steps) if steps else package.removeprefix("inferential_")
    colour = WAY if steps else "#888888"
    axis.text(x, y - 0.15, below, ha="center", va="center", fontsize=7, color=colour, zorder=3)
