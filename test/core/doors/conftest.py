"""A model that works only when the test lets it."""

from __future__ import annotations

import threading

import pytest

BOUND_S = 20.0


class Gate:
    """Put around a model, it holds the model's calls until it is opened."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._busy = threading.Event()

    def __call__(self, model):
        gate = self

        class Held:
            def infer_batch(self, observations):
                gate._busy.set()
                assert gate._opened.wait(BOUND_S)
                return model.infer_batch(observations)

        return Held()

    def wait_until_busy(self) -> None:
        assert self._busy.wait(BOUND_S)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open()
