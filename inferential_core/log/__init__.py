"""The server's log: how its lines look, and how often the same thing is said."""
