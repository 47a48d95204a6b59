"""The unmodified clients of other servers, in environments of their own (tools/published.py).

    door_peers.py openpi HOST PORT    asks, and prints what came back, a line of JSON each
    door_peers.py openpi-until-an-error PORT
    door_peers.py openpi-server       the stock server, on a free port that it prints
    door_peers.py gr00t PORT          a GR00T client of a Unitree G1

Imports nothing but the standard library and numpy at the top, as the tests import it as well.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import numpy as np

SEED = 7


def observations() -> list[dict[str, Any]]:
    """What openpi's own examples send: DROID, LIBERO and ALOHA, with images in both orders."""
    values = np.random.default_rng(SEED)

    def image(*shape: int) -> np.ndarray:
        return values.integers(0, 256, shape, dtype=np.uint8)

    return [
        {
            "observation/exterior_image_1_left": image(224, 224, 3),
            "observation/wrist_image_left": image(224, 224, 3),
            "observation/joint_position": values.standard_normal(7),
            "observation/gripper_position": values.standard_normal(1),
            "prompt": "put the cup on the plate",
        },
        {
            "observation/image": image(64, 64, 3),
            "observation/state": values.standard_normal(8),
            "prompt": "",
        },
        {
            "state": values.standard_normal(14).astype(np.float32),
            "images": {"cam_high": image(3, 32, 32)},
            "prompt": "öffne die Tür",
        },
    ]


def answer(obs: dict[str, Any]) -> dict[str, Any]:
    """The policy of both servers: a chunk that depends on every byte of the observation."""
    total = np.float64(0.0)
    arrays: dict[str, np.ndarray] = {}

    def walk(values: dict[str, Any], prefix: str) -> None:
        nonlocal total
        for key, value in sorted(values.items()):
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            elif isinstance(value, str):
                total += len(value.encode())
            else:
                total += np.asarray(value, np.float64).sum()
                arrays[prefix + key] = value

    walk(obs, "")
    actions = np.outer(np.arange(10), np.linspace(total, 1.0, 7)).astype(np.float32)
    echoed = {key.replace(".", "/"): array for key, array in arrays.items()}
    return {"actions": actions, "state": actions[0].astype(np.float64), **echoed}


def told(result: dict[str, Any]) -> dict[str, list[Any]]:
    """Every bit of the arrays of a result, as JSON."""
    return {
        key: [value.dtype.str, list(value.shape), value.tobytes().hex()]
        for key, value in sorted(result.items())
        if isinstance(value, np.ndarray)
    }


def openpi(host: str, port: str, goes_on: bool = True) -> None:
    from openpi_client.action_chunk_broker import ActionChunkBroker
    from openpi_client.websocket_client_policy import WebsocketClientPolicy

    policy = WebsocketClientPolicy(host, int(port) if port else None)
    print(json.dumps(policy.get_server_metadata()))
    for observation in observations():
        print(json.dumps(told(policy.infer(observation))))
    broker = ActionChunkBroker(policy, action_horizon=4)
    steps = [broker.infer({"state": np.zeros(8)})["actions"] for _ in range(8)]
    print(json.dumps([step.shape for step in steps]))
    if not goes_on:  # the stock server ends the connection with the first error
        return
    try:
        policy.infer({"nothing": None})
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error)]))
    print(json.dumps(sorted(told(policy.infer(observations()[0])))))


def openpi_until_an_error(port: str) -> None:
    openpi("127.0.0.1", port, goes_on=False)


def openpi_server() -> None:
    from openpi_server import WebsocketPolicyServer

    class Policy:
        def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
            return answer(obs)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    print(port, flush=True)
    WebsocketPolicyServer(Policy(), "127.0.0.1", port, {"reset_pose": [0.0]}).serve_forever()


def gr00t(port: str) -> None:
    from inspect_robots.types import Observation
    from inspect_robots_unitree_g1 import packing
    from inspect_robots_unitree_g1.policy import Gr00tPolicy

    policy = Gr00tPolicy(host="127.0.0.1", port=int(port))
    state = np.arange(packing.TOTAL_DIM, dtype=np.float64)
    observation = Observation(
        images={"head_cam": np.zeros((8, 8, 3), np.uint8)},
        state={
            packing.STATE_KEY: state,
            "left_leg": np.zeros(6),
            "right_leg": np.zeros(6),
            "waist": np.zeros(3),
        },
        instruction="wave",
    )
    chunk = policy.act(observation)
    print(json.dumps([np.asarray(action.data).tolist() for action in chunk.actions]))


if __name__ == "__main__":
    play = globals()[sys.argv[1].replace("-", "_")]
    play(*sys.argv[2:])
