"""Reading options from YAML: values, units, and message types by name.

Whoever reads a key says where it is; so every mistake is told with file, line and path of the key.
"""
