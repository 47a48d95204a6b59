"""Fleets in simulated time: robots, a model's L(b), and the server's own scheduler between them.

`workload` says who asks for what, `robots` executes chunks, `simulation` moves time, `serving`
drives the server's own classes: admission, tracking, scheduler, learned latency.
"""
