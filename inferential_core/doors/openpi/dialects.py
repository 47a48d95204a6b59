"""What a message of an openpi client asks for, and how its answer is written. No I/O.

    openpi      the observation itself          -> {"actions": ..., "server_timing": ...}
    roboarena   with "endpoint": "infer"        -> the array of actions alone
                with "endpoint": "reset"        -> the text "reset successful"
    starVLA     {"examples": [...]}, or that as "payload" of {"type": "infer", "request_id": ...}
                                                -> {"ok": true, "data": {"actions": ...}, ...}

Sources: openpi_client/websocket_client_policy.py (0.1.2); robo-arena/roboarena@06f0a82;
starVLA/starVLA@0ed0aad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import RejectedError
from ...suggestion import nearest
from ...wire.by_value import Reply
from ...wire.nesting import nested
from .. import told as words
from ..msgpack_values import Codec, Unpacked, flat, packed

RESERVED = "inferential/"  # begins the keys by which a client may tell more than the protocol has
_ENDPOINTS = ("infer", "reset")  # of roboarena


@dataclass
class Question:
    """What a client asks. observations: one, or several that are answered together.

    told: what else it says, as `Visit.ask` takes it. reset: a new episode begins with it.
    """

    observations: list[dict[str, Any]] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    reset: bool = False
    codec: Codec = Codec.OPENPI
    session: str = ""  # of roboarena: another one is another episode

    def answer(self, replies: Sequence[Reply], previous_ms: float | None) -> bytes | str:
        """The message for a client whose observations all ended OK.

        previous_ms: how long its question before this one took, in all.
        """
        reply = replies[0]
        answer = nested(reply.values())
        answer["policy_timing"] = {"infer_ms": reply.inference_ms}
        timing = {"infer_ms": reply.total_ms}
        if previous_ms is not None:
            timing["prev_total_ms"] = previous_ms
        answer["server_timing"] = timing
        return packed(answer, self.codec)

    def refused(self, why: str) -> bytes | str:
        """The message for a client whose question has no answer."""
        return why


class OfRoboarena(Question):
    """Its answer is the array of actions alone."""

    def answer(self, replies: Sequence[Reply], previous_ms: float | None) -> bytes | str:
        del previous_ms
        return "reset successful" if not replies else packed(_actions(replies[0]), self.codec)


@dataclass
class OfStarVLA(Question):
    """Several examples are asked as observations of their own, and their actions are stacked."""

    request_id: Any = None

    def answer(self, replies: Sequence[Reply], previous_ms: float | None) -> bytes | str:
        del previous_ms
        if not replies:
            return self._packed(True, "pong")
        arrays = [_actions(reply) for reply in replies]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            return self.refused(f"the model answered with actions of shapes {sorted(shapes)}")
        return self._packed(True, "inference_result", data={"actions": np.stack(arrays)})

    def refused(self, why: str) -> bytes | str:
        return self._packed(False, "error", error={"message": why})

    def _packed(self, ok: bool, kind: str, **more: Any) -> bytes:
        status = "ok" if ok else "error"
        answer = {"status": status, "ok": ok, "type": kind, "request_id": self.request_id, **more}
        return packed(answer, self.codec)


def question(unpacked: Unpacked) -> Question:
    """What a message asks; RejectedError says what is wrong with it."""
    said = unpacked.value
    codec = unpacked.codec or Codec.OPENPI
    if not isinstance(said, dict):
        raise RejectedError(f"an observation is a map of keys to values, not {_kind(said)}")
    if "examples" in said or ("type" in said and {"request_id", "payload"} & said.keys()):
        return _of_starvla(said, codec)
    if endpoint := _word(said.get("endpoint")):
        if endpoint not in _ENDPOINTS:
            raise RejectedError(
                f"endpoint {endpoint[:64]!r} is unknown: {nearest(endpoint[:64], _ENDPOINTS)}"
            )
        said = dict(said)
        reset, session = said.pop("endpoint") == "reset", said.pop("session_id", "")
        told = _told(said)
        observations = [] if reset else [flat(said)]
        return OfRoboarena(observations, told, reset, codec, str(session))
    if isinstance(said.get("batch"), list):
        raise RejectedError(
            "a batch in one message is not read: ask one observation at a time, and the server"
            " makes batches of what several clients ask"
        )
    return Question(told=_told(said), observations=[flat(said)], codec=codec)


def _of_starvla(said: dict[str, Any], codec: Codec) -> Question:
    request_id = said.get("request_id")
    if _word(said.get("type")) == "ping":
        return OfStarVLA(codec=codec, request_id=request_id)
    payload = said.get("payload", said)
    examples = payload.get("examples") if isinstance(payload, dict) else None
    if not isinstance(examples, list) or not examples:
        raise RejectedError("a request of starVLA without examples")
    if not all(isinstance(example, dict) for example in examples):
        raise RejectedError("an example of starVLA is a map of keys to values")
    told = _told(payload)
    return OfStarVLA(
        [flat(_without_lists(example)) for example in examples],
        told,
        codec=codec,
        request_id=request_id,
    )


def _without_lists(example: dict[str, Any]) -> dict[str, Any]:
    """Several images under one key are `image.0`, `image.1`, ..."""
    return {
        key: dict(enumerate(value))
        if isinstance(value, list) and any(isinstance(each, np.ndarray) for each in value)
        else value
        for key, value in example.items()
    }


def _told(said: dict[str, Any]) -> dict[str, Any]:
    """The reserved keys, taken out of an observation; RejectedError names one that is wrong."""
    told = {}
    for key in [key for key in said if key.startswith(RESERVED)]:
        word = key.removeprefix(RESERVED)
        if word not in words.WORDS:
            known = ", ".join(RESERVED + each for each in words.WORDS)
            raise RejectedError(f"{key!r} is no key that the server knows: {known}")
        told[word] = said.pop(key)
    return words.read(told, RESERVED)


def _actions(reply: Reply) -> np.ndarray:
    """`actions` or `action` of an answer, else the first array there is."""
    values = reply.values()
    arrays = [each for each in values.values() if isinstance(each, np.ndarray)]
    found = values.get("actions", values.get("action", arrays[0] if arrays else None))
    if not isinstance(found, np.ndarray):
        raise RejectedError("the model answered without an array of actions")
    return found


def _word(value: Any) -> str:
    """A text; of anything else, such as an array under the key of a word, nothing."""
    return value if isinstance(value, str) else ""


def _kind(value: Any) -> str:
    return type(value).__name__
