"""What a model takes, and how many robots that carries.

`measure` calls a model with batches of each size, `memory` says how much memory that took,
`capacity` lets the server's own scheduler serve fleets of growing size in simulated time.
"""
