#!/usr/bin/env bash
# python-can gives a CAN FD frame back from two of its own logs as a classical one of 12 bytes
#
# Version: python-can 4.6.1, Python 3.11, Linux.
# Behaviour: `can.Logger` and `can.LogReader` choose the format by the ending of a file. CSV and sqlite
#   have no place for the kind of frame, for the bus that it came from and for its direction, and the
#   writer drops them without a warning: a drive's FD frame is read as a classical one, which ends
#   after 8 bytes on a bus, and two arms on two buses with the same ids become one. Vector's BLF and
#   ASC keep the kind, and the number in the name of the bus; candump's log keeps both as they are.
# Output seen, of an FD frame of 12 bytes that was sent on can1:
#   blf kind FD        bytes 12 bus 1    sent
#   asc kind FD        bytes 12 bus 1    sent
#   log kind FD        bytes 12 bus can1 sent
#   csv kind classical bytes 12 bus None received
#   db  kind classical bytes 12 bus None received
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-can==4.6.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import can

sent = can.Message(
    timestamp=1700000000.25,
    arbitration_id=0x141,
    is_extended_id=False,
    is_fd=True,
    bitrate_switch=True,
    data=bytes(range(12)),
    channel="can1",
    is_rx=False,
)
found = {}
for ending in ("blf", "asc", "log", "csv", "db"):
    with can.Logger(f"drive.{ending}") as logger:
        logger(sent)
    with can.LogReader(f"drive.{ending}") as reader:
        (got,) = list(reader)
    kind = "FD" if got.is_fd else "classical"
    way = "received" if got.is_rx else "sent"
    assert bytes(got.data) == bytes(sent.data)
    found[ending] = (kind, str(got.channel), way)
    print(f"{ending:3} kind {kind:9} bytes {len(got.data)} bus {got.channel!s:4} {way}")
for ending in ("csv", "db"):
    assert found[ending] == ("classical", "None", "received")
for ending in ("blf", "asc", "log"):
    assert (found[ending][0], found[ending][2]) == ("FD", "sent")
PYTHON
