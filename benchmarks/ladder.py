"""Clients in lock-step with a model: how near their batches come to perfect ones.

    python -m benchmarks ladder [--clients N ...] [--seconds S]
    python -m benchmarks ladder --against REVISION [--rounds N]

Every client asks again as soon as it is answered, over a real socket, and the model sleeps for
40 + 4 b ms. With n clients, batches of n would serve n / L(n) observations a second: `perfect`.
Promised are nine tenths of that.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

from .builds import HERE, Build, Cases, Figures
from .comparison import compare
from .machine import introduce
from .options import AGAINST, parse, yes
from .processes import Program

CLIENTS = (1, 2, 4, 8)
FIXED_S, EACH_S = 0.040, 0.004
BAR = 0.9
ROW = "{:7}{:12.1f}{:12.1f}{:9.2f}x{:12.1f}   {}"
HEAD = f"clients{'answers/s':>12}{'perfect':>12}{'share':>10}{'p50 ms':>12}   at least {BAR}x"


def start(clients: int, build: Build, stack: ExitStack) -> Program:
    """The clients of a server of their own."""
    models = {"policy": {"fixed_s": FIXED_S, "each_s": EACH_S}}
    _, about = build.server(stack, models=models, max_batch=8)
    return HERE.program("peers/ladder.py", about["address"], clients, stack=stack)


def perfect(clients: int) -> float:
    """Answers a second of batches that hold everybody."""
    return clients / (FIXED_S + EACH_S * clients)


def cases_of(options: Any, build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build."""

    def measure(program: Program) -> Figures:
        heard = program.ask({"seconds": options.seconds})
        return {"answers/s": heard["per_s"], "p50 ms": heard["p50_ms"]}

    return {
        f"{clients} clients": partial(measure, start(clients, build, stack))
        for clients in options.clients
    }


def main(arguments: list[str]) -> int:
    """Print a line for each number of clients; 0 if all of them reach the bar."""
    options = parse(
        "ladder",
        __doc__,
        arguments,
        clients=list(CLIENTS),
        seconds=(5.0, "a row; default 5"),
        rounds=(5, "of --against"),
        against=AGAINST,
    )
    if options.against:
        return compare(options.against, partial(cases_of, options), options.rounds)
    introduce(f"Clients in lock-step with a model of {1000 * FIXED_S:.0f} + b * 4 ms")
    print(HEAD)
    kept = True
    for clients in options.clients:
        with ExitStack() as stack:
            program = start(clients, HERE, stack)
            program.ask({"seconds": 1.0})
            heard = program.ask({"seconds": options.seconds})
        share = heard["per_s"] / perfect(clients)
        kept = kept and share >= BAR
        row = (clients, heard["per_s"], perfect(clients), share, heard["p50_ms"])
        print(ROW.format(*row, yes(share >= BAR)), flush=True)
    return 0 if kept else 1
