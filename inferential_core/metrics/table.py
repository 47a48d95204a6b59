"""Keeps the newest measurements of metrics that are taken together, in bounded memory.

Whose a measurement is, a set of labels, stands in its row as a number of 8 bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from operator import attrgetter
from struct import Struct

import numpy as np

Labels = Mapping[str, str]
_Key = tuple[object, ...]
_Generation = dict[_Key, "LabelSet"]


class LabelSet(dict[str, str]):
    """Labels, and the number that stands for them."""

    __slots__ = ("number",)

    def __init__(self, labels: Labels, number: int) -> None:
        super().__init__(labels)
        self.number = number


NO_LABELS = LabelSet({}, 0)
_NUMBER = attrgetter("number")


class LabelTable:
    """The label sets in use. Any thread asks for them.

    Bounded however many clients come and go: there are two generations, and when the young one is
    full it becomes the old one and the old one is forgotten. So at least the `keep` sets used
    last are known, at most twice as many. Points of a forgotten set still count in statistics
    without a filter. Numbers are never used again.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self._keep = keep
        self._generations: tuple[_Generation, _Generation] = ({}, {})  # young, old
        self._lasting: list[LabelSet] = []
        self._numbers = count(1)
        self._lock = threading.Lock()  # of what follows when a set is new, or old

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    def of(self, labels: Labels) -> LabelSet:
        """The set with these labels."""
        if type(labels) is LabelSet:
            return labels
        if not labels:
            return NO_LABELS
        key = tuple(labels.items())
        return self._generations[0].get(key) or self._renewed(key, labels)

    def lasting(self, labels: Labels) -> LabelSet:
        """A set that is never forgotten; for few, that are held on to."""
        found = LabelSet(labels, next(self._numbers))
        self._lasting.append(found)
        return found

    def of_client(self, client: str, model: str) -> LabelSet:
        """The set with the labels `client` and `model`."""
        key = (client, model)
        return self._generations[0].get(key) or self._renewed(
            key, {"client": client, "model": model}
        )

    def of_clients(self, whose: Sequence[tuple[str, str]]) -> list[LabelSet]:
        """As `of_client`, for many clients and models at once."""
        found = [*map(self._generations[0].get, whose)]
        known = [each for each in found if each]
        return known if len(known) == len(whose) else [self.of_client(*each) for each in whose]

    def matching(self, wanted: Labels) -> list[int]:
        """Numbers of the sets that include `wanted`."""
        want = wanted.items()
        return [each.number for each in self._all() if each.items() >= want]

    def values_of(self, label: str) -> dict[int, str]:
        """Number -> value of this label, of the sets that have it."""
        return {each.number: each[label] for each in self._all() if label in each}

    def _all(self) -> list[LabelSet]:
        young, old = self._generations
        # The old one first: what moves to the young one meanwhile is seen twice, not never.
        return [*self._lasting, *list(old.values()), *list(young.values())]

    def _renewed(self, key: _Key, labels: Labels) -> LabelSet:
        with self._lock:
            young, old = self._generations
            if len(young) >= self._keep:
                young, old = {}, young
            found = young.get(key) or old.get(key)
            if found is None:
                found = LabelSet(labels, next(self._numbers))
            young[key] = found
            self._generations = (young, old)
            return found


Listener = Callable[[str, float, LabelSet], None]

# Rows that may be gathered before they are written, and that are written at once. Writing them
# takes a fraction of a millisecond, which so falls to far fewer than one reply in a hundred.
GATHERED = 512


class Audience:
    """Who hears every measurement, and how soon; nobody by default."""

    __slots__ = ("listener", "patience")

    def __init__(self) -> None:
        self.listen(None, GATHERED)

    def listen(self, listener: Listener | None, patience: int) -> None:
        """Who hears them from now on, and how many may be gathered before."""
        self.listener = listener
        self.patience = patience


class Table:
    """A ring of `size` rows: time, number of the labels, and a value for each of `names`.

    Metrics that are taken at the same moment of the same thing share a row, which costs less than
    a point for each; NaN stands where one was not measured. One thread at a time adds, any reads:
    rows are written first and counted afterwards, and a reader leaves out what may have been
    overwritten while it copied.
    """

    def __init__(
        self, names: tuple[str, ...], size: int, audience: Audience | None = None
    ) -> None:
        row = Struct(f"=dq{len(names)}d")
        self.names = names
        self.count = 0  # rows since the beginning
        self._audience = audience or Audience()
        self._pack, self._width = row.pack_into, row.size
        self._dtype = np.dtype([("time", "f8"), ("labels", "i8"), ("values", "f8", len(names))])
        # Buffer, rows that go in, and the first row since the beginning that is in it.
        self._memory = self._fresh_memory(size)

    def add(self, time: float, labels: LabelSet, *values: float) -> None:
        """A row; time in monotonic seconds, values as many as there are names."""
        buffer, room, _ = self._memory
        self._pack(buffer, self.count % room * self._width, time, labels.number, *values)
        self.count += 1
        self._tell(labels, values)

    def extend(
        self,
        times: Sequence[float] | np.ndarray,
        labels: Sequence[LabelSet],
        values: np.ndarray,
    ) -> None:
        """Several rows, oldest first: times and labels (n,), values (n, names), as for `add`."""
        rows = np.empty(len(times), self._dtype)
        rows["time"], rows["values"] = times, values
        rows["labels"] = [*map(_NUMBER, labels)]
        buffer, room, _ = self._memory
        ring = np.frombuffer(buffer, self._dtype)
        for begin in range(0, len(rows), GATHERED):
            some = rows[begin : begin + GATHERED]
            ring[np.arange(self.count, self.count + len(some)) % room] = some
            self.count += len(some)
        if self._audience.listener is not None:
            for row, whose in zip(values.tolist(), labels):
                self._tell(whose, row)

    def _tell(self, labels: LabelSet, values: Sequence[float]) -> None:
        listener = self._audience.listener
        if listener is not None:
            for name, value in zip(self.names, values):
                if value == value:  # measured
                    listener(name, value, labels)

    def resize(self, size: int) -> None:
        """Keep `size` rows from now on, the newest ones. By the thread that adds."""
        rows = self.rows()[-size:]
        begin = self.count - len(rows)
        buffer, room, _ = self._fresh_memory(size)
        places = np.arange(begin, self.count) % room
        np.frombuffer(buffer, self._dtype)[places] = rows
        self._memory = (buffer, room, begin)

    def rows(self) -> np.ndarray:
        """A copy of the rows, oldest first: (n,) with fields time, labels, values (n, names)."""
        return self._copied(lambda rows: (rows.copy(),))[0]

    def column(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times (s), numbers of labels and values of a metric, oldest first, each (n,)."""
        index = self.names.index(name)
        times, labels, values = self._copied(
            lambda rows: (
                rows["time"].copy(),
                rows["labels"].copy(),
                rows["values"][:, index].copy(),
            )
        )
        measured = ~np.isnan(values)
        if measured.all():
            return times, labels, values
        return times[measured], labels[measured], values[measured]

    def _copied(self, copy: Callable[[np.ndarray], tuple[np.ndarray, ...]]) -> list[np.ndarray]:
        """Copies of something of each row, oldest first, of whole rows only."""
        while True:
            memory = buffer, room, oldest = self._memory
            end = self.count
            copies = copy(np.frombuffer(buffer, self._dtype))
            begin = max(oldest, self.count + GATHERED - room)
            if begin <= end and memory is self._memory:  # else it went by while we looked
                break
        at, stop = begin % room, end % room
        if at <= stop:
            return [each[at:stop] for each in copies]
        return [np.concatenate((each[at:], each[:stop])) for each in copies]

    def _fresh_memory(self, size: int) -> tuple[bytearray, int, int]:
        room = size + GATHERED  # the rows that are being written are nobody's
        return bytearray(room * self._width), room, 0
