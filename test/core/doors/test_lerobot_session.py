"""One robot of LeRobot: its runway, its pace, and which answer it hears."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.peers import lerobot_robot as robot
from inferential_core.doors.lerobot.messages import Moment, read_setup
from inferential_core.doors.lerobot.robots import address_of
from inferential_core.doors.lerobot.session import Session
from inferential_core.status import Status

CHUNK = {"actions": np.arange(40, dtype=np.float32).reshape(20, 2)}


@pytest.fixture
def session():
    return Session(read_setup(robot.setup(chunk=10)))


def ask(session, step, at=0.0, must_go=False):
    moment = Moment(at, step, must_go)
    number, runway = session.asked(moment)
    return number, moment, runway


def answer(session, asked, values=CHUNK, status=Status.OK, error=""):
    number, moment, _ = asked
    session.answered(number, moment, status, error, values)


def steps(chunk):
    return [action.timestep for action in robot.loads(chunk)]


def test_a_robot_that_had_no_answer_yet_tells_no_runway(session):
    assert ask(session, 0, must_go=True)[2].steps_remaining is None
    assert ask(session, 0, at=0.03)[2].steps_remaining is None


def test_the_runway_is_the_last_step_that_was_sent_less_the_step_of_the_observation(session):
    answer(session, ask(session, 0, at=1.0))
    assert steps(session.fetch().chunk) == [*range(10)]

    runways = [ask(session, step, at=1.0 + step / 10)[2] for step in (3, 4, 5, 9, 12)]

    assert [runway.steps_remaining for runway in runways] == [6, 5, 4, 0, 0]
    assert all(runway.control_period_ms == pytest.approx(100) for runway in runways)


def test_an_answer_that_the_robot_has_not_fetched_is_no_runway(session):
    answer(session, ask(session, 0))
    assert ask(session, 2, at=0.2)[2].steps_remaining is None

    session.fetch()
    assert ask(session, 3, at=0.3)[2].steps_remaining == 6


def test_the_runway_is_that_of_the_last_answer_because_it_replaces_what_was_left(session):
    answer(session, ask(session, 0))
    session.fetch()
    late = ask(session, 5, at=0.5)
    short = {"actions": np.zeros((2, 2))}
    answer(session, late, short)
    session.fetch()

    assert ask(session, 6, at=0.6)[2].steps_remaining == 0  # it had been sent step 9 before


def test_a_robot_that_says_that_it_must_go_is_dry(session):
    answer(session, ask(session, 0))
    session.fetch()
    ask(session, 3, at=0.3)

    assert ask(session, 3, at=0.4, must_go=True)[2].steps_remaining == 0


def test_the_pace_is_the_median_so_that_a_pause_does_not_change_it(session):
    at = 0.0
    for step in range(8):
        at += 2.0 if step == 4 else 0.05
        ask(session, step, at=at)

    assert session.control_period_s == pytest.approx(0.05)


def test_a_clock_that_is_set_back_or_steps_that_stand_still_tell_no_pace(session):
    for step, at in ((0, 5.0), (1, 4.0), (1, 4.1), (0, 4.2)):
        ask(session, step, at=at)

    assert session.control_period_s == 0.0


def test_of_answers_that_come_out_of_order_the_robot_hears_the_newest(session):
    first, second = ask(session, 0), ask(session, 1, at=0.1)
    answer(session, second)
    answer(session, first)

    assert steps(session.fetch().chunk)[0] == 1
    assert session.fetch() is None


@pytest.mark.parametrize("status", [Status.SUPERSEDED, Status.EXPIRED, Status.DROPPED])
def test_a_robot_hears_nothing_of_what_its_next_observation_mends(session, status):
    answer(session, ask(session, 0), {}, status)

    assert session.fetch() is None


@pytest.mark.parametrize("status", [Status.REJECTED, Status.ERROR])
def test_a_refusal_is_told_in_words_unless_there_are_actions_to_have(session, status):
    answer(session, ask(session, 0), {}, status, "too hot")
    assert session.fetch()[2:] == (status, "too hot")

    answer(session, ask(session, 1))
    answer(session, ask(session, 2), {}, status, "too hot")
    assert session.fetch().status is Status.OK


def test_no_more_actions_are_sent_than_the_robot_asked_for(session):
    answer(session, ask(session, 4))

    assert steps(session.fetch().chunk) == [*range(4, 14)]


@pytest.mark.parametrize(
    "values, why",
    [
        ({}, "nothing"),
        ({"a": np.zeros((2, 2)), "b": np.zeros((2, 2))}, "'a', 'b'"),
        ({"actions": np.zeros((2, 2, 2))}, r"\(2, 2, 2\)"),
        ({"actions": np.zeros((0, 2))}, r"\(0, 2\)"),
        ({"actions": np.array([[1.0, np.nan]])}, "infinite or none"),
        ({"actions": np.array([[1.0, np.inf]])}, "infinite or none"),
    ],
)
def test_an_answer_that_a_robot_cannot_execute_is_an_error_in_words(session, values, why):
    answer(session, ask(session, 0), values)

    found = session.fetch()
    assert found.status is Status.ERROR
    assert re.search(why, found.error)


def test_a_single_action_and_an_only_array_are_a_chunk(session):
    answer(session, ask(session, 0), {"action": np.zeros(2)})
    assert steps(session.fetch().chunk) == [0]

    answer(session, ask(session, 1), {"chunk": np.zeros((3, 2)), "note": "a text"})
    assert steps(session.fetch().chunk) == [1, 2, 3]


def test_a_robot_is_known_by_the_address_in_what_grpc_calls_its_peer():
    assert address_of("ipv4:10.0.0.7:41234") == "10.0.0.7"
    assert address_of("ipv6:%5B::1%5D:41234") == "::1"
    assert address_of("unix:") == ""
