"""The fleets W1 to W9, of robots and models as the field has them, and some of a peer's.

A model serves b observations in `fixed_s + each_s * b` seconds, or as its curve lists.

W9 is Armory's workload with one fast arm, as FleetVLA states it (ffe9ffe,
benchmarks/armory-one-fast-l40s.json); KINDS has three kinds of robots and that curve, STEPS and
STEPS20 the curve of a model that pads its batches, as it declares, and chunks of 10 and 20
actions. These have a fixed number of robots: `OF_A_SIZE`. W10 is Robion's protocol: robots that
ask twice a second, each at its own phase, and have to be answered within 156 ms; what counts is
how many are served.
"""

from __future__ import annotations

from dataclasses import replace

from inferential_core.simulation.workload import Kind, Workload

LOADS = (0.5, 0.9, 1.2, 2.0)


def _alike(hz: float, horizon: int, threshold: float) -> tuple[Kind, ...]:
    return (Kind(hz, horizon, threshold),)


def _of_curve(
    name: str,
    title: str,
    kinds: tuple[Kind, ...],
    curve: tuple[float, ...],
    most: int,
    batch_sizes: tuple[int, ...] = (),
) -> Workload:
    """Chunks come back 5 ms after they are done, here half of it on each way."""
    curved = Workload(name, title, kinds, 0.0, 0.0, most, 0.0025, 0.0, seconds=10.0)
    return replace(curved, stepped_s=curve, batch_sizes=batch_sizes)


_TIERS = (
    Kind(50, 16, 0.5, tier=0, share=0.1),
    Kind(30, 40, 0.4, tier=1, share=0.5),
    Kind(10, 40, 0.5, tier=2, share=0.4),
)

_DIFFUSION = (_alike(10, 16, 0.5), 0.085, 0.015, 8, 0.005, 0.003)
_TIERED = (_TIERS, 0.018, 0.012, 8, 0.005, 0.002)
_ROGUES = (Kind(50, 16, 0.5, tier=1, rogue=True),)

_L40S = (0.073, 0.1098, 0.1424, 0.1775, 0.2111)  # s for batches of 1 to 5
_PADDED = ((0.073, 0.110, 0.178, 0.178, 0.290, 0.290, 0.290, 0.290), 8, (1, 2, 4, 8))
_ONE_FAST = (Kind(20, 6, 1 / 3, tier=0, share=0.1), Kind(20, 10, 0.2, tier=1, share=0.9))
_THREE = (
    Kind(50, 25, 0.4, share=1 / 3),
    Kind(20, 20, 0.3, share=1 / 3),
    Kind(10, 16, 0.3125, share=1 / 3),
)
_EVERY_500_MS = Kind(1000, 656, 156 / 656)  # of which 156 ms are left when it asks

# of those with a fixed number of robots: the load that makes that number
OF_A_SIZE = {"W9": 1.305, "KINDS": 1.915, "STEPS": 1.27, "STEPS20": 0.564}

WORKLOADS = {
    each.name: each
    for each in (
        Workload("W1", "pi0.5-like", _alike(50, 50, 0.5), 0.020, 0.010, 8, 0.005, 0.002),
        Workload("W2", "pi0 RTC, tight", _alike(50, 50, 0.25), 0.043, 0.030, 4, 0.005, 0.002),
        Workload("W3", "OpenVLA-OFT-like", _alike(25, 25, 0.6), 0.040, 0.033, 8, 0.005, 0.003),
        Workload("W4", "SmolVLA over WAN", _alike(30, 50, 0.5), 0.150, 0.020, 8, 0.040, 0.015),
        Workload("W5", "ACT", _alike(50, 100, 0.1), 0.008, 0.0015, 8, 0.003, 0.001, seconds=10),
        Workload("W6", "Diffusion, 12 in step", *_DIFFUSION, group=12),
        Workload("W7", "three tiers", *_TIERED),
        Workload("W8", "W7 and a rogue client", *_TIERED, rogues=_ROGUES),
        _of_curve("W9", "one fast arm of ten", _ONE_FAST, _L40S, 3),
        _of_curve("KINDS", "three kinds, 8 each", _THREE, _L40S, 5),
        _of_curve("STEPS", "14 robots, padded batches", _alike(20, 10, 0.2), *_PADDED),
        _of_curve("STEPS20", "the same with chunks of 20", _alike(20, 20, 0.1), *_PADDED),
        Workload(
            "W10", "as many as can be", (_EVERY_500_MS,), 0.04, 0.008, 8, 0.0, 0.0, pace_jitter=0.0
        ),
    )
}
