"""Reads the options of a checkpoint: the texts behind its `?`, each of one kind, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from ..errors import ConfigError
from ..suggestion import nearest

T = TypeVar("T")


class Options:
    """Each method takes one option; `finish` refuses what none of them took.

    ConfigError names the option, its value and what it may be.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._left = dict(texts)
        self._known: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """A text, whatever is in it."""
        return self._take(name, default, str, "a text")

    def flag(self, name: str, default: bool) -> bool:
        """A choice of true and false."""
        return self._take(name, default, lambda text: _FLAGS[text.lower()], "true or false")

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of `choices`."""

        def chosen(text: str) -> str:
            return choices[choices.index(text)]

        return self._take(name, default, chosen, " or ".join(choices))

    def whole(self, name: str, default: int) -> int:
        """A whole number of at least 1."""
        return self._take(name, default, _whole, "a whole number of at least 1")

    def rate(self, name: str) -> float | None:
        """A number above 0; None where it is not given."""
        return self._take(name, None, _above_0, "a number above 0")

    def names(self, name: str) -> list[str] | None:
        """Names with commas between them; None where they are not given."""
        return self._take(name, None, _words, "names with commas between them")

    def sizes(self, name: str) -> list[int] | None:
        """Whole numbers with commas between them; None where they are not given."""

        def read(text: str) -> list[int]:
            return [_whole(each) for each in _words(text)]

        return self._take(name, None, read, "sizes such as 1,2,4,8")

    def finish(self) -> None:
        """Refuse an option that nobody knows."""
        for name in self._left:
            raise ConfigError(f"unknown option {name!r}: {nearest(name, self._known)}")

    def _take(self, name: str, default: T, read: Callable[[str], T], what: str) -> T:
        self._known.append(name)
        text = self._left.pop(name, None)
        if text is None:
            return default
        try:
            return read(text)
        except (ValueError, KeyError):
            raise ConfigError(f"option {name}={text}: it must be {what}") from None


_FLAGS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _above_0(text: str) -> float:
    number = float(text)
    if not 0.0 < number < float("inf"):
        raise ValueError
    return number


def _words(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise ValueError
    return words
