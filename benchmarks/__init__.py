"""What the figures in the documentation come from: one module each, run with `make bench`."""
