"""Mutations of YAML documents that stay YAML: another value, key or structure somewhere."""

from __future__ import annotations

import random
from typing import Any

import yaml

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2**63, 10**400, -0.5, 1e308, float("nan"), float("inf")),
    *("", " ", "x", "on", "\0", "ä" * 40, "../../etc", "a.b[0].c"),
    *("sensor_msgs/msg/JointState", "sensor_msgs/msg"),
    *([], {}, [[]], [None], {"": None}, {1: 2}, {None: None}, ["a", "a"], [-1, 1]),
)


# Written in C where PyYAML has them: to mutate took as long as what is tried out.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def mutate_yaml(data: bytes, chance: random.Random, words: tuple[str, ...]) -> bytes:
    """`data` with one place changed; as text where it is no YAML."""
    try:
        document = yaml.load(data.decode(), _Loader)
        if chance.random() >= 0.2:
            changed = _changed(document, chance, words)
            return yaml.dump(changed, Dumper=_Dumper, allow_unicode=True).encode()
    except Exception:
        pass
    return _mutate_text(data, chance, words)


def _mutate_text(data: bytes, chance: random.Random, words: tuple[str, ...]) -> bytes:
    odd = ("&a", "*a", "<<: ", "!!binary ", "2001-99-99", "? ", "{[a]: b}", "- ", "0o9", "1_0:60")
    at = chance.randint(0, len(data))
    inserted = chance.choice((*odd, *words, ": ", "\n", '"')).encode()
    return data[:at] + inserted + data[at + chance.choice((0, 0, 1, 5)) :]


def _changed(node: Any, chance: random.Random, words: tuple[str, ...]) -> Any:
    if isinstance(node, dict) and node and chance.random() < 0.85:
        key = chance.choice(list(node))
        out = dict(node)
        kind = chance.random()
        if kind < 0.1:
            del out[key]
        elif kind < 0.2:
            out[chance.choice(words)] = out.pop(key)
        elif kind < 0.3:
            out[chance.choice(words)] = chance.choice(ODD)
        else:
            out[key] = _changed(node[key], chance, words)
        return out
    if isinstance(node, list) and node and chance.random() < 0.8:
        at = chance.randrange(len(node))
        return [*node[:at], _changed(node[at], chance, words), *node[at + chance.choice((0, 1)) :]]
    return chance.choice((*ODD, chance.choice(words)))
