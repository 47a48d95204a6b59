"""Images of 2.8 MB between two processes, over real DDS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROFILE = Path(__file__).parents[3] / "config" / "fastdds_images.xml"


def test_with_room_in_shared_memory_no_best_effort_image_is_lost(
    graph: Any, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import rclpy
    from large_images import COUNT
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    if not rclpy.get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
        pytest.skip("the profile is Fast DDS's")
    best_effort = QoSProfile(depth=COUNT, reliability=ReliabilityPolicy.BEST_EFFORT)
    inbox = graph.inbox(Image, "large_images", best_effort)
    for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.setenv(variable, str(PROFILE))
    start("large_images")
    inbox.wait(lambda image: image.header.frame_id == str(COUNT - 1))
    assert [image.header.frame_id for image in inbox.messages] == [*map(str, range(COUNT))]
