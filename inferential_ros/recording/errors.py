"""The error of this folder."""

from __future__ import annotations

from inferential_core import InferentialError


class BagError(InferentialError):
    """A recording that cannot be read, or does not hold what is asked of it."""
