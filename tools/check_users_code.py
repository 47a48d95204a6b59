"""Finds where an object of a user's is touched and nothing catches what it raises.

A user's model, scheduler, policy, callback or converter may raise whatever is done with it: where
it is called, and also where it is printed, compared, counted, iterated, awaited or asked for an
attribute. In the annotations `Foreign[...]` says that a name holds one, and `Guarded[...]` that a
function touches one and its callers catch what comes (inferential_core/process/users_code.py).
What such an object returns and what is raised near it is a user's, too. Of any error that is
caught as Exception or BaseException the text is made by the functions of `errors`, which cannot
raise.

What catches is `except BaseException` that does not raise again, and `with users_code(...)`.
Status 1 if something is touched elsewhere, but where REASONS says who catches it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from users_objects.annotations import IS, LEVELS, Class, Known, Module, Signature, level_of
from users_objects.reading import Reading

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("inferential_core", "inferential_ros")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROUNDS = 3
TELLERS = "errors"  # the module whose functions may be given any error; its tests do that

SERVE = "Serve tells what a replica's constructor raises, and starts it again"
CONFIGURE = "while a contract is read, or a node configures, which ends as a failure and tells"
THREADS = "on a thread of the bridge, which tells and goes on (pacing.py, server_link.py)"
COMMAND = "in a command or a test of the user's, which ends with it and tells"
REASONS = {
    "inferential_core/dispatch/ray_serve/hosted.py Hosted.__init__": SERVE,
    "inferential_core/cli/model_show.py main": "the id of a model is ours",
    "inferential_core/dispatch/ray_serve/replica.py Serving._attempt_synchronous": "by `attempt`",
    "inferential_core/scheduler/conformance_calls.py Driven._unguard": COMMAND,
    "inferential_core/scheduler/conformance_policy.py check_policy": COMMAND,
    "inferential_ros/bridge/input.py Input.__post_init__": CONFIGURE,
    "inferential_ros/bridge/input.py Input._absence": THREADS,
    "inferential_ros/bridge/input.py Input.value": THREADS,
    "inferential_ros/bridge/inputs.py Inputs._pose": THREADS,
    "inferential_ros/bridge/outputs.py ChangeSender.publish": THREADS,
    "inferential_ros/bridge/outputs.py PlanSender.follow": THREADS,
    "inferential_ros/bridge/outputs.py TopicSender.__init__": CONFIGURE,
    "inferential_ros/bridge/outputs.py TopicSender.publish": THREADS,
    "inferential_ros/contract/draft_keys.py refusal": COMMAND,
    "inferential_ros/contract/key_sources.py Joined.__init__": CONFIGURE,
    "inferential_ros/contract/key_sources.py Joined.located": CONFIGURE,
    "inferential_ros/contract/key_sources.py _is_vector": CONFIGURE,
    "inferential_ros/contract/key_sources.py topic_key": CONFIGURE,
    "inferential_ros/contract/output.py Converting.__call__": THREADS,
    "inferential_ros/contract/output.py Converting.__init__": CONFIGURE,
    "inferential_ros/contract/output.py Converting.plan": THREADS,
    "inferential_ros/contract/relative.py _elements": CONFIGURE,
    "inferential_ros/contract/schema.py ObservationKey.sample_form": CONFIGURE,
    "inferential_ros/discovery/live.py _storing": COMMAND,
    "inferential_ros/discovery/live.py check_sample": COMMAND,
    "inferential_ros/recording/replay.py Replay._compare": COMMAND,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def unguarded(sources: dict[str, str]) -> Iterator[tuple[str, str]]:
    """`file function` and `line: code how` of each touch without a guard, of sources by file."""
    for text in sources.values():
        for name in re.findall(r"^(\w+) = Foreign\[", text, re.MULTILINE):
            LEVELS[name] = IS
    trees = {file: ast.parse(text) for file, text in sources.items()}
    modules = {file: _module(Path(file).stem, tree) for file, tree in trees.items()}
    known = Known(defaultdict(dict), {})
    for file, module in modules.items():
        for name, signature in module.signatures.items():
            known.signatures[name][module.name] = signature
        classes = [node for node in ast.walk(trees[file]) if isinstance(node, ast.ClassDef)]
        known.classes.update({each.name: _class(each) for each in classes})
    for _ in range(ROUNDS):  # what the attributes hold is found out on the way
        found = [
            (f"{file} {kind}{'.' if kind else ''}{function.name}", each)
            for file, tree in trees.items()
            if modules[file].name != TELLERS
            for kind, function in _functions(tree.body, "")
            for each in Reading(modules[file], known, kind).read(function).found
        ]
    yield from dict.fromkeys(found)


def _module(name: str, tree: ast.Module) -> Module:
    signatures: dict[str, Signature] = {}
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            signatures.setdefault(node.name, Signature.of(node))
        elif isinstance(node, ast.ClassDef):
            makes = [e for e in node.body if isinstance(e, FUNCTIONS) and e.name == "__init__"]
            made = Signature.of(makes[0]) if makes else Signature.of_fields(node)
            made.returns = ast.Name(node.name)
            signatures[node.name] = made
    if name == TELLERS:  # of what these return the text may be no text, and nothing else is odd
        for signature in signatures.values():
            told = signature.returns and level_of(signature.returns)
            signature.returns = ast.Name("Exception") if told else None
    return Module(name, signatures, dict(_imported(tree)))


def _class(node: ast.ClassDef) -> Class:
    """What the annotated attributes of a class hold."""
    fields = {
        ast.unparse(each.target).removeprefix("self."): each.annotation
        for each in ast.walk(node)
        if isinstance(each, ast.AnnAssign)
    }
    levels = {name: level_of(annotation) for name, annotation in fields.items()}
    kinds = {name: ast.unparse(annotation) for name, annotation in fields.items()}
    return Class([ast.unparse(each) for each in node.bases], levels, kinds)


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each name that is imported of both packages, and the module where it is, or that it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level or str(node.module).partition(".")[0] in PACKAGES:
                for alias in node.names:
                    where = (node.module or alias.name).rpartition(".")[2]
                    yield alias.asname or alias.name, where


def _functions(body: Iterable[ast.stmt], kind: str) -> Iterator[tuple[str, Function]]:
    """Each function with the class that it is in."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, node.name)
        elif isinstance(node, FUNCTIONS):
            yield kind, node


def sources() -> dict[str, str]:
    """The text of every file of both packages."""
    files = [file for each in PACKAGES for file in sorted((ROOT / each).rglob("*.py"))]
    return {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in files}


def main() -> int:
    """0 if all that is touched is guarded, or has its reason."""
    found = list(unguarded(sources()))
    new = [f"{where}:{how}" for where, how in found if where not in REASONS]
    gone = REASONS.keys() - {where for where, _ in found}
    for each in new:
        print(f"guard what a user's object may raise, or say in REASONS who does: {each}")
    for each in gone:
        print(f"REASONS names what is gone: {each}")
    elsewhere = len(found) - len(new)
    print(f"{elsewhere} touches of users' objects are guarded elsewhere, {len(new)} nowhere")
    return int(bool(new or gone))


if __name__ == "__main__":
    sys.exit(main())
