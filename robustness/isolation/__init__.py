"""What a client that misbehaves costs the others.

    python -m robustness isolation [--only WORD ...] [--rounds N] [--seconds S] [--robots N]

An honest fleet at 10 Hz is measured alone, while one client misbehaves towards its server, and
while the same client does the same to another server on this machine: what the fleet pays then is
for the processor that the attacker and its server take from it, not for anything its own server
does. Rounds are interleaved and their order changes; the lower quartiles of their p99 are
compared, as what else the machine does only makes rounds slower.
"""

from .command import main

__all__ = ["main"]
