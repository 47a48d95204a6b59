"""What a user's model is, and how it is called: on a thread, in a process or on Ray."""
