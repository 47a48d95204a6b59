"""A client whose calls are interrupted at random: `python interrupted.py SEED`.

Exits 0 if every observation ended, no more of them without an answer than there were interrupts,
the connection still works and nothing of it is left.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import time

import numpy as np

from inferential_core import Connection, LocalDispatcher, Server, Status

CALLS = 250
LONG_MS = 5000


class Interrupt(Exception):
    """What the signal handler raises."""


class Pest:
    """Sends signals to the main thread, but only while it is `at_it`."""

    def __init__(self, seed: int) -> None:
        self.at_it = False
        self.interrupts = 0
        self._random = random.Random(seed)
        self._over = threading.Event()
        signal.signal(signal.SIGUSR1, self._interrupt)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _interrupt(self, *_: object) -> None:
        if self.at_it:
            self.at_it = False  # once a call
            self.interrupts += 1
            raise Interrupt

    def _run(self) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while not self._over.wait(self._random.uniform(0.0, 0.002)):
            signal.pthread_kill(main, signal.SIGUSR1)

    def close(self) -> None:
        self._over.set()
        self._thread.join()


def main() -> int:
    models = LocalDispatcher({"echo": lambda observation: observation})
    with Server("tcp://127.0.0.1:0", dispatcher=models) as server:
        Connection(server.address).close()
        before = len(os.listdir("/proc/self/fd"))
        pest = Pest(int(sys.argv[1]))
        connection = Connection(server.address)
        model = connection.model("echo")
        ended = {status: 0 for status in Status}
        wrong = 0
        for number in range(CALLS):
            pest.at_it = True
            try:
                model.observe(x=np.float32([number]), y=np.zeros(8), z=np.zeros(8))
                reply = model.get_reply(LONG_MS)
                pest.at_it = False
            except Interrupt:
                reply = None
            begun = time.monotonic()
            while reply is None and model._handle.pending:
                reply = model.get_reply(LONG_MS)
                if time.monotonic() > begun + LONG_MS / 1000:
                    print(f"mute after {number} calls and {pest.interrupts} interrupts")
                    pest.close()
                    os._exit(1)
            if reply is not None:
                ended[reply.status] += 1
                wrong += reply.result is not None and reply.result["x"][0] != number
        pest.close()
        model.observe(x=np.float32([7]))
        alive = model.get_result(LONG_MS)
        connection.close()
        gc.collect()
        # libzmq closes what it no longer needs a moment later, also of the connection before
        left = max(0, len(os.listdir("/proc/self/fd")) - before)
    lost = CALLS - ended[Status.OK]
    print(f"{pest.interrupts} interrupts, {lost} without answer, {wrong} wrong, {left} left")
    ok = alive is not None and lost <= pest.interrupts and not wrong and not left
    return 0 if ok and pest.interrupts > 5 else 1


if __name__ == "__main__":
    sys.exit(main())
