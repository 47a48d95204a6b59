"""Turns a contract into options of the executor and of the link to the server."""

from __future__ import annotations

import numpy as np

from inferential_ros.bridge.plans import JumpWatch
from inferential_ros.bridge.server_link import LinkSettings
from inferential_ros.contract.geometry import conversion_of
from inferential_ros.contract.schema import NEVER, Contract
from inferential_ros.execution.channel import POSITION
from inferential_ros.execution.executor import Executor, Rule
from inferential_ros.execution.modes import OPEN_LOOP
from inferential_ros.keys import NO_KEYS, KeyFiles


def make_executor(contract: Contract) -> Executor:
    """The executor for the outputs of a contract."""
    action = contract.action
    rules = tuple(make_rule(contract, index) for index in range(len(action.outputs)))
    return Executor(rules, len(action.names), action.execution)


def make_rule(contract: Contract, index: int) -> Rule:
    """What the contract says of the output with that index."""
    output = contract.action.outputs[index]
    groups = (group.within(output.columns) for group in contract.action.execution.geometry)
    return Rule(
        output.columns,
        output.fallback,
        output.limits.lower,
        output.limits.upper,
        output.kind,
        output.max_step,
        output.decelerate_s,
        tuple(group for group in groups if group is not None),
    )


def make_jump_watch(contract: Contract) -> JumpWatch:
    """Watches the joint angles that the contract leaves plain numbers."""
    action = contract.action
    largest = np.full(len(action.names), np.inf)
    for output in action.outputs:
        if output.kind == POSITION:
            columns = list(output.columns)
            largest[columns] = np.minimum(largest[columns], conversion_of(output).turns / 2.0)
    known = [column for group in action.execution.geometry for column in group.columns]
    largest[[*known, *action.execution.discrete]] = np.inf
    return JumpWatch(largest)


def link_settings(
    contract: Contract, server: str, client_id: str, keys: KeyFiles = NO_KEYS
) -> LinkSettings:
    """What the contract says about the conversation with the server."""
    model = contract.model
    return LinkSettings(
        server=server,
        client_id=client_id,
        model_id=model.id,
        latency_budget_ms=model.latency_budget_ms,
        priority=model.priority,
        control_period_ms=1000.0 / contract.action.rate_hz,
        supersede=model.supersede != NEVER and contract.action.execution.mode != OPEN_LOOP,
        lost_after_ms=1000.0 * model.answer_timeout_s,
        stateful_failover=model.stateful_failover,
        keys=keys,
    )
