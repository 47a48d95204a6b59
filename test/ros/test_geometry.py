"""The rotation mathematics against scipy's, and what holds of every rotation."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inferential_ros import geometry

numbers = st.floats(-4.0, 4.0)


def vectors(size: int) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(np.float64, size, elements=numbers)


@st.composite
def quaternions(draw: st.DrawFn) -> np.ndarray:
    drawn = draw(vectors(4))
    assume(np.linalg.norm(drawn) > 0.5)
    return geometry.unit(drawn)


def same(a: np.ndarray, b: np.ndarray, within: float = 1e-7) -> bool:
    """Whether two quaternions are one rotation."""
    return bool(geometry.angle_between(a, b) < within)


@given(rotation=quaternions())
def test_every_form_leads_back_to_the_rotation(rotation: np.ndarray) -> None:
    for there, back in (
        (geometry.to_rpy, geometry.from_rpy),
        (geometry.to_rotation_vector, geometry.from_rotation_vector),
        (geometry.to_matrix, geometry.from_matrix),
        (geometry.to_6d, geometry.from_6d),
    ):
        # near an upright pitch the arc sine has half of the digits
        assert same(back(there(rotation)), rotation, 1e-6), there.__name__


@given(rotation=quaternions(), other=quaternions(), share=st.floats(-1.0, 2.0))
def test_the_numbers_are_those_of_scipy(
    rotation: np.ndarray, other: np.ndarray, share: float
) -> None:
    transform = pytest.importorskip("scipy.spatial.transform", reason="scipy is not installed")
    theirs, second = transform.Rotation.from_quat([rotation, other])
    np.testing.assert_allclose(geometry.to_matrix(rotation), theirs.as_matrix(), atol=1e-12)
    assert same(geometry.from_rotation_vector(theirs.as_rotvec()), rotation)
    assert same(geometry.from_rpy(theirs.as_euler("xyz")), rotation, 1e-6)
    assert same(geometry.multiply(rotation, other), (theirs * second).as_quat())
    assert same(geometry.inverse(rotation), theirs.inv().as_quat())
    apart = (theirs.inv() * second).magnitude()
    assert abs(geometry.angle_between(rotation, other) - apart) < 1e-7
    if apart < 3.1:  # the half turn has two shortest ways
        between = theirs * transform.Rotation.from_rotvec(
            (theirs.inv() * second).as_rotvec() * share
        )
        assert same(geometry.slerp(rotation, other, share), between.as_quat(), 1e-6)


@given(rotation=quaternions(), other=quaternions(), share=st.floats(-1.0, 2.0))
def test_what_lies_between_rotations_has_length_one(
    rotation: np.ndarray, other: np.ndarray, share: float
) -> None:
    for b in (other, -rotation, rotation, rotation + 1e-9 * other):
        b = geometry.unit(b)
        assert abs(np.linalg.norm(geometry.slerp(rotation, b, share)) - 1.0) < 1e-9
        mean = geometry.mean_rotation(np.stack([rotation, b]), np.array([share + 1.5, 1.0]))
        assert abs(np.linalg.norm(mean) - 1.0) < 1e-9


def test_a_rotation_and_its_negative_are_one() -> None:
    q = geometry.from_rpy(np.array([0.3, -0.2, 1.0]))
    assert geometry.slerp(q, -q, 0.5) == pytest.approx(q)
    assert geometry.mean_rotation(np.stack([-q, q]), np.ones(2)) == pytest.approx(q)
    assert geometry.angle_between(q, -q) == 0.0


def test_half_of_a_quarter_turn_is_an_eighth() -> None:
    quarter = [0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)]
    eighth = geometry.slerp(geometry.IDENTITY, quarter, 0.5)
    assert eighth == pytest.approx([0.0, 0.0, np.sin(np.pi / 8), np.cos(np.pi / 8)])
    assert geometry.to_rpy(np.array(eighth)) == pytest.approx([0.0, 0.0, np.pi / 4])
    assert geometry.to_6d(np.array(quarter)) == pytest.approx([0, 1, 0, -1, 0, 0], abs=1e-12)


def test_six_numbers_are_made_orthogonal() -> None:
    crooked = np.array([2.0, 0.0, 0.0, 1.0, 3.0, 0.0])
    assert geometry.from_6d(crooked) == pytest.approx(geometry.IDENTITY)


@pytest.mark.parametrize(
    ("read", "values"),
    [
        (geometry.unit, [0.1, 0.0, 0.0, 0.4]),
        (geometry.unit, [np.nan, 0.0, 0.0, 1.0]),
        (geometry.from_6d, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        (geometry.from_6d, [1.0, 0.0, 0.0, 2.0, 0.1, 0.0]),
        (geometry.from_6d, [1.0, 0.0, 0.0, np.inf, 0.0, 0.0]),
    ],
)
def test_what_is_far_from_a_rotation_is_none(read, values: list[float]) -> None:
    good = [0.0, 0.0, 0.0, 1.0] if len(values) == 4 else [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    with pytest.raises(geometry.NoRotation) as caught:
        read(np.array([good, good, values]))
    assert caught.value.row == 2


@given(angles=vectors(3))
def test_a_whole_turn_is_nothing(angles: np.ndarray) -> None:
    short = geometry.wrapped(angles + 3 * geometry.TURN)
    assert (np.abs(short) <= np.pi + 1e-9).all()
    np.testing.assert_allclose(np.sin(short), np.sin(angles), atol=1e-9)
    np.testing.assert_allclose(geometry.wrapped(np.array([350.0]), 360.0), [-10.0])
