"""What the columns of a state and of an action are called, and how often actions are due.

A checkpoint seldom says so itself. A LeRobot dataset does, in `meta/info.json`; a user may, in the
options `action_names`, `state_names` and `control_rate_hz`, which win.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError
from .folder import read_json
from .options import Options

_CACHE = Path("~/.cache/huggingface/lerobot")  # where LeRobot keeps datasets


class Naming(NamedTuple):
    """None: not known."""

    actions: list[str] | None = None
    state: list[str] | None = None
    rate_hz: float | None = None

    def over(self, other: Naming) -> Naming:
        """These, and the other ones where these are not known."""
        return Naming(
            other.actions if self.actions is None else self.actions,
            other.state if self.state is None else self.state,
            other.rate_hz if self.rate_hz is None else self.rate_hz,
        )

    def checked(self, actions: int, state: int) -> Naming:
        """ConfigError where there are more or fewer names than columns."""
        for what, names, size in (("action", self.actions, actions), ("state", self.state, state)):
            if names is not None and size and len(names) != size:
                raise ConfigError(
                    f"{what}_names: {len(names)} names ({', '.join(names)}), and the policy has"
                    f" {size} columns of {what}"
                )
        return self

    def declared(
        self, what: Mapping[str, Any], notes: Mapping[str, Any], dataset: bool = False
    ) -> dict[str, Any]:
        """A specification of `what`, with these notes and what is known of the columns.

        dataset: whether the names may come from a LeRobot dataset; that of its state are asked
        for as well.
        """
        told = {**what, "notes": dict(notes)}
        if self.actions:
            told["action_names"] = list(self.actions)
        if self.rate_hz:
            told["control_rate_hz"] = float(self.rate_hz)
        if self.state:
            told["notes"]["state_names"] = list(self.state)
        if needs := [*notes.get("needs", ()), *self._needs(dataset)]:
            told["notes"]["needs"] = needs
        return told

    def _needs(self, dataset: bool) -> list[str]:
        """In words, what is not known and how to say it."""
        also = ", or dataset=DIR of the dataset it was trained on" if dataset else ""
        asked = [
            (self.actions, "what its actions are called", "action_names"),
            (self.rate_hz, "how many actions a second it gives", "control_rate_hz"),
        ]
        if dataset:
            asked.insert(
                1, (self.state, "what the columns of its state are called", "state_names")
            )
        return [
            f"the checkpoint does not say {what}: give {option}=...{also}"
            for value, what, option in asked
            if value is None
        ]


def told(options: Options) -> Naming:
    """What a user says in options."""
    return Naming(
        options.names("action_names"),
        options.names("state_names"),
        options.rate("control_rate_hz"),
    )


def of_dataset(folder: str) -> Naming:
    """What a LeRobot dataset says; ConfigError if there is none."""
    try:
        info = read_json(Path(folder).expanduser() / "meta" / "info.json")
    except ConfigError as error:
        raise ConfigError(f"dataset={folder}: {error}") from None
    features, rate = info.get("features"), info.get("fps")
    features = features if isinstance(features, dict) else {}
    return Naming(
        _names(features.get("action")),
        _names(features.get("observation.state")),
        rate if isinstance(rate, (int, float)) and rate > 0 else None,
    )


def of_training(folder: Path) -> Naming:
    """What the dataset says that a checkpoint's `train_config.json` names, where it is here."""
    try:
        trained = read_json(folder / "train_config.json").get("dataset")
    except ConfigError:  # it says nothing
        trained = None
    if not isinstance(trained, dict):
        return Naming()
    places = [trained.get("root"), _CACHE.expanduser() / str(trained.get("repo_id"))]
    for place in places:
        if place and (Path(place) / "meta" / "info.json").is_file():
            return of_dataset(str(place))
    return Naming()


def _names(feature: Any) -> list[str] | None:
    """The names of a feature's columns, which stand in a list or in lists by what they are."""
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, Mapping):
        lists = [each for each in names.values() if isinstance(each, list)]
        names = [name for each in lists for name in each]
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return names
    return None
