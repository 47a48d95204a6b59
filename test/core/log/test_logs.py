"""The log: a line an event, for people or programs, never a storm, and never in the way."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import loud_model
import numpy as np
import pytest

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core.log import formatting
from inferential_core.log.throttled import ThrottledLog

SOON_S = 10.0
LONG_MS = 20_000


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("test.complaints")
    logger.setLevel(logging.DEBUG)
    yield logger


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


# --- complaints ---


def test_the_same_is_told_once_a_second_with_how_often_it_came(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    throttled = ThrottledLog(log)
    for step in range(25):
        throttled.log(step * 0.1, "it failed", ValueError(str(step)))
    assert told(caplog) == [
        "it failed",
        "it failed (9 more like this since the last)",
        "it failed (9 more like this since the last)",
    ]
    assert caplog.records[1].fields == {"held_back": 9}  # type: ignore[attr-defined]
    throttled.flush(2.5)
    assert len(caplog.records) == 3
    throttled.flush(3.5)  # the storm is over: the rest is told
    assert told(caplog)[3:] == ["4 more were held back: it failed: ValueError"]


def test_other_errors_and_other_kinds_are_told_at_once(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    throttled = ThrottledLog(log)
    throttled.log(0.0, "arm_1 failed", ValueError(), kind="failed", fields={"client": "arm_1"})
    throttled.log(0.0, "arm_2 failed", ValueError(), kind="failed", fields={"client": "arm_2"})
    throttled.log(0.0, "arm_2 failed", KeyError(), kind="failed", fields={"client": "arm_2"})
    throttled.log(0.0, "arm_1 is slow")
    assert told(caplog) == ["arm_1 failed", "arm_2 failed", "arm_1 is slow"]
    assert caplog.records[0].fields == {"client": "arm_1"}  # type: ignore[attr-defined]


def test_a_storm_of_different_complaints_is_bounded_in_lines_and_in_memory(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    throttled = ThrottledLog(log)
    for index in range(50_000):
        throttled.log(index * 1e-4, f"nonsense {index}")
    assert len(caplog.records) < 5 * (ThrottledLog.MOST + 15)
    assert len(throttled._held) + len(throttled._next) < 3000
    throttled.flush(100.0)
    counted = sum(getattr(record, "fields", {}).get("held_back", 0) for record in caplog.records)
    lines = sum("held back" not in line for line in told(caplog))
    assert counted + lines == 50_000


# --- formats ---


def lines(form: str, level: str = "info") -> tuple[io.StringIO, formatting.Logging]:
    stream = io.StringIO()
    return stream, formatting.setup(form, level, stream)


def raised() -> ValueError:
    def model() -> None:
        raise ValueError("line one\nline two")

    try:
        model()
    except ValueError as error:
        return error
    raise AssertionError


def test_json_is_an_object_a_line_with_fields_and_traceback() -> None:
    stream, setup = lines("json")
    with setup:
        extra = {"fields": {"client": "arm", "request_id": 7}}
        logging.getLogger("test").warning("model %r failed", "p", exc_info=raised(), extra=extra)
        logging.getLogger("test").info("two\nlines")
        logging.getLogger("test").debug("not asked for")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == "model 'p' failed"
    assert (first["level"], first["logger"]) == ("warning", "test")
    assert (first["client"], first["request_id"]) == ("arm", 7)
    assert first["error"] == "ValueError: line one\nline two"
    assert "in model" in first["traceback"]
    assert second["message"] == "two\nlines"
    assert second["time"].endswith("Z") and len(second["time"]) == len("2026-01-01T00:00:00.000Z")


def test_text_is_a_line_for_people_that_nothing_from_outside_can_break() -> None:
    stream, setup = lines("text")
    with setup:
        extra = {"fields": {"client": 'a "b"', "type": "", "evil": "\x1b[2J\n", "request_id": 7}}
        logging.getLogger("test").warning("it\nfailed", exc_info=raised(), extra=extra)
        logging.getLogger("test").info("all is well")
    first, second = stream.getvalue().splitlines()
    assert " WARNING it\\nfailed error=" in first
    assert r'error="ValueError: line one\\nline two"' in first
    assert 'at="test_logs.py:' in first
    assert r'client="a \"b\"" type="" evil=\x1b[2J\n request_id=7' in first
    assert second.endswith(" INFO all is well")


def test_text_shows_tracebacks_when_debugging() -> None:
    stream, setup = lines("text", "debug")
    with setup:
        logging.getLogger("test").warning("it failed", exc_info=raised())
    assert "Traceback" in stream.getvalue()


def test_what_was_set_up_is_undone() -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    _, setup = lines("text", "error")
    setup.close()
    assert (logging.getLogger().handlers, logging.getLogger().level) == before


# --- never in the way ---


def test_a_reader_that_stops_reading_costs_lines_and_says_how_many() -> None:
    begun, release = threading.Event(), threading.Event()
    got: list[str] = []

    def write(record: logging.LogRecord, line: str) -> None:
        begun.set()
        assert release.wait(SOON_S)
        got.append(line)

    outlet = formatting.Outlet(write)
    outlet.setFormatter(formatting.TextLines(stamped=False))
    logger = logging.Logger("test")
    logger.addHandler(outlet)
    logger.warning("first")
    assert begun.wait(SOON_S)
    for index in range(20_000):
        logger.warning("%d", index)  # would wait here if it could
    assert outlet.lost == 10_000
    release.set()
    outlet.close()
    assert got[:3] == ["first", "10000 lines of the log were lost", "0"]
    assert len(got) == 10_002


def test_a_wrong_format_string_or_a_broken_stream_harms_nobody() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            if "first" in text:
                raise OSError("disk full")
            return super().write(text)

    stream = Broken()
    setup = formatting.setup("text", "info", stream)
    alone = logging.Logger("test")  # without the handlers of pytest
    alone.addHandler(setup.outlet)
    with setup:
        alone.info("first")
        alone.info("%d", "no number")
        alone.info("last")
    assert "no number" in stream.getvalue()
    assert stream.getvalue().endswith("last\n")


# --- of a server ---


def test_lines_about_a_request_say_whose_it_was() -> None:
    def policy(obs: dict[str, Any]) -> Any:
        raise ValueError("too far")

    stream, setup = lines("json")
    dispatcher = LocalDispatcher({"policy": policy})
    with setup, Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address, client_id="arm_1") as connection:
            model = connection.model("policy")
            for _ in range(50):
                model.observe(x=np.zeros(1))
                model.get_reply(LONG_MS)
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    failures = [each for each in said if each["message"].startswith("model 'policy' failed")]
    assert 0 < len(failures) < 20
    first = failures[0]
    assert (first["client"], first["model"]) == ("arm_1", "policy")
    assert first["request_id"] > 0
    assert first["error"] == "ValueError: too far" and "in policy" in first["traceback"]


def test_the_command_logs_json_and_goes_on_while_nobody_reads_its_log() -> None:
    ours, its = os.pipe()
    os.set_blocking(its, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(its, b"\n" * 512)  # full: the first line already finds no room
    os.set_blocking(its, True)
    server = subprocess.Popen(
        [sys.executable, "-m", "inferential_core.cli", "serve", "--dispatcher=local"]
        + ["--model=policy=loud_model:fail", "--bind=tcp://127.0.0.1:0", "--log-format=json"],
        cwd=os.path.dirname(os.path.dirname(__file__)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=its,
        text=True,
    )
    os.close(its)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        with Connection(address, client_id="arm") as connection:
            model = connection.model("policy")
            for _ in range(50):
                model.observe(x=np.zeros(1), text="broken")
                reply = model.get_reply(LONG_MS)
                assert reply is not None and "ValueError" in reply.error
    finally:
        server.terminate()
        with open(ours) as log:
            said = [json.loads(line) for line in log if line.strip()]
        server.communicate(timeout=30)
    assert any(each.get("client") == "arm" and "error" in each for each in said)


def test_models_in_processes_of_their_own_log_in_the_same_form(
    capfd: pytest.CaptureFixture[str],
) -> None:
    dispatcher = LocalDispatcher({"policy": loud_model.say}, process=["policy"])
    with formatting.setup("json"), Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address, client_id="arm") as connection:
            model = connection.model("policy")
            model.observe(text="here I am")
            assert model.get_reply(LONG_MS) is not None
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [each["level"] for each in said if each["message"] == "here I am"] == ["warning"]
