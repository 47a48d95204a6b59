"""What runs inside of a replica: one more method on the user's object, which serves whole batches.

Sent to the replicas by value with all that it uses of this package (see `shipped`), so that they
need nothing of it installed. `attach` gives the deployment's object a method that takes a batch in
one call and returns one result for each observation, whatever form the deployment has. Serve calls
it as any other method: its routing, limits and counts keep holding.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from ...errors import UsageError, describe, text_of
from ...models.answers import Result
from ...models.form import ModelForm
from ...models.interface import Call, ModelInterface, Raised, attempt
from ...process.users_code import Foreign, Guarded
from .replica_memory import Neighbours, is_near
from .replica_values import Observation, find_context_class, pack_outcome, unpack

QUICK_S = 2e-3

T = TypeVar("T")


def attach(
    replica_actor: Any, method: str, concurrency: int, probe: Any, token: bytes
) -> dict[str, Any]:
    """Give the deployment's object the method `method`; what it is like, as plain data.

    concurrency: observations that an asynchronous `infer` is given at once. probe: shared memory
    of the caller's, which holds `token`.
    """
    from ray import serve

    context = serve.get_replica_context()
    servable: Foreign[Any] = context.servable_object
    try:
        attached = getattr(servable, method, None)
        if attached is None:
            serving = Serving(servable, context.replica_tag, concurrency)
            attached = serving.method()
            attached.description = serving.description
            try:
                setattr(servable, method, attached)
            except AttributeError:  # __slots__
                told = f"{type(servable).__name__} has __slots__ and takes no attribute"
                return {"unfit": told}
        return {**attached.description, "near": is_near(probe, token)}
    except UsageError as error:
        return {"unfit": text_of(error)}
    except BaseException as error:  # whatever the object does when it is asked what it has
        return {"unfit": describe(error)}


class Serving:
    """A user's object, called on the event loop of its replica. UsageError: it is no model."""

    def __init__(self, servable: Guarded[Any], replica: str, concurrency: int) -> None:
        self._form = ModelForm(servable, named_only=True)
        self._interface = ModelInterface(self._form)
        self._replica = replica
        self._concurrency = max(1, concurrency)
        self._neighbours = Neighbours()
        self._context_class = find_context_class()
        self._one_at_a_time = asyncio.Lock()  # for what keeps a state
        self._takes_s = math.inf  # a synchronous call, lately
        self.description = {
            "batches": self._form.batches,
            "asynchronous": self._form.asynchronous,
            "stateful": self._form.stateful,
            "version": self._form.version,
            "specification": self._form.specification,
            "batch_sizes": self._form.batch_sizes,
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
            if any(images for _, images, _ in observations):  # to decode: that takes long
                asked = await asyncio.to_thread(self._unpack, observations)
            else:
                asked = self._unpack(observations)
            if self._form.stateful:
                async with self._one_at_a_time:
                    await self._run(self._interface.forget(gone))
                    results = await self._infer(*asked)
            else:
                results = await self._infer(*asked)
            took = time.monotonic() - begun
            outcomes = [pack_outcome(result) for result in results]
            del asked, results  # which may refer to a neighbour's memory
            return self._replica, self._form.version, took, outcomes, self._neighbours.kept()

        return serve_batch

    def _unpack(self, observations: list[Observation]) -> tuple[list[Any], list[Any]]:
        return unpack(observations, self._neighbours, self._context_class)

    async def _infer(self, inputs: Sequence[Any], contexts: Sequence[Any]) -> list[Result]:
        form = self._form
        if form.batches or form.stateful or not form.asynchronous:
            return await self._run(self._interface.infer(inputs, contexts))
        turns = asyncio.Semaphore(self._concurrency)

        async def one(values: Any, context: Any) -> Result:
            async with turns:
                return (await self._run(self._interface.infer([values], [context])))[0]

        return await asyncio.gather(*map(one, inputs, contexts))

    async def _run(self, steps: Generator[Call, Any, T]) -> T:
        outcome = None
        try:
            while True:
                outcome = await self._attempt(*steps.send(outcome))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _attempt(
        self, function: Foreign[Callable[..., Any]], arguments: tuple[Any, ...]
    ) -> Foreign[Any]:
        if function is self._form.function and not self._form.asynchronous:
            outcome = await self._attempt_synchronous(arguments)
        else:
            outcome = attempt(function, *arguments)
        try:
            return await outcome if inspect.isawaitable(outcome) else outcome
        except (asyncio.CancelledError, GeneratorExit):  # nobody waits for it any more
            raise
        except BaseException as error:  # a model may call sys.exit
            return Raised(error)

    async def _attempt_synchronous(self, arguments: tuple[Any, ...]) -> Foreign[Any]:
        begun = time.monotonic()
        if self._takes_s < QUICK_S:
            outcome = attempt(self._form.function, *arguments)
        else:
            outcome = await asyncio.to_thread(attempt, self._form.function, *arguments)
        took = time.monotonic() - begun
        self._takes_s = took if self._takes_s == math.inf else (self._takes_s + took) / 2
        return outcome
