#!/usr/bin/env bash
# mcap yields half of the messages of a chunk that is compressed in two frames, and says nothing
#
# Version: mcap 1.6.0, rosbags 0.11.9, zstandard 0.25.0, lz4 4.4.5, Python 3.11, Linux.
# Behaviour: zstd and lz4 data may consist of several frames, one after the other, as parallel
#   compressors such as pzstd make them (RFC 8878, section 3.1; lz4_Frame_format.md). mcap takes the
#   first frame of a chunk for all of it, although the chunk names the size of its records, and the
#   summary their number. rosbags reads all frames of zstd, and refuses lz4 by the size.
# Output seen, of a recording of 100 messages in one chunk:
#   zstd: mcap yields 49, rosbags 100
#   lz4: mcap yields 49, rosbags ReaderError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    mcap==1.6.0 rosbags==0.11.9 zstandard==0.25.0 lz4==4.4.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
from pathlib import Path

import lz4.frame
import zstandard
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import ReaderError


def record(path: str, module, kind: CompressionType) -> None:
    """The package's own writer, with a compressor that makes a frame of each half of a chunk."""
    whole = module.compress
    module.compress = lambda data: whole(data[: len(data) // 2]) + whole(data[len(data) // 2 :])
    try:
        with open(path, "wb") as file:
            writer = Writer(file, compression=kind)
            writer.start("ros2")
            schema = writer.register_schema("std_msgs/msg/Float64", "ros2msg", b"float64 data\n")
            channel = writer.register_channel("/value", "cdr", schema)
            for time in range(100):
                writer.add_message(channel, time, struct.pack("<4sd", b"\0\1", time), time)
            writer.finish()
    finally:
        module.compress = whole


for name, module in (("zstd", zstandard), ("lz4", lz4.frame)):
    record(f"{name}.mcap", module, CompressionType[name.upper()])
    with open(f"{name}.mcap", "rb") as file:
        by_mcap = sum(1 for _ in make_reader(file).iter_messages())
    try:
        with AnyReader([Path(f"{name}.mcap")]) as reader:
            by_rosbags = sum(1 for _ in reader.messages())
    except ReaderError as error:
        by_rosbags = type(error).__name__
    print(f"{name}: mcap yields {by_mcap}, rosbags {by_rosbags}")
    assert (by_mcap, by_rosbags) == (49, {"zstd": 100, "lz4": "ReaderError"}[name])
PYTHON
