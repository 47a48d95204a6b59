"""The server node: its lifecycle, what it says of itself, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from inferential.msg import ServerStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from inferential_core import Connection, Status

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SERVER = "inferential_ros.server_node"
MODELS = ["policy:=robot_models:Constant"]
SOON_S = 20.0


def ask(address: str, model_id: str = "policy") -> Any:
    """The reply to one observation."""
    with Connection(server=address, client_id="tester", client_type="test") as connection:
        model = connection.model(model_id, latency_budget_ms=10_000)
        model.observe(state=np.zeros(2, dtype=np.float32))
        return model.get_reply(timeout_ms=10_000)


def test_it_serves_and_reports(graph: Any, start: Callable[..., Any], address: str) -> None:
    server = start(SERVER, bind=address, models=MODELS, status_period=0.1)
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    first = inbox.wait()
    assert (first.bind, first.received, [m.id for m in first.models]) == (address, 0, ["policy"])
    assert ask(address).status is Status.OK
    report = inbox.wait(lambda m: m.ok == 1)
    assert (report.received, report.malformed, report.models[0].served) == (1, 0, 1)
    (model,) = report.models
    assert (model.replicas, model.circuit) == (1, model.CIRCUIT_CLOSED)
    assert model.latency > 0 and model.error_rate == 0
    assert [(c.id, c.type, c.ok) for c in report.clients] == [("tester", "test", 1)]
    assert server.stop() == 0


def test_deactivating_frees_the_address_and_activating_serves_again(
    graph: Any, start: Callable[..., Any], address: str
) -> None:
    start(SERVER, bind=address, models=MODELS, autostart=False)

    def change(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert graph.call(ChangeState, "/inference_server/change_state", request).success

    change(Transition.TRANSITION_CONFIGURE)
    for _ in range(2):
        change(Transition.TRANSITION_ACTIVATE)
        assert ask(address).status is Status.OK
        change(Transition.TRANSITION_DEACTIVATE)
    change(Transition.TRANSITION_CLEANUP)
    change(Transition.TRANSITION_CONFIGURE)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (
            "ros",
            r"^\[WARN\] \[[\d.]+\] \[inference_server\]: rejected an .* client=tester model=polcy",
        ),
        (
            "text",
            r"^\S+Z WARNING rejected an observation .* client=tester model=polcy request_id=\d",
        ),
        ("json", r'^\{"time": .*"level": "warning", .*"client": "tester", "model": "polcy", '),
    ],
)
def test_what_the_server_logs_goes_where_the_parameter_says(
    graph: Any, start: Callable[..., Any], address: str, form: str, told: str
) -> None:
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    server = start(SERVER, bind=address, models=MODELS, log_format=form)
    inbox.wait()
    assert ask(address, "polcy").status is Status.REJECTED
    assert server.stop() == 0
    assert len(re.findall(told, server.text(), re.M)) == 1, server.text()


def test_it_says_where_the_fleets_page_is(
    graph: Any, start: Callable[..., Any], address: str
) -> None:
    pytest.importorskip("uvicorn", reason="the page needs uvicorn")
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    server = start(SERVER, bind=address, models=MODELS, http="127.0.0.1:0")
    inbox.wait()
    assert ask(address).status is Status.OK
    (page,) = re.findall(r"the fleet's page: (http://127\.0\.0\.1:\d+)", server.text())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{page}/api/status", timeout=10) as answer:
        assert json.load(answer)["ok"] == 1
    assert server.stop() == 0


@pytest.mark.parametrize("off", ["off", False], ids=["text", "as YAML reads it"])
def test_the_page_may_be_off(
    graph: Any, start: Callable[..., Any], address: str, off: object
) -> None:
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    server = start(SERVER, bind=address, models=MODELS, http=off)
    inbox.wait()
    assert ask(address).status is Status.OK
    assert server.stop() == 0
    assert "page" not in server.text()


def test_a_page_address_that_is_a_number_is_named(start: Callable[..., Any], address: str) -> None:
    server = start(SERVER, bind=address, models=MODELS, http=5580)
    assert server.wait() == 1
    assert "parameter http: expected a text, got 5580" in server.text()


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"models": ["policy:=robot_models:Constnt"]}, "'robot_models' has no 'Constnt'"),
        ({"models": MODELS, "strategy": "dedline_aware"}, "dedline_aware"),
        ({"models": MODELS, "config_file": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"models": MODELS, "process": ["polcy"]}, "model 'polcy' is none of"),
        ({"models": MODELS, "lanes": -1}, "lanes must be at least 1"),
        ({"models": MODELS, "replicas": -1}, "replicas must be at least 1, or 0 for one, not -1"),
        (
            {"models": MODELS, "lanse": 2, "lanes": -1},
            "parameter 'lanse' is unknown and changes nothing: did you mean 'lanes'?",
        ),
        ({"models": [1, 2]}, "parameter models: expected a list of texts, got [1, 2]"),
        ({"models": MODELS, "status_period": "often"}, "status_period"),
        ({"models": MODELS, "log_format": "xml"}, "log_format: 'xml' is none of ros, text, json"),
    ],
    ids=[
        "attribute",
        "strategy",
        "config_file",
        "process",
        "lanes",
        "replicas",
        "misspelt",
        "models",
        "type",
        "log_format",
    ],
)
def test_a_wrong_setting_ends_an_autostarted_server(
    start: Callable[..., Any], address: str, parameters: dict[str, Any], told: str
) -> None:
    server = start(SERVER, bind=address, **parameters)
    assert server.wait() == 1
    assert told in server.text() and "Traceback" not in server.text()


def test_a_server_without_models_starts_and_tells_everybody_that_it_has_none(
    graph: Any, start: Callable[..., Any], address: str
) -> None:
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    server = start(SERVER, bind=address)
    inbox.wait()
    reply = ask(address)
    assert reply.status is Status.REJECTED and "serves no models" in reply.error
    assert "parameter models is empty" in server.text()
    assert server.stop() == 0


def test_an_address_in_use_is_told(start: Callable[..., Any], address: str, graph: Any) -> None:
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    start(SERVER, bind=address, models=MODELS)
    inbox.wait()
    second = start(SERVER, bind=address, models=MODELS)
    assert second.wait() == 1 and address in second.text()


def test_it_takes_a_configuration_file(
    graph: Any, start: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    config = tmp_path / "server.yaml"
    config.write_text(f"transport:\n  bind: {address}\nscheduling:\n  strategy: round_robin\n")
    start(SERVER, config_file=str(config), models=MODELS)
    report = graph.inbox(ServerStatus, "/server_status", LATCHED).wait()
    assert (report.bind, report.strategy) == (address, "round_robin")


def test_it_reads_its_configuration_again_when_the_file_changes_and_on_a_hangup(
    graph: Any, start: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    config = tmp_path / "server.yaml"
    config.write_text("scheduling: {strategy: round_robin}\n")
    given = {"bind": address, "http": "127.0.0.1:0", "config_file": str(config)}
    server = start(SERVER, **given, models=MODELS, status_period=0.1)
    inbox = graph.inbox(ServerStatus, "/server_status", LATCHED)
    assert inbox.wait().strategy == "round_robin"
    config.write_text("scheduling: {strategy: batch_optimized}\n")
    inbox.wait(lambda report: report.strategy == "batch_optimized")
    config.write_text("scheduling: {strategy: priority_tiered}\n")
    server.process.send_signal(signal.SIGHUP)
    report = inbox.wait(lambda report: report.strategy == "priority_tiered")
    assert report.bind == address
    assert "restart" not in server.text()  # parameters win over each state of the file


def test_a_local_model_may_have_processes_and_a_time_limit(
    graph: Any, start: Callable[..., Any], address: str
) -> None:
    server = start(SERVER, bind=address, models=MODELS, process="policy", lanes=2, timeout=20.0)
    report = graph.inbox(ServerStatus, "/server_status", LATCHED).wait()
    (model,) = report.models
    assert (model.lanes, model.replicas) == (2, 2)
    assert ask(address).status is Status.OK
    assert server.stop() == 0


def test_one_model_needs_no_brackets(graph: Any, start: Callable[..., Any], address: str) -> None:
    start(SERVER, bind=address, models=MODELS[0])
    report = graph.inbox(ServerStatus, "/server_status", LATCHED).wait()
    assert [model.id for model in report.models] == ["policy"]


def test_a_server_whose_loop_ended_ends_its_process(
    graph: Any, start: Callable[..., Any], address: str
) -> None:
    server = start("broken_server", bind=address, models=MODELS, status_period=0.1)
    graph.inbox(ServerStatus, "/server_status", LATCHED).wait()
    with Connection(server=address, client_id="tester", client_type="test") as connection:
        connection.model("policy").observe(state=np.zeros(2, dtype=np.float32))
        assert server.wait() == 1
    assert "the server's loop ended: Defect('a defect')" in server.text()


def test_a_server_that_is_drained_answers_the_call_and_ends_well(
    graph: Any, start: Callable[..., Any], address: str
) -> None:
    server = start(SERVER, bind=address, models=MODELS, status_period=0.1)
    graph.inbox(ServerStatus, "/server_status", LATCHED).wait()
    assert graph.call(Trigger, "/inference_server/drain", Trigger.Request()).success
    assert server.wait() == 0


@pytest.mark.parametrize(
    ("model", "process", "told"),
    [
        ("SlowToMake", [], signal.SIGINT),
        ("SlowToWarm", [], signal.SIGTERM),
        ("SlowToMake", ["policy"], signal.SIGTERM),
    ],
)
def test_a_signal_is_obeyed_while_a_model_is_made_or_warmed_up(
    start: Callable[..., Any],
    address: str,
    model: str,
    process: list[str],
    told: signal.Signals,
) -> None:
    more = {"process": process} if process else {}
    server = start(SERVER, bind=address, models=[f"policy:=robot_models:{model}"], **more)
    deadline = time.monotonic() + SOON_S
    while "begun" not in server.text():
        assert time.monotonic() < deadline, server.text()
        time.sleep(0.02)
    server.process.send_signal(told)
    assert server.wait() == 0
    assert "the node was told to end meanwhile" in server.text()
    assert "Traceback" not in server.text()


def test_a_model_beside_whoever_starts_the_node_is_found_and_its_error_is_told_with_the_place(
    tmp_path: Path, address: str
) -> None:
    (tmp_path / "beside.py").write_text(
        "def make():\n    raise FileNotFoundError('weights.pt is not there')\n"
    )
    script = Path(__file__).parents[3] / "scripts" / "server_node"
    given = [f"bind:={address}", 'models:=["policy:=beside:make"]', "dispatcher:=local"]
    command = [sys.executable, str(script), "--ros-args"]
    command += [word for rule in given for word in ("-p", rule)]
    for level, traceback in (("info", False), ("debug", True)):
        ran = subprocess.run(
            [*command, "--log-level", f"inference_server:={level}"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = ran.stdout + ran.stderr
        assert ran.returncode == 1
        assert "FileNotFoundError: weights.pt is not there (beside.py:2)" in said
        assert ("Traceback" in said) is traceback, said
