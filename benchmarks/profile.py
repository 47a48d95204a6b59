"""What `inferential profile` predicts of a model, against robots on real sockets.

    python -m benchmarks profile [--curve NAME ...] [--seconds S]

Models that sleep for L(b), one curve after the other: the command measures and predicts, then a
server serves the model to fleets of about that size, in real time. A fleet fits if each of its
robots is in motion for 99 % of the time. Needs a machine that has nothing else to do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .builds import HERE
from .machine import introduce
from .options import parse, yes
from .processes import ROOT, path_to

CURVES = {  # L(1), L(2), ... in ms, or of the sizes of batch that a model has
    "pi0.5": ("pi0.5 on an L40S", {1: 73, 2: 110, 3: 142, 4: 178, 5: 211}),
    "line": ("20 + 10 b", {size: 20 + 10 * size for size in range(1, 9)}),
    "steps": ("padded to 1, 2, 4 and 8", {1: 25, 2: 40, 4: 70, 8: 130}),
}
BAR = 1  # robots that a prediction is off by at most
_FARTHEST = 4  # fleets beyond the prediction that are tried
_MODEL = """
import time
import numpy as np

TAKES_MS = {takes}

class Policy:
    batch_sizes = sorted(TAKES_MS)
    specification = {{
        "observation": {{"state": {{"dtype": "float32", "shape": [7], "optional": True}}}},
        "horizon": 50,
        "control_rate_hz": 50.0,
    }}

    def infer_batch(self, observations):
        time.sleep(TAKES_MS[len(observations)] / 1000.0)
        return [{{"actions": np.zeros((50, 7), np.float32)}} for _ in observations]
"""


def main(arguments: list[str]) -> int:
    """A line for each curve; 0 if every prediction is within the bar."""
    options = parse(
        "profile",
        __doc__,
        arguments,
        curve=(list(CURVES), None, {"choices": CURVES}),
        seconds=(20.0, "of each fleet"),
    )
    introduce("Robots that fit: predicted by inferential profile, and seen")
    print(f"\n{'model':28}{'predicted':>10}{'seen':>6}  within {BAR} {'late p99 ms':>13}   moving")
    kept = [_compare(name, options.seconds) for name in options.curve]
    return 0 if all(kept) else 1


def _compare(name: str, seconds: float) -> bool:
    title, takes = CURVES[name]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        Path(folder, "sleeping_model.py").write_text(_MODEL.format(takes=takes))
        robots = _profile(folder, max(takes))["robots"]
        address = _serve(folder, stack)
        predicted = robots["fit"]
        found: dict[int, float] = {}
        late_ms: list[float] = []
        seen = _seen(predicted, robots, address, seconds, found, late_ms)
    good = abs(predicted - seen) <= BAR
    shares = "  ".join(f"{count}: {100 * share:.1f} %" for count, share in sorted(found.items()))
    row = f"{title:28}{predicted:10}{seen:6}  {yes(good):9}{max(late_ms):13.1f}"
    print(f"{row}   {shares}", flush=True)
    return good


def _seen(
    predicted: int,
    robots: dict[str, Any],
    address: str,
    seconds: float,
    found: dict[int, float],
    late_ms: list[float],
) -> int:
    """The largest fleet that fits, looked for from the prediction on; notes what it `found`, and
    how late robots did things.
    """

    def fits(count: int) -> bool:
        words = (address, {**robots, "count": count, "seconds": seconds})
        with ExitStack() as stack:
            answer = HERE.program("peers/profiled_fleet.py", *words, stack=stack).hear()
        found[count] = answer["least_moving"]
        late_ms.append(1000 * answer["late_p99_s"])
        return bool(answer["least_moving"] >= answer["bar"])

    step = 1 if fits(predicted) else -1
    count = predicted
    for _ in range(_FARTHEST):
        count += step
        if (fits(count) if count > 0 else True) is (step < 0):
            break
    return count if step < 0 else count - 1


def _environment(folder: str) -> dict[str, str]:
    path = os.pathsep.join([folder, path_to(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "XDG_RUNTIME_DIR": folder}


def _profile(folder: str, most: int) -> dict[str, Any]:
    """What the command says."""
    command = [sys.executable, "-m", "inferential_core.cli", "profile", "sleeping_model:Policy"]
    command += ["--max-batch", str(most), "--calls", "15", "--json"]
    command += ["--shape", "state=float32[7]"]
    run = subprocess.run(
        command, env=_environment(folder), cwd=folder, stdout=subprocess.PIPE, check=True
    )
    told: dict[str, Any] = json.loads(run.stdout)
    return told


def _serve(folder: str, stack: ExitStack) -> str:
    """The address of a server that ends with the stack."""
    command = [sys.executable, "-m", "inferential_core.cli", "serve", "--dispatcher", "local"]
    command += ["--model", "policy=sleeping_model:Policy", "--bind", "tcp://127.0.0.1:0"]
    server = subprocess.Popen(
        [*command, "--http", "off", "--log-level", "warning"],
        env=_environment(folder),
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(server.wait)
    stack.callback(server.terminate)
    assert server.stdout is not None
    return server.stdout.readline().rpartition(" on ")[2].strip()
