"""Reads plain YAML values, and names the path of the key in every error.

A `Section` is one mapping of the file. Who parses it asks for its keys one by one; `finish()`
then refuses what nobody asked for, so that a misspelt key is never silently ignored.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from inferential_ros.options.errors import ContractError, suggestion

T = TypeVar("T")
MISSING: Any = object()
MOST_HZ = 100_000.0


class Section:
    """One mapping of the contract, with its path."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise ContractError(path, f"expected a mapping of keys, got {_shown(value)}")
        self.path = path
        self._values = value
        self._asked: set[str] = set()

    def only(self, *known: str) -> None:
        """Refuse any other key at once: a misspelt one is not to be told as a missing one."""
        self._asked.update(known)
        self.finish()

    def at(self, key: str) -> str:
        """Path of a key in here."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether a key is there with a value; the key counts as known from then on."""
        self._asked.add(key)
        return self._values.get(key) is not None

    def get(self, key: str, kind: Callable[[Any, str], T], default: Any = MISSING) -> T:
        """The value of `key` as `kind` reads it; an empty value counts as absent."""
        if not self.has(key):
            if default is MISSING:
                self.refuse_misspelt(key)
                raise ContractError(self.at(key), "is missing")
            return default
        return kind(self._values[key], self.at(key))

    def with_default(self, key: str, value: Any) -> Section:
        """This section, with a value for a key that is not given."""
        if not self.has(key):
            self._values = {**self._values, key: value}
        return self

    def refuse_misspelt(self, key: str) -> None:
        """A key nobody asked for that is nearly the missing one is the one to tell of."""
        others = [str(name) for name in self._values if name not in self._asked]
        for name in difflib.get_close_matches(key, others, n=1, cutoff=0.75):
            raise ContractError(self.at(name), f"unknown key; did you mean {key!r}?")

    def items(self) -> Iterator[tuple[str, Any, str]]:
        """Every key with its value and path, for mappings whose keys are the user's names."""
        for key, value in self._values.items():
            self._asked.add(key)
            yield text(key, self.at(str(key))), value, self.at(str(key))

    def keys(self) -> list[str]:
        """The keys that are there, in the order of the file."""
        return [str(key) for key in self._values]

    def finish(self) -> None:
        """Refuse the keys that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                hint = suggestion(key, self._asked)
                raise ContractError(self.at(str(key)), f"unknown key; {hint}")


def text(value: Any, path: str) -> str:
    """A text that is not empty, else a ContractError at `path`."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise ContractError(
            path, f"expected text, got the number {value}; as a name, write '{value}' in quotes"
        )
    if not isinstance(value, str) or not value:
        raise ContractError(path, f"expected text, got {_shown(value)}")
    return value


def number(value: Any, path: str) -> float:
    """A number that may be infinite but not NaN, else a ContractError at `path`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise ContractError(path, f"expected a number, got {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ContractError(path, "is larger than any number can be here") from None


def positive(value: Any, path: str) -> float:
    """A finite number above 0, else a ContractError at `path`."""
    result = number(value, path)
    if not 0.0 < result < math.inf:
        raise ContractError(path, f"must be greater than 0 and finite, not {value}")
    return result


def frequency(value: Any, path: str) -> float:
    """Hz; more would leave a period of no nanoseconds."""
    result = positive(value, path)
    if result > MOST_HZ:
        raise ContractError(path, f"must be at most {MOST_HZ:g}, not {value}")
    return result


def non_negative(value: Any, path: str) -> float:
    """A finite number of at least 0, else a ContractError at `path`."""
    result = number(value, path)
    if not 0.0 <= result < math.inf:
        raise ContractError(path, f"must be at least 0 and finite, not {value}")
    return result


def fraction(value: Any, path: str) -> float:
    """A number from 0 to 1, else a ContractError at `path`."""
    result = number(value, path)
    if not 0.0 <= result <= 1.0:
        raise ContractError(path, f"must lie between 0 and 1, not {value}")
    return result


def integer(value: Any, path: str) -> int:
    """A whole number of at least 0, else a ContractError at `path`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ContractError(path, f"expected a whole number of at least 0, got {_shown(value)}")
    return value


def whole_positive(value: Any, path: str) -> int:
    """A whole number of at least 1, else a ContractError at `path`."""
    result = integer(value, path)
    if result < 1:
        raise ContractError(path, "must be at least 1")
    return result


def by_name(
    kind: Callable[[Any, str], T], known: Sequence[str], default: T
) -> Callable[[Any, str], tuple[T, ...]]:
    """Reader of one value for all the names, or of a mapping from some names to their own."""

    def read(value: Any, path: str) -> tuple[T, ...]:
        if not isinstance(value, Mapping):
            return (kind(value, path),) * len(known)
        given = dict.fromkeys(known, default)
        for name, item, place in Section(value, path).items():
            if name not in given:
                raise ContractError(
                    place, f"{name!r} is not named here; {suggestion(name, known)}"
                )
            given[name] = kind(item, place)
        return tuple(given.values())

    return read


def boolean(value: Any, path: str) -> bool:
    """True or false, else a ContractError at `path`."""
    if not isinstance(value, bool):
        raise ContractError(path, f"expected true or false, got {_shown(value)}")
    return value


def names(value: Any, path: str) -> tuple[str, ...]:
    """A list of different names, at least one."""
    found = sequence(value, path)
    if not found:
        raise ContractError(path, "must name at least one")
    result = tuple(text(item, f"{path}[{index}]") for index, item in enumerate(found))
    for index, name in enumerate(result):
        if name in result[:index]:
            raise ContractError(f"{path}[{index}]", f"{name!r} is named twice")
    return result


def known_names(known: Sequence[str]) -> Callable[[Any, str], tuple[str, ...]]:
    """Reader of a list of different names out of the action names."""

    def read(value: Any, path: str) -> tuple[str, ...]:
        found = names(value, path)
        for index, name in enumerate(found):
            if name not in known:
                raise ContractError(
                    f"{path}[{index}]",
                    f"no action {name!r} in action.names; {suggestion(name, known)}",
                )
        return found

    return read


def sequence(value: Any, path: str) -> Sequence[Any]:
    """A list, else a ContractError at `path`."""
    if not isinstance(value, list):
        raise ContractError(path, f"expected a list, got {_shown(value)}")
    return value


def one_of(*choices: str) -> Callable[[Any, str], str]:
    """Reader of a name out of a few."""

    def read(value: Any, path: str) -> str:
        if value not in choices:
            raise ContractError(path, f"unknown value {value!r}; {suggestion(value, choices)}")
        return value

    return read


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r}"
