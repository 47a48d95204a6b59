"""The server as users construct it, the loop that drives it, and the report of its state."""

from .server import Server

__all__ = ["Server"]
