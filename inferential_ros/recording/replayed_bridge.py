"""A bridge that counts what became of every observation, also of those that were never sent."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from inferential_core import Reply, Status
from inferential_core.errors import text_of
from inferential_ros.bridge.bridge_core import BridgeCore
from inferential_ros.bridge.inputs import Inputs, NotNow
from inferential_ros.bridge.robot_io import RobotIo
from inferential_ros.bridge.server_link import Observation
from inferential_ros.contract.schema import Contract
from inferential_ros.convert.registry import InputError
from inferential_ros.keys import KeyFiles


class CountedInputs(Inputs):
    """Inputs that know how many observations were begun, and how many of them came to nothing."""

    begun = 0
    not_ready = 0  # a sample was missing or too old, as it is when a recording begins

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract)
        self.refused: Counter[str] = Counter()  # by reason: a sample does not fit the contract

    def take(self, now_ns: int) -> Any:
        self.begun += 1
        return super().take(now_ns)

    def assemble(self, samples: Any, now_ns: int) -> Any:
        try:
            return super().assemble(samples, now_ns)
        except NotNow:
            self.not_ready += 1
            raise
        except InputError as error:
            self.refused[str(error)] += 1
            raise
        except AttributeError as error:
            raise self._refusal(
                f"the recorded message has no {error.name!r}: its definition is another one"
            ) from None
        except BaseException as error:  # a converter that met what it does not foresee
            raise self._refusal(f"{type(error).__name__}: {text_of(error)}") from None

    def _refusal(self, problem: str) -> InputError:
        refusal = InputError("observation", problem)
        self.refused[str(refusal)] += 1
        return refusal


class ReplayedBridge(BridgeCore):
    """The bridge of a robot that is a recording."""

    def __init__(
        self,
        contract: Contract,
        server: str,
        client_id: str,
        robot: RobotIo,
        keys: KeyFiles,
        keeps_answers: bool = False,
    ) -> None:
        super().__init__(contract, server, client_id, robot, keys)
        self.statistics.latencies_s = deque()  # all of them
        self.counted = CountedInputs(contract)
        self.inputs = self.counted
        self.unsent = 0  # observations that the link would not take
        # What was answered with a plan, for who takes it from here.
        self.answers: deque[tuple[Observation, Reply]] = deque(maxlen=None if keeps_answers else 0)

    def on_error(self, reason: str) -> None:
        """Also count the observation that was being made, if one was."""
        with self.lock:
            self.unsent += self._under_way > 0
        super().on_error(reason)

    def on_reply(self, observation: Observation, reply: Reply) -> None:
        """Keep it before it counts as one that has come."""
        if reply.status is Status.OK:
            self.answers.append((observation, reply))
        super().on_reply(observation, reply)

    @property
    def idle(self) -> bool:
        """Whether every observation has ended, and none is to be made."""
        with self.lock:
            answered = self.statistics.replies.total() >= self.statistics.observations
            return answered and not self._under_way and not self.observation_due

    @property
    def _under_way(self) -> int:
        """How many observations were begun that are neither sent nor given up."""
        counted = self.counted
        given_up = counted.not_ready + counted.refused.total() + self.unsent
        return counted.begun - self.statistics.observations - given_up
