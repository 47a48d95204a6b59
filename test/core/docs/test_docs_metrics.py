"""docs/metrics.md: its programs run, and its tables name what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core.config.schema import MetricsConfig
from inferential_core.metrics.catalog import CATALOG

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "metrics.md").read_text()
LONG_MS = 20_000


def rows(first: str) -> list[list[str]]:
    """Rows of the table whose first column has this head, cell by cell."""
    table = re.search(rf"^\| {first} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    assert table is not None
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in table[1].splitlines()
    ]


def programs() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_of_metrics_is_the_catalog() -> None:
    heads = re.findall(r"^\| name \| (\w+) \|", PAGE, re.M)
    assert heads == ["unit", "type"]
    told = [(name, unit, labels, meaning) for name, unit, labels, meaning in rows("name")]
    assert told == [
        (metric.name, metric.unit, ", ".join(metric.labels), metric.meaning) for metric in CATALOG
    ]


def test_the_table_of_prometheus_names_all_families_with_type_and_labels() -> None:
    pytest.importorskip("prometheus_client")
    from inferential_core.metrics.prometheus import ServerCollector

    with Server(
        "tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": lambda obs: obs["x"]})
    ) as server:
        with Connection(server.address) as connection:
            connection.model("policy").observe(x=np.zeros(1))
            families = list(ServerCollector(server).collect())
    there = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in families
    }
    page = PAGE.partition("## Prometheus")[2]
    told = re.findall(r"^\| `(inferential_\w+)` \| (\w+) \| ([\w, ]*) \|", page, re.M)
    assert {(name, kind) for name, kind, _ in told} == there
    assert len(told) == len(there)
    labels = {name: label for name, _, label in told}
    for family in families:
        name = family.name + ("_total" if family.type == "counter" else "")
        for sample in family.samples:
            has = set(sample.labels) - {"le"}
            assert has == set(labels[name].split(", ")) - {""}, name


def test_the_programs_run() -> None:
    asking, hearing, exposing, tracing = programs()
    with Server(
        "tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": lambda obs: obs["x"]})
    ) as server:
        names = {"server": server}
        exec(hearing, names)
        with Connection(server.address, client_id="arm_1") as connection:
            model = connection.model("policy")
            model.observe(x=np.zeros(1))
            assert model.get_reply(LONG_MS) is not None
        exec(asking, names)
        assert names["arm"].count == 1 and names["depth"] == 0.0
        pytest.importorskip("prometheus_client")
        exec(exposing, names)
        assert b"inferential_received_total 1.0" in names["text"]
    pytest.importorskip("opentelemetry.sdk")
    # The provider is global: in a process of its own.
    subprocess.run([sys.executable, "-c", tracing], check=True, timeout=60)


def test_what_it_says_of_settings_is_so() -> None:
    defaults = MetricsConfig()
    assert f"`metrics.prometheus_clients` ({defaults.prometheus_clients})" in PAGE
    assert (
        f"`metrics.ring_buffer_size` points of a metric are kept ({defaults.ring_buffer_size:,})"
        in PAGE
    )
    assert f"`metrics.traces_per_s` requests ({defaults.traces_per_s:.0f})" in PAGE


def test_every_file_linked_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
