"""A folder of a checkpoint is looked at before a framework is: what is not whole is told."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from inferential_core.checkpoints import naming
from inferential_core.checkpoints.folder import check_whole, checked_folder
from inferential_core.errors import ConfigError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 51\n"


def weights(file: Path, values: int = 4) -> Path:
    """A file of one tensor, as safetensors writes it."""
    header = {"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}
    told = json.dumps({**header, "__metadata__": {"format": "pt"}}).encode()
    file.write_bytes(struct.pack("<Q", len(told)) + told + bytes(4 * values))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policy"
    made.mkdir()
    (made / "config.json").write_text('{"type": "act"}')
    weights(made / "model.safetensors")
    return made


def test_a_whole_folder_is_taken(folder: Path) -> None:
    assert checked_folder(str(folder), "config.json", False) == str(folder)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda it: (it / "model.safetensors").write_text(POINTER),
            "model.safetensors is a pointer of Git LFS.*run git lfs pull",
        ),
        (
            lambda it: (it / "model.safetensors").write_bytes(
                (it / "model.safetensors").read_bytes()[:-1]
            ),
            "model.safetensors is cut off after .* bytes: copy it again",
        ),
        (lambda it: (it / "model.safetensors").write_bytes(b""), "is cut off or damaged"),
        (lambda it: (it / "model.safetensors").write_bytes(b"\xff" * 99), "cut off or damaged"),
        (lambda it: (it / "config.json").write_text("{"), "config.json cannot be read: Expecting"),
        (lambda it: (it / "config.json").write_text("[]"), "config.json holds a list"),
        (lambda it: (it / "config.json").unlink(), "has no config.json"),
    ],
)
def test_what_is_not_whole_is_named(
    spoil: Callable[[Path], object], told: str, folder: Path
) -> None:
    spoil(folder)
    with pytest.raises(ConfigError, match=told):
        checked_folder(str(folder), "config.json", False)


def test_a_file_in_place_of_its_folder_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match="is a file: name its folder, .*policy"):
        checked_folder(str(folder / "config.json"), "config.json", False)


def test_any_file_of_a_network_may_be_a_pointer(tmp_path: Path) -> None:
    (tmp_path / "policy.onnx").write_text(POINTER)
    with pytest.raises(ConfigError, match="policy.onnx is a pointer of Git LFS"):
        check_whole(tmp_path / "policy.onnx")


@pytest.mark.parametrize("text", ["{", "[]", '{"dataset": null}', '{"dataset": []}', "{}"])
def test_what_training_left_may_say_nothing(text: str, folder: Path) -> None:
    (folder / "train_config.json").write_text(text)
    assert naming.of_training(folder) == naming.Naming()


@pytest.mark.parametrize(
    "info",
    [
        "{}",
        '{"features": []}',
        '{"features": {"action": null, "observation.state": 3}, "fps": "fast"}',
        '{"features": {"action": {"names": {"motors": "ab"}}}, "fps": 0}',
    ],
)
def test_a_dataset_may_say_nothing(info: str, tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "info.json").write_text(info)
    assert naming.of_dataset(str(tmp_path)) == naming.Naming()
