"""Pickles of LeRobot's robots are read by an interpreter that can run nothing."""

from __future__ import annotations

import pickle
import pickletools
import random
import struct
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.peers import lerobot_robot as robot
from inferential_core.doors.lerobot.actions import action_chunk
from inferential_core.doors.lerobot.arrays import array_of
from inferential_core.doors.lerobot.messages import as_observed, read_observation, read_setup
from inferential_core.doors.lerobot.pickled import MOST_NESTED, MOST_OPERATIONS, Record, read
from inferential_core.errors import RejectedError

END = b"."


def pickled(body: bytes) -> bytes:
    return b"\x80\x04" + body + END


@pytest.mark.parametrize("protocol", [4, 5])
def test_plain_values_are_read_as_pickle_wrote_them(protocol):
    value = {
        "none": None,
        "yes": True,
        "no": False,
        "numbers": [0, 255, 256, 65535, 65536, -1, 2**31 - 1, -(2**31), 2**40, 1.5, -0.0],
        "texts": ("", "ä" * 300, "x" * 70_000),
        "nested": {"list": [[], [1]], "tuple": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))},
    }

    assert read(pickle.dumps(value, protocol)) == value


@settings(max_examples=100)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**62), 2**62)
        | st.floats(allow_nan=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.tuples(inner, inner)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_whatever_plain_value_was_pickled_is_read(value):
    for protocol in (4, 5):
        try:
            found = read(pickle.dumps(value, protocol))
        except RejectedError as error:
            assert "nested" in str(error)
        else:
            assert found == value


def arrays():
    image = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    kinds = ("f2", "f4", "f8", "u1", "i4", "i8", "u2", "?")
    return [
        *(np.arange(6).reshape(2, 3).astype(kind) for kind in kinds),
        image[:, ::2],
        image.transpose(2, 0, 1),
        np.asfortranarray(image),
        np.zeros((0, 3), np.float32),
        np.array(2.5),
    ]


def numpy_1(data: bytes) -> bytes:
    """The same pickle with the names that numpy had before 2.0."""
    for module in (b"multiarray", b"numeric"):
        new, old = b"numpy._core." + module, b"numpy.core." + module
        data = data.replace(bytes([len(new)]) + new, bytes([len(old)]) + old)
    return unframed(data)


def unframed(data: bytes) -> bytes:
    """Without the lengths of its frames, which are wrong once bytes were put in."""
    opcodes = [*pickletools.genops(data)]
    kept = []
    for (opcode, _, at), after in zip(opcodes, [*opcodes[1:], (None, None, len(data))]):
        if opcode.name != "FRAME":
            kept.append(data[at : after[2]])
    return b"".join(kept)


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("as_written", [bytes, numpy_1], ids=["numpy 2", "numpy 1"])
def test_arrays_are_read_as_numpy_pickled_them(protocol, as_written):
    for array in arrays():
        record = read(as_written(pickle.dumps(array, protocol)))
        found = array_of("x", record)
        assert found.dtype == array.dtype and found.shape == array.shape
        assert np.array_equal(found, array)
        assert not found.flags.writeable


def test_a_large_array_is_a_view_of_the_message():
    image = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    data = np.frombuffer(pickle.dumps(image, 4), np.uint8)

    assert np.shares_memory(array_of("front", read(data)), data)


@pytest.mark.parametrize(
    "array, why",
    [
        (np.array([{}]), "dtype cannot be sent"),
        (np.array([b"text"]), "dtype cannot be sent"),
        (np.array([1 + 2j]), "dtype cannot be sent"),
        (np.zeros(2, [("a", "f4")]), "dtype cannot be sent"),
        (np.array(["2026-01-01"], "M8[D]"), "dtype cannot be sent"),
        (np.zeros(2, ">f4"), "highest byte first"),
    ],
)
def test_an_array_that_the_wire_does_not_carry_is_refused(array, why):
    with pytest.raises(RejectedError, match=why) as refused:
        array_of("x", read(pickle.dumps(array, 4)))
    assert "'x'" in str(refused.value) or "names" in str(refused.value)


def frombuffer(data: bytes, shape: tuple, code: str = "f4", order: str = "C", *more) -> Record:
    """The record of an array that says what the test wants."""
    array = np.zeros(1, np.float32)
    record = read(pickle.dumps(array, 5))
    _, dtype, *_ = record.arguments
    dtype.arguments = (code, False, True)
    record.arguments = (memoryview(data), dtype, shape, order, *more)
    return record


@pytest.mark.parametrize(
    "record, why",
    [
        (frombuffer(bytes(4), (2,)), "4 bytes for"),
        (frombuffer(bytes(4), (-1, -1)), "sizes"),
        (frombuffer(bytes(4), (2**62, 2**62)), "4 bytes for"),
        (frombuffer(bytes(4), (True,)), "sizes"),
        (frombuffer(bytes(4), (1.0,)), "sizes"),
        (frombuffer(bytes(4), (1,) * 17), "17 dimensions"),
        (frombuffer(bytes(8), (1,), "O"), "dtype"),
        (frombuffer(bytes(4), (1,), "f4", "A"), "form"),
        (frombuffer(bytes(8), (1, 2), "f4", "K", (0, 0)), "form"),
        (frombuffer(bytes(8), (1, 2), "f4", "K", ("a", None)), "form"),
    ],
)
def test_an_array_whose_sizes_lie_is_refused(record, why):
    with pytest.raises(RejectedError, match=why):
        array_of("x", record)


class Inert:
    """A class of this test, which nobody may make."""

    made = 0

    def __init__(self) -> None:
        Inert.made += 1

    def __setstate__(self, state: object) -> None:
        Inert.made += 1

    def __reduce__(self):
        return (Inert, ())


def hostile() -> dict[str, bytes]:
    """By what is wrong: pickles that Python's own pickle would take, or nearly."""
    inert = Inert.__module__
    names = robot.dumps(robot.TimedObservation(1.0, 0, {}))
    return {
        "names": pickle.dumps(Inert(), 4),
        "opcode 0x63": pickled(f"c{inert}\nInert\n)R".encode()),  # GLOBAL
        "opcode 0x69": pickled(f"(i{inert}\nInert\n".encode()),  # INST
        "opcode 0x6f": pickled(b"(o"),  # OBJ
        "opcode 0x92": pickled(b"N)}\x92"),  # NEWOBJ_EX
        "opcode 0x82": pickled(b"\x82\x01"),  # EXT1
        "opcode 0x51": pickled(b"NQ"),  # BINPERSID
        "opcode 0x50": pickled(b"Pname\n"),  # PERSID
        "opcode 0x97": pickled(b"\x97"),  # NEXT_BUFFER
        "opcode 0x67": pickled(b"g0\n"),  # GET
        "opcode 0x8b": pickled(b"\x8b" + struct.pack("<i", 1) + b"1"),  # LONG4
        "opcode 0x8f": pickled(b"\x8f"),  # EMPTY_SET
        "protocol 4 or 5": b"\x80\x03N.",
        "an integer of 9": pickled(b"\x8a\x09" + bytes(9)),
        "behind its end": names + b"N",
        "before its value is complete": pickled(b"NN"),
        "cut off": b"\x80\x04(((",
        "tells of 4294967295 bytes": pickled(b"B\xff\xff\xff\xff"),
        "tells of 18446744073709551615 bytes": pickled(b"\x8d" + b"\xff" * 8),
        "is no UTF-8": pickled(b"\x8c\x01\xff"),
        "two values for 'a'": pickled(b"}(\x8c\x01aN\x8c\x01aNu"),
        "key without a value": pickled(b"}(\x8c\x01au"),
        "a str has to be": pickled(b"}(K\x01Nu"),
        "a name has to be": pickled(b"\x8c\x01x)R"),
        "a list has to be": pickled(b"}(Ne"),
        "a record has to be": pickled(b"}}b"),
        "more than 10000 operations": pickled(b"]" * (MOST_OPERATIONS + 1)),
    }


HOSTILE, MESSAGE = hostile(), robot.observation()
MADE = Inert.made  # by this test, to be pickled


@pytest.mark.parametrize("why", HOSTILE)
def test_what_no_observation_needs_is_refused_by_name(why):
    with pytest.raises(RejectedError, match=why):
        read(HOSTILE[why])
    assert Inert.made == MADE


def test_nothing_is_imported_or_called_while_a_message_is_read():
    before = set(sys.modules)
    seen = []

    def tell(event: str, *_: object) -> None:
        if threading.current_thread() is here and watching:
            seen.append(event)

    here, watching = threading.current_thread(), True
    sys.addaudithook(tell)  # for the life of this process, so it tells only while it is asked
    try:
        for data in (*HOSTILE.values(), MESSAGE):
            try:
                read(data)
            except RejectedError:
                pass
    finally:
        watching = False

    assert not [event for event in seen if event in ("import", "pickle.find_class", "exec")]
    assert set(sys.modules) == before
    assert Inert.made == MADE


def test_a_dict_that_contains_itself_is_refused():
    circle: dict = {}
    circle["self"] = circle

    with pytest.raises(RejectedError, match=f"nested more than {MOST_NESTED}"):
        read(pickle.dumps(circle, 4))


def test_a_part_that_is_used_again_and_again_counts_each_time():
    bomb: list = []
    for _ in range(14):  # 2**14 parts in a few bytes
        bomb = [bomb, bomb]

    with pytest.raises(RejectedError, match=f"more than {MOST_OPERATIONS} parts"):
        read(pickle.dumps(bomb, 4))


def test_an_object_gets_its_state_once():
    data = robot.dumps(robot.TimedObservation(1.0, 0, {}))
    twice = unframed(data)[:-1] + b"}b" + END

    with pytest.raises(RejectedError, match="or two"):
        read(twice)


def test_mutants_of_messages_are_read_or_refused_by_name():
    chance = random.Random(5)
    seeds = [robot.observation(), robot.setup(), unframed(robot.observation(step=7))]
    read_so_far = 0
    for _ in range(3000):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                data[at : at + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
        try:
            _, values = read_observation(bytes(data))
            as_observed(read_setup(seeds[1]), values)
            read_so_far += 1
        except RejectedError as error:
            assert str(error)
    assert read_so_far


def test_a_setup_is_read_and_its_features_are_renamed():
    renamed = {"observation.images.front": "observation.images.c1"}
    message = robot.setup("user/act", rename_map=renamed)

    found = read_setup(message)

    assert found.model == "user/act" and found.actions_per_chunk == 10
    assert found.module == robot.HELPERS
    assert dict(found.motors) == {"observation.state": ("shoulder.pos", "gripper.pos")}
    assert dict(found.cameras) == {"observation.images.c1": "front"}


@pytest.mark.parametrize(
    "message, why",
    [
        (robot.setup(chunk=0), "actions_per_chunk"),
        (robot.setup(chunk=True), "actions_per_chunk"),
        (robot.setup(model=""), "pretrained_name_or_path"),
        (robot.setup(model="x" * 256), "pretrained_name_or_path"),
        (robot.setup(features=[]), "lerobot_features"),
        (robot.setup(features={"observation.state": {"dtype": "float32"}}), "names of"),
        (robot.setup(rename_map={"observation.state": "observation.images.front"}), "rename_map"),
        (robot.observation(), "no RemotePolicyConfig"),
    ],
)
def test_a_setup_that_lacks_something_is_refused_by_its_key(message, why):
    with pytest.raises(RejectedError, match=why):
        read_setup(message)


def test_an_observation_becomes_what_policies_of_lerobot_take():
    moment, values = read_observation(robot.observation(step=7, at=5.5, must_go=True))
    observed = as_observed(read_setup(robot.setup()), values)

    assert (moment.timestep, moment.timestamp, moment.must_go) == (7, 5.5, True)
    assert observed["observation.state"].dtype == np.float32
    assert observed["observation.state"].tolist() == [1.5, 0.25]
    assert observed["observation.images.front"].shape == (4, 6, 3)
    assert observed["task"] == "pick"


@pytest.mark.parametrize(
    "change, why",
    [
        ({"shoulder.pos": "a"}, "'shoulder.pos' has to be a number"),
        ({"shoulder.pos": np.zeros(2)}, "'shoulder.pos' has to be a number"),
        ({"front": 1.0}, "'front' has to be an image"),
        ({"front": np.zeros(2, np.complex64)}, "'front': its dtype"),
        ({"task": 3}, "'task'"),
    ],
)
def test_an_observation_that_does_not_fit_its_setup_is_refused_by_its_key(change, why):
    with pytest.raises(RejectedError, match=why):
        _, values = read_observation(robot.observation(**change))
        as_observed(read_setup(robot.setup()), values)


def test_a_value_that_was_announced_and_is_missing_is_named():
    values = {"shoulder.pos": 1.0, "front": np.zeros((4, 6, 3), np.uint8)}
    _, read_values = read_observation(robot.dumps(robot.TimedObservation(1.0, 0, values)))

    with pytest.raises(RejectedError, match=r"no 'gripper\.pos', which the robot announced"):
        as_observed(read_setup(robot.setup()), read_values)


def test_messages_of_lerobot_0_3_are_read_and_answered_by_their_own_names():
    old = "lerobot.scripts.server.helpers"
    config = robot.RemotePolicyConfig("act", "policy", robot.FEATURES, 3)
    found = read_setup(robot.dumps(config, helpers=old))

    answer = action_chunk(found.module, np.zeros((1, 2)), 0, 0.0, 0.0)

    (action,) = robot.loads(answer, helpers=old)
    assert type(action).__name__ == "TimedAction"


def test_a_chunk_is_read_by_pickle_as_timed_actions():
    chunk = np.arange(6, dtype=np.float32).reshape(3, 2) / 7

    actions = robot.loads(action_chunk(robot.HELPERS, chunk, 40, 10.0, 0.5))

    assert [each.timestep for each in actions] == [40, 41, 42]
    assert [each.timestamp for each in actions] == [10.0, 10.5, 11.0]
    assert np.array_equal(np.stack([each.action for each in actions]), chunk)


def test_a_chunk_is_a_tenth_of_what_torch_writes_for_it():
    data = action_chunk(robot.HELPERS, np.zeros((50, 14), np.float32), 0, 0.0, 0.03)

    assert len(data) < 16_000  # the stock server's: 155,938 bytes
