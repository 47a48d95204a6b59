"""Compares a contract with what is published right now, before the bridge goes into service.

Waits a bounded moment for one message of every observation topic and for a subscriber of every
output. A topic of another type, a joint that is not in the message, an image of another encoding
or of another size than the model takes is a ContractError then, all that is wrong at once. What
was not seen in that time is only told, since a bridge may start before its robot; the bridge looks
at it again while it is active.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from inferential_ros.contract.schema import Contract, ObservationKey, Output
from inferential_ros.convert.collecting import collector_of, is_sample
from inferential_ros.convert.registry import InputError, NotYet
from inferential_ros.discovery.graph import (
    absence,
    check_input_type,
    check_output_type,
    no_taker,
    topic_of,
)
from inferential_ros.discovery.model_check import check_value, mismatches
from inferential_ros.options.errors import ContractError, raise_any
from inferential_ros.qos import qos_profile

SPIN_S = 0.05
DISCOVERY_S = 1.0  # in which a second publisher of a topic is heard of, if there is one


class Awaited(ContractError):
    """Nothing is known to be wrong: a later message tells."""


class Partial(NamedTuple):
    """What messages said of a key that needs more than that, and since when."""

    sample: Any
    since_s: float


def check_live(
    node: Node,
    contract: Contract,
    timeout_s: float,
    give_up: Callable[[], bool],
    specification: Mapping[str, Any] | None = None,
) -> list[str]:
    """What could not be checked; ContractError for the keys that robot or model contradict.

    give_up: asked now and then whether to wait no longer. specification: the model's, where it is
    known: the contract and what the samples are decoded to are compared with it.
    """
    probe = rclpy.create_node(
        f"{node.get_name()}_probe",
        namespace=node.get_namespace(),
        context=node.context,
        use_global_arguments=False,  # a `__node:=` of ours would rename it
        enable_rosout=False,
        start_parameter_services=False,
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(probe)
    look = _Look(node, contract, specification or {})
    try:
        for key in contract.topics:
            topic = node.resolve_topic_name(key.topic)
            store = _storing(look.samples, look.partial, key)
            probe.create_subscription(key.message, topic, store, qos_profile(key.qos))
        until = time.monotonic() + timeout_s
        while rclpy.ok(context=node.context):
            # Discovery takes as long as it takes: only the time given says who is absent.
            looked_at_all = look.at_what_is_new()
            if look.wrong:  # there may be more of it, but then that was enough
                until = min(until, time.monotonic() + DISCOVERY_S)
            if looked_at_all or time.monotonic() >= until or give_up():
                break
            executor.spin_once(timeout_sec=SPIN_S)
        raise_any(list(look.wrong.values()))
        return look.unchecked()
    finally:
        executor.shutdown()
        probe.destroy_node()


class _Look:
    """What is known of each topic so far; each is looked at when there is something of it."""

    def __init__(self, node: Node, contract: Contract, specification: Mapping[str, Any]) -> None:
        self.samples: dict[str, Any] = {}  # the first of each key, by its name
        self.partial: dict[str, Partial] = {}
        self.wrong: dict[str, ContractError] = {}  # by its path
        for error in mismatches(contract, specification):
            self.wrong.setdefault(error.path, error)
        self._node = node
        self._specification = specification
        self._keys = list(contract.topics)  # those whose samples are still to be looked at
        self._outputs = list(contract.action.outputs)  # those that nobody takes yet

    def at_what_is_new(self) -> bool:
        """Whether there is nothing left to look at."""
        self._keys = [key for key in self._keys if not self._settled(key, self._fits)]
        self._outputs = [each for each in self._outputs if not self._settled(each, self._taken)]
        return not self._outputs and all(key.quiet for key in self._keys)

    def unchecked(self) -> list[str]:
        """A line for each topic of which nothing was seen."""
        return [
            f"{key.path}: not checked: {self._missing(key)}" for key in self._keys if not key.quiet
        ] + [
            f"{each.path}: {no_taker(self._node, each)} (it was not checked)"
            for each in self._outputs
        ]

    def _settled(self, end: Any, looks: Callable[[Any], bool]) -> bool:
        try:
            return looks(end)
        except ContractError as error:
            self.wrong.setdefault(end.path, error)
            return True

    def _fits(self, key: ObservationKey) -> bool:
        check_input_type(self._node, key)
        if key.name in self.samples:
            check_sample(key, self.samples[key.name], self._specification)
            return True
        part = self.partial.get(key.name)
        if part is not None and not _may_be_completed(self._node, key, part):
            with suppress(Awaited):
                check_sample(key, part.sample)
        return False

    def _taken(self, output: Output) -> bool:
        return check_output_type(self._node, output)

    def _missing(self, key: ObservationKey) -> str:
        part = self.partial.get(key.name)
        try:
            if part is not None:
                check_sample(key, part.sample)
        except Awaited as error:
            return error.problem
        except ContractError as error:
            return f"{error} (another publisher may have it)"
        return absence(self._node, key)


def _storing(
    samples: dict[str, Any], partial: dict[str, Partial], key: ObservationKey
) -> Callable[[Any], None]:
    """Keeps the first sample of a key, and until then what parts of it came."""
    collector = collector_of(key.decode)

    def store(message: Any) -> None:
        sample = message if collector is None else collector.add(message, 0)
        if is_sample(sample):
            samples.setdefault(key.name, sample)
        elif sample is not None or key.name not in partial:
            since_s = partial[key.name].since_s if key.name in partial else time.monotonic()
            partial[key.name] = Partial(message if sample is None else sample, since_s)

    return store


def _may_be_completed(node: Node, key: ObservationKey, partial: Partial) -> bool:
    """Whether the rest may come: from another publisher, or one that is not discovered yet."""
    if node.count_publishers(topic_of(node, key)) > 1:
        return True
    return time.monotonic() - partial.since_s < DISCOVERY_S


def check_sample(
    key: ObservationKey, sample: Any, specification: Mapping[str, Any] | None = None
) -> None:
    """ContractError if the message is not one the contract fits, or not one for the model;
    Awaited if that is found out with a later one.
    """
    if key.decode is None:
        return  # of the tree of frames, which takes what comes
    try:
        value = copy.copy(key.decode)(sample)  # a copy: another thread may be decoding with it
    except InputError as error:
        problem = str(error).removeprefix(f"{error.path}: ")
        kind = Awaited if isinstance(error, NotYet) else ContractError
        raise kind(error.path, problem) from None
    check_value(key, value, specification or {})
