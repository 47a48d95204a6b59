"""Every error this package raises on purpose.

    InferentialError
    +-- ConfigError        a setting is wrong; the message names the key, the value and the fix
    +-- UsageError         the API was called in a way that cannot work
    +-- ModelUnavailable   a model could not be asked: its process died, hung or is not there
    +-- WireError          the peer sent something the protocol does not allow
        +-- MalformedError     not even the sender and the model can be told: counted, not answered
        +-- RejectedError      they can: the observation ends REJECTED with this text

WireError is about the peer, UsageError about the caller. What a model raises is not in this tree:
it ends as the ERROR of its own requests.
"""

from __future__ import annotations


class InferentialError(Exception):
    """Base of all of them."""


class ConfigError(InferentialError, ValueError):
    """A setting is wrong."""


class UsageError(InferentialError, ValueError):
    """The API was called in a way that cannot work."""


class ModelUnavailable(InferentialError, RuntimeError):
    """The observation is not to blame: the model was not there, or not in time."""


class WireError(InferentialError, ValueError):
    """The peer broke the protocol."""


class MalformedError(WireError):
    """A message that names no sender or no model."""


class RejectedError(WireError):
    """A message whose sender and model are known, and which is refused all the same."""
