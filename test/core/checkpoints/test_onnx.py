"""`onnx:FILE` serves a network as it is: its shapes say what it takes, and in which batches."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

import onnx
import onnx_networks as networks

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core.errors import ConfigError
from inferential_core.models.caller import ModelCaller
from inferential_core.models.loading import load_model

LONG_MS = 20_000
STATES = [np.array(row, np.float32) for row in ([1, 0, 2], [0, -1, 3], [5, 5, 5])]


def ask(model: Any) -> list[np.ndarray]:
    observations = [{"state": state, "other": np.zeros(2)} for state in STATES]
    if hasattr(model, "infer_batch"):
        return [answer["actions"] for answer in model.infer_batch(observations)]
    return [model.infer(observation)["actions"] for observation in observations]


@pytest.mark.parametrize(
    "batch,options,batches",
    [
        ("N", "", True),
        ("N", "?batch_sizes=2,4", True),
        (4, "?batch_sizes=4", True),
        (1, "", False),
        (None, "", False),
    ],
)
def test_each_observation_gets_its_chunk_whatever_the_first_axis_is(
    batch: Any, options: str, batches: bool, tmp_path: Path
) -> None:
    path = networks.linear(tmp_path / "policy.onnx", batch)
    model = load_model(f"onnx:{path}{options}")
    assert hasattr(model, "infer_batch") == batches
    for chunk, state in zip(ask(model), STATES):
        np.testing.assert_allclose(chunk, networks.expected(state), rtol=1e-6)
    caller = ModelCaller("policy", model)
    caller.warm_up()
    assert caller.specification["observation"] == {"state": {"dtype": "float32", "shape": [3]}}
    assert caller.specification["horizon"] == networks.STEPS
    assert caller.batch_sizes == ((2, 4) if "2,4" in options else (4,) if options else ())


def test_names_and_rate_come_from_the_file_or_from_options(tmp_path: Path) -> None:
    told = {"action_names": '["a", "b", "c"]', "state_names": "x, y, z", "control_rate_hz": "25"}
    path = networks.linear(tmp_path / "policy.onnx", "N", told)
    declared = load_model(f"onnx:{path}").specification
    assert (declared["action_names"], declared["control_rate_hz"]) == (["a", "b", "c"], 25.0)
    assert declared["notes"]["state_names"] == ["x", "y", "z"]
    assert "needs" not in declared["notes"]
    silent = load_model(f"onnx:{networks.linear(tmp_path / 'silent.onnx', 'N')}").specification
    assert [need.partition("give ")[2] for need in silent["notes"]["needs"]] == [
        "action_names=...",
        "control_rate_hz=...",
    ]
    declared = load_model(f"onnx:{path}?control_rate_hz=50").specification
    assert declared["control_rate_hz"] == 50.0
    with pytest.raises(ConfigError, match="action_names: 2 names .* 3 columns of action"):
        load_model(f"onnx:{path}?action_names=a,b")


@pytest.mark.parametrize(
    "options,words",
    [
        ("?device=cuda", "this ONNX Runtime runs on cpu"),
        ("?batch_sizes=2&batch=one", "the first axis of this network is no batch of that size"),
        ("?batch=all", "option batch=all: it must be first or one or none"),
        ("?dataset=x", "unknown option 'dataset'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(options: str, words: str, tmp_path: Path) -> None:
    path = networks.linear(tmp_path / "policy.onnx", "N")
    with pytest.raises(ConfigError, match=words):
        load_model(f"onnx:{path}{options}")


def test_a_file_that_is_not_there_or_is_no_network_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"there is no file {tmp_path}/none.onnx"):
        load_model(f"onnx:{tmp_path}/none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ConfigError, match="onnx:.*text.onnx: InvalidProtobuf"):
        load_model(f"onnx:{tmp_path}/text.onnx")


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_file_that_is_cut_off_is_told(left: int, tmp_path: Path) -> None:
    path = networks.linear(tmp_path / "policy.onnx", "N")
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ConfigError, match="the file is cut off, or holds no network .* copy it"):
        load_model(f"onnx:{path}")


def test_weights_that_are_missing_beside_their_network_are_told(tmp_path: Path) -> None:
    path = networks.linear(tmp_path / "policy.onnx", "N")
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, size_threshold=99, location="data"
    )
    weights = (tmp_path / "data").read_bytes()
    np.testing.assert_allclose(
        ask(load_model(f"onnx:{path}"))[0], networks.expected(STATES[0]), rtol=1e-6
    )
    (tmp_path / "data").write_bytes(weights[:20])
    with pytest.raises(ConfigError, match="weights lie in another file, to be copied beside it"):
        load_model(f"onnx:{path}")
    (tmp_path / "data").unlink()
    with pytest.raises(ConfigError, match="weights lie in another file, to be copied beside it"):
        load_model(f"onnx:{path}")


@pytest.mark.parametrize("batch", ["N", 1, None])
def test_weights_that_are_no_numbers_are_told_of_at_load(
    batch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sound = load_model(f"onnx:{networks.linear(tmp_path / 'sound.onnx', batch)}")
    assert "warnings" not in sound.specification["notes"]
    weights = networks.WEIGHTS.copy()
    weights[0, 4] = np.nan  # of the second column of a row
    monkeypatch.setattr(networks, "WEIGHTS", weights)
    path = networks.linear(tmp_path / "damaged.onnx", batch, {"action_names": "a, b, c"})
    (told,) = load_model(f"onnx:{path}").specification["notes"]["warnings"]
    assert "actions that are not finite, in the columns b: its weights may be damaged" in told
    assert f"{path}: {told}" in caplog.text


def test_a_replica_of_rays_loads_it_from_this_folder(
    ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inferential_core.dispatch.ray_serve import RayServeDispatcher

    networks.linear(tmp_path / "policy.onnx", "N")
    monkeypatch.chdir(tmp_path)
    deploy = {"network": "onnx:policy.onnx?batch_sizes=2,4"}
    with (
        Server(
            bind="tcp://127.0.0.1:0",
            dispatcher=RayServeDispatcher(address=ray_cluster.address, deploy=deploy),
        ) as server,
        Connection(server.address, client_id="robot") as connection,
    ):
        until_ready(server)
        network = connection.model("network", latency_budget_ms=LONG_MS)
        network.observe(state=STATES[1])
        result = network.get_result(LONG_MS)
        assert result is not None
        np.testing.assert_allclose(result["actions"], networks.expected(STATES[1]), rtol=1e-6)
        (told,) = server.status()["models"]
        assert (told["batch_sizes"], told["max_batch"]) == ([2, 4], 4)


def until_ready(server: Server) -> None:
    end = time.monotonic() + 60.0  # a bound: replicas take seconds
    while any(model["unavailable"] for model in server.status()["models"]):
        assert time.monotonic() < end, server.status()["models"]
        time.sleep(0.05)


@pytest.mark.parametrize("process", [False, True])
def test_robots_are_served_by_it(process: bool, tmp_path: Path) -> None:
    path = networks.linear(tmp_path / "policy.onnx", "N")
    dispatcher = LocalDispatcher({"arm": f"onnx:{path}"}, process=process)
    with (
        Server(bind="tcp://127.0.0.1:0", dispatcher=dispatcher) as server,
        Connection(server.address, client_id="robot") as connection,
    ):
        arm = connection.model("arm", latency_budget_ms=LONG_MS)
        arm.observe(state=STATES[0])
        result = arm.get_result(LONG_MS)
        assert result is not None
        np.testing.assert_allclose(result["actions"], networks.expected(STATES[0]), rtol=1e-6)
