"""For how long an answer may be acted on: what the model and the operator say, the shorter one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from house import House, reply

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, Status
from inferential_core.dispatch.base import ModelInfo

SOON_MS = 10_000


def granted(specified: float | None = None, **lease: Any) -> float:
    """What the reply to an observation grants, ms."""
    specification = {} if specified is None else {"valid_for_ms": specified}
    house = House(ModelInfo("policy", specification=specification), lease=lease)
    robot = house.client("robot")
    house.observe(robot)
    house.complete()
    return reply(robot).valid_for_ms


def test_an_answer_has_no_lease_where_nobody_states_one() -> None:
    assert granted() == 0.0


def test_the_models_specification_and_the_configuration_each_grant_one() -> None:
    assert granted(specified=300.0) == 300.0
    assert granted(valid_for_ms=200.0) == 200.0
    assert granted(models={"policy": 150.0}) == 150.0
    assert granted(models={"other": 150.0}) == 0.0


@pytest.mark.parametrize(("configured", "shorter"), [(200.0, 200.0), (900.0, 300.0)])
def test_of_two_leases_the_one_that_ends_earlier_wins(configured: float, shorter: float) -> None:
    assert granted(300.0, valid_for_ms=configured) == shorter
    assert granted(300.0, models={"policy": configured}) == shorter


def test_what_is_configured_for_a_model_stands_in_for_what_is_configured_for_all() -> None:
    assert granted(valid_for_ms=100.0, models={"policy": 250.0}) == 250.0


def test_an_observation_that_has_no_result_has_no_lease() -> None:
    house = House(lease={"valid_for_ms": 200.0})
    robot = house.client("robot")
    house.observe(robot)
    house.complete(ValueError("no"))
    assert reply(robot).valid_for_ms == 0.0


def test_another_lease_holds_at_once_for_answers_that_come_from_then_on() -> None:
    house = House()
    robot = house.client("robot")
    house.observe(robot)
    house.pipeline.reconfigure(InferentialConfig(lease={"valid_for_ms": 120.0}))
    house.complete()
    assert reply(robot).valid_for_ms == 120.0


def test_a_model_that_comes_later_or_states_another_lease_has_it() -> None:
    house = House(ModelInfo("policy"))
    robot = house.client("robot")
    house.dispatcher.infos["policy"] = ModelInfo("policy", specification={"valid_for_ms": 80.0})
    house.dispatcher.infos["new"] = ModelInfo("new", specification={"valid_for_ms": 90.0})
    house.pipeline.update_models()
    for model in ("policy", "new"):
        house.observe(robot, model)
        house.complete()
    assert [reply(robot).valid_for_ms for _ in range(2)] == [80.0, 90.0]


def test_a_lease_that_is_none_is_refused_with_the_key_and_the_fix() -> None:
    class Endless:
        specification = {"valid_for_ms": 0}

        def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
            return {}

    with pytest.raises(Exception, match=r"specification\.valid_for_ms must be .*, not 0"):
        LocalDispatcher({"policy": Endless()})


def test_a_client_reads_the_lease_in_its_reply() -> None:
    class Policy:
        specification = {"valid_for_ms": 400.0}

        def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
            return {"actions": obs["state"]}

    config = InferentialConfig(lease={"valid_for_ms": 1000.0})
    dispatcher = LocalDispatcher({"policy": Policy()})
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher, config=config) as server:
        with Connection(server.address, client_id="robot") as connection:
            model = connection.model("policy")
            model.observe(state=np.zeros(3))
            answer = model.get_reply(SOON_MS)
            assert (answer.status, answer.valid_for_ms) == (Status.OK, 400.0)


@pytest.mark.parametrize(
    ("said", "granted_ms"),
    [
        (np.int64(8), 160.0),
        (np.float32(8.9), 160.0),
        (0, 20.0),  # what is useless is not executed for long
        (float("nan"), 20.0),
        (99, 1000.0),  # the whole chunk, of 50 steps of 20 ms
        (None, 0.0),
    ],
)
def test_a_model_may_say_how_much_of_its_chunk_can_be_trusted(
    said: Any, granted_ms: float
) -> None:
    values: dict[str, Any] = {"actions": np.zeros((50, 7), np.float32)}
    if said is not None:
        values["trusted_steps"] = said
    assert trusted(values) == pytest.approx(granted_ms)


@pytest.mark.parametrize("said", [np.array([20]), np.array(20), 20, 20.0, 99])
def test_a_whole_number_that_is_trusted_is_taken_without_a_word(
    said: Any, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"actions": np.zeros((50, 7), np.float32), "trusted_steps": said}
    assert trusted(values) == pytest.approx(1000.0 if said == 99 else 400.0)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("said", "steps"),
    [("abc", 1), (float("nan"), 1), (0, 1), (-3, 1), (True, 1), (2.5, 2), (np.array([1, 2]), 1)],
)
def test_a_number_of_trusted_steps_that_is_none_is_told_with_what_is_taken_instead(
    said: Any, steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"actions": np.zeros((50, 7), np.float32), "trusted_steps": said}
    assert trusted(values) == pytest.approx(20.0 * steps)
    assert f"model 'policy' answered with trusted_steps={said!r}" in caplog.text
    assert f"from 1 on: {steps} of the 50 actions are trusted" in caplog.text


def test_of_a_lease_and_what_is_trusted_the_shorter_one_counts() -> None:
    values = {"actions": np.zeros((50, 7), np.float32), "trusted_steps": 10}
    assert trusted(values, lease={"valid_for_ms": 90.0}) == pytest.approx(90.0)
    assert trusted(values, lease={"valid_for_ms": 900.0}) == pytest.approx(200.0)


def trusted(values: dict[str, Any], **config: Any) -> float:
    """The lease on an answer for a robot whose steps last 20 ms, ms."""
    house = House(**config)
    robot = house.client("robot")
    house.observe(robot, control_period_ms=20.0)
    house.complete(values)
    return reply(robot).valid_for_ms
