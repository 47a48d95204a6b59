"""The newest sample of every observation key, when they make an observation, and that one itself.

No rclpy in here: messages and times are handed in. `store` belongs to the ROS thread,
`assemble` to the network thread; the bridge's lock guards what both touch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from inferential_ros.bridge.alignment import Alignment, Sample
from inferential_ros.contract.schema import ASOF, DROP, Contract, ObservationKey, Trigger
from inferential_ros.convert.registry import InputError


class NotNow(InputError):
    """No sample, or one outside its age: nothing is wrong with the contract."""


@dataclass
class Input:
    """One topic key: its newest sample and what is known of it."""

    key: ObservationKey
    message: Any = None
    stamp_ns: int = 0
    fresh: bool = False  # not sent yet
    received: int = 0
    decoded: bool = False  # at least one message was found to fit, or not to
    error: str = ""
    misfit: str = ""  # as error, where the message itself is at fault

    def store(self, message: Any, now_ns: int) -> None:
        self.message = message
        self.stamp_ns = now_ns
        if self.key.stamp == "header":
            stamp = message.header.stamp
            self.stamp_ns = stamp.sec * 10**9 + stamp.nanosec or now_ns  # 0: nobody stamped it
        self.fresh = True
        self.received += 1

    def age_s(self, now_ns: int) -> float:
        return (now_ns - self.stamp_ns) / 1e9

    def value(self, message: Any, stamp_ns: int, now_ns: int) -> Any:
        """The sample as the model gets it; InputError if it is missing, too old, or unfit."""
        if message is None and self.key.text is not None:
            return self.key.text  # until the topic says other
        if message is None:
            raise NotNow(self.key.path, f"no message on {self.key.topic} yet")
        age_s, limit_s = (now_ns - stamp_ns) / 1e9, self.key.max_age_s
        if limit_s is not None and age_s > limit_s:
            raise NotNow(f"{self.key.path}.max_age_s", f"the newest sample is {age_s:.3f} s old")
        if limit_s is not None and age_s < -limit_s:
            raise NotNow(
                f"{self.key.path}.max_age_s", f"the newest sample is stamped {-age_s:.3f} s ahead"
            )
        assert self.key.decode is not None
        return self.key.decode(message)

    def check_distance(self, distance_ns: int) -> None:
        """NotNow if the sample is too far from the reference for `asof`."""
        if self.key.align == ASOF and abs(distance_ns) > self.key.tolerance_s * 1e9:
            raise NotNow(
                f"{self.key.path}.tolerance_s",
                f"the nearest sample is {abs(distance_ns) / 1e9:.3f} s from the reference",
            )


@dataclass
class Inputs:
    """All keys of a contract."""

    contract: Contract
    topics: list[Input] = field(init=False)
    _next_ns: int = 0  # when a rate trigger is due next

    def __post_init__(self) -> None:
        self.topics = [Input(key) for key in self.contract.topics]
        self._texts = {k.name: k.text for k in self.contract.observation if not k.topic}
        self.reference = next(i for i in self.topics if i.key is self.contract.reference)
        on = self.contract.trigger.on or (self.reference.key.name,)
        self._waited_for = [item for item in self.topics if item.key.name in on]
        tolerances_ns = {
            item.key.name: round(item.key.tolerance_s * 1e9)
            for item in self.topics
            if item.key.align == ASOF
        }
        self._alignment = Alignment(tolerances_ns) if tolerances_ns else None

    def store(self, index: int, message: Any, now_ns: int) -> None:
        """A new sample of the topic key with that index."""
        item = self.topics[index]
        item.store(message, now_ns)
        if self._alignment is not None:
            sample = Sample(message, item.stamp_ns, now_ns)
            is_reference = item is self.reference
            self._alignment.add(item.key.name, sample, is_reference=is_reference)

    def set_text(self, name: str, text: str) -> None:
        """Another text for a key that comes from a parameter."""
        self._texts[name] = text

    def due(self, now_ns: int, share_left: float) -> bool:
        """Whether to observe now; share_left is the part of the current chunk not executed yet."""
        if not all(item.fresh for item in self._waited_for):
            return False
        if self._alignment is not None and self._alignment.ready(now_ns) is None:
            return False
        trigger: Trigger = self.contract.trigger
        if trigger.runway is not None:
            return share_left <= trigger.runway
        if trigger.rate_hz is not None:
            return now_ns >= self._next_ns or now_ns < self._next_ns - int(2e9 / trigger.rate_hz)
        return True

    def take(self, now_ns: int) -> list[tuple[Input, Any, int]]:
        """The newest samples with their stamps, to be decoded later; none is fresh any more."""
        samples = self._aligned(now_ns)
        rate_hz = self.contract.trigger.rate_hz
        if rate_hz is not None:
            period_ns = int(1e9 / rate_hz)
            on_time = 0 <= now_ns - self._next_ns < period_ns
            self._next_ns = (self._next_ns if on_time else now_ns) + period_ns
        return samples

    def _aligned(self, now_ns: int) -> list[tuple[Input, Any, int]]:
        found: dict[str, Sample | None] = {}
        reference = self._alignment.ready(now_ns) if self._alignment is not None else None
        if self._alignment is not None and reference is not None:
            found = self._alignment.take(reference)
            found[self.reference.key.name] = reference
        samples = []
        for item in self.topics:
            message, stamp_ns = item.message, item.stamp_ns
            if item.key.name in found:
                sample = found[item.key.name]
                message, stamp_ns = (sample.message, sample.stamp_ns) if sample else (None, 0)
            elif item.key.align == DROP and not item.fresh:
                message = None
            samples.append((item, message, stamp_ns))
            item.fresh = False
        if self._alignment is not None:
            self.reference.fresh = self._alignment.waiting
        return samples

    def forget_fresh(self) -> None:
        """Only samples that arrive from now on make an observation."""
        for item in self.topics:
            item.fresh = False
        if self._alignment is not None:
            self._alignment.forget_reference()

    def assemble(
        self, samples: list[tuple[Input, Any, int]], now_ns: int
    ) -> tuple[dict[str, Any], int]:
        """Values by key, and the stamp of the reference key; InputError names the key at fault."""
        values: dict[str, Any] = dict(self._texts)
        reference_ns = next(stamp for item, _, stamp in samples if item is self.reference)
        failure: InputError | None = None
        for item, message, stamp_ns in samples:
            try:
                if message is not None:
                    item.check_distance(stamp_ns - reference_ns)
                values[item.key.name] = item.value(message, stamp_ns, now_ns)
                item.error = item.misfit = ""
                item.decoded = True
            except NotNow as error:
                item.error = str(error)
                if item.key.align != DROP:
                    failure = failure or error
            except InputError as error:
                item.error = item.misfit = str(error)
                item.decoded = True
                failure = failure or error
        if failure is not None:
            raise failure
        return values, reference_ns
