"""A fleet for a long time: does the server grow, leak or slow down?

    python -m robustness soak [--minutes M] [--robots N] [--image FILE]

200 robots at 10 Hz, with the page's stream open and /metrics scraped: memory, file descriptors,
threads, asyncio tasks and latency over time, as a plot (docs/images/soak.png) and a verdict.
Status 1 if it grew.
"""

from .command import main

__all__ = ["main"]
