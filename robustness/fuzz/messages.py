"""A million broken messages against a server: it lives, counts exactly and does not grow.

    python -m robustness fuzz messages [--messages N] [--seed S]

A valid request now and then must be answered; in between, connections are opened that never
finish the handshake. A smaller run stands in test/core/server/test_server.py. The exit status is
1 if a promise broke.
"""

from __future__ import annotations

import random
import socket
import tempfile
import time
from contextlib import ExitStack
from typing import Any

import numpy as np
import zmq

from benchmarks.builds import HERE
from benchmarks.machine import introduce, rss_mb
from benchmarks.options import parse
from benchmarks.peers.measuring import dealer
from benchmarks.processes import Program
from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import ObservationHeader, encode_observation

from .mutations import Mutations, counts

SOCKETS = 8
BURST = 100  # broken messages between two valid ones
REPORTS = 20
PATIENCE_S = 60.0
GROWTH_MB = 4.0  # of the second half
# New names first, more than the server keeps, so that what follows must find memory settled.
NAMES = 12_000
OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors")


class Fuzzer:
    """Some sockets to one server; counts what it sent."""

    def __init__(self, address: str, seed: int) -> None:
        self.address = address
        self.sent = 0
        self._mutations = Mutations(seed)
        self._random = random.Random(seed)
        self._context = zmq.Context()
        patience = dict.fromkeys(("SNDTIMEO", "RCVTIMEO"), int(1000 * PATIENCE_S))
        self._sockets = [
            dealer(self._context, address, f"fuzz-{index}", **patience) for index in range(SOCKETS)
        ]
        self._probe = 2**40  # request ids that no mutation makes

    def names(self) -> None:
        """One observation from each of many clients."""
        for index in range(NAMES):
            header = ObservationHeader(f"name-{index}", "policy")
            self._send(self._sockets[0], encode_observation(header, {"x": np.zeros(1)}))
            if index % BURST == 0:
                self.valid(self._sockets[0])

    def burst(self) -> None:
        """Broken messages on one socket, then a valid one, which must be answered."""
        dealer = self._random.choice(self._sockets)
        for _ in range(BURST):
            self._send(dealer, self._mutations.next())
        self.valid(dealer)

    def _send(self, dealer: zmq.Socket, frames: Any) -> None:
        dealer.send_multipart(frames)
        self.sent += counts(frames)

    def valid(self, dealer: zmq.Socket) -> None:
        """zmq.Again if the server does not answer any more."""
        self._probe += 1
        name = dealer.getsockopt_string(zmq.IDENTITY)
        header = ObservationHeader(name, "policy", request_id=self._probe)
        self._send(dealer, encode_observation(header, {"x": np.zeros(3)}))
        while pb.ModelResponse.FromString(dealer.recv_multipart()[1]).request_id != self._probe:
            pass

    def noise(self) -> None:
        """A connection that greets as ZeroMQ does and goes on with rubbish.

        Rubbish from the first byte on may pass for the ZeroMQ of 2010, which needs no handshake,
        and would be counted as messages.
        """
        host, port = self.address.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as stranger:
            rubbish = self._random.randbytes(self._random.randrange(2000))
            stranger.sendall(b"\xff\0\0\0\0\0\0\0\1\x7f\3\0" + rubbish)

    def close(self) -> None:
        self._context.destroy(linger=0)


def settled(server: Program, sent: int) -> dict[str, Any]:
    """The server's state once nothing is on its way; faults in it raise AssertionError."""
    deadline = time.monotonic() + PATIENCE_S
    known, waiting = 0, 1
    while (known < sent or waiting) and time.monotonic() < deadline:
        time.sleep(0.01)  # the status of ten thousand clients is work for the server
        status: dict[str, Any] = server.ask({})
        known = status["received"] + status["malformed"]
        waiting = status["queued"] + status["in_flight"]
        assert status["exact"], f"an observation is unaccounted: {status}"
    assert known == sent, f"{known} counted of {sent} sent"
    assert not waiting, f"{waiting} never ended"
    return status


def attack(server: Program, address: str, messages: int, seed: int) -> None:
    """AssertionError tells the promise that broke."""
    fuzzer = Fuzzer(address, seed)
    begun, halfway, reported = time.monotonic(), 0.0, 0
    try:
        fuzzer.names()
        while fuzzer.sent < messages:
            fuzzer.burst()
            if fuzzer.sent * REPORTS >= reported * messages:
                reported = fuzzer.sent * REPORTS // messages + 1
                fuzzer.noise()
                status, memory = settled(server, fuzzer.sent), rss_mb(server.pid)
                counts = ", ".join(f"{status[name]} {name}" for name in (*OUTCOMES, "malformed"))
                pace = fuzzer.sent / (time.monotonic() - begun)
                print(f"{fuzzer.sent:9} sent: {counts}; {memory:.1f} MB, {pace:.0f}/s", flush=True)
                if not halfway and fuzzer.sent * 2 >= messages:
                    halfway = memory
        growth = rss_mb(server.pid) - halfway
        print(f"alive, all accounted for; {growth:+.2f} MB in the second half")
        assert growth < GROWTH_MB, f"memory grew by {growth:.1f} MB, at most {GROWTH_MB}"
    finally:
        fuzzer.close()


def main(arguments: list[str]) -> int:
    """0 if every promise held."""
    options = parse("fuzz messages", __doc__, arguments, messages=1_000_000, seed=1)
    introduce(f"{options.messages} broken messages, seed {options.seed}")
    with tempfile.TemporaryFile() as log:
        try:
            with ExitStack() as stack:
                server, about = HERE.server(stack, log)
                attack(server, about["address"], options.messages, options.seed)
            return 0
        except (AssertionError, OSError, RuntimeError, zmq.ZMQError) as fault:
            log.seek(max(0, log.seek(0, 2) - 4000))
            print(f"{log.read().decode(errors='replace')}\nfuzz: {fault or type(fault).__name__}")
            return 1
        finally:
            print(f"the server logged {log.seek(0, 2) / 1e6:.2f} MB")
