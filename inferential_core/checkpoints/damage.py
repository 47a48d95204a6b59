"""Signs that the weights of a checkpoint are damaged, in words, for its notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def of_answer(chunk: Any, names: Sequence[str] | None) -> list[str]:
    """Which columns of a first answer (..., D) are not finite; [] if all are. names: of those."""
    rows = np.atleast_2d(chunk)
    finite = np.isfinite(rows.reshape(-1, rows.shape[-1])).all(axis=0)
    columns = np.flatnonzero(~finite).tolist()
    if not columns:
        return []
    told = ", ".join(names[at] if names else str(at) for at in columns)
    return [
        "the policy answers a harmless observation with actions that are not finite, in the"
        f" columns {told}: its weights may be damaged"
    ]


def of_weights(named: Iterable[tuple[str, Any]]) -> list[str]:
    """Which weights, tensors of PyTorch by name, hold NaN; [] if none does."""
    found = [name for name, tensor in named if bool(tensor.isnan().any())]
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return [f"its weights {found[0]}{more} hold NaN: the file may be damaged"]
