"""Executing action chunks: pure, no rclpy, no clock. Time is an argument, in nanoseconds.

plan         the data: a chunk pinned to times, and what it says between two of its steps
geometry     columns that are no plain numbers: angles without ends
rotations    and rotations, in the forms that policies give them in
overlap      how a new plan and the one at hand become one
mode         what is due at a moment? `queue`, `open_loop`, `ensemble` and `rtc` answer, and
             `modes` knows them by name
delay        the inference delay, in actions consumed
channel      one output: limits, largest step, fallback
jumps        joints that jump by more than half a turn
record       what was really published, as a plan
executor     all of it: what each output gets, now

Everything about it can be computed by hand; the tests do. The words are those of the field: a
chunk has a prediction horizon H (its steps), of which an execution horizon s is executed; the
inference delay d is the number of steps that pass between an observation and its chunk.
"""
