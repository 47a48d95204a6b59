"""Decodes the images of observations that wait, so that models need not wait for it.

A few threads take the images of the observation that is due first, decode them, and put the pixels
in their place in the observation. An observation that is given up meanwhile is left alone; one
whose images are not all decoded is not ready, and a model that is free takes one that is. Where
there is no memory left for more pixels, observations are ready as they are, and their images are
decoded where the model is called. So is an image that cannot be decoded, to tell why.
"""

from __future__ import annotations

import heapq
import itertools
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..request import InferenceRequest
from ..wire.images import EncodedImage, decode
from .memory import PixelMemory

_MOST_THREADS = 8
_NEWEST = 0.1  # weight of the newest image in the average time that one takes
_STALE = 64  # entries of the order whose observation is gone, beside as many as are not


class NoDecoding:
    """Images are decoded where the model is called."""

    active = False
    full = False  # whether there is no memory for the image that is next
    jobs: Mapping[InferenceRequest, Any] = {}  # of observations with images yet to be decoded
    decoded = 0  # images, since the start
    used = 0  # bytes of decoded images

    def begin(self, request: InferenceRequest) -> None:
        """An observation with images waits."""

    def give_up(self, requests: Iterable[InferenceRequest]) -> None:
        """These wait no longer, or are with their model: leave alone what is not decoded yet."""

    def ready(self, requests: Sequence[InferenceRequest], now: float) -> list[InferenceRequest]:
        """Those of `requests`, which wait, that a model should be given now, monotonic s.

        Of the others it is noted when they will be.
        """
        return list(requests)

    def close(self) -> None:
        """End the threads."""


@dataclass
class _Job:
    """The images of one observation."""

    request: InferenceRequest
    values: dict[str, Any]  # where the pixels belong
    images: deque[str] = field(default_factory=deque)  # keys of those not begun
    running: int = 0  # images that are being decoded
    undone: int = 0  # images that are not decoded yet


class DecodeAhead(NoDecoding):
    """Threads that decode. on_ready: called from any of them when an observation is ready.

    limit: bytes of decoded images at once. threads: 0: as many as there are cores, eight at most.
    `begin`, `give_up` and `ready` are for one thread at a time.
    """

    active = True

    def __init__(
        self,
        limit: int,
        threads: int,
        on_ready: Callable[[], None],
        decoder: Callable[[EncodedImage, np.ndarray], np.ndarray] = decode,
    ) -> None:
        self.memory = PixelMemory(limit)
        self._count = threads or min(_MOST_THREADS, len(os.sched_getaffinity(0)))
        self._on_ready = on_ready
        self._decode = decoder
        self.jobs: dict[InferenceRequest, _Job] = {}
        self._order: list[tuple[float, int, _Job]] = []  # a heap, by deadline
        self._numbers = itertools.count()
        self._more = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._image_s = 0.0  # that decoding one takes, newer average; 0: nobody knows
        self._closed = False

    @property
    def used(self) -> int:  # type: ignore[override]
        """Bytes of decoded images that are held."""
        return self.memory.used

    def begin(self, request: InferenceRequest) -> None:
        values: dict[str, Any] = request.inputs  # type: ignore[assignment]
        keys = [key for key, value in values.items() if self._takes(value)]
        if not keys:
            return
        job = _Job(request, values, deque(keys), undone=len(keys))
        with self._more:
            request.decoding_s = len(keys) * self._image_s / self._count
            if not self._threads and not self._closed:
                self._start()
            self.jobs[request] = job
            heapq.heappush(self._order, (request.deadline, next(self._numbers), job))
            self._more.notify(len(keys))

    def give_up(self, requests: Iterable[InferenceRequest]) -> None:
        with self._more:
            for request in requests:
                self.jobs.pop(request, None)
            if len(self._order) > 2 * len(self.jobs) + _STALE:
                self._order = [each for each in self._order if self._is_open(each[2])]
                heapq.heapify(self._order)
            if self.full:  # it may be over: whoever decodes finds out
                self.full = False
                self._more.notify()

    def ready(self, requests: Sequence[InferenceRequest], now: float) -> list[InferenceRequest]:
        self._predict(now)
        jobs, full = self.jobs, self.full
        ready, behind = [], set()  # a client's observations are served in their order
        for request in requests:
            job = jobs.get(request)
            if request.client_id in behind:
                continue
            if job is None or (full and not job.running):
                ready.append(request)
            else:
                behind.add(request.client_id)
        return ready

    def close(self) -> None:
        with self._more:
            self._closed = True
            self.jobs.clear()
            self._order.clear()
            self._more.notify_all()
        for thread in self._threads:
            thread.join()

    def _predict(self, now: float) -> None:
        """Note when each observation will be ready; they are decoded about as they came."""
        left = 0
        with self._more:
            for job in self.jobs.values():
                left += job.undone
                turns = -(-left // self._count)  # in which each thread decodes an image
                job.request.ready_at = now + turns * self._image_s if self._image_s else 0.0

    def _takes(self, value: Any) -> bool:
        if type(value) is not EncodedImage:
            return False
        return math.prod(value.pixels_shape) * value.dtype.itemsize <= self.memory.limit

    # --- the threads ---

    def _start(self) -> None:
        for number in range(self._count):
            name = f"inferential-decoder-{number}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            job, key, place = task
            pixels: np.ndarray | None = None
            begun = time.monotonic()
            try:
                pixels = self._decode(job.values[key], place)
            except Exception:  # it is told where the model is called
                pixels = None
            self._done(job, key, pixels, time.monotonic() - begun)
            del task, job, place, pixels  # an idle thread must not keep them in memory

    def _next(self) -> tuple[_Job, str, np.ndarray] | None:
        """The next image and where to decode it into; None at the end."""
        while True:
            with self._more:
                while not self._closed and (job := self._first()) is None:
                    self._more.wait()
                if self._closed:
                    return None
                assert job is not None
                key = job.images[0]
                image = job.values[key]
                place = self.memory.lend(image.pixels_shape, image.dtype)
                told, self.full = self.full, place is None
                if place is not None:
                    job.images.popleft()
                    job.running += 1
                    return job, key, place
                if told:
                    self._more.wait()
                    continue
            self._on_ready()  # a model may take what waits as it is

    def _first(self) -> _Job | None:
        """The job of the earliest deadline that has images left."""
        while self._order:
            job = self._order[0][2]
            if job.images and self._is_open(job):
                return job
            heapq.heappop(self._order)
        return None

    def _is_open(self, job: _Job) -> bool:
        return self.jobs.get(job.request) is job

    def _done(self, job: _Job, key: str, pixels: np.ndarray | None, took_s: float) -> None:
        with self._more:
            self._image_s += (_NEWEST if self._image_s else 1.0) * (took_s - self._image_s)
            if not self._is_open(job):
                return
            if pixels is not None:
                job.values[key] = pixels
                self.decoded += 1
            job.undone -= 1
            job.running -= 1
            if job.undone and not self.full:
                return
            if not job.undone:
                del self.jobs[job.request]
                job.request.ready_at = 0.0
        self._on_ready()
