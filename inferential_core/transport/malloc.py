"""Makes the C library keep freed memory for the next camera image.

By default glibc gives large blocks back to the system when they are freed, and the next message
has each page of its block faulted in again: that takes longer than to receive the image. See
mallopt(3). Whoever set MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_ keeps what they set.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys

# From malloc.h; 32 MiB is the largest block that glibc takes from its heap.
_M_TRIM_THRESHOLD, _KEEP_BYTES = -1, 256 * 1024 * 1024
_M_MMAP_THRESHOLD, _FROM_SYSTEM_BYTES = -3, 32 * 1024 * 1024


@functools.cache
def keep_freed_memory() -> bool:
    """For the whole process, once; False where there is no glibc or it was told otherwise."""
    if not sys.platform.startswith("linux"):
        return False
    if {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys():
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    return bool(kept and mallopt(_M_MMAP_THRESHOLD, _FROM_SYSTEM_BYTES))
