"""Real-time chunking: what robots still execute steers the chunk as in LeRobot's own rollout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import contexts, observations
from lerobot.policies import get_policy_class, make_pre_post_processors
from lerobot.policies.rtc.action_queue import ActionQueue
from lerobot.policies.rtc.configuration_rtc import RTCConfig
from lerobot.policies.rtc.relative import reanchor_relative_rtc_prefix
from lerobot.processor import (
    AbsoluteActionsProcessorStep,
    NormalizerProcessorStep,
    RelativeActionsProcessorStep,
)

from inferential_core.checkpoints.lerobot.chunking import ChunkPolicy
from inferential_core.checkpoints.lerobot.observing import batch_of
from inferential_core.models.context import InferenceContext
from inferential_core.models.loading import load_model

CLOSE = 1e-4
HORIZON = 10  # LeRobot's default

pytestmark = pytest.mark.usefixtures("same_noise")


@pytest.fixture(scope="module")
def relative(smolvla: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same policy, trained on actions relative to the state, as it would be saved."""
    folder = tmp_path_factory.mktemp("relative") / "policy"
    kind = get_policy_class("smolvla")
    policy = kind.from_pretrained(smolvla)
    policy.save_pretrained(folder)
    before, after = make_pre_post_processors(policy.config, pretrained_path=str(smolvla))
    place = next(
        at for at, step in enumerate(before.steps) if isinstance(step, NormalizerProcessorStep)
    )
    # As pi0's own pipelines have them: before normalizing, and after unnormalizing.
    before.steps = [
        *before.steps[:place],
        RelativeActionsProcessorStep(enabled=True),
        *before.steps[place:],
    ]
    after.steps = [after.steps[0], AbsoluteActionsProcessorStep(enabled=True), *after.steps[1:]]
    before.save_pretrained(folder)
    after.save_pretrained(folder)
    return folder


def of_fixed_length(left: torch.Tensor) -> torch.Tensor:
    """As LeRobot's rollout cuts what is left, or fills it with zeros."""
    filled = torch.zeros((HORIZON, left.shape[1]))
    filled[: len(left)] = left[:HORIZON]
    return filled


class Rollout:
    """One robot of LeRobot's RTC rollout: the steps of the loop in rollout/inference/rtc.py.

    That module itself imports what is not installed here (`lerobot[dataset]`).
    """

    def __init__(self, folder: Path, model: ChunkPolicy) -> None:
        self.loaded = model._loaded
        self.policy = get_policy_class("smolvla").from_pretrained(folder)
        self.policy.config.rtc_config = RTCConfig(execution_horizon=HORIZON)
        self.policy.init_rtc_processor()
        self.before, self.after = make_pre_post_processors(
            self.policy.config, pretrained_path=str(folder)
        )
        self.queue = ActionQueue(self.policy.config.rtc_config)
        self.relative = self._step(RelativeActionsProcessorStep)

    def _step(self, kind: type) -> Any:
        return next((step for step in self.before.steps if isinstance(step, kind)), None)

    def ask(self, observation: dict[str, Any], delay: int) -> np.ndarray:
        index = self.queue.get_action_index()
        left = self.queue.get_left_over()
        batch = batch_of([observation], self.loaded.images, self.loaded.vectors)
        batch = self.before(batch)
        if left is not None and self.relative is not None:
            left = reanchor_relative_rtc_prefix(
                self.queue.get_processed_left_over(),
                self.relative.get_cached_state(),
                self.relative,
                self._step(NormalizerProcessorStep),
                "cpu",
            )
        if left is not None:
            left = of_fixed_length(left)
        actions = self.policy.predict_action_chunk(
            batch, inference_delay=delay, prev_chunk_left_over=left
        )
        original, processed = actions.squeeze(0).clone(), self.after(actions).squeeze(0)
        self.queue.merge(original, processed, delay, index)
        return processed.numpy()

    def left_over(self) -> np.ndarray:
        """In the robot's units, as its bridge tells it."""
        return self.queue.get_processed_left_over().numpy()


def following(name: str, rows: np.ndarray, steps: int, delay: int) -> InferenceContext:
    """Who asks with so many actions left; the rest of a chunk's rows repeat the last one."""
    filled = np.concatenate([rows[:steps], np.repeat(rows[steps - 1 : steps], 16 - steps, axis=0)])
    return InferenceContext(name, 0, 1, False, 1e9, filled, steps, delay)


@pytest.mark.parametrize("kind", ["smolvla", "relative"])
def test_a_chunk_follows_the_one_in_execution_as_in_the_frameworks_rollout(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    model = load_model(f"lerobot:{folder}")
    robot = Rollout(folder, model)
    first, second = observations(model, 2)
    ours = model.infer_batch([first], contexts(1))[0]["actions"]
    np.testing.assert_allclose(ours, robot.ask(first, 0), atol=CLOSE)
    for _ in range(4):
        robot.queue.get()
    left = robot.left_over()
    assert len(left) == 12
    context = following("c0", left, len(left), 3)
    ours = model.infer_batch([second], [context])[0]["actions"]
    plain = model.infer_batch([second], contexts(1))[0]["actions"]
    theirs = robot.ask(second, 3)
    np.testing.assert_allclose(ours, theirs, atol=CLOSE)
    assert np.abs(ours - plain).max() > 0.01, "the actions left over must matter"


def test_robots_of_equal_delay_share_a_call_and_others_have_their_own(
    smolvla: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(f"lerobot:{smolvla}")
    asked = observations(model, 5)
    chunk = model.infer_batch(asked[:1], contexts(1))[0]["actions"]
    told = [
        following("c0", chunk + 0.1, 6, 3),
        contexts(2)[1],  # nothing left over
        following("c2", chunk - 0.2, 12, 3),
        following("c3", chunk + 0.3, 9, 5),
        contexts(5)[4],
    ]
    alone = [model.infer_batch([each], [who])[0] for each, who in zip(asked, told)]
    policy, calls = model._loaded.policy, []
    predict = policy.predict_action_chunk

    def noted(batch: dict[str, Any], **follow: Any) -> torch.Tensor:
        prefix = follow.get("prev_chunk_left_over")
        calls.append((follow.get("inference_delay"), None if prefix is None else prefix.shape))
        return predict(batch, **follow)

    monkeypatch.setattr(policy, "predict_action_chunk", noted)
    together = model.infer_batch(asked, told)
    assert calls == [(3, (2, HORIZON, 7)), (None, None), (5, (1, HORIZON, 7))]
    for one, other in zip(together, alone):
        np.testing.assert_allclose(one["actions"], other["actions"], atol=CLOSE)


def test_a_policy_that_cannot_follow_says_so_and_answers_all_the_same(act: Path) -> None:
    model = load_model(f"lerobot:{act}")
    assert model.specification["notes"]["rtc"] == "no: LeRobot's act does not support it"
    (asked,) = observations(model, 1)
    plain = model.infer_batch([asked], contexts(1))[0]["actions"]
    told = model.infer_batch([asked], [following("c0", plain, 8, 2)])[0]["actions"]
    np.testing.assert_array_equal(told, plain)


def test_following_can_be_switched_off_and_its_horizon_set(smolvla: Path) -> None:
    model = load_model(f"lerobot:{smolvla}?execution_horizon=6")
    assert model.specification["notes"]["rtc"] == "yes, over 6 steps"
    model = load_model(f"lerobot:{smolvla}?rtc=off")
    assert "rtc" not in model.specification["notes"]
