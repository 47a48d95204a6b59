"""The fleets W1 to W8, of robots and models as the field has them.

A model serves b observations in `fixed_s + each_s * b` seconds.
"""

from __future__ import annotations

from inferential_core.simulation.workload import Kind, Workload

LOADS = (0.5, 0.9, 1.2, 2.0)


def _alike(hz: float, horizon: int, threshold: float) -> tuple[Kind, ...]:
    return (Kind(hz, horizon, threshold),)


_TIERS = (
    Kind(50, 16, 0.5, tier=0, share=0.1),
    Kind(30, 40, 0.4, tier=1, share=0.5),
    Kind(10, 40, 0.5, tier=2, share=0.4),
)

_DIFFUSION = (_alike(10, 16, 0.5), 0.085, 0.015, 8, 0.005, 0.003)
_TIERED = (_TIERS, 0.018, 0.012, 8, 0.005, 0.002)
_ROGUES = (Kind(50, 16, 0.5, tier=1, rogue=True),)

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
    )
}
