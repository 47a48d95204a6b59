"""Observations and answers as a replica meets them. Sent to the replicas by value."""

from __future__ import annotations

import io
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .replica_memory import Neighbours

# One observation as it travels: values by key; compressed images by key as (encoding, bytes as
# uint8, shape of the pixels); context as (client id, epoch, request id, first of its episode,
# seconds until the deadline). Arrays may lie elsewhere: then a `replica_memory.Shared` each.
Observation = tuple[dict[str, Any], dict[str, tuple[str, Any, tuple[int, ...]]], tuple[Any, ...]]

# A result as it travels: values by key, or (class of the error, its text, traceback).
Outcome = dict[str, Any] | tuple[str, str, str]


@dataclass(frozen=True)
class InferenceContext:
    """Second argument of a model that takes one; `deadline` is on this machine's clock."""

    client_id: str
    epoch: int
    request_id: int
    first_of_episode: bool
    deadline: float
    left_over: np.ndarray | None = None
    left_over_steps: int = 0
    inference_delay: int = 0


def has_images(observation: Observation) -> bool:
    """Whether preparing it takes long enough to do it on a thread: there are images to decode."""
    return bool(observation[1])


def prepare(observations: Sequence[Observation], neighbours: Neighbours) -> list[Any]:
    """(observation, context) each, images decoded; an exception for one that is broken."""
    now = time.monotonic()
    prepared: list[Any] = []
    for values, images, context in observations:
        try:
            for key, value in values.items():
                if isinstance(value, tuple):
                    values[key] = neighbours.read(value)
            for key, (encoding, data, shape) in images.items():
                file = neighbours.read(data) if isinstance(data, tuple) else data
                values[key] = _pixels(key, encoding, file, shape)
        except Exception as error:
            prepared.append(error)
            continue
        client_id, epoch, request_id, first, left = context
        facts = InferenceContext(
            client_id,
            epoch,
            request_id,
            first,
            now + left,
            values.get("prev_chunk_left_over"),
            int(values.get("left_over_steps", 0)),
            int(values.get("inference_delay", 0)),
        )
        prepared.append((values, facts))
    return prepared


def _pixels(key: str, encoding: str, data: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels, uint8, in the declared shape; nothing is allocated for an image that is not."""
    try:
        from PIL import Image
    except ImportError:
        raise ValueError(
            f"{key!r}: this replica cannot decode images: pip install pillow, in its environment"
        ) from None
    with Image.open(io.BytesIO(data), formats=(encoding,)) as picture:
        if (picture.height, picture.width) != tuple(shape[:2]):
            raise ValueError(f"{key!r}: the image is not of the declared shape {shape}")
        pixels = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
    if pixels.shape != tuple(shape) or pixels.dtype != np.uint8:
        raise ValueError(f"{key!r}: decoded to {pixels.dtype} {pixels.shape}, declared {shape}")
    return pixels


def in_order(prepared: Sequence[Any], answers: Sequence[Any]) -> list[Outcome]:
    """The answers, and the errors of those that were not asked, as outcomes."""
    remaining = iter(answers)
    outcomes: list[Outcome] = []
    for item in prepared:
        answer = item if isinstance(item, BaseException) else next(remaining)
        try:
            failed = isinstance(answer, BaseException)
            outcomes.append(told(answer) if failed else values(answer))
        except Exception as error:
            outcomes.append(told(error))
    return outcomes


def values(answer: Any) -> dict[str, Any]:
    """Arrays and strings by key.

    Arrays of other libraries become numpy's here: the server need not have those installed.
    """
    if answer is None:
        raise TypeError("the model returned None: return a dict or an array")
    if not isinstance(answer, Mapping):
        answer = {"actions": answer}
    return {
        str(key): value if isinstance(value, str) else _array(value)
        for key, value in answer.items()
    }


def _array(value: Any) -> Any:
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
    return np.asarray(value)


def told(error: BaseException) -> tuple[str, str, str]:
    frames = traceback.extract_tb(error.__traceback__)
    where = ""
    if frames:
        where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})"
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return type(error).__name__, f"{error}{where}", "".join(lines)
