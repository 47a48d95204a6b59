"""The keys `unit`, `scale` and `offset`: between a message's numbers and the model's.

ROS messages are in SI units (REP 103); `unit` is the one that the model uses. Reading, a number
x becomes x * factor(unit) * scale + offset; writing, x / factor(unit) * scale + offset.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from inferential_ros.options.errors import ContractError, listing
from inferential_ros.options.yaml_values import Section, by_name, number

FACTORS = {"rad": 1.0, "deg": 180.0 / math.pi, "m": 1.0, "cm": 100.0, "mm": 1000.0}
ANGLES = ("rad", "deg")
SPELT_OUT = {
    **{name: "rad" for name in ("rad", "radian", "radians")},
    **{name: "deg" for name in ("deg", "degree", "degrees")},
    **{name: "m" for name in ("m", "meter", "meters", "metre", "metres")},
    **{name: name for name in ("cm", "mm")},
}


class Conversion:
    """x * gain + offset, one of each per name.

    angular: which of the names are angles, as far as the units tell: all that are no lengths.
    """

    def __init__(
        self, gain: np.ndarray, offset: np.ndarray, angular: np.ndarray | None = None
    ) -> None:
        self.gain = gain
        self.offset = offset
        self.angular = np.ones(len(gain), dtype=bool) if angular is None else angular

    @property
    def turns(self) -> np.ndarray:
        """A whole turn (n,) in the units that are converted to radians; inf of a length."""
        return np.where(self.angular, 2.0 * math.pi / np.abs(self.gain), math.inf)

    @property
    def trivial(self) -> bool:
        """Whether it changes no number."""
        return bool((self.gain == 1.0).all() and (self.offset == 0.0).all())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return values * self.gain + self.offset

    def undo(self, values: Sequence[float]) -> np.ndarray:
        """The values that are converted to these."""
        return (np.asarray(values, dtype=np.float64) - self.offset) / self.gain


def read_conversion(section: Section, names: Sequence[str], *, writing: bool) -> Conversion:
    """What the three keys of a section say, for each of the names."""
    units = section.get("unit", by_name(_unit, names, "rad"), ("rad",) * len(names))
    scale = section.get("scale", by_name(_scale, names, 1.0), (1.0,) * len(names))
    offset = section.get("offset", by_name(_finite, names, 0.0), (0.0,) * len(names))
    factors = np.array([FACTORS[unit] for unit in units])
    if writing:
        factors = 1.0 / factors
    angular = np.array([unit in ANGLES for unit in units])
    return Conversion(factors * np.array(scale), np.array(offset), angular)


def _unit(value: Any, path: str) -> str:
    """A unit that is not taken, such as `grad` or `ft`, is another one and no misspelling."""
    if not isinstance(value, str) or value not in FACTORS:
        short = SPELT_OUT.get(str(value).lower())
        hint = f"did you mean {short!r}?" if short else listing(FACTORS)
        raise ContractError(path, f"unknown value {value!r}; {hint}")
    return str(value)


def _finite(value: Any, path: str) -> float:
    result = number(value, path)
    if math.isinf(result):
        raise ContractError(path, "must be finite")
    return result


def _scale(value: Any, path: str) -> float:
    result = _finite(value, path)
    if result == 0.0:
        raise ContractError(path, "must not be 0")
    return result
