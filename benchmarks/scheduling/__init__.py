"""Schedulers against one another and against a bound, in simulated time.

`workloads` says who asks for what, `robots` executes chunks, `simulation` moves time, `serving`
drives the schedulers of this package, `bound` is what nobody can beat, `contestants` are who is
measured, `figures` counts, `campaign` runs rows on all cores, `report` prints them.
"""
