#!/usr/bin/env bash
# pymodbus gives the lowest bit of a register as the ninth of its bits
#
# Version: pymodbus 3.16.1, pyModbusTCP 0.3.1, Python 3.11, Linux.
# Behaviour: grippers and drives have their status in the bits of a register. Asked for DATATYPE.BITS,
#   `convert_from_registers` gives the bits of the upper byte first, and the lowest of each byte
#   first within it; `convert_to_registers` does so the other way round, so that a round trip looks
#   right. Bit 0 of the manual ("activated") is found at index 8, and set in the device as bit 8.
#   pyModbusTCP counts as manuals do.
# Output seen, of the bits that are set in a register:
#   0x0001: pymodbus [8], pyModbusTCP [0]
#   0x0100: pymodbus [0], pyModbusTCP [8]
#   0x8000: pymodbus [7], pyModbusTCP [15]
#   bit 0 alone, written by pymodbus: 0x0100
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pymodbus==3.16.1 pyModbusTCP==0.3.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pymodbus.client.mixin import ModbusClientMixin
from pyModbusTCP.utils import get_bits_from_int

BITS = ModbusClientMixin.DATATYPE.BITS


def indices(bits) -> list[int]:
    """Of the bits that are set."""
    return [index for index, bit in enumerate(bits) if bit]


for register, wanted in ((0x0001, (8, 0)), (0x0100, (0, 8)), (0x8000, (7, 15))):
    one = indices(ModbusClientMixin.convert_from_registers([register], BITS))
    other = indices(get_bits_from_int(register, val_size=16))
    print(f"0x{register:04x}: pymodbus {one}, pyModbusTCP {other}")
    assert (one, other) == ([wanted[0]], [wanted[1]])

(written,) = ModbusClientMixin.convert_to_registers([True] + [False] * 15, BITS)
print(f"bit 0 alone, written by pymodbus: 0x{written:04x}")
assert written == 0x0100
PYTHON
