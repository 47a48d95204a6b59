"""Clients of doors that send what no client means, and count how each of it ended.

A message is sent when the one before it on its connection is answered, so that all are accounted
for: the server took it in (`received`), or its door refused it.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from typing import Any

import grpc.aio
import msgpack
import zmq
import zmq.asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.peers import lerobot_robot as robot
from inferential_core.doors.lerobot import lerobot_async_pb2 as pb

from . import packed
from .targets import lerobot as pickles

CONNECTIONS = 16
PATIENCE_S = 30.0
KNOWN = 2000  # broken messages that are made beforehand and sent again and again


class Attacker(ABC):
    """Several connections to one door. `sent` are the messages that must be in its accounts."""

    greeting = b""  # how a connection begins whose next bytes are rubbish

    def __init__(self, address: str, seed: int) -> None:
        self.address = address
        self.sent = 0
        self.chance = random.Random(seed)
        self.messages = [self.broken() for _ in range(KNOWN)]

    async def burst(self, count: int) -> None:
        """So many broken messages, over all connections at once."""
        share = count // CONNECTIONS
        await asyncio.gather(*(self.attack(number, share) for number in range(CONNECTIONS)))

    async def noise(self) -> None:
        """A connection that sends rubbish, and no more."""
        host, port = self.address.rpartition("//")[2].rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(self.greeting + self.chance.randbytes(self.chance.randrange(2000)))
        try:
            writer.write_eof()
            await asyncio.wait_for(reader.read(), PATIENCE_S)
        except OSError:  # it was sent away already
            pass
        writer.close()

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    def broken(self) -> Any:
        """One broken message."""

    @abstractmethod
    async def attack(self, number: int, count: int) -> None:
        """Send so many over one connection; AssertionError if one is not answered."""

    @abstractmethod
    async def valid(self) -> None:
        """AssertionError if a right question gets no actions."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""


# grpc.aio tells INTERNAL where the answer came while it was still sending parts.
_REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)
_NO_MODEL = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)


class LerobotAttacker(Attacker):
    """Observations and setups as mutants of right ones, in parts that are right or not."""

    async def open(self) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [
            grpc.aio.insecure_channel(self.address, options=own) for _ in range(CONNECTIONS)
        ]
        self._calls = []
        for channel in self._channels:
            path = f"/{robot.SERVICE}/"
            calls = {
                "Ready": channel.unary_unary(f"{path}Ready"),
                "SendPolicyInstructions": channel.unary_unary(f"{path}SendPolicyInstructions"),
                "SendObservations": channel.stream_unary(f"{path}SendObservations"),
                "GetActions": channel.unary_unary(f"{path}GetActions"),
            }
            self._calls.append(calls)
            await self._begin(calls)

    async def _begin(self, calls: dict[str, Any]) -> None:
        setup = pb.PolicySetup(data=robot.setup()).SerializeToString()
        await calls["Ready"](b"", timeout=PATIENCE_S)
        await calls["SendPolicyInstructions"](setup, timeout=PATIENCE_S)

    def broken(self) -> tuple[str, Any]:
        chance = self.chance
        setup = chance.random() < 0.1
        data = robot.setup() if setup else robot.observation(chance.randrange(100))
        for _ in range(chance.choice((0, 1, 1, 1, 2, 5))):
            data = pickles.mutate(data, chance)
        if setup:
            return "SendPolicyInstructions", pb.PolicySetup(data=data).SerializeToString()
        parts = robot.parts(data, chance.choice((1 << 20, 1 << 20, 300, 50))) or [b""]
        if chance.random() < 0.1:
            chance.shuffle(parts)
        if chance.random() < 0.1:
            parts[-1] = chance.randbytes(chance.randrange(40))
        return "SendObservations", parts

    async def attack(self, number: int, count: int) -> None:
        calls = self._calls[number]
        for _ in range(count):
            method, message = self.chance.choice(self.messages)
            try:
                given = iter(message) if method == "SendObservations" else message
                await calls[method](given, timeout=PATIENCE_S)
                self.sent += method == "SendObservations"
            except grpc.aio.AioRpcError as error:
                assert error.code() in (*_REFUSED, *_NO_MODEL), error
                self.sent += error.code() in _REFUSED
            if method == "SendPolicyInstructions":
                await self._begin(calls)

    async def valid(self) -> None:
        calls = self._calls[0]
        await self._begin(calls)
        step = self.chance.randrange(1000)
        self.sent += 1
        parts = robot.parts(robot.observation(step), 1 << 20)
        await calls["SendObservations"](iter(parts), timeout=PATIENCE_S)
        answer = pb.Actions.FromString(await calls["GetActions"](b"", timeout=PATIENCE_S))
        actions = robot.loads(answer.data)
        assert actions[0].timestep == step, f"{actions[0]} for an observation at step {step}"

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


class OpenpiAttacker(Attacker):
    """Mutants of what openpi's and roboarena's clients send."""

    async def open(self) -> None:
        self._sockets: list[ClientConnection] = []
        for _ in range(CONNECTIONS):
            self._sockets.append(await self._connected())

    async def _connected(self) -> ClientConnection:
        made = await connect(self.address, compression=None, max_size=None, ping_interval=None)
        await asyncio.wait_for(made.recv(), PATIENCE_S)  # the metadata
        return made

    def broken(self) -> bytes:
        question = self.chance.choice(packed.openpi_questions())
        return packed.broken(question, self.chance)

    async def attack(self, number: int, count: int) -> None:
        for _ in range(count):
            await self._said(number, self.chance.choice(self.messages))

    async def _said(self, number: int, message: bytes) -> Any:
        """The answer, or None where the connection ended; then there is another one."""
        socket = self._sockets[number]
        self.sent += 1
        try:
            await socket.send(message)
            answer = await asyncio.wait_for(socket.recv(), PATIENCE_S)
        except ConnectionClosed:
            self._sockets[number] = await self._connected()
            return None
        self.sent -= answer == "reset successful"  # is no observation
        return answer

    async def valid(self) -> None:
        answer = await self._said(0, msgpack.packb(packed.openpi_questions()[0]))
        assert isinstance(answer, bytes) and b"actions" in answer, answer

    async def close(self) -> None:
        for socket in self._sockets:
            await socket.close()


# To a ping and to a reset, of which the server's accounts do not tell.
_TO_NO_QUESTION = (
    msgpack.packb({"status": "ok", "message": "Server is running"}),
    msgpack.packb({}),
)


class Gr00tAttacker(Attacker):
    """Mutants of what GR00T's clients send, in both of their codecs."""

    # Rubbish from the first byte on may pass for the ZeroMQ of 2010, which needs no handshake, and
    # be counted as several messages.
    greeting = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0"

    async def open(self) -> None:
        self._context = zmq.asyncio.Context()
        self._sockets = []
        for _ in range(CONNECTIONS):
            socket = self._context.socket(zmq.DEALER)
            socket.connect(self.address)
            self._sockets.append(socket)

    def broken(self) -> bytes:
        request = self.chance.choice(packed.gr00t_requests())
        return packed.broken(request, self.chance)

    async def attack(self, number: int, count: int) -> None:
        for _ in range(count):
            await self._said(number, self.chance.choice(self.messages))

    async def _said(self, number: int, message: bytes) -> bytes:
        socket = self._sockets[number]
        await socket.send_multipart([b"", message])
        frames = await asyncio.wait_for(socket.recv_multipart(), PATIENCE_S)
        assert len(frames) == 2 and not frames[0], frames
        answer = bytes(frames[1])
        self.sent += answer not in _TO_NO_QUESTION
        return answer

    async def valid(self) -> None:
        answer = await self._said(0, msgpack.packb(packed.gr00t_requests()[2]))
        assert b"actions" in answer, answer

    async def close(self) -> None:
        self._context.destroy(linger=0)


ATTACKERS: dict[str, type[Attacker]] = {
    "lerobot": LerobotAttacker,
    "openpi": OpenpiAttacker,
    "gr00t": Gr00tAttacker,
}
