"""`inferential top`: shows the robots and models of a running server, live in a terminal."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..web.several import merged
from . import figures, server_status
from .arguments import seconds

ROBOTS = ("", "robot", "Hz", "p50", "p95", "on time", "runway", "what is wrong")
MODELS = (
    "model",
    "room",
    "in use",
    "call time + per obs.",
    "batch",
    "waiting",
    "calls",
    "circuit",
)
STYLES = {"starving": "bold red", "overdue": "yellow", "gone": "dim", "active": ""}
_LEFT = ("", "robot", "what is wrong", "model", "room", "call time + per obs.", "circuit")
_SHORTEST_S, _LONGEST_S = 0.1, 3600.0  # from one look to the next
_WIDEST = 28  # characters of a column but the last: a long name leaves room for the others
_FRAME_LINES = 13  # of a screen, taken by all that is no robot, with one model


def main(argv: Sequence[str]) -> int:
    """Until q or Ctrl-C; Unreachable if there is no server."""
    options = _parser().parse_args(argv)
    from rich.console import Console

    console = Console()
    statuses, _ = server_status.ask(options)
    status = merged(statuses)
    if options.once or not (sys.stdout.isatty() and sys.stdin.isatty()):
        console.print(screen(status, len(status["clients"])))
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        _watch(console, options, status)
    return 0


def _watch(console: Any, options: argparse.Namespace, status: figures.Status) -> None:
    from rich.live import Live
    from rich.text import Text

    with _keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        lost = ""
        while True:
            height = console.size.height
            rows = max(3, height - _FRAME_LINES - len(status["models"]))
            view = screen(status, rows)
            view.renderables.append(Text("press q to leave", "dim"))
            if lost:
                view.renderables.insert(0, Text(lost, "bold red"))
            live.update(view, refresh=True)
            if _quits(keys, options.every):
                return
            try:
                statuses, silent = server_status.ask(options)
                status, lost = merged(statuses), "; ".join(silent)
            except server_status.Unreachable as error:
                lost = str(error)


def screen(status: figures.Status, rows: int) -> Any:
    """What is shown, with so many robots at most: those that do worst come first."""
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble(
        ("Inferential  ", "bold"),
        f"{status['bind']}  {status['strategy']}  running for"
        f" {figures.duration(status['uptime_s'])}",
    )
    clients = figures.fleet(status)
    models = _table(MODELS, [(_model(each), _model_style(each)) for each in status["models"]])
    robots = _table(ROBOTS, [(_client(each), STYLES[each["state"]]) for each in clients[:rows]])
    parts = [head, Text(figures.robots(status)), Text(figures.accounting(status)), models, robots]
    if len(clients) > rows:
        parts.append(Text(f"and {len(clients) - rows} more robots that are served better", "dim"))
    return Group(*parts)


def _table(columns: Sequence[str], rows: Sequence[tuple[tuple[str, ...], str]]) -> Any:
    """Of rows with a style each; where the terminal is narrow the last column is cut first."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        widest = max([len(name), *(len(cells[index]) for cells, _ in rows)])
        table.add_column(
            name,
            justify="left" if name in _LEFT else "right",
            no_wrap=True,
            min_width=min(widest, _WIDEST) if index < len(columns) - 1 else None,
            max_width=_WIDEST if index < len(columns) - 1 else None,
        )
    for cells, style in rows:
        table.add_row(*map(Text, cells), style=style)  # what robots call themselves is no markup
    return table


def _model(model: figures.Status) -> tuple[str, ...]:
    return (
        f"{model['id']} {model['version']}".rstrip(),
        figures.room(model),
        figures.share(model["utilization"]),
        figures.latency(model),
        figures.number(model["mean_batch"]),
        f"{model['queued']} + {model['in_flight']}",
        str(model["batches"]),
        figures.state(model),
    )


def _model_style(model: figures.Status) -> str:
    if model["circuit"] != "closed":
        return "yellow" if model["change"] else "bold red"
    return "yellow" if (model["headroom"] or 0) < 0 else ""


def _client(client: figures.Status) -> tuple[str, ...]:
    return (
        f"{figures.MARKS[client['state']]} {client['state']}",
        figures.name(client),
        figures.number(client["rate_hz"]),
        figures.milliseconds(client["latency_p50_ms"]),
        figures.milliseconds(client["latency_p95_ms"]),
        figures.share(client["on_time"]),
        "when dry" if client["asks_when_dry"] else figures.milliseconds(client["runway_ms"]),
        client["why"] or client["last_error"],
    )


@contextlib.contextmanager
def _keys() -> Iterator[int]:
    """Keys as they are pressed, without a return and without an echo."""
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield terminal
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _quits(terminal: int, seconds: float) -> bool:
    """Whether q is pressed, or the terminal goes away, within so long."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            pressed = os.read(terminal, 64)
            if not pressed or b"q" in pressed.lower():
                return True
    return False


def _period(text: str) -> float:
    value = seconds(text)
    if not _SHORTEST_S <= value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"must be from {_SHORTEST_S:g} to {_LONGEST_S:g}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential top",
        description="Show the robots and models of a running server, live; robots that starve come"
        " first. Press q or Ctrl-C to leave.",
        epilog="example: inferential top --server http://gpu-box:5580 --token-file token",
    )
    server_status.add_arguments(parser)
    parser.add_argument("--once", action="store_true", help="print the tables once and end")
    parser.add_argument(
        "--every",
        type=_period,
        default=1.0,
        metavar="SECONDS",
        help="time from one update to the next; default %(default)g",
    )
    return parser
