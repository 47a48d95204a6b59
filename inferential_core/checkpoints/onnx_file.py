"""Networks of ONNX, run by ONNX Runtime: `onnx:FILE`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..errors import ConfigError, text_of
from . import naming
from .folder import check_whole, version_of
from .options import Options
from .taking import Arrays, Input
from .tensors import Model, Network, answers_of, model_of, outputs_of, settings, tried

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}


def load(source: str, options: Mapping[str, str]) -> Model:
    """The network of a file as a model; ConfigError says why it cannot be one."""
    given = Options(options)
    threads = given.whole("threads", 0)
    said = settings(given)
    path = Path(source).expanduser()
    if not path.is_file():
        raise ConfigError(f"there is no file {path.absolute()}")
    check_whole(path)
    session = _session(path, said.device, threads)
    network = Network(
        [_input(each) for each in session.get_inputs()],
        _runner(session),
        outputs_of([(each.name, _sizes(each.shape)) for each in session.get_outputs()]),
        version_of("onnx", path),
        said.names.over(_named(session.get_modelmeta().custom_metadata_map)),
        {"framework": f"onnxruntime {onnxruntime.__version__}", "device": said.device},
    )
    return tried(model_of(network, said), source)


def _session(path: Path, device: str, threads: int) -> Any:
    kind, _, number = device.partition(":")
    provider = _PROVIDERS.get(kind)
    there = onnxruntime.get_available_providers()
    if provider not in there:
        known = [name for name, each in _PROVIDERS.items() if each in there]
        raise ConfigError(
            f"option device={device}: this ONNX Runtime runs on {' or '.join(known)};"
            " onnxruntime-gpu brings cuda"
        )
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads  # 0: as many as there are cores
    # By default they spin for milliseconds after every call, on cores that other models could use.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted: Any = (provider, {"device_id": int(number)}) if number else provider
    try:
        return onnxruntime.InferenceSession(str(path), settings, providers=[wanted])
    except Exception as error:  # its classes are of C++, and it exports but few of them
        raise ConfigError(_in_words(error)) from error


def _in_words(error: Exception) -> str:
    """Why a file cannot be loaded, with the way out where there is one."""
    kind, text = type(error).__name__, text_of(error)
    if kind == "InvalidProtobuf" or "No graph was found" in text:
        return f"{kind}: the file is cut off, or holds no network of ONNX: copy it again"
    if "External data path" in text or "External initializer" in text:
        return f"its weights lie in another file, to be copied beside it: {kind}: {text}"
    return f"{kind}: {text}"


def _input(told: Any) -> Input:
    dtype = _DTYPES.get(told.type)
    if dtype is None:
        raise ConfigError(
            f"its input {told.name!r} is a {told.type}: use one of {', '.join(_DTYPES)}"
        )
    return Input(told.name, dtype, _sizes(told.shape))


def _sizes(shape: Any) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _runner(session: Any) -> Any:
    names = [each.name for each in session.get_outputs()]

    def run(arrays: Arrays) -> Arrays:
        given = {
            name: np.array(value, object) if isinstance(value, (str, list)) else value
            for name, value in arrays.items()
        }
        return answers_of(list(zip(names, session.run(names, given))))

    return run


def _named(metadata: Mapping[str, str]) -> naming.Naming:
    """What the file says of itself: names as JSON lists or with commas between, a rate in Hz."""

    def names(key: str) -> list[str] | None:
        text = metadata.get(key, "")
        if text.startswith("["):
            return [str(name) for name in json.loads(text)]
        return [name.strip() for name in text.split(",")] if text else None

    rate = metadata.get("control_rate_hz")
    return naming.Naming(
        names("action_names"), names("state_names"), float(rate) if rate else None
    )
