"""The version, the same as in package.xml (a test compares them)."""

__version__ = "2.0.0"
