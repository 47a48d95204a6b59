"""Describes a contract in plain words: what it reads, when it asks, what it commands."""

from __future__ import annotations

import math
from collections.abc import Iterator

from inferential_ros.contract.key_sources import IMAGES
from inferential_ros.contract.schema import ASOF, Contract, ObservationKey, Output


def describe(contract: Contract) -> str:
    """Several lines."""
    return "\n".join(_lines(contract))


def _lines(contract: Contract) -> Iterator[str]:
    action, trigger = contract.action, contract.trigger
    if trigger.on:
        when = f"with every new {' and '.join(trigger.on)}"
    elif trigger.rate_hz is not None:
        when = f"{trigger.rate_hz:g} times a second"
    elif trigger.runway:
        when = f"when {trigger.runway:.0%} of the chunk or less is left"
    else:
        when = "when the chunk is used up"
    yield f"{contract.robot} asks the model {contract.model.id!r} {when}"
    for key in contract.observation:
        yield f"  {key.name}: {_key(key, contract)}"
    count = len(action.names)
    yield (
        f"{count} action{'s' * (count != 1)} at {action.rate_hz:g} Hz, published at"
        f" {action.control_rate_hz:g} Hz, mode {action.execution.mode}"
    )
    for output in action.outputs:
        yield f"  {output.topic}: {_output(output)}"


def _key(key: ObservationKey, contract: Contract) -> str:
    if key.parameter:
        return f"text, parameter {key.parameter!r}"
    if not key.sources:
        return f"text {key.text!r}"
    form = key.form
    if key.transform is not None:
        parts = [f"pose of {key.transform.frame} in {key.transform.parent}"]
    else:
        parts = [" and ".join(f"{source.topic} ({source.type})" for source in key.sources)]
    if key.history is not None:
        parts.append(f"{key.history.steps} samples {key.history.every_ns / 1e9:g} s apart")
    if form.dtype:
        sizes = (
            "" if form.shape is None else " of " + " x ".join(str(n or "any") for n in form.shape)
        )
        parts.append(f"as {form.dtype}{sizes}")
    if IMAGES & {source.type for source in key.sources}:
        if form.shape is None or len(form.shape) > 2:
            parts.append("channels last (height x width x channels)")
        if form.compressed:
            parts.append("compressed on its way and decoded by the server")
    if key.align == ASOF:
        parts.append(f"within {key.tolerance_s:g} s of {contract.reference_name}")
    if key.max_age_s is not None:
        parts.append(f"at most {key.max_age_s:g} s old")
    return ", ".join(parts)


def _output(output: Output) -> str:
    ends = [end for pair in zip(output.limits.lower, output.limits.upper) for end in pair]
    free = sum(map(math.isinf, ends))
    limits = "no limits" if free == len(ends) else "partly limited" if free else "limited"
    if output.awaits_urdf:
        limits = "limits of the URDF"
    fallback = {
        "hold": "holds the last target",
        "zeros": "goes to zero",
        "none": "publishes nothing",
        "decelerate": f"comes to rest within {output.decelerate_s:g} s",
    }[output.fallback]
    return (
        f"{output.kind} of {', '.join(output.names)} ({output.type}), {limits};"
        f" {fallback} when actions run out"
    )
