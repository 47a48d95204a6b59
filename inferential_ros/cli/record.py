"""`inferential record`: records what a bridge receives and does, for `inferential replay`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from inferential_core.cli.arguments import given, seconds
from inferential_ros.contract.finding import find_contract
from inferential_ros.contract.loading import load_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.options.errors import ContractError
from inferential_ros.recording.provenance import Provenance, attach_contract
from inferential_ros.recording.recorder import Recorder
from inferential_ros.recording.writing import BagWriter

SPIN_S = 0.1  # how soon a signal or the end of the time is noticed
SILENT_S = 2.0  # without any message, from the start on: then the user is asked why
_ASKED = (
    "does the robot run, in this ROS_DOMAIN_ID, and are its topics in the namespace that"
    " --namespace names?"
)


def main(argv: Sequence[str]) -> int:
    """Record until Ctrl-C, or for the time given; 1 if nothing came."""
    options = _parser().parse_args(argv)
    sys.path.insert(0, os.getcwd())  # converters of the folder one stands in
    path = find_contract(options.contract)
    try:
        contract = load_contract(path)
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    writer = BagWriter(options.output)
    try:
        attach_contract(writer, Path(path))
        _record(options, contract, writer)
    finally:
        counts = dict(writer.counts)
        if any(counts.values()):
            writer.close()
        else:
            writer.discard()
    for topic, count in sorted(counts.items()):
        print(f"{count:8d}  {topic}")
    if any(counts.values()):
        return 0
    print(
        f"Nothing came on these topics, so {options.output} is removed: {_ASKED}", file=sys.stderr
    )
    return 1


def _record(options: argparse.Namespace, contract: Contract, writer: BagWriter) -> None:
    ended = _Ended()
    arguments = ["--ros-args"]
    for rule in options.remap:
        arguments += ["-r", rule]
    arguments += ["-p", f"use_sim_time:={str(options.use_sim_time).lower()}"]
    context = rclpy.Context()
    rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(
        f"inferential_record_{os.getpid()}", namespace=options.namespace, context=context
    )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        provenance = Provenance(
            model=contract.model.id,
            namespace=node.get_namespace(),
            remap=tuple(rule for rule in options.remap if not rule.startswith("__")),
        )
        Recorder(node, contract, writer, provenance)
        print(f"recording to {options.output}; press Ctrl-C to end", flush=True)
        began_s = time.monotonic()
        until_s = began_s + (options.duration or float("inf"))
        warn_at_s = began_s + SILENT_S
        while not ended.asked and (now_s := time.monotonic()) < until_s:
            executor.spin_once(timeout_sec=SPIN_S)
            writer.flush_if_due()
            if now_s >= warn_at_s:
                warn_at_s = float("inf")
                if not any(writer.counts.values()):
                    topics = ", ".join(sorted(writer.counts))
                    print(f"Nothing comes on {topics}: {_ASKED}", file=sys.stderr, flush=True)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


class _Ended:
    """Whether SIGINT or SIGTERM came: the file must be finished first."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        self.asked = True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential record",
        description="Record what a bridge receives and does: the topics of its contract, its"
        " plans, what it executed, its status.",
        epilog="example: inferential record my_bag --contract robot.yaml --namespace robot_1",
    )
    parser.add_argument(
        "output",
        type=given,
        metavar="FOLDER",
        help="folder to create: a rosbag2 with one MCAP file",
    )
    parser.add_argument("--contract", required=True, metavar="FILE", help="the bridge's contract")
    parser.add_argument("--namespace", default="", help="the bridge's namespace")
    parser.add_argument(
        "--remap",
        action="append",
        default=[],
        metavar="FROM:=TO",
        help="a remapping of the bridge",
    )
    parser.add_argument("--use-sim-time", action="store_true", help="take the time from /clock")
    parser.add_argument(
        "--duration", type=seconds, metavar="S", help="seconds to record; default: until Ctrl-C"
    )
    return parser
