"""A server node whose loop ends at the first message: what a defect of the core looks like."""

from __future__ import annotations

import sys
from typing import Any

from inferential_core.pipeline.pipeline import Pipeline
from inferential_ros.server_node import main


class Defect(BaseException):
    """Nothing in the loop catches it."""


def fail(self: Pipeline, *message: Any) -> None:
    raise Defect("a defect")


if __name__ == "__main__":
    Pipeline.on_message = fail  # type: ignore[method-assign]
    sys.exit(main())
