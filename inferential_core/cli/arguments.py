"""What the parsers of several commands share."""

from __future__ import annotations

import argparse
import math
import os
from importlib.util import find_spec
from pathlib import Path

from ..client.addresses import SERVER_VARIABLE
from ..errors import UsageError

# What stands for a model on a command line, for the help of each that takes one.
MODEL = (
    "module:attribute (a callable, or an object or class with infer or infer_batch), where the"
    " module may be the path of a .py file, or the checkpoint of a framework as scheme:source,"
    " such as lerobot:FOLDER or onnx:FILE (docs/policies.md)"
)

_LONGEST_S = 1e9
_LOCAL_SERVER = "tcp://127.0.0.1:5555"


def positive(text: str) -> float:
    """A finite number above 0."""
    value = _number(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def seconds(text: str) -> float:
    """A time above 0 s that a clock can count, of at most 30 years."""
    value = positive(text)
    if value > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"must be at most {_LONGEST_S:g} s, not {text!r}")
    return value


def seconds_or_0(text: str) -> float:
    """As `seconds`, or 0."""
    return 0.0 if _number(text) == 0.0 else seconds(text)


def _number(text: str) -> float:
    """NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def given(text: str) -> str:
    """Anything but '', which an unset variable of a script leaves."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def add_key(parser: argparse.ArgumentParser, whose: str) -> None:
    """The options of a key and of the server's public one."""
    parser.add_argument("--key", metavar="FILE", help=f"key of {whose}: a NAME.key_secret")
    parser.add_argument("--server-key", metavar="FILE", help="the server's public key")


def check_writable(option: str, path: Path) -> None:
    """UsageError before a long work, not after it, where its result cannot be written."""
    there = path.is_file() or path.parent.is_dir() and not path.is_dir()
    if not (there and os.access(path if path.exists() else path.parent, os.W_OK)):
        raise UsageError(f"{option} {path}: this file cannot be written")


def picture_file(text: str) -> Path:
    """The file of `--plot`, a PNG where its name says nothing else; UsageError as above."""
    if find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib: pip install matplotlib")
    from matplotlib.figure import Figure

    path = Path(text)
    if not path.is_dir() and not path.suffix:
        path = path.with_suffix(".png")
    kinds = Figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in ("", *kinds):
        raise UsageError(f"--plot {path}: its name must end in one of {', '.join(sorted(kinds))}")
    check_writable("--plot", path)
    return path


def add_server(parser: argparse.ArgumentParser, purpose: str) -> None:
    """The option that names the server to ask, or several, as a robot names them."""
    parser.add_argument(
        "--server",
        default=os.environ.get(SERVER_VARIABLE) or _LOCAL_SERVER,
        metavar="ADDRESS",
        help=f"{purpose}; several with commas between are asked as a robot asks them. Default:"
        f" ${SERVER_VARIABLE}, else {_LOCAL_SERVER}",
    )


def add_own_server(parser: argparse.ArgumentParser, else_default: str = "") -> None:
    """The option that names one of the servers that this user runs on this machine."""
    parser.add_argument(
        "--server",
        default="",
        metavar="ADDRESS",
        help="address of the server, such as tcp://127.0.0.1:5555; default: the only one that this"
        f" user runs on this machine{else_default}",
    )
