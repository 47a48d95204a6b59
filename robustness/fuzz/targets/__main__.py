"""Runs one target under atheris: `python -m robustness.fuzz.targets TARGET [OPTION ...]`.

Options are libFuzzer's. Half of the mutations are the target's own, which know its format; the
others are libFuzzer's.
"""

from __future__ import annotations

import importlib
import random
import sys
import tempfile
from pathlib import Path

import atheris


def main(target: str, options: list[str]) -> None:
    """Does not return: libFuzzer ends the process."""
    with atheris.instrument_imports(include=["inferential_core", "inferential_ros"]):
        module = importlib.import_module(f"robustness.fuzz.targets.{target}")
    own = getattr(module, "mutate", None)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if own is None or seed % 2:
            return atheris.Mutate(data, max_size)
        return own(data, random.Random(seed))[:max_size]

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(module.seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        arguments = [sys.argv[0], *options, folder, "-max_len=8192"]
        atheris.Setup(arguments, module.check, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
