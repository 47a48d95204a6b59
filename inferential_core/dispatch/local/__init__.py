"""Models in this process, on threads, or in worker processes of their own."""

from .dispatcher import LocalDispatcher

__all__ = ["LocalDispatcher"]
