"""`inferential replay`: how would this server have served that robot?"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from inferential_ros.contract.errors import ContractError
from inferential_ros.contract.finding import find_contract
from inferential_ros.contract.loading import load_contract
from inferential_ros.keys import KeyFiles, add_key_options
from inferential_ros.recording.bag import open_bag
from inferential_ros.recording.replay import Options, Replay

LOOPBACK = "tcp://127.0.0.1:5555"


def main(argv: Sequence[str]) -> int:
    """0 once it is replayed, 1 if it could not be, or not one observation was answered."""
    options = _parser().parse_args(argv)
    sys.path.insert(0, os.getcwd())  # converters of the folder one stands in
    try:
        contract = load_contract(find_contract(options.contract))
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    settings = Options(
        server=options.server,
        speed=0.0 if options.lockstep else options.speed,
        namespace=options.namespace,
        remap=dict(options.remap),
        commands=options.commands,
        client_id=options.client_id,
        texts=dict(options.text),
        keys=KeyFiles(options.key, options.server_key),
    )
    with open_bag(options.bag) as bag:
        report = Replay(contract, bag, settings).run()
    print(report.text())
    if options.json:
        Path(options.json).write_text(json.dumps(report.as_dict(), indent=2), encoding="utf-8")
    return 0 if report.outcomes["ok"] else 1


def _pair(separator: str) -> Callable[[str], tuple[str, str]]:
    def read(text: str) -> tuple[str, str]:
        name, found, value = text.partition(separator)
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r}: expected NAME{separator}VALUE")
        return name, value

    return read


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.0 < speed < float("inf"):
        raise argparse.ArgumentTypeError("a number greater than 0")
    return speed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential replay",
        description="Drive a server with a recorded robot, by the code that runs on a robot,"
        " without ROS running: how late would its actions have been, and how far from the"
        " recorded commands?",
        epilog="example: inferential replay my_bag --contract robot.yaml"
        " --server tcp://gpu-box:5555 --commands /joint_commands",
    )
    parser.add_argument("bag", metavar="BAG", help="a rosbag2 folder, MCAP or sqlite3")
    parser.add_argument("--contract", required=True, metavar="FILE", help="the robot's contract")
    parser.add_argument(
        "--server", default=LOOPBACK, metavar="ADDRESS", help=f"default {LOOPBACK}"
    )
    parser.add_argument("--speed", type=_speed, default=1.0, help="1 is as it was recorded")
    parser.add_argument(
        "--lockstep",
        action="store_true",
        help="as fast as the answers come: time stands still until each is there",
    )
    parser.add_argument("--namespace", default="", help="that the robot was in")
    parser.add_argument(
        "--remap",
        action="append",
        type=_pair(":="),
        default=[],
        metavar="TOPIC:=RECORDED",
        help="read a topic of the contract from another one of the recording",
    )
    parser.add_argument(
        "--commands",
        default="",
        metavar="TOPIC",
        help="recorded commands to compare with; default: the outputs' own topics",
    )
    parser.add_argument(
        "--text",
        action="append",
        type=_pair("="),
        default=[],
        metavar="KEY=TEXT",
        help="text of an observation key that is a parameter",
    )
    parser.add_argument("--client-id", default=f"replay-{os.getpid()}", metavar="ID")
    add_key_options(parser)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    return parser
