"""A network of our own between robots and server, on TCP: `link.py SERVER`, then {"mode": ...}.

    clear
    cut       nothing gets through, and nobody is told; what was under way arrives afterwards
    latency   200 ms more in each direction
    loss      5 % of the segments are lost: TCP sends them again after 200 ms (the least that
              Linux waits), and what came behind them waits for them; 20 ms of jitter, which
              reorders segments and TCP puts in order again

TCP hides loss and reordering from whoever uses it: they show as delay. relay.py loses messages.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

from benchmarks.processes import answering, tell

LATENCY_S = 0.2
LOSS, RETRANSMISSION_S, JITTER_S = 0.05, 0.2, 0.02


class Line:
    """The state all connections share."""

    def __init__(self, seed: int) -> None:
        self.mode = "clear"
        self.pipes: set[Pipe] = set()
        self.whole = asyncio.Event()
        self.whole.set()
        self._random = random.Random(seed)

    def delay_s(self) -> float:
        """Of the segment that is about to leave."""
        if self.mode == "latency":
            return LATENCY_S
        if self.mode == "loss":
            lost = self._random.random() < LOSS
            return self._random.uniform(0, JITTER_S) + lost * RETRANSMISSION_S
        return 0.0

    async def set_mode(self, question: dict[str, Any]) -> str:
        self.mode = question["mode"]
        (self.whole.clear if self.mode == "cut" else self.whole.set)()
        for pipe in list(self.pipes):
            if self.mode == "cut":
                pipe.transport.pause_reading()
            elif pipe.other is not None:  # the others are being joined, and read on then
                pipe.transport.resume_reading()
        return self.mode


class Pipe(asyncio.Protocol):
    """One end of a connection: what it reads leaves at the other end, in order, when it is due."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.transport: Any = None
        self.other: Pipe | None = None
        self._due = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.line.pipes.add(self)
        if self.line.mode == "cut":
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._due = max(self._due, loop.time() + self.line.delay_s())
        if self._due <= loop.time():
            self._deliver(data)
        else:
            loop.call_at(self._due, self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.line.pipes.discard(self)
        if self.other is not None:
            self.other.transport.close()


async def main(server: str, seed: str) -> None:
    """Carry until stdin ends."""
    line = Line(int(seed))
    host, port = server.removeprefix("tcp://").split(":")
    loop = asyncio.get_running_loop()
    joining: set[asyncio.Task[None]] = set()

    async def join(near: Pipe) -> None:
        near.transport.pause_reading()
        await line.whole.wait()
        try:
            _, far = await loop.create_connection(lambda: Pipe(line), host, int(port))
        except OSError:
            near.transport.close()
            return
        near.other, far.other = far, near
        if near.transport.is_closing():
            far.transport.close()
        elif line.mode != "cut":
            near.transport.resume_reading()

    class Accepted(Pipe):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            task = asyncio.create_task(join(self))
            joining.add(task)
            task.add_done_callback(joining.discard)

    listener = await loop.create_server(lambda: Accepted(line), "127.0.0.1", 0, backlog=1024)
    tell(f"tcp://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    await answering(line.set_mode)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
