"""Schedulers against one another and against a bound, in simulated time.

`workloads` says who asks for what, `robots` executes chunks, `simulation` moves time, `serving`
drives the schedulers of this package, `published` the published one, `bound` is what nobody can
beat, `contestants` are who is measured, `campaign` runs rows on all cores, `figures` counts,
`results` and `bars` judge, `report` and `plots` show; `real` compares with reality, `cost` is what
scheduling itself takes.
"""
