"""Clients of other servers at our doors: beside their own server, and beside our own client.

    python -m benchmarks doors [--quick] [--rounds N]

Every client is the unmodified one of its package, in an environment of its own, and sends a
224x224x3 image, a state of 8 numbers and a text. All servers are here at once, rounds are
interleaved and medians reported; servers and clients share all cores.

    identity    one client, a model that answers at once
    asleep      one client, a model that sleeps 44 ms
    eight       eight clients in closed loop, a model that sleeps 40 + 4b ms for b observations
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from typing import Any

from .builds import HERE
from .comparison import Figures, middles
from .machine import introduce
from .options import parse, verdicts
from .processes import PEERS, Program, published_python

ROBOTS = 8
OPENPI, STOCK, OURS, GR00T = "openpi's client", "its own server", "our client", "GR00T's client"
ROW = "{:10}{:18}{:>12.0f}{:>12.0f}{:>12.1f}"
DOORS = [{"kind": kind, "bind": "127.0.0.1:0"} for kind in ("openpi", "gr00t")]
IDENTITY = {"policy": {"shape": (10, 7), "batches": False}}
SLEEPS = {"policy": {"shape": (10, 7), "fixed_s": 0.040, "each_s": 0.004}}


class Measured:
    """The servers of one model and the clients, which all stay for the whole run."""

    def __init__(self, models: dict[str, Any], sleeps_ms: tuple[float, float], stack: ExitStack):
        _, about = HERE.server(stack, models=models, config={"doors": DOORS})
        python = published_python("openpi-0.1.2")
        peer = PEERS / "doors.py"
        stock = stack.enter_context(Program(python, peer, "stock", *sleeps_ms, packages=None))
        self.addresses = {
            OPENPI: about["doors"][0],
            GR00T: about["doors"][1],
            OURS: about["address"],
            STOCK: f"ws://127.0.0.1:{stock.hear()}",
        }
        openpi = stack.enter_context(Program(python, peer, "openpi", packages=None))
        self.clients = {
            OPENPI: openpi,
            STOCK: openpi,
            GR00T: stack.enter_context(
                Program(published_python("gr00t"), peer, "gr00t", packages=None)
            ),
            OURS: stack.enter_context(Program(sys.executable, peer, "ours")),
        }

    def medians(self, rounds: int, who: tuple[str, ...], **question: Any) -> dict[str, Figures]:
        """Of interleaved rounds."""

        def ask(name: str) -> Figures:
            found: Figures = self.clients[name].ask({"address": self.addresses[name], **question})
            return found

        return middles({name: partial(ask, name) for name in who}, rounds)


def show(case: str, found: dict[str, Figures]) -> None:
    for name, figures in found.items():
        print(ROW.format(case, name, *figures.values()), flush=True)
        case = ""


def main(arguments: list[str]) -> int:
    """Print one table, and whether each bar is reached."""
    options = parse(
        "doors",
        __doc__,
        arguments,
        quick=(False, "a first impression, in seconds"),
        rounds=(int, "default 9, quick 3"),
    )
    rounds = options.rounds or (3 if options.quick else 9)
    introduce(f"clients of other servers, medians of {rounds} interleaved rounds")
    print(f"{'':28}{'p50 us':>12}{'p95 us':>12}{'requests/s':>12}")
    with ExitStack() as stack:
        quick = Measured(IDENTITY, (0, 0), stack)
        trips = 100 if options.quick else 400
        found = quick.medians(rounds, (OPENPI, STOCK, OURS, GR00T), trips=trips)
        show("identity", found)
        p50 = {name: figures["p50 us"] for name, figures in found.items()}
        checks = {
            "at most 1.3x its own server": p50[OPENPI] <= 1.3 * p50[STOCK],
            "openpi at most 1.2x our client": p50[OPENPI] <= 1.2 * p50[OURS],
            "GR00T at most 1.2x our client": p50[GR00T] <= 1.2 * p50[OURS],
        }
        print(f"{'':10}{ratios(found)}\n{'':10}{verdicts(checks)}", flush=True)
    with ExitStack() as stack:
        slow = Measured(SLEEPS, (40, 4), stack)
        found = slow.medians(rounds, (OPENPI, STOCK), trips=10 if options.quick else 25)
        show("asleep", found)
        ratio = found[OPENPI]["p50 us"] / found[STOCK]["p50 us"]
        print(f"{'':10}{ratios(found)}\n{'':10}{verdicts({'at most 1.02x': ratio <= 1.02})}")
        seconds = 2.0 if options.quick else 5.0
        found = slow.medians(rounds, (OPENPI, STOCK), robots=ROBOTS, seconds=seconds)
        show("eight", found)
        faster = found[OPENPI]["requests/s"] / found[STOCK]["requests/s"]
        sooner = found[OPENPI]["p95 us"] / found[STOCK]["p95 us"]
        checks = {
            "at least 4.4x requests/s": faster >= 4.4,
            "at most 0.3x p95": sooner <= 0.3,
        }
        print(f"{'':10}{faster:.2f}x requests/s, {sooner:.2f}x p95\n{'':10}{verdicts(checks)}")
    return 0


def ratios(found: dict[str, Figures]) -> str:
    """openpi's client at our door to all others, and GR00T's to our client."""
    p50 = {name: figures["p50 us"] for name, figures in found.items()}
    parts = [
        f"{OPENPI} {p50[OPENPI] / other:.2f}x {name}"
        for name, other in p50.items()
        if name not in (OPENPI, GR00T)
    ]
    if GR00T in p50:
        parts.append(f"{GR00T} {p50[GR00T] / p50[OURS]:.2f}x {OURS}")
    return ", ".join(parts)
