"""What a request of a GR00T client asks, and how its answer is written. No I/O.

    N1.6, N1.7   {"observation": {"video": {..}, "state": {..}, "language": {..}}, "options": ..}
                 -> [{"left_arm": (B, T, D)}, {}]
    simulation   {"observation": {"video.ego": .., "state.arm": .., ..}}
                 -> [{"action.left_arm": (B, T, D)}, {}]
    N1.5         {"video.ego": (T, H, W, 3), "state.arm": (T, D), ..}
                 -> {"action.left_arm": (T, D)}

The model sees the same keys for all of them, and one robot at a time: `video.ego` (T, H, W, 3),
`state.arm` (T, D), and lists of texts as our own client sends them (`task.0`). B observations in
one request are asked one by one, share batches with everybody else's, and are joined again.

Sources: gr00t/policy/server_client.py of Isaac-GR00T@ade260e (N1.7), gr00t/eval/service.py@0a015f6
(N1.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import RejectedError
from ...wire.by_value import Reply
from ...wire.limits import Limits
from .. import told as words
from ..msgpack_values import Codec, Unpacked, flat, packed

PICKLED = b"PK\x03\x04"  # begins what GR00T N1 sends: torch.save, which is never loaded here
GET_ACTION = "get_action"
_OPTIONS = "options."  # begins the keys by which options reach the model
_ACTION, _LANGUAGE = "action.", "language."
_MOST_ROBOTS = 256  # in one request


@dataclass
class Request:
    """observations: of each robot in it. told: what `Visit.ask` takes. batched: whether the client
    has several robots in one request, or one in the same form. listed: whether the answer is a
    list of actions and information. prefixed: whether actions are called `action.NAME`.
    """

    endpoint: str
    token: str = ""
    observations: list[dict[str, Any]] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    client_id: str = ""
    model: str = ""
    batched: bool = False
    listed: bool = True
    prefixed: bool = False
    codec: Codec | None = None

    def answer(self, replies: Sequence[Reply]) -> Any:
        """The actions of every robot, joined; RejectedError where they do not fit together."""
        answers = [self._actions(reply.values()) for reply in replies]
        names = answers[0].keys()
        if any(each.keys() != names for each in answers):
            raise RejectedError("the model answered with other actions for each robot")
        joined = answers[0]
        if self.batched and len(answers) == 1:
            joined = {name: value[np.newaxis] for name, value in joined.items()}
        elif self.batched:
            try:
                joined = {name: np.stack([each[name] for each in answers]) for name in names}
            except ValueError:
                raise RejectedError("the model answered with chunks of several shapes") from None
        return [joined, {}] if self.listed else joined

    def _actions(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        prefix = _ACTION if self.prefixed else ""
        return {
            prefix + name.removeprefix(_ACTION): value
            for name, value in values.items()
            if isinstance(value, np.ndarray)
        }


def read(body: bytes | memoryview, limits: Limits) -> Request:
    """The request in a message; RejectedError says what is wrong with it."""
    unpacked = Unpacked(body, limits)
    said = unpacked.value
    if not isinstance(said, dict):
        raise RejectedError(f"a request is a map with an endpoint, not {type(said).__name__}")
    request = Request(
        str(said.get("endpoint", GET_ACTION)), _text(said.get("api_token")), codec=unpacked.codec
    )
    data = said.get("data")
    if request.endpoint == GET_ACTION:
        if not isinstance(data, dict):
            raise RejectedError("get_action needs a map of observations as data")
        _read_observations(request, data)
    return request


def _read_observations(request: Request, data: dict[str, Any]) -> None:
    said = data
    if "observation" in data:
        said, options = data["observation"], data.get("options")
        if not isinstance(said, dict):
            raise RejectedError("observation must be a map")
        if options is not None:
            said = {**said, **_read_options(request, options)}
    request.listed = said is not data
    nested = isinstance(said.get("video"), dict) or isinstance(said.get("state"), dict)
    request.prefixed = not nested
    values: dict[str, Any] = {}
    robots: dict[str, int] = {}  # how many there are in each array that counts them
    for name, value in flat(said, texts=False).items():
        if value is None:
            continue
        name = _key(name)
        values[name] = value
        if isinstance(value, np.ndarray) and value.ndim == (5 if name.startswith("video.") else 3):
            robots[name] = len(value)
    sizes = set(robots.values())
    if len(sizes) > 1:
        raise RejectedError(f"an observation of several robots has as many of each, not {sizes}")
    request.batched = bool(sizes)
    count = sizes.pop() if sizes else 1
    if not 1 <= count <= _MOST_ROBOTS:
        raise RejectedError(f"{count} robots in one request: 1 to {_MOST_ROBOTS} can be")
    if not request.batched:
        request.observations = [flat(values)]
        return
    for robot in range(count):
        observation = {
            name: value[robot]
            if name in robots or (type(value) is list and robot < len(value))
            else value  # which is everybody's
            for name, value in values.items()
        }
        request.observations.append(flat(observation))


def _read_options(request: Request, options: Any) -> dict[str, Any]:
    """What the options tell of the robot; the others, which go to the model as `options.NAME`."""
    if not isinstance(options, dict):
        raise RejectedError("options must be a map")
    told, others = {}, {}
    for name, value in options.items():
        if name == "client_id":
            request.client_id = _text(value)
        elif name == "model":
            request.model = _text(value)
        elif name in words.WORDS:
            told[name] = value
        elif value is not None:
            words.refuse_misspelt(str(name), ("client_id", "model", *words.WORDS), _OPTIONS)
            others[f"{_OPTIONS}{name}"] = value
    request.told = words.read(told, _OPTIONS)
    return others


def _key(name: str) -> str:
    """As N1.5 has it: a text of `language` is known by its own name if that has dots."""
    own_name = name.removeprefix(_LANGUAGE)
    return own_name if "." in own_name else name


def modality_config(found: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of get_modality_config, as every client from N1.6 on reads it.

    found: for video, state, action and language a map of `delta_indices` and `modality_keys`.
    """
    return {
        name: {"__ModalityConfig_class__": True, "__ModalityConfig__": True, "as_json": config}
        for name, config in found.items()
    }


def error(why: str) -> bytes:
    """The answer to a request that has none; its client raises it as a RuntimeError."""
    return packed({"error": why}, Codec.NPY)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
