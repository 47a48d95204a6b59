"""Between ROS messages and arrays: one file a family of messages, found through the registry.

Importing this package registers the converters that come with it.
"""

from __future__ import annotations

from inferential_ros.convert import chunk, image, joint_state, outputs, text
from inferential_ros.convert.registry import (
    InputError,
    OutputContext,
    input_converter,
    input_types,
    output_converter,
    output_types,
)

__all__ = [
    "InputError",
    "OutputContext",
    "chunk",
    "image",
    "input_converter",
    "input_types",
    "joint_state",
    "output_converter",
    "output_types",
    "outputs",
    "text",
]
