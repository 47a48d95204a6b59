"""/diagnostics of a bridge: a status per input and output, for the link and for the actions."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from inferential_core import Status
from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.bridge.inputs import Input
from inferential_ros.bridge.outputs import Outputs
from inferential_ros.bridge.state import State
from inferential_ros.convert.chunk import time_message

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)
ACTIONS = {
    State.INACTIVE: (OK, "not active"),
    State.WAITING: (WARN, "no valid plan yet: nothing is published"),
    State.EXECUTING: (OK, "executing the model's plan"),
    State.FALLBACK: (WARN, "actions ran out: publishing the declared fallback"),
    State.PAUSED: (WARN, "paused: publishing the declared fallback"),
    State.EMERGENCY_STOPPED: (ERROR, "emergency stop: publishing the declared fallback"),
}


def diagnostics_message(
    bridge: BridgeCore, outputs: Outputs, node: str, robot: str, now_ns: int
) -> DiagnosticArray:
    """The report of this moment; hardware id is the robot's name."""
    message = DiagnosticArray()
    message.header.stamp = time_message(now_ns)
    with bridge.lock:
        for item in bridge.inputs.topics:
            message.status.append(_input(item, now_ns))
        message.status.append(_link(bridge))
        message.status.append(_actions(bridge, now_ns))
        message.status += _outputs(bridge, outputs)
    for status in message.status:
        status.name = f"{node}: {status.name}"
        status.hardware_id = robot
    return message


def _input(item: Input, now_ns: int) -> DiagnosticStatus:
    key = item.key
    told = {"topic": key.topic, "type": key.type, "received": item.received, **item.report()}
    status = _status(f"input {key.name}", **told)
    if not item.received:
        status.level, status.message = STALE, item.error or f"no message on {key.topic}"
        return status
    age_s = item.age_s(now_ns)
    status.values.append(KeyValue(key="age_s", value=f"{age_s:.3f}"))
    if item.error:
        status.level, status.message = ERROR, item.error
    elif key.max_age_s is not None and not -key.max_age_s <= age_s <= key.max_age_s:
        status.level, status.message = ERROR, f"the newest sample is {age_s:.3f} s old"
    else:
        status.level, status.message = OK, "receiving"
    return status


def _link(bridge: BridgeCore) -> DiagnosticStatus:
    statistics = bridge.statistics
    status = _status(
        "link",
        server=bridge.link.server,
        observations=statistics.observations,
        ok=statistics.replies[Status.OK],
        lost=statistics.replies[Status.LOST],
        last_error=statistics.last_error,
    )
    if bridge.link.connected:
        status.level, status.message = OK, "connected"
    else:
        why = f": {problem}" if (problem := bridge.link.problem) else ""
        status.level, status.message = ERROR, f"no connection to {bridge.link.server}{why}"
    return status


def _actions(bridge: BridgeCore, now_ns: int) -> DiagnosticStatus:
    statistics = bridge.statistics
    samples, p50, p95 = statistics.latency_percentiles()
    status = _status(
        "actions",
        runway_s=f"{bridge.executor.runway_ns(now_ns) / 1e9:.3f}",
        delay_steps=bridge.executor.delay_steps,
        rate_hz=f"{statistics.action_rate:.1f}",
        deadline_hits=statistics.plans_in_time,
        deadline_misses=statistics.plans_late,
        invalid_plans=statistics.invalid_plans,
        latency_p50_ms=f"{1000 * p50:.1f}" if samples else "unmeasured",
        latency_p95_ms=f"{1000 * p95:.1f}" if samples else "unmeasured",
    )
    status.level, status.message = ACTIONS[bridge.state]
    return status


def _outputs(bridge: BridgeCore, outputs: Outputs) -> list[DiagnosticStatus]:
    found = []
    numbers = zip(
        outputs.subscribers(),
        outputs.rivals(),
        outputs.published,
        bridge.executor.held_back,
        outputs.problems(),
    )
    for output, figures in zip(outputs.declared, numbers):
        subscribers, rivals, published, held_back, problem = figures
        status = _status(
            f"output {output.topic}",
            type=output.type,
            fallback=output.fallback,
            subscribers=subscribers,
            other_publishers=rivals,
            published=published,
            held_back_by_limits=held_back,
        )
        if problem:
            status.level, status.message = ERROR, problem
        elif rivals:
            status.level, status.message = WARN, f"others publish on {output.topic}, too"
        elif subscribers:
            status.level, status.message = OK, "subscribed to"
        else:
            status.level, status.message = WARN, f"nobody subscribes to {output.topic}"
        found.append(status)
    return found


def _status(name: str, **values: object) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(name=name, values=pairs)
