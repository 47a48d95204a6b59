"""Executing action chunks: pure, no rclpy, no clock. Time is an argument, in nanoseconds.

`plan` is the data, `overlap` decides what a new plan does to the one at hand, `executor` says
for any moment what each output gets. Everything about it can be computed by hand; the tests do.
"""
