"""`inferential demo` finds its scenes wherever it is started from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_checkout_that_nobody_built_has_the_demo_among_its_examples(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from inferential_core.cli import main\n"
        "try: main(['demo', '--help'])\n"
        "finally: print(sys.modules['inferential_demo'].__path__[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "A fleet of simulated robots" in done.stdout
    assert str(ROOT / "examples" / "demo") in done.stdout.splitlines()[-1]
