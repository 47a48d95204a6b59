"""Real-time chunking: what robots still execute, in the terms of the model.

A robot tells actions in its own units. The model denoises normalized ones, which are relative to
the state where the policy is so trained. The way back is that of LeRobot's own rollout
(rollout/inference/rtc.py, 0.6.1), with the state of the observation at whose stamp the left-over
actions begin: subtract it, normalize, and cut or fill with zeros to the execution horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lerobot.policies.rtc.configuration_rtc import RTCConfig
from lerobot.policies.rtc.relative import reanchor_relative_rtc_prefix
from lerobot.processor import (
    NormalizerProcessorStep,
    RelativeActionsProcessorStep,
    TransitionKey,
    create_transition,
)

from ...models.context import InferenceContext

STATE = "observation.state"


def enable(policy: Any, horizon: int | None) -> int:
    """Have the policy follow left-over actions; the execution horizon in force, in steps.

    horizon: None: as the checkpoint says, else LeRobot's default.
    """
    config = policy.config.rtc_config or RTCConfig()
    config.enabled = True
    if horizon is not None:
        config.execution_horizon = horizon
    policy.config.rtc_config = config
    policy.init_rtc_processor()
    return int(config.execution_horizon)


class LeftOver:
    """Turns what robots still execute into prefixes for the model.

    steps: of the preprocessor, of which one must normalize (see `can_follow`).
    """

    def __init__(self, steps: Sequence[Any], horizon: int, action_names: Sequence[str]) -> None:
        self._horizon = horizon
        self._normalizer = next(it for it in steps if isinstance(it, NormalizerProcessorStep))
        self._relative = next(
            (it for it in steps if isinstance(it, RelativeActionsProcessorStep) and it.enabled),
            None,
        )
        if self._relative is not None and self._relative.action_names is None and action_names:
            self._relative.action_names = list(action_names)

    def prefixes(
        self, contexts: Sequence[InferenceContext], states: Sequence[np.ndarray], device: Any
    ) -> Any:
        """float32 (B, horizon, D) for robots that all have actions left over."""
        rows = [self._prefix(*each, device) for each in zip(contexts, states)]
        return torch.stack(rows)

    def _prefix(self, context: InferenceContext, state: np.ndarray, device: Any) -> Any:
        assert context.left_over is not None
        steps = min(context.left_over_steps or len(context.left_over), self._horizon)
        actions = torch.from_numpy(np.array(context.left_over[:steps], np.float32))
        if self._relative is not None:
            prefix = reanchor_relative_rtc_prefix(
                actions,
                torch.from_numpy(np.array(state, np.float32)),
                self._relative,
                self._normalizer,
                device,
            )
        else:
            transition = self._normalizer(create_transition(action=actions))
            prefix = transition[TransitionKey.ACTION].to(device)
        filled = torch.zeros((self._horizon, prefix.shape[-1]), dtype=prefix.dtype, device=device)
        filled[: len(prefix)] = prefix
        return filled


def can_follow(policy: Any, steps: Sequence[Any]) -> str:
    """Why a policy cannot follow left-over actions; '' if it can."""
    if not policy.supports_rtc():
        return f"LeRobot's {policy.config.type} does not support it"
    if not hasattr(policy, "init_rtc_processor"):
        return f"LeRobot's {policy.config.type} has no RTC processor of the common form"
    if not any(isinstance(it, NormalizerProcessorStep) for it in steps):
        return "its preprocessor has no normalizer that a robot's actions could go through"
    return ""
