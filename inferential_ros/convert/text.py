"""std_msgs/msg/String -> text, such as an instruction. It stays valid until the next one."""

from __future__ import annotations

from typing import Any

from inferential_ros.convert.registry import TEXT, Decode, formed, input_converter
from inferential_ros.options.yaml_values import Section


@input_converter("std_msgs/msg/String", reliable=True, max_age_s=None)
def text(section: Section, message: type[Any]) -> Decode:
    return formed(lambda received: received.data, TEXT, None)
