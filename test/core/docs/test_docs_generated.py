"""The generated parts of docs/ are what the code says now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor

from inferential_core.config.keys import all_keys
from inferential_core.wire import inferential_pb2 as wire

ROOT = Path(__file__).resolve().parents[3]
WIRE = (ROOT / "docs" / "wire.md").read_text()
SETTINGS = (ROOT / "docs" / "configuration.md").read_text()


def test_they_are_current() -> None:
    tool = ROOT / "tools" / "generate_docs.py"
    found = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_page_of_the_wire_has_every_field_with_number_and_type() -> None:
    types = {
        number: name.removeprefix("TYPE_").lower()
        for name, number in vars(FieldDescriptor).items()
        if name.startswith("TYPE_")
    }
    for message in wire.DESCRIPTOR.message_types_by_name.values():
        part = WIRE.split(f"### `{message.name}`\n")[1].split("\n### ")[0]
        shown = re.findall(r"^\| (\d+) \| `(\w+)`(?: \*)? \| `([^`]+)` \|", part, re.MULTILINE)
        assert len(shown) == len(message.fields)
        for number, name, kind in shown:
            field = message.fields_by_name[name]
            assert field.number == int(number)
            plain = kind.split()[-1]
            if field.message_type is None and field.enum_type is None:
                assert plain == types[field.type], (message.name, name)
            elif "map" not in kind:
                assert plain == (field.message_type or field.enum_type).name
    for enum in wire.DESCRIPTOR.enum_types_by_name.values():
        for value in enum.values:
            assert f"| {value.number} | `{value.name}` |" in WIRE


def test_the_page_of_the_configuration_has_every_key() -> None:
    for key in all_keys():
        if key.section:
            assert f" `{key.dotted}`\n" in SETTINGS
        else:
            assert f"| `{key.path[-1]}` |" in SETTINGS
