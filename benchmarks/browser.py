"""A headless Chromium, driven through its DevTools protocol over two pipes.

Nothing but the standard library and the `chromium` of the system: no port is opened for it and no
driver downloaded. One page a browser; a folder of its own, which goes with it.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PATIENCE_S = 30.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find() -> str | None:
    """The browser's path, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of so many CSS pixels. `events`: what it reported."""

    def __init__(self, width: int = 1440, height: int = 900, scale: float = 1.0) -> None:
        path = find()
        if path is None:
            raise RuntimeError(f"there is no browser: one of {', '.join(NAMES)} is needed")
        self._folder = tempfile.mkdtemp(prefix="inferential-browser-")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Above those that the browser expects, so that neither is in the way of the other.
        theirs = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (theirs_in, theirs_out)]
        become = f'exec "$0" "$@" 3<&{theirs[0]}- 4>&{theirs[1]}-'
        self._process = subprocess.Popen(
            ["bash", "-c", become, path, *FLAGS, f"--user-data-dir={self._folder}", "about:blank"],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for each in (theirs_in, theirs_out, *theirs):
            os.close(each)
        self._in, self._out = ours_in, ours_out
        self._unread = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        try:
            self._open_page(width, height, scale)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and all it started."""
        os.close(self._out)  # it ends when the pipe does
        try:
            self._process.wait(PATIENCE_S / 3)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        os.close(self._in)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    # --- the page ---

    def go(self, url: str) -> None:
        """Load a page."""
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; RuntimeError if it raises."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def wait_for(self, condition: str, patience_s: float = PATIENCE_S) -> None:
        """Until an expression is true, looked at every 20 ms; TimeoutError if not in time."""
        found = self.run(
            "new Promise((done) => { const began = performance.now(); const look = () => {"
            f" if ({condition}) done(true);"
            f" else if (performance.now() - began > {1000 * patience_s}) done(false);"
            " else setTimeout(look, 20); }; look(); })"
        )
        if not found:
            raise TimeoutError(f"not within {patience_s:g} s: {condition}")

    def picture(self, path: Path, whole: bool = False) -> None:
        """Save what is seen, or the whole page, as PNG."""
        options = {"format": "png", "captureBeyondViewport": whole, "optimizeForSpeed": False}
        found = self.call("Page.captureScreenshot", **options)
        path.write_bytes(base64.b64decode(found["data"]))

    def like(self, width: int, height: int, scale: float = 1.0, mobile: bool = False) -> None:
        """Be a screen of this size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=mobile,
        )

    def prefer(self, **features: str) -> None:
        """What the viewer prefers: prefers_color_scheme="dark"."""
        told = [{"name": n.replace("_", "-"), "value": v} for n, v in features.items()]
        self.call("Emulation.setEmulatedMedia", features=told)

    @property
    def requests(self) -> list[str]:
        """Addresses the page asked for, so far."""
        self.run("0")  # takes in what was reported
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings of its console, exceptions, violations of the policy."""
        self.run("0")
        return [
            json.dumps(event["params"])[:500]
            for event in self.events
            if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
            or (
                event.get("method") == "Runtime.consoleAPICalled"
                and event["params"]["type"] in ("error", "warning", "assert")
            )
        ]

    # --- the protocol ---

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command, and what it returns."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 2 * PATIENCE_S
        while True:
            answer = self._read(deadline)
            if answer.get("id") != self._number:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def _open_page(self, width: int, height: int, scale: float) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.like(width, height, scale)

    def _read(self, deadline: float) -> Mapping[str, Any]:
        while b"\0" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise RuntimeError("the browser ended")
            self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        found: Mapping[str, Any] = json.loads(message)
        return found
