"""Models that slip, drawn at random, beside an honest one whose robots must not notice.

    python -m robustness slips [--threads N] [--processes N] [--ray N] [--seed N]

A slip is what a model may do in a call by mistake: raise, return, print, fork, exit, hang or lie.
So many happen to a model on a thread of the server, so many to one in a process of its own, and
so many to one on Ray Serve; in the latter two a slip may end the process. Whatever happens, the
server lives, every observation ends once, its counters add up, what slipped answers well again,
and every answer of the honest model is right. Status 1 if not.
"""

from .command import main

__all__ = ["main"]
