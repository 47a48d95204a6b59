"""Which message types can be read into an observation or written from a chunk, by type name.

A converter is a function that parses its own options from the contract (so that a wrong one is
named with its path at configure) and returns the function that is called for every message.
Packages of users add theirs with the two decorators below; nothing here imports ROS.

    @input_converter("my_msgs/msg/Touch", fields=("pressures",))
    def touch(section, context): ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# message -> array, str or EncodedImage; raises InputError where the message does not fit
Decode = Callable[[Any], Any]
# values of the output's columns, in its order -> message
Encode = Callable[[np.ndarray], Any]


class InputError(Exception):
    """A message that the contract does not fit. `path` is the key of the contract at fault."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


@dataclass(frozen=True)
class OutputContext:
    """What an output converter needs to know besides its options."""

    message: type[Any]
    names: tuple[str, ...]
    kind: str
    control_period_s: float


@dataclass(frozen=True)
class InputType:
    """Reader of one message type. `latched`: published once, so late joiners must get it too."""

    make: Callable[[Any, type[Any]], Decode]
    reliable: bool
    max_age_s: float | None


@dataclass(frozen=True)
class OutputType:
    """Writer of one message type; `kinds` it can carry, `kind` where only one makes sense."""

    make: Callable[[Any, OutputContext], Encode]
    kinds: tuple[str, ...]
    kind: str | None


_inputs: dict[str, InputType] = {}
_outputs: dict[str, OutputType] = {}


def input_converter(
    name: str, *, reliable: bool = False, max_age_s: float | None = 1.0
) -> Callable[[Callable[[Any, type[Any]], Decode]], Callable[[Any, type[Any]], Decode]]:
    """Registers `make(section, message_class) -> decode(message)` for a message type.

    reliable and max_age_s are the defaults of the keys `qos` and `max_age_s` for that type.
    """

    def register(make: Callable[[Any, type[Any]], Decode]) -> Callable[[Any, type[Any]], Decode]:
        _inputs[name] = InputType(make, reliable, max_age_s)
        return make

    return register


def output_converter(
    name: str, *, kinds: tuple[str, ...], kind: str | None = None
) -> Callable[[Callable[[Any, OutputContext], Encode]], Callable[[Any, OutputContext], Encode]]:
    """Registers `make(section, context) -> encode(values)` for a message type."""

    def register(
        make: Callable[[Any, OutputContext], Encode],
    ) -> Callable[[Any, OutputContext], Encode]:
        _outputs[name] = OutputType(make, kinds, kind)
        return make

    return register


def input_types() -> Mapping[str, InputType]:
    return _inputs


def output_types() -> Mapping[str, OutputType]:
    return _outputs
