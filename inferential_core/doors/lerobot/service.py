"""The service that LeRobot's robots call, as coroutines of the door's own loop.

Sending an observation returns at once, because it holds up the robot's control loop. Asking for
actions waits up to two seconds, as LeRobot's own server does, and returns nothing where there is
nothing: the robot asks again. Where it is shown to a user, a refusal has words: LeRobot ends with
them when it begins, and logs them from then on, at once and again, so they come once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import NoReturn, Protocol

import grpc
from google.protobuf.message import DecodeError

from ...errors import RejectedError, UsageError
from ...models.specification import compile_specification
from ...status import Status
from ...wire.by_value import Reply
from ..reception import Reception
from . import lerobot_async_pb2 as pb
from .messages import Moment, as_observed, read_observation, read_setup
from .robots import Robot, Robots
from .session import Answer, Session

SERVICE = "transport.AsyncInference"
LONG_POLL_S = 2.0
SLOWEST_S = 10.0  # in which an observation has to come
BETWEEN_REFUSALS_S = 1.0
_LOOK_S = 0.25  # between two looks whether a model has started
_MOST_PARTS = 1024  # of an observation; LeRobot cuts it into 2 MiB each


class Context(Protocol):
    """What is used of grpc.aio.ServicerContext."""

    def peer(self) -> str:
        """Address and port of the client's connection."""

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        """End the call with an error."""


class Service:
    """What robots call; made and used on one event loop."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._loop = asyncio.get_running_loop()
        self._news: dict[Robot, asyncio.Event] = {}
        self.robots = Robots(reception, self._loop.time)

    def handlers(self) -> grpc.GenericRpcHandler:
        """What a gRPC server is given. Messages come and go as bytes, which the calls read."""
        unary = grpc.unary_unary_rpc_method_handler
        methods = {
            "Ready": unary(self.ready),
            "SendPolicyInstructions": unary(self.send_policy_instructions),
            "SendObservations": grpc.stream_unary_rpc_method_handler(self.send_observations),
            "GetActions": unary(self.get_actions),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    # --- the calls, in the order in which a robot makes them ---

    async def ready(self, _: bytes, context: Context) -> bytes:
        """A robot's program starts."""
        try:
            self.robots.arrived(context.peer())
        except RejectedError as error:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        return b""

    async def send_policy_instructions(self, request: bytes, context: Context) -> bytes:
        """It says which model it wants. Nothing is loaded: it gets one that is served, or none.

        It waits until that has started, as it does while LeRobot's own server loads one.
        """
        try:
            robot = self.robots.found(context.peer()) or self.robots.arrived(context.peer())
        except RejectedError as error:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        try:
            setup = read_setup(pb.PolicySetup.FromString(request).data)
        except (RejectedError, DecodeError) as error:
            self._reception.refuse("setup")
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        try:
            model = self._reception.model_named(setup.model)
        except RejectedError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        try:
            while (info := self._reception.models()[model]).starting:
                await asyncio.sleep(_LOOK_S)
                robot = self.robots.found(context.peer()) or robot  # which is heard of so
            if setup.sample:
                compile_specification(info.specification).check(setup.sample)
        except (RejectedError, UsageError, KeyError) as error:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"model {model!r} does not take what this robot observes: {error}; the robot's"
                " rename_map gives its cameras the model's names",
            )
        robot.model, robot.session = model, Session(setup)
        return b""

    async def send_observations(self, parts: AsyncIterator[bytes], context: Context) -> bytes:
        """One observation."""
        robot = await self._begun(context)
        try:
            with self.robots.sends(robot):
                data = await asyncio.wait_for(self._whole(parts), SLOWEST_S)
                self._ask(robot, data)
        except asyncio.TimeoutError:
            self._reception.refuse("slow")
            await context.abort(
                grpc.StatusCode.ABORTED, f"the observation took longer than {SLOWEST_S:g} s"
            )
        except (RejectedError, DecodeError) as error:
            self._reception.refuse("observation")
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return b""

    async def get_actions(self, _: bytes, context: Context) -> bytes:
        """The newest answer, or nothing after two seconds."""
        robot = await self._begun(context)
        try:
            with self.robots.asks(robot):
                answer = await self._next_answer(robot)
                if answer is not None and answer.status is not Status.OK:
                    await asyncio.sleep(BETWEEN_REFUSALS_S)
                    answer = self._fetched(robot) or answer  # maybe a better one by now
        except RejectedError as error:
            self._wake(robot)
            await asyncio.sleep(BETWEEN_REFUSALS_S)
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        if answer is None:
            return b""
        if answer.status is not Status.OK:
            rejected = answer.status is Status.REJECTED
            code = grpc.StatusCode.INVALID_ARGUMENT if rejected else grpc.StatusCode.INTERNAL
            await context.abort(code, f"{answer.status.name}: {answer.error}")
        return pb.Actions(data=answer.chunk).SerializeToString()

    # --- inside ---

    async def _begun(self, context: Context) -> Robot:
        """The robot of a call that said what it wants; otherwise the call ends with words."""
        robot = self.robots.found(context.peer())
        if robot is None or robot.session is None:
            self._reception.refuse("unknown robot")
            await asyncio.sleep(BETWEEN_REFUSALS_S)
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                "this server does not know what this robot wants, maybe because it was started"
                " anew: start the robot's client again",
            )
        return robot

    async def _whole(self, parts: AsyncIterator[bytes]) -> bytes:
        """The parts of an observation as one; RejectedError where they are none, or too large."""
        limit = self._reception.limits.max_message_bytes
        taken: list[bytes] = []
        size = count = 0
        async for part in parts:
            message = pb.Part.FromString(part)
            state = message.transfer_state
            if state == pb.TRANSFER_BEGIN:
                taken, size = [], 0
            elif state not in (pb.TRANSFER_MIDDLE, pb.TRANSFER_END):
                raise RejectedError(f"transfer state {int(state)} is unknown")
            size, count = size + len(message.data), count + 1
            if size > limit:
                raise RejectedError(f"an observation of more than {limit} bytes, the limit")
            if count > _MOST_PARTS:
                raise RejectedError(f"an observation of more than {_MOST_PARTS} parts")
            taken.append(message.data)
            if state == pb.TRANSFER_END:  # CPython joins large ones without its lock
                return taken[0] if len(taken) == 1 else b"".join(taken)
        raise RejectedError("the observation ended before its last part")

    def _ask(self, robot: Robot, data: bytes) -> None:
        session = robot.session
        if session is None or robot.visit is None:
            raise RejectedError("the robot began anew meanwhile")
        moment, values = read_observation(data)
        observed = as_observed(session.setup, values)
        number, runway = session.asked(moment)
        robot.visit.ask(
            robot.model,
            observed,
            partial(self._replied, robot, session, number, moment),
            steps_remaining=runway.steps_remaining,
            control_period_ms=runway.control_period_ms,
            supersede=True,
        )

    def _replied(
        self, robot: Robot, session: Session, number: int, moment: Moment, reply: Reply
    ) -> None:
        """From the server's thread."""
        try:
            self._loop.call_soon_threadsafe(self._answered, robot, session, number, moment, reply)
        except RuntimeError:  # the door closed
            pass

    def _answered(
        self, robot: Robot, session: Session, number: int, moment: Moment, reply: Reply
    ) -> None:
        values = reply.values() if reply.status is Status.OK else {}
        session.answered(number, moment, reply.status, reply.error, values)
        self._wake(robot)

    def _wake(self, robot: Robot) -> None:
        """End the wait for an answer, if there is one: something changed."""
        news = self._news.get(robot)
        if news is not None:
            news.set()

    async def _next_answer(self, robot: Robot) -> Answer | None:
        """The newest answer, waiting for it; None where none comes in time."""
        answer = self._fetched(robot)
        if answer is not None:
            return answer
        news = self._news[robot] = asyncio.Event()
        deadline = self._loop.time() + LONG_POLL_S
        try:
            while answer is None and robot.session is not None:
                left_s = deadline - self._loop.time()
                await asyncio.wait_for(news.wait(), left_s)
                news.clear()
                answer = self._fetched(robot)
        except asyncio.TimeoutError:
            return None
        finally:
            del self._news[robot]
        return answer

    def _fetched(self, robot: Robot) -> Answer | None:
        return None if robot.session is None else robot.session.fetch()
