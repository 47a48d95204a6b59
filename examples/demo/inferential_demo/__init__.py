"""Simulated robots and the show they are in. `inferential demo` starts it."""
