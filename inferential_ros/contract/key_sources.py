"""Where one key of an observation comes from: a topic, several of them, or the tree of frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from inferential_ros.contract.plugins import converters_code
from inferential_ros.contract.schema import (
    ASOF,
    DROP,
    NEWEST,
    History,
    ObservationKey,
    Qos,
    Transform,
)
from inferential_ros.contract.topics import read_topic
from inferential_ros.convert.registry import (
    TEXT,
    Form,
    InputError,
    Located,
    form_of,
    input_type,
    located,
)
from inferential_ros.convert.rotation import FORMS, QUATERNION, Rotations
from inferential_ros.options.errors import ContractError
from inferential_ros.options.types import message_class
from inferential_ros.options.yaml_values import (
    Section,
    one_of,
    positive,
    sequence,
    text,
    whole_positive,
)

TREE = "tree"  # of frames: asked for one moment, whenever its samples came
TREE_TYPE = "tf2_msgs/msg/TFMessage"
TREE_DEPTH = 100  # as tf2_ros has it: many publishers, few frames in a message
IMAGES = {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"}
DTYPES = ("float32", "float64")
MOST_STEPS = 1000  # of a history: more are no history but a recording


def topic_key(name: str, section: Section, initial: str | None = None) -> ObservationKey:
    """A key from one topic. initial: a text that stands for it until the first message."""
    topic = read_topic(section)
    if topic.action is not None:
        raise ContractError(section.at("type"), f"{topic.type} is an action: it is commanded")
    converter = input_type(topic.type)
    has_header = "header" in topic.message.get_fields_and_field_types()
    align = section.get("align", one_of(NEWEST, ASOF, DROP), NEWEST)
    if align != ASOF and section.has("tolerance_s"):
        raise ContractError(section.at("tolerance_s"), "is for align: asof")
    with converters_code(section.path):
        decode = converter.make(section, topic.message)
        if initial is not None and form_of(decode).dtype != TEXT:
            raise ContractError(section.at("text"), f"a {topic.type} is no text")
    key = ObservationKey(
        name,
        section.path,
        topic=topic.name,
        type=topic.type,
        message=topic.message,
        qos=topic.qos(section, reliable=converter.reliable),
        stamp=section.get("stamp", one_of("header", "receive"), None)
        or ("header" if has_header else "receive"),
        max_age_s=section.get("max_age_s", positive, converter.max_age_s),
        decode=decode,
        text=initial,
        align=align,
        tolerance_s=section.get("tolerance_s", positive) if align == ASOF else 0.0,
        history=section.get("history", _history, None),
    )
    if key.stamp == "header" and not has_header:
        raise ContractError(section.at("stamp"), f"{topic.type} has no header; use receive")
    if key.history is not None and not form_of(decode).stackable:
        raise ContractError(
            section.at("history"), "stacks numbers: texts and compressed images cannot be stacked"
        )
    return key


def joined_key(name: str, section: Section) -> ObservationKey:
    """A key made of several vectors, one after the other, each from a topic with its own keys."""
    listed = section.get("parts", sequence)
    if len(listed) < 2:
        raise ContractError(section.at("parts"), "needs at least two topics; one is a key itself")
    history = section.get("history", _history, None)
    parts = []
    for index, value in enumerate(listed):
        part = Section(value, f"{section.at('parts')}[{index}]")
        found = topic_key(f"{name}[{index}]", part)
        part.finish()
        if not _is_vector(found) or found.history or found.align == DROP:
            raise ContractError(
                part.path,
                "a part is a vector of numbers, there in every observation; make anything else,"
                " such as an image, a key of its own",
            )
        parts.append(replace(found, history=history))
    join = Joined(parts, section.get("dtype", one_of(*DTYPES), "float32"), section.path)
    return ObservationKey(
        name, section.path, parts=tuple(parts), join=join, max_age_s=None, history=history
    )


def _is_vector(key: ObservationKey) -> bool:
    """Whether a key's values are vectors of numbers, or may be, where only the messages tell."""
    form = form_of(key.decode)
    if form.shape is not None:
        return len(form.shape) == 1
    return form.dtype != TEXT and not form.compressed and key.type not in IMAGES


class Joined:
    """The values of the parts of a key, one after the other; stacked ones at each moment."""

    def __init__(self, parts: list[ObservationKey], dtype: str, path: str) -> None:
        self._parts = parts
        shapes = [form_of(part.decode).shape for part in parts]
        sizes = [shape[0] for shape in shapes if shape is not None and shape[0] is not None]
        self.form = Form(dtype, (sum(sizes) if len(sizes) == len(parts) else None,))
        self._dtype = np.dtype(dtype)
        self._path = path

    def located(self) -> dict[str, Located]:
        """The elements of each part, by themselves and behind its number: `elbow`, `[1].elbow`.

        What several parts have is there by its number only.
        """
        found: dict[str, Located] = {}
        start, taken = 0, Counter(name for part in self._parts for name in located(part.decode))
        for index, part in enumerate(self._parts):
            for name, place in located(part.decode).items():
                here = place._replace(index=start + place.index)
                found[f"[{index}].{name}"] = here
                if taken[name] == 1:
                    found[name] = here
            shape = form_of(part.decode).shape
            if shape is None or shape[0] is None:
                break
            start += shape[0]
        return found

    def __call__(self, values: list[Any]) -> np.ndarray:
        for index, (value, part) in enumerate(zip(values, self._parts)):
            if np.ndim(value) != (1 if part.history is None else 2):
                raise InputError(f"{self._path}.parts[{index}]", "is no vector")
        return np.concatenate(values, axis=-1).astype(self._dtype, copy=False)


def transform_key(name: str, section: Section) -> ObservationKey:
    """A key that is the pose of one frame in another: position, then rotation."""
    asked = section.get("tf", Section)
    asked.only("frame", "in")
    frame, parent = (asked.get(key, text).removeprefix("/") for key in ("frame", "in"))
    if frame == parent:
        raise ContractError(asked.at("in"), f"{frame!r} is the frame itself")
    message = message_class(TREE_TYPE, section.at("tf"))
    pose = Posed(
        section.get("rotation", one_of(*FORMS), QUATERNION),
        section.get("dtype", one_of(*DTYPES), "float32"),
        section.at("tf"),
    )
    source = ObservationKey(
        "/tf",
        section.at("tf"),
        topic="/tf",
        type=TREE_TYPE,
        message=message,
        qos=Qos(reliable=True, depth=TREE_DEPTH),
        stamp="receive",
        align=TREE,
    )
    static = replace(
        source,
        name="/tf_static",
        topic="/tf_static",
        qos=Qos(reliable=True, transient_local=True, depth=TREE_DEPTH),
        quiet=True,
    )
    align = section.get("align", one_of(NEWEST, ASOF), NEWEST)
    limit = "tolerance_s" if align == ASOF else "max_age_s"
    for key in {"tolerance_s", "max_age_s"} - {limit}:
        if section.has(key):
            raise ContractError(section.at(key), f"is not for align: {align}, but {limit}")
    max_age_s = section.get(limit, positive, *(() if align == ASOF else (1.0,)))
    return ObservationKey(
        name,
        section.path,
        parts=(source, static),
        join=pose,
        align=align,
        tolerance_s=max_age_s if align == ASOF else 0.0,
        transform=Transform(
            frame,
            parent,
            max_age_s,
        ),
        max_age_s=max_age_s if align == NEWEST else None,
        history=section.get("history", _history, None),
    )


class Posed:
    """A position (3,) and a unit quaternion (4,) -> the numbers that the model gets."""

    def __init__(self, rotation: str, dtype: str, path: str) -> None:
        self._rotations = Rotations([3], QUATERNION, rotation, 7, path)
        self._dtype = np.dtype(dtype)
        self.form = Form(dtype, (self._rotations.size,))

    def located(self) -> dict[str, Located]:
        """x, y and z, and the rotation."""
        rotation = Located(3, form=self._rotations.target)
        return {**{axis: Located(index) for index, axis in enumerate("xyz")}, "rotation": rotation}

    def __call__(self, pose: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return self._rotations(np.concatenate(pose)).astype(self._dtype, copy=False)


def _steps(value: Any, path: str) -> int:
    steps = whole_positive(value, path)
    if steps > MOST_STEPS:
        raise ContractError(
            path, f"{steps} samples in every observation are more than {MOST_STEPS}"
        )
    return steps


def _history(value: Any, path: str) -> History:
    section = Section(value, path)
    section.only("steps", "every_s")
    return History(
        section.get("steps", _steps),
        max(1, round(1e9 * section.get("every_s", positive))),
    )
