"""What a contract's observations cost on the network: bytes of each key, and shares of a link.

Arrays count as they are. Of compressed images only a picture tells; the figures here are those of
a photograph of 512 x 600 pixels (matplotlib's grace_hopper.jpg) and, for PNG of 16 bits, of a
simulated depth image with the noise of a depth camera.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inferential_ros.contract.schema import Contract, ObservationKey
from inferential_ros.convert.registry import TEXT, Form

LINKS_MBIT_S = (10, 100, 1000)
ASSUMED = (480, 640)  # of an image whose size only its camera knows
ASSUMED_HZ = 10.0  # where the robot decides when it asks
JPEG_QUALITIES = (50, 75, 90, 95)
JPEG_BYTES = (0.10, 0.20, 0.28, 0.37)  # a pixel
PNG_BYTES = {"uint8": 0.52, "uint16": 0.8}  # a channel of a pixel
RVL_BYTES = 0.8  # a pixel
AS_IT_CAME = 95  # the quality with which image_transport compresses unless it is told otherwise
ENVELOPE = 150  # bytes of a message beside its values


@dataclass(frozen=True)
class KeyTraffic:
    """Bytes of one key in an observation. assumed: what had to be taken for granted, in words."""

    name: str
    size: float
    assumed: str = ""


def traffic_of(contract: Contract) -> list[KeyTraffic]:
    """The keys that take up more than a text, largest first."""
    found = [each for key in contract.observation if (each := _of_key(key)) is not None]
    return sorted(found, key=lambda each: -each.size)


def tell(contract: Contract) -> Iterator[str]:
    """Lines that say it."""
    keys = traffic_of(contract)
    total = sum(key.size for key in keys) + ENVELOPE
    exact = not any(key.assumed for key in keys)
    yield f"an observation takes {'' if exact else 'about '}{_bytes(total)}"
    for key in keys[:4]:
        if key.size >= 1000:
            yield f"  {key.name}: {_bytes(key.size)}{key.assumed and f' ({key.assumed})'}"
    rate_hz, when = _rate(contract)
    per_s = total * rate_hz
    shares = ", ".join(
        f"{_share(8 * per_s / (1e6 * link))} of {link} Mbit/s" for link in LINKS_MBIT_S
    )
    yield f"{rate_hz:g} a second{when} are {_bytes(per_s)} a second: {shares}"
    times = ", ".join(f"{_time(8 * total / (1e6 * link))} at {link}" for link in LINKS_MBIT_S)
    yield f"one is on its way for at least {times} Mbit/s"


def _of_key(key: ObservationKey) -> KeyTraffic | None:
    form = key.sample_form
    if form.dtype == TEXT:
        return None
    if form.sent_as:
        return _of_compressed(key.name, form)
    shape, assumed = (form.shape, "") if form.sides is None else _of_image(form)
    if shape is None or None in shape:
        return None  # only its messages tell
    itemsize = np.dtype(form.dtype or ("float32" if form.sides is None else "uint8")).itemsize
    samples = 1 if key.history is None else key.history.steps
    size = float(samples * itemsize * math.prod(each or 1 for each in shape))
    return KeyTraffic(key.name, size, assumed)


def _of_image(form: Form) -> tuple[tuple[int, ...], str]:
    """The shape of an image of which some may be unknown, and what is assumed of it, in words."""
    sides = form.sides or (None, None)
    height, width = (each or asked for each, asked in zip(sides, ASSUMED))
    assumed = []
    if form.shape is None:
        assumed.append(f"as 3 channels of {form.dtype or 'uint8'}")
    elif form.dtype is None:
        assumed.append("as uint8")
    if None in sides:
        assumed.append(f"at {width} x {height}")
    channels = (3,) if form.shape is None else tuple(each or 1 for each in form.shape[2:])
    return (height, width, *channels), " ".join(assumed)


def _of_compressed(name: str, form: Form) -> KeyTraffic:
    (height, width, *rest), _ = _of_image(form)
    channels = rest[0] if rest else 1
    how = form.sent_as
    if how == "rvl":
        size, told = RVL_BYTES, "RVL"
    elif how == "png":
        size = PNG_BYTES.get(form.dtype or "uint8", PNG_BYTES["uint8"]) * channels
        told = "a PNG"
    else:
        size = float(np.interp(form.quality or AS_IT_CAME, JPEG_QUALITIES, JPEG_BYTES))
        told = f"a JPEG of quality {form.quality}" if form.quality else "a JPEG as it comes"
    return KeyTraffic(name, size * height * width, f"{told} of {width} x {height}")


def _rate(contract: Contract) -> tuple[float, str]:
    if contract.trigger.rate_hz is not None:
        return contract.trigger.rate_hz, ""
    return ASSUMED_HZ, ", say,"


def _bytes(size: float) -> str:
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f} B"


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"
