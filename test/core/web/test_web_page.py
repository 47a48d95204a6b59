"""The page in a real browser: what an operator sees, and that watching many robots stays cheap."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

pytest.importorskip("playwright", reason="playwright is not installed")

from doors_rig import JsonLinesClient, serve

from benchmarks import browser
from inferential_core import Connection, LocalDispatcher, Server
from inferential_core.config import InferentialConfig

pytestmark = [
    pytest.mark.skipif(browser.find() is None, reason="chromium is not installed"),
    pytest.mark.skipif(find_spec("uvicorn") is None, reason="uvicorn is not installed"),
]

ROWS = "[...document.querySelectorAll('#robots tbody tr')]"


class Model:
    """Takes as long as it is told."""

    version = "v1"

    def __init__(self) -> None:
        self.seconds = 0.001

    def infer_batch(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        time.sleep(self.seconds)
        if any(obs.get("task") == "fail" for obs in batch):
            raise ValueError("the gripper <b>is</b> jammed")
        return [{"actions": np.zeros((4, 2), np.float32)} for _ in batch]


class Rig:
    """A server, its page, and robots that ask when they are told to."""

    def __init__(self, page: browser.Browser) -> None:
        self.model = Model()
        self.page = page
        config = InferentialConfig(
            http={"bind": "127.0.0.1:0"}, response_tracking={"disconnect_timeout_s": 600.0}
        )
        self.server = Server(
            "tcp://127.0.0.1:0", config=config, dispatcher=LocalDispatcher({"walk": self.model})
        )
        self.server.start()
        self.robots: dict[str, Connection] = {}

    def ask(self, name: str, budget_ms: float = 20_000, **values: Any) -> None:
        """One observation of one robot, answered."""
        robot = self.robots.get(name)
        if robot is None:
            robot = self.robots[name] = Connection(
                self.server.address, client_id=name, client_type="arm"
            )
        model = robot.model("walk", latency_budget_ms=budget_ms)
        model.observe(x=np.zeros(2), **values)
        assert model.get_reply(timeout_ms=20_000) is not None

    @contextlib.contextmanager
    def asking(self, names: list[str], budget_ms: float = 20_000) -> Iterator[None]:
        """One after the other, over and over, meanwhile."""
        stop = threading.Event()

        def ask() -> None:
            for name in itertools.cycle(names):
                if stop.is_set():
                    return
                self.ask(name, budget_ms)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def close(self) -> None:
        for robot in self.robots.values():
            robot.close()
        self.server.stop()


@pytest.fixture(scope="module")
def chromium(lasting_processes: set[int]) -> Iterator[browser.Browser]:
    with browser.Browser() as page:
        lasting_processes.update(page.pids)
        yield page


@pytest.fixture
def rig(chromium: browser.Browser) -> Iterator[Rig]:
    rig = Rig(chromium)
    chromium.forget()
    yield rig
    chromium.go("about:blank")
    rig.close()


def test_a_row_appears_for_each_robot_and_the_sum_is_shown(rig: Rig) -> None:
    rig.page.go(rig.server.page)
    rig.page.wait_for("document.querySelector('#more').textContent.startsWith('No robot has')")
    for name in ("arm-10", "arm-2", "<i>odd</i>"):
        rig.ask(name)
    rig.page.wait_for(f"{ROWS}.length === 3")
    assert rig.page.run("document.querySelector('#more').hidden")
    names = rig.page.run(f"{ROWS}.map((row) => row.querySelector('th').textContent)")
    assert sorted(names) == ["<i>odd</i>arm", "arm-10arm", "arm-2arm"]
    assert names.index("arm-2arm") < names.index("arm-10arm")  # as people count
    rig.page.wait_for("document.querySelector('#sum').textContent.includes('3 received')")
    text = rig.page.run("document.querySelector('#sum').textContent")
    assert "3 received" in text and "3 ok" in text and "✓ all accounted for" in text
    card = rig.page.run("document.querySelector('.model').innerText")
    assert "walk" in card and "v1" in card and "circuit closed" in card
    assert (
        rig.page.run(f"{ROWS}.map((row) => row.querySelector('.state').textContent)")
        == ["active"] * 3
    )


def test_what_doors_refused_is_told_beside_the_sum(chromium: browser.Browser) -> None:
    door = {"kind": "json_lines_door:JsonLines"}
    with serve({"walk": Model()}, door, http={"bind": "127.0.0.1:0"}) as server:
        with JsonLinesClient(server) as client:
            assert "unknown" in client.ask(state=[1], model="wakl")["refused"]
        chromium.go(server.page)
        chromium.wait_for(
            "document.querySelector('#sum').textContent.endsWith('for · 1 refused at doors')"
        )
        chromium.go("about:blank")


def test_a_robot_that_starves_turns_visibly_so_sorts_to_the_top_and_recovers(rig: Rig) -> None:
    rig.page.go(rig.server.page)
    for name in ("arm-1", "arm-2", "arm-3"):
        rig.ask(name)
    rig.page.wait_for(f"{ROWS}.length === 3")
    healthy = style_of(rig.page, "arm-3")
    rig.model.seconds = 0.05
    first = f"{ROWS}[0]"
    with rig.asking(["arm-3"], budget_ms=1):
        rig.page.wait_for(f"{first}.className === 'starving'")
        assert rig.page.run(f"{first}.querySelector('th').textContent") == "arm-3arm"
        assert " late of " in rig.page.run(f"{first}.querySelector('.what').textContent")
        starving = style_of(rig.page, "arm-3")
        assert starving["background"] != healthy["background"]
        assert starving["mark"] != healthy["mark"]  # nor is it said by colour alone
        assert rig.page.run("document.title").startswith("▲ 1 starving")
        assert rig.page.run("document.querySelector('.states .starving b').textContent") == "1"
        assert "arm-3" in rig.page.run("document.querySelector('#alarm').textContent")
    rig.model.seconds = 0.001
    rig.page.wait_for(f"!{ROWS}.some((row) => row.className === 'starving')")
    assert rig.page.run("document.title") == "Inferential"


def style_of(page: browser.Browser, name: str) -> dict[str, str]:
    return page.run(
        f"(() => {{ const row = {ROWS}.find((row) => row.robot.id === '{name}');"
        " const state = row.querySelector('.state'); return {"
        " background: getComputedStyle(state).backgroundColor,"
        " mark: getComputedStyle(state, '::before').content }; })()"
    )


def test_a_failure_is_told_beside_its_robot_as_text(rig: Rig) -> None:
    rig.page.go(rig.server.page)
    rig.ask("arm-1", task="fail")
    rig.page.wait_for("document.querySelector('.model .trouble')?.textContent.includes('jammed')")
    assert rig.page.run("document.querySelectorAll('main b').length > 0")
    assert not rig.page.run(
        "[...document.querySelectorAll('b')].some((b) => b.textContent === 'is')"
    )


def test_settings_that_do_not_hold_are_told(rig: Rig, tmp_path: Path) -> None:
    rig.page.go(rig.server.page)
    rig.ask("arm-1")
    rig.page.wait_for(f"{ROWS}.length === 1")
    box = "document.querySelector('#settings')"
    assert rig.page.run(f"{box}.hidden")
    wanted = rig.server.config.model_dump(exclude_none=True)
    wanted["transport"]["recv_hwm"] = 7
    rig.server.reconfigure(InferentialConfig(**wanted))
    rig.page.wait_for(f"{box}.textContent === 'after a restart: transport.recv_hwm'")
    assert not rig.page.run(f"{box}.hidden")


def test_two_hundred_robots_are_updated_in_place(rig: Rig) -> None:
    """A frame writes the cells in sight that changed: no row is made again."""
    names = [f"arm-{number}" for number in range(200)]
    for name in names:
        rig.ask(name)
    rig.page.go(rig.server.page)
    rig.page.wait_for(f"{ROWS}.length === 200")
    rig.page.run(
        "window.before = new Set(document.querySelectorAll('#robots tbody tr'));"
        "window.changes = { rows: 0, cells: 0, frames: 0 };"
        "new MutationObserver((records) => { for (const record of records) {"
        "  if (record.target.tagName === 'TBODY') window.changes.rows += 1;"
        "  else window.changes.cells += 1; } })"
        ".observe(document.querySelector('#robots tbody'),"
        "  { subtree: true, childList: true, characterData: true, attributes: true });"
        "new MutationObserver(() => { window.changes.frames += 1; })"
        ".observe(document.querySelector('#sum'), { subtree: true, childList: true }); 0"
    )
    with rig.asking(names[:20]):
        rig.page.wait_for("window.changes.frames >= 4")
    changes = rig.page.run("window.changes")
    assert rig.page.run(f"{ROWS}.every((row) => window.before.has(row))")
    # Hardly any is moved: none, unless the machine is so busy that some of them starve.
    assert changes["rows"] / changes["frames"] < 20
    # Of 1600 cells: those in sight, and a tenth of the others.
    assert changes["cells"] / changes["frames"] < 400


def test_nothing_is_asked_of_any_other_server_and_the_policy_is_kept(rig: Rig) -> None:
    rig.page.go(rig.server.page)
    rig.ask("arm-1")
    rig.page.wait_for(f"{ROWS}.length === 1")
    for scheme in ("dark", "light"):
        rig.page.prefer(color_scheme=scheme)
    asked = rig.page.requests
    assert {urlsplit(url).netloc for url in asked if url != "about:blank"} == {
        urlsplit(rig.server.page).netloc
    }
    assert {urlsplit(url).path for url in asked} >= {"/", "/page.css", "/page.js", "/api/stream"}
    assert rig.page.complaints == []


def test_it_fits_a_phone_and_obeys_the_dark_scheme(rig: Rig) -> None:
    rig.ask("robot-with-a-rather-long-name/left_arm")
    colour = "getComputedStyle(document.body).backgroundColor"
    rig.page.go(rig.server.page)
    rig.page.wait_for(f"{ROWS}.length === 1")
    light = rig.page.run(colour)
    try:
        rig.page.prefer(color_scheme="dark")
        rig.page.like(360, 740, 2.0, mobile=True)
        assert rig.page.run(colour) != light
        assert rig.page.run("document.documentElement.scrollWidth") == 360
        row = rig.page.run(f"{ROWS}[0].getBoundingClientRect().toJSON()")
        assert row["right"] <= 360 and row["height"] < 140
    finally:
        rig.page.prefer(color_scheme="light")
        rig.page.like(1440, 900)


def test_a_server_that_stops_is_told_and_found_again(rig: Rig) -> None:
    rig.page.go(rig.server.page)
    rig.page.wait_for("document.querySelector('#link').textContent === 'live'")
    page = rig.server.page
    rig.server.stop()
    rig.page.wait_for("document.querySelector('#link').className === 'link lost'")
    section = rig.server.config.http.model_copy(update={"bind": page})
    again = Server(
        "tcp://127.0.0.1:0",
        config=rig.server.config.model_copy(update={"http": section}),
        dispatcher=LocalDispatcher({"walk": Model()}),
    )
    with again:
        rig.page.wait_for("document.querySelector('#link').textContent === 'live'")


def test_robots_can_be_filtered_by_name_and_by_state(rig: Rig) -> None:
    rig.page.go(rig.server.page)
    for name in ("left-1", "left-2", "right-1"):
        rig.ask(name)
    rig.page.wait_for(f"{ROWS}.length === 3")
    shown = f"{ROWS}.filter((row) => !row.hidden).map((row) => row.robot.id)"
    rig.page.run(
        "const box = document.querySelector('#filter'); box.value = 'LEFT';"
        "box.dispatchEvent(new Event('input')); 0"
    )
    assert rig.page.run(shown) == ["left-1", "left-2"]
    rig.page.run("document.querySelector('.states .starving').click()")
    assert rig.page.run(shown) == []
