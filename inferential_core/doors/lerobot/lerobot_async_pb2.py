"""Generated from proto/lerobot_async.proto by tools/generate_proto.py (`make proto`). Do not edit."""

from google.protobuf import descriptor_pool as _descriptor_pool
from google.protobuf.internal import builder as _builder

DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(
    b'\n\x13lerobot_async.proto\x12\x13inferential.lerobot"P\n\x04Part\x12:\n\x0etransfer_state'
    b'\x18\x01 \x01(\x0e2".inferential.lerobot.TransferState\x12\x0c\n\x04data\x18\x02 \x01(\x0c"'
    b'\x1b\n\x0bPolicySetup\x12\x0c\n\x04data\x18\x01 \x01(\x0c"\x17\n\x07Actions\x12\x0c\n\x04dat'
    b'a\x18\x01 \x01(\x0c*`\n\rTransferState\x12\x14\n\x10TRANSFER_UNKNOWN\x10\x00\x12\x12\n\x0eTR'
    b'ANSFER_BEGIN\x10\x01\x12\x13\n\x0fTRANSFER_MIDDLE\x10\x02\x12\x10\n\x0cTRANSFER_END\x10\x03b'
    b'\x06proto3'
)

_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())
