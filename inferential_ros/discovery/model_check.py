"""Compares a contract with the specification of its model, which the server returns.

Its form is that of inferential_core/models/specification.py. What a decoder's options leave
open, such as the size of a camera's images, is compared once the robot's own are known
(`check_value`), and by the server with every observation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inferential_core import Connection, InferentialError
from inferential_core.models.rtc import DELAY, LEFT_OVER, LEFT_OVER_STEPS
from inferential_core.models.specification import joints_of
from inferential_ros.contract.schema import DROP, Action, Contract, ObservationKey
from inferential_ros.convert.registry import TEXT
from inferential_ros.execution.modes import RTC
from inferential_ros.keys import NO_KEYS, KeyFiles
from inferential_ros.options.errors import ContractError, raise_any, suggestion

CHANNELS = (1, 3, 4)  # of an image
BUSY_S = 5.0  # a server that is there may have other things to do first


def fetch_specification(
    server: str, client_id: str, model_id: str, timeout_s: float, keys: KeyFiles = NO_KEYS
) -> tuple[Mapping[str, Any], str]:
    """What the model declares ({} if nothing), and why it is not known, or ''.

    Waits so long for a server to be there, and for one that is there a little longer.
    """
    try:
        # An id of its own, below the robot's: its key covers that, and nothing is taken over.
        own_id = f"{client_id}/check"
        with Connection(server, own_id, "bridge", **keys.options()) as connection:
            model = connection.model(model_id)
            try:
                return model.specification(1000.0 * timeout_s), ""
            except TimeoutError:
                if problem := connection.problem:
                    return {}, f"the server {server} does not answer: {problem}"
                return model.specification(1000.0 * BUSY_S), ""
    except TimeoutError:
        return {}, f"the server {server} does not answer"
    except InferentialError as error:
        return {}, str(error)


def check_model(contract: Contract, specification: Mapping[str, Any]) -> None:
    """ContractError for the keys of the contract that the model contradicts, all at once."""
    raise_any(mismatches(contract, specification))


def mismatches(contract: Contract, specification: Mapping[str, Any]) -> list[ContractError]:
    """What `check_model` raises, one for each key."""
    return [
        *_of_observation(contract, specification),
        *_of_joints(contract, specification),
        *_of_action(contract.action, specification),
    ]


def advice(contract: Contract, specification: Mapping[str, Any]) -> list[str]:
    """What the model would rather have, and does not contradict."""
    trigger, rate_hz = contract.trigger, contract.action.rate_hz
    if specification.get("horizon") != 1 or trigger.rate_hz == rate_hz:
        return []
    return [
        "observation.trigger: the model answers one action for each observation, so ask it at"
        f" each step of the robot: {{rate_hz: {rate_hz:g}}}, as action.rate_hz"
    ]


def check_value(key: ObservationKey, value: Any, specification: Mapping[str, Any]) -> None:
    """ContractError if the model takes another shape than that of a value, such as an image's.

    For what a contract leaves open: what it tells by itself is what `check_model` compares.
    """
    shape = getattr(value, "shape", None)
    wanted = _taken(key, specification.get("observation", {}).get(key.name, {}))
    told = key.form.shape
    if shape is None or wanted is None or (told is not None and None not in told):
        return
    if key.history is not None:
        shape = (key.history.steps, *shape)
    if problem := _misfit(shape, wanted):
        raise ContractError(key.path, problem)


def _of_observation(
    contract: Contract, specification: Mapping[str, Any]
) -> Iterator[ContractError]:
    wanted: Mapping[str, Any] = specification.get("observation", {})
    rejects_others = specification.get("other_keys", "ignore") == "reject"
    keys = {key.name: key for key in contract.observation}
    sent = set(keys)
    if contract.action.execution.mode == RTC:
        sent |= {LEFT_OVER, LEFT_OVER_STEPS, DELAY}
    for key in keys.values():
        if key.name in wanted:
            yield from _of_key(key, wanted[key.name])
        elif rejects_others:
            yield ContractError(
                key.path, f"the model takes no {key.name!r}; {suggestion(key.name, wanted)}"
            )
    for name, entry in wanted.items():
        optional = entry.get("optional", False)
        if name not in sent and not optional:
            yield ContractError(
                "observation.keys",
                f"the model needs {name!r} ({told(entry)}); {suggestion(name, sent)}",
            )
        if name in keys and keys[name].align == DROP and not optional:
            yield ContractError(
                f"{keys[name].path}.align", "the model needs this key in every observation"
            )


def _of_joints(contract: Contract, specification: Mapping[str, Any]) -> Iterator[ContractError]:
    """Joints that are those of the model's state, in another order than its columns."""
    notes = specification.get("notes") or {}
    columns = joints_of(notes.get("state_names") or ())
    for key in contract.observation:
        joints = list(getattr(key.decode, "elements", ()))
        if joints != columns and sorted(joints) == sorted(columns):
            yield ContractError(
                f"{key.path}.joints",
                f"the model's columns are {', '.join(columns)}, in this order",
            )


def _of_key(key: ObservationKey, entry: Mapping[str, Any]) -> Iterator[ContractError]:
    form = key.form
    names = entry.get("dtype", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    if form.dtype is not None and names and form.dtype not in names:
        where = key.path if TEXT in (form.dtype, *names) else f"{key.path}.dtype"
        yield ContractError(where, f"{form.dtype}, the model takes {' or '.join(names)}")
    shape = _taken(key, entry)
    if shape is None:
        return
    told = form.shape
    if told is None and form.sides is not None:
        history = () if key.history is None else (key.history.steps,)
        channels = (None,) * (len(shape) - len(history) - 2)  # as many as the messages have
        told = (*history, *form.sides, *channels)
    if told is not None and (problem := _misfit(told, shape)):
        yield ContractError(key.path, problem)


def _taken(key: ObservationKey, entry: Mapping[str, Any]) -> Sequence[int | None] | None:
    """The shape that the server takes for the model, None: any. It brings compressed images to
    the size that the model asks for, and no others.
    """
    shape, size = entry.get("shape"), entry.get("resize")
    if size is None:
        return shape
    channels = (3,) if shape is None else shape[2:]
    return (None, None, *channels) if key.form.compressed else (*size, *channels)


def _misfit(ours: Sequence[int | None], theirs: Sequence[int | None]) -> str:
    """What is wrong with a shape, or ''."""
    if len(ours) == len(theirs) and all(
        None in (our, their) or our == their for our, their in zip(ours, theirs)
    ):
        return ""
    problem = f"shape {_sizes(ours)}, the model takes {_sizes(theirs)}"
    if len(ours) == len(theirs) == 3 and ours[2] in CHANNELS and theirs[0] == ours[2]:
        problem += (
            "; images are sent channels last, [height, width, channels], and this model declares"
            " channels first: let its specification say channels last, and its code transpose them"
        )
    return problem


def _of_action(action: Action, specification: Mapping[str, Any]) -> Iterator[ContractError]:
    names = specification.get("action_names")
    if names is not None:
        unknown = [index for index, name in enumerate(action.names) if name not in names]
        for index in unknown:
            name = action.names[index]
            yield ContractError(
                f"action.names[{index}]",
                f"the model has no action {name!r}; {suggestion(name, names)}",
            )
        if not unknown and list(action.names) != list(names):
            yield ContractError(
                "action.names", f"the model's columns are {', '.join(names)}, in this order"
            )
    rate_hz = specification.get("control_rate_hz")
    if rate_hz is not None and not math.isclose(rate_hz, action.rate_hz, rel_tol=1e-3):
        yield ContractError(
            "action.rate_hz", f"{action.rate_hz:g}, the model's actions are for {rate_hz:g} Hz"
        )
    horizon, steps = specification.get("horizon"), action.execution.execution_horizon
    if horizon is not None and steps is not None and steps > horizon:
        yield ContractError(
            "action.execution_horizon", f"{steps}, the model's chunks have {horizon} steps"
        )


def told(entry: Mapping[str, Any]) -> str:
    """An entry of a specification in words."""
    names = entry.get("dtype", "any array")
    dtype = names if isinstance(names, str) else " or ".join(names)
    shape = entry.get("shape")
    return dtype if shape is None else f"{dtype} of {_sizes(shape)}"


def _sizes(shape: Any) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"
