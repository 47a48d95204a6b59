"""Policies of openpi: `openpi:CONFIG@DIR`, such as `openpi:pi05_droid@checkpoints/pi05_droid`.

openpi's `Policy.infer` answers one observation. Its parts take a batch: the transforms run for
each observation, the model once for all of them. These parts are private names of openpi (as of
15a9616, June 2026); where one is missing, observations are answered one by one. The model is
compiled for each size of batch, so batches are padded to a few sizes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..models.answers import ACTIONS
from ..wire.nesting import flattened
from . import damage, naming
from .folder import downloads
from .options import Options

_log = logging.getLogger(__name__)

SIZES = (1, 2, 4, 8)
_PARTS = ("_input_transform", "_output_transform", "_sample_actions", "_sample_kwargs")


def load(source: str, options: Mapping[str, str]) -> OpenpiPolicy:
    """The policy of a folder as a model; ConfigError says why it cannot be one."""
    given = Options(options)
    hub = given.flag("hub", False)
    device, prompt = given.text("device"), given.text("default_prompt")
    sizes = given.sizes("batch_sizes") or list(SIZES)
    names = naming.told(given)
    given.finish()
    name, found, folder = source.partition("@")
    if not found:
        raise ConfigError(
            "write openpi:CONFIG@FOLDER, such as openpi:pi05_droid@checkpoints/droid"
        )
    if not hub and not Path(folder).expanduser().is_dir():
        raise ConfigError(
            f"there is no folder {Path(folder).absolute()}; ?hub=true allows its download"
        )
    from openpi.policies import policy_config
    from openpi.training import config

    with downloads(hub):
        policy = policy_config.create_trained_policy(
            config.get_config(name),
            folder,
            default_prompt=prompt or None,
            pytorch_device=device or None,
        )
    return OpenpiPolicy(policy, name, sizes, names)


class OpenpiPolicy:
    """Answers (H, D) actions for each observation of a batch, which has openpi's own keys."""

    nested = True  # as openpi's transforms take images: {"images": {"cam_high": array}}

    def __init__(self, policy: Any, name: str, sizes: Sequence[int], names: naming.Naming) -> None:
        self.version = name
        self._policy = policy
        self._together = all(hasattr(policy, part) for part in _PARTS)
        self.batch_sizes = list(sizes) if self._together else None
        self._example = example_of(policy)
        self.specification: Mapping[str, Any] = self._specification(names)

    def infer_batch(self, observations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Actions in the robots' units."""
        asked = [_as_in(self._example or {}, each) for each in observations]
        if self._together:
            return self._infer_together(asked)
        return [{ACTIONS: self._policy.infer(each)[ACTIONS]} for each in asked]

    def warm_up(self) -> None:
        """A call of each size of batch, which compiles the model for it: tens of seconds each."""
        if self._example is not None:
            for size in self.batch_sizes or (1,):
                self.infer_batch([self._example] * size)

    def _infer_together(self, observations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        from openpi.models import model

        policy = self._policy
        rows = [policy._input_transform(each) for each in observations]
        batch, first = self._on_device(_stacked(rows))
        observation = model.Observation.from_dict(dict(batch))  # which may change what it is given
        actions = policy._sample_actions(first, observation, **policy._sample_kwargs)
        if hasattr(actions, "detach"):
            actions = actions.detach().cpu()
        return [
            {
                ACTIONS: policy._output_transform(
                    {"state": np.asarray(row["state"]), ACTIONS: np.asarray(chunk)}
                )[ACTIONS]
            }
            for row, chunk in zip(rows, actions)
        ]

    def _on_device(self, batch: Any) -> tuple[Any, Any]:
        """The batch as the model wants it, and the first argument of `sample_actions`."""
        policy = self._policy
        if getattr(policy, "_is_pytorch_model", False):
            import torch

            device = policy._pytorch_device
            return _mapped(batch, lambda it: torch.from_numpy(it).to(device)), device
        from jax import numpy, random

        policy._rng, key = random.split(policy._rng)
        return _mapped(batch, numpy.asarray), key

    def _specification(self, names: naming.Naming) -> dict[str, Any]:
        notes: dict[str, Any] = {"framework": "openpi", "policy": self.version}
        if not self._together:
            notes["batches"] = "no: this openpi has other names inside, a call takes one"
        declared: dict[str, Any] = {}
        if self._example is not None:
            flat = flattened(self._example, "example")
            declared["observation"] = {key: _entry(value) for key, value in flat.items()}
            chunk = self.infer_batch([self._example])[0][ACTIONS]
            declared["horizon"], notes["action_columns"] = np.shape(chunk)
            names.checked(notes["action_columns"], 0)
            if warnings := damage.of_answer(chunk, names.actions):
                notes["warnings"] = warnings
                _log.warning("%s: %s", self.version, warnings[0])
        return names.declared(declared, notes)


def example_of(policy: Any) -> dict[str, Any] | None:
    """The observation that openpi itself gives as an example for a robot's transforms, if any.

    `openpi.policies.droid_policy` has `make_droid_example`, and so have its like.
    """
    transform = getattr(policy, "_input_transform", None)
    for each in getattr(transform, "transforms", ()):
        module = sys.modules.get(type(each).__module__)
        for name, make in vars(module).items() if module else ():
            if name.startswith("make_") and name.endswith("_example"):
                example: dict[str, Any] = make()
                return example
    return None


def _entry(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"dtype": "string", "optional": True}
    array = np.asarray(value)
    if array.dtype != np.uint8:
        return {"dtype": ["float32", "float64"], "shape": list(array.shape)}
    return {"dtype": "uint8", "shape": [None, None, 3]}


def _as_in(example: Any, value: Any) -> Any:
    """Mappings anew, as transforms change them, and images in the order of axes of the example.

    Robots send H x W x C; openpi's transforms for ALOHA take C x H x W.
    """
    if isinstance(value, Mapping):
        known = example if isinstance(example, Mapping) else {}
        return {key: _as_in(known.get(key), item) for key, item in value.items()}
    if _channels_first(example) and np.ndim(value) == 3 and not _channels_first(value):
        return np.moveaxis(value, -1, 0)
    return value


def _channels_first(image: Any) -> bool:
    return np.ndim(image) == 3 and np.shape(image)[0] == 3 != np.shape(image)[2]


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _mapped(item, change) for key, item in value.items()}
    return change(value)


def _stacked(rows: Sequence[Any]) -> Any:
    if isinstance(rows[0], Mapping):
        return {key: _stacked([row[key] for row in rows]) for key in rows[0]}
    return np.stack([np.asarray(row) for row in rows])
