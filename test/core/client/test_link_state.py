"""The states of a client's link, without any socket."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferential_core.client.link_state import TABLE, Event, LinkState, Loss, State

RETRY_S = 0.5
REPORTED = [event for event in Event if event is not Event.GIVEN_UP]  # by the socket


def link(*events: Event, at: float = 0.0) -> LinkState:
    """A link to which these events have happened."""
    state = LinkState(RETRY_S, lambda event: f"refused: {event.name}")
    for event in events:
        state.handle(event, at)
    return state


@pytest.mark.parametrize("state", State)
def test_the_table_says_what_comes_of_every_event_in_every_state(state: State) -> None:
    assert set(TABLE[state]) == set(Event) - {Event.BROKEN_OFF}


def test_a_link_that_is_accepted_is_up() -> None:
    assert link(Event.ACCEPTED).connected
    assert link(Event.ACCEPTED).state is State.UP


def test_before_the_server_is_met_a_few_observations_are_left_to_zeromq() -> None:
    state = link()
    sent = 0
    while state.sendable:
        state.sent()
        sent += 1
    assert sent == 16
    state.handle(Event.ACCEPTED, 0.0)
    for _ in range(100):
        state.sent()
        assert state.sendable


def test_what_was_in_flight_is_lost_when_the_link_goes_down_and_what_was_kept_is_not() -> None:
    state = link(Event.ACCEPTED)
    loss = state.handle(Event.DISCONNECTED, 0.0)
    assert loss == Loss("the link went down before an answer came", unsent=False)
    assert state.state is State.DOWN
    assert not state.connected
    assert not state.sendable


@pytest.mark.parametrize("event", [Event.DENIED, Event.MISMATCHED])
def test_a_refusal_costs_all_that_waits_and_is_tried_again_once_after_a_pause(
    event: Event,
) -> None:
    state = link()
    assert state.handle(event, 10.0) == Loss(f"refused: {event.name}", unsent=True)
    assert state.state is State.REFUSED
    assert state.refusal == f"refused: {event.name}"
    assert not state.sendable
    assert not state.retries(10.0 + RETRY_S - 0.01)
    assert state.retries(10.0 + RETRY_S)
    state.connects()
    assert not state.retries(math.nextafter(math.inf, 0.0))


def test_a_handshake_that_breaks_off_may_be_chance_and_three_in_a_row_are_none() -> None:
    state = link()
    assert state.handle(Event.BROKEN_OFF, 0.0) is None
    assert state.handle(Event.BROKEN_OFF, 0.0) is None
    assert state.sendable
    assert state.handle(Event.BROKEN_OFF, 0.0) == Loss("refused: GIVEN_UP", unsent=True)
    assert state.refusal
    assert state.retry_at == math.inf  # ZeroMQ itself goes on


def test_an_accepted_handshake_ends_the_row_of_those_that_broke_off() -> None:
    state = link(Event.BROKEN_OFF, Event.BROKEN_OFF, Event.ACCEPTED, Event.DISCONNECTED)
    assert state.handle(Event.BROKEN_OFF, 0.0) is None
    assert state.state is State.DOWN


def test_a_link_that_breaks_after_a_broken_handshake_says_so() -> None:
    loss = link(Event.BROKEN_OFF).handle(Event.DISCONNECTED, 0.0)
    assert loss == Loss("refused: BROKEN_OFF", unsent=False)


def test_a_refusal_in_words_is_not_replaced_by_handshakes_that_break_off() -> None:
    state = link(Event.DENIED, *[Event.BROKEN_OFF] * 5)
    assert state.refusal == "refused: DENIED"


def test_a_server_that_lets_the_client_in_after_all_takes_the_refusal_back() -> None:
    state = link(Event.DENIED, Event.ACCEPTED)
    assert state.connected
    assert state.refusal == ""
    assert state.retry_at == math.inf


@given(st.lists(st.sampled_from(REPORTED), max_size=30))
def test_whatever_happens_the_state_and_what_is_told_of_it_agree(events: list[Event]) -> None:
    state = link(*events)
    assert state.connected == (state.state is State.UP)
    assert bool(state.refusal) == (state.state is State.REFUSED)
    assert state.connected == (bool(events) and _last_turn(events) is Event.ACCEPTED)
    if state.state is State.REFUSED:
        assert not state.sendable


def _last_turn(events: list[Event]) -> Event:
    """The newest event that says whether the link is up; one that breaks off may say nothing."""
    broken_off = 0
    turn = Event.DISCONNECTED
    for event in events:
        if event is Event.BROKEN_OFF:
            broken_off += 1
            if broken_off >= 3:
                turn = event
            continue
        if event is Event.ACCEPTED:
            broken_off = 0
        turn = event
    return turn
