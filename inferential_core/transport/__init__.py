"""How frames reach the server: `base` says what a transport is, `zmq_router` is the real one,
`memory` a shipped double for tests and simulations.
"""

from .base import Transport

__all__ = ["Transport"]
