"""Write the generated parts of docs/ (`make docs`): settings, the wire, two pictures.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; what is around it is
written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import docs_of_proto

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # before what is installed


def settings() -> str:
    import docs_of_config

    return docs_of_config.tables()


def messages() -> str:
    return docs_of_proto.tables((ROOT / "proto" / "inferential.proto").read_text("utf-8"))


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("docs/configuration.md", settings),
    "messages": ("docs/wire.md", messages),
}


def filled(page: str, name: str, text: str) -> str:
    """The page with its part of this name replaced."""
    pattern = rf"(<!-- generated: {name} [^>]*-->\n).*?(<!-- end -->)"
    made, count = re.subn(pattern, lambda it: f"{it[1]}\n{text}\n\n{it[2]}", page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{count} parts are named {name}")
    return made


def main() -> int:
    """Command line: `generate_docs.py [--check]`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if not current")
    arguments = parser.parse_args()
    stale = []
    for name, (file, make) in PARTS.items():
        path = ROOT / file
        page = path.read_text("utf-8")
        made = filled(page, name, make().strip())
        if made != page:
            stale.append(file)
            if not arguments.check:
                path.write_text(made, "utf-8")
    for file in stale:
        print(f"{file} is not current: run make docs" if arguments.check else file)
    if not arguments.check:
        import draw_house
        import draw_request

        print(draw_request.draw(ROOT / "docs" / "images" / "request.svg"))
        print(draw_house.draw(ROOT / "docs" / "images" / "house.svg"))
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
