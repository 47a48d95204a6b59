"""Which message types can be read into an observation or written from a chunk, by type name.

A converter is a function that parses its own options from the contract (so that a wrong one is
named with its path at configure) and returns the function that is called for every message.
Packages of users add theirs with the two decorators below, in a module that the contract names
under `converters`, or that their package announces as an entry point of the group
`inferential.converters`. Nothing here imports ROS.

    @input_converter("my_msgs/msg/Touch")
    def touch(section, message_class):
        scale = section.get("scale", number, 1.0)
        return formed(lambda message: np.asarray(message.pressures) * scale, "float64", (16,))

A type without a converter is read and written by its dotted numeric fields (`generic`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from inferential_core.process.users_code import Foreign, Guarded
from inferential_ros.execution.rotations import Rotation

# message -> array, str or EncodedImage; raises InputError where the message does not fit
Decode = Foreign[Callable[[Any], Any]]
# values of the output's columns, in its order -> message; None: nothing is published. One that
# needs to know what the robot says has an attribute `listens`, a sequence of `Listening`.
Encode = Foreign[Callable[[np.ndarray], Any]]
MakeDecode = Foreign[Callable[[Any, type[Any]], Decode]]
MakeEncode = Foreign[Callable[[Any, "OutputContext"], Encode]]

TEXT = "string"
KINDS = ("position", "velocity", "effort", "twist")
ANY = "*"  # of a type without a converter of its own
ANY_ACTION = "*/action/*"
# When the message or goal of an output is sent.
EVERY_TICK, ON_CHANGE, ON_PLAN = "every tick", "on change", "on plan"


class InputError(Exception):
    """A message that the contract does not fit. `path` is the key of the contract at fault."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class NotYet(InputError):
    """A message that fits, of which a value can be made only once a later one has come."""


@dataclass(frozen=True)
class Form:
    """What a decoder returns, as far as the contract alone tells: None where it does not.

    dtype: a name the wire carries, or `string`. shape: None in it stands for any size.
    sides: height and width of an image, which the contract may tell although only the messages
    tell its channels. sent_as: of an EncodedImage, how it is compressed; "file" stands for as it
    came. quality: of a JPEG that is made here.
    """

    dtype: str | None = None
    shape: tuple[int | None, ...] | None = None
    sides: tuple[int | None, int | None] | None = None
    sent_as: str = ""
    quality: int = 0

    @property
    def compressed(self) -> bool:
        """Whether it is an EncodedImage."""
        return bool(self.sent_as)

    @property
    def stackable(self) -> bool:
        """Whether several of them make an array of one more dimension."""
        return self.dtype != TEXT and not self.compressed


@dataclass(frozen=True)
class OutputContext:
    """What an output converter needs to know besides its options.

    rotations: those of its columns that are one, by index among the output's own.
    """

    message: type[Any]
    names: tuple[str, ...]
    kind: str
    control_period_s: float
    rotations: tuple[Rotation, ...] = ()


@dataclass(frozen=True)
class InputType:
    """Reader of one message type, with the defaults of the keys `qos` and `max_age_s` for it."""

    make: MakeDecode
    reliable: bool = False
    max_age_s: float | None = 1.0


@dataclass(frozen=True)
class OutputType:
    """Writer of one message type; `kinds` it can carry, `kind` where only one makes sense.

    stamp(message, builtin_interfaces Time) is called when the message is published. sent: at every
    tick, when its values change, or when there is a new plan; the latter two are for actions, and
    what is encoded is their goal. For `ON_PLAN` encode has `plan(rows, times_s)`, too.
    """

    make: MakeEncode
    kinds: tuple[str, ...] = KINDS
    kind: str | None = None
    stamp: Foreign[Callable[[Any, Any], None] | None] = None
    sent: str = EVERY_TICK


_inputs: dict[str, InputType] = {}
_outputs: dict[str, OutputType] = {}
F = TypeVar("F", bound=Callable[..., Any])


def input_converter(
    *names: str, reliable: bool = False, max_age_s: float | None = 1.0
) -> Callable[[F], F]:
    """Registers `make(section, message_class) -> decode(message)` for message types."""

    def register(make: F) -> F:
        for name in names:
            _inputs[name] = InputType(make, reliable, max_age_s)
        return make

    return register


def output_converter(
    *names: str,
    kinds: tuple[str, ...] = KINDS,
    kind: str | None = None,
    stamp: Foreign[Callable[[Any, Any], None] | None] = None,
    sent: str = EVERY_TICK,
) -> Callable[[F], F]:
    """Registers `make(section, context) -> encode(values)` for message types."""

    def register(make: F) -> F:
        for name in names:
            _outputs[name] = OutputType(make, kinds, kind, stamp, sent)
        return make

    return register


def formed(
    decode: Decode,
    dtype: str | None,
    shape: tuple[int | None, ...] | None,
    *,
    compressed: bool = False,
    sides: tuple[int | None, int | None] | None = None,
    sent_as: str = "",
    quality: int = 0,
) -> Decode:
    """The decoder, with what it returns told, so that it is checked against the model's wishes."""
    sent_as = sent_as or ("file" if compressed else "")
    decode.form = Form(dtype, shape, sides, sent_as, quality)  # type: ignore[attr-defined]
    return decode


def form_of(decode: Guarded[Decode]) -> Form:
    """What a decoder returns, as far as it tells."""
    form: Form = getattr(decode, "form", Form())
    return form


class Listening(NamedTuple):
    """A topic that an output's converter hears; take(message) is called in the ROS thread."""

    topic: str
    message: type[Any]
    take: Foreign[Callable[[Any], None]]


class Located(NamedTuple):
    """Where an element of a decoded vector is, and what it is there: x * gain + offset.

    form: of a rotation, which begins there.
    """

    index: int
    gain: float = 1.0
    offset: float = 0.0
    form: str = ""


def located(decode: Guarded[Decode | None]) -> Mapping[str, Located]:
    """The elements of what a decoder returns, by joint or field, as far as it tells."""
    tell: Callable[[], Mapping[str, Located]] | None = getattr(decode, "located", None)
    return {} if tell is None else tell()


def input_type(name: str) -> InputType:
    """The reader of a type; the one for any type where it has none of its own."""
    return _inputs.get(name) or _inputs[ANY]


def output_type(name: str) -> OutputType:
    """The writer of a type; the one for any type where it has none of its own."""
    return _outputs.get(name) or _outputs[ANY_ACTION if "/action/" in name else ANY]


def input_types() -> Mapping[str, InputType]:
    """The message types that have a decoder of their own, by name."""
    return _inputs


def output_types() -> Mapping[str, OutputType]:
    """The message types that have an encoder of their own, by name."""
    return _outputs
