"""The processes of a chaos run: server, robots, bridges, sensors, and what lies between them.

Each is a program of its own that answers lines of JSON (benchmarks/processes.py). Times are
monotonic seconds, which all processes of a machine share.
"""
