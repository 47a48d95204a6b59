"""`inferential demo --ros`: starts its processes in a domain and on a port of their own."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path

from inferential_core.cli.arguments import count, seconds
from inferential_demo.page_address import free_port, page_address
from inferential_ros.bringup import process_list
from inferential_ros.bringup.supervisor import Supervisor

DOMAIN_LOCK_PORT = 22119  # plus the domain id: the port ROS 2's domain_coordinator binds
MAX_DOMAIN = 100


def main(argv: list[str]) -> int:
    """Exit status: 0 if all robots stood while the model was fast."""
    options = _parser().parse_args(argv)
    missing = [name for name in ("rclpy", "inferential", "mujoco") if find_spec(name) is None]
    if missing:
        print(
            f"inferential demo --ros needs {', '.join(missing)}: source install/setup.bash "
            "in the environment the package was built in, or run make demo ARGS=--ros"
        )
        return 2
    scratch = Path(tempfile.mkdtemp(prefix="inferential_demo_"))
    page = page_address(options.http)
    processes = process_list.demo(
        robots=options.robots,
        port=free_port(),
        http=page,
        report=options.report,
        seconds=options.seconds,
        slowdown=not options.no_slowdown,
        seed=options.seed,
        plain=options.plain,
        keep=options.keep,
        slowdown_file=str(scratch / "slowdown_ms"),
    )
    domain_id, lock = take_domain()
    with lock:
        env = {"ROS_DOMAIN_ID": str(domain_id), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        if os.environ.get("ROS_DISTRO") == "humble":  # which does not know the range yet
            env["ROS_LOCALHOST_ONLY"] = "1"
        try:
            if page != "off":
                until = "until Ctrl-C" if options.keep else "while it runs, with --keep longer"
                print(f"the fleet's page, {until}: http://{page}", flush=True)
            print(
                f"other shells see the robots' topics with ROS_DOMAIN_ID={domain_id}", flush=True
            )
            status = Supervisor(processes, scratch / "log", env).run()
        except KeyboardInterrupt:  # just before the supervisor takes the signals over
            status = 130
    if status == 0 or status >= 128:
        shutil.rmtree(scratch, ignore_errors=True)
    else:
        print(f"the logs of the processes are in {scratch / 'log'}")
    return status


def take_domain() -> tuple[int, socket.socket]:
    """A ROS domain nobody else coordinates here, and the socket that keeps it ours."""
    for domain_id in range(1, MAX_DOMAIN + 1):
        lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            lock.bind(("127.0.0.1", DOMAIN_LOCK_PORT + domain_id))
        except OSError:
            lock.close()
        else:
            return domain_id, lock
    raise RuntimeError("no free ROS domain: too many programs on this machine took one")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferential demo --ros",
        description="Six simulated robots with a ROS 2 bridge each, balanced by one server.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--robots", type=count, default=6, help="number of robots")
    parser.add_argument("--seconds", type=seconds, default=30.0, help="length of the run in s")
    parser.add_argument(
        "--report", default=os.path.join("demo", "report.png"), help="file for the picture"
    )
    parser.add_argument("--no-slowdown", action="store_true", help="keep the model fast")
    parser.add_argument("--seed", type=int, default=0, help="seed of the wind and the pushes")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="continue after the run until Ctrl-C, for looking at the page",
    )
    parser.add_argument(
        "--http", default="auto", help="address (host:port) of the fleet's page, or off"
    )
    parser.add_argument("--plain", action="store_true", help="print lines instead of a live table")
    return parser
