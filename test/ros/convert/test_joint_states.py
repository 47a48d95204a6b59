"""JointState as robots send it: by several publishers, without names, without values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from converting import decoder
from sensor_msgs.msg import JointState

from inferential_ros.convert import InputError
from inferential_ros.convert.collecting import Collected, Collector, collector_of
from inferential_ros.options.errors import ContractError

TYPE = "sensor_msgs/msg/JointState"


def message(names: str, *values: float) -> JointState:
    """Joints of one letter each, with positions and as many velocities, ten times as large."""
    return JointState(name=list(names), position=values, velocity=[10.0 * v for v in values])


def test_values_that_the_hardware_does_not_have_are_filled() -> None:
    decode = decoder(TYPE, joints=["a", "b"], fields=["position", "effort"], fill=0.0)
    sent = JointState(name=["b", "a"], position=[2.0, 1.0], effort=[float("nan"), 5.0])
    assert decode(sent).tolist() == [1.0, 2.0, 5.0, 0.0]


def test_joints_without_names_are_read_in_the_declared_order_where_that_is_said() -> None:
    sent = JointState(position=[1.0, 2.0])
    with pytest.raises(InputError, match="names no joints; unnamed: true reads them in the order"):
        decoder(TYPE, joints=["a", "b"])(sent)
    unnamed = decoder(TYPE, joints=["a", "b"], unnamed=True)
    assert unnamed(sent).tolist() == [1.0, 2.0]
    assert unnamed(message("ba", 3.0, 4.0)).tolist() == [4.0, 3.0], "names count where they are"
    with pytest.raises(InputError, match="has 3 values of position for 2 joints"):
        unnamed(JointState(position=[1.0, 2.0, 3.0]))
    assert decoder(TYPE, select=["position[0:2]"])(sent).tolist() == [1.0, 2.0]
    with pytest.raises(ContractError, match="key.joints: a JointState is read by its joints, or"):
        decoder(TYPE, select=["position"], joints=["a"])


def collecting(joints: str, **options: Any) -> tuple[Any, Collector]:
    decode = decoder(TYPE, joints=list(joints), **options)
    collector = collector_of(decode)
    assert collector is not None
    return decode, collector


def test_the_newest_value_of_each_joint_is_kept_with_its_own_stamp() -> None:
    decode, collector = collecting("abg", fields=["position", "velocity"])
    first = collector.add(message("ba", 2.0, 1.0), 10)
    with pytest.raises(InputError, match=r"key.joints\[2\]: no joint 'g' in the message"):
        decode(first)
    collector.add(message("g", 9.0), 20)
    both = collector.add(message("ba", 4.0, 3.0), 30)
    assert decode(both).tolist() == [3.0, 4.0, 9.0, 30.0, 40.0, 90.0]
    assert both.oldest().stamp_ns == 20 and both.oldest().elements == {2}


def test_a_joint_that_a_message_has_twice_is_not_taken_from_it() -> None:
    decode, collector = collecting("ab")
    collector.add(message("b", 3.0), 10)
    assert collector.add(message("aa", 1.0, 2.0), 20) is None
    sample = collector.add(message("aab", 1.0, 2.0, 3.0), 30)
    with pytest.raises(InputError, match=r"key.joints\[0\]: the message has 'a' twice"):
        decode(sample)


def test_a_message_with_none_of_the_joints_is_not_for_the_key() -> None:
    _, collector = collecting("ab")
    assert collector.add(message("xy", 1.0, 2.0), 10) is None


def test_a_message_with_all_joints_passes_as_it_is_and_replaces_what_was_collected() -> None:
    decode, collector = collecting("ab")
    collector.add(message("a", 1.0), 10)
    whole = message("ab", 5.0, 6.0)
    assert collector.add(whole, 20) is whole
    assert decode(collector.add(message("bx", 7.0, 0.0), 30)).tolist() == [5.0, 7.0]


def test_any_split_of_the_joints_over_messages_gives_the_newest_of_each() -> None:
    random = np.random.default_rng(0)
    decode, collector = collecting("abcdef")
    newest = {}
    for moment in range(500):
        names = random.permutation(list("abcdefxyz"))[: random.integers(0, 9)]
        values = {str(name): float(random.integers(1000)) for name in names}
        newest.update(values)
        sample = collector.add(message("".join(values), *values.values()), moment)
        if sample is None:
            assert not set(values) & set("abcdef")
        elif not (isinstance(sample, Collected) and sample.missing):
            assert decode(sample).tolist() == [newest[joint] for joint in "abcdef"]
