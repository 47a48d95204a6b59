"""The fleet page in a browser: how smooth it stays, and the picture that the docs show.

    python -m benchmarks page [--robots N] [--seconds S] [--picture [FILE]]

Simulated robots over real sockets, one of them with plans so short that it starves. Tells the time
the page's scripts take of each second, the tasks longer than 50 ms (which a person would feel) and
how often it draws; --picture keeps what it looks like.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from . import browser
from .machine import introduce
from .options import parse
from .processes import PEERS, ROOT, Program

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


def main(arguments: list[str]) -> int:
    """0 if the robot that starves was seen to."""
    options = parse(
        "python -m benchmarks page",
        __doc__,
        arguments,
        robots=200,
        seconds=15.0,
        picture=(str, None, {"nargs": "?", "const": str(PICTURE), "metavar": "FILE"}),
    )
    if browser.find() is None:
        print("the page is looked at with chromium, which is not here: apt install chromium")
        return 0
    introduce("The fleet page in a browser")
    host = Program(sys.executable, PEERS / "page_host.py", options.robots)
    try:
        page = host.hear()["page"]
        with browser.Browser(1440, 1000) as chromium:
            _watch(chromium, page, options.robots, options.seconds)
            if options.picture:
                _keep(chromium, Path(options.picture))
    finally:
        host.finish()
    return 0


def _watch(chromium: browser.Browser, page: str, robots: int, seconds: float) -> None:
    """Print what the page does in that time."""
    chromium.go(page)
    chromium.wait_for(
        f"document.querySelectorAll('#robots tbody tr').length === {robots}"
        " && document.querySelector('tr.starving')"
    )
    chromium.run(WATCH)
    chromium.call("Performance.enable", timeDomain="threadTicks")  # of the processor
    before, began = _metrics(chromium), time.monotonic()
    time.sleep(seconds)
    after, took = _metrics(chromium), time.monotonic() - began
    seen = chromium.run("window.seen")
    script, task = (
        1000 * (after[name] - before[name]) / took for name in ("ScriptDuration", "TaskDuration")
    )
    worst = f", the longest {max(seen['long']):.0f} ms" if seen["long"] else ""
    print(f"{robots} robots, watched for {seconds:g} s")
    print(f"  tasks over 50 ms: {len(seen['long'])}{worst}")
    told = f"scripts {script:.0f} ms, with layout and drawing {task:.0f} ms"
    print(f"  processor time of the page in each second: {told}")
    drawn, megabytes = seen["frames"] / took, after["JSHeapUsedSize"] / 1e6
    print(f"  drawn {drawn:.0f} times a second; {megabytes:.1f} MB of objects")


def _metrics(chromium: browser.Browser) -> dict[str, float]:
    found = chromium.call("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in found}


def _keep(chromium: browser.Browser, path: Path) -> None:
    """The picture, with as few colours as a page has."""
    chromium.picture(path)
    from PIL import Image

    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"picture: {path} ({size / 1000:.0f} kB)")
    assert size < MOST_BYTES
