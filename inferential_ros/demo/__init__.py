"""Simulated robots and the show they are in. Nothing outside this folder imports it."""
