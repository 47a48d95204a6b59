"""The configuration tree, and what is said about mistakes in it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from inferential_core import ConfigError
from inferential_core.config import InferentialConfig, chosen_bind, load_config
from inferential_core.config.schema import SchedulingConfig
from inferential_core.wire.limits import Limits


def test_the_published_defaults_hold() -> None:
    config = InferentialConfig()
    assert config.transport.bind == "tcp://*:5555"
    scheduling = config.scheduling
    assert scheduling.strategy == "deadline_aware"
    assert (scheduling.request_ttl_ms, scheduling.overflow_policy) == (5000, "drop_oldest")
    assert scheduling.max_retries == 0
    assert config.clients.defaults.priority == 1


def test_the_limits_are_those_of_the_wire() -> None:
    assert InferentialConfig().limits.as_limits() == Limits()


@pytest.mark.parametrize("client_id", ["agent-01", 7])
def test_client_ids_are_strings_or_integers(client_id: str | int) -> None:
    config = InferentialConfig(clients={"known": [{"id": client_id}]})
    assert config.clients.known[0].id == client_id
    assert type(config.clients.known[0].id) is type(client_id)


@pytest.mark.parametrize(
    ("tree", "key", "nearest"),
    [
        ({"schedulin": {}}, "schedulin", "scheduling"),
        ({"scheduling": {"max_queue_sise": 5}}, "max_queue_sise", "max_queue_size"),
        ({"transport": {"recv_hw": 5}}, "recv_hw", "recv_hwm"),
        ({"clients": {"known": [{"id": "a", "priorty": 1}]}}, "priorty", "priority"),
        (
            {"scheduling": {"deadline_aware": {"urgency": 1.0}}},
            "urgency",
            "urgency_weight",
        ),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(
    tree: dict[str, Any], key: str, nearest: str
) -> None:
    with pytest.raises(ValidationError, match=f"unknown key '{key}': did you mean '{nearest}'"):
        InferentialConfig(**tree)


def test_an_unknown_key_near_nothing_is_told_with_all_keys() -> None:
    with pytest.raises(ValidationError, match="unknown key 'zzz': known: enabled, prometheus_clients"):
        InferentialConfig(metrics={"zzz": 1})


@pytest.mark.parametrize(
    "scheduling",
    [
        {"max_batch_size": 0},
        {"max_queue_size": 0},
        {"request_ttl_ms": 0},
        {"request_ttl_ms": math.nan},
        {"max_retries": -1},
        {"overflow_policy": "drop_all"},
        {"batch_optimized": {"max_wait_ms": -1}},
        {"priority_tiered": {"num_tiers": 0}},
        {"deadline_aware": {"age_weight": -1}},
    ],
)
def test_values_out_of_range_are_errors(scheduling: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SchedulingConfig(**scheduling)


def test_a_configuration_cannot_be_changed_by_accident() -> None:
    config = InferentialConfig()
    with pytest.raises(ValidationError):
        config.scheduling.max_queue_size = 5  # type: ignore[misc]


# --- files ---


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


TREE = {"scheduling": {"strategy": "round_robin"}, "clients": {"known": [{"id": 7}]}}


@pytest.mark.parametrize("name", ["server.yaml", "server.yml"])
def test_yaml_is_loaded(tmp_path: Path, name: str) -> None:
    text = """
# café: a comment that is not ASCII
scheduling:
  strategy: round_robin
clients:
  known:
    - id: 7
"""
    assert load_config(write(tmp_path, name, text)) == InferentialConfig(**TREE)


def test_json_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path, "server.json", json.dumps(TREE))
    assert load_config(str(path)) == InferentialConfig(**TREE)


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "server.yaml", "")) == InferentialConfig()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "scheduling: {request_ttl_ms: soon}", r"scheduling.request_ttl_ms: .*'soon'"),
        ("b.yaml", "scheduling: {max_retrys: 1}", "scheduling: unknown key 'max_retrys'.*retries"),
        ("c.yaml", "clients: {known: [{id: a}, {model: x}]}", r"clients.known.1.id: "),
        ("d.yaml", "scheduling: [1, 2]", r"scheduling: .*\[1, 2\]"),
        ("e.yaml", "a: b: c", "mapping values are not allowed"),
        ("f.yaml", "- a\n- b", "a mapping of sections is expected, not list"),
        ("g.yaml", "7: 8", "keywords must be strings|unknown key"),
        ("h.yaml", "scheduling: {7: 8}", "scheduling: unknown key 7"),
        ("i.json", '{"scheduling": ', "line 1 column"),
        ("j.json", "[]", "a mapping of sections is expected, not list"),
        ("k.json", b"\xff\xfe\x00", "not a text file"),
        ("l.yaml", "metrics: {ring_buffer_size: 1}", r"metrics.ring_buffer_size: .*given: 1"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_file_key_and_fix(
    tmp_path: Path, name: str, text: str | bytes, said: str
) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n  " not in str(caught.value) or name == "e.yaml"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = "scheduling: {max_retries: -1}\nmetrics: {enabled: perhaps}"
    with pytest.raises(ConfigError, match="scheduling.max_retries.*metrics.enabled"):
        load_config(write(tmp_path, "server.yaml", text))


@pytest.mark.parametrize(("name", "said"), [("missing.yaml", "No such file"), (".", "directory")])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / name)


def test_commands_and_nodes_listen_on_loopback_unless_an_address_was_configured() -> None:
    silent = InferentialConfig(scheduling={"strategy": "round_robin"})
    assert chosen_bind(silent) == "tcp://127.0.0.1:5555"
    configured = InferentialConfig(transport={"bind": "tcp://*:7000"})
    assert chosen_bind(configured) == "tcp://*:7000"
    assert chosen_bind(configured, "tcp://127.0.0.1:1") == "tcp://127.0.0.1:1"
