"""Texts, such as an instruction: a std_msgs/msg/String, or one field of any message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inferential_ros.convert.fields import Leaf
from inferential_ros.convert.registry import (
    TEXT,
    Decode,
    Form,
    InputError,
    formed,
    input_converter,
)
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import Section


@input_converter("std_msgs/msg/String", reliable=True, max_age_s=None)
def text(section: Section, message: type[Any]) -> Decode:
    """It stays valid until the next one."""
    return formed(lambda received: received.data, TEXT, None)


def text_of(leaves: Sequence[Leaf], place: str) -> Decode:
    """The text that the selected fields are; ContractError where there are others."""
    if len(leaves) > 1 or not leaves[0].scalar:
        raise ContractError(place, "text is a key of its own: select one text field and no other")
    return Text(leaves[0], place)


class Text:
    """The text of one field."""

    form = Form(TEXT)

    def __init__(self, leaf: Leaf, place: str) -> None:
        self._leaf = leaf
        self._place = place

    def __call__(self, message: Any) -> str:
        try:
            return str(self._leaf.get(message))
        except IndexError:
            problem = "the message is too short"
        except LookupError as error:
            problem = str(error)
        raise InputError(self._place, f"{self._leaf.path!r}: {problem}")
