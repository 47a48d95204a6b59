"""Makes models of the checkpoints of other frameworks, one module or folder a framework.

Each has a function `load(source, options)`, which `inferential_core.models.schemes` names and
docs/policies.md describes. A framework is imported when a checkpoint of it is loaded, and not
before. The parts that they share:

options  what stands behind the `?` of a checkpoint
folder   a checkpoint that is a folder here; nothing is downloaded unless that is allowed
tensors  networks in one file that take and return arrays by name
damage   signs that weights are damaged, in words
naming   what the columns of a state and of an action are called, and their rate
"""
