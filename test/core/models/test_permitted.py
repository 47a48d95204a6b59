"""Only what lies in a folder that the operator named may be loaded by somebody elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inferential_core.errors import ConfigError
from inferential_core.models.permitted import check_permitted


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    for each in (allowed, outside):
        each.mkdir()
    (allowed / "permitted_policies.py").write_text("raise SystemExit('it is not imported')")
    (allowed / "act").mkdir()
    (outside / "other_policies.py").write_text("")
    (outside / "act").mkdir()
    (allowed / "linked").symlink_to(outside / "act")
    (allowed / "linked_policies.py").symlink_to(outside / "other_policies.py")
    (allowed / "json.py").write_text("")  # which Python has loaded from elsewhere
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [
        "permitted_policies:Policy",
        "{0}/allowed/permitted_policies.py:Policy",
        "lerobot:{0}/allowed/act?device=cpu",
    ],
)
def test_what_lies_in_a_folder_is_permitted(folder: Path, target: str) -> None:
    check_permitted(target.format(folder), [str(folder / "allowed")])


@pytest.mark.parametrize(
    "target",
    [
        "os:system",
        "json:loads",
        "subprocess:run",
        "other_policies:Policy",
        "linked_policies:Policy",
        "no_such_module:Policy",
        "permitted_policies:subprocess.getoutput",
        ":Policy",
        "{0}/outside/other_policies.py:Policy",
        "{0}/allowed/linked_policies.py:Policy",
        "{0}/allowed/permitted_policies.py:subprocess.getoutput",
        "lerobot:{0}/outside/act",
        "lerobot:{0}/allowed/../outside/act",
        "lerobot:{0}/allowed/linked",
        "lerobot:lerobot/act_aloha?hub=true",
        "onnx:{0}/outside/act/policy.onnx",
    ],
)
def test_nothing_else_is(folder: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder / "outside")
    with pytest.raises(ConfigError, match="lies in none of the folders"):
        check_permitted(target.format(folder), [str(folder / "allowed")])
    with pytest.raises(ConfigError, match=r"\(control.folders\): none"):
        check_permitted(target.format(folder), [])
