"""Name what is public and has no docstring: `python tools/check_docstrings.py`.

Every class, function, method and property of both packages needs one, or inherits one.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("inferential_core", "inferential_ros")
GENERATED = "inferential_pb2.py"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Documented:
    """Which methods of which class have a docstring of their own or inherit one, by names."""

    def __init__(self, trees: Iterable[ast.Module]) -> None:
        classes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
        self._bases = {each.name: set(map(_base_name, each.bases)) for each in classes}
        self._methods: dict[str, set[str]] = {each.name: set() for each in classes}
        for each in classes:
            told = (n.name for n in each.body if isinstance(n, FUNCTIONS) and ast.get_docstring(n))
            self._methods[each.name].update(told)

    def method(self, of: str, name: str) -> bool:
        """Whether a method's docstring stands there or at what it overrides."""
        return name in self._methods.get(of, ()) or any(
            self.method(base, name) for base in self._bases.get(of, set()) - {of}
        )


def undocumented(path: Path, tree: ast.Module, documented: Documented) -> Iterator[str]:
    """Public classes, functions and methods of a module."""

    def walk(body: list[ast.stmt], within: str) -> Iterator[str]:
        for node in body:
            if not isinstance(node, (ast.ClassDef, *FUNCTIONS)) or node.name.startswith("_"):
                continue
            told = ast.get_docstring(node) or _takes_its_docstring(node.body[0])
            if not told and not (within and documented.method(within, node.name)):
                name = f"{within}.{node.name}" if within else node.name
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, node.name)

    yield from walk(tree.body, "")


def _base_name(base: ast.expr) -> str:
    return ast.unparse(base).partition("[")[0].rpartition(".")[2]


def _takes_its_docstring(statement: ast.stmt) -> bool:
    """Whether it is `__doc__ = Base.__doc__`."""
    names = [ast.unparse(name) for name in getattr(statement, "targets", ())]
    return names == ["__doc__"]


def undocumented_exports() -> Iterator[str]:
    """What the package exports, and the public members of its classes that are ours."""
    sys.path.insert(0, str(ROOT))
    import inferential_core

    for name in inferential_core.__all__:
        exported = getattr(inferential_core, name)
        if not (inspect.isclass(exported) or inspect.isfunction(exported)):
            continue
        if not inspect.getdoc(exported):
            yield f"inferential_core.{name}"
        if inspect.isclass(exported):
            for member, value in inspect.getmembers(exported):
                function = value.fget if isinstance(value, property) else value
                ours = str(getattr(function, "__module__", "")).startswith("inferential_core")
                if ours and not member.startswith("_") and not inspect.getdoc(value):
                    yield f"inferential_core.{name}.{member}"


def main() -> int:
    """0 if nothing lacks one."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    trees = {p: ast.parse(p.read_text("utf-8")) for p in paths if p.name != GENERATED}
    documented = Documented(trees.values())
    found = [each for path, tree in trees.items() for each in undocumented(path, tree, documented)]
    found += undocumented_exports()
    for each in found:
        print(f"{each} has no docstring", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
