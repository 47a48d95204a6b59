"""Real-time chunking: what a robot tells the model of the chunk it is still executing.

Keys of an observation. A client sends them (the bridge does where its contract says `mode: rtc`),
a model finds them in its observation and, by the names of `InferenceContext`, in its context. The
names are LeRobot's where it has one; the method is that of arXiv 2506.07339.
"""

from __future__ import annotations

# float32 (H, D): the actions still to be executed at the times of the coming chunk's steps; rows
# beyond `left_over_steps` repeat the last one.
LEFT_OVER = "prev_chunk_left_over"
LEFT_OVER_STEPS = "left_over_steps"  # int32: how many of the rows are such actions
DELAY = "inference_delay"  # int32: steps expected to pass until the answer comes
