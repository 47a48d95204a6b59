"""The contract as data: which topics make an observation, and where its answer goes.

Filled by `loading.py` from YAML, read by the bridge; docs/contract.md explains every key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from inferential_core.client.handle import RESTART
from inferential_core.process.users_code import Foreign
from inferential_ros.convert.registry import EVERY_TICK, TEXT, Decode, Encode, Form, form_of
from inferential_ros.execution.channel import DECELERATE_S, HOLD, POSITION, ZEROS
from inferential_ros.execution.modes import Execution
from inferential_ros.execution.relative import Relative
from inferential_ros.options.units import Conversion

VELOCITY, EFFORT, TWIST = "velocity", "effort", "twist"
NEWEST, ASOF, DROP = "hold", "asof", "drop"  # how a key is aligned

# When an observation is sent although another one is not answered yet.
ALWAYS, WHEN_DRY, NEVER = "always", "when_dry", "never"

# What an output does when actions run out, unless the contract says otherwise: holding the last
# target keeps a position-controlled arm where it is; anything else stops only at zero.
DEFAULT_FALLBACK = {POSITION: HOLD, VELOCITY: ZEROS, EFFORT: ZEROS, TWIST: ZEROS}


@dataclass(frozen=True)
class Qos:
    """Quality of service of one topic."""

    reliable: bool
    transient_local: bool = False
    depth: int = 1
    declared: bool = True  # by the contract; else a default that a publisher may overrule


@dataclass(frozen=True)
class Model:
    """Which model is asked, and how."""

    id: str
    latency_budget_ms: float | None = None
    priority: int | None = None
    supersede: str = ALWAYS
    answer_timeout_s: float = 2.0  # an observation unanswered for so long is given up
    stateful_failover: str = RESTART  # what becomes of an episode at another server


@dataclass(frozen=True)
class Trigger:
    """When an observation is sent; exactly one is set."""

    on: tuple[str, ...] = ()  # as soon as each of these keys has a sample not sent before
    runway: float | None = None  # when this share of the chunk or less is left
    rate_hz: float | None = None  # at most so often


@dataclass(frozen=True)
class History:
    """How many samples of a key are stacked, the newest last, and how far they are apart."""

    steps: int
    every_ns: int


@dataclass(frozen=True)
class Transform:
    """The pose of one frame in another, from /tf and /tf_static."""

    frame: str
    parent: str  # the frame that it is expressed in
    max_age_s: float  # from the observation, of each transform on the way


@dataclass(frozen=True)
class ObservationKey:
    """One entry of the observation: from a topic, from a parameter of the node, or a constant."""

    name: str
    path: str
    topic: str = ""
    type: str = ""
    message: type[Any] | None = None
    qos: Qos = Qos(reliable=False)
    stamp: str = "header"  # header | receive
    max_age_s: float | None = None
    decode: Decode | None = None
    text: str | None = None  # the constant, or what it is until the topic or parameter says other
    parameter: str = ""
    align: str = NEWEST
    tolerance_s: float = 0.0  # asof: largest distance from the reference
    history: History | None = None
    parts: tuple[ObservationKey, ...] = ()  # the topics of a key that is made of several
    join: Decode | None = None  # the values of the parts, in their order -> the value of the key
    transform: Transform | None = None  # where the value is the pose of a frame
    quiet: bool = False  # that nothing comes on the topic is nothing to tell

    @property
    def sources(self) -> tuple[ObservationKey, ...]:
        """The keys with one topic each that this one is made of; none for a text."""
        return self.parts or ((self,) if self.topic else ())

    @property
    def lasting(self) -> Callable[[Any], Any] | None:
        """Of samples that are valid until the next one: what a message is the newest one of.

        None for samples that age. Static transforms of other frames stand beside each other.
        """
        if self.quiet:
            return lambda message: frozenset(t.child_frame_id for t in message.transforms)
        return (
            (lambda message: None) if self.max_age_s is None and self.decode is not None else None
        )

    @property
    def sample_form(self) -> Form:
        """What one sample becomes, as far as the contract tells."""
        if not self.sources:
            return Form(TEXT)
        return form_of(self.join if self.parts else self.decode)

    @property
    def form(self) -> Form:
        """What the model gets, as far as the contract tells."""
        form = self.sample_form
        if self.history is None or form.shape is None:
            return form
        return replace(form, shape=(self.history.steps, *form.shape))


@dataclass(frozen=True)
class Limits:
    """Bounds of the columns of one output, in its order."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]


@dataclass(frozen=True)
class Output:
    """One topic, or action, that some columns of the chunk go to.

    limits, max_step and the values handed to `encode` are in the units of the actions; encode
    converts them to those of the message. The contract states limits and max_step in the latter.
    """

    path: str
    topic: str
    type: str
    message: type[Any]
    kind: str
    columns: tuple[int, ...]
    names: tuple[str, ...]
    fallback: str
    limits: Limits
    qos: Qos
    encode: Encode
    max_step: tuple[float, ...] | None = None  # most a value may change from tick to tick
    decelerate_s: float = DECELERATE_S
    # stamp(message, time), called when it is published
    stamp: Foreign[Callable[[Any, Any], None] | None] = (
        None  # stamp(message, time), when it is published
    )
    sent: str = EVERY_TICK
    action: type[Any] | None = None  # of a ROS action, whose goal is the message
    threshold: tuple[float, ...] = ()  # of a goal sent on change: what is no change of a value
    conversion: Conversion | None = None  # from the units of the actions to the message's
    awaits_urdf: bool = False  # the limits are the robot's own, which are not known yet
    quaternions: tuple[tuple[int, ...], ...] = ()  # which of its columns are x to w of one


@dataclass(frozen=True)
class Action:
    """How the model's answer is executed."""

    key: str
    parts: tuple[str, ...]  # entries of the answer whose columns, side by side, are the chunk's
    names: tuple[str, ...]
    rate_hz: float
    control_rate_hz: float
    lease_s: float | None
    execution: Execution
    publish_on_arrival: bool
    outputs: tuple[Output, ...]
    relative: tuple[Relative, ...] = ()


@dataclass(frozen=True)
class Contract:
    """All of it."""

    robot: str
    model: Model
    trigger: Trigger
    observation: tuple[ObservationKey, ...]
    action: Action
    warnings: tuple[str, ...] = ()
    reference_name: str = ""

    @property
    def awaits_urdf(self) -> str:
        """The path of the first output whose limits are those of a URDF not known yet, or ''."""
        return next((each.path for each in self.action.outputs if each.awaits_urdf), "")

    @property
    def topics(self) -> tuple[ObservationKey, ...]:
        """The keys that come from one topic each, the parts of others among them, once each."""
        sources = (source for key in self.observation for source in key.sources)
        return tuple({source.name: source for source in sources}.values())

    @property
    def reference(self) -> ObservationKey:
        """The key with a topic whose stamp is the observation's."""
        return next(k for k in self.observation if k.name == self.reference_name).sources[0]
