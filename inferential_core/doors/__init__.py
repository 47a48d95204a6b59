"""Doors: ways in for clients of other servers, which only change an address.

A door speaks one protocol on a port of its own. It makes an observation of what a client asks, as
our own client would, and a native answer of the reply. Everything between is the
pipeline that serves all others: limits, rights, deadlines, batches, accounts, page and metrics.

    door          what a door is: the interface to implement
    attended      a door without a thread: whoever listens for messages attends it
    reception     lets the clients of a door in: `Reception`
    visit         hands on what one of them asks, and the replies: `Visit`
    told          what a client may tell beyond its protocol: when it runs dry, how urgent it is
    reply         what such a question is answered with, a refusal if one was not served
    entrance      the transport that has our own clients' socket and all doors behind it
    credentials   tokens of clients, and how long failed ones have to wait
    certificate   what encrypts a door that has one
    opening       makes the doors of a configuration
    msgpack_values  arrays and texts in MessagePack, as openpi and GR00T pack them
    openpi, gr00t   the doors themselves
"""

from ..wire.by_value import Reply
from .attended import AttendedDoor
from .door import Door
from .reception import Reception
from .visit import Visit

__all__ = ["AttendedDoor", "Door", "Reception", "Reply", "Visit"]
