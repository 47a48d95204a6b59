"""Whatever a model raises is put into words, and the server and the model's lane go on."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import ConfigError, Connection, LocalDispatcher, Server, Status, UsageError
from inferential_core.errors import (
    MOST_TEXT,
    RejectedError,
    describe,
    last_frames,
    place_of,
    text_of,
    traceback_of,
)
from inferential_core.log.formatting import JsonLines, TextLines
from inferential_core.log.throttled import ThrottledLog
from inferential_core.models.answers import as_exception
from robustness.slips.mistakes import odd

LONG_MS = 20_000


class Mute(Exception):
    """It fails when it is asked for its text."""

    def __str__(self) -> str:
        raise SystemExit("no words")


class Odd(str):
    """A text that is not what it seems."""

    def __getitem__(self, key: Any) -> Any:
        raise RuntimeError("nothing to see")

    def __len__(self) -> int:
        return 3


class Unusual(BaseException):
    """Not an Exception."""


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


class OddText(Exception):
    def __str__(self) -> str:
        return Odd("an odd text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such joint"), "no such joint"),
        (KeyError("missing"), "'missing'"),
        (Mute(), "its text cannot be made: SystemExit"),
        (OddText(), "an odd text"),
        (ValueError("\udcff"), "\\udcff"),
        (ValueError("é"), "é"),
        (ValueError("x" * 10 * MOST_TEXT), "x" * MOST_TEXT + "..."),
    ],
)
def test_any_error_has_a_text_that_can_be_sent(error: Exception, text: str) -> None:
    assert text_of(error) == text
    assert type(text_of(error)) is str


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no groups of errors")
def test_a_group_of_errors_tells_the_first_of_them() -> None:
    errors = [ValueError("no camera"), Mute(), KeyError("arm"), ValueError("not told")]
    told = describe(ExceptionGroup("two tasks", errors))  # type: ignore[name-defined]  # noqa: F821
    assert "two tasks" in told and "ValueError: no camera; Mute: its text cannot be made" in told
    assert "KeyError: 'arm'" in told and "not told" not in told


@pytest.mark.parametrize("attribute", ["nested", "specification", "batch_sizes", "infer", "reset"])
def test_a_model_that_fails_when_it_is_asked_what_it_has_is_no_model(attribute: str) -> None:
    def fail(model: object) -> object:
        raise Mute

    odd_one = type("Odd", (), {"infer": lambda self, obs: obs, attribute: property(fail)})()
    with pytest.raises(UsageError, match="'policy' cannot be used: Mute"):
        LocalDispatcher({"policy": odd_one})


def test_an_error_that_is_its_own_cause_is_told() -> None:
    error = raised(ValueError("again"))
    error.__cause__ = error
    assert "again" in describe(error) and Path(__file__).name in last_frames(error)


def test_a_place_is_told_of_a_models_error_and_not_of_this_packages_own() -> None:
    error = raised(ValueError("no"))
    assert place_of(error).startswith("test_failing_models.py:")
    assert describe(error) == f"ValueError: no ({place_of(error)})"
    assert describe(ValueError("no")) == "ValueError: no"
    assert describe(raised(RejectedError("'x' is missing"))) == "RejectedError: 'x' is missing"


def test_a_traceback_is_bounded_and_can_be_made_of_any_error() -> None:
    assert "in raised" in traceback_of(raised(Mute()))
    assert len(traceback_of(raised(ValueError("x" * 1_000_000)))) < 30_000
    assert traceback_of(ValueError("never raised")) == ""


@pytest.mark.parametrize("asked", ["__bool__", "__class__", "__getattribute__", "__traceback__"])
@pytest.mark.parametrize("formatter", [TextLines(True), JsonLines()])
def test_an_error_is_told_whose_class_redefines_what_is_asked_of_it(
    asked: str, formatter: logging.Formatter, caplog: pytest.LogCaptureFixture
) -> None:
    error = raised(odd(asked))
    place = f"({Path(__file__).name}:54)"
    assert type(as_exception(error)) is RuntimeError
    assert describe(error) == f"Odd: what it says {place}"
    assert "in raised" in traceback_of(error) and "in raised" in last_frames(error)
    ThrottledLog(logging.getLogger("inferential_core")).log(0.0, "it failed", error)
    assert "Odd: what it says" in formatter.format(caplog.records[-1])


def test_the_traceback_of_a_recursion_ends_in_its_error() -> None:
    def even(number: int) -> bool:
        return odd(number + 1)

    def odd(number: int) -> bool:
        return even(number + 1)

    with pytest.raises(RecursionError) as caught:
        even(0)
    told = traceback_of(caught.value)
    assert "in even" in told and "in odd" in told
    assert told.rstrip().splitlines()[-1].startswith("RecursionError: maximum recursion depth")


@pytest.mark.parametrize("formatter", [TextLines(), TextLines(True), JsonLines()])
def test_any_error_can_be_logged(formatter: logging.Formatter) -> None:
    error = raised(Mute())
    info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "it failed", (), info)
    assert "Mute: its text cannot be made" in formatter.format(record)


class Failing:
    """Takes batches, and fails as an observation wants it to."""

    stateful = True

    def infer_batch(self, observations: list[dict[str, Any]]) -> list[Any]:
        if any("raise" in obs for obs in observations):
            raise Mute
        return [Mute() if "return" in obs else {"actions": obs["x"]} for obs in observations]

    def forget(self, client_id: str) -> None:
        raise Unusual(client_id)


def test_an_error_without_a_text_ends_its_own_observation_and_nothing_else() -> None:
    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": Failing()})) as server:
        with Connection(server.address) as connection:
            robot = connection.model("policy", latency_budget_ms=LONG_MS)
            for what in ("raise", "return"):
                robot.observe(**{what: "it", "x": np.ones(1)})
                reply = robot.get_reply(LONG_MS)
                assert reply.status is Status.ERROR
                assert reply.error.startswith("Mute: its text cannot be made: SystemExit")
                robot.observe(x=np.ones(1))
                assert robot.get_result(LONG_MS) is not None
            assert server.running


def test_a_left_over_chunk_that_makes_no_sense_ends_no_lane() -> None:
    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": Failing()})) as server:
        with Connection(server.address) as connection:
            robot = connection.model("policy", latency_budget_ms=LONG_MS)
            left = {"prev_chunk_left_over": np.ones((4, 2)), "left_over_steps": np.arange(3)}
            robot.observe(x=np.ones(1), **left)
            reply = robot.get_reply(LONG_MS)
            assert reply.status is Status.ERROR and reply.error.startswith("TypeError: ")
            robot.observe(x=np.ones(1))
            assert robot.get_result(LONG_MS) is not None


@pytest.mark.parametrize("failure", [Unusual("no weights"), Mute(), SystemExit("no weights")])
def test_whatever_a_warm_up_raises_fails_the_start(failure: BaseException) -> None:
    class Policy:
        def warm_up(self) -> None:
            raise failure

        def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
            return obs

    dispatcher = LocalDispatcher({"policy": Policy()})
    with pytest.raises(ConfigError, match=f"warming it up: {type(failure).__name__}: "):
        dispatcher.start(lambda completion: None)
