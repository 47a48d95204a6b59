"""Remembers on which lane each client of a stateful model lives.

A recurrent model keeps a state for each client, on the lane (thread, process, replica) that
served it; so a client's observations go there, in order, one in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..request import InferenceRequest

# From those that wait, longest waiting first, those that may go to a lane together.
Eligible = Callable[[Sequence[InferenceRequest]], list[InferenceRequest]]
# Gives a lane the batch that the scheduler chooses; False if it chooses nothing.
Begin = Callable[[int, Eligible | None], bool]


class Anywhere:
    """For a model without a state: its batches run on whatever lane is free."""

    by_lane = False  # whether a client stays on one lane

    def fill(self, begin: Begin) -> None:
        """Begin batches, `begin(lane, eligible)` each, until it says that there is none."""
        while begin(0, None):
            pass

    def begin(self, lane: int, requests: Iterable[InferenceRequest]) -> None:
        """These go to the model now, on this lane."""

    def end(self, lane: int, lost: bool) -> None:
        """The lane is free. lost: what its model remembered is gone."""

    def begin_anew(self, client_id: str) -> None:
        """Whatever this client sends next begins an episode."""

    def clients(self) -> list[str]:
        """Those that have a lane."""
        return []

    def forget(self, client_id: str) -> int | None:
        """The client is gone; the lane it lived on, None if on none."""
        return None

    def resized(self, lanes: int) -> Placement:
        """The placement for a model that has a state, with so many lanes."""
        return Placement(lanes)


ANYWHERE = Anywhere()


class Placement(Anywhere):
    """Clients by lane, the episode each is in, and the lanes at work."""

    by_lane = True

    def __init__(self, lanes: int) -> None:
        self._clients = [0] * lanes  # how many live on each
        self._lane_of: dict[str, int] = {}
        self._episode_of: dict[str, int] = {}  # of the newest observation the model was given
        self._busy: set[int] = set()

    def __len__(self) -> int:
        return len(self._lane_of)

    def clients(self) -> list[str]:
        return list(self._lane_of)

    def free_lanes(self) -> list[int]:
        """The numbers of the lanes that are idle."""
        return [lane for lane in range(len(self._clients)) if lane not in self._busy]

    def lane_of(self, client_id: str) -> int:
        """The client's lane; for a new one the lane with the fewest clients."""
        lane = self._lane_of.get(client_id)
        if lane is None:
            lane = min(range(len(self._clients)), key=self._clients.__getitem__)
            self._lane_of[client_id] = lane
            self._clients[lane] += 1
        return lane

    def eligible(self, lane: int) -> Eligible:
        """From those that wait, longest waiting first, those that may go to `lane` together."""

        def of_lane(waiting: Sequence[InferenceRequest]) -> list[InferenceRequest]:
            first: dict[str, InferenceRequest] = {}
            for request in waiting:
                if self.lane_of(request.client_id) == lane:
                    known = first.setdefault(request.client_id, request)
                    if request.received_at < known.received_at:
                        first[request.client_id] = request
            return list(first.values())

        return of_lane

    def fill(self, begin: Begin) -> None:
        for lane in self.free_lanes():
            begin(lane, self.eligible(lane))

    def begin(self, lane: int, requests: Iterable[InferenceRequest]) -> None:
        """These go to the model now: say of each whether its episode begins for the model.

        Not when it arrived: the first observation of an episode may end before it is served.
        """
        self._busy.add(lane)
        for request in requests:
            begins = self._episode_of.get(request.client_id) != request.epoch
            request.first_of_episode = begins
            self._episode_of[request.client_id] = request.epoch

    def end(self, lane: int, lost: bool) -> None:
        """The lane is free. lost: what it remembered is gone, so episodes begin anew there."""
        self._busy.discard(lane)
        if lost:
            for client_id, where in self._lane_of.items():
                if where == lane:
                    self._episode_of.pop(client_id, None)

    def begin_anew(self, client_id: str) -> None:
        self._episode_of.pop(client_id, None)

    def forget(self, client_id: str) -> int | None:
        self._episode_of.pop(client_id, None)
        lane = self._lane_of.pop(client_id, None)
        if lane is not None and lane < len(self._clients):
            self._clients[lane] -= 1
        return lane

    def resized(self, lanes: int) -> Placement:
        """This one, with so many lanes now; the clients of those that went are placed anew."""
        before = len(self._clients)
        if lanes >= before:
            self._clients.extend([0] * (lanes - before))
            return self
        for client_id in [name for name, lane in self._lane_of.items() if lane >= lanes]:
            self.forget(client_id)
        del self._clients[lanes:]
        return self
