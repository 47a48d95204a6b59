"""Policies of LeRobot that answer each observation alone: one call for the whole batch."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ...models.answers import ACTIONS
from ...models.context import InferenceContext
from ...models.interface import padded
from .loaded import Loaded
from .observing import batch_of

STATE = "observation.state"


class ChunkPolicy:
    """Answers (T, D) actions for each observation of a batch.

    Robots that follow real-time chunking share a call with those that expect the same delay, as
    the delay is one of a call; robots that have nothing left over share another.
    """

    def __init__(self, loaded: Loaded, batch_sizes: Sequence[int] | None, left_over: Any) -> None:
        self.batch_sizes = batch_sizes
        self.version = loaded.version
        self.specification: Mapping[str, Any] = {}
        self._loaded = loaded
        self._left_over = left_over  # rtc.LeftOver, or None: the policy cannot follow
        # The processors keep the state of an observation between the two of them.
        self._one_at_a_time = threading.Lock()

    def infer_batch(
        self, observations: Sequence[Mapping[str, Any]], contexts: Sequence[InferenceContext]
    ) -> list[dict[str, Any]]:
        """Actions in the robots' units, float32 (T, D) each."""
        groups: dict[int | None, list[int]] = {}
        for index, context in enumerate(contexts):
            follows = self._left_over is not None and context.left_over is not None
            groups.setdefault(context.inference_delay if follows else None, []).append(index)
        answers: list[dict[str, Any]] = [{}] * len(observations)
        for delay, indices in groups.items():
            asked = padded(indices, self.batch_sizes or ())
            chunk = self._predict(
                [observations[at] for at in asked], [contexts[at] for at in asked], delay
            )
            for index, actions in zip(indices, chunk):
                answers[index] = {ACTIONS: actions}
        return answers

    def warm_up(self) -> None:
        """A call with zeros of each size of batch."""
        for size in self.batch_sizes or (1,):
            self._predict([self._loaded.example()] * size, [], None)

    def of_zeros(self) -> Any:
        """The chunk (T, D) that answers an observation of zeros."""
        return self._predict([self._loaded.example()], [], None)[0]

    def _predict(
        self,
        observations: Sequence[Mapping[str, Any]],
        contexts: Sequence[InferenceContext],
        delay: int | None,
    ) -> Any:
        loaded = self._loaded
        follow: dict[str, Any] = {}
        # The guidance of real-time chunking differentiates, which inference_mode rules out.
        mode = torch.inference_mode if self._left_over is None else torch.no_grad
        with self._one_at_a_time, mode(), loaded.precision():
            batch = loaded.before(batch_of(observations, loaded.images, loaded.vectors))
            if delay is not None:
                states = [each[STATE] for each in observations]
                prefixes = self._left_over.prefixes(contexts, states, loaded.device)
                follow = {"inference_delay": delay, "prev_chunk_left_over": prefixes}
            chunk = loaded.after(loaded.policy.predict_action_chunk(batch, **follow))
            return chunk.to("cpu", torch.float32).numpy()
