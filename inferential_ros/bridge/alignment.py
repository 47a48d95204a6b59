"""Finds the samples that belong together: those nearest to a sample of the reference key.

No rclpy. Used where a key says `align: asof`. The samples of a moment arrive one after the
other, so the nearest is only known once one came that is not older than the reference; a sample
of the reference waits for that, but never longer than the tolerance.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

HORIZON_NS = 10**9  # kept at most, by stamp
MOST = 2000  # ... and by number, for stamps that stand still


class Sample(NamedTuple):
    """One message with its stamp, and when it came."""

    message: Any
    stamp_ns: int
    received_ns: int


@dataclass
class History:
    """The newest samples of a key, in the order in which they came."""

    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=MOST))

    def add(self, sample: Sample) -> None:
        """Add the newest sample, and drop those that lie further back than the horizon."""
        self.samples.append(sample)
        self.forget_before(sample.stamp_ns - HORIZON_NS)

    def nearest(self, stamp_ns: int) -> Sample | None:
        """The sample whose stamp is nearest (nanoseconds), or None if there is none."""
        return min(self.samples, key=lambda s: abs(s.stamp_ns - stamp_ns), default=None)

    def reaches(self, stamp_ns: int) -> bool:
        """Whether no nearer sample than the known ones is to be expected."""
        return bool(self.samples) and self.samples[-1].stamp_ns >= stamp_ns

    def forget_before(self, stamp_ns: int) -> None:
        """Drop the samples from before a stamp (nanoseconds)."""
        while self.samples and self.samples[0].stamp_ns < stamp_ns:
            self.samples.popleft()

    def forget_until(self, sample: Sample) -> None:
        """Those that came before this one, and itself."""
        while self.samples and self.samples.popleft() is not sample:
            pass


class Alignment:
    """The reference's samples that were not sent yet, and the histories of the aligned keys."""

    def __init__(self, tolerances_ns: dict[str, int]) -> None:
        self._tolerances_ns = tolerances_ns
        self._patience_ns = max(tolerances_ns.values())
        self._reference = History()
        self._others = {name: History() for name in tolerances_ns}

    def add(self, name: str, sample: Sample, *, is_reference: bool) -> None:
        """Take in a sample of the reference, or of another input that is to be aligned."""
        if is_reference:
            self._reference.add(sample)
        elif name in self._others:
            self._others[name].add(sample)

    def ready(self, now_ns: int) -> Sample | None:
        """The newest sample of the reference whose neighbours are known, or waited for enough."""
        for sample in reversed(self._reference.samples):
            waited_ns = now_ns - sample.received_ns
            known = all(other.reaches(sample.stamp_ns) for other in self._others.values())
            if known or waited_ns >= self._patience_ns:
                return sample
        return None

    def take(self, reference: Sample) -> dict[str, Sample | None]:
        """The nearest sample of every aligned key. Never goes back to what was before it."""
        self._reference.forget_until(reference)
        found = {}
        for name, history in self._others.items():
            found[name] = history.nearest(reference.stamp_ns)
            history.forget_before(reference.stamp_ns - self._tolerances_ns[name])
        return found

    @property
    def waiting(self) -> bool:
        """Whether the reference has samples that were not sent."""
        return bool(self._reference.samples)

    def forget_reference(self) -> None:
        """Drop the samples of the reference alone."""
        self._reference.samples.clear()

    def forget(self) -> None:
        """Drop every sample."""
        self.forget_reference()
        for history in self._others.values():
            history.samples.clear()
