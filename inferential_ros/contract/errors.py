"""What goes wrong with a contract: always the path of the key, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ContractError(Exception):
    """A contract cannot be used. `path` is the wrong key, such as `action.outputs[0].type`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


def suggestion(name: object, known: Iterable[str]) -> str:
    """'did you mean x?' where a known name is near, else the known names."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if not near:  # the same letters in another case are near, whatever the ratio says
        near = [known_name for known_name in names if known_name.lower() == str(name).lower()]
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + ", ".join(names) if names else "nothing is known here"
