"""The samples of all observation keys: when they make an observation, and that one itself.

No rclpy in here: messages and times are handed in. `store` belongs to the ROS thread,
`assemble` to the network thread; the bridge's lock guards what both touch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inferential_ros.bridge.alignment import Alignment, Sample
from inferential_ros.bridge.input import Input, NotNow, TreeInput
from inferential_ros.bridge.transforms import NoTransform, TransformBuffer
from inferential_ros.contract.key_sources import TREE
from inferential_ros.contract.schema import (
    ASOF,
    DROP,
    Contract,
    ObservationKey,
    Transform,
    Trigger,
)
from inferential_ros.convert.registry import InputError

__all__ = ["Input", "Inputs", "NotNow"]


@dataclass
class Inputs:
    """All keys of a contract."""

    contract: Contract
    topics: list[Input] = field(init=False)
    _next_ns: int = 0  # when a rate trigger is due next

    def __post_init__(self) -> None:
        keys = self.contract.observation
        wanted = [key.transform for key in keys if key.transform is not None]
        self._tree = TransformBuffer()
        self.topics = [
            TreeInput(key, self._tree, wanted) if key.align == TREE else Input(key)
            for key in self.contract.topics
        ]
        self._texts = {key.name: key.text for key in keys if not key.sources}
        self._made = [key for key in keys if key.parts]
        reference = self.contract.reference.name
        self.reference = next(item for item in self.topics if item.key.name == reference)
        on = [key for key in keys if key.name in self.contract.trigger.on]
        waited_for = {s.name for key in on for s in key.sources if not s.quiet} or {reference}
        self._waited_for = [item for item in self.topics if item.key.name in waited_for]
        self._poses_asof = [key for key in keys if key.transform and key.align == ASOF]
        aligned = [item.key for item in self.topics if item.key.align == ASOF]
        tolerances_ns = {
            key.name: round(key.tolerance_s * 1e9) for key in (*aligned, *self._poses_asof)
        }
        self._alignment = Alignment(tolerances_ns) if tolerances_ns else None

    def store(self, index: int, message: Any, now_ns: int) -> None:
        """A new sample of the topic key with that index."""
        item = self.topics[index]
        if item.store(message, now_ns) and self._alignment is not None:
            sample = Sample(item.message, item.stamp_ns, now_ns)
            is_reference = item is self.reference
            self._alignment.add(item.key.name, sample, is_reference=is_reference)
            for key in self._poses_asof if item.key.align == TREE else ():
                until_ns = self._tree.known_until_ns(key.transform)
                self._alignment.add(key.name, Sample(None, until_ns, now_ns), is_reference=False)

    def new_episode(self, *, clock_went_back: bool = False) -> None:
        """What is stacked or collected begins anew, and after another clock also what moves."""
        for item in self.topics:
            item.forget()
        if clock_went_back:
            self._tree.forget()
            if self._alignment is not None:
                self._alignment.forget()

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
        rate_hz = self.contract.trigger.rate_hz
        if rate_hz is not None:
            period_ns = int(1e9 / rate_hz)
            on_time = 0 <= now_ns - self._next_ns < period_ns
            self._next_ns = (self._next_ns if on_time else now_ns) + period_ns
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
            if item.samples is not None and message is not None:
                message = item.samples.before(message, stamp_ns)
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
        found: dict[str, Any] = {}
        reference_ns = next(stamp for item, _, stamp in samples if item is self.reference)
        failure: InputError | None = None
        for item, message, stamp_ns in samples:
            try:
                if message is not None and item.key.align == ASOF:
                    item.check_distance(message, stamp_ns, reference_ns)
                found[item.key.name] = item.value(message, stamp_ns, now_ns)
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
        values: dict[str, Any] = dict(self._texts)
        if not self._made:
            return values | found, reference_ns
        for key in self.contract.observation:
            if key.transform is not None:
                values[key.name] = self._pose(key, key.transform, reference_ns)
            elif key.parts:
                assert key.join is not None
                values[key.name] = key.join([found[part.name] for part in key.parts])
            elif key.name in found:
                values[key.name] = found[key.name]
        return values, reference_ns

    def _pose(self, key: ObservationKey, asked: Transform, reference_ns: int) -> Any:
        """The pose of a frame at the observation's time, and before it where that is asked for."""
        assert key.join is not None
        history = key.history
        ages_ns = (
            [k * history.every_ns for k in range(history.steps - 1, -1, -1)] if history else [0]
        )
        item = next(i for i in self.topics if i.key.name == key.parts[0].name)
        try:
            poses = [
                self._tree.pose(asked.frame, asked.parent, reference_ns - age_ns, asked.max_age_s)
                for age_ns in ages_ns
            ]
        except NoTransform as error:
            item.error = f"{key.path}.tf: {error}"
            raise NotNow(f"{key.path}.tf", str(error)) from None
        stacked = [key.join(pose) for pose in poses]
        return np.stack(stacked) if history else stacked[0]
