"""`inferential profile`: measures a model, saves that beside it, and the server plans by it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from inferential_core import LocalDispatcher, Server
from inferential_core import cli as command
from inferential_core.models import profile as profiles

MODEL = """
import os
import signal
import time
import numpy as np

class Sleeping:
    specification = {
        "observation": {"joints": {"dtype": "float32", "shape": [7]}},
        "horizon": 50,
        "control_rate_hz": 50.0,
    }
    calls = 0

    def infer_batch(self, observations):
        Sleeping.calls += 1
        time.sleep(0.06 + 0.02 * len(observations) + 0.05 * (Sleeping.calls == 1))
        return [{"actions": np.zeros((50, 7), np.float32)} for _ in observations]

class Padded(Sleeping):
    batch_sizes = [1, 4]

class Open(Sleeping):
    specification = {"observation": {"camera": {"dtype": "uint8", "shape": [None, None, 3]}}}

class OpenInTwo(Sleeping):
    specification = {
        "observation": {
            "state": {"dtype": "float32", "shape": [7]},
            "joints": {"dtype": ["float64", "float32"], "shape": [None]},
            "camera": {"dtype": "uint8", "shape": [None, None, 3]},
        }
    }

class Endless(Sleeping):
    specification = {"observation": {"camera": {"dtype": "uint8", "shape": [10**9, 10**9, 3]}}}

class Failing(Sleeping):
    def warm_up(self):
        pass

    def infer_batch(self, observations):
        raise MemoryError("the card is full")

class Interrupted(Failing):
    def infer_batch(self, observations):
        if Sleeping.calls == 0:
            Sleeping.calls = 1
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        raise ValueError("after a Ctrl-C")

def alone(observation):
    time.sleep(0.05)
    return {"actions": np.zeros((50, 7), np.float32)}
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow_models.py").write_text(MODEL)
    sys.modules.pop("slow_models", None)
    return tmp_path


def profiled(capsys: Any, *words: str) -> tuple[int, str, str]:
    code = command.main(["profile", *words, "--calls", "5"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_it_measures_each_size_and_says_how_many_robots_fit(capsys: Any) -> None:
    code, out, err = profiled(capsys, "slow_models:Sleeping", "--max-batch", "3", "--json")
    assert code == 0
    assert "an observation has joints float32[7]" in err
    found = json.loads(out)
    assert [each["batch_size"] for each in found["batches"]] == [1, 2, 3]
    for each in found["batches"]:
        assert each["median_s"] >= 0.06 + 0.02 * each["batch_size"]
        assert each["p95_s"] >= each["median_s"] and each["calls"] == 5
        assert each["host_bytes"] > 10e6 and each["device_bytes"] is None
    assert found["warm_up_s"] >= 0.05
    assert 5 < found["robots"]["fit_without_hints"] <= found["robots"]["fit"]


def test_a_ctrl_c_is_no_failure_of_the_model(capsys: Any) -> None:
    code, out, err = profiled(capsys, "slow_models:Interrupted")
    assert (code, out) == (130, "")
    assert "failed" not in err and "Ctrl-C" not in err


def test_a_table_for_people_and_a_picture(capsys: Any, own_folder: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ("arm=slow_models:Padded", "--max-batch", "4", "--plot", "p.png", "--rate", "25")
    code, out, err = profiled(capsys, *words, "--deadline-ms", "300")
    assert code == 0
    assert "chunks of 50 steps at 25 Hz and ask 300 ms before" in out
    table = [line.split()[0] for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert table[:2] == ["1", "4"]  # the sizes that the model has
    assert "robots fit that obey the server's hints" in out
    assert (own_folder / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_server_plans_by_the_profile_from_the_first_call(
    capsys: Any, own_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    profiled(capsys, "slow_models:Padded", "--max-batch", "4")
    assert (own_folder / "slow_models.Padded.profile.json").exists()
    for process in (False, True):
        caplog.clear()
        served = {"arm": "slow_models:Padded"}
        caplog.set_level("INFO")
        dispatcher = LocalDispatcher(served, max_batch=4, process=process)
        with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
            model = server.status()["models"][0]
            assert model["batches"] == 0
            latency = server._ran.pipeline.models["arm"].latency
            measured = json.loads((own_folder / "slow_models.Padded.profile.json").read_text())
            one, four = [each["median_s"] for each in measured["profiles"][0]["batches"]]
            assert latency.predict(1) == pytest.approx(one, rel=0.02)
            assert latency.predict(4) == pytest.approx(four, rel=0.02)
            server.load_model("leg", "slow_models:Padded")
            assert server._ran.pipeline.models["leg"].latency.predict(4) == pytest.approx(
                four, rel=0.02
            )
        assert "model 'arm' is planned with by its profile" in caplog.text


def test_a_profile_of_another_machine_or_another_model_is_not_used(
    capsys: Any, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiled(capsys, "slow_models:Sleeping", "--max-batch", "1")
    assert profiles.read("slow_models:Sleeping") is not None
    assert profiles.read("slow_models:Padded") is None
    monkeypatch.setattr(profiles, "this_machine", lambda: "a Cray, 3 cores")
    assert profiles.read("slow_models:Sleeping") is None
    profiled(capsys, "slow_models:Sleeping", "--max-batch", "1")
    data = json.loads((own_folder / "slow_models.Sleeping.profile.json").read_text())
    assert len(data["profiles"]) == 2  # that of the other machine stays


def test_where_a_profile_lies(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = own_folder / "act"
    folder.mkdir()
    cached = own_folder / "cache" / "inferential" / "profiles"
    places = profiles.places_of(f"lerobot:{folder}?device=cpu")
    assert places[0] == folder / "inferential-profile.json" and places[1].parent == cached
    assert profiles.places_of("no_such_module:Policy")[0].parent == cached
    measured = profiles.Profile(
        f"lerobot:{folder}",
        profiles.this_machine(),
        (profiles.BatchProfile(1, 5, 0.1, 0.01, 0.011),),
        1.0,
        1.0,
    )
    (folder / "inferential-profile.json").mkdir()  # it cannot be written there
    assert profiles.save(measured).parent == cached
    found = profiles.read(f"lerobot:{folder}")
    assert found is not None and found[0].seconds == {1: 0.01}


def test_a_broken_profile_is_told_and_not_used(
    own_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = own_folder / "slow_models.Sleeping.profile.json"
    batch = {"batch_size": 1, "calls": 5, "first_s": 1, "median_s": -1.0, "p95_s": 1.0}
    whole = {"model": "slow_models:Sleeping", "machine": profiles.this_machine()}
    whole |= {"batches": [batch], "load_s": 1.0, "warm_up_s": 1.0}
    for text in ("", "[]", '{"profiles": 3}', json.dumps({"profiles": [whole]})):
        caplog.clear()
        path.write_text(text)
        assert profiles.read("slow_models:Sleeping") is None
        assert "is no profile of a model" in caplog.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("slow_models:Nobody",), "'slow_models' has no 'Nobody'"),
        (("slow_models:Open",), "the model leaves sizes open: state them with --shape"),
        (
            ("slow_models:OpenInTwo",),
            "such as --shape 'joints=float64[8]' --shape 'camera=uint8[224,224,3]' (it takes",
        ),
        (("slow_models:Failing",), "the model failed on a batch of 1: MemoryError: the card is"),
        (("slow_models:alone",), "the model does not specify what it takes: state each key"),
        (("slow_models:Sleeping", "--deadline-ms", "1000"), "is as long as a chunk of 50 steps"),
    ],
)
def test_mistakes_are_told(words: tuple[str, ...], told: str, capsys: Any) -> None:
    code, _, err = profiled(capsys, *words, "--max-batch", "1")
    assert code == 1 and told in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--plot", "p.foo"), "its name must end in one of"),
        (("--plot", "/dev/null/p.png"), "this file cannot be written"),
        (("--plot", "folder"), "this file cannot be written"),
        (("--output", "folder"), "this file cannot be written"),
        (("--output", "not/there.json"), "this file cannot be written"),
        (("--shape", "joints=float32[9999999,9999999,99999]"), "no message is so large"),
    ],
)
def test_what_cannot_be_is_told_before_the_measuring(
    words: tuple[str, ...], told: str, capsys: Any, own_folder: Path
) -> None:
    if words[0] == "--plot":
        pytest.importorskip("matplotlib")
    (own_folder / "folder").mkdir()
    code, out, err = profiled(capsys, "slow_models:Sleeping", *words)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"inferential profile: {words[0]} ") and told in line


def test_a_specification_larger_than_any_message_is_told(capsys: Any) -> None:
    code, _, err = profiled(capsys, "slow_models:Endless")
    assert code == 1 and "observation.camera.shape" in err and len(err.splitlines()) == 1


def test_a_model_that_takes_one_observation_has_one_size(capsys: Any) -> None:
    words = ("slow_models:alone", "--shape", "joints=float32[7]", "--no-save", "--json")
    code, out, _ = profiled(capsys, *words, "--horizon", "5")
    assert code == 0
    found = json.loads(out)
    assert [each["batch_size"] for each in found["batches"]] == [1]
    assert not Path("slow_models.alone.profile.json").exists()


@pytest.mark.parametrize("words", ["serve", "profile", "model show", "model load"])
def test_each_command_that_takes_a_model_says_all_that_can_be_one(words: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        command.main([*words.split(), "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "the path of a .py file" in told and "lerobot:FOLDER" in told
