"""A transformer policy in PyTorch: two cameras and the state in, a chunk of actions out.

    inferential serve --model policy=torch_policy:Policy
    python examples/torch_policy.py            # how long a batch of 1 to 16 takes here

Each camera image becomes patches, the state a token, the chunk 50 learned queries; a transformer
lets them look at each other, and what becomes of the queries are the actions. Its weights are
random (from a fixed seed): size and speed are those of a real policy, its actions are not. On a
GPU it computes in bfloat16.

The way of an image to the GPU: the server decodes it while its observation waits, in the size that
the specification asks for; `Staging` copies it once, into its place in a batch in page-locked
memory; from there the GPU fetches the batch by itself, without a copy by the driver. (This way was
written without a GPU at hand: on one, its speed has not been measured.)
"""

import argparse
import statistics
import threading
import time

import numpy as np

try:
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install torch") from None

IMAGE = 224  # pixels a side
STATE = 14  # two arms of seven joints
HORIZON = 50
CAMERA = {  # compressed images of any size are decoded to this one
    "dtype": "uint8",
    "shape": [IMAGE, IMAGE, 3],
    "resize": [IMAGE, IMAGE],
    "filter": "bilinear",
}


class Transformer(nn.Module):
    """(B, 2, H, W, 3) uint8 and (B, 14) -> (B, 50, 14)."""

    def __init__(self, width=384, depth=8, heads=6, patch=16):
        super().__init__()
        patches = 2 * (IMAGE // patch) ** 2
        self.see = nn.Conv2d(3, width, patch, stride=patch)
        self.feel = nn.Linear(STATE, width)
        self.queries = nn.Parameter(torch.randn(HORIZON, width) * 0.02)
        self.places = nn.Parameter(torch.randn(patches + 1 + HORIZON, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True
        )
        self.think = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.act = nn.Linear(width, STATE)

    def forward(self, images, state):
        count = len(state)
        pixels = images.flatten(0, 1).permute(0, 3, 1, 2).to(self.see.weight.dtype) / 127.5 - 1.0
        seen = (
            self.see(pixels).flatten(2).transpose(1, 2).reshape(count, -1, self.feel.out_features)
        )
        felt = self.feel(state.to(self.feel.weight.dtype))[:, None]
        tokens = torch.cat([seen, felt, self.queries.expand(count, -1, -1)], dim=1)
        return self.act(self.think(tokens + self.places)[:, -HORIZON:]).float()


class Staging(threading.local):
    """Where each thread puts its batch together for the device: page-locked, if that is a GPU."""

    def __init__(self, device):
        self.device = device
        self.make_room(16)

    def make_room(self, most):
        locked = self.device.type == "cuda"
        self.images = torch.empty((most, 2, IMAGE, IMAGE, 3), dtype=torch.uint8, pin_memory=locked)
        self.state = torch.empty((most, STATE), pin_memory=locked)

    def on_device(self, observations):
        """(B, 2, H, W, 3) and (B, 14) on the device, until the next batch is put together."""
        count = len(observations)
        if count > len(self.images):
            self.make_room(2 * count)
        images, state = self.images.numpy(), self.state.numpy()  # views of the same memory
        for index, observation in enumerate(observations):
            images[index, 0] = observation["left_camera"]
            images[index, 1] = observation["right_camera"]
            state[index] = observation["state"]
        return (
            self.images[:count].to(self.device, non_blocking=True),
            self.state[:count].to(self.device, non_blocking=True),
        )


class Policy:
    """The network behind `infer_batch`, on the GPU where there is one."""

    version = "example-random-weights"
    specification = {
        "observation": {
            "left_camera": CAMERA,
            "right_camera": CAMERA,
            "state": {"dtype": "float32", "shape": [STATE], "description": "joint angles, rad"},
        },
        "action_names": [f"{side}_{joint}" for side in ("left", "right") for joint in range(7)],
        "horizon": HORIZON,
        "control_rate_hz": 50.0,
    }

    def __init__(self):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(0)
        network = Transformer().eval()
        kind = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.network = network.to(self.device, kind)
        self.staging = Staging(self.device)

    def warm_up(self):
        """Every batch size once: the first call of each chooses its kernels."""
        for count in range(1, 17) if self.device.type == "cuda" else (1,):
            self.infer_batch([example()] * count)

    def infer_batch(self, observations):
        """For each observation {"actions": (50, 14) float32}: joint angles, rad."""
        with torch.inference_mode():
            actions = self.network(*self.staging.on_device(observations)).cpu().numpy()
        return [{"actions": chunk} for chunk in actions]

    def device_name(self):
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"CPU, {torch.get_num_threads()} threads"


def example():
    """An observation of the right shapes."""
    camera = np.zeros((IMAGE, IMAGE, 3), np.uint8)
    return {
        "left_camera": camera,
        "right_camera": camera,
        "state": np.zeros(STATE, np.float32),
    }


def latencies(policy, sizes, calls):
    """Median seconds of a call by batch size."""
    found = {}
    for size in sizes:
        batch = [example() for _ in range(size)]
        policy.infer_batch(batch)
        times = []
        for _ in range(calls):
            begun = time.perf_counter()
            policy.infer_batch(batch)
            times.append(time.perf_counter() - begun)
        found[size] = statistics.median(times)
    return found


def main():
    parser = argparse.ArgumentParser(description="L(b) of the example policy on this machine")
    parser.add_argument("--largest", type=int, default=16, help="largest batch")
    parser.add_argument("--calls", type=int, default=10, help="calls of each size")
    options = parser.parse_args()
    policy = Policy()
    parameters = sum(each.numel() for each in policy.network.parameters())
    print(
        f"{policy.device_name()}; torch {torch.__version__}; {parameters / 1e6:.1f} M parameters"
    )
    policy.warm_up()
    found = latencies(policy, range(1, options.largest + 1), options.calls)
    print(f"{'b':>3} {'L(b) ms':>9} {'per robot ms':>13}")
    for size, seconds in found.items():
        print(f"{size:>3} {1000 * seconds:>9.2f} {1000 * seconds / size:>13.2f}")
    if len(found) > 1:
        slope, fixed = np.polyfit(list(found), list(found.values()), 1)
        print(f"L(b) = {1000 * fixed:.2f} + {1000 * slope:.2f} b ms")


if __name__ == "__main__":
    main()
