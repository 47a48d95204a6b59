"""What runs inside of a replica: one more method on the user's object, which serves whole batches.

Sent to the replicas by value, so that they need nothing of this package installed: this file
imports numpy and, when asked to, Ray and Pillow, and nothing else. `attach` gives the deployment's
object a method that takes a batch in one call, decodes compressed images, passes the context on
and returns one result for each observation, whatever form the deployment has. Serve calls it as
it calls any other method, so that its routing, its limits and its counts keep holding.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# One observation as it travels: values by key; compressed images by key as (encoding, bytes as
# uint8, shape of the pixels); context as (client id, epoch, request id, first of its episode,
# seconds until the deadline).
Observation = tuple[dict[str, Any], dict[str, tuple[str, Any, tuple[int, ...]]], tuple[Any, ...]]

# A result as it travels: values by key, or (class of the error, its text, traceback).
Outcome = dict[str, Any] | tuple[str, str, str]


QUICK_S = 2e-3


@dataclass(frozen=True)
class InferenceContext:
    """Second argument of a model that takes one; `deadline` is on this machine's clock."""

    client_id: str
    epoch: int
    request_id: int
    first_of_episode: bool
    deadline: float


def attach(replica_actor: Any, method: str, concurrency: int) -> dict[str, Any]:
    """Give the deployment's object the method `method`; what it is like, as plain data.

    concurrency: observations that an asynchronous `infer` is given at once.
    """
    from ray import serve

    context = serve.get_replica_context()
    servable: Any = context.servable_object
    attached = getattr(servable, method, None)
    if attached is None:
        try:
            serving = Serving(servable, context.replica_tag, concurrency)
        except Unfit as error:
            return {"unfit": str(error)}
        attached = serving.method()
        attached.description = serving.description
        try:
            setattr(servable, method, attached)
        except AttributeError:  # __slots__
            return {"unfit": f"{type(servable).__name__} has __slots__ and takes no attribute"}
    return dict(attached.description)


class Unfit(Exception):
    """Why a deployment cannot serve observations."""


class Serving:
    """A user's object, and how it is called."""

    def __init__(self, servable: Any, replica: str, concurrency: int) -> None:
        self.batches = callable(getattr(servable, "infer_batch", None))
        name = "infer_batch" if self.batches else "infer"
        function = getattr(servable, name, None)
        if inspect.isfunction(servable) or not callable(function):
            kind = getattr(servable, "__name__", type(servable).__name__)
            raise Unfit(f"{kind} has neither infer(obs) nor infer_batch(list_of_obs)")
        self._function: Callable[..., Any] = function
        self._servable = servable
        self._replica = replica
        self._concurrency = max(1, concurrency)
        self._wants_context = _accepts_second(function)
        self._stateful = bool(getattr(servable, "stateful", False))
        self._asynchronous = _is_asynchronous(function)
        self._reset = _method(servable, "reset")
        self._forget = _method(servable, "forget") or self._reset
        self._one_at_a_time = asyncio.Lock()  # for what keeps a state
        self._takes_s = math.inf  # a synchronous call, lately
        self._episodes: dict[str, int] = {}  # the one each client is in, where that is kept here
        self.description = {
            "batches": self.batches,
            "asynchronous": self._asynchronous,
            "stateful": self._stateful,
            "version": self._version(),
            "specification": _specification(servable),
        }

    def method(self) -> Any:
        """The function that Serve is to call.

        It is asynchronous whatever the model is: Serve would change threads four times for a call
        of a synchronous one. A model that is done within `QUICK_S` is called on the loop itself,
        a slower one on a thread, as Serve does it.

        gone: clients whose state is of no more use.
        """

        async def serve_batch(observations: list[Observation], gone: Sequence[str] = ()) -> Any:
            begun = time.monotonic()
            if any(images for _, images, _ in observations):
                prepared = await asyncio.to_thread(_prepare, observations)
            else:
                prepared = _prepare(observations)
            if self._stateful:
                async with self._one_at_a_time:
                    await self._turn_over(gone, prepared)
                    outcomes = await self._serve(prepared)
            else:
                outcomes = await self._serve(prepared)
            return self._replica, self._version(), time.monotonic() - begun, outcomes

        return serve_batch

    async def _serve(self, prepared: list[Any]) -> list[Outcome]:
        if self._asynchronous:
            return await self._serve_async(prepared)
        begun = time.monotonic()
        if self._takes_s < QUICK_S:
            outcomes = self._serve_sync(prepared)
        else:
            outcomes = await asyncio.to_thread(self._serve_sync, prepared)
        took = time.monotonic() - begun
        self._takes_s = min(took, 1.0) if self._takes_s > 1.0 else (self._takes_s + took) / 2
        return outcomes

    async def _turn_over(self, gone: Sequence[str], prepared: list[Any]) -> None:
        for client_id, hook in self._turnover(gone, prepared):
            answer = hook(client_id)
            if inspect.isawaitable(answer):
                await answer

    def _turnover(
        self, gone: Sequence[str], prepared: list[Any]
    ) -> list[tuple[str, Callable[[str], Any]]]:
        """What to call, with which client, because it left or because its episode begins.

        An episode begins here also where an earlier part of it was served by a replica that is
        no more: this one knows nothing of it. Contexts in `prepared` are made to say so.
        """
        hooks = []
        for client_id in gone:
            self._episodes.pop(client_id, None)
            hooks.append((client_id, self._forget))
        for index, item in enumerate(prepared):
            if isinstance(item, BaseException):
                continue
            values, context = item
            known = self._episodes.get(context.client_id) == context.epoch
            if context.first_of_episode or not known:
                self._episodes[context.client_id] = context.epoch
                prepared[index] = values, replace(context, first_of_episode=True)
                hooks.append((context.client_id, self._reset))
        return [(client_id, hook) for client_id, hook in hooks if hook is not None]

    def _version(self) -> str:
        """Read anew for each batch: `reconfigure` may change it."""
        return str(getattr(self._servable, "version", "") or "")

    # --- sync ---

    def _serve_sync(self, prepared: list[Any]) -> list[Outcome]:
        if not self.batches:
            return [self._one(item) for item in prepared]
        good = [item for item in prepared if not isinstance(item, BaseException)]
        try:
            answers = self._whole(self._function(*self._arguments(good)), len(good))
        except BaseException as error:
            if len(good) == 1:
                answers = [error]
            else:  # one of them may have spoilt it for all: find out which
                answers = [self._alone(item) for item in good]
        return _in_order(prepared, answers)

    def _alone(self, item: Any) -> Any:
        try:
            return self._whole(self._function(*self._arguments([item])), 1)[0]
        except BaseException as error:
            return error

    def _one(self, item: Any) -> Outcome:
        if isinstance(item, BaseException):
            return _told(item)
        try:
            values, context = item
            arguments = (values, context) if self._wants_context else (values,)
            return _values(self._function(*arguments))
        except BaseException as error:  # a model may call sys.exit
            return _told(error)

    # --- async ---

    async def _serve_async(self, prepared: list[Any]) -> list[Outcome]:
        if not self.batches:
            turn = asyncio.Semaphore(1 if self._stateful else self._concurrency)
            return await asyncio.gather(*[self._one_async(item, turn) for item in prepared])
        good = [item for item in prepared if not isinstance(item, BaseException)]
        try:
            answers = self._whole(await self._function(*self._arguments(good)), len(good))
        except Exception as error:
            if len(good) == 1:
                answers = [error]
            else:
                answers = [await self._alone_async(item) for item in good]
        return _in_order(prepared, answers)

    async def _alone_async(self, item: Any) -> Any:
        try:
            return self._whole(await self._function(*self._arguments([item])), 1)[0]
        except Exception as error:
            return error

    async def _one_async(self, item: Any, turn: asyncio.Semaphore) -> Outcome:
        if isinstance(item, BaseException):
            return _told(item)
        async with turn:
            try:
                values, context = item
                arguments = (values, context) if self._wants_context else (values,)
                return _values(await self._function(*arguments))
            except Exception as error:
                return _told(error)

    # --- both ---

    def _arguments(self, items: Sequence[Any]) -> tuple[Any, ...]:
        observations = [dict(values) for values, _ in items]
        if self._wants_context:
            return observations, [context for _, context in items]
        return (observations,)

    @staticmethod
    def _whole(answers: Any, count: int) -> list[Any]:
        if isinstance(answers, (Mapping, str)):
            raise TypeError(
                f"infer_batch returned one {type(answers).__name__}:"
                " return a list with a result for each observation"
            )
        listed = list(answers)
        if len(listed) != count:
            raise TypeError(f"infer_batch returned {len(listed)} results for {count} observations")
        return listed


def _prepare(observations: Sequence[Observation]) -> list[Any]:
    """(observation, context) each, images decoded; an exception for one that is broken."""
    now = time.monotonic()
    prepared: list[Any] = []
    for values, images, context in observations:
        try:
            for key, image in images.items():
                values[key] = _pixels(key, *image)
        except Exception as error:
            prepared.append(error)
            continue
        client_id, epoch, request_id, first, left = context
        told = InferenceContext(client_id, epoch, request_id, first, now + left)
        prepared.append((values, told))
    return prepared


def _pixels(key: str, encoding: str, data: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels, uint8, in the declared shape; nothing is allocated for an image that is not."""
    try:
        from PIL import Image
    except ImportError:
        raise ValueError(
            f"{key!r}: this replica cannot decode images: pip install pillow, in its environment"
        ) from None
    with Image.open(io.BytesIO(data), formats=(encoding,)) as picture:
        if (picture.height, picture.width) != tuple(shape[:2]):
            raise ValueError(f"{key!r}: the image is not of the declared shape {shape}")
        pixels = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
    if pixels.shape != tuple(shape) or pixels.dtype != np.uint8:
        raise ValueError(f"{key!r}: decoded to {pixels.dtype} {pixels.shape}, declared {shape}")
    return pixels


def _in_order(prepared: Sequence[Any], answers: Sequence[Any]) -> list[Outcome]:
    """The answers, and the errors of those that were not asked, as outcomes."""
    remaining = iter(answers)
    outcomes: list[Outcome] = []
    for item in prepared:
        answer = item if isinstance(item, BaseException) else next(remaining)
        try:
            failed = isinstance(answer, BaseException)
            outcomes.append(_told(answer) if failed else _values(answer))
        except Exception as error:
            outcomes.append(_told(error))
    return outcomes


def _values(answer: Any) -> dict[str, Any]:
    """Arrays and strings by key.

    Arrays of other libraries become numpy's here: the server need not have those installed.
    """
    if answer is None:
        raise TypeError("the model returned None: return a dict or an array")
    if not isinstance(answer, Mapping):
        answer = {"actions": answer}
    return {
        str(key): value if isinstance(value, str) else _array(value)
        for key, value in answer.items()
    }


def _array(value: Any) -> Any:
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
    return np.asarray(value)


def _told(error: BaseException) -> tuple[str, str, str]:
    frames = traceback.extract_tb(error.__traceback__)
    where = ""
    if frames:
        where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})"
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return type(error).__name__, f"{error}{where}", "".join(lines)


def _method(servable: Any, name: str) -> Callable[[str], Any] | None:
    method = getattr(servable, name, None)
    return method if callable(method) else None


def _accepts_second(function: Callable[..., Any]) -> bool:
    """Whether it takes a context: a second parameter without a default, or one of that name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return len(positional) >= 2 and (
        positional[1].default is inspect.Parameter.empty or positional[1].name == "context"
    )


def _is_asynchronous(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _specification(servable: Any) -> dict[str, Any]:
    try:
        told = json.loads(json.dumps(getattr(servable, "specification", {}) or {}))
    except (TypeError, ValueError) as error:
        raise Unfit(f"its specification is no JSON: {error}") from None
    if not isinstance(told, dict):
        raise Unfit("its specification is no mapping")
    return told
