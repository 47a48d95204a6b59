"""Which files make up a recording, and each of them open: whole or cut, compressed or not.

What a file is, its first bytes say; names are not relied upon. A folder needs no metadata.yaml,
which rosbag2 writes last and so never does when it is killed.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from inferential_core.config.yaml_source import SourceError, parse_yaml
from inferential_ros.recording import mcap_file, sqlite_file
from inferential_ros.recording.errors import BagError
from inferential_ros.recording.storage import Storage

METADATA = "metadata.yaml"
ENDINGS = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
ZSTD = b"\x28\xb5\x2f\xfd"
ROS1 = b"#ROSBAG V"


@dataclass
class Listing:
    """The files of a recording in the order of writing, and what metadata.yaml adds to them.

    per_message: whether each message is compressed with zstd by itself; distribution: the ROS
    distribution that recorded it, '' where that is not known.
    """

    files: list[Path]
    distribution: str = ""
    per_message: bool = False
    notes: list[str] = field(default_factory=list)


def files_of(path: Path) -> Listing:
    """Those of a folder or of one file; BagError if there is none."""
    folder = path if path.is_dir() else path.parent
    listing = Listing([path])
    information = _information(folder, listing.notes) if (folder / METADATA).exists() else {}
    if path.is_dir():
        listing.files = _listed(path, information, listing.notes) or _found(path)
        if not listing.files:
            raise BagError(f"{path}: {_nothing_in(path)}")
    elif not path.exists():
        raise BagError(f"{path}: there is no such file or folder")
    listing.distribution = str(information.get("ros_distro") or "")
    listing.per_message = str(information.get("compression_mode") or "").lower() == "message"
    return listing


def open_file(path: Path, stack: ExitStack) -> Storage:
    """One file, open until the stack is closed; BagError says why not, and what helps."""
    try:
        with path.open("rb") as file:
            start = file.read(len(sqlite_file.MAGIC))
        if start.startswith(ZSTD):
            return open_file(_decompressed(path, stack), stack)
        storage: Storage
        if start.startswith(mcap_file.MAGIC):
            storage = mcap_file.McapFile(path)
        elif start == sqlite_file.MAGIC:
            storage = sqlite_file.SqliteFile(path)
        else:
            raise BagError(f"{path}: {_no_recording(path, start)}")
    except OSError as error:
        raise BagError(f"{path}: {error.strerror or error}") from None
    stack.callback(storage.close)
    return storage


def _information(folder: Path, notes: list[str]) -> dict[str, Any]:
    try:
        text = (folder / METADATA).read_text(encoding="utf-8")
        information = parse_yaml(text).data["rosbag2_bagfile_information"]
        if isinstance(information, dict):
            return information
    except (OSError, ValueError, TypeError, KeyError, SourceError):
        pass
    notes.append(f"{folder / METADATA} cannot be read, so the files beside it are read without it")
    return {}


def _listed(folder: Path, information: dict[str, Any], notes: list[str]) -> list[Path]:
    """The files that metadata.yaml names, as far as they are there, compressed or not."""
    found = []
    for name in information.get("relative_file_paths") or []:
        place = folder / Path(str(name)).name  # early versions wrote the folder as well
        beside = (place, place.with_name(place.name + ".zstd"), place.with_suffix(""))
        there = next((each for each in beside if each.is_file()), None)
        if there is not None:
            found.append(there)
        else:
            notes.append(f"{place} is named by {METADATA}, but it is not there")
    return found


def _found(folder: Path) -> list[Path]:
    """The recordings in a folder by the numbers in their names: part 2 comes before part 10."""
    found = [each for each in folder.iterdir() if each.name.endswith(ENDINGS) and each.is_file()]
    plain = [each for each in found if each.with_name(each.name + ".zstd") not in found]
    compressed = [each for each in found if each.suffix == ".zstd"]
    return sorted({*plain, *compressed}, key=_by_number)


def _by_number(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _nothing_in(folder: Path) -> str:
    inner = sorted(each.name for each in folder.iterdir() if each.is_dir() and _found(each))
    if inner:
        return f"the folder holds several recordings; name one of them: {', '.join(inner)}"
    return "there is no recording in this folder: no file ends in .mcap or .db3"


def _no_recording(path: Path, start: bytes) -> str:
    if not start:
        return "the file is empty: its recorder ended before it wrote anything"
    if start.startswith(ROS1):
        return f"a recording of ROS 1; `rosbags-convert --src {path.name} --dst bag` converts it"
    return "this is neither an MCAP file nor a sqlite3 recording of rosbag2"


def _decompressed(path: Path, stack: ExitStack) -> Path:
    """A copy of a zstd file without the compression; it goes when the stack is closed."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inferential-bag-")))
    copy = folder / path.name.removesuffix(".zstd")
    with path.open("rb") as source, copy.open("wb") as target:
        try:
            zstandard.ZstdDecompressor().copy_stream(source, target)
        except zstandard.ZstdError as error:
            if not target.tell():
                raise BagError(f"{path}: it cannot be decompressed: {error}") from None
    return copy
