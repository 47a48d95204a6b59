"""Reads a function in the order of its statements, each branch and loop once."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from .annotations import IS, ITSELF, LEVELS, OURS, TOLD, level_of
from .expressions import Expressions

GUARDS = ("users_code(", "converters_code(", "suppress(BaseException")


class Reading(Expressions):
    """One function: what each name holds while its statements are read in order."""

    def read(self, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Reading:
        """Read all of it, and what it defines within."""
        arguments = function.args
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            told = ast.unparse(each.annotation) if each.annotation else ""
            self.names[each.arg] = level_of(each.annotation)
            if each.arg not in ITSELF:
                self.classes[each.arg] = told
            self.guards += told.startswith("Guarded[")
        if isinstance(function, ast.Lambda):
            self.level(function.body)
        else:
            self.is_guard = f"{function.name}(" in GUARDS
            self.block(function.body)
        return self

    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        inner = Reading(self.module, self.known, self.within, {**self.names}, {**self.classes})
        self.found += inner.read(node).found

    # --- statements ---

    def block(self, statements: Iterable[ast.stmt]) -> None:
        for each in statements:
            getattr(self, f"read_{type(each).__name__}", self.read_other)(each)

    def read_Try(self, node: ast.Try) -> None:
        guards, before = any(map(_catches_all, node.handlers)), self.touched
        self.guards += guards
        self.block(node.body)
        self.guards -= guards
        touches = self.touched > before
        for handler in node.handlers:
            if handler.name:
                self.names[handler.name] = IS if touches else TOLD if _is_broad(handler) else OURS
            for call in ast.walk(handler):
                told = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
                if touches and told.endswith("_log.exception"):
                    self.touch(call, "logs the error as it is")
            self.block(handler.body)
        self.block([*node.orelse, *node.finalbody])

    def read_With(self, node: ast.With | ast.AsyncWith) -> None:
        guards = 0
        for item in node.items:
            self.level(item.context_expr)
            guards += ast.unparse(item.context_expr).startswith(GUARDS)
        self.guards += guards
        self.block(node.body)
        self.guards -= guards

    def read_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.each(node.target, node.iter)
        self.block([*node.body, *node.orelse])

    def read_If(self, node: ast.If) -> None:
        self.truth(node.test)
        with self.narrowed(node.test, ast.Is):
            self.block(node.body)
        with self.narrowed(node.test, ast.IsNot):
            self.block(node.orelse)

    def read_While(self, node: ast.While) -> None:
        self.truth(node.test)
        self.block([*node.body, *node.orelse])

    def read_Assign(self, node: ast.Assign) -> None:
        level = self.level(node.value)
        for target in node.targets:
            self.assign(target, level)
            if isinstance(target, ast.Attribute):
                if found := self.known.classes.get(self.kind(target.value)):
                    found.kinds.setdefault(target.attr, self.kind(node.value))
            else:
                self.classes[ast.unparse(target)] = self.kind(node.value)

    def read_AnnAssign(self, node: ast.AnnAssign) -> None:
        level = self.level(node.value) if node.value else OURS
        self.assign(node.target, level_of(node.annotation) or level)

    def read_other(self, node: ast.stmt) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.level(child)

    read_FunctionDef = read_AsyncFunctionDef = define
    read_AsyncWith, read_AsyncFor = read_With, read_For


def _is_broad(handler: ast.ExceptHandler) -> bool:
    told = ast.unparse(handler.type) if handler.type else "BaseException"
    return not LEVELS.keys().isdisjoint(told.strip("()").split(", "))


def _catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether everything is caught, and not raised again."""
    told = "BaseException" if handler.type is None else ast.unparse(handler.type)
    last = handler.body[-1]
    return "BaseException" in told and not (isinstance(last, ast.Raise) and last.exc is None)
