"""One observation, one plan: python examples/client.py"""

import numpy as np

from inferential_core import Connection

with Connection(server="tcp://localhost:5555", client_id="arm-1") as connection:
    model = connection.model("policy-v2", latency_budget_ms=30.0)
    model.observe(
        urgency=0.8,
        joints=np.array([0.0, -0.78, 0.0, -2.35, 0.0, 1.57, 0.78], dtype=np.float32),
        prompt="pick up the cup",
    )
    result = model.get_result(timeout_ms=1000)
    if result is None:
        print("no result")
    else:
        print(result["actions"].shape, "from", result["model_id"])
