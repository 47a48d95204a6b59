"""What a model may do in a call by mistake, by name, and models that do it when they are told.

A slip raises, returns, prints, forks, exits, hangs or lies. The models are asked for one by its
number: they run in the server's process, in one of their own or in a replica of Ray's.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

HANG_S = 1.5  # longer than any time limit of `serving.py`


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise SystemExit("no words")


class Bare(BaseException):
    """Is no Exception."""


def odd(name: str) -> Exception:
    """An error whose class redefines something that is asked of every error."""

    def fail(*_: Any) -> Any:
        raise Mute

    asked = fail if name in ("__bool__", "__getattribute__") else property(fail)
    error: Exception = type("Odd", (Exception,), {name: asked})("what it says")
    return error


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
    **{
        f"raises an error of its own {name}": lambda obs, name=name: _raise(odd(name))  # type: ignore[misc]
        for name in ("__bool__", "__class__", "__getattribute__", "__traceback__")
    },
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
# Not in the server's own process: they end the one they happen in.
ENDING: dict[str, Callable[[Any], Any]] = {
    "exits at once": lambda obs: os._exit(3),
    "is killed": lambda obs: os.kill(os.getpid(), signal.SIGKILL),
    "aborts": lambda obs: os.abort(),
}
ALL = {**SLIPS, **ENDING}
NAMES = list(ALL)


class Slippery:
    """Does what each observation says."""

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
