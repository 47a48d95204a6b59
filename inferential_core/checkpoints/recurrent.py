"""Networks with a memory that they give back, to be handed in with the next observation.

An LSTM that was exported for one step takes `h_in` and `c_in` and gives `h_out` and `c_out`. Here
each client has such a memory of its own, which begins with zeros in each episode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..models.answers import ACTIONS
from ..models.context import InferenceContext
from .taking import Input

# Inputs that are such a memory without a word of the user's; the output ends in _out.
_MEMORY = re.compile(r"(h|c|hx|cx|hidden|cell|hidden_state|cell_state|memory|rnn|lstm|gru)\d*_in")


class Recurrent:
    """A model that keeps what a network gives back.

    infer: asks the network for one observation. pairs: input -> the output that it comes from.
    zeros: the memory with which an episode begins.
    """

    stateful = True

    def __init__(
        self,
        infer: Callable[[Mapping[str, Any]], dict[str, Any]],
        version: str,
        specification: Mapping[str, Any],
        pairs: Mapping[str, str],
        zeros: Mapping[str, Any],
    ) -> None:
        self.version = version
        self.specification = specification
        self._infer = infer
        self._pairs = pairs
        self._zeros = zeros
        self._memories: dict[str, Mapping[str, Any]] = {}  # by client

    def infer(self, observation: Mapping[str, Any], context: InferenceContext) -> dict[str, Any]:
        """The network's other outputs by name; a single one is the actions."""
        memory = self._memories.get(context.client_id, self._zeros)
        answer = self._infer({**observation, **memory})
        self._memories[context.client_id] = {
            taken: answer.pop(given) for taken, given in self._pairs.items()
        }
        return {ACTIONS: next(iter(answer.values()))} if len(answer) == 1 else answer

    def reset(self, client_id: str) -> None:
        """An episode begins, or the client is gone: its memory goes."""
        self._memories.pop(client_id, None)


def pairs_of(
    inputs: Sequence[Input], outputs: Sequence[str], said: Sequence[str]
) -> dict[str, str]:
    """Which inputs are fed from which outputs; said: INPUT:OUTPUT each, else by their names.

    ConfigError names one that is not there.
    """
    names = [each.name for each in inputs]
    if not said:
        by_name = {name: name.removesuffix("in") + "out" for name in names}
        return {
            name: given
            for name, given in by_name.items()
            if _MEMORY.fullmatch(name) and given in outputs
        }
    pairs = dict(each.partition(":")[::2] for each in said)
    for taken, given in pairs.items():
        if taken not in names or given not in outputs:
            raise ConfigError(
                f"option recurrent={taken}:{given}: write INPUT:OUTPUT; the inputs are"
                f" {', '.join(names)}, and the outputs {', '.join(outputs) or 'not known'}"
            )
    return pairs


def zeros_of(inputs: Sequence[Input]) -> dict[str, np.ndarray]:
    """The memory with which an episode begins; sizes that are open are 1."""
    return {
        each.name: np.zeros([size or 1 for size in each.shape or ()], each.dtype or np.float32)
        for each in inputs
    }
