"""One topic of an observation: its newest sample, and that as the model gets it.

No rclpy in here: messages and times are handed in. `store` belongs to the ROS thread, `value` to
the network thread; the bridge's lock guards what both touch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from inferential_ros.bridge.history import Samples, Stack
from inferential_ros.bridge.transforms import TransformBuffer
from inferential_ros.contract.schema import ObservationKey, Transform
from inferential_ros.convert.collecting import Collected, collector_of, is_sample
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
    `partial` is what came since, or before the first, as long as it is not all that the key needs.
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
            if not is_sample(sample):
                if sample is not None or self.partial is None:
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
        """How old the newest sample is."""
        return (now_ns - self.stamp_ns) / 1e9

    def lacks_sample(self, now_ns: int, calm_s: float) -> bool:
        """Whether messages come, but none made a sample yet, or none did for too long."""
        limit_s = self.key.max_age_s
        if self.message is None or self.partial is None or limit_s is None:
            return self.message is None
        return self.age_s(now_ns) > max(limit_s, calm_s)

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
            why = SIMULATED if age_s > OTHER_CLOCK_S else ""
            if self.partial is not None:
                why = f"; what came since does not fit: {self._absence()}"
            raise NotNow(f"{self.key.path}.max_age_s", f"{what} is {age_s:.3f} s old{why}")
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
