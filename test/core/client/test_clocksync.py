"""The offset between two machines' clocks, from round trips alone."""

from __future__ import annotations

import random

from inferential_core.client.clocksync import ClockOffset

MS = 1_000_000


def round_trip(offset: ClockOffset, true_ns: int, up_ns: int, down_ns: int, at_ns: int = 0):
    t0 = at_ns
    t1 = t0 + up_ns + true_ns
    t2 = t1 + 5 * MS
    t3 = t2 - true_ns + down_ns
    offset.learn(t0, t1, t2, t3)


def test_nothing_is_known_before_the_first_reply():
    assert ClockOffset().ns is None


def test_a_symmetric_link_gives_the_exact_offset():
    offset = ClockOffset()
    round_trip(offset, true_ns=123 * MS, up_ns=2 * MS, down_ns=2 * MS)
    assert offset.ns == 123 * MS


def test_the_error_is_at_most_half_of_the_smallest_delay():
    rng = random.Random(3)
    offset = ClockOffset()
    for _ in range(60):
        round_trip(offset, -999 * MS, rng.randint(1, 50) * MS, rng.randint(1, 50) * MS)
    round_trip(offset, -999 * MS, MS // 2, MS)
    assert abs(offset.ns + 999 * MS) <= 0.75 * MS


def test_old_samples_leave_so_that_drift_is_followed():
    offset = ClockOffset()
    round_trip(offset, true_ns=0, up_ns=1, down_ns=1)
    for _ in range(ClockOffset.WINDOW):
        round_trip(offset, true_ns=10 * MS, up_ns=MS, down_ns=MS)
    assert offset.ns == 10 * MS


def test_a_robot_that_asks_seldom_goes_by_what_it_learned_within_a_minute():
    offset = ClockOffset()
    round_trip(offset, true_ns=0, up_ns=1, down_ns=1)
    for at_s in (30, 59, 61):
        round_trip(offset, true_ns=10 * MS, up_ns=MS, down_ns=MS, at_ns=at_s * 10**9)
        assert offset.ns == (0 if at_s < 60 else 10 * MS)


def test_times_that_contradict_each_other_are_ignored():
    offset = ClockOffset()
    offset.learn(100, 0, 0, 200)  # a published server tells no times
    offset.learn(100, 50, 500, 200)  # longer at the server than on the way
    assert offset.ns is None
