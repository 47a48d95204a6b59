"""`inferential model show`: what a model takes, gives and needs, before it is served."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..models.caller import ModelCaller
from ..models.loading import load_models
from .arguments import MODEL
from .contract_skeleton import skeleton
from .progress import progress


def main(name: str, argv: Sequence[str]) -> int:
    """Load the model, print what it is like, and write a contract if asked; returns 0."""
    options = _parser().parse_args(argv)
    sys.path.insert(0, str(Path.cwd()))  # models of the folder one stands in
    with progress("loading the model"):
        ((model_id, model),) = load_models([options.model]).items()
        caller = ModelCaller(model_id, model)
    if options.json:
        print(json.dumps(as_data(caller), indent=2))
    else:
        print("\n".join(in_words(caller)))
    if options.contract:
        _write(options.contract, skeleton(caller.id, caller.specification), options.force)
    return 0


def as_data(caller: ModelCaller) -> dict[str, Any]:
    """All of it, for other programs."""
    return {
        "id": caller.id,
        "version": caller.version,
        "batches": caller.batches,
        "batch_sizes": list(caller.batch_sizes),
        "stateful": caller.stateful,
        "specification": caller.specification,
    }


def in_words(caller: ModelCaller) -> list[str]:
    """All of it, for people: one line each."""
    declared = caller.specification
    notes: Mapping[str, Any] = declared.get("notes", {})
    notes = notes if isinstance(notes, Mapping) else {"notes": notes}
    observation: Mapping[str, Any] = declared.get("observation", {})
    width = max(map(len, [*observation, "actions"]))
    lines = [f"model {caller.id}" + (f", version {caller.version}" if caller.version else "")]
    lines.append("It takes" if observation else "It does not say what it takes.")
    lines += [f"  {key:<{width}}  {_entry(entry)}" for key, entry in observation.items()]
    lines += ["It gives", f"  {'actions':<{width}}  {_gives(declared)}"]
    lines.append(_batches(caller))
    lines += [
        f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}"
        for name, value in notes.items()
        if name not in ("needs", "warnings")
    ]
    lines += [f"warning: {warning}" for warning in notes.get("warnings", [])]
    needs = notes.get("needs", [])
    return lines + (["It needs to be told", *(f"  {need}" for need in needs)] if needs else [])


def _entry(entry: Mapping[str, Any]) -> str:
    dtype = entry.get("dtype", "an array")
    text = dtype if isinstance(dtype, str) else " or ".join(dtype)
    if "shape" in entry:
        text += f" [{', '.join('any' if size is None else str(size) for size in entry['shape'])}]"
    if entry.get("optional"):
        text += ", may be missing"
    return text + (f": {entry['description']}" if entry.get("description") else "")


def _gives(declared: Mapping[str, Any]) -> str:
    names, horizon = declared.get("action_names"), declared.get("horizon")
    rate_hz = declared.get("control_rate_hz")
    text = f"{horizon} steps" if horizon else "an unknown number of steps"
    text += f" at {rate_hz:g} Hz" if rate_hz else ""
    return f"{text} of {', '.join(names)}" if names else text


def _batches(caller: ModelCaller) -> str:
    if caller.stateful:
        return "It keeps a state of each client: a client stays on one lane (docs/models.md)."
    if not caller.batches:
        return "A call takes one observation."
    if caller.batch_sizes:
        sizes = ", ".join(map(str, caller.batch_sizes))
        return f"A call takes batches of {sizes}: others are padded to the next."
    return "A call takes a batch of any size."


def _write(file: str, text: str, force: bool) -> None:
    path = Path(file)
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already; --force overwrites it")
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path}: put in the robot's topics, then run: inferential contract check {path}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential model show",
        description="Load a model and say what it takes, gives and needs. Nothing is served.",
        epilog="example: inferential model show arm=lerobot:checkpoints/act --contract arm.yaml",
    )
    parser.add_argument(
        "model",
        metavar="NAME=MODEL",
        help=f"MODEL is {MODEL}",
    )
    parser.add_argument(
        "--contract", metavar="FILE", help="write a robot's contract for this model to begin with"
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    return parser
