"""What the server needs of the place where models run. Implement it to run them elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..request import InferenceRequest


@dataclass(frozen=True)
class ModelInfo:
    """What the server plans with."""

    id: str
    max_batch: int = 1  # observations it takes in one call
    lanes: int = 1  # calls it can work on at once
    one_by_one: bool = False  # a call takes one, but `submit` may be handed several to do in turn
    hand_over_s: float = 1e-3  # then, as many as take that long: what handing over is worth
    version: str = ""
    specification: Mapping[str, Any] = field(default_factory=dict)  # handed out as JSON


@dataclass(frozen=True)
class InferenceContext:
    """Second argument of a model that takes one: who asks, beside what was observed."""

    client_id: str
    epoch: int
    request_id: int
    first_of_episode: bool
    deadline: float  # monotonic seconds, inf where there is none

    @classmethod
    def of(cls, request: InferenceRequest) -> InferenceContext:
        return cls(
            client_id=request.client_id,
            epoch=request.epoch,
            request_id=request.request_id,
            first_of_episode=request.first_of_episode,
            deadline=request.deadline,
        )


@dataclass(eq=False)
class Batch:
    """Requests for one model that are served by one call, or in turn where it is `one_by_one`."""

    model_id: str
    requests: list[InferenceRequest]
    dispatched_at: float = 0.0


Result = Mapping[str, Any] | Exception


@dataclass
class Completion:
    """What came of a batch: for each request, in order, its values or why there are none."""

    batch: Batch
    results: list[Result]
    duration: float  # s, of the call itself
    version: str = ""  # of the model that answered, where it is not that of its ModelInfo


class Dispatcher(ABC):
    """Runs batches. `submit` is called on the server's thread and must not block.

    Where `models` may change while it runs, call `on_change` (from any thread) when it did.
    """

    on_change: Callable[[], None] | None = None  # set by the server before `start`

    @abstractmethod
    def start(self, on_done: Callable[[Completion], None]) -> None:
        """Get ready. `on_done` may be called from any thread, exactly once for each batch."""

    @abstractmethod
    def models(self) -> Mapping[str, ModelInfo]:
        """The models it runs, by id."""

    @abstractmethod
    def submit(self, batch: Batch) -> None:
        """Begin a batch. Never more at once than the model has lanes."""

    @abstractmethod
    def close(self) -> None:
        """Stop. Batches in the works may be given up; their models are not waited for."""
