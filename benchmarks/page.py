"""The fleet page in a browser: how smooth it stays, and the picture that the docs show.

    python -m benchmarks page [--robots N] [--seconds S] [--picture [FILE]]

Simulated robots over real sockets, one of them with plans so short that it starves. Tells the time
the page's scripts take of each second, the tasks longer than 50 ms (which a person would feel) and
how often it draws; --picture keeps what it looks like.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import browser
from .machine import introduce
from .processes import ROOT, Program

HOST = ROOT / "benchmarks" / "peers" / "page_host.py"
PICTURE = ROOT / "docs" / "images" / "fleet.png"
MOST_BYTES = 300_000

WATCH = """
window.seen = { long: [], frames: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.seen.long.push(entry.duration);
}).observe({ type: 'longtask' });
(function count() { window.seen.frames += 1; requestAnimationFrame(count); })();
0
"""


def main(arguments: Sequence[str]) -> int:
    """0 if the robot that starves was seen to."""
    options = _parser().parse_args(arguments)
    if browser.find() is None:
        print("the page is looked at with chromium, which is not here: apt install chromium")
        return 0
    introduce("The fleet page in a browser")
    host = Program(sys.executable, HOST, str(options.robots))
    try:
        page = host.hear()["page"]
        with browser.Browser(1440, 1000) as chromium:
            _tell(_watched(chromium, page, options), options)
            if options.picture:
                _keep(chromium, Path(options.picture))
    finally:
        host.finish()
    return 0


def _watched(chromium: browser.Browser, page: str, options: argparse.Namespace) -> dict[str, Any]:
    chromium.go(page)
    chromium.wait_for(
        f"document.querySelectorAll('#robots tbody tr').length === {options.robots}"
        " && document.querySelector('tr.starving')"
    )
    chromium.run(WATCH)
    chromium.call("Performance.enable", timeDomain="threadTicks")  # of the processor
    before, began = _metrics(chromium), time.monotonic()
    time.sleep(options.seconds)
    after, took = _metrics(chromium), time.monotonic() - began
    seen = chromium.run("window.seen")
    return {
        "script": (after["ScriptDuration"] - before["ScriptDuration"]) / took,
        "all": (after["TaskDuration"] - before["TaskDuration"]) / took,
        "long": sorted(seen["long"]),
        "per_second": seen["frames"] / took,
        "megabytes": after["JSHeapUsedSize"] / 1e6,
    }


def _metrics(chromium: browser.Browser) -> dict[str, float]:
    found = chromium.call("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in found}


def _tell(found: dict[str, Any], options: argparse.Namespace) -> None:
    long = found["long"]
    worst = f", the longest {long[-1]:.0f} ms" if long else ""
    print(f"{options.robots} robots, watched for {options.seconds:g} s")
    print(f"  tasks over 50 ms: {len(long)}{worst}")
    print(
        f"  processor time of the page in each second: scripts {1000 * found['script']:.0f} ms,"
        f" with layout and drawing {1000 * found['all']:.0f} ms"
    )
    drawn, megabytes = found["per_second"], found["megabytes"]
    print(f"  drawn {drawn:.0f} times a second; {megabytes:.1f} MB of objects")


def _keep(chromium: browser.Browser, path: Path) -> None:
    """The picture, with as few colours as a page has."""
    chromium.picture(path)
    from PIL import Image

    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"picture: {path} ({size / 1000:.0f} kB)")
    assert size < MOST_BYTES


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks page", description=__doc__)
    parser.add_argument("--robots", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--picture", nargs="?", const=str(PICTURE), metavar="FILE")
    return parser
