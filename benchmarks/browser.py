"""A headless Chromium for the fleet page: the `chromium` of the system, driven by Playwright.

One page a browser. Whoever uses it stays on one thread.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import TimeoutError as Late
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PATIENCE_MS = 30_000


def find() -> str | None:
    """The browser's path, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of so many CSS pixels.

    pids: of its processes. requests: addresses the page asked for. complaints: errors and warnings
    of its console, exceptions, violations of the policy. Both since the last `forget`.
    """

    def __init__(self, width: int = 1440, height: int = 900) -> None:
        path = find()
        if path is None:
            raise RuntimeError(f"there is no browser: one of {', '.join(NAMES)} is needed")
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._stack = ExitStack()
        others = set(psutil.Process().children())
        driver = self._stack.enter_context(sync_playwright())
        chromium = driver.chromium.launch(executable_path=path, args=["--disable-quic"])
        self._stack.callback(chromium.close)
        self._page = chromium.new_page(viewport={"width": width, "height": height})
        self.pids = {each.pid for each in set(psutil.Process().children()) - others}
        self._session = self._page.context.new_cdp_session(self._page)
        self._page.on("request", lambda request: self.requests.append(request.url))
        self._page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._page.on("console", self._hear)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def go(self, url: str) -> None:
        """Load a page."""
        self._page.goto(url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; an error of Playwright's if it raises."""
        return self._page.evaluate(script)

    def wait_for(self, condition: str) -> None:
        """Until an expression is true; TimeoutError if it is not in half a minute."""
        try:
            self._page.wait_for_function(f"() => Boolean({condition})", timeout=PATIENCE_MS)
        except Late:
            raise TimeoutError(f"not within {PATIENCE_MS / 1000:g} s: {condition}") from None

    def picture(self, path: Path) -> None:
        """Save what is seen as PNG."""
        self._page.screenshot(path=path)

    def like(self, width: int, height: int, scale: float = 1.0, mobile: bool = False) -> None:
        """Be a screen of this size."""
        size: dict[str, Any] = {"width": width, "height": height}
        size |= {"deviceScaleFactor": scale, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, color_scheme: Any) -> None:
        """What the viewer prefers: "dark" or "light"."""
        self._page.emulate_media(color_scheme=color_scheme)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools protocol, and what it returns."""
        return self._session.send(method, parameters)

    def forget(self) -> None:
        """What was requested and complained of so far."""
        self.requests.clear()
        self.complaints.clear()

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning", "assert"):
            self.complaints.append(message.text)
