"""The door for GR00T clients: ZeroMQ REQ, MessagePack with arrays in either of two codecs.

door      the socket: each request is answered exactly once
requests  what a request asks, and how its answer is written
"""

from .door import Gr00tDoor

__all__ = ["Gr00tDoor"]
