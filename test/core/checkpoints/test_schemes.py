"""A model may be named as `scheme:source?option=value`, and other packages may add schemes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from inferential_core import LocalDispatcher
from inferential_core.checkpoints.options import Options
from inferential_core.errors import ConfigError
from inferential_core.models import schemes
from inferential_core.models.loading import load_model, load_models, targets

PACKAGE = """
class Constant:
    def __init__(self, value):
        self.value = value

    def infer(self, obs):
        return {"actions": [self.value]}


def load(source, options):
    if "fail" in options:
        raise KeyError(source)
    return Constant(float(source) * float(options.get("gain", 1)))
"""


@pytest.fixture()
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that adds the scheme `constant`."""
    (tmp_path / "constant_policies.py").write_text(PACKAGE)
    described = tmp_path / "constant_policies-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: constant-policies\n")
    (described / "entry_points.txt").write_text(
        "[inferential.schemes]\nconstant = constant_policies:load\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_package_adds_a_scheme_by_an_entry_point(package: None) -> None:
    models = load_models(["a=constant:2?gain=3", "b:=constant:4"])
    assert {name: model.value for name, model in models.items()} == {"a": 6.0, "b": 4.0}
    assert targets(["a=constant:2?gain=3"]) == {"a": "constant:2?gain=3"}
    assert "a" in LocalDispatcher({"a": "constant:5"}).models()


def test_what_a_scheme_raises_is_told_with_the_checkpoint(package: None) -> None:
    with pytest.raises(ConfigError, match=r"constant:7: KeyError: '7' \(constant_policies.py:12"):
        load_model("constant:7?fail=1")


def test_a_text_that_begins_with_no_scheme_is_a_module() -> None:
    assert schemes.read("my_package.policy:Policy") is None
    assert schemes.read("lerobot:some/folder?device=cuda&hub=true") == (
        "lerobot",
        "some/folder",
        {"device": "cuda", "hub": "true"},
    )


def test_a_missing_framework_is_told_with_what_brings_it_and_what_else_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "inferential_core.checkpoints.torch_file", raising=False)
    with pytest.raises(ConfigError, match="pip install torch .*; and there is no '/not/there.pt'"):
        load_model("torch:/not/there.pt")
    (tmp_path / "x.pt").touch()
    with pytest.raises(ConfigError, match=r"pip install torch [^;]*$"):
        load_model(f"torch:{tmp_path}/x.pt")


@pytest.mark.parametrize("target", ["lerobot:x?device", "lerobot:x?a=1&a=2", "lerobot:x?=1"])
def test_an_option_without_a_value_is_refused(target: str) -> None:
    with pytest.raises(ConfigError, match="write each option once"):
        schemes.read(target)


def test_a_scheme_without_a_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="write lerobot: and then a file or folder"):
        load_model("lerobot:?device=cpu")


def test_a_checkpoint_of_this_folder_is_found_from_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy").mkdir()
    monkeypatch.chdir(tmp_path)
    assert schemes.absolute("lerobot:policy?rtc=off") == f"lerobot:{tmp_path}/policy?rtc=off"
    assert schemes.absolute("lerobot:user/name?hub=true") == "lerobot:user/name?hub=true"
    assert schemes.absolute("my_package:Policy") == "my_package:Policy"


# --- options ---


def test_options_are_read_each_as_its_kind() -> None:
    options = Options({"hub": "true", "sizes": "1, 2,4", "names": "a,b", "rate": "30", "n": "5"})
    assert options.flag("hub", False) is True
    assert options.sizes("sizes") == [1, 2, 4]
    assert options.names("names") == ["a", "b"]
    assert (options.rate("rate"), options.whole("n", 1), options.text("device", "cpu")) == (
        30.0,
        5,
        "cpu",
    )
    options.finish()


@pytest.mark.parametrize(
    "take,words",
    [
        (lambda it: it.flag("a", False), "option a=x: it must be true or false"),
        (lambda it: it.sizes("a"), "option a=x: it must be sizes such as 1,2,4,8"),
        (lambda it: it.rate("a"), "option a=x: it must be a number above 0"),
        (lambda it: it.whole("a", 1), "option a=x: it must be a whole number of at least 1"),
        (lambda it: it.choice("a", "", ("f", "g")), "option a=x: it must be f or g"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_words(take: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        take(Options({"a": "x"}))


def test_an_option_that_nobody_knows_is_refused_with_the_nearest() -> None:
    options = Options({"devise": "cuda"})
    options.text("device")
    with pytest.raises(ConfigError, match="unknown option 'devise': did you mean 'device'"):
        options.finish()
