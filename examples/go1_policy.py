"""A walking policy in ONNX that answers a whole herd in one call.

    GO1_POLICY=go1_policy.onnx inferential serve --model go1=go1_policy:Go1Policy

The policy is the Go1 joystick policy of MuJoCo Playground (sim2sim/onnx/go1_policy.onnx): a
network from 48 numbers to 12, made for one robot a call. Needs onnx and onnxruntime.
examples/go1_herd.py lets robots walk by it.
"""

import os

import numpy as np

from inferential_core import stacked

try:
    import onnx
    import onnxruntime
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install onnx onnxruntime") from None

ACTION_SCALE = 0.5  # radians for an action of 1
HOME = np.array([0.1, 0.9, -1.8, -0.1, 0.9, -1.8] * 2, np.float32)  # joint angles, radians
LEGS = ("FR", "FL", "RR", "RL")
JOINTS = [f"{leg}_{joint}" for leg in LEGS for joint in ("hip", "thigh", "calf")]


def with_any_batch(path):
    """The model file's bytes, its inputs and outputs of any size in the first dimension."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]  # sizes inside, inferred for the batch of one
    onnx.checker.check_model(model)
    return model.SerializeToString()


class Go1Policy:
    """Joint targets for the next 20 ms, in radians."""

    version = "playground"
    specification = {
        "observation": {
            "linear_velocity": {"dtype": "float32", "shape": [3], "description": "m/s, trunk"},
            "angular_velocity": {"dtype": "float32", "shape": [3], "description": "rad/s, trunk"},
            "gravity": {"dtype": "float32", "shape": [3], "description": "unit vector, trunk"},
            "joint_positions": {"dtype": "float32", "shape": [12], "description": "rad"},
            "joint_velocities": {"dtype": "float32", "shape": [12], "description": "rad/s"},
            "last_targets": {"dtype": "float32", "shape": [12], "description": "rad"},
            "command": {"dtype": "float32", "shape": [3], "description": "x, y in m/s, yaw rad/s"},
        },
        "other_keys": "reject",
        "action_names": JOINTS,
        "horizon": 1,
        "control_rate_hz": 50.0,
    }

    def __init__(self, path=None):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a small network: more threads only get in the way
        self.session = onnxruntime.InferenceSession(
            with_any_batch(path or os.environ.get("GO1_POLICY", "go1_policy.onnx")), options
        )

    @stacked
    def infer_batch(self, batch):
        """Of B robots: by key (B, n) -> {"actions": (B, 1, 12)}."""
        observation = np.concatenate(
            [
                batch["linear_velocity"],
                batch["angular_velocity"],
                batch["gravity"],
                batch["joint_positions"] - HOME,
                batch["joint_velocities"],
                (batch["last_targets"] - HOME) / ACTION_SCALE,
                batch["command"],
            ],
            axis=1,
        )
        (actions,) = self.session.run(None, {"obs": observation})
        return {"actions": (HOME + ACTION_SCALE * actions)[:, None]}
