"""Whom a replay may compare a server's model with: another model, or what was recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from inferential_core import InferenceContext, Reply, Status, UsageError
from inferential_core.errors import describe
from inferential_core.models.caller import ModelCaller
from inferential_core.models.loading import load_model
from inferential_ros.bridge.options import link_settings
from inferential_ros.bridge.plans import make_plan
from inferential_ros.bridge.server_link import LinkSettings, Observation, connect
from inferential_ros.contract.schema import Action, Contract
from inferential_ros.execution.plan import PlanRefused
from inferential_ros.keys import KeyFiles
from inferential_ros.recording.bag import Bag
from inferential_ros.recording.errors import BagError
from inferential_ros.recording.matching import Names

RECORDED = "recorded"
CHUNKS = "action_chunk"  # the topic on which a bridge publishes its plans
CONTACT_S = 5.0  # for another server to say what its model is like


class NoAnswer(Exception):
    """It does not answer this observation; the text says why."""


class Counterpart(Protocol):
    """What the server's model is compared with.

    name: for people. repeats: whether it may be asked the same twice, as its answer depends on
    nothing but the observation (and on chance).
    """

    name: str
    repeats: bool

    def answer(self, observation: Observation) -> np.ndarray:
        """Its chunk (H, D) in the terms of the contract; NoAnswer if it has none."""

    def close(self) -> None:
        """Nothing is asked any more."""


def counterpart(
    text: str,
    contract: Contract,
    bag: Bag,
    names: Names,
    server: str,
    client_id: str,
    keys: KeyFiles,
) -> Counterpart:
    """What --compare names; InferentialError says what is wrong with it."""
    if text == RECORDED:
        return RecordedPlans(contract.action, bag, names)
    settings = link_settings(contract, server, f"{client_id}-compared", keys)
    if "://" in text:
        return ServedModel(text, contract, replace(settings, server=text))
    if ":" in text:
        return LoadedModel(text, contract.action)
    return ServedModel(text, contract, replace(settings, model_id=text))


class LoadedModel(Counterpart):
    """A model that this process loads itself: a checkpoint, or a function of the user's."""

    def __init__(self, target: str, action: Action) -> None:
        self.name = target.partition("?")[0]
        self._action = action
        self._caller = ModelCaller("compared", load_model(target))
        self.repeats = not self._caller.stateful
        self._epoch: int | None = None

    def answer(self, observation: Observation) -> np.ndarray:
        begins, self._epoch = observation.epoch != self._epoch, observation.epoch
        context = InferenceContext("replay", observation.epoch, 0, begins, math.inf)
        result = self._caller.call([observation.values], [context])[0]
        if isinstance(result, Exception):
            raise NoAnswer(describe(result))
        return _chunk(self._action, observation, result)

    def close(self) -> None:
        self._caller.end_thread()


class ServedModel(Counterpart):
    """A model of a server: under another id, or behind another address."""

    def __init__(self, name: str, contract: Contract, settings: LinkSettings) -> None:
        self.name = name
        self.repeats = False  # what it keeps of its clients is not known here
        self._action = contract.action
        self._timeout_ms = 1000.0 * contract.model.answer_timeout_s
        self._connection, self._model = connect(settings)
        self._epoch: int | None = None
        try:
            self._model.specification(1000.0 * CONTACT_S)
        except (TimeoutError, UsageError) as error:
            self._connection.close()
            raise BagError(f"--compare {name}: {error}") from None

    def answer(self, observation: Observation) -> np.ndarray:
        if self._epoch not in (None, observation.epoch):
            self._model.reset()
        self._epoch = observation.epoch
        self._model.observe(**observation.values)
        reply = self._model.get_reply(self._timeout_ms)
        if reply is None or reply.status is not Status.OK:
            raise NoAnswer(f"{reply.status}: {reply.error}" if reply else "no answer")
        return _chunk(self._action, observation, reply.result or {})

    def close(self) -> None:
        self._connection.close()


class RecordedPlans(Counterpart):
    """The plans in the recording itself: what the model answered when the robot was recorded."""

    name = "the recording"
    repeats = False

    def __init__(self, action: Action, bag: Bag, names: Names) -> None:
        topic = names.resolved(CHUNKS)
        self._plans: dict[int, np.ndarray] = {}
        for recorded in bag.messages([topic]):
            chunk = recorded.message
            missing = sorted(set(action.names) - set(chunk.names))
            if missing:
                raise BagError(f"the plans on {topic} have no {', '.join(missing)}")
            stamp = chunk.header.stamp
            rows = np.asarray(chunk.data, np.float32).reshape(chunk.horizon, chunk.dimension)
            columns = [list(chunk.names).index(name) for name in action.names]
            self._plans[stamp.sec * 10**9 + stamp.nanosec] = rows[:, columns]
        if not self._plans:
            raise BagError(
                f"--compare recorded: there are no plans on {topic} in the recording;"
                " `inferential record` writes them"
            )

    def answer(self, observation: Observation) -> np.ndarray:
        plan = self._plans.get(observation.stamp_ns)
        if plan is None:
            raise NoAnswer("the recorded robot did not ask at that moment")
        return plan

    def close(self) -> None:
        """There is nothing to close."""


def _chunk(action: Action, observation: Observation, result: Mapping[str, Any]) -> np.ndarray:
    """The chunk of an answer as a bridge would execute it."""
    reply = Reply(0, "", Status.OK, 0.0, 0.0, result=dict(result))
    try:
        return make_plan(action, observation, reply).actions
    except PlanRefused as error:
        raise NoAnswer(str(error)) from None
