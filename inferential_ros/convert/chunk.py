"""A plan -> inferential/msg/ActionChunk, so that others can execute or record it.

Every plan is published as one by the bridge. As an output of a contract the type carries what is
executed: chunks of one step.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from inferential_ros.convert.registry import Encode, OutputContext, output_converter
from inferential_ros.execution.plan import Plan
from inferential_ros.options.yaml_values import Section


def chunk_message(plan: Plan, names: tuple[str, ...], client: str, model: str) -> Any:
    """The message of a plan; its stamp is the observation's."""
    from inferential.msg import ActionChunk

    chunk = ActionChunk(
        client=client,
        model=model,
        model_version=plan.model_version,
        request_id=plan.request_id,
        epoch=plan.epoch,
        names=list(names),
        horizon=plan.horizon,
        dimension=plan.actions.shape[1],
        data=array("f", plan.actions.astype(np.float32).tobytes()),
        start=time_message(plan.start_ns),
        period=duration_message(plan.period_ns),
        lease=duration_message(plan.length_ns if plan.lease_ns is None else plan.lease_ns),
    )
    chunk.header.stamp = time_message(plan.stamp_ns)
    return chunk


def time_message(nanoseconds: int) -> Any:
    """A Time message of nanoseconds since the epoch."""
    from builtin_interfaces.msg import Time

    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def duration_message(nanoseconds: int) -> Any:
    """A Duration message of nanoseconds."""
    from builtin_interfaces.msg import Duration

    return Duration(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def _stamp(message: Any, time: Any) -> None:
    message.header.stamp = message.start = time


@output_converter("inferential/msg/ActionChunk", stamp=_stamp)
def one_step(section: Section, context: OutputContext) -> Encode:
    """What is executed in this tick: a chunk of one step that lasts one control period."""
    period = duration_message(round(context.control_period_s * 1e9))

    def encode(values: np.ndarray) -> Any:
        return context.message(
            names=list(context.names),
            horizon=1,
            dimension=len(context.names),
            data=array("f", np.asarray(values, dtype=np.float32).tobytes()),
            period=period,
            lease=period,
        )

    return encode
