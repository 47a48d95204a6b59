"""Moved to `inferential_core.scheduler.headroom`."""

from inferential_core.moved import stand_in

stand_in(__name__, "inferential_core.scheduler.headroom")
