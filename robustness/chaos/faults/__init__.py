"""What can go wrong, a file for each family."""

from __future__ import annotations

from .clients import FAULTS as CLIENTS
from .clock import FAULTS as CLOCK
from .cluster import FAULTS as CLUSTER
from .disk import FAULTS as DISK
from .fault import Fault
from .model import FAULTS as MODEL
from .network import FAULTS as NETWORK
from .server import FAULTS as SERVER

FAULTS: tuple[type[Fault], ...] = (
    *SERVER,
    *MODEL,
    *CLIENTS,
    *CLOCK,
    *DISK,
    *NETWORK,
    *CLUSTER,
)
