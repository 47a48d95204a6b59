"""Infinite-horizon linear-quadratic regulator in discrete time. numpy only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Dynamics = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (n,), (m,) -> (n,)
MAX_DOUBLINGS = 60


def linearise(
    step: Dynamics, state: np.ndarray, action: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray]:
    """A (n, n) and B (n, m) of `step` around a point, by central differences."""
    a = [step(state + d, action) - step(state - d, action) for d in eps * np.eye(len(state))]
    b = [step(state, action + d) - step(state, action - d) for d in eps * np.eye(len(action))]
    return np.stack(a, axis=1) / (2 * eps), np.stack(b, axis=1) / (2 * eps)


def solve_riccati(
    a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray, tolerance: float = 1e-10
) -> np.ndarray:
    """Stabilising P of P = A'PA - A'PB (R + B'PB)^-1 B'PA + Q.

    Structure-preserving doubling (Chu, Fan, Lin, Wang 2004): converges quadratically, so a
    dozen iterations of small solves do what needs scipy elsewhere. Raises ArithmeticError where
    no stabilising solution is found.
    """
    identity = np.eye(a.shape[0])
    g = b @ np.linalg.solve(r, b.T)
    p = q.copy()
    for _ in range(MAX_DOUBLINGS):  # what does not converge overflows first
        w = identity + g @ p
        wa = np.linalg.solve(w, a)
        wg = np.linalg.solve(w, g)
        update = a.T @ p @ wa
        a, g, p = a @ wa, g + a @ wg @ a.T, p + update
        if not np.isfinite(p).all():
            break
        if np.abs(update).max() <= tolerance * np.abs(p).max():
            return 0.5 * (p + p.T)
    raise ArithmeticError("the Riccati equation did not converge: is (A, B) stabilisable?")


def lqr_gain(a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """K (m, n) of the optimal u = -K x for the cost sum of x'Qx + u'Ru."""
    p = solve_riccati(a, b, q, r)
    return np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
