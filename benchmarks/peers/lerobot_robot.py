"""A robot of LeRobot's async inference, without LeRobot: its messages, and its calls.

Its messages are pickled by Python itself. A pickle only names its classes, and these stand in
for them under the names of their modules. The real robot's program is in test/lerobot.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inferential_core.doors.lerobot import lerobot_async_pb2 as pb

PATIENCE_S = 30.0
SERVICE = "transport.AsyncInference"
HELPERS = "lerobot.async_inference.helpers"


@dataclass
class RemotePolicyConfig:
    """As in LeRobot 0.6.1."""

    policy_type: str
    pretrained_name_or_path: str
    lerobot_features: dict[str, Any]
    actions_per_chunk: int
    device: str = "cpu"
    rename_map: dict[str, str] = field(default_factory=dict)


@dataclass
class TimedObservation:
    """As in LeRobot 0.6.1."""

    timestamp: float
    timestep: int
    observation: dict[str, Any]
    must_go: bool = False


@dataclass
class TimedAction:
    """As in LeRobot 0.6.1, with whatever `torch.tensor` is here as its action."""

    timestamp: float
    timestep: int
    action: Any


FEATURES = {
    "observation.state": {
        "dtype": "float32",
        "shape": (2,),
        "names": ["shoulder.pos", "gripper.pos"],
    },
    "observation.images.front": {
        "dtype": "image",
        "shape": (4, 6, 3),
        "names": ["height", "width", "channels"],
        "info": {"is_depth_map": False},
    },
}


@contextlib.contextmanager
def modules(helpers: str = HELPERS) -> Iterator[None]:
    """While pickle looks for LeRobot and torch, it finds the stand-ins."""
    with _modules:
        yield from _stand_ins(helpers)


_modules = threading.Lock()  # sys.modules is everybody's


def _stand_ins(helpers: str) -> Iterator[None]:
    made = {name: types.ModuleType(name) for name in (*_parents(helpers), "torch")}
    module = made[helpers]
    before = {name: sys.modules.get(name) for name in made}
    for cls in (RemotePolicyConfig, TimedObservation, TimedAction):
        cls.__module__ = helpers
        setattr(module, cls.__name__, cls)
    made["torch"].tensor = lambda numbers: np.array(numbers, np.float32)
    sys.modules.update(made)
    try:
        yield
    finally:
        for name, found in before.items():
            sys.modules.pop(name)
            if found is not None:
                sys.modules[name] = found


def _parents(module: str) -> list[str]:
    names = module.split(".")
    return [".".join(names[:length]) for length in range(1, len(names) + 1)]


def dumps(value: Any, protocol: int = 4, helpers: str = HELPERS) -> bytes:
    """As the robot's pickle writes it."""
    with modules(helpers):
        return pickle.dumps(value, protocol)


def loads(data: bytes, helpers: str = HELPERS) -> Any:
    """As the robot reads an answer."""
    with modules(helpers):
        return pickle.loads(data)


def setup(
    model: str = "policy",
    features: Any = FEATURES,
    chunk: int = 10,
    *,
    protocol: int = 4,
    helpers: str = HELPERS,
    **more: Any,
) -> bytes:
    """The message with which a robot begins."""
    return dumps(RemotePolicyConfig("act", model, features, chunk, **more), protocol, helpers)


def raw_observation(**values: Any) -> dict[str, Any]:
    """What the robot's `get_observation` gives, and the task."""
    image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    plain = {"shoulder.pos": 1.5, "gripper.pos": np.float32(0.25), "front": image, "task": "pick"}
    return {**plain, **values}


def observation(
    step: int = 0,
    at: float = 100.0,
    must_go: bool = False,
    *,
    protocol: int = 4,
    helpers: str = HELPERS,
    **values: Any,
) -> bytes:
    """The message that is sent at one step."""
    message = TimedObservation(at, step, raw_observation(**values), must_go)
    return dumps(message, protocol, helpers)


class Robot:
    """Makes the calls of a robot; grpc.RpcError where the server ends one with an error."""

    def __init__(
        self,
        address: str,
        part_bytes: int = 2 * 1024 * 1024,
        shared: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        import grpc

        # gRPC would have one connection for all channels of a process, and robots are many.
        own = {} if shared else {"grpc.use_local_subchannel_pool": 1}
        self._channel = grpc.insecure_channel(address, options=[*own.items()])
        self._part_bytes = part_bytes
        self._patience_s = patience_s
        service = f"/{SERVICE}"
        self._ready = self._channel.unary_unary(f"{service}/Ready")
        self._instruct = self._channel.unary_unary(f"{service}/SendPolicyInstructions")
        self._send = self._channel.stream_unary(f"{service}/SendObservations")
        self._get = self._channel.unary_unary(f"{service}/GetActions")

    def begin(self, message: bytes) -> None:
        """Say that it is there, and what it wants (see `setup`)."""
        self._ready(b"", timeout=self._patience_s)
        self.instruct(message)

    def instruct(self, message: bytes) -> None:
        """Say what it wants."""
        self._instruct(pb.PolicySetup(data=message).SerializeToString(), timeout=self._patience_s)

    def send(self, message: bytes) -> None:
        """An observation (see `observation`), in parts."""
        self.send_parts(parts(message, self._part_bytes))

    def send_parts(self, made: Iterable[bytes]) -> None:
        """An observation in parts that the caller made."""
        self._send(iter(made), timeout=self._patience_s)

    def get(self) -> list[Any]:
        """The actions of one answer; none where the server had none in two seconds."""
        data = pb.Actions.FromString(self._get(b"", timeout=self._patience_s)).data
        return loads(data) if data else []

    def close(self) -> None:
        self._channel.close()


def parts(message: bytes, part_bytes: int) -> list[bytes]:
    """As LeRobot cuts a message: what fits into one part is an end without a beginning."""
    starts = range(0, len(message), part_bytes)
    made = []
    for start in starts:
        state = pb.TRANSFER_MIDDLE if start else pb.TRANSFER_BEGIN
        state = pb.TRANSFER_END if start == starts[-1] else state
        part = pb.Part(transfer_state=state, data=message[start : start + part_bytes])
        made.append(part.SerializeToString())
    return made
