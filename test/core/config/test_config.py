"""The configuration tree, and what is said about mistakes in it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from inferential_core import ConfigError
from inferential_core.config import InferentialConfig, chosen_bind, load_config
from inferential_core.config.keys import all_keys
from inferential_core.config.schema import SchedulingConfig
from inferential_core.wire.limits import Limits


@pytest.fixture(autouse=True)
def only_what_is_set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFERENTIAL_HTTP__BIND", raising=False)  # all tests run with it


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
    with pytest.raises(ValidationError, match="unknown key 'zzz': there are enabled, prom"):
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
        (
            "a.yaml",
            "scheduling:\n  request_ttl_ms: soon",
            ":2: scheduling.request_ttl_ms: 'soon' is not a number above 0",
        ),
        (
            "b.yaml",
            "scheduling:\n  # a comment\n  max_retrys: 1",
            ":3: scheduling.max_retrys: unknown key: did you mean 'max_retries'?",
        ),
        (
            "c.yaml",
            "clients:\n  known:\n    - id: a\n    - model: x",
            ":4: clients.known.1.id: is missing: a text, or a whole number",
        ),
        ("d.yaml", "\nscheduling: [1, 2]", ":2: scheduling: [1, 2] is not a mapping"),
        ("e.yaml", "a: b: c", ":1:5: this is no YAML: mapping values are not allowed here"),
        ("f.yaml", "- a\n- b", ": a mapping of sections is expected, not list"),
        ("g.yaml", "7: 8", ":1: 7: unknown key: there are admission"),
        ("h.yaml", "scheduling: {7: 8}", ":1: scheduling.7: unknown key: there are batch"),
        ("i.json", '{"scheduling": ', ":1:16: this is no JSON: Expecting value"),
        ("j.json", "[]", ": a mapping of sections is expected, not list"),
        ("k.json", b"\xff\xfe\x00", ": not a text file"),
        (
            "l.yaml",
            "metrics: {ring_buffer_size: 1}",
            ":1: metrics.ring_buffer_size: 1 is not a whole number from 100 to 10000000",
        ),
        (
            "m.json",
            '{"limits": {"max_tensors": 1},\n "scheduling":\n {"mode": [{}, 1.5e3, "}"],'
            '\n "deadline_aware":\n {"mode": "fare"}}}',
            ":5: scheduling.deadline_aware.mode: 'fare' is not one of 'protect', 'fair',"
            " 'adaptive'",
        ),
        (
            "n.yaml",
            "base: &base {strategy: 7}\nscheduling:\n  <<: *base\n  policy: [1]",
            ":4: scheduling.policy: [1] is not a text, or null",
        ),
        (
            "o.yaml",
            "clients:\n  known:\n  - {id: 7}\n  - {id: '7'}",
            ":2: clients.known: entries 0 and 1 are both of client '7'",
        ),
        ("p.yaml", "metrics: {}\nmetrics: {}", ":2: metrics: is there already, in "),
        ("q.json", '{"ray": 1,\n"ray": 2}', ":2: ray: is there already, in "),
        ("r.yaml", "ray: &it\n  deployment: *it", ":1: ray.deployment: holds itself"),
        ("s.yaml", "ray: !!python/object:os.system {}", ":1:6: this is no YAML: could not deter"),
        ("t.yaml", "clients: {accept_unknown: perhaps}", "'perhaps' is not true or false"),
        (
            "u.yaml",
            "dispatch:\n  models:\n    pi0: {target: 'a:b'}",
            ":3: dispatch.models.pi0: {'target': 'a:b'} is not a text",
        ),
        (
            "v.yaml",
            "lease:\n  models:\n    pi0: -1",
            ":3: lease.models.pi0: -1 is not a number above 0, at most 3600000",
        ),
        (
            "w.yaml",
            "dispatch:\n  models:\n    7: a:b",
            ":3: dispatch.models.7: this key is not a text: put it in quotes",
        ),
    ],
)
def test_a_mistake_in_a_file_is_told_with_line_key_value_and_what_is_allowed(
    tmp_path: Path, name: str, text: str | bytes, said: str
) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    told = str(caught.value).splitlines()
    assert all(line.startswith(str(path)) for line in told)
    assert any(said in line.removeprefix(str(path)) for line in told), told


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "metrics:\n  enabled: 7\n  enabeld: true\nscheduling: {max_retries: -1, strateg: x}\nx: 1"
    )
    path = write(tmp_path, "server.yaml", text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    told = [
        line.removeprefix(f"{path}:").split(": ")[:2] for line in str(caught.value).split("\n")
    ]
    assert told == [
        ["2", "metrics.enabled"],
        ["3", "metrics.enabeld"],
        ["4", "scheduling.strateg"],
        ["4", "scheduling.max_retries"],
        ["5", "x"],
    ]


def test_a_long_value_is_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path, "server.yaml", f"metrics: {{enabled: {'x' * 10_000}}}")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert len(str(caught.value)) < 300


# --- the schema ---


def test_every_key_says_what_it_is_for_and_what_is_allowed() -> None:
    for key in all_keys():
        assert len(key.description) > 5, f"{key.dotted} has no description"
        assert not key.description.endswith("."), key.dotted
        assert key.allowed != "anything", key.dotted


def test_every_number_is_bounded_on_both_sides() -> None:
    unbounded = {
        key.dotted
        for key in all_keys()
        if "number" in key.allowed and not re.search("from .* to|(at most|below) ", key.allowed)
    }
    # .inf: never; an id that is a number is a name
    assert unbounded == {"scheduling.request_ttl_ms", "clients.known.*.id"}


def test_the_defaults_are_within_their_bounds() -> None:
    InferentialConfig(**InferentialConfig().model_dump(exclude_none=True))


# --- the environment ---


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "server.yaml", "scheduling: {max_batch_size: 4, max_retries: 1}")
    environ = {
        "INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE": "16",
        "INFERENTIAL_SCHEDULING__DEADLINE_AWARE__AGE_WEIGHT": "1.5",
        "INFERENTIAL_CLIENTS__ACCEPT_UNKNOWN": "false",
        "INFERENTIAL_CLIENTS__KNOWN": '[{"id": "arm", "priority": 0}]',
        "INFERENTIAL_SCHEDULING__MAX_RETRIES": "",  # empty: not set
        "INFERENTIAL_TEST_RUN": "7",  # not of the configuration
        "HOME": "/nowhere",
    }
    config = load_config(path, environ)
    assert (config.scheduling.max_batch_size, config.scheduling.max_retries) == (16, 1)
    assert config.scheduling.deadline_aware.age_weight == 1.5
    assert not config.clients.accept_unknown
    assert (config.clients.known[0].id, config.clients.known[0].priority) == ("arm", 0)


def test_mistakes_of_the_file_and_of_the_environment_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "server.yaml"
    path.write_text("scheduling:\n  max_retrys: 3\n")
    environ = {
        "INFERENTIAL_CLIENTS__KNOWN": '[{"id":',
        "INFERENTIAL_METRICS__ENABLED": "perhaps",
        "INFERENTIAL_SCHEDULING__MAX_BATCH": "16",
    }
    with pytest.raises(ConfigError) as raised:
        load_config(path, environ)
    told = str(raised.value)
    assert len(told.splitlines()) == 4
    assert all(name in told for name in environ) and f"{path}:2: scheduling.max_retrys" in told


def test_the_environment_of_the_process_counts_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INFERENTIAL_LIMITS__MAX_TENSORS", "3")
    assert load_config().limits.max_tensors == 3
    assert load_config(environ={}).limits.max_tensors == Limits.max_tensors


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("SCHEDULING__MAX_BATCH", "1", "did you mean 'INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE'?"),
        ("SCHEDULING_MAX_BATCH_SIZE", "1", "mean 'INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE'?"),
        ("SCHEDULING__max_batch_size", "1", "mean 'INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE'?"),
        ("SCHEDULING__MAX_BATCH_SIZE", "many", "scheduling.max_batch_size: 'many' is not a whole"),
        ("CLIENTS__KNOWN", "[{", "this is no JSON"),
        ("CLIENTS__KNOWN", '[{"ident": 1}]', "clients.known.0.ident: unknown key"),
    ],
)
def test_a_mistake_in_the_environment_is_told_with_the_name_of_the_variable(
    name: str, text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=f"^INFERENTIAL_{name}.*: ") as caught:
        load_config(environ={f"INFERENTIAL_{name}": text})
    assert said in str(caught.value)


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
