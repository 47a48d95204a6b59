"""What breaks things on purpose and judges what comes of it: faults, floods, long runs."""
