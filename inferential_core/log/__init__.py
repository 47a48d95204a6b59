"""The server's log: the format of its lines, and how often the same line is written."""
