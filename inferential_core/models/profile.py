"""What was measured of a model before it served: how long a call takes, by batch size.

`inferential profile` writes it beside the model, and whoever serves the model reads it, so that
the scheduler plans well from the first call. A profile holds for one model, named as it was then,
on one machine; a file may hold several.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from . import schemes

_log = logging.getLogger(__name__)

_FORMAT = 1
_FOLDER_FILE = "inferential-profile.json"
_Z95 = 1.645  # standard deviations from the median to the 95th percentile of a normal distribution


@dataclass(frozen=True)
class BatchProfile:
    """Calls with batches of one size. Seconds, and bytes at most; NaN where not measured."""

    batch_size: int
    calls: int
    first_s: float  # the first call of this size, which is not counted among the others
    median_s: float
    p95_s: float
    host_bytes: float = math.nan  # memory of the process
    device_bytes: float = math.nan  # memory of the accelerator that the process uses


@dataclass(frozen=True)
class Profile:
    """Of one model on one machine."""

    model: str  # as it is named
    machine: str
    batches: tuple[BatchProfile, ...]
    load_s: float  # to make the model
    warm_up_s: float
    measured_at: float = field(default_factory=time.time)  # s since 1970

    @property
    def seconds(self) -> dict[int, float]:
        """Median of a call by batch size."""
        return {each.batch_size: each.median_s for each in self.batches}

    @property
    def deviation_s(self) -> float:
        """Standard deviation of calls about the median of their size, all sizes together."""
        squares = [((each.p95_s - each.median_s) / _Z95) ** 2 for each in self.batches]
        return math.sqrt(sum(squares) / len(squares)) if squares else 0.0

    @property
    def jitter(self) -> float:
        """Share of the median by which a call takes longer, 0 to 0.5: to p95, mean of sizes."""
        shares = [each.p95_s / each.median_s - 1.0 for each in self.batches if each.median_s]
        return min(0.5, sum(shares) / len(shares)) if shares else 0.0

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Profile:
        """As `data` has it; TypeError, KeyError or ValueError where that is no profile."""
        batches = tuple(_batch(each) for each in data["batches"])
        for each in batches:
            if not (each.batch_size >= 1 and each.median_s >= 0.0 and each.p95_s >= 0.0):
                raise ValueError(f"batch {each.batch_size}: {each.median_s!r} s")
        return cls(**{**data, "batches": batches})

    def as_data(self) -> dict[str, Any]:
        """As plain data that JSON carries: None for NaN."""
        data = asdict(self)
        for each in data["batches"]:
            for name, value in each.items():
                if value != value:
                    each[name] = None
        data["batches"] = list(data["batches"])
        return data


def _batch(data: Mapping[str, Any]) -> BatchProfile:
    known: dict[str, Any] = {name: math.nan if it is None else it for name, it in data.items()}
    return BatchProfile(**known)


def this_machine() -> str:
    """Names the processor and the graphics cards; the profile of another machine says nothing."""
    parts = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                parts.append(line.partition(":")[2].strip())
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts.append(f"{cores} cores")
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        with contextlib.suppress(OSError):
            text = file.read_text("utf-8")
            names = [line.partition(":")[2].strip() for line in text.splitlines()]
            parts += names[:1]
    return ", ".join(parts)


def places_of(target: str) -> list[Path]:
    """Where the profile of a model may lie: beside it, and in this user's cache."""
    places = [] if (beside := _beside(target)) is None else [beside]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = hashlib.sha256(_name(target).encode()).hexdigest()[:16]
    return [*places, Path(cache, "inferential", "profiles", f"{name}.json")]


def read(target: str) -> tuple[Profile, Path] | None:
    """The profile of a model on this machine, and its file; None where there is none."""
    name, machine = _name(target), this_machine()
    for path in places_of(target):
        for profile in _read_file(path):
            if (profile.model, profile.machine) == (name, machine):
                return profile, path
    return None


def save(profile: Profile, path: Path | None = None) -> Path:
    """Write it beside the model, or into the cache where that cannot be; the file it is in.

    Profiles of other models and machines in that file stay. ConfigError where no file can be
    written.
    """
    failures = []
    for place in places_of(profile.model) if path is None else [path]:
        try:
            others = [
                each
                for each in _read_file(place)
                if (each.model, each.machine) != (profile.model, profile.machine)
            ]
            _write(place, [*others, profile])
            return place
        except OSError as error:
            failures.append(f"{place}: {error.strerror}")
    raise ConfigError(f"the profile cannot be saved: {'; '.join(failures)}")


def name_of(target: str) -> str:
    """The name under which a model's profile is kept, wherever one stands."""
    return _name(target)


def _name(target: str) -> str:
    with contextlib.suppress(ConfigError):
        return schemes.absolute(target)
    return target


def _beside(target: str) -> Path | None:
    """Beside a model's checkpoint or module; None where that is not found."""
    checkpoint = None
    with contextlib.suppress(ConfigError):
        checkpoint = schemes.read(target)
    if checkpoint is not None:
        source = Path(checkpoint.source.rpartition("@")[2]).expanduser()
        if source.is_dir():
            return source / _FOLDER_FILE
        return source.with_name(f"{source.name}.profile.json") if source.exists() else None
    module, _, attribute = target.partition(":")
    try:
        found = importlib.util.find_spec(module)
    except Exception:  # whatever importing its package does
        return None
    if found is None or found.origin is None or not os.path.isfile(found.origin):
        return None
    return Path(found.origin).with_name(f"{module.rpartition('.')[2]}.{attribute}.profile.json")


def _read_file(path: Path) -> list[Profile]:
    try:
        data = json.loads(path.read_text("utf-8"))
        return [Profile.of(each) for each in data["profiles"]]
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("%s is no profile of a model, and is not used: %s", path, error)
        return []


def _write(path: Path, profiles: Sequence[Profile]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"format": _FORMAT, "profiles": [each.as_data() for each in profiles]}
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=path.name, delete=False
    ) as draft:
        try:
            json.dump(data, draft, indent=2)
            draft.write("\n")
            os.fchmod(draft.fileno(), 0o644)
            os.replace(draft.name, path)
        except BaseException:
            os.unlink(draft.name)
            raise
