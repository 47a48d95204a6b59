"""A program that embeds a server ends when it wants to, and its event loop is never held up."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

import numpy as np
import pytest
from embedded import LONG_S, ending, program

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server

BEGIN = """
import asyncio, atexit, signal, sys, threading, time
from inferential_core import InferentialConfig, LocalDispatcher, Server

def make(warm_up=lambda: None):
    class Model:
        def warm_up(self):
            warm_up()
        def infer(self, obs):
            return obs
    return Server(
        "tcp://127.0.0.1:0",
        config=InferentialConfig(http={"bind": "off"}),
        dispatcher=LocalDispatcher({"policy": Model()}),
    )

server = make()

def serving(*servers):
    while not all(server.running for server in servers):
        time.sleep(0.01)

def in_a_daemon_thread():
    threading.Thread(target=lambda: asyncio.run(server.run()), daemon=True).start()
    serving(server)
"""


@pytest.mark.parametrize(
    "rest",
    [
        "in_a_daemon_thread(); sys.exit(3)",
        "server.start(); sys.exit(3)",
        """
loop = asyncio.new_event_loop()
task = loop.create_task(server.run())
threading.Thread(target=lambda: (serving(server), loop.call_soon_threadsafe(loop.stop))).start()
loop.run_forever()
sys.exit(3)
""",
        """
async def main():
    task = asyncio.create_task(server.run())
    while not server.running:
        await asyncio.sleep(0.01)
    sys.exit(3)
asyncio.run(main())
""",
    ],
    ids=["run in a daemon thread", "start", "loop.stop", "beside a task"],
)
def test_sys_exit_ends_the_program_with_its_code(rest: str, tmp_path: Any) -> None:
    with program(tmp_path, BEGIN + rest) as process:
        assert ending(process) == (3, "")


def test_a_stop_at_exit_stops_the_server(tmp_path: Any) -> None:
    rest = """
in_a_daemon_thread()
atexit.register(lambda: (server.stop(), print("running:", server.running)))
sys.exit(3)
"""
    with program(tmp_path, BEGIN + rest) as process:
        assert ending(process) == (3, "running: False\n")


def test_sigterm_ends_a_program_that_only_serves(tmp_path: Any) -> None:
    rest = """
threading.Thread(target=lambda: (serving(server), print("serving")), daemon=True).start()
asyncio.run(server.run())
print("running:", server.running)
"""
    with program(tmp_path, BEGIN + rest) as process:
        assert ending(process, signal.SIGTERM) == (0, "serving\nrunning: False\n")


def test_sigterm_is_obeyed_while_a_model_warms_up(tmp_path: Any) -> None:
    rest = """
server = make(lambda: (print("warming up"), threading.Event().wait()))
asyncio.run(server.run())
print("running:", server.running)
"""
    with program(tmp_path, BEGIN + rest) as process:
        assert ending(process, signal.SIGTERM) == (0, "warming up\nrunning: False\n")


def test_sigterm_stops_all_servers_and_cancels_what_else_the_program_does(tmp_path: Any) -> None:
    rest = """
servers = [make() for _ in range(3)]

async def work():
    try:
        await asyncio.sleep(3600)
    finally:
        print("running:", *(server.running for server in servers))

async def main():
    await asyncio.gather(work(), *(server.run() for server in servers))

threading.Thread(target=lambda: (serving(*servers), print("serving")), daemon=True).start()
asyncio.run(main())
"""
    with program(tmp_path, BEGIN + rest) as process:
        assert ending(process, signal.SIGTERM) == (0, "serving\nrunning: False False False\n")


def test_a_program_that_handles_sigterm_itself_still_does(tmp_path: Any) -> None:
    rest = """
async def main():
    task = asyncio.create_task(server.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    while not server.running:
        await asyncio.sleep(0.01)
    print("serving")
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
asyncio.run(main())
"""
    with program(tmp_path, BEGIN + rest) as process:
        assert ending(process, signal.SIGTERM) == (0, "serving\ncancelled\n")


def server_of(model: Any) -> Server:
    return Server(
        "tcp://127.0.0.1:0",
        config=InferentialConfig(http={"bind": "off"}),
        dispatcher=LocalDispatcher({"policy": model}),
    )


async def serving(*servers: Server) -> None:
    while not all(server.running for server in servers):
        await asyncio.sleep(0.01)


class Held:
    """A model whose warm-up or call takes as long as the test wants."""

    def __init__(self) -> None:
        self.warm, self.called, self.go_on = (threading.Event() for _ in range(3))

    def warm_up(self) -> None:
        self.warm.wait(LONG_S)

    def infer(self, obs: Any) -> Any:
        self.called.set()
        self.go_on.wait(LONG_S)
        return obs


def test_the_event_loop_goes_on_while_a_model_warms_up() -> None:
    model = Held()

    async def life() -> None:
        running = asyncio.create_task(server_of(model).run())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not running.done()
        model.warm.set()  # which nobody could do if the loop stood still
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(asyncio.wait_for(life(), LONG_S))


def test_a_run_that_is_cancelled_while_a_model_warms_up_leaves_no_server() -> None:
    model = Held()
    server = server_of(model)
    before = set(threading.enumerate())  # of another test's server, which still stops

    async def life() -> None:
        running = asyncio.create_task(server.run())
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(life())
    since = set(threading.enumerate()) - before
    (starting,) = (it for it in since if it.name == "inferential-start")
    model.warm.set()
    starting.join(LONG_S)
    assert not starting.is_alive() and not server.running


def test_the_event_loop_goes_on_while_a_hung_model_is_given_up() -> None:
    model = Held()
    model.warm.set()
    server = server_of(model)
    order = []

    async def life() -> None:
        running = asyncio.create_task(server.run())
        await serving(server)
        with Connection(server.address) as connection:
            connection.model("policy").observe(x=np.zeros(1))
            while not model.called.is_set():
                await asyncio.sleep(0.01)
            running.add_done_callback(lambda _: order.append("stopped"))
            running.cancel()
            for _ in range(100):
                await asyncio.sleep(0)
            order.append("the loop went on")
            model.go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await running
        await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(life(), LONG_S))
    assert order == ["the loop went on", "stopped"]


def test_servers_take_no_thread_of_the_programs_executor() -> None:
    servers = [server_of(lambda obs: obs) for _ in range(6)]

    async def life() -> None:
        running = [asyncio.create_task(server.run()) for server in servers]
        await serving(*servers)
        assert await asyncio.to_thread(lambda: "done") == "done"
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(life(), LONG_S))
    assert not any(server.running for server in servers)


def test_a_server_may_be_entered_from_asyncio() -> None:
    async def life() -> None:
        async with server_of(lambda obs: obs) as server:
            assert server.running
        assert not server.running

    asyncio.run(life())


def test_a_server_that_is_stopped_from_another_thread_ends_its_run() -> None:
    server = server_of(lambda obs: obs)

    async def life() -> None:
        running = asyncio.create_task(server.run())
        await serving(server)
        await asyncio.to_thread(server.stop)
        await running

    asyncio.run(asyncio.wait_for(life(), LONG_S))
