"""The README shows what is: its programs are the examples, its commands run somewhere in CI."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text()

# Every command line of the README, and what runs it.
RUN_BY = {
    "make demo": "test/examples/test_demo_fleet.py runs the command behind it, `inferential demo`",
    "make test": ".ci/run",
    "rosdep install --from-paths src --ignore-src -y": "needs a ROS 2 installation: by hand",
    "colcon build --packages-select inferential": "test/launch/test_workspace_build.py",
    "source install/setup.bash": "test/launch/test_workspace_build.py",
    "inferential keys new server": "test/core/docs/test_docs_security.py",
    "inferential keys new robot_1 --authorize": "test/core/security/test_keys.py",
    "ros2 launch inferential server.launch.py models:=policy:=my_pkg.policy:Policy"
    " bind:=tcp://0.0.0.0:5555 keys:=keys": "test/ros/system/test_keys_ros.py runs both nodes so",
    "ros2 launch inferential robot.launch.py namespace:=robot_1 contract_file:=robot.yaml"
    " server:=tcp://gpu-box:5555 key_file:=robot_1.key_secret"
    " server_key_file:=server.key": "test/ros/system/test_keys_ros.py",
    "inferential serve --config server.yaml": "test/core/cli/test_cli_config.py",
    "inferential top": "test/core/cli/test_cli_fleet.py",
    "inferential status --json": "test/core/cli/test_cli_fleet.py",
    "inferential bench --server tcp://gpu-box:5555 --robots 50 --hz 10"
    " --model policy": "test/core/cli/test_cli_fleet.py",
    "inferential config check server.yaml": "test/core/cli/test_cli_config.py",
    "inferential profile my_pkg.policy:Policy --shape joints=float32[7] --rate 50 --horizon 50"
    " --deadline-ms 500": "test/core/cli/test_cli_profile.py",
    "inferential model replace policy=my_pkg.policy:Policy": "test/core/cli/test_cli_model.py",
    "inferential drain": "test/core/cli/test_cli_drain.py",
    "pip install .": "test/core/server/test_bare_install.py",
    "pip install '.[server]'": "test/core/server/test_bare_install.py reads the extra",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_programs_shown_are_the_examples_that_the_tests_run():
    shown = blocks("python")
    assert len(shown) == 2
    for name, block in zip(("server.py", "client.py"), shown):
        program = (ROOT / "examples" / name).read_text()
        assert program.partition('"""\n\n')[2] == block, f"examples/{name} differs from the README"


def test_every_command_shown_is_run_somewhere():
    lines = [line for block in blocks("bash") for line in block.splitlines() if line.strip()]
    assert sorted(lines) == sorted(RUN_BY)


def test_every_file_linked_is_there_and_pictures_are_small():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, picture
