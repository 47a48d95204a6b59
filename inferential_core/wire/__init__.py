"""Sans-IO codec of the wire: frames to numpy and back. No socket, no clock, no thread.

`inferential_pb2` is generated from proto/inferential.proto (`make proto`).
"""
