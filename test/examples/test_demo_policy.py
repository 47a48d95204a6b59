"""The demo's physics and the controller that is its model, without ROS and without a clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from inferential_demo.dynamics import CartPole
from inferential_demo.lqr import linearise, lqr_gain, solve_riccati
from inferential_demo.phases import SLOW_STEPS_MS, pushes
from inferential_demo.policy import HORIZON, PERIOD_S, CartPolePolicy
from inferential_demo.slowdown import read_slowdown_s, write_slowdown_ms

mujoco = pytest.importorskip("mujoco", reason="the simulated robots need MuJoCo")
from inferential_demo.simulation import CartPoleSimulation  # noqa: E402

BASE_LATENCY_S = 0.006  # of a fleet that is served well


def seconds_upright(added_s: float, seconds: float, seed: int) -> float:
    """How long a pushed robot stands if the model takes so long; newest plan wins.

    The model works on one observation at a time and takes the newest when it is free, as the
    server does with `supersede`; steps already past when a plan arrives are skipped.
    """
    robot = CartPoleSimulation(seed)
    policy = CartPolePolicy("")
    blows = [push for push in pushes(1, seconds, seed)]
    plan: np.ndarray | None = None
    plan_at = work_at = 0
    work: np.ndarray | None = None
    every = round(PERIOD_S / robot.timestep_s)
    takes = round((added_s + BASE_LATENCY_S) / robot.timestep_s)
    for tick in range(round(seconds / robot.timestep_s)):
        if work is not None and tick - work_at >= takes:
            plan, plan_at, work = work, work_at, None
        if work is None and tick % every == 0:
            work, work_at = answer(policy, [robot])[0], tick
        step = HORIZON if plan is None else (tick - plan_at) // every
        while blows and blows[0].at_s <= robot.time_s:
            robot.push(blows.pop(0).impulse)
        robot.advance(float(plan[step, 0]) if plan is not None and step < HORIZON else 0.0)
        if robot.fallen:
            return robot.time_s
    return seconds


def answer(policy: CartPolePolicy, robots: Sequence[CartPoleSimulation]) -> list[np.ndarray]:
    states = [{"state": np.concatenate((r.position, r.velocity))} for r in robots]
    return [reply["actions"] for reply in policy.infer_batch(states)]


@pytest.mark.parametrize("added_ms", [0, 30])
@pytest.mark.parametrize("seed", range(3))
def test_a_pushed_robot_stands_while_its_model_is_fast(added_ms: int, seed: int) -> None:
    assert seconds_upright(added_ms / 1000, 20.0, seed) == 20.0


@pytest.mark.parametrize("added_ms", [200, 300])
@pytest.mark.parametrize("seed", range(3))
def test_a_pushed_robot_falls_when_its_model_is_slow(added_ms: int, seed: int) -> None:
    assert seconds_upright(added_ms / 1000, 20.0, seed) < 20.0


def test_a_robot_without_actions_falls() -> None:
    robot = CartPoleSimulation(0)
    robot.advance(0.0, steps=round(5.0 / robot.timestep_s))
    assert robot.fallen


def test_a_fallen_robot_stands_after_a_reset() -> None:
    robot = CartPoleSimulation(0)
    robot.advance(0.0, steps=round(5.0 / robot.timestep_s))
    robot.reset()
    assert not robot.fallen
    assert abs(robot.position[1]) < 0.1


def test_runs_with_the_same_seed_are_the_same() -> None:
    runs = []
    for _ in range(2):
        robot = CartPoleSimulation(7)
        robot.push(0.1)
        robot.advance(0.5, steps=200)
        runs.append(np.concatenate((robot.position, robot.velocity)))
    np.testing.assert_array_equal(*runs)


def test_the_policys_equations_are_those_of_the_simulated_body() -> None:
    robot = CartPoleSimulation(0, wind_force=0.0)
    body = CartPole()
    chance = np.random.default_rng(1)
    for _ in range(20):
        robot.reset()
        state = chance.uniform(-0.8, 0.8, 4)
        force = chance.uniform(-body.max_force, body.max_force)
        robot._data.qpos[:], robot._data.qvel[:] = state[:2], state[2:]
        robot._data.ctrl[0] = force
        mujoco.mj_forward(robot._model, robot._data)
        accelerations = body.derivative(state, np.asarray(force))[2:]
        np.testing.assert_allclose(accelerations, robot._data.qacc, rtol=1e-6, atol=1e-6)


def test_the_gain_solves_the_riccati_equation_and_stabilises() -> None:
    body = CartPole()
    a, b = linearise(lambda s, f: body.step(s, f[0], PERIOD_S), np.zeros(4), np.zeros(1))
    q, r = np.diag([1.0, 1.0, 0.1, 0.1]), np.array([[0.02]])
    p = solve_riccati(a, b, q, r)
    k = lqr_gain(a, b, q, r)
    np.testing.assert_allclose(p, a.T @ p @ a - a.T @ p @ b @ k + q, rtol=1e-8)
    assert np.abs(np.linalg.eigvals(a)).max() > 1.0
    assert np.abs(np.linalg.eigvals(a - b @ k)).max() < 1.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_unstabilisable_system_is_refused() -> None:
    with pytest.raises(ArithmeticError):
        solve_riccati(np.diag([2.0]), np.zeros((1, 1)), np.eye(1), np.eye(1))


def test_a_batch_answers_each_observation_as_alone() -> None:
    robots = [CartPoleSimulation(seed) for seed in range(5)]
    policy = CartPolePolicy("")
    together = answer(policy, robots)
    for robot, plan in zip(robots, together):
        assert plan.shape == (HORIZON, 1) and plan.dtype == np.float32
        np.testing.assert_allclose(plan, answer(policy, [robot])[0], rtol=1e-5)
    assert not np.array_equal(together[0], together[1])


def test_the_knob_is_read_back(tmp_path) -> None:
    knob = str(tmp_path / "slowdown_ms")
    assert read_slowdown_s(knob) == 0.0
    write_slowdown_ms(knob, SLOW_STEPS_MS[0])
    assert read_slowdown_s(knob) == SLOW_STEPS_MS[0] / 1000
    (tmp_path / "slowdown_ms").write_text("soon")
    assert read_slowdown_s(knob) == 0.0
    assert [path.name for path in tmp_path.iterdir()] == ["slowdown_ms"]
