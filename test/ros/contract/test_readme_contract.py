"""The contract that the README shows is a valid one."""

from __future__ import annotations

import re
from pathlib import Path

from inferential_ros.contract.loading import load_contract

ROOT = Path(__file__).resolve().parents[3]


def test_the_contract_of_the_readme_loads(tmp_path):
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    path = tmp_path / "robot.yaml"
    path.write_text(shown)
    contract = load_contract(str(path))
    assert contract.robot == "my_arm"
    assert [output.fallback for output in contract.action.outputs] == ["hold"]
