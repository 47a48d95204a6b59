"""Policies of LeRobot with a memory: histories of observations, ensembled actions, plans.

LeRobot keeps that memory in the policy and fills it in `select_action`, once for each step of the
robot. So each client has an instance of its own, which shares the weights, and is answered one
action for each observation: a robot asks at its control rate.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ...models.answers import ACTIONS
from ...models.context import InferenceContext
from .loaded import Loaded
from .observing import batch_of


class StepPolicy:
    """Answers one action (1, D) for each observation."""

    stateful = True

    def __init__(self, loaded: Loaded) -> None:
        self.version = loaded.version
        self.specification: Mapping[str, Any] = {}
        self._loaded = loaded
        self._instances: dict[str, Any] = {}  # by client
        self._one_at_a_time = threading.Lock()

    def infer_batch(
        self, observations: Sequence[Mapping[str, Any]], contexts: Sequence[InferenceContext]
    ) -> list[dict[str, Any]]:
        """Actions in the robots' units, float32 (1, D) each."""
        with self._one_at_a_time:
            return [
                {ACTIONS: self._step(observation, self._of(context.client_id))}
                for observation, context in zip(observations, contexts)
            ]

    def reset(self, client_id: str) -> None:
        """An episode begins, or the client is gone: its memory goes."""
        with self._one_at_a_time:
            self._instances.pop(client_id, None)

    def warm_up(self) -> None:
        """One step of nobody's."""
        self.of_zeros()

    def of_zeros(self) -> Any:
        """The action (1, D) that answers an observation of zeros."""
        with self._one_at_a_time:
            return self._step(self._loaded.example(), instance(self._loaded.policy))

    def _of(self, client_id: str) -> Any:
        if client_id not in self._instances:
            self._instances[client_id] = instance(self._loaded.policy)
        return self._instances[client_id]

    def _step(self, observation: Mapping[str, Any], policy: Any) -> Any:
        loaded = self._loaded
        with torch.inference_mode(), loaded.precision():
            batch = loaded.before(batch_of([observation], loaded.images, loaded.vectors))
            action = loaded.after(policy.select_action(batch))
            return action.to("cpu", torch.float32).numpy().reshape(1, -1)


def instance(policy: Any) -> Any:
    """The same policy with an empty memory of its own; weights and settings are shared."""
    made = copy.copy(policy)
    for name, value in vars(policy).items():
        if not name.startswith("_") and name != "config" and hasattr(value, "reset"):
            vars(made)[name] = copy.copy(value)  # what ensembles actions, and is no module
    made.reset()
    return made
