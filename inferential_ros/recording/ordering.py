"""The messages of a recording in the order in which a robot had them, episode by episode.

Files keep messages in the order of writing, which threads and several files disturb by a little;
the order of their times is the right one, except where time itself went back: a simulator was
reset while it recorded by its own clock, and sorting would weave both lives into one.
"""

from __future__ import annotations

import numpy as np

RESET_NS = 500_000_000  # the time of a topic went back by more than this: no disorder of threads


def episodes_of(times_ns: np.ndarray, topics: np.ndarray) -> np.ndarray:
    """The number of the episode of every message, from 0 on.

    times_ns (N,) of int64 and topics (N,) of int, in the order of writing. An episode begins
    where a topic is earlier than it was before: a topic that merely was written after another
    one, as converters do, begins none.
    """
    episodes = np.zeros(len(times_ns), np.int64)
    if not any(_goes_back(times_ns[topics == topic]) for topic in np.unique(topics)):
        return episodes
    episode = 0
    latest: dict[int, int] = {}
    for index, (time_ns, topic) in enumerate(zip(times_ns.tolist(), topics.tolist())):
        if time_ns < latest.get(topic, time_ns) - RESET_NS:
            episode, latest = episode + 1, {}
        latest[topic] = max(time_ns, latest.get(topic, time_ns))
        episodes[index] = episode
    return episodes


def in_order(times_ns: np.ndarray, episodes: np.ndarray) -> np.ndarray:
    """Indices (N,) by episode, then by time; of the same time, in the order of writing."""
    return np.lexsort((np.arange(len(times_ns)), times_ns, episodes))


def _goes_back(times_ns: np.ndarray) -> bool:
    return bool((np.maximum.accumulate(times_ns) - times_ns > RESET_NS).any())
