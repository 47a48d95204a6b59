"""Packages of other frameworks that are not installed here, as files that a test writes.

They have the names and the signatures that our adapters use, and a policy that is easy to compute.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def installed(folder: Path, files: dict[str, str]) -> Iterator[None]:
    """Modules by their dotted names, which can be imported within this, and no longer after it."""
    for name, text in files.items():
        *packages, module = name.split(".")
        place = folder
        for package in packages:
            place = place / package
            place.mkdir(exist_ok=True)
            (place / "__init__.py").touch()
        (place / f"{module}.py").write_text(text)
    tops = {name.partition(".")[0] for name in files}
    adapters = [f"inferential_core.checkpoints.{name}" for name in (*tops, "lerobot")]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in list(sys.modules):
            if name.partition(".")[0] in tops or name.startswith(tuple(adapters)):
                del sys.modules[name]
