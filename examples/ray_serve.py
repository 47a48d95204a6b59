"""Two models on Ray Serve, two replicas each, for robots of two kinds.

python examples/ray_serve.py [ADDRESS]

Starts a Ray cluster on this machine unless one runs, deploys both and serves until Ctrl-C. The
deployments are what Ray Serve users write; nothing in them is ours.
"""

import asyncio
import contextlib
import sys

import numpy as np

from inferential_core import Server

try:
    from ray import serve
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install 'ray[serve]'") from None

TWO_ON_A_QUARTER = {"num_replicas": 2, "ray_actor_options": {"num_cpus": 0.25}}


@serve.deployment(**TWO_ON_A_QUARTER)
class Arm:
    """Takes a whole batch in one call: here, seven joints move towards zero in 50 steps."""

    version = "arm-3"

    def infer_batch(self, observations):
        joints = np.stack([each["joints"] for each in observations])  # (B, 7)
        fade = np.linspace(1, 0, 50, dtype=np.float32)[:, None]
        replica = serve.get_replica_context().replica_tag
        return [{"actions": fade * each, "replica": replica} for each in joints]


@serve.deployment(**TWO_ON_A_QUARTER)
class Walker:
    """Takes one observation a call."""

    version = "walker-1"

    def infer(self, observation):
        speed = np.clip(observation["command"], -1.0, 1.0)
        return {
            "actions": np.tile(speed, (10, 1)),
            "replica": serve.get_replica_context().replica_tag,
        }


def main(bind: str = "tcp://127.0.0.1:5555") -> None:
    """Deploy both, then serve."""
    serve.start(proxy_location="Disabled")  # robots ask our server, nobody asks Serve over HTTP
    serve.run(Arm.bind(), name="arm", route_prefix=None)
    serve.run(Walker.bind(), name="walker", route_prefix=None)
    server = Server(bind=bind, models=["arm", "walker"])
    asyncio.run(server.run())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C, also while the models start
        main(*sys.argv[1:])
