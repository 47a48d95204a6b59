"""What Prometheus scrapes agrees with the server's own accounting, and is bounded."""

from __future__ import annotations

import gc
import json
import re
import threading
import urllib.request
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from accounting import assert_balanced
from hypothesis import given
from hypothesis import strategies as st

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, UsageError
from inferential_core.metrics.shown import COUNTED, ShownClients

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from inferential_core.metrics.prometheus import exposition

ROOT = Path(__file__).resolve().parents[3]
LONG_MS = 20_000
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(server: Server) -> Samples:
    return parsed(exposition(server))


def parsed(text: bytes) -> Samples:
    """(name, labels) -> value; a series that comes twice is an error to Prometheus."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def total(samples: Samples, name: str, **labels: str) -> float:
    wanted = labels.items()
    return sum(
        value
        for (each, has), value in samples.items()
        if each == name and dict(has).items() >= wanted
    )


class Policy:
    """Fails where it is told to."""

    def infer_batch(self, observations: list[Any]) -> list[Any]:
        return [
            ValueError("broken") if obs["x"][0] < 0 else {"actions": obs["x"]}
            for obs in observations
        ]


def make_server(**metrics: Any) -> Server:
    config = InferentialConfig(metrics=metrics, health={"failures": 0})
    dispatcher = LocalDispatcher({"policy": Policy()})
    return Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher)


@pytest.fixture
def server() -> Iterator[Server]:
    with make_server() as server:
        yield server


def drive(server: Server, name: str, values: list[int], window: int = 8) -> None:
    """Observations of one client, `window` of them under way."""
    with Connection(server.address, client_id=name) as connection:
        model = connection.model("policy")
        for index, value in enumerate(values):
            model.observe(x=np.float32([value]))
            if index >= window:
                model.get_reply(LONG_MS)
        for _ in values[-window:]:
            model.get_reply(LONG_MS)


def test_every_scrape_balances_while_a_fleet_is_served(server: Server) -> None:
    robots = [
        threading.Thread(target=drive, args=(server, f"robot_{n}", [1, 1, -1] * 100))
        for n in range(4)
    ]
    for robot in robots:
        robot.start()
    scrapes = 0
    while any(robot.is_alive() for robot in robots):
        samples = scrape(server)
        scrapes += 1
        ended = total(samples, "inferential_requests_total")
        waiting = total(samples, "inferential_queued") + total(samples, "inferential_in_flight")
        assert total(samples, "inferential_received_total") == ended + waiting
        answered = total(samples, "inferential_requests_total", outcome="ok")
        assert total(samples, "inferential_e2e_latency_seconds_count") == answered
        assert total(samples, "inferential_client_ok_total") == answered
    for robot in robots:
        robot.join()
    assert scrapes
    samples, status = scrape(server), assert_balanced(server)
    assert total(samples, "inferential_received_total") == status["received"] == 1200
    assert total(samples, "inferential_requests_total", outcome="ok") == status["ok"] == 800
    assert total(samples, "inferential_requests_total", outcome="error") == status["errors"] == 400
    assert total(samples, "inferential_queue_wait_seconds_count", model="policy") == 1200
    assert total(samples, "inferential_batch_size_sum", model="policy") == 1200
    assert total(samples, "inferential_model_failed_total", model="policy") == 400


def test_prometheus_the_page_and_the_server_agree_to_the_request() -> None:
    pytest.importorskip("uvicorn")
    config = InferentialConfig(http={"bind": "127.0.0.1:0"}, health={"failures": 0})
    dispatcher = LocalDispatcher({"policy": Policy()})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        for name in ("arm", "leg"):
            drive(server, name, [1, -1, 1])
        with urllib.request.urlopen(f"{server.page}/metrics", timeout=20) as answer:
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            scraped = parsed(answer.read())
        with urllib.request.urlopen(f"{server.page}/api/status", timeout=20) as answer:
            shown = json.load(answer)
        status = assert_balanced(server)
    told = {name: status[name] for name in ("received", "ok", "errors", "rejected", "queued")}
    assert {name: shown[name] for name in told} == told
    assert total(scraped, "inferential_received_total") == status["received"] == 6
    assert total(scraped, "inferential_requests_total", outcome="ok") == status["ok"] == 4
    assert total(scraped, "inferential_requests_total", outcome="error") == status["errors"] == 2
    for client in status["clients"]:
        of_client = {"client": client["id"]}
        assert total(scraped, "inferential_client_ok_total", **of_client) == client["ok"] == 2


def test_a_server_that_was_never_started_has_nothing_to_tell() -> None:
    with pytest.raises(UsageError, match="never started"):
        exposition(make_server())


def test_without_metrics_the_accounting_is_still_told() -> None:
    with make_server(enabled=False) as server:
        drive(server, "robot", [1] * 10)
        samples = scrape(server)
    assert total(samples, "inferential_requests_total", outcome="ok") == 10
    assert total(samples, "inferential_e2e_latency_seconds_count") == 0


@pytest.mark.parametrize("name", ["other", 'a"b\\c\nd', "{client=}", "β"])
def test_clients_with_odd_names_break_nothing(name: str) -> None:
    with make_server(prometheus_clients=2) as server:
        for client in ("x", "y", name, "z"):
            drive(server, client, [1])
        samples = scrape(server)
        server.reconfigure(
            server.config.model_copy(
                update={
                    "metrics": server.config.metrics.model_copy(update={"prometheus_clients": 9})
                }
            )
        )
        everybody = scrape(server)
    assert total(samples, "inferential_client_ok_total") == 4
    assert total(samples, "inferential_client_ok_total", client="other") == 2
    assert total(everybody, "inferential_client_ok_total", client=name) == 1


def test_a_server_that_was_scraped_can_be_forgotten() -> None:
    server = make_server()
    with server:
        scrape(server)
    gone = weakref.ref(server)
    del server
    gc.collect()
    assert gone() is None


# --- which clients are shown ---


def row(name: str, received: int, connected: bool = True) -> dict[str, Any]:
    return {"id": name, "connected": connected, **dict.fromkeys(COUNTED, received)}


def test_the_busiest_are_shown_and_who_is_shown_stays() -> None:
    shown = ShownClients(2)
    first, others = shown.choose([row("a", 5), row("b", 9), row("c", 7)])
    assert ([each["id"] for each in first], others["received"]) == (["b", "c"], 5)
    second, others = shown.choose([row("a", 100), row("b", 9), row("c", 7)])
    assert ({each["id"] for each in second}, others["received"]) == ({"b", "c"}, 100)
    third, others = shown.choose([row("a", 100), row("b", 9, connected=False), row("c", 7)])
    assert ({each["id"] for each in third}, others["received"]) == ({"a", "c"}, 100)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abcdef"), st.tuples(st.integers(0, 9), st.booleans()), max_size=6
        ),
        max_size=20,
    ),
    st.integers(0, 4),
)
def test_counters_never_go_back_and_lose_nothing(looks: list[dict[str, Any]], most: int) -> None:
    """Clients work, leave, are forgotten and come back; each look is what they did since."""
    shown = ShownClients(most)
    done: dict[str, int] = {}
    before = by_name = 0
    for look in looks:
        done = {name: done.get(name, 0) + more for name, (more, _) in look.items()}
        rows = [row(name, done[name], connected) for name, (_, connected) in look.items()]
        chosen, others = shown.choose(rows)
        assert len(chosen) <= most
        assert others["received"] >= before
        before = others["received"]
        by_name += sum(look[each["id"]][0] for each in chosen)
    assert before + by_name == sum(more for look in looks for more, _ in look.values())


# --- dashboard and scraping ---


def names_of(text: str) -> set[str]:
    """All series there can be, also those without a value yet."""
    names: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        suffixes = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        names |= {name + suffix for suffix in suffixes}
    return names


def test_the_dashboard_asks_only_for_what_there_is(server: Server) -> None:
    drive(server, "robot", [1])
    names = names_of(exposition(server).decode())
    dashboard = json.loads((ROOT / "config" / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [each["query"] for each in dashboard["templating"]["list"]]
    asked = set(re.findall(r"\b(?:inferential|process)_\w+", " ".join(queries)))
    assert len(asked) > 20
    assert asked <= names
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_the_alarms_ask_only_for_what_there_is(server: Server) -> None:
    names = names_of(exposition(server).decode())
    rules = yaml.safe_load((ROOT / "config" / "alerts.yaml").read_text())["groups"][0]["rules"]
    for rule in rules:
        asked = set(re.findall(r"inferential_\w+", rule["expr"]))
        assert asked and asked <= names, rule["alert"]
        assert set(rule) <= {"alert", "expr", "for", "annotations"}


def test_the_scrape_configuration_asks_where_commands_serve() -> None:
    config = yaml.safe_load((ROOT / "config" / "prometheus.yaml").read_text())
    assert (ROOT / "config" / config["rule_files"][0]).exists()
    assert config["scrape_configs"][0]["static_configs"][0]["targets"] == ["127.0.0.1:5580"]
