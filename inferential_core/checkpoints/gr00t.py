"""Policies of NVIDIA's Isaac GR00T, N1.6 and N1.7: `gr00t:DIR?embodiment=TAG`.

`Gr00tPolicy.get_action` takes a batch as it is. Its keys come here as `video.NAME`, `state.NAME`
and the name of the language key, and go back as `action.NAME`. A modality that looks at several
times wants so many samples, the newest last: a contract's `history` makes them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gr00t.data.embodiment_tags import EmbodimentTag
from gr00t.policy.gr00t_policy import Gr00tPolicy

from ..errors import ConfigError
from ..models.stacking import split, stack
from . import damage, naming
from .folder import checked_folder, downloads
from .options import Options

_log = logging.getLogger(__name__)

VIDEO, STATE, LANGUAGE, ACTION = "video", "state", "language", "action"


def load(source: str, options: Mapping[str, str]) -> Gr00tModel:
    """The policy of a folder as a model; ConfigError says why it cannot be one."""
    given = Options(options)
    hub, sizes = given.flag("hub", False), given.sizes("batch_sizes")
    tag = given.text("embodiment")
    device = given.text("device", "cuda")
    names = naming.told(given)
    given.finish()
    folder = checked_folder(source, "config.json", hub)
    with downloads(hub):
        policy = Gr00tPolicy(
            embodiment_tag=_embodiment(tag), model_path=folder, device=device, strict=False
        )
    return Gr00tModel(policy, tag, sizes, names)


def _embodiment(tag: str) -> Any:
    for each in EmbodimentTag:
        if tag.lower() in (each.name.lower(), str(each.value).lower()):
            return each
    known = ", ".join(each.name for each in EmbodimentTag)
    raise ConfigError(f"option embodiment={tag}: it must be one of {known}")


class Gr00tModel:
    """Answers `action.NAME` (T, D) each for each observation of a batch."""

    def __init__(
        self, policy: Any, tag: str, sizes: Sequence[int] | None, names: naming.Naming
    ) -> None:
        self.batch_sizes = sizes
        self.version = tag
        self._policy = policy
        self._modalities = policy.get_modality_config()
        self.specification = self._specification(names)

    def infer_batch(self, observations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One call for all observations whose arrays have equal shapes."""
        answers: list[dict[str, Any]] = [{}] * len(observations)
        keys = self._keys()
        taken = [{key: each[key] for key in keys} for each in observations]
        for group in stack(taken):
            actions, _ = self._policy.get_action(self._nested(group.batch))
            named = {f"{ACTION}.{name}": value for name, value in actions.items()}
            for index, answer in zip(group.indices, split(named, len(group.indices))):
                answers[index] = answer
        return answers

    def _keys(self) -> list[str]:
        found = []
        for kind in (VIDEO, STATE):
            found += [f"{kind}.{name}" for name in self._modalities[kind].modality_keys]
        return found + list(self._modalities[LANGUAGE].modality_keys)

    def _nested(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """As GR00T wants it: arrays (B, T, ...), and lists of lists of texts."""
        made: dict[str, Any] = {}
        for kind in (VIDEO, STATE):
            once = len(self._modalities[kind].delta_indices) == 1
            made[kind] = {}
            for name in self._modalities[kind].modality_keys:
                array = batch[f"{kind}.{name}"]
                array = array[:, None] if once else array
                made[kind][name] = array if kind == VIDEO else np.asarray(array, np.float32)
        made[LANGUAGE] = {
            name: [[text] for text in batch[name]]
            for name in self._modalities[LANGUAGE].modality_keys
        }
        return made

    def _specification(self, names: naming.Naming) -> dict[str, Any]:
        observation: dict[str, Any] = {}
        for kind, dtype, sizes in (
            (VIDEO, "uint8", [None, None, 3]),
            (STATE, ["float32", "float64"], [None]),
        ):
            times = len(self._modalities[kind].delta_indices)
            for name in self._modalities[kind].modality_keys:
                shape = sizes if times == 1 else [times, *sizes]
                observation[f"{kind}.{name}"] = {"dtype": dtype, "shape": shape}
        for name in self._modalities[LANGUAGE].modality_keys:
            observation[name] = {"dtype": "string"}
        parts = [f"{ACTION}.{name}" for name in self._modalities[ACTION].modality_keys]
        horizon = len(self._modalities[ACTION].delta_indices)
        notes: dict[str, Any] = {"framework": "gr00t", "embodiment": self.version}
        notes["action_parts"] = parts
        if warnings := damage.of_weights(self._weights()):
            notes["warnings"] = warnings
            _log.warning("%s: %s", self.version, warnings[0])
        return names.declared({"observation": observation, "horizon": horizon}, notes)

    def _weights(self) -> Iterable[tuple[str, Any]]:
        """By name; none where a version of GR00T keeps its network elsewhere."""
        network = getattr(self._policy, "model", None)
        named: Iterable[tuple[str, Any]] = network.named_parameters() if network else ()
        return named
