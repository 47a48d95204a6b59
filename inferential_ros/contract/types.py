"""The old path of `inferential_ros.options.types`."""

from inferential_core.moved import stand_in

stand_in(__name__, "inferential_ros.options.types")
