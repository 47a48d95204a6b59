"""The errors of a contract: each has the path of the key and says what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

DIGITS = re.compile(r"\d+")


class ContractError(Exception):
    """A contract cannot be used. `path` is the wrong key, such as `action.outputs[0].type`.

    file, line: where that key, or the nearest around it, stands; empty and 0 where nobody knows.
    """

    def __init__(self, path: str, problem: str, file: str = "", line: int = 0) -> None:
        where = f"{file}:{line}" if file and line else file or (f"line {line}" if line else "")
        super().__init__(": ".join(filter(None, (where, path, problem))))
        self.path, self.problem = path, problem
        self.file, self.line = file, line

    @property
    def all(self) -> tuple[ContractError, ...]:
        """Itself, or the several that it stands for."""
        return (self,)


class ContractErrors(ContractError):
    """Several keys are wrong at the same time; its text has a line for each."""

    def __init__(self, errors: Sequence[ContractError]) -> None:
        first = errors[0]
        super().__init__(first.path, first.problem, first.file, first.line)
        self._all = tuple(errors)

    @property
    def all(self) -> tuple[ContractError, ...]:
        return self._all

    def __str__(self) -> str:
        return "\n".join(map(str, self._all))


def raise_any(errors: Sequence[ContractError]) -> None:
    """Raise what there is: nothing, the one error, or all of them as one."""
    if errors:
        raise errors[0] if len(errors) == 1 else ContractErrors(errors)


class Gathering:
    """What is wrong with parts that are read independently of each other, to be told together."""

    def __init__(self) -> None:
        self._errors: list[ContractError] = []

    @contextmanager
    def part(self) -> Iterator[None]:
        """Keep what is wrong with this part, and go on with the next one."""
        try:
            yield
        except ContractError as error:
            self._errors += error.all

    def raise_any(self) -> None:
        """Once all parts are read."""
        raise_any(self._errors)


def suggestion(name: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    """'did you mean x?' where a known name is near, else the known names.

    A name with other digits (8UC4 and 8UC3, joint_7 and joint_6) is another thing and no
    misspelling. cutoff: how alike the names must be, as `difflib.get_close_matches` has it.
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=cutoff)
    near = [candidate for candidate in close if not _has_other_digits(str(name), candidate)]
    if not near:  # the same letters in another case are near, whatever the ratio says
        near = [known_name for known_name in names if known_name.lower() == str(name).lower()]
    if near:
        return f"did you mean {near[0]!r}?"
    return "there are " + ", ".join(map(repr, names)) if close else listing(names)


def listing(known: Iterable[str]) -> str:
    """The known names, for where a name that is not among them can be no misspelling."""
    names = sorted(known)
    return "there are " + ", ".join(names) if names else "nothing is known here"


def _has_other_digits(one: str, other: str) -> bool:
    of_one, of_other = DIGITS.findall(one), DIGITS.findall(other)
    return bool(of_one and of_other) and of_one != of_other
