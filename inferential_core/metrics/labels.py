"""Sets of labels, each under a number, so that a point can say in 8 bytes whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

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


class LabelTable:
    """The label sets in use. One thread at a time asks for them, any searches.

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
        young, old = self._generations
        if len(young) >= self._keep:
            young, old = {}, young
        found = old.get(key)
        if found is None:
            found = LabelSet(labels, next(self._numbers))
        young[key] = found
        self._generations = (young, old)
        return found
