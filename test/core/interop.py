"""What a client and a server must do for each other, whichever release each of them is.

    interop.py client VERSION FLAVOUR ADDRESS SCENARIO    that release's client plays a scenario
    interop.py server                                     that release's server, until stdin ends

Runs here and in the environments of the published releases, so it imports nothing but the
standard library and numpy at the top. A scenario takes `connect(client_id)` and asserts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

LONG_MS = 20_000  # a bound, not a delay
SILENCE_MS = 200  # for an answer that must not come; if it comes later, the next value is wrong
IN_FLIGHT = 16

Connect = Callable[[str], Any]


def every_array() -> dict[str, np.ndarray]:
    """One of each dtype all releases can send; joined, most of them begin at odd offsets."""
    values = np.random.default_rng(7)
    return {
        "bytes": values.integers(0, 256, 3, dtype=np.uint8),
        "half": np.float16([1.5, -0.0, np.inf, np.nan]),
        "single": values.standard_normal((2, 3, 4)).astype(np.float32),
        "flags": np.array([[True], [False], [True]]),
        "double": values.standard_normal(5),
        "int": np.int32([-(2**31), 2**31 - 1]),
        "long": np.int64([[-(2**63), 2**63 - 1]]),
        "scalar": np.array(3.25, np.float32),
        "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "camera": values.integers(0, 256, (48, 64, 3), dtype=np.uint8),
    }


def described(arrays: dict[str, Any]) -> str:
    """Every bit of what arrays are, as text that can travel beside them."""
    return json.dumps(
        {
            key: [value.dtype.name, list(value.shape), value.tobytes().hex()[:2000]]
            for key, value in sorted(arrays.items())
            if isinstance(value, np.ndarray)
        }
    )


def verified_echo(obs: dict[str, Any]) -> dict[str, Any]:
    """The model: returns what it was given, having compared it with what was `expected`."""
    if "fail" in obs:
        raise ValueError("told to fail")
    if "expected" in obs:
        assert described(obs) == obs["expected"], "what arrived is not what was sent"
    return dict(obs)


def ask(model: Any, **values: Any) -> dict[str, Any]:
    """An observation and its result, which must come and tell what results always told."""
    model.observe(**values)
    result = model.get_result(timeout_ms=LONG_MS)
    assert result is not None, "no result"
    assert result["response_id"] and result["model_id"] == "policy"
    assert result["inference_latency_ms"] >= 0
    return result


def every_dtype_and_strings_come_back(connect: Connect) -> None:
    arrays = every_array()
    texts = {"prompt": "nimm den Würfel 积木", "empty": "", "expected": described(arrays)}
    robot = connect("robot")
    model = robot.model("policy", latency_budget_ms=1000.0)
    result = ask(model, urgency=0.5, steps_remaining=12, **arrays, **texts)
    assert described({key: result[key] for key in arrays}) == texts["expected"]
    assert {key: result[key] for key in texts} == texts
    robot.close()


def large_arrays_come_back(connect: Connect) -> None:
    image = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    robot = connect("robot")
    model = robot.model("policy")
    for state in range(3):
        result = ask(model, state=np.float32([state]), camera=image)
        assert result["state"] == [state] and np.array_equal(result["camera"], image)
        assert np.array_equal(ask(model, camera=image)["camera"], image)
    robot.close()


def all_in_flight_come_back(connect: Connect) -> list[int]:
    """Every one once; the order is returned, as 1.4.0's server mixes it."""
    robot = connect("robot")
    model = robot.model("policy", latency_budget_ms=1000.0)
    for index in range(IN_FLIGHT):
        model.observe(x=np.float32([index]), name=str(index))
    results = [model.get_result(timeout_ms=LONG_MS) for _ in range(IN_FLIGHT)]
    assert all(result["name"] == str(int(result["x"][0])) for result in results)
    order = [int(result["name"]) for result in results]
    assert sorted(order) == list(range(IN_FLIGHT)), order
    assert model.get_result(timeout_ms=1) is None
    robot.close()
    return order


def all_in_flight_come_back_in_order(connect: Connect) -> None:
    """A published client has nothing but the order to tell which reply is whose."""
    order = all_in_flight_come_back(connect)
    assert order == sorted(order), order


def failures_are_silent_and_harm_nothing(connect: Connect) -> None:
    robot = connect("robot")
    model, nowhere = robot.model("policy"), robot.model("no-such-model")
    for index in range(3):
        for failing in (model, nowhere):
            failing.observe(fail="yes", x=np.float32([-1]))
            assert failing.get_result(timeout_ms=SILENCE_MS) is None
        assert ask(model, x=np.float32([index]))["x"] == [index]
    robot.close()


def everybody_gets_their_own(connect: Connect) -> None:
    robots = [connect(f"robot-{index}") for index in range(4)]
    models = [robot.model("policy") for robot in robots]
    for turn in range(5):
        for index, model in enumerate(models):
            model.observe(x=np.int64([turn, index]))
        for index, model in enumerate(models):
            assert model.get_result(timeout_ms=LONG_MS)["x"].tolist() == [turn, index]
    for robot in robots:
        robot.close()


def the_same_id_comes_back(connect: Connect) -> None:
    for life in range(3):
        robot = connect("robot")
        assert ask(robot.model("policy"), x=np.int64([life]))["x"] == [life]
        robot.close()


def tell_priorities(connect: Connect) -> None:
    """The server's side of it is looked at by the test."""
    robot = connect("robot")
    for priority in (None, 2):
        options = {} if priority is None else {"priority": priority}
        ask(robot.model("policy", **options), x=np.zeros(1))
    robot.close()


def say_nothing_of_priority(connect: Connect) -> None:
    robot = connect("robot")
    ask(robot.model("policy"), x=np.zeros(1))
    robot.close()


SCENARIOS: dict[str, Callable[[Connect], Any]] = {
    scenario.__name__: scenario
    for scenario in (
        every_dtype_and_strings_come_back,
        large_arrays_come_back,
        all_in_flight_come_back,
        failures_are_silent_and_harm_nothing,
        everybody_gets_their_own,
        the_same_id_comes_back,
    )
}


class Blocking:
    """An asynchronous connection or model of any release, played from here."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def model(self, *args: Any, **options: Any) -> Blocking:
        return Blocking(self._inner.model(*args, **options), self._loop)

    def observe(self, **values: Any) -> Any:
        return self._loop.run_until_complete(self._inner.observe(**values))

    def get_result(self, timeout_ms: float) -> Any:
        return self._loop.run_until_complete(self._inner.get_result(timeout_ms=timeout_ms))

    def close(self) -> None:
        self._inner.close()


def play(scenario: Callable[[Connect], Any], package: Any, flavour: str, address: str) -> None:
    """Run a scenario with the client (flavour sync or async) of an imported release."""
    if flavour == "sync":
        scenario(lambda client_id: package.Connection(address, client_id, "arm"))
        return
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    async def open_connection(client_id: str) -> Any:
        return package.AsyncConnection(address, client_id, "arm")

    try:
        scenario(lambda name: Blocking(loop.run_until_complete(open_connection(name)), loop))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def release() -> str:
    """What is installed; 1.4.0 calls itself 0.1.0."""
    return metadata.version("inferential")


async def serve_published() -> None:
    """The published server with its local dispatcher; says where, ends when stdin does."""
    import inferential
    import zmq

    config = inferential.server.InferentialConfig()
    config.transport.bind = "tcp://127.0.0.1:*"
    dispatcher = inferential.LocalDispatcher({"policy": verified_echo})
    server = inferential.Server(config=config, dispatcher=dispatcher)
    running = asyncio.create_task(server.run())
    while server._transport is None:  # it offers no other way to learn the port
        await asyncio.sleep(0)
    address = server._transport._socket.getsockopt_string(zmq.LAST_ENDPOINT)
    print(json.dumps({"address": address, "version": release()}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    running.cancel()


def main(command: str, *arguments: str) -> None:
    import inferential

    if command == "server":
        asyncio.run(serve_published())
        return
    version, flavour, address, scenario = arguments
    assert release() == version, release()
    play(globals()[scenario], inferential, flavour, address)


if __name__ == "__main__":
    main(*sys.argv[1:])
