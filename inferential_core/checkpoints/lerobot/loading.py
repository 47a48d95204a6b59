"""From a folder of LeRobot's to a model: `lerobot:DIR?option=value`.

A folder of LeRobot's names classes in its JSON files: it is code, and is trusted as code is.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies import get_policy_class, make_pre_post_processors

from ...errors import ConfigError, text_of
from .. import damage, naming
from ..folder import checked_folder, downloads, version_of
from ..options import Options
from . import faults
from .chunking import ChunkPolicy
from .loaded import Loaded
from .observing import TASK
from .stepping import StepPolicy

_log = logging.getLogger(__name__)

# What a call of `predict_action_chunk` answers of these depends on its observations alone.
CHUNKING = frozenset(
    ("act", "eo1", "evo1", "fastwam", "groot", "molmoact2", "pi0", "pi0_fast", "pi05", "smolvla")
    + ("vla_jepa", "wall_x", "xvla")
)
SPEECHLESS = frozenset(("act", "diffusion", "gaussian_actor", "tdmpc", "vqbet"))  # take no task

# Policies whose memory is inside of their networks, where instances cannot share the weights.
REFUSED = {
    "lingbot_va": "it keeps what it saw in the caches of its network, which serves one robot only:"
    " run it beside that robot with lerobot-rollout, or write a model class (docs/models.md)"
}


def load(source: str, options: Mapping[str, str]) -> ChunkPolicy | StepPolicy:
    """The policy of a folder as a model; ConfigError says why it cannot be one."""
    given = Options(options)
    hub = given.flag("hub", False)
    device = given.text("device")
    precision = given.choice("precision", "", ("float32", "bfloat16", "float16"))
    batch_sizes = given.sizes("batch_sizes")
    dataset = given.text("dataset")
    rtc = given.flag("rtc", True)
    horizon = given.whole("execution_horizon", 0) or None
    told = naming.told(given)
    given.finish()
    folder = checked_folder(source, faults.CONFIG, hub)
    with downloads(hub):
        loaded = _load(folder, device, _precision(precision))
        config = loaded.policy.config
        names = told.over(naming.of_dataset(dataset) if dataset else naming.Naming())
        names = names.over(naming.of_training(Path(folder))).over(
            naming.Naming(getattr(config, "action_feature_names", None) or None)
        )
        notes: dict[str, Any] = {
            "framework": f"lerobot {installed('lerobot')}",
            "policy": config.type,
            "device": loaded.device,
        }
        model = _model(loaded, batch_sizes, rtc, horizon, names, notes)
        _check_rtc(options, rtc, loaded.policy.config, notes)
        chunk = model.of_zeros()
    steps, columns = chunk.shape
    state = loaded.vectors.get("observation.state", (0,))[0]
    names.checked(columns, state)
    notes["action_columns"] = columns
    warnings = [
        *faults.unnormalized(loaded.before, loaded.after, {*loaded.images, *loaded.vectors}),
        *faults.unused_adapter(Path(folder)),
        *damage.of_answer(chunk, names.actions),
    ]
    if warnings:
        notes["warnings"] = warnings
    for warning in warnings:
        _log.warning("%s: %s", source, warning)
    model.specification = _specification(loaded, names, steps, notes)
    return model


def _model(
    loaded: Loaded,
    batch_sizes: list[int] | None,
    rtc: bool,
    horizon: int | None,
    names: naming.Naming,
    notes: dict[str, Any],
) -> ChunkPolicy | StepPolicy:
    why = why_stepwise(loaded.policy.config)
    if why:
        if batch_sizes:
            raise ConfigError(f"batch_sizes cannot be kept: {why}")
        notes["one_instance_a_client"] = f"{why}. Ask for an action at each step of the robot."
        return StepPolicy(loaded)
    left_over = None
    if rtc and hasattr(loaded.policy, "supports_rtc"):
        left_over = _left_over(loaded, horizon, names, notes)
    return ChunkPolicy(loaded, batch_sizes, left_over)


def _left_over(
    loaded: Loaded, horizon: int | None, names: naming.Naming, notes: dict[str, Any]
) -> Any:
    if not loaded.policy.supports_rtc():
        notes["rtc"] = f"no: LeRobot's {loaded.policy.config.type} does not support it"
        return None
    from . import rtc  # imports more of LeRobot than most policies need

    steps = loaded.before.steps  # type: ignore[attr-defined]  # LeRobot's pipeline
    why_not = rtc.can_follow(loaded.policy, steps)
    if why_not:
        notes["rtc"] = f"no: {why_not}"
        return None
    in_force = rtc.enable(loaded.policy, horizon)
    notes["rtc"] = f"yes, over {in_force} steps"
    return rtc.LeftOver(steps, in_force, names.actions or ())


def _check_rtc(
    options: Mapping[str, str], rtc: bool, config: Any, notes: Mapping[str, Any]
) -> None:
    """ConfigError where a user asks for real-time chunking that there will be none of."""
    name = "execution_horizon" if "execution_horizon" in options else "rtc" if rtc else ""
    if name not in options or notes.get("rtc", "").startswith("yes"):
        return
    why = why_stepwise(config) or notes.get("rtc", f"LeRobot's {config.type} does not support it")
    why = why.removeprefix("no: ") if rtc else "rtc is off"
    raise ConfigError(
        f"option {name}={options[name]}: there is no real-time chunking here: {why}; leave it out"
    )


def why_stepwise(config: Any) -> str:
    """Why each client needs an instance of its own, answered step by step; '' if none does."""
    if getattr(config, "temporal_ensemble_coeff", None) is not None:
        return "it ensembles the actions of a robot over time (temporal_ensemble_coeff)"
    if getattr(config, "n_obs_steps", 1) > 1:
        return f"it looks at the last {config.n_obs_steps} observations of a robot (n_obs_steps)"
    if config.type == "gaussian_actor":
        return "it was trained to give single actions"
    if config.type not in CHUNKING:
        return f"a policy of type {config.type!r} may keep a memory of its robot"
    return ""


def _load(folder: str, device: str, precision: Callable[[str], Callable[[], Any]]) -> Loaded:
    here = Path(folder)
    if here.is_dir():
        faults.check_type(here, PreTrainedConfig.get_known_choices())
    config = PreTrainedConfig.from_pretrained(folder)
    if config.type in REFUSED:
        raise ConfigError(f"LeRobot's {config.type} cannot be served: {REFUSED[config.type]}")
    if getattr(config, "use_peft", False):
        raise ConfigError(
            f"the folder holds an adapter that was trained with PEFT (use_peft): {faults.MERGE}"
        )
    if device:
        _check_device(device)
        config.device = device
    if hasattr(config, "pretrained_backbone_weights"):
        config.pretrained_backbone_weights = None  # all weights are in the folder
    on = str(config.device)
    try:
        policy = get_policy_class(config.type).from_pretrained(folder, config=config)
        policy.eval()
        before, after = make_pre_post_processors(
            config,
            pretrained_path=folder,
            preprocessor_overrides={"device_processor": {"device": on}},
            postprocessor_overrides={"device_processor": {"device": "cpu"}},
        )
    except Exception:
        if here.is_dir():
            faults.check_files(here)  # which policies need what files is known to LeRobot alone
        raise
    images, vectors = _features(config)
    files = [here / faults.CONFIG, *sorted(here.glob("*.safetensors"))]
    return Loaded(
        policy, before, after, on, images, vectors, precision(on), version_of(config.type, *files)
    )


def _features(config: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Shapes of the images (C, H, W) and of the vectors that a policy takes, by key."""
    images: dict[str, tuple[int, ...]] = {}
    vectors: dict[str, tuple[int, ...]] = {}
    for key, feature in (config.input_features or {}).items():
        shape = tuple(int(size) for size in feature.shape)
        if ".empty_camera_" not in key:  # which the policy makes up itself
            (images if len(shape) == 3 else vectors)[key] = shape
    return images, vectors


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except Exception as error:
        raise ConfigError(
            f"option device={device}: PyTorch cannot use it here: {text_of(error)}"
        ) from None


def _precision(name: str) -> Callable[[str], Callable[[], Any]]:
    """By device, what makes the context in which a policy computes with this precision."""
    if name in ("", "float32"):
        return lambda device: contextlib.nullcontext
    dtype = getattr(torch, name)
    return lambda device: lambda: torch.autocast(torch.device(device).type, dtype)


def _specification(
    loaded: Loaded, names: naming.Naming, horizon: int, notes: dict[str, Any]
) -> dict[str, Any]:
    observation: dict[str, Any] = {}
    for key, shape in loaded.vectors.items():
        observation[key] = {"dtype": ["float32", "float64"], "shape": list(shape)}
    for key, (channels, height, width) in loaded.images.items():
        observation[key] = {
            "dtype": "uint8",
            "shape": [None, None, channels],
            "description": f"resized to {height} x {width}",
        }
    speechless = loaded.policy.config.type in SPEECHLESS
    observation[TASK] = {"dtype": "string", "optional": speechless}
    what = {"observation": observation, "horizon": horizon}
    return names.declared(what, notes, dataset=True)
