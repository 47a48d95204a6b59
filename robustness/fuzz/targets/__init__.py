"""What is fuzzed: one module for each reader of bytes that somebody else wrote.

Each has `seeds()`, inputs to begin with; `check(data)`, which raises if a promise broke, and
nothing otherwise; and, where random bytes would not get far, `mutate(data, random)`.
"""

TARGETS = ("wire", "images", "contract", "configuration", "rights", "lerobot", "msgpack_doors")
