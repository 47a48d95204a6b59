"""A sorted list of the waiting observations, in the order in which a strategy serves them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Hashable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Ranking(Generic[Item]):
    """Items by a key that is fixed while they are in; equal keys in order of insertion.

    Adding and removing take O(log n) comparisons and move n pointers in one block, which at a
    million items is still cheaper than building any other order.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []  # (*key, number, item), sorted
        self._entry_of: dict[Item, tuple[Any, ...]] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, item: Item) -> bool:
        return item in self._entry_of

    def __iter__(self) -> Iterator[Item]:
        return (entry[-1] for entry in self.entries)

    def add(self, item: Item, *key: Any) -> None:
        """Put an item in, or give it a new key and the last place among equals."""
        if item in self._entry_of:
            self.discard(item)
        self._number += 1
        entry = (*key, self._number, item)  # numbers differ: items are never compared
        self._entry_of[item] = entry
        entries = self.entries
        if not entries or entries[-1] < entry:
            entries.append(entry)
        else:
            insort(entries, entry)

    def discard(self, item: Item) -> None:
        """Take an item out, if it is in."""
        entry = self._entry_of.pop(item, None)
        if entry is None:
            return
        entries = self.entries
        if entries[0] is entry:
            del entries[0]
        else:
            del entries[bisect_left(entries, entry)]

    def first(self, count: int, allowed: Container[Item] | None = None) -> list[Item]:
        """The `count` first ones, or as many as there are; O(n) if only some are allowed."""
        if allowed is None:
            return [entry[-1] for entry in self.entries[:count]]
        return list(islice((item for item in self if item in allowed), count))

    def before(self, key: Any) -> list[Item]:
        """Those whose first key is smaller than `key`, taken out."""
        end = bisect_left(self.entries, (key,))
        if not end:
            return []
        items = [entry[-1] for entry in self.entries[:end]]
        del self.entries[:end]
        for item in items:
            del self._entry_of[item]
        return items
