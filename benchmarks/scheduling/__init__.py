"""Schedulers against one another and against a bound, in simulated time.

`workloads` says who asks for what, `inferential_core.simulation` executes chunks and moves time,
`contestants` are who is measured, the published scheduler among them, `bound` is what nobody can
beat, `campaign` runs rows on all cores and counts, `results` puts seeds together, `report` and
`plots` show and judge; `real` compares with reality, `cost` is what scheduling itself takes.
"""
