"""Networks in one file that take and return arrays by name: what ONNX and PyTorch share.

The first axis of every array may be the batch: of any size (a name stands there), or of one. Or
there is none, and a call takes the arrays of one observation as they are. Which it is, the shapes
say; the option `batch` says it where they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError, UsageError
from ..models.answers import ACTIONS
from ..models.interface import padded
from ..models.stacking import split, stack
from . import naming
from .options import Options

MANY, ONE, NONE = "first", "one", "none"
Arrays = Mapping[str, Any]


class Input(NamedTuple):
    """shape: None for a size that is open; None itself: not known. dtype: '' if not known."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


class Network(NamedTuple):
    """A network of any framework.

    run: arrays by name, as the inputs say -> arrays by name. output: the shape of what it returns
    if that is one array and is known.
    """

    inputs: Sequence[Input]
    run: Callable[[Arrays], Arrays]
    output: tuple[int | None, ...] | None
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

    def infer_batch(self, observations: Sequence[Arrays]) -> list[dict[str, Any]]:
        """One call for all observations whose arrays have equal shapes."""
        answers: list[dict[str, Any]] = [{}] * len(observations)
        taken = [_taken(self._network, each) for each in observations]
        for group in stack(taken):
            indices = padded(group.indices, self.batch_sizes or ())
            batch = group.batch
            if len(indices) > len(group.indices):
                batch = stack([taken[at] for at in indices])[0].batch
            for index, answer in zip(indices, split(self._network.run(batch), len(indices))):
                answers[index] = answer
        return answers


class Single:
    """A network that takes one observation; `axis`: as a batch of one."""

    def __init__(self, network: Network, axis: bool) -> None:
        self.version = network.version
        self.specification = _specification(network, int(axis))
        self._network = network
        self._axis = axis

    def infer(self, observation: Arrays) -> dict[str, Any]:
        """The network's outputs by name, for the inputs of one observation."""
        taken = _taken(self._network, observation)
        if not self._axis:
            return dict(self._network.run(taken))
        (answer,) = split(self._network.run(stack([taken])[0].batch), 1)
        return answer


class Settings(NamedTuple):
    """What a user may say of a network in a file."""

    batch: str
    batch_sizes: list[int] | None
    device: str
    names: naming.Naming


def settings(given: Options) -> Settings:
    """Read the options, and refuse others."""
    found = Settings(
        given.choice("batch", "", (MANY, ONE, NONE)),
        given.sizes("batch_sizes"),
        given.text("device", "cpu"),
        naming.told(given),
    )
    given.finish()
    return found


def model_of(network: Network, said: Settings) -> Batches | Single:
    """A model of a network; ConfigError where a user says what its shapes rule out."""
    batch = said.batch or _axis(network, said.batch_sizes)
    if batch == MANY:
        return Batches(network, said.batch_sizes)
    if said.batch_sizes:
        raise ConfigError("batch_sizes: the first axis of this network is no batch of that size")
    return Single(network, batch == ONE)


def answers_of(outputs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Outputs by name; a single one is the actions, whatever its name."""
    return {ACTIONS: outputs[0][1]} if len(outputs) == 1 else dict(outputs)


def _axis(network: Network, batch_sizes: Sequence[int] | None) -> str:
    shapes = [each.shape for each in network.inputs]
    firsts = {None if not shape else shape[0] for shape in shapes}
    if all(shape is None or shape[:1] == (None,) for shape in shapes):
        return MANY
    if batch_sizes and firsts == set(batch_sizes):
        return MANY
    return ONE if firsts == {1} else NONE


def _taken(network: Network, observation: Arrays) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    for name, dtype, _ in network.inputs:
        if name not in observation:
            raise UsageError(f"the network takes {name!r}, which the observation has not")
        value = observation[name]
        if not isinstance(value, str):
            value = np.asarray(value, dtype or None)
        taken[name] = value
    return taken


def _specification(network: Network, skipped: int) -> dict[str, Any]:
    """skipped: axes in front of an observation's own."""
    observation: dict[str, Any] = {}
    for name, dtype, shape in network.inputs:
        entry: dict[str, Any] = {"dtype": dtype} if dtype else {}
        if shape is not None and dtype != "string":
            entry["shape"] = list(shape[skipped:])
        observation[name] = entry
    declared: dict[str, Any] = {"observation": observation}
    notes = dict(network.notes)
    chunk = network.output[skipped:] if network.output else ()
    columns = chunk[-1] if chunk and chunk[-1] else 0
    if len(chunk) == 2 and chunk[0]:
        declared["horizon"] = chunk[0]
    elif len(chunk) == 1:
        declared["horizon"] = 1
    names = network.names.checked(columns, 0)
    if columns:
        notes["action_columns"] = columns
    return names.declared(declared, notes)
