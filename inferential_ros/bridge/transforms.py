"""Keeps what /tf and /tf_static said, and computes the pose of one frame in another.

The composition and the interpolation are those of tf2 (its design: Foote, "tf: The Transform
Library", TePRA 2013), in plain Python and the same wherever the bridge runs: with tf2_ros or
without, and on recordings. Beyond the newest transform of a frame nothing is extrapolated: that
one holds, as long as it is not too old. No rclpy.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from typing import Any, NamedTuple

import numpy as np

from inferential_ros.contract.schema import Transform
from inferential_ros.geometry import inverse, multiply, rotate, slerp, unit
from inferential_ros.options.errors import suggestion

KEPT_NS = 10 * 10**9  # as tf2 keeps them
MOST = 5000  # of one frame
FOREVER = 2**62
DEEPEST = 1000  # frames between one and its root; more are a circle


class Pose(NamedTuple):
    """Position (3,) in metres and rotation (4,) as a unit quaternion x, y, z, w."""

    position: np.ndarray
    rotation: np.ndarray

    def then(self, inner: Pose) -> Pose:
        """The pose in our parent of what has the pose `inner` in us."""
        return Pose(
            self.position + rotate(self.rotation, inner.position),
            multiply(self.rotation, inner.rotation),
        )

    def inverted(self) -> Pose:
        """The pose of our parent in us."""
        back = inverse(self.rotation)
        return Pose(-rotate(back, self.position), back)


IDENTITY = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))


class NoTransform(Exception):
    """There is no way from one frame to the other, or one on it is too old."""


class Frame:
    """What is known of one frame in its parent; static ones have one pose for all times."""

    def __init__(self, parent: str, static: bool) -> None:
        self.parent = parent
        self.static = static
        self._stamps: deque[int] = deque(maxlen=MOST)
        self._poses: deque[Pose] = deque(maxlen=MOST)

    def add(self, stamp_ns: int, pose: Pose) -> None:
        """Add a pose with its stamp (nanoseconds), in the order of stamps. A stamp far in the past
        means that time began anew, and earlier poses are dropped.
        """
        if self.static or (self._stamps and stamp_ns < self._stamps[-1] - KEPT_NS):
            self._stamps.clear()  # a simulation began anew
            self._poses.clear()
        if self._stamps and stamp_ns <= self._stamps[-1]:
            at = bisect_right(self._stamps, stamp_ns)
            if len(self._stamps) == MOST:
                return
            self._stamps.insert(at, stamp_ns)
            self._poses.insert(at, pose)
            return
        self._stamps.append(stamp_ns)
        self._poses.append(pose)
        while self._stamps[0] < stamp_ns - KEPT_NS:
            self._stamps.popleft()
            self._poses.popleft()

    @property
    def until_ns(self) -> int:
        """The newest stamp."""
        return FOREVER if self.static else self._stamps[-1]

    def at(self, stamp_ns: int) -> tuple[Pose, int]:
        """The pose at a moment, and how long before it the newest known one is, in ns."""
        stamps, poses = self._stamps, self._poses
        if self.static:
            return poses[-1], 0
        after = bisect_right(stamps, stamp_ns)
        if after == len(stamps):
            return poses[-1], stamp_ns - stamps[-1]
        if after == 0:
            return poses[0], stamps[0] - stamp_ns
        share = (stamp_ns - stamps[after - 1]) / (stamps[after] - stamps[after - 1])
        return between(poses[after - 1], poses[after], share), 0


def between(first: Pose, second: Pose, share: float) -> Pose:
    """Positions along the straight line, rotations along the shorter way on the sphere."""
    return Pose(
        first.position + share * (second.position - first.position),
        np.array(slerp(first.rotation.tolist(), second.rotation.tolist(), share)),
    )


class TransformBuffer:
    """All frames of a robot. Written by the thread that receives, read by the one that asks."""

    def __init__(self) -> None:
        self._frames: dict[str, Frame] = {}
        self._lock = threading.Lock()

    def add(self, message: Any, *, static: bool) -> tuple[set[str], int]:
        """The transforms of a TFMessage; the frames that it has, and their newest stamp in ns."""
        told: set[str] = set()
        newest_ns = 0
        with self._lock:
            for item in message.transforms:
                child, parent = _bare(item.child_frame_id), _bare(item.header.frame_id)
                pose = _pose(item.transform)
                if pose is None or child == parent:
                    continue  # as tf2, which says so and goes on
                stamp_ns = item.header.stamp.sec * 10**9 + item.header.stamp.nanosec
                frame = self._frames.get(child)
                if frame is None or frame.parent != parent or frame.static != static:
                    frame = self._frames[child] = Frame(parent, static)
                frame.add(stamp_ns, pose)
                told.add(child)
                newest_ns = max(newest_ns, stamp_ns)
        return told, newest_ns

    def moves(self, frame: str, parent: str, told: set[str]) -> bool:
        """Whether one of these frames lies on the way from one frame to the other."""
        with self._lock:
            up, down, _ = self._way(frame, parent)
        return not told.isdisjoint(up) or not told.isdisjoint(down)

    def pose(self, frame: str, parent: str, at_ns: int, max_age_s: float | None) -> Pose:
        """The pose of `frame` in `parent` at a moment; NoTransform says why there is none."""
        with self._lock:
            up, down, met = self._way(frame, parent)
            if not met:
                raise NoTransform(self._why(frame, parent))
            pose = IDENTITY
            for child in up:
                pose = self._at(child, at_ns, max_age_s).then(pose)
            for child in reversed(down):
                pose = self._at(child, at_ns, max_age_s).inverted().then(pose)
        return Pose(pose.position, unit(pose.rotation))

    def known_until_ns(self, asked: Transform) -> int:
        """Until when a pose is known: the newest stamp of the frame on the way that lags most."""
        with self._lock:
            up, down, met = self._way(asked.frame, asked.parent)
            if not met:
                return 0
            return min((self._frames[child].until_ns for child in (*up, *down)), default=FOREVER)

    def forget(self) -> None:
        """Another clock: what moved is unknown, what is static stays."""
        with self._lock:
            self._frames = {name: f for name, f in self._frames.items() if f.static}

    def _at(self, child: str, at_ns: int, max_age_s: float | None) -> Pose:
        pose, distance_ns = self._frames[child].at(at_ns)
        if max_age_s is not None and distance_ns > max_age_s * 1e9:
            raise NoTransform(
                f"the nearest transform of {child!r} is {distance_ns / 1e9:.3f} s from the"
                " observation"
            )
        return pose

    def _way(self, frame: str, parent: str) -> tuple[list[str], list[str], bool]:
        """Frames from each of the two up to the first that both are below; whether they meet."""
        above_frame, above_parent = self._above(frame), self._above(parent)
        known = set(above_parent)
        meeting = next((name for name in above_frame if name in known), None)
        if meeting is None:
            return above_frame, above_parent, False
        return (
            above_frame[: above_frame.index(meeting)],
            above_parent[: above_parent.index(meeting)],
            True,
        )

    def _above(self, frame: str) -> list[str]:
        """The frame, its parent, and so on to the root."""
        found = [frame]
        while frame in self._frames and len(found) < DEEPEST:
            frame = self._frames[frame].parent
            found.append(frame)
        return found

    def _why(self, frame: str, parent: str) -> str:
        known = set(self._frames) | {item.parent for item in self._frames.values()}
        for name in (frame, parent):
            if name not in known:
                return f"no transform names the frame {name!r}; {suggestion(name, known)}"
        return f"{frame!r} and {parent!r} are in two trees that nothing connects"


def _bare(frame: str) -> str:
    """tf2 knows no leading slash; some publishers still write it."""
    return frame.removeprefix("/")


def _pose(transform: Any) -> Pose | None:
    """None where the numbers are no pose."""
    t, r = transform.translation, transform.rotation
    position, rotation = np.array([t.x, t.y, t.z]), np.array([r.x, r.y, r.z, r.w])
    length = float(np.sqrt(rotation @ rotation))
    if not (np.isfinite(position).all() and 0.5 <= length < np.inf):
        return None
    return Pose(position, rotation / length)
