"""What the annotations of both packages say of users' objects."""

from __future__ import annotations

import ast
from dataclasses import dataclass

# Nothing of a user's; an error of which only the text may be; a container of objects of a user's;
# such an object.
OURS, TOLD, HOLDS, IS = range(4)
LEVELS = {"Exception": TOLD, "BaseException": IS}  # and each name for a type that is `Foreign`


ITSELF = ("self", "cls")


def level_of(annotation: ast.expr | None) -> int:
    """What an annotation says of a name."""
    text = ast.unparse(annotation) if annotation else ""
    if text.startswith(("Foreign[", "Guarded[")):
        return IS
    return HOLDS if "Foreign[" in text else LEVELS.get(text.removesuffix(" | None"), OURS)


def element(level: int) -> int:
    """What is in something."""
    return IS if level >= HOLDS else OURS


@dataclass
class Signature:
    """What a function says of its parameters, by place and by name, and of what it returns."""

    by_place: list[ast.expr | None]
    by_name: dict[str, ast.expr | None]
    rest: ast.expr | None = None
    returns: ast.expr | None = None

    @classmethod
    def of(cls, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Signature:
        """That of a function; of a method without `self`."""
        arguments = function.args
        placed = [*arguments.posonlyargs, *arguments.args]
        if placed and placed[0].arg in ITSELF:
            del placed[0]
        by_name = {each.arg: each.annotation for each in (*placed, *arguments.kwonlyargs)}
        rest = arguments.vararg.annotation if arguments.vararg else None
        return cls([each.annotation for each in placed], by_name, rest, function.returns)

    @classmethod
    def of_fields(cls, node: ast.ClassDef) -> Signature:
        """That by which a class with annotated fields makes an object."""
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        by_name = {ast.unparse(each.target): each.annotation for each in fields}
        return cls(list(by_name.values()), by_name, returns=ast.Name(node.name))

    @property
    def is_guarded(self) -> bool:
        """Whether it touches something that its callers must guard."""
        told = [ast.unparse(each) for each in self.by_name.values() if each]
        return any(each.startswith("Guarded[") for each in told)

    def takes(self, place: int | str) -> bool:
        """Whether an object of a user's may be given there and is touched within guards only."""
        if isinstance(place, str):
            found = self.by_name.get(place)
        else:
            found = self.by_place[place] if place < len(self.by_place) else self.rest
        return found is not None and level_of(found) > OURS and "Guarded" not in ast.unparse(found)


@dataclass
class Module:
    """What is known of a file: its functions, and where what it imports is."""

    name: str
    signatures: dict[str, Signature]
    imported: dict[str, str]  # of both packages: in which module it is


@dataclass
class Class:
    """What the attributes of a class hold, and of which classes they and it are."""

    bases: list[str]
    levels: dict[str, int]
    kinds: dict[str, str]


@dataclass
class Known:
    """What is known of all files."""

    signatures: dict[str, dict[str, Signature]]  # of functions by name, and by name of the module
    classes: dict[str, Class]

    def level(self, kind: str, attribute: str) -> int:
        """What an attribute of an object of this class holds."""
        found = self.classes.get(kind)
        if found is None:
            return OURS
        inherited = (self.level(base, attribute) for base in found.bases)
        return max((found.levels.get(attribute, OURS), *inherited))

    def kind(self, kind: str, attribute: str) -> str:
        """The class of an attribute of an object of this class, if that is known."""
        found = self.classes.get(kind)
        return found.kinds.get(attribute, "") if found else ""
