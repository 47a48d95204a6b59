"""The door for clients of openpi: WebSocket, and MessagePack with arrays in it.

door        the listener, and the timers of its connections
connection  one client: how much it may send, and how slowly
handshake   the HTTP request with which it comes
frames      the frames of its WebSocket
conversation  what it asks, and hears
stream      a connection's bytes, with and without encryption
dialects    what a message asks for: openpi's own form, roboarena's, starVLA's
"""

from .door import OpenpiDoor

__all__ = ["OpenpiDoor"]
