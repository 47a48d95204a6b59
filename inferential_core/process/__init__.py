"""What concerns a whole process of this package: its signals, its interpreter, users' code."""
