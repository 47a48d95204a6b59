"""docs/architecture.md lists every room, and imports point down its table."""

from __future__ import annotations

import graphlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tools"))
import draw_house  # noqa: E402
import rooms  # noqa: E402

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def ranks() -> dict[str, int]:
    """The rooms of the table, by how far down each of them stands."""
    table = PAGE.partition("## The rooms")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    return {room: rank for rank, row in enumerate(rows) for room in re.findall(r"`([\w/]+)`", row)}


def test_the_table_lists_every_folder_and_nothing_else() -> None:
    listed = ranks()
    folders = {room for room in rooms.rooms() if rooms.is_folder(room)}
    assert folders - set(listed) == set()
    assert set(listed) - set(rooms.rooms()) == set()


def test_each_room_imports_only_rooms_below_it() -> None:
    rank = ranks()
    wrong = {
        f"{here} -> {there}": sorted(files)
        for (here, there), files in rooms.arrows().items()
        if here in rank and there in rank and rank[here] >= rank[there]
    }
    assert not wrong


@pytest.mark.parametrize("package", rooms.PACKAGES)
def test_no_module_imports_itself_by_a_detour(package: str) -> None:
    # The package's own __init__ names what users import; the modules below it do without that.
    graph = {
        rooms.module_of(file): rooms.imported(file) - {package}
        for file in rooms.files()
        if rooms.module_of(file).startswith(f"{package}.")
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which shows the circle


def test_a_circle_of_rooms_is_told_with_its_rooms() -> None:
    with pytest.raises(ValueError, match="a -> b -> a"):
        draw_house.levels({"a": {"b"}, "b": {"a"}})


def test_the_picture_shows_every_room_that_the_table_lists() -> None:
    drawn = (ROOT / "docs" / "images" / "house.svg").read_text("utf-8")
    for room in ranks():
        if rooms.is_folder(room):
            assert f">{room.partition('/')[2]}<" in drawn, f"{room} is not drawn: run make docs"


def test_the_picture_shows_the_arrows_that_there_are_and_no_others() -> None:
    drawn = (ROOT / "docs" / "images" / "house.svg").read_text("utf-8")
    arrows = {
        draw_house.arrow_name(room, other)
        for room, below in draw_house.reduced(draw_house.folders()).items()
        for other in below
    }
    assert set(re.findall(r'id="([\w/]+-to-[\w/]+)"', drawn)) == arrows, "run make docs"
