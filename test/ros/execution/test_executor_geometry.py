"""Angles without ends and rotations are mixed, limited and stepped as what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from plans import MS, START, plan

from inferential_ros import geometry
from inferential_ros.execution.executor import Execution, Executor, PlanRefused, Rule, Source
from inferential_ros.execution.geometry import Angles, Group
from inferential_ros.execution.modes import MODES
from inferential_ros.execution.overlap import SHARE_OF_OLD
from inferential_ros.execution.rotations import (
    PartOfQuaternion,
    Quaternion,
    Rotation6d,
    RotationVector,
    Rpy,
)

YAW = Angles((0,), ("yaw",))
Q = Quaternion((0, 1, 2, 3), ("qx", "qy", "qz", "qw"))
INF = float("inf")


class Robot:
    """One output of all columns of one group, and a clock that the test sets."""

    def __init__(self, group: Group, **more: Any) -> None:
        size = len(group.columns)
        options = {
            name: more.pop(name)
            for name in ("fallback", "max_step", "lower", "upper", "decelerate_s")
            if name in more
        }
        bounds = {"lower": -INF, "upper": INF} | options
        for name in ("lower", "upper", "max_step"):
            if bounds.get(name) is not None:
                bounds[name] = (bounds[name],) * size
        fallback = bounds.pop("fallback", "hold")
        rule = Rule(tuple(range(size)), fallback, geometry=(group,), **bounds)
        more.setdefault("interpolate", True)
        self.executor = Executor((rule,), size, Execution(geometry=(group,), **more))

    def accept(self, rows: Any, ms: float = 0, request_id: int = 1, **more: Any) -> None:
        self.executor.accept(plan(rows, request_id=request_id, **more), START + round(ms * MS))

    def at(self, *times_ms: float) -> np.ndarray:
        """What is published at these times, a row each."""
        return np.array([self.executor.tick(START + round(t * MS)).values[0] for t in times_ms])


def lengths(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows, axis=-1)


# --- angles ---


def test_an_angle_goes_the_short_way_between_two_steps() -> None:
    robot = Robot(YAW)
    robot.accept([[3.10], [-3.10], [-3.10]])
    published = robot.at(*range(0, 40, 5))[:, 0]
    expected = [3.10, 3.1208, 3.1416, 3.1624, 3.1832, 3.1832, 3.1832, 3.1832]
    assert published == pytest.approx(expected, abs=1e-4)


def test_without_a_declaration_it_is_a_number_like_any_other() -> None:
    robot = Robot(YAW)
    linear = Executor((Rule((0,), "hold", (-INF,), (INF,)),), 1, Execution(interpolate=True))
    for executor in (robot.executor, linear):
        executor.accept(plan([3.10, -3.10]), START)
    assert linear.tick(START + 10 * MS).values[0] == pytest.approx([0.0])


@pytest.mark.parametrize("more", [{"mode": "temporal_ensemble"}, {"overlap": "average"}])
def test_two_plans_on_both_sides_of_the_turn_are_mixed_at_it(more: dict[str, str]) -> None:
    robot = Robot(YAW, **more)
    robot.accept([[3.10]] * 5, 0, 1)
    robot.accept([[-3.10]] * 5, 1, 2)
    assert abs(robot.at(2)[0, 0]) == pytest.approx(np.pi, abs=1e-3)


def test_a_largest_step_goes_the_short_way() -> None:
    robot = Robot(YAW, max_step=0.01, interpolate=False)
    robot.accept([[3.10], [3.10]] + [[-3.10]] * 8)
    published = robot.at(*range(0, 200, 20))[:, 0]
    assert published == pytest.approx(np.minimum(3.10 + 0.01 * np.arange(-1, 9).clip(0), 3.1832))


def test_degrees_have_their_own_turn() -> None:
    robot = Robot(Angles((0,), ("yaw",), turns=360.0))
    robot.accept([[179.0], [-179.0], [-179.0]])
    assert robot.at(0, 10, 20)[:, 0] == pytest.approx([179.0, 180.0, 181.0])


def test_limits_of_a_whole_turn_say_how_an_angle_is_written() -> None:
    robot = Robot(YAW, lower=-np.pi, upper=np.pi)
    robot.accept([[3.10], [-3.10], [-3.10 + 4 * np.pi]])
    assert robot.at(0, 15, 20, 40)[:, 0] == pytest.approx([3.10, -3.1208, -3.10, -3.10], abs=1e-4)
    assert robot.executor.held_back == (0,)


def test_a_joint_that_has_ends_after_all_never_passes_them() -> None:
    robot = Robot(YAW, lower=-3.0, upper=3.0, max_step=0.5)
    robot.accept([[2.9]] + [[-2.9]] * 20)
    published = robot.at(*range(0, 300, 5))[:, 0]
    assert (np.abs(np.diff(published)) <= 0.5 + 1e-9).all() and published[-1] == -2.9
    assert published.min() >= -3.0 and published.max() <= 3.0


def test_what_a_new_plan_says_is_written_next_to_what_was_held() -> None:
    robot = Robot(YAW)
    robot.accept([[3.10], [-3.10]])
    assert robot.at(0, 20, 50)[:, 0] == pytest.approx([3.10, 3.1832, 3.1832], abs=1e-4)
    robot.accept([[-3.0]] * 5, 60, 2, start_ms=60)
    assert robot.at(61)[0, 0] == pytest.approx(2 * np.pi - 3.0)


def test_slowing_down_goes_on_the_short_way() -> None:
    robot = Robot(YAW, fallback="decelerate", decelerate_s=0.1, interpolate=False)
    robot.accept([[3.10], [3.13], [-3.1232]])  # 0.03 a step of 20 ms
    assert robot.at(0, 20, 40)[-1, 0] == pytest.approx(3.16, abs=1e-4)
    robot.at(60)
    assert robot.at(160)[0, 0] == pytest.approx(3.16 + 1.5 * 0.05, abs=1e-3)


# --- rotations ---


def test_a_quaternion_and_its_negative_are_the_same_step() -> None:
    q = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
    robot = Robot(Q)
    robot.accept([q, -q, q])
    assert robot.at(0, 5, 10, 20, 30) == pytest.approx(np.tile(q, (5, 1)))


def test_between_steps_lies_what_lies_between_the_rotations() -> None:
    robot = Robot(Q)
    robot.accept([[0, 0, 0, 1], [0, 0, 1, 0]])
    expected = [[0, 0, np.sin(a), np.cos(a)] for a in np.pi / 2 * np.array([0, 0.25, 0.5, 1.0])]
    assert robot.at(0, 5, 10, 20) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("share", sorted(SHARE_OF_OLD))
def test_overlapping_plans_are_mixed_on_the_sphere(share: str) -> None:
    robot = Robot(Q, overlap=share)
    robot.accept([[0, 0, 0, 1]] * 5, 0, 1)
    robot.accept([[0, 0, -1, 0]] * 5, 1, 2)
    published = robot.at(2)[0]
    assert lengths(published) == pytest.approx(1.0)
    angle = geometry.angle_between(geometry.IDENTITY, published)
    assert angle == pytest.approx(np.pi * (1.0 - SHARE_OF_OLD[share]))


def test_a_largest_step_of_a_rotation_is_an_angle() -> None:
    robot = Robot(Q, max_step=0.1, interpolate=False)
    robot.accept([[0, 0, 0, 1]] + [[0, 0, -1, 0]] * 40)
    published = robot.at(*range(0, 800, 20))
    steps = [geometry.angle_between(a, b) for a, b in zip(published, published[1:])]
    assert steps == pytest.approx([0.1] * 31 + [np.pi - 3.1] + [0.0] * 7, abs=1e-6)
    assert robot.executor.held_back == (31,)


def test_slowing_down_goes_on_turning() -> None:
    robot = Robot(Q, fallback="decelerate", decelerate_s=0.1, interpolate=False)
    turned = [geometry.from_rpy(np.array([0.0, 0.0, 0.1 * k])) for k in range(3)]
    robot.accept(turned)
    robot.at(0, 20, 40, 60)
    yaw = geometry.to_rpy(robot.at(160)[0])[2]
    assert yaw == pytest.approx(0.2 + 5.0 * 0.05)  # 5 rad/s, which ramp to zero in 0.1 s


def test_the_zero_pose_of_a_rotation_is_none_at_all() -> None:
    robot = Robot(Q, fallback="zeros")
    robot.accept([[0, 0, 1, 0]])
    assert robot.at(0, 30)[1] == pytest.approx(geometry.IDENTITY)


def test_lengths_that_models_give_are_made_one() -> None:
    robot = Robot(Q)
    robot.accept(np.float32([[0, 0, 0.6, 0.6], [0, 0, 2, 2]]))
    assert lengths(robot.at(0, 10, 20)) == pytest.approx(np.ones(3), abs=1e-6)


@pytest.mark.parametrize(
    ("group", "row"),
    [
        (Q, [0.1, 0.0, 0.0, 0.4]),
        (Q, [0.0, 0.0, 0.0, 0.0]),
        (Rotation6d(tuple(range(6)), tuple("abcdef")), [1, 0, 0, 3, 0.1, 0]),
    ],
)
def test_what_is_no_rotation_refuses_the_plan_by_name(group: Group, row: list[float]) -> None:
    robot = Robot(group)
    good = group.zero
    told = f"step 1 of {', '.join(group.names)} .* no rotation"
    with pytest.raises(PlanRefused, match=told):
        robot.accept([good, row, good])
    robot.accept([good])  # nothing of the other stays
    assert robot.at(0)[0] == pytest.approx(good)


def test_what_is_left_over_for_the_model_has_length_one() -> None:
    robot = Robot(Q, mode="rtc")
    q = np.array([0.0, 0.0, 0.7, 0.7])
    robot.accept([q, -q, q, -q])
    rows, count = robot.executor.left_over(START + 5 * MS)
    assert count == 4 and np.abs(lengths(rows) - 1.0).max() < 1e-6


def test_roll_pitch_and_yaw_turn_together() -> None:
    """Half way between two attitudes lies one turn about one axis, not the mean of three."""
    robot = Robot(Rpy((0, 1, 2), ("r", "p", "y")))
    a, b = np.array([0.0, 1.5, 3.1]), np.array([0.0, 1.5, -3.1])
    robot.accept([a, b])
    half = robot.at(0, 10)[1]
    assert half == pytest.approx(
        [
            0.0,
            geometry.to_rpy(
                np.array(geometry.slerp(geometry.from_rpy(a), geometry.from_rpy(b), 0.5))
            )[1],
            np.pi,
        ],
        abs=1e-6,
    )


GROUPS: list[Group] = [
    Q,
    Rotation6d(tuple(range(6)), tuple("abcdef")),
    RotationVector((0, 1, 2), ("x", "y", "z")),
    Rpy((0, 1, 2), ("r", "p", "y")),
    PartOfQuaternion((0, 1), ("qz", "qw")),
]


@settings(max_examples=150)
@given(
    group=st.sampled_from(GROUPS),
    mode=st.sampled_from(MODES),
    overlap=st.sampled_from(sorted(SHARE_OF_OLD)),
    fallback=st.sampled_from(["hold", "zeros", "decelerate"]),
    largest=st.none() | st.floats(0.01, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_is_published_is_a_rotation_within_a_step(
    group: Any, mode: str, overlap: str, fallback: str, largest: float | None, seed: int
) -> None:
    robot = Robot(group, mode=mode, overlap=overlap, fallback=fallback, max_step=largest)
    random = np.random.default_rng(seed)
    before = None
    for ms in range(0, 400, 7):
        if ms % 35 == 0:
            flat = [0, 0, 1] if len(group.columns) == 2 else [1, 1, 1]
            drawn = geometry.from_rotation_vector(random.normal(size=(6, 3)) * flat)
            try:
                robot.accept(group.write(drawn), ms, ms + 1, start_ms=ms - 10)
            except PlanRefused as refused:
                assert mode == "open_loop", refused
        tick = robot.executor.tick(START + ms * MS)
        if tick.source is Source.WAITING:
            continue
        values = tick.values[0]
        if group is Q:
            assert abs(lengths(values) - 1.0) < 1e-6
        rotation = geometry.unit(group.read(values))
        if group in (Q, *GROUPS[1:2]):
            assert np.abs(group.write(rotation) - values).max() < 1e-6
        if largest is not None and before is not None:
            assert geometry.angle_between(before, rotation) < largest + 1e-5
        before = rotation
