"""An unmodified openpi client at a door: python examples/door_openpi.py [ADDRESS]

Needs openpi-client and typing_extensions. The server: inferential serve --model pi0=... --door
openpi=127.0.0.1:8000. The address may name the model and this robot.
"""

import sys

import numpy as np

try:
    from openpi_client.websocket_client_policy import WebsocketClientPolicy
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install openpi-client typing_extensions") from None

address = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8000/?client=arm-1"
policy = WebsocketClientPolicy(host=address, port=None)
observation = {
    "observation/image": np.zeros((224, 224, 3), np.uint8),
    "observation/state": np.zeros(8, np.float32),
    "prompt": "pick up the cup",
    # One line more gives real deadlines: the server knows when this robot runs dry.
    "inferential/steps_remaining": 4,
    "inferential/control_period_ms": 50,
}
try:
    print(policy.infer(observation)["actions"].shape)
except RuntimeError as error:  # the words of the server; the connection is open still
    print(error)
