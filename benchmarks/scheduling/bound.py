"""How many observations anybody could serve in time who knew the future: the clairvoyant bound.

One model, batches of b <= B in L(b) seconds, each observation with the time it is released and the
time it must be done by, all known beforehand. Releases r and deadlines d are sorted independently,
which only ever helps; then some best schedule serves runs of neighbours, first released first:

    f_j[k] = min over b <= min(B, k) of max(r_j, g_{j-b}[k-b]) + L(b), where that is <= d_{j-b+1}
    g_j[k] = min(g_{j-1}[k], f_j[k])

is the earliest end of k served among the first j, and the bound the largest k for which g_n[k] is
finite. Valid where every window d - r is at least L(B). Of states that end before r_{j+1} only the
one with most served can matter; so a state list is as long as a window, not as the whole run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np


def most_in_time(
    released_s: Sequence[float], due_s: Sequence[float], latency_s: Sequence[float]
) -> int:
    """The bound. latency_s[b - 1] is L(b); O(n * B * served in one window)."""
    releases, dues = np.sort(released_s), np.sort(due_s)
    # Of each of the last B prefixes: the lowest k that matters, and g[k] from there on.
    states: deque[tuple[int, np.ndarray]] = deque([(0, np.array([-np.inf]))], len(latency_s))
    for last, release in enumerate(releases):
        states[-1] = low, best = _undominated(*states[-1], release)
        sizes = list(enumerate(reversed(states), start=1))
        high = max(first + len(ends) + size for size, (first, ends) in sizes)
        grown = np.full(high - low, np.inf)
        grown[: len(best)] = best
        for size, (first, ends) in sizes:
            skip = max(0, low - first - size)  # fewer served than `low` cannot matter
            done = np.maximum(release, ends[skip:]) + latency_s[size - 1]
            done[done > dues[last - size + 1]] = np.inf
            part = grown[first + size + skip - low :][: len(done)]
            np.minimum(part, done, out=part)
        states.append((low, grown[: np.flatnonzero(grown < np.inf)[-1] + 1]))
    low, best = states[-1]
    return low + len(best) - 1


def _undominated(low: int, ends: np.ndarray, release: float) -> tuple[int, np.ndarray]:
    """Of the states that end before anything more is released, only the one with most served."""
    first = max(0, int(np.searchsorted(ends, release, side="right")) - 1)
    return low + first, ends[first:]
