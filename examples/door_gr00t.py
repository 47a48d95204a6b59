"""A GR00T client at a door, as its PolicyClient asks: python examples/door_gr00t.py [ADDRESS]

With GR00T's own package it is `PolicyClient(host, port).get_action(observation, options)`; this
program needs pyzmq, msgpack and msgpack-numpy only. The server: inferential serve --model
gr00t=... --door gr00t=127.0.0.1:5556.
"""

import sys

import numpy as np
import zmq

try:
    import msgpack
    import msgpack_numpy
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install msgpack msgpack-numpy") from None

address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5556"
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.RCVTIMEO, 15_000)
socket.connect(address)
observation = {
    "video": {"ego_view": np.zeros((1, 1, 224, 224, 3), np.uint8)},
    "state": {"left_arm": np.zeros((1, 1, 7), np.float32)},
    "language": {"annotation.human.task_description": [["wave"]]},
}
# The options give real deadlines, and a name: the server knows when this robot runs dry.
options = {"client_id": "g1-1", "steps_remaining": 4, "control_period_ms": 50}
request = {
    "endpoint": "get_action",
    "data": {"observation": observation, "options": options},
}
socket.send(msgpack.packb(request, default=msgpack_numpy.encode))
answer = msgpack.unpackb(socket.recv(), object_hook=msgpack_numpy.decode)
if isinstance(answer, dict):
    print(answer["error"])
else:
    actions, _ = answer
    print({name: array.shape for name, array in actions.items()})
