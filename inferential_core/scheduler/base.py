"""The published scheduler interface, and the registries of schedulers and scoring policies.

The strategies of this package import this module to register themselves; the package imports them
all, so that whoever imports this module finds them registered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError
from ..process.users_code import Foreign, imported, users_code
from ..request import InferenceRequest
from ..suggestion import nearest

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

Policy = Foreign[Callable[[InferenceRequest], float]]


class Scheduler(ABC):
    """A scheduler of your own: implement these methods and use `register_scheduler("name")`.

    The server keeps the submitted requests too: a request that a scheduler forgets expires, and
    one that it returns twice is served once.
    """

    @abstractmethod
    def __init__(self, config: SchedulingConfig) -> None: ...

    @abstractmethod
    def submit(self, request: InferenceRequest) -> None:
        """Accept a request."""

    @abstractmethod
    def next_batch(self) -> list[InferenceRequest]:
        """The requests to serve now, in this order; empty if none should be served."""

    @abstractmethod
    def tick(self) -> None:
        """The server calls this from time to time while requests wait."""

    @abstractmethod
    def status(self) -> dict[str, Any]:
        """Any values that an operator may want to see, by name."""

    @abstractmethod
    def queue_len(self) -> int:
        """The number of requests that were accepted and not yet returned."""


SchedulerClass = TypeVar("SchedulerClass", bound="type[Scheduler]")
PolicyFunction = TypeVar("PolicyFunction", bound=Policy)
Entry = TypeVar("Entry")

_SCHEDULERS: dict[str, type[Scheduler]] = {}
_POLICIES: dict[str, Policy] = {}


def register_scheduler(name: str) -> Callable[[SchedulerClass], SchedulerClass]:
    """Return a class decorator that registers a scheduler as `name`; a later one replaces it."""

    def register(cls: SchedulerClass) -> SchedulerClass:
        _SCHEDULERS[name] = cls
        return cls

    return register


def register_policy(name: str) -> Callable[[PolicyFunction], PolicyFunction]:
    """Return a decorator that registers `score(request) -> float`; the highest is served first."""

    def register(function: PolicyFunction) -> PolicyFunction:
        _POLICIES[name] = function
        return function

    return register


def create_scheduler(config: SchedulingConfig) -> Scheduler:
    """The scheduler that `config.strategy` names; ConfigError names the nearest known one."""
    return scheduler_class(config.strategy, config.modules)(config)


def scheduler_class(name: str, modules: Iterable[str] = ()) -> type[Scheduler]:
    """The class registered as `name`, built in or not; ConfigError if it is not.

    modules: imported first, so that they register theirs; ConfigError if one cannot be.
    """
    for module in modules:
        with users_code(f"module {module!r} cannot be imported"):
            imported(module)
    return _look_up("strategy", name, _SCHEDULERS)


def policy_named(name: str) -> Policy:
    """The scoring function registered as `name`."""
    return _look_up("policy", name, _POLICIES)


def _look_up(kind: str, name: str, table: dict[str, Entry]) -> Entry:
    if name in table:
        return table[name]
    raise ConfigError(f"{kind} {name!r} is not registered: {nearest(name, table)}")
