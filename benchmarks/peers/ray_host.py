"""A Ray cluster on this machine with an identity model in both forms; ends with its stdin."""

from __future__ import annotations

import json
import logging
import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"  # or a token would be written to the user's home

import numpy as np
import ray
from ray import serve

ANSWER = np.zeros((50, 7), np.float32)


class Single:
    """As the published page documents it."""

    def infer(self, observation):
        return ANSWER


class Batching:
    """Takes a list."""

    def infer_batch(self, observations):
        return [ANSWER] * len(observations)


def main() -> None:
    """Print the address; then each line is a number of replicas, answered when they run."""
    said = os.fdopen(os.dup(1), "w", buffering=1)  # Ray writes to stdout now and then
    os.dup2(2, 1)
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="error")
    serve.start(proxy_location="Disabled")
    print(json.dumps(ray.get_runtime_context().gcs_address), file=said)
    for line in sys.stdin:
        for name, model in (("single", Single), ("batching", Batching)):
            deployment = serve.deployment(model).options(
                num_replicas=json.loads(line),
                max_ongoing_requests=100,
                ray_actor_options={"num_cpus": 0.1},
            )
            serve.run(deployment.bind(), name=name, route_prefix=None)
        print(json.dumps("ready"), file=said)


if __name__ == "__main__":
    main()
