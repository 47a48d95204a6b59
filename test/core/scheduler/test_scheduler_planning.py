"""Who can be answered in time, and in what batches."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferential_core.scheduler.planning import (
    Candidate,
    all_in_time,
    densest,
    largest_in_time,
)
from inferential_core.scheduler.ranking import Ranking

SECONDS = [0.0, 1.5, 2.0, 2.5, 3.0]  # L(b) = 1 + b / 2


def entries(*deadlines: float) -> list[tuple[float]]:
    return [(deadline,) for deadline in sorted(deadlines)]


@pytest.mark.parametrize(
    ("deadlines", "possible"),
    [
        ([1.5], True),
        ([1.4], False),
        ([2.0, 2.0], True),  # together
        ([1.9, 1.9], False),
        ([1.5, 3.0], True),  # one after the other
        ([1.5, 2.9], False),
        ([3.0] * 4 + [4.5], True),
        ([3.0] * 4 + [4.4], False),
    ],
)
def test_all_in_time_is_what_batches_of_their_length_allow(
    deadlines: list[float], possible: bool
) -> None:
    assert all_in_time(entries(*deadlines), 0, 0.0, SECONDS) is possible


def test_all_in_time_may_begin_later_and_with_some_of_them() -> None:
    assert all_in_time(entries(0.1, 3.5), 1, 2.0, SECONDS)
    assert not all_in_time(entries(0.1, 3.4), 1, 2.0, SECONDS)


def test_two_lanes_begin_twice_as_many_batches() -> None:
    four_each = entries(*[3.0] * 4, *[4.5] * 4)
    assert not all_in_time(four_each, 0, 0.0, SECONDS)
    assert all_in_time(four_each, 0, 0.0, SECONDS, pace=0.5)


@pytest.mark.parametrize(("due", "size"), [(0.1, 1), (1.5, 1), (2.4, 2), (2.5, 3), (99.0, 4)])
def test_the_largest_batch_that_is_done_by_a_deadline(due: float, size: int) -> None:
    assert largest_in_time(due, SECONDS) == size


def candidates(*worth_and_due: tuple[float, float]) -> list[Candidate]:
    made = [Candidate(worth, due, index) for index, (worth, due) in enumerate(worth_and_due)]
    return sorted(made, key=lambda each: -each.worth)


def test_a_full_batch_earns_most_when_nobody_is_in_a_hurry() -> None:
    batch = densest(candidates(*[(1.0, 100.0)] * 6), SECONDS)
    assert len(batch) == 4


def test_who_cannot_wait_for_the_next_batch_goes_first() -> None:
    hurried, patient = (1.0, 2.5), (1.0, 5.0)
    batch = densest(candidates(*[patient] * 3, *[hurried] * 3), SECONDS)
    assert [each.slack for each in batch] == [2.5] * 3


def test_the_most_valuable_go_first_where_not_all_can() -> None:
    batch = densest(candidates((1.0, 1.5), (9.0, 1.5), (2.0, 1.5)), SECONDS)
    assert [each.worth for each in batch] == [9.0]


def test_places_that_are_taken_make_the_batch_longer() -> None:
    assert len(densest(candidates((1.0, 2.0), (1.0, 2.0)), SECONDS)) == 2
    assert len(densest(candidates((1.0, 2.0), (1.0, 2.0)), SECONDS, begun=1)) == 1


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from([1.4, 1.5, 2.0, 2.5, 3.5, 4.0, 5.5, 9.0])),
        min_size=1,
        max_size=7,
    )
)
def test_no_batch_and_successor_earn_more_per_second(pairs: list[tuple[int, float]]) -> None:
    best = 0.0
    sized = range(len(SECONDS))
    for first in sized[1:]:
        for now in combinations(range(len(pairs)), first):
            if any(pairs[i][1] < SECONDS[first] for i in now):
                continue
            left = [i for i in range(len(pairs)) if i not in now]
            for second in sized:
                end = SECONDS[first] + SECONDS[second]
                for then in combinations(left, second):
                    if all(pairs[i][1] >= end for i in then):
                        worth = sum(pairs[i][0] for i in (*now, *then))
                        best = max(best, worth / end)
    batch = densest(candidates(*((float(w), due) for w, due in pairs)), SECONDS)
    if not best:
        assert batch == []
        return
    # The best successor of the batch that was chosen makes up the best rate there is.
    assert all(each.slack >= SECONDS[len(batch)] for each in batch)
    taken = {each.item for each in batch}
    rates = []
    for second in sized:
        end = SECONDS[len(batch)] + SECONDS[second]
        worths = sorted(
            (w for i, (w, due) in enumerate(pairs) if i not in taken and due >= end), reverse=True
        )
        if len(worths) >= second:
            rates.append((sum(each.worth for each in batch) + sum(worths[:second])) / end)
    assert max(rates) == pytest.approx(best)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["add", "discard"]), st.integers(0, 5)))
)
def test_a_ranking_stays_sorted_with_equals_in_order_of_insertion(
    steps: list[tuple[int, str, int]],
) -> None:
    ranking: Ranking[int] = Ranking()
    model: dict[int, int] = {}
    for item, step, key in steps:
        model.pop(item, None)
        if step == "add":
            ranking.add(item, key)
            model[item] = key
        else:
            ranking.discard(item)
        expected = sorted(model, key=lambda each: model[each])
        assert list(ranking) == expected
        assert ranking.first(3) == expected[:3]
        assert ranking.first(2, allowed={1, 2}) == [i for i in expected if i in (1, 2)][:2]
        assert len(ranking) == len(model)
    before = [item for item in ranking if model[item] < 3]
    assert ranking.before(3) == before
    assert all(model[item] >= 3 for item in ranking)
