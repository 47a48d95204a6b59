"""A server with one model, on this machine: python examples/server.py"""

import asyncio
import contextlib

import numpy as np

from inferential_core import LocalDispatcher, Server


def policy(obs):
    """Fifty steps for seven joints; a real one would look at obs["joints"]."""
    return {"actions": np.tile(obs["joints"], (50, 1))}


server = Server(
    bind="tcp://127.0.0.1:5555",
    dispatcher=LocalDispatcher({"policy-v2": policy}),
)
server.use_scheduler("deadline_aware")


@server.on_metric
def log_latency(name, value, labels):
    if name == "inference_latency_ms":
        print(f"Client {labels.get('client')}: {value:.1f}ms", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.run())
