"""The rooms of both packages and the arrows between them, read from the imports of every file.

A room is a folder directly below `inferential_core` or `inferential_ros`, and so is each module
that lies beside the folders. An arrow A -> B says that some file in A imports something of B,
wherever in the file the import stands, also where it stands for type checkers only.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("inferential_core", "inferential_ros")

Room = str  # "inferential_core/pipeline", "inferential_core/errors"
Arrows = dict[tuple[Room, Room], set[str]]  # with the files that make each of them


def room_of(module: str) -> Room:
    """The room of a module by its dotted name, such as `inferential_core.wire.images`."""
    package, *rest = module.split(".")
    return f"{package}/{rest[0] if rest else '__init__'}"


def is_folder(room: Room) -> bool:
    """Whether the room is a folder, and no single module."""
    return (ROOT / room).is_dir()


def files() -> Iterator[Path]:
    """Every Python file of both packages."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def rooms() -> list[Room]:
    """Every room that there is."""
    return sorted({room_of(module_of(file)) for file in files()})


def arrows() -> Arrows:
    """What imports what, between rooms."""
    found: Arrows = defaultdict(set)
    for file in files():
        here = room_of(module_of(file))
        for module in imported(file):
            there = room_of(module)
            if there != here:
                found[here, there].add(str(file.relative_to(ROOT)))
    return dict(found)


def imported(file: Path) -> set[str]:
    """Dotted names of the modules of both packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(file, node)
            found |= {_module_or_name(base, alias.name) for alias in node.names}
    return {module for module in found if module.split(".")[0] in PACKAGES}


def _absolute(file: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = file.relative_to(ROOT).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _module_or_name(base: str, name: str) -> str:
    """`base.name` where that is a module or a folder, else `base`, of which it is a name."""
    path = ROOT.joinpath(*base.split("."), name)
    is_module = path.is_dir() or path.with_suffix(".py").exists()
    return f"{base}.{name}" if is_module else base


def module_of(file: Path) -> str:
    """The dotted name of a file's module; a package's is that of its folder."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
