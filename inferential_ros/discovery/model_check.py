"""Compares a contract with the specification of its model, which the server returns.

Its form is that of inferential_core/models/specification.py. What a decoder's options leave
open, such as the size of a camera's images, is checked by the server with every observation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from inferential_core import Connection, InferentialError
from inferential_core.models.rtc import DELAY, LEFT_OVER, LEFT_OVER_STEPS
from inferential_ros.contract.schema import DROP, Action, Contract, ObservationKey
from inferential_ros.convert.registry import TEXT
from inferential_ros.execution.modes import RTC
from inferential_ros.keys import NO_KEYS, KeyFiles
from inferential_ros.options.errors import ContractError, suggestion

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
    """ContractError for the first key of the contract that the model contradicts."""
    _check_observation(contract, specification)
    _check_action(contract.action, specification)


def _check_observation(contract: Contract, specification: Mapping[str, Any]) -> None:
    wanted: Mapping[str, Any] = specification.get("observation", {})
    rejects_others = specification.get("other_keys", "ignore") == "reject"
    keys = {key.name: key for key in contract.observation}
    sent = set(keys)
    if contract.action.execution.mode == RTC:
        sent |= {LEFT_OVER, LEFT_OVER_STEPS, DELAY}
    for key in keys.values():
        if key.name in wanted:
            _check_key(key, wanted[key.name])
        elif rejects_others:
            raise ContractError(
                key.path, f"the model takes no {key.name!r}; {suggestion(key.name, wanted)}"
            )
    for name, entry in wanted.items():
        optional = entry.get("optional", False)
        if name not in sent and not optional:
            raise ContractError(
                "observation.keys",
                f"the model needs {name!r} ({told(entry)}); {suggestion(name, sent)}",
            )
        if name in keys and keys[name].align == DROP and not optional:
            raise ContractError(
                f"{keys[name].path}.align", "the model needs this key in every observation"
            )


def _check_key(key: ObservationKey, entry: Mapping[str, Any]) -> None:
    form = key.form
    names = entry.get("dtype", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    if form.dtype is not None and names and form.dtype not in names:
        where = key.path if TEXT in (form.dtype, *names) else f"{key.path}.dtype"
        raise ContractError(where, f"{form.dtype}, the model takes {' or '.join(names)}")
    shape = entry.get("shape")
    if form.shape is None or shape is None:
        return
    fits = len(form.shape) == len(shape) and all(
        None in (ours, theirs) or ours == theirs for ours, theirs in zip(form.shape, shape)
    )
    if not fits:
        raise ContractError(
            key.path, f"shape {_sizes(form.shape)}, the model takes {_sizes(shape)}"
        )


def _check_action(action: Action, specification: Mapping[str, Any]) -> None:
    names = specification.get("action_names")
    if names is not None:
        for index, name in enumerate(action.names):
            if name not in names:
                raise ContractError(
                    f"action.names[{index}]",
                    f"the model has no action {name!r}; {suggestion(name, names)}",
                )
        if list(action.names) != list(names):
            raise ContractError(
                "action.names", f"the model's columns are {', '.join(names)}, in this order"
            )
    rate_hz = specification.get("control_rate_hz")
    if rate_hz is not None and not math.isclose(rate_hz, action.rate_hz, rel_tol=1e-3):
        raise ContractError(
            "action.rate_hz", f"{action.rate_hz:g}, the model's actions are for {rate_hz:g} Hz"
        )
    horizon, steps = specification.get("horizon"), action.execution.execution_horizon
    if horizon is not None and steps is not None and steps > horizon:
        raise ContractError(
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
