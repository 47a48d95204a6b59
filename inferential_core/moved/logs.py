"""Moved to `inferential_core.log.formatting`."""

from inferential_core.moved import stand_in

stand_in(__name__, "inferential_core.log.formatting")
