"""The `observation` section: which topics and texts the model gets, how aligned, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferential_core.models.rtc import DELAY, LEFT_OVER, LEFT_OVER_STEPS
from inferential_ros.contract.key_sources import TREE, joined_key, topic_key, transform_key
from inferential_ros.contract.schema import ASOF, NEWEST, ObservationKey, Trigger
from inferential_ros.options.errors import ContractError, Gathering, suggestion
from inferential_ros.options.yaml_values import (
    Section,
    fraction,
    frequency,
    names,
    one_of,
    text,
)

TRIGGERS = ("on", "runway", "rate_hz")
RESERVED_KEYS = (
    *("urgency", "steps_remaining", "priority"),  # arguments of observe()
    *(LEFT_OVER, LEFT_OVER_STEPS, DELAY),
)
CAMERA_INFO = "CameraInfo"
PICTURES = ("Image", "Video", "Packet")  # how the names of types end that hold pictures
SHAPING = ("crop", "resize", "rotate")  # of a picture, which its camera's matrix follows
SOURCES = ("topic", "parameter", "tf", "parts")
NODE_PARAMETERS = (  # what the bridge, and every node, means by these is no text for a model
    *("contract_file", "server", "client_id", "key_file", "server_key_file", "sample_timeout"),
    *("thread_priority", "runway", "obey_hints", "autostart", "use_sim_time"),
    "start_type_description_service",
)


def read_observation(
    section: Section, default_runway: float
) -> tuple[tuple[ObservationKey, ...], Trigger, str]:
    """The keys, when to send them, and the name of the reference key."""
    section.only("keys", "trigger", "reference")
    keys = _keys(section.get("keys", Section))
    topics = tuple(key.name for key in keys if key.sources)
    trigger = section.get(
        "trigger", lambda value, path: _trigger(Section(value, path), topics), None
    )
    trigger = trigger or Trigger(runway=default_runway)
    reference = section.get("reference", one_of(*topics), (*trigger.on, *topics)[0])
    for key in keys:
        first = key.sources[0] if key.sources else key
        if key.name == reference and (key.align == ASOF or first.align not in (NEWEST, TREE)):
            raise ContractError(
                f"{key.path if key.transform else first.path}.align",
                "others are aligned to this, the reference",
            )
    return keys, trigger, reference


def _trigger(section: Section, topics: tuple[str, ...]) -> Trigger:
    given = [name for name in TRIGGERS if section.has(name)]
    section.finish()
    if len(given) != 1:
        raise ContractError(section.path, f"expected exactly one of {', '.join(TRIGGERS)}")
    on = section.get("on", _one_or_more, ())
    for index, name in enumerate(on):
        if name not in topics:
            path = section.at("on") if len(on) == 1 else f"{section.at('on')}[{index}]"
            raise ContractError(path, f"no topic key {name!r}; {suggestion(name, topics)}")
    return Trigger(
        on=on,
        runway=section.get("runway", fraction, None),
        rate_hz=section.get("rate_hz", frequency, None),
    )


def _one_or_more(value: Any, path: str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else names(value, path)


def _keys(section: Section) -> tuple[ObservationKey, ...]:
    given = {name: value for name, value, _ in section.items()}
    keys: list[ObservationKey] = []
    wrong = Gathering()
    for name, value, path in section.items():
        with wrong.part():
            keys.append(_key(name, _following(Section(value, path), given), path))
    wrong.raise_any()
    if not any(key.sources for key in keys):
        raise ContractError(section.path, "needs at least one key with a topic")
    named: dict[str, str] = {}
    for key in keys:
        if key.parameter and named.setdefault(key.parameter, key.name) != key.name:
            first = named[key.parameter]
            raise ContractError(
                f"{key.path}.parameter", f"{key.parameter!r} is key {first!r} already"
            )
    return tuple(keys)


def _following(section: Section, given: dict[str, Any]) -> Section:
    """A camera's matrix with the crop, resize and rotate of the image key that it follows."""
    if not section.has("follows"):
        return section
    images = [name for name, value in given.items() if _is_picture(value)]
    image = section.get("follows", text)
    is_camera_info = section.get("type", text, "").endswith(CAMERA_INFO)
    if not is_camera_info or (image in given and image not in images):
        hint = f"; {suggestion(image, images)}" if is_camera_info else ""
        raise ContractError(
            section.at("follows"), f"is for a CameraInfo that goes with an image{hint}"
        )
    options = Section(given[section.get("follows", one_of(*images))], section.at("follows"))
    if options.get("bayer", lambda value, _: value, None) == "half":
        raise ContractError(section.at("follows"), "an image with bayer: half is not followed")
    if any(part.startswith("image_rect") for part in options.get("topic", text).split("/")):
        section = section.with_default("rectified", True)
    for key in SHAPING:
        if options.has(key):
            section = section.with_default(key, options.get(key, lambda value, _: value))
    return section


def _is_picture(options: Any) -> bool:
    """Whether a key, as it is written, is of pictures, which a camera's matrix can follow."""
    if not isinstance(options, Mapping) or str(options.get("type")).endswith(CAMERA_INFO):
        return False
    return str(options.get("type")).endswith(PICTURES) or any(key in options for key in SHAPING)


def _key(name: str, section: Section, path: str) -> ObservationKey:
    if name in RESERVED_KEYS:
        raise ContractError(path, f"{name!r} has a meaning of its own and cannot name a key")
    initial = section.get("text", text, None)
    made_of = [kind for kind in SOURCES if section.has(kind)]
    if len(made_of) > 1:
        raise ContractError(
            section.at(made_of[1]), "a key is read from a topic or a parameter, or is tf or parts"
        )
    if section.has("parameter"):
        key = ObservationKey(
            name, path, text=initial or "", parameter=section.get("parameter", _parameter)
        )
    elif section.has("tf"):
        key = transform_key(name, section)
    elif section.has("parts"):
        key = joined_key(name, section)
    elif section.has("topic") or not initial:
        key = topic_key(name, section, initial)
    else:
        key = ObservationKey(name, path, text=initial)
    section.finish()
    return key


def _parameter(value: Any, path: str) -> str:
    name = text(value, path)
    if not name.replace(".", "_").isidentifier():
        raise ContractError(path, f"{name!r} is no parameter name")
    if name in NODE_PARAMETERS:
        raise ContractError(path, f"{name!r} is a parameter of the bridge itself; choose another")
    return name
