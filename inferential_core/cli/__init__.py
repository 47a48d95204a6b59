"""The `inferential` command: one module a subcommand, imported when it is called.

Some subcommands live in inferential_ros; they are only named here, so that this package depends
on nothing of ROS.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from ..errors import InferentialError, text_of
from ..security.variables import ON_THE_COMMAND_LINE, speaking
from ..version import __version__

# name -> (module:function taking the arguments and returning an exit code, what it does)
COMMANDS = {
    "serve": ("inferential_core.cli.serve:main", "serve the models of this machine to robots"),
    "drain": (
        "inferential_core.cli.drain:main",
        "have a running server take leave of its robots, and end",
    ),
    "config": (
        "inferential_core.cli.config:main",
        "check a server's configuration, or show all of it",
    ),
    "top": (
        "inferential_core.cli.top:main",
        "show the robots and models of a running server, live",
    ),
    "status": (
        "inferential_core.cli.status:main",
        "print the state of a running server, also as JSON",
    ),
    "model": (
        "inferential_core.cli.model:main",
        "load, replace and unload models of a running server",
    ),
    "profile": (
        "inferential_core.cli.profile:main",
        "measure a model, and say how many robots it can carry",
    ),
    "scheduler": (
        "inferential_core.cli.scheduler:main",
        "check a scheduler or a policy of your own",
    ),
    "bench": ("inferential_core.cli.bench:main", "load a server with simulated robots and report"),
    "keys": ("inferential_core.cli.keys:main", "make keys, and say what each of them may do"),
    "contract": (
        "inferential_ros.cli.contract:main",
        "check a robot's contract, or write a new one",
    ),
    "replay": (
        "inferential_ros.cli.replay:main",
        "ask a server what a recording asked",
    ),
    "record": (
        "inferential_ros.cli.record:main",
        "record what a bridge receives and does",
    ),
    "demo": (
        "inferential_ros.bringup.demo_command:main",
        "show how large a fleet one model can carry",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code.

    Without `argv`, the process is the command's own, and ends soon after this returned.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = " ".join(["inferential", *arguments[:1]])
    try:
        try:
            code = _run(arguments)
        finally:  # also where argparse ends the process
            if sys.stdout is not None and not sys.stdout.closed:  # as by a model
                sys.stdout.flush()
    except (InferentialError, MemoryError, OSError, ModuleNotFoundError) as error:
        if argv is None and isinstance(error, OSError) and error.filename is None:
            # Most likely stdout's: what its buffer holds cannot be written at the exit, either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = _failed(name, error)
    except KeyboardInterrupt:
        code = 130
    if argv is None and arguments[:1] == ["serve"]:
        from ..process.ending import end_within

        end_within(code)
    return code


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"inferential {__version__}")
        return 0
    if arguments[0] not in COMMANDS:
        print(f"inferential: there is no command {arguments[0]!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    module, _, function = COMMANDS[arguments[0]][0].partition(":")
    command = getattr(importlib.import_module(module), function)
    with speaking(ON_THE_COMMAND_LINE):
        return int(command(arguments[1:]))


def _failed(name: str, error: Exception) -> int:
    """Say in a line what ended a command; the exit code. Raises what is a fault of ours."""
    told = text_of(error)
    if isinstance(error, ModuleNotFoundError):  # also where a command imports what it needs
        told = _missing(error)
        if not told:
            raise error
    elif isinstance(error, OSError):
        if isinstance(error, BrokenPipeError):  # `| head` has read enough
            return 128 + 13
        told = ": ".join(map(str, filter(None, (error.filename, error.strerror or error))))
    elif isinstance(error, MemoryError):
        told = f"there is not enough memory: {told}".removesuffix(": ")
    print(f"{name}: {told}", file=sys.stderr)
    return 1


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        ["usage: inferential COMMAND ...   (inferential COMMAND --help for its options)", *lines]
    )


# Modules that a command may lack, and what brings each of them.
_ROS = "this command needs ROS 2 and the built package: make build, then source install/setup.bash"
_BRINGS = {
    **dict.fromkeys(("rclpy", "inferential"), _ROS),
    **dict.fromkeys(("mujoco", "matplotlib"), "pip install 'inferential[demo]'"),
    **dict.fromkeys(("rosbags", "mcap", "zstandard"), "pip install 'inferential[bags]'"),
    **dict.fromkeys(
        ("pydantic", "ruamel", "starlette", "uvicorn", "prometheus_client", "watchdog"),
        "pip install 'inferential[server]', or 'inferential[local]' for a server without Ray",
    ),
    "rich": "pip install rich; or use inferential status, which needs only Python",
    "ray": "pip install 'inferential[server]'",
    "PIL": "pip install 'inferential[images]'",
}


def _missing(error: ModuleNotFoundError) -> str:
    """What to install; '' where the module is none that a command of ours asks for."""
    name = (error.name or "").partition(".")[0]
    fix = _BRINGS.get(name)
    return f"{name!r} is not installed: {fix}" if fix else ""
