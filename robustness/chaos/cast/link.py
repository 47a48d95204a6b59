"""A network of our own between robots and server, on TCP: `link.py SERVER`, then {"mode": ...}.

    clear
    cut       nothing gets through, and nobody is told; what was under way arrives afterwards
    mute      the same, of what the server says only
    latency   200 ms more in each direction
    loss      5 % of the segments are lost: TCP sends them again after 200 ms (the least that
              Linux waits), and what came behind them waits for them; 20 ms of jitter, which
              reorders segments and TCP puts in order again

TCP hides loss and reordering from whoever uses it: they show as delay. relay.py loses messages.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from typing import Any

from benchmarks.processes import answering, tell

LATENCY_S = 0.2
LOSS, RETRANSMISSION_S, JITTER_S = 0.05, 0.2, 0.02
SEGMENT_BYTES = 256 * 1024


class Line:
    """The state all connections share."""

    def __init__(self, server: str, seed: int) -> None:
        self.mode = "clear"
        self._whole = asyncio.Event()
        self._whole.set()
        self._heard = asyncio.Event()  # what the server says gets through
        self._heard.set()
        self._random = random.Random(seed)
        self._host, self._port = server.removeprefix("tcp://").split(":")

    async def set_mode(self, question: dict[str, Any]) -> str:
        self.mode = question["mode"]
        (self._whole.clear if self.mode == "cut" else self._whole.set)()
        (self._heard.clear if self.mode == "mute" else self._heard.set)()
        return self.mode

    async def join(self, near: StreamReader, to_near: StreamWriter) -> None:
        """Carry what comes from a robot and for it, until one of the ends is closed."""
        await self._whole.wait()
        try:
            far, to_far = await asyncio.open_connection(self._host, self._port)
        except OSError:
            to_near.close()
            return
        await asyncio.gather(
            self._carry(near, to_far, self._whole), self._carry(far, to_near, self._heard)
        )

    async def _carry(
        self, reader: StreamReader, writer: StreamWriter, gate: asyncio.Event
    ) -> None:
        """In order: each segment leaves when it is due, but never before those that came first."""
        loop, due = asyncio.get_running_loop(), 0.0
        with suppress(ConnectionError):
            while segment := await reader.read(SEGMENT_BYTES):
                await self._whole.wait()
                await gate.wait()
                due = max(math.nextafter(due, math.inf), loop.time() + self._delay_s())
                loop.call_at(due, self._deliver, writer, segment)
        writer.close()

    def _delay_s(self) -> float:
        """Of the segment that is about to leave."""
        if self.mode == "latency":
            return LATENCY_S
        if self.mode == "loss":
            lost = self._random.random() < LOSS
            return self._random.uniform(0, JITTER_S) + lost * RETRANSMISSION_S
        return 0.0

    def _deliver(self, writer: StreamWriter, segment: bytes) -> None:
        if not writer.is_closing():
            writer.write(segment)


async def main(server: str, seed: str) -> None:
    """Carry until stdin ends."""
    line = Line(server, int(seed))
    listener = await asyncio.start_server(line.join, "127.0.0.1", 0, backlog=1024)
    tell(f"tcp://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    await answering(line.set_mode)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
