"""The contract: one YAML file that maps a robot's topics to observations and chunks to topics.

`schema` says what there is, `loading` reads it; converters and modes check their own keys.
"""
