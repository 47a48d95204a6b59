"""What a client keeps while there is no link."""

from __future__ import annotations

from inferential_core.client.outbox import Outbox, Unsent


class Kept:
    """An outbox and what became of the observations that were put into it."""

    def __init__(self) -> None:
        self.lost: dict[int, str] = {}
        self.outbox = Outbox(self.lost.__setitem__)

    def put(self, *numbers: int, at: float = 0.0, supersede: bool = False) -> None:
        for number in numbers:
            self.outbox.put(Unsent(number, at, [b""]), supersede=supersede)

    def sent(self, now: float) -> list[int]:
        """Those that are sent when the link comes."""
        numbers = []
        while (observation := self.outbox.next(now)) is not None:
            numbers.append(observation.request_id)
            self.outbox.unsent.popleft()
        return numbers


def test_fresh_observations_are_sent_in_their_order() -> None:
    kept = Kept()
    kept.put(1, 2, 3)
    assert kept.sent(now=0.9) == [1, 2, 3]
    assert not kept.lost


def test_of_stale_ones_only_the_newest_is_sent_as_somebody_waits_for_it() -> None:
    kept = Kept()
    kept.put(1, 2, 3)
    assert kept.sent(now=60.0) == [3]
    assert kept.lost == dict.fromkeys((1, 2), "the link was down for too long")


def test_the_oldest_gives_way_when_too_many_are_kept() -> None:
    kept = Kept()
    kept.put(*range(66))
    assert kept.sent(now=0.0) == list(range(2, 66))
    assert list(kept.lost) == [0, 1]


def test_one_that_supersedes_is_the_only_one_that_stays() -> None:
    kept = Kept()
    kept.put(1, 2)
    kept.put(3, supersede=True)
    assert kept.sent(now=0.0) == [3]
    assert kept.lost == dict.fromkeys((1, 2), "replaced before it was sent")
