"""The interface between the server and what runs models. Implement it to run them elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..models.answers import Result
from ..models.context import InferenceContext
from ..process.users_code import Foreign
from ..request import InferenceRequest

if TYPE_CHECKING:
    from ..config.schema import InferentialConfig

__all__ = [
    "LOADING",
    "NO_LEADERSHIP",
    "REPLACING",
    "UNLOADING",
    "Batch",
    "Completion",
    "Dispatcher",
    "InferenceContext",
    "Leadership",
    "ModelChange",
    "ModelInfo",
    "OnDone",
    "Result",
]

LOADING, REPLACING, UNLOADING = "loading", "replacing", "unloading"


@dataclass(frozen=True)
class ModelInfo:
    """What the server plans with."""

    id: str
    max_batch: int = 1  # observations it takes in one call
    lanes: int = 1  # calls it can work on at once
    one_by_one: bool = False  # a call takes one, but `submit` may be handed several to do in turn
    replicas: int = 1  # processes, or replicas of a deployment, that share its calls
    version: str = ""
    specification: Mapping[str, Any] = field(default_factory=dict)  # see `specification`
    unavailable: str = ""  # why it cannot be asked now, where that is known
    starting: bool = False  # it is unavailable because it has not been ready yet
    reads_pixels: bool = False  # its observations may have their images decoded already
    stateful: bool = False  # a client stays on one lane; `Batch.lane` says on which
    batch_sizes: tuple[int, ...] = ()  # of its calls: others are padded to the next; none: any
    expected_s: Mapping[int, float] = field(default_factory=dict)  # of a call by batch size, as
    # `inferential profile` measured it, and its standard deviation
    expected_deviation_s: float = 0.0
    change: str = ""  # what is being done to it: LOADING, REPLACING or UNLOADING
    generation: int = 0  # counts the models that were served under this id, one after the other


@dataclass(eq=False)
class Batch:
    """Requests for one model that are served by one call, or in turn where it is `one_by_one`.

    Of a stateful model: each of another client, all of them clients of `lane`.
    """

    model_id: str
    requests: list[InferenceRequest]
    dispatched_at: float = 0.0
    lane: int = 0  # of a stateful model, from 0; others run where there is room


@dataclass
class Completion:
    """What came of a batch: for each request, in order, its values or why there are none."""

    batch: Batch
    results: list[Result]
    duration: float  # s, of the call itself
    version: str = ""  # of the model that answered, where it is not that of its ModelInfo

    @classmethod
    def failed(cls, batch: Batch, error: Exception, duration: float = 0.0) -> Completion:
        """The same error for every request of a batch."""
        return cls(batch, [error] * len(batch.requests), duration)


OnDone = Callable[[Completion], None]


class Leadership:
    """Who listens for the server's messages: a thread of a model may do so while it has no work.

    This one never promotes anybody. The server's, which does, is `LeaderFollowers`.
    """

    def volunteer(self, promoted: Callable[[], None]) -> None:
        """The calling thread would lead. `promoted`, called when it is to, must wake it."""

    def withdraw(self, promoted: Callable[[], None]) -> None:
        """The thread that gave `promoted` has ended: nothing here refers to it any more."""

    def lead(self, has_work: Callable[[], bool]) -> None:
        """Listen on the calling thread, which was promoted, until it has work of its own.

        It remains the leader while it does that work, until somebody resigns for it.
        """

    def resign(self) -> None:
        """Have the server's own thread listen again, if it does not. From any thread."""


NO_LEADERSHIP = Leadership()


class ModelChange(ABC):
    """A model that a running dispatcher takes in, replaces or gives up.

    `begin`, `prepare`, `take_over`, `finish`, in this order; or `give_up` in the place of
    `take_over`, also where `prepare` raised. `prepare`, `finish` and `give_up` may take long;
    `begin` and `take_over` are called in a turn of the server and must not block.
    """

    @abstractmethod
    def begin(self) -> None:
        """`models` says from now on that it is being changed."""

    @abstractmethod
    def prepare(self) -> None:
        """Get the new model ready beside what is served; ConfigError says why it cannot be."""

    @abstractmethod
    def take_over(self) -> None:
        """Batches go to the new model from now on; none comes for one that is unloaded."""

    @abstractmethod
    def finish(self) -> None:
        """Wait for what the old model is at, and let go of it and of its memory."""

    @abstractmethod
    def give_up(self) -> None:
        """Let go of the new model: all is as it was."""


class Dispatcher(ABC):
    """Runs batches. `submit` and `forget` are called in a turn of the server: they must not block.

    What a result may be: a mapping of arrays and strings; RejectedError where the observation is
    to blame, ModelUnavailable where the model could not be asked, any other exception where it
    failed.

    Where `models` may change while it runs, call `on_change` (from any thread) when it did.
    """

    on_change: Callable[[], None] | None = None  # set by the server before `start`
    changes_models: bool = False  # whether `change` can be called
    leadership: Leadership = NO_LEADERSHIP  # likewise; to be ignored where models run elsewhere

    @abstractmethod
    def start(self, on_done: OnDone) -> None:
        """Get ready; ConfigError says why it cannot.

        `on_done` may be called from any thread, but not within `submit`: once for each batch.
        """

    @abstractmethod
    def models(self) -> Mapping[str, ModelInfo]:
        """The models it runs, by id: the ids from the beginning, all about them once started."""

    @abstractmethod
    def submit(self, batch: Batch) -> None:
        """Begin a batch. Never more at once than the model has lanes."""

    @abstractmethod
    def close(self) -> None:
        """Stop. Batches in the works may be given up; their models are not waited for."""

    def change(
        self,
        model_id: str,
        model: Foreign[Any] = None,
        options: Mapping[str, Any] | None = None,
        unload_first: bool = False,
    ) -> ModelChange:
        """A change of a model while it runs: `model` in its place or as a new one; None: none.

        options: what differs from its options so far. unload_first: the old one goes before the
        new one is loaded. UsageError where this cannot be done.
        """
        raise UsageError(f"{type(self).__name__} cannot change its models while it runs")

    def options_in(self, config: InferentialConfig, model_id: str) -> Mapping[str, Any]:
        """The options of a model that a configuration names, as `change` takes them."""
        return {}

    def forget(self, model_id: str, client_id: str, lane: int) -> None:  # noqa: B027  may be empty
        """A client of a stateful model left, or was placed anew: its state is of no more use."""
