"""`inferential replay`: asks a server what a recorded robot would ask, and reports."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from inferential_core.cli.arguments import add_server, check_writable, positive
from inferential_core.cli.progress import progress
from inferential_core.security.keyfiles import SECRET, name_of_key
from inferential_ros.contract.finding import find_contract
from inferential_ros.keys import KeyFiles, add_key_options
from inferential_ros.options.errors import ContractError
from inferential_ros.recording.bag import Bag, open_bag
from inferential_ros.recording.provenance import Provenance, contract_for
from inferential_ros.recording.replay import Options, Replay


def main(argv: Sequence[str]) -> int:
    """0 once it is replayed and all went well.

    1 if it could not be replayed, if no plan was executed, or if an observation or a plan failed.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if options.compare and options.speed:
        parser.error("--compare replays in lockstep: leave --speed out")
    if options.json:
        check_writable("--json", Path(options.json))
    sys.path.insert(0, os.getcwd())  # converters of the folder one stands in
    with open_bag(options.bag) as bag:
        settings = _settings(options, bag)
        path = find_contract(options.contract) if options.contract else ""
        try:
            contract = contract_for(bag, path, settings.namespace)
        except ContractError as error:
            print(error, file=sys.stderr)
            return 1
        with progress(f"reading {options.bag}") as doing:
            report = Replay(contract, bag, settings).run(doing)
    print(report.text())
    if options.json:
        Path(options.json).write_text(json.dumps(report.as_dict(), indent=2), encoding="utf-8")
    return 0 if report.good else 1


def _settings(options: argparse.Namespace, bag: Bag) -> Options:
    """As asked for; the robot's names, where nothing is said, as the recording has them."""
    recorded = Provenance.of(bag)
    rules = dict(rule.split(":=", 1) for rule in recorded.remap if ":=" in rule)
    return Options(
        server=options.server,
        speed=0.0 if options.lockstep or options.compare else options.speed or 1.0,
        namespace=recorded.namespace if options.namespace is None else options.namespace,
        remap=rules | dict(options.remap),
        commands=options.commands,
        client_id=options.client_id
        or "/".join(filter(None, (name_of_key(options.key), f"replay-{os.getpid()}"))),
        texts=dict(options.text),
        keys=KeyFiles(options.key, options.server_key),
        compare=options.compare,
    )


def _pair(separator: str) -> Callable[[str], tuple[str, str]]:
    def read(text: str) -> tuple[str, str]:
        name, found, value = text.partition(separator)
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r}: expected NAME{separator}VALUE")
        return name, value

    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential replay",
        description="Ask a server what a recorded robot would ask, with the code that runs on a"
        " robot, and without ROS. Report how late the robot's actions would have been, and how far"
        " they are from the recorded commands.",
        epilog="example: inferential replay my_bag --contract robot.yaml"
        " --server tcp://gpu-box:5555 --commands /joint_commands. The exit status is 0 if plans"
        " were executed and nothing failed.",
    )
    parser.add_argument(
        "bag",
        metavar="BAG",
        help="a rosbag2 folder, or a file: MCAP or sqlite3, also compressed or cut off",
    )
    parser.add_argument(
        "--contract",
        default="",
        metavar="FILE",
        help="the robot's contract; default: the one that `inferential record` stored",
    )
    add_server(parser, "server to ask")
    parser.add_argument(
        "--speed",
        type=positive,
        help="pace of the replay; 1 (default) is the recorded pace",
    )
    parser.add_argument(
        "--lockstep",
        action="store_true",
        help="stop the robot's time until each answer is there, instead of keeping a pace",
    )
    parser.add_argument(
        "--compare",
        default="",
        metavar="MODEL",
        help="also ask another model the same, in lockstep, and say how each column differs:"
        " module:attribute or scheme:source, which this command loads; the id of another model of"
        " the server; the ADDRESS of another server; or `recorded`: the plans in the recording",
    )
    parser.add_argument("--namespace", help="the robot's namespace; default: as recorded")
    parser.add_argument(
        "--remap",
        action="append",
        type=_pair(":="),
        default=[],
        metavar="TOPIC:=RECORDED",
        help="read a topic of the contract from another topic of the recording",
    )
    parser.add_argument(
        "--commands",
        default="",
        metavar="TOPIC",
        help="topic with the recorded commands to compare with; default: the outputs' own topics",
    )
    parser.add_argument(
        "--text",
        action="append",
        type=_pair("="),
        default=[],
        metavar="KEY=TEXT",
        help="text of an observation key that is a parameter of the node",
    )
    parser.add_argument(
        "--client-id",
        metavar="ID",
        help=f"client id to ask with; default replay-PID, with a key NAME{SECRET} NAME/replay-PID",
    )
    add_key_options(parser)
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    return parser
