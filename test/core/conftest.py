"""Fixtures of the core's tests; helpers beside them can be imported by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2]))  # `benchmarks`, behind the packages under test


@pytest.fixture(scope="module")
def ray_cluster(lasting_processes: set[int]) -> Iterator[Any]:
    """A Ray cluster with Serve on two cores, for the tests of a module."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    from ray_cluster import Cluster

    cluster = Cluster()
    lasting_processes.add(cluster.process.pid)
    yield cluster
    cluster.close()
