"""Networks in one file that take and return arrays by name: what ONNX and PyTorch share.

The first axis of every array may be the batch: of any size (a name stands there), or of one. Or
there is none, and a call takes the arrays of one observation as they are. Which it is, the shapes
say; the option `batch` says it where they do not.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError
from ..models.answers import ACTIONS
from ..models.caller import ModelCaller
from ..models.context import InferenceContext
from ..models.interface import padded
from ..models.specification import compile_specification
from ..models.stacking import split, stack
from . import damage, naming
from .options import Options
from .recurrent import Recurrent, pairs_of, zeros_of
from .taking import Arrays, Input, entry_of, looks_like_a_picture, taken, with_pictures

_log = logging.getLogger(__name__)

MANY, ONE, NONE = "first", "one", "none"
Shape = tuple[int | None, ...] | None


class Network(NamedTuple):
    """A network of any framework.

    run: arrays by name, as the inputs say -> arrays by name. outputs: what it returns, with their
    shapes; empty if that is not known.
    """

    inputs: Sequence[Input]
    run: Callable[[Arrays], Arrays]
    outputs: Mapping[str, Shape]
    version: str
    names: naming.Naming
    notes: Mapping[str, Any]


class Batches:
    """A network whose first axis is the batch."""

    def __init__(self, network: Network, batch_sizes: Sequence[int] | None) -> None:
        self.batch_sizes = batch_sizes
        self.version = network.version
        self.specification = _specification(network, 1)
        self._network = network
        self._fixed = [name for name, shape in network.outputs.items() if _is_fixed(shape)]

    def infer_batch(self, observations: Sequence[Arrays]) -> list[dict[str, Any]]:
        """One call for all observations whose arrays have equal shapes."""
        answers: list[dict[str, Any]] = [{}] * len(observations)
        arrays = [taken(self._network.inputs, each) for each in observations]
        for group in stack(arrays):
            indices = padded(group.indices, self.batch_sizes or ())
            batch = group.batch
            if len(indices) > len(group.indices):
                batch = stack([arrays[at] for at in indices])[0].batch
            for index, answer in zip(indices, self._rows(batch, len(indices))):
                answers[index] = answer
        return answers

    def _rows(self, batch: Arrays, count: int) -> list[dict[str, Any]]:
        """The answer to each; what the network gives but once, such as a version, goes to all."""
        given = dict(self._network.run(batch))
        for name in self._fixed:
            value = given[name]
            if np.ndim(value) == 0 or len(value) != count:
                given[name] = [value] * count
        return split(given, count)


class Single:
    """A network that takes one observation; axis: as a batch of one, but for what is `whole`."""

    def __init__(self, network: Network, axis: bool, whole: Collection[str] = ()) -> None:
        self.version = network.version
        self.specification = _specification(network, int(axis))
        self._network = network
        self._axis = axis
        self._whole = whole

    def infer(self, observation: Arrays) -> dict[str, Any]:
        """The network's outputs by name, for the inputs of one observation."""
        arrays = taken(self._network.inputs, observation)
        if not self._axis:
            return dict(self._network.run(arrays))
        batch = {
            name: value if name in self._whole or np.shape(value) == () else value[None]
            for name, value in arrays.items()
        }
        return {
            name: value if name in self._whole or np.ndim(value) == 0 else value[0]
            for name, value in self._network.run(batch).items()
        }


class Settings(NamedTuple):
    """What a user may say of a network in a file."""

    batch: str
    batch_sizes: list[int] | None
    device: str
    names: naming.Naming
    images: list[str]
    recurrent: list[str]


def settings(given: Options) -> Settings:
    """Read the options, and refuse others."""
    found = Settings(
        given.choice("batch", "", (MANY, ONE, NONE)),
        given.sizes("batch_sizes"),
        given.text("device", "cpu"),
        naming.told(given),
        given.names("images") or [],
        given.names("recurrent") or [],
    )
    given.finish()
    return found


Model = Batches | Single | Recurrent


def model_of(network: Network, said: Settings) -> Model:
    """A model of a network; ConfigError where a user says what its shapes rule out."""
    network = network._replace(inputs=with_pictures(network.inputs, said.images))
    pairs = pairs_of(network.inputs, [*network.outputs], said.recurrent)
    fed = [each for each in network.inputs if each.name in pairs]
    told = network._replace(
        inputs=[each for each in network.inputs if each not in fed],
        outputs={it: s for it, s in network.outputs.items() if it not in pairs.values()},
    )
    batch = said.batch or _axis(told, said.batch_sizes)
    if batch == MANY and not pairs:
        return Batches(network, said.batch_sizes)
    if said.batch_sizes:
        raise ConfigError("batch_sizes: the first axis of this network is no batch of that size")
    if not pairs:
        return Single(network, batch == ONE)
    single = Single(network, batch != NONE, {*pairs, *pairs.values()})
    memory = [f"{given} is handed in as {name}" for name, given in pairs.items()]
    told = told._replace(notes={**network.notes, "memory": memory})
    specification = _specification(told, int(batch != NONE))
    return Recurrent(single.infer, network.version, specification, pairs, zeros_of(fed))


def tried(model: Model, source: str, warnings: Sequence[str] = ()) -> Model:
    """The model with warnings in its notes: these, else what an answer shows of its weights."""
    found = list(warnings) or _seen_in_an_answer(ModelCaller(source, model))
    if found:
        model.specification["notes"]["warnings"] = found
    for warning in found:
        _log.warning("%s: %s", source, warning)
    return model


def _seen_in_an_answer(caller: ModelCaller) -> list[str]:
    """To ones, as zeros have no direction, which many networks divide by the length of."""
    specification = caller.specification
    example = compile_specification(specification).example() or {}
    ones = {key: value + 1 if _is_float(value) else value for key, value in example.items()}
    context = InferenceContext("", 0, 0, True, math.inf)
    (answer,) = caller.call([ones], [context]) if ones else ({},)
    if caller.stateful:
        caller.forget(context.client_id)
    if isinstance(answer, Exception):  # the warm-up tells it
        return []
    chunk = answer.get(specification["notes"].get("action_key", ACTIONS))
    return [] if chunk is None else damage.of_answer(chunk, specification.get("action_names"))


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def answers_of(outputs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Outputs by name; a single one is the actions, whatever its name."""
    return {ACTIONS: outputs[0][1]} if len(outputs) == 1 else dict(outputs)


def outputs_of(shapes: Sequence[tuple[str, Shape]]) -> dict[str, Shape]:
    """Their shapes by the names under which `answers_of` gives them."""
    return answers_of(shapes)


def _is_fixed(shape: Shape) -> bool:
    return shape is not None and (not shape or shape[0] is not None)


def _axis(network: Network, batch_sizes: Sequence[int] | None) -> str:
    """What the first axes of the inputs are. A scalar has none: all rows of a batch share it."""
    shapes = [each.shape for each in network.inputs]
    firsts = {shape[0] for shape in shapes if shape}
    scalars = any(shape == () for shape in shapes)
    if firsts <= {None} and not (scalars and firsts):
        return NONE if scalars else MANY
    if batch_sizes and firsts == set(batch_sizes) and not scalars:
        return MANY
    return ONE if firsts <= {None, 1} else NONE


def _specification(network: Network, skipped: int) -> dict[str, Any]:
    """skipped: axes in front of an observation's own."""
    observation = {each.name: entry_of(each, skipped) for each in network.inputs}
    declared: dict[str, Any] = {"observation": observation}
    notes = dict(network.notes)
    key = _actions_of(network.outputs)
    chunk = (network.outputs.get(key) or ())[skipped:]
    columns = chunk[-1] if chunk and chunk[-1] else 0
    if len(chunk) == 2 and chunk[0]:
        declared["horizon"] = chunk[0]
    elif len(chunk) == 1:
        declared["horizon"] = 1
    if columns:
        notes["action_columns"] = columns
    if len(network.outputs) > 1:
        notes["outputs"] = [*network.outputs]
        if key:
            notes["action_key"] = key
    if needs := _needs(network):
        notes["needs"] = needs
    return network.names.checked(columns, 0).declared(declared, notes)


def _actions_of(outputs: Mapping[str, Shape]) -> str:
    """The output that is the actions, by its name or as the only one; '' where none tells."""
    if len(outputs) == 1:
        return next(iter(outputs))
    found = [name for name in (ACTIONS, "action", "continuous_actions") if name in outputs]
    return found[0] if found else ""


def _needs(network: Network) -> list[str]:
    """In words, what a user should say of inputs that shapes leave open."""
    return [
        f"{each.name} looks like pictures: images={each.name} takes what a camera gives,"
        " H x W x C of uint8, and resizes it, orders its axes and (for floats) divides by 255"
        for each in network.inputs
        if looks_like_a_picture(each)
    ]
