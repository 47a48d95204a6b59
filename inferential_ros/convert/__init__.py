"""Between ROS messages and arrays: one file a family of messages, found through the registry.

Importing this package registers the converters that come with it.
"""

from __future__ import annotations

import warnings

from inferential_ros.convert import (
    camera_info,
    chunk,
    image,
    imu,
    joint_state,
    multi_array,
    numeric,
    output_actions,
    output_fields,
    outputs,
    point_cloud,
    text,
    video,
)
from inferential_ros.convert.registry import (
    Form,
    InputError,
    OutputContext,
    formed,
    input_converter,
    input_type,
    input_types,
    output_converter,
    output_type,
    output_types,
)

# What is too large for a dtype becomes infinite, and the decoders say so with the key's path.
warnings.filterwarnings("ignore", "overflow encountered in cast", RuntimeWarning, __name__)

__all__ = [
    "Form",
    "InputError",
    "OutputContext",
    "camera_info",
    "chunk",
    "formed",
    "image",
    "imu",
    "input_converter",
    "input_type",
    "input_types",
    "joint_state",
    "multi_array",
    "numeric",
    "output_actions",
    "output_converter",
    "output_fields",
    "output_type",
    "output_types",
    "outputs",
    "point_cloud",
    "text",
    "video",
]
