"""What a model may do in a call by mistake, by name, and models that do it when they are told.

A slip raises, returns, prints, forks, exits, hangs or lies. The models are asked for one by its
number: they run in the server's process, in one of their own or in a replica of Ray's.
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import itertools
import locale
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
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


class Endless(Mapping[str, Any]):
    """A mapping whose items have no end."""

    def __getitem__(self, key: str) -> Any:
        return 1.0

    def __iter__(self) -> Any:
        return (f"k{number}" for number in itertools.count())

    def __len__(self) -> int:
        raise Mute


class OddArray(np.ndarray):
    """An array that does not say what it is."""

    @property
    def dtype(self) -> Any:  # type: ignore[override]
        raise Bare("no dtype")

    def __array_finalize__(self, of: Any) -> None:
        raise Mute


class Undying:
    """Cannot be collected without a fault."""

    def __del__(self) -> None:
        raise Bare("not yet")


class Awaited:
    """An awaitable that yields what no event loop knows."""

    def __await__(self) -> Any:
        yield "nonsense"


async def _exit_later(obs: Any) -> Any:
    await asyncio.sleep(0)
    raise SystemExit("bye")


async def _hang_later(obs: Any) -> Any:
    await asyncio.sleep(HANG_S)


def _loop(obs: Any) -> Any:
    error = ValueError("caused by itself")
    error.__cause__ = error
    raise error


def _group(obs: Any) -> Any:
    kind = getattr(builtins, "BaseExceptionGroup", None)  # which Python 3.10 has not
    raise kind("several", [Mute(), Bare()]) if kind else Mute()


def _note(obs: Any) -> Any:
    error = ValueError("with notes")
    error.__notes__ = [Mute(), 3]  # type: ignore[attr-defined]
    raise error from Mute()


def _die(obs: Any) -> Any:
    Undying()
    cycle: list[Any] = [Undying()]
    cycle.append(cycle)
    return good(obs)


_kept: dict[str, Any] = {}


def _keep(obs: Any) -> Any:
    """Write later into what was given and what was returned."""
    answer = good(obs)

    def change() -> None:
        _kept["answer"]["x"][:] = 7.0
        _kept["given"].clear()

    _kept.update(given=obs, answer=answer)
    threading.Timer(0.001, change).start()
    return answer


def _clear(obs: Any) -> Any:
    answer = good(obs)
    obs.clear()
    return answer


def _surroundings(obs: Any) -> Any:
    """Change what all code of the process shares, and what no one may rely on."""
    os.chdir("/")
    os.environ.clear()
    locale.setlocale(locale.LC_ALL, "C")
    warnings.simplefilter("error")
    np.seterr(all="raise")
    gc.disable()
    logging.disable(logging.CRITICAL)
    random.seed(0)
    sys.path.clear()
    sys.excepthook = threading.excepthook = odd  # type: ignore[assignment]
    sys.stdout = sys.stderr = None  # type: ignore[assignment]
    return good(obs)


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
    "raises what it is the cause of": _loop,
    "raises a group": _group,
    "raises with odd notes and cause": _note,
    "returns a mapping without an end": lambda obs: Endless(),
    "returns it within": lambda obs: {"x": Endless()},
    "returns an array that lies": lambda obs: {"x": np.zeros(3).view(OddArray)},
    "returns a coroutine that exits": _exit_later,
    "returns a coroutine that hangs": _hang_later,
    "returns nonsense to be awaited": lambda obs: Awaited(),
    "is collected with a fault": _die,
    "changes later what it was given and returned": _keep,
    "clears what it was given": _clear,
    "changes its surroundings": _surroundings,
    "writes where it may not": _write,
    "starts threads that fail": _thread,
}
# Not in the server's own process: they end, or spoil, the one they happen in.
ENDING: dict[str, Callable[[Any], Any]] = {
    "exits at once": lambda obs: os._exit(3),
    "is killed": lambda obs: os.kill(os.getpid(), signal.SIGKILL),
    "aborts": lambda obs: os.abort(),
    "exits on a thread": lambda obs: threading.Thread(target=os._exit, args=(4,)).start(),
    "closes the standard streams": lambda obs: os.closerange(0, 3),
    "closes whatever is open": lambda obs: os.closerange(3, 256),
    "leaves no depth to recurse": lambda obs: sys.setrecursionlimit(40),
    "lets no thread take turns": lambda obs: sys.setswitchinterval(60.0),
    "takes the signals": lambda obs: signal.pthread_sigmask(
        signal.SIG_BLOCK, signal.valid_signals()
    ),
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
