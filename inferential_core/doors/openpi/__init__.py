"""The door for clients of openpi: WebSocket, and MessagePack with arrays in it.

door        the listener, on a thread and an event loop of its own
connection  one client: handshake, messages in and out
dialects    what a message asks for: openpi's own form, roboarena's, starVLA's
"""

from .door import OpenpiDoor

__all__ = ["OpenpiDoor"]
