"""A policy of LeRobot called with a batch, again and again: checkpoint_direct.py FOLDER COUNT."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import torch
from lerobot.policies import get_policy_class, make_pre_post_processors

from benchmarks.peers.measuring import answer, say


def main() -> None:
    folder, count = sys.argv[1], int(sys.argv[2])
    with contextlib.redirect_stdout(sys.stderr):  # LeRobot prints what it does
        policy = get_policy_class("act").from_pretrained(folder)
    before, after = make_pre_post_processors(policy.config, pretrained_path=folder)
    batch: dict[str, Any] = {"observation.state": torch.randn(count, 7), "task": [""] * count}
    for camera in ("front", "wrist"):
        batch[f"observation.images.{camera}"] = torch.rand(count, 3, 240, 320)

    def call() -> None:
        with torch.inference_mode():
            after(policy.predict_action_chunk(before(dict(batch))))

    def measure(question: dict[str, float]) -> dict[str, float]:
        calls, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < question["seconds"]:
            call()
            calls += 1
        return {"chunks/s": count * calls / (time.perf_counter() - begun)}

    call()
    say("ready")
    answer(measure)


if __name__ == "__main__":
    main()
