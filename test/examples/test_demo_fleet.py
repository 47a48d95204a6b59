"""`inferential demo`: real robots of its kind, few of them, on two real servers."""

from __future__ import annotations

import select
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="the server side needs pydantic")
pytest.importorskip("matplotlib", reason="the picture needs matplotlib")

from inferential_core import Server
from inferential_demo import fleet_show
from inferential_demo.command import main
from inferential_demo.fleet_model import FIXED_S, HORIZON, TimedPolicy
from inferential_demo.fleet_robots import Fleet
from inferential_demo.fleet_show import Act, play, result, verdict

QUIET = fleet_show._Lines()


def test_the_show_ends_with_two_fleets_and_a_picture(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "new" / "report.png"
    status = main(["--most", "2", "--http", "off", "--plain", "--report", str(picture)])
    lines = capfd.readouterr().out.splitlines()
    assert status == 1  # two robots stand either way: the fleets are of one size
    assert lines[-4].startswith("one by one, in order of arrival: 2 robots stood (all stand")
    assert lines[-3].startswith("Inferential: batches by deadline: 2 robots stood (all stand")
    assert lines[-2] == "The same model carried 1.0 times as many robots."
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_show_that_can_draw_no_picture_says_so_at_its_beginning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def stand(act: Act, *_: object) -> None:
        act.joined_s, act.mean_batch = [0.0, 1.0], 1.0

    monkeypatch.setattr(fleet_show, "find_spec", lambda name: None)
    monkeypatch.setattr(fleet_show, "play", stand)
    picture = tmp_path / "report.png"
    main(["--http", "off", "--plain", "--report", str(picture)])
    lines = capfd.readouterr().out.splitlines()
    assert (
        lines[1] == "There will be no picture: pip install 'inferential[demo]' brings matplotlib."
    )
    assert "times as many robots" in lines[-1] and not picture.exists()


def test_a_model_too_slow_for_two_has_the_first_one_fall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inferential_demo.fleet_model.FIXED_S", 1.0)
    act = Act("slow", fleet_show.ONE_BY_ONE)
    play(act, seed=1, page="off", most=4, show=QUIET)
    assert act.fallen in [f"robot_{number}" for number in range(1, 5)]
    assert 0 < act.fell_s and act.stood == len(act.joined_s) - 1
    assert f"{act.fallen} fell when there were {len(act.joined_s)}" in result(act)


def test_both_fleets_meet_the_same_wind_and_the_same_pushes() -> None:
    with Server(bind="tcp://127.0.0.1:*", dispatcher=_models()) as server:
        fleets = [Fleet(server.address, seed=3) for _ in range(2)]
        for fleet in fleets:
            fleet.join()
        disturbed = [
            [fleet.robots[0].disturbance(0.02 * step) for step in range(400)] for fleet in fleets
        ]
        for fleet in fleets:
            fleet.close()
    assert disturbed[0] == disturbed[1]
    assert max(map(abs, disturbed[0])) > 0.15, "nobody was pushed"


def test_a_plan_begins_with_what_its_robot_does_while_it_waits() -> None:
    left_over = np.full((HORIZON, 1), 3.0, np.float32)
    observation = {"state": np.array([0.0, 0.05, 0.0, 0.0]), "prev_chunk_left_over": left_over}
    (answer,) = TimedPolicy().infer_batch([{**observation, "inference_delay": np.int64(5)}])
    forces = answer["actions"][:, 0]
    assert forces.shape == (HORIZON,) and FIXED_S > 0
    assert np.all(forces[:5] == 3.0) and np.all(forces[5:] != 3.0)


def test_the_verdict_tells_how_many_times_as_many() -> None:
    few = Act("a", {}, joined_s=[0.0, 1.0, 2.0], fallen="robot_1", fell_s=3.0, mean_batch=1.0)
    many = Act("b", {}, joined_s=[float(at) for at in range(8)], mean_batch=2.5)
    assert verdict([few, many])[-1] == "The same model carried 4.0 times as many robots."
    assert len(verdict([few, many])) == 3


def test_a_verdict_that_is_less_than_expected_says_how_busy_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    act = Act("a", {}, joined_s=[0.0, 1.0, 2.0], fallen="robot_1", fell_s=3.0, mean_batch=1.0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr("os.getloadavg", lambda: (5.25, 1.0, 1.0))
    said = verdict([act, act])[0]
    assert said.startswith("The machine was busy: in the last minute 5.2 threads wanted to run")
    assert "on its 2 cores" in said
    monkeypatch.setattr("os.getloadavg", lambda: (1.5, 1.0, 1.0))
    assert verdict([act, act])[0].startswith("The machine was not too busy")


def _models():
    from inferential_core import LocalDispatcher

    return LocalDispatcher({"cartpole": TimedPolicy()})


def test_ctrl_c_ends_make_demo_without_an_error_of_makes(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    if shutil.which("make") is None or not (root / "Makefile").exists():
        pytest.skip("needs make and a checkout")
    show = f"--http off --plain --report {tmp_path / 'report.png'}"
    in_a_terminal = "import pty, sys; pty.spawn(sys.argv[1:])"
    command = ["make", "-C", str(root), "-o", "build", "demo", f"ARGS={show}"]
    with subprocess.Popen(
        [sys.executable, "-c", in_a_terminal, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as terminal:
        assert terminal.stdin is not None and terminal.stdout is not None
        said = b""
        while b"Robots join" not in said:
            assert select.select([terminal.stdout], [], [], 60.0)[0], said.decode()
            said += terminal.stdout.read(4096) or pytest.fail(said.decode())
        terminal.stdin.write(b"\x03")
        rest = terminal.stdout.read().decode()
    assert "***" not in rest and "Traceback" not in rest, rest
