"""Whatever way a file is changed in, whoever follows it is told, and reads it when it is whole."""

from __future__ import annotations

import os
import queue
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("watchdog", reason="following a file needs watchdog")

from inferential_core import ConfigError
from inferential_core.config.file_watch import FileWatch, settled

SOON_S = 10.0


class Follower:
    """Reads a file at the start and whenever it is told."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.read: queue.Queue[str] = queue.Queue()
        self.watch = FileWatch(file, "test-file", self._changed)
        self.watch.start()
        self.until("one")

    def until(self, text: str) -> None:
        """Wait until it has read this."""
        while self.read.get(timeout=SOON_S) != text:
            pass

    def _changed(self, asked: bool) -> None:
        try:
            self.read.put("asked" if asked else self.file.read_text())
        except OSError:
            self.read.put("not there")


@pytest.fixture
def follow() -> Iterator[Callable[[Path], Follower]]:
    followers: list[Follower] = []

    def start(file: Path) -> Follower:
        followers.append(Follower(file))
        return followers[-1]

    yield start
    for each in followers:
        each.watch.close()
    assert not [thread for thread in threading.enumerate() if "test-file" in thread.name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "etc"
    made.mkdir()
    (made / "server.yaml").write_text("one")
    return made


def write(folder: Path) -> None:
    (folder / "server.yaml").write_text("two")


def replace(folder: Path) -> None:
    (folder / "server.yaml~").write_text("two")
    os.replace(folder / "server.yaml~", folder / "server.yaml")


def take_away_and_put_back(folder: Path) -> None:
    (folder / "server.yaml").unlink()
    write(folder)


def make_the_folder_anew(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    write(folder)


def put_another_folder_there(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("new"))
    write(folder.with_name("new"))
    folder.rename(folder.with_name("old"))
    folder.with_name("new").rename(folder)


@pytest.mark.parametrize(
    "change",
    [write, replace, take_away_and_put_back, make_the_folder_anew, put_another_folder_there],
)
def test_a_change_is_told_and_the_next_one_too(
    follow: Callable[[Path], Follower], folder: Path, change: Callable[[Path], None]
) -> None:
    follower = follow(folder / "server.yaml")
    change(folder)
    follower.until("two")
    (folder / "server.yaml").write_text("three")
    follower.until("three")


def test_links_are_followed_as_those_of_a_config_map_and_of_releases(
    follow: Callable[[Path], Follower], folder: Path
) -> None:
    """Kubernetes swaps a link to a folder that the file's own link leads through."""
    (folder / "v1").mkdir()
    (folder / "server.yaml").rename(folder / "v1" / "server.yaml")
    (folder / "data").symlink_to("v1")
    (folder / "server.yaml").symlink_to("data/server.yaml")
    follower = follow(folder / "server.yaml")
    (folder / "v2").mkdir()
    (folder / "v2" / "server.yaml").write_text("two")
    (folder / "data.new").symlink_to("v2")
    os.replace(folder / "data.new", folder / "data")
    follower.until("two")
    (folder / "v2" / "server.yaml").write_text("three")
    follower.until("three")


def test_links_that_lead_in_a_circle_end(follow: Callable[[Path], Follower], folder: Path) -> None:
    follower = follow(folder / "server.yaml")
    (folder / "server.yaml").unlink()
    (folder / "server.yaml").symlink_to("other")
    (folder / "other").symlink_to("server.yaml")
    follower.until("not there")
    (folder / "server.yaml").unlink()
    write(folder)
    follower.until("two")


def test_who_asks_is_told_although_nothing_changed(
    follow: Callable[[Path], Follower], folder: Path
) -> None:
    follower = follow(folder / "server.yaml")
    follower.watch.ask()
    follower.until("asked")


def test_a_file_settles_once_it_holds_something_and_nobody_writes_it(folder: Path) -> None:
    file = folder / "server.yaml"
    file.write_text("")
    writer = threading.Timer(0.1, lambda: file.write_text("two"))
    writer.start()
    state = settled(file)
    writer.join()
    assert state is not None and state.size == 3


def test_without_watchdog_the_error_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchdog.observers", None)
    with pytest.raises(ConfigError, match="server.yaml: following it needs watchdog: pip install"):
        FileWatch(folder / "server.yaml", "test-file", lambda asked: None)
