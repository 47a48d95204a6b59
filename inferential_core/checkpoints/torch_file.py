"""Networks of PyTorch in one file: `torch:FILE`, a `.pt2` of torch.export or a TorchScript.

A TorchScript says the names of its arguments, and neither their shapes nor their dtypes: its first
axes are taken for the batch unless the option `batch` says otherwise. Either file is code, and is
trusted as code is.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import ConfigError, text_of
from . import damage
from .folder import check_whole, version_of
from .options import Options
from .taking import Arrays, Input
from .tensors import Model, Network, Shape, answers_of, model_of, outputs_of, settings, tried

_TAKEN = ("Tensor", "Optional[Tensor]", "int", "float", "bool")  # arguments of a TorchScript
_SENT_AS = {"bfloat16": "float32"}  # numpy has none


def load(source: str, options: Mapping[str, str]) -> Model:
    """The network of a file as a model; ConfigError says why it cannot be one."""
    said = settings(Options(options))
    path = Path(source).expanduser()
    if not path.is_file():
        raise ConfigError(f"there is no file {path.absolute()}")
    check_whole(path)
    try:
        torch.empty(0, device=said.device)
    except Exception as error:
        raise ConfigError(
            f"option device={said.device}: PyTorch cannot use it here: {text_of(error)}"
        ) from None
    found = (_exported if _is_export(path) else _scripted)(path, said.device)

    def run(arrays: Arrays) -> Arrays:
        with torch.inference_mode():
            tensors = {name: _tensor(array) for name, array in arrays.items()}
            return answers_of(_outputs(found.call(tensors)))

    network = Network(
        found.inputs,
        run,
        outputs_of(found.outputs),
        version_of("torch", path),
        said.names,
        {"framework": f"torch {torch.__version__}", "device": said.device},
    )
    warnings = damage.of_weights(found.module.named_parameters())
    return tried(model_of(network, said), source, warnings)


def _tensor(array: Any) -> Any:
    return torch.from_numpy(array if array.flags.writeable else array.copy())


class Found(NamedTuple):
    """What is in a file. outputs: names and shapes of what it returns, where they are known."""

    module: Any
    inputs: Sequence[Input]
    call: Callable[[Mapping[str, Any]], Any]
    outputs: Sequence[tuple[str, Shape]] = ()


def _is_export(path: Path) -> bool:
    """Whether a file is one of torch.export; ConfigError if it is neither that nor TorchScript."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile:
        members = []
    with path.open("rb") as opened:
        begins = opened.read(2)
    # The list of contents is at the end; where that is gone, one of an archive in it may be found.
    if begins == b"PK" and 0 not in [member.header_offset for member in members]:
        raise ConfigError("the file is cut off: copy it again")
    names = [member.filename.rpartition("/")[2] for member in members]
    if "archive_format" in names or "serialized_exported_program.json" in names:
        return True
    if "constants.pkl" in names:
        return False
    raise ConfigError(
        "the file holds no network, but perhaps weights: export the network with"
        " torch.export.save(torch.export.export(model, example), 'model.pt2'), or serve a model"
        " class (docs/models.md)"
    )


def _exported(path: Path, device: str) -> Found:
    program = torch.export.load(path)
    module = program.module().to(device)
    nodes = {node.name: node for node in program.graph.nodes}
    names = list(program.graph_signature.user_inputs)
    arguments = program.call_spec.in_spec
    children = getattr(arguments, "children", None)  # which newer PyTorch has in its place
    positional, keywords = children() if callable(children) else arguments.children_specs
    count = positional.num_children
    examples = {str(name): nodes[name].meta["val"] for name in names if name in nodes}
    plain = all(isinstance(each, torch.Tensor) for each in examples.values())
    # A tuple or a dict of tensors is a node of its own above its leaves.
    if not plain or positional.num_nodes != count + 1 or len(examples) != len(names):
        raise ConfigError(
            "not all its arguments are tensors, or they are nested: export a module whose forward"
            f" takes tensors, not {', '.join(map(str, names))}"
        )
    inputs = [_input(name, example) for name, example in examples.items()]
    keyword_names = [str(name) for name in keywords.context or ()]

    def call(tensors: Mapping[str, Any]) -> Any:
        given = [tensors[name].to(device, it.dtype) for name, it in examples.items()]
        return module(*given[:count], **dict(zip(keyword_names, given[count:])))

    return Found(module, inputs, call, _named_shapes(program, nodes))


def _named_shapes(program: Any, nodes: Mapping[str, Any]) -> list[tuple[str, Shape]]:
    """What an exported program returns, named as `_outputs` does it."""
    shapes: list[Shape] = []
    for name in program.graph_signature.user_outputs:
        value: Any = nodes[name].meta.get("val") if name in nodes else None
        shapes.append(_sizes(value.shape) if hasattr(value, "shape") else None)
    told: Any = program.call_spec.out_spec
    names = [f"output_{at}" for at in range(len(shapes))]
    if told.type is dict:
        names = [str(name) for name in told.context]
    return list(zip(names, shapes))


def _scripted(path: Path, device: str) -> Found:
    module = torch.jit.load(str(path), map_location=device).eval()
    arguments = module.forward.schema.arguments[1:]
    for argument in arguments:
        if str(argument.type) not in _TAKEN:
            raise ConfigError(
                f"its argument {argument.name} is a {argument.type}: script a module whose forward"
                " takes tensors"
            )
    inputs = [
        Input(argument.name, "", None, optional=argument.has_default_value())
        for argument in arguments
    ]

    def call(tensors: Mapping[str, Any]) -> Any:
        return module(**{name: it.to(device) for name, it in tensors.items()})

    return Found(module, inputs, call)


def _input(name: str, value: Any) -> Input:
    dtype = str(value.dtype).removeprefix("torch.")
    return Input(name, _SENT_AS.get(dtype, dtype), _sizes(value.shape))


def _sizes(shape: Any) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _outputs(answer: Any) -> list[tuple[str, Any]]:
    """By name what a network answers; tuples, also nested ones, by number."""
    if isinstance(answer, Mapping):
        named = list(answer.items())
    elif isinstance(answer, (tuple, list)):
        named = [(f"output_{at}", value) for at, value in enumerate(_flat(answer))]
    else:
        named = [("actions", answer)]
    return [
        (name, value.to("cpu") if isinstance(value, torch.Tensor) else value)
        for name, value in named
    ]


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        else:
            yield value
