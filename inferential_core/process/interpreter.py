"""Sets up Python in a process of this package (a server or a bridge, not a user's program).

Both keep time with several threads in one interpreter, whose defaults favour throughput.
"""

from __future__ import annotations

import gc
import sys

# A thread that has something to do waits so long, at most, for one that executes Python; by
# default it is 5 ms, half of a period at 100 Hz.
SWITCH_S = 0.5e-3


def keep_time() -> None:
    """For once everything is loaded that stays as long as the process does.

    What is there now is never looked at again by the garbage collector: a look at all that a
    model's libraries bring stops every thread for tens of milliseconds.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()


def free_memory() -> None:
    """For once something large is let go of, such as a model: find what refers to itself, too.

    This looks at everything, so that threads stop for tens of milliseconds. What a model's
    library keeps for its next tensors on a GPU is given back, too.
    """
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
