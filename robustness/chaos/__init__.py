"""Faults under load, one after the other, and what robots noticed of them.

    python -m robustness chaos [--seed S ...] [--only WORD ...] [--robots N] [--list]

Fifty simulated robots and two bridges over real DDS are served while a server dies or stands
still, networks lose and delay, models hang, clocks are set and disks fill up. One line tells each
fault's outcomes, the longest silence of a robot, actions beyond their lease, how soon everybody
was back, and whether the accounts add up. Status 1 if a promise broke. See docs/robustness.md.
"""

from .command import main

__all__ = ["main"]
