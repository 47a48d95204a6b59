"""Generate the Python modules of the messages in proto/ (`make proto`).

protoc's own Python output changes with its version and refuses to load on an older runtime. So
protoc only parses here: the descriptor it writes, less what protoc versions differ in, goes into
a module of our own that loads on protobuf 4.21 and everything after it. Needs grpcio-tools.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from proto_stub import stub

ROOT = Path(__file__).resolve().parent.parent
OUTPUTS = {  # by source
    ROOT / "proto" / "inferential.proto": ROOT / "inferential_core" / "wire",
    ROOT / "proto" / "lerobot_async.proto": ROOT / "inferential_core" / "doors" / "lerobot",
}
COLUMNS = 99

MODULE = '''\
"""Generated from proto/{name} by tools/generate_proto.py (`make proto`). Do not edit."""

from google.protobuf import descriptor_pool as _descriptor_pool
from google.protobuf.internal import builder as _builder

DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(
{descriptor}
)

_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())
'''


def parse(source: Path) -> descriptor_pb2.FileDescriptorProto:
    """What protoc understood, without the parts that depend on its version."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "descriptor.bin")
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{source.parent}"]
        subprocess.run([*command, f"--descriptor_set_out={out}", source.name], check=True)
        described = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    (file,) = described.file
    messages = list(file.message_type)
    while messages:
        message = messages.pop()
        messages.extend(message.nested_type)
        for field in message.field:
            field.ClearField("json_name")
    return file


def bytes_literal(data: bytes) -> str:
    """The bytes as Python literals, one a line, indented and within the columns."""
    lines, start = [], 0
    while start < len(data):
        end = start + 1
        while end < len(data) and len(repr(data[start : end + 1])) <= COLUMNS - 4:
            end += 1
        lines.append(f"    {data[start:end]!r}")
        start = end
    return "\n".join(lines)


def generate(source: Path, output: Path) -> list[Path]:
    """Write the module and its type stub into a folder; return their paths."""
    file = parse(source)
    descriptor = bytes_literal(file.SerializeToString(deterministic=True))
    module = output / f"{source.stem}_pb2.py"
    module.write_text(MODULE.format(name=source.name, descriptor=descriptor))
    typed = module.with_suffix(".pyi")
    typed.write_text(stub(file, source.name))
    return [module, typed]


def main() -> int:
    """Command line: `generate_proto.py [--output FOLDER]`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="write there instead of into the packages")
    arguments = parser.parse_args()
    for source, output in OUTPUTS.items():
        for path in generate(source, arguments.output or output):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
