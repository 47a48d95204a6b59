"""`inferential contract`: checks a contract, or writes one from a running robot."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inferential_core.cli.arguments import seconds
from inferential_core.cli.progress import progress
from inferential_core.client.addresses import SERVER_VARIABLE
from inferential_core.security.keyfiles import SECRET, name_of_key
from inferential_ros.contract.describe import describe
from inferential_ros.contract.draft import Seen, check_namespace, draft
from inferential_ros.contract.finding import find_contract
from inferential_ros.contract.loading import load_contract
from inferential_ros.contract.traffic import tell
from inferential_ros.discovery.model_check import advice, check_model, fetch_specification
from inferential_ros.keys import KeyFiles, add_key_options
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import located


def main(argv: Sequence[str]) -> int:
    """0 if the contract is right, or was written."""
    options = _parser().parse_args(argv)
    sys.path.insert(0, os.getcwd())  # converters of the folder one stands in
    try:
        return int(options.run(options))
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1


def check(options: argparse.Namespace) -> int:
    """`contract check`: 0 if the contract is valid and fits the model that the server tells."""
    path = find_contract(options.file)
    contract = load_contract(path)
    for warning in contract.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(describe(contract))
    print(*tell(contract), sep="\n")
    specification: Mapping[str, Any] = {}
    reason = ""
    if options.server:
        specification, reason = fetch_specification(
            options.server,
            options.client_id or name_of_key(options.key) or "contract",
            contract.model.id,
            options.wait,
            KeyFiles(options.key, options.server_key),
        )
    if reason:
        print(f"model.id: the model was not checked: {reason}", file=sys.stderr)
    for line in advice(contract, specification):
        print(f"warning: {line}", file=sys.stderr)
    unchecked: list[str] = []
    try:
        if options.robot:
            unchecked = _look_at_robot(path, options, specification)
        else:
            check_model(contract, specification)
    except ContractError as error:
        raise located(error, path) from None
    for line in unchecked:
        print(line, file=sys.stderr)
    if not options.server:
        print("The model was not asked: --server ADDRESS compares this contract with it.")
    elif not reason:
        told = "fits this contract" if specification else "declares no specification to check"
        print(f"model {contract.model.id!r} at {options.server} {told}")
    if not options.robot:
        print("The robot was not looked at: --robot compares this contract with its topics.")
    elif not unchecked:
        print("The robot's topics fit this contract.")
    return 1 if reason or unchecked else 0


def _look_at_robot(
    path: str, options: argparse.Namespace, specification: Mapping[str, Any]
) -> list[str]:
    """What of the robot could not be checked; ContractError where it contradicts the contract."""
    from inferential_ros.discovery.looking import look_at_robot

    print(f"Looking at the robot's topics for at most {options.wait:g} s ...", flush=True)
    return look_at_robot(path, options.namespace, options.wait, specification)


def new(options: argparse.Namespace) -> int:
    """`contract new`: write a contract of the topics that are there; 0 if it is written."""
    path = Path(options.output)
    if options.output != "-" and path.exists() and not options.force:
        print(f"{path} exists already; --force overwrites it", file=sys.stderr)
        return 1
    seen = _seen(options)
    check_namespace(seen, options.namespace)
    text = draft(seen, options.namespace, options.robot)
    if options.output == "-":
        print(text, end="")
        return 0
    path.write_text(text, encoding="utf-8")
    load_contract(path)
    print(f"wrote {path}; read it, then run: inferential contract check {path}")
    return 0


def _seen(options: argparse.Namespace) -> list[Seen]:
    if options.bag:
        from inferential_ros.recording.bag import topics_of

        with progress(f"reading {options.bag}"):
            return topics_of(options.bag, lambda note: _note(f"note: {note}"))
    from inferential_ros.discovery.topics import look

    _note(f"Listening to the robot's topics for {options.wait:g} s ...")
    return look(options.wait)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential contract",
        description="The contract is the YAML file that maps a robot's topics to what the model"
        " observes and its actions to topics.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser(
        "check",
        help="say what a contract does, or which of its keys is wrong",
        epilog="example: inferential contract check robot.yaml --server tcp://gpu-box:5555",
    )
    one.add_argument(
        "file", metavar="FILE", help="path of a contract, or the name of one in config/contracts"
    )
    one.add_argument(
        "--server",
        default=os.environ.get(SERVER_VARIABLE),
        metavar="ADDRESS",
        help="also compare the contract with the model of this server, or of the first that lives"
        f" of several with commas between; default: ${SERVER_VARIABLE}, else no comparison",
    )
    one.add_argument(
        "--robot",
        action="store_true",
        help="also compare the contract with what the robot publishes and subscribes to now",
    )
    one.add_argument(
        "--namespace", default="", help="the robot's namespace, for relative names of topics"
    )
    one.add_argument(
        "--wait",
        type=seconds,
        default=2.0,
        metavar="S",
        help="seconds to wait for the server, and for the robot's topics; default %(default)g",
    )
    one.add_argument(
        "--client-id",
        metavar="ID",
        help=f"client id to ask with, as ID/check; default contract, with a key NAME{SECRET} NAME",
    )
    add_key_options(one)
    one.set_defaults(run=check)
    two = commands.add_parser(
        "new",
        help="write a contract from the topics of a running robot, or of a recording",
        epilog="example: inferential contract new --namespace robot_1 --output robot.yaml",
    )
    two.add_argument(
        "--output", default="-", metavar="FILE", help="file to write; default: print the contract"
    )
    two.add_argument("--force", action="store_true", help="overwrite FILE")
    two.add_argument(
        "--namespace", default="", help="write topics below this namespace as relative names"
    )
    two.add_argument("--robot", default="robot", help="the robot's name")
    two.add_argument(
        "--wait", type=seconds, default=3.0, metavar="S", help="seconds to listen for topics"
    )
    two.add_argument("--bag", metavar="BAG", help="read the topics of this recording instead")
    two.set_defaults(run=new)
    return parser
