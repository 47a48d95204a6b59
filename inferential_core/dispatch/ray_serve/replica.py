"""What runs inside of a replica: one more method on the user's object, which serves whole batches.

Sent to the replicas by value, so that they need nothing of this package installed: this file and
the other `replica_` files import numpy and, when asked to, Ray and Pillow, and nothing else.
`attach` gives the deployment's object a method that takes a batch in one call, decodes compressed
images, passes the context on and returns one result for each observation, whatever form the
deployment has. Serve calls it as any other method: its routing, limits and counts keep holding.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .replica_memory import Neighbours, is_near
from .replica_values import Observation, Outcome, has_images, in_order, prepare, told, values

QUICK_S = 2e-3


def attach(
    replica_actor: Any, method: str, concurrency: int, probe: Any, token: bytes
) -> dict[str, Any]:
    """Give the deployment's object the method `method`; what it is like, as plain data.

    concurrency: observations that an asynchronous `infer` is given at once. probe: shared memory
    of the caller's, which holds `token`.
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
    return {**attached.description, "near": is_near(probe, token)}


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
        self._neighbours = Neighbours()
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
            if any(map(has_images, observations)):
                prepared = await asyncio.to_thread(prepare, observations, self._neighbours)
            else:
                prepared = prepare(observations, self._neighbours)
            if self._stateful:
                async with self._one_at_a_time:
                    await self._turn_over(gone, prepared)
                    outcomes = await self._serve(prepared)
            else:
                outcomes = await self._serve(prepared)
            del prepared
            took = time.monotonic() - begun
            return self._replica, self._version(), took, outcomes, self._neighbours.kept()

        return serve_batch

    async def _serve(self, prepared: list[Any]) -> list[Outcome]:
        if not self.batches:
            if not self._asynchronous or self._stateful:
                return [await self._one(item) for item in prepared]
            turns = asyncio.Semaphore(self._concurrency)
            return await asyncio.gather(*[self._in_turn(item, turns) for item in prepared])
        good = [item for item in prepared if not isinstance(item, BaseException)]
        return in_order(prepared, await self._together(good) if good else [])

    async def _in_turn(self, item: Any, turns: asyncio.Semaphore) -> Outcome:
        async with turns:
            return await self._one(item)

    async def _one(self, item: Any) -> Outcome:
        if isinstance(item, BaseException):
            return told(item)
        try:
            return values(await self._invoke(*item))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a model may call sys.exit
            return told(error)

    async def _together(self, items: list[Any]) -> list[Any]:
        """Answers, or errors, of a call with all of them."""
        observations = [dict(values) for values, _ in items]
        try:
            answers = await self._invoke(observations, [context for _, context in items])
            return _whole(answers, len(items))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if len(items) == 1:
                return [error]
            # One of them may have spoilt it for all: find out which.
            return [(await self._together([item]))[0] for item in items]

    async def _invoke(self, observed: Any, context: Any) -> Any:
        arguments = (observed, context) if self._wants_context else (observed,)
        if self._asynchronous:
            return await self._function(*arguments)
        begun = time.monotonic()
        try:
            if self._takes_s < QUICK_S:
                return self._function(*arguments)
            return await asyncio.to_thread(self._function, *arguments)
        finally:
            took = time.monotonic() - begun
            self._takes_s = took if self._takes_s == math.inf else (self._takes_s + took) / 2

    async def _turn_over(self, gone: Sequence[str], prepared: list[Any]) -> None:
        """Forget who left, and begin the episodes that begin, before the model is asked.

        An episode begins here also where an earlier part of it was served by a replica that is
        no more: this one knows nothing of it. Contexts in `prepared` are made to say so; where
        the model could not be reset, the error takes the place of the observation, which alone
        fails by it.
        """
        for client_id in gone:
            self._episodes.pop(client_id, None)
            with contextlib.suppress(Exception):  # what is left behind harms nobody else
                await _called(self._forget, client_id)
        for index, item in enumerate(prepared):
            if isinstance(item, BaseException):
                continue
            values, context = item
            known = self._episodes.get(context.client_id) == context.epoch
            if known and not context.first_of_episode:
                continue
            self._episodes.pop(context.client_id, None)
            try:
                await _called(self._reset, context.client_id)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                prepared[index] = error
            else:
                self._episodes[context.client_id] = context.epoch
                prepared[index] = values, replace(context, first_of_episode=True)

    def _version(self) -> str:
        """Read anew for each batch: `reconfigure` may change it."""
        return str(getattr(self._servable, "version", "") or "")


async def _called(hook: Callable[[str], Any] | None, client_id: str) -> None:
    """Call what a model has of `reset` and `forget`, sync or async."""
    answer = hook(client_id) if hook is not None else None
    if inspect.isawaitable(answer):
        await answer


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
