"""`inferential model load`, `replace` and `unload`: changes the models of a running server."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from ..client.addresses import SERVER_VARIABLE
from ..control import caller
from ..control.operator import OperatorConnection
from ..errors import UsageError
from .arguments import MODEL, add_key, add_own_server, count, seconds_or_0
from .progress import progress

_ABOUT = {
    "load": (
        "Have a running server serve one more model. Others are served meanwhile.",
        "inferential model load arm=my_package.policy:Policy",
    ),
    "replace": (
        "Have a running server serve another model under an id. The new one loads"
        " beside the old one and takes over between two batches; if it cannot be loaded, nothing"
        " changes.",
        "inferential model replace arm=my_package.policy:Policy",
    ),
    "unload": (
        "Have a running server serve a model no more, and free its memory.",
        "inferential model unload arm",
    ),
}
_DOING = {"load": "loading", "replace": "replacing", "unload": "unloading"}
_DONE = {"load": "loaded", "replace": "replaced", "unload": "unloaded"}


def main(action: str, argv: Sequence[str]) -> int:
    """0 once it is done; CannotControl says why it is not."""
    options = parser(action).parse_args(argv)
    request = request_of(action, options)
    begun = time.monotonic()
    try:
        with progress(f"the server is {_DOING[action]} {request['model']}"):
            _carry_out(request, options)
    except KeyboardInterrupt:
        print("the server goes on with it; inferential status shows it", file=sys.stderr)
        raise
    passed = time.monotonic() - begun
    print(f"model {request['model']} is {_DONE[action]}, in {passed:.1f} s")
    return 0


def _carry_out(request: Mapping[str, Any], options: argparse.Namespace) -> None:
    """By the key of an operator, where one is given; else as a user of this machine."""
    if not options.key:
        try:
            found = caller.find(options.server)
        except caller.CannotControl as error:
            told = "; a server elsewhere is asked with --key" if options.server else ""
            raise caller.CannotControl(f"{error}{told}") from None
        caller.call(found, request)
        return
    address = options.server or os.environ.get(SERVER_VARIABLE, "")
    if not address or "," in address:
        raise UsageError("with --key, name the one server to change: --server ADDRESS")
    keys = {"key": options.key, "server_key": options.server_key}
    with closing(OperatorConnection(address, **keys)) as server:
        server.change(request)


def request_of(action: str, options: argparse.Namespace) -> dict[str, Any]:
    """What a command line asks a server for; UsageError says what is wrong with it."""
    if action == "unload":
        return {"do": action, "model": options.model}
    name, equals, target = options.model.replace(":=", "=", 1).partition("=")
    if not equals or not name or ":" not in target:
        raise UsageError(f"{options.model!r}: write NAME=MODULE:ATTRIBUTE or NAME=SCHEME:SOURCE")
    given = {
        "lanes": options.lanes,
        "max_batch": options.max_batch,
        "process": options.process,
        "timeout_s": options.timeout,
    }
    chosen = {key: value for key, value in given.items() if value is not None}
    if chosen.get("timeout_s") == 0.0:
        chosen["timeout_s"] = None
    request = {"do": action, "model": name, "target": target, "options": chosen}
    return {**request, "unload_first": options.unload_first} if action == "replace" else request


def parser(action: str) -> argparse.ArgumentParser:
    """The options of an action."""
    about, example = _ABOUT[action]
    parser = argparse.ArgumentParser(
        prog=f"inferential model {action}", description=about, epilog=f"example: {example}"
    )
    add_own_server(parser, f"; with --key: what ${SERVER_VARIABLE} names")
    add_key(parser, "an operator, where the server runs elsewhere")
    if action == "unload":
        parser.add_argument("model", metavar="NAME", help="id of the model")
        return parser
    parser.add_argument(
        "model",
        metavar="NAME=MODEL",
        help=f"id and model, which the server loads; MODEL is {MODEL}",
    )
    stays = "default: as before" if action == "replace" else "default 1"
    parser.add_argument("--lanes", type=count, help=f"calls that it works on at once; {stays}")
    parser.add_argument(
        "--max-batch", type=count, metavar="N", help="most observations in one call of infer_batch"
    )
    parser.add_argument(
        "--process",
        action=argparse.BooleanOptionalAction,
        help="whether it runs in processes of its own, one for each lane",
    )
    parser.add_argument(
        "--timeout",
        type=seconds_or_0,
        metavar="SECONDS",
        help="longest time of a call; 0: no limit",
    )
    if action == "replace":
        parser.add_argument(
            "--unload-first",
            action="store_true",
            help="let go of the old model before the new one is loaded, where memory does not hold"
            " both; observations are refused meanwhile",
        )
    return parser
