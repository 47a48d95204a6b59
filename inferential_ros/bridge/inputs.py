"""The newest sample of every observation key, when they make an observation, and that one itself.

No rclpy in here: messages and times are handed in. `store` belongs to the ROS thread,
`assemble` to the network thread; the bridge's lock guards what both touch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inferential_ros.bridge.alignment import Alignment, Sample
from inferential_ros.bridge.history import Samples, Stack
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
from inferential_ros.convert.collecting import Collected, collector_of
from inferential_ros.convert.registry import InputError
from inferential_ros.convert.video import Picture

OTHER_CLOCK_S = 1e8  # three years: stamps of a simulation beside those of a wall clock
SIMULATED = ": it is stamped in simulated time; set use_sim_time, and let /clock be published"
NO_CLOCK = ": the bridge has use_sim_time, but nothing comes on /clock"


class NotNow(InputError):
    """No sample, or one outside its age: nothing is wrong with the contract."""


@dataclass
class Input:
    """One topic key: its newest sample and what is known of it.

    Of a key that finds its elements by name, `message` may be a `Collected` of several messages;
    `partial` is what came as long as it is not all that the key needs.
    """

    key: ObservationKey
    message: Any = None
    stamp_ns: int = 0
    fresh: bool = False  # not sent yet
    received: int = 0
    decoded: bool = False  # at least one message was found to fit, or not to
    error: str = ""
    misfit: str = ""  # as error, where the message itself is at fault
    partial: Any = None
    samples: Samples | None = field(init=False)
    _collector: Any = field(init=False)  # a `Collector`, a `VideoStream` or None

    def __post_init__(self) -> None:
        self.samples = Samples(self.key.history) if self.key.history is not None else None
        self._collector = collector_of(self.key.decode)

    def store(self, message: Any, now_ns: int) -> bool:
        """Whether a sample came of it: a message may be of other joints than the key's."""
        stamp_ns = now_ns
        if self.key.stamp == "header":
            stamp = message.header.stamp
            stamp_ns = stamp.sec * 10**9 + stamp.nanosec or now_ns  # 0: nobody stamped it
        self.received += 1
        if self._collector is not None:
            sample = self._collector.add(message, stamp_ns)
            if sample is None or (type(sample) is Collected and sample.missing):
                if self.message is None and (sample is not None or self.partial is None):
                    self.partial = message if sample is None else sample
                return False
            message, self.partial = sample, None
            if type(sample) is Picture:
                stamp_ns = sample.stamp_ns
        self.message = message
        self.stamp_ns = stamp_ns
        self.fresh = True
        if self.samples is not None:
            self.samples.add(message, stamp_ns)
        return True

    def forget(self) -> None:
        """A new episode: what was said of single joints, and past samples, are of the last one."""
        if self._collector is not None:
            self._collector.forget()
        if self.samples is not None:
            self.samples.forget()

    def report(self) -> dict[str, str]:
        """What is known of it besides."""
        report = getattr(self._collector, "report", None)
        return {} if report is None else dict(report())

    def age_s(self, now_ns: int) -> float:
        return (now_ns - self.stamp_ns) / 1e9

    def value(self, message: Any, stamp_ns: int, now_ns: int) -> Any:
        """The sample as the model gets it; InputError if it is missing, too old, or unfit."""
        if message is None and self.key.text is not None:
            return self.key.text  # until the topic says other
        if message is None:
            raise NotNow(self.key.path, self._absence())
        newest = message.samples[-1].message if type(message) is Stack else message
        what = "the newest sample"
        if type(newest) is Collected:
            oldest = newest.oldest()
            stamp_ns = oldest.stamp_ns
            names = [self.key.decode.elements[e] for e in sorted(oldest.elements)]  # type: ignore[union-attr]
            what = f"the newest value of {', '.join(names)}"
        age_s, limit_s = (now_ns - stamp_ns) / 1e9, self.key.max_age_s
        if limit_s is not None and age_s > limit_s:
            other = SIMULATED if age_s > OTHER_CLOCK_S else ""
            raise NotNow(f"{self.key.path}.max_age_s", f"{what} is {age_s:.3f} s old{other}")
        if limit_s is not None and age_s < -limit_s:
            other = NO_CLOCK if age_s < -OTHER_CLOCK_S else ""
            raise NotNow(
                f"{self.key.path}.max_age_s", f"{what} is stamped {-age_s:.3f} s ahead{other}"
            )
        assert self.key.decode is not None
        if type(message) is Stack:
            return message.value(self.key.decode, self.key.path)
        return self.key.decode(message)

    def _absence(self) -> str:
        if self.partial is None:
            return f"no message on {self.key.topic} yet"
        try:
            assert self.key.decode is not None
            self.key.decode(self.partial)
        except InputError as error:
            return str(error).removeprefix(f"{self.key.path}: ")
        return "its elements are not there yet"

    def check_distance(self, message: Any, stamp_ns: int, reference_ns: int) -> None:
        """NotNow if a value of an `asof` key's sample is too far from the reference."""
        newest = message.samples[-1].message if type(message) is Stack else message
        parts = newest.parts if type(newest) is Collected else ()
        stamps_ns = [part.stamp_ns for part in parts] or [stamp_ns]
        distance_ns = max((stamp - reference_ns for stamp in stamps_ns), key=abs)
        if abs(distance_ns) > self.key.tolerance_s * 1e9:
            name = self.key.name.partition("[")[0]
            late = (
                f"; it is late: reference: {name}, with align: asof for the others, waits for it"
            )
            raise NotNow(
                f"{self.key.path}.tolerance_s",
                f"the nearest sample is {abs(distance_ns) / 1e9:.3f} s from the reference"
                + (late if distance_ns < 0 and not parts else ""),
            )


class TreeInput(Input):
    """/tf or /tf_static: its messages go into the tree of frames, which all keys share."""

    def __init__(
        self, key: ObservationKey, tree: TransformBuffer, wanted: list[Transform]
    ) -> None:
        super().__init__(key)
        self._tree = tree
        self._wanted = wanted

    def store(self, message: Any, now_ns: int) -> bool:
        """Whether a frame moved that a key asks for."""
        told, newest_ns = self._tree.add(message, static=self.key.quiet)
        self.received += 1
        if not any(self._tree.moves(w.frame, w.parent, told) for w in self._wanted):
            return False
        self.message, self.stamp_ns, self.fresh = message, newest_ns or now_ns, True
        return True

    def value(self, message: Any, stamp_ns: int, now_ns: int) -> Any:
        return None  # the tree is asked for the moment of the observation


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
