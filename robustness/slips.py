"""Models that slip, drawn at random, beside an honest one whose robots must not notice.

    python -m robustness slips [--threads N] [--processes N] [--seed N]

A slip is what a model may do in a call by mistake: raise, return, print, fork, exit, hang or lie.
So many happen to a model on a thread of the server, and so many to one in a process of its own,
where a slip may end the process. Whatever happens, the server lives, every observation ends once,
its counters add up, and every answer of the honest model is right.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks.options import parse, yes
from benchmarks.processes import Program, listen
from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, Status

TIMEOUT_S = 0.3  # of a call
HANG_S = 0.6
WAIT_MS = 20_000.0
HONEST_HZ, HONEST = 25.0, 2
OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors")


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise SystemExit("no words")


class Bare(BaseException):
    """Is no Exception."""


class Liar:
    """Is nothing that it says it is."""

    __class__ = dict  # type: ignore[assignment]

    def __len__(self) -> int:
        return -1

    def __iter__(self) -> Any:
        raise Bare("no items")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise Mute

    def __bool__(self) -> bool:
        raise Mute

    def __eq__(self, other: object) -> bool:
        raise Mute

    __hash__ = None  # type: ignore[assignment]


def _raise(error: BaseException) -> Any:
    raise error


def _recurse(obs: Any) -> Any:
    return _recurse(obs)


def _fork(obs: Any) -> Any:
    if not os.fork():
        os._exit(0)
    return good(obs)


def _print(obs: Any) -> Any:
    print("x" * 200_000, flush=True)
    print("y" * 200_000, file=sys.stderr, flush=True)
    return good(obs)


def _hang(obs: Any) -> Any:
    time.sleep(HANG_S)
    return good(obs)


def _write(obs: Any) -> Any:
    obs["x"][0] = 7.0
    return good(obs)


def _thread(obs: Any) -> Any:
    threading.Thread(target=_raise, args=(Mute(),), daemon=True).start()
    return good(obs)


def _cycle(obs: Any) -> Any:
    answer: dict[str, Any] = {}
    answer["again"] = answer
    return answer


def good(obs: Any) -> dict[str, Any]:
    """What the model should return: what it was given."""
    return {"x": np.array(obs["x"])}


SLIPS: dict[str, Callable[[Any], Any]] = {
    "raises": lambda obs: _raise(ValueError("a fault")),
    "raises without a text": lambda obs: _raise(Mute()),
    "raises no exception": lambda obs: _raise(Bare()),
    "exits": lambda obs: sys.exit("bye"),
    "is interrupted": lambda obs: _raise(KeyboardInterrupt()),
    "ends a generator": lambda obs: _raise(GeneratorExit()),
    "stops an iteration": lambda obs: _raise(StopIteration(3)),
    "has a long text": lambda obs: _raise(ValueError("x" * 5_000_000)),
    "has no memory": lambda obs: np.zeros((1 << 60,)),
    "recurses": _recurse,
    "returns None": lambda obs: None,
    "returns a number": lambda obs: 3,
    "returns text": lambda obs: "an answer",
    "returns objects": lambda obs: {"x": np.array([object()])},
    "returns a set": lambda obs: {"x": {1, 2}},
    "returns odd keys": lambda obs: {3: np.zeros(1), None: 1},
    "returns many keys": lambda obs: {f"k{n}": np.zeros(1) for n in range(500)},
    "returns many dimensions": lambda obs: {"x": np.zeros((1,) * 40)},
    "returns complex numbers": lambda obs: {"x": np.zeros(3, complex)},
    "returns dates": lambda obs: {"x": np.array(["2020-01-01"], "datetime64[D]")},
    "returns itself": _cycle,
    "returns an error": lambda obs: Mute(),
    "returns a class": lambda obs: dict,
    "returns a generator": lambda obs: (n for n in range(3)),
    "returns without an end": lambda obs: itertools.count(),
    "lies": lambda obs: Liar(),
    "lies within": lambda obs: {"x": Liar()},
    "prints": _print,
    "forks": _fork,
    "hangs": _hang,
    "writes where it may not": _write,
    "starts threads that fail": _thread,
}
# In a process of its own only: they end it.
ENDING: dict[str, Callable[[Any], Any]] = {
    "exits at once": lambda obs: os._exit(3),
    "is killed": lambda obs: os.kill(os.getpid(), signal.SIGKILL),
    "aborts": lambda obs: os.abort(),
}
ALL = {**SLIPS, **ENDING}
NAMES = list(ALL)


class Slippery:
    """Does what each observation says; `batch`: also where it is asked for several."""

    def infer(self, obs: dict[str, Any]) -> Any:
        """One observation."""
        slip = int(obs["slip"])
        return good(obs) if slip < 0 else ALL[NAMES[slip]](obs)


class SlipperyBatch:
    """The same, in batches, of which the answers may be no list."""

    def infer_batch(self, batch: list[dict[str, Any]]) -> Any:
        """As many as come."""
        answers = [Slippery().infer(obs) for obs in batch]
        odd = int(batch[0]["slip"]) >= 0 and int(batch[0]["odd"]) % 3
        return [answers, itertools.count(), answers * 2][odd] if odd else answers


def serve(way: str) -> None:
    """Serve until stdin ends; each line asks whether the counters add up."""
    here = "robustness.slips:" if way == "processes" else ""
    slippery = {"one": Slippery, "batch": SlipperyBatch}
    models = {name: f"{here}{cls.__name__}" if here else cls() for name, cls in slippery.items()}
    dispatcher = LocalDispatcher(
        {**models, "honest": good}, process=list(models) if here else [], timeout_s=TIMEOUT_S
    )
    # A model that slips with each call opens its circuit, and then nothing would slip any more.
    config = InferentialConfig(
        transport={"bind": "tcp://127.0.0.1:0"},
        http={"bind": "off"},
        health={"failures": 1_000_000},
        scheduling={"max_retries": 0},
    )
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what models print is theirs

    def tell(what: Any) -> None:
        os.write(out, f"{json.dumps(what)}\n".encode())

    with Server(config=config, dispatcher=dispatcher) as server:
        tell(server.address)
        for _ in listen():
            status = server.status()
            ended = sum(status[name] for name in OUTCOMES)
            left = status["queued"] + status["in_flight"]
            tell({"exact": status["received"] == ended + left, "received": status["received"]})


@dataclass
class Found:
    """What a run found."""

    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    honest_s: list[float] = field(default_factory=list)
    asked: int = 0


def _be_honest(address: str, number: int, found: Found, ended: threading.Event) -> None:
    with Connection(address, client_id=f"honest-{number}") as robot:
        model = robot.model("honest", latency_budget_ms=5000)
        while not ended.wait(1.0 / HONEST_HZ):
            value = np.float64([random.random()])
            model.observe(x=value)
            reply = model.get_reply(timeout_ms=WAIT_MS)
            found.asked += 1
            if reply is None or reply.result is None or reply.result["x"] != value:
                found.broken.append(f"an honest robot got {reply}")
                return
            found.honest_s.append(reply.received_at - reply.sent_at)


def run(way: str, count: int, seed: int, calm: bool = False) -> Found:
    """Let so many slips happen; calm: as many calls, and none of them slips."""
    chance, found = random.Random(seed), Found()
    names = NAMES if way == "processes" else list(SLIPS)
    with open(os.devnull, "w+b") as nowhere:
        server = Program(sys.executable, __file__, way, log=nowhere)
        with server:
            address = server.hear()
            ended = threading.Event()
            honest = [
                threading.Thread(target=_be_honest, args=(address, number, found, ended))
                for number in range(HONEST)
            ]
            for each in honest:
                each.start()
            try:
                with Connection(address, client_id="slips") as robot:
                    models = [robot.model(name, 5000.0) for name in ("one", "batch")]
                    for _ in range(count):
                        slip = chance.choice(names)
                        model = chance.choice(models)
                        number = -1 if calm else NAMES.index(slip)
                        observed = {"slip": number, "odd": chance.randrange(9)}
                        model.observe(x=np.zeros(3), **observed)
                        found.asked += 1
                        reply = model.get_reply(timeout_ms=WAIT_MS)
                        if reply is None or reply.status is Status.WAITING:
                            found.broken.append(f"{slip!r} of {model.model_id!r} found no end")
                            break
                        found.outcomes[str(reply.status)] += 1
                    _recovers(models, found)
            finally:
                ended.set()
                for each in honest:
                    each.join()
            try:
                account = server.ask({})
                if not account["exact"]:
                    found.broken.append("the server's counters do not add up")
                if account["received"] != found.asked:
                    told = f"{found.asked} were asked, {account['received']} received"
                    found.broken.append(told)
            except RuntimeError as error:
                found.broken.append(f"the server ended: {error}")
    return found


def _recovers(models: list[Any], found: Found) -> None:
    """What slipped answers well in the end; a process may have to be started again."""
    for model in models:
        until = time.monotonic() + WAIT_MS / 1e3
        while True:
            model.observe(x=np.zeros(3), slip=-1, odd=0)
            found.asked += 1
            reply = model.get_reply(timeout_ms=WAIT_MS)
            if reply is not None and reply.status is Status.OK:
                break
            if time.monotonic() > until:
                found.broken.append(f"{model.model_id!r} is gone for good: {reply}")
                break
            time.sleep(0.1)


def _p99_ms(found: Found) -> float:
    return 1e3 * float(np.percentile(found.honest_s or [np.nan], 99))


def main(arguments: list[str]) -> int:
    """0 if nothing fell."""
    options = parse("slips", __doc__, arguments, threads=800, processes=180, seed=1)
    broken = []
    for way, count in (("threads", options.threads), ("processes", options.processes)):
        if not count:
            continue
        found = run(way, count, options.seed)
        calm = run(way, count, options.seed, calm=True)
        p99, calm_p99 = (_p99_ms(each) for each in (found, calm))
        told = ", ".join(f"{number} {name}" for name, number in sorted(found.outcomes.items()))
        print(
            f"{way:>10}: {count} slips: {told}; honest robots' p99 {p99:.1f} ms,"
            f" {calm_p99:.1f} ms while nothing slips",
            flush=True,
        )
        broken += found.broken
    for each in broken:
        print(each, file=sys.stderr)
    print(f"nothing fell: {yes(not broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    serve(sys.argv[1])
