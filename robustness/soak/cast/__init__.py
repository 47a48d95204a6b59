"""The processes of a soak, beside benchmarks/peers/crowd.py."""
