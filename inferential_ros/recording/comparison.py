"""Compares a server's answers with those of a counterpart to the very same observations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from inferential_core import Reply
from inferential_ros.bridge.plans import make_plan
from inferential_ros.bridge.server_link import Observation
from inferential_ros.contract.schema import Action
from inferential_ros.execution.plan import PlanRefused
from inferential_ros.recording.counterparts import Counterpart, NoAnswer
from inferential_ros.recording.verdicts import Column, compare

ASKED_TWICE = 8  # observations by which it is found how far a model is from itself


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    steps: of each chunk, that were compared. horizons: of the server's chunks and of the
    counterpart's, each the shortest. columns: by action name. unanswered: how many observations
    have no two answers, by reason.
    """

    other: str
    answers: int
    steps: int
    horizons: tuple[int, int]
    columns: dict[str, Column]
    unanswered: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For other programs."""
        return vars(self) | {"columns": {k: v._asdict() for k, v in self.columns.items()}}

    def lines(self) -> list[str]:
        """For people."""
        told = [
            f"no two answers to compare, {count} times: {why}"
            for why, count in self.unanswered.items()
        ]
        if not self.answers:
            return [f"no answer could be compared with {self.other}", *told]
        width = max(map(len, self.columns))
        same = sum(column.same for column in self.columns.values())
        ours, theirs = self.horizons
        if ours != theirs:
            told.append(f"the chunks have {ours} steps here and {theirs} in {self.other}")
        return [
            f"{self.answers} answers of {self.steps} steps compared with {self.other}:"
            f" {same} of {len(self.columns)} columns are the same",
            f"  {'':<{width}}  mean abs       rms   max abs",
            *(
                f"  {name:<{width}}  {c.mean_abs:8.4f}  {c.rms:8.4f}  {c.max_abs:8.4f}"
                f"  {c.verdict}"
                for name, c in self.columns.items()
            ),
            *told,
        ]


class Comparison:
    """Asks the counterpart whatever the server answered. Not while the robot's time goes on."""

    def __init__(self, action: Action, other: Counterpart) -> None:
        self._action = action
        self._other = other
        self._pairs: list[tuple[np.ndarray, np.ndarray]] = []
        self._itself: list[np.ndarray] = []  # (D,): squared, from one answer to the second
        self._unanswered: Counter[str] = Counter()

    def add(self, observation: Observation, reply: Reply) -> None:
        """An observation that the server answered."""
        try:
            ours = make_plan(self._action, observation, reply).actions
            theirs = self._other.answer(observation)
            for chunk in (ours, theirs):
                if chunk.ndim != 2 or chunk.shape[1] != len(self._action.names):
                    raise NoAnswer(f"an answer has the shape {chunk.shape}")
            if self._other.repeats and len(self._itself) < ASKED_TWICE:
                again = self._other.answer(observation)
                steps = min(len(again), len(theirs))
                self._itself.append(((again[:steps] - theirs[:steps]) ** 2).mean(axis=0))
        except (NoAnswer, PlanRefused) as error:
            self._unanswered[str(error)] += 1
            return
        self._pairs.append((ours.astype(np.float32), theirs.astype(np.float32)))

    def result(self) -> Compared:
        """What came of all of them."""
        horizons = (
            min((len(ours) for ours, _ in self._pairs), default=0),
            min((len(theirs) for _, theirs in self._pairs), default=0),
        )
        steps = min(horizons)
        columns = {}
        if steps:
            ours, theirs = (np.stack([p[side][:steps] for p in self._pairs]) for side in (0, 1))
            own_rms = np.sqrt(np.mean(self._itself, axis=0)) if self._itself else None
            columns = compare(ours, theirs, self._action.names, self._other.name, own_rms)
        return Compared(
            self._other.name,
            len(self._pairs),
            steps,
            horizons,
            columns,
            dict(self._unanswered),
        )

    def close(self) -> None:
        """The counterpart is asked no more."""
        self._other.close()
