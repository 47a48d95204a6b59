"""Converts messages with the packages on its path: told a case, it answers what a call takes."""

from __future__ import annotations

from benchmarks import convert
from benchmarks.processes import listen, tell

ROUNDS = 3


def main() -> None:
    """Say the cases, then measure each that is asked for."""
    decoders = {
        name: (convert.decoder(message, type_name, options), message)
        for name, (message, type_name, options) in convert.cases().items()
    }
    tell(list(decoders))
    for name in listen():
        decode, message = decoders[name]
        tell({"us": convert.call_us(lambda d=decode, m=message: d(m), ROUNDS)})


if __name__ == "__main__":
    main()
