"""The door for clients of openpi: WebSocket, and MessagePack with arrays in it.

door        the listener, and the timers of its connections
connection  one client: handshake, messages in and out
conversation  what it asks, and hears
stream      a connection's bytes, with and without encryption
dialects    what a message asks for: openpi's own form, roboarena's, starVLA's
"""

from .door import OpenpiDoor

__all__ = ["OpenpiDoor"]
