"""A replica needs nothing of this package installed: what it runs is sent to it by value."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is the [server] extra")

SEND = """
import sys
from inferential_core.dispatch.ray_serve import hosted, replica, shipped
shipped.pickle_by_value()
from ray import cloudpickle
with open(sys.argv[1], "wb") as file:
    cloudpickle.dump((replica.Serving, replica.attach, hosted.Hosted), file)
"""

RECEIVE = """
import asyncio, io, math, sys
import numpy as np
from importlib.util import find_spec
from PIL import Image
from ray import cloudpickle

assert find_spec("inferential_core") is None
with open(sys.argv[1], "rb") as file:
    Serving, attach, Hosted = cloudpickle.load(file)

class Policy:
    stateful = True
    def infer(self, obs, context):
        self.context = context
        if "bad" in obs:
            raise ValueError("no such joint")
        return {"mean": obs["camera"].mean(), "client": context.client_id}

def ask(model, observation):
    image = io.BytesIO()
    Image.fromarray(np.full((4, 6, 3), 200, np.uint8)).save(image, "png")
    camera = ("png", np.frombuffer(image.getvalue(), np.uint8), (4, 6, 3))
    sent = observation, {"camera": camera}, ("arm", 3, 5, True, math.inf)
    answer = asyncio.run(Serving(model, "replica-1", 4).method()([sent]))
    return answer[3][0]

policy = Policy()
answer = ask(policy, {})
assert (float(answer["mean"]), answer["client"]) == (200.0, "arm"), answer
kind, text, trace = ask(policy, {"bad": "yes"})
assert (kind, text.startswith("no such joint (<string>:")) == ("ValueError", True), text
sent = type(policy.context)
assert sent.__name__ == "InferenceContext" and policy.context.epoch == 3
assert not any(name.split(".")[0] == "inferential_core" for name in sys.modules)

hosted = Hosted.__new__(Hosted)
asyncio.run(hosted.__init__("policy_of_test:Policy", [sys.argv[2]]))
assert ask(hosted, {})["actions"].tolist() == [1.0]

sys.path.insert(0, sys.argv[3])  # the package in another version
assert "client" in ask(policy, {}) and type(policy.context) is sent
for name in [name for name in sys.modules if name.startswith("inferential_core")]:
    del sys.modules[name]
sys.path[:1] = sys.argv[4:]  # and in this one
from inferential_core import InferenceContext
assert "client" in ask(policy, {}) and type(policy.context) is InferenceContext
"""

ANOTHER_VERSION = """
from typing import NamedTuple

class InferenceContext(NamedTuple):
    client_id: str
"""

POLICY = """
class Policy:
    async def warm_up(self):
        self.gain = 1.0

    def infer(self, obs):
        return [self.gain]
"""


def run(code: str, *arguments: object, isolated: bool) -> None:
    command = [sys.executable, *(["-I"] if isolated else []), "-c", code, *map(str, arguments)]
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_replica_serves_without_this_package_and_beside_another_version_of_it(
    tmp_path: Path,
) -> None:
    package = tmp_path / "other" / "inferential_core" / "models"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "context.py").write_text(ANOTHER_VERSION)
    (here,) = {str(Path(str(find_spec("inferential_core").origin)).parents[1])}
    run(SEND, tmp_path / "sent", isolated=False)
    (tmp_path / "policy_of_test.py").write_text(POLICY)
    run(RECEIVE, tmp_path / "sent", tmp_path, tmp_path / "other", here, isolated=True)
