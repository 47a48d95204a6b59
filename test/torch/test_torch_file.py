"""`torch:FILE` serves what torch.export or TorchScript wrote, in batches, without any class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

from inferential_core.checkpoints.taking import _resized  # noqa: E402
from inferential_core.errors import ConfigError  # noqa: E402
from inferential_core.models.caller import ModelCaller  # noqa: E402
from inferential_core.models.context import InferenceContext  # noqa: E402
from inferential_core.models.loading import load_model  # noqa: E402

CONTEXT = InferenceContext("robot", 0, 0, False, 1e9)
BATCH = torch.export.Dim("batch", min=1, max=64)


class Policy(torch.nn.Module):
    """state (B, 3) and gains (B, 2) -> a chunk (B, 4, 3)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.layer = torch.nn.Linear(5, 12)

    def forward(self, state: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
        return self.layer(torch.cat([state, gains], dim=1)).reshape(-1, 4, 3)


class Several(torch.nn.Module):
    def forward(self, state: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"actions": state[:, None] * 2, "value": state.sum(dim=1)}


def example(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(size, 3), torch.zeros(size, 2)


def exported(path: Path, network: torch.nn.Module, *arguments: Any, many: bool = True) -> Path:
    shapes = [{0: BATCH} for _ in arguments] if many else None
    torch.export.save(torch.export.export(network, arguments, dynamic_shapes=shapes), path)
    return path


def observations(count: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(1)
    return [
        {
            "state": random.standard_normal(3).astype(np.float32),
            "gains": random.standard_normal(2),  # float64: made what the network takes
            "other": np.zeros(1),
        }
        for _ in range(count)
    ]


def expected(observation: dict[str, np.ndarray]) -> np.ndarray:
    row = [torch.from_numpy(np.float32(observation[key]))[None] for key in ("state", "gains")]
    chunk: np.ndarray = Policy()(*row)[0].detach().numpy()
    return chunk


@pytest.mark.parametrize("options", ["", "?batch_sizes=4"])
def test_an_exported_network_answers_batches_and_specifies_itself(
    options: str, tmp_path: Path
) -> None:
    path = exported(tmp_path / "policy.pt2", Policy(), *example(2))
    model = load_model(f"torch:{path}{options}")
    caller = ModelCaller("policy", model)
    caller.warm_up()
    asked = observations(3)
    for answer, observation in zip(model.infer_batch(asked), asked):
        np.testing.assert_allclose(answer["actions"], expected(observation), atol=1e-6)
    (alone,) = model.infer_batch(asked[:1])
    np.testing.assert_allclose(alone["actions"], expected(asked[0]), atol=1e-6)
    assert caller.specification["observation"] == {
        "state": {"dtype": "float32", "shape": [3]},
        "gains": {"dtype": "float32", "shape": [2]},
    }
    assert caller.specification["horizon"] == 4
    assert caller.specification["notes"]["action_columns"] == 3


def test_a_network_of_a_batch_of_one_takes_one_observation(tmp_path: Path) -> None:
    path = exported(tmp_path / "policy.pt2", Policy(), *example(1), many=False)
    model = load_model(f"torch:{path}")
    (observation,) = observations(1)
    np.testing.assert_allclose(
        model.infer(observation)["actions"], expected(observation), atol=1e-6
    )


def test_torchscript_is_served_by_the_names_of_its_arguments(tmp_path: Path) -> None:
    path = tmp_path / "policy.pt"
    torch.jit.script(Policy().eval()).save(str(path))
    model = load_model(f"torch:{path}")
    assert list(model.specification["observation"]) == ["state", "gains"]
    asked = [{**each, "gains": np.float32(each["gains"])} for each in observations(3)]
    for answer, observation in zip(model.infer_batch(asked), asked):
        np.testing.assert_allclose(answer["actions"], expected(observation), atol=1e-6)


def test_several_answers_keep_their_names(tmp_path: Path) -> None:
    path = exported(tmp_path / "several.pt2", Several(), torch.zeros(2, 3))
    first, second = load_model(f"torch:{path}").infer_batch(
        [{"state": np.ones(3, np.float32)}, {"state": np.zeros(3, np.float32)}]
    )
    assert first["actions"].tolist() == [[2.0, 2.0, 2.0]]
    assert (float(first["value"]), float(second["value"])) == (3.0, 0.0)


@pytest.mark.parametrize("script", [False, True])
def test_weights_that_are_no_numbers_are_told_of_at_load(script: bool, tmp_path: Path) -> None:
    network = Policy()
    for damaged in (False, True):
        if damaged:
            network.layer.bias.data[4] = float("nan")
        path = tmp_path / "policy.pt2"
        if script:
            torch.jit.script(network).save(str(path))
        else:
            exported(path, network, *example(2))
        found = load_model(f"torch:{path}").specification["notes"].get("warnings", [])
        told = "its weights layer.bias hold NaN: the file may be damaged"
        assert found == ([told] if damaged else [])


@pytest.mark.parametrize("lost", [1, 100, 2000])
def test_a_file_that_is_cut_off_is_told(lost: int, tmp_path: Path) -> None:
    path = exported(tmp_path / "policy.pt2", Policy(), *example(2))
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(ConfigError, match="the file is cut off: copy it again"):
        load_model(f"torch:{path}")


def test_what_is_no_network_is_told(tmp_path: Path) -> None:
    torch.save(Policy().state_dict(), tmp_path / "weights.pt")
    (tmp_path / "text.pt").write_text("hello")
    for name in ("weights.pt", "text.pt"):
        with pytest.raises(ConfigError, match="holds no network, but perhaps weights: export"):
            load_model(f"torch:{tmp_path}/{name}")
    with pytest.raises(ConfigError, match="there is no file"):
        load_model(f"torch:{tmp_path}/none.pt2")
    path = exported(tmp_path / "policy.pt2", Policy(), *example(2))
    with pytest.raises(ConfigError, match="option device=cuda:9: PyTorch cannot use it here"):
        load_model(f"torch:{path}?device=cuda:9")


class Pair(torch.nn.Module):
    """A tuple, of which the second does not have the batch, in half precision."""

    def forward(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (state[:, None] * 2).half(), torch.ones(1)


@pytest.mark.parametrize("kind", ["pt2", "torchscript"])
def test_a_tuple_is_answered_by_number_and_half_precision_is_kept(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "pair.pt"
    if kind == "pt2":
        exported(path, Pair(), torch.zeros(2, 3))
    else:
        torch.jit.script(Pair()).save(str(path))
    model = load_model(f"torch:{path}")
    asked = [{"state": np.full(3, at, np.float32)} for at in range(3)]
    if kind == "pt2":  # a TorchScript does not say that an output is not of the batch
        (*_, last) = model.infer_batch(asked)
        assert last["output_0"].dtype == torch.float16 and float(last["output_1"][0]) == 1.0
    answers: Any = ModelCaller("policy", model).call(asked, [CONTEXT] * 3)
    assert [float(answer["output_0"][0, 0]) for answer in answers] == [0.0, 2.0, 4.0]
    assert answers[0]["output_0"].dtype == np.float16


class Nested(torch.nn.Module):
    def forward(self, state: torch.Tensor) -> Any:
        return state * 2, (state.sum(dim=1), state * 3)


class Listed(torch.nn.Module):
    def forward(self, states: list[torch.Tensor]) -> torch.Tensor:
        return states[0]


class Mapped(torch.nn.Module):
    def forward(self, states: dict[str, torch.Tensor]) -> torch.Tensor:
        return states["a"] * 2


class Choosy(torch.nn.Module):
    def forward(self, state: torch.Tensor, more: torch.Tensor | None = None) -> torch.Tensor:
        return state if more is None else state + more


def test_answers_in_answers_are_numbered_on(tmp_path: Path) -> None:
    path = exported(tmp_path / "nested.pt2", Nested(), torch.zeros(2, 3))
    (answer,) = load_model(f"torch:{path}").infer_batch([{"state": np.ones(3, np.float32)}])
    assert [float(answer[f"output_{at}"].sum()) for at in range(3)] == [6.0, 3.0, 9.0]


def test_arguments_that_are_no_tensors_are_told_when_it_is_loaded(tmp_path: Path) -> None:
    torch.jit.script(Listed()).save(str(tmp_path / "listed.pt"))
    with pytest.raises(ConfigError, match=r"argument states is a List\[Tensor\]"):
        load_model(f"torch:{tmp_path}/listed.pt")
    program = torch.export.export(Mapped(), ({"a": torch.zeros(2, 3)},))
    torch.export.save(program, tmp_path / "mapped.pt2")
    with pytest.raises(ConfigError, match="not all its arguments are tensors, or they are nested"):
        load_model(f"torch:{tmp_path}/mapped.pt2")


def test_an_argument_with_a_default_may_be_missing(tmp_path: Path) -> None:
    torch.jit.script(Choosy()).save(str(tmp_path / "choosy.pt"))
    model = load_model(f"torch:{tmp_path}/choosy.pt")
    assert model.specification["observation"]["more"]["optional"]
    one = np.ones(3, np.float32)
    first, second = model.infer_batch([{"state": one}, {"state": one, "more": one}])
    assert (first["actions"].tolist(), second["actions"].tolist()) == ([1.0] * 3, [2.0] * 3)


class Small(torch.nn.Module):
    def forward(self, state: torch.Tensor) -> torch.Tensor:
        return state * 2


def test_weights_of_bfloat16_are_asked_with_float32(tmp_path: Path) -> None:
    path = exported(tmp_path / "small.pt2", Small(), torch.zeros(2, 3, dtype=torch.bfloat16))
    model = load_model(f"torch:{path}")
    caller = ModelCaller("policy", model)
    assert caller.specification["observation"]["state"]["dtype"] == "float32"
    (answer,) = caller.call([{"state": np.ones(3, np.float32)}], [CONTEXT])
    assert not isinstance(answer, Exception), answer
    assert np.asarray(answer["actions"], np.float32).tolist() == [2.0, 2.0, 2.0]


def test_pictures_are_resized_as_pytorch_resizes_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    for size in ((24, 30), (64, 80), (37, 20)):
        theirs = torch.nn.functional.interpolate(
            torch.from_numpy(pixels).permute(2, 0, 1)[None].float(), size, mode="bilinear"
        )[0].permute(1, 2, 0)
        apart = np.abs(_resized(pixels, *size) - theirs.numpy())
        assert apart.max() <= 0.51  # ours are whole numbers
