"""Finds where an expression touches an object of a user's, and says what the expression is."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .annotations import HOLDS, IS, ITSELF, OURS, TOLD, Known, Module, Signature, element, level_of

MAPPINGS = ("Mapping[", "dict[")
LISTS = ("dict", "enumerate", "iter", "list", "reversed", "set", "sorted", "tuple", "zip")
HARMLESS = ("callable", "id", "type")  # these ask the class alone
KEEPS = ("append", "put", "setdefault")  # these only put what they are given into a container


@dataclass
class Expressions(ABC):
    """Reads expressions, knowing what each name holds by then."""

    module: Module
    known: Known
    within: str = ""  # the class that it is a method of
    names: dict[str, int] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)  # of names, as they are annotated
    is_guard: bool = False  # what runs within it is a user's code
    guards: int = 0
    touched: int = 0  # how often something was, guarded or not
    found: list[str] = field(default_factory=list)  # what was touched without a guard, and how

    @abstractmethod
    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        """Read a function that is made here: somebody else calls it, at another time."""

    # --- expressions ---

    def level(self, node: ast.expr) -> int:
        """What an expression is; touches within it are noted."""
        found: int = getattr(self, f"of_{type(node).__name__}", self.of_other)(node)
        return found

    def of_Name(self, node: ast.Name) -> int:
        return self.names.get(node.id, OURS)

    def of_Attribute(self, node: ast.Attribute) -> int:
        if self.level(node.value) == IS:
            self.touch(node, "is asked for an attribute")
            return IS
        return self.known.level(self.kind(node.value), node.attr)

    def of_Subscript(self, node: ast.Subscript) -> int:
        level = self.level(node.value)
        self.level(node.slice)
        if level == IS:
            self.touch(node, "is asked for an item")
        return level if isinstance(node.slice, ast.Slice) else element(level)

    def of_Slice(self, node: ast.Slice) -> int:
        return OURS

    def of_Lambda(self, node: ast.Lambda) -> int:
        self.define(node)
        return OURS

    def of_Tuple(self, node: ast.Tuple | ast.List | ast.Set) -> int:
        return HOLDS if max(map(self.level, node.elts), default=OURS) >= HOLDS else OURS

    of_List = of_Set = of_Tuple

    def of_Dict(self, node: ast.Dict) -> int:
        levels = [self.level(each) for each in (*node.keys, *node.values) if each]
        return HOLDS if max(levels, default=OURS) >= HOLDS else OURS

    def of_IfExp(self, node: ast.IfExp) -> int:
        self.truth(node.test)
        with self.narrowed(node.test, ast.Is):
            level = self.level(node.body)
        with self.narrowed(node.test, ast.IsNot):
            return max(level, self.level(node.orelse))

    def of_BoolOp(self, node: ast.BoolOp) -> int:
        for each in node.values[:-1]:
            self.truth(each)
        return max(map(self.level, node.values))

    def of_NamedExpr(self, node: ast.NamedExpr) -> int:
        level = self.level(node.value)
        self.assign(node.target, level)
        return level

    def of_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> int:
        return self.comprehension(node.generators, [node.elt])

    of_SetComp = of_GeneratorExp = of_ListComp

    def of_DictComp(self, node: ast.DictComp) -> int:
        return self.comprehension(node.generators, [node.key, node.value])

    def comprehension(self, loops: list[ast.comprehension], parts: list[ast.expr]) -> int:
        before = {**self.names}
        for loop in loops:
            self.each(loop.target, loop.iter)
            for test in loop.ifs:
                self.truth(test)
        level = max(map(self.level, parts))
        self.names = before
        return HOLDS if level >= HOLDS else OURS

    def of_Compare(self, node: ast.Compare) -> int:
        levels = [self.level(each) for each in (node.left, *node.comparators)]
        if IS in levels and not all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            self.touch(node, "is compared")
        return OURS

    def of_Yield(self, node: ast.Yield) -> int:
        """A generator of ours that asks whoever drives it to call something of a user's."""
        if self.is_guard:
            self.touch(node, "is where a user's code runs")
        return element(self.level(node.value)) if node.value else OURS

    def of_YieldFrom(self, node: ast.YieldFrom) -> int:
        return self.level(node.value)

    def of_Await(self, node: ast.Await) -> int:
        level = self.level(node.value)
        call = ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ""
        if level == IS and call.removeprefix("self.") not in self.module.signatures:
            self.touch(node, "is awaited")
        return level

    def of_other(self, node: ast.expr) -> int:
        """An f-string, a sum, a star, `not`, ..."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr) and (level := self.level(child)):
                if level == IS or isinstance(node, ast.FormattedValue):
                    self.touch(node, "is made a text of, or reckoned with")
        return OURS

    def truth(self, node: ast.expr) -> None:
        if self.level(node) == IS:
            self.touch(node, "is asked whether it is true")

    # --- calls ---

    def of_Call(self, node: ast.Call) -> int:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
        level = self.level(function)
        if isinstance(function, ast.Attribute) and self.level(function.value) == HOLDS:
            level = HOLDS if name in ("items", "values") else IS  # get, pop, ...
        elif level == IS:
            self.touch(node, "is called")
        signatures = self.signatures(function)
        if self.is_certain(function) and any(each.is_guarded for each in signatures):
            self.touch(node, "is called")
        places: list[tuple[int | str, ast.expr]] = [*enumerate(node.args)]
        places += [(each.arg or "", each.value) for each in node.keywords]
        for place, argument in places:
            taken = any(each.takes(place) for each in signatures)
            if taken and isinstance(argument, ast.Lambda):
                continue  # whoever takes it calls it within a guard
            given = self.level(argument)
            told = given == TOLD and place != "exc_info" and _tells(ast.unparse(function))
            if told or (given == IS and not taken and name not in (*HARMLESS, *KEEPS)):
                self.touch(node, f"is given to {name}")
            if given >= HOLDS and name in LISTS:
                level = HOLDS
        if level or not self.is_certain(function):
            return level
        return max((level_of(each.returns) for each in signatures), default=OURS)

    def kind(self, node: ast.expr) -> str:
        """The class of what an expression is, where that is annotated."""
        if isinstance(node, ast.Attribute):
            return self.known.kind(self.kind(node.value), node.attr)
        if not isinstance(node, ast.Call):
            told = ast.unparse(node)
            return self.within if told in ITSELF else self.classes.get(told, "")
        found = self.signatures(node.func) if self.is_certain(node.func) else []
        return ast.unparse(found[0].returns) if found and found[0].returns else ""

    def signatures(self, function: ast.expr) -> list[Signature]:
        """What is known of the functions that may be called."""
        of, name = _parts(function)
        if of in (*ITSELF, "") and name in self.module.signatures:
            return [self.module.signatures[name]]
        known = self.known.signatures.get(name, {})
        there = known.get(self.module.imported.get(of or name, ""))
        if there or of in (*ITSELF, ""):
            return [there] if there else []
        return [*known.values()]

    def is_certain(self, function: ast.expr) -> bool:
        """Whether it is known which function it is, and not its name alone."""
        of, _ = _parts(function)
        return of in (*ITSELF, "") or of in self.module.imported

    def touch(self, node: ast.AST, how: str) -> None:
        """Note that something is touched."""
        self.touched += 1
        if not self.guards:
            self.found.append(f"{getattr(node, 'lineno', 0)}: {ast.unparse(node)[:60]} {how}")

    # --- names ---

    def assign(self, target: ast.expr, level: int) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = level
        elif isinstance(target, ast.Attribute):
            if found := self.known.classes.get(self.kind(target.value)):
                found.levels[target.attr] = max(found.levels.get(target.attr, OURS), level)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each in target.elts:
                self.assign(each, element(level))
        elif isinstance(target, ast.Subscript) and self.level(target.value) == IS:
            self.touch(target, "is written to")

    def each(self, target: ast.expr, node: ast.expr) -> None:
        """Give the target what iterating the node gives; the keys of a mapping are ours."""
        level, told = self.level(node), ast.unparse(node)
        if level == IS:
            self.touch(node, "is iterated")
        keys = self.classes.get(told, "").startswith(MAPPINGS)
        self.assign(target, OURS if keys else element(level))
        if level == HOLDS and told.endswith(".items()") and isinstance(target, ast.Tuple):
            self.assign(target.elts[0], OURS)

    @contextmanager
    def narrowed(self, test: ast.expr, asked: type[ast.cmpop]) -> Iterator[None]:
        """Where `type(name) is ...` holds, or does not, the class of what it holds is known."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            test = test.values[0]
        told, name = ast.unparse(test), ""
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], asked):
            name = told[5:].partition(")")[0] if told.startswith("type(") else ""
        elif asked is ast.Is and told.startswith("issubclass(type("):
            name = told[16:].partition(")")[0]
        before = {**self.names}
        if name in before:
            self.names[name] = OURS
        yield
        if name in before:
            self.names[name] = before[name]


def _parts(function: ast.expr) -> tuple[str, str]:
    """Of what a function is an attribute, and its name."""
    if isinstance(function, ast.Attribute):
        return ast.unparse(function.value), function.attr
    return "", ast.unparse(function)


def _tells(function: str) -> bool:
    """Whether what is called asks an error for its text."""
    return function in ("str", "repr", "format") or "_log." in function
